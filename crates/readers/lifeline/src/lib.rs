//! **In**: a ward's content, ready to be shown; sealed lists of packs, captured entries, verdicts, copies and drills.
//! **Out**: ward packs that open without Salus, how old each is; the queue of entries and what is left of it; what copies and drills proved.
//! **Never**: a chart (whoever asked for the permit hands the content in); a write to the record; an entry that becomes a chart's by itself.
//! **Start here**: [`Lifeline`], then `pack.rs`.

mod code;
mod config;
mod deed;
mod entry;
mod error;
mod fhir;
mod fold;
pub mod hl7;
mod lifeline;
mod lock;
mod openings;
mod pack;
mod packs;
mod proof;
mod push;
mod sheet;
mod upstream;
mod view;

pub use code::{Code, PackKey, Which};
pub use config::{Limits, PackConfig};
pub use deed::{Deed, Evidence};
pub use entry::{Decided, Entry, Sent, Sheet, Sum};
pub use error::Error;
pub use fhir::{Made, Whose, provenance, resource};
pub use lifeline::{Lifeline, Listing};
pub use pack::{Content, Head, Stamp, open};
pub use packs::{PackStatus, Put};
pub use proof::{Away, CopySeen, DrillSeen};
pub use sheet::SheetId;
pub use upstream::UpstreamConfig;
