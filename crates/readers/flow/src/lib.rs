//! **In**: sealed [`Message`](event::Body::Message), [`Unread`](event::Body::Unread) and
//! [`Signals`](event::Body::Signals) events; the steps of bulk imports.
//! **Out**: how each feed does, whether it is silent for longer than usual, which messages came, which are kept but not mapped, which could
//! not be read; how far each bulk import is.
//! **Never**: a name, an identifier or a body of a patient; those stay in the record.
//! **Start here**: [`Flow`], then `batch.rs`.

mod ask;
mod batch;
mod error;
mod flow;
mod imports;
mod known;
mod learned;
mod page;
mod purge;
mod save;
mod silence;
mod view;

pub use ask::{
    Count, Feed, Filter, KeptKind, Listing, MessageRow, Page, Quarantined, Silence, Total, Which,
};
pub use error::Error;
pub use flow::{Flow, Imports, Limits};
pub use imports::{Import, ImportFile};
pub use silence::{Usual, WEEKS_MIN};
