//! What is known of a person beyond their account: factors, browsers, whether they left.

use event::{Passkey, PersonStep, Session, Time, Used};
use serde::{Deserialize, Serialize};

/// Browsers remembered of one person; the one not seen for longest makes room.
const DEVICES_MAX: usize = 50;

/// What was folded of one person. Kept as JSON in the view.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Person {
    pub(crate) passkeys: Vec<Passkey>,
    /// Base32 secret of the authenticator app.
    pub(crate) totp: Option<String>,
    /// The newest step whose code was used.
    pub(crate) totp_step: i64,
    /// Hex SHA-256 of the recovery codes that are left.
    pub(crate) recovery: Vec<String>,
    pub(crate) devices: Vec<Device>,
    pub(crate) left: Option<Left>,
    pub(crate) link: Option<Link>,
    /// An administrator set the password, and its owner has not changed it yet.
    pub(crate) temporary: bool,
}

/// A browser that somebody signed in from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// 16 hex digits of the hash of its cookie.
    pub id: String,
    /// In words, for instance `Firefox on Windows`.
    pub agent: String,
    /// The address of the last sign-in.
    pub source: String,
    /// When somebody first signed in from it.
    pub first: Time,
    /// When last.
    pub last: Time,
}

/// That somebody left, and when their access ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Left {
    /// When they should have had no access any more.
    pub due: Time,
    /// When they had none.
    pub ended: Time,
    /// Who said so.
    pub source: String,
}

/// How the source of [`Left`] begins if the account was deleted, and not only closed.
pub const DELETED: &str = "scim-removed";

impl Left {
    /// Whether the account was deleted: its name is nobody's ever after.
    pub fn is_deleted(&self) -> bool {
        self.source.starts_with(DELETED)
    }
}

/// Who a person is at an OpenID provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// The provider's `iss`.
    pub issuer: String,
    /// The person's `sub`.
    pub subject: String,
}

/// What somebody can prove themselves with, without any secret.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Factors {
    /// Passkeys, as (credential id, name).
    pub passkeys: Vec<(String, String)>,
    /// Whether an authenticator app is set up.
    pub totp: bool,
    /// Recovery codes that are left.
    pub recovery: usize,
    /// Whether there is a password.
    pub password: bool,
    /// Whether an administrator set that password, and it has to be changed first.
    pub temporary: bool,
    /// The OpenID provider that vouches for them.
    pub provider: Option<String>,
    /// Browsers they signed in from, the latest first.
    pub devices: Vec<Device>,
}

impl Factors {
    /// Whether there is anything but a password here.
    pub fn strong(&self) -> bool {
        !self.passkeys.is_empty() || self.totp
    }
}

impl Person {
    pub(crate) fn strong(&self) -> bool {
        !self.passkeys.is_empty() || self.totp.is_some()
    }

    pub(crate) fn passkey(&self, id: &str) -> Option<&Passkey> {
        self.passkeys.iter().find(|passkey| passkey.id == id)
    }

    /// Folds a change that is not the password's.
    pub(crate) fn change(&mut self, at: Time, change: &PersonStep) {
        match change {
            PersonStep::Linked { issuer, subject } => {
                self.link = Some(Link {
                    issuer: issuer.clone(),
                    subject: subject.clone(),
                });
            }
            PersonStep::Left { due, source } => {
                self.left = Some(Left {
                    due: *due,
                    ended: at,
                    source: source.clone(),
                });
            }
            PersonStep::PasskeyAdded(passkey) => {
                self.passkeys.retain(|known| known.id != passkey.id);
                self.passkeys.push(passkey.clone());
            }
            PersonStep::PasskeyRemoved { id } => self.passkeys.retain(|known| known.id != *id),
            PersonStep::Password { .. } => self.temporary = false,
            PersonStep::Recovery { hashes } => self.recovery.clone_from(hashes),
            PersonStep::Reset => {
                self.passkeys.clear();
                self.totp = None;
                self.recovery.clear();
            }
            PersonStep::Totp { secret } => self.totp.clone_from(secret),
        }
    }

    /// Folds a session that somebody proved themselves for.
    pub(crate) fn proved(&mut self, at: Time, session: &Session) {
        match &session.used {
            Some(Used::Passkey { id, counter }) => {
                let known = self.passkeys.iter_mut().find(|known| known.id == *id);
                known.into_iter().for_each(|known| known.counter = *counter);
            }
            Some(Used::Recovery { hash }) => self.recovery.retain(|known| known != hash),
            Some(Used::Totp { step }) => self.totp_step = self.totp_step.max(*step),
            Some(Used::Password | Used::Provider { .. }) | None => {}
        }
        if !session.device.is_empty() {
            self.seen(at, session);
        }
    }

    fn seen(&mut self, at: Time, session: &Session) {
        let known = self.devices.iter().position(|one| one.id == session.device);
        let first = known.map_or(at, |place| self.devices.remove(place).first);
        self.devices.insert(
            0,
            Device {
                id: session.device.clone(),
                agent: session.agent.clone(),
                source: session.source.clone(),
                first,
                last: at,
            },
        );
        self.devices.truncate(DEVICES_MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Time {
        Time::from_millis(millis)
    }

    #[test]
    fn what_was_used_is_used_up() {
        let mut person = Person::default();
        let hashes = vec!["a".to_owned(), "b".to_owned()];
        person.change(at(1), &PersonStep::Recovery { hashes });
        let used = |used| Session {
            used: Some(used),
            ok: true,
            ..Session::default()
        };
        person.proved(at(2), &used(Used::Recovery { hash: "a".into() }));
        person.proved(at(2), &used(Used::Totp { step: 9 }));
        person.proved(at(3), &used(Used::Totp { step: 8 }));
        assert_eq!(
            (person.recovery, person.totp_step),
            (vec!["b".to_owned()], 9)
        );
    }

    #[test]
    fn a_browser_is_remembered_from_its_first_sign_in() {
        let mut person = Person::default();
        for (millis, device) in [(1, "d1"), (2, "d2"), (3, "d1")] {
            let session = Session {
                device: device.into(),
                ..Session::default()
            };
            person.proved(at(millis), &session);
        }
        let first = &person.devices[0];
        assert_eq!(
            (first.id.as_str(), first.first, first.last),
            ("d1", at(1), at(3))
        );
        assert_eq!(person.devices.len(), 2);
    }

    #[test]
    fn a_reset_takes_every_factor() {
        let mut person = Person {
            totp: Some("ABCD".into()),
            recovery: vec!["a".into()],
            ..Person::default()
        };
        assert!(person.strong());
        person.change(at(1), &PersonStep::Reset);
        assert!(!person.strong() && person.recovery.is_empty());
    }
}
