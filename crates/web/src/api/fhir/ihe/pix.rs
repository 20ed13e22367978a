//! `Patient/$ihe-pix` (IHE PIXm, ITI-83): by which other identifiers a patient is known.

use axum::http::StatusCode;
use guard::Identity;
use serde_json::{Value, json};
use wire::fhir::Code;
use wire::fhir::search::escaped;

use super::super::answer::Answer;
use super::super::door::Door;
use super::super::fault::Fault;
use super::super::query::Pairs;
use super::super::route;
use super::{Asking, Known, pair};

/// Domains that one question may name.
const TARGETS_MAX: usize = 20;

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Wanted {
    system: String,
    value: String,
    targets: Vec<String>,
}

/// The identifiers and the Patients that are the same person: one identifier, and what was merged.
///
/// # Errors
/// 400 for a question that is not as ITI-83 has it, or a domain that is not known; 404 for an identifier
/// that is not; 403 for a target domain that is not known (all as ITI-83 says); 412 if it names two persons.
pub(crate) async fn pix(door: &Door, who: &Identity, pairs: &Pairs) -> Result<Answer, Fault> {
    let wanted = Wanted::of(pairs)?;
    let base = door.app.settings.fhir_base.trim_end_matches('/').to_owned();
    let first = wanted.search(&base)?;
    let asking = Asking::of(door, who, ("$ihe-pix", &first, &first)).await?;
    let found = asking.patients(&first).await?;
    let Some(one) = found.first() else {
        return Err(missing(&asking, &wanted, &base).await?);
    };
    let survivor = door.app.chart.survivor(&one.stored.id).await?;
    let survivor = survivor.unwrap_or_else(|| one.stored.id.clone());
    let family = door.app.chart.family(&survivor);
    if found.iter().any(|other| !family.contains(&other.stored.id)) {
        let words = "the identifier is of more than one patient, and they are not one person";
        return Err(Fault::precondition(Code::MultipleMatches, words));
    }
    let family = asking.with_ids(&family).await?;
    let mut parameters: Vec<Value> = Vec::new();
    for identifier in identifiers(&family, &wanted) {
        parameters.push(json!({ "name": "targetIdentifier", "valueIdentifier": identifier }));
    }
    check_targets(&asking, (&wanted, &base), &parameters).await?;
    if wanted.wants_patients_of(&base) && !wanted.is_patient(&base, &survivor) {
        let reference = json!({ "reference": format!("Patient/{survivor}") });
        parameters.push(json!({ "name": "targetId", "valueReference": reference }));
    }
    asking.shown(vec![survivor]).await?;
    let mut answer = json!({ "resourceType": "Parameters" });
    if let Some(map) = answer.as_object_mut().filter(|_| !parameters.is_empty()) {
        map.insert("parameter".to_owned(), parameters.into());
    }
    Ok(Answer::body(answer.to_string().into_bytes()))
}

impl Wanted {
    fn of(pairs: &Pairs) -> Result<Wanted, Fault> {
        let mut sources = Vec::new();
        let mut targets: Vec<String> = Vec::new();
        for (name, value) in pairs {
            match name.as_str() {
                "sourceIdentifier" => sources.push(value.as_str()),
                "targetSystem" if targets.len() < TARGETS_MAX => targets.push(value.clone()),
                "targetSystem" => {
                    let words = format!("at most {TARGETS_MAX} `targetSystem` are taken");
                    return Err(Fault::bad(Code::TooCostly, words));
                }
                _ => {
                    let words = format!(
                        "`$ihe-pix` has no parameter `{name}`; it has `sourceIdentifier` and `targetSystem`"
                    );
                    return Err(Fault::bad(Code::NotSupported, words));
                }
            }
        }
        let [source] = sources.as_slice() else {
            let words = "`$ihe-pix` takes one `sourceIdentifier`, as `system|value`";
            return Err(Fault::bad(Code::Required, words));
        };
        let whole = source.split_once('|');
        match whole.filter(|(system, value)| !system.is_empty() && !value.is_empty()) {
            Some((system, value)) => Ok(Wanted {
                system: system.to_owned(),
                value: value.to_owned(),
                targets,
            }),
            None => {
                let words =
                    "`sourceIdentifier` needs both the system and the value: `system|value`";
                Err(Fault::bad(Code::Value, words))
            }
        }
    }

    /// The search for the patient: an identifier, or the id of a Patient on this server.
    fn search(&self, base: &str) -> Result<Vec<(String, String)>, Fault> {
        if self.system.trim_end_matches('/') != base {
            let token = format!("{}|{}", escaped(&self.system), escaped(&self.value));
            return Ok(vec![pair("identifier", &token)]);
        }
        let id = self.value.strip_prefix("Patient/").unwrap_or(&self.value);
        match route::is_id(id) {
            true => Ok(vec![pair("_id", id)]),
            false => Err(not_found()),
        }
    }

    /// Whether Patients of this server are wanted, however the end of its address is written.
    fn wants_patients_of(&self, base: &str) -> bool {
        let same = |target: &String| target.trim_end_matches('/') == base;
        self.targets.is_empty() || self.targets.iter().any(same)
    }

    /// Whether identifiers of a system are wanted, which is compared to the letter.
    fn wants_numbers_of(&self, system: &str) -> bool {
        self.targets.is_empty() || self.targets.iter().any(|target| target == system)
    }

    fn is_patient(&self, base: &str, id: &str) -> bool {
        let named = self.value.strip_prefix("Patient/").unwrap_or(&self.value);
        self.system.trim_end_matches('/') == base && named == id
    }
}

/// The identifiers of one person in the domains that are wanted, each once, without the one asked by.
fn identifiers(family: &[Known], wanted: &Wanted) -> Vec<Value> {
    let mut kept: Vec<Value> = Vec::new();
    let text = |one: &Value, name: &str| one.get(name).and_then(Value::as_str).map(str::to_owned);
    let key = |one: &Value| Some((text(one, "system")?, text(one, "value")?));
    let own = (wanted.system.clone(), wanted.value.clone());
    for patient in family {
        let all = patient.json.get("identifier").and_then(Value::as_array);
        for identifier in all.into_iter().flatten() {
            let Some(named) = key(identifier) else {
                continue;
            };
            let is_new = kept.iter().all(|other| key(other).as_ref() != Some(&named));
            if named != own && is_new && wanted.wants_numbers_of(&named.0) {
                kept.push(identifier.clone());
            }
        }
    }
    kept
}

/// 403 as ITI-83 has it, for a target domain that nobody is known by here.
async fn check_targets(
    asking: &Asking<'_>,
    (wanted, base): (&Wanted, &str),
    found: &[Value],
) -> Result<(), Fault> {
    for target in &wanted.targets {
        let told =
            |one: &Value| one.pointer("/valueIdentifier/system") == Some(&target.as_str().into());
        if target.trim_end_matches('/') == base || found.iter().any(told) {
            continue;
        }
        if *target != wanted.system && !is_domain(asking, target).await? {
            let words = "targetSystem not found";
            return Err(Fault::new(StatusCode::FORBIDDEN, Code::CodeInvalid, words));
        }
    }
    Ok(())
}

/// Whether anybody has an identifier of this system: of the house, not of the one patient asked about.
async fn is_domain(asking: &Asking<'_>, system: &str) -> Result<bool, Fault> {
    Ok(asking.door.app.chart.has_domain(system).await?)
}

/// What ITI-83 says of an identifier that is not there.
async fn missing(asking: &Asking<'_>, wanted: &Wanted, base: &str) -> Result<Fault, Fault> {
    if wanted.system.trim_end_matches('/') == base || is_domain(asking, &wanted.system).await? {
        return Ok(not_found());
    }
    let words = "sourceIdentifier Assigning Authority not found";
    Ok(Fault::bad(Code::CodeInvalid, words))
}

fn not_found() -> Fault {
    let words = "sourceIdentifier Patient Identifier not found";
    Fault::new(StatusCode::NOT_FOUND, Code::NotFound, words)
}
