//! A disclosure on paper: what the event says, the head that it was made at, how to check it. One
//! file that stands by itself: it has its own style, no script, and fetches nothing.

use askama::Template;
use aws_lc_rs::digest;
use event::{Body, Event, Resource, Time};
use jiff::tz::TimeZone;
use record::Disclosure;
use serde_json::Value;

use super::told;
use crate::pages::flow::body;
use crate::pages::qr::Qr;
use crate::pages::words::{self, Eye, Stamp};

/// Bytes of an event that the sheet shows, so that it stays one page; the file holds all.
const SHOWN_BYTES_MAX: usize = 3_000;

/// What does the record say?
#[derive(Template)]
#[template(path = "disclosure.html")]
pub(crate) struct Sheet {
    index: u64,
    origin: String,
    sealed: Stamp,
    zone: String,
    facts: Vec<(&'static str, String)>,
    lines: Vec<String>,
    note: String,
    head: String,
    checkpoint: Option<Qr>,
    key: String,
    hash: String,
    by: String,
    decision: u64,
}

/// A disclosure as a sheet of paper: HTML in one file. `by` handed it out, as decision `decision`
/// says; times are shown in `zone` (IANA).
///
/// # Errors
/// In words, if the disclosure does not hold an event.
pub fn disclosure_sheet(
    disclosure: &Disclosure,
    key: &str,
    (zone, now): (&str, Time),
    (by, decision): (&str, u64),
) -> Result<String, String> {
    let zone = TimeZone::get(zone).unwrap_or(TimeZone::UTC);
    let sheet = Sheet::of(disclosure, key, &Eye { now, zone })?;
    sheet.told(by, decision).map_err(|why| why.to_string())
}

impl Sheet {
    pub(super) fn of(disclosure: &Disclosure, key: &str, eye: &Eye) -> Result<Sheet, String> {
        let event = event::decode(&disclosure.plaintext).map_err(|why| why.to_string())?;
        let (proof, checkpoint) = disclosure
            .proof
            .split_once("\n\n")
            .ok_or("the disclosure has no checkpoint")?;
        let index = proof.lines().find_map(|line| line.strip_prefix("index "));
        let index = index.and_then(|text| text.parse().ok());
        let at = disclosure
            .entry
            .get(17..25)
            .and_then(|at| at.try_into().ok());
        let at = i64::from_be_bytes(at.ok_or("the disclosure has no entry")?);
        let head: Vec<&str> = checkpoint.lines().take(3).collect();
        let (lines, note) = shown(&event);
        Ok(Sheet {
            index: index.ok_or("the disclosure has no index")?,
            origin: head.first().copied().unwrap_or_default().to_owned(),
            sealed: Stamp::new(Time::from_millis(at), eye),
            zone: eye.zone.iana_name().unwrap_or("UTC").to_owned(),
            facts: facts(&event),
            lines,
            note,
            head: head.get(1..).unwrap_or_default().join(" "),
            checkpoint: Qr::of(checkpoint),
            key: key.trim().to_owned(),
            hash: hex(digest::digest(&digest::SHA256, &disclosure.plaintext).as_ref()),
            by: String::new(),
            decision: 0,
        })
    }

    /// The sheet's HTML, with who handed it out.
    pub(super) fn told(mut self, by: &str, decision: u64) -> Result<String, askama::Error> {
        (self.by, self.decision) = (by.to_owned(), decision);
        self.render()
    }
}

fn facts(event: &Event) -> Vec<(&'static str, String)> {
    let about = match event.subject.patient() {
        Some(id) => format!("patient {id}"),
        None => told::about(&event.subject, true),
    };
    vec![
        ("What", told::what(event)),
        ("By", told::who(&event.actor, true)),
        ("About", about),
        ("Let in because", told::because(&event.because)),
    ]
}

/// What the event says, in lines, and what was left out of them.
fn shown(event: &Event) -> (Vec<String>, String) {
    match &event.body {
        Body::Image(_) | Body::Message(_) | Body::Signals(_) | Body::Unread(_) => {
            let (segments, note) = body::shown(event, SHOWN_BYTES_MAX);
            let lines = segments
                .into_iter()
                .map(|one| format!("{}{}", one.name, one.rest));
            (lines.collect(), note)
        }
        Body::Resource(written) => {
            let value = serde_json::from_slice(&event.raw).unwrap_or(Value::Null);
            let (lines, note) = json(&value);
            (lines, attached(written, note))
        }
        _ => json(&serde_json::to_value(event).unwrap_or(Value::Null)),
    }
}

/// What is said beside the resource: a mark that stands in it names what is attached.
fn attached(written: &Resource, note: String) -> String {
    let all = written.contents.iter();
    let said = all.map(|one| {
        let (bytes, hash) = (words::thousands(one.whole.bytes), &one.whole.sha256);
        format!("What is attached lies beside the record: {bytes} bytes, SHA-256 {hash}.")
    });
    let said = said.chain((!note.is_empty()).then_some(note));
    said.collect::<Vec<String>>().join(" ")
}

fn json(value: &Value) -> (Vec<String>, String) {
    let (mut lines, mut left) = (Vec::new(), SHOWN_BYTES_MAX);
    for line in format!("{value:#}").lines() {
        let Some(rest) = left.checked_sub(line.len()) else {
            return (lines, "It goes on; the file holds all of it.".to_owned());
        };
        left = rest;
        lines.push(line.to_owned());
    }
    (lines, String::new())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disclosure(raw: &[u8]) -> Disclosure {
        let body = Body::Unread(event::Unread {
            feed: "lab".into(),
            reason: "<no> `MSH`".into(),
        });
        let subject = event::Subject::Feed("lab".into());
        let event = Event::new(event::Actor::feed("lab"), event::Act::Send, subject, body);
        Disclosure {
            plaintext: event::encode(&event.with_raw(raw.to_vec())),
            salt: [1; 32],
            entry: vec![0; 93],
            proof: "c2sp.org/tlog-proof@v1\nindex 7\n\nlog.example\n9\nAAAA=\n\n— log.example x\n"
                .into(),
        }
    }

    #[test]
    fn the_sheet_says_what_where_and_under_which_head() {
        let made = ("Europe/Berlin", Time::from_millis(1_795_269_802_000));
        let html = disclosure_sheet(
            &disclosure(b"MSX|<b>"),
            "log.example+1+AAAA",
            made,
            ("Ada", 12),
        )
        .unwrap();
        for part in [
            "Event 7",
            "log.example+1+AAAA",
            "9 AAAA=",
            "MSX|&#60;b&#62;",
            "Ada",
            "salus check",
        ] {
            assert!(html.contains(part), "{part} in {html}");
        }
        assert!(!html.contains("<script") && !html.contains("http://"));
        assert!(html.contains("default-src 'none'"));
    }

    #[test]
    fn a_long_event_is_cut_and_says_so() {
        let made = ("UTC", Time::from_millis(1_795_269_802_000));
        let long = vec![b'x'; 20_000];
        let html = disclosure_sheet(&disclosure(&long), "k", made, ("Ada", 12)).unwrap();
        assert!(html.len() < 40_000, "{}", html.len());
    }
}
