use askama::Template;

use super::against::Against;
use super::typed::Typed;
use crate::packs::view::PaperSheet;
use crate::pages::shell::{Shell, Tone};
use crate::pages::words::Stamp;

/// What of the paper is left?
#[derive(Template)]
#[template(path = "downtime.html")]
pub(crate) struct DowntimePage {
    pub shell: Shell,
    pub tone: Tone,
    pub answer: String,
    pub away: Option<AwayNote>,
    /// Whether somebody said that systems are away.
    pub declared: bool,
    /// Whether this person may say that systems are away, or back.
    pub may_declare: bool,
    pub rows: Vec<SumRow>,
    pub total: SumRow,
    /// The person's own wards: (as in an address, code).
    pub wards: Vec<(String, String)>,
    pub wrong: Option<String>,
}

/// That systems are away.
pub(crate) struct AwayNote {
    pub since: Stamp,
    pub reason: String,
    pub name: String,
    /// The event by which somebody said so; `None`: Salus found out by itself.
    pub index: Option<u64>,
}

/// How much of one ward's paper is in the charts.
pub(crate) struct SumRow {
    pub path: String,
    pub ward: String,
    pub own: bool,
    pub tone: Tone,
    pub sheets: String,
    pub out: String,
    pub rows: String,
    pub blank: String,
    pub typed: String,
    pub accepted: String,
    pub refused: String,
    pub waiting: String,
}

/// A sheet to be typed in.
#[derive(Template)]
#[template(path = "downtime_sheet.html")]
pub(crate) struct SheetPage {
    pub shell: Shell,
    /// Its number; empty: lines without a sheet.
    pub sheet: String,
    pub ward: String,
    /// The patient's id; empty: no chart yet.
    pub patient: String,
    pub temporary: String,
    pub rows: Vec<Typed>,
    /// Lines of this sheet that were typed in before.
    pub before: usize,
    pub wrong: Option<String>,
}

/// Who on a ward has entries that wait?
#[derive(Template)]
#[template(path = "downtime_ward.html")]
pub(crate) struct QueuePage {
    pub shell: Shell,
    pub answer: String,
    pub path: String,
    pub rows: Vec<Queued>,
    pub sheets: Vec<SheetRow>,
    pub decision: u64,
}

/// One patient of the queue.
pub(crate) struct Queued {
    pub href: String,
    /// Where lines without a sheet are typed in; empty: nowhere.
    pub type_in: String,
    pub name: String,
    pub place: String,
    pub waiting: usize,
}

/// One printed sheet.
pub(crate) struct SheetRow {
    pub id: String,
    pub href: String,
    pub printed: String,
    /// When it came back; empty: it did not.
    pub back: String,
    pub typed: u64,
    pub blank: u64,
}

/// What waits for one patient, with what speaks against it.
#[derive(Template)]
#[template(path = "downtime_entries.html")]
pub(crate) struct PatientQueue {
    pub shell: Shell,
    pub ward: String,
    pub path: String,
    pub name: String,
    /// The patient had no chart when it was written.
    pub newcomer: bool,
    pub rows: Vec<EntryRow>,
    pub decided: Vec<EntryRow>,
    pub wrong: Option<String>,
}

/// One entry.
pub(crate) struct EntryRow {
    pub index: u64,
    pub typed: Typed,
    pub happened: String,
    pub at: Stamp,
    pub typist: String,
    pub sheet: String,
    pub row: u16,
    pub against: Vec<Against>,
    /// What became of it; empty: it waits.
    pub state: String,
}

/// Blank sheets.
#[derive(Template)]
#[template(path = "downtime_print.html")]
pub(crate) struct PrintPage {
    pub shell: Shell,
    pub answer: String,
    pub ward: String,
    pub path: String,
    pub rows: u16,
    pub sheets: Vec<BlankSheet>,
}

/// One blank sheet and whose it is.
pub(crate) struct BlankSheet {
    pub sheet: PaperSheet,
    pub who: String,
}

#[cfg(test)]
#[path = "samples.rs"]
mod samples;
