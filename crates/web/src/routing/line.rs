//! The way to a receiver, and what it answers.

use std::sync::Arc;

use routes::{RouteConfig, Target};

use super::{dicom, fhir, file, mllp};
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
    pub(super) content: Content,
}

/// What goes out.
pub(super) enum Content {
    /// An HL7 v2 message.
    Hl7(Vec<u8>),
    /// Resources.
    Fhir(Vec<fhir::Part>),
    /// An object.
    Object(dicom::Object),
}

/// The way to one receiver.
pub(super) enum Line {
    Dicom(Box<dicom::Lines>),
    Mllp(Box<mllp::Line>),
    Folder(file::Folder),
    Fhir(fhir::Server),
}

impl Line {
    /// Nothing is connected yet.
    ///
    /// # Errors
    /// In words: the address is none, or nothing can be sent there.
    pub(super) fn open(app: &Arc<App>, route: &RouteConfig) -> Result<Line, String> {
        match route.target()? {
            Target::Mllp { host, port, tls } => {
                let line = mllp::Line::open(app, route, (host, port, tls));
                Ok(Line::Mllp(Box::new(line)))
            }
            Target::Dicom { host, port, tls } => {
                let line = dicom::Lines::open(app, route, &(host, port, tls));
                Ok(Line::Dicom(Box::new(line)))
            }
            Target::Folder(folder) => Ok(Line::Folder(file::Folder::at(folder))),
            Target::Fhir(base) => Ok(Line::Fhir(fhir::Server::at(app, route, base))),
        }
    }

    /// How many messages it sends at a time.
    pub(super) fn width(&self) -> usize {
        match self {
            Line::Dicom(line) => line.width(),
            _ => 1,
        }
    }

    /// Sends messages at the same time, `width` at most; what is answered to each.
    pub(super) async fn send_all(&mut self, all: &[Outgoing]) -> Vec<Answer> {
        if let Line::Dicom(line) = self {
            return line.send_all(all).await;
        }
        let mut answers = Vec::with_capacity(all.len());
        for one in all {
            answers.push(self.send(one).await);
        }
        answers
    }

    /// Sends one message and waits for what is answered.
    pub(super) async fn send(&mut self, outgoing: &Outgoing) -> Answer {
        match (self, &outgoing.content) {
            (Line::Mllp(line), Content::Hl7(bytes)) => line.send(bytes).await,
            (Line::Folder(folder), Content::Hl7(bytes)) => {
                folder.put(outgoing.message, bytes).await
            }
            (Line::Fhir(server), Content::Fhir(parts)) => server.send(parts).await,
            _ => Answer::Refused("not sent: it is nothing that goes there".to_owned()),
        }
    }

    /// Nothing waits to be sent: what a receiver holds open for us is given back.
    pub(super) async fn rest(&mut self) {
        if let Line::Dicom(line) = self {
            line.rest().await;
        }
    }

    /// Whether resources go there, and no messages.
    pub(super) const fn is_fhir(&self) -> bool {
        matches!(self, Line::Fhir(_))
    }
}
