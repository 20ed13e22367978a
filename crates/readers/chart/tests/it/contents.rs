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
    let stored = open.read("Patient", id).await.unwrap().unwrap();
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

#[tokio::test]
async fn an_excerpt_has_contents_as_far_as_there_is_room() {
    let house = House::new().await;
    house.put(&with_photo("a", "AAAA")).await;
    for (id, letter) in [("d1", 'A'), ("d2", 'B'), ("d3", 'C')] {
        let document = json!({
            "resourceType": "DocumentReference",
            "id": id,
            "status": "current",
            "subject": {"reference": "Patient/a"},
            "content": [{"attachment": {"data": photo(letter)}}],
        });
        house.put(&document).await;
    }
    let small = house
        .other_chart(|config| config.contents_bytes_max = 150_000)
        .await;
    house.fold(&small).await;
    let kinds = ["DocumentReference"];
    let permit = house
        .permit(
            crate::house::client(),
            Act::Read,
            (Subject::Patient("a".into()), &kinds),
        )
        .await;
    let open = small.open_with(permit);
    let excerpt = open
        .excerpt(&[("DocumentReference", 10)], |_| true)
        .await
        .unwrap();
    let data = |one: &Value| {
        one["content"][0]["attachment"]["data"]
            .as_str()
            .map(str::len)
    };
    let sizes: Vec<Option<usize>> = excerpt.resources.iter().map(data).collect();
    assert_eq!(sizes, [Some(100_000), Some(100_000)]);
    assert_eq!(excerpt.cut, ["DocumentReference"]);
}
