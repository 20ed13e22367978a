//! Every file of `policies/cases` is run: a question and what is known, then the decision, the
//! ids of the policies that made it and, where given, their words.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::fs;
use std::path::{Path, PathBuf};

use event::{Act, Actor, ActorKind, Role, Subject};
use guard::{Ask, Facts, Identity, Policies, Relation};
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
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    who: Who,
    act: Act,
    of: Subject,
    #[serde(default)]
    kinds: Vec<String>,
    #[serde(default = "treat")]
    purpose: String,
    reason: Option<String>,
    #[serde(default)]
    relations: Vec<Known>,
    decision: Verdict,
    because: Vec<String>,
    words: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Who {
    id: String,
    role: Role,
    #[serde(default)]
    wards: Vec<String>,
    practitioner: Option<String>,
    #[serde(default)]
    scopes: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Known {
    Ward(String),
    CareTeam(String),
}

#[derive(Deserialize, PartialEq)]
#[serde(rename_all = "kebab-case")]
enum Verdict {
    Allow,
    Deny,
}

fn treat() -> String {
    "TREAT".to_owned()
}

impl Case {
    fn question(&self) -> (Ask, Facts) {
        let actor = Actor {
            kind: ActorKind::Person,
            id: self.who.id.clone(),
            name: self.who.id.clone(),
            role: self.who.role,
        };
        let ask = Ask {
            identity: Identity {
                wards: self.who.wards.clone(),
                practitioner: self.who.practitioner.clone(),
                scopes: self.who.scopes.clone(),
                ..Identity::of(actor)
            },
            act: self.act,
            subject: self.of.clone(),
            kinds: self.kinds.clone(),
            purpose: self.purpose.clone(),
            reason: self.reason.clone(),
            detail: String::new(),
        };
        let relations = self.relations.iter().map(|known| match known {
            Known::Ward(code) => Relation::Ward(code.clone()),
            Known::CareTeam(part) => Relation::CareTeam(part.clone()),
        });
        let facts = Facts {
            relations: relations.collect(),
            ..Facts::default()
        };
        (ask, facts)
    }

    fn run(&self, policies: &Policies) -> Result<(), String> {
        let (ask, facts) = self.question();
        let decision = policies.decide(ask, &facts);
        let right = decision.allowed() == (self.decision == Verdict::Allow)
            && decision.because() == self.because
            && self
                .words
                .as_deref()
                .is_none_or(|words| decision.words() == words)
            && decision.words().iter().all(|words| !words.is_empty());
        match right {
            true => Ok(()),
            false => Err(format!(
                "{}: allowed {} because {:?}: {:?}",
                self.name,
                decision.allowed(),
                decision.because(),
                decision.words()
            )),
        }
    }
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
        seen.extend(file.cases.into_iter().flat_map(|case| case.because));
    }
    for (id, words) in Policies::built_in().unwrap().list() {
        assert!(seen.contains(&id), "no case for `{id}` ({words})");
    }
}
