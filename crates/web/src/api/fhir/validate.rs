//! `$validate` (R4, `resource-operation-validate`): what a write would say, without writing.

use std::sync::Arc;

use event::Act;
use guard::Identity;
use serde_json::Value;
use wire::fhir::{Code, Issue, Severity};

use super::answer::Answer;
use super::conditions::Conditions;
use super::definition::{asked, definition};
use super::door::{Door, Question};
use super::fault::{self, Fault};
use super::look::Look;
use super::operation;
use super::read;
use super::route::Target;

/// Profiles that one question may name.
const PROFILES_MAX: usize = 5;

/// What is to be checked.
#[derive(Default)]
struct Wanted {
    resource: Option<Value>,
    /// How large it is, about.
    bytes: usize,
    mode: Option<String>,
    profiles: Vec<String>,
}

/// An `OperationOutcome` with all that is wrong; its status is 200 whatever it says.
///
/// # Errors
/// 400 for a question that cannot be understood, 404 for a resource that is not there.
pub(crate) async fn validate(
    door: &Door,
    who: &Identity,
    (kind, target, look): (&'static str, Option<&Target>, &Look),
) -> Result<Answer, Fault> {
    let mut wanted = Wanted::read(door, kind, look).await?;
    let mut issues = Vec::new();
    let act = match (wanted.mode.as_deref(), target) {
        (None, _) => None,
        (Some("create"), None) => Some(Act::Create),
        (Some("update"), Some(_)) => Some(Act::Update),
        (Some("delete"), Some(_)) => Some(Act::Delete),
        (Some(mode), _) => {
            let words = format!(
                "the mode `{mode}` is not possible here: `create` is for a type, `update` and `delete` for a resource"
            );
            return Err(Fault::bad(Code::Value, words));
        }
    };
    if let Some(target) = target {
        let kept = read::current(door, who, (target, &Conditions::default())).await?;
        if wanted.resource.is_none() {
            let kept = kept.body.unwrap_or_default();
            wanted.bytes = kept.len();
            wanted.resource = serde_json::from_slice(&kept).ok();
        }
    }
    let resource = wanted.resource.take().ok_or_else(|| {
        let words = "there is no resource to check; send it, or name one that is there";
        Fault::bad(Code::Required, words)
    })?;
    let resource = Arc::new(resource);
    if act != Some(Act::Delete) {
        let checked = Arc::clone(&resource);
        let work = move || wire::fhir::check(&checked);
        issues.extend(door.work(wanted.bytes, work).await?);
        issues.extend(fits(
            &resource,
            (kind, target.filter(|_| act == Some(Act::Update))),
        ));
        issues.extend(profiles(door, who, (&resource, wanted.bytes, &wanted.profiles)).await?);
    }
    if let Some(act) = act {
        issues.extend(leave(door, who, (act, kind, target, &resource)).await?);
    }
    if !issues.iter().any(Issue::refuses) {
        issues.insert(0, note("nothing is wrong"));
    }
    Ok(Answer::body(fault::outcome(&issues)))
}

fn note(words: impl Into<String>) -> Issue {
    Issue {
        severity: Severity::Information,
        code: Code::Informational,
        path: String::new(),
        words: words.into(),
    }
}

impl Wanted {
    async fn read(door: &Door, kind: &str, look: &Look) -> Result<Wanted, Fault> {
        let mut wanted = Wanted::default();
        for (name, value) in &look.pairs {
            wanted.take(name, value)?;
        }
        if look.body.is_empty() {
            return Ok(wanted);
        }
        wanted.bytes = look.body.len();
        let (bytes, limits) = (look.body.clone(), door.limits());
        let read = move || wire::fhir::parse(&bytes, &limits);
        let body = operation::resource(door.work(wanted.bytes, read).await??)?;
        let parts = body.get("parameter").and_then(Value::as_array);
        let carried = |part: &&Value| part.get("name") == Some(&"resource".into());
        let carries = parts.is_some_and(|parts| parts.iter().any(|part| carried(&part)));
        let is_parameters = body.get("resourceType") == Some(&"Parameters".into());
        if !is_parameters || (kind == "Parameters" && !carries) {
            wanted.resource = Some(body);
            return Ok(wanted);
        }
        for part in parts.into_iter().flatten() {
            let name = part.get("name").and_then(Value::as_str).unwrap_or_default();
            match part.get("resource") {
                Some(resource) if name == "resource" => wanted.resource = Some(resource.clone()),
                _ => {
                    let mut members = part.as_object().into_iter().flatten();
                    let value = members.find(|(key, _)| key.starts_with("value"));
                    let value = value.and_then(|(_, value)| value.as_str());
                    wanted.take(name, value.unwrap_or_default())?;
                }
            }
        }
        Ok(wanted)
    }

    fn take(&mut self, name: &str, value: &str) -> Result<(), Fault> {
        match name {
            "mode" => self.mode = Some(value.to_owned()),
            "profile" if self.profiles.len() < PROFILES_MAX => self.profiles.push(value.to_owned()),
            "profile" => {
                let words = format!("at most {PROFILES_MAX} profiles are looked at");
                return Err(Fault::bad(Code::TooCostly, words));
            }
            _ => {
                let words = format!(
                    "`$validate` has no parameter `{name}` here; it has `resource`, `mode` and `profile`"
                );
                return Err(Fault::bad(Code::NotSupported, words));
            }
        }
        Ok(())
    }
}

/// Whether the resource is what the URL says it is.
fn fits(resource: &Value, (kind, target): (&str, Option<&Target>)) -> Option<Issue> {
    let said = resource.get("resourceType").and_then(Value::as_str)?;
    if said != kind {
        let words = format!("the resource is a `{said}`, but the URL is that of a `{kind}`");
        return Some(Issue::error(
            Code::Value,
            format!("{kind}.resourceType"),
            words,
        ));
    }
    let wanted = &target?.id;
    let id = resource
        .get("id")
        .and_then(Value::as_str)
        .unwrap_or_default();
    (id != wanted).then(|| {
        let words = format!("an update of `{kind}/{wanted}` needs this id, not `{id}`");
        Issue::error(Code::Value, format!("{kind}.id"), words)
    })
}

/// What the guard would say, as of a write: of the patient it will belong to and of the one it belongs to
/// now; and whether narrowed scopes cover it as it will be and as it is.
async fn leave(
    door: &Door,
    who: &Identity,
    (act, kind, target, resource): (Act, &'static str, Option<&Target>, &Value),
) -> Result<Option<Issue>, Fault> {
    let about = target.cloned().unwrap_or(Target {
        kind,
        id: String::new(),
    });
    let mut patients = vec![wire::fhir::patient_of(resource)];
    if let Some(target) = target {
        let located = read::locate(door, target).await?;
        let before = located.and_then(|located| located.patient);
        if before.is_some() && !patients.contains(&before) {
            patients.push(before);
        }
    }
    for patient in patients {
        let decision = door.decide(who, Question::of(act, &about, patient)).await?;
        let (ask, chart) = (decision.ask(), &door.app.chart);
        let will_be = act == Act::Delete || chart.covers(ask, kind, resource);
        let is = match target {
            Some(target) => chart.covers_current(ask, kind, &target.id).await?,
            None => true,
        };
        if !(decision.allowed() && will_be && is) {
            let words = "the resource may be good, but you may not write it";
            return Ok(Some(Issue::error(Code::Forbidden, kind, words)));
        }
    }
    Ok(None)
}

/// What the profiles say: those of the question, which must be at hand, and those that the resource
/// names, which may be.
async fn profiles(
    door: &Door,
    who: &Identity,
    (resource, bytes, asked): (&Arc<Value>, usize, &[String]),
) -> Result<Vec<Issue>, Fault> {
    let kind = resource
        .get("resourceType")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let own = resource.pointer("/meta/profile").and_then(Value::as_array);
    let own = own.into_iter().flatten().filter_map(Value::as_str);
    let own = own
        .filter(|url| !asked.iter().any(|one| one == url))
        .take(PROFILES_MAX);
    let all = asked.iter().map(|url| (url.as_str(), true));
    let mut issues = Vec::new();
    for (url, must) in all.chain(own.map(|url| (url, false))) {
        if url == format!("http://hl7.org/fhir/StructureDefinition/{kind}") {
            continue;
        }
        match profile(door, who, url).await? {
            Some((profile, size)) => {
                let resource = Arc::clone(resource);
                let work = move || wire::fhir::conforms(&resource, &profile);
                issues.extend(door.work(size.saturating_add(bytes), work).await?);
            }
            None if must => {
                let words = format!(
                    "the profile `{url}` is not at hand, so the resource was not held against it; write its StructureDefinition here first"
                );
                issues.push(Issue::error(Code::NotFound, kind, words));
            }
            None => issues.push(note(format!(
                "the profile `{url}`, which the resource names, is not at hand and was not looked at"
            ))),
        }
    }
    Ok(issues)
}

/// The profile of an address, if it was written here and may be seen.
async fn profile(door: &Door, who: &Identity, url: &str) -> Result<Option<(Value, usize)>, Fault> {
    let asked = asked(door, who, ("StructureDefinition", url)).await?;
    if !door.decide(who, asked.question.clone()).await?.allowed() {
        return Ok(None);
    }
    definition(door, who, asked).await
}
