//! **In**: sealed [`App`](event::Body::App), [`Token`](event::Body::Token) and account events.
//! **Out**: what a code or token stands for, whether it was used before; how apps are registered.
//! **Never**: a code or token itself, only its SHA-256; a moment earlier than the record's last.
//! **Start here**: [`Tokens`], then `book.rs`.

mod book;
mod error;
mod secret;
mod tokens;
mod view;

pub use book::{Found, Lasting, Mark};
pub use error::Error;
pub use secret::{Hash, Minted, Sort, hash, hex, mint, unhex};
pub use tokens::{Claim, Tokens};
