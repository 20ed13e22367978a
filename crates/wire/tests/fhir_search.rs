//! Search: what each parameter, modifier and prefix finds, and what is refused.

#![expect(
    clippy::unwrap_used,
    clippy::too_many_lines,
    reason = "tables of cases"
)]

use serde_json::{Value, json};
use wire::fhir::search::{Modifier, Order, QueryLimits, Total, queries};
use wire::fhir::{Code, Issue, Query, TermValue, matches, query, terms};

fn ask(kind: &str, pairs: &[(&str, &str)]) -> Result<Query, Issue> {
    let pairs: Vec<_> = pairs
        .iter()
        .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
        .collect();
    query(kind, &pairs, &QueryLimits::default())
}

#[track_caller]
fn finds(resource: &Value, name: &str, value: &str) -> bool {
    let kind = resource["resourceType"].as_str().unwrap();
    let query = ask(kind, &[(name, value)]).unwrap();
    query.filters.iter().all(|f| matches(resource, f))
}

fn patient() -> Value {
    json!({
        "resourceType": "Patient", "id": "p1",
        "meta": {"lastUpdated": "2026-03-04T05:06:07Z", "tag": [{"system": "t", "code": "x"}], "profile": ["http://p.org/a"]},
        "identifier": [{"system": "urn:mrn", "value": "12,3|4"}, {"value": "bare"}],
        "name": [{"family": "Müller-Lüdenscheidt", "given": ["Ana", "José"]}],
        "telecom": [{"system": "phone", "value": "555"}, {"system": "email", "value": "a@b"}],
        "gender": "female", "birthDate": "1970-05", "active": true, "deceasedDateTime": "2020-01-01",
        "address": [{"city": "Zürich", "country": "CH"}],
        "generalPractitioner": [{"reference": "Practitioner/d1", "identifier": {"system": "npi", "value": "9"}}],
    })
}

fn observation() -> Value {
    json!({
        "resourceType": "Observation", "id": "o1", "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "8480-6"}], "text": "Systolic"},
        "subject": {"reference": "Patient/p1/_history/3"},
        "effectiveDateTime": "2020-02-01T10:30:00+01:00",
        "valueQuantity": {"value": 5.4, "system": "http://unitsofmeasure.org", "code": "mmol/L", "unit": "mmol per litre"},
        "component": [{"code": {"coding": [{"code": "c1"}]}, "valueCodeableConcept": {"coding": [{"code": "v1"}]}}],
    })
}

#[test]
fn text() {
    let p = patient();
    for (name, value, want) in [
        ("family", "muller", true),
        ("family", "MÜLLER-L", true),
        ("family", "ludenscheidt", false),
        ("family:contains", "LUDEN", true),
        ("family:exact", "Müller-Lüdenscheidt", true),
        ("family:exact", "Müller", false),
        ("name", "jose", true),
        ("given", "ana,bob", true),
        ("given", "bob", false),
        ("address", "zurich", true),
        ("address-city", "zür", true),
        ("given:missing", "false", true),
        ("address-state:missing", "true", true),
    ] {
        assert_eq!(finds(&p, name, value), want, "{name}={value}");
    }
    let both = ask("Patient", &[("given", "ana"), ("given", "jose")]).unwrap();
    assert!(both.filters.iter().all(|f| matches(&p, f)));
}

#[test]
fn tokens() {
    let (p, o) = (patient(), observation());
    for (name, value, want) in [
        ("identifier", r"urn:mrn|12\,3\|4", true),
        ("identifier", r"12\,3\|4", true),
        ("identifier", "urn:mrn|", true),
        ("identifier", "|bare", true),
        ("identifier", "urn:mrn|bare", false),
        ("identifier", "12", false),
        ("gender", "female", true),
        (
            "gender",
            "http://hl7.org/fhir/administrative-gender|female",
            true,
        ),
        ("gender", "|female", true),
        ("gender", "male", false),
        ("gender:not", "male", true),
        ("gender", "male,female", true),
        ("phone", "555", true),
        ("email", "555", false),
        ("telecom", "555", true),
        ("active", "true", true),
        ("deceased", "true", true),
        ("deceased", "false", false),
        ("_id", "p1", true),
        ("_id", "p2", false),
        ("_tag", "t|x", true),
        ("_profile", "http://p.org/a", true),
        ("_profile:below", "http://p.org", true),
    ] {
        assert_eq!(finds(&p, name, value), want, "{name}={value}");
    }
    let living = json!({"resourceType": "Patient"});
    assert!(finds(&living, "deceased", "false") && !finds(&living, "deceased", "true"));
    for (name, value, want) in [
        ("code", "http://loinc.org|8480-6", true),
        ("code", "8480-6", true),
        ("code", "|8480-6", false),
        ("code:not", "8480-6", false),
        ("combo-code", "c1", true),
        ("component-value-concept", "v1", true),
        ("value-concept", "v1", false),
        ("value-concept:missing", "true", true),
    ] {
        assert_eq!(finds(&o, name, value), want, "{name}={value}");
    }
}

#[test]
fn dates() {
    let (p, o) = (patient(), observation());
    for (name, value, want) in [
        ("birthdate", "1970-05", true),
        ("birthdate", "1970", true),
        ("birthdate", "1970-05-03", false),
        ("birthdate", "ne1970-05-03", true),
        ("birthdate", "ge1970-05-03", true),
        ("birthdate", "gt1970-05-30", true),
        ("birthdate", "gt1970-05-31", false),
        ("birthdate", "lt1970-05-01", false),
        ("birthdate", "lt1970-05-02", true),
        ("birthdate", "sa1970-04", true),
        ("birthdate", "eb1970-06", true),
        ("birthdate", "eb1970-05-15", false),
        ("birthdate", "ap1970-06", true),
        ("death-date", "2020", true),
        ("_lastUpdated", "ge2026-03-04T05:06:07Z", true),
        ("_lastUpdated", "gt2026-03-04T05:06:07Z", false),
        ("_lastUpdated", "2026-03-04", true),
    ] {
        assert_eq!(finds(&p, name, value), want, "{name}={value}");
    }
    for (value, want) in [
        ("2020-02-01T09:30:00Z", true),
        ("2020-02-01T09:30Z", true),
        ("2020-02-01T10:30:00Z", false),
        ("2020-02-01", true),
        ("2020-02-01T09:30", true),
        ("ge2020-02-01,lt2019", true),
    ] {
        assert_eq!(finds(&o, "date", value), want, "date={value}");
    }
    let open = json!({"resourceType": "Encounter", "period": {"start": "2020-01-05"}});
    for (value, want) in [
        ("ge2021", true),
        ("2020", false),
        ("lt2020", false),
        ("lt2020-01-06", true),
        ("sa2020-01-04", true),
    ] {
        assert_eq!(finds(&open, "date", value), want, "date={value}");
    }
}

#[test]
fn references_and_measures() {
    let (p, o) = (patient(), observation());
    for (name, value, want) in [
        ("patient", "p1", true),
        ("patient", "Patient/p1", true),
        ("subject", "p1", true),
        ("subject:Patient", "p1", true),
        ("subject", "Group/p1", false),
        ("subject:Group", "p1", false),
        ("patient", "p2", false),
        ("value-quantity", "5.4", true),
        ("value-quantity", "5", true),
        ("value-quantity", "5.41", false),
        ("value-quantity", "gt5.3||mmol/L", true),
        (
            "value-quantity",
            "5.4|http://unitsofmeasure.org|mmol/L",
            true,
        ),
        ("value-quantity", "5.4||mmol per litre", true),
        ("value-quantity", "5.4||mg", false),
        ("value-quantity", "le5.4", true),
        ("value-quantity", "ap5", true),
        ("value-quantity", "ne5.4", false),
        ("combo-value-quantity", "ge5", true),
    ] {
        assert_eq!(finds(&o, name, value), want, "{name}={value}");
    }
    assert!(finds(&p, "general-practitioner:identifier", "npi|9"));
    assert!(finds(&p, "general-practitioner", "Practitioner/d1"));
    let elsewhere = json!({"resourceType": "Observation", "subject": {"reference": "https://x.org/fhir/Patient/p1"}});
    assert!(!finds(&elsewhere, "patient", "p1"));
    assert!(finds(
        &elsewhere,
        "subject",
        "https://x.org/fhir/Patient/p1"
    ));
}

#[test]
fn several_things_of_one_place() {
    let mut o = observation();
    o["component"][0]["valueQuantity"] = json!({"value": 7});
    for (name, value, want) in [
        ("code-value-quantity", "8480-6$5.4", true),
        (
            "code-value-quantity",
            "http://loinc.org|8480-6$gt5||mmol/L",
            true,
        ),
        ("code-value-quantity", "8480-6$7", false),
        ("code-value-quantity", "1-8$5.4,8480-6$5.4", true),
        ("combo-code-value-quantity", "c1$7", true),
        ("combo-code-value-quantity", "8480-6$5.4", true),
        ("combo-code-value-quantity", "c1$5.4", false),
        ("component-code-value-concept", "c1$v1", true),
        ("component-code-value-concept", "8480-6$v1", false),
        ("code-value-date", "8480-6$2020", false),
    ] {
        assert_eq!(finds(&o, name, value), want, "{name}={value}");
    }
    let letter = json!({"resourceType": "DocumentReference", "relatesTo": [
        {"code": "replaces", "target": {"reference": "DocumentReference/a"}},
        {"code": "appends", "target": {"reference": "DocumentReference/b"}},
    ]});
    assert!(finds(
        &letter,
        "relationship",
        "replaces$DocumentReference/a"
    ));
    assert!(!finds(
        &letter,
        "relationship",
        "replaces$DocumentReference/b"
    ));
}

#[test]
fn words_and_types_of_tokens() {
    let mut p = patient();
    p["identifier"][0]["type"] = json!({"text": "Record number", "coding": [
        {"system": "urn:types", "code": "MR", "display": "Medical record"}]});
    p["maritalStatus"] = json!({"text": "Verwitwet"});
    for (name, value, want) in [
        ("identifier:of-type", r"urn:types|MR|12\,3\|4", true),
        ("identifier:of-type", r"|MR|12\,3\|4", true),
        ("identifier:of-type", "urn:types|MR|bare", false),
        ("identifier:of-type", r"urn:types|SS|12\,3\|4", false),
        ("identifier:text", "record n", true),
        ("identifier:text", "medical", true),
        ("identifier:text", "passport", false),
    ] {
        assert_eq!(finds(&p, name, value), want, "{name}={value}");
    }
    assert!(finds(&observation(), "code:text", "systol"));
    assert!(!finds(&observation(), "code:text", "8480"));
}

#[test]
fn links_to_others() {
    let touched = |kind: &str, name: &str, value: &str| -> Vec<String> {
        let query = ask(kind, &[(name, value)]).unwrap();
        assert!(query.filters.is_empty() && query.linked.len() == 1);
        query.touches().into_iter().map(str::to_owned).collect()
    };
    assert_eq!(
        touched("Observation", "subject:Patient.name:exact", "x"),
        ["Observation", "Patient"]
    );
    // Of the types a subject may be, only a Patient has a family name.
    assert_eq!(
        touched("Observation", "subject.family", "x"),
        ["Observation", "Patient"]
    );
    assert_eq!(
        touched(
            "Observation",
            "patient.general-practitioner:Practitioner.name",
            "x"
        ),
        ["Observation", "Patient", "Practitioner"]
    );
    assert_eq!(
        touched("Patient", "_has:Observation:patient:code", "x"),
        ["Patient", "Observation"]
    );
    assert_eq!(
        touched(
            "Patient",
            "_has:Observation:patient:_has:Provenance:target:agent",
            "x"
        ),
        ["Patient", "Observation", "Provenance"]
    );
    assert_eq!(
        touched("Encounter", "patient._has:Group:member:_id", "x"),
        ["Encounter", "Patient", "Group"]
    );
}

#[test]
fn parts_of_a_resource_say_that_they_are_parts() {
    let shown = |pairs: &[(&str, &str)]| -> Vec<String> {
        let query = ask("Observation", pairs).unwrap();
        let mut resource = observation();
        resource["text"] = json!({"status": "generated"});
        resource["_status"] = json!({"id": "s"});
        resource["note"] = json!([{"text": "n"}]);
        let Some(part) = query.subset.of(resource.to_string().as_bytes()) else {
            return vec!["whole".into()];
        };
        let part: Value = serde_json::from_slice(&part).unwrap();
        assert_eq!(part["meta"]["tag"][0]["code"], "SUBSETTED");
        let keys = part.as_object().unwrap().keys();
        keys.filter(|key| *key != "meta").cloned().collect()
    };
    assert_eq!(
        shown(&[("_elements", "value,subject")]),
        [
            "resourceType",
            "id",
            "status",
            "code",
            "subject",
            "valueQuantity",
            "_status"
        ]
    );
    assert_eq!(
        shown(&[("_summary", "text")]),
        ["resourceType", "id", "status", "code", "text", "_status"]
    );
    let summary = shown(&[("_summary", "true")]);
    assert!(summary.contains(&"component".to_owned()) && !summary.contains(&"note".to_owned()));
    let data = shown(&[("_summary", "data")]);
    assert!(data.contains(&"note".to_owned()) && !data.contains(&"text".to_owned()));
    assert_eq!(shown(&[("_summary", "false")]), ["whole"]);
    let count = ask("Observation", &[("_summary", "count"), ("_count", "9")]).unwrap();
    assert_eq!((count.count, count.total), (Some(0), Total::Accurate));
}

#[test]
fn the_rest_of_a_query() {
    let q = ask(
        "Encounter",
        &[
            ("_count", "5000"),
            ("_sort", "-date,_id"),
            ("_total", "accurate"),
            ("_page", "abc"),
            ("_format", "application/fhir json"),
            ("_include", "Encounter:patient:Patient"),
            ("_revinclude", "Observation:encounter"),
        ],
    )
    .unwrap();
    assert_eq!(
        (q.count, q.total, q.page.as_deref()),
        (Some(1000), Total::Accurate, Some("abc"))
    );
    assert_eq!(
        (q.sort[0].param.code, q.sort[0].order, q.sort[1].param.code),
        ("date", Order::Descending, "_id")
    );
    assert_eq!(
        (q.includes[0].param.code, q.includes[0].target.as_deref()),
        ("patient", Some("Patient"))
    );
    assert_eq!(
        (
            q.revincludes[0].source.as_str(),
            q.revincludes[0].param.code
        ),
        ("Observation", "encounter")
    );
    assert_eq!(q.pairs.len(), 6);
    assert_eq!(
        ask("Patient", &[("name:missing", "true")]).unwrap().filters[0].modifier,
        Modifier::Missing
    );
}

#[test]
fn a_wild_card_stands_for_every_reference() {
    let codes = |includes: &[wire::fhir::search::Include]| {
        let all = includes.iter().map(|one| one.param.code);
        all.collect::<Vec<_>>()
    };
    let all = ask("Encounter", &[("_include", "*")]).unwrap();
    let same = ask("Encounter", &[("_include", "Encounter:*")]).unwrap();
    assert_eq!(codes(&all.includes), codes(&same.includes));
    assert!(codes(&all.includes).contains(&"service-provider"));
    assert!(all.includes.iter().all(|one| !one.iterate));
    let patients = ask("Encounter", &[("_include", "Encounter:*:Patient")]).unwrap();
    assert_eq!(codes(&patients.includes), ["patient", "subject"]);
    let back = ask("Encounter", &[("_revinclude", "Observation:*")]).unwrap();
    assert!(codes(&back.revincludes).contains(&"encounter"));
    assert!(!codes(&back.revincludes).contains(&"specimen"));
    let on = ask("Encounter", &[("_include:iterate", "Patient:link")]).unwrap();
    assert!(on.includes[0].iterate);
    assert!(ask("Encounter", &[("_contained", "false")]).is_ok());
}

#[test]
fn a_search_over_types_is_one_for_each() {
    let pairs = |all: &[(&str, &str)]| {
        let all = all.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned()));
        all.collect::<Vec<_>>()
    };
    let limits = QueryLimits::default();
    let several = |all: &[(&str, &str)]| queries(&pairs(all), &limits);
    let found = several(&[
        ("_type", "Encounter,Observation"),
        ("_type", "Observation"),
        ("_lastUpdated", "gt2020"),
        ("_include", "Observation:encounter"),
    ])
    .unwrap();
    let kinds: Vec<&str> = found.iter().map(|one| one.kind.as_str()).collect();
    assert_eq!(kinds, ["Encounter", "Observation"]);
    assert_eq!((found[0].includes.len(), found[1].includes.len()), (0, 1));
    assert!(found.iter().all(|one| one.filters.len() == 1));
    for (refused, words) in [
        (vec![("_id", "1")], "say which types"),
        (vec![("_type", "Banana")], "no resource type"),
        (
            vec![("_type", "Patient,Encounter"), ("name", "x")],
            "no search parameter `name`",
        ),
        (
            vec![("_type", "Patient,Encounter"), ("_sort", "_id")],
            "one type at a time",
        ),
        (
            vec![("_type", "Patient"), ("_include", "Observation:subject")],
            "nothing can be included",
        ),
    ] {
        let issue = several(&refused).unwrap_err();
        assert!(issue.words.contains(words), "{refused:?}: {}", issue.words);
    }
    let many = wire::fhir::kinds()[..31].join(",");
    assert!(
        several(&[("_type", &many)])
            .unwrap_err()
            .words
            .contains("at most 30")
    );
}

#[test]
fn what_is_not_understood_is_refused_by_name() {
    for (kind, name, value, words) in [
        ("Patient", "nmae", "x", "no search parameter `nmae`"),
        ("Patient", "name:text", "x", "`:text` is not offered"),
        ("Patient", "gender:exact", "x", "`:exact` is not offered"),
        ("Patient", "organization.nmae", "x", "may refer to several"),
        ("Patient", "name.family", "x", "is no reference"),
        (
            "Patient",
            "organization:Patient.name",
            "x",
            "does not refer",
        ),
        ("Patient", "organization.name", "", "has no value"),
        ("Patient", "link.link.link.link.name", "x", "at most 3"),
        ("Observation", "focus.name", "x", "say which"),
        ("Patient", "_has:Observation:code:code", "x", "no reference"),
        ("Patient", "_has:Observation:patient", "x", "of the form"),
        (
            "Patient",
            "_has:Banana:patient:code",
            "x",
            "no resource type",
        ),
        (
            "Patient",
            "_has:Observation:encounter:code",
            "x",
            "not refer",
        ),
        (
            "Patient",
            "_has:Observation:patient:x",
            "x",
            "parameter `x`",
        ),
        ("Patient", "_summary", "yes", "none of true, text"),
        ("Patient", "_filter", "name eq x", "chains and `_has`"),
        ("Patient", "_contained", "both", "only `_contained=false`"),
        (
            "Patient",
            "_containedType",
            "container",
            "with those that contain",
        ),
        ("Patient", "_type", "Patient", "several types"),
        ("Patient", "_revinclude", "*", "bring everything"),
        ("Patient", "_include:iterate", "*", "bring everything"),
        (
            "Patient",
            "_include:recurse",
            "Patient:link",
            "only `:iterate`",
        ),
        (
            "Patient",
            "_include:iterate",
            "Patient:name",
            "is no reference",
        ),
        (
            "Patient",
            "_include",
            "Observation:subject",
            "nothing can be included",
        ),
        (
            "Patient",
            "_revinclude",
            "Observation:encounter",
            "does not refer",
        ),
        ("Patient", "_elements", "name,x", "no element `x`"),
        ("Observation", "code-value-quantity", "a", "is no composite"),
        (
            "Observation",
            "code-value-quantity",
            "a$b",
            "is no composite",
        ),
        (
            "Observation",
            "code-value-quantity",
            "a$5$b",
            "is no composite",
        ),
        ("Patient", "identifier:of-type", "MR|1", "is no token"),
        ("Location", "near", "1|2", "(special) is not offered"),
        ("Patient", "_filter", "x", "is not offered"),
        ("Patient", "name", "", "has no value"),
        ("Patient", "name", "a,,b", "is no string"),
        ("Patient", "birthdate", "1970-13", "`1970-13` is no date"),
        ("Patient", "birthdate", "xx1970", "is no date"),
        ("Patient", "identifier", "|", "is no token"),
        ("Patient", "identifier", "a|b|c", "is no token"),
        ("Patient", "general-practitioner", "a b", "is no reference"),
        ("Observation", "value-quantity", "5|mg", "is no quantity"),
        ("Observation", "value-quantity", "high", "is no quantity"),
        (
            "Observation",
            "subject:Banana",
            "1",
            "`:Banana` is not offered",
        ),
        (
            "Observation",
            "subject:Patient",
            "Group/1",
            "is no reference",
        ),
        ("Patient", "name:missing", "yes", "neither true nor false"),
        ("Patient", "_count", "-1", "whole number"),
        ("Patient", "_count:exact", "1", "takes no modifier"),
        ("Patient", "_sort", "nope", "no search parameter `nope`"),
        ("Patient", "_sort", "", "no search parameter ``"),
        ("Patient", "_total", "x", "none of none"),
        ("Patient", "_format", "xml", "application/fhir+json"),
        ("Patient", "_include", "Patient:name", "is no reference"),
        (
            "Patient",
            "_include",
            "Observation:patient",
            "nothing can be included",
        ),
        (
            "Patient",
            "_include:recurse",
            "Patient:organization",
            "`:recurse` is not offered",
        ),
        (
            "Patient",
            "_revinclude",
            "Patient:organization",
            "does not refer to",
        ),
        ("Patient", "_revinclude", "Foo:bar", "no resource type"),
        ("Foo", "x", "y", "no resource type"),
    ] {
        let issue = ask(kind, &[(name, value)]).unwrap_err();
        assert!(issue.words.contains(words), "{name}={value}: {issue}");
        assert!(issue.refuses());
    }
    assert!(
        ask("Patient", &[("_count", "1"), ("_count", "2")])
            .unwrap_err()
            .words
            .contains("twice")
    );
    let many: Vec<_> = (0..5000).map(|_| ("name", "x")).collect();
    assert_eq!(ask("Patient", &many).unwrap_err().code, Code::TooCostly);
    let long = vec!["x"; 300].join(",");
    assert_eq!(
        ask("Patient", &[("name", &long)]).unwrap_err().code,
        Code::TooCostly
    );
}

#[test]
fn terms_hold_what_an_index_wants() {
    let all = terms(&observation());
    let of = |param: &str| {
        all.iter()
            .filter(|t| t.param == param)
            .map(|t| t.value.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        of("patient"),
        vec![TermValue::Reference("Patient/p1".into())]
    );
    assert_eq!(
        of("code"),
        vec![TermValue::Token {
            system: Some("http://loinc.org".into()),
            code: "8480-6".into()
        }]
    );
    assert_eq!(
        of("date"),
        vec![TermValue::Span {
            lo_ms: 1_580_549_400_000,
            hi_ms: 1_580_549_401_000
        }]
    );
    assert_eq!(of("value-quantity").len(), 2);
    let names = terms(&patient());
    assert!(
        names.iter().any(
            |t| t.param == "family" && t.value == TermValue::Text("muller-ludenscheidt".into())
        )
    );
}

#[test]
fn what_is_included_twice_is_included_once() {
    let twice = [
        ("_include", "Encounter:patient"),
        ("_include", "Encounter:patient"),
        ("_revinclude", "Observation:encounter"),
        ("_revinclude", "Observation:encounter"),
        ("_include", "Encounter:patient:Patient"),
    ];
    let asked = ask("Encounter", &twice).unwrap();
    assert_eq!((asked.includes.len(), asked.revincludes.len()), (2, 1));
}
