//! Messages of DIMSE (PS3.7): the command that goes before a data set, always in implicit VR little
//! endian.

use dicom_core::VR;
use dicom_dictionary_std::tags;

use super::{Limits, Operation, Syntax, Writer, query_class, scan};

/// Verification SOP Class: what C-ECHO asks.
pub const VERIFICATION_UID: &str = "1.2.840.10008.1.1";

/// Bytes of a command at most.
pub const COMMAND_BYTES_MAX: usize = 16 << 10;
const ELEMENTS_MAX: usize = 64;
/// (0000,0800): no data set follows.
const NO_DATA: u32 = 0x0101;
/// A response is its request with this bit.
const RESPONSE: u32 = 0x8000;
/// Characters of an Error Comment (LO).
const COMMENT_MAX: usize = 64;

/// What a command asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// C-STORE-RQ.
    Store,
    /// C-GET-RQ.
    Get,
    /// C-FIND-RQ.
    Find,
    /// C-MOVE-RQ.
    Move,
    /// C-ECHO-RQ.
    Echo,
    /// C-STORE-RSP: what became of an object that was sent.
    Stored,
    /// C-GET-RSP: how far a retrieval is.
    Got,
    /// C-FIND-RSP: a match, or the end.
    Found,
    /// C-MOVE-RSP: how far a retrieval is that goes elsewhere.
    Moved,
    /// C-CANCEL-RQ.
    Cancel,
    /// Another, by its command field.
    Other(u16),
}

/// A command that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// What it asks for.
    pub service: Service,
    /// Its Message ID.
    pub message: u16,
    /// Affected SOP Class UID.
    pub class: String,
    /// Affected SOP Instance UID.
    pub instance: String,
    /// Whether a data set follows.
    pub data: bool,
    /// Message ID Being Responded To, of an answer and of C-CANCEL.
    pub about: u16,
    /// Move Destination, an AE title.
    pub destination: String,
    /// For which C-MOVE an object is sent, as far as that is said.
    pub origin: Origin,
    /// Status, of an answer; `None`: it cannot be read.
    pub status: Option<u16>,
    field: u16,
}

/// The C-MOVE for which an object is sent (PS3.7 section 9.1.1.1). Both are optional.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin {
    /// Move Originator Application Entity Title; empty: it is not said.
    pub title: String,
    /// Move Originator Message ID.
    pub message: Option<u16>,
}

/// What became of it (PS3.7 annex C, PS3.4 table B.2-1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// 0000.
    Success,
    /// FF00: there is more to come.
    Pending,
    /// FE00: it was cancelled.
    Cancelled,
    /// B000: of some objects it was not done.
    SomeFailed,
    /// 0110: it is our fault; it may be sent again.
    ProcessingFailure,
    /// 0111: an instance with this UID is there, with other bytes.
    DuplicateInstance,
    /// 0122.
    ClassNotSupported,
    /// 0124.
    NotAuthorized,
    /// 0211.
    UnrecognizedOperation,
    /// A700: it is more than is taken.
    OutOfResources,
    /// A701: there is no room or no time for it now; it may be sent again.
    NoRoom,
    /// A702: none of it could be done.
    NotPerformed,
    /// A801: nobody is known by that AE title, or it may not be sent there.
    DestinationUnknown,
    /// A900: it is not of the class, or not the instance, that the command says.
    NotAsSaid,
    /// C000: it cannot be understood.
    CannotUnderstand,
}

impl Status {
    /// Its number.
    pub const fn code(self) -> u16 {
        match self {
            Status::Success => 0x0000,
            Status::Pending => 0xFF00,
            Status::Cancelled => 0xFE00,
            Status::SomeFailed => 0xB000,
            Status::NotPerformed => 0xA702,
            Status::DestinationUnknown => 0xA801,
            Status::ProcessingFailure => 0x0110,
            Status::DuplicateInstance => 0x0111,
            Status::ClassNotSupported => 0x0122,
            Status::NotAuthorized => 0x0124,
            Status::UnrecognizedOperation => 0x0211,
            Status::OutOfResources => 0xA700,
            Status::NoRoom => 0xA701,
            Status::NotAsSaid => 0xA900,
            Status::CannotUnderstand => 0xC000,
        }
    }
}

/// How far the sub-operations of a retrieval are (PS3.7 section 9.3.3).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Objects that are to be sent yet.
    pub remaining: u16,
    /// Objects that were taken.
    pub completed: u16,
    /// Objects that were not.
    pub failed: u16,
    /// Objects that were taken with a warning.
    pub warned: u16,
}

/// Reads a command; `None`: it is none.
pub fn command(bytes: &[u8]) -> Option<Command> {
    let limits = Limits {
        depth_max: 0,
        elements_max: ELEMENTS_MAX,
        ..Limits::default()
    };
    let set = scan(bytes, Syntax::IMPLICIT, &limits).ok()?;
    let number = |tag| {
        set.number(tag)
            .and_then(|number| u16::try_from(number).ok())
    };
    let field = number(tags::COMMAND_FIELD)?;
    Some(Command {
        service: match field {
            0x0001 => Service::Store,
            0x0010 => Service::Get,
            0x0020 => Service::Find,
            0x0021 => Service::Move,
            0x0030 => Service::Echo,
            0x8001 => Service::Stored,
            0x8010 => Service::Got,
            0x8020 => Service::Found,
            0x8021 => Service::Moved,
            0x0FFF => Service::Cancel,
            other => Service::Other(other),
        },
        message: number(tags::MESSAGE_ID).unwrap_or_default(),
        class: set.ascii(tags::AFFECTED_SOP_CLASS_UID).to_owned(),
        instance: set.ascii(tags::AFFECTED_SOP_INSTANCE_UID).to_owned(),
        data: set.number(tags::COMMAND_DATA_SET_TYPE)? != NO_DATA,
        about: number(tags::MESSAGE_ID_BEING_RESPONDED_TO).unwrap_or_default(),
        destination: set.ascii(tags::MOVE_DESTINATION).to_owned(),
        origin: Origin {
            title: set
                .ascii(tags::MOVE_ORIGINATOR_APPLICATION_ENTITY_TITLE)
                .to_owned(),
            message: number(tags::MOVE_ORIGINATOR_MESSAGE_ID),
        },
        status: number(tags::STATUS),
        field,
    })
}

impl Command {
    /// The command that answers it; `comment` says why, if there is something to say.
    pub fn answer(&self, status: Status, comment: &str) -> Vec<u8> {
        let answer = Answer {
            status,
            comment,
            data: false,
            progress: None,
        };
        self.answered(&answer)
    }

    /// The answer that a data set follows: a match, or what failed of a retrieval.
    pub fn answered(&self, answer: &Answer<'_>) -> Vec<u8> {
        let response = u16::try_from(u32::from(self.field) | RESPONSE).unwrap_or_default();
        let no_data = u16::try_from(NO_DATA).unwrap_or_default();
        let mut writer = Writer::new(Syntax::IMPLICIT);
        if !self.class.is_empty() {
            writer = writer.text(tags::AFFECTED_SOP_CLASS_UID, VR::UI, &self.class);
        }
        writer = writer
            .us(tags::COMMAND_FIELD, response)
            .us(tags::MESSAGE_ID_BEING_RESPONDED_TO, self.message)
            .us(
                tags::COMMAND_DATA_SET_TYPE,
                if answer.data { DATA } else { no_data },
            )
            .us(tags::STATUS, answer.status.code());
        let comment = comment(answer.comment);
        if !comment.is_empty() {
            writer = writer.text(tags::ERROR_COMMENT, VR::LO, &comment);
        }
        if !self.instance.is_empty() {
            writer = writer.text(tags::AFFECTED_SOP_INSTANCE_UID, VR::UI, &self.instance);
        }
        if let Some(progress) = answer.progress {
            // PS3.7 table 9.3-6: what remains is told while there is more to come, and when it was cancelled.
            if matches!(answer.status, Status::Pending | Status::Cancelled) {
                writer = writer.us(tags::NUMBER_OF_REMAINING_SUBOPERATIONS, progress.remaining);
            }
            writer = writer
                .us(tags::NUMBER_OF_COMPLETED_SUBOPERATIONS, progress.completed)
                .us(tags::NUMBER_OF_FAILED_SUBOPERATIONS, progress.failed)
                .us(tags::NUMBER_OF_WARNING_SUBOPERATIONS, progress.warned);
        }
        grouped(&writer.finish())
    }
}

/// An answer, beside what it repeats of its question.
#[derive(Debug, Clone, Copy)]
pub struct Answer<'a> {
    /// What became of it.
    pub status: Status,
    /// Why, if there is something to say.
    pub comment: &'a str,
    /// Whether a data set follows.
    pub data: bool,
    /// How far a retrieval is.
    pub progress: Option<Progress>,
}

/// C-STORE-RQ: the command before an object of a class and instance. `origin` is the AE title and the
/// Message ID of the C-MOVE for which it is sent.
pub fn store_request(
    message: u16,
    (class, instance): (&str, &str),
    origin: Option<(&str, u16)>,
) -> Vec<u8> {
    let mut writer = Writer::new(Syntax::IMPLICIT)
        .text(tags::AFFECTED_SOP_CLASS_UID, VR::UI, class)
        .us(tags::COMMAND_FIELD, 0x0001)
        .us(tags::MESSAGE_ID, message)
        .us(tags::PRIORITY, MEDIUM)
        .us(tags::COMMAND_DATA_SET_TYPE, DATA)
        .text(tags::AFFECTED_SOP_INSTANCE_UID, VR::UI, instance);
    if let Some((title, about)) = origin {
        writer = writer
            .text(
                tags::MOVE_ORIGINATOR_APPLICATION_ENTITY_TITLE,
                VR::AE,
                title,
            )
            .us(tags::MOVE_ORIGINATOR_MESSAGE_ID, about);
    }
    grouped(&writer.finish())
}

/// C-FIND-RQ or C-GET-RQ: the command before the Identifier of a question of that SOP class; `None`: nothing is
/// asked so.
pub fn query_request(message: u16, class: &str) -> Option<Vec<u8>> {
    let (_, operation) = query_class(class)?;
    let field = match operation {
        Operation::Find => 0x0020,
        Operation::Get => 0x0010,
        Operation::Move => return None,
    };
    Some(question(message, (class, field), None))
}

/// C-MOVE-RQ: the command before the Identifier of what is to be sent to `destination`, an AE title; `None`: that
/// SOP class moves nothing.
pub fn move_request(message: u16, class: &str, destination: &str) -> Option<Vec<u8>> {
    let moves = matches!(query_class(class)?, (_, Operation::Move));
    moves.then(|| question(message, (class, 0x0021), Some(destination)))
}

/// C-CANCEL-RQ: no more is wanted of what that message asked for (PS3.7 sections 9.3.2.3 and 9.3.3.3).
pub fn cancel_request(about: u16) -> Vec<u8> {
    let writer = Writer::new(Syntax::IMPLICIT)
        .us(tags::COMMAND_FIELD, 0x0FFF)
        .us(tags::MESSAGE_ID_BEING_RESPONDED_TO, about)
        .us(
            tags::COMMAND_DATA_SET_TYPE,
            u16::try_from(NO_DATA).unwrap_or_default(),
        );
    grouped(&writer.finish())
}

fn question(message: u16, (class, field): (&str, u16), destination: Option<&str>) -> Vec<u8> {
    let mut writer = Writer::new(Syntax::IMPLICIT)
        .text(tags::AFFECTED_SOP_CLASS_UID, VR::UI, class)
        .us(tags::COMMAND_FIELD, field)
        .us(tags::MESSAGE_ID, message);
    if let Some(destination) = destination {
        writer = writer.text(tags::MOVE_DESTINATION, VR::AE, destination);
    }
    let writer = writer
        .us(tags::PRIORITY, MEDIUM)
        .us(tags::COMMAND_DATA_SET_TYPE, DATA);
    grouped(&writer.finish())
}

/// Priority MEDIUM.
const MEDIUM: u16 = 0;
/// (0000,0800): a data set follows.
const DATA: u16 = 0x0001;

/// Elements behind their group length.
fn grouped(body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap_or_default();
    let mut out = Writer::new(Syntax::IMPLICIT)
        .ul(tags::COMMAND_GROUP_LENGTH, length)
        .finish();
    out.extend_from_slice(body);
    out
}

/// A text as an Error Comment takes it.
fn comment(text: &str) -> String {
    let plain = |letter: char| match letter.is_ascii() && letter != '\\' {
        true => letter,
        false => '?',
    };
    let letters = text.chars().map(plain);
    letters
        .filter(|letter| !letter.is_control())
        .take(COMMENT_MAX)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_read_and_answered() {
        let bytes = Writer::new(Syntax::IMPLICIT)
            .text(
                tags::AFFECTED_SOP_CLASS_UID,
                VR::UI,
                "1.2.840.10008.5.1.4.1.1.2",
            )
            .us(tags::COMMAND_FIELD, 1)
            .us(tags::MESSAGE_ID, 7)
            .us(tags::COMMAND_DATA_SET_TYPE, 0)
            .text(tags::AFFECTED_SOP_INSTANCE_UID, VR::UI, "1.2.3")
            .finish();
        let store = command(&bytes).unwrap();
        assert_eq!(
            (store.service, store.message, store.data),
            (Service::Store, 7, true)
        );
        let answer = store.answer(Status::CannotUnderstand, "why\nnot");
        let set = scan(&answer, Syntax::IMPLICIT, &Limits::default()).unwrap();
        assert_eq!(set.number(tags::STATUS), Some(0xC000));
        assert_eq!(set.number(tags::COMMAND_FIELD), Some(0x8001));
        assert_eq!(set.ascii(tags::ERROR_COMMENT), "whynot");
        assert_eq!(
            set.number(tags::COMMAND_GROUP_LENGTH),
            Some(answer.len() as u32 - 12)
        );
        assert_eq!(command(b"\x08\0"), None);
        assert_eq!(command(&answer).unwrap().status, Some(0xC000));
        // An answer that says nothing of what became of it does not say that it was taken.
        let silent = Writer::new(Syntax::IMPLICIT)
            .us(tags::COMMAND_FIELD, 0x8001)
            .us(tags::MESSAGE_ID_BEING_RESPONDED_TO, 7)
            .us(tags::COMMAND_DATA_SET_TYPE, 0x0101)
            .finish();
        assert_eq!(command(&silent).unwrap().status, None);
    }

    #[test]
    fn a_retrieval_says_how_far_it_is() {
        let bytes = Writer::new(Syntax::IMPLICIT)
            .text(
                tags::AFFECTED_SOP_CLASS_UID,
                VR::UI,
                "1.2.840.10008.5.1.4.1.2.2.2",
            )
            .us(tags::COMMAND_FIELD, 0x21)
            .us(tags::MESSAGE_ID, 9)
            .text(tags::MOVE_DESTINATION, VR::AE, "WS1")
            .us(tags::COMMAND_DATA_SET_TYPE, 1)
            .finish();
        let moves = command(&bytes).unwrap();
        assert_eq!(
            (moves.service, moves.destination.as_str()),
            (Service::Move, "WS1")
        );
        let own = move_request(9, "1.2.840.10008.5.1.4.1.2.2.2", "WS1").unwrap();
        assert_eq!(command(&own).unwrap(), moves);
        assert_eq!(move_request(9, "1.2.840.10008.5.1.4.1.2.2.3", "WS1"), None);
        let progress = Progress {
            remaining: 3,
            completed: 2,
            failed: 1,
            warned: 0,
        };
        for (status, remaining) in [(Status::Pending, Some(3)), (Status::SomeFailed, None)] {
            let answer = moves.answered(&Answer {
                status,
                comment: "",
                data: status != Status::Pending,
                progress: Some(progress),
            });
            let set = scan(&answer, Syntax::IMPLICIT, &Limits::default()).unwrap();
            assert_eq!(set.complaints(), &[] as &[String]);
            assert_eq!(
                set.number(tags::NUMBER_OF_REMAINING_SUBOPERATIONS),
                remaining
            );
            assert_eq!(set.number(tags::NUMBER_OF_COMPLETED_SUBOPERATIONS), Some(2));
            let back = command(&answer).unwrap();
            assert_eq!((back.about, back.status), (9, Some(status.code())));
            assert_eq!(back.data, status != Status::Pending);
            assert_eq!(back.service, Service::Moved);
        }
        let sent = store_request(4, ("1.2.840.10008.5.1.4.1.1.2", "1.2.3"), Some(("CT1", 9)));
        let sent = command(&sent).unwrap();
        assert_eq!(
            (sent.service, sent.message, sent.data),
            (Service::Store, 4, true)
        );
        let origin = Origin {
            title: "CT1".into(),
            message: Some(9),
        };
        assert_eq!(sent.origin, origin);
        let own = store_request(4, ("1.2.840.10008.5.1.4.1.1.2", "1.2.3"), None);
        assert_eq!(command(&own).unwrap().origin, Origin::default());
        let cancel = command(&cancel_request(9)).unwrap();
        assert_eq!(
            (cancel.service, cancel.about, cancel.data),
            (Service::Cancel, 9, false)
        );
    }
}
