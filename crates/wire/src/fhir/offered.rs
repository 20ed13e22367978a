//! What the FHIR door offers beside reading and writing: the one table that the `CapabilityStatement` and
//! the OpenAPI document are made of.

/// One operation (FHIR R4 section 3.2).
#[derive(Debug)]
pub(super) struct Offer {
    /// The type that it belongs to; empty: the base; `*`: every type.
    pub(super) kind: &'static str,
    /// Its name without the `$`.
    pub(super) name: &'static str,
    /// The address of its definition.
    pub(super) definition: &'static str,
    /// Where it may be asked.
    pub(super) at: At,
    /// What it is asked with.
    pub(super) asked: Asked,
    /// The parameters it has, as a URL says them.
    pub(super) params: &'static [&'static str],
    /// Those of them that it has only where no resource is named.
    pub(super) all_only: &'static [&'static str],
    /// The type of its answer; empty: none, since it is answered later.
    pub(super) answer: &'static str,
}

/// Where an operation may be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum At {
    /// `[type]/[id]/$name` alone.
    One,
    /// `[type]/$name`, or `$name` at the base, alone.
    All,
    /// Both.
    Both,
}

/// What an operation is asked with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// `GET`, or `POST` with `Parameters`.
    Parameters,
    /// `GET`, or `POST` with `Parameters` or a resource of the type.
    Resource,
    /// `POST` with `Parameters` or a resource of the type.
    Body,
    /// `POST` with a manifest or `Parameters`, answered later.
    Manifest,
    /// `GET`, or `POST` with `Parameters`, answered later.
    Later,
}

const EXPORT: &[&str] = &[
    "_elements",
    "_outputFormat",
    "_since",
    "_type",
    "_typeFilter",
];
const CODED: &[&str] = &[
    "code",
    "display",
    "system",
    "url",
    "valueSetVersion",
    "version",
];

/// All of them.
pub(super) const OFFERS: &[Offer] = &[
    Offer {
        kind: "Patient",
        name: "everything",
        definition: "http://hl7.org/fhir/OperationDefinition/Patient-everything",
        at: At::Both,
        asked: Asked::Parameters,
        params: &["_count", "_page", "_since", "_type", "end", "start"],
        all_only: &[],
        answer: "Bundle",
    },
    Offer {
        kind: "Patient",
        name: "summary",
        definition: "http://hl7.org/fhir/uv/ips/OperationDefinition/summary",
        at: At::Both,
        asked: Asked::Parameters,
        params: &["identifier", "profile"],
        all_only: &["identifier"],
        answer: "Bundle",
    },
    Offer {
        kind: "Patient",
        name: "match",
        definition: "http://hl7.org/fhir/OperationDefinition/Patient-match",
        at: At::All,
        asked: Asked::Body,
        params: &[],
        all_only: &[],
        answer: "Bundle",
    },
    Offer {
        kind: "Patient",
        name: "ihe-pix",
        definition: "https://profiles.ihe.net/ITI/PIXm/OperationDefinition/IHE.PIXm.pix",
        at: At::All,
        asked: Asked::Parameters,
        params: &["sourceIdentifier", "targetSystem"],
        all_only: &[],
        answer: "Parameters",
    },
    Offer {
        kind: "",
        name: "export",
        definition: "http://hl7.org/fhir/uv/bulkdata/OperationDefinition/export",
        at: At::All,
        asked: Asked::Later,
        params: EXPORT,
        all_only: &[],
        answer: "",
    },
    Offer {
        kind: "",
        name: "import",
        definition: "https://github.com/smart-on-fhir/bulk-import/blob/master/import.md",
        at: At::All,
        asked: Asked::Manifest,
        params: &[],
        all_only: &[],
        answer: "",
    },
    Offer {
        kind: "Patient",
        name: "export",
        definition: "http://hl7.org/fhir/uv/bulkdata/OperationDefinition/patient-export",
        at: At::All,
        asked: Asked::Later,
        params: EXPORT,
        all_only: &[],
        answer: "",
    },
    Offer {
        kind: "Group",
        name: "export",
        definition: "http://hl7.org/fhir/uv/bulkdata/OperationDefinition/group-export",
        at: At::One,
        asked: Asked::Later,
        params: EXPORT,
        all_only: &[],
        answer: "",
    },
    Offer {
        kind: "CodeSystem",
        name: "lookup",
        definition: "http://hl7.org/fhir/OperationDefinition/CodeSystem-lookup",
        at: At::All,
        asked: Asked::Resource,
        params: &["code", "system", "version"],
        all_only: &[],
        answer: "Parameters",
    },
    Offer {
        kind: "CodeSystem",
        name: "validate-code",
        definition: "http://hl7.org/fhir/OperationDefinition/CodeSystem-validate-code",
        at: At::Both,
        asked: Asked::Resource,
        params: CODED,
        all_only: &[],
        answer: "Parameters",
    },
    Offer {
        kind: "Subscription",
        name: "events",
        definition: "http://hl7.org/fhir/uv/subscriptions-backport/OperationDefinition/backport-subscription-events",
        at: At::Both,
        asked: Asked::Parameters,
        params: &["content", "eventsSinceNumber", "eventsUntilNumber"],
        all_only: &[],
        answer: "Bundle",
    },
    Offer {
        kind: "Subscription",
        name: "status",
        definition: "http://hl7.org/fhir/uv/subscriptions-backport/OperationDefinition/backport-subscription-status",
        at: At::Both,
        asked: Asked::Parameters,
        params: &["id", "status"],
        all_only: &[],
        answer: "Bundle",
    },
    Offer {
        kind: "Subscription",
        name: "get-ws-binding-token",
        definition: "http://hl7.org/fhir/uv/subscriptions-backport/OperationDefinition/backport-subscription-get-ws-binding-token",
        at: At::Both,
        asked: Asked::Parameters,
        params: &["id"],
        all_only: &[],
        answer: "Parameters",
    },
    Offer {
        kind: "ValueSet",
        name: "expand",
        definition: "http://hl7.org/fhir/OperationDefinition/ValueSet-expand",
        at: At::Both,
        asked: Asked::Resource,
        params: &["count", "filter", "offset", "url", "valueSetVersion"],
        all_only: &[],
        answer: "ValueSet",
    },
    Offer {
        kind: "ValueSet",
        name: "validate-code",
        definition: "http://hl7.org/fhir/OperationDefinition/ValueSet-validate-code",
        at: At::Both,
        asked: Asked::Resource,
        params: CODED,
        all_only: &[],
        answer: "Parameters",
    },
    Offer {
        kind: "*",
        name: "validate",
        definition: "http://hl7.org/fhir/OperationDefinition/Resource-validate",
        at: At::Both,
        asked: Asked::Resource,
        params: &["mode", "profile"],
        all_only: &[],
        answer: "OperationOutcome",
    },
];

/// The operations of a type, or of the base if `kind` is empty.
pub(super) fn offers(kind: &str) -> impl Iterator<Item = &'static Offer> {
    OFFERS
        .iter()
        .filter(move |one| one.kind == kind || (one.kind == "*" && !kind.is_empty()))
}

/// What a search for AuditEvents takes: they are made from what is sealed, not kept.
const AUDIT_PARAMS: [&str; 14] = [
    "_id",
    "action",
    "address",
    "agent",
    "agent-name",
    "date",
    "entity",
    "entity-role",
    "entity-type",
    "outcome",
    "patient",
    "source",
    "subtype",
    "type",
];

/// The search parameters of a type that are answered.
pub(super) fn offered_params(kind: &str) -> Vec<&'static super::tables::Param> {
    let here = |code: &str| kind != "AuditEvent" || AUDIT_PARAMS.contains(&code);
    super::tables::params(kind)
        .iter()
        .filter(|param| param.offered() && here(param.code))
        .collect()
}

/// What is in the URL of any search beside the parameters of the type: the name, and the type of its
/// value as JSON schema has it.
pub(super) const SEARCH_WORDS: [(&str, &str); 11] = [
    ("_count", "integer"),
    ("_elements", "string"),
    ("_format", "string"),
    ("_has", "string"),
    ("_include", "string"),
    ("_page", "string"),
    ("_pretty", "string"),
    ("_revinclude", "string"),
    ("_sort", "string"),
    ("_summary", "string"),
    ("_total", "string"),
];
