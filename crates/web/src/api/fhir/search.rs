//! `search` (FHIR R4 section 3.1.1): asked of the guard as a whole, includes and all, before
//! anything is looked at.

use std::collections::HashMap;

use chart::{Open, Page, PageOf, Stored};
use event::{Act, Subject};
use guard::{Context, Identity, Scope};
use wire::fhir::search::{Filter, Include, Modifier, Query, Subset, Total, Wanted};

use super::answer::Answer;
use super::door::{Door, Question};
use super::fault::Fault;
use super::history::url;
use super::json::{self, Head, quoted};
use super::query::{self, Pairs};
use super::recent::Concern;
use super::route;
use crate::taking::Answering;

/// Types whose `patient` (or `subject`, or `beneficiary`) is the patient they belong to, so that
/// a search which names one patient is a question about that patient alone.
const BELONG_TO_PATIENT: [&str; 30] = [
    "AllergyIntolerance",
    "CarePlan",
    "CareTeam",
    "Claim",
    "ClinicalImpression",
    "Condition",
    "Coverage",
    "DetectedIssue",
    "DeviceRequest",
    "DiagnosticReport",
    "DocumentReference",
    "Encounter",
    "EpisodeOfCare",
    "ExplanationOfBenefit",
    "FamilyMemberHistory",
    "Flag",
    "Goal",
    "ImagingStudy",
    "Immunization",
    "MedicationAdministration",
    "MedicationDispense",
    "MedicationRequest",
    "MedicationStatement",
    "NutritionOrder",
    "Observation",
    "Procedure",
    "RelatedPerson",
    "RiskAssessment",
    "ServiceRequest",
    "Specimen",
];

/// A search and the question that it is to the guard.
pub(crate) struct Asked {
    pub(crate) query: Query,
    pub(crate) question: Question,
}

/// One page of what matches.
///
/// # Errors
/// 400 for a parameter that is unknown or unsupported, 403 for what may not be asked.
pub(crate) async fn search(
    door: &Door,
    who: &Identity,
    (kind, pairs): (&'static str, &Pairs),
) -> Result<Answer, Fault> {
    let query = door.query_of(kind, pairs)?;
    let detail = format!("{kind}?{}", query::text(pairs));
    let asked = ask(door, who, (query, detail)).await?;
    let query = asked.query.clone();
    let settings = &door.app.settings;
    let count = query.count.unwrap_or(settings.page_size);
    let page = PageOf {
        count: count.min(settings.page_size_max),
        token: query.page.clone(),
    };
    let page = page_of(door, who, (asked, &page)).await?;
    let mut links = query.pairs.clone();
    let mut head = Head {
        kind: "searchset",
        total: page.total.filter(|_| query.total != Total::Not),
        links: vec![("self", url(&settings.fhir_base, &query.kind, &links))],
    };
    if let Some(next) = page.next.clone() {
        links.push(("_page".to_owned(), next));
        head.links
            .push(("next", url(&settings.fhir_base, &query.kind, &links)));
    }
    let entries = entries(&query, page);
    Ok(Answer::body(bundle(&settings.fhir_base, &head, &entries)))
}

/// The search as it may be asked, with the question that it is.
pub(crate) async fn ask(
    door: &Door,
    who: &Identity,
    (mut query, detail): (Query, String),
) -> Result<Asked, Fault> {
    let mut question = Question {
        act: Act::Search,
        subject: subject(door, who, &query).await?,
        kinds: Vec::new(),
        detail,
    };
    narrow_includes(door, who, (&mut query, &question)).await?;
    question.kinds = kinds(&query);
    Ok(Asked { query, question })
}

/// One page, the decision about it sealed, and whom it shows.
pub(crate) async fn page_of(
    door: &Door,
    who: &Identity,
    (asked, page): (Asked, &PageOf),
) -> Result<Page, Fault> {
    let (open, page) = bare_page_of(door, who, (asked, page)).await?;
    door.filled(&open, page).await
}

/// The same without the contents of its resources, and what brings those.
pub(crate) async fn bare_page_of(
    door: &Door,
    who: &Identity,
    (asked, page): (Asked, &PageOf),
) -> Result<(Open, Page), Fault> {
    door.fresh(&concerns(&asked.question)).await?;
    let permit = door.permit(who, asked.question, None).await?;
    let answering = Answering::with(&permit);
    let open = door.app.chart.open_with(permit);
    let page = open.search_bare(&asked.query, page).await?;
    answering.seal(&door.app, page.patients.clone()).await?;
    Ok((open, page))
}

/// Whom a search is about: the patient it names; else, for an app that was opened for one patient
/// and may see the type of nobody else, that patient; else all of the type.
pub(crate) async fn subject(door: &Door, who: &Identity, query: &Query) -> Result<Subject, Fault> {
    let kind = query.kind.as_str();
    if let Some(id) = named_patient(query) {
        return Ok(Subject::Patient(survivor(door, id).await?));
    }
    let launched = who.through.as_ref();
    let launched = launched.and_then(|through| through.patient.clone());
    Ok(match launched {
        Some(patient) if !guard::is_directory(kind) && !searches_as_user(who, kind) => {
            Subject::Patient(patient)
        }
        Some(_) | None => Subject::Kind(kind.to_owned()),
    })
}

/// Whether a `user/` scope lets the app search the type.
fn searches_as_user(who: &Identity, kind: &str) -> bool {
    let scopes = who.scopes.iter().filter_map(|text| Scope::parse(text).ok());
    scopes
        .filter(|scope| scope.context() == Context::User && scope.letters().contains('s'))
        .any(|scope| scope.kind() == "*" || scope.kind() == kind)
}

/// The patient a search names, if it names exactly one.
fn named_patient(query: &Query) -> Option<&str> {
    query.filters.iter().find_map(|filter| {
        let (Modifier::Plain, [wanted]) = (filter.modifier, filter.values.as_slice()) else {
            return None;
        };
        match (query.kind.as_str(), filter.param.code, wanted) {
            ("Patient", "_id", wanted) => only_id(wanted),
            (kind, code, Wanted::Reference { kind: of, id })
                if BELONG_TO_PATIENT.contains(&kind) =>
            {
                points_to_patient(code, of.as_deref(), id)
            }
            _ => None,
        }
    })
}

fn only_id(wanted: &Wanted) -> Option<&str> {
    let id = match wanted {
        Wanted::Token { code, .. } => code.as_ref(),
        Wanted::Text(id) | Wanted::Uri(id) => Some(id),
        Wanted::Composite(_)
        | Wanted::Date { .. }
        | Wanted::Quantity { .. }
        | Wanted::Reference { .. }
        | Wanted::Typed { .. } => None,
    };
    id.map(String::as_str).filter(|id| route::is_id(id))
}

fn points_to_patient<'a>(code: &str, of: Option<&str>, id: &'a str) -> Option<&'a str> {
    let named = match of {
        Some(of) => of == "Patient" && ["patient", "subject", "beneficiary"].contains(&code),
        None => code == "patient",
    };
    (named && route::is_id(id)).then_some(id)
}

async fn survivor(door: &Door, id: &str) -> Result<String, Fault> {
    door.fresh(&[Concern::Resource("Patient", id.to_owned())])
        .await?;
    let survivor = door.app.chart.survivor(id).await?;
    Ok(survivor.unwrap_or_else(|| id.to_owned()))
}

/// Replaces each `_include` that names no type by those of its types that the asker may search:
/// an include must not bring what could not be asked for.
async fn narrow_includes(
    door: &Door,
    who: &Identity,
    (query, question): (&mut Query, &Question),
) -> Result<(), Fault> {
    let open = query
        .includes
        .iter()
        .any(|include| include.target.is_none());
    if !open {
        return Ok(());
    }
    let mut whole = question.clone();
    whole.kinds = kinds(query);
    if door.decide(who, whole).await?.allowed() {
        return Ok(());
    }
    let mut narrowed = Vec::new();
    let mut known = HashMap::new();
    for include in std::mem::take(&mut query.includes) {
        for target in include.targets() {
            if !known.contains_key(target) {
                let mut part = question.clone();
                part.kinds = vec![target.to_owned()];
                known.insert(target.to_owned(), door.decide(who, part).await?.allowed());
            }
            if include.target.is_some() || known.get(target) == Some(&true) {
                narrowed.push(Include {
                    target: Some(target.to_owned()),
                    ..include.clone()
                });
            }
        }
    }
    query.includes = narrowed;
    Ok(())
}

/// Every type that the answer may hold or depend on.
fn kinds(query: &Query) -> Vec<String> {
    query.touches().into_iter().map(str::to_owned).collect()
}

/// What the chart must have folded before this question can be answered.
pub(crate) fn concerns(question: &Question) -> Vec<Concern> {
    match &question.subject {
        Subject::Patient(id) => vec![Concern::Patient(id.clone())],
        _ => {
            let kinds = question.kinds.iter();
            kinds
                .filter_map(|kind| route::kind(kind).ok())
                .map(Concern::Kind)
                .collect()
        }
    }
}

/// What a page brings, each with why it is there.
pub(crate) fn entries(query: &Query, page: Page) -> Vec<(Stored, &'static str)> {
    let matches = page.matches.into_iter();
    let matches = matches.map(|stored| (cut(stored, &query.subset), "match"));
    // Elements are named of the searched type alone.
    let along = match &query.subset {
        Subset::Elements(_) => &Subset::Whole,
        summary => summary,
    };
    let included = page.included.into_iter();
    let included = included.map(|stored| (cut(stored, along), "include"));
    matches.chain(included).collect()
}

/// The answer to a search.
pub(crate) fn bundle(base: &str, head: &Head<'_>, entries: &[(Stored, &str)]) -> Vec<u8> {
    json::bundle(head, entries, |(stored, mode), out| {
        let full_url = quoted(&format!("{base}/{}/{}", stored.kind, stored.id));
        out.extend_from_slice(format!("{{\"fullUrl\":{full_url},\"resource\":").as_bytes());
        out.extend_from_slice(&stored.json);
        out.extend_from_slice(format!(",\"search\":{{\"mode\":\"{mode}\"}}}}").as_bytes());
    })
}

/// The resource as far as the subset shows it.
pub(crate) fn cut(stored: Stored, subset: &Subset) -> Stored {
    match subset.of(&stored.json) {
        Some(json) => Stored { json, ..stored },
        None => stored,
    }
}

/// Whether a search says anything at all about what it wants, as a condition must.
pub(crate) fn has_criteria(query: &Query) -> bool {
    let says = |filter: &Filter| !filter.values.is_empty() || filter.modifier != Modifier::Plain;
    !query.linked.is_empty() || query.filters.iter().any(says)
}
