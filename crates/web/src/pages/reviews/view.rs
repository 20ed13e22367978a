use askama::Template;
use event::GlassVerdict;
use oversight::{Broken, Opened, Review};

use crate::pages::glass::view::Choice;
use crate::pages::shell::{Shell, Tone};
use crate::pages::visit::Visit;
use crate::pages::words::Stamp;

/// Which broken glass waits for a review?
#[derive(Template)]
#[template(path = "reviews.html")]
pub(crate) struct ReviewsPage {
    pub shell: Shell,
    pub tone: Tone,
    pub answer: String,
    pub waiting: Vec<GlassRow>,
    pub closed: Vec<ClosedRow>,
}

/// Was there need to break this glass?
#[derive(Template)]
#[template(path = "review.html")]
pub(crate) struct ReviewPage {
    pub shell: Shell,
    pub glass: GlassRow,
    pub opened: Vec<OpenedRow>,
    pub closed: Option<Closed>,
    pub may_close: bool,
    pub verdicts: Vec<Choice>,
    pub typed: String,
    pub wrong: Option<String>,
}

/// One broken glass.
pub(crate) struct GlassRow {
    pub index: u64,
    pub at: Stamp,
    pub who: String,
    pub role: String,
    pub patient: String,
    pub purpose: String,
    pub reason: String,
    /// It waits for longer than it should.
    pub late: bool,
    /// It still lets somebody in.
    pub lasts: bool,
}

/// One that is closed.
pub(crate) struct ClosedRow {
    pub index: u64,
    pub at: Stamp,
    pub who: String,
    pub role: String,
    pub verdict: &'static str,
    pub reviewer: String,
}

/// One decision under it.
pub(crate) struct OpenedRow {
    pub index: u64,
    pub at: Stamp,
    pub act: String,
    pub detail: String,
}

/// What was found.
pub(crate) struct Closed {
    pub index: u64,
    pub at: Stamp,
    pub verdict: &'static str,
    pub words: String,
    pub by: String,
}

pub(crate) fn row(visit: &Visit, glass: &Broken) -> GlassRow {
    let now = visit.eye.now;
    GlassRow {
        index: glass.index,
        at: visit.stamp(glass.at),
        who: glass.name.clone(),
        role: glass.role.replace('-', " "),
        patient: glass.patient.clone(),
        purpose: purpose(&glass.purpose).to_owned(),
        reason: glass.reason.clone(),
        late: glass.review.is_none() && now.since(glass.at) > visit.app.settings.review_late_ms,
        lasts: now < glass.until,
    }
}

fn purpose(code: &str) -> &str {
    match code {
        "ETREAT" => "emergency treatment",
        "TREAT" => "treatment",
        other => other,
    }
}

pub(crate) fn closed_row(visit: &Visit, glass: &Broken) -> Option<ClosedRow> {
    let review = glass.review.as_ref()?;
    Some(ClosedRow {
        index: glass.index,
        at: visit.stamp(review.at),
        who: glass.name.clone(),
        role: glass.role.replace('-', " "),
        verdict: found(review.verdict),
        reviewer: review.name.clone(),
    })
}

pub(crate) fn opened(visit: &Visit, one: &Opened) -> OpenedRow {
    OpenedRow {
        index: one.index,
        at: visit.stamp(one.at),
        act: one.act.clone(),
        detail: one.detail.clone(),
    }
}

pub(crate) fn closed(visit: &Visit, review: &Review) -> Closed {
    Closed {
        index: review.index,
        at: visit.stamp(review.at),
        verdict: found(review.verdict),
        words: review.words.clone(),
        by: review.name.clone(),
    }
}

const fn found(verdict: GlassVerdict) -> &'static str {
    match verdict {
        GlassVerdict::Justified => "Justified",
        GlassVerdict::NotJustified => "Not justified",
        GlassVerdict::FollowUp => "Needs follow-up",
    }
}

/// The verdicts a form offers.
pub(crate) fn verdicts(chosen: &str) -> Vec<Choice> {
    let choice = |verdict: GlassVerdict| Choice {
        word: verdict.word(),
        name: found(verdict),
        chosen: verdict.word() == chosen,
    };
    GlassVerdict::ALL.map(choice).into_iter().collect()
}

#[cfg(test)]
impl crate::pages::Samples for ReviewsPage {
    fn samples() -> Vec<ReviewsPage> {
        use crate::pages::shell::{Here, samples::shell};
        vec![
            ReviewsPage {
                shell: shell("Reviews", Here::Access),
                tone: Tone::Bad,
                answer: "1 waits for a review, the oldest for 4 days.".into(),
                waiting: vec![samples::glass()],
                closed: vec![samples::closed_row()],
            },
            ReviewsPage {
                shell: shell("Reviews", Here::Access),
                tone: Tone::Good,
                answer: "No broken glass waits for a review.".into(),
                waiting: Vec::new(),
                closed: Vec::new(),
            },
        ]
    }
}

#[cfg(test)]
impl crate::pages::Samples for ReviewPage {
    fn samples() -> Vec<ReviewPage> {
        [true, false].map(samples::page).into_iter().collect()
    }
}

#[cfg(test)]
mod samples {
    use super::*;
    use crate::pages::shell::Here;
    use crate::pages::shell::samples::{ago, shell};

    pub(super) fn glass() -> GlassRow {
        GlassRow {
            index: 48_230,
            at: ago(6_000),
            who: "Nora <Nightingale>".into(),
            role: "nurse".into(),
            patient: "b7q3aaaaaaaaaaaaaaaaaaaaaa".into(),
            purpose: "emergency treatment".into(),
            reason: "found \"unconscious\" in the lift".into(),
            late: true,
            lasts: true,
        }
    }

    pub(super) fn closed_row() -> ClosedRow {
        ClosedRow {
            index: 48_101,
            at: ago(90),
            who: "Phil".into(),
            role: "physician".into(),
            verdict: "Justified",
            reviewer: "Pia".into(),
        }
    }

    pub(super) fn page(open: bool) -> ReviewPage {
        let closed = Closed {
            index: 48_300,
            at: ago(3),
            verdict: "Needs follow-up",
            words: "the <ward> knows nothing of it".into(),
            by: "Pia".into(),
        };
        let opened = OpenedRow {
            index: 48_231,
            at: ago(5_999),
            act: "read".into(),
            detail: "Observation/<x>".into(),
        };
        ReviewPage {
            shell: shell("Review", Here::Access),
            glass: glass(),
            opened: if open { Vec::new() } else { vec![opened] },
            closed: (!open).then_some(closed),
            may_close: open,
            verdicts: verdicts("justified"),
            typed: "asked the \"ward\"".into(),
            wrong: open.then(|| "Choose a verdict.".into()),
        }
    }
}
