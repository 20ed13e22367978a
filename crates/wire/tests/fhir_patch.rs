//! JSON Patch and FHIRPath Patch: what each operation does, and what is refused.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::too_many_lines,
    reason = "tables of cases"
)]

use serde_json::{Value, json};
use wire::fhir::{PatchLimits, Unpatched, patch};

fn read(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn done(resource: &Value, document: &Value) -> Value {
    patch(resource, document, &PatchLimits::default()).unwrap()
}

fn unfit(resource: &Value, document: &Value) -> String {
    match patch(resource, document, &PatchLimits::default()) {
        Err(Unpatched::Unfit(issue)) => issue.to_string(),
        other => panic!("{document}: {other:?}"),
    }
}

fn malformed(resource: &Value, document: &Value) -> String {
    match patch(resource, document, &PatchLimits::default()) {
        Err(Unpatched::Malformed(issue)) => issue.to_string(),
        other => panic!("{document}: {other:?}"),
    }
}

/// One operation of a FHIRPath Patch.
fn operation(what: &str, path: &str, more: &[Value]) -> Value {
    let mut parts = vec![
        json!({"name": "type", "valueCode": what}),
        json!({"name": "path", "valueString": path}),
    ];
    parts.extend_from_slice(more);
    json!({"resourceType": "Parameters", "parameter": [{"name": "operation", "part": parts}]})
}

fn value(key: &str, value: Value) -> Value {
    let mut part = json!({"name": "value"});
    part[key] = value;
    part
}

fn index(name: &str, at: usize) -> Value {
    json!({"name": name, "valueInteger": at})
}

fn name(text: &str) -> Value {
    json!({"name": "name", "valueString": text})
}

#[test]
fn a_json_patch_keeps_every_digit() {
    let before = read(
        r#"{"resourceType":"Observation","valueQuantity":{"value":1.10},"note":[{"text":"a"}]}"#,
    );
    let change = read(
        r#"[{"op":"test","path":"/valueQuantity/value","value":1.10},
            {"op":"add","path":"/referenceRange","value":[{"low":{"value":0.500}}]},
            {"op":"copy","from":"/note/0","path":"/note/-"},
            {"op":"replace","path":"/note/1/text","value":"b"},
            {"op":"move","from":"/note/1","path":"/note/0"},
            {"op":"remove","path":"/note/1"}]"#,
    );
    let text = done(&before, &change).to_string();
    assert_eq!(
        text,
        r#"{"resourceType":"Observation","valueQuantity":{"value":1.10},"note":[{"text":"b"}],"referenceRange":[{"low":{"value":0.500}}]}"#
    );
}

#[test]
fn a_json_patch_that_does_not_fit_is_refused() {
    let before = json!({"resourceType": "Patient", "gender": "male"});
    for (change, words) in [
        (
            json!([{"op": "test", "path": "/gender", "value": "female"}]),
            "did not match",
        ),
        (json!([{"op": "remove", "path": "/nothing"}]), "path"),
        (
            json!([{"op": "replace", "path": "/name/0", "value": 1}]),
            "path",
        ),
        (json!([{"op": "copy", "from": "/x", "path": "/y"}]), "from"),
    ] {
        let said = unfit(&before, &change);
        assert!(said.contains(words), "{change}: {said}");
    }
    for (change, words) in [
        (json!("x"), "a patch is"),
        (json!({"resourceType": "Patient"}), "a patch is"),
        (json!([1]), "JSON object"),
        (json!([{"op": "tast", "path": ""}]), "none of add"),
        (json!([{"op": "add", "path": "/x"}]), "no `value`"),
        (json!([{"op": "add", "value": 1}]), "no `path`"),
        (
            json!([{"op": "add", "path": "x", "value": 1}]),
            "no JSON Pointer",
        ),
        (json!([{"op": "move", "path": "/x"}]), "no `from`"),
        (
            json!(vec![json!({"op": "remove", "path": "/x"}); 1_001]),
            "at most 1000",
        ),
    ] {
        let said = malformed(&before, &change);
        assert!(said.contains(words), "{change}: {said}");
    }
}

#[test]
fn copies_of_copies_end_at_the_limit() {
    let before = json!({"resourceType": "Basic", "x": "0123456789"});
    let copies: Vec<Value> = (0..64)
        .map(|n| json!({"op": "copy", "from": "", "path": format!("/c{n}")}))
        .collect();
    let limits = PatchLimits {
        bytes_max: 100_000,
        ..PatchLimits::default()
    };
    let refused = patch(&before, &Value::Array(copies), &limits);
    let Err(Unpatched::Unfit(issue)) = refused else {
        panic!("{refused:?}");
    };
    assert!(issue.words.contains("100000 bytes"), "{}", issue.words);
}

#[test]
fn a_fhirpath_patch_changes_what_its_path_means() {
    let before = json!({
        "resourceType": "Patient",
        "name": [{"use": "usual", "given": ["A", "B"], "_given": [null, {"id": "b"}]}, {"use": "old", "family": "O"}],
        "gender": "male",
        "birthDate": "1970-01-01",
        "_birthDate": {"id": "x"},
        "deceasedBoolean": false,
        "telecom": [{"system": "phone", "rank": 1}, {"system": "email", "rank": 2}],
    });
    for (change, pointer, after) in [
        (
            operation(
                "replace",
                "Patient.gender",
                &[value("valueCode", json!("female"))],
            ),
            "/gender",
            json!("female"),
        ),
        (
            operation(
                "replace",
                "Patient.birthDate",
                &[value("valueDate", json!("1971"))],
            ),
            "",
            json!({"birthDate": "1971"}),
        ),
        (
            operation(
                "replace",
                "Patient.deceased",
                &[value("valueDateTime", json!("2020"))],
            ),
            "",
            json!({"deceasedDateTime": "2020"}),
        ),
        (
            operation(
                "replace",
                "Patient.telecom.where(system = 'email' and rank = 2).rank",
                &[value("valuePositiveInt", json!(9))],
            ),
            "/telecom/1/rank",
            json!(9),
        ),
        (
            operation(
                "replace",
                "name.where(use='usual').given[1]",
                &[value("valueString", json!("C"))],
            ),
            "/name/0",
            json!({"use": "usual", "given": ["A", "C"], "_given": [null, null]}),
        ),
        (
            operation(
                "add",
                "Patient",
                &[
                    name("maritalStatus"),
                    value("valueCodeableConcept", json!({"text": "m"})),
                ],
            ),
            "/maritalStatus",
            json!({"text": "m"}),
        ),
        (
            operation(
                "add",
                "Patient",
                &[name("multipleBirth"), value("valueInteger", json!(2))],
            ),
            "/multipleBirthInteger",
            json!(2),
        ),
        (
            operation(
                "add",
                "Patient.name[0]",
                &[name("given"), value("valueString", json!("Z"))],
            ),
            "/name/0/given",
            json!(["A", "B", "Z"]),
        ),
        (
            operation(
                "add",
                "Patient",
                &[
                    name("contact"),
                    json!({"name": "value", "part": [
                        {"name": "name", "valueHumanName": {"family": "K"}},
                        {"name": "telecom", "valueContactPoint": {"value": "1"}},
                        {"name": "telecom", "valueContactPoint": {"value": "2"}},
                    ]}),
                ],
            ),
            "/contact",
            json!([{"name": {"family": "K"}, "telecom": [{"value": "1"}, {"value": "2"}]}]),
        ),
        (
            operation(
                "insert",
                "Patient.name[0].given",
                &[index("index", 0), value("valueString", json!("X"))],
            ),
            "/name/0",
            json!({"use": "usual", "given": ["X", "A", "B"], "_given": [null, null, {"id": "b"}]}),
        ),
        (
            operation(
                "insert",
                "Patient.link",
                &[
                    index("index", 0),
                    json!({"name": "value", "part": [
                        {"name": "type", "valueCode": "seealso"},
                        {"name": "other", "valueReference": {"reference": "Patient/2"}},
                    ]}),
                ],
            ),
            "/link",
            json!([{"type": "seealso", "other": {"reference": "Patient/2"}}]),
        ),
        (
            operation(
                "move",
                "Patient.telecom",
                &[index("source", 1), index("destination", 0)],
            ),
            "/telecom",
            json!([{"system": "email", "rank": 2}, {"system": "phone", "rank": 1}]),
        ),
        (
            operation("delete", "Patient.name.first().given.first()", &[]),
            "/name/0",
            json!({"use": "usual", "given": ["B"], "_given": [{"id": "b"}]}),
        ),
        (
            operation("delete", "Patient.telecom.last()", &[]),
            "/telecom",
            json!([{"system": "phone", "rank": 1}]),
        ),
    ] {
        let out = done(&before, &change);
        match pointer {
            "" => {
                let (key, wanted) = after.as_object().unwrap().iter().next().unwrap();
                assert_eq!(out.get(key), Some(wanted), "{change}");
                assert!(out.get("_birthDate").is_none() || key != "birthDate");
                assert!(out.get("deceasedBoolean").is_none() || key == "birthDate");
            }
            pointer => assert_eq!(out.pointer(pointer), Some(&after), "{change}"),
        }
    }
    // What is not there can be deleted; the last of a list takes the list with it.
    assert_eq!(
        done(&before, &operation("delete", "Patient.photo", &[])),
        before
    );
    let one = json!({"resourceType": "Patient", "name": [{"family": "X"}], "gender": "male"});
    let none = done(&one, &operation("delete", "Patient.name", &[]));
    assert_eq!(none, json!({"resourceType": "Patient", "gender": "male"}));
}

#[test]
fn a_fhirpath_patch_that_does_not_fit_is_refused() {
    let before = json!({"resourceType": "Patient", "gender": "male", "name": [{"family": "A"}, {"family": "B"}],
        "deceasedBoolean": true});
    let text = |text: &str| value("valueString", json!(text));
    for (change, words) in [
        (
            operation("replace", "Patient.birthDate", &[text("x")]),
            "nothing that is there",
        ),
        (
            operation("replace", "Patient.name", &[text("x")]),
            "means 2 elements",
        ),
        (operation("delete", "Patient.name", &[]), "means 2 elements"),
        (
            operation("delete", "Patient", &[]),
            "does not delete the resource",
        ),
        (
            operation("replace", "Patient", &[text("x")]),
            "whole resource",
        ),
        (
            operation("replace", "Patient.banana", &[text("x")]),
            "no element `banana`",
        ),
        (
            operation("replace", "Patient.gender.x", &[text("x")]),
            "has no elements",
        ),
        (
            operation("add", "Patient", &[name("gender"), text("x")]),
            "there already",
        ),
        (
            operation(
                "add",
                "Patient",
                &[name("deceased"), value("valueDateTime", json!("2020"))],
            ),
            "there already",
        ),
        (
            operation("add", "Patient", &[name("banana"), text("x")]),
            "no element `banana`",
        ),
        (operation("add", "Patient", &[name("gender")]), "no `value`"),
        (
            operation("insert", "Patient.name", &[index("index", 3), text("x")]),
            "none can stand at 3",
        ),
        (
            operation("insert", "Patient.gender", &[index("index", 0), text("x")]),
            "is no list",
        ),
        (
            operation(
                "move",
                "Patient.name",
                &[index("source", 0), index("destination", 2)],
            ),
            "has 2 items",
        ),
        (
            operation("move", "Patient.name", &[index("source", 0)]),
            "no `destination`",
        ),
        (
            operation(
                "move",
                "Patient.photo",
                &[index("source", 0), index("destination", 0)],
            ),
            "not there",
        ),
        (operation("swap", "Patient.name", &[]), "none of add"),
    ] {
        let said = unfit(&before, &change);
        assert!(said.contains(words), "{change}: {said}");
    }
    let parameters = |all: Value| json!({"resourceType": "Parameters", "parameter": all});
    for (change, words) in [
        (json!({"resourceType": "Parameters"}), "no `operation`"),
        (parameters(json!([{"name": "x"}])), "called `operation`"),
        (parameters(json!([{"name": "operation"}])), "no `type`"),
        (
            parameters(
                json!([{"name": "operation", "part": [{"name": "type", "valueCode": "add"}]}]),
            ),
            "no `path`",
        ),
        (operation("delete", "Patient.name.where(", &[]), "missing"),
    ] {
        let said = malformed(&before, &change);
        assert!(said.contains(words), "{change}: {said}");
    }
}

/// Each copy into itself doubles how deep the resource nests.
#[test]
fn copies_into_themselves_do_not_nest_without_end() {
    let before = json!({"resourceType": "Patient"});
    let mut steps = vec![json!({"op": "add", "path": "/x", "value": {"a": {}}})];
    let mut depth = 1;
    for _ in 0..17 {
        let path = format!("/x{}", "/a".repeat(depth));
        steps.push(json!({"op": "copy", "from": "/x", "path": path}));
        depth *= 2;
        if depth > 64 {
            break;
        }
    }
    assert!(unfit(&before, &Value::Array(steps)).contains("deep"));
    let mut steps = Vec::new();
    for level in 0..100 {
        let path = format!("/x{}", "/a".repeat(level));
        steps.push(json!({"op": "add", "path": path, "value": {}}));
    }
    assert!(unfit(&before, &Value::Array(steps)).contains("deep"));
    let flat = json!([{"op": "add", "path": "/x", "value": {"a": [{"b": 1}]}}]);
    assert_eq!(done(&before, &flat)["x"]["a"][0]["b"], 1);
}

#[test]
fn a_move_in_an_empty_list_is_refused() {
    let before = json!({"resourceType": "Patient", "maritalStatus": {"coding": []}});
    let path = "Patient.maritalStatus.coding";
    let change = operation("move", path, &[index("source", 0), index("destination", 0)]);
    assert!(unfit(&before, &change).contains("has 0 items"));
}
