//! Document bundles of IHE MHD (ITI-65): what must hold of a SubmissionSet and its DocumentReferences
//! beside FHIR itself, by the profiles of MHD 4.2 (minimal and comprehensive metadata).

mod simplified;

pub use simplified::{is_simplified, lone_faults, simplified_faults};

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::issue::{Code, Issue};

/// Where the profiles are.
const PROFILES: &str = "https://profiles.ihe.net/ITI/MHD/StructureDefinition/IHE.MHD.";
/// What a List is, in MHD.
const LIST_TYPES: &str = "https://profiles.ihe.net/ITI/MHD/CodeSystem/MHDlistTypes";
const SOURCE_ID: &str = "https://profiles.ihe.net/ITI/MHD/StructureDefinition/ihe-sourceId";
const DESIGNATION: &str =
    "https://profiles.ihe.net/ITI/MHD/StructureDefinition/ihe-designationType";

/// How much metadata a bundle promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metadata {
    /// No option.
    Minimal,
    /// The comprehensive option, contained or not: what XDS asks for.
    Comprehensive,
}

/// One entry of the bundle.
#[derive(Debug, Clone, Copy)]
pub struct Provided<'a> {
    /// Its place in the bundle.
    pub place: usize,
    /// `fullUrl`; empty: none.
    pub full_url: &'a str,
    /// `request.method`.
    pub method: &'a str,
    /// `resource`.
    pub resource: &'a Value,
}

/// A document that stands in the bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Place of the DocumentReference.
    pub reference: usize,
    /// Place of the Binary with its content.
    pub binary: usize,
    /// `attachment.size`, as it is written.
    pub size: Option<Value>,
    /// `attachment.hash`.
    pub hash: Option<String>,
    /// `subject.reference`.
    pub patient: Option<String>,
}

/// What the profiles of a bundle promise; `None`: it is none of MHD.
#[must_use]
pub fn metadata(profiles: &[String]) -> Option<Metadata> {
    let own = profiles.iter().find_map(|profile| {
        let (profile, _) = profile.split_once('|').unwrap_or((profile, ""));
        profile.strip_prefix(PROFILES)
    });
    match own {
        Some("Minimal.ProvideBundle") => Some(Metadata::Minimal),
        Some("Comprehensive.ProvideBundle" | "UnContained.Comprehensive.ProvideBundle") => {
            Some(Metadata::Comprehensive)
        }
        _ => None,
    }
}

/// Everything in the bundle that is not as MHD has it.
#[must_use]
pub fn faults(metadata: Metadata, entries: &[Provided<'_>]) -> Vec<Issue> {
    let mut issues = Vec::new();
    let sets: Vec<&Provided<'_>> = entries.iter().filter(|one| is_set(one.resource)).collect();
    match sets.as_slice() {
        [set] => submission(metadata, (set, entries), &mut issues),
        others => {
            let words = format!(
                "{} SubmissionSets; MHD has exactly one List with the code `submissionset`",
                others.len()
            );
            issues.push(Issue::error(Code::Required, "Bundle.entry", words));
        }
    }
    for one in references(entries) {
        reference(metadata, one, &mut issues);
    }
    subjects(entries, &mut issues);
    issues
}

/// The documents whose content is in the bundle.
#[must_use]
pub fn documents(entries: &[Provided<'_>]) -> Vec<Document> {
    let mut binaries = HashMap::new();
    for one in entries.iter().filter(|one| kind(one.resource) == "Binary") {
        binaries.entry(one.full_url).or_insert(one);
    }
    let document = |one: &Provided<'_>| {
        let attachment = one.resource.pointer("/content/0/attachment")?;
        let url = attachment.get("url")?.as_str()?;
        let binary = binaries.get(url).filter(|_| !url.is_empty())?;
        Some(Document {
            reference: one.place,
            binary: binary.place,
            size: attachment.get("size").cloned(),
            hash: attachment
                .get("hash")
                .and_then(Value::as_str)
                .map(str::to_owned),
            patient: subject(one.resource).map(str::to_owned),
        })
    };
    references(entries).filter_map(document).collect()
}

/// A document that one of the bundle replaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replaced {
    /// Place of the DocumentReference that replaces it.
    pub by: usize,
    /// Which one it is.
    pub which: Which,
}

/// By what a document is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// By reference.
    Reference(String),
    /// By identifier: system and value.
    Identifier(String, String),
}

/// The documents that those of the bundle replace (`relatesTo` with `replaces`). What stands in the bundle
/// itself is not among them.
#[must_use]
pub fn replaced(entries: &[Provided<'_>]) -> Vec<Replaced> {
    let inside: HashSet<&str> = entries.iter().map(|entry| entry.full_url).collect();
    let is_inside =
        |which: &Which| matches!(which, Which::Reference(one) if inside.contains(one.as_str()));
    let mut all = Vec::new();
    for one in references(entries) {
        let related = one.resource.get("relatesTo").and_then(Value::as_array);
        let related = related.into_iter().flatten();
        let replaces = related.filter(|one| one.get("code") == Some(&"replaces".into()));
        for which in replaces.filter_map(|one| which(one.get("target")?)) {
            if !is_inside(&which) {
                all.push(Replaced {
                    by: one.place,
                    which,
                });
            }
        }
    }
    all
}

fn which(target: &Value) -> Option<Which> {
    let text = |path: &str| target.pointer(path).and_then(Value::as_str);
    match text("/reference") {
        Some(reference) => Some(Which::Reference(reference.to_owned())),
        None => Some(Which::Identifier(
            text("/identifier/system").unwrap_or_default().to_owned(),
            text("/identifier/value")?.to_owned(),
        )),
    }
}

fn references<'e, 'a>(entries: &'e [Provided<'a>]) -> impl Iterator<Item = &'e Provided<'a>> {
    let made =
        |one: &&Provided<'_>| kind(one.resource) == "DocumentReference" && one.method == "POST";
    entries.iter().filter(made)
}

fn kind(resource: &Value) -> &str {
    let kind = resource.get("resourceType").and_then(Value::as_str);
    kind.unwrap_or_default()
}

fn is_set(resource: &Value) -> bool {
    let codings = resource.pointer("/code/coding").and_then(Value::as_array);
    let is = |coding: &Value| {
        coding.get("system") == Some(&LIST_TYPES.into())
            && coding.get("code") == Some(&"submissionset".into())
    };
    kind(resource) == "List" && codings.is_some_and(|codings| codings.iter().any(is))
}

fn subject(resource: &Value) -> Option<&str> {
    resource
        .pointer("/subject/reference")
        .and_then(Value::as_str)
}

/// A fault at `path` within the resource of an entry.
fn fault(one: &Provided<'_>, path: &str, words: &str) -> Issue {
    let place = one.place;
    Issue::error(
        Code::Required,
        format!("Bundle.entry[{place}].resource.{path}"),
        words.to_owned(),
    )
}

fn submission(
    metadata: Metadata,
    (set, entries): (&Provided<'_>, &[Provided<'_>]),
    issues: &mut Vec<Issue>,
) {
    let list = set.resource;
    let has = |url: &str| {
        let all = list.get("extension").and_then(Value::as_array);
        all.is_some_and(|all| all.iter().any(|one| one.get("url") == Some(&url.into())))
    };
    let mut want = |holds: bool, path: &str, words: &str| {
        if !holds {
            issues.push(fault(set, path, words));
        }
    };
    let said = |path: &str| list.pointer(path).is_some();
    want(
        set.method == "POST",
        "code",
        "a SubmissionSet is created, by `POST`",
    );
    want(
        list.get("mode") == Some(&"working".into()),
        "mode",
        "the mode of a SubmissionSet is `working`",
    );
    want(
        said("/identifier/0/value"),
        "identifier",
        "a SubmissionSet has its `uniqueId` as an identifier",
    );
    want(
        said("/date"),
        "date",
        "a SubmissionSet says when it was submitted",
    );
    want(
        has(SOURCE_ID),
        "extension",
        "a SubmissionSet names its source: the extension `ihe-sourceId`",
    );
    if metadata == Metadata::Comprehensive {
        want(
            said("/subject/reference") || said("/subject/identifier"),
            "subject",
            "comprehensive metadata names the patient",
        );
        want(
            has(DESIGNATION),
            "extension",
            "comprehensive metadata says what is submitted: the extension `ihe-designationType`",
        );
    }
    let items = list.get("entry").and_then(Value::as_array);
    let items = items.into_iter().flatten();
    let items: HashSet<&str> = items
        .filter_map(|item| item.pointer("/item/reference").and_then(Value::as_str))
        .collect();
    for one in references(entries) {
        if !items.contains(one.full_url) {
            let words = "this DocumentReference is not in the SubmissionSet (`List.entry.item`)";
            issues.push(fault(one, "masterIdentifier", words));
        }
    }
}

/// What a DocumentReference must have: where, and in words.
const MINIMAL: [(&str, &str); 3] = [
    (
        "/masterIdentifier/value",
        "a document has its `uniqueId` as `masterIdentifier`",
    ),
    (
        "/content/0/attachment/contentType",
        "the content says of which type it is",
    ),
    (
        "/content/0/attachment/url",
        "the content is named by its address",
    ),
];
const COMPREHENSIVE: [(&str, &str); 10] = [
    ("/type", "comprehensive metadata has the type (`typeCode`)"),
    (
        "/category/0",
        "comprehensive metadata has the category (`classCode`)",
    ),
    (
        "/subject",
        "comprehensive metadata names the patient (`patientId`)",
    ),
    (
        "/securityLabel/0",
        "comprehensive metadata has a security label (`confidentialityCode`)",
    ),
    (
        "/content/0/attachment/language",
        "comprehensive metadata has the language (`languageCode`)",
    ),
    (
        "/content/0/attachment/creation",
        "comprehensive metadata says when it was made (`creationTime`)",
    ),
    (
        "/content/0/format",
        "comprehensive metadata has the format (`formatCode`)",
    ),
    (
        "/context/facilityType",
        "comprehensive metadata has the kind of house (`healthcareFacilityTypeCode`)",
    ),
    (
        "/context/practiceSetting",
        "comprehensive metadata has the specialty (`practiceSettingCode`)",
    ),
    (
        "/context/sourcePatientInfo",
        "comprehensive metadata says who the patient is for the source (`sourcePatientInfo`)",
    ),
];

fn reference(metadata: Metadata, one: &Provided<'_>, issues: &mut Vec<Issue>) {
    let more: &[(&str, &str)] = match metadata {
        Metadata::Minimal => &[],
        Metadata::Comprehensive => &COMPREHENSIVE,
    };
    for (path, words) in MINIMAL.iter().chain(more) {
        if one.resource.pointer(path).is_none() {
            let dotted = path
                .trim_start_matches('/')
                .replace("/0", "")
                .replace('/', ".");
            issues.push(fault(one, &dotted, words));
        }
    }
    let contents = one.resource.get("content").and_then(Value::as_array);
    if contents.is_some_and(|contents| contents.len() > 1) {
        issues.push(fault(one, "content", "a document has one content"));
    }
    if one.resource.pointer("/content/0/attachment/data").is_some() {
        let words = "the content is not written within; it is a Binary of the bundle";
        issues.push(fault(one, "content.attachment.data", words));
    }
    if !matches!(
        one.resource.get("status").and_then(Value::as_str),
        Some("current" | "superseded")
    ) {
        issues.push(fault(
            one,
            "status",
            "the status is `current` or `superseded`",
        ));
    }
}

/// One submission is about one patient.
fn subjects(entries: &[Provided<'_>], issues: &mut Vec<Issue>) {
    let about = |one: &&Provided<'_>| matches!(kind(one.resource), "DocumentReference" | "List");
    let mut named: Option<&str> = None;
    for one in entries.iter().filter(about) {
        let Some(own) = subject(one.resource) else {
            continue;
        };
        if named.is_some_and(|named| named != own) {
            let words = "a submission is about one patient, and another entry names another";
            issues.push(fault(one, "subject", words));
        }
        named = named.or(Some(own));
    }
}
