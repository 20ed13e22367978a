//! Queries and retrievals: what is asked of the charts over DICOM, and who answers it.

use async_trait::async_trait;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use wire::dicom::{Attributes, Query, Status};

use super::{Destination, Feed};

/// Who answers: it asks the guard first, and seals what was decided and whom it showed.
#[async_trait]
pub trait Answers: Send + Sync + 'static {
    /// What matches a query.
    ///
    /// # Errors
    /// [`Unanswered`] says why nothing is told.
    async fn find(&self, asked: Asked<'_>) -> Result<Found, Unanswered>;

    /// The objects that a retrieval names, as far as the asker may have them.
    ///
    /// # Errors
    /// [`Unanswered`] says why there are none.
    async fn retrieve(&self, asked: Asked<'_>) -> Result<Box<dyn Retrieval>, Unanswered>;

    /// Sends objects to a destination until all are sent or it is cancelled, and tells what became of
    /// each.
    ///
    /// # Errors
    /// In words, why the rest was not sent.
    async fn deliver(
        &self,
        (delivery, objects): (Delivery<'_>, Box<dyn Retrieval>),
        told: mpsc::Sender<Delivered>,
    ) -> Result<(), String>;
}

/// Objects that may be sent, as long as the guard shows them and there is room for them.
#[async_trait]
pub trait Retrieval: Send {
    /// All of them.
    fn objects(&self) -> &[Kept];

    /// The one at a place.
    ///
    /// # Errors
    /// In words, why it is not sent.
    async fn object(&mut self, place: usize) -> Result<Object, String>;
}

/// An object on its way.
pub struct Object {
    /// The file, as it is kept.
    pub file: Vec<u8>,
    /// To be held until it is sent.
    pub room: Box<dyn Send + Sync>,
}

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Who asks.
    pub feed: &'a Feed,
    /// From which address.
    pub address: &'a str,
    /// What is to match.
    pub query: &'a Query,
    /// The operation and what it asks, in one line, for the record.
    pub said: &'a str,
    /// Matches or objects, at most.
    pub max: usize,
}

/// What matches.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// Each match.
    pub matches: Vec<Attributes>,
    /// There are more than may be told.
    pub more: bool,
}

/// Why nothing is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unanswered {
    /// It may not be asked: the guard's words.
    Refused(String),
    /// It would take more than may be taken.
    TooMuch(String),
    /// It is our fault.
    Broken(String),
}

/// An object that may be sent: a permit showed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The event that brought it.
    pub index: u64,
    /// SOP Class UID.
    pub class: String,
    /// SOP Instance UID.
    pub instance: String,
    /// UID of the transfer syntax in which it is kept.
    pub syntax: String,
}

/// What is to be sent where.
#[derive(Debug, Clone, Copy)]
pub struct Delivery<'a> {
    /// Where.
    pub destination: &'a Destination,
    /// The AE title by which Salus calls.
    pub calling: &'a str,
    /// Who had it moved: AE title and Message ID.
    pub origin: (&'a str, u16),
    /// Milliseconds for all of it.
    pub wait_ms: u64,
    /// Milliseconds for one answer.
    pub answer_ms: u64,
    /// Nothing more is to be sent once this is cancelled.
    pub stop: &'a CancellationToken,
}

/// What became of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivered {
    /// SOP Instance UID.
    pub instance: String,
    /// What became of it.
    pub fate: Fate,
}

/// What became of an object that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It was taken.
    Taken,
    /// It was taken with a warning.
    Warned,
    /// It was not.
    Failed,
}

impl Fate {
    /// What the status of a C-STORE response means (PS3.4 table B.2-1).
    pub const fn of(status: u16) -> Fate {
        match status {
            0x0000 => Fate::Taken,
            0x0001 | 0x0107 | 0x0116 | 0xB000..=0xBFFF => Fate::Warned,
            _ => Fate::Failed,
        }
    }
}

impl Unanswered {
    /// The status and the comment that say so.
    pub(crate) fn status(&self) -> (Status, &str) {
        match self {
            Unanswered::Refused(why) => (Status::NotAuthorized, why),
            Unanswered::TooMuch(why) => (Status::OutOfResources, why),
            Unanswered::Broken(_) => (Status::ProcessingFailure, "Salus has a fault; ask again"),
        }
    }
}
