//! What is looked at for subscriptions and exports: no more at once than fits, and nothing for nothing.

use event::{Act, Subject};
use serde_json::{Value, json};
use wire::fhir::subscription::{Subscribed, subscription};

use crate::house::{House, admission, merge};
use chart::{ListOf, PageOf};

fn wanted() -> Subscribed {
    let resource = json!({
        "resourceType": "Subscription", "status": "requested", "reason": "to know",
        "criteria": "https://salus.invalid/SubscriptionTopic/patient-changed",
        "channel": {"type": "websocket"}});
    subscription(&resource).unwrap().unwrap()
}

/// A patient whose record does not get smaller when it is packed.
fn large(id: &str, seed: u64, bytes: usize) -> Value {
    let mut state = seed;
    let letter = |_| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        char::from(b'0' + u8::try_from(state >> 58).unwrap())
    };
    let text: String = (0..bytes).map(letter).collect();
    json!({"resourceType": "Patient", "id": id,
        "identifier": [{"value": text.replace(['<', '>', '\\'], "x")}]})
}

#[tokio::test]
async fn one_look_takes_no_more_than_fits() {
    let house = House::new().await;
    for (at, id) in ["a", "b", "c"].into_iter().enumerate() {
        house.put(&large(id, at as u64 + 1, 7_000_000)).await;
    }
    house
        .put(&json!({"resourceType": "Patient", "id": "d"}))
        .await;
    house.fold(&house.chart).await;
    let (mut after, mut looks, mut found, mut ends) = (0, Vec::new(), Vec::new(), Vec::new());
    loop {
        let changes = house
            .chart
            .changes(&wanted(), (after, u64::MAX))
            .await
            .unwrap();
        looks.push(changes.found.len());
        found.extend(changes.found.into_iter().map(|one| one.id));
        assert!(changes.through > after);
        after = changes.through;
        ends.push(after);
        if !changes.more {
            break;
        }
    }
    assert_eq!(found, ["a", "b", "c", "d"]);
    assert_eq!(looks, [1, 1, 1, 1], "each of the large ones fills a look");
    assert_eq!(after, house.record.size());
    // Up to where somebody has looked already.
    let before = house.chart.changes(&wanted(), (0, ends[0])).await.unwrap();
    assert_eq!((before.found.len(), before.judged), (1, 1));
    assert_eq!((before.through, before.more), (ends[0], false));
}

#[tokio::test]
async fn it_is_known_which_types_were_written() {
    let house = House::new().await;
    house
        .put(&json!({"resourceType": "Patient", "id": "a"}))
        .await;
    house.fold(&house.chart).await;
    let first = house.chart.written(0).await.unwrap();
    assert_eq!(first.kinds, ["Patient"]);
    assert_eq!(first.through, house.record.size());
    let none = house.chart.written(first.through).await.unwrap();
    assert!(none.kinds.is_empty(), "{none:?}");
    house
        .put(&json!({"resourceType": "Organization", "id": "o", "name": "x"}))
        .await;
    // A decision writes nothing.
    house
        .open(Act::Search, Subject::Kind("Patient".into()))
        .await;
    house.fold(&house.chart).await;
    let second = house.chart.written(first.through).await.unwrap();
    assert_eq!(second.kinds, ["Organization"]);
}

#[tokio::test]
async fn where_a_page_lies_is_the_same_whether_its_content_is_read_or_not() {
    let house = House::new().await;
    for at in 0..25 {
        let id = format!("p{at}");
        let gender = if at % 2 == 0 { "male" } else { "female" };
        house
            .put(&json!({"resourceType": "Patient", "id": id, "gender": gender}))
            .await;
    }
    house.delete("Patient", "p3").await;
    house
        .put(&json!({"resourceType": "Patient", "id": "p4", "active": true}))
        .await;
    house.fold(&house.chart).await;
    let men = wire::fhir::query(
        "Patient",
        &[("gender".into(), "male".into())],
        &Default::default(),
    );
    let men = men.unwrap().filters;
    for (filters, deleted, all) in [
        (Vec::new(), false, 24),
        (vec![men], false, 12),
        (Vec::new(), true, 1),
    ] {
        let list = ListOf {
            kind: "Patient".into(),
            since: None,
            deleted,
            of_patients: true,
            patients: None,
            filters,
            until: None,
        };
        let subject = || Subject::Kind("Patient".into());
        let open = house.open(Act::Search, subject()).await;
        let (mut token, mut count) = (None, 0);
        loop {
            let of = PageOf {
                count: 7,
                token: token.clone(),
            };
            let placed = open.placed(&list, &of).await.unwrap();
            let page = open.listed(&list, &of).await.unwrap();
            assert_eq!(placed.count, page.matches.len());
            assert_eq!(placed.next, page.next);
            count += placed.count;
            token = placed.next;
            if token.is_none() {
                break;
            }
        }
        assert_eq!(count, all);
    }
}

/// What is shown of a patient from memory and from the tables, which is the same.
async fn shown(house: &House, id: &str) -> Option<(u64, Value)> {
    let open = house.open(Act::Read, Subject::Patient(id.to_owned())).await;
    let found = house.chart.find("Patient", id).await.unwrap()?;
    let kept = open.shown(found).await.unwrap();
    let written = open.read("Patient", id).await.unwrap();
    assert_eq!(format!("{kept:?}"), format!("{written:?}"));
    let kept = kept.filter(|kept| !kept.deleted)?;
    Some((kept.version, serde_json::from_slice(&kept.json).unwrap()))
}

#[tokio::test]
async fn what_is_kept_in_memory_is_what_the_tables_say_whoever_wrote_it_last() {
    for batch in [1, 2, 9] {
        let house = House::new().await;
        house
            .message(&admission("1", "7", "Doe^Jane", "3W^301^A"))
            .await;
        house.fold_by(&house.chart, batch).await;
        let id = house.patient("7");
        let family =
            |shown: Option<(u64, Value)>| shown.map(|(_, it)| it["name"][0]["family"].clone());
        assert_eq!(family(shown(&house, &id).await), Some(json!("Doe")));
        let renamed = json!({"resourceType": "Patient", "id": id, "name": [{"family": "Roe"}]});
        let (_, last) = (house.put(&renamed).await, house.put(&renamed).await);
        house.fold_by(&house.chart, batch).await;
        assert_eq!(shown(&house, &id).await.unwrap().0, last);
        house
            .message(&admission("2", "7", "Low^Jane", "3W^302^B"))
            .await;
        house.fold_by(&house.chart, batch).await;
        assert_eq!(family(shown(&house, &id).await), Some(json!("Low")));
        house.delete("Patient", &id).await;
        house.fold_by(&house.chart, batch).await;
        assert_eq!(shown(&house, &id).await, None);
        house.put(&renamed).await;
        house.fold_by(&house.chart, batch).await;
        assert_eq!(family(shown(&house, &id).await), Some(json!("Roe")));
        house.message(&merge("3", "8", "7")).await;
        house.put(&renamed).await;
        house.fold_by(&house.chart, batch).await;
        shown(&house, &id).await;
    }
}
