//! What was typed in, what became of it, and what is left.

use event::{Line, LineKind, Outcome, Time};

/// One line that was typed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Index of the event by which it was: its name.
    pub index: u64,
    /// When it was typed in.
    pub at: Time,
    /// The ward's code.
    pub ward: String,
    /// The patient's id; `None`: they had no chart yet.
    pub patient: Option<String>,
    /// The number on the wristband of a patient without a chart; empty: they had one.
    pub temporary: String,
    /// What was written.
    pub line: Line,
    /// The sheet it stands on; empty: none.
    pub sheet: String,
    /// The row of the sheet, from 1; 0: no sheet.
    pub row: u16,
    /// Account and name of who typed it.
    pub typist: (String, String),
    /// What a person decided; `None`: it waits.
    pub decided: Option<Decided>,
    /// What the system it was sent on to answered; `None`: it was not sent.
    pub sent: Option<Sent>,
}

/// What a person decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    /// Index of the verdict.
    pub index: u64,
    /// When.
    pub at: Time,
    /// Who.
    pub name: String,
    /// What became of it.
    pub outcome: Outcome,
    /// Why, as they typed it.
    pub reason: String,
}

/// What another system answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// When.
    pub at: Time,
    /// Where to.
    pub to: String,
    /// Its answer.
    pub answer: String,
    /// Whether it took it.
    pub taken: bool,
}

/// A printed sheet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sheet {
    /// Its printed number.
    pub id: String,
    /// The ward's code.
    pub ward: String,
    /// When it was said to be printed.
    pub printed: Option<Time>,
    /// When it came back.
    pub back: Option<Time>,
    /// Rows that were typed in.
    pub typed: u64,
    /// Rows that nobody wrote on.
    pub blank: u64,
}

/// How much of a ward's paper is in the charts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sum {
    /// The ward's code.
    pub ward: String,
    /// Sheets that were printed.
    pub sheets: u64,
    /// Of these, those that did not come back yet.
    pub sheets_out: u64,
    /// Rows of the sheets that came back.
    pub rows: u64,
    /// Of these, those that nobody wrote on.
    pub blank: u64,
    /// Entries that were typed in, with a sheet or without.
    pub typed: u64,
    /// Of these, accepted or changed.
    pub accepted: u64,
    /// Refused.
    pub refused: u64,
    /// Waiting for somebody.
    pub waiting: u64,
}

impl Sum {
    /// Whether all that was written down is decided, and every sheet is back.
    pub const fn is_done(&self) -> bool {
        self.waiting == 0 && self.sheets_out == 0
    }

    /// The sums of several wards together.
    pub fn of_all(sums: &[Sum]) -> Sum {
        let mut all = Sum::default();
        for sum in sums {
            all.sheets += sum.sheets;
            all.sheets_out += sum.sheets_out;
            all.rows += sum.rows;
            all.blank += sum.blank;
            all.typed += sum.typed;
            all.accepted += sum.accepted;
            all.refused += sum.refused;
            all.waiting += sum.waiting;
        }
        all
    }
}

/// What can be wrong with a line before it is sealed, in words for whoever typed it.
pub(crate) fn check(line: &Line) -> Result<(), String> {
    let long = |text: &str, most: usize| text.chars().count() > most;
    if line.what.trim().is_empty() {
        return Err("say what it was".to_owned());
    }
    if long(&line.what, 2_000) || long(&line.value, 200) || long(&line.unit, 40) {
        return Err("a line is too long: at most 2,000 letters, 200 for the value".to_owned());
    }
    if long(&line.by, 100) {
        return Err("who did it takes at most 100 letters".to_owned());
    }
    let number = line.value.trim().replace(',', ".");
    let pressure = || {
        let parts: Option<Vec<f64>> = number
            .split('/')
            .map(|part| part.trim().parse().ok())
            .collect();
        parts.is_some_and(|parts| parts.len() <= 2)
    };
    if line.kind == LineKind::Vital && !pressure() {
        return Err(format!(
            "`{}` is no measured value: type a number, or two with a slash for a blood pressure",
            line.value
        ));
    }
    Ok(())
}
