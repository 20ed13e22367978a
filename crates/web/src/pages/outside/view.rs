//! What the pages about other systems show.

use askama::Template;
use event::Unlike;
use oversight::{Alteration, Fate};

use crate::pages::altered::Altered;
use crate::pages::shell::{Shell, Tone};
use crate::pages::visit::Visit;
use crate::pages::words::Stamp;

/// Is what other systems hold what was sealed?
#[derive(Template)]
#[template(path = "outside.html")]
pub(crate) struct OutsidePage {
    pub shell: Shell,
    pub tone: Tone,
    pub answer: String,
    pub parts: Vec<OutsidePart>,
}

/// Those that have come so far.
pub(crate) struct OutsidePart {
    pub id: &'static str,
    pub title: &'static str,
    /// What is said when there are none.
    pub none: &'static str,
    pub rows: Vec<OutsideRow>,
}

/// What nobody has decided about; what is ordered or was refused; the rest.
pub(crate) fn parts(rows: [Vec<OutsideRow>; 3]) -> Vec<OutsidePart> {
    let named = [
        (
            "waiting",
            "To be decided, the oldest first",
            "Nothing waits.",
        ),
        ("going", "Decided, and not put back yet", "Nothing."),
        ("done", "Done, the newest first", "Nothing yet."),
    ];
    let parts = named.into_iter().zip(rows);
    let parts = parts.map(|((id, title, none), rows)| OutsidePart {
        id,
        title,
        none,
        rows,
    });
    parts.collect()
}

/// Is this put back?
#[derive(Template)]
#[template(path = "outside_one.html")]
pub(crate) struct PutBackPage {
    pub shell: Shell,
    pub row: OutsideRow,
    /// The one alteration, with its values but for those that are kept from whoever looks; empty: the
    /// page is not about its values.
    pub altered: Vec<Altered>,
    /// Whether somebody has to decide.
    pub waits: bool,
    /// Whether there is a sealed version.
    pub can_go_back: bool,
    pub typed: String,
    pub wrong: Option<String>,
}

/// One resource, without its values.
pub(crate) struct OutsideRow {
    pub index: u64,
    pub at: Stamp,
    /// Type and id.
    pub name: String,
    pub system: String,
    /// In what it differs, in words.
    pub unlike: &'static str,
    /// What became of it, in words.
    pub fate: String,
}

pub(crate) fn row(visit: &Visit, one: &Alteration) -> OutsideRow {
    let outside = one.altered.outside.as_ref();
    let name = outside.map(|found| format!("{}/{}", found.kind, found.id));
    OutsideRow {
        index: one.index,
        at: visit.stamp(one.at),
        name: name.unwrap_or_default(),
        system: outside.map_or(String::new(), |found| found.system.clone()),
        unlike: match outside.map(|found| found.unlike) {
            Some(Unlike::Missing) => "is not there",
            Some(Unlike::Unknown) => "was never sealed",
            Some(Unlike::Changed) | None => "says something else",
        },
        fate: fate(one),
    }
}

/// What became of it, in words.
pub(crate) fn fate(one: &Alteration) -> String {
    let Some(settling) = &one.settling else {
        return "nobody has decided".to_owned();
    };
    let (who, words) = (&settling.who, &settling.words);
    match settling.fate {
        Fate::Waiting => "nobody has decided".to_owned(),
        Fate::Ordered => format!("{who} ordered to put it back: {words}; not sent yet"),
        Fate::Left => format!("{who} left it as it is: {words}"),
        Fate::Sent => format!("put back there ({words}); the next comparison looks"),
        Fate::Refused => format!("NOT put back: the other system refused ({words})"),
        Fate::Settled => "it is again as it was sealed, or something else was found".to_owned(),
    }
}

#[cfg(test)]
mod samples {
    use super::*;
    use crate::pages::Samples;
    use crate::pages::altered::samples::altered;
    use crate::pages::shell::Here;
    use crate::pages::shell::samples::{ago, shell};

    fn row(index: u64, unlike: &'static str, fate: &str) -> OutsideRow {
        OutsideRow {
            index,
            at: ago(7),
            name: "Observation/b7q3aaaa".into(),
            system: "https://ehr.hospital/fhir".into(),
            unlike,
            fate: fate.into(),
        }
    }

    impl Samples for OutsidePage {
        fn samples() -> Vec<OutsidePage> {
            let full = OutsidePage {
                shell: shell("Other systems", Here::Record),
                tone: Tone::Bad,
                answer: "1 resource of another system is not what was sealed: decide.".into(),
                parts: parts([
                    vec![row(4_711, "says something else", "nobody has decided")],
                    vec![row(4_020, "is not there", "NOT put back: <b> refused")],
                    vec![row(
                        12,
                        "was never sealed",
                        "paul left it as it is: a \"test\" bed",
                    )],
                ]),
            };
            let empty = OutsidePage {
                shell: shell("Other systems", Here::Record),
                tone: Tone::Unknown,
                answer: "No evidence. No comparison has ended since Salus was started.".into(),
                parts: parts([Vec::new(), Vec::new(), Vec::new()]),
            };
            vec![full, empty]
        }
    }

    impl Samples for PutBackPage {
        fn samples() -> Vec<PutBackPage> {
            let one = |waits: bool, can_go_back: bool| PutBackPage {
                shell: shell("Altered elsewhere", Here::Record),
                row: row(4_711, "says something else", "nobody has decided"),
                altered: altered(),
                waits,
                can_go_back,
                typed: "a \"reason\" <b>".into(),
                wrong: waits.then(|| "Choose what becomes of it.".into()),
            };
            vec![one(true, true), one(true, false), one(false, true)]
        }
    }
}
