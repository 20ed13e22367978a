//! Files taken in by the operator.

use bytes::Bytes;
use serde_json::json;
use web::api::fhir::Importer;

use crate::house::{House, observation, operator, patient};

#[tokio::test]
async fn a_collection_is_kept_resource_by_resource() {
    let house = House::open().await;
    let importer = Importer::new(house.app.clone(), operator());
    let mut good = patient("Import");
    good["id"] = "imported".into();
    let mut wrong = patient("Wrong");
    wrong["id"] = "wrong".into();
    wrong["gender"] = "banana".into();
    let one = "urn:uuid:11111111-1111-4111-8111-111111111111";
    let mut linked = observation(one, "1");
    linked["id"] = "linked".into();
    let bundle = json!({
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [
            { "fullUrl": one, "resource": good },
            { "resource": wrong },
            { "resource": linked }
        ]
    });
    let bytes = Bytes::from(bundle.to_string());
    let imported = importer.document(bytes.clone()).await;
    assert_eq!(imported.accepted, 2, "{imported:?}");
    assert_eq!(imported.refused.len(), 1);
    assert_eq!(imported.refused[0].what, "Patient/wrong");
    assert!(imported.refused[0].why.contains("gender"), "{imported:?}");
    let again = importer.document(bytes).await;
    assert_eq!(
        again.accepted, 2,
        "a second time they are new versions: {again:?}"
    );
    let size = house.app.record.size();
    let wait = std::time::Duration::from_secs(60);
    assert!(house.app.chart.caught_up(size, wait).await);
    let found = house.get("/Observation?patient=imported").await;
    assert_eq!(found.names(), ["Observation/linked"]);
}

#[tokio::test]
async fn lines_are_one_commit_and_each_its_own_luck() {
    let house = House::open().await;
    let importer = Importer::new(house.app.clone(), operator());
    let line = |id: &str| {
        let mut body = patient(id);
        body["id"] = id.into();
        Bytes::from(body.to_string())
    };
    let lines = vec![line("a"), Bytes::from("not JSON"), line("b"), line("a")];
    let imported = importer.resources(lines).await;
    assert_eq!(imported.accepted, 3, "{imported:?}");
    assert_eq!(imported.refused.len(), 1);
    assert_eq!(imported.refused[0].what, "entry 1");
}

#[tokio::test]
async fn a_transaction_is_taken_in_whole() {
    let house = House::open().await;
    let importer = Importer::new(house.app.clone(), operator());
    let one = "urn:uuid:11111111-1111-4111-8111-111111111111";
    let bundle = |status: &str| {
        let mut linked = observation(one, "1");
        linked["status"] = status.into();
        let bundle = json!({
            "resourceType": "Bundle",
            "type": "transaction",
            "entry": [
                { "fullUrl": one, "resource": patient("Whole"), "request": { "method": "POST", "url": "Patient" } },
                { "resource": linked, "request": { "method": "POST", "url": "Observation" } }
            ]
        });
        Bytes::from(bundle.to_string())
    };
    let imported = importer.document(bundle("final")).await;
    assert_eq!(imported.accepted, 2, "{imported:?}");
    let imported = importer.document(bundle("banana")).await;
    assert_eq!((imported.accepted, imported.refused.len()), (0, 2));
    let imported = importer.document(Bytes::from("nonsense")).await;
    assert_eq!((imported.accepted, imported.refused.len()), (0, 1));
}

#[tokio::test]
async fn who_may_not_write_imports_nothing() {
    let house = House::open().await;
    let importer = Importer::new(house.app.clone(), crate::house::nurse(&["3W"]));
    let imported = importer
        .document(Bytes::from(patient("No").to_string()))
        .await;
    assert_eq!((imported.accepted, imported.refused.len()), (0, 1));
    let missing = imported.refused[0].why.is_empty();
    assert!(!missing, "{imported:?}");
}
