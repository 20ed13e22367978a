//! Provide Document Bundle (IHE MHD, ITI-65): a transaction whose profile promises a submission of
//! documents is held against what MHD asks for, and its documents go to the patient's chart.

use aws_lc_rs::digest;
use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Value, json};
use wire::fhir::mhd::{Document, Metadata, Provided, Replaced, Which, documents, faults, replaced};
use wire::fhir::{Code, Issue};

use super::super::bundle::Entry;
use super::super::conditions::Conditions;
use super::super::fault::Fault;
use super::super::json::quoted;
use super::super::query;

/// The entries, and behind them what becomes of documents that are replaced, if all is as MHD has it: size and hash of each document are those of its content. A
/// document's Binary that does not say whose it is gets the patient as its security context, so that it is
/// kept under the patient's key and read by whoever may read the patient.
///
/// # Errors
/// 422 with every fault and its place.
pub(crate) fn provided(
    entries: Vec<Entry>,
    (metadata, base): (Metadata, &str),
) -> Result<Vec<Entry>, Fault> {
    let read = |entry: &Entry| serde_json::from_slice(&entry.raw).unwrap_or(Value::Null);
    let resources: Vec<Value> = entries.iter().map(read).collect();
    let all: Vec<Provided<'_>> = entries
        .iter()
        .zip(&resources)
        .enumerate()
        .map(|(place, (entry, resource))| Provided {
            place,
            full_url: entry.full_url.as_deref().unwrap_or_default(),
            method: entry.request.as_ref().map_or("", |(method, _)| method),
            resource,
        })
        .collect();
    let mut issues = faults(metadata, &all);
    let documents = documents(&all);
    let mut older = Vec::new();
    for one in replaced(&all) {
        match superseded(&one, (&entries, base)) {
            Ok(entry) => older.extend(entry),
            Err(issue) => issues.push(issue),
        }
    }
    older.dedup_by(|one, other| one.request == other.request);
    for document in &documents {
        issues.extend(content(document, &resources));
    }
    if !issues.is_empty() {
        return Err(Fault::of(StatusCode::UNPROCESSABLE_ENTITY, issues));
    }
    let patient = |place: usize| {
        let mut own = documents.iter().filter(|one| one.binary == place);
        own.find_map(|one| one.patient.clone())
    };
    let with_patient = |(place, entry): (usize, Entry)| {
        let bare = resources
            .get(place)
            .is_some_and(|one| one.get("securityContext").is_none());
        match patient(place).filter(|_| bare) {
            Some(patient) => in_context(entry, &patient),
            None => entry,
        }
    };
    let entries = entries.into_iter().enumerate().map(with_patient);
    Ok(entries.chain(older).collect())
}

/// What makes a document superseded that one of the bundle replaces, as ITI-65 has it; `None`: an entry of the
/// bundle says itself what becomes of it.
fn superseded(one: &Replaced, (entries, base): (&[Entry], &str)) -> Result<Option<Entry>, Issue> {
    let path = format!("Bundle.entry[{}].resource.relatesTo", one.by);
    let url = match &one.which {
        Which::Reference(reference) => {
            let own = reference.strip_prefix(base).unwrap_or(reference);
            let own = own.trim_start_matches('/').split("/_history/").next();
            let own = own.filter(|own| own.starts_with("DocumentReference/"));
            let own = own.ok_or_else(|| {
                let words = format!(
                    "`{reference}` is no document of this server, so it cannot be replaced here"
                );
                Issue::error(Code::Value, path.clone(), words)
            })?;
            own.to_owned()
        }
        Which::Identifier(system, value) => {
            let identifier = format!("{}|{}", escaped(system), escaped(value));
            let pair = ("identifier".to_owned(), identifier);
            format!("DocumentReference?{}", query::text(&[pair]))
        }
    };
    let says = |entry: &Entry| {
        let request = entry.request.as_ref();
        request.is_some_and(|(_, named)| {
            named
                .strip_prefix(base)
                .unwrap_or(named)
                .trim_start_matches('/')
                == url
        })
    };
    if entries.iter().any(says) {
        return Ok(None);
    }
    Ok(Some(Entry {
        full_url: None,
        request: Some(("PATCH".to_owned(), url)),
        conditions: Ok(Conditions::default()),
        raw: patch(one.patient.as_deref(), base).into(),
        path: Some(path),
    }))
}

/// In a token of a search these have a meaning.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        if matches!(letter, '\\' | '|' | ',' | '$') {
            out.push('\\');
        }
        out.push(letter);
    }
    out
}

/// A JSON Patch that holds only for a document that is current and about the same patient.
fn patch(patient: Option<&str>, base: &str) -> String {
    let mut steps = vec![json!({"op": "test", "path": "/status", "value": "current"})];
    let own = patient.map(|patient| patient.strip_prefix(base).unwrap_or(patient));
    let own = own.map(|own| own.trim_start_matches('/'));
    if let Some(own) = own.filter(|own| own.starts_with("Patient/") && !own.contains('?')) {
        steps.push(json!({"op": "test", "path": "/subject/reference", "value": own}));
    }
    steps.push(json!({"op": "replace", "path": "/status", "value": "superseded"}));
    Value::Array(steps).to_string()
}

/// The entry with the patient as the first member of its Binary; every other byte stays.
fn in_context(entry: Entry, patient: &str) -> Entry {
    let Some(start) = entry.raw.iter().position(|byte| *byte == b'{') else {
        return entry;
    };
    let (before, after) = entry.raw.split_at(start + 1);
    let context = format!("\"securityContext\":{{\"reference\":{}}},", quoted(patient));
    let raw = [before, context.as_bytes(), after].concat();
    Entry {
        raw: Bytes::from(raw),
        ..entry
    }
}

/// What is wrong with the content of a document: its type, size or hash is another.
fn content(document: &Document, resources: &[Value]) -> Vec<Issue> {
    let of = |place: usize| resources.get(place).unwrap_or(&Value::Null);
    let (reference, binary) = (of(document.reference), of(document.binary));
    let text = |value: &Value, path: &str| {
        let text = value.pointer(path).and_then(Value::as_str);
        text.unwrap_or_default().to_owned()
    };
    let fault = |name: &str, words: String| {
        let path = format!(
            "Bundle.entry[{}].resource.content.attachment.{name}",
            document.reference
        );
        Issue::error(Code::Value, path, words)
    };
    let data: String = text(binary, "/data").split_whitespace().collect();
    let Ok(bytes) = STANDARD.decode(&data) else {
        let path = format!("Bundle.entry[{}].resource.data", document.binary);
        return vec![Issue::error(Code::Value, path, "the content is no base64")];
    };
    let mut issues = Vec::new();
    let kind = text(reference, "/content/0/attachment/contentType");
    if kind != text(binary, "/contentType") {
        issues.push(fault(
            "contentType",
            format!(
                "it is not the type of the Binary, `{}`",
                text(binary, "/contentType")
            ),
        ));
    }
    let size = document.size.as_ref();
    if size.is_some_and(|size| size.as_u64() != Some(bytes.len() as u64)) {
        issues.push(fault(
            "size",
            format!("the content has {} bytes", bytes.len()),
        ));
    }
    if document
        .hash
        .as_ref()
        .is_some_and(|hash| !is_hash(hash, &bytes))
    {
        issues.push(fault(
            "hash",
            "it is not the SHA-1 of the content".to_owned(),
        ));
    }
    issues
}

/// FHIR writes the SHA-1 in base64; XDS, and who comes from there, in hex.
fn is_hash(hash: &str, bytes: &[u8]) -> bool {
    let own = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, bytes);
    let hex: String = own
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let hash = hash.trim();
    hash == STANDARD.encode(own.as_ref())
        || hash.eq_ignore_ascii_case(&hex)
        || hash == STANDARD.encode(&hex)
}
