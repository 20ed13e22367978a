//! What somebody edits in the chart's file is named against a fresh fold, and put right.

use chart::{Chart, Differs};

use crate::house::{House, admission, result};

const SODIUM: [&str; 6] = ["2951-2", "Sodium", "141", "mmol/L", "136-145", "N"];
const CORRECTED: [&str; 6] = ["2951-2", "Sodium", "139", "mmol/L", "136-145", "N"];
const AGAIN: [&str; 6] = ["2951-2", "Sodium", "140", "mmol/L", "136-145", "N"];

/// A patient with a result that was corrected: event 2 gave it first, events 3 and 4 corrected it.
async fn filled() -> House {
    let house = House::new().await;
    house
        .message(&admission("1", "7", "Doe^Jane", "3W^301^A"))
        .await;
    house.message(&result("2", "7", "A1", &[SODIUM])).await;
    house.message(&result("3", "7", "A1", &[CORRECTED])).await;
    house.message(&result("4", "7", "A1", &[AGAIN])).await;
    house.fold(&house.chart).await;
    house
}

async fn compared(house: &House, fresh: &Chart) -> Vec<Differs> {
    let mut still = house.chart.still().await.unwrap();
    house.fold(fresh).await;
    fresh.differences(&mut still, &[]).await.unwrap()
}

/// Differences after an edit; afterwards they are put right and there are none.
async fn after(edit: &'static str) -> Vec<Differs> {
    let house = filled().await;
    let whole = house.chart.state_digest().await.unwrap();
    house.sql(edit).await;
    let fresh = house.other_chart(|_| {}).await;
    let found = compared(&house, &fresh).await;
    assert!(!found.is_empty(), "{edit}");
    house.chart.put_right(&fresh, &found).await.unwrap();
    house.fold(&house.chart).await;
    assert_eq!(compared(&house, &fresh).await, [], "{edit}");
    assert_eq!(house.chart.state_digest().await.unwrap(), whole, "{edit}");
    found
}

#[tokio::test]
async fn what_nobody_touched_does_not_differ() {
    let house = filled().await;
    let fresh = house.other_chart(|_| {}).await;
    assert_eq!(compared(&house, &fresh).await, []);
}

#[tokio::test]
async fn an_older_content_put_back_is_named_by_field_and_both_values() {
    let found =
        after("UPDATE page SET body = (SELECT body FROM page WHERE seq = 3) WHERE seq = 4").await;
    let one = found.iter().find(|one| one.version == Some(4)).unwrap();
    assert!(one.patient.is_some());
    let value = one
        .parts
        .iter()
        .find(|part| part.part.ends_with("valueQuantity.value"));
    let value = value.unwrap_or_else(|| panic!("{:?}", one.parts));
    assert_eq!(
        (value.sealed.as_str(), value.found.as_str()),
        ("140", "139")
    );
    assert!(!one.found.is_empty(), "the forgery is evidence");
}

#[tokio::test]
async fn a_row_rolled_back_to_an_older_valid_version_is_named() {
    let found = after("UPDATE version SET next = 0 WHERE seq = 2 AND next <> 0").await;
    assert_eq!(found[0].version, Some(2));
    let standing = &found[0].parts[0];
    assert!(standing.part.ends_with("standing"), "{standing:?}");
    assert_eq!(standing.sealed, "replaced by event 3");
    assert_eq!(standing.found, "the current version");
}

#[tokio::test]
async fn a_reads_way_to_a_resource_a_row_and_a_bed_are_held_against_the_record() {
    let found = after("DELETE FROM head").await;
    assert!(found[0].parts[0].part.ends_with("by name"), "{found:?}");
    let found = after("DELETE FROM version WHERE seq = 4").await;
    assert!(
        found
            .iter()
            .any(|one| one.parts[0].found == "nothing: deleted")
    );
    let found = after("UPDATE stay SET people = '[]'").await;
    assert_eq!(found[0].parts[0].part, "chart: table stay");
    let found = after("UPDATE version SET patient = 0 WHERE seq = 3").await;
    assert!(found[0].parts[0].part.ends_with("patient"));
    let found = after("DELETE FROM name").await;
    assert_eq!(found[0].parts[0].part, "chart: table name");
}
