//! Simplified Publish (IHE MHD, ITI-105): a DocumentReference that is published by itself is held against its
//! profile, and what it replaces becomes superseded with it.

use std::collections::HashSet;

use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use wire::fhir::mhd::{Provided, is_simplified, lone_faults, simplified_faults};
use wire::fhir::{Code, Issue, Limits};

use super::super::bundle::Entry;
use super::super::door::Door;
use super::super::fault::Fault;
use super::mhd::{measured, older};

/// What is wrong with a DocumentReference that claims to be published by itself: by its profile, and the size
/// and hash of its content. `path`: where it stands, empty if it is alone. Of any other nothing.
pub(crate) fn published(resource: &Value, path: &str) -> Vec<Issue> {
    if !is_simplified(resource) {
        return Vec::new();
    }
    let mut issues = simplified_faults(resource);
    if path.is_empty() {
        issues.extend(lone_faults(resource));
    }
    let attachment = resource.pointer("/content/0/attachment");
    let of = |name: &str| attachment.and_then(|attachment| attachment.get(name));
    let Some(data) = of("data").and_then(Value::as_str) else {
        return issues;
    };
    let data: String = data.split_whitespace().collect();
    let told = (of("size"), of("hash").and_then(Value::as_str));
    let place = "DocumentReference.content.attachment";
    match STANDARD.decode(&data) {
        Ok(bytes) => issues.extend(measured(told, &bytes, place)),
        Err(_) => issues.push(Issue::error(
            Code::Value,
            format!("{place}.data"),
            "the content is no base64",
        )),
    }
    issues
}

/// What becomes of the documents that one replaces which is published by itself, each once; of any other nothing.
///
/// # Errors
/// 422 for what is no document of this server, and what keeps the resource from being read.
pub(crate) async fn replaced_by(door: &Door, raw: &Bytes) -> Result<Vec<Entry>, Fault> {
    let (bytes, raw, limits) = (raw.len(), raw.clone(), door.limits());
    let base = door.app.settings.fhir_base.clone();
    let work = move || superseded_by(&raw, (&limits, &base));
    door.work(bytes, work).await?
}

/// As much of a resource as says whether it may replace something.
#[derive(Deserialize)]
struct Head {
    #[serde(rename = "resourceType", default)]
    kind: Value,
    #[serde(default)]
    meta: Value,
    #[serde(rename = "relatesTo", default)]
    relates: Option<IgnoredAny>,
}

impl Head {
    fn may_replace(&self) -> bool {
        let claims = json!({"resourceType": self.kind, "meta": self.meta});
        self.relates.is_some() && is_simplified(&claims)
    }
}

fn superseded_by(raw: &[u8], (limits, base): (&Limits, &str)) -> Result<Vec<Entry>, Fault> {
    // What cannot be read so is refused where it is read whole.
    let head = serde_json::from_slice::<Head>(raw);
    if !head.is_ok_and(|head| head.may_replace()) {
        return Ok(Vec::new());
    }
    let resource = wire::fhir::parse(raw, limits)?;
    let alone = Provided {
        place: 0,
        full_url: "",
        method: "POST",
        resource: &resource,
    };
    let at = |_| (String::new(), "DocumentReference.relatesTo".to_owned());
    older(&[alone], (&HashSet::new(), base), at)
        .map_err(|issues| Fault::of(StatusCode::UNPROCESSABLE_ENTITY, issues))
}
