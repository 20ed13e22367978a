//! Measured values as the chart page shows them: vital signs and reports.

use crate::pages::picture::{Gauge, Trend};
use crate::pages::shell::Mark;

/// The newest value of one vital sign and how it got there.
pub(crate) struct Vital {
    pub name: String,
    pub value: String,
    pub unit: String,
    pub flag: Option<Flag>,
    /// `measured 12 min ago`
    pub when: String,
    pub trend: Option<Trend>,
    pub late: bool,
    pub mark: Mark,
}

/// One report and its results.
pub(crate) struct Report {
    pub name: String,
    pub status: String,
    /// `2026-11-21 14:03, 35 min ago`
    pub when: String,
    pub abnormal: usize,
    pub conclusion: String,
    pub rows: Vec<ResultRow>,
    /// Results that are not shown.
    pub more: usize,
    pub late: bool,
    /// Every result came with the same event: one mark stands for all.
    pub one_event: bool,
    pub mark: Option<Mark>,
}

/// One result.
pub(crate) struct ResultRow {
    pub name: String,
    pub value: String,
    pub unit: String,
    pub range: String,
    pub flag: Option<Flag>,
    pub gauge: Option<Gauge>,
    /// The value is words, not a number with a unit.
    pub wordy: bool,
    pub notes: Vec<String>,
    /// Said only when it is not final.
    pub status: String,
    pub mark: Mark,
}

/// That a value is not as usual: a shape and a word, so that it reads without color.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Flag {
    pub shape: &'static str,
    pub word: &'static str,
    pub class: &'static str,
}

impl Flag {
    /// From an HL7 v3 ObservationInterpretation or v2 table 0078 code; `None`: normal or none.
    pub(crate) fn of(code: &str) -> Option<Flag> {
        let (shape, word, class) = match code.trim() {
            "" | "N" | "NEG" | "ND" | "S" => return None,
            "H" | "HX" => ("\u{25b2}", "high", "out"),
            "L" | "LX" => ("\u{25bc}", "low", "out"),
            "HH" | "HU" | ">" => ("\u{25b2}\u{25b2}", "critically high", "critical"),
            "LL" | "LU" | "<" => ("\u{25bc}\u{25bc}", "critically low", "critical"),
            "AA" => ("\u{25c6}\u{25c6}", "critically abnormal", "critical"),
            "A" => ("\u{25c6}", "abnormal", "out"),
            "POS" => ("\u{25c6}", "positive", "out"),
            "DET" => ("\u{25c6}", "detected", "out"),
            "R" => ("\u{25c6}", "resistant", "out"),
            "I" => ("\u{25c7}", "intermediate", "out"),
            "U" => ("\u{25b2}", "significantly up", "out"),
            "D" => ("\u{25bc}", "significantly down", "out"),
            "B" => ("\u{25b2}", "better", "out"),
            "W" => ("\u{25bc}", "worse", "out"),
            _ => ("\u{25c6}", "flagged", "out"),
        };
        Some(Flag { shape, word, class })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_reads_without_color_and_an_unknown_code_is_not_swallowed() {
        assert_eq!(Flag::of("HH").unwrap().word, "critically high");
        assert_eq!(Flag::of("N"), None);
        assert_eq!(Flag::of("ZZ").unwrap().word, "flagged");
    }
}
