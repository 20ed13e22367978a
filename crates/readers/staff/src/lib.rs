//! **In**: sealed [`Account`](event::Body::Account), [`Person`](event::Body::Person) and
//! [`Session`](event::Body::Session) events.
//! **Out**: an [`Identity`](guard::Identity) for a passkey, a password with a code, or a token; lists
//! of people and clients.
//! **Never**: a secret in a list, a message or a log; a hint which part of a sign-in was wrong.
//! **Start here**: [`Staff`], then `book.rs`.

mod attempts;
mod book;
mod breached;
mod common;
mod error;
mod failed;
mod locked;
mod passkey;
mod person;
mod secret;
mod sign_in;
mod staff;
mod totp;
mod view;

pub use attempts::Limits;
pub use book::Listed;
pub use error::{BadPassword, Error, SignInRefused};
pub use locked::ViewKey;
pub use passkey::{Assertion, BadPasskey, Expected, Registration, register};
pub use person::{DELETED, Device, Factors, Left, Link};
pub use secret::{NewClient, hash_password, new_client};
pub use sign_in::{Attempt, PasskeyRefused, SignedIn};
pub use staff::Staff;
pub use totp::{RecoveryCodes, new_recovery, new_totp, totp_fits};
