//! The OpenAPI document (3.0.3) of the FHIR door: every path with its methods, parameters, bodies and
//! answers. It is made of the tables that the `CapabilityStatement` is made from.

mod parts;
mod paths;

use serde_json::{Map, Value, json};

use super::offered::offers;
use super::tables::kinds;

/// The document for a server at `base`, of this version. It is about 3 MB of JSON.
#[must_use]
pub fn openapi(base: &str, software_version: &str) -> Value {
    let mut all = Map::new();
    paths::of_base(&mut all);
    for offer in offers("") {
        paths::of_operation(&mut all, "", offer);
    }
    for kind in kinds() {
        paths::of_type(&mut all, kind);
        for offer in offers(kind) {
            paths::of_operation(&mut all, kind, offer);
        }
    }
    json!({
        "openapi": "3.0.3",
        "info": {
            "title": "Salus: FHIR R4",
            "version": software_version,
            "description": "HL7 FHIR R4 (4.0.1) in JSON. What is done with each type says `metadata` too. Every \
                access is decided and sealed before it is answered.",
        },
        "externalDocs": { "url": "http://hl7.org/fhir/R4/http.html" },
        "servers": [{ "url": base.trim_end_matches('/') }],
        "security": [{ "token": [] }],
        "paths": all,
        "components": parts::components(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document() -> Value {
        openapi("https://localhost/fhir", "0.1.0")
    }

    fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(map) => {
                found.extend(map.get("$ref").and_then(Value::as_str));
                map.values().for_each(|one| references(one, found));
            }
            Value::Array(list) => list.iter().for_each(|one| references(one, found)),
            _ => {}
        }
    }

    #[test]
    fn every_reference_leads_to_something() {
        let document = document();
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(found.len() > 1000);
        for one in found {
            let place = one.strip_prefix('#').unwrap();
            assert!(document.pointer(place).is_some(), "{one}");
        }
    }

    #[test]
    fn every_search_parameter_of_the_statement_is_in_the_document_and_no_other() {
        let document = document();
        let statement = crate::fhir::capability("https://localhost/fhir", "0.1.0", "2026-01-01");
        for one in statement["rest"][0]["resource"].as_array().unwrap() {
            let kind = one["type"].as_str().unwrap();
            let listed = one["searchParam"].as_array().into_iter().flatten();
            let mut listed: Vec<&str> = listed.map(|one| one["name"].as_str().unwrap()).collect();
            listed.sort_unstable();
            let here = document["paths"][format!("/{kind}")]["get"]["parameters"].as_array();
            let here = here.unwrap().iter();
            let here = here.map(|one| one["$ref"].as_str().unwrap());
            let here = here.map(|one| one.strip_prefix("#/components/parameters/").unwrap());
            let here = here.filter_map(|one| one.strip_prefix("search."));
            let mut here: Vec<&str> = here.map(|one| one.rsplit_once('.').unwrap().0).collect();
            here.sort_unstable();
            assert_eq!(here, listed, "{kind}");
        }
    }

    #[test]
    fn every_operation_of_the_statement_is_in_the_document() {
        let document = document();
        let statement = crate::fhir::capability("https://localhost/fhir", "0.1.0", "2026-01-01");
        let rest = &statement["rest"][0];
        let of_types = rest["resource"].as_array().unwrap().iter();
        let all = of_types.map(|one| (one["type"].as_str().unwrap(), &one["operation"]));
        for (kind, list) in all.chain([("", &rest["operation"])]) {
            for one in list.as_array().into_iter().flatten() {
                let name = one["name"].as_str().unwrap();
                let places = [
                    format!("/{kind}/${name}").replace("//", "/"),
                    format!("/{kind}/{{id}}/${name}"),
                ];
                let there = |place: &String| document["paths"].get(place).is_some();
                assert!(places.iter().any(there), "{kind} ${name}");
            }
        }
    }

    #[test]
    fn a_summary_of_a_named_patient_has_no_identifier() {
        let document = document();
        let has = |path: &str| {
            let params = document["paths"][path]["get"]["parameters"].to_string();
            (
                params.contains("of.identifier"),
                params.contains("of.profile"),
            )
        };
        assert_eq!(has("/Patient/$summary"), (true, true));
        assert_eq!(has("/Patient/{id}/$summary"), (false, true));
    }

    #[test]
    fn what_anybody_may_ask_says_that_it_may_be_refused() {
        let document = document();
        for path in ["/metadata", "/openapi.json"] {
            let answers = &document["paths"][path]["get"]["responses"];
            assert!(
                answers["406"].is_object() && answers["429"].is_object(),
                "{path}"
            );
        }
    }

    #[test]
    fn the_names_of_operations_differ() {
        let document = document();
        let mut names = Vec::new();
        for path in document["paths"].as_object().unwrap().values() {
            let methods = path.as_object().unwrap().iter();
            let methods = methods.filter(|(name, _)| *name != "parameters");
            names.extend(methods.map(|(_, one)| one["operationId"].as_str().unwrap()));
        }
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}
