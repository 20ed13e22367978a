use std::fs;
use std::path::Path;

use crate::house::{data, fill, message, open, review, verified};

fn copy_sql(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        if entry
            .file_name()
            .to_string_lossy()
            .starts_with("journal.db")
        {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

#[tokio::test]
async fn an_old_copy_of_sql_rolls_forward_and_no_index_is_issued_twice() {
    let folder = tempfile::tempdir().unwrap();
    let record = open(folder.path()).await;
    fill(&record, 0, 400).await;
    record.stop().await;
    drop(record);
    let backup = folder.path().join("backup");
    copy_sql(&data(folder.path()), &backup);

    let record = open(folder.path()).await;
    fill(&record, 400, 500).await;
    record.stop().await;
    let head = record.checkpoint();
    drop(record);
    for name in ["journal.db", "journal.db-wal", "journal.db-shm"] {
        let _ = fs::remove_file(data(folder.path()).join(name));
    }
    copy_sql(&backup, &data(folder.path()));

    let record = open(folder.path()).await;
    assert_eq!(record.size(), 901);
    assert_eq!(record.checkpoint().1, head.1);
    // Message ids came back with the rows, so a resend is still recognised.
    let again = record
        .admit(vec![message("m899", "p3", "content of 899")])
        .await
        .unwrap()[0];
    assert!(again.repeated);
    assert_eq!(again.index, 900);
    fill(&record, 901, 10).await;
    assert_eq!(
        record.get(901).await.unwrap().event().raw,
        b"content of 901"
    );
    record.stop().await;
    assert_eq!(verified(folder.path()).await.alterations, []);
}

#[tokio::test]
async fn all_of_sql_lost_is_rebuilt_from_the_vault() {
    let folder = tempfile::tempdir().unwrap();
    let record = open(folder.path()).await;
    fill(&record, 0, 600).await;
    record.stop().await;
    drop(record);
    for name in ["journal.db", "journal.db-wal", "journal.db-shm"] {
        let _ = fs::remove_file(data(folder.path()).join(name));
    }
    let record = open(folder.path()).await;
    assert_eq!(record.size(), 601);
    assert_eq!(
        record.get(600).await.unwrap().event().raw,
        b"content of 599"
    );
    record.stop().await;
    assert_eq!(verified(folder.path()).await.alterations, []);
}

#[tokio::test]
async fn files_that_the_vault_lost_are_written_again() {
    let folder = tempfile::tempdir().unwrap();
    let record = open(folder.path()).await;
    fill(&record, 0, 900).await;
    record.stop().await;
    drop(record);
    let vault = data(folder.path()).join("vault");
    for path in [
        "pack/001",
        "tile/entries/002",
        "tile/0/000",
        "tile/0/003.p/133",
        "tile/1/000.p/3",
    ] {
        fs::remove_file(vault.join(path)).unwrap();
    }
    assert!(!verified(folder.path()).await.alterations.is_empty());
    open(folder.path()).await.stop().await;
    assert_eq!(verified(folder.path()).await.alterations, []);
}

#[tokio::test]
async fn the_whole_vault_lost_is_written_again() {
    let folder = tempfile::tempdir().unwrap();
    let record = open(folder.path()).await;
    fill(&record, 0, 520).await;
    record.stop().await;
    drop(record);
    fs::remove_dir_all(data(folder.path()).join("vault")).unwrap();
    open(folder.path()).await.stop().await;
    assert_eq!(verified(folder.path()).await.alterations, []);
}

#[tokio::test]
async fn a_vault_of_another_history_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let record = open(folder.path()).await;
    fill(&record, 0, 300).await;
    record.stop().await;
    drop(record);
    let backup = folder.path().join("backup");
    copy_sql(&data(folder.path()), &backup);
    let record = open(folder.path()).await;
    fill(&record, 300, 20).await;
    record.stop().await;
    drop(record);
    // The old copy comes back and, with the vault out of sight, another history is written.
    let away = folder.path().join("away");
    fs::rename(data(folder.path()).join("vault"), &away).unwrap();
    for name in ["journal.db", "journal.db-wal", "journal.db-shm"] {
        let _ = fs::remove_file(data(folder.path()).join(name));
    }
    copy_sql(&backup, &data(folder.path()));
    let record = open(folder.path()).await;
    fill(&record, 5_000, 10).await;
    record.stop().await;
    drop(record);
    fs::remove_dir_all(data(folder.path()).join("vault")).unwrap();
    fs::rename(&away, data(folder.path()).join("vault")).unwrap();
    let config = crate::house::config(folder.path());
    let clock = crate::house::StillClock::at(crate::house::NOON);
    let refused = record::Record::open(config, clock).await.err().unwrap();
    assert!(refused.to_string().contains("disagree"), "{refused}");
}

#[tokio::test]
async fn a_lost_keyring_is_said_and_not_replaced_by_an_empty_one() {
    let folder = tempfile::tempdir().unwrap();
    let record = open(folder.path()).await;
    fill(&record, 0, 10).await;
    record.stop().await;
    drop(record);
    for name in ["keyring.db", "keyring.db-wal", "keyring.db-shm"] {
        let _ = fs::remove_file(data(folder.path()).join(name));
    }
    let config = crate::house::config(folder.path());
    let clock = crate::house::StillClock::at(crate::house::NOON);
    let refused = record::Record::open(config, clock).await.err().unwrap();
    assert!(
        refused.to_string().contains("`keyring.db` is missing"),
        "{refused}"
    );
    assert!(!data(folder.path()).join("keyring.db").exists());
}

#[tokio::test]
async fn broken_glass_is_reviewed_once_even_after_sql_was_lost() {
    let folder = tempfile::tempdir().unwrap();
    let record = open(folder.path()).await;
    fill(&record, 0, 5).await;
    record.admit(vec![review(3, "first")]).await.unwrap();
    let size = record.size();
    for (glass, taken) in [(3, false), (4, true)] {
        let second = record.admit(vec![review(glass, "second")]).await;
        assert_eq!(second.is_ok(), taken, "{second:?}");
    }
    let both = record.admit(vec![review(5, "one"), review(5, "two")]).await;
    assert!(both.is_err());
    assert_eq!(record.size(), size + 1);
    record.stop().await;
    drop(record);
    for name in ["journal.db", "journal.db-wal", "journal.db-shm"] {
        let _ = fs::remove_file(data(folder.path()).join(name));
    }
    let record = open(folder.path()).await;
    assert!(record.admit(vec![review(3, "third")]).await.is_err());
    record.stop().await;
}
