//! The way to a receiver, and what it answers.

use std::sync::Arc;

use routes::{RouteConfig, Target};

use super::{file, mllp};
use crate::App;

/// What became of one sending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// The receiver has it.
    Taken(String),
    /// It will never have it.
    Refused(String),
    /// It does not have this one now (`AE`, `CE`); others may go on.
    Again(String),
    /// Nobody knows, or it is not there: whatever was sent does not count as delivered.
    Down(String),
}

/// A message as it goes out.
pub(super) struct Outgoing {
    /// Its index in the record.
    pub(super) message: u64,
    pub(super) bytes: Vec<u8>,
}

/// The way to one receiver.
pub(super) enum Line {
    Mllp(mllp::Line),
    Folder(file::Folder),
}

impl Line {
    /// Nothing is connected yet.
    ///
    /// # Errors
    /// In words: the address is none, or nothing can be sent there.
    pub(super) fn open(app: &Arc<App>, route: &RouteConfig) -> Result<Line, String> {
        match route.target()? {
            Target::Mllp { host, port, tls } => {
                Ok(Line::Mllp(mllp::Line::open(app, route, (host, port, tls))))
            }
            Target::Folder(folder) => Ok(Line::Folder(file::Folder::at(folder))),
            Target::Fhir(base) => Err(format!("`{base}`: nothing is sent to a FHIR server yet")),
        }
    }

    /// Sends one message and waits for what is answered.
    pub(super) async fn send(&mut self, outgoing: &Outgoing) -> Answer {
        match self {
            Line::Mllp(line) => line.send(&outgoing.bytes).await,
            Line::Folder(folder) => folder.put(outgoing).await,
        }
    }
}
