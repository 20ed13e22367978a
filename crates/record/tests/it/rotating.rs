//! Rotation: every key can be read before, during and after it, whenever it is broken off.

use record::{Config, Record};

use crate::erasing::{CutShort, files, keyring_of};
use crate::house::{NOON, StillClock, config, data, fill, open, verified};

const EVENTS: u64 = 2_100;

/// As many patients as events: more keys than one transaction wraps.
async fn filled(folder: &std::path::Path) -> Record {
    let record = open(folder).await;
    for ten in (0..EVENTS).collect::<Vec<_>>().chunks(100) {
        let events = ten.iter().map(|n| {
            crate::house::message(
                &format!("m{n}"),
                &format!("p{n}"),
                &format!("content of {n}"),
            )
        });
        record.admit(events.collect()).await.unwrap();
    }
    record
}

async fn readable(record: &Record) -> u64 {
    record.read(0, 10_000).await.unwrap().len() as u64
}

#[tokio::test]
async fn every_key_is_wrapped_again_and_the_old_one_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let record = filled(folder.path()).await;
    let before = record.keys().await.unwrap();
    assert_eq!((before.generations.len(), before.keys), (1, EVENTS + 1));
    let old = keyring_of(folder.path(), "SELECT wrapped FROM wrapping").await;
    let done = record.rotate_keys().await.unwrap();
    assert_eq!(
        (done.generation, done.keys, done.resumed),
        (2, EVENTS + 1, false)
    );
    let after = record.keys().await.unwrap();
    assert_eq!(after.generations.len(), 1);
    assert_eq!(after.generations[0].number, 2);
    assert_eq!(after.generations[0].at.map(event::Time::millis), Some(NOON));
    fill(&record, EVENTS, 10).await;
    assert_eq!(readable(&record).await, EVENTS + 11);
    record.stop().await;
    drop(record);
    for path in files(&data(folder.path())) {
        let bytes = std::fs::read(&path).unwrap();
        let found = bytes
            .windows(old[0].len())
            .any(|part| part == old[0].as_slice());
        assert!(!found, "the old key is still in {}", path.display());
    }
    assert_eq!(readable(&open(folder.path()).await).await, EVENTS + 11);
    assert_eq!(verified(folder.path()).await.alterations, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotation_that_is_broken_off_loses_nothing_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path()).await.stop().await;
    let mut halves = 0;
    for polls in (0..80).step_by(4) {
        let record = open(folder.path()).await;
        CutShort(Box::pin(record.rotate_keys()), polls).await;
        drop(record);
        let record = open(folder.path()).await;
        assert_eq!(readable(&record).await, EVENTS + 1, "{polls}");
        halves += usize::from(record.keys().await.unwrap().generations.len() > 1);
        record.stop().await;
    }
    assert!(halves > 0, "no rotation was broken off in the middle");
    let record = open(folder.path()).await;
    record.rotate_keys().await.unwrap();
    assert_eq!(record.keys().await.unwrap().generations.len(), 1);
    assert_eq!(readable(&record).await, EVENTS + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_root_that_is_broken_off_leaves_one_that_opens() {
    let folder = tempfile::tempdir().unwrap();
    let record = open(folder.path()).await;
    fill(&record, 0, 50).await;
    let id = record.blind().id("Patient", "MRN", "1");
    record.stop().await;
    drop(record);
    let key = data(folder.path()).join("keys/root.key");
    let mut changes = 0;
    for polls in (0..50).step_by(2) {
        let before = std::fs::read(&key).unwrap();
        let record = open(folder.path()).await;
        CutShort(Box::pin(record.rotate_root()), polls).await;
        drop(record);
        let record = open(folder.path()).await;
        assert_eq!(readable(&record).await, 51, "{polls}");
        // The ids made from identifiers stay the same for ever, and so do messages' tags.
        assert_eq!(record.blind().id("Patient", "MRN", "1"), id);
        let again = crate::house::message("m1", "p1", "content of 1");
        assert!(record.admit(vec![again]).await.unwrap()[0].repeated);
        record.stop().await;
        drop(record);
        assert!(!data(folder.path()).join("keys/root.key.next").exists());
        changes += usize::from(std::fs::read(&key).unwrap() != before);
    }
    assert!((1..25).contains(&changes), "{changes}");
    assert_eq!(verified(folder.path()).await.alterations, []);
}

#[tokio::test]
async fn the_old_root_opens_nothing_any_more() {
    let folder = tempfile::tempdir().unwrap();
    let record = open(folder.path()).await;
    fill(&record, 0, 5).await;
    let key = data(folder.path()).join("keys/root.key");
    let old = std::fs::read(&key).unwrap();
    record.rotate_root().await.unwrap();
    record.stop().await;
    drop(record);
    let new = std::fs::read(&key).unwrap();
    std::fs::write(&key, old).unwrap();
    let refused = Record::open(config(folder.path()), StillClock::at(NOON)).await;
    let why = refused.err().unwrap().to_string();
    assert!(why.contains("salus keys recover"), "{why}");
    std::fs::write(&key, new).unwrap();
    assert_eq!(readable(&open(folder.path()).await).await, 6);
}

#[tokio::test]
async fn keys_can_be_looked_at_without_the_root() {
    let folder = tempfile::tempdir().unwrap();
    let record = open(folder.path()).await;
    fill(&record, 0, 14).await;
    record.stop().await;
    std::fs::remove_file(data(folder.path()).join("keys/root.key")).unwrap();
    let report = record::keys(&config(folder.path())).await.unwrap();
    assert_eq!(
        (report.keys, report.escrow_at, report.in_token),
        (8, None, false)
    );
    let nowhere = Config::new(folder.path().join("none"));
    assert!(record::keys(&nowhere).await.is_err());
}

#[tokio::test]
async fn three_of_five_shares_put_the_root_back() {
    let folder = tempfile::tempdir().unwrap();
    let record = open(folder.path()).await;
    fill(&record, 0, 5).await;
    let scheme = seal::Scheme {
        shares: 5,
        needed: 3,
    };
    let stale = record.escrow(scheme).await.unwrap();
    record.rotate_root().await.unwrap();
    assert_eq!(record.keys().await.unwrap().escrow, None);
    let shares = record.escrow(scheme).await.unwrap();
    let report = record.keys().await.unwrap();
    assert_eq!(report.escrow, Some((5, 3)));
    assert_eq!(report.escrow_set, Some(shares[0].set()));
    record.stop().await;
    drop(record);
    let config = config(folder.path());
    let recovered = async |shares: &[seal::Share]| {
        let done = record::recover_root(&config, shares).await;
        done.map_err(|why| why.to_string())
    };
    let key = data(folder.path()).join("keys/root.key");
    assert!(
        recovered(&shares[..3])
            .await
            .unwrap_err()
            .contains("nothing to do")
    );
    let right = std::fs::read(&key).unwrap();
    std::fs::remove_file(&key).unwrap();
    let few = recovered(&shares[..2]).await.unwrap_err();
    assert!(few.contains("2 of 3 shares"), "{few}");
    let old = recovered(&stale[..3]).await.unwrap_err();
    assert!(old.contains("replaced since"), "{old}");
    let mixed = [&shares[..2], &stale[..1]].concat();
    let mixed = recovered(&mixed).await.unwrap_err();
    assert!(mixed.contains("different sets"), "{mixed}");
    assert!(!key.exists());
    recovered(&shares[2..]).await.unwrap();
    assert_eq!(std::fs::read(&key).unwrap(), right);
    assert_eq!(readable(&open(folder.path()).await).await, 6);
}
