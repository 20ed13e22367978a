use super::*;

fn settings() -> Settings {
    Settings {
        rejected_each_ms: 60_000,
        rejected_sources_max: 3,
        ..Settings::default()
    }
}

fn away(sort: Attempted) -> TurnedAway {
    TurnedAway {
        sort,
        named: None,
        why: "unknown".into(),
    }
}

fn at(millis: i64) -> Time {
    Time::from_millis(millis)
}

/// As (source, count).
fn told(rejected: &[Rejected]) -> Vec<(&str, u64)> {
    rejected
        .iter()
        .map(|one| (one.source.as_str(), one.count))
        .collect()
}

#[test]
fn the_first_is_sealed_at_once_and_the_others_as_a_count() {
    let (rejections, settings) = (Rejections::default(), settings());
    let note =
        |millis: i64| rejections.note("10.0.0.7", away(Attempted::Token), (at(millis), &settings));
    assert_eq!(told(&note(0)), [("10.0.0.7", 1)]);
    for millis in 1..1_000 {
        assert!(note(millis).is_empty());
    }
    assert!(rejections.due(at(59_999), 60_000).is_empty());
    let counted = rejections.due(at(60_000), 60_000);
    assert_eq!(told(&counted), [("10.0.0.7", 999)]);
    // A minute later it begins anew.
    assert_eq!(told(&note(60_001)), [("10.0.0.7", 1)]);
}

#[test]
fn a_flood_of_addresses_grows_the_record_no_faster() {
    let (rejections, settings) = (Rejections::default(), settings());
    let mut sealed = 0;
    for address in 0..10_000 {
        let source = format!("10.0.{}.{}", address / 256, address % 256);
        let now = at(i64::from(address));
        let out = rejections.note(&source, away(Attempted::Proof), (now, &settings));
        sealed += out.len();
    }
    assert_eq!(sealed, 4, "three sources and all others as one");
    let counted = rejections.due(at(70_000), 60_000);
    assert_eq!(told(&counted), [(OTHERS, 9_996)]);
}

#[test]
fn what_was_counted_is_sealed_at_the_end() {
    let (rejections, settings) = (Rejections::default(), settings());
    for millis in 0..3 {
        rejections.note("::1", away(Attempted::Form), (at(millis), &settings));
    }
    assert_eq!(told(&rejections.due(at(5), i64::MIN)), [("::1", 2)]);
    assert!(rejections.due(at(5), i64::MIN).is_empty());
}

#[test]
fn a_secret_typed_as_a_name_is_not_kept() {
    assert_eq!(kept("growth"), "growth");
    assert_eq!(kept("Hunter2 is mine!"), "(not a name)");
}
