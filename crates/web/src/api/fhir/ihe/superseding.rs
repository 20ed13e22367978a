//! A document and the one that it replaces are about one patient (IHE MHD, ITI-65 and ITI-105): looked at once all references
//! of the bundle are resolved, however each names the patient.

use std::collections::{HashMap, HashSet};

use axum::http::StatusCode;
use guard::Identity;
use serde_json::Value;
use wire::fhir::{Code, Issue};

use super::super::door::Door;
use super::super::draft::Draft;
use super::super::fault::Fault;
use super::super::query;
use super::super::settle::matching;
use super::mhd::escaped;

/// Refuses a bundle in which a document replaces one of another patient, or of somebody who cannot be told to be
/// the same.
///
/// # Errors
/// 422.
pub(crate) async fn of_one_patient(
    door: &Door,
    who: &Identity,
    drafts: &[Result<Draft, Fault>],
) -> Result<(), Fault> {
    let replaced = drafts.iter().flatten();
    let replaced = replaced.filter(|draft| !draft.settled.intent.along.is_empty());
    let replaced: Vec<&Draft> = replaced.collect();
    let along = replaced.iter().flat_map(|one| &one.settled.intent.along);
    let along: HashSet<&str> = along.map(String::as_str).collect();
    // Each of them is read and looked up once, however many it replaces.
    let mut newer = HashMap::with_capacity(along.len());
    for draft in drafts.iter().flatten() {
        let path = draft.settled.intent.path.as_str();
        if along.contains(path) {
            let one = About::of(door, (draft, draft.patient.as_deref())).await?;
            newer.insert(path, one);
        }
    }
    for draft in replaced {
        let mut older = About::of(door, (draft, draft.settled.before.as_deref())).await?;
        for path in &draft.settled.intent.along {
            let Some(newer) = newer.get_mut(path.as_str()) else {
                continue;
            };
            if !same(door, who, (&mut older, newer)).await? {
                return Err(others(path));
            }
        }
    }
    Ok(())
}

fn others(path: &str) -> Fault {
    let words = "the document that it replaces is not known to be about the same patient; name the patient in \
                 both by the same reference";
    let path = match path {
        "" => "DocumentReference.relatesTo".to_owned(),
        path => format!("{path}.resource.relatesTo"),
    };
    let issue = Issue::error(Code::BusinessRule, path, words);
    Fault::of(StatusCode::UNPROCESSABLE_ENTITY, vec![issue])
}

async fn same(
    door: &Door,
    who: &Identity,
    (older, newer): (&mut About<'_>, &mut About<'_>),
) -> Result<bool, Fault> {
    Ok(match (older.patient.clone(), newer.patient.clone()) {
        (Some(was), Some(is)) => was == is,
        (Some(was), None) => newer.numbered(door, who).await? == Some(was),
        (None, Some(is)) => older.numbered(door, who).await? == Some(is),
        // Nobody's here, both by the same number, or both nobody's at all.
        (None, None) => newer.subject() == older.subject(),
    })
}

async fn survivor(door: &Door, id: &str) -> Result<String, Fault> {
    let survivor = door.app.chart.survivor(id).await?;
    Ok(survivor.unwrap_or_else(|| id.to_owned()))
}

/// Whom a document is about. What is not known of it yet is found out once.
struct About<'d> {
    draft: &'d Draft,
    /// The patient it belongs to here, as who they are now.
    patient: Option<String>,
    subject: Option<Subject>,
    numbered: Option<Option<String>>,
}

impl<'d> About<'d> {
    async fn of(
        door: &Door,
        (draft, patient): (&'d Draft, Option<&str>),
    ) -> Result<About<'d>, Fault> {
        let patient = match patient {
            Some(id) => Some(survivor(door, id).await?),
            None => None,
        };
        Ok(About {
            draft,
            patient,
            subject: None,
            numbered: None,
        })
    }

    fn subject(&mut self) -> &Subject {
        let draft = self.draft;
        self.subject.get_or_insert_with(|| Subject::of(draft))
    }

    /// The patient with the number that it says, as who they are now.
    async fn numbered(&mut self, door: &Door, who: &Identity) -> Result<Option<String>, Fault> {
        if self.numbered.is_none() {
            let found = self.subject().patient(door, who).await;
            let found = match found {
                Some(id) => Some(survivor(door, &id).await?),
                None => None,
            };
            self.numbered = Some(found);
        }
        Ok(self.numbered.clone().flatten())
    }
}

/// `subject` of a document, as it is written.
#[derive(Debug, PartialEq, Eq)]
struct Subject {
    reference: Option<String>,
    number: Option<(String, String)>,
}

impl Subject {
    fn of(draft: &Draft) -> Subject {
        let read = serde_json::from_slice::<Value>(&draft.settled.intent.raw);
        let resource = read.unwrap_or_default();
        let text = |path: &str| {
            let text = resource.pointer(path).and_then(Value::as_str);
            text.map(str::to_owned)
        };
        let value = text("/subject/identifier/value");
        let system = text("/subject/identifier/system").unwrap_or_default();
        Subject {
            reference: text("/subject/reference"),
            number: value.map(|value| (system, value)),
        }
    }

    /// The one patient here with that number, if whoever asks may look for it.
    async fn patient(&self, door: &Door, who: &Identity) -> Option<String> {
        let (system, value) = self.number.as_ref()?;
        let number = match system.as_str() {
            "" => escaped(value),
            system => format!("{}|{}", escaped(system), escaped(value)),
        };
        let text = query::text(&[("identifier".to_owned(), number)]);
        match matching(door, who, ("Patient", &text)).await {
            Ok(found) => match found.as_slice() {
                [one] => Some(one.clone()),
                _ => None,
            },
            Err(_) => None,
        }
    }
}
