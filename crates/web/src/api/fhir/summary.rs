//! `$summary` of one patient: the International Patient Summary (HL7 IPS 2.0.0), made of what the
//! chart holds now. It is kept until anything that it is made of changes; each showing is decided and
//! sealed all the same.

use std::sync::Arc;

use chart::{Stamp, document};
use event::Act;
use guard::Identity;
use serde_json::Value;
use wire::fhir::Code;
use wire::fhir::ips::{self, Picker};

use super::answer::Answer;
use super::door::{Door, Question, subject};
use super::everything::{located, there, whose};
use super::fault::Fault;
use super::ids;
use super::query::{self, Pairs};
use super::recent::Concern;
use super::route::{self, Target};
use super::settle::{matching_shown, only};

/// What the resources of a summary refer to.
const ALONG: [&str; 7] = [
    "Device",
    "Location",
    "Medication",
    "Organization",
    "Practitioner",
    "PractitionerRole",
    "Specimen",
];

/// What one resource counts as when it is decided whether a summary is much work, in bytes.
const RESOURCE_BYTES: usize = 512;

/// The summary, a document.
///
/// # Errors
/// 400 for a parameter it has not, 403 or 404 for a patient who may not be seen or is not there; 403
/// too if one of the types may not be read without which there is no summary.
pub(crate) async fn summary(
    door: &Door,
    who: &Identity,
    (target, pairs): (Option<&Target>, &Pairs),
) -> Result<Answer, Fault> {
    let named = by_identifier(door, who, (target, pairs)).await?;
    let target = whose(who, named.as_ref().or(target))?;
    let located = located(door, &target).await?;
    // What the patient's own refers to is nobody's, and was perhaps written a moment ago.
    let along = ALONG.into_iter().filter_map(|kind| route::kind(kind).ok());
    let along: Vec<Concern> = along.map(Concern::Kind).collect();
    door.fresh(&along).await?;
    let patient = located.as_ref().and_then(|located| located.patient.clone());
    let mut question = Question {
        act: Act::Read,
        subject: subject(target.kind, patient),
        kinds: Vec::new(),
        detail: format!("Patient/{}/$summary", target.id),
    };
    question.kinds = kinds(door, who, &question).await?;
    let sources = ips::SOURCES.iter().copied();
    let sources: Vec<(&str, usize)> = sources
        .filter(|(kind, _)| question.kinds.iter().any(|one| one == kind))
        .collect();
    let permit = door.permit(who, question, Some(&target)).await?;
    there(located.as_ref(), &target)?;
    let open = door.app.chart.open_with(permit);
    let what = format!("summary at {}", door.app.settings.fhir_base);
    if let Some(kept) = open.kept(&what) {
        return Ok(Answer::body(kept.to_vec()));
    }
    let mut picker = Picker::default();
    let wants = |resource: &Value| picker.wants(resource);
    let excerpt = open.excerpt(&sources, wants).await?;
    let stamp = Stamp {
        base: door.app.settings.fhir_base.clone(),
        at: door.app.clock.now().to_string(),
        uuids: [ids::uuid()?, ids::uuid()?, ids::uuid()?],
    };
    // Resources, not bytes, as the measure of the work: these are read already.
    let bytes = excerpt.resources.len().saturating_mul(RESOURCE_BYTES);
    let excerpt = Arc::new(excerpt);
    let of = Arc::clone(&excerpt);
    let work = move || document(&of, &stamp);
    let made = door.work(bytes, work).await?;
    let made = made.ok_or_else(|| Fault::absent(target.kind, &target.id))?;
    open.keep(&what, &excerpt, &made);
    Ok(Answer::body(made))
}

/// The patient that `identifier` means, and nothing if it is not there. `profile` may name the one
/// profile there is.
async fn by_identifier(
    door: &Door,
    who: &Identity,
    (target, pairs): (Option<&Target>, &Pairs),
) -> Result<Option<Target>, Fault> {
    let mut found = None;
    for (name, value) in pairs {
        match name.as_str() {
            "identifier" if target.is_none() => {
                let pair = ("identifier".to_owned(), value.clone());
                let text = query::text(&[pair]);
                let ids = matching_shown(door, who, ("Patient", &text)).await?;
                let one = only(&ids, "Patient")?;
                let none = || Fault::absent("Patient", &format!("?identifier={value}"));
                found = Some(one.ok_or_else(none)?);
            }
            "profile" if is_ips(value) => {}
            "profile" => {
                let words = format!(
                    "a summary by the profile `{value}` is not offered; `{}` is",
                    ips::PROFILE
                );
                return Err(Fault::bad(Code::NotSupported, words));
            }
            _ => {
                let words = format!("`$summary` has no parameter `{name}` here");
                return Err(Fault::bad(Code::NotSupported, words));
            }
        }
    }
    Ok(found)
}

fn is_ips(profile: &str) -> bool {
    let (url, version) = profile.split_once('|').unwrap_or((profile, "2.0.0"));
    url == ips::PROFILE && version == "2.0.0"
}

/// All types of a summary, or the required ones with those of the others that may be read.
async fn kinds(door: &Door, who: &Identity, question: &Question) -> Result<Vec<String>, Fault> {
    let all = ips::SOURCES.iter().map(|(kind, _)| *kind).chain(ALONG);
    let all: Vec<String> = all.map(str::to_owned).collect();
    let whole = Question {
        kinds: all.clone(),
        ..question.clone()
    };
    if door.decide(who, whole).await?.allowed() {
        return Ok(all);
    }
    let mut some: Vec<String> = ips::REQUIRED.iter().map(|&kind| kind.to_owned()).collect();
    for kind in all {
        let mut part = question.clone();
        part.kinds = vec![kind.clone()];
        if !some.contains(&kind) && door.decide(who, part).await?.allowed() {
            some.push(kind);
        }
    }
    Ok(some)
}
