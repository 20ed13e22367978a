//! What folding makes of messages, FHIR writes, merges and deletions.

use crate::house::{House, NOW, admission, json, merge, person, result};
use event::{Act, Role, Subject};
use guard::Relation;
use serde_json::json;

const SODIUM: [&str; 6] = ["2951-2", "Sodium", "141", "mmol/L", "136-145", "N"];
const POTASSIUM: [&str; 6] = ["2823-3", "Potassium", "6.10", "mmol/L", "3.5-5.1", "HH"];

#[tokio::test]
async fn an_admission_is_a_chart() {
    let house = House::new().await;
    let index = house
        .message(&admission("1", "100", "Müller^Anna", "3W^301^A"))
        .await;
    let id = house.patient("100");
    let view = house.chart_of(&id).await.summary().await.unwrap().unwrap();
    let identity = view.identity;
    assert_eq!(identity.name.as_deref(), Some("Müller, Anna"));
    assert_eq!(identity.birth_date.as_deref(), Some("1950-01-02"));
    assert_eq!(identity.ward.as_deref(), Some("3W"));
    assert_eq!(identity.room.as_deref(), Some("301"));
    assert_eq!(identity.bed.as_deref(), Some("A"));
    assert!(identity.attending.unwrap().contains("House"));
    assert_eq!(identity.mark.unwrap().version, index);
    assert_eq!(view.allergies.len(), 1);
    assert_eq!(view.allergies[0].substance, "Penicillin");
    assert_eq!(view.problems[0].text, "Hypertension");
    assert_eq!(view.encounters.len(), 1);
    assert!(view.encounters[0].current);
    assert!(!view.contacts.is_empty());
}

#[tokio::test]
async fn a_result_makes_no_version_of_the_patient() {
    let house = House::new().await;
    let first = house
        .message(&admission("1", "100", "Doe^Jane", "3W^301^A"))
        .await;
    for n in 0..3 {
        let order = format!("A{n}");
        let raw = result(&format!("l{n}"), "100", &order, &[SODIUM, POTASSIUM]);
        house.message(&raw).await;
    }
    house.fold_by(&house.chart, 2).await;
    let id = house.patient("100");
    let located = house.chart.locate("Patient", &id).await.unwrap().unwrap();
    assert_eq!(located.version, first);
    assert_eq!(located.as_of, house.record.size());
    let view = house.chart_of(&id).await.summary().await.unwrap().unwrap();
    assert_eq!(view.reports.len(), 3);
    let potassium = &view.reports[0].results[1];
    assert_eq!(potassium.value.as_deref(), Some("6.10"));
    assert_eq!(potassium.flag, "HH");
    assert!(potassium.abnormal);
    assert_eq!(potassium.range.as_deref(), Some("3.5-5.1"));
}

#[tokio::test]
async fn a_corrected_result_is_a_version_and_a_repeated_one_is_none() {
    let house = House::new().await;
    let first = house.message(&result("1", "7", "A1", &[SODIUM])).await;
    house.message(&result("2", "7", "A1", &[SODIUM])).await;
    let corrected = ["2951-2", "Sodium", "139", "mmol/L", "136-145", "N"];
    let third = house.message(&result("3", "7", "A1", &[corrected])).await;
    let ids = house.search("Observation?code=2951-2", 10).await;
    assert_eq!(ids.len(), 1);
    let open = house.kind("Observation").await;
    let what = chart::HistoryOf::Instance {
        kind: "Observation".into(),
        id: ids[0].clone(),
    };
    let of = chart::PageOf {
        count: 10,
        token: None,
    };
    let page = open.history(&what, &of).await.unwrap();
    let versions: Vec<u64> = page.matches.iter().map(|one| one.version).collect();
    assert_eq!(versions, [third, first]);
    let old = open
        .version("Observation", &ids[0], first)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(json(&old.json)["valueQuantity"]["value"].to_string(), "141");
    assert!(
        open.version("Observation", &ids[0], first + 1)
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test]
async fn a_fold_that_nobody_waits_for_goes_on_and_nothing_is_answered_from_before_it() {
    let house = House::new().await;
    house
        .message(&admission("1", "100", "Doe^Jane", "3W^301^A"))
        .await;
    let id = house.patient("100");
    let open = house.chart_of(&id).await;
    open.read("Patient", &id).await.unwrap().unwrap();
    house.fold(&house.chart).await;
    let second = house
        .message(&admission("2", "100", "Roe^Jane", "3W^301^A"))
        .await;
    let reader = house.chart.reader();
    let from = reader.cursor().await.unwrap();
    let (events, next) = house.record.read_until(from, 1000).await.unwrap();
    let mut fold = reader.fold(&events, next);
    // Handed over, whether or not it is done already.
    let _ = futures_util::poll!(&mut fold);
    drop(fold);
    assert!(
        reader.fold(&events, next).await.is_err(),
        "its memory is gone"
    );
    let wait = std::time::Duration::from_secs(60);
    assert!(house.chart.caught_up(next, wait).await);
    let located = house.chart.locate("Patient", &id).await.unwrap().unwrap();
    assert_eq!(located.version, second);
    assert_eq!(reader.cursor().await.unwrap(), next);
    house.message(&result("3", "100", "A1", &[SODIUM])).await;
    house.fold(&house.chart).await;
    let other = house.other_chart(|_| {}).await;
    house.fold(&other).await;
    assert_eq!(
        house.chart.state_digest().await.unwrap(),
        other.state_digest().await.unwrap()
    );
}

#[tokio::test]
async fn what_was_received_comes_back_with_id_and_meta_only_changed() {
    let house = House::new().await;
    let raw = r#"{"resourceType":"Patient","x":1.50,"id":"a", "name":[{"family":"Doe"}] }"#;
    let value: serde_json::Value = serde_json::from_str(raw).unwrap();
    let index = house.put(&value).await;
    let stored = house
        .chart_of("a")
        .await
        .read("Patient", "a")
        .await
        .unwrap()
        .unwrap();
    let back = json(&stored.json);
    assert_eq!(stored.version, index);
    assert_eq!(back["meta"]["versionId"], index.to_string());
    assert_eq!(back["meta"]["lastUpdated"], stored.at.to_string());
    assert_eq!(back["x"].to_string(), "1.50");
}

#[tokio::test]
async fn messages_and_clients_write_the_same_patient() {
    let house = House::new().await;
    house
        .message(&admission("1", "100", "Doe^Jane", "3W^301^A"))
        .await;
    let id = house.patient("100");
    let stored = house
        .chart_of(&id)
        .await
        .read("Patient", &id)
        .await
        .unwrap()
        .unwrap();
    let mut patient = json(&stored.json);
    patient["maritalStatus"] = json!({"text": "married"});
    house.put(&patient).await;
    house
        .message(&admission("2", "100", "Roe^Jane", "3W^302^B"))
        .await;
    let stored = house
        .chart_of(&id)
        .await
        .read("Patient", &id)
        .await
        .unwrap()
        .unwrap();
    let patient = json(&stored.json);
    assert_eq!(patient["name"][0]["family"], "Roe");
    assert_eq!(patient["maritalStatus"]["text"], "married");
    assert_eq!(stored.source, chart::Source::Message("adt".into()));
}

#[tokio::test]
async fn a_merge_moves_nothing_and_can_be_taken_back() {
    let house = House::new().await;
    house
        .message(&admission("1", "100", "Doe^Jane", "3W^301^A"))
        .await;
    house.message(&result("2", "200", "A1", &[SODIUM])).await;
    let (survivor, retired) = (house.patient("100"), house.patient("200"));
    let merged = house.message(&merge("3", "100", "200")).await;
    house.message(&merge("4", "100", "200")).await;
    let late = house.message(&result("5", "200", "A2", &[POTASSIUM])).await;
    house.fold(&house.chart).await;
    let now = house.chart.survivor(&retired).await.unwrap();
    assert_eq!(now.as_deref(), Some(survivor.as_str()));
    assert_eq!(house.chart.survivor(&survivor).await.unwrap(), None);
    assert!(house.chart.joined_since(&survivor, merged - 1));
    assert!(!house.chart.joined_since(&survivor, late));
    assert!(!house.chart.joined_since("nobody", 0));

    let view = house
        .chart_of(&survivor)
        .await
        .summary()
        .await
        .unwrap()
        .unwrap();
    assert_eq!(view.identity.merged_from.len(), 1);
    assert_eq!(view.identity.merged_from[0].id, retired);
    assert_eq!(view.identity.merged_from[0].version, merged);
    assert_eq!(view.identity.merged_from[0].identifiers[0].value, "200");
    assert_eq!(view.reports.len(), 2);
    let flags: Vec<(u64, bool)> = view
        .reports
        .iter()
        .map(|report| report.mark.as_ref().unwrap())
        .map(|mark| (mark.version, mark.late))
        .collect();
    assert!(flags.contains(&(late, true)), "{flags:?}");
    assert!(flags.iter().any(|(_, late)| !late));
    // Asked by either id, the same chart opens.
    let by_retired = house
        .chart_of(&retired)
        .await
        .summary()
        .await
        .unwrap()
        .unwrap();
    assert_eq!(by_retired.id, survivor);
    let found = house
        .search(&format!("Observation?patient={survivor}"), 10)
        .await;
    assert_eq!(found.len(), 2);

    house.unmerge(&retired, &survivor).await;
    let view = house
        .chart_of(&survivor)
        .await
        .summary()
        .await
        .unwrap()
        .unwrap();
    assert!(view.identity.merged_from.is_empty());
    assert!(view.reports.is_empty());
    let open = house.chart_of(&retired).await;
    let stored = open.read("Patient", &retired).await.unwrap().unwrap();
    let patient = json(&stored.json);
    assert_ne!(patient["active"], json!(false));
    assert!(patient.get("link").is_none());
    assert_eq!(stored.source, chart::Source::Salus);
}

#[tokio::test]
async fn what_is_deleted_is_gone_but_was() {
    let house = House::new().await;
    let patient = json!({"resourceType": "Patient", "id": "a", "name": [{"family": "Doe"}]});
    let first = house.put(&patient).await;
    let gone = house.delete("Patient", "a").await;
    house.fold(&house.chart).await;
    let located = house.chart.locate("Patient", "a").await.unwrap().unwrap();
    assert!(located.deleted);
    assert_eq!(located.version, gone);
    let open = house.kind("Patient").await;
    let stored = open.read("Patient", "a").await.unwrap().unwrap();
    assert!(stored.deleted && stored.json.is_empty());
    assert!(open.version("Patient", "a", first).await.unwrap().is_some());
    assert!(house.search("Patient?name=doe", 10).await.is_empty());
    let again = house.put(&patient).await;
    house.fold(&house.chart).await;
    let located = house.chart.locate("Patient", "a").await.unwrap().unwrap();
    assert!(!located.deleted);
    assert_eq!(located.version, again);
    assert_eq!(house.search("Patient?name=doe", 10).await, ["a"]);
    assert_eq!(house.chart.locate("Patient", "b").await.unwrap(), None);
    assert_eq!(house.chart.locate("Nothing", "b").await.unwrap(), None);
}

/// However the events are cut into batches, and whatever is still in memory, the tables are equal.
#[tokio::test]
async fn a_refold_gives_the_same_tables() {
    let house = House::new().await;
    for n in 0..12 {
        let number = format!("{}", n % 4);
        let name = format!("Doe^Jane{}", n % 3);
        let bed = format!("{}W^30{n}^A", n % 2);
        house
            .message(&admission(&format!("a{n}"), &number, &name, &bed))
            .await;
        let order = format!("O{}", n % 5);
        house
            .message(&result(
                &format!("r{n}"),
                &number,
                &order,
                &[SODIUM, POTASSIUM],
            ))
            .await;
        if n == 6 {
            house.message(&merge("m", "1", "2")).await;
        }
        if n == 8 {
            house
                .unmerge(&house.patient("2"), &house.patient("1"))
                .await;
            house
                .put(&json!({"resourceType": "Patient", "id": house.patient("3")}))
                .await;
        }
    }
    house.delete("Patient", &house.patient("3")).await;
    house.fold_by(&house.chart, 7).await;
    let digest = house.chart.state_digest().await.unwrap();
    for (batch, hot) in [(1, 10_000), (5, 1), (1000, 10_000)] {
        let other = house
            .other_chart(|config| config.hot_resources_max = hot)
            .await;
        other.refold().await.unwrap();
        house.fold_by(&other, batch).await;
        assert_eq!(
            other.state_digest().await.unwrap(),
            digest,
            "batches of {batch}"
        );
    }
    house.chart.refold().await.unwrap();
    assert_ne!(house.chart.state_digest().await.unwrap(), digest);
    assert_eq!(*house.chart.folded().borrow(), 0);
    house.fold_by(&house.chart, 3).await;
    assert_eq!(house.chart.state_digest().await.unwrap(), digest);
}

#[tokio::test]
async fn tables_of_another_layout_are_folded_again() {
    let house = House::new().await;
    house.message(&result("0", "1", "0", &[SODIUM])).await;
    house.fold_by(&house.chart, 9).await;
    let digest = house.chart.state_digest().await.unwrap();
    let old = house.other_chart(|_| {}).await;
    house.fold_by(&old, 9).await;
    let path = house.other_path();
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&path);
    let pool = sqlx::SqlitePool::connect_with(options).await.unwrap();
    let earlier = sqlx::query("UPDATE layout SET version = 1");
    earlier.execute(&pool).await.unwrap();
    pool.close().await;
    let again = house.other_chart(|_| {}).await;
    assert_eq!(*again.folded().borrow(), 0);
    house.fold_by(&again, 9).await;
    assert_eq!(again.state_digest().await.unwrap(), digest);
}

#[tokio::test]
async fn a_batch_read_before_a_refold_is_not_folded_after_it() {
    let house = House::new().await;
    for n in 0..4 {
        house
            .message(&result(&format!("{n}"), "1", &format!("{n}"), &[SODIUM]))
            .await;
    }
    house.fold_by(&house.chart, 2).await;
    let reader = house.chart.reader();
    let (late, next) = house.record.read_until(3, 10).await.unwrap();
    house.chart.refold().await.unwrap();
    assert!(reader.fold(&late, next).await.is_err());
    assert_eq!(reader.cursor().await.unwrap(), 0);
}

#[tokio::test]
async fn wards_and_people_are_facts() {
    let house = House::new().await;
    house
        .message(&admission("1", "100", "Doe^Jane", "3W^301^A"))
        .await;
    house
        .message(&admission("2", "200", "Roe^Jack", "4W^401^B"))
        .await;
    house.fold(&house.chart).await;
    let id = house.patient("100");
    let nurse = person(Role::Nurse, Some("3W"), None);
    let facts = house.chart.facts(&nurse, &id, NOW).await.unwrap();
    assert_eq!(facts.relations, [Relation::Ward("3W".into())]);
    let other = house
        .chart
        .facts(&nurse, &house.patient("200"), NOW)
        .await
        .unwrap();
    assert!(other.relations.is_empty());
    let doctor = person(Role::Physician, None, Some("4711"));
    let facts = house.chart.facts(&doctor, &id, NOW).await.unwrap();
    assert!(
        matches!(facts.relations.as_slice(), [Relation::CareTeam(_)]),
        "{facts:?}"
    );
    let stranger = person(Role::Physician, None, Some("4712"));
    assert!(
        house
            .chart
            .facts(&stranger, &id, NOW)
            .await
            .unwrap()
            .relations
            .is_empty()
    );

    let wards = house.chart.wards().await.unwrap();
    let counts: Vec<(&str, u64)> = wards
        .iter()
        .map(|ward| (ward.code.as_str(), ward.patients))
        .collect();
    assert_eq!(counts, [("3W", 1), ("4W", 1)]);
    let open = house
        .open_for(nurse, Act::Read, (Subject::Ward("3W".into()), &[]))
        .await;
    let census = open.census().await.unwrap();
    assert_eq!(census.len(), 1);
    assert_eq!(census[0].patient, id);
    assert_eq!(census[0].bed.as_deref(), Some("A"));
}
