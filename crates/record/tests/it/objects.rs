//! Objects beside the log: under the key of whom they are about, held against their hashes, carried
//! by backups, erased with the rest; of an instance only the first counts.

use std::fs;
use std::path::{Path, PathBuf};

use event::{Act, Actor, Altered, Body, Event, Image, Subject};
use guard::{Admitted, Standing, admit};
use record::{Error, Place, Record, Sealed, Wanted, backup, copy_keys, restore, restore_keys};

use crate::erasing::erase;
use crate::house::{NOON, StillClock, config, data, fill, open, verified};

pub(crate) const DAY: i64 = 24 * 60 * 60 * 1_000;

pub(crate) fn claim(patient: &str, instance: &str) -> Event {
    let body = Body::Image(Image {
        feed: "ct1".into(),
        instance: instance.into(),
        ..Image::default()
    });
    let subject = Subject::Patient(patient.into());
    Event::new(Actor::feed("ct1"), Act::Send, subject, body)
}

async fn kept(record: &Record, (patient, instance): (&str, &str), bytes: &[u8]) -> Admitted {
    let mut claim = claim(patient, instance);
    let whole = record.keep(&claim, bytes.to_vec()).await.unwrap();
    if let Body::Image(image) = &mut claim.body {
        image.whole = whole;
    }
    admit(claim.into(), Standing::Salus, "").unwrap()
}

pub(crate) async fn sealed(record: &Record, of: (&str, &str), bytes: &[u8]) -> Sealed {
    let event = kept(record, of, bytes).await;
    let receipts = record.admit(vec![event]).await.unwrap();
    record.get(receipts[0].index).await.unwrap()
}

pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let days = fs::read_dir(data(folder).join("vault/object")).unwrap();
    let files = days.flat_map(|day| fs::read_dir(day.unwrap().path()).unwrap());
    files.map(|file| file.unwrap().path()).collect()
}

#[tokio::test]
async fn an_object_comes_back_as_it_was_and_lies_there_encrypted() {
    let folder = tempfile::tempdir().unwrap();
    let record = open(folder.path()).await;
    let image = sealed(&record, ("p1", "1.2.3"), b"a slice of a head").await;
    assert_eq!(record.object(&image).await.unwrap(), b"a slice of a head");
    let files = files(folder.path());
    let lying = fs::read(&files[0]).unwrap();
    assert!(!lying.windows(5).any(|part| part == b"slice"));
    let found = record.instance("1.2.3").await.unwrap().unwrap();
    assert_eq!(found.index(), image.index());
    assert!(record.instance("1.2.4").await.unwrap().is_none());
    record.stop().await;
}

#[tokio::test]
async fn an_object_that_was_altered_is_not_given_out_and_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let record = open(folder.path()).await;
    let image = sealed(&record, ("p1", "1.2.3"), b"a slice of a head").await;
    record.publish().await.unwrap();
    assert_eq!(verified(folder.path()).await.alterations, []);
    let file = files(folder.path()).remove(0);
    let mut bytes = fs::read(&file).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&file, bytes).unwrap();
    let why = record.object(&image).await.unwrap_err().to_string();
    assert!(why.contains("was altered"), "{why}");
    let found = verified(folder.path()).await.alterations;
    let name = file.file_name().unwrap().to_str().unwrap();
    assert_eq!(found.len(), 1);
    assert!(found[0].field.ends_with(name) && found[0].expected == name);
    assert_eq!(found[0].index, Some(image.index()));
    assert_eq!(found[0].owner.as_deref(), Some("patient/p1"));
    fs::remove_file(&file).unwrap();
    let why = record.object(&image).await.unwrap_err().to_string();
    assert!(why.contains("is missing"), "{why}");
    record.stop().await;
}

#[tokio::test]
async fn of_an_instance_the_first_counts_also_after_sql_was_lost() {
    let folder = tempfile::tempdir().unwrap();
    let record = open(folder.path()).await;
    let first = sealed(&record, ("p1", "1.2.3"), b"one").await.index();
    record.stop().await;
    drop(record);
    for name in ["journal.db", "journal.db-wal", "journal.db-shm"] {
        let _ = fs::remove_file(data(folder.path()).join(name));
    }
    let record = open(folder.path()).await;
    let again = kept(&record, ("p2", "1.2.3"), b"other").await;
    let why = record.admit(vec![again]).await.unwrap_err();
    assert!(matches!(why, Error::Conflict { .. }), "{why}");
    let found = record.instance("1.2.3").await.unwrap().unwrap();
    assert_eq!(found.index(), first);
    assert_eq!(record.object(&found).await.unwrap(), b"one");
    record.stop().await;
}

#[tokio::test]
async fn an_event_names_only_what_is_under_its_own_key() {
    let folder = tempfile::tempdir().unwrap();
    let record = open(folder.path()).await;
    let whole = record
        .keep(&claim("p1", "1.2.3"), b"one".to_vec())
        .await
        .unwrap();
    let mut other = claim("p2", "1.2.3");
    if let Body::Image(image) = &mut other.body {
        image.whole = whole;
    }
    let event = admit(other.into(), Standing::Salus, "").unwrap();
    assert!(matches!(
        record.admit(vec![event]).await,
        Err(Error::Broken { .. })
    ));
    record.stop().await;
}

#[tokio::test]
async fn who_is_erased_has_no_objects_any_more() {
    let folder = tempfile::tempdir().unwrap();
    let record = open(folder.path()).await;
    let gone = sealed(&record, ("p1", "1.2.3"), b"one").await;
    let left = sealed(&record, ("p2", "1.2.4"), b"two").await;
    erase(&record, "p1").await.unwrap();
    let why = record.object(&gone).await.unwrap_err();
    assert!(matches!(why, Error::Erased(_)), "{why}");
    assert_eq!(record.object(&left).await.unwrap(), b"two");
    // The instance may come again, under the new key.
    let again = sealed(&record, ("p1", "1.2.3"), b"one").await;
    assert_eq!(record.object(&again).await.unwrap(), b"one");
    record.publish().await.unwrap();
    assert_eq!(verified(folder.path()).await.alterations, []);
    record.stop().await;
}

#[tokio::test]
async fn a_backup_carries_objects_each_once() {
    let (folder, disk) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let place = Place::Folder(disk.path().to_owned());
    let own = config(folder.path());
    let record = open(folder.path()).await;
    let first = sealed(&record, ("p1", "1.2.3"), b"one").await;
    record.publish().await.unwrap();
    let made = backup(&own, &place, &[], |_, _| {}).await.unwrap();
    assert_eq!(made.objects, 3);
    let second = sealed(&record, ("p1", "1.2.4"), b"two").await;
    fill(&record, 0, 10).await;
    record.publish().await.unwrap();
    let made = backup(&own, &place, &[], |_, _| {}).await.unwrap();
    assert_eq!(made.objects, 3);
    record.stop().await;

    let to = tempfile::tempdir().unwrap();
    let copied = copy_keys(&own, &to.path().join("copies"), 3).await.unwrap();
    let fresh = config(to.path());
    fs::create_dir_all(fresh.data.join("keys")).unwrap();
    fs::copy(
        data(folder.path()).join("keys/root.key"),
        fresh.data.join("keys/root.key"),
    )
    .unwrap();
    restore_keys(&fresh, &copied.path, &[]).unwrap();
    restore(&place, &fresh, &Wanted::Furthest, |_, _| {})
        .await
        .unwrap();
    let record = open(to.path()).await;
    for (image, bytes) in [(first, b"one"), (second, b"two")] {
        let image = record.get(image.index()).await.unwrap();
        assert_eq!(record.object(&image).await.unwrap(), bytes);
    }
    record.stop().await;
    assert_eq!(verified(to.path()).await.alterations, []);
}

/// The alterations that the record sealed, with whose they are.
pub(crate) async fn told(record: &Record) -> Vec<(Subject, Altered)> {
    let events = record.read(0, 1_000).await.unwrap().into_iter();
    let told = events.filter_map(|one| match &one.event().body {
        Body::Alteration(altered) => Some((one.event().subject.clone(), altered.clone())),
        _ => None,
    });
    told.collect()
}

#[tokio::test]
async fn an_object_that_is_missing_shorter_or_other_is_told_of_its_patient_once() {
    let folder = tempfile::tempdir().unwrap();
    let record = open(folder.path()).await;
    let images = [
        sealed(&record, ("p1", "1.2.3"), b"a slice of a head").await,
        sealed(&record, ("p2", "1.2.4"), b"a slice of a knee").await,
        sealed(&record, ("p3", "1.2.5"), b"a slice of a foot").await,
    ];
    record.publish().await.unwrap();
    let well = record.scrub().await.unwrap();
    assert_eq!((well.objects, well.altered), (3, 0));
    let place = |image: &Sealed| match &image.event().body {
        Body::Image(image) => data(folder.path()).join("vault").join(&image.whole.path),
        _ => unreachable!(),
    };
    let [missing, shorter, other] = [0, 1, 2].map(|at| place(&images[at]));
    fs::remove_file(&missing).unwrap();
    let bytes = fs::read(&shorter).unwrap();
    fs::write(&shorter, &bytes[..bytes.len() - 1]).unwrap();
    fs::write(&other, b"a forgery").unwrap();
    let found = record.scrub().await.unwrap();
    assert_eq!((found.altered, found.healed), (3, 0));
    record.scrub().await.unwrap();
    let told = told(&record).await;
    assert_eq!(told.len(), 3, "each is told once: {told:?}");
    for (at, (subject, altered)) in told.iter().enumerate() {
        assert_eq!(altered.index, Some(images[at].index()));
        assert_eq!(*subject, images[at].event().subject);
        assert_eq!(altered.healed_from, None);
    }
    assert_eq!(told[0].1.parts[0].found, "nothing");
    let report = verified(folder.path()).await;
    let named: Vec<_> = report.alterations.iter().map(|one| one.index).collect();
    assert_eq!(named, images.each_ref().map(|image| Some(image.index())));
    assert_eq!((report.objects, report.unnamed), (3, 0));
    record.stop().await;
}

#[tokio::test]
async fn an_object_is_put_right_from_a_second_place_only_with_the_right_bytes() {
    let (folder, disk) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut own = config(folder.path());
    own.objects_second = Some(Place::Folder(disk.path().to_owned()));
    let record = Record::open(own.clone(), StillClock::at(NOON))
        .await
        .unwrap();
    let image = sealed(&record, ("p1", "1.2.3"), b"a slice of a head").await;
    record.publish().await.unwrap();
    let place = Place::Folder(disk.path().to_owned());
    backup(&own, &place, &[], |_, _| {}).await.unwrap();
    let file = files(folder.path()).remove(0);
    let copy = disk.path().join(
        file.strip_prefix(data(folder.path()).join("vault"))
            .unwrap(),
    );
    let good = fs::read(&file).unwrap();
    fs::write(&file, b"a forgery").unwrap();
    fs::write(&copy, b"forged there too").unwrap();
    let found = record.scrub().await.unwrap();
    assert_eq!((found.altered, found.healed), (1, 0));
    assert!(record.object(&image).await.is_err());
    fs::write(&copy, good).unwrap();
    let found = record.scrub().await.unwrap();
    assert_eq!((found.altered, found.healed), (1, 1));
    assert_eq!(record.object(&image).await.unwrap(), b"a slice of a head");
    let told = told(&record).await;
    assert_eq!(told[1].1.healed_from.as_deref(), Some("second"));
    let sealed = record.read(0, 100).await.unwrap().into_iter();
    let kept = sealed.filter(|one| one.event().raw == b"a forgery").count();
    assert_eq!(kept, 2, "what lay there is evidence");
    assert_eq!(record.scrub().await.unwrap().altered, 0);
    record.publish().await.unwrap();
    record.stop().await;
    assert_eq!(verified(folder.path()).await.alterations, []);
}

#[tokio::test]
async fn what_no_event_names_is_told_and_goes_after_some_days() {
    let folder = tempfile::tempdir().unwrap();
    let mut own = config(folder.path());
    // Names come one at a time, so that each round looks for another object.
    own.objects_names_max = 1;
    let clock = StillClock::at(NOON);
    let record = Record::open(own.clone(), clock.clone()).await.unwrap();
    let image = sealed(&record, ("p1", "1.2.3"), b"a slice of a head").await;
    for left in [b"left by a crash", b"left by another"] {
        record
            .keep(&claim("p1", "1.2.4"), left.to_vec())
            .await
            .unwrap();
    }
    let rounds = async |record: &Record| {
        let mut removed = 0;
        for _ in 0..4 {
            removed += record.scrub().await.unwrap().removed;
        }
        removed
    };
    record.publish().await.unwrap();
    let report = record::verify(&own, |_, _| {}).await.unwrap();
    assert_eq!((report.objects, report.unnamed), (1, 2));
    assert_eq!(report.alterations, []);
    assert_eq!(rounds(&record).await, 0, "they may be being sealed");
    clock.put(NOON + 9 * DAY);
    let gone = claim("p9", "1.2.9");
    record.keep(&gone, b"of another".to_vec()).await.unwrap();
    assert_eq!(
        rounds(&record).await,
        0,
        "another primary may have put them there since this one began"
    );
    fill(&record, 0, 1).await;
    record.stop().await;
    drop(record);
    let record = Record::open(own.clone(), clock.clone()).await.unwrap();
    assert_eq!(rounds(&record).await, 2);
    assert_eq!(files(folder.path()).len(), 2);
    let image = record.get(image.index()).await.unwrap();
    assert_eq!(record.object(&image).await.unwrap(), b"a slice of a head");
    let report = record::verify(&own, |_, _| {}).await.unwrap();
    assert_eq!((report.objects, report.unnamed), (1, 1));
    record.stop().await;
}

#[tokio::test]
async fn nothing_is_removed_while_an_object_is_missing_or_a_key_is_not_here() {
    let folder = tempfile::tempdir().unwrap();
    let clock = StillClock::at(NOON);
    let record = Record::open(config(folder.path()), clock.clone())
        .await
        .unwrap();
    sealed(&record, ("p1", "1.2.3"), b"one").await;
    sealed(&record, ("p2", "1.2.4"), b"two").await;
    record.publish().await.unwrap();
    clock.put(NOON + 30 * DAY);
    fill(&record, 0, 1).await;
    record.stop().await;
    drop(record);
    let record = Record::open(config(folder.path()), clock.clone())
        .await
        .unwrap();
    // Somebody moved an object to another day: no event names it there.
    let file = files(folder.path()).remove(0);
    let day = data(folder.path()).join("vault/object/2020-01-01");
    fs::create_dir(&day).unwrap();
    let moved = day.join(file.file_name().unwrap());
    fs::rename(&file, &moved).unwrap();
    let found = record.scrub().await.unwrap();
    assert_eq!((found.altered, found.removed), (1, 0));
    assert!(moved.exists());
    fs::rename(&moved, &file).unwrap();
    // The objects of whom was erased stay as bytes that nothing opens.
    erase(&record, "p1").await.unwrap();
    record.publish().await.unwrap();
    let found = record.scrub().await.unwrap();
    assert_eq!((found.altered, found.removed), (0, 0));
    assert_eq!(files(folder.path()).len(), 2);
    assert_eq!(verified(folder.path()).await.untold, 1);
    record.stop().await;
}

#[tokio::test]
async fn an_event_names_only_what_was_stored_just_now() {
    let folder = tempfile::tempdir().unwrap();
    let clock = StillClock::at(NOON);
    let record = Record::open(config(folder.path()), clock.clone())
        .await
        .unwrap();
    let late = kept(&record, ("p1", "1.2.3"), b"one").await;
    let soon = kept(&record, ("p1", "1.2.4"), b"two").await;
    clock.put(NOON + DAY);
    record.admit(vec![soon]).await.unwrap();
    clock.put(NOON + 2 * DAY);
    let why = record.admit(vec![late]).await.unwrap_err().to_string();
    assert!(why.contains("too long ago"), "{why}");
    record.stop().await;
}

#[tokio::test]
async fn without_keys_nobody_says_which_objects_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let record = open(folder.path()).await;
    sealed(&record, ("p1", "1.2.3"), b"one").await;
    record.publish().await.unwrap();
    record.stop().await;
    drop(record);
    fs::remove_file(data(folder.path()).join("keys/root.key")).unwrap();
    let report = verified(folder.path()).await;
    assert_eq!((report.objects, report.unnamed, report.untold), (0, 0, 1));
    assert_eq!(report.alterations, []);
}
