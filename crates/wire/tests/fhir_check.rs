//! What the check refuses, by path, and what it lets pass.

#![expect(clippy::too_many_lines, reason = "tables of cases")]

use serde_json::{Value, json};
use wire::fhir::{Issue, check};

fn refusals(resource: &Value) -> Vec<(String, String)> {
    let issues = check(resource).into_iter().filter(Issue::refuses);
    issues.map(|i| (i.path, i.words)).collect()
}

#[track_caller]
fn refused(resource: Value, path: &str, words: &str) {
    let found = refusals(&resource);
    let fits = found.iter().any(|(p, w)| p == path && w.contains(words));
    assert!(fits, "wanted {path}: {words}\nfound {found:#?}");
}

#[track_caller]
fn passes(resource: Value) {
    assert_eq!(refusals(&resource), vec![]);
}

#[test]
fn a_plain_patient_passes() {
    passes(json!({
        "resourceType": "Patient", "id": "p-1", "active": true, "gender": "female",
        "name": [{"use": "official", "family": "Müller", "given": ["Ana", null],
                  "_given": [null, {"extension": [{"url": "http://x.org/y", "valueCode": "z"}]}]}],
        "birthDate": "1970", "_birthDate": {"extension": [{"url": "http://x.org/t", "valueDateTime": "1970-01-01T00:00:00Z"}]},
        "deceasedBoolean": false,
        "contained": [{"resourceType": "Organization", "id": "o", "name": "O"}],
        "managingOrganization": {"reference": "#o"},
        "generalPractitioner": [{"reference": "Practitioner/1"}, {"reference": "urn:uuid:x"}, {"display": "Dr X"}],
    }));
}

#[test]
fn structure() {
    let patient = |key: &str, value: Value| json!({"resourceType": "Patient", key: value});
    refused(
        json!([]),
        "resource",
        "an array stands where a resource belongs",
    );
    refused(json!({}), "resource", "needs a `resourceType`");
    refused(json!({"resourceType": 7}), "resource", "no resource type");
    refused(
        json!({"resourceType": "HumanName"}),
        "HumanName",
        "no resource type",
    );
    refused(
        json!({"resourceType": "DomainResource"}),
        "DomainResource",
        "no resource type",
    );
    refused(
        patient("__proto__", json!({})),
        "Patient.__proto__",
        "has no element `__proto__`",
    );
    refused(
        patient("gendre", json!("male")),
        "Patient.gendre",
        "has no element `gendre`",
    );
    refused(
        patient("name", json!([{"familly": "x"}])),
        "Patient.name[0].familly",
        "`HumanName` has no element",
    );
    refused(
        patient("contact", json!([{"foo": 1}])),
        "Patient.contact[0].foo",
        "`Patient.contact` has no element",
    );
    refused(
        patient("name", json!({"family": "x"})),
        "Patient.name",
        "put it in brackets",
    );
    refused(
        patient("birthDate", json!(["1970"])),
        "Patient.birthDate",
        "single value",
    );
    refused(patient("name", json!([])), "Patient.name", "empty array");
    refused(
        patient("name", json!([{}])),
        "Patient.name[0]",
        "empty object",
    );
    refused(
        patient("name", json!([{"family": ""}])),
        "Patient.name[0].family",
        "empty string",
    );
    refused(patient("active", json!(null)), "Patient.active", "null");
    refused(
        patient("active", json!("true")),
        "Patient.active",
        "without quotes",
    );
    refused(
        patient("name", json!([{"given": ["a", null]}])),
        "Patient.name[0].given[1]",
        "null",
    );
    refused(
        patient("maritalStatus", json!("M")),
        "Patient.maritalStatus",
        "where an object belongs",
    );
    refused(
        patient("deceased", json!(true)),
        "Patient.deceased",
        "has no element",
    );
    refused(
        patient("_name", json!([{}])),
        "Patient._name",
        "has no element",
    );
    refused(
        patient("_active", json!({"foo": 1})),
        "Patient._active.foo",
        "`Element` has no element",
    );
    refused(
        patient("_active", json!([])),
        "Patient._active",
        "where an object belongs",
    );
    refused(
        json!({"resourceType": "Patient", "deceasedBoolean": true, "deceasedDateTime": "2020"}),
        "Patient.deceasedDateTime",
        "are one choice",
    );
}

#[test]
fn cardinality_and_forms() {
    refused(
        json!({"resourceType": "Observation", "status": "final"}),
        "Observation.code",
        "`code` is required",
    );
    refused(
        json!({"resourceType": "Patient", "id": "a b"}),
        "Patient.id",
        "is not an id",
    );
    refused(
        json!({"resourceType": "Patient", "birthDate": "1970-02-30"}),
        "Patient.birthDate",
        "is not a date",
    );
    refused(
        json!({"resourceType": "Patient", "multipleBirthInteger": 1.5}),
        "Patient.multipleBirthInteger",
        "whole number",
    );
    refused(
        json!({"resourceType": "MedicationRequest", "status": "active", "intent": "order", "subject": {"reference": "Patient/1"}}),
        "MedicationRequest.medication",
        "`medication[x]` is required",
    );
    // An extension in its place counts as the element.
    passes(json!({"resourceType": "Observation", "status": "final",
        "code": {"text": "x"}, "_status": {"extension": [{"url": "http://x.org", "valueBoolean": true}]}}));
}

#[test]
fn codes_of_required_lists() {
    refused(
        json!({"resourceType": "Patient", "gender": "banana"}),
        "Patient.gender",
        "use male, female, other, unknown",
    );
    let condition = |code: Value| json!({"resourceType": "Condition", "subject": {"reference": "Patient/1"}, "clinicalStatus": code});
    let system = "http://terminology.hl7.org/CodeSystem/condition-clinical";
    passes(condition(
        json!({"coding": [{"system": "http://x.org", "code": "q"}, {"system": system, "code": "active"}]}),
    ));
    refused(
        condition(json!({"coding": [{"system": system, "code": "odd"}]})),
        "Condition.clinicalStatus",
        "not in the list",
    );
    refused(
        condition(json!({"coding": [{"code": "active"}]})),
        "Condition.clinicalStatus",
        "needs the system",
    );
    refused(
        condition(json!({"text": "active"})),
        "Condition.clinicalStatus",
        "a code is required",
    );
}

#[test]
fn references_and_what_is_contained() {
    let observation = |subject: Value| json!({"resourceType": "Observation", "status": "final", "code": {"text": "x"}, "subject": subject});
    passes(observation(json!({"reference": "Patient/1/_history/3"})));
    passes(observation(
        json!({"reference": "https://x.org/fhir/Patient/1"}),
    ));
    passes(observation(json!({"reference": "Patient?identifier=a|b"})));
    passes(observation(
        json!({"identifier": {"value": "7"}, "type": "Patient"}),
    ));
    let at = "Observation.subject.reference";
    refused(
        observation(json!({"reference": "Practitioner/1"})),
        at,
        "may point to Patient",
    );
    refused(
        observation(json!({"reference": "Banana/1"})),
        at,
        "is no reference",
    );
    refused(
        observation(json!({"reference": "Patient/../1"})),
        at,
        "is no reference",
    );
    refused(observation(json!({"reference": "#x"})), at, "ref-1");
    refused(
        observation(json!({"type": "Medication", "display": "x"})),
        at,
        "may point to",
    );
    let contained = |inner: Value| json!({"resourceType": "Patient", "contained": [inner], "managingOrganization": {"reference": "#o"}});
    let at = "Patient.contained[0]";
    passes(contained(
        json!({"resourceType": "Organization", "id": "o", "name": "x"}),
    ));
    refused(
        contained(json!({"resourceType": "Organization", "id": "p", "name": "x"})),
        at,
        "dom-3",
    );
    refused(
        contained(json!({"resourceType": "Organization", "id": "o", "meta": {"versionId": "1"}})),
        at,
        "dom-4",
    );
    refused(
        contained(json!({"resourceType": "Organization", "id": "o", "contained": [{}]})),
        at,
        "dom-2",
    );
    refused(
        contained(json!({"resourceType": "Practitioner", "id": "o"})),
        "Patient.managingOrganization.reference",
        "may point to Organization",
    );
}

#[test]
fn rules_that_matter_at_the_bedside() {
    let subject = json!({"reference": "Patient/1"});
    let code = json!({"text": "x", "coding": [{"system": "s:", "code": "c"}]});
    refused(
        json!({"resourceType": "Encounter", "status": "finished", "class": {"code": "IMP"},
            "period": {"start": "2020-02-01", "end": "2020-01-01"}}),
        "Encounter.period",
        "per-1",
    );
    passes(
        json!({"resourceType": "Encounter", "status": "finished", "class": {"code": "IMP"},
        "period": {"start": "2020-02-01T10:00:00Z", "end": "2020-02"}}),
    );
    let observation = |key: &str, value: Value| {
        let mut it = json!({"resourceType": "Observation", "status": "final", "code": code, "valueString": "v"});
        it[key] = value;
        it
    };
    refused(
        observation("dataAbsentReason", json!({"text": "x"})),
        "Observation",
        "obs-6",
    );
    refused(
        observation("component", json!([{"code": code}])),
        "Observation",
        "obs-7",
    );
    passes(observation(
        "component",
        json!([{"code": {"text": "other"}}]),
    ));
    refused(
        observation("referenceRange", json!([{"appliesTo": [{"text": "x"}]}])),
        "Observation.referenceRange[0]",
        "obs-3",
    );
    let allergy = |verification: &str, clinical: bool| {
        let mut it = json!({"resourceType": "AllergyIntolerance", "patient": subject, "verificationStatus": {"coding": [
            {"system": "http://terminology.hl7.org/CodeSystem/allergyintolerance-verification", "code": verification}]}});
        if clinical {
            it["clinicalStatus"] = json!({"coding": [
                {"system": "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical", "code": "active"}]});
        }
        it
    };
    passes(allergy("confirmed", true));
    passes(allergy("entered-in-error", false));
    refused(allergy("confirmed", false), "AllergyIntolerance", "ait-1");
    refused(
        allergy("entered-in-error", true),
        "AllergyIntolerance",
        "ait-2",
    );
    let active = json!({"coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "active"}]});
    refused(
        json!({"resourceType": "Condition", "subject": subject, "clinicalStatus": active, "abatementDateTime": "2020"}),
        "Condition",
        "con-4",
    );
    refused(
        json!({"resourceType": "Patient", "contact": [{"gender": "male"}]}),
        "Patient.contact[0]",
        "pat-1",
    );
    refused(
        json!({"resourceType": "Patient", "telecom": [{"value": "1"}]}),
        "Patient.telecom[0]",
        "cpt-2",
    );
    refused(
        json!({"resourceType": "Patient", "extension": [{"url": "http://x.org"}]}),
        "Patient.extension[0]",
        "ext-1",
    );
    refused(
        json!({"resourceType": "Patient", "text": {"status": "generated", "div": "<div><script>x</script></div>"}}),
        "Patient.text.div",
        "not allowed",
    );
}

#[test]
fn bundles() {
    let entry = |reference: &str| {
        json!({"resourceType": "Bundle", "type": "transaction", "entry": [
        {"fullUrl": "urn:uuid:1", "resource": {"resourceType": "Practitioner"}, "request": {"method": "POST", "url": "Practitioner"}},
        {"fullUrl": "urn:uuid:2", "resource": {"resourceType": "Observation", "status": "final", "code": {"text": "x"},
            "subject": {"reference": reference}}, "request": {"method": "POST", "url": "Observation"}}]})
    };
    passes(entry("urn:uuid:9"));
    refused(
        entry("urn:uuid:1"),
        "Bundle.entry[1].resource.subject.reference",
        "`Practitioner`",
    );
    refused(
        json!({"resourceType": "Bundle", "type": "transaction", "entry": [{"resource": {"resourceType": "Patient"}}]}),
        "Bundle",
        "bdl-3",
    );
    let twice = json!({"fullUrl": "urn:uuid:1", "resource": {"resourceType": "Patient"}});
    refused(
        json!({"resourceType": "Bundle", "type": "collection", "entry": [twice, twice]}),
        "Bundle",
        "bdl-7",
    );
    refused(
        json!({"resourceType": "Bundle", "type": "collection", "entry": [{"resource": {"resourceType": "Patient", "x": 1}}]}),
        "Bundle.entry[0].resource.x",
        "no element",
    );
}

#[test]
fn a_hostile_body_does_not_make_a_huge_answer() {
    let names: Vec<Value> = (0..5000).map(|_| json!({"nope": 1})).collect();
    assert_eq!(
        check(&json!({"resourceType": "Patient", "name": names})).len(),
        100
    );
}
