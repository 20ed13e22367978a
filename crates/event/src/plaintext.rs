//! The plaintext of a sealed event: one line of JSON, a line feed, the raw bytes.
//!
//! JSON keeps the header readable with any tool; the raw bytes need no escaping, so what was
//! received is found in it byte for byte.

use thiserror::Error;

use crate::Event;

/// The bytes that are committed to and encrypted.
pub fn encode(event: &Event) -> Vec<u8> {
    let mut out = Vec::with_capacity(256 + event.raw.len());
    // INVARIANT: an `Event` has string keys only and writing to a Vec cannot fail, so this is total.
    if serde_json::to_writer(&mut out, event).is_err() {
        out.clear();
    }
    out.push(b'\n');
    out.extend_from_slice(&event.raw);
    out
}

/// The event in `plaintext`.
///
/// # Errors
/// [`Unreadable`] if the header is not one line of JSON in a known form.
pub fn decode(plaintext: &[u8]) -> Result<Event, Unreadable> {
    let end = plaintext
        .iter()
        .position(|&byte| byte == b'\n')
        .ok_or(Unreadable::NoHeader)?;
    let (header, raw) = plaintext.split_at(end);
    let mut event: Event = serde_json::from_slice(header).map_err(Unreadable::Header)?;
    event.raw = raw.get(1..).unwrap_or_default().to_vec();
    Ok(event)
}

/// Why a plaintext could not be read back.
#[derive(Debug, Error)]
pub enum Unreadable {
    /// The JSON header is not an event.
    #[error("the sealed event's header cannot be read: {0}")]
    Header(serde_json::Error),
    /// There is no line feed, so no header.
    #[error("the sealed event has no header line")]
    NoHeader,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Act, Actor, Body, Subject, Unread};

    #[test]
    fn raw_bytes_come_back_as_they_were() {
        let body = Body::Unread(Unread {
            feed: "lab".into(),
            reason: "no `MSH`".into(),
        });
        let event = Event::new(
            Actor::feed("lab"),
            Act::Send,
            Subject::Feed("lab".into()),
            body,
        )
        .with_raw(b"\n\x00\xff raw \n".to_vec());
        let bytes = encode(&event);
        assert_eq!(decode(&bytes).unwrap(), event);
    }

    #[test]
    fn an_event_from_before_addresses_were_kept_reads_back_as_it_was() {
        let event = Event::new(
            Actor::salus(),
            Act::Read,
            Subject::Record,
            Body::Unread(Unread {
                feed: "lab".into(),
                reason: String::new(),
            }),
        );
        let bytes = encode(&event);
        assert!(!String::from_utf8_lossy(&bytes).contains("from"));
        let event = event.from_address(Some("192.0.2.7".into()));
        assert_eq!(
            decode(&encode(&event)).unwrap().from.as_deref(),
            Some("192.0.2.7")
        );
        assert_eq!(encode(&decode(&bytes).unwrap()), bytes);
    }

    #[test]
    fn a_headless_plaintext_is_refused() {
        assert!(matches!(decode(b"no line end"), Err(Unreadable::NoHeader)));
        assert!(matches!(decode(b"{}\nrest"), Err(Unreadable::Header(_))));
    }
}
