//! Objects beside the log: under the key of whom they are about, held against their hashes, carried
//! by backups, erased with the rest; of an instance only the first counts.

use std::fs;
use std::path::{Path, PathBuf};

use event::{Act, Actor, Body, Event, Image, Subject};
use guard::{Admitted, Standing, admit};
use record::{Error, Place, Record, Sealed, Wanted, backup, copy_keys, restore, restore_keys};

use crate::erasing::erase;
use crate::house::{config, data, fill, open, verified};

fn claim(patient: &str, instance: &str) -> Event {
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

async fn sealed(record: &Record, of: (&str, &str), bytes: &[u8]) -> Sealed {
    let event = kept(record, of, bytes).await;
    let receipts = record.admit(vec![event]).await.unwrap();
    record.get(receipts[0].index).await.unwrap()
}

fn files(folder: &Path) -> Vec<PathBuf> {
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
