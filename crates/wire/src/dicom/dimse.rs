//! Messages of DIMSE (PS3.7): the command that goes before a data set, always in implicit VR little
//! endian.

use dicom_core::VR;
use dicom_dictionary_std::tags;

use super::{Limits, Syntax, Writer, scan};

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
    /// C-ECHO-RQ.
    Echo,
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
    field: u16,
}

/// What became of it (PS3.7 annex C, PS3.4 table B.2-1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// 0000.
    Success,
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
            Status::ProcessingFailure => 0x0110,
            Status::DuplicateInstance => 0x0111,
            Status::ClassNotSupported => 0x0122,
            Status::NotAuthorized => 0x0124,
            Status::UnrecognizedOperation => 0x0211,
            Status::OutOfResources => 0xA700,
            Status::NotAsSaid => 0xA900,
            Status::CannotUnderstand => 0xC000,
        }
    }
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
            0x0030 => Service::Echo,
            0x0FFF => Service::Cancel,
            other => Service::Other(other),
        },
        message: number(tags::MESSAGE_ID).unwrap_or_default(),
        class: set.ascii(tags::AFFECTED_SOP_CLASS_UID).to_owned(),
        instance: set.ascii(tags::AFFECTED_SOP_INSTANCE_UID).to_owned(),
        data: set.number(tags::COMMAND_DATA_SET_TYPE)? != NO_DATA,
        field,
    })
}

impl Command {
    /// The command that answers it; `comment` says why, if there is something to say.
    pub fn answer(&self, status: Status, comment: &str) -> Vec<u8> {
        let response = u16::try_from(u32::from(self.field) | RESPONSE).unwrap_or_default();
        let no_data = u16::try_from(NO_DATA).unwrap_or_default();
        let mut writer = Writer::new(Syntax::IMPLICIT);
        if !self.class.is_empty() {
            writer = writer.text(tags::AFFECTED_SOP_CLASS_UID, VR::UI, &self.class);
        }
        writer = writer
            .us(tags::COMMAND_FIELD, response)
            .us(tags::MESSAGE_ID_BEING_RESPONDED_TO, self.message)
            .us(tags::COMMAND_DATA_SET_TYPE, no_data)
            .us(tags::STATUS, status.code());
        let comment: String = comment
            .chars()
            .map(|letter| {
                if letter.is_ascii() && letter != '\\' {
                    letter
                } else {
                    '?'
                }
            })
            .filter(|letter| !letter.is_control())
            .take(COMMENT_MAX)
            .collect();
        if !comment.is_empty() {
            writer = writer.text(tags::ERROR_COMMENT, VR::LO, &comment);
        }
        if !self.instance.is_empty() {
            writer = writer.text(tags::AFFECTED_SOP_INSTANCE_UID, VR::UI, &self.instance);
        }
        let body = writer.finish();
        let length = u32::try_from(body.len()).unwrap_or_default();
        let mut out = Writer::new(Syntax::IMPLICIT)
            .ul(tags::COMMAND_GROUP_LENGTH, length)
            .finish();
        out.extend_from_slice(&body);
        out
    }
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
    }
}
