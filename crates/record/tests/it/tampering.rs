use std::fs;
use std::path::Path;

use record::Alteration;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};

use crate::house::{data, fill, open, verified};

async fn sealed_record(folder: &Path) {
    let record = open(folder).await;
    fill(&record, 0, 300).await;
    record.stop().await;
}

async fn sql(folder: &Path, statement: &'static str) {
    let options = SqliteConnectOptions::new().filename(data(folder).join("journal.db"));
    let pool = SqlitePool::connect_with(options).await.unwrap();
    sqlx::query(statement).execute(&pool).await.unwrap();
    pool.close().await;
}

async fn after(statement: &'static str) -> Vec<Alteration> {
    let folder = tempfile::tempdir().unwrap();
    sealed_record(folder.path()).await;
    sql(folder.path(), statement).await;
    verified(folder.path()).await.alterations
}

#[tokio::test]
async fn a_back_dated_row_is_named_with_both_times_and_its_patient() {
    let found = after("UPDATE row SET at = at - 86400000 WHERE seq = 10").await;
    assert_eq!(found.len(), 1);
    assert_eq!(
        (found[0].index, found[0].field.as_str()),
        (Some(10), "row.at")
    );
    assert_eq!(found[0].expected, "2026-09-21T14:13:20.000Z");
    assert_eq!(found[0].found, "2026-09-20T14:13:20.000Z");
    assert_eq!(found[0].owner.as_deref(), Some("patient/p2"));
}

#[tokio::test]
async fn a_row_spliced_from_another_is_named() {
    let found = after(
        "UPDATE row SET (stream, at, entry, ciphertext) = \
         (SELECT stream, at, entry, ciphertext FROM row WHERE seq = 20) WHERE seq = 10",
    )
    .await;
    assert!(found.iter().all(|one| one.index == Some(10)));
    assert!(found.iter().any(|one| one.field == "row.ciphertext"));
    assert!(found.iter().any(|one| one.field == "row.entry"));
}

#[tokio::test]
async fn a_deleted_row_and_a_forged_row_are_named() {
    let found = after("DELETE FROM row WHERE seq = 10").await;
    assert_eq!(
        (found[0].index, found[0].found.as_str()),
        (Some(10), "nothing: deleted")
    );
    let found =
        after("INSERT INTO row SELECT 301, stream, at, entry, ciphertext FROM row WHERE seq = 20")
            .await;
    assert_eq!(found[0].index, Some(301));
    assert!(found[0].found.contains("forged"));
}

#[tokio::test]
async fn an_altered_ciphertext_is_named() {
    let found = after("UPDATE row SET ciphertext = x'00' WHERE seq = 299").await;
    assert_eq!(
        (found[0].index, found[0].field.as_str()),
        (Some(299), "row.ciphertext")
    );
}

#[tokio::test]
async fn an_edited_file_of_the_vault_is_named() {
    for (path, index) in [
        ("pack/000", Some(0)),
        ("tile/entries/000", Some(0)),
        ("tile/0/000", Some(0)),
        ("tile/1/000.p/1", None),
        ("checkpoint", None),
    ] {
        let folder = tempfile::tempdir().unwrap();
        sealed_record(folder.path()).await;
        let file = data(folder.path()).join("vault").join(path);
        let mut bytes = fs::read(&file).unwrap();
        bytes[30] ^= 1;
        fs::write(&file, bytes).unwrap();
        let found = verified(folder.path()).await.alterations;
        assert!(!found.is_empty(), "{path}");
        assert!(
            found
                .iter()
                .any(|one| one.index == index || index.is_none()),
            "{path}"
        );
        let named = path.replace("tile/0/000", "tile/entries/000");
        assert!(
            found.iter().any(|one| one.field.contains(&named)),
            "{path}: {found:?}"
        );
    }
}

#[tokio::test]
async fn an_altered_event_is_not_served() {
    let folder = tempfile::tempdir().unwrap();
    sealed_record(folder.path()).await;
    sql(folder.path(), "UPDATE row SET at = at + 1 WHERE seq = 10").await;
    let record = open(folder.path()).await;
    let refused = record.get(10).await.unwrap_err();
    assert!(
        refused.to_string().contains("event 10 was altered"),
        "{refused}"
    );
    assert!(
        record
            .check(10)
            .await
            .unwrap()
            .unwrap()
            .contains("the time in SQL")
    );
    assert!(record.get(11).await.is_ok());
}

#[tokio::test]
async fn an_altered_event_is_left_out_and_holds_up_nothing() {
    let folder = tempfile::tempdir().unwrap();
    sealed_record(folder.path()).await;
    sql(
        folder.path(),
        "UPDATE row SET ciphertext = x'00' WHERE seq = 10",
    )
    .await;
    let record = open(folder.path()).await;
    let (read, next) = record.read_until(0, 1_000).await.unwrap();
    assert_eq!((read.len(), next), (300, 301));
    assert!(read.iter().all(|one| one.index() != 10));
}

#[tokio::test]
async fn an_altered_row_is_neither_signed_nor_copied_over_the_good_one() {
    let folder = tempfile::tempdir().unwrap();
    sealed_record(folder.path()).await;
    sql(
        folder.path(),
        "UPDATE row SET ciphertext = x'00' WHERE seq = 299",
    )
    .await;
    let pack = data(folder.path()).join("vault/pack/001.p/45");
    let good = fs::read(&pack).unwrap();
    let record = open(folder.path()).await;
    fill(&record, 300, 10).await;
    let refused = record.publish().await.unwrap_err();
    assert!(
        refused.to_string().contains("row 299 was altered"),
        "{refused}"
    );
    assert_eq!(fs::read(&pack).unwrap(), good);
}

/// What `verify` reads from a record that grows and publishes meanwhile is unaltered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn verification_beside_a_busy_record_raises_no_alarm() {
    let folder = tempfile::tempdir().unwrap();
    let record = open(folder.path()).await;
    fill(&record, 0, 300).await;
    record.publish().await.unwrap();
    let busy = tokio::spawn(async move {
        for part in 0..60 {
            fill(&record, 300 + part * 20, 20).await;
            record.publish().await.unwrap();
        }
        record
    });
    while !busy.is_finished() {
        assert_eq!(verified(folder.path()).await.alterations, []);
    }
    drop(busy.await.unwrap());
}
