//! What a person proves themselves with, and what they do with it.

use serde::{Deserialize, Serialize};

use crate::Time;

/// Something about a person's account that only concerns who they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonChange {
    /// The account's id.
    pub account: String,
    /// What changed.
    pub change: PersonStep,
}

/// What changed about a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "step")]
pub enum PersonStep {
    /// The account was tied to a person of an OpenID provider.
    Linked {
        /// The provider, as `iss` names it.
        issuer: String,
        /// The person, as `sub` names them.
        subject: String,
    },
    /// They left: from `due` on they should have had no access.
    Left {
        /// When, as whoever said so has it.
        due: Time,
        /// Who said so: `scim:CLIENT` or `list:FILE`.
        source: String,
    },
    /// A passkey was added.
    PasskeyAdded(Passkey),
    /// A passkey was removed.
    PasskeyRemoved {
        /// Its credential id, base64url.
        id: String,
    },
    /// The password was changed by its owner.
    Password {
        /// Its argon2id PHC string.
        secret: String,
    },
    /// New recovery codes; the old ones no longer work.
    Recovery {
        /// Hex SHA-256 of each code.
        hashes: Vec<String>,
    },
    /// An administrator took every second factor away, because a device was lost.
    Reset,
    /// Codes of an authenticator app (RFC 6238) were set up, or (`None`) taken away.
    Totp {
        /// The secret shared with the app, base32.
        secret: Option<String>,
    },
}

/// A passkey (WebAuthn Level 3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passkey {
    /// Its credential id, base64url.
    pub id: String,
    /// What its owner calls it.
    pub name: String,
    /// The public key, a COSE key (RFC 9052), base64url.
    pub key: String,
    /// The signature counter when it was added; 0: it does not count.
    pub counter: u32,
}

/// A sign-in or sign-out, an attempt, or what else became of a session.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// The account that was named.
    pub account: String,
    /// Whether it worked.
    pub ok: bool,
    /// Why not, or from where, in words.
    pub note: String,
    /// What was done.
    #[serde(default)]
    pub step: SessionStep,
    /// The address it came from.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub source: String,
    /// Which browser: the first 16 hex digits of the SHA-256 of its device cookie.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub device: String,
    /// The browser in words, for instance `Firefox on Windows`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub agent: String,
    /// What it was proved with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used: Option<Used>,
}

impl Session {
    /// What became of an account's session, with nothing known about the browser.
    pub fn of(account: &str, note: &str) -> Session {
        Session {
            account: account.to_owned(),
            note: note.to_owned(),
            ..Session::default()
        }
    }
}

/// What was done to a session.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SessionStep {
    /// It began, or somebody tried.
    #[default]
    Began,
    /// It was ended, by its owner or because of them.
    Ended,
    /// Its cookie came from another device, and was refused.
    Misused,
    /// It went on after a pause, or somebody tried.
    Resumed,
    /// Its owner proved themselves again before a dangerous act, or tried.
    SteppedUp,
    /// An attempt that was not looked at, because there had been too many.
    TurnedAway,
}

/// What somebody proved themselves with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "by")]
pub enum Used {
    /// A passkey.
    Passkey {
        /// Its credential id, base64url.
        id: String,
        /// Its signature counter after this use.
        counter: u32,
    },
    /// A password, and nothing else.
    Password,
    /// An OpenID provider's word.
    Provider {
        /// The provider, as `iss` names it.
        issuer: String,
    },
    /// A password and a recovery code, which is used up.
    Recovery {
        /// Hex SHA-256 of the code.
        hash: String,
    },
    /// A password and an authenticator app's code; that and older codes are used up.
    Totp {
        /// The number of 30-second steps since 1970.
        step: i64,
    },
}

impl Used {
    /// Whether it is more than something that can be known.
    pub const fn strong(&self) -> bool {
        !matches!(self, Used::Password)
    }

    /// How it is called, in words.
    pub const fn words(&self) -> &'static str {
        match self {
            Used::Passkey { .. } => "a passkey",
            Used::Password => "a password alone",
            Used::Provider { .. } => "single sign-on",
            Used::Recovery { .. } => "a recovery code",
            Used::Totp { .. } => "an app's code",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_that_was_sealed_before_it_had_a_device_is_read() {
        let old = r#"{"account":"anna","ok":true,"note":"from 10.0.0.1"}"#;
        let session: Session = serde_json::from_str(old).unwrap();
        assert!(session.ok && session.step == SessionStep::Began && session.used.is_none());
    }

    #[test]
    fn what_a_person_changes_survives_the_record() {
        let steps = [
            PersonStep::Reset,
            PersonStep::Totp { secret: None },
            PersonStep::PasskeyAdded(Passkey {
                id: "aWQ".into(),
                name: "phone".into(),
                key: "a2V5".into(),
                counter: 7,
            }),
        ];
        for change in steps {
            let change = PersonChange {
                account: "anna".into(),
                change,
            };
            let text = serde_json::to_string(&change).unwrap();
            assert_eq!(serde_json::from_str::<PersonChange>(&text).unwrap(), change);
        }
    }
}
