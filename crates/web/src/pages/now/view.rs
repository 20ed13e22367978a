use askama::Template;

use crate::pages::picture::Bars;
use crate::pages::shell::{Shell, Tone};
use crate::pages::words::Stamp;

/// Is anything wrong right now?
#[derive(Template)]
#[template(path = "now.html")]
pub(crate) struct NowPage {
    pub shell: Shell,
    pub answer: String,
    pub tone: Tone,
    pub tiles: Vec<Tile>,
    pub river: Option<Bars>,
    pub wards: Vec<WardBar>,
    pub waiting: Vec<Waiting>,
    /// Whether this person may look at messages.
    pub may_open: bool,
}

/// One duty: a word, a number, a sentence.
pub(crate) struct Tile {
    pub label: &'static str,
    pub href: &'static str,
    pub tone: Tone,
    pub state: String,
    pub number: String,
    pub unit: String,
    pub detail: String,
}

/// A ward and how many lie there; `width` of 100.
pub(crate) struct WardBar {
    pub code: String,
    pub name: String,
    pub patients: u64,
    pub width: u64,
    pub own: bool,
}

/// Something that waits for somebody.
pub(crate) struct Waiting {
    pub index: u64,
    pub feed: String,
    pub why: String,
    pub at: Stamp,
}

#[cfg(test)]
impl crate::pages::Samples for NowPage {
    fn samples() -> Vec<NowPage> {
        vec![samples::busy(), samples::empty()]
    }
}

#[cfg(test)]
mod samples {
    use super::*;
    use crate::pages::shell::Here;
    use crate::pages::shell::samples::{ago, shell};

    fn tile(
        label: &'static str,
        tone: Tone,
        state: &str,
        (number, unit, detail): (&str, &str, &str),
    ) -> Tile {
        Tile {
            label,
            href: "/flow",
            tone,
            state: state.into(),
            number: number.into(),
            unit: unit.into(),
            detail: detail.into(),
        }
    }

    fn tiles() -> Vec<Tile> {
        vec![
            tile(
                "Feeds",
                Tone::Warn,
                "1 of 3 is silent",
                ("2", "flowing", "radiology was last heard 3 h 5 min ago"),
            ),
            tile(
                "Record",
                Tone::Good,
                "sealed and published",
                ("48,211", "events", "last checkpoint 2 s ago"),
            ),
            tile(
                "Charts",
                Tone::Good,
                "up to date",
                (
                    "0",
                    "events behind",
                    "a message is on its chart as soon as it is sealed",
                ),
            ),
            tile(
                "Patients",
                Tone::Good,
                "on 6 wards",
                ("184", "patients now", "12 of them on your wards"),
            ),
        ]
    }

    pub(super) fn busy() -> NowPage {
        let hours: Vec<(String, u64)> = (0..24)
            .map(|hour: u64| (format!("{hour:02}:00"), 120 + (hour * 97) % 400 + hour * 9))
            .collect();
        let mut shell = shell("Now", Here::Now);
        shell.live = Some(5);
        NowPage {
            shell,
            answer: "2 things need you.".into(),
            tone: Tone::Warn,
            tiles: tiles(),
            river: Bars::of(&hours, "messages"),
            wards: [
                ("ICU", 12, true),
                ("SURG2", 41, false),
                ("MED1", 55, false),
                ("<CARD>", 1, false),
            ]
            .into_iter()
            .map(|(code, patients, own)| WardBar {
                code: code.into(),
                name: "General medicine".into(),
                patients,
                width: patients * 100 / 55,
                own,
            })
            .collect(),
            waiting: vec![
                Waiting {
                    index: 4_112,
                    feed: "lab".into(),
                    why: "there is no “MSH” segment".into(),
                    at: ago(190),
                },
                Waiting {
                    index: 47_301,
                    feed: "adt".into(),
                    why: "the frame was cut off by the next one".into(),
                    at: ago(11),
                },
            ],
            may_open: true,
        }
    }

    pub(super) fn empty() -> NowPage {
        NowPage {
            shell: shell("Now", Here::Now),
            answer: "There is no evidence yet: nothing has arrived.".into(),
            tone: Tone::Unknown,
            tiles: vec![
                tile(
                    "Feeds",
                    Tone::Unknown,
                    "no evidence",
                    ("0", "feeds", "no system has sent a message yet"),
                ),
                tile(
                    "Record",
                    Tone::Unknown,
                    "no evidence",
                    ("1", "event", "no checkpoint is published yet"),
                ),
            ],
            river: None,
            wards: Vec::new(),
            waiting: Vec::new(),
            may_open: false,
        }
    }
}
