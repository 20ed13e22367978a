//! What this server says of itself: exactly what it does.

use serde_json::{Value, json};

use super::offered::{offered_params, offers};
use super::tables::{Param, ParamKind, kinds, params};

/// What is done with every resource type.
const OF_A_TYPE: &[&str] = &[
    "read",
    "vread",
    "update",
    "patch",
    "delete",
    "history-instance",
    "history-type",
    "create",
    "search-type",
];
/// What is done with all of them at once.
const OF_ALL: &[&str] = &["transaction", "batch", "history-system", "search-system"];

/// The words that have no element of their own.
const SEARCH_WORDS: &str = "A search parameter that is unknown or not offered is refused, never \
    left out. `_count`, `_sort`, `_include`, `_revinclude`, `_total`, `_elements`, `_summary`, \
    `_has` and `_format` are understood beside those listed, and chains of them. Modifiers: \
    `:missing` on all, `:exact` and `:contains` on string, `:not` and `:text` on token, `:of-type` \
    on identifier, `:identifier` and `:[type]` on reference, `:above` and `:below` on uri, \
    `:iterate` on `_include` and `_revinclude`. Prefixes: eq ne gt lt ge le sa eb ap. Not offered: \
    `_filter`, `_contained` but for `false`. A search over several types names them in `_type`. A \
    reference that may point to any type can be used in `_revinclude` of every type. Times without \
    a zone count as UTC.";
const SECURITY_WORDS: &str = "Systems send a bearer token over TLS; apps and systems get one by \
    SMART App Launch 2.2. Every access is decided by the hospital's policies and sealed before it \
    is answered.";

/// The `CapabilityStatement` (R4 section 2.26) of a server at `base`, of this version, since `date`
/// (an R4 dateTime).
#[must_use]
pub fn capability(base: &str, software_version: &str, date: &str) -> Value {
    let resources: Vec<Value> = kinds().iter().map(|kind| resource(kind)).collect();
    json!({
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": date,
        "kind": "instance",
        "software": { "name": "Salus", "version": software_version },
        "implementation": { "description": "Salus, the safety layer of a hospital's records", "url": base },
        "fhirVersion": "4.0.1",
        "format": ["json", "application/fhir+json"],
        "patchFormat": ["application/json-patch+json", "application/fhir+json"],
        "rest": [{
            "mode": "server",
            "documentation": SEARCH_WORDS,
            "security": security(base),
            "resource": resources,
            "interaction": codes(OF_ALL),
            "operation": operations(""),
        }],
    })
}

/// Where apps ask for tokens (SMART App Launch 2.2, "Conformance"): beside the base.
fn security(base: &str) -> Value {
    let base = base.trim_end_matches('/');
    let issuer = base.strip_suffix("/fhir").unwrap_or(base);
    let place = |name: &str, path: &str| json!({ "url": name, "valueUri": format!("{issuer}/oauth/{path}") });
    json!({
        "description": SECURITY_WORDS,
        "service": [{ "coding": [{
            "system": "http://terminology.hl7.org/CodeSystem/restful-security-service",
            "code": "SMART-on-FHIR",
        }] }],
        "extension": [{
            "url": "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris",
            "extension": [
                place("authorize", "authorize"),
                place("token", "token"),
                place("introspect", "introspect"),
                place("revoke", "revoke"),
            ],
        }],
    })
}

fn operations(kind: &str) -> Vec<Value> {
    offers(kind)
        .map(|one| json!({ "name": one.name, "definition": one.definition }))
        .collect()
}

fn codes(list: &[&str]) -> Vec<Value> {
    list.iter().map(|code| json!({ "code": code })).collect()
}

fn resource(kind: &str) -> Value {
    let offered = offered_params(kind);
    let mut out = json!({
        "type": kind,
        "interaction": codes(OF_A_TYPE),
        "versioning": "versioned-update",
        "readHistory": true,
        "updateCreate": true,
        "conditionalCreate": true,
        "conditionalRead": "full-support",
        "conditionalUpdate": true,
        "conditionalDelete": "single",
        "referencePolicy": ["literal", "logical"],
    });
    let lists = [
        ("searchInclude", includes(kind, &offered)),
        ("searchRevInclude", revincludes(kind)),
        (
            "searchParam",
            offered.iter().map(|p| search_param(p)).collect(),
        ),
    ];
    if let Some(map) = out.as_object_mut() {
        let operations = operations(kind);
        if !operations.is_empty() {
            map.insert("operation".to_owned(), operations.into());
        }
        let filled = lists.into_iter().filter(|(_, list)| !list.is_empty());
        map.extend(filled.map(|(name, list)| (name.to_owned(), Value::Array(list))));
    }
    out
}

fn search_param(param: &Param) -> Value {
    json!({ "name": param.code, "type": param.kind.as_str() })
}

fn includes(kind: &str, offered: &[&Param]) -> Vec<Value> {
    let references = offered.iter().filter(|p| p.kind == ParamKind::Reference);
    let mut all: Vec<Value> = references
        .map(|p| json!(format!("{kind}:{}", p.code)))
        .collect();
    if !all.is_empty() {
        all.insert(0, json!("*"));
    }
    all
}

fn revincludes(kind: &str) -> Vec<Value> {
    let reaches =
        |p: &&Param| p.kind == ParamKind::Reference && p.offered() && p.targets.contains(&kind);
    let of = |source: &&'static str| {
        let source = *source;
        params(source)
            .iter()
            .filter(reaches)
            .map(move |p| json!(format!("{source}:{}", p.code)))
    };
    kinds().iter().flat_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_statement_is_valid_itself() {
        let statement = capability("https://localhost/fhir", "0.1.0", "2026-01-01T00:00:00Z");
        assert_eq!(super::super::check(&statement), vec![]);
        let size = statement.to_string().len();
        assert!(size < 600_000, "{size} bytes");
    }
}
