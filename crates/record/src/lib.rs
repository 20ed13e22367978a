//! **In**: [`Admitted`](guard::Admitted) events and [`Decision`](guard::Decision)s.
//! **Out**: [`Receipt`]s after the commit, [`Permit`]s, [`Sealed`] events, proofs, verification.
//! **Never**: an acknowledgement before the commit; a signature from memory; the same index twice.
//! **Start here**: [`Record`], then `sequencer`.

mod door;
mod error;
mod reader;
mod sealed;

pub use door::{Config, Record};
pub use error::Error;
pub use reader::{Reader, ReaderError, follow};
pub use sealed::{Blind, Permit, Receipt, Sealed, Witnessed};
