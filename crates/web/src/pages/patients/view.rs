use askama::Template;

use crate::error::WayIn;
use crate::pages::downtime::view::AwayNote;
use crate::pages::glass::view::GlassForm;
use crate::pages::shell::{Mark, Shell};
use crate::pages::words::{self, Stamp};

/// Who is on your wards, or: whom does the search find?
#[derive(Template)]
#[template(path = "patients.html")]
pub(crate) struct PatientsPage {
    pub shell: Shell,
    pub question: &'static str,
    pub answer: String,
    pub wards: Vec<WardLink>,
    pub search: SearchForm,
    pub lists: Vec<WardList>,
    /// That systems are away, if they are.
    pub away: Option<AwayNote>,
}

/// A ward in the row of wards.
pub(crate) struct WardLink {
    pub code: String,
    pub href: String,
    pub patients: String,
    pub own: bool,
    pub here: bool,
}

/// What was typed.
#[derive(Debug, Clone, Default)]
pub(crate) struct SearchForm {
    pub name: String,
    pub identifier: String,
    pub born: String,
    pub ward: String,
}

impl SearchForm {
    /// Whether it looks for somebody, and does not only choose a ward.
    pub(crate) fn searches(&self) -> bool {
        !(self.name.is_empty() && self.identifier.is_empty() && self.born.is_empty())
    }
}

/// The patients of a ward, or those that a search found.
pub(crate) struct WardList {
    pub title: String,
    pub rows: Vec<Row>,
    /// Why the list cannot be shown: reasons in words.
    pub refused: Vec<String>,
    /// There are more than are shown.
    pub cut: bool,
    /// The sealed decision that allowed or refused the look.
    pub decision: u64,
}

/// One patient.
pub(crate) struct Row {
    pub id: String,
    pub name: String,
    pub born: String,
    pub age: String,
    pub sex: String,
    pub identifier: String,
    pub ward: String,
    pub place: String,
    /// Not there yet.
    pub expected: bool,
    pub attending: String,
}

/// May this chart be opened? It may not.
#[derive(Template)]
#[template(path = "refused.html")]
pub(crate) struct RefusedPage {
    pub shell: Shell,
    pub what: String,
    pub words: Vec<String>,
    pub because: Vec<String>,
    pub decision: u64,
    /// What may be done about it.
    pub way_in: WayIn,
    pub glass: GlassForm,
    /// How long broken glass lasts.
    pub minutes: i64,
}

/// Take back a merge?
#[derive(Template)]
#[template(path = "unmerge.html")]
pub(crate) struct UnmergePage {
    pub shell: Shell,
    pub retired: String,
    pub survivor: String,
    pub reason: String,
    pub wrong: Option<String>,
}

/// What is known of this patient?
#[derive(Template)]
#[template(path = "chart.html")]
pub(crate) struct ChartPage {
    pub shell: Shell,
    pub id: String,
    pub identity: Identity,
    pub code_status: Vec<Item>,
    pub allergies: Vec<Item>,
    pub medications: Vec<Item>,
    pub given: Vec<Item>,
    pub notes: Vec<Item>,
    pub imaging: Vec<Imaged>,
    pub problems: Vec<Item>,
    pub precautions: Vec<Item>,
    pub vitals: Vec<super::vitals::Vital>,
    pub reports: Vec<super::vitals::Report>,
    pub older_reports: usize,
    /// Observations that are too many to show.
    pub left_out: u64,
    /// How many entries are left out for their security labels, in words; empty: none.
    pub masked: String,
    /// Elements that are kept from whoever looks, as policies name them; empty: none.
    pub hidden: Vec<String>,
    pub encounters: Vec<Item>,
    pub contacts: Vec<Item>,
    pub coverage: Vec<Item>,
    /// The sealed decision that allowed this look.
    pub decision: u64,
    /// The log's head when the page was made, `SIZE ROOT`; empty: none was published.
    pub head: String,
    pub checked: Checked,
    /// Whether images can be fetched from elsewhere.
    pub fetches: bool,
    /// What of this patient was found altered lately.
    pub altered: Vec<crate::pages::altered::Altered>,
}

impl ChartPage {
    /// The studies without pictures, as a ward pack has them.
    pub(crate) fn studies(&self) -> Vec<Item> {
        self.imaging.iter().map(|one| one.item.clone()).collect()
    }

    /// What stands on every printed sheet, so that it can be told who printed it.
    fn mark(&self) -> String {
        crate::pages::access::print::mark(self.decision)
    }

    /// Where everything is shown.
    fn all(&self) -> String {
        format!("/patients/{}?all=yes", self.id)
    }

    /// `3 older reports are`; empty if none is left out.
    pub(crate) fn older(&self) -> String {
        match self.older_reports {
            0 => String::new(),
            left => words::count(left as u64, "older report is", "older reports are"),
        }
    }
}

/// What re-reading the events behind the page found.
#[derive(Debug, Clone, Default)]
pub(crate) struct Checked {
    pub verified: usize,
    pub altered: usize,
    pub unchecked: usize,
}

impl Checked {
    pub(crate) fn words(&self) -> String {
        let all = self.verified + self.altered + self.unchecked;
        match (self.altered, self.unchecked) {
            (0, 0) => format!(
                "All {all} sealed events behind this page were re-read just now and are unaltered."
            ),
            (0, left) => format!(
                "{} sealed events behind this page were re-read just now and are unaltered; {left} older ones were not re-read.",
                self.verified
            ),
            (altered, _) => format!(
                "{altered} of {all} sealed events behind this page were altered outside the record. Don't rely on what is marked."
            ),
        }
    }
}

/// Who the patient is and where.
pub(crate) struct Identity {
    pub name: String,
    pub born: String,
    pub age: String,
    pub sex: String,
    /// That they died, and when, in words.
    pub deceased: Option<String>,
    /// The file is marked as no longer in use.
    pub inactive: bool,
    pub identifiers: Vec<(String, String)>,
    pub address: Vec<String>,
    pub reach: Vec<String>,
    pub languages: String,
    pub ward: String,
    pub place: String,
    pub attending: String,
    pub merged_from: Vec<Merged>,
    pub mark: Option<Mark>,
}

/// A patient id that was retired in favor of this one.
pub(crate) struct Merged {
    pub id: String,
    pub identifiers: String,
    /// The event that merged it.
    pub index: u64,
}

/// One thing of a section.
#[derive(Clone)]
pub(crate) struct Item {
    pub what: String,
    pub detail: String,
    pub status: String,
    /// Draws attention: a high criticality, a do-not-resuscitate order.
    pub strong: bool,
    /// Is history: resolved, stopped, finished.
    pub past: bool,
    pub at: Stamp,
    pub late: bool,
    pub mark: Mark,
}

/// An imaging study with pictures.
pub(crate) struct Imaged {
    /// The id of its `ImagingStudy`.
    pub id: String,
    /// Where its page is.
    pub href: String,
    pub item: Item,
    pub shots: Vec<Shot>,
    /// Why there is no picture; empty: there is one, or nobody looked.
    pub none: String,
}

/// A small picture.
#[derive(Clone)]
pub(crate) struct Shot {
    pub src: String,
    /// What it is of, for those who do not see it.
    pub alt: String,
}

/// What do the images of this study show?
#[derive(Template)]
#[template(path = "study.html")]
pub(crate) struct StudyPage {
    pub shell: Shell,
    /// The patient.
    pub id: String,
    pub name: String,
    pub title: String,
    pub facts: Vec<(&'static str, String)>,
    /// Why nothing of it is shown; empty: it is.
    pub none: String,
    pub series: Vec<SeriesShown>,
    /// Series that are too many to be shown.
    pub left_out: usize,
    /// The sealed decision that allowed this look.
    pub decision: u64,
}

/// A series with its pictures.
pub(crate) struct SeriesShown {
    pub title: String,
    pub detail: String,
    pub shots: Vec<Shot>,
    /// Why there is no picture; empty: there is one.
    pub none: String,
}

#[cfg(test)]
#[path = "samples.rs"]
mod samples;
