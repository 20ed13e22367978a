//! What a staff directory sends.

use event::{Account, Role};
use serde::Deserialize;
use serde_json::Value;

use super::answer::Fault;
use super::user::PERSON;
use crate::pages::account::{sound_account, sound_name};

/// A user as it was sent: the attributes that count here.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Wanted {
    #[serde(default)]
    user_name: String,
    display_name: Option<String>,
    name: Option<Name>,
    #[serde(default, deserialize_with = "truth")]
    pub(super) active: Option<bool>,
    roles: Option<Vec<Role1>>,
    user_type: Option<String>,
    #[serde(rename = "urn:salus:scim:schemas:Person")]
    person: Option<Person>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Name {
    formatted: String,
    given_name: String,
    family_name: String,
}

/// One of `roles`.
#[derive(Debug, Clone, Deserialize)]
struct Role1 {
    value: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Person {
    wards: Option<Vec<String>>,
    practitioner: Option<String>,
}

/// Some directories write truth as text.
fn truth<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    let value = Option::<Value>::deserialize(deserializer)?;
    let Some(value) = value.filter(|value| !value.is_null()) else {
        return Ok(None);
    };
    let read = boolean(&value).ok_or("`active` is neither true nor false");
    read.map(Some).map_err(serde::de::Error::custom)
}

fn boolean(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(truth) => Some(*truth),
        Value::String(text) if text.eq_ignore_ascii_case("true") => Some(true),
        Value::String(text) if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

impl Wanted {
    pub(super) fn read(body: &[u8]) -> Result<Wanted, Fault> {
        serde_json::from_slice(body).map_err(|why| Fault::Syntax(why.to_string()))
    }

    /// The account's name.
    pub(super) fn id(&self) -> Result<&str, Fault> {
        let bad = || {
            let name = &self.user_name;
            Fault::Value(format!(
                "`userName` `{name}` needs lower-case letters, digits, dots and dashes, at most 64"
            ))
        };
        sound_account(&self.user_name).map_err(|_| bad())?;
        Ok(&self.user_name)
    }

    /// The account it asks for; what it does not say stays as in `old`.
    pub(super) fn account(&self, old: Option<&Account>) -> Result<Account, Fault> {
        let name = match (self.name(), old) {
            (Some(name), _) => name,
            (None, Some(old)) => old.name.clone(),
            (None, None) => self.user_name.clone(),
        };
        let person = self.person.clone().unwrap_or_default();
        let role = match (self.role()?, old) {
            (Some(role), _) => role,
            (None, Some(old)) => old.role,
            (None, None) => return Err(no_role("")),
        };
        let wards = person.wards.or_else(|| old.map(|old| old.wards.clone()));
        let practitioner = person.practitioner;
        Ok(Account {
            name: named(name)?,
            role,
            wards: wards.unwrap_or_default(),
            practitioner: practitioner.or_else(|| old.and_then(|old| old.practitioner.clone())),
            secret: old.map(|old| old.secret.clone()).unwrap_or_default(),
            scopes: Vec::new(),
        })
    }

    fn name(&self) -> Option<String> {
        let said = |text: &String| !text.trim().is_empty();
        let parts = self.name.clone().unwrap_or_default();
        let whole = format!("{} {}", parts.given_name, parts.family_name);
        let choices = [
            self.display_name.clone().unwrap_or_default(),
            parts.formatted,
            whole,
        ];
        let found = choices.into_iter().find(said);
        found.map(|name| name.trim().to_owned())
    }

    fn role(&self) -> Result<Option<Role>, Fault> {
        let roles = self.roles.iter().flatten().map(|role| role.value.as_str());
        let mut said = roles.chain(self.user_type.as_deref());
        said.next().map(role).transpose()
    }
}

fn named(name: String) -> Result<String, Fault> {
    sound_name(&name).map_err(|_| {
        Fault::Value("a name has at most 100 characters and none that control".into())
    })?;
    Ok(name)
}

fn role(word: &str) -> Result<Role, Fault> {
    let role = Role::person(word).filter(|role| *role != Role::Administrator);
    role.ok_or_else(|| no_role(word))
}

fn no_role(word: &str) -> Fault {
    let words: Vec<&str> = Role::PEOPLE
        .iter()
        .filter(|role| **role != Role::Administrator)
        .map(|role| role.word())
        .collect();
    Fault::Value(format!(
        "`roles` with `{word}`: one of {} is needed",
        words.join(", ")
    ))
}

/// One thing that a PATCH changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    Active(bool),
    Name(String),
    Role(Role),
}

#[derive(Deserialize)]
struct Patch {
    #[serde(rename = "Operations")]
    operations: Vec<Operation>,
}

#[derive(Deserialize)]
struct Operation {
    op: String,
    #[serde(default)]
    path: String,
    #[serde(default)]
    value: Value,
}

/// What a PATCH asks for (RFC 7644 section 3.5.2): `replace` and `add` of `active`, `displayName`,
/// `name.formatted` and `roles`, with a path or with an object of them.
pub(super) fn changes(body: &[u8]) -> Result<Vec<Change>, Fault> {
    let patch: Patch =
        serde_json::from_slice(body).map_err(|why| Fault::Syntax(why.to_string()))?;
    let mut changes = Vec::new();
    for operation in patch.operations {
        let op = operation.op.to_ascii_lowercase();
        if op != "replace" && op != "add" {
            return Err(Fault::Value(format!(
                "`{op}` is not done here; `replace` and `add` are"
            )));
        }
        match (&operation.value, operation.path.as_str()) {
            (Value::Object(fields), "") => {
                for (path, value) in fields {
                    changes.extend(change(path, value)?);
                }
            }
            (value, path) => changes.extend(change(path, value)?),
        }
    }
    Ok(changes)
}

/// Attributes that do not count here are no change: directories send all they know.
fn change(path: &str, value: &Value) -> Result<Option<Change>, Fault> {
    let bad = || Fault::Value(format!("the value of `{path}` cannot be"));
    let text = || value.as_str().map(str::to_owned).ok_or_else(bad);
    match path.to_ascii_lowercase().as_str() {
        "active" => boolean(value).map(Change::Active).map(Some).ok_or_else(bad),
        "displayname" | "name.formatted" => Ok(Some(Change::Name(named(text()?)?))),
        "usertype" => Ok(Some(Change::Role(role(&text()?)?))),
        "roles" => {
            let first = value.get(0).unwrap_or(value);
            let word = first
                .get("value")
                .unwrap_or(first)
                .as_str()
                .ok_or_else(bad)?;
            Ok(Some(Change::Role(role(word)?)))
        }
        "username" => Err(Fault::Value("`userName` cannot change".to_owned())),
        other if other == PERSON.to_ascii_lowercase() => Err(Fault::Value(format!(
            "`{PERSON}` is replaced by PUT, not by PATCH"
        ))),
        _ => Ok(None),
    }
}

/// The name that a filter asks for: `userName eq "anna"`, the one that is answered.
pub(super) fn user_name(filter: &str) -> Result<String, Fault> {
    let bad = || Fault::Filter("only `userName eq \"...\"` is answered".to_owned());
    let mut words = filter.trim().splitn(3, ' ');
    let (name, op, value) = (words.next(), words.next(), words.next());
    let known = name.is_some_and(|name| name.eq_ignore_ascii_case("userName"))
        && op.is_some_and(|op| op.eq_ignore_ascii_case("eq"));
    let value: Option<String> = value.and_then(|value| serde_json::from_str(value).ok());
    value.filter(|_| known).ok_or_else(bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_directory_writes_is_understood() {
        assert_eq!(user_name(r#"userName eq "anna""#).unwrap(), "anna");
        assert_eq!(user_name(r#"username EQ "an\"na""#).unwrap(), "an\"na");
        for bad in [
            "",
            "userName",
            r#"userName sw "a""#,
            r#"id eq "a""#,
            r#"userName eq "a" or x"#,
        ] {
            assert!(matches!(user_name(bad), Err(Fault::Filter(_))), "{bad}");
        }
        let off = vec![Change::Active(false)];
        for body in [
            r#"{"Operations":[{"op":"replace","path":"active","value":false}]}"#,
            r#"{"Operations":[{"op":"Replace","path":"active","value":"False"}]}"#,
            r#"{"Operations":[{"op":"replace","value":{"active":false,"title":"Dr"}}]}"#,
        ] {
            assert_eq!(changes(body.as_bytes()).unwrap(), off, "{body}");
        }
    }

    #[test]
    fn nobody_becomes_an_administrator_through_the_directory() {
        let body = r#"{"userName":"anna","roles":[{"value":"administrator"}]}"#;
        let wanted = Wanted::read(body.as_bytes()).unwrap();
        assert!(matches!(wanted.account(None), Err(Fault::Value(_))));
        let body =
            r#"{"Operations":[{"op":"add","path":"roles","value":[{"value":"administrator"}]}]}"#;
        assert!(changes(body.as_bytes()).is_err());
    }

    #[test]
    fn what_is_not_said_stays() {
        let old = Account {
            name: "Anna Keller".into(),
            role: Role::Nurse,
            wards: vec!["ICU".into()],
            practitioner: Some("N1".into()),
            secret: "kept".into(),
            scopes: Vec::new(),
        };
        let wanted = Wanted::read(br#"{"userName":"anna","userType":"physician"}"#).unwrap();
        let new = wanted.account(Some(&old)).unwrap();
        assert_eq!(
            new,
            Account {
                role: Role::Physician,
                ..old
            }
        );
    }
}
