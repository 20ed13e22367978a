//! Backups against somebody who has the server's own keys to the place where they are.

use std::fs;
use std::path::Path;

use record::{
    Config, Lock, Place, Record, Wanted, backup, copy_keys, first, points, pull, renew, restore,
    restore_keys, verify,
};
use seal::{Scheme, Share};

use super::house::{Files, House, Sql};
use super::real;
use crate::erasing::CutShort;
use crate::house::{NOON, StillClock, config, data, fill};

fn bucket(house: &House, name: &str) -> Place {
    let line = real::bucket_line(name, &house.path().join("s3-credentials"));
    Place::parse(&line).unwrap()
}

/// A new folder with the keys of a record: what the copy of the keys gives back.
async fn with_keys(house: &House, to: &Path) -> Config {
    let copies = to.join("copies");
    let copied = copy_keys(&house.config(), &copies, 3).await.unwrap();
    let fresh = config(to);
    fs::create_dir_all(fresh.data.join("keys")).unwrap();
    let root = data(house.path()).join("keys/root.key");
    fs::copy(root, fresh.data.join("keys/root.key")).unwrap();
    restore_keys(&fresh, &copied.path, &[]).unwrap();
    fresh
}

/// Opens what was restored, and looks whether everything up to `events` is there and unaltered.
async fn whole(restored: &Config, events: u64) {
    let record = Record::open(restored.clone(), StillClock::at(NOON))
        .await
        .unwrap();
    assert_eq!(record.size(), events);
    let last = record.get(events - 1).await.unwrap();
    assert_eq!(
        last.event().raw,
        format!("content of {}", events - 2).as_bytes()
    );
    fill(&record, events - 1, 5).await;
    record.stop().await;
    let report = verify(restored, |_, _| {}).await.unwrap();
    assert_eq!((report.size, report.alterations), (events + 5, vec![]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_backed_up_comes_back_from_a_disk_and_from_a_bucket() {
    let house = House::new(Sql::Sqlite, Files::Folder).await;
    let disk = tempfile::tempdir().unwrap();
    let places = [
        Place::Folder(disk.path().to_owned()),
        bucket(&house, &real::locked_bucket()),
    ];
    let record = house.open().await;
    fill(&record, 0, 600).await;
    record.publish().await.unwrap();
    for place in &places {
        let first = backup(&house.config(), place, &[], |_, _| {})
            .await
            .unwrap();
        assert_eq!((first.size, first.objects), (601, 6));
    }
    fill(&record, 600, 200).await;
    record.publish().await.unwrap();
    for (place, lock) in places.iter().zip([Lock::None, Lock::Days(10)]) {
        // Beside the server, and only what is new: one bundle and the end of the log.
        let second = backup(&house.config(), place, &[], |_, _| {})
            .await
            .unwrap();
        assert_eq!((second.size, second.objects, second.lock), (801, 4, lock));
    }
    record.stop().await;
    for place in &places {
        let to = tempfile::tempdir().unwrap();
        let fresh = with_keys(&house, to.path()).await;
        let done = restore(place, &fresh, &Wanted::Furthest, |_, _| {})
            .await
            .unwrap();
        assert_eq!((done.point.size, done.fetched), (801, 8));
        assert!(done.passed_over.is_empty());
        whole(&fresh, 801).await;
        let to = tempfile::tempdir().unwrap();
        let fresh = with_keys(&house, to.path()).await;
        let before = Wanted::AtMost(700);
        restore(place, &fresh, &before, |_, _| {}).await.unwrap();
        whole(&fresh, 601).await;
    }
}

/// Deletes, replaces, forges and floods with everything the server itself may do there.
fn attack(bucket: &str) {
    let url = format!("{}/{bucket}", real::endpoint());
    let listed = real::curl(&[&format!("{url}?versions")]);
    let part = |text: &str, tag: &str| -> String {
        let from = text.split(&format!("<{tag}>")).nth(1).unwrap_or_default();
        from.split("</").next().unwrap_or_default().to_owned()
    };
    for one in listed.split("<Version>").skip(1) {
        let (key, version) = (part(one, "Key"), part(one, "VersionId"));
        let refused = real::curl(&["-X", "DELETE", &format!("{url}/{key}?versionId={version}")]);
        assert!(refused.contains("AccessDenied"), "{key}: {refused}");
        if key.contains("/manifest/") {
            let text = real::curl(&[&format!("{url}/{key}?versionId={version}")]);
            // The true checkpoint over a garbage list, under names that look newer.
            let forged = text.replace("object pack/000 ", "object pack/777 ");
            for (name, body) in [
                ("00000000000000000801-0000", &forged),
                ("00000000000000009999-1111", &text),
            ] {
                real::curl(&[
                    "-X",
                    "PUT",
                    "--data-binary",
                    body,
                    &format!("{url}/house/manifest/{name}"),
                ]);
            }
            let hash = seal::sha256(&[forged.as_bytes()]);
            let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
            let size = &key["house/manifest/".len()..][..20];
            let name = format!("{url}/house/manifest/{size}-{hash}");
            real::curl(&["-X", "PUT", "--data-binary", &forged, &name]);
        }
        real::curl(&["-X", "PUT", "-d", "garbage", &format!("{url}/{key}")]);
        real::curl(&["-X", "DELETE", &format!("{url}/{key}")]);
    }
    // What the next backup would write is there already, and wrong.
    for key in ["pack/003", "tile/entries/003"] {
        real::curl(&["-X", "PUT", "-d", "garbage", &format!("{url}/house/{key}")]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_with_the_servers_own_keys_takes_a_locked_backup_away() {
    let house = House::new(Sql::Sqlite, Files::Folder).await;
    let name = real::locked_bucket();
    let place = bucket(&house, &name);
    let packs = [house.path().join("packs")];
    fs::create_dir(&packs[0]).unwrap();
    fs::write(packs[0].join(".ward-ICU.html.new"), "half of it").unwrap();
    let record = house.open().await;
    for events in [600, 200] {
        fill(&record, record.size() - 1, events).await;
        record.publish().await.unwrap();
        let pack = format!("pack of {events}");
        fs::write(packs[0].join("ward-ICU.html"), pack).unwrap();
        backup(&house.config(), &place, &packs, |_, _| {})
            .await
            .unwrap();
    }
    attack(&name);
    let to = tempfile::tempdir().unwrap();
    let fresh = with_keys(&house, to.path()).await;
    let done = restore(&place, &fresh, &Wanted::Furthest, |_, _| {})
        .await
        .unwrap();
    assert_eq!(done.point.size, 801);
    assert!(!done.passed_over.is_empty(), "the forgeries are named");
    whole(&fresh, 801).await;
    let key = record.public_key();
    // What the wards need comes back by itself, without keys, and the newest of it.
    let to = tempfile::tempdir().unwrap();
    let files = first(&place, &key, to.path()).await.unwrap();
    assert_eq!(files, [to.path().join("ward-ICU.html")]);
    assert_eq!(fs::read_to_string(&files[0]).unwrap(), "pack of 200");
    let (all, foreign) = points(&place, &key).await.unwrap();
    assert!(all.iter().any(|point| point.size == 601));
    assert!(
        foreign.iter().any(|one| one.contains("9999")),
        "{foreign:?}"
    );
    // And backups go on: nothing goes on from a forgery.
    fill(&record, 800, 400).await;
    record.publish().await.unwrap();
    backup(&house.config(), &place, &[], |_, _| {})
        .await
        .unwrap();
    let to = tempfile::tempdir().unwrap();
    let fresh = with_keys(&house, to.path()).await;
    let done = restore(&place, &fresh, &Wanted::Furthest, |_, _| {})
        .await
        .unwrap();
    assert_eq!(done.point.size, 1_201);
    whole(&fresh, 1_201).await;
    record.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn locks_are_renewed_before_they_end_and_only_when_it_is_time() {
    let house = House::new(Sql::Sqlite, Files::Folder).await;
    let name = real::locked_bucket();
    let place = bucket(&house, &name);
    let record = house.open().await;
    fill(&record, 0, 300).await;
    record.publish().await.unwrap();
    backup(&house.config(), &place, &[], |_, _| {})
        .await
        .unwrap();
    record.stop().await;
    let day = 86_400_000;
    let at = |days: i64| event::Time::from_millis(4_000_000_000_000 + days * day);
    let renewed = renew(&house.config(), &place, (at(0), 33)).await.unwrap();
    // A bundle, its pack, the two of the tail, the manifest.
    assert_eq!(renewed, Some(5));
    let until = |key: &str| {
        let url = format!("{}/{name}/house/{key}", real::endpoint());
        let said = real::curl(&["-I", &url]).to_lowercase();
        let until = said
            .split("x-amz-object-lock-retain-until-date: ")
            .nth(1)
            .map(|rest| rest[..10].to_owned());
        until.unwrap_or(said)
    };
    // The retention of the bucket is ten days.
    assert_eq!(until("pack/000"), at(10).to_string()[..10]);
    let soon = renew(&house.config(), &place, (at(3), 33)).await.unwrap();
    assert_eq!(soon, None, "a third has not passed");
    let later = renew(&house.config(), &place, (at(4), 33)).await.unwrap();
    assert_eq!(later, Some(5));
    assert_eq!(until("tile/entries/000"), at(14).to_string()[..10]);
    let disk = tempfile::tempdir().unwrap();
    let disk = Place::Folder(disk.path().to_owned());
    assert_eq!(
        renew(&house.config(), &disk, (at(0), 33)).await.unwrap(),
        None
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restore_that_is_broken_off_goes_on() {
    let house = House::new(Sql::Sqlite, Files::Folder).await;
    let place = bucket(&house, &real::locked_bucket());
    let record = house.open().await;
    fill(&record, 0, 4_000).await;
    record.publish().await.unwrap();
    backup(&house.config(), &place, &[], |_, _| {})
        .await
        .unwrap();
    record.stop().await;
    let to = tempfile::tempdir().unwrap();
    let fresh = with_keys(&house, to.path()).await;
    let all = Wanted::Furthest;
    let first = Box::pin(restore(&place, &fresh, &all, |_, _| {}));
    assert!(
        CutShort(first, 12).await.is_none(),
        "nothing was broken off"
    );
    let done = restore(&place, &fresh, &all, |_, _| {}).await.unwrap();
    assert_eq!(done.point.size, 4_001);
    whole(&fresh, 4_001).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fetched_copy_takes_nothing_that_was_not_signed() {
    let house = House::new(Sql::Sqlite, Files::Folder).await;
    let record = house.open().await;
    fill(&record, 0, 600).await;
    record.stop().await;
    let (key, vault) = (record.public_key(), data(house.path()).join("vault"));
    drop(record);
    let here = tempfile::tempdir().unwrap();
    pull(&vault, &key, here.path(), |_, _| {}).await.unwrap();

    // Somebody who owns the server alters what is new, and what is old.
    let record = house.open().await;
    fill(&record, 600, 300).await;
    record.stop().await;
    drop(record);
    let pack = vault.join("pack/002");
    let mut bytes = fs::read(&pack).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&pack, &bytes).unwrap();
    fs::write(vault.join("pack/000"), "garbage").unwrap();
    let refused = pull(&vault, &key, here.path(), |_, _| {})
        .await
        .unwrap_err();
    assert!(refused.to_string().contains("pack/002"), "{refused}");
    // Events that fit their entries, under a checkpoint that does not promise them.
    for (kind, number) in [("pack", 1), ("tile/entries", 1)] {
        let (from, to) = (format!("{kind}/00{number}"), format!("{kind}/002"));
        fs::copy(vault.join(from), vault.join(to)).unwrap();
    }
    let refused = pull(&vault, &key, here.path(), |_, _| {})
        .await
        .unwrap_err();
    assert!(refused.to_string().contains("checkpoint"), "{refused}");
    assert!(
        !here.path().join("pack/002").exists(),
        "it would be in the way of the true one"
    );
    // Another log's vault, and no vault at all.
    let other = House::new(Sql::Sqlite, Files::Folder).await;
    other.open().await.stop().await;
    let vault = data(other.path()).join("vault");
    assert!(pull(&vault, &key, here.path(), |_, _| {}).await.is_err());

    let place = Place::Folder(here.path().to_owned());
    let to = tempfile::tempdir().unwrap();
    let fresh = with_keys(&house, to.path()).await;
    let done = restore(&place, &fresh, &Wanted::Furthest, |_, _| {})
        .await
        .unwrap();
    assert_eq!(done.point.size, 601);
    whole(&fresh, 601).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_history_under_a_stolen_key_is_not_taken_for_the_first() {
    let house = House::new(Sql::Sqlite, Files::Folder).await;
    let place = bucket(&house, &real::locked_bucket());
    let record = house.open().await;
    fill(&record, 0, 300).await;
    record.stop().await;
    drop(record);
    backup(&house.config(), &place, &[], |_, _| {})
        .await
        .unwrap();
    // The whole folder is stolen, keys and all, and another history written.
    let stolen = House::new(Sql::Sqlite, Files::Folder).await;
    copy(&data(house.path()), &data(stolen.path()));
    let mut right = String::new();
    for (one, events) in [(&house, 400), (&stolen, 900)] {
        let record = one.open().await;
        fill(&record, events, events).await;
        record.stop().await;
        drop(record);
        let made = backup(&one.config(), &place, &[], |_, _| {}).await.unwrap();
        if events == 400 {
            right = made.manifest;
        }
    }
    let to = tempfile::tempdir().unwrap();
    let fresh = with_keys(&house, to.path()).await;
    let refused = restore(&place, &fresh, &Wanted::Furthest, |_, _| {}).await;
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("two histories"), "{refused}");
    let to = tempfile::tempdir().unwrap();
    let fresh = with_keys(&house, to.path()).await;
    let named = Wanted::Manifest(right);
    let done = restore(&place, &fresh, &named, |_, _| {}).await.unwrap();
    assert_eq!(done.point.size, 701);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_keys_come_back_with_the_shares_of_several_people() {
    let house = House::new(Sql::Sqlite, Files::Folder).await;
    let record = house.open().await;
    let copies = house.path().join("copies");
    let mut last = None;
    for round in 0..4 {
        fill(&record, round * 10, 10).await;
        last = Some(copy_keys(&house.config(), &copies, 2).await.unwrap());
    }
    // By the length of the log: no clock can make the older ones stay, or the newer ones go.
    let mut names: Vec<_> = fs::read_dir(&copies)
        .unwrap()
        .map(|one| one.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(
        names,
        [
            "keys-00000000000000000031.salus",
            "keys-00000000000000000041.salus"
        ]
    );
    let scheme = Scheme {
        shares: 3,
        needed: 2,
    };
    let shares = record.escrow(scheme).await.unwrap();
    record.stop().await;
    let place = house.path().join("disk");
    fs::create_dir(&place).unwrap();
    let place = Place::Folder(place);
    backup(&house.config(), &place, &[], |_, _| {})
        .await
        .unwrap();

    let copy = last.unwrap().path;
    let to = tempfile::tempdir().unwrap();
    let fresh = config(to.path());
    let one: Vec<Share> = shares.into_iter().skip(1).collect();
    assert!(restore_keys(&fresh, &copy, &one[..1]).is_err());
    let text = fs::read_to_string(&copy).unwrap();
    let damaged = to.path().join("damaged");
    fs::write(
        &damaged,
        text.replace(&text[text.len() - 9..text.len() - 1], "00000000"),
    )
    .unwrap();
    assert!(restore_keys(&fresh, &damaged, &one).is_err());
    restore_keys(&fresh, &copy, &one).unwrap();
    restore(&place, &fresh, &Wanted::Furthest, |_, _| {})
        .await
        .unwrap();
    whole(&fresh, 41).await;
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}
