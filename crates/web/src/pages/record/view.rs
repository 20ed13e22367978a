use askama::Template;

use super::cosigning::WitnessRow;
use crate::pages::altered::Altered;
use crate::pages::shell::{Check, Shell, Tone};
use crate::pages::words::Stamp;

/// Is the record whole?
#[derive(Template)]
#[template(path = "record.html")]
pub(crate) struct RecordPage {
    pub shell: Shell,
    pub answer: String,
    pub tone: Tone,
    pub size: String,
    /// The newest index; `None`: the record is empty.
    pub newest: Option<u64>,
    pub published: Option<Published>,
    /// What the witnesses say, if there are any: together, and each.
    pub witnesses: Option<(Tone, String, Vec<WitnessRow>)>,
    /// The newest events, newest first.
    pub events: Vec<EventRow>,
    /// What was found altered, the newest first.
    pub altered: Vec<Altered>,
    /// How the last look over the whole record went, in words.
    pub scrubbed: Option<String>,
    pub wrong: Option<String>,
}

/// The last published checkpoint.
pub(crate) struct Published {
    pub size: String,
    pub at: Stamp,
    pub origin: String,
    pub head: String,
    pub signers: Vec<String>,
    /// Events sealed since.
    pub since: u64,
}

/// An event without what is in it.
pub(crate) struct EventRow {
    pub index: u64,
    pub at: Stamp,
    pub what: String,
    pub who: String,
}

/// Was this event altered?
#[derive(Template)]
#[template(path = "event.html")]
pub(crate) struct EventPage {
    pub shell: Shell,
    pub index: u64,
    pub answer: String,
    pub check: Check,
    pub tone: Tone,
    /// What is known of it without opening it, as (label, value).
    pub facts: Vec<(&'static str, String)>,
    pub at: Option<Stamp>,
    /// Whether a checkpoint covers it, so that there is a proof.
    pub provable: bool,
    /// Whether it is a message that the Flow page can show.
    pub message: bool,
    pub size: u64,
    /// The log's head now, `SIZE ROOT`; empty: none is published.
    pub head: String,
}

#[cfg(test)]
impl crate::pages::Samples for RecordPage {
    fn samples() -> Vec<RecordPage> {
        vec![samples::grown(), samples::empty()]
    }
}

#[cfg(test)]
impl crate::pages::Samples for EventPage {
    fn samples() -> Vec<EventPage> {
        vec![
            samples::event(Check::Verified, Tone::Good),
            samples::event(
                Check::Altered("the stored bytes of event 12,340 don't hash to its entry".into()),
                Tone::Bad,
            ),
        ]
    }
}

#[cfg(test)]
mod samples {
    use super::*;
    use crate::pages::shell::Here;
    use crate::pages::shell::samples::{ago, shell};

    pub(super) fn grown() -> RecordPage {
        let mut shell = shell("Record", Here::Record);
        shell.live = Some(5);
        let row = |index, minutes, what: &str, who: &str| EventRow {
            index,
            at: ago(minutes),
            what: what.into(),
            who: who.into(),
        };
        RecordPage {
            shell,
            answer: "48,211 events are sealed, and the last checkpoint is 2 s old.".into(),
            tone: Tone::Good,
            size: "48,211".into(),
            newest: Some(48_210),
            published: Some(Published {
                size: "48,209".into(),
                at: ago(0),
                origin: "salus.example/record".into(),
                head: "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=".into(),
                signers: vec!["salus.example/record+3b1c5f2a".into()],
                since: 2,
            }),
            witnesses: Some((
                Tone::Bad,
                "A witness has seen another history.".into(),
                witnesses(),
            )),
            events: vec![
                row(48_210, 0, "message ORU^R01", "feed lab"),
                row(48_209, 0, "decision: read, allowed", "nurse"),
                row(48_208, 1, "message ADT^A02", "feed <adt>"),
                row(48_207, 2, "sign-in, failed", "person"),
            ],
            altered: crate::pages::altered::samples::altered(),
            scrubbed: Some("All 48,209 events were looked over 4 min ago.".into()),
            wrong: None,
        }
    }

    fn witnesses() -> Vec<WitnessRow> {
        let row = |name: &str, tone, last, trouble: &str| WitnessRow {
            name: name.into(),
            tone,
            last,
            trouble: trouble.into(),
        };
        let cosigned = |minutes| Some(("48,209".to_owned(), ago(minutes)));
        vec![
            row("mercy.example/w1", Tone::Good, cosigned(0), ""),
            row(
                "north.example/w1",
                Tone::Warn,
                cosigned(900),
                "No answer within 5,000 ms.",
            ),
            row(
                "<east>.example",
                Tone::Bad,
                None,
                "A witness has seen another history.",
            ),
        ]
    }

    pub(super) fn empty() -> RecordPage {
        RecordPage {
            shell: shell("Record", Here::Record),
            answer: "There is no evidence yet: no checkpoint is published.".into(),
            tone: Tone::Unknown,
            size: "0".into(),
            newest: None,
            published: None,
            witnesses: None,
            events: Vec::new(),
            altered: Vec::new(),
            scrubbed: None,
            wrong: Some("There is no event `999` in the record. The newest is 48,210.".into()),
        }
    }

    pub(super) fn event(check: Check, tone: Tone) -> EventPage {
        EventPage {
            shell: shell("Event 12,340", Here::Record),
            index: 12_340,
            answer: match check {
                Check::Altered(_) => "Event 12,340 was altered.".into(),
                _ => "Event 12,340 is unaltered.".into(),
            },
            check,
            tone,
            facts: vec![
                ("What", "message ORU^R01".into()),
                ("From", "feed lab".into()),
                ("About", "one patient".into()),
                ("Let in because", "feed:lab".into()),
                ("Bytes received", "2,114".into()),
            ],
            at: Some(ago(55)),
            provable: true,
            message: true,
            size: 48_211,
            head: "48209 CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=".into(),
        }
    }
}
