//! `patch` (FHIR R4 section 3.1.0.4): what is there is read like any read, changed, and from then on
//! it is an update of exactly the version that was read.

use axum::http::StatusCode;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use event::Act;
use guard::Identity;
use serde_json::Value;
use wire::fhir::{Code, PatchLimits, Unpatched};

use super::door::{Door, Question};
use super::draft::is_redacted;
use super::fault::Fault;
use super::intent::Intent;
use super::read::locate;
use super::route::{Target, Write};
use super::settle::{Fate, Settled, matching_shown, only, update};

/// Finds what a patch is for and what it makes of it.
///
/// # Errors
/// 400 for a patch that cannot be understood, 403, 404 or 410 for a resource that may not be read or
/// is not there, 412 for a condition, 422 for a patch that does not fit.
pub(crate) async fn patch(
    door: &Door,
    who: &Identity,
    (intent, target): (Intent, Target),
) -> Result<Settled, Fault> {
    let (document, bytes) = (read(door, &intent.raw).await?, intent.raw.len());
    let located = locate(door, &target).await?;
    let patient = located.as_ref().and_then(|located| located.patient.clone());
    let question = Question::of(Act::Read, &target, patient);
    let permit = door.permit(who, question, Some(&target)).await?;
    if located.is_none() {
        return Err(Fault::absent(target.kind, &target.id));
    }
    let open = door.app.chart.open_with(permit);
    // What may not be seen looks as if it was not there, before any condition says something.
    match open.read(target.kind, &target.id).await? {
        None => return Err(Fault::absent(target.kind, &target.id)),
        Some(stored) if stored.deleted => return Err(Fault::gone(target.kind, &target.id)),
        Some(_) => {}
    }
    may_update(
        door,
        who,
        (&target, located.and_then(|located| located.patient)),
    )
    .await?;
    let as_update = Intent {
        write: Write::Update(target.clone()),
        ..intent
    };
    let mut settled = update(door, who, (as_update, target.clone())).await?;
    if settled.fate != Fate::Updated {
        return Err(Fault::gone(target.kind, &target.id));
    }
    // INVARIANT: the version that is replaced is the one that was patched.
    let found = open
        .version_bare(target.kind, &target.id, settled.replaces)
        .await?;
    let bare = found.ok_or_else(|| Fault::absent(target.kind, &target.id))?;
    fits(door, &target, bare.json.len() + open.brings(&bare))?;
    let stored = door.whole(&open, bare).await?;
    let narrative = match settled.intent.along.is_empty() {
        true => Narrative::Fits,
        false => Narrative::Stays,
    };
    let patch = (document, bytes, narrative);
    settled.intent.raw = changed(door, stored.json, patch).await?;
    Ok(settled)
}

/// A patch makes the whole resource, which is then taken like any body.
fn fits(door: &Door, target: &Target, bytes: usize) -> Result<(), Fault> {
    let max = door.app.settings.body_bytes_max;
    if bytes <= max {
        return Ok(());
    }
    let words = format!(
        "`{}/{}` has {bytes} bytes with its contents, and a patch makes at most `body_bytes_max` = {max}; \
         write it anew with `PUT` (a Binary as what it is)",
        target.kind, target.id
    );
    Err(Fault::too_large(words))
}

/// Refuses whoever may only read before anything is applied: how a patch fares tells of what is
/// there, and costs.
async fn may_update(
    door: &Door,
    who: &Identity,
    (target, patient): (&Target, Option<String>),
) -> Result<(), Fault> {
    let question = Question::of(Act::Update, target, patient);
    if !door.decide(who, question.clone()).await?.allowed() {
        // The refusal is sealed.
        door.permit(who, question, None).await?;
    }
    Ok(())
}

/// The same for the one resource that a query finds.
///
/// # Errors
/// As [`patch`], and 404 or 412 if it does not find exactly one.
pub(crate) async fn patch_where(
    door: &Door,
    who: &Identity,
    (intent, kind): (Intent, &'static str),
) -> Result<Settled, Fault> {
    let found = matching_shown(door, who, (kind, &intent.query)).await?;
    let target = only(&found, kind)?.ok_or_else(|| {
        let words = format!("no `{kind}` matches, so nothing was patched");
        Fault::new(StatusCode::NOT_FOUND, Code::NotFound, words)
    })?;
    patch(door, who, (intent, target)).await
}

/// The patch: as it came, or out of the `Binary` in which a bundle carries a JSON Patch.
async fn read(door: &Door, raw: &Bytes) -> Result<Value, Fault> {
    let (limits, raw) = (door.limits(), raw.clone());
    let document = door
        .work(raw.len(), move || wire::fhir::parse(&raw, &limits))
        .await??;
    if document.get("resourceType").and_then(Value::as_str) != Some("Binary") {
        return Ok(document);
    }
    let text = |name: &str| document.get(name).and_then(Value::as_str);
    if text("contentType") != Some("application/json-patch+json") {
        let words = "a `Binary` carries a patch as `application/json-patch+json`";
        return Err(Fault::bad(Code::Value, words));
    }
    let bytes = STANDARD.decode(text("data").unwrap_or_default());
    let bytes = bytes.map_err(|_| Fault::bad(Code::Value, "`Binary.data` is no base64"))?;
    Ok(wire::fhir::parse(&bytes, &limits)?)
}

/// What becomes of the narrative of a resource that is patched.
#[derive(Debug, Clone, Copy)]
enum Narrative {
    /// It must not say what was so before.
    Fits,
    /// It tells of a document, and not whether that was replaced.
    Stays,
}

/// The resource as the patch leaves it.
async fn changed(
    door: &Door,
    json: Vec<u8>,
    (document, bytes, narrative): (Value, usize, Narrative),
) -> Result<Bytes, Fault> {
    let limits = PatchLimits {
        bytes_max: door.app.settings.body_bytes_max,
        depth_max: door.app.settings.json_depth_max,
        ..PatchLimits::default()
    };
    let size = json.len().saturating_add(bytes);
    let work = move || {
        let resource: Value = serde_json::from_slice(&json)
            .map_err(|_| Fault::broken("what is kept could not be read"))?;
        // Whoever may not see all of it must not write all of it.
        if is_redacted(&resource) {
            let words = "parts of this resource are left out for you, so it cannot be patched";
            return Err(Fault::new(StatusCode::FORBIDDEN, Code::Suppressed, words));
        }
        let mut changed = wire::fhir::patch(&resource, &document, &limits)?;
        unstamp(&mut changed);
        match narrative {
            Narrative::Fits => narrate(&resource, &mut changed)?,
            Narrative::Stays => {}
        }
        Ok(Bytes::from(changed.to_string()))
    };
    door.work(size, work).await?
}

/// Takes away what says which version it was: the new one gets its own.
fn unstamp(resource: &mut Value) {
    let Some(map) = resource.as_object_mut() else {
        return;
    };
    if let Some(meta) = map.get_mut("meta").and_then(Value::as_object_mut) {
        meta.shift_remove("versionId");
        meta.shift_remove("lastUpdated");
        if meta.is_empty() {
            map.shift_remove("meta");
        }
    }
}

/// Sees to it that the narrative does not say what was so before the patch (R4 http.html, patch: it
/// must not be clinically unsafe afterwards). One that was generated goes; one that a person wrote,
/// or that says more than the data, only a patch of its own can mend.
fn narrate(before: &Value, after: &mut Value) -> Result<(), Fault> {
    let Some(text) = before.get("text") else {
        return Ok(());
    };
    if after.get("text") != Some(text) || same_content(before, after) {
        return Ok(());
    }
    let status = text.get("status").and_then(Value::as_str);
    if !matches!(status, Some("generated" | "empty")) {
        let words = "the narrative was not generated from the data, so it may be wrong after this patch; patch `text` along with it";
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        return Err(Fault::new(status, Code::BusinessRule, words));
    }
    if let Some(map) = after.as_object_mut() {
        map.shift_remove("text");
    }
    Ok(())
}

/// Whether two versions differ in nothing that a narrative tells of: in nothing but `meta`.
fn same_content(before: &Value, after: &Value) -> bool {
    let (Some(before), Some(after)) = (before.as_object(), after.as_object()) else {
        return false;
    };
    let content = |key: &&String| *key != "meta";
    let keys = before.keys().chain(after.keys()).filter(content);
    let mut keys = keys.map(|key| before.get(key) == after.get(key));
    keys.all(|same| same)
}

impl From<Unpatched> for Fault {
    fn from(unpatched: Unpatched) -> Fault {
        let (status, issue) = match unpatched {
            Unpatched::Malformed(issue) => (StatusCode::BAD_REQUEST, issue),
            Unpatched::Unfit(issue) => (StatusCode::UNPROCESSABLE_ENTITY, issue),
        };
        Fault::of(status, vec![issue])
    }
}
