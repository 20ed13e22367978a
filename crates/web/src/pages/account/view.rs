use askama::Template;

use crate::pages::shell::Shell;

/// Set-up: the first administrator.
#[derive(Template)]
#[template(path = "setup.html")]
pub(crate) struct SetupPage {
    pub shell: Shell,
    pub token: String,
    pub account: String,
    pub name: String,
    pub password_letters_min: usize,
    /// What was wrong with the form, in words.
    pub wrong: Option<String>,
}

/// Sign-in.
#[derive(Template)]
#[template(path = "sign_in.html")]
pub(crate) struct SignInPage {
    pub shell: Shell,
    pub account: String,
    /// Where to go afterwards: a path of this console.
    pub next: String,
    /// Why it did not work, in words.
    pub wrong: Option<String>,
    /// There is no administrator yet.
    pub empty: bool,
}

#[cfg(test)]
impl crate::pages::Samples for SetupPage {
    fn samples() -> Vec<SetupPage> {
        let fresh = SetupPage {
            shell: crate::pages::shell::samples::outside("First administrator"),
            token: "dG9rZW4".into(),
            account: String::new(),
            name: String::new(),
            password_letters_min: 12,
            wrong: None,
        };
        let wrong = SetupPage {
            account: "tomas".into(),
            name: "Tomás <Órtiz>".into(),
            wrong: Some("The two passwords differ. Type the same one twice.".into()),
            shell: fresh.shell.clone(),
            token: fresh.token.clone(),
            password_letters_min: 12,
        };
        vec![fresh, wrong]
    }
}

#[cfg(test)]
impl crate::pages::Samples for SignInPage {
    fn samples() -> Vec<SignInPage> {
        let page = |account: &str, wrong: Option<&str>, empty| SignInPage {
            shell: crate::pages::shell::samples::outside("Sign in"),
            account: account.into(),
            next: "/patients/p1".into(),
            wrong: wrong.map(str::to_owned),
            empty,
        };
        vec![
            page("", None, false),
            page(
                "anna",
                Some("That name and password don't belong together."),
                false,
            ),
            page("", None, true),
        ]
    }
}
