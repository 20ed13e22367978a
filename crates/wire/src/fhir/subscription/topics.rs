//! The topics that are built in: what has to happen for an event.

use serde_json::Value;

/// The beginning of the canonical URLs of the topics.
pub const TOPIC_BASE: &str = "https://salus.invalid/SubscriptionTopic/";

/// A topic that can be subscribed to, like an R5 `SubscriptionTopic`.
#[derive(Debug, PartialEq, Eq)]
pub struct Topic {
    /// The last part of its canonical URL, after [`TOPIC_BASE`].
    pub name: &'static str,
    /// What it is about, for people.
    pub words: &'static str,
    /// The types of which it is; empty: those that the filters name.
    pub kinds: &'static [&'static str],
    when: When,
}

/// When something is an event.
#[derive(Debug, PartialEq, Eq)]
enum When {
    /// It was created, changed or deleted.
    Changed,
    /// Its status became one of these.
    Became(&'static [&'static str]),
    /// It was written with one of these statuses.
    Is(&'static [&'static str]),
    /// The same, and its interpretation is one that says it is not normal.
    Abnormal(&'static [&'static str]),
}

/// A result that counts (FHIR `observation-status`, `diagnostic-report-status`).
const FINAL: &[&str] = &["final", "amended", "corrected", "appended"];

/// Interpretations that say a result is not normal (HL7 v3 `ObservationInterpretation`).
const ABNORMAL: [&str; 12] = [
    "A", "AA", "H", "HH", "HU", "L", "LL", "LU", "<", ">", "POS", "DET",
];

/// All of them.
pub const TOPICS: &[Topic] = &[
    Topic {
        name: "encounter-start",
        words: "an encounter begins: its status becomes `in-progress`",
        kinds: &["Encounter"],
        when: When::Became(&["in-progress"]),
    },
    Topic {
        name: "encounter-end",
        words: "an encounter ends: its status becomes `finished`",
        kinds: &["Encounter"],
        when: When::Became(&["finished"]),
    },
    Topic {
        name: "patient-changed",
        words: "a Patient is created, changed or deleted",
        kinds: &["Patient"],
        when: When::Changed,
    },
    Topic {
        name: "result-final",
        words: "a result or a report is written that is final, amended, corrected or appended",
        kinds: &["DiagnosticReport", "Observation"],
        when: When::Is(FINAL),
    },
    Topic {
        name: "result-abnormal",
        words: "a final result is written whose interpretation says that it is not normal",
        kinds: &["Observation"],
        when: When::Abnormal(FINAL),
    },
    Topic {
        name: "resource-changed",
        words: "a resource of the types that the filters name is created, changed or deleted",
        kinds: &[],
        when: When::Changed,
    },
];

impl Topic {
    /// The topic with this canonical URL.
    #[must_use]
    pub fn named(url: &str) -> Option<&'static Topic> {
        let name = url.strip_prefix(TOPIC_BASE)?;
        TOPICS.iter().find(|topic| topic.name == name)
    }

    /// Its canonical URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{TOPIC_BASE}{}", self.name)
    }

    /// Whether it has to be known what was there before.
    pub(super) fn looks_back(&self) -> bool {
        matches!(self.when, When::Became(_))
    }

    /// Whether it counts that something is gone.
    pub(super) fn counts_deletes(&self) -> bool {
        self.when == When::Changed
    }

    /// Whether what is there now can be an event at all.
    pub(super) fn is(&self, now: &Value) -> bool {
        let status = now.get("status").and_then(Value::as_str);
        let one_of = |all: &[&str]| status.is_some_and(|status| all.contains(&status));
        match self.when {
            When::Changed => true,
            When::Became(all) | When::Is(all) => one_of(all),
            When::Abnormal(all) => one_of(all) && is_abnormal(now),
        }
    }

    /// Whether it is one after what was there before.
    pub(super) fn happened(&self, before: Option<&Value>, now: &Value) -> bool {
        self.is(now) && !(self.looks_back() && before.is_some_and(|before| self.is(before)))
    }
}

fn is_abnormal(result: &Value) -> bool {
    let concepts = result.get("interpretation").and_then(Value::as_array);
    let codings = concepts
        .into_iter()
        .flatten()
        .filter_map(|one| one.get("coding").and_then(Value::as_array))
        .flatten();
    let mut codes = codings.filter_map(|one| one.get("code").and_then(Value::as_str));
    codes.any(|code| ABNORMAL.contains(&code))
}
