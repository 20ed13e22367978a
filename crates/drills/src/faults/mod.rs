//! Faults from outside: a real server that is killed at a random moment, again and again, while
//! it is sent to; and the books that say afterwards whether it kept its word.

mod audit;
mod cut;
mod ledger;
mod power;
mod siege;
mod victim;
mod writer;

pub use audit::{Findings, audit};
pub use cut::cut;
pub use ledger::{Breach, Ledger};
pub use power::Platter;
pub use siege::{Outcome, Siege, SiegeError, siege};
pub use victim::{Recipe, Victim};
pub use writer::FhirDoor;
