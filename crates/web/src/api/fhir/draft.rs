//! Reading and checking the resources of a request: the work that costs, done away from the
//! threads that serve when there is much of it.

use axum::http::StatusCode;
use event::Body;
use serde_json::Value;
use wire::fhir::{Code, Issue, Limits};

use super::door::Door;
use super::fault::Fault;
use super::ihe;
use super::refer::{Names, Resolved, replace, unresolved};
use super::route::Write;
use super::settle::{Fate, Settled};
use super::unmarked::unmarked;

/// The extension that says why there is no value.
const DATA_ABSENT: &str = "http://hl7.org/fhir/StructureDefinition/data-absent-reason";

/// A write that is ready but for the guard's word.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    /// What is written.
    pub(crate) settled: Settled,
    /// The patient it belongs to from now on.
    pub(crate) patient: Option<String>,
    /// References that were replaced: (as received, as kept).
    pub(crate) pairs: Vec<(String, String)>,
    /// Conditional references yet to be looked up: (where, reference). While there are any,
    /// `resource` is there.
    pub(crate) open: Vec<(String, String)>,
    /// It says that a content of it was left out, and replaces a version.
    lacks: bool,
    /// The resource, kept only while it is needed: a document in memory is many times its size.
    resource: Option<Value>,
}

/// Reads and checks what was received for `settled`.
///
/// # Errors
/// 400, 413 or 422 with every issue and its path.
pub(crate) fn draft(settled: Settled, names: &Names, limits: &Limits) -> Result<Draft, Fault> {
    if !settled.fate.writes() || settled.intent.write.deletes() {
        return Ok(Draft {
            patient: settled.before.clone(),
            settled,
            pairs: Vec::new(),
            open: Vec::new(),
            lacks: false,
            resource: None,
        });
    }
    let path = within(&settled);
    read(settled, names, limits).map_err(|fault| fault.under(&path))
}

/// Where the resource stands.
fn within(settled: &Settled) -> String {
    match settled.intent.path.as_str() {
        "" => String::new(),
        path => format!("{path}.resource"),
    }
}

fn read(settled: Settled, names: &Names, limits: &Limits) -> Result<Draft, Fault> {
    let mut resource = wire::fhir::parse(&settled.intent.raw, limits)?;
    let mut issues = wire::fhir::check(&resource);
    issues.retain(Issue::refuses);
    if !issues.is_empty() {
        return Err(invalid(issues));
    }
    if matches!(settled.intent.write, Write::Create("DocumentReference")) {
        let issues = ihe::published(&resource, &settled.intent.path);
        if !issues.is_empty() {
            return Err(Fault::of(StatusCode::UNPROCESSABLE_ENTITY, issues));
        }
    }
    unmarked((&settled.intent.raw, &resource))?;
    fits(&settled, &resource)?;
    whole(&settled, &resource)?;
    let resolved = resolve(&settled, &resource, names)?;
    // The patient compartment of a Patient is its own id, which is the one it is kept under.
    if let Some(map) = resource.as_object_mut() {
        map.insert("id".to_owned(), settled.target.id.clone().into());
    }
    let draft = Draft {
        lacks: settled.fate == Fate::Updated && lacks_content(&resource),
        settled,
        patient: None,
        pairs: resolved.pairs,
        open: resolved.open,
        resource: Some(resource),
    };
    Ok(match draft.open.is_empty() {
        true => draft.close(),
        false => draft,
    })
}

fn resolve(settled: &Settled, resource: &Value, names: &Names) -> Result<Resolved, Fault> {
    // What stands in a Bundle that is kept as a whole refers to what stands in it.
    if settled.target.kind == "Bundle" {
        return Ok(Resolved::default());
    }
    names.resolve(resource).map_err(invalid)
}

impl Draft {
    /// Refuses what says that a content was left out of it, unless the version before has none that could be lost.
    ///
    /// # Errors
    /// 422, and what keeps the record from reading.
    pub(crate) async fn whole(self, door: &Door) -> Result<Draft, Fault> {
        if !self.lacks {
            return Ok(self);
        }
        let before = door.app.record.get(self.settled.replaces).await?;
        if let Body::Resource(before) = &before.event().body
            && before.contents.is_empty()
        {
            return Ok(self);
        }
        let place = self.settled.target.kind.to_owned();
        Err(loses(place, LACKS_CONTENT).under(&within(&self.settled)))
    }

    /// The draft with its conditional references looked up in `names`.
    ///
    /// # Errors
    /// 412 for those that do not match exactly one resource.
    pub(crate) fn finish(mut self, names: &Names) -> Result<Draft, Fault> {
        let Some(resource) = &self.resource else {
            return Ok(self);
        };
        let resolved = names.resolve(resource).map_err(invalid)?;
        if !resolved.open.is_empty() {
            return Err(unresolved(&resolved.open).under(&self.settled.intent.path));
        }
        self.pairs = resolved.pairs;
        self.open = Vec::new();
        Ok(self.close())
    }

    fn close(mut self) -> Draft {
        if let Some(mut resource) = self.resource.take() {
            if !self.pairs.is_empty() {
                replace(&mut resource, &self.pairs);
            }
            self.patient = wire::fhir::patient_of(&resource);
        }
        self
    }
}

/// Checks that the resource is what the URL says it is.
fn fits(settled: &Settled, resource: &Value) -> Result<(), Fault> {
    let kind = settled.target.kind;
    let said = resource.get("resourceType").and_then(Value::as_str);
    if said != Some(kind) {
        let words = format!(
            "the resource is a `{}`, but the URL is that of a `{kind}`",
            said.unwrap_or_default()
        );
        return Err(wrong(kind, "resourceType", words));
    }
    let Write::Update(target) = &settled.intent.write else {
        return Ok(());
    };
    match resource.get("id").and_then(Value::as_str) {
        Some(id) if id == target.id => Ok(()),
        Some(id) => Err(wrong(
            kind,
            "id",
            format!(
                "the resource's id is `{id}`, but the URL's is `{}`",
                target.id
            ),
        )),
        None => Err(wrong(
            kind,
            "id",
            format!(
                "the resource has no `id`; give it the URL's, `{}`",
                target.id
            ),
        )),
    }
}

/// Refuses what somebody read with parts left out and would now put in the place of the whole: what
/// was kept from them would be gone from the chart.
fn whole(settled: &Settled, resource: &Value) -> Result<(), Fault> {
    if settled.fate != Fate::Updated {
        return Ok(());
    }
    match is_redacted(resource) {
        true => Err(loses(
            format!("{}.meta.security", settled.target.kind),
            REDACTED,
        )),
        false => Ok(()),
    }
}

fn loses(place: String, words: &str) -> Fault {
    let issue = Issue::error(Code::BusinessRule, place, words.to_owned());
    Fault::of(StatusCode::UNPROCESSABLE_ENTITY, vec![issue])
}

const REDACTED: &str = "this resource is labelled `REDACTED`: parts of it were left out for whoever read it, and \
                        writing it back would lose them; write the whole, without the label";
const LACKS_CONTENT: &str = "a content was left out of this resource where it was read (`_data` says so), and \
                             writing it back would lose it; read the resource itself, and write the whole";

/// Whether a resource says that a content of it was left out, as pages say it.
fn lacks_content(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().any(lacks_content),
        Value::Object(map) => map.iter().any(|(name, item)| match name.as_str() {
            "_data" => is_absent(item),
            _ => lacks_content(item),
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

fn is_absent(data: &Value) -> bool {
    let extensions = data.get("extension").and_then(Value::as_array);
    let absent = |one: &Value| {
        let code = one.get("valueCode").and_then(Value::as_str);
        one.get("url").and_then(Value::as_str) == Some(DATA_ABSENT)
            && matches!(code, Some("temp-unknown" | "error"))
    };
    extensions.into_iter().flatten().any(absent)
}

/// Whether a resource says of itself that parts of it were left out.
pub(crate) fn is_redacted(resource: &Value) -> bool {
    let labels = resource.pointer("/meta/security").and_then(Value::as_array);
    let redacted = |label: &Value| label.get("code").and_then(Value::as_str) == Some("REDACTED");
    labels.into_iter().flatten().any(redacted)
}

fn wrong(kind: &str, element: &str, words: String) -> Fault {
    let issue = Issue::error(Code::Value, format!("{kind}.{element}"), words);
    Fault::of(StatusCode::BAD_REQUEST, vec![issue])
}

/// 400 for what has not the shape of its type, 422 for what has it but breaks a rule.
fn invalid(issues: Vec<Issue>) -> Fault {
    let shapeless =
        |issue: &Issue| matches!(issue.code, Code::Structure | Code::Invalid | Code::Value);
    let status = match issues.iter().any(shapeless) {
        true => StatusCode::BAD_REQUEST,
        false => StatusCode::UNPROCESSABLE_ENTITY,
    };
    Fault::of(status, issues)
}
