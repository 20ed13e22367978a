//! **In**: sealed [`Glass`](event::Body::Glass) and [`PolicyChange`](event::Body::PolicyChange) events, decisions made under broken glass, [`Alteration`](event::Body::Alteration)s.
//! **Out**: whose glass is broken for whom, what was opened by it, what waits for review; the policies that were sealed last; what was found altered.
//! **Never**: a decision, a chart, a glass that outlives its time because a clock was set back.
//! **Start here**: [`Oversight`], then `book.rs`.

mod book;
mod error;
mod outside;
mod oversight;
mod view;

pub use book::{Alteration, Broken, InForce, Opened, Review};
pub use error::Error;
pub use outside::{Fate, Settling};
pub use oversight::Oversight;
