//! What a record promises, whatever holds it.

use record::{Error, Record, install_keys, next_epoch, verify};

use super::house::House;
use super::real;
use crate::erasing::erase;
use crate::house::{NOON, StillClock, config, fill, message, review, verified, write};
use crate::standby::follow;

pub(crate) async fn what_goes_in_comes_out_and_verifies(house: House) {
    let record = house.open().await;
    fill(&record, 0, 700).await;
    assert_eq!(record.size(), 701);
    assert_eq!(
        record.get(700).await.unwrap().event().raw,
        b"content of 699"
    );
    assert_eq!(record.read(0, 1_000).await.unwrap().len(), 701);
    record.publish().await.unwrap();
    assert_eq!(record.check(5).await.unwrap(), None);
    let text = record.proof(650).await.unwrap();
    assert!(seal::Proof::from_text(&text).is_ok());
    let report = house.verified().await;
    assert_eq!((report.size, report.published), (701, 701));
    assert_eq!(report.alterations, []);
    record.stop().await;
    drop(record);
    let record = house.open().await;
    assert_eq!(record.size(), 701);
    record.stop().await;
}

pub(crate) async fn a_message_is_sealed_once_and_a_version_written_once(house: House) {
    let record = house.open().await;
    fill(&record, 0, 20).await;
    let made = record.admit(vec![write("a", 0, 1)]).await.unwrap()[0].index;
    // Also after a start: what was taken is in SQL, not in memory.
    record.stop().await;
    drop(record);
    let record = house.open().await;
    let again = message("m7", "p0", "content of 7");
    let again = record.admit(vec![again]).await.unwrap()[0];
    assert!(again.repeated && again.index == 8);
    let other = message("m7", "p0", "other content");
    assert!(record.admit(vec![other]).await.unwrap()[0].reused);
    let lost = record.admit(vec![write("a", 0, 1)]).await;
    assert!(matches!(lost, Err(Error::Conflict { .. })), "{lost:?}");
    let (one, two) = tokio::join!(
        record.admit(vec![write("a", made, record.size())]),
        record.admit(vec![write("a", made, record.size())])
    );
    assert!(one.is_ok() != two.is_ok());
    record.stop().await;
}

pub(crate) async fn an_old_copy_of_sql_rolls_forward(house: House) {
    let record = house.open().await;
    fill(&record, 0, 400).await;
    record.stop().await;
    drop(record);
    house.keep_a_copy_of_sql().await;
    let record = house.open().await;
    fill(&record, 400, 300).await;
    record.stop().await;
    let head = record.checkpoint().1;
    drop(record);
    house.put_the_copy_back().await;

    let record = house.open().await;
    assert_eq!(record.size(), 701);
    assert_eq!(record.checkpoint().1, head);
    let again = message("m699", "p6", "content of 699");
    assert_eq!(record.admit(vec![again]).await.unwrap()[0].index, 700);
    fill(&record, 701, 10).await;
    record.stop().await;
    assert_eq!(house.verified().await.alterations, []);
}

pub(crate) async fn all_of_sql_lost_comes_back_from_the_vault(house: House) {
    let record = house.open().await;
    fill(&record, 0, 600).await;
    let made = record.admit(vec![write("a", 0, 1)]).await.unwrap()[0].index;
    record.admit(vec![review(3, "first")]).await.unwrap();
    erase(&record, "p3").await.unwrap();
    let size = record.size();
    record.stop().await;
    drop(record);
    house.lose_sql().await;

    let record = house.open().await;
    assert_eq!(record.size(), size);
    assert_eq!(
        record.get(600).await.unwrap().event().raw,
        b"content of 599"
    );
    assert!(matches!(record.get(4).await, Err(Error::Erased(4))));
    let again = message("m7", "p0", "content of 7");
    assert!(record.admit(vec![again]).await.unwrap()[0].repeated);
    assert!(record.admit(vec![write("a", 0, 1)]).await.is_err());
    assert!(record.admit(vec![write("a", made, size + 9)]).await.is_ok());
    assert!(record.admit(vec![review(3, "second")]).await.is_err());
    record.stop().await;
    let report = house.verified().await;
    assert_eq!((report.erased > 0, report.alterations), (true, vec![]));
}

pub(crate) async fn the_whole_vault_lost_is_written_again(mut house: House) {
    let record = house.open().await;
    fill(&record, 0, 600).await;
    record.stop().await;
    drop(record);
    house.lose_the_vault();
    house.open().await.stop().await;
    let report = house.verified().await;
    assert_eq!((report.published, report.alterations), (601, vec![]));
}

pub(crate) async fn what_was_erased_is_gone_and_may_be_made_again(house: House) {
    let record = house.open().await;
    fill(&record, 0, 70).await;
    let old = record.admit(vec![write("p", 0, 1)]).await.unwrap()[0].index;
    let done = erase(&record, "p").await.unwrap();
    assert_eq!(done.events, 1);
    assert!(matches!(record.get(old).await, Err(Error::Erased(_))));
    assert!(record.admit(vec![write("p", 0, done.index)]).await.is_ok());
    record.stop().await;
    let report = house.verified().await;
    assert_eq!((report.erased, report.alterations), (1, vec![]));
}

pub(crate) async fn what_was_altered_is_named(house: House) {
    let record = house.open().await;
    fill(&record, 0, 300).await;
    record.stop().await;
    drop(record);
    house
        .sql("UPDATE row SET at = at - 86400000 WHERE seq = 10; DELETE FROM row WHERE seq = 20")
        .await;
    let found = house.verified().await.alterations;
    let places: Vec<_> = found.iter().map(|one| (one.index, &*one.field)).collect();
    assert!(places.contains(&(Some(10), "row.at")), "{places:?}");
    assert!(places.contains(&(Some(20), "row")), "{places:?}");
    assert_eq!(found[0].owner.as_deref(), Some("patient/p2"));
}

/// Only a bucket outlives the machine: the keys come back from their own copy, all else from it.
pub(crate) async fn the_machine_lost_comes_back_from_the_bucket(house: House) {
    let record = house.open().await;
    fill(&record, 0, 700).await;
    record.stop().await;
    let head = record.checkpoint().1;
    drop(record);
    house.lose_the_machine();
    house.lose_sql().await;

    let record = house.open().await;
    assert_eq!((record.size(), record.checkpoint().1), (701, head));
    fill(&record, 701, 10).await;
    record.stop().await;
    assert_eq!(house.verified().await.alterations, []);
}

/// What is replaced every second would stay in a locked bucket for good: it does not go there.
pub(crate) async fn nothing_unfinished_is_locked_away(house: House) {
    let record = house.open().await;
    for round in 0..30 {
        fill(&record, round * 20, 20).await;
        record.publish().await.unwrap();
    }
    record.stop().await;
    let bucket = house.bucket.as_deref().unwrap();
    let listed = real::curl(&[&format!("{}/{bucket}?versions", real::endpoint())]);
    let names: Vec<&str> = listed
        .split("<Key>")
        .skip(1)
        .filter_map(|rest| rest.split("</Key>").next())
        .collect();
    assert!(names.contains(&"house/pack/001"), "{names:?}");
    assert!(!names.iter().any(|name| name.contains(".p/")), "{names:?}");
    assert!(!names.contains(&"house/checkpoint"), "{names:?}");
    let mut once = names.clone();
    once.dedup();
    assert_eq!(once, names, "nothing is there in two versions");
}

/// The bucket keeps the true version; what counts is the newest, until it is deleted.
pub(crate) async fn an_object_that_was_replaced_is_named_and_heals(house: House) {
    let record = house.open().await;
    fill(&record, 0, 600).await;
    record.stop().await;
    drop(record);
    let bucket = house.bucket.as_deref().unwrap();
    let url = format!("{}/{bucket}/house/pack/001", real::endpoint());
    real::curl(&["-X", "PUT", "-d", "garbage", &url]);
    let found = house.verified().await.alterations;
    assert!(found.iter().all(|one| one.field == "vault/pack/001"));
    assert_eq!(found.len(), 256, "every event of it");
    real::curl(&["-X", "DELETE", &url]);
    house.open().await.stop().await;
    assert_eq!(house.verified().await.alterations, []);
}

pub(crate) async fn a_standby_on_it_follows_and_becomes_the_primary(house: House) {
    let folder = tempfile::tempdir().unwrap();
    let primary = crate::house::open(folder.path()).await;
    fill(&primary, 0, 600).await;
    primary.publish().await.unwrap();
    fill(&primary, 600, 30).await;
    let engines = house.config();
    install_keys(&engines, &primary.key_copy()).await.unwrap();
    let standby = Record::open_standby(engines.clone(), StillClock::at(NOON));
    let standby = standby.await.unwrap();
    follow(&standby, &primary, 100).await;
    assert_eq!(standby.size(), 631);
    let raw = standby.get(630).await.unwrap().event().raw.clone();
    assert_eq!(raw, b"content of 629");
    standby.stop().await;
    drop(standby);
    assert_eq!(house.verified().await.alterations, []);
    next_epoch(&engines).unwrap();
    let promoted = house.open().await;
    assert_eq!(promoted.size(), 631, "it has everything, and goes on");
    fill(&promoted, 630, 10).await;
    promoted.publish().await.unwrap();
    promoted.stop().await;
    let report = verify(&engines, |_, _| {}).await.unwrap();
    assert_eq!((report.size, report.published), (641, 641));
    assert_eq!(report.alterations, []);
    primary.stop().await;
}

pub(crate) async fn a_standby_follows_a_record_on_it(house: House) {
    let primary = house.open().await;
    fill(&primary, 0, 600).await;
    primary.publish().await.unwrap();
    fill(&primary, 600, 30).await;
    let folder = tempfile::tempdir().unwrap();
    let own = config(folder.path());
    install_keys(&own, &primary.key_copy()).await.unwrap();
    let standby = Record::open_standby(own, StillClock::at(NOON))
        .await
        .unwrap();
    follow(&standby, &primary, 100).await;
    assert_eq!(standby.size(), 631);
    standby.stop().await;
    drop(standby);
    let report = verified(folder.path()).await;
    assert_eq!((report.size, report.alterations), (631, Vec::new()));
    primary.stop().await;
}
