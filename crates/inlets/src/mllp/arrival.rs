//! What a message claims, without believing it.

use event::{Act, Actor, Arrival, Body, Event, Resend, Subject, Unread};
use guard::{Admitted, Standing};
use record::Blind;
use wire::hl7::{Charset, Code, Complaint, Message, Parsed, parse};

use super::Feed;

/// A message as the guard is shown it, and what is needed to answer it.
#[derive(Debug, Clone, PartialEq)]
pub struct Received {
    /// The claim, without its raw bytes.
    pub arrival: Arrival,
    /// MSH-4, first component.
    pub facility: String,
    /// MSH as it was received, for the answer; empty if there is none.
    pub head: Vec<u8>,
    /// Why it cannot be taken as a message, if so; then the claim is [`Body::Unread`].
    pub fault: Option<Complaint>,
}

/// Reads a message of `feed`. `complaints` are about the batch it came in.
pub fn receive(
    parsed: &Parsed<'_>,
    complaints: &[Complaint],
    feed: &Feed,
    blind: &Blind,
) -> Received {
    let message = &parsed.message;
    let head = head(message);
    let facility = message.get("MSH", 4).string().unwrap_or_default();
    if let Some(fault) = fault(parsed) {
        let arrival = unread(feed, &fault.to_string()).into();
        return Received {
            arrival,
            facility,
            head,
            fault: Some(fault),
        };
    }
    let control = message.control();
    let resend = (!control.is_empty()).then(|| Resend {
        sender: feed.name().to_owned(),
        message: control.clone(),
    });
    let kind = message.kind();
    let unmappable = wire::v2::unmappable(message, &feed.authority);
    let mut complaints = words(&parsed.complaints, complaints);
    let mapped = wire::v2::maps(&kind) && unmappable.is_none();
    complaints.extend(unmappable);
    let body = Body::Message(event::Message {
        feed: feed.name().to_owned(),
        mapped,
        kind,
        control,
        zone: feed.zone.clone(),
        charset: feed.charset.clone(),
        authority: feed.authority.clone(),
        complaints,
    });
    let subject = subject(message, feed, blind);
    let claim = Event::new(Actor::feed(feed.name()), Act::Send, subject, body);
    Received {
        arrival: Arrival { claim, resend },
        facility,
        head,
        fault: None,
    }
}

/// The event for bytes that are not believed to be a message, without the bytes.
pub(crate) fn unread(feed: &Feed, reason: &str) -> Event {
    let body = Body::Unread(Unread {
        feed: feed.name().to_owned(),
        reason: reason.to_owned(),
    });
    let subject = Subject::Feed(feed.name().to_owned());
    Event::new(Actor::feed(feed.name()), Act::Send, subject, body)
}

/// Lets bytes in as what they are: not understood.
pub(crate) fn admit_unread(feed: &Feed, reason: &str, raw: Vec<u8>) -> Option<Admitted> {
    let arrival = unread(feed, reason).with_raw(raw).into();
    guard::admit(arrival, Standing::Salus, "").ok()
}

/// MSH with the bytes it came in: all an answer needs of a message.
pub(crate) fn head(message: &Message<'_>) -> Vec<u8> {
    if message.header().is_none() {
        return Vec::new();
    }
    let raw = message.raw();
    if matches!(message.charset(), Charset::Utf16Be | Charset::Utf16Le) {
        return raw.to_vec();
    }
    let blank = |byte: &u8| matches!(byte, b'\0' | b'\r' | b'\n' | b' ' | b'\t');
    let start = raw
        .iter()
        .position(|byte| !blank(byte))
        .unwrap_or(raw.len());
    let lines = raw.get(start..).unwrap_or_default();
    let mut lines = lines.split(|byte| matches!(byte, b'\r' | b'\n'));
    lines.next().unwrap_or_default().to_vec()
}

fn fault(parsed: &Parsed<'_>) -> Option<Complaint> {
    if let Some(fault) = parsed.message.fault() {
        return Some(fault.clone());
    }
    let kind = parsed.message.get("MSH", 9);
    if kind.string().is_some() {
        return None;
    }
    let place = parsed.message.header()?.place(9);
    let words = "the message type is missing";
    Some(Complaint::at(place, Code::RequiredFieldMissing, words))
}

fn words(own: &[Complaint], batch: &[Complaint]) -> Vec<String> {
    own.iter().chain(batch).map(Complaint::to_string).collect()
}

fn subject(message: &Message<'_>, feed: &Feed, blind: &Blind) -> Subject {
    match wire::v2::patient_identifier(message, &feed.authority) {
        Some((system, value)) => Subject::Patient(blind.id("Patient", &system, &value)),
        None => Subject::Feed(feed.name().to_owned()),
    }
}

/// Parses a message the way its feed writes.
pub(crate) fn parse_for<'m>(bytes: &'m [u8], feed: &Feed) -> Parsed<'m> {
    parse(bytes, &feed.charset)
}
