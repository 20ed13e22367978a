//! A document and the one that it replaces are about one patient (IHE MHD, ITI-65): looked at once all references
//! of the bundle are resolved, however each names the patient.

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
    for older in replaced.filter(|draft| !draft.settled.intent.along.is_empty()) {
        for path in &older.settled.intent.along {
            let newer = drafts.iter().flatten();
            let newer = newer.filter(|draft| draft.settled.intent.path == *path);
            for newer in newer {
                if !same(door, who, (older, newer)).await? {
                    return Err(others(path));
                }
            }
        }
    }
    Ok(())
}

fn others(path: &str) -> Fault {
    let words = "the document that it replaces is not known to be about the same patient; name the patient in \
                 both by the same reference";
    let path = format!("{path}.resource.relatesTo");
    let issue = Issue::error(Code::BusinessRule, path, words);
    Fault::of(StatusCode::UNPROCESSABLE_ENTITY, vec![issue])
}

async fn same(
    door: &Door,
    who: &Identity,
    (older, newer): (&Draft, &Draft),
) -> Result<bool, Fault> {
    let subject = Subject::of(newer);
    let (was, is) = (older.settled.before.as_deref(), newer.patient.as_deref());
    Ok(match (was, is) {
        (Some(was), Some(is)) => survivor(door, was).await? == survivor(door, is).await?,
        (Some(was), None) => match subject.patient(door, who).await {
            Some(is) => survivor(door, was).await? == survivor(door, &is).await?,
            None => false,
        },
        (None, Some(is)) => match Subject::of(older).patient(door, who).await {
            Some(was) => survivor(door, &was).await? == survivor(door, is).await?,
            None => false,
        },
        // Nobody's here, both by the same number, or both nobody's at all.
        (None, None) => subject == Subject::of(older),
    })
}

async fn survivor(door: &Door, id: &str) -> Result<String, Fault> {
    let survivor = door.app.chart.survivor(id).await?;
    Ok(survivor.unwrap_or_else(|| id.to_owned()))
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
