//! Bulk Data `$export`: what is in it, who may, and that it is counted.

use axum::http::Method;
use event::Body;
use serde_json::{Value, json};
use web::Settings;

use crate::house::{BASE, House, Reply, nurse, observation, patient};

const ASYNC: (&str, &str) = ("prefer", "respond-async");

pub(crate) async fn begin(house: &House, token: &str, path: &str) -> Reply {
    let call = (Method::GET, path);
    house.ask(token, call, (&[ASYNC], Vec::new())).await
}

/// Where the status of an export is, relative to the base.
pub(crate) fn place(begun: &Reply) -> String {
    assert_eq!(begun.code(), 202, "{}", begun.json());
    let place = begun.header("content-location");
    place.strip_prefix(BASE).unwrap().to_owned()
}

/// The manifest, once the export is prepared.
pub(crate) async fn manifest(house: &House, token: &str, place: &str) -> Value {
    loop {
        let status = house.get_as(token, place).await;
        if status.code() == 202 {
            assert!(!status.header("x-progress").is_empty());
            tokio::task::yield_now().await;
            continue;
        }
        assert_eq!(status.code(), 200, "{}", status.json());
        assert_eq!(status.header("content-type"), "application/json");
        assert!(!status.header("expires").is_empty());
        return status.json();
    }
}

/// The resources of all files of one list of a manifest.
pub(crate) async fn fetched(house: &House, token: &str, list: &Value) -> Vec<Value> {
    let mut all = Vec::new();
    for file in list.as_array().unwrap() {
        let path = file["url"].as_str().unwrap().strip_prefix(BASE).unwrap();
        let accept = [("accept", "application/fhir+ndjson")];
        let reply = house
            .ask(token, (Method::GET, path), (&accept, Vec::new()))
            .await;
        assert_eq!(reply.code(), 200, "{}", reply.json());
        assert_eq!(reply.header("content-type"), "application/fhir+ndjson");
        let text = String::from_utf8(reply.bytes).unwrap();
        let lines: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(lines.len() as u64, file["count"].as_u64().unwrap());
        all.extend(lines);
    }
    all
}

/// All that an export brings, as `Type/id`, sorted.
async fn export(house: &House, token: &str, path: &str) -> Vec<String> {
    let begun = begin(house, token, path).await;
    let place = place(&begun);
    let manifest = manifest(house, token, &place).await;
    let bare = path.split('?').next().unwrap();
    let request = manifest["request"].as_str().unwrap();
    assert!(request.starts_with(&format!("{BASE}{bare}")), "{request}");
    let found = fetched(house, token, &manifest["output"]).await;
    house
        .ask(token, (Method::DELETE, &place), (&[], Vec::new()))
        .await;
    let name = |one: &Value| {
        let part = |key: &str| one[key].as_str().unwrap().to_owned();
        format!("{}/{}", part("resourceType"), part("id"))
    };
    let mut names: Vec<String> = found.iter().map(name).collect();
    names.sort();
    names
}

async fn put(house: &House, mut resource: Value, id: &str) {
    resource["id"] = id.into();
    let kind = resource["resourceType"].as_str().unwrap().to_owned();
    // Laid out over several lines, which a file must not be.
    let body = serde_json::to_vec_pretty(&resource).unwrap();
    let path = format!("/{kind}/{id}");
    let made = house.write((Method::PUT, &path), (&[], body)).await;
    assert_eq!(made.code(), 201, "{}", made.json());
}

async fn ward(house: &House) {
    for id in ["p1", "p2", "p3"] {
        put(house, patient(id), id).await;
        let subject = format!("Patient/{id}");
        put(house, observation(&subject, "70.10"), &format!("o{id}")).await;
    }
    let doctor = json!({"resourceType": "Practitioner", "name": [{"family": "House"}]});
    put(house, doctor, "dr").await;
    let group = json!({"resourceType": "Group", "type": "person", "actual": true, "member": [
        {"entity": {"reference": "Patient/p1"}},
        {"entity": {"reference": "Patient/p2"}, "inactive": true},
        {"entity": {"reference": "Patient/p3"}}]});
    put(house, group, "g").await;
}

#[tokio::test]
async fn an_export_brings_all_of_one_moment() {
    let house = House::with(Settings {
        page_size_max: 2,
        ..Settings::default()
    });
    let house = house.await;
    ward(&house).await;
    let begun = begin(&house, &house.token, "/$export").await;
    let place = place(&begun);
    let made = manifest(&house, &house.token, &place).await;
    put(&house, patient("late"), "late").await;
    assert_eq!(made["requiresAccessToken"], true);
    assert_eq!(made["error"], json!([]));
    assert!(made["transactionTime"].is_string());
    let files = made["output"].as_array().unwrap();
    let counts: Vec<(&str, u64)> = files
        .iter()
        .map(|file| {
            (
                file["type"].as_str().unwrap(),
                file["count"].as_u64().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        counts,
        [
            ("Group", 1),
            ("Observation", 2),
            ("Observation", 1),
            ("Patient", 2),
            ("Patient", 1),
            ("Practitioner", 1)
        ]
    );
    let found = fetched(&house, &house.token, &made["output"]).await;
    assert_eq!(found.len(), 8);
    let pulse = found.iter().find(|one| one["id"] == "op1").unwrap();
    assert_eq!(pulse["valueQuantity"]["value"].to_string(), "70.10");
    let dropped = house.delete(&place).await;
    assert_eq!(dropped.code(), 202);
    assert_eq!(house.get(&place).await.code(), 404);
    let file = made["output"][0]["url"].as_str().unwrap();
    let file = house.get(file.strip_prefix(BASE).unwrap()).await;
    assert_eq!(file.code(), 404, "its files go with it");
}

#[tokio::test]
async fn an_export_can_be_of_a_part() {
    let house = House::open().await;
    ward(&house).await;
    let observations = ["Observation/op1", "Observation/op2", "Observation/op3"];
    let patients = ["Patient/p1", "Patient/p2", "Patient/p3"];
    let group = [
        "Observation/op1",
        "Observation/op3",
        "Patient/p1",
        "Patient/p3",
    ];
    let both: Vec<&str> = observations.iter().chain(&patients).copied().collect();
    for (path, wanted) in [
        ("/$export?_type=Observation", observations.to_vec()),
        (
            "/$export?_type=Practitioner,Group",
            vec!["Group/g", "Practitioner/dr"],
        ),
        ("/Patient/$export", both),
        ("/Patient/$export?_type=Patient", patients.to_vec()),
        ("/Group/g/$export", group.to_vec()),
        (
            "/$export?_typeFilter=Patient?identifier=p2",
            vec!["Patient/p2"],
        ),
        (
            "/$export?_type=Patient&_typeFilter=Patient?identifier=p2&_typeFilter=Patient?identifier=p3",
            vec!["Patient/p2", "Patient/p3"],
        ),
        ("/$export?_type=Encounter", vec![]),
    ] {
        assert_eq!(export(&house, &house.token, path).await, wanted, "{path}");
    }
    let begun = begin(
        &house,
        &house.token,
        "/$export?_type=Patient&_elements=gender",
    )
    .await;
    let made = manifest(&house, &house.token, &place(&begun)).await;
    for one in fetched(&house, &house.token, &made["output"]).await {
        assert!(
            one.get("name").is_none() && one.get("gender").is_some(),
            "{one}"
        );
        assert_eq!(one["meta"]["tag"][0]["code"], "SUBSETTED");
    }
}

#[tokio::test]
async fn since_brings_what_changed_and_what_went() {
    let house = House::open().await;
    ward(&house).await;
    let begun = begin(&house, &house.token, "/$export?_type=Patient").await;
    let first = manifest(&house, &house.token, &place(&begun)).await;
    let since = first["transactionTime"].as_str().unwrap().to_owned();
    house.delete("/Observation/op2").await;
    let mut changed = patient("p1");
    changed["id"] = "p1".into();
    house.put("/Patient/p1", &changed).await;
    let path = format!("/$export?_since={since}");
    let begun = begin(&house, &house.token, &path).await;
    let made = manifest(&house, &house.token, &place(&begun)).await;
    let found = fetched(&house, &house.token, &made["output"]).await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0]["id"], "p1");
    assert_eq!(made["deleted"][0]["type"], "Bundle");
    let gone = fetched(&house, &house.token, &made["deleted"]).await;
    let request = &gone[0]["entry"][0]["request"];
    assert_eq!(
        *request,
        json!({"method": "DELETE", "url": "Observation/op2"})
    );
}

#[tokio::test]
async fn an_export_is_its_systems_own_and_within_its_scopes() {
    let house = House::open().await;
    ward(&house).await;
    let narrow = house.client("narrow", &["system/Observation.rs"]).await;
    let refused = begin(&house, &narrow, "/$export?_type=Patient,Observation").await;
    assert_eq!(refused.code(), 403, "{}", refused.json());
    let found = export(&house, &narrow, "/$export").await;
    assert_eq!(
        found,
        ["Observation/op1", "Observation/op2", "Observation/op3"]
    );
    let Body::Shown(shown) = house.last().await.body else {
        panic!("whom it showed is sealed");
    };
    assert_eq!(shown.patients, ["p1", "p2", "p3"]);
    assert!(shown.asked.contains("$export"), "{}", shown.asked);
    let nothing = house.client("nothing", &["system/Patient.c"]).await;
    assert_eq!(begin(&house, &nothing, "/$export").await.code(), 403);
    let begun = begin(&house, &narrow, "/$export").await;
    let place = place(&begun);
    let made = manifest(&house, &narrow, &place).await;
    let file = made["output"][0]["url"].as_str().unwrap();
    let file = file.strip_prefix(BASE).unwrap();
    for path in [place.as_str(), file] {
        assert_eq!(house.get(path).await.code(), 404, "{path} is not theirs");
    }
    // What may not be seen is in no file, and what is hidden neither.
    house.ruled_by(
        r#"@id("value") @words("value") @obligation("hide Observation.valueQuantity")
        permit (principal, action, resource) when { principal in Role::"client" };"#,
    );
    for one in fetched(&house, &narrow, &made["output"]).await {
        assert!(one.get("valueQuantity").is_none(), "{one}");
    }
    let mut request = axum::http::Request::get("/$export")
        .header("prefer", "respond-async")
        .body(axum::body::Body::empty())
        .unwrap();
    request.extensions_mut().insert(nurse(&["3W"]));
    assert_eq!(
        house.send(request).await.code(),
        403,
        "people export otherwise"
    );
}

#[tokio::test]
async fn a_client_has_few_exports_at_a_time() {
    let house = House::open().await;
    ward(&house).await;
    let one = begin(&house, &house.token, "/$export").await;
    begin(&house, &house.token, "/$export").await;
    let refused = begin(&house, &house.token, "/$export").await;
    assert_eq!(refused.code(), 429, "{}", refused.json());
    assert!(refused.words().contains("exports_per_client_max"));
    let other = house.client("other", &["system/*.rs"]).await;
    assert_eq!(begin(&house, &other, "/$export").await.code(), 202);
    house.delete(&place(&one)).await;
    assert_eq!(begin(&house, &house.token, "/$export").await.code(), 202);
}

#[tokio::test]
async fn an_export_counts_towards_the_ceiling() {
    let few = access::Ceiling {
        patients_hour: 2,
        patients_day: 2,
    };
    let ceilings = access::Ceilings {
        client: few,
        ..access::Ceilings::default()
    };
    let settings = Settings {
        page_size_max: 2,
        ..Settings::default()
    };
    let house = House::of(settings, ceilings).await;
    ward(&house).await;
    let token = house.client("bulk", &["system/*.rs"]).await;
    let begun = begin(&house, &token, "/$export?_type=Patient,Observation").await;
    let made = manifest(&house, &token, &place(&begun)).await;
    let mut codes = Vec::new();
    for file in made["output"].as_array().unwrap() {
        let path = file["url"].as_str().unwrap().strip_prefix(BASE).unwrap();
        codes.push(house.get_as(&token, path).await.code());
    }
    assert_eq!(codes[0], 200);
    assert!(codes[1..].iter().all(|code| *code == 403), "{codes:?}");
}

#[tokio::test]
async fn what_an_export_does_not_take_is_refused() {
    let house = House::open().await;
    ward(&house).await;
    for (path, code) in [
        ("/$export?_type=Banana", 400),
        ("/$export?_since=soon", 400),
        ("/$export?_outputFormat=text/csv", 400),
        (
            "/$export?includeAssociatedData=LatestProvenanceResources",
            400,
        ),
        ("/$export?_typeFilter=Patient", 400),
        ("/$export?_typeFilter=Patient?shoe=42", 400),
        ("/$export?_typeFilter=Patient?organization.name=x", 400),
        ("/Group/nobody/$export", 404),
    ] {
        let refused = begin(&house, &house.token, path).await;
        assert_eq!(refused.code(), code, "{path}: {}", refused.json());
        refused.words();
    }
    let sync = house.get("/$export").await;
    assert!(sync.words().contains("respond-async"), "{}", sync.words());
    let entry = json!({"request": {"method": "GET", "url": "$export"}});
    let batch = json!({"resourceType": "Bundle", "type": "batch", "entry": [entry]});
    let answer = house.post("/", &batch).await.json();
    assert_eq!(answer["entry"][0]["response"]["status"], "400 Bad Request");
}
