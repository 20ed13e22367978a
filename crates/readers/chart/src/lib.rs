//! **In**: sealed messages, FHIR writes and unmerges.
//! **Out**: current charts, their versions, search, census; content only for a consumed `Permit`.
//! **Never**: a change to the record; content without a permit; a patient the permit does not name.
//! **Start here**: [`Chart`], then [`Open`].

mod alias;
mod around;
mod carry;
mod census;
mod changes;
mod chart;
mod compare;
mod document;
mod domain;
mod error;
mod excerpt;
mod fold;
mod hash;
mod heads;
mod held;
mod hide;
mod history;
mod instances;
mod kept;
mod label;
mod listed;
mod member;
mod open;
mod page;
mod parts;
mod place;
mod read;
mod ready;
mod rewind;
mod scope;
mod search;
mod stay;
mod store;
mod summary;
mod tie;
mod token;
mod view;
mod whole;
mod words;
mod words_of;

pub use carry::{Carried, WardState};
pub use changes::{Change, Changes, Written};
pub use chart::{Chart, Config, Located, WardCount};
pub use compare::{Differs, Still};
pub use document::{Stamp, document};
pub use error::ChartError;
pub use held::{Differing, Held, Named};
pub use instances::{Instance, InstancesOf, Series};
pub use label::{SENSITIVITY, check_sensitivity};
pub use open::Open;
pub use page::{EverythingOf, Excerpt, HistoryOf, ListOf, Page, PageOf, Placed, Source, Stored};
pub use read::Found;
pub use ready::Due;
pub use rewind::Touched;
pub use view::{
    Address, Allergy, CensusRow, CodeStatus, Contact, Coverage, Doing, Encounter, FindPatient,
    Identifier, Identity, Mark, Medication, PatientView, Precaution, Problem, Report, ResultRow,
    Retired, Telecom, Vital, VitalReading,
};
