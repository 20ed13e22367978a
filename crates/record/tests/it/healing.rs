//! What was altered is found, named, put right, and kept as evidence.

use std::fs;
use std::path::Path;

use event::{Altered, Body, Subject};
use record::{Record, Sealed};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};

use crate::house::{data, fill, open, verified};

/// Somebody else's connection to the database of an open record.
pub(crate) async fn sql(folder: &Path, statement: &'static str) {
    let options = SqliteConnectOptions::new().filename(data(folder).join("journal.db"));
    let pool = SqlitePool::connect_with(options).await.unwrap();
    sqlx::query(statement).execute(&pool).await.unwrap();
    pool.close().await;
}

async fn opened(folder: &Path) -> Record {
    let record = open(folder).await;
    fill(&record, 0, 700).await;
    record.publish().await.unwrap();
    record
}

async fn told(record: &Record) -> Vec<(Sealed, Altered)> {
    let (mut told, mut from) = (Vec::new(), 0);
    while from < record.size() {
        let (some, next) = record.read_until(from, 500).await.unwrap();
        let found = some.into_iter().filter_map(|one| match &one.event().body {
            Body::Alteration(altered) => Some((one.clone(), altered.clone())),
            _ => None,
        });
        told.extend(found);
        from = next;
    }
    told
}

/// Everything is right again, and stays so.
async fn right(folder: &Path, record: &Record) {
    let again = record.scrub().await.unwrap();
    assert_eq!((again.altered, again.healed), (0, 0));
    record.stop().await;
    let report = verified(folder).await;
    assert!(report.alterations.is_empty(), "{:?}", report.alterations);
}

/// What an administrator of the database can do to rows.
const BY_SQL: [(&str, u64, &str); 8] = [
    (
        "UPDATE row SET at = at - 86400000 WHERE seq = 10",
        10,
        "row.at",
    ),
    (
        "UPDATE row SET ciphertext = x'00' WHERE seq = 300",
        300,
        "row.ciphertext",
    ),
    (
        "UPDATE row SET stream = (SELECT stream FROM row WHERE seq = 21) WHERE seq = 20",
        20,
        "row.stream",
    ),
    (
        "UPDATE row SET entry = x'0102' WHERE seq = 31",
        31,
        "row.entry",
    ),
    ("DELETE FROM row WHERE seq = 255", 255, "row"),
    (
        "UPDATE row SET (stream, at, entry, ciphertext) = \
         (SELECT stream, at, entry, ciphertext FROM row WHERE seq = 17) WHERE seq = 10",
        10,
        "row.entry",
    ),
    (
        "INSERT INTO row SELECT 999, stream, at, entry, ciphertext FROM row WHERE seq = 20",
        999,
        "row",
    ),
    (
        "UPDATE row SET ciphertext = x'00' WHERE seq = 690",
        690,
        "row.ciphertext",
    ),
];

#[tokio::test]
async fn what_a_database_administrator_edits_is_named_and_put_right() {
    for (statement, index, field) in BY_SQL {
        let folder = tempfile::tempdir().unwrap();
        let record = opened(folder.path()).await;
        sql(folder.path(), statement).await;
        let found = record.scrub().await.unwrap();
        assert_eq!((found.altered, found.healed), (1, 1), "{statement}");
        let told = told(&record).await;
        assert_eq!(told.len(), 1, "{statement}");
        let (sealed, altered) = &told[0];
        assert_eq!(altered.index, Some(index), "{statement}");
        let parts = || altered.parts.iter().map(|part| part.part.as_str());
        assert!(
            parts().any(|part| part == field),
            "{statement}: {altered:?}"
        );
        assert!(altered.parts.iter().all(|part| part.sealed != part.found));
        assert!(altered.healed_from.is_some());
        if !statement.starts_with("DELETE") {
            assert!(
                !sealed.event().raw.is_empty(),
                "the forgery is evidence: {statement}"
            );
        }
        if index < 700 {
            let patient = format!("p{}", (index - 1) % 7);
            assert_eq!(
                sealed.event().subject,
                Subject::Patient(patient),
                "{statement}"
            );
            let content = format!("content of {}", index - 1);
            assert_eq!(
                record.get(index).await.unwrap().event().raw,
                content.as_bytes()
            );
        }
        right(folder.path(), &record).await;
    }
}

#[tokio::test]
async fn content_taken_from_another_event_says_from_which() {
    let folder = tempfile::tempdir().unwrap();
    let record = opened(folder.path()).await;
    let splice =
        "UPDATE row SET ciphertext = (SELECT ciphertext FROM row WHERE seq = 17) WHERE seq = 10";
    sql(folder.path(), splice).await;
    record.scrub().await.unwrap();
    let told = told(&record).await;
    let parts = &told[0].1.parts;
    let content = parts.iter().find(|part| part.part == "content").unwrap();
    assert_eq!(content.found, "the content of event 17");
    right(folder.path(), &record).await;
}

#[tokio::test]
async fn an_edited_file_of_the_vault_is_named_and_written_again() {
    let files = [
        "pack/000",
        "pack/002.p/189",
        "tile/entries/001",
        "tile/entries/002.p/189",
        "tile/0/000",
        "tile/0/002.p/189",
        "checkpoint",
    ];
    for path in files {
        let folder = tempfile::tempdir().unwrap();
        let record = opened(folder.path()).await;
        let file = data(folder.path()).join("vault").join(path);
        let whole = fs::read(&file).unwrap();
        let mut bytes = whole.clone();
        bytes[40] ^= 1;
        fs::write(&file, &bytes).unwrap();
        let found = record.scrub().await.unwrap();
        assert_eq!((found.altered, found.healed), (1, 1), "{path}");
        assert_eq!(fs::read(&file).unwrap(), whole, "{path}");
        let told = told(&record).await;
        assert_eq!(told[0].1.parts[0].part, format!("vault/{path}"));
        assert_eq!(told[0].0.event().raw, bytes, "the forgery is evidence");
        right(folder.path(), &record).await;
    }
}

#[tokio::test]
async fn a_lost_file_of_the_vault_is_written_again() {
    let folder = tempfile::tempdir().unwrap();
    let record = opened(folder.path()).await;
    fs::remove_file(data(folder.path()).join("vault/pack/001")).unwrap();
    let found = record.scrub().await.unwrap();
    assert_eq!((found.altered, found.healed), (1, 1));
    right(folder.path(), &record).await;
}

/// An attacker who edits the row, its entry in the bundle and the tile alike still has the tile
/// above against them.
#[tokio::test]
async fn a_row_its_bundle_and_its_tile_edited_alike_do_not_pass() {
    let folder = tempfile::tempdir().unwrap();
    let record = opened(folder.path()).await;
    let vault = data(folder.path()).join("vault");
    let bundle = vault.join("tile/entries/000");
    let mut entries = fs::read(&bundle).unwrap();
    entries[95 * 10 + 2 + 20] ^= 1;
    fs::write(&bundle, &entries).unwrap();
    let forged = seal::leaf_hash(seal::read_bundle(&entries).unwrap()[10]);
    let tile = vault.join("tile/0/000");
    let mut hashes = fs::read(&tile).unwrap();
    hashes[320..352].copy_from_slice(&forged);
    fs::write(&tile, &hashes).unwrap();
    let found = record.scrub().await.unwrap();
    assert_eq!(
        (found.altered, found.healed),
        (2, 2),
        "bundle and tile, from the rows"
    );
    right(folder.path(), &record).await;
}

#[tokio::test]
async fn what_is_left_nowhere_is_named_once_and_not_called_healed() {
    let folder = tempfile::tempdir().unwrap();
    let record = opened(folder.path()).await;
    sql(
        folder.path(),
        "UPDATE row SET ciphertext = x'00' WHERE seq = 10",
    )
    .await;
    let pack = data(folder.path()).join("vault/pack/000");
    let mut bytes = fs::read(&pack).unwrap();
    let packed: Vec<usize> = seal::read_pack(&bytes)
        .unwrap()
        .iter()
        .map(|one| one.len() + 4)
        .collect();
    let at: usize = packed[..10].iter().sum::<usize>() + 8;
    bytes[at] ^= 1;
    fs::write(&pack, bytes).unwrap();
    for _ in 0..2 {
        let found = record.scrub().await.unwrap();
        assert_eq!((found.altered, found.healed), (1, 0));
    }
    let told = told(&record).await;
    assert_eq!(told.len(), 1);
    assert_eq!(
        (told[0].1.index, told[0].1.healed_from.clone()),
        (Some(10), None)
    );
    assert!(record.get(9).await.is_ok() && record.get(10).await.is_err());
}

#[tokio::test]
async fn it_is_said_between_which_two_looks_it_happened() {
    let folder = tempfile::tempdir().unwrap();
    let record = opened(folder.path()).await;
    let first = record.scrub().await.unwrap();
    assert_eq!((first.altered, first.events), (0, 701));
    sql(folder.path(), "UPDATE row SET at = at + 1 WHERE seq = 10").await;
    record.scrub().await.unwrap();
    assert_eq!(told(&record).await[0].1.whole_at, first.at);
}

/// An altered row that is not in a full bundle keeps checkpoints back until it is put right.
#[tokio::test]
async fn checkpoints_go_on_after_healing() {
    let folder = tempfile::tempdir().unwrap();
    let record = opened(folder.path()).await;
    sql(folder.path(), "UPDATE row SET at = at + 1 WHERE seq = 690").await;
    fill(&record, 700, 10).await;
    assert!(record.publish().await.is_err());
    record.scrub().await.unwrap();
    record.publish().await.unwrap();
    right(folder.path(), &record).await;
}

async fn keyring(folder: &Path, statement: &'static str) {
    let options = SqliteConnectOptions::new().filename(data(folder).join("keyring.db"));
    let pool = SqlitePool::connect_with(options).await.unwrap();
    sqlx::query(statement).execute(&pool).await.unwrap();
    pool.close().await;
}

const SWAP: &str = "UPDATE stream SET wrapped = (SELECT wrapped FROM stream ORDER BY rowid LIMIT 1 OFFSET 2) \
     WHERE rowid = (SELECT rowid FROM stream ORDER BY rowid LIMIT 1 OFFSET 3)";

#[tokio::test]
async fn a_swapped_key_is_named_and_put_back_from_memory() {
    let folder = tempfile::tempdir().unwrap();
    let record = opened(folder.path()).await;
    keyring(folder.path(), SWAP).await;
    let found = record.scrub().await.unwrap();
    assert_eq!((found.altered, found.healed), (1, 1));
    let told = told(&record).await;
    assert_eq!(told[0].1.parts[0].part, "keyring");
    right(folder.path(), &record).await;
    drop(record);
    let record = open(folder.path()).await;
    let (all, _) = record.read_until(0, 1_000).await.unwrap();
    assert_eq!(
        all.len() as u64,
        record.size(),
        "every event opens with the keys on disk"
    );
}

#[tokio::test]
async fn a_key_that_is_gone_without_an_order_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let record = opened(folder.path()).await;
    keyring(
        folder.path(),
        "DELETE FROM stream WHERE rowid = (SELECT max(rowid) FROM stream)",
    )
    .await;
    let found = record.scrub().await.unwrap();
    assert_eq!((found.altered, found.healed), (1, 0));
    assert!(
        told(&record).await[0].1.parts[0]
            .found
            .contains("without an order")
    );
}

/// Nobody asks for a look: what keeps checkpoints back is found, told and put right by itself.
#[tokio::test(flavor = "multi_thread")]
async fn what_keeps_checkpoints_back_is_put_right_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = crate::house::config(folder.path());
    config.checkpoint_interval_ms = 20;
    config.scrub_bytes_per_second = 1 << 20;
    let clock = crate::house::StillClock::at(crate::house::NOON);
    let record = Record::open(config, clock).await.unwrap();
    fill(&record, 0, 30).await;
    while record.publish().await.is_err() || record.checkpoint().0 < 31 {}
    let mut looked = record.scrubbed();
    looked.wait_for(|last| last.at.is_some()).await.unwrap();
    sql(folder.path(), "UPDATE row SET at = at + 1 WHERE seq = 17").await;
    fill(&record, 30, 10).await;
    let told_of = async {
        let mut growth = record.growth();
        while told(&record).await.is_empty() || record.publish().await.is_err() {
            growth.changed().await.unwrap();
        }
    };
    let minute = std::time::Duration::from_secs(60);
    tokio::time::timeout(minute, told_of).await.unwrap();
    assert_eq!(told(&record).await[0].1.index, Some(17));
    right(folder.path(), &record).await;
}

/// Whoever orders a look does not wait for the slow one in the background.
#[tokio::test(flavor = "multi_thread")]
async fn a_look_that_is_ordered_does_not_wait_for_the_slow_one() {
    let folder = tempfile::tempdir().unwrap();
    let record = opened(folder.path()).await;
    record.stop().await;
    drop(record);
    let mut config = crate::house::config(folder.path());
    // A bundle takes hours at this rate.
    config.scrub_bytes_per_second = 1;
    let clock = crate::house::StillClock::at(crate::house::NOON);
    let record = Record::open(config, clock).await.unwrap();
    sql(folder.path(), "UPDATE row SET at = at - 1 WHERE seq = 300").await;
    let minute = std::time::Duration::from_secs(60);
    let found = tokio::time::timeout(minute, record.scrub()).await;
    let found = found.unwrap().unwrap();
    assert_eq!((found.altered, found.healed), (1, 1));
    right(folder.path(), &record).await;
}
