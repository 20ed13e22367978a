use askama::Template;

use super::graph::Graph;
use crate::pages::shell::{Shell, Tone};
use crate::pages::words::Stamp;

/// Who looked at whose chart?
#[derive(Template)]
#[template(path = "access.html")]
pub(crate) struct AccessPage {
    pub shell: Shell,
    pub question: &'static str,
    pub answer: String,
    pub asked: Asked,
    pub graph: Option<Graph>,
    /// Of a patient: who looked.
    pub people: Vec<Looker>,
    /// Of an account: at whom.
    pub patients: Vec<Looked>,
    /// Of an account: how much of what it may.
    pub taken: Option<Taken>,
    pub rows: Vec<Row>,
    /// Where the list goes on.
    pub next: Option<String>,
    /// Of a patient: what other systems tell.
    pub elsewhere: Vec<Elsewhere>,
    /// How many of those are shown; empty: all.
    pub told: String,
    /// The sealed decision that allowed this look.
    pub decision: u64,
    pub outlet: Option<Outlet>,
}

/// What was asked.
#[derive(Debug, Clone, Default)]
pub(crate) struct Asked {
    pub patient: String,
    pub account: String,
    pub accounts: Vec<Choice>,
    pub from: String,
    pub to: String,
    /// The part of an address that asks for the same again.
    pub address: String,
}

/// An account one may choose.
#[derive(Debug, Clone)]
pub(crate) struct Choice {
    pub account: String,
    pub name: String,
}

/// Why looks were allowed.
#[derive(Debug, Clone)]
pub(crate) struct Why {
    pub tone: Tone,
    /// The relationship, in words.
    pub words: String,
    /// What somebody should ask about; empty: it explains itself.
    pub mark: &'static str,
}

/// Somebody who looked at a patient.
#[derive(Debug, Clone)]
pub(crate) struct Looker {
    pub account: String,
    pub name: String,
    pub role: &'static str,
    pub count: Counted,
    pub why: Why,
}

impl Looker {
    pub(crate) fn unexplained(&self) -> bool {
        !self.why.mark.is_empty()
    }
}

/// A patient somebody looked at.
#[derive(Debug, Clone)]
pub(crate) struct Looked {
    pub patient: String,
    pub count: Counted,
    pub why: Why,
}

impl Looked {
    pub(crate) fn unexplained(&self) -> bool {
        !self.why.mark.is_empty()
    }
}

/// How often, and when.
#[derive(Debug, Clone)]
pub(crate) struct Counted {
    pub looks: u64,
    pub refused: u64,
    pub first: Stamp,
    pub last: Stamp,
    /// The last one's event.
    pub index: u64,
}

/// One thing somebody did.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub index: u64,
    pub at: Stamp,
    pub account: String,
    pub name: String,
    pub role: &'static str,
    pub what: &'static str,
    pub patient: String,
    /// What part, in words.
    pub part: String,
    pub why: Why,
    pub reason: String,
    /// The network address it was done from; empty: this machine, or it was not kept.
    pub from: String,
}

/// An access that another system tells of.
#[derive(Debug, Clone)]
pub(crate) struct Elsewhere {
    pub index: u64,
    /// When it happened, as it says.
    pub at: Stamp,
    pub who: String,
    /// Their id there, if their name is something else.
    pub user: String,
    pub what: String,
    pub action: &'static str,
    pub outcome: &'static str,
    pub source: String,
    pub feed: String,
    pub from: String,
    /// What was odd about the message, in words.
    pub odd: String,
}

/// How much an account took, and what it may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Taken {
    pub hour: u32,
    pub day: u32,
    pub ceiling_hour: u32,
    pub ceiling_day: u32,
    pub learned_days: usize,
}

/// How the audit trail's way out does.
#[derive(Debug, Clone)]
pub(crate) struct Outlet {
    pub to: String,
    pub behind: String,
    pub waits: bool,
    pub delivered: String,
    pub last: Option<Stamp>,
    pub trouble: Option<String>,
}

#[cfg(test)]
pub(crate) mod samples {
    use super::*;
    use crate::pages::Samples;
    use crate::pages::shell::Here;
    use crate::pages::shell::samples::{administrator, ago};

    const HOSTILE: &str = "<script>alert(1)</script>\"'&=1+1";

    fn why(mark: &'static str) -> Why {
        Why {
            tone: if mark.is_empty() {
                Tone::Good
            } else {
                Tone::Warn
            },
            words: format!("worked on the patient\u{2019}s ward {HOSTILE}"),
            mark,
        }
    }

    fn counted() -> Counted {
        Counted {
            looks: 12,
            refused: 1,
            first: ago(60_000),
            last: ago(3),
            index: 4711,
        }
    }

    pub(crate) fn lookers() -> Vec<Looker> {
        let one = |account: &str, mark| Looker {
            account: account.into(),
            name: format!("{account} {HOSTILE}"),
            role: "nurse",
            count: counted(),
            why: why(mark),
        };
        vec![
            one("anna", ""),
            one("bert", "relationship ended"),
            one(HOSTILE, "broken glass"),
        ]
    }

    pub(crate) fn looked() -> Vec<Looked> {
        let one = |patient: &str, mark| Looked {
            patient: patient.into(),
            count: counted(),
            why: why(mark),
        };
        vec![
            one("p-1", ""),
            one("abcdefghijklmnopqrstuvwxyz", "by its scopes alone"),
        ]
    }

    fn sample() -> AccessPage {
        AccessPage {
            shell: administrator("Access", Here::Access),
            question: "Who looked at this chart?",
            answer: "3 people looked.".into(),
            asked: Asked {
                patient: HOSTILE.into(),
                account: "anna".into(),
                accounts: vec![Choice {
                    account: HOSTILE.into(),
                    name: HOSTILE.into(),
                }],
                from: "2026-08-28".into(),
                to: String::new(),
                address: "search=abc".into(),
            },
            graph: Graph::of_people(&lookers(), "p-1"),
            people: lookers(),
            patients: looked(),
            taken: Some(Taken {
                hour: 12,
                day: 41,
                ceiling_hour: 40,
                ceiling_day: 180,
                learned_days: 21,
            }),
            rows: vec![Row {
                index: 4711,
                at: ago(3),
                account: HOSTILE.into(),
                name: HOSTILE.into(),
                role: "nurse",
                what: "read",
                patient: "p-1".into(),
                part: HOSTILE.into(),
                why: why("refused"),
                reason: HOSTILE.into(),
                from: "192.0.2.7".into(),
            }],
            next: Some("4711-2".into()),
            elsewhere: vec![Elsewhere {
                index: 4711,
                at: ago(3),
                who: HOSTILE.into(),
                user: HOSTILE.into(),
                what: HOSTILE.into(),
                action: "read",
                outcome: "failed",
                source: HOSTILE.into(),
                feed: HOSTILE.into(),
                from: HOSTILE.into(),
                odd: HOSTILE.into(),
            }],
            told: "The newest 1 of 4,711.".into(),
            decision: 4712,
            outlet: Some(Outlet {
                to: "tls://arr.example:6514".into(),
                behind: "12 sealed events wait".into(),
                waits: true,
                delivered: "1,234".into(),
                last: Some(ago(2)),
                trouble: Some(HOSTILE.into()),
            }),
        }
    }

    impl Samples for AccessPage {
        fn samples() -> Vec<AccessPage> {
            let bare = AccessPage {
                asked: Asked::default(),
                graph: None,
                people: Vec::new(),
                patients: Vec::new(),
                taken: None,
                rows: Vec::new(),
                next: None,
                elsewhere: Vec::new(),
                told: String::new(),
                outlet: None,
                ..sample()
            };
            vec![sample(), bare]
        }
    }
}
