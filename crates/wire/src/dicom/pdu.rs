//! Protocol data units of the upper layer (PS3.8 section 9.3): their bodies, behind type and length.

use super::{SALUS_CLASS_UID, Syntax};

/// Bytes before a body: type, reserved, length.
pub const PDU_HEAD_BYTES: usize = 6;
/// Bytes of an AE title.
const TITLE_BYTES: usize = 16;
const VERSION: &str = "SALUS";
/// Application context name of DICOM (PS3.7 annex A.2.1).
const CONTEXT_NAME: &str = "1.2.840.10008.3.1.1.1";

/// One unit that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pdu<'a> {
    /// A-ASSOCIATE-RQ.
    Request(Request),
    /// P-DATA-TF.
    Data(Vec<Fragment<'a>>),
    /// A-RELEASE-RQ.
    Release,
    /// A-ABORT.
    Abort,
    /// Another, that nobody who asks for an association sends.
    Other(u8),
}

/// What is asked for with an association.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// Whether version 1 of the protocol is spoken.
    pub version_1: bool,
    /// Called AE title, without padding.
    pub called: String,
    /// Calling AE title, without padding.
    pub calling: String,
    /// The application context name is that of DICOM.
    pub is_dicom: bool,
    /// Presentation contexts.
    pub contexts: Vec<Proposed>,
    /// Bytes of a P-DATA-TF that the other side takes; 0: any.
    pub length_max: u32,
    /// The two titles and what is reserved beside them, as they came: the answer repeats them.
    echo: Vec<u8>,
}

/// A presentation context that is proposed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proposed {
    /// Its id, odd.
    pub id: u8,
    /// The SOP class, or another abstract syntax.
    pub class: String,
    /// Transfer syntaxes, by UID.
    pub syntaxes: Vec<String>,
}

/// What is answered to a presentation context: its id and a transfer syntax, or why not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// Its id.
    pub id: u8,
    /// The transfer syntax that is taken, or the reason (PS3.8 table 9-18): 3 the class, 4 the
    /// transfer syntaxes.
    pub taken: Result<String, u8>,
}

/// A part of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fragment<'a> {
    /// In which presentation context.
    pub context: u8,
    /// It is of the command, and not of the data set.
    pub command: bool,
    /// It is the last of either.
    pub last: bool,
    /// Its bytes.
    pub bytes: &'a [u8],
}

/// Why an association is not taken (PS3.8 table 9-21).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rejection {
    /// The application context is not DICOM's.
    Context,
    /// Calling AE title not recognized.
    Calling,
    /// Called AE title not recognized.
    Called,
    /// Protocol version not supported.
    Version,
    /// Local limit exceeded: for now.
    Limit,
}

/// Type and length of a unit, from its first six bytes.
pub fn pdu_head(head: [u8; PDU_HEAD_BYTES]) -> (u8, u32) {
    let [kind, _, a, b, c, d] = head;
    (kind, u32::from_be_bytes([a, b, c, d]))
}

/// Reads the body of a unit; `None`: it is damaged.
pub fn pdu(kind: u8, body: &[u8]) -> Option<Pdu<'_>> {
    Some(match kind {
        0x01 => Pdu::Request(request(body)?),
        0x04 => Pdu::Data(fragments(body)?),
        0x05 => Pdu::Release,
        0x07 => Pdu::Abort,
        other => Pdu::Other(other),
    })
}

fn request(body: &[u8]) -> Option<Request> {
    let (fixed, mut items) = body.split_at_checked(4 + 2 * TITLE_BYTES + 32)?;
    let (version, echo) = fixed.split_at(4);
    let (called, rest) = echo.split_at_checked(TITLE_BYTES)?;
    let (calling, _) = rest.split_at_checked(TITLE_BYTES)?;
    let mut request = Request {
        version_1: version.get(1)? & 1 == 1,
        called: text(called)?,
        calling: text(calling)?,
        echo: echo.to_vec(),
        ..Request::default()
    };
    while !items.is_empty() {
        let (kind, item) = item(&mut items)?;
        match kind {
            0x10 => request.is_dicom = text(item)? == CONTEXT_NAME,
            0x20 => request.contexts.push(proposed(item)?),
            0x50 => request.length_max = length_max(item)?,
            _ => {}
        }
    }
    Some(request)
}

fn proposed(body: &[u8]) -> Option<Proposed> {
    let (head, mut items) = body.split_at_checked(4)?;
    let mut context = Proposed {
        id: *head.first()?,
        ..Proposed::default()
    };
    while !items.is_empty() {
        let (kind, item) = item(&mut items)?;
        match kind {
            0x30 => context.class = text(item)?,
            0x40 => context.syntaxes.push(text(item)?),
            _ => {}
        }
    }
    (context.id % 2 == 1).then_some(context)
}

fn length_max(mut items: &[u8]) -> Option<u32> {
    let mut max = 0;
    while !items.is_empty() {
        let (kind, item) = item(&mut items)?;
        if kind == 0x51 {
            max = u32::from_be_bytes(item.try_into().ok()?);
        }
    }
    Some(max)
}

/// The next item: type, reserved, length of two bytes, body.
fn item<'a>(items: &mut &'a [u8]) -> Option<(u8, &'a [u8])> {
    let (head, rest) = items.split_at_checked(4)?;
    let &[kind, _, high, low] = head else {
        return None;
    };
    let (body, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes([high, low])))?;
    *items = rest;
    Some((kind, body))
}

fn fragments(mut body: &[u8]) -> Option<Vec<Fragment<'_>>> {
    let mut found = Vec::new();
    while !body.is_empty() {
        let (length, rest) = body.split_at_checked(4)?;
        let length = u32::from_be_bytes(length.try_into().ok()?);
        let (value, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
        let (head, bytes) = value.split_at_checked(2)?;
        let &[context, control] = head else {
            return None;
        };
        found.push(Fragment {
            context,
            command: control & 1 == 1,
            last: control & 2 == 2,
            bytes,
        });
        body = rest;
    }
    Some(found)
}

/// Text of the default repertoire without padding.
fn text(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes)
        .ok()
        .filter(|text| text.is_ascii())?;
    Some(text.trim_matches([' ', '\0']).to_owned())
}

/// A-ASSOCIATE-AC.
pub fn accept(request: &Request, answers: &[Answered], length_max: u32) -> Vec<u8> {
    let mut body = vec![0, 1, 0, 0];
    body.extend_from_slice(&request.echo);
    put_item(&mut body, 0x10, CONTEXT_NAME.as_bytes());
    for answer in answers {
        let (reason, syntax) = match &answer.taken {
            Ok(syntax) => (0, syntax.as_str()),
            Err(reason) => (*reason, Syntax::IMPLICIT_UID),
        };
        let mut item = vec![answer.id, 0, reason, 0];
        put_item(&mut item, 0x40, syntax.as_bytes());
        put_item(&mut body, 0x21, &item);
    }
    let mut user = Vec::new();
    put_item(&mut user, 0x51, &length_max.to_be_bytes());
    put_item(&mut user, 0x52, SALUS_CLASS_UID.as_bytes());
    put_item(&mut user, 0x55, VERSION.as_bytes());
    put_item(&mut body, 0x50, &user);
    unit(0x02, &body)
}

/// A-ASSOCIATE-RJ.
pub fn reject(why: Rejection) -> Vec<u8> {
    let [result, source, reason] = match why {
        Rejection::Context => [1, 1, 2],
        Rejection::Calling => [1, 1, 3],
        Rejection::Called => [1, 1, 7],
        Rejection::Version => [1, 2, 2],
        Rejection::Limit => [2, 3, 2],
    };
    unit(0x03, &[0, result, source, reason])
}

/// A-RELEASE-RP.
pub fn released() -> Vec<u8> {
    unit(0x06, &[0; 4])
}

/// A-ABORT of the service provider, with a reason of PS3.8 table 9-26: 1 unrecognized, 2 unexpected,
/// 6 invalid.
pub fn abort(reason: u8) -> Vec<u8> {
    unit(0x07, &[0, 0, 2, reason])
}

/// A message as P-DATA-TF units of at most `length_max` bytes each (0: any).
pub fn data(context: u8, (command, set): (&[u8], Option<&[u8]>), length_max: u32) -> Vec<u8> {
    let mut out = Vec::new();
    put_fragments(&mut out, (context, 1), command, length_max);
    if let Some(set) = set {
        put_fragments(&mut out, (context, 0), set, length_max);
    }
    out
}

/// Bytes of a unit's fragment beside its value: length, context, control.
const FRAGMENT_HEAD_BYTES: usize = 6;
/// What a unit holds if the other side takes any.
const UNIT_BYTES: usize = 64 << 10;

fn put_fragments(out: &mut Vec<u8>, (context, kind): (u8, u8), bytes: &[u8], length_max: u32) {
    let max = match usize::try_from(length_max) {
        Ok(0) | Err(_) => UNIT_BYTES,
        Ok(max) => max.min(UNIT_BYTES),
    };
    let room = max.saturating_sub(FRAGMENT_HEAD_BYTES).max(2) & !1;
    let count = bytes.len().div_ceil(room).max(1);
    let empty: &[u8] = &[];
    let parts = bytes.chunks(room).chain(bytes.is_empty().then_some(empty));
    for (number, part) in (1..).zip(parts) {
        let control = kind | if number == count { 2 } else { 0 };
        let length = u32::try_from(part.len() + 2).unwrap_or_default();
        let mut body = Vec::with_capacity(part.len() + FRAGMENT_HEAD_BYTES);
        body.extend_from_slice(&length.to_be_bytes());
        body.extend_from_slice(&[context, control]);
        body.extend_from_slice(part);
        out.extend_from_slice(&unit(0x04, &body));
    }
}

fn put_item(out: &mut Vec<u8>, kind: u8, body: &[u8]) {
    let length = u16::try_from(body.len()).unwrap_or_default();
    out.extend_from_slice(&[kind, 0]);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(body);
}

fn unit(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap_or_default();
    let mut out = Vec::with_capacity(PDU_HEAD_BYTES + body.len());
    out.extend_from_slice(&[kind, 0]);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(body);
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn asked() -> Vec<u8> {
        let mut body = vec![0, 1, 0, 0];
        body.extend_from_slice(b"SALUS           CT1             ");
        body.extend_from_slice(&[0; 32]);
        put_item(&mut body, 0x10, CONTEXT_NAME.as_bytes());
        let mut context = vec![1, 0, 0, 0];
        put_item(&mut context, 0x30, b"1.2.840.10008.1.1\0");
        put_item(&mut context, 0x40, b"1.2.840.10008.1.2");
        put_item(&mut body, 0x20, &context);
        let mut user = Vec::new();
        put_item(&mut user, 0x51, &16_384_u32.to_be_bytes());
        // Extended negotiation that says it is longer than it is: it is passed over.
        put_item(&mut user, 0x56, &[0xff, 0xff, 1]);
        put_item(&mut body, 0x50, &user);
        body
    }

    #[test]
    fn what_is_asked_for_is_read() {
        let body = asked();
        let Some(Pdu::Request(request)) = pdu(1, &body) else {
            unreachable!("it is a request");
        };
        assert!(request.version_1 && request.is_dicom);
        assert_eq!(
            (request.called.as_str(), request.calling.as_str()),
            ("SALUS", "CT1")
        );
        assert_eq!(request.contexts[0].class, "1.2.840.10008.1.1");
        assert_eq!(request.length_max, 16_384);
        let answers = [Answered {
            id: 1,
            taken: Err(3),
        }];
        let answer = accept(&request, &answers, 1);
        assert_eq!(answer[PDU_HEAD_BYTES + 4..][..16], *b"SALUS           ");
    }

    proptest! {
        #[test]
        fn a_message_is_found_again_in_its_fragments(
            command in proptest::collection::vec(any::<u8>(), 1..200),
            set in proptest::collection::vec(any::<u8>(), 0..500),
            max in 8_u32..200,
        ) {
            let bytes = data(3, (&command, Some(&set)), max);
            let (mut found, mut rest) = ([Vec::new(), Vec::new()], &bytes[..]);
            let mut ends = 0;
            while let Some((head, behind)) = rest.split_first_chunk::<PDU_HEAD_BYTES>() {
                let (kind, length) = pdu_head(*head);
                prop_assert!(length <= max);
                let (body, behind) = behind.split_at(length as usize);
                let Some(Pdu::Data(parts)) = pdu(kind, body) else {
                    return Err(TestCaseError::fail("no data"));
                };
                for part in parts {
                    found[usize::from(part.command)].extend_from_slice(part.bytes);
                    ends += usize::from(part.last);
                }
                rest = behind;
            }
            prop_assert_eq!(ends, 2);
            prop_assert_eq!(&found[1], &command);
            prop_assert_eq!(&found[0], &set);
        }

        #[test]
        fn any_bytes_are_read_or_refused(kind in 0_u8..9, bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = pdu(kind, &bytes);
        }

        #[test]
        fn a_request_that_is_cut_or_turned_is_read_or_refused(cut in 0_usize..300, place in 0_usize..300, with: u8) {
            let mut bytes = asked();
            bytes.truncate(cut);
            if let Some(byte) = bytes.get_mut(place) {
                *byte = with;
            }
            let _ = pdu(1, &bytes);
        }
    }
}
