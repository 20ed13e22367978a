//! **In**: sealed [`Account`](event::Body::Account) and [`Session`](event::Body::Session) events.
//! **Out**: an [`Identity`](guard::Identity) for a password or a token; lists of people and clients.
//! **Never**: a secret in a list, a message or a log; a hint which part of a sign-in was wrong.
//! **Start here**: [`Staff`], then `book.rs`.

mod attempts;
mod book;
mod error;
mod secret;
mod staff;
mod view;

pub use attempts::Limits;
pub use book::Listed;
pub use error::{BadPassword, Error, SignInRefused};
pub use secret::{NewClient, hash_password, new_client};
pub use staff::Staff;
