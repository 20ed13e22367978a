use askama::Template;

use crate::pages::patients::vitals::Vital;
use crate::pages::shell::{Shell, Tone};
use crate::pages::words::Stamp;

/// What is left when Salus is away?
#[derive(Template)]
#[template(path = "lifeline.html")]
pub(crate) struct LifelinePage {
    pub shell: Shell,
    pub tone: Tone,
    pub answer: String,
    pub packs: Vec<PackRow>,
    /// Wards of which this person may have pack and card: (as in an address, code).
    pub wards: Vec<(String, String)>,
    pub rungs: Vec<Rung>,
    /// What drills measured, over time.
    pub vitals: Vec<Vital>,
    pub drills: Vec<DrillRow>,
    /// Drills that can be ordered, each with what is practised.
    pub choices: Vec<(&'static str, &'static str)>,
    /// This person may order one now.
    pub orders: bool,
    /// How the one stands that was ordered last.
    pub drilling: Option<(Tone, String)>,
    pub wrong: Option<String>,
    /// The last clean event, and what speaks of an intrusion.
    pub clean: Option<(u64, String)>,
    pub within_tone: Tone,
    pub within: String,
    /// Index of the newest event.
    pub last: u64,
    /// Where the slider stands.
    pub at: u64,
    pub point: Option<PointNote>,
    pub steps: Vec<Step>,
}

/// One copy of the ladder.
pub(crate) struct Rung {
    pub kind: String,
    pub name: String,
    pub tone: Tone,
    pub events: String,
    pub behind: String,
    pub seen: String,
    /// When it was last opened and found right.
    pub verified: String,
    pub wrong: String,
    pub index: Option<u64>,
}

/// One drill.
pub(crate) struct DrillRow {
    pub index: u64,
    pub name: String,
    pub at: Stamp,
    pub seed: String,
    pub lost: String,
    pub back: String,
    pub read: String,
    pub write: String,
    pub named: String,
    /// What the one of this name before it measured.
    pub before: String,
    pub tone: Tone,
}

/// A point to go back to.
pub(crate) struct PointNote {
    pub index: u64,
    pub day: String,
    pub clock: String,
    pub age: String,
    pub what: String,
    /// Events that are kept if one goes back to it.
    pub kept: String,
    pub after: String,
}

/// One step of coming back.
pub(crate) struct Step {
    pub name: String,
    pub why: String,
    pub now: String,
}

/// One ward's pack.
pub(crate) struct PackRow {
    pub ward: String,
    pub tone: Tone,
    pub age: String,
    pub patients: String,
    pub kilobytes: String,
    pub events: String,
    /// Folder, when it was last read again there, what is wrong.
    pub puts: Vec<(String, String, String)>,
    pub wrong: String,
    /// Of 100: how near it is to being old.
    pub part: i64,
}

/// The card with a ward's code.
#[derive(Template)]
#[template(path = "card.html")]
pub(crate) struct CardPage {
    pub shell: Shell,
    pub ward: String,
    /// The ward as it stands in an address.
    pub path: String,
    pub card: Option<Card>,
    /// A reason has to be typed.
    pub reasons: bool,
    pub wrong: Option<String>,
}

/// What the card says.
pub(crate) struct Card {
    pub code: String,
    pub from: String,
    pub until: String,
    /// The card of the period before, for a pack that was made then.
    pub before: String,
    pub decision: u64,
}

#[cfg(test)]
mod samples {
    use super::*;
    use crate::pages::Samples;
    use crate::pages::patients::vitals::Vital;
    use crate::pages::shell::Here;
    use crate::pages::shell::samples::{administrator, ago, mark, shell};

    const HOSTILE: &str = "<script>alert(1)</script>\"'&";

    fn rung(tone: Tone, wrong: &str) -> Rung {
        Rung {
            kind: "Standby".into(),
            name: HOSTILE.into(),
            tone,
            events: "48,211".into(),
            behind: "1 s".into(),
            seen: "14:03".into(),
            verified: "14:00".into(),
            wrong: wrong.into(),
            index: Some(7),
        }
    }

    fn measured() -> Vital {
        Vital {
            name: "Until the first chart could be read".into(),
            value: "4.2".into(),
            unit: "s".into(),
            flag: None,
            when: "measured 12 min ago".into(),
            trend: None,
            late: false,
            mark: mark(48_100),
        }
    }

    fn drill() -> DrillRow {
        DrillRow {
            index: 9,
            name: HOSTILE.into(),
            at: ago(30),
            seed: "7".into(),
            lost: "0".into(),
            back: "0.4".into(),
            read: "4.2".into(),
            write: "71".into(),
            named: "3 of 3 named".into(),
            before: "to read 4.1 s, to write 80 s".into(),
            tone: Tone::Good,
        }
    }

    impl Samples for LifelinePage {
        fn samples() -> Vec<LifelinePage> {
            let row = |tone, wrong: &str| PackRow {
                ward: HOSTILE.into(),
                tone,
                age: "4 s old".into(),
                patients: "12".into(),
                kilobytes: "184".into(),
                events: "48,211".into(),
                puts: vec![(HOSTILE.into(), "4 s ago".into(), wrong.into())],
                wrong: wrong.into(),
                part: 40,
            };
            let page = |tone, packs| LifelinePage {
                shell: shell("Lifeline", Here::Lifeline),
                tone,
                answer: "Every ward pack is fresh.".into(),
                packs,
                wards: vec![("ICU".into(), HOSTILE.into())],
                rungs: vec![rung(Tone::Good, ""), rung(Tone::Bad, HOSTILE)],
                vitals: vec![measured()],
                drills: vec![drill()],
                choices: vec![("restore", "from an empty folder")],
                orders: tone == Tone::Bad,
                drilling: Some((Tone::Warn, HOSTILE.into())),
                wrong: (tone == Tone::Bad).then(|| HOSTILE.into()),
                clean: (tone == Tone::Bad).then(|| (47_000, HOSTILE.into())),
                within_tone: Tone::Good,
                within: HOSTILE.into(),
                last: 48_210,
                at: 48_000,
                point: Some(PointNote {
                    index: 48_000,
                    day: "2026-11-21".into(),
                    clock: "14:03:22".into(),
                    age: "2 h".into(),
                    what: HOSTILE.into(),
                    kept: "48,001".into(),
                    after: "210 events came after it".into(),
                }),
                steps: vec![Step {
                    name: HOSTILE.into(),
                    why: HOSTILE.into(),
                    now: HOSTILE.into(),
                }],
            };
            vec![
                page(
                    Tone::Bad,
                    vec![row(Tone::Good, ""), row(Tone::Bad, HOSTILE)],
                ),
                page(Tone::Unknown, Vec::new()),
            ]
        }
    }

    impl Samples for CardPage {
        fn samples() -> Vec<CardPage> {
            let page = |card, wrong: Option<&str>| CardPage {
                shell: administrator("Card", Here::Lifeline),
                ward: HOSTILE.into(),
                path: "ICU".into(),
                card,
                reasons: true,
                wrong: wrong.map(str::to_owned),
            };
            let card = Card {
                code: "7K3M-Q2XP-7K3M-Q2XP-7K3M".into(),
                from: "2026-11-02".into(),
                until: "2026-12-02".into(),
                before: "7K3M-Q2XP-7K3M-Q2XP-7K3N".into(),
                decision: 48_211,
            };
            vec![page(None, Some(HOSTILE)), page(Some(card), None)]
        }
    }
}
