//! Every file of `policies/cases` is run: a question and what is known, then the decision, the
//! ids of the policies that made it and, where given, their words.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::fs;
use std::path::{Path, PathBuf};

use guard::{Policies, Question};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[expect(dead_code, reason = "for whoever reads the file")]
    about: String,
    /// Policies beside those that come with Salus.
    #[serde(default)]
    also: String,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    #[serde(flatten)]
    question: Question,
    decision: Verdict,
    because: Vec<String>,
    words: Option<Vec<String>>,
    /// What goes with it, as it is sealed.
    #[serde(default)]
    obligations: Vec<String>,
}

#[derive(Deserialize, PartialEq)]
#[serde(rename_all = "kebab-case")]
enum Verdict {
    Allow,
    Deny,
}

impl Case {
    fn run(&self, policies: &Policies) -> Result<(), String> {
        let (ask, facts) = self.question.parts();
        let decision = policies.decide(ask, &facts);
        let right = decision.allowed() == (self.decision == Verdict::Allow)
            && decision.because() == self.because
            && sorted(decision.decided().obligations) == sorted(self.obligations.clone())
            && self
                .words
                .as_deref()
                .is_none_or(|words| decision.words() == words)
            && decision.words().iter().all(|words| !words.is_empty());
        match right {
            true => Ok(()),
            false => Err(format!(
                "{}: allowed {} because {:?}: {:?}, obligations {:?}",
                self.name,
                decision.allowed(),
                decision.because(),
                decision.words(),
                decision.decided().obligations
            )),
        }
    }
}

fn sorted(mut words: Vec<String>) -> Vec<String> {
    words.sort();
    words
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policies")
}

fn sources() -> Vec<(String, String)> {
    let mut sources: Vec<(String, String)> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "cedar"))
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, fs::read_to_string(path).unwrap())
        })
        .collect();
    sources.sort();
    sources
}

#[test]
fn every_case_is_decided_as_written() {
    let (mut count, mut wrong) = (0, Vec::new());
    for entry in fs::read_dir(folder().join("cases")).unwrap() {
        let path = entry.unwrap().path();
        let file: File = serde_json::from_str(&fs::read_to_string(&path).unwrap())
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let mut all = sources();
        if !file.also.is_empty() {
            all.push(("also.cedar".into(), file.also.clone()));
        }
        let policies = Policies::load(&all, Policies::SCHEMA).unwrap();
        count += file.cases.len();
        wrong.extend(
            file.cases
                .iter()
                .filter_map(|case| case.run(&policies).err()),
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count >= 40, "only {count} cases");
}

#[test]
fn the_built_in_policies_are_those_of_the_folder() {
    let from_folder = Policies::load(&sources(), Policies::SCHEMA).unwrap();
    assert_eq!(Policies::built_in().unwrap().list(), from_folder.list());
}

#[test]
fn every_policy_decides_at_least_one_case() {
    let mut seen = Vec::new();
    for entry in fs::read_dir(folder().join("cases")).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        let file: File = serde_json::from_str(&text).unwrap();
        for case in file.cases {
            seen.extend(case.because);
            seen.extend(case.obligations);
        }
    }
    for (id, words) in Policies::built_in().unwrap().list() {
        let obliges = obliged(&id).to_owned();
        assert!(
            seen.contains(&id) || seen.contains(&obliges),
            "no case for `{id}` ({words})"
        );
    }
}

/// A word that nobody reads would make a case say less than it seems to.
#[test]
fn every_word_of_a_case_is_read() {
    const WORDS: [&str; 19] = [
        "act",
        "because",
        "consents",
        "decision",
        "detail",
        "glass",
        "kinds",
        "labels",
        "name",
        "obligations",
        "of",
        "own",
        "own_act",
        "purpose",
        "reason",
        "relations",
        "taking",
        "who",
        "words",
    ];
    for entry in fs::read_dir(folder().join("cases")).unwrap() {
        let path = entry.unwrap().path();
        let file: serde_json::Value =
            serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        for case in file["cases"].as_array().unwrap() {
            for word in case.as_object().unwrap().keys() {
                assert!(
                    WORDS.contains(&word.as_str()),
                    "{}: `{word}`",
                    path.display()
                );
            }
        }
    }
}

/// Which obligation policies apply stands in a case by what they oblige to.
fn obliged(id: &str) -> &'static str {
    match id {
        "distant-relations-see-no-sensitive-parts" => {
            "mask ETH GDIS HIV PSY PSYTHPN SDV SEX STD SUD V"
        }
        "packs-hold-no-very-restricted-parts" | "very-restricted-parts-need-the-team" => {
            "mask PSYTHPN V"
        }
        "restricted-notes-need-the-team" => "hide *.note@R",
        "vip-addresses-are-for-the-ward" => {
            "hide Patient.address Patient.contact Patient.photo Patient.telecom \
             RelatedPerson.address RelatedPerson.telecom"
        }
        "vip-charts-need-a-second-factor" => "step-up",
        "vip-charts-are-noticed" => "notify vip",
        "broken-glass-is-noticed" => "notify glass",
        "outside-the-shift-is-noticed" => "notify outside-the-shift",
        _ => "",
    }
}
