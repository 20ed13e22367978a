use std::path::PathBuf;

use tempfile::TempDir;

use super::*;
use crate::ask::Which;
use crate::batch::tests::{message, unread};

pub(crate) const HOUR: i64 = 3_600_000;

pub(crate) fn at(millis: i64) -> Time {
    Time::from_millis(millis)
}

pub(crate) fn path(folder: &TempDir) -> PathBuf {
    folder.path().join("views/flow.db")
}

/// Events with indices from `first` on, one second apart, in batches of `size`.
pub(crate) async fn take(flow: &Flow, first: u64, (events, size): (&[Event], usize)) {
    let sealed: Vec<(u64, Time, &Event)> = (first..)
        .zip(events)
        .map(|(index, event)| (index, at(index as i64 * 1_000), event))
        .collect();
    for batch in sealed.chunks(size) {
        let next = batch[batch.len() - 1].0 + 1;
        flow.take(batch, next).await.unwrap();
    }
}

pub(crate) fn page(before: Option<u64>, rows: usize) -> Page {
    Page { before, rows }
}

pub(crate) async fn indices(flow: &Flow, filter: Filter) -> Vec<u64> {
    let listing = flow.messages(&filter, page(None, 100)).await.unwrap();
    listing.rows.iter().map(|row| row.index).collect()
}

fn only(which: Which) -> Filter {
    Filter {
        which,
        ..Filter::default()
    }
}

fn mixed() -> Vec<Event> {
    let mut odd = message("lab", "ORU^R01", "3");
    if let Body::Message(message) = &mut odd.body {
        message.complaints.push("OBX-3 is empty".into());
    }
    vec![
        message("lab", "ORU^R01", "1"),
        message("lab", "SIU^S12", "2"),
        odd,
        message("adt", "ADT^A01", "1"),
        unread("lab", "there is no `MSH` segment"),
        message("lab", "ORU^R01", "2"),
        message("lab", "SIU^S12", ""),
        message("lab", "SIU^S12", ""),
    ]
}

#[tokio::test]
async fn every_list_shows_what_belongs_on_it() {
    let folder = tempfile::tempdir().unwrap();
    let flow = Flow::open(&path(&folder)).await.unwrap();
    take(&flow, 10, (&mixed(), 100)).await;
    assert_eq!(
        indices(&flow, Filter::default()).await,
        [17, 16, 15, 13, 12, 11, 10]
    );
    assert_eq!(indices(&flow, only(Which::Kept)).await, [17, 16, 11]);
    assert_eq!(indices(&flow, only(Which::Odd)).await, [12]);
    assert_eq!(indices(&flow, only(Which::Reused)).await, [15]);
    let of = |feed: &str, kind: &str| Filter {
        feed: Some(feed.into()),
        kind: Some(kind.into()),
        which: Which::All,
    };
    assert_eq!(indices(&flow, of("lab", "ORU^R01")).await, [15, 12, 10]);
    assert!(indices(&flow, of("pacs", "ORU^R01")).await.is_empty());
    let quarantined = flow.quarantined(Some("lab"), page(None, 10)).await.unwrap();
    let row = &quarantined.rows[0];
    assert_eq!((row.index, row.size, row.at), (14, 7, at(14_000)));
    assert_eq!(row.reason, "there is no `MSH` segment");
    assert_eq!(quarantined.next, None);
    let kept = flow.kept().await.unwrap();
    assert_eq!(kept.len(), 1);
    assert_eq!(
        (kept[0].kind.as_str(), kept[0].messages, kept[0].last),
        ("SIU^S12", 3, 17)
    );
    let row = flow.message(12).await.unwrap().unwrap();
    assert_eq!(
        (row.control.as_str(), row.complaints, row.mapped),
        ("3", 1, true)
    );
    assert_eq!(flow.message(14).await.unwrap(), None);
}

#[tokio::test]
async fn a_feed_is_counted_by_minute_and_hour() {
    let folder = tempfile::tempdir().unwrap();
    let flow = Flow::open(&path(&folder)).await.unwrap();
    take(&flow, 10, (&mixed(), 3)).await;
    let now = at(61_000);
    let feeds = flow.feeds(now).await.unwrap();
    let names: Vec<&str> = feeds.iter().map(|feed| feed.name.as_str()).collect();
    assert_eq!(names, ["adt", "lab"]);
    let lab = &feeds[1];
    assert_eq!((lab.last, lab.age_ms), (at(17_000), 44_000));
    let total = lab.total;
    assert_eq!((total.messages, total.kept, total.reused), (6, 3, 1));
    assert_eq!((total.odd, total.unread, total.bytes), (1, 1, 61));
    assert_eq!((lab.minutes.len(), lab.hours.len()), (60, 24));
    assert_eq!((lab.minutes[58].messages, lab.minutes[58].unread), (6, 1));
    assert_eq!(
        (lab.minutes[59].messages, lab.minutes[59].start),
        (0, at(60_000))
    );
    assert_eq!((lab.hours[23].messages, lab.hours[23].unread), (6, 1));
    assert!((lab.per_minute() - 1.2).abs() < 1e-9);
    let later = flow.feeds(at(25 * HOUR)).await.unwrap();
    assert!(later[1].hours.iter().all(|hour| hour.messages == 0));
    assert_eq!(later[1].total.messages, 6);
}

#[tokio::test]
async fn pages_stay_as_they_are_while_messages_arrive() {
    let folder = tempfile::tempdir().unwrap();
    let flow = Flow::open(&path(&folder)).await.unwrap();
    let events: Vec<Event> = (0..25)
        .map(|n| message("lab", "ORU^R01", &n.to_string()))
        .collect();
    take(&flow, 0, (&events, 10)).await;
    let filter = Filter::default();
    let first = flow.messages(&filter, page(None, 10)).await.unwrap();
    take(&flow, 25, (&events, 10)).await;
    let second = flow.messages(&filter, page(first.next, 10)).await.unwrap();
    let third = flow.messages(&filter, page(second.next, 10)).await.unwrap();
    let seen: Vec<u64> = [&first, &second, &third]
        .iter()
        .flat_map(|listing| listing.rows.iter().map(|row| row.index))
        .collect();
    assert_eq!(seen, (0..25).rev().collect::<Vec<u64>>());
    assert_eq!(third.next, None);
}

#[tokio::test]
async fn a_restart_forgets_nothing_and_a_second_fold_counts_nothing_twice() {
    let folder = tempfile::tempdir().unwrap();
    let flow = Flow::open(&path(&folder)).await.unwrap();
    take(&flow, 0, (&mixed(), 100)).await;
    let before = flow.feeds(at(0)).await.unwrap();
    take(&flow, 0, (&mixed(), 100)).await;
    flow.close().await;
    let flow = Flow::open(&path(&folder)).await.unwrap();
    assert_eq!(flow.folded(), 8);
    assert_eq!(flow.feeds(at(0)).await.unwrap(), before);
    take(&flow, 8, (&[message("lab", "ORU^R01", "1")], 1)).await;
    assert_eq!(indices(&flow, only(Which::Reused)).await, [8, 5]);
}

#[tokio::test]
async fn the_size_of_a_batch_changes_nothing() {
    let events: Vec<Event> = (0..400)
        .map(|n| message("lab", "SIU^S12", &(n * 7 % 90).to_string()))
        .collect();
    let limits = Limits {
        messages_kept_max: 120,
        controls_kept_min: 40,
        ..Limits::default()
    };
    let mut seen = Vec::new();
    for size in [1, 7, 400] {
        let folder = tempfile::tempdir().unwrap();
        let flow = Flow::open_with(&path(&folder), limits.clone())
            .await
            .unwrap();
        take(&flow, 0, (&events, size)).await;
        let listing = flow
            .messages(&Filter::default(), page(None, 500))
            .await
            .unwrap();
        assert_eq!(listing.rows.len(), 120);
        seen.push((
            listing,
            flow.feeds(at(400_000)).await.unwrap(),
            flow.kept().await.unwrap(),
        ));
    }
    assert_eq!(seen[0], seen[1]);
    assert_eq!(seen[0], seen[2]);
}

#[tokio::test]
async fn old_message_ids_are_forgotten_and_swept_out() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits {
        controls_kept_min: 10,
        ..Limits::default()
    };
    let flow = Flow::open_with(&path(&folder), limits).await.unwrap();
    let mut events: Vec<Event> = (0..10)
        .map(|n| message("lab", "ORU^R01", &n.to_string()))
        .collect();
    events.push(message("lab", "ORU^R01", "0"));
    events.extend((100..180).map(|n| message("lab", "ORU^R01", &n.to_string())));
    events.push(message("lab", "ORU^R01", "0"));
    take(&flow, 0, (&events, 5)).await;
    assert_eq!(indices(&flow, only(Which::Reused)).await, [10]);
    let left: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM control")
        .fetch_one(&flow.inner.pool)
        .await
        .unwrap();
    assert!(left <= 30, "{left} ids are left");
}

#[tokio::test]
async fn only_so_many_rows_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits {
        messages_kept_max: 2,
        unread_kept_max: 0,
        page_rows_max: 1,
        ..Limits::default()
    };
    let flow = Flow::open_with(&path(&folder), limits).await.unwrap();
    take(&flow, 0, (&mixed(), 3)).await;
    let first = flow
        .messages(&Filter::default(), page(None, 50))
        .await
        .unwrap();
    assert_eq!(
        (first.rows.len(), first.rows[0].index, first.next),
        (1, 7, Some(7))
    );
    let second = flow
        .messages(&Filter::default(), page(first.next, 50))
        .await
        .unwrap();
    assert_eq!(second.rows[0].index, 6);
    let third = flow
        .messages(&Filter::default(), page(second.next, 50))
        .await
        .unwrap();
    assert!(third.rows.is_empty());
    assert!(
        flow.quarantined(None, page(None, 5))
            .await
            .unwrap()
            .rows
            .is_empty()
    );
}

#[tokio::test]
async fn nothing_of_a_patient_is_in_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let flow = Flow::open(&path(&folder)).await.unwrap();
    let raw = b"MSH|^~\\&|\rPID|1||4711||Nightingale^Florence".to_vec();
    let event = message("lab", "ADT^A01", "1").with_raw(raw);
    take(&flow, 0, (&[event], 1)).await;
    flow.close().await;
    let bytes = std::fs::read(path(&folder)).unwrap();
    assert!(bytes.windows(7).any(|part| part == b"ADT^A01"));
    assert!(!bytes.windows(11).any(|part| part == b"Nightingale"));
    assert!(!bytes.windows(4).any(|part| part == b"4711"));
}

fn erased(events: Vec<(u64, u64)>) -> Event {
    let body = Body::Erased(event::Erased {
        reason: "retention period is over".into(),
        streams: Vec::new(),
        patients: Vec::new(),
        events,
    });
    let subject = event::Subject::Record;
    Event::new(event::Actor::salus(), event::Act::Erase, subject, body)
}

#[tokio::test]
async fn messages_of_an_erased_patient_leave_the_list_and_their_ids_are_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let flow = Flow::open(&path(&folder)).await.unwrap();
    let control = "zyxwolff-4711";
    take(&flow, 0, (&[message("lab", "ORU^R01", control)], 1)).await;
    take(&flow, 1, (&mixed(), 100)).await;
    let messages = flow.feeds(at(0)).await.unwrap()[1].total.messages;
    take(&flow, 9, (&[erased(vec![(0, 1)])], 1)).await;
    flow.reader().tidy().await.unwrap();
    let left = indices(&flow, Filter::default()).await;
    assert_eq!(left, [8, 7, 6, 4, 3, 2]);
    assert_eq!(flow.feeds(at(0)).await.unwrap()[1].total.messages, messages);
    for end in ["", "-wal"] {
        let bytes = std::fs::read(format!("{}{end}", path(&folder).display())).unwrap_or_default();
        let found = bytes
            .windows(control.len())
            .any(|part| part == control.as_bytes());
        assert!(!found, "flow.db{end}");
    }
    // The id is as good as new.
    take(&flow, 10, (&[message("lab", "ORU^R01", control)], 1)).await;
    let only = only(Which::Reused);
    assert!(!indices(&flow, only).await.contains(&10));
}

fn step(id: &str, step: event::ImportStep) -> Event {
    let body = Body::Import(event::Import {
        import: id.into(),
        step,
    });
    let actor = event::Actor::feed("moves");
    Event::new(actor, event::Act::Send, event::Subject::Record, body)
}

#[tokio::test]
async fn an_import_is_as_far_as_its_steps_say_however_they_are_folded() {
    let took = |lines, refused| event::ImportStep::Took {
        input: 1,
        after: 0,
        lines,
        digest: format!("{lines}"),
        accepted: 10,
        refused,
        ends: lines == 30,
    };
    let begun = event::ImportStep::Begun {
        source: "x".into(),
        scopes: Vec::new(),
        inputs: vec![
            event::ImportInput {
                kind: "Patient".into(),
                url: "https://files.hospital/p".into(),
            };
            2
        ],
    };
    let ended = |how| event::ImportStep::Ended {
        how,
        why: String::new(),
    };
    let events = [
        step("a", begun.clone()),
        step("b", begun),
        step("a", took(10, 0)),
        step("a", took(21, 2)),
        step("b", ended(event::ImportEnd::Cancelled)),
        step("a", took(30, 1)),
        step("b", ended(event::ImportEnd::Failed)),
        step("c", took(10, 1)),
    ];
    for size in [1, 3, 8] {
        let folder = tempfile::tempdir().unwrap();
        let flow = Flow::open(&path(&folder)).await.unwrap();
        take(&flow, 0, (&events, size)).await;
        let going = flow.imports(Imports::Going).await.unwrap();
        let [a] = going.as_slice() else {
            panic!("{going:?}");
        };
        assert_eq!((a.id.as_str(), a.begun, a.counts()), ("a", 0, (30, 3)));
        assert_eq!((a.inputs[0].lines, a.inputs[0].done), (0, false));
        assert_eq!((a.inputs[1].lines, a.inputs[1].done), (30, true));
        assert_eq!(a.inputs[1].digest, "30");
        assert_eq!(flow.refusals("a", 1).await.unwrap(), [3, 5]);
        assert_eq!(a.last, at(5_000));
        let b = flow.import("b").await.unwrap().unwrap();
        assert_eq!(b.ended, Some(event::ImportEnd::Cancelled));
        assert!(flow.import("c").await.unwrap().is_none());
    }
}
