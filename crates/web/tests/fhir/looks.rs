//! search, paging, history, capabilities, who may see what.

use axum::http::{Method, Request};
use event::{Body, Subject};
use serde_json::json;

use crate::house::{House, nurse, observation, patient};

#[tokio::test]
async fn what_the_server_can_do_is_open_to_all() {
    let house = House::open().await;
    let reply = house.get_as("", "/metadata").await;
    assert_eq!(reply.code(), 200);
    assert_eq!(reply.json()["resourceType"], "CapabilityStatement");
    assert_eq!(reply.json()["fhirVersion"], "4.0.1");
    assert_eq!(
        reply.header("content-type"),
        "application/fhir+json; charset=utf-8"
    );
}

#[tokio::test]
async fn what_the_server_can_do_is_made_once() {
    let house = House::open().await;
    let first = house.get_as("", "/metadata").await;
    house.pass(60_000);
    assert_eq!(house.get_as("", "/metadata").await.bytes, first.bytes);
    let pretty = house.get_as("", "/metadata?_pretty=true").await;
    assert_eq!(pretty.json(), first.json());
    assert!(pretty.bytes.len() > first.bytes.len());
}

#[tokio::test]
async fn the_openapi_document_is_open_to_all_and_names_this_server() {
    let house = House::open().await;
    let reply = house.get_as("", "/openapi.json").await;
    assert_eq!(reply.code(), 200);
    assert_eq!(reply.header("content-type"), "application/json");
    let document = reply.json();
    assert_eq!(document["openapi"], "3.0.3");
    let base = house.app.settings.fhir_base.trim_end_matches('/');
    assert_eq!(document["servers"][0]["url"], base);
    assert!(document["paths"]["/Patient/{id}/$summary"]["get"].is_object());
    // It is large and open to all, so it is not laid out anew for whoever asks.
    let pretty = house.get_as("", "/openapi.json?_pretty=true").await;
    assert_eq!((pretty.code(), &pretty.bytes), (200, &reply.bytes));
    assert_eq!(house.delete("/openapi.json").await.code(), 405);
}

#[tokio::test]
async fn who_asks_and_for_what_comes_before_the_form_of_the_answer() {
    let house = House::open().await;
    let path = "/Patient/_history?_format=xml";
    assert_eq!(house.get_as("", path).await.code(), 401);
    assert_eq!(house.delete(path).await.code(), 405);
    assert_eq!(house.get(path).await.code(), 406);
    assert_eq!(house.get_as("", "/metadata?_format=xml").await.code(), 406);
    assert_eq!(house.get("/Patient?_format=&_pretty=").await.code(), 200);
    assert_eq!(house.get("/Patient?_pretty=1").await.code(), 400);
}

#[tokio::test]
async fn a_search_finds_and_says_what_it_looked_for() {
    let house = House::open().await;
    for name in ["Müller", "Meier", "Muster"] {
        house.post("/Patient", &patient(name)).await;
    }
    let found = house.get("/Patient?family=muller").await;
    assert_eq!(
        found.json()["entry"][0]["resource"]["name"][0]["family"],
        "Müller"
    );
    assert_eq!(found.json()["entry"][0]["search"]["mode"], "match");
    assert_eq!(found.json()["total"], 1);
    assert_eq!(found.link("self").unwrap(), "/Patient?family=muller");
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let body = b"family=mu&birthdate=1970-01-02".to_vec();
    let path = (Method::POST, "/Patient/_search?_sort=-_lastUpdated");
    let token = house.client("searcher", &["system/Patient.s"]).await;
    let found = house.ask(&token, path, (&form, body)).await;
    assert_eq!(found.names().len(), 2, "{}", found.json());
    // Last whom it showed, before that the decision.
    assert!(matches!(house.last().await.body, Body::Shown(_)));
    let decision = house.app.record.size() - 2;
    let sealed = house.app.record.get(decision).await.unwrap();
    let Body::Decision(decided) = sealed.event().body.clone() else {
        panic!("not a decision");
    };
    assert_eq!(decided.subject, Subject::Kind("Patient".into()));
    assert!(decided.detail.contains("family=mu"), "{}", decided.detail);
}

#[tokio::test]
async fn a_search_that_names_a_patient_is_about_that_patient() {
    let house = House::open().await;
    let id = house.post("/Patient", &patient("Named")).await.id();
    let other = house.post("/Patient", &patient("Other")).await.id();
    for id in [&id, &other] {
        house
            .post("/Observation", &observation(&format!("Patient/{id}"), "1"))
            .await;
    }
    for path in [
        format!("/Observation?patient={id}"),
        format!("/Observation?subject=Patient/{id}"),
        format!("/Observation?subject:Patient={id}"),
    ] {
        let found = house.get(&path).await;
        assert_eq!(found.names().len(), 1, "{path}: {}", found.json());
        let Body::Decision(decided) = house.last().await.body else {
            panic!("not a decision");
        };
        assert_eq!(decided.subject, Subject::Patient(id.clone()), "{path}");
    }
}

#[tokio::test]
async fn includes_come_along_and_need_leave_of_their_own() {
    let house = House::open().await;
    let id = house.post("/Patient", &patient("Incl")).await.id();
    house
        .post("/Observation", &observation(&format!("Patient/{id}"), "1"))
        .await;
    let path = format!("/Observation?patient={id}&_include=Observation:subject");
    let found = house.get(&path).await;
    assert_eq!(found.names().len(), 2, "{}", found.json());
    assert_eq!(found.json()["entry"][1]["search"]["mode"], "include");
    let path = format!("/Patient?_id={id}&_revinclude=Observation:subject");
    assert_eq!(house.get(&path).await.names().len(), 2);

    let token = house.client("narrow", &["system/Observation.rs"]).await;
    let path = "/Observation?_include=Observation:subject:Patient";
    assert_eq!(house.get_as(&token, path).await.code(), 403);
    let path = "/Observation?_include=Observation:subject";
    let found = house.get_as(&token, path).await;
    assert_eq!(
        found.names().len(),
        1,
        "only what may be asked for comes along"
    );
    let path = "/Patient?_revinclude=Observation:subject";
    assert_eq!(house.get_as(&token, path).await.code(), 403);
}

#[tokio::test]
async fn a_search_follows_links_and_needs_leave_for_what_it_looks_into() {
    let house = House::open().await;
    let mut ids = Vec::new();
    for (name, pulse) in [("Chain", "70"), ("Other", "90")] {
        let doctor =
            json!({"resourceType": "Practitioner", "name": [{"family": format!("Dr{name}")}]});
        let doctor = house.post("/Practitioner", &doctor).await.id();
        let mut person = patient(name);
        person["generalPractitioner"] = json!([{"reference": format!("Practitioner/{doctor}")}]);
        let id = house.post("/Patient", &person).await.id();
        let pulse = observation(&format!("Patient/{id}"), pulse);
        house.post("/Observation", &pulse).await;
        ids.push(id);
    }
    for (path, found) in [
        ("/Observation?subject:Patient.family=chain", 1),
        ("/Observation?patient.family=chain", 1),
        (
            "/Observation?patient.general-practitioner:Practitioner.family=drother",
            1,
        ),
        ("/Observation?patient.family=nobody", 0),
        ("/Observation?code-value-quantity=8867-4$gt80", 1),
        ("/Observation?code-value-quantity=8867-4$gt95", 0),
        ("/Patient?_has:Observation:patient:code=8867-4", 2),
        ("/Patient?_has:Observation:patient:value-quantity=70", 1),
        ("/Patient?_has:Observation:patient:code=none", 0),
        (
            "/Practitioner?_has:Patient:general-practitioner:family=chain",
            1,
        ),
        (
            "/Practitioner?_has:Patient:general-practitioner:_has:Observation:patient:value-quantity=90",
            1,
        ),
    ] {
        let reply = house.get(path).await;
        assert_eq!(reply.code(), 200, "{path}: {}", reply.json());
        assert_eq!(reply.names().len(), found, "{path}: {}", reply.json());
        assert_eq!(reply.json()["total"], found, "{path}");
    }
    let token = house.client("narrow", &["system/Observation.rs"]).await;
    let path = "/Observation?patient.family=chain";
    assert_eq!(house.get_as(&token, path).await.code(), 403);
    // Within what is about one patient nobody else is looked into.
    let path = format!(
        "/Observation?patient={}&subject:Patient.family=other",
        ids[0]
    );
    assert_eq!(house.get(&path).await.names().len(), 0);
}

#[tokio::test]
async fn an_answer_shows_only_the_parts_that_were_asked_for() {
    let house = House::open().await;
    let id = house.post("/Patient", &patient("Part")).await.id();
    let tagged = |resource: &serde_json::Value| {
        assert_eq!(
            resource["meta"]["tag"][0]["code"], "SUBSETTED",
            "{resource}"
        );
        assert_eq!(resource["id"], id.as_str());
    };
    for path in [
        format!("/Patient/{id}?_elements=gender"),
        format!("/Patient/{id}?_summary=text"),
    ] {
        let part = house.get(&path).await.json();
        tagged(&part);
        assert!(part.get("name").is_none(), "{part}");
    }
    let found = house.get("/Patient?_elements=name").await.json();
    let part = &found["entry"][0]["resource"];
    tagged(part);
    assert!(
        part.get("name").is_some() && part.get("gender").is_none(),
        "{part}"
    );
    let count = house.get("/Patient?_summary=count").await.json();
    assert_eq!(count["total"], 1);
    assert!(count.get("entry").is_none(), "{count}");
    for bad in [
        format!("/Patient/{id}?_summary=count"),
        format!("/Patient/{id}?_elements=nothing"),
        format!("/Patient/{id}?name=x"),
        "/Patient?_summary=true&_elements=name".to_owned(),
    ] {
        assert_eq!(house.get(&bad).await.code(), 400, "{bad}");
    }
}

#[tokio::test]
async fn pages_stay_as_they_are_while_data_arrives() {
    let house = House::open().await;
    for n in 0..7 {
        house.post("/Patient", &patient(&format!("Page{n}"))).await;
    }
    let first = house.get("/Patient?_count=3&_sort=_lastUpdated").await;
    let mut names = first.names();
    assert_eq!(names.len(), 3);
    let mut next = first.link("next");
    house.post("/Patient", &patient("Late")).await;
    house.delete(&format!("/{}", names[0])).await;
    while let Some(path) = next {
        let page = house.get(&path).await;
        assert_eq!(page.code(), 200, "{}", page.json());
        names.extend(page.names());
        next = page.link("next");
    }
    assert_eq!(names.len(), 7);
    let mut once = names.clone();
    once.sort();
    once.dedup();
    assert_eq!(once.len(), 7);
    assert_eq!(house.get("/Patient?_page=nonsense").await.code(), 400);
}

#[tokio::test]
async fn history_tells_what_was_newest_first() {
    let house = House::open().await;
    let mut body = patient("H1");
    body["id"] = "h".into();
    let one = house.put("/Patient/h", &body).await;
    body["name"][0]["family"] = "H2".into();
    let two = house.put("/Patient/h", &body).await;
    let gone = house.delete("/Patient/h").await;
    let history = house.get("/Patient/h/_history").await;
    let bundle = history.json();
    assert_eq!(bundle["type"], "history", "{bundle}");
    let methods: Vec<&str> = bundle["entry"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["request"]["method"].as_str().unwrap())
        .collect();
    assert_eq!(methods, ["DELETE", "PUT", "PUT"]);
    let tags: Vec<&str> = bundle["entry"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["response"]["etag"].as_str().unwrap())
        .collect();
    assert_eq!(
        tags,
        [gone.header("etag"), two.header("etag"), one.header("etag")]
    );

    let since = bundle["entry"][1]["response"]["lastModified"]
        .as_str()
        .unwrap();
    let path = format!("/Patient/h/_history?_since={since}");
    assert_eq!(house.get(&path).await.names().len(), 2);
    let page = house.get("/Patient/h/_history?_count=2").await;
    assert_eq!(page.names().len(), 2);
    let rest = house.get(&page.link("next").unwrap()).await;
    assert_eq!(rest.names().len(), 1);

    assert_eq!(house.get("/Patient/_history").await.names().len(), 3);
    let organization = json!({ "resourceType": "Organization", "name": "O" });
    house.post("/Organization", &organization).await;
    assert_eq!(house.get("/_history").await.names().len(), 4);
    assert_eq!(house.get("/Patient/nobody/_history").await.code(), 404);
    assert_eq!(house.get("/Patient/h/_history?_at=2020").await.code(), 400);
}

#[tokio::test]
async fn a_client_keeps_to_its_scopes() {
    let house = House::open().await;
    let id = house.post("/Patient", &patient("Scoped")).await.id();
    let token = house.client("reader", &["system/Observation.rs"]).await;
    let there = house.get_as(&token, &format!("/Patient/{id}")).await;
    let absent = house.get_as(&token, "/Patient/nobody").await;
    assert_eq!((there.code(), absent.code()), (403, 403));
    assert_eq!(
        there.words(),
        absent.words(),
        "the refusal does not say what is there"
    );
    assert_eq!(house.get_as(&token, "/Patient").await.code(), 403);
    assert_eq!(house.get_as(&token, "/Observation").await.code(), 200);
    assert_eq!(house.get_as(&token, "/_history").await.code(), 403);
    let body = observation("Patient/x", "1").to_string().into_bytes();
    let headers = [("content-type", "application/fhir+json")];
    let wrote = house
        .ask(&token, (Method::POST, "/Observation"), (&headers, body))
        .await;
    assert_eq!(wrote.code(), 403);
}

#[tokio::test]
async fn to_a_nurse_a_stranger_is_not_there() {
    let house = House::open().await;
    let id = house.post("/Patient", &patient("Stranger")).await.id();
    let get = |path: String| {
        let mut request = Request::get(path).body(axum::body::Body::empty()).unwrap();
        request.extensions_mut().insert(nurse(&["3W"]));
        house.send(request)
    };
    let there = get(format!("/Patient/{id}")).await;
    let absent = get("/Patient/nobody".into()).await;
    assert_eq!((there.code(), absent.code()), (404, 404));
    assert_eq!(there.words().replace(&id, "nobody"), absent.words());
    let Body::Decision(decided) = house.last().await.body else {
        panic!("not a decision");
    };
    assert!(!decided.allowed, "the refusal is sealed");
    assert_eq!(get("/Observation".into()).await.code(), 403);
}

#[tokio::test]
async fn an_answer_can_be_laid_out_for_eyes() {
    let house = House::open().await;
    let id = house.post("/Patient", &patient("Pretty")).await.id();
    let plain = house.get(&format!("/Patient/{id}?_format=json")).await;
    let pretty = house.get(&format!("/Patient/{id}?_pretty=true")).await;
    assert_eq!(plain.json(), pretty.json());
    assert!(pretty.bytes.contains(&b'\n'));
}

#[tokio::test]
async fn the_door_stands_beside_the_pages() {
    let house = House::open().await;
    let whole = web::router(house.app.clone());
    for (method, path, code) in [
        (Method::GET, "/fhir/metadata", 200),
        (Method::GET, "/fhir/Patient", 401),
        (Method::POST, "/fhir", 401),
        (Method::POST, "/fhir/", 401),
        (Method::GET, "/fhir/a/b/c/d/e/f", 401),
    ] {
        let request = Request::builder().method(method).uri(path);
        let request = request.body(axum::body::Body::empty()).unwrap();
        let reply = House::send_to(whole.clone(), request).await;
        assert_eq!(reply.code(), code, "{path}");
        assert!(
            reply.json()["resourceType"].is_string(),
            "{path}: FHIR, not a page"
        );
    }
}
