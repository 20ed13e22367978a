//! Contents in the vault: a resource that goes on in a message keeps them, a comparison sees them, what is
//! undone comes back with them.

use chart::Held;
use event::{Act, Subject};
use serde_json::{Value, json};

use crate::house::{House, admission};

/// Base64 of more bytes than a row takes.
fn photo(letter: char) -> String {
    std::iter::repeat_n(letter, 100_000).collect()
}

fn with_photo(id: &str, data: &str) -> Value {
    json!({
        "resourceType": "Patient",
        "id": id,
        "name": [{"family": "Doe"}],
        "photo": [{"contentType": "image/x-none", "data": data}],
    })
}

async fn read(house: &House, id: &str) -> Value {
    let open = house.open(Act::Read, Subject::Patient(id.to_owned())).await;
    let found = house.chart.find("Patient", id).await.unwrap().unwrap();
    let bare = open.shown_bare(found).await.unwrap().unwrap();
    let stored = open.whole(bare).await.unwrap();
    serde_json::from_slice(&stored.json).unwrap()
}

#[tokio::test]
async fn what_a_message_leaves_alone_comes_back_from_the_event_that_wrote_it() {
    let house = House::new().await;
    house
        .message(&admission("1", "7", "Doe^Jane", "3W^301^A"))
        .await;
    let id = house.patient("7");
    let written = house.put(&with_photo(&id, &photo('A'))).await;
    let row = house.record.get(written).await.unwrap();
    assert!(row.event().raw.len() < 1_000);
    house
        .message(&admission("2", "7", "Roe^Jane", "3W^301^A"))
        .await;
    let now = read(&house, &id).await;
    assert_eq!(now["name"][0]["family"], "Roe");
    assert_ne!(now["meta"]["versionId"], written.to_string());
    assert_eq!(now["photo"][0]["data"], photo('A'));
}

#[tokio::test]
async fn another_system_is_compared_with_the_whole_and_the_whole_is_undone() {
    let house = House::new().await;
    let first = house.put(&with_photo("a", &photo('A'))).await;
    house.put(&with_photo("a", &photo('B'))).await;
    house.fold(&house.chart).await;
    let hold = async |data: &str| {
        house
            .chart
            .hold(("Patient", "a"), &with_photo("a", data))
            .await
            .unwrap()
    };
    assert_eq!(hold(&photo('B')).await, Held::Same);
    let Held::Differs(differs) = hold(&photo('A')).await else {
        panic!("it differs");
    };
    assert_eq!(differs.older, Some(first), "it is the older version");
    let permit = house
        .permit(
            crate::house::client(),
            Act::Update,
            (Subject::Kind("Patient".into()), &["Patient"]),
        )
        .await;
    let former = house
        .chart
        .former(permit, ("Patient", "a", first))
        .await
        .unwrap()
        .unwrap();
    let former: Value = serde_json::from_slice(&former).unwrap();
    assert_eq!(former["photo"][0]["data"], photo('A'));
}

/// What is said in the place of a content.
fn absent(attachment: &Value) -> &Value {
    assert_eq!(attachment.get("data"), None, "{attachment}");
    &attachment["_data"]["extension"][0]["valueCode"]
}

#[tokio::test]
async fn an_excerpt_leaves_contents_out_and_so_does_what_it_refers_to() {
    let house = House::new().await;
    let mut patient = with_photo("a", &photo('A'));
    patient["generalPractitioner"] = json!([{"reference": "Practitioner/p"}]);
    house.put(&patient).await;
    let mut practitioner = with_photo("p", &photo('P'));
    practitioner["resourceType"] = "Practitioner".into();
    house.put(&practitioner).await;
    house.fold(&house.chart).await;
    let kinds = ["Patient", "Practitioner"];
    let who = crate::house::client();
    let about = Subject::Patient("a".into());
    let permit = house.permit(who, Act::Read, (about, &kinds)).await;
    let open = house.chart.open_with(permit);
    let excerpt = open.excerpt(&[("Patient", 1)], |_| true).await.unwrap();
    for all in [&excerpt.resources, &excerpt.referred] {
        assert_eq!(all.len(), 1);
        assert_eq!(absent(&all[0]["photo"][0]), "temp-unknown");
        assert!(!all[0].to_string().contains("urn:salus:content:"));
    }
}

#[tokio::test]
async fn without_room_for_contents_a_page_has_one_resource_that_has_some() {
    let house = House::new().await;
    for id in ["a", "b", "c"] {
        house.put(&with_photo(id, &photo('A'))).await;
    }
    let small = house
        .other_chart(|config| config.contents_bytes_max = 0)
        .await;
    house.fold(&small).await;
    let (mut ids, mut token) = (Vec::new(), None);
    loop {
        let who = crate::house::client();
        let about = Subject::Kind("Patient".into());
        let permit = house.permit(who, Act::Search, (about, &["Patient"])).await;
        let open = small.open_with(permit);
        let query = wire::fhir::Query::new("Patient");
        let page = open
            .search_bare(&query, &chart::PageOf { count: 10, token })
            .await;
        let page = open.filled(page.unwrap()).await.unwrap();
        assert_eq!(page.matches.len(), 1);
        let value: Value = serde_json::from_slice(&page.matches[0].json).unwrap();
        assert_eq!(value["photo"][0]["data"], photo('A'));
        ids.push(page.matches[0].id.clone());
        token = page.next;
        if token.is_none() {
            break;
        }
    }
    assert_eq!(ids, ["a", "b", "c"]);
}

#[tokio::test]
async fn what_is_included_is_left_out_where_it_is_too_much_and_the_matches_stay() {
    let house = House::new().await;
    for id in ["a", "b"] {
        house.put(&with_photo(id, &photo('A'))).await;
        house
            .put(&serde_json::json!({
                "resourceType": "Observation", "id": format!("of-{id}"), "status": "final",
                "code": {"text": "weight"}, "subject": {"reference": format!("Patient/{id}")},
            }))
            .await;
    }
    let one = photo('A').len();
    for (max, whole) in [(2 * one + 100, true), (one + 100, false)] {
        let chart = house
            .other_chart(|config| config.contents_bytes_max = max)
            .await;
        house.fold(&chart).await;
        let who = crate::house::client();
        let about = Subject::Kind("Observation".into());
        let kinds = ["Observation", "Patient"];
        let permit = house.permit(who, Act::Search, (about, &kinds)).await;
        let open = chart.open_with(permit);
        let asked = [("_include".to_owned(), "Observation:subject".to_owned())];
        let query = wire::fhir::query(
            "Observation",
            &asked,
            &wire::fhir::search::QueryLimits::default(),
        );
        let page = chart::PageOf {
            count: 10,
            token: None,
        };
        let page = open.search_bare(&query.unwrap(), &page).await.unwrap();
        let brings = open.page_brings(&page);
        let page = open.filled(page).await.unwrap();
        assert_eq!((page.matches.len(), page.included.len()), (2, 2));
        assert_eq!(brings >= 2 * one, whole);
        for patient in &page.included {
            let value: Value = serde_json::from_slice(&patient.json).unwrap();
            match whole {
                true => assert_eq!(value["photo"][0]["data"], photo('A')),
                false => assert_eq!(absent(&value["photo"][0]), "temp-unknown"),
            }
        }
    }
}
