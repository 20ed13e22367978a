//! FHIR resources on their way out.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use guard::mask::{Dates, Facts, Finder, Masking, Secret, Withheld};
use jiff::civil::date;
use serde_json::{Value, json};

fn patient() -> Value {
    json!({
        "resourceType": "Patient", "id": "anna-7",
        "meta": {"versionId": "12", "lastUpdated": "2026-01-01T00:00:00Z", "source": "#lab"},
        "text": {"status": "generated", "div": "<div>Anna Korpal, MRN 4186027</div>"},
        "extension": [
            {"url": "http://hl7.org/fhir/us/core/StructureDefinition/us-core-birthsex", "valueCode": "F"},
            {"url": "http://hl7.org/fhir/StructureDefinition/patient-birthPlace", "valueAddress": {"city": "Eatonborough"}},
        ],
        "identifier": [{"system": "urn:house", "value": "4186027", "type": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MR"}]}}],
        "name": [{"family": "Korpal", "given": ["Anna"]}],
        "telecom": [{"system": "phone", "value": "523-976-3762"}],
        "gender": "female", "birthDate": "1985-09-28",
        "address": [{"line": ["622 Smith Point"], "city": "Eatonborough", "state": "KS", "postalCode": "66117"}],
        "contact": [{"name": {"family": "Loyal", "given": ["Yen"]}}],
        "photo": [{"contentType": "image/png", "data": "AAAA"}],
        "generalPractitioner": [{"reference": "Practitioner/9", "display": "Dr. Octavio Mireles"}],
    })
}

fn observation() -> Value {
    json!({
        "resourceType": "Observation", "id": "o1", "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "8867-4", "display": "Heart rate"}], "text": "Heart rate"},
        "subject": {"reference": "Patient/anna-7", "display": "Anna Korpal"},
        "effectiveDateTime": "2013-06-22T10:30:00+01:00",
        "valueQuantity": {"value": 72, "unit": "/min", "system": "http://unitsofmeasure.org", "code": "/min"},
        "note": [{"text": "Korpal's daughter Yen called from 523.976.3762 about the Foley catheter."}],
    })
}

fn with<T>(resources: &[Value], dates: Dates, run: impl FnOnce(&Masking<'_>) -> T) -> T {
    let mut facts = Facts::default();
    resources.iter().for_each(|resource| facts.learn(resource));
    let finder = Finder::new(&Facts::default()).unwrap();
    let known = finder.know(&facts).unwrap();
    let secret = Secret::new(&[3; 32]).unwrap();
    run(&Masking {
        finder: &finder,
        known: &known,
        secret: &secret,
        dates,
        today: date(2026, 1, 1),
    })
}

fn masked(resource: &Value, dates: Dates) -> Value {
    let all = [patient(), observation(), resource.clone()];
    with(&all, dates, |masking| {
        serde_json::from_str(&masking.resource(resource).unwrap().json).unwrap()
    })
}

#[test]
fn of_a_patient_stays_what_a_study_needs() {
    let out = masked(&patient(), Dates::Shift(-30));
    let id = out["id"].as_str().unwrap();
    assert!(id.len() == 16 && id != "anna-7");
    assert_eq!(out["gender"], "female");
    assert_eq!(out["birthDate"], "1985-08-29");
    assert_eq!(
        out["address"],
        json!([{"state": "KS", "postalCode": "661"}])
    );
    assert_eq!(out["extension"].as_array().unwrap().len(), 1);
    assert_eq!(out["meta"]["security"][0]["code"], "PSEUDED");
    for gone in ["text", "name", "telecom", "contact", "photo"] {
        assert!(out.get(gone).is_none(), "{gone}");
    }
    let whole = out.to_string();
    for known in [
        "Korpal",
        "Anna",
        "4186027",
        "3762",
        "Eatonborough",
        "Mireles",
        "anna-7",
        "Loyal",
    ] {
        assert!(!whole.contains(known), "{known} in {whole}");
    }
}

#[test]
fn references_lead_to_the_same_pseudonyms_and_text_is_masked() {
    let (person, out) = (
        masked(&patient(), Dates::Year),
        masked(&observation(), Dates::Year),
    );
    let subject = out["subject"]["reference"].as_str().unwrap();
    assert_eq!(
        subject,
        format!("Patient/{}", person["id"].as_str().unwrap())
    );
    assert!(out["subject"].get("display").is_none());
    assert_eq!(out["code"], observation()["code"]);
    assert_eq!(out["valueQuantity"], observation()["valueQuantity"]);
    assert_eq!(out["effectiveDateTime"], "2013");
    let note = out["note"][0]["text"].as_str().unwrap();
    assert!(
        note.contains("Foley catheter") && !note.contains("Yen") && !note.contains("3762"),
        "{note}"
    );
}

#[test]
fn nobody_is_older_than_eighty_nine() {
    let mut old = patient();
    old["birthDate"] = json!("1931-09-18");
    let out = masked(&old, Dates::Shift(10));
    assert!(out.get("birthDate").is_none());
    assert_eq!(out["_birthDate"]["extension"][0]["valueCode"], "masked");
    old["deceasedDateTime"] = json!("2000-01-01");
    assert_eq!(masked(&old, Dates::Shift(10))["birthDate"], "1931-09-28");
    let mut age = observation();
    age["valueQuantity"] = json!({"value": 93, "unit": "years"});
    assert_eq!(masked(&age, Dates::Year)["valueQuantity"]["value"], 90);
}

#[test]
fn what_cannot_be_masked_does_not_leave() {
    let refused = |resource: Value| {
        with(&[patient()], Dates::Year, |masking| {
            masking.resource(&resource).unwrap_err()
        })
    };
    let binary = json!({"resourceType": "Binary", "contentType": "text/plain", "data": "QW5uYQ=="});
    let left_out = |one: Withheld| matches!(one, Withheld::LeftOut { .. });
    assert!(left_out(refused(binary.clone())));
    assert!(left_out(refused(json!({"resourceType": "AuditEvent"}))));
    let within = json!({"resourceType": "Observation", "contained": [binary]});
    assert!(
        left_out(refused(within)),
        "what holds one does not leave either"
    );
    assert_eq!(refused(json!({"x": 1})), Withheld::Kind(String::new()));
    let mut odd = observation();
    odd["modifierExtension"] = json!([{"url": "http://x/not", "valueBoolean": true}]);
    assert_eq!(refused(odd), Withheld::Modifier("http://x/not".into()));
    // A place where nothing looks: the unit of a quantity.
    let mut sly = observation();
    sly["valueQuantity"]["extraElement"] = json!({"4186027": true});
    assert!(matches!(refused(sly), Withheld::Leak(_)));
}

#[test]
fn a_known_identifier_leaves_in_no_element() {
    let places = [
        "/status",
        "/code/coding/0/code",
        "/code/text",
        "/note/0/text",
        "/valueQuantity/unit",
        "/effectiveDateTime",
        "/subject/reference",
        "/code/coding/0/display",
    ];
    for place in places {
        for known in [
            "4186027",
            "41-860-27",
            "Anna Korpal",
            "523 976 3762",
            "KORPAL, ANNA",
        ] {
            let mut resource = observation();
            *resource.pointer_mut(place).unwrap() = json!(known);
            let all = [patient(), observation()];
            let out = with(&all, Dates::Shift(9), |masking| masking.resource(&resource));
            let left = out.map(|masked| masked.json).unwrap_or_default();
            let packed: String = left.chars().filter(char::is_ascii_alphanumeric).collect();
            for part in ["4186027", "Korpal", "KORPAL", "5239763762"] {
                assert!(!packed.contains(part), "{place} {known}: {left}");
            }
        }
    }
}

#[test]
fn what_is_contained_is_named_within_its_resource() {
    let mut resource = observation();
    resource["contained"] =
        json!([{"resourceType": "Practitioner", "id": "octavio", "name": [{"family": "Mireles"}]}]);
    resource["performer"] = json!([{"reference": "#octavio", "display": "Mireles"}]);
    let out = masked(&resource, Dates::Year);
    let id = out["contained"][0]["id"].as_str().unwrap();
    assert_eq!(out["performer"][0]["reference"], format!("#{id}"));
    assert!(out["contained"][0].get("meta").is_none());
    assert!(!out.to_string().contains("octavio"));
}

#[test]
fn only_known_extensions_stay_and_identifiers_by_any_name_become_pseudonyms() {
    let mut resource = patient();
    resource["extension"] = json!([
        {"url": "http://hl7.org/fhir/us/core/StructureDefinition/us-core-race", "extension": [
            {"url": "ombCategory", "valueCoding": {"system": "urn:oid:2.16.840.1.113883.6.238", "code": "2106-3", "display": "White"}},
            {"url": "http://house/secret", "valueString": "Korpal"},
        ]},
        {"url": "homemade", "valueString": "the mayor's daughter"},
    ]);
    let out = masked(&resource, Dates::Year);
    let kept = out["extension"].as_array().unwrap();
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0]["extension"].as_array().unwrap().len(), 1);
    assert_eq!(kept[0]["extension"][0]["valueCoding"]["code"], "2106-3");
    let visit = json!({"resourceType": "Encounter", "status": "finished",
        "hospitalization": {"preAdmissionIdentifier": {"system": "urn:house:pre", "value": "PA-55"}}});
    let out = masked(&visit, Dates::Year);
    assert!(!out.to_string().contains("PA-55"), "{out}");
}

#[test]
fn who_made_what_and_when_leaves_without_saying_who() {
    let provenance = json!({"resourceType": "Provenance", "id": "pr1",
        "target": [{"reference": "Observation/o1"}], "recorded": "2024-05-01T10:00:00Z",
        "policy": ["http://hospital.example/policy"],
        "location": {"reference": "Location/w3"},
        "agent": [{"type": {"coding": [{"system":
            "http://terminology.hl7.org/CodeSystem/provenance-participant-type", "code": "author"}]},
            "who": {"reference": "Practitioner/dr", "display": "Dr. Anna Meyer"}}],
        "signature": [{"type": [{"code": "x"}], "when": "2024-05-01T10:00:00Z",
            "who": {"display": "Anna Meyer"}}]});
    let out = masked(&provenance, Dates::Shift(-30));
    let text = out.to_string();
    for gone in [
        "Meyer",
        "pr1",
        "o1\"",
        "/dr",
        "w3",
        "hospital.example",
        "2024-05-01",
    ] {
        assert!(!text.contains(gone), "{gone}: {text}");
    }
    assert_eq!(out["agent"][0]["type"]["coding"][0]["code"], "author");
    let to = out["target"][0]["reference"].as_str().unwrap();
    assert!(to.starts_with("Observation/"), "{to}");
    assert_eq!(out["recorded"], "2024-04-01T10:00:00Z");
    assert_eq!(out.get("signature"), None);
}
