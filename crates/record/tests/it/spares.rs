//! Keys that were made beforehand: a patient has one at once, and it is theirs whatever happens next.

use std::fs;
use std::path::Path;

use record::{Config, Record, copy_keys, restore_keys};

use crate::erasing::{erase, files, keyring_of};
use crate::house::{NOON, StillClock, config, data, message, open, verified};

const STREAMS: &str = "SELECT stream FROM stream";
const SPARES: &str = "SELECT stream FROM spare";

/// One message of each of these patients.
async fn send(record: &Record, patients: std::ops::Range<u32>) {
    for number in patients {
        let one = message(
            &format!("m{number}"),
            &format!("p{number}"),
            &format!("content of {number}"),
        );
        record.admit(vec![one]).await.unwrap();
    }
}

/// The data folder as a power failure would leave it.
fn image(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let there = to.join(entry.file_name());
        match entry.path().is_dir() {
            true => image(&entry.path(), &there),
            false => drop(fs::copy(entry.path(), there).unwrap()),
        }
    }
}

/// Whether each patient's message can be read.
async fn readable(record: &Record, patients: u32) -> bool {
    let sealed = record.read(0, 10_000).await.unwrap();
    let said: Vec<&[u8]> = sealed
        .iter()
        .map(|one| one.event().raw.as_slice())
        .collect();
    (0..patients).all(|number| said.contains(&format!("content of {number}").as_bytes()))
}

#[tokio::test]
async fn a_patient_s_key_is_not_waited_for_and_is_written_down_before_anything_is_published() {
    let folder = tempfile::tempdir().unwrap();
    let record = open(folder.path()).await;
    let before = keyring_of(folder.path(), STREAMS).await;
    send(&record, 0..5).await;
    assert_eq!(
        keyring_of(folder.path(), STREAMS).await,
        before,
        "nothing was written for them"
    );
    assert!(readable(&record, 5).await);
    record.publish().await.unwrap();
    assert_eq!(
        keyring_of(folder.path(), STREAMS).await.len(),
        before.len() + 5
    );
    let spares = keyring_of(folder.path(), SPARES).await;
    assert_eq!(spares.len(), 251);
    record.stop().await;
    drop(record);
    assert!(keyring_of(folder.path(), SPARES).await.is_empty());
    assert_eq!(verified(folder.path()).await.alterations, []);
}

#[tokio::test]
async fn after_a_power_failure_each_patient_has_the_key_that_was_given() {
    let folder = tempfile::tempdir().unwrap();
    let record = open(folder.path()).await;
    send(&record, 0..3).await;
    record.publish().await.unwrap();
    send(&record, 3..9).await;
    let failed = tempfile::tempdir().unwrap();
    image(&data(folder.path()), &data(failed.path()));
    let spares = keyring_of(failed.path(), SPARES).await;
    assert_eq!(keyring_of(failed.path(), STREAMS).await.len(), 1 + 3);
    // Beside a server that has not written it down yet, nothing is missing either.
    assert_eq!(verified(failed.path()).await.alterations, []);

    let again = open(failed.path()).await;
    assert!(readable(&again, 9).await);
    assert_eq!(keyring_of(failed.path(), STREAMS).await.len(), 1 + 9);
    // What nobody was given goes to nobody.
    let left = keyring_of(failed.path(), SPARES).await;
    assert!(left.iter().all(|name| !spares.contains(name)));
    // The next event of a patient is under the same key, and both go with it.
    again
        .admit(vec![message("more", "p7", "more")])
        .await
        .unwrap();
    again.publish().await.unwrap();
    assert_eq!(keyring_of(failed.path(), STREAMS).await.len(), 1 + 9);
    let done = erase(&again, "p7").await.unwrap();
    assert_eq!(done.events, 2);
    again.stop().await;
    drop(again);
    let report = verified(failed.path()).await;
    assert_eq!((report.erased, report.alterations), (2, vec![]));
}

#[tokio::test]
async fn who_was_just_given_a_key_is_erased_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let record = open(folder.path()).await;
    send(&record, 0..2).await;
    record.publish().await.unwrap();
    let wrapped = keyring_of(folder.path(), "SELECT wrapped FROM spare").await;
    send(&record, 2..4).await;
    assert_eq!(erase(&record, "p3").await.unwrap().events, 1);
    let left = keyring_of(folder.path(), "SELECT wrapped FROM spare").await;
    let gone: Vec<_> = wrapped.iter().filter(|key| !left.contains(key)).collect();
    assert_eq!(
        gone.len(),
        2,
        "that of p2 is wrapped again, that of p3 is nowhere"
    );
    for path in files(&data(folder.path())) {
        let bytes = fs::read(&path).unwrap();
        let holds = |key: &&Vec<u8>| bytes.windows(key.len()).any(|part| part == key.as_slice());
        assert!(
            !gone.iter().any(holds),
            "a key is still in {}",
            path.display()
        );
    }
    record
        .admit(vec![message("late", "p3", "late")])
        .await
        .unwrap();
    record.publish().await.unwrap();
    let report = verified(folder.path()).await;
    assert_eq!((report.erased, report.alterations), (1, vec![]));
}

#[tokio::test]
async fn a_copy_of_the_keys_opens_what_was_sealed_and_nothing_of_who_comes_later() {
    let folder = tempfile::tempdir().unwrap();
    let record = open(folder.path()).await;
    send(&record, 0..3).await;
    record.publish().await.unwrap();
    send(&record, 3..6).await;
    let copies = folder.path().join("copies");
    let copied = copy_keys(&config(folder.path()), &copies, 3).await.unwrap();
    // Nothing was written down in the server's own file for that.
    assert_eq!(keyring_of(folder.path(), STREAMS).await.len(), 1 + 3);
    send(&record, 6..8).await;
    record.publish().await.unwrap();
    let later = tempfile::tempdir().unwrap();
    image(&data(folder.path()), &data(later.path()));
    for name in ["keyring.db", "keyring.db-wal", "keyring.db-shm"] {
        let _ = fs::remove_file(data(later.path()).join(name));
    }
    let restored: Config = config(later.path());
    restore_keys(&restored, &copied.path, &[]).unwrap();
    assert!(keyring_of(later.path(), SPARES).await.is_empty());
    assert_eq!(keyring_of(later.path(), STREAMS).await.len(), 1 + 6);
    let again = Record::open(restored, StillClock::at(NOON)).await.unwrap();
    assert!(readable(&again, 6).await && !readable(&again, 7).await);
}

#[tokio::test]
async fn a_rotation_wraps_them_too() {
    let folder = tempfile::tempdir().unwrap();
    let record = open(folder.path()).await;
    send(&record, 0..3).await;
    let done = record.rotate_keys().await.unwrap();
    assert_eq!((done.generation, done.keys), (2, 4));
    let generations = "SELECT CAST(generation AS BLOB) FROM spare WHERE generation <> 2";
    assert!(keyring_of(folder.path(), generations).await.is_empty());
    send(&record, 3..6).await;
    let failed = tempfile::tempdir().unwrap();
    image(&data(folder.path()), &data(failed.path()));
    let again = open(failed.path()).await;
    assert!(readable(&again, 6).await);
    assert_eq!(again.keys().await.unwrap().generations.len(), 1);
}

#[tokio::test]
async fn without_any_each_key_is_made_when_it_is_wanted() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(folder.path());
    config.keys_spare_max = 0;
    let record = Record::open(config, StillClock::at(NOON)).await.unwrap();
    send(&record, 0..3).await;
    assert_eq!(keyring_of(folder.path(), STREAMS).await.len(), 1 + 3);
    assert!(keyring_of(folder.path(), SPARES).await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn however_many_write_at_once_a_patient_has_one_stream() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(folder.path());
    config.keys_spare_max = 4;
    config.keys_cached_max = std::num::NonZeroUsize::MIN;
    let record = Record::open(config, StillClock::at(NOON)).await.unwrap();
    let mut senders = tokio::task::JoinSet::new();
    for sender in 0..8 {
        let record = record.clone();
        senders.spawn(async move {
            for number in 0..60 {
                let one = message(
                    &format!("m{sender}.{number}"),
                    &format!("p{number}"),
                    &format!("content of {number}"),
                );
                record.admit(vec![one]).await.unwrap();
            }
        });
    }
    senders.join_all().await;
    assert!(readable(&record, 60).await);
    let failed = tempfile::tempdir().unwrap();
    image(&data(folder.path()), &data(failed.path()));
    let again = open(failed.path()).await;
    for record in [record, again] {
        assert_eq!(record.keys().await.unwrap().keys, 61);
        assert_eq!(erase(&record, "p9").await.unwrap().events, 8);
        record.stop().await;
    }
    assert_eq!(verified(folder.path()).await.alterations, []);
    assert_eq!(verified(failed.path()).await.alterations, []);
}
