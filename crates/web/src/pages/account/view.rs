use askama::Template;

use crate::pages::shell::Shell;
use crate::pages::words::Stamp;

/// A form that the browser fills in with a passkey.
pub(crate) struct PasskeyForm {
    pub action: String,
    pub challenge: String,
    /// The origin on which it works.
    pub origin: String,
    /// The host passkeys are bound to.
    pub host: String,
    pub csrf: String,
    pub next: String,
    /// Credential ids: those that may be used, or, where one is added, those that are there.
    pub known: Vec<String>,
    pub label: &'static str,
}

/// Set-up: the first administrator.
#[derive(Template)]
#[template(path = "setup.html")]
pub(crate) struct SetupPage {
    pub shell: Shell,
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
    pub passkey: PasskeyForm,
    /// The hospital's own sign-on: (name, path).
    pub sso: Option<(String, String)>,
    /// Why it did not work, in words.
    pub wrong: Option<String>,
    /// There is no administrator yet.
    pub empty: bool,
}

/// Back to a session that pauses.
#[derive(Template)]
#[template(path = "again.html")]
pub(crate) struct AgainPage {
    pub shell: Shell,
    pub name: String,
    pub account: String,
    pub csrf: String,
    pub next: String,
    pub notices: Vec<String>,
    /// The hospital's own sign-on: (name, path).
    pub sso: Option<(String, String)>,
    /// Where somebody else signs in.
    pub elsewhere: String,
    pub passkey: PasskeyForm,
    pub wrong: Option<String>,
}

/// A fresh proof.
#[derive(Template)]
#[template(path = "step_up.html")]
pub(crate) struct StepUpPage {
    pub shell: Shell,
    /// How long the proof counts, in minutes.
    pub minutes: i64,
    /// Everything that the person signs in with has to be shown.
    pub all: bool,
    /// What may be shown: a code, a passkey, or a password.
    pub code: bool,
    pub passkeys: bool,
    pub password: bool,
    /// The hospital's own sign-on: (name, path).
    pub sso: Option<(String, String)>,
    pub next: String,
    pub passkey: PasskeyForm,
    pub wrong: Option<String>,
}

/// One's own account.
#[derive(Template)]
#[template(path = "account.html")]
pub(crate) struct AccountPage {
    pub shell: Shell,
    pub answer: String,
    pub account: String,
    pub name: String,
    /// Nothing else may be done yet.
    pub enrol: bool,
    /// As (credential id, name).
    pub passkeys: Vec<(String, String)>,
    pub totp: bool,
    pub recovery: usize,
    /// There is a password already.
    pub password: bool,
    /// Somebody else set it, and it has to be changed first.
    pub renew: bool,
    pub provider: Option<String>,
    pub passkey: PasskeyForm,
    pub sessions: Vec<SessionRow>,
    pub browsers: Vec<BrowserRow>,
    pub password_letters_min: usize,
    pub wrong: Option<String>,
}

/// A session of one's own.
pub(crate) struct SessionRow {
    pub name: String,
    pub agent: String,
    pub source: String,
    pub began: Stamp,
    pub seen: Stamp,
    pub paused: bool,
    /// The one that looks at the page.
    pub own: bool,
}

/// A browser that somebody signed in from.
pub(crate) struct BrowserRow {
    pub agent: String,
    pub source: String,
    pub first: Stamp,
    pub last: Stamp,
    pub own: bool,
}

/// An authenticator app is set up.
#[derive(Template)]
#[template(path = "app.html")]
pub(crate) struct AppPage {
    pub shell: Shell,
    pub account: String,
    pub secret: String,
    /// The secret in groups of four, to type.
    pub grouped: String,
    /// The QR code: its width, and its dark squares as an SVG path.
    pub size: i32,
    pub squares: String,
    pub wrong: Option<String>,
}

/// New recovery codes, to print.
#[derive(Template)]
#[template(path = "recovery.html")]
pub(crate) struct RecoveryPage {
    pub shell: Shell,
    pub account: String,
    pub made: Stamp,
    pub codes: Vec<String>,
}

#[cfg(test)]
impl crate::pages::Samples for SetupPage {
    fn samples() -> Vec<SetupPage> {
        let fresh = SetupPage {
            shell: crate::pages::shell::samples::outside("First administrator"),
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
            password_letters_min: 12,
        };
        vec![fresh, wrong]
    }
}

#[cfg(test)]
mod samples {
    use super::*;
    use crate::pages::Samples;
    use crate::pages::shell::Here;
    use crate::pages::shell::samples::{ago, outside, shell};

    fn passkey(action: &str) -> PasskeyForm {
        PasskeyForm {
            action: action.into(),
            challenge: "AAECAwQ".into(),
            origin: "https://salus.test".into(),
            host: "salus.test".into(),
            csrf: "q0aZ7sampletoken".into(),
            next: "/patients/p1".into(),
            known: vec!["aWQ".into()],
            label: "Use a passkey",
        }
    }

    fn sso() -> (String, String) {
        let path = "/sign-in/sso?next=/patients/p1";
        ("St. Salus <staff>".into(), path.into())
    }

    impl Samples for SignInPage {
        fn samples() -> Vec<SignInPage> {
            let page = |account: &str, wrong: Option<&str>, empty: bool| SignInPage {
                shell: outside("Sign in"),
                account: account.into(),
                next: "/patients/p1".into(),
                passkey: passkey("/sign-in/passkey"),
                sso: (!empty).then(sso),
                wrong: wrong.map(str::to_owned),
                empty,
            };
            let wrong = "That name, password and code don't belong together.";
            vec![
                page("", None, false),
                page("anna", Some(wrong), false),
                page("", None, true),
            ]
        }
    }

    impl Samples for AgainPage {
        fn samples() -> Vec<AgainPage> {
            vec![AgainPage {
                shell: outside("Go on"),
                name: "Anna <Keller>".into(),
                account: "anna".into(),
                csrf: "q0aZ7sampletoken".into(),
                next: "/patients/p1".into(),
                notices: vec!["This session's cookie was used from another device.".into()],
                sso: Some(sso()),
                elsewhere: "/sign-in?next=/patients/p1".into(),
                passkey: passkey("/sign-in/again/passkey"),
                wrong: Some("The password or the code is not right.".into()),
            }]
        }
    }

    impl Samples for StepUpPage {
        fn samples() -> Vec<StepUpPage> {
            let page = |code: bool, passkeys: bool| StepUpPage {
                shell: shell("Who is there?", Here::Nowhere),
                minutes: 5,
                all: code,
                code,
                passkeys,
                password: code || !passkeys,
                sso: passkeys.then(sso),
                next: "/settings/people".into(),
                passkey: passkey("/account/step-up/passkey"),
                wrong: code.then(|| "That code is not right.".into()),
            };
            vec![page(true, true), page(false, true), page(false, false)]
        }
    }

    impl Samples for AccountPage {
        fn samples() -> Vec<AccountPage> {
            vec![account(false), account(true)]
        }
    }

    fn account(enrol: bool) -> AccountPage {
        let passkeys = vec![("aWQ".to_owned(), "Phone <of Anna>".to_owned())];
        let session = |own: bool| SessionRow {
            name: "0a1b2c".into(),
            agent: "Firefox on Windows".into(),
            source: "10.0.0.7".into(),
            began: ago(90),
            seen: ago(1),
            paused: !own,
            own,
        };
        let mut shell = shell("Your account", Here::Nowhere);
        shell.notices = vec!["Somebody signed in as you from a browser that is new.".into()];
        AccountPage {
            shell,
            answer: "You sign in with a passkey.".into(),
            account: "anna".into(),
            name: "Anna Keller".into(),
            enrol,
            passkeys: if enrol { Vec::new() } else { passkeys },
            totp: !enrol,
            recovery: if enrol { 0 } else { 8 },
            password: !enrol,
            renew: enrol,
            provider: (!enrol).then(|| "https://login.hospital.example".into()),
            passkey: passkey("/account/passkeys"),
            sessions: vec![session(true), session(false)],
            browsers: vec![BrowserRow {
                agent: "Firefox on Windows".into(),
                source: "10.0.0.7".into(),
                first: ago(60 * 24 * 30),
                last: ago(90),
                own: true,
            }],
            password_letters_min: 12,
            wrong: enrol.then(|| "The two passwords differ.".into()),
        }
    }

    impl Samples for AppPage {
        fn samples() -> Vec<AppPage> {
            vec![AppPage {
                shell: shell("An authenticator app", Here::Nowhere),
                account: "anna".into(),
                secret: "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ".into(),
                grouped: "GEZD GNBV".into(),
                size: 41,
                squares: "M4 4h1v1h-1z".into(),
                wrong: Some("That is not the app's code now.".into()),
            }]
        }
    }

    impl Samples for RecoveryPage {
        fn samples() -> Vec<RecoveryPage> {
            vec![RecoveryPage {
                shell: shell("Recovery codes", Here::Nowhere),
                account: "anna".into(),
                made: ago(0),
                codes: vec!["abcd-efgh-ijkl-mnop".into(); 10],
            }]
        }
    }
}
