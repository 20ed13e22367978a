use askama::Template;
use event::Role;

use crate::pages::shell::Shell;
use crate::pages::words::{self, Stamp};

/// Who may sign in?
#[derive(Template)]
#[template(path = "people.html")]
pub(crate) struct PeoplePage {
    pub shell: Shell,
    pub answer: String,
    pub people: Vec<PersonRow>,
    pub form: PersonForm,
    pub roles: Vec<RoleChoice>,
    pub wards: Vec<String>,
    pub wrong: Option<String>,
    pub password_letters_min: usize,
    /// New passwords are held against a list of stolen ones.
    pub listed: bool,
    /// The lists of leavers that are watched.
    pub lists: Option<Lists>,
}

/// Lists of leavers that are watched.
pub(crate) struct Lists {
    /// The file or folder.
    pub place: String,
    pub looked: Stamp,
    /// Why one of them was not carried out, in words.
    pub trouble: Option<String>,
}

/// A person with an account.
pub(crate) struct PersonRow {
    pub account: String,
    pub name: String,
    pub role: &'static str,
    pub wards: String,
    pub practitioner: String,
    pub disabled: bool,
    /// The one who looks at the page: nobody disables themself.
    pub own: bool,
    /// Whether they have a passkey or an app here.
    pub strong: bool,
    pub signed_in: Option<Stamp>,
    /// When they left, and how long their access outlived that.
    pub left: Option<Leaver>,
}

/// Somebody who left.
pub(crate) struct Leaver {
    pub due: Stamp,
    /// The time between the two, in words.
    pub lag: String,
    /// Access ended before it was due.
    pub early: bool,
    pub source: String,
}

/// What was typed.
#[derive(Debug, Clone, Default)]
pub(crate) struct PersonForm {
    pub account: String,
    pub name: String,
    pub wards: String,
    pub practitioner: String,
}

/// A role to choose.
pub(crate) struct RoleChoice {
    pub word: &'static str,
    pub name: &'static str,
    pub chosen: bool,
    pub what: &'static str,
}

/// The roles a person can have, the `chosen` one marked.
pub(crate) fn roles(chosen: &str) -> Vec<RoleChoice> {
    Role::PEOPLE
        .into_iter()
        .map(|role| RoleChoice {
            word: role.word(),
            name: words::role(role),
            chosen: role.word() == chosen,
            what: does(role),
        })
        .collect()
}

const fn does(role: Role) -> &'static str {
    match role {
        Role::Nurse => "Sees the patients of their wards.",
        Role::Physician => "Sees the patients of their wards, and those who name them.",
        Role::PrivacyOfficer => "Sees who saw what; no chart.",
        Role::Administrator => "Manages people and feeds; no chart.",
        Role::Client | Role::Feed | Role::Operator | Role::Salus => "",
    }
}

#[cfg(test)]
impl crate::pages::Samples for PeoplePage {
    fn samples() -> Vec<PeoplePage> {
        vec![samples::some(), samples::alone()]
    }
}

#[cfg(test)]
mod samples {
    use super::*;
    use crate::pages::shell::Here;
    use crate::pages::shell::samples::{administrator, ago};

    fn person(account: &str, name: &str, role: &'static str, disabled: bool) -> PersonRow {
        PersonRow {
            account: account.into(),
            name: name.into(),
            role,
            wards: if role == "nurse" {
                "ICU, MED1".into()
            } else {
                String::new()
            },
            practitioner: if role == "physician" {
                "1234567".into()
            } else {
                String::new()
            },
            disabled,
            own: role == "administrator",
            strong: role != "physician",
            signed_in: (role == "nurse").then(|| ago(90)),
            left: disabled.then(|| Leaver {
                due: ago(30),
                lag: "2 seconds".into(),
                early: false,
                source: "scim:hr".into(),
            }),
        }
    }

    pub(super) fn some() -> PeoplePage {
        PeoplePage {
            shell: administrator("People", Here::Settings),
            answer: "3 people may sign in.".into(),
            people: vec![
                person("tomas", "Tomás <Órtiz>", "administrator", false),
                person("anna", "Anna Keller", "nurse", false),
                person("li", "Li Wei", "physician", false),
                person("old", "Olga Dern", "nurse", true),
            ],
            form: PersonForm {
                account: "an na".into(),
                name: "Anna \"K\"".into(),
                ..PersonForm::default()
            },
            roles: roles("physician"),
            wards: vec!["ICU".into(), "MED1".into()],
            wrong: Some("A sign-in name has letters, digits, dots and dashes only.".into()),
            password_letters_min: 12,
            listed: false,
            lists: Some(Lists {
                place: "/srv/hr/leavers".into(),
                looked: ago(1),
                trouble: Some("`week-48.csv`, line 3: `yesterday` is no time".into()),
            }),
        }
    }

    pub(super) fn alone() -> PeoplePage {
        let mut page = some();
        page.people.truncate(1);
        page.answer = "Only you may sign in.".into();
        page.wrong = None;
        page.form = PersonForm::default();
        page.wards = Vec::new();
        page.shell.done = Some("Anna Keller was added and may sign in.".into());
        page
    }
}
