//! Security labels: what of a chart is sensitive, by the rules of `rules/sensitivity.toml` and by
//! what senders say themselves.

use std::collections::{BTreeSet, HashMap};

use serde::Deserialize;
use serde_json::Value;

use crate::ChartError;
use crate::error::Outcome;

/// The rules that come with Salus.
pub const SENSITIVITY: &str = include_str!("../../../../rules/sensitivity.toml");

/// Whether a text can be used as the rules of sensitivity.
///
/// # Errors
/// [`ChartError::Broken`] with the line that is wrong.
pub fn check_sensitivity(text: &str) -> Result<(), ChartError> {
    Labels::parse(text).map(drop)
}

/// Where a resource says what it is about.
pub(crate) const CONCEPTS: [&str; 7] = [
    "code",
    "valueCodeableConcept",
    "reasonCode",
    "medicationCodeableConcept",
    "vaccineCode",
    "type",
    "serviceType",
];
/// Where a sender says whether it is sensitive.
pub(crate) const SAID: [&str; 2] = ["meta", "hospitalization"];
/// Confidentiality codes that mark nothing out: normal and below.
const ORDINARY: [&str; 5] = ["N", "L", "M", "U", "REDACTED"];

/// Which codes carry which labels.
#[derive(Debug, Default)]
pub(crate) struct Labels {
    whole: HashMap<System, HashMap<String, BTreeSet<String>>>,
    /// (beginning, label) of each system.
    beginnings: HashMap<System, Vec<(String, String)>>,
}

/// A terminology that rules speak of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum System {
    Icd10,
    Icd9,
    Loinc,
    Rxnorm,
    Snomed,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    rule: Vec<Rule>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    label: String,
    #[expect(dead_code, reason = "for whoever reads the file")]
    why: String,
    #[serde(default)]
    icd10: Vec<String>,
    #[serde(default)]
    icd9: Vec<String>,
    #[serde(default)]
    loinc: Vec<String>,
    #[serde(default)]
    rxnorm: Vec<String>,
    #[serde(default)]
    snomed: Vec<String>,
}

impl System {
    fn of(uri: &str) -> Option<System> {
        Some(match uri {
            "http://loinc.org" => System::Loinc,
            "http://snomed.info/sct" => System::Snomed,
            "http://www.nlm.nih.gov/research/umls/rxnorm" => System::Rxnorm,
            other if other.contains("icd-10") => System::Icd10,
            other if other.contains("icd-9") => System::Icd9,
            _ => return None,
        })
    }
}

impl Labels {
    /// Reads the rules.
    ///
    /// # Errors
    /// [`ChartError::Broken`] with the line that is wrong.
    pub(crate) fn parse(text: &str) -> Outcome<Labels> {
        let file: File = toml::from_str(text).map_err(|why| ChartError::Broken {
            doing: "read the rules of sensitivity",
            why: why.to_string(),
        })?;
        let mut labels = Labels::default();
        for rule in file.rule {
            let lists = [
                (System::Icd10, rule.icd10),
                (System::Icd9, rule.icd9),
                (System::Loinc, rule.loinc),
                (System::Rxnorm, rule.rxnorm),
                (System::Snomed, rule.snomed),
            ];
            for (system, codes) in lists {
                codes
                    .into_iter()
                    .for_each(|code| labels.add(system, code, &rule.label));
            }
        }
        Ok(labels)
    }

    fn add(&mut self, system: System, code: String, label: &str) {
        if let Some(beginning) = code.strip_suffix('*') {
            let all = self.beginnings.entry(system).or_default();
            all.push((beginning.to_owned(), label.to_owned()));
            return;
        }
        let codes = self.whole.entry(system).or_default();
        codes.entry(code).or_default().insert(label.to_owned());
    }

    /// The labels of a resource, sorted and divided by blanks; empty: it is ordinary.
    pub(crate) fn of(&self, resource: &Value) -> String {
        let mut found = BTreeSet::new();
        for place in CONCEPTS {
            match resource.get(place) {
                Some(Value::Array(concepts)) => {
                    concepts
                        .iter()
                        .for_each(|one| self.concept(one, &mut found));
                }
                Some(concept) => self.concept(concept, &mut found),
                None => {}
            }
        }
        found.extend(said(resource));
        let found: Vec<String> = found.into_iter().collect();
        found.join(" ")
    }

    fn concept(&self, concept: &Value, found: &mut BTreeSet<String>) {
        let codings = concept.get("coding").and_then(Value::as_array);
        for coding in codings.into_iter().flatten() {
            let text = |name: &str| coding.get(name).and_then(Value::as_str);
            let Some(code) = text("code") else { continue };
            let Some(system) = text("system").and_then(System::of) else {
                continue;
            };
            let whole = self.whole.get(&system).and_then(|codes| codes.get(code));
            found.extend(whole.into_iter().flatten().cloned());
            let beginnings = self.beginnings.get(&system).into_iter().flatten();
            let begins = beginnings.filter(|(beginning, _)| code.starts_with(beginning.as_str()));
            found.extend(begins.map(|(_, label)| label.clone()));
        }
    }
}

/// What the sender says of it: `meta.security`, and PV1-16 of a visit.
fn said(resource: &Value) -> impl Iterator<Item = String> {
    let tags = resource.pointer("/meta/security").and_then(Value::as_array);
    let tags = tags.into_iter().flatten();
    let codes = tags.filter_map(|tag| tag.get("code")?.as_str());
    let courtesy = resource
        .pointer("/hospitalization/specialCourtesy")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .flat_map(|one| {
            one.get("coding")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
        })
        .filter_map(|coding| coding.get("code")?.as_str())
        .filter(|code| matches!(*code, "VIP" | "Y" | "V"))
        .map(|_| "VIP");
    let usable = |code: &&str| {
        let plain = code
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        plain && !code.is_empty() && code.len() <= 32 && !ORDINARY.contains(code)
    };
    codes.filter(usable).chain(courtesy).map(str::to_owned)
}

/// Whether a resource that differs in this part (`Observation.code.coding[0].code`) may carry other labels.
/// Of what is neither an element nor a resource as a whole (`Observation/a`) nobody knows.
pub(crate) fn turns_on(part: &str) -> bool {
    match part.split_once('.') {
        Some((_, path)) => {
            let element = path.split(['.', '[']).next().unwrap_or_default();
            CONCEPTS.contains(&element) || SAID.contains(&element)
        }
        None => !part.contains('/'),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn labels(resource: &Value) -> String {
        Labels::parse(SENSITIVITY).unwrap().of(resource)
    }

    #[test]
    fn a_code_says_that_a_resource_is_sensitive() {
        let viral_load =
            json!({"code": {"coding": [{"system": "http://loinc.org", "code": "20447-9"}]}});
        assert_eq!(labels(&viral_load), "HIV");
        let relapse = json!({"code": {"coding": [
            {"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "F10.239"},
            {"system": "http://fhir.de/CodeSystem/bfarm/icd-10-gm", "code": "F33.1"}
        ]}});
        assert_eq!(labels(&relapse), "ETH PSY");
    }

    #[test]
    fn another_system_with_the_same_code_says_nothing() {
        let local = json!({"code": {"coding": [{"system": "urn:lab", "code": "20447-9"}]}});
        assert_eq!(labels(&local), "");
    }

    #[test]
    fn what_the_sender_says_counts_but_normal_is_no_label() {
        let note = json!({"meta": {"security": [{"code": "N"}, {"code": "V"}, {"code": "a b"}]}});
        assert_eq!(labels(&note), "V");
        let visit =
            json!({"hospitalization": {"specialCourtesy": [{"coding": [{"code": "VIP"}]}]}});
        assert_eq!(labels(&visit), "VIP");
    }

    #[test]
    fn rules_that_cannot_be_read_are_named_by_line() {
        let why = Labels::parse("[[rule]]\nlabel = \"X\"\nwy = \"\"").unwrap_err();
        assert!(why.to_string().contains("line 3"), "{why}");
    }

    #[test]
    fn other_labels_come_of_parts_that_labels_are_read_from() {
        for (part, turns) in [
            ("Observation.code.coding[0].code", true),
            ("Observation.code", true),
            ("Condition.reasonCode[0]", true),
            ("Observation.meta.security[1].code", true),
            ("Encounter.hospitalization", true),
            ("content", true),
            ("Observation.valueString", false),
            ("Observation.codex", false),
            ("Observation/a", false),
        ] {
            assert_eq!(turns_on(part), turns, "{part}");
        }
    }
}
