//! What the paths of the document refer to: parameters, bodies, answers, shapes.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::super::offered::{OFFERS, SEARCH_WORDS, offered_params};
use super::super::tables::{Param, kinds};

/// FHIR's media type.
pub(super) const JSON: &str = "application/fhir+json";

/// A reference to a part.
pub(super) fn part(group: &str, name: &str) -> Value {
    json!({ "$ref": format!("#/components/{group}/{name}") })
}

/// The name of a search parameter among the parts.
pub(super) fn search_name(param: &Param) -> String {
    format!("search.{}.{}", param.code, param.kind.as_str())
}

/// All parts.
pub(super) fn components() -> Value {
    json!({
        "securitySchemes": { "token": {
            "type": "http",
            "scheme": "bearer",
            "description": "Of `salus client add`, or by SMART App Launch 2.2 (`.well-known/smart-configuration`).",
        } },
        "schemas": schemas(),
        "parameters": parameters(),
        "requestBodies": bodies(),
        "responses": answers(),
    })
}

fn schemas() -> Value {
    let mut all = Map::new();
    for kind in kinds() {
        all.insert(
            (*kind).to_owned(),
            shape(&json!({ "type": "string", "enum": [kind] })),
        );
    }
    all.insert("Resource".to_owned(), shape(&json!({ "type": "string" })));
    let manifest = json!({ "type": "object", "additionalProperties": true });
    all.insert("Manifest".to_owned(), manifest);
    all.insert("Patch".to_owned(), patch());
    all.into()
}

fn shape(kind: &Value) -> Value {
    json!({
        "type": "object",
        "required": ["resourceType"],
        "properties": {
            "resourceType": kind,
            "id": { "type": "string", "pattern": ID },
        },
        "additionalProperties": true,
    })
}

/// What an id is (R4 section 2.24.0.1).
const ID: &str = "^[A-Za-z0-9.-]{1,64}$";

/// RFC 6902.
fn patch() -> Value {
    json!({
        "type": "array",
        "items": {
            "type": "object",
            "required": ["op", "path"],
            "properties": {
                "op": { "type": "string", "enum": ["add", "remove", "replace", "move", "copy", "test"] },
                "path": { "type": "string" },
                "from": { "type": "string" },
                "value": {},
            },
        },
    })
}

/// What is in a path, a header, or the query.
fn parameters() -> Value {
    let mut all = BTreeMap::new();
    let place = |name: &str, schema: Value| json!({ "name": name, "in": "path", "required": true, "schema": schema });
    all.insert(
        "id".to_owned(),
        place("id", json!({ "type": "string", "pattern": ID })),
    );
    let number = json!({ "type": "integer", "minimum": 0 });
    all.insert("version".to_owned(), place("version", number.clone()));
    all.insert("file".to_owned(), place("file", number));
    let job = json!({ "type": "string", "pattern": "^[a-z2-7]{26}$" });
    all.insert("job".to_owned(), place("job", job));
    for (name, schema) in HEADERS {
        let schema: Value = serde_json::from_str(schema).unwrap_or_default();
        let header = json!({ "name": name, "in": "header", "schema": schema });
        all.insert((*name).to_owned(), header);
    }
    let later = json!({ "type": "string", "pattern": "respond-async" });
    all.insert(
        "Later".to_owned(),
        json!({ "name": "Prefer", "in": "header", "required": true, "schema": later }),
    );
    for (name, kind) in SEARCH_WORDS {
        all.insert(name.to_owned(), queried(name, kind, ""));
    }
    // With nothing behind it, it counts as not said.
    let pretty = json!({ "type": "string", "enum": ["true", "false", ""] });
    all.insert(
        "_pretty".to_owned(),
        json!({ "name": "_pretty", "in": "query", "schema": pretty }),
    );
    for name in OFFERS.iter().flat_map(|offer| offer.params) {
        let kind = match *name {
            "_count" | "count" | "offset" => "integer",
            _ => "string",
        };
        all.insert(format!("of.{name}"), queried(name, kind, ""));
    }
    all.insert(
        "since".to_owned(),
        queried("_since", "string", "an instant"),
    );
    let types = queried("_type", "string", "types between commas");
    all.insert("types".to_owned(), types);
    for param in kinds().iter().flat_map(|kind| offered_params(kind)) {
        let words = param.kind.as_str();
        all.insert(search_name(param), queried(param.code, "string", words));
    }
    json!(all)
}

/// Conditions and wishes (R4 section 3.1.0).
const HEADERS: &[(&str, &str)] = &[
    (
        "If-Match",
        r#"{ "type": "string", "pattern": "^W/\"[0-9]{1,18}\"$" }"#,
    ),
    (
        "If-None-Match",
        r#"{ "type": "string", "pattern": "^(W/\"[0-9]{1,18}\"|\\*)$" }"#,
    ),
    ("If-Modified-Since", r#"{ "type": "string" }"#),
    ("If-None-Exist", r#"{ "type": "string" }"#),
    // One of `return=minimal`, `return=OperationOutcome`, `return=representation`; others are not heeded.
    ("Prefer", r#"{ "type": "string" }"#),
];

fn queried(name: &str, kind: &str, words: &str) -> Value {
    let schema = match kind {
        "integer" => json!({ "type": "integer", "minimum": 0 }),
        kind => json!({ "type": kind }),
    };
    let mut out = json!({ "name": name, "in": "query", "schema": schema });
    if let (Some(map), false) = (out.as_object_mut(), words.is_empty()) {
        map.insert("description".to_owned(), words.into());
    }
    out
}

fn bodies() -> Value {
    let mut all = Map::new();
    for kind in kinds().iter().copied().chain(["Manifest"]) {
        let media = if kind == "Manifest" {
            "application/json"
        } else {
            JSON
        };
        let content = json!({ media: { "schema": part("schemas", kind) } });
        let body = json!({ "required": true, "content": content });
        all.insert(kind.to_owned(), body);
    }
    let question = json!({ JSON: { "schema": { "type": "object" } } });
    let needed = json!({ "required": true, "content": question.clone() });
    all.insert("Needed".to_owned(), needed);
    all.insert("Question".to_owned(), json!({ "content": question }));
    let form = json!({ "type": "object", "additionalProperties": { "type": "string" } });
    let form = json!({ "application/x-www-form-urlencoded": { "schema": form } });
    all.insert("Form".to_owned(), json!({ "content": form }));
    let patch = json!({
        "application/json-patch+json": { "schema": part("schemas", "Patch") },
        JSON: { "schema": part("schemas", "Parameters") },
    });
    let patch = json!({ "required": true, "content": patch });
    all.insert("Patch".to_owned(), patch);
    all.into()
}

fn answers() -> Value {
    let mut all = Map::new();
    for kind in kinds().iter().copied().chain(["Resource"]) {
        let mut content = json!({ JSON: { "schema": part("schemas", kind) } });
        if let (Some(map), "Binary") = (content.as_object_mut(), kind) {
            let bytes = json!({ "type": "string", "format": "binary" });
            map.insert("*/*".to_owned(), json!({ "schema": bytes }));
        }
        let answer = json!({ "description": kind, "content": content });
        all.insert(kind.to_owned(), answer);
    }
    let of = |words: &str, media: &str, schema: &Value| json!({ "description": words, "content": { media: { "schema": schema } } });
    let fault = of("why not", JSON, &part("schemas", "OperationOutcome"));
    all.insert("Fault".to_owned(), fault);
    let manifest = of(
        "what there is",
        "application/json",
        &part("schemas", "Manifest"),
    );
    all.insert("Manifest".to_owned(), manifest);
    let lines = json!({ "type": "string", "format": "binary" });
    let lines = of("a resource a line", "application/fhir+ndjson", &lines);
    all.insert("Lines".to_owned(), lines);
    let nothing = json!({ "description": "nothing more to say" });
    all.insert("Nothing".to_owned(), nothing);
    all.into()
}
