//! `$everything` about one patient.

use axum::http::{Method, Request};
use event::{Body, Subject};
use serde_json::{Value, json};

use crate::house::{House, nurse, observation, patient};

/// A patient with a doctor, three results and a medicine; another with a result. Their ids.
async fn two(house: &House) -> (String, String) {
    let doctor = json!({"resourceType": "Practitioner", "id": "dr", "name": [{"family": "House"}]});
    house.put("/Practitioner/dr", &doctor).await;
    let mut person = patient("Every");
    person["generalPractitioner"] = json!([{"reference": "Practitioner/dr"}]);
    let one = house.post("/Patient", &person).await.id();
    let other = house.post("/Patient", &patient("Other")).await.id();
    for (id, year) in [(&one, 2020), (&one, 2022), (&one, 2024), (&other, 2024)] {
        let mut pulse = observation(&format!("Patient/{id}"), "70");
        pulse["effectiveDateTime"] = format!("{year}-05-06").into();
        house.post("/Observation", &pulse).await;
    }
    let system = "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical";
    let active = json!({"coding": [{"system": system, "code": "active"}]});
    let allergy = json!({"resourceType": "AllergyIntolerance", "code": {"text": "Nuts"},
        "clinicalStatus": active,
        "patient": {"reference": format!("Patient/{one}")}});
    let made = house.post("/AllergyIntolerance", &allergy).await;
    assert_eq!(made.code(), 201, "{}", made.json());
    (one, other)
}

fn kinds(names: &[String], kind: &str) -> usize {
    let mine = names
        .iter()
        .filter(|name| name.split('/').next() == Some(kind));
    mine.count()
}

#[tokio::test]
async fn everything_is_the_chart_and_what_it_refers_to() {
    let house = House::open().await;
    let (id, other) = two(&house).await;
    let all = house.get(&format!("/Patient/{id}/$everything")).await;
    assert_eq!(all.code(), 200, "{}", all.json());
    let names = all.names();
    assert_eq!(names.len(), 6, "{names:?}");
    assert_eq!(kinds(&names, "Observation"), 3);
    assert_eq!(names[5], "Practitioner/dr");
    assert_eq!(all.json()["entry"][5]["search"]["mode"], "include");
    assert_eq!(all.json()["total"], 5);
    assert!(!String::from_utf8_lossy(&all.bytes).contains(&other));
    let Body::Decision(decided) = house.last().await.body else {
        panic!("not a decision");
    };
    assert_eq!(decided.subject, Subject::Patient(id.clone()));
    assert!(decided.detail.contains("$everything"), "{}", decided.detail);
    let body = json!({"resourceType": "Parameters",
        "parameter": [{"name": "_type", "valueString": "Observation"}]});
    let posted = house
        .post(&format!("/Patient/{id}/$everything"), &body)
        .await;
    assert_eq!(posted.names().len(), 3, "{}", posted.json());
    let entry = json!({"resource": body,
        "request": {"method": "POST", "url": format!("Patient/{id}/$everything")}});
    let batch = json!({"resourceType": "Bundle", "type": "batch", "entry": [entry]});
    let answer = house.post("/", &batch).await.json();
    let inner = &answer["entry"][0]["resource"]["entry"];
    assert_eq!(
        inner.as_array().unwrap().len(),
        3,
        "parameters count in a batch: {answer}"
    );
    let entry = json!({"request": {"method": "GET", "url": format!("Patient/{id}/$everything")}});
    let batch = json!({"resourceType": "Bundle", "type": "batch", "entry": [entry]});
    let answer = house.post("/", &batch).await.json();
    let inner = &answer["entry"][0]["resource"]["entry"];
    assert_eq!(inner.as_array().unwrap().len(), 6, "{answer}");
}

#[tokio::test]
async fn everything_can_be_asked_for_in_part() {
    let house = House::open().await;
    let (id, _) = two(&house).await;
    let middle = house
        .get(&format!("/Observation?patient={id}&date=2022"))
        .await;
    let since = middle.json()["entry"][0]["resource"]["meta"]["lastUpdated"].clone();
    let since = since.as_str().unwrap().to_owned();
    for (query, count) in [
        ("_type=Observation".to_owned(), 3),
        ("_type=Observation,AllergyIntolerance".to_owned(), 4),
        ("_type=Patient,Practitioner".to_owned(), 2),
        ("start=2022-01-01&_type=Observation".to_owned(), 2),
        ("start=2021&end=2023&_type=Observation".to_owned(), 1),
        ("end=2021&_type=Observation".to_owned(), 1),
        // What has no time of care is always in it.
        ("end=2021".to_owned(), 4),
        (format!("_since={since}&_type=Observation"), 2),
        (format!("_since={since}"), 3),
    ] {
        let found = house
            .get(&format!("/Patient/{id}/$everything?{query}"))
            .await;
        assert_eq!(found.code(), 200, "{query}: {}", found.json());
        assert_eq!(found.names().len(), count, "{query}: {:?}", found.names());
    }
}

#[tokio::test]
async fn the_pages_of_everything_are_of_one_moment() {
    let house = House::open().await;
    let (id, _) = two(&house).await;
    let first = house
        .get(&format!("/Patient/{id}/$everything?_count=2"))
        .await;
    let mut names = first.names();
    let mut next = first.link("next");
    let late = observation(&format!("Patient/{id}"), "99");
    house.post("/Observation", &late).await;
    while let Some(path) = next {
        let page = house.get(&path).await;
        assert_eq!(page.code(), 200, "{path}: {}", page.json());
        names.extend(page.names());
        next = page.link("next");
    }
    names.retain(|name| name != "Practitioner/dr");
    assert_eq!(names.len(), 5, "{names:?}");
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 5);
}

#[tokio::test]
async fn everything_is_what_one_may_see() {
    let house = House::open().await;
    let (id, other) = two(&house).await;
    let token = house
        .client("narrow", &["system/Observation.rs", "system/Patient.rs"])
        .await;
    let path = format!("/Patient/{id}/$everything");
    let found = house.get_as(&token, &path).await;
    assert_eq!(found.code(), 200, "{}", found.json());
    assert_eq!(found.names().len(), 4, "{:?}", found.names());
    let named = format!("{path}?_type=AllergyIntolerance");
    assert_eq!(house.get_as(&token, &named).await.code(), 403);
    let token = house
        .client(
            "part",
            &["system/Observation.rs?code=nothing", "system/Patient.rs"],
        )
        .await;
    let found = house.get_as(&token, &path).await;
    assert_eq!(
        kinds(&found.names(), "Observation"),
        0,
        "{:?}",
        found.names()
    );
    let token = house.client("none", &["system/Organization.c"]).await;
    assert_eq!(house.get_as(&token, &path).await.code(), 403);
    let Body::Decision(decided) = house.last().await.body else {
        panic!("not a decision");
    };
    assert!(!decided.allowed, "the refusal is sealed");
    // To a nurse of another ward the patient is not there.
    let get = |path: String| {
        let mut request = Request::get(path).body(axum::body::Body::empty()).unwrap();
        request.extensions_mut().insert(nurse(&["3W"]));
        house.send(request)
    };
    assert_eq!(get(path.clone()).await.code(), 404);
    house.ruled_by(
        r#"@id("born") @words("born") @obligation("hide Patient.birthDate")
        permit (principal, action, resource) when { principal in Role::"client" };"#,
    );
    let found = house.get(&path).await;
    assert_eq!(found.code(), 200, "{}", found.json());
    assert_eq!(
        found.json()["entry"][0]["resource"]["name"][0]["family"],
        "Every"
    );
    assert!(!String::from_utf8_lossy(&found.bytes).contains("1970-01-02"));
    house.delete(&format!("/Patient/{other}")).await;
    let gone = house.get(&format!("/Patient/{other}/$everything")).await;
    assert_eq!(gone.code(), 410);
}

#[tokio::test]
async fn operations_by_other_methods_are_refused() {
    let house = House::open().await;
    let (id, _) = two(&house).await;
    let path = format!("/Patient/{id}/$everything");
    let refused = house.write((Method::PUT, &path), (&[], Vec::new())).await;
    assert_eq!(refused.code(), 405);
    let refused = house.post(&path, &patient("x")).await;
    assert_eq!(refused.code(), 400, "{}", refused.json());
    let statement: Value = house.get("/metadata").await.json();
    let all = statement["rest"][0]["resource"].as_array().unwrap();
    let patient = all.iter().find(|one| one["type"] == "Patient").unwrap();
    assert_eq!(patient["operation"][0]["name"], "everything");
}

/// The sickest have the most results: what is their own is no burden of what comes along.
#[tokio::test]
async fn many_results_are_no_reason_to_refuse() {
    let house = House::open().await;
    let id = house.post("/Patient", &patient("Many")).await.id();
    let report = |n: usize| {
        let results: Vec<Value> = (0..21)
            .map(|r| json!({"reference": format!("Observation/o{n}-{r}")}))
            .collect();
        json!({"resource": {"resourceType": "DiagnosticReport", "status": "final",
                "code": {"text": "x"}, "result": results,
                "subject": {"reference": format!("Patient/{id}")}},
            "request": {"method": "POST", "url": "DiagnosticReport"}})
    };
    let entries: Vec<Value> = (0..50).map(report).collect();
    let bundle = json!({"resourceType": "Bundle", "type": "transaction", "entry": entries});
    assert_eq!(house.post("/", &bundle).await.code(), 200);
    for operation in ["$everything", "$summary"] {
        let reply = house.get(&format!("/Patient/{id}/{operation}")).await;
        assert_eq!(reply.code(), 200, "{operation}: {}", reply.json());
    }
}

/// A page holds so many bytes, not so many resources whatever their size.
#[tokio::test]
async fn large_documents_make_small_pages() {
    let house = House::open().await;
    let id = house.post("/Patient", &patient("Scans")).await.id();
    let data = "AAAA".repeat(1_700_000);
    for _ in 0..4 {
        let scan = json!({"resourceType": "DocumentReference", "status": "current",
            "subject": {"reference": format!("Patient/{id}")},
            "content": [{"attachment": {"contentType": "application/octet-stream", "data": data}}]});
        let made = house.post("/DocumentReference", &scan).await;
        assert_eq!(made.code(), 201, "{}", made.json());
    }
    let (mut names, mut pages) = (Vec::new(), 0);
    let mut next = Some(format!("/Patient/{id}/$everything"));
    while let Some(path) = next {
        let page = house.get(&path).await;
        assert_eq!(page.code(), 200, "{}", page.json());
        assert!(page.bytes.len() < 25_000_000, "{}", page.bytes.len());
        names.extend(page.names());
        pages += 1;
        next = page.link("next");
    }
    names.sort_unstable();
    names.dedup();
    assert_eq!((names.len(), pages), (5, 2));
}
