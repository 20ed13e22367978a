//! Protocol data units of the upper layer (PS3.8 section 9.3): their bodies, behind type and length.

use super::asking::{Accepted, accepted};
use super::{SALUS_CLASS_UID, Syntax};

/// Bytes before a body: type, reserved, length.
pub const PDU_HEAD_BYTES: usize = 6;
/// Bytes of an AE title.
pub(super) const TITLE_BYTES: usize = 16;
pub(super) const VERSION: &str = "SALUS";
/// Application context name of DICOM (PS3.7 annex A.2.1).
pub(super) const CONTEXT_NAME: &str = "1.2.840.10008.3.1.1.1";

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
    /// A-ASSOCIATE-AC, to what Salus asked for.
    Accepted(Accepted),
    /// A-ASSOCIATE-RJ: result, source, reason.
    Rejected([u8; 3]),
    /// A-RELEASE-RP.
    Released,
    /// Another.
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
    /// Classes for which it wants other roles than those of the one who asks (PS3.7 annex D.3.3.4).
    pub roles: Vec<Role>,
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

/// The roles of the one who asks for an association in a SOP class.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Role {
    /// The SOP class.
    pub class: String,
    /// It uses the service.
    pub user: bool,
    /// It provides the service: it takes objects on its own association.
    pub provider: bool,
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
        0x02 => Pdu::Accepted(accepted(body)?),
        0x03 => {
            let &[_, result, source, reason] = body else {
                return None;
            };
            Pdu::Rejected([result, source, reason])
        }
        0x05 => Pdu::Release,
        0x06 => Pdu::Released,
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
            0x50 => (request.length_max, request.roles) = user(item)?,
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

/// User information: the longest P-DATA-TF and the roles.
pub(super) fn user(mut items: &[u8]) -> Option<(u32, Vec<Role>)> {
    let (mut max, mut roles) = (0, Vec::new());
    while !items.is_empty() {
        let (kind, item) = item(&mut items)?;
        match kind {
            0x51 => max = u32::from_be_bytes(item.try_into().ok()?),
            // Extended negotiation that lies about its length is passed over.
            0x54 => roles.extend(role(item)),
            _ => {}
        }
    }
    Some((max, roles))
}

fn role(body: &[u8]) -> Option<Role> {
    let (length, rest) = body.split_at_checked(2)?;
    let length = u16::from_be_bytes(length.try_into().ok()?);
    let (class, roles) = rest.split_at_checked(usize::from(length))?;
    let &[user, provider] = roles else {
        return None;
    };
    Some(Role {
        class: text(class)?,
        user: user == 1,
        provider: provider == 1,
    })
}

pub(super) fn put_role(out: &mut Vec<u8>, role: &Role) {
    let length = u16::try_from(role.class.len()).unwrap_or_default();
    let mut body = length.to_be_bytes().to_vec();
    body.extend_from_slice(role.class.as_bytes());
    body.extend_from_slice(&[u8::from(role.user), u8::from(role.provider)]);
    put_item(out, 0x54, &body);
}

/// The next item: type, reserved, length of two bytes, body.
pub(super) fn item<'a>(items: &mut &'a [u8]) -> Option<(u8, &'a [u8])> {
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
pub(super) fn text(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes)
        .ok()
        .filter(|text| text.is_ascii())?;
    Some(text.trim_matches([' ', '\0']).to_owned())
}

/// A-ASSOCIATE-AC, with the roles that are agreed to.
pub fn accept(
    request: &Request,
    (answers, roles): (&[Answered], &[Role]),
    length_max: u32,
) -> Vec<u8> {
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
    for role in roles {
        put_role(&mut user, role);
    }
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
    units(context, (command, set), length_max)
        .flatten()
        .collect()
}

/// As [`data`], one unit after the other: a large object does not lie in memory twice.
pub fn units<'a>(
    context: u8,
    (command, set): (&'a [u8], Option<&'a [u8]>),
    length_max: u32,
) -> impl Iterator<Item = Vec<u8>> + 'a {
    let first = fragmented((context, 1), command, length_max);
    let set = set.into_iter();
    first.chain(set.flat_map(move |set| fragmented((context, 0), set, length_max)))
}

/// Bytes of a unit's fragment beside its value: length, context, control.
const FRAGMENT_HEAD_BYTES: usize = 6;
/// What a unit holds if the other side takes any.
const UNIT_BYTES: usize = 64 << 10;

fn fragmented<'a>(
    (context, kind): (u8, u8),
    bytes: &'a [u8],
    length_max: u32,
) -> impl Iterator<Item = Vec<u8>> + 'a {
    let max = match usize::try_from(length_max) {
        Ok(0) | Err(_) => UNIT_BYTES,
        Ok(max) => max.min(UNIT_BYTES),
    };
    let room = max.saturating_sub(FRAGMENT_HEAD_BYTES).max(2) & !1;
    let count = bytes.len().div_ceil(room).max(1);
    let empty: &[u8] = &[];
    let parts = bytes.chunks(room).chain(bytes.is_empty().then_some(empty));
    (1..).zip(parts).map(move |(number, part)| {
        let control = kind | if number == count { 2 } else { 0 };
        let length = u32::try_from(part.len() + 2).unwrap_or_default();
        let mut body = Vec::with_capacity(part.len() + FRAGMENT_HEAD_BYTES);
        body.extend_from_slice(&length.to_be_bytes());
        body.extend_from_slice(&[context, control]);
        body.extend_from_slice(part);
        unit(0x04, &body)
    })
}

pub(super) fn put_item(out: &mut Vec<u8>, kind: u8, body: &[u8]) {
    let length = u16::try_from(body.len()).unwrap_or_default();
    out.extend_from_slice(&[kind, 0]);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(body);
}

pub(super) fn unit(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap_or_default();
    let mut out = Vec::with_capacity(PDU_HEAD_BYTES + body.len());
    out.extend_from_slice(&[kind, 0]);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(body);
    out
}

#[cfg(test)]
#[path = "pdu_tests.rs"]
mod tests;
