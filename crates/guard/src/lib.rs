//! **In**: an [`Arrival`](event::Arrival) or an [`Ask`] with the [`Facts`] about it; a resource to mask.
//! **Out**: an [`Admitted`] event or a [`Decision`] with its reasons; a masked resource.
//! **Never**: I/O, async, a clock, randomness; a decision that errors is a refusal.
//! **Start here**: [`Policies::decide`], then [`admit`]; for de-identification, [`mask`].

mod admit;
mod ask;
mod counts;
mod element;
mod load;
pub mod mask;
mod obligation;
mod pick;
mod policies;
mod posed;
mod question;
mod remembered;
mod rota;
mod rules;
mod scopes;
mod slice;
mod words;

pub use admit::{Admitted, Grant, Refused, Standing, admit};
pub use ask::{Ask, Decision, Identity, Through, asked_again};
pub use element::Element;
pub use event::{Consent, Facts, Relation, Taking};
pub use load::PolicyError;
pub use obligation::Obligation;
pub use policies::Policies;
pub use question::{Question, Who};
pub use rota::{BadRota, Rota};
pub use rules::{Heeds, Near};
pub use scopes::{BadScope, Context, Part, Scope, Seen, is_directory, seen};
