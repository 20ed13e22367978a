//! What keeps a ward going when systems are away: packs, paper, what was typed in afterwards, and
//! what was tried out beforehand.

use serde::{Deserialize, Serialize};

/// From this event on a ward's packs open with another code; the codes before it keep opening the
/// packs that were made with them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackCode {
    /// The ward's code.
    pub ward: String,
    /// Counts the codes of this ward within all periods, from 1; 0 is the one it begins with.
    pub generation: u32,
    /// Why, as it was typed.
    pub reason: String,
}

/// What of the day's work a line on paper is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LineKind {
    /// Something was given: FHIR `MedicationAdministration`.
    Given,
    /// A note: FHIR `Communication`.
    Note,
    /// Something was ordered: FHIR `ServiceRequest`.
    Order,
    /// A result came by telephone or on paper: FHIR `Observation`.
    Result,
    /// A vital sign was measured: FHIR `Observation`.
    Vital,
    /// An allergy was found: FHIR `AllergyIntolerance`.
    Allergy,
}

impl LineKind {
    /// Every kind, in the order a form shows them.
    pub const ALL: [LineKind; 6] = [
        LineKind::Given,
        LineKind::Vital,
        LineKind::Note,
        LineKind::Order,
        LineKind::Result,
        LineKind::Allergy,
    ];

    /// The kind's one word, as forms and the record spell it.
    pub const fn word(self) -> &'static str {
        match self {
            LineKind::Given => "given",
            LineKind::Note => "note",
            LineKind::Order => "order",
            LineKind::Result => "result",
            LineKind::Vital => "vital",
            LineKind::Allergy => "allergy",
        }
    }

    /// The kind of a word; `None`: there is none.
    pub fn of(word: &str) -> Option<LineKind> {
        LineKind::ALL.into_iter().find(|kind| kind.word() == word)
    }
}

/// One line, as somebody wrote it while systems were away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// What it is about.
    pub kind: LineKind,
    /// When it happened on the ward (FHIR `dateTime` with a zone).
    pub happened: String,
    /// What: a drug, a vital sign, a test, the note itself.
    pub what: String,
    /// How much or which value, as it was written; empty for a note.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub value: String,
    /// The unit of the value (UCUM); empty: none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub unit: String,
    /// Who did it, as it was written: a name or initials.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub by: String,
}

/// A line was typed in. The subject of the event is the patient, its actor typed it, its moment is
/// when; its index names the entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Captured {
    /// The ward it happened on, by code.
    pub ward: String,
    /// What was written.
    pub line: Line,
    /// The sheet it stands on, by its printed number; empty: it was typed without one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub sheet: String,
    /// The row of the sheet, from 1; 0: no sheet.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub row: u16,
    /// The patient's number on the wristband, if they had no chart yet.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub temporary: String,
}

/// What a person decided about an entry. Of several verdicts the first that is sealed counts; the
/// record takes no second.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// The index of the event by which the entry was typed in.
    pub captured: u64,
    /// What was decided.
    pub outcome: Outcome,
    /// Why, as it was typed; what stood against it, if it was accepted all the same.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// What became of an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "was")]
pub enum Outcome {
    /// It is in the chart, as it was typed, as this resource (`Observation/abc`).
    Accepted {
        /// Type and id.
        resource: String,
    },
    /// It is in the chart with these words instead.
    Changed {
        /// Type and id.
        resource: String,
        /// What it says now.
        line: Line,
    },
    /// It is in no chart.
    Refused,
}

/// Sheets were printed, and have to come back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Printed {
    /// The ward's code.
    pub ward: String,
    /// The sheets by their printed numbers.
    pub sheets: Vec<String>,
}

/// Somebody typed in how often a ward's pack was opened on one computer while nobody could see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackOpenings {
    /// The ward's code.
    pub ward: String,
    /// Which computer, in the words of whoever types.
    pub computer: String,
    /// How often in all, as its browser counted.
    pub times: u32,
}

/// A sheet came back: every row of it is accounted for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SheetBack {
    /// The ward's code.
    pub ward: String,
    /// The sheet by its printed number.
    pub sheet: String,
    /// Rows that were typed in, by number.
    pub typed: Vec<u16>,
    /// How many rows nobody wrote on.
    pub blank: u16,
}

/// An entry that was accepted was sent on to the system it was written down for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SentOn {
    /// The index of the event by which the entry was typed in.
    pub captured: u64,
    /// Where to, as it is configured.
    pub to: String,
    /// What it answered, in words.
    pub answer: String,
    /// Whether it took it; false: it refused, and will refuse again.
    pub taken: bool,
}

/// The system that charts come from went away, or came back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Downtime {
    /// Whether it is away from now on.
    pub away: bool,
    /// Which system, and why, as it was typed.
    pub reason: String,
}

/// A copy of the record, or of a part of it, and how it stood when it was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Copy {
    /// What kind of copy: `standby`, `backup`, `locked`, `pack` ...
    pub kind: String,
    /// Which, in words: a host, a folder, a bucket.
    pub name: String,
    /// How many events it held.
    pub events: u64,
    /// How far it was behind, in milliseconds.
    pub behind_ms: i64,
    /// Whether it was opened, compared and found right, not only written.
    pub verified: bool,
    /// What was wrong with it, in words; empty: nothing.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub wrong: String,
}

/// A drill was carried out and measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drill {
    /// Which: `power-cut`, `full-loss`, `ransomware`, `restore` ...
    pub name: String,
    /// The seed that repeats it.
    pub seed: u64,
    /// Acknowledged events that were lost.
    pub lost: u64,
    /// How old the newest event was that the copy held, in milliseconds: the recovery point.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub back_ms: Option<u64>,
    /// Until the first chart could be read again, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_read_ms: Option<u64>,
    /// Until the first event was sealed again, in milliseconds: the recovery time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_write_ms: Option<u64>,
    /// Things that the drill altered.
    pub altered: u64,
    /// How many of them were named.
    pub named: u64,
}

fn is_zero(number: &u16) -> bool {
    *number == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_line_is_found_by_its_word() {
        for kind in LineKind::ALL {
            assert_eq!(LineKind::of(kind.word()), Some(kind));
        }
        assert_eq!(LineKind::of("other"), None);
    }
}
