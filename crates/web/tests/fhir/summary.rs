//! `$summary`: the International Patient Summary of one patient.

use event::Body;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::house::{BASE, House, observation, patient};

fn section<'a>(bundle: &'a Value, code: &str) -> Option<&'a Value> {
    let sections = bundle["entry"][0]["resource"]["section"].as_array()?;
    let mut all = sections.iter();
    all.find(|one| one["code"]["coding"][0]["code"] == code)
}

/// What every summary has to be, whatever is in it.
fn is_a_document(bundle: &Value) {
    assert_eq!(bundle["type"], "document");
    assert_eq!(
        bundle["entry"][0]["resource"]["resourceType"],
        "Composition"
    );
    assert_eq!(bundle["entry"][1]["resource"]["resourceType"], "Patient");
    let issues = wire::fhir::check(bundle);
    let refusing: Vec<_> = issues.iter().filter(|issue| issue.refuses()).collect();
    assert!(refusing.is_empty(), "{refusing:?}");
    let entries = bundle["entry"].as_array().unwrap();
    let urls: Vec<&str> = entries
        .iter()
        .map(|one| one["fullUrl"].as_str().unwrap())
        .collect();
    let mut once = urls.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), urls.len(), "each fullUrl stands once");
    let composition = &entries[0]["resource"];
    for place in [
        "/subject/reference",
        "/author/0/reference",
        "/custodian/reference",
    ] {
        let to = composition.pointer(place).unwrap().as_str().unwrap();
        assert!(urls.contains(&to), "{place}: {to}");
    }
    for code in ["11450-4", "48765-2", "10160-0"] {
        assert!(section(bundle, code).is_some(), "{code} is required");
    }
    for section in composition["section"].as_array().unwrap() {
        assert!(section["title"].is_string() && section["text"]["div"].is_string());
        let entries = section["entry"].as_array();
        assert!(
            entries.is_some() != section["emptyReason"].is_object(),
            "{section}"
        );
        for entry in entries.into_iter().flatten() {
            let to = entry["reference"].as_str().unwrap();
            assert!(urls.contains(&to), "{to} is an entry");
        }
    }
}

#[tokio::test]
async fn an_empty_chart_says_that_it_knows_nothing() {
    let house = House::open().await;
    let id = house.post("/Patient", &patient("Empty")).await.id();
    let reply = house.get(&format!("/Patient/{id}/$summary")).await;
    assert_eq!(reply.code(), 200, "{}", reply.json());
    let bundle = reply.json();
    is_a_document(&bundle);
    for code in ["11450-4", "48765-2", "10160-0"] {
        let section = section(&bundle, code).unwrap();
        assert_eq!(section["emptyReason"]["coding"][0]["code"], "unavailable");
        let text = section["text"]["div"].as_str().unwrap();
        assert!(text.contains("no information"), "{text}");
    }
    assert_eq!(bundle["entry"].as_array().unwrap().len(), 3);
    let Body::Decision(decided) = house.last().await.body else {
        panic!("not a decision");
    };
    assert!(decided.detail.contains("$summary"), "{}", decided.detail);
}

/// What counts now, and what does not any more.
fn chart_of(id: &str) -> Vec<Value> {
    let subject = json!({"reference": format!("Patient/{id}")});
    let clinical = |kind: &str, code: &str| {
        let system = format!("http://terminology.hl7.org/CodeSystem/{kind}");
        json!({"coding": [{"system": system, "code": code}]})
    };
    let category = |code: &str| {
        let system = "http://terminology.hl7.org/CodeSystem/observation-category";
        json!([{"coding": [{"system": system, "code": code}]}])
    };
    let result = |year: u16, value: &str, kind: &str| {
        let mut one = observation(&format!("Patient/{id}"), value);
        one["effectiveDateTime"] = format!("{year}-01-01").into();
        one["category"] = category(kind);
        one
    };
    let mut wrong = result(2025, "99", "vital-signs");
    wrong["status"] = "entered-in-error".into();
    vec![
        json!({"resourceType": "AllergyIntolerance", "patient": subject, "code": {"text": "Nuts"},
            "clinicalStatus": clinical("allergyintolerance-clinical", "active"), "criticality": "high"}),
        json!({"resourceType": "Condition", "subject": subject, "code": {"text": "Asthma"},
            "clinicalStatus": clinical("condition-clinical", "active")}),
        json!({"resourceType": "Condition", "subject": subject, "code": {"text": "Flu"},
            "clinicalStatus": clinical("condition-clinical", "resolved")}),
        json!({"resourceType": "MedicationStatement", "status": "active", "subject": subject,
            "medicationReference": {"reference": "Medication/asa"}}),
        json!({"resourceType": "MedicationRequest", "status": "stopped", "intent": "order",
            "subject": subject, "medicationCodeableConcept": {"text": "Old"}}),
        json!({"resourceType": "Immunization", "status": "completed", "patient": subject,
            "vaccineCode": {"text": "MMR"}, "occurrenceDateTime": "2020-01-01"}),
        result(2023, "71", "vital-signs"),
        result(2024, "72", "vital-signs"),
        result(2022, "70", "vital-signs"),
        wrong,
    ]
}

#[tokio::test]
async fn a_summary_holds_what_counts_now() {
    let house = House::open().await;
    let id = house.post("/Patient", &patient("Full")).await.id();
    let drug = json!({"resourceType": "Medication", "id": "asa", "code": {"text": "Aspirin <b>"}});
    house.put("/Medication/asa", &drug).await;
    for resource in chart_of(&id) {
        let kind = resource["resourceType"].as_str().unwrap();
        let made = house.post(&format!("/{kind}"), &resource).await;
        assert_eq!(made.code(), 201, "{}", made.json());
    }
    let bundle = house.get(&format!("/Patient/{id}/$summary")).await.json();
    is_a_document(&bundle);
    let says = |code: &str| {
        let text = section(&bundle, code).unwrap()["text"]["div"].clone();
        text.as_str().unwrap().to_owned()
    };
    assert!(
        says("48765-2").contains("Nuts, criticality high"),
        "{}",
        says("48765-2")
    );
    assert!(says("11450-4").contains("Asthma") && !says("11450-4").contains("Flu"));
    assert!(says("11348-0").contains("Flu"));
    assert!(
        says("10160-0").contains("Aspirin &lt;b&gt;"),
        "{}",
        says("10160-0")
    );
    assert!(!says("10160-0").contains("Old"));
    assert!(
        says("11369-6").contains("MMR, 2020-01-01"),
        "{}",
        says("11369-6")
    );
    let vitals = section(&bundle, "8716-3").unwrap()["entry"].clone();
    assert_eq!(vitals.as_array().unwrap().len(), 1, "the newest of each");
    assert!(says("8716-3").contains("72"), "{}", says("8716-3"));
    let names: Vec<&str> = bundle["entry"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["fullUrl"].as_str().unwrap())
        .collect();
    assert!(
        names.contains(&format!("{BASE}/Medication/asa").as_str()),
        "{names:?}"
    );
}

#[tokio::test]
async fn a_summary_says_that_something_is_withheld() {
    let house = House::open().await;
    let id = house.post("/Patient", &patient("Masked")).await.id();
    let confidentiality = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality";
    for mut resource in chart_of(&id) {
        if resource["resourceType"] == "AllergyIntolerance" {
            resource["meta"]["security"] = json!([{"system": confidentiality, "code": "R"}]);
            house.post("/AllergyIntolerance", &resource).await;
        }
    }
    house.ruled_by(
        r#"@id("less") @words("less") @obligation("mask R")
        permit (principal, action, resource) when { principal in Role::"client" };"#,
    );
    let reply = house.get(&format!("/Patient/{id}/$summary")).await;
    let bundle = reply.json();
    is_a_document(&bundle);
    let section = section(&bundle, "48765-2").unwrap();
    assert_eq!(section["emptyReason"]["coding"][0]["code"], "withheld");
    let text = section["text"]["div"].as_str().unwrap();
    assert!(text.contains("left out"), "{text}");
    assert_eq!(bundle["meta"]["security"][0]["code"], "REDACTED");
    assert!(!String::from_utf8_lossy(&reply.bytes).contains("Nuts"));
    let all = house.get(&format!("/Patient/{id}/$everything")).await;
    assert_eq!(all.names(), [format!("Patient/{id}")]);
}

#[tokio::test]
async fn a_summary_needs_leave_for_its_required_parts() {
    let house = House::open().await;
    let id = house.post("/Patient", &patient("Leave")).await.id();
    let path = format!("/Patient/{id}/$summary");
    let token = house
        .client("few", &["system/Patient.rs", "system/Condition.rs"])
        .await;
    assert_eq!(house.get_as(&token, &path).await.code(), 403);
    let required = wire::fhir::ips::REQUIRED.map(|kind| format!("system/{kind}.rs"));
    let scopes: Vec<&str> = required.iter().map(String::as_str).collect();
    let token = house.client("required", &scopes).await;
    let reply = house.get_as(&token, &path).await;
    assert_eq!(reply.code(), 200, "{}", reply.json());
    is_a_document(&reply.json());
    for (query, code) in [
        ("?identifier=urn:mrn|Leave", 200),
        ("?identifier=urn:mrn|Nobody", 404),
        (
            "?identifier=urn:mrn|Leave&profile=http://hl7.org/fhir/uv/ips/StructureDefinition/Composition-uv-ips|2.0.0",
            200,
        ),
        (
            "?identifier=urn:mrn|Leave&profile=http://example.org/other",
            400,
        ),
        ("", 400),
        ("?name=x", 400),
    ] {
        let path = format!("/Patient/$summary{}", query.replace('|', "%7C"));
        let reply = house.get(&path).await;
        assert_eq!(reply.code(), code, "{query}: {}", reply.json());
    }
    assert_eq!(house.get("/Patient/nobody/$summary").await.code(), 404);
}

/// New orders that are over do not push out an old one that still holds.
#[tokio::test]
async fn an_old_medication_that_holds_is_not_pushed_out() {
    let house = House::open().await;
    let id = house.post("/Patient", &patient("Long")).await.id();
    let order = |n: usize, status: &str| {
        json!({"resource": {"resourceType": "MedicationRequest", "status": status,
            "intent": "order", "subject": {"reference": format!("Patient/{id}")},
            "authoredOn": format!("2020-01-01T00:00:{:02}Z", n % 60),
            "medicationCodeableConcept": {"text": format!("drug {n} {status}")}},
            "request": {"method": "POST", "url": "MedicationRequest"}})
    };
    let old = std::iter::once(order(0, "active"));
    let entries: Vec<Value> = old.chain((1..302).map(|n| order(n, "completed"))).collect();
    let bundle = json!({"resourceType": "Bundle", "type": "transaction", "entry": entries});
    assert_eq!(house.post("/", &bundle).await.code(), 200);
    let bundle = house.get(&format!("/Patient/{id}/$summary")).await.json();
    is_a_document(&bundle);
    let section = section(&bundle, "10160-0").unwrap();
    let text = section["text"]["div"].as_str().unwrap();
    assert!(text.contains("drug 0 active"), "{text}");
    assert_eq!(section["entry"].as_array().unwrap().len(), 1);
}

/// How many summaries of a patient were allowed.
async fn decided(house: &House, id: &str) -> usize {
    let mut count = 0;
    for index in 0..house.app.record.size() {
        if let Body::Decision(one) = &house.app.record.get(index).await.unwrap().event().body {
            let about = one.detail == format!("Patient/{id}/$summary");
            count += usize::from(about && one.allowed);
        }
    }
    count
}

#[tokio::test]
async fn a_summary_is_kept_until_something_in_it_changes() {
    let house = House::open().await;
    let id = house.post("/Patient", &patient("Kept")).await.id();
    let mut drug = json!({"resourceType": "Medication", "id": "asa", "code": {"text": "Aspirin"}});
    house.put("/Medication/asa", &drug).await;
    for resource in chart_of(&id) {
        let kind = resource["resourceType"].as_str().unwrap();
        assert_eq!(house.post(&format!("/{kind}"), &resource).await.code(), 201);
    }
    let path = format!("/Patient/{id}/$summary");
    let first = house.get(&path).await.bytes;
    // Made again, it would be another document.
    assert_eq!(house.get(&path).await.bytes, first);
    assert_eq!(decided(&house, &id).await, 2);
    // Of another patient nothing is in it.
    let other = house.post("/Patient", &patient("Other")).await.id();
    house
        .post(
            "/Observation",
            &observation(&format!("Patient/{other}"), "1"),
        )
        .await;
    assert_eq!(house.get(&path).await.bytes, first);
    // What it refers to is.
    drug["code"]["text"] = "Acetylsalicylic acid".into();
    house.put("/Medication/asa", &drug).await;
    let renamed = house.get(&path).await.bytes;
    assert!(String::from_utf8_lossy(&renamed).contains("Acetylsalicylic acid"));
    let allergy = json!({"resourceType": "AllergyIntolerance", "id": "late",
        "patient": {"reference": format!("Patient/{id}")}, "clinicalStatus": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical", "code": "active"}]}, "code": {"text": "Latex"}});
    assert_eq!(
        house.put("/AllergyIntolerance/late", &allergy).await.code(),
        201
    );
    let more = house.get(&path).await.bytes;
    assert!(String::from_utf8_lossy(&more).contains("Latex"));
    house.delete("/AllergyIntolerance/late").await;
    assert!(!String::from_utf8_lossy(&house.get(&path).await.bytes).contains("Latex"));
    // Somebody else's chart takes a resource of theirs over.
    let mut moved = observation(&format!("Patient/{id}"), "77");
    moved["id"] = "moved".into();
    assert_eq!(house.put("/Observation/moved", &moved).await.code(), 201);
    let with = house.get(&path).await.bytes;
    moved["subject"]["reference"] = format!("Patient/{other}").into();
    house.put("/Observation/moved", &moved).await;
    assert_ne!(house.get(&path).await.bytes, with);
}

#[tokio::test]
async fn a_summary_waits_for_what_it_refers_to() {
    let house = House::impatient(2_000).await;
    let id = house.post("/Patient", &patient("Waits")).await.id();
    house.halt().await;
    let drug = json!({"resourceType": "Medication", "id": "asa", "code": {"text": "Aspirin"}});
    assert_eq!(house.put("/Medication/asa", &drug).await.code(), 201);
    let folded = *house.app.chart.folded().borrow() >= house.app.record.size();
    let answer = house.get(&format!("/Patient/{id}/$summary")).await;
    assert!(folded || answer.code() == 503, "{}", answer.json());
}

#[tokio::test]
async fn a_kept_summary_is_shown_to_who_may_see_all_of_it() {
    let house = House::open().await;
    let id = house.post("/Patient", &patient("Kept")).await.id();
    let subject = json!({"reference": format!("Patient/{id}")});
    let secret = json!({"resourceType": "AllergyIntolerance", "patient": subject, "clinicalStatus": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical", "code": "active"}]}, "code": {"text": "Nuts"},
        "meta": {"security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}]}});
    assert_eq!(house.post("/AllergyIntolerance", &secret).await.code(), 201);
    let shot = json!({"resourceType": "Immunization", "status": "completed", "patient": subject,
        "vaccineCode": {"text": "MMR"}, "occurrenceDateTime": "2020-01-01"});
    assert_eq!(house.post("/Immunization", &shot).await.code(), 201);
    let path = format!("/Patient/{id}/$summary");
    let says = |bytes: &[u8], text: &str| String::from_utf8_lossy(bytes).contains(text);
    let all = house.get(&path).await.bytes;
    assert!(says(&all, "Nuts") && says(&all, "MMR"));
    // Fewer types: another document.
    let scopes = [
        "system/Patient.rs",
        "system/Condition.rs",
        "system/AllergyIntolerance.rs",
        "system/MedicationRequest.rs",
        "system/MedicationStatement.rs",
    ];
    let narrow = house.client("narrow", &scopes).await;
    let less = house.get_as(&narrow, &path).await.bytes;
    assert!(says(&less, "Nuts") && !says(&less, "MMR"));
    assert_eq!(house.get_as(&narrow, &path).await.bytes, less);
    // Nobody without leave is shown what is kept.
    let none = house.client("none", &["system/Patient.rs"]).await;
    assert_eq!(house.get_as(&none, &path).await.code(), 403);
    // From now on it is left out, of what was kept too.
    house.ruled_by(
        r#"@id("less") @words("less") @obligation("mask R")
        permit (principal, action, resource) when { principal in Role::"client" };"#,
    );
    assert!(!says(&house.get(&path).await.bytes, "Nuts"));
}

/// Waits until the chart has folded all that is sealed and every summary that is due is made.
async fn made_ready(house: &House) {
    let wait = std::time::Duration::from_secs(120);
    let size = house.app.record.size();
    assert!(house.app.chart.caught_up(size, wait).await);
    let all = async {
        while !house.app.chart.due().await.unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(wait, all).await.unwrap();
}

/// The summary, and whether it was made before it was asked for.
async fn ready(house: &House, path: &str) -> (Value, bool) {
    let before = house.app.clock.now();
    let reply = house.get(path).await;
    assert_eq!(reply.code(), 200, "{}", reply.json());
    let bundle = reply.json();
    is_a_document(&bundle);
    let made = bundle["timestamp"].as_str().unwrap().to_owned();
    (bundle, made < before.to_string())
}

#[tokio::test]
async fn after_a_change_a_summary_is_made_before_anybody_asks_and_shows_no_more_than_one_may_see() {
    let house = House::open().await;
    let stop = CancellationToken::new();
    let _making = stop.clone().drop_guard();
    tokio::spawn(web::ready_summaries(house.app.clone(), stop));
    let id = house.post("/Patient", &patient("Ready")).await.id();
    let path = format!("/Patient/{id}/$summary");
    let (first, made_before) = ready(&house, &path).await;
    assert!(!made_before, "nobody had asked yet");
    for mut resource in chart_of(&id) {
        if resource["resourceType"] == "AllergyIntolerance" {
            let system = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality";
            resource["meta"]["security"] = json!([{"system": system, "code": "R"}]);
            house.post("/AllergyIntolerance", &resource).await;
        }
    }
    made_ready(&house).await;
    let decided = house.app.record.size();
    let (second, made_before) = ready(&house, &path).await;
    assert!(made_before, "{}", second["timestamp"]);
    assert!(second.to_string().contains("Nuts") && !first.to_string().contains("Nuts"));
    assert_eq!(
        house.app.record.size(),
        decided + 1,
        "the question was decided and sealed all the same"
    );
    // What is ready is nothing to whoever may see less.
    house.ruled_by(
        r#"@id("less") @words("less") @obligation("mask R")
        permit (principal, action, resource) when { principal in Role::"client" };"#,
    );
    let (masked, made_before) = ready(&house, &path).await;
    assert!(!made_before && !masked.to_string().contains("Nuts"));
    house
        .post("/Observation", &observation(&format!("Patient/{id}"), "71"))
        .await;
    made_ready(&house).await;
    let (masked, made_before) = ready(&house, &path).await;
    assert!(made_before, "it is made for the view of whoever asked last");
    assert!(!masked.to_string().contains("Nuts"), "{masked}");
    assert_eq!(masked["meta"]["security"][0]["code"], "REDACTED");
}
