//! Provide Document Bundle (IHE MHD, ITI-65): a transaction whose profile promises a submission of
//! documents is held against what MHD asks for, and its documents go to the patient's chart.

use std::collections::{HashMap, HashSet};

use aws_lc_rs::digest;
use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Value, json};
use wire::fhir::mhd::{Document, Metadata, Provided, Which, documents, faults, replaced};
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
    let at = |place: usize| {
        let along = format!("Bundle.entry[{place}]");
        let path = format!("{along}.resource.relatesTo");
        (along, path)
    };
    let older = match older(&all, (&said(&entries, base), base), at) {
        Ok(older) => older,
        Err(wrong) => {
            issues.extend(wrong);
            Vec::new()
        }
    };
    for document in &documents {
        issues.extend(content(document, &resources));
    }
    if !issues.is_empty() {
        return Err(Fault::of(StatusCode::UNPROCESSABLE_ENTITY, issues));
    }
    let mut patients = HashMap::new();
    for document in &documents {
        if let Some(patient) = &document.patient {
            patients.entry(document.binary).or_insert(patient);
        }
    }
    let with_patient = |(place, entry): (usize, Entry)| {
        let bare = resources
            .get(place)
            .is_some_and(|one| one.get("securityContext").is_none());
        match patients.get(&place).filter(|_| bare) {
            Some(patient) => in_context(entry, patient),
            None => entry,
        }
    };
    let entries = entries.into_iter().enumerate().map(with_patient);
    Ok(entries.chain(older).collect())
}

/// Of what the entries say themselves what becomes of it.
fn said(entries: &[Entry], base: &str) -> HashSet<String> {
    let named = |entry: &Entry| {
        let (method, url) = entry.request.as_ref()?;
        let writes = matches!(method.as_str(), "PUT" | "PATCH" | "DELETE");
        writes.then(|| own(url, base).to_owned())
    };
    entries.iter().filter_map(named).collect()
}

/// What becomes of the documents that these replace, each once. `said`: see [`superseded`]. `at`: of the place of
/// one where it stands, and where what it replaces is named.
pub(super) fn older(
    all: &[Provided<'_>],
    (said, base): (&HashSet<String>, &str),
    at: impl Fn(usize) -> (String, String),
) -> Result<Vec<Entry>, Vec<Issue>> {
    let (mut places, mut issues) = (HashMap::new(), Vec::new());
    let mut older: Vec<Entry> = Vec::new();
    for one in replaced(all) {
        let (along, path) = at(one.by);
        match address(&one.which, base) {
            Ok(url) => {
                let nth = *places.entry(url.clone()).or_insert(older.len());
                if nth == older.len() {
                    older.push(superseded((url, path), said));
                }
                // The documents come in order, so one that names it again was the last.
                if let Some(entry) = older.get_mut(nth)
                    && entry.along.last() != Some(&along)
                {
                    entry.along.push(along);
                }
            }
            Err(words) => issues.push(Issue::error(Code::Value, path, words)),
        }
    }
    match issues.is_empty() {
        true => Ok(older),
        false => Err(issues),
    }
}

/// A reference or an address as this server's own are, without the server.
fn own<'r>(reference: &'r str, base: &str) -> &'r str {
    let own = reference.strip_prefix(base).unwrap_or(reference);
    own.trim_start_matches('/')
}

/// What an entry of a bundle calls the document.
fn address(which: &Which, base: &str) -> Result<String, String> {
    match which {
        Which::Reference(reference) => {
            let own = own(reference, base);
            let conditional = own.strip_prefix("DocumentReference?");
            let own = match conditional.is_some_and(|query| !query.is_empty()) {
                true => Some(own),
                false => own.split("/_history/").next(),
            };
            let is_document = |own: &&str| {
                own.starts_with("DocumentReference/") || own.starts_with("DocumentReference?")
            };
            let own = own.filter(is_document).ok_or_else(|| {
                format!(
                    "`{reference}` is no document of this server, so it cannot be replaced here"
                )
            })?;
            Ok(own.to_owned())
        }
        Which::Identifier(system, value) => {
            let identifier = format!("{}|{}", escaped(system), escaped(value));
            let pair = ("identifier".to_owned(), identifier);
            Ok(format!("DocumentReference?{}", query::text(&[pair])))
        }
    }
}

/// A patch that finds the document and changes nothing.
pub(crate) fn untouched() -> Bytes {
    let steps = json!([{"op": "test", "path": "/resourceType", "value": "DocumentReference"}]);
    steps.to_string().into()
}

/// What makes a document superseded, as ITI-65 has it. `said`: of what entries of the bundle say themselves
/// what becomes of it; there nothing is changed by this.
fn superseded((url, path): (String, String), said: &HashSet<String>) -> Entry {
    let steps = json!([
        {"op": "test", "path": "/status", "value": "current"},
        {"op": "replace", "path": "/status", "value": "superseded"},
    ]);
    let raw = match said.contains(&url) {
        true => untouched(),
        false => steps.to_string().into(),
    };
    Entry {
        full_url: None,
        request: Some(("PATCH".to_owned(), url)),
        conditions: Ok(Conditions::default()),
        raw,
        path: Some(path),
        along: Vec::new(),
    }
}

/// In a token of a search these have a meaning.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        if matches!(letter, '\\' | '|' | ',' | '$') {
            out.push('\\');
        }
        out.push(letter);
    }
    out
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
    let place = format!(
        "Bundle.entry[{}].resource.content.attachment",
        document.reference
    );
    let told = (document.size.as_ref(), document.hash.as_deref());
    issues.extend(measured(told, &bytes, &place));
    issues
}

/// What of the size and the hash that an attachment tells is not that of its content.
pub(super) fn measured(
    (size, hash): (Option<&Value>, Option<&str>),
    bytes: &[u8],
    place: &str,
) -> Vec<Issue> {
    let mut issues = Vec::new();
    if size.is_some_and(|size| size.as_u64() != Some(bytes.len() as u64)) {
        let words = format!("the content has {} bytes", bytes.len());
        issues.push(Issue::error(Code::Value, format!("{place}.size"), words));
    }
    if hash.is_some_and(|hash| !is_hash(hash, bytes)) {
        let words = "it is not the SHA-1 of the content";
        issues.push(Issue::error(Code::Value, format!("{place}.hash"), words));
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
