//! What the page shows.

use askama::Template;

use crate::pages::shell::{Shell, Tone};
use crate::pages::visit::{Fields, Visit};
use crate::pages::words::{self, Stamp};
use crate::pulls::{Pull, PullSum, Stage};

/// In place of why something lacks of a patient, for those who do not see patients: a reason may name whose it is.
const ELSEWHERE: &str = "Why something lacks stands on the page of that patient.";

/// Are the images that were asked for here?
#[derive(Template)]
#[template(path = "fetch.html")]
pub(crate) struct FetchPage {
    pub shell: Shell,
    /// Id and name of the patient whose images they are; `None`: of anybody.
    pub of: Option<(String, String)>,
    pub action: String,
    /// AE titles of what can be fetched from.
    pub sources: Vec<String>,
    pub typed: Typed,
    /// Why this person may order nothing; empty: they may.
    pub refused: Vec<String>,
    pub rows: Vec<PullRow>,
    pub wrong: Option<String>,
    pub decision: Option<u64>,
}

/// What was typed.
#[derive(Debug, Default)]
pub(crate) struct Typed {
    pub from: String,
    pub study: String,
    pub accession: String,
    pub number: String,
    pub reason: String,
}

/// An order.
pub(crate) struct PullRow {
    /// Names it.
    pub id: u64,
    /// Whether it can be taken back.
    pub goes_on: bool,
    /// What, for those who may know it.
    pub what: String,
    pub from: String,
    pub by: String,
    pub at: Stamp,
    pub tone: Tone,
    pub state: String,
    pub progress: String,
    /// What is wrong, in sentences.
    pub wrong: Vec<String>,
}

impl Typed {
    pub(super) fn of(fields: &Fields) -> Typed {
        let text = |name: &str| fields.get(name).to_owned();
        Typed {
            from: text("from"),
            study: text("study"),
            accession: text("accession"),
            number: text("number"),
            reason: text("reason"),
        }
    }
}

impl FetchPage {
    /// The orders that this person may take back.
    pub(crate) fn back(&self) -> Vec<&PullRow> {
        let may = self.refused.is_empty();
        let rows = self.rows.iter();
        rows.filter(|row| may && row.goes_on).collect()
    }

    /// The answer to the page's question.
    pub(crate) fn answer(&self) -> String {
        let goes_on = self
            .rows
            .iter()
            .filter(|row| row.tone == Tone::Unknown)
            .count();
        let wrong = self
            .rows
            .iter()
            .filter(|row| row.tone != Tone::Good && row.tone != Tone::Unknown);
        match (self.rows.len(), goes_on, wrong.count()) {
            (0, ..) => "No evidence: nothing was ordered since Salus started.".to_owned(),
            (_, 0, 0) => "All that was ordered is here.".to_owned(),
            (_, 0, wrong) => format!(
                "Of {} not all is here.",
                words::count(wrong as u64, "order", "orders")
            ),
            (_, goes_on, _) => format!(
                "{} on.",
                words::count(goes_on as u64, "order goes", "orders go")
            ),
        }
    }
}

/// The rows of orders. What was ordered of a patient is for those who may see the chart.
pub(crate) fn rows(visit: &Visit, pulls: &[Pull], sees_patients: bool) -> Vec<PullRow> {
    let row = |pull: &Pull| {
        let (tone, state) = state(pull);
        let sees = pull.patient.is_none() || sees_patients;
        PullRow {
            id: pull.id,
            goes_on: pull.goes_on(),
            what: match sees {
                true => pull.what.clone(),
                false => masked(pull).to_owned(),
            },
            from: pull.from.clone(),
            by: pull.by.clone(),
            at: visit.stamp(pull.at),
            tone,
            state,
            progress: progress(&pull.sum),
            wrong: match (wrong(pull), sees) {
                (all, true) => all,
                (none, false) if none.is_empty() => none,
                (_, false) => vec![ELSEWHERE.to_owned()],
            },
        }
    };
    pulls.iter().map(row).collect()
}

/// What is ordered, for those who do not see patients.
pub(crate) fn masked(pull: &Pull) -> &str {
    match pull.patient {
        Some(_) => "studies of a patient, ordered on the chart",
        None => &pull.what,
    }
}

fn state(pull: &Pull) -> (Tone, String) {
    if let Some(by) = &pull.taken_back {
        return match &pull.stage {
            Stage::Ended(..) => (Tone::Warn, format!("taken back by {by}")),
            _ => (
                Tone::Unknown,
                format!("is taken back by {by}, once what is under way came"),
            ),
        };
    }
    let (tone, words) = match &pull.stage {
        Stage::Waits => (Tone::Unknown, "waits for others"),
        Stage::Runs => (Tone::Unknown, "goes on"),
        Stage::Ended(_, Err(_)) => (Tone::Bad, "broke off"),
        Stage::Ended(..) if pull.sum.series == Some(0) => (Tone::Warn, "nothing was found"),
        Stage::Ended(..) if pull.sum.lack > 0 => (Tone::Warn, "done, some lack"),
        Stage::Ended(..) => (Tone::Good, "done"),
    };
    (tone, words.to_owned())
}

fn progress(sum: &PullSum) -> String {
    let Some(series) = sum.series else {
        return "not asked yet".to_owned();
    };
    format!(
        "{} of {} series; {} came, {} here before, {} lack",
        words::thousands(sum.done),
        words::thousands(series),
        words::count(sum.came, "object", "objects"),
        words::thousands(sum.there),
        words::thousands(sum.lack)
    )
}

fn wrong(pull: &Pull) -> Vec<String> {
    let broke_off = match &pull.stage {
        Stage::Ended(_, Err(why)) => Some(why),
        _ => None,
    };
    let all = broke_off.into_iter().chain(&pull.sum.why);
    all.map(|why| words::sentence(&words::quoted(why)))
        .collect()
}

#[cfg(test)]
impl crate::pages::Samples for FetchPage {
    fn samples() -> Vec<FetchPage> {
        use crate::pages::shell::Here;
        use crate::pages::shell::samples::{administrator, shell};
        let page = |rows: Vec<PullRow>, refused: Vec<String>| FetchPage {
            shell: shell("Fetch images", Here::Patients),
            of: Some(("p1".into(), "\u{c5}berg, <Nils>".into())),
            action: "/patients/p1/fetch".into(),
            sources: vec!["PACS".into(), "<ARCHIVE>".into()],
            typed: Typed {
                from: "<ARCHIVE>".into(),
                study: "1.2.<3>".into(),
                reason: "prior images".into(),
                ..Typed::default()
            },
            refused,
            rows,
            wrong: Some("A study is named by its UID: digits and dots.".into()),
            decision: Some(48_201),
        };
        let refused = vec!["this is your own chart".to_owned()];
        let of_house = FetchPage {
            shell: administrator("Fetch images", Here::Flow),
            of: None,
            action: "/flow/fetch".into(),
            sources: Vec::new(),
            wrong: None,
            decision: None,
            ..page(samples::rows(), Vec::new())
        };
        vec![
            page(samples::rows(), Vec::new()),
            page(Vec::new(), refused),
            of_house,
        ]
    }
}

#[cfg(test)]
pub(crate) mod samples {
    use super::*;
    use crate::pages::shell::samples::ago;

    pub(crate) fn rows() -> Vec<PullRow> {
        let row = |tone, state: &str, wrong: &[&str]| PullRow {
            id: 7,
            goes_on: tone == Tone::Unknown,
            what: "study 1.2.840.113619.2.55".into(),
            from: "<PACS>".into(),
            by: "Nora <Berg>".into(),
            at: ago(3),
            tone,
            state: state.into(),
            progress: "2 of 3 series; 1,200 objects came, 0 here before, 1 lack".into(),
            wrong: wrong.iter().map(|one| (*one).to_owned()).collect(),
        };
        vec![
            row(Tone::Unknown, "goes on", &[]),
            row(Tone::Warn, "done, some lack", &["It was erased here <b>."]),
            row(Tone::Good, "done", &[]),
        ]
    }
}
