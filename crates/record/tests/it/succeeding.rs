//! One key of the log follows another: everything that was ever signed is verified, by whoever knows
//! either of them, and the one before signs nothing alone.

use record::{Error, Record, install_keys, prove};
use seal::{LogVerifier, Proof, leaf_hash};

use crate::house::{NOON, StillClock, config, data, fill, open, verified};

fn public(folder: &std::path::Path) -> String {
    std::fs::read_to_string(data(folder).join("keys/log.pub")).unwrap()
}

/// Whether somebody with these keys accepts a proof.
fn accepts(keys: &str, proof: &str) -> bool {
    let proof = Proof::from_text(proof).unwrap();
    let log = LogVerifier::new(keys).unwrap();
    proof.verify(&leaf_hash(&proof.extra), &log).is_ok()
}

#[tokio::test]
async fn what_either_key_signed_is_verified_before_and_after_and_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let record = open(folder.path()).await;
    fill(&record, 0, 30).await;
    record.publish().await.unwrap();
    let early = prove(&config(folder.path()), 3).await.unwrap().proof;
    let first = public(folder.path());
    let keys = record.rotate_log_key().await.unwrap();
    assert_eq!((keys.signing, keys.vkey != first.trim()), (2, true));
    fill(&record, 30, 10).await;
    record.publish().await.unwrap();
    let both = prove(&config(folder.path()), 35).await.unwrap();
    assert_eq!(both.public_key, keys.vkey);
    let second = public(folder.path());
    assert!(second.starts_with(&keys.vkey));
    for keys in [&first, &second] {
        assert!(accepts(keys, &early) && accepts(keys, &both.proof));
    }
    record.stop().await;
    drop(record);
    assert_eq!(verified(folder.path()).await.alterations, []);
    let record = open(folder.path()).await;
    assert_eq!(record.log_keys().signing, 2);
    assert_eq!(
        record.check(3).await.unwrap(),
        None,
        "under a key that signed before"
    );
    record.retire_log_key().await.unwrap();
    fill(&record, 40, 10).await;
    record.publish().await.unwrap();
    let late = prove(&config(folder.path()), 45).await.unwrap().proof;
    assert!(!accepts(&first, &late));
    assert!(accepts(&second, &late) && accepts(&second, &early));
    record.stop().await;
    drop(record);
    assert_eq!(verified(folder.path()).await.alterations, []);
}

#[tokio::test]
async fn one_step_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let record = open(folder.path()).await;
    let refused = |done: Result<record::LogKeys, Error>| done.unwrap_err().to_string();
    assert!(refused(record.retire_log_key().await).contains("no key before"));
    record.rotate_log_key().await.unwrap();
    assert!(refused(record.rotate_log_key().await).contains("retire it first"));
    record.retire_log_key().await.unwrap();
    let third = record.rotate_log_key().await.unwrap();
    let log = LogVerifier::new(&record.public_keys()).unwrap();
    assert_eq!(log.vkey(), third.vkey);
}

/// A rotation that was broken off after its first file.
#[tokio::test]
async fn the_public_file_is_made_anew_from_the_key() {
    let folder = tempfile::tempdir().unwrap();
    let record = open(folder.path()).await;
    fill(&record, 0, 5).await;
    let first = public(folder.path());
    record.rotate_log_key().await.unwrap();
    fill(&record, 5, 5).await;
    record.stop().await;
    drop(record);
    let second = public(folder.path());
    std::fs::write(data(folder.path()).join("keys/log.pub"), &first).unwrap();
    open(folder.path()).await.stop().await;
    assert_eq!(public(folder.path()), second);
    assert_eq!(verified(folder.path()).await.alterations, []);
}

#[tokio::test]
async fn a_standby_learns_the_key_while_both_sign_and_goes_on_when_one_does() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let primary = open(folder.path()).await;
    fill(&primary, 0, 20).await;
    install_keys(&config(other.path()), &primary.key_copy())
        .await
        .unwrap();
    let standby = Record::open_standby(config(other.path()), StillClock::at(NOON));
    let standby = standby.await.unwrap();
    let tail = primary.tail(0, 100).await.unwrap().unwrap();
    standby.take(&tail).await.unwrap();
    primary.rotate_log_key().await.unwrap();
    fill(&primary, 20, 5).await;
    let tail = primary.tail(standby.size(), 100).await.unwrap().unwrap();
    let missing = standby.take(&tail).await.unwrap_err();
    assert!(matches!(missing, Error::KeysMissing), "{missing:?}");
    let copy = primary.key_copy();
    install_keys(&config(other.path()), &copy).await.unwrap();
    standby.learn_keys(&copy).unwrap();
    standby.take(&tail).await.unwrap();
    primary.retire_log_key().await.unwrap();
    fill(&primary, 25, 5).await;
    let tail = primary.tail(standby.size(), 100).await.unwrap().unwrap();
    standby.take(&tail).await.unwrap();
    assert_eq!(standby.size(), primary.size());
    let refused = standby.rotate_log_key().await.unwrap_err().to_string();
    assert!(refused.contains("at its primary"), "{refused}");
    standby.stop().await;
    drop(standby);
    assert_eq!(verified(other.path()).await.alterations, []);
}

#[tokio::test]
async fn a_key_that_does_not_follow_ours_is_not_taken() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let primary = open(folder.path()).await;
    install_keys(&config(other.path()), &primary.key_copy())
        .await
        .unwrap();
    let stranger = tempfile::tempdir().unwrap();
    let stranger = open(stranger.path()).await;
    stranger.rotate_log_key().await.unwrap();
    let refused = install_keys(&config(other.path()), &stranger.key_copy()).await;
    assert!(refused.unwrap_err().to_string().contains("another log"));
}
