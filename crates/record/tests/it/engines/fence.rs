//! Two servers on one database: one alone ever acknowledges.

use record::Storage;
use record::journal::{Batch, Journal as _, PostgresJournal, Published};

use super::house::{Files, House, Sql};
use super::real;
use crate::house::{NOON, StillClock, config, fill, message};

fn next(size: u64) -> Published {
    Published {
        size,
        note: format!("note of {size}"),
        edge: vec![1],
        at: 7,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_server_on_the_same_database_is_refused() {
    let house = House::new(Sql::Postgres, Files::Folder).await;
    let record = house.open().await;
    fill(&record, 0, 10).await;
    record.publish().await.unwrap();
    // A copy of the whole data folder but its name, as a second installation would be.
    let other = tempfile::tempdir().unwrap();
    copy(&house.path().join("data"), &other.path().join("data"));
    std::fs::remove_file(other.path().join("data/node")).unwrap();
    let mut second = config(other.path());
    second.storage = house.config().storage;
    let refused = record::Record::open(second.clone(), StillClock::at(NOON)).await;
    let refused = refused.err().unwrap().to_string();
    assert!(refused.contains("another salus server"), "{refused}");
    // Once the first has stopped it may go on.
    record.stop().await;
    let record = record::Record::open(second, StillClock::at(NOON)).await;
    record.unwrap().stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_was_replaced_acknowledges_nothing_more() {
    let house = House::new(Sql::Postgres, Files::Folder).await;
    let record = house.open().await;
    fill(&record, 0, 10).await;
    // As after a long sleep: the lease has run out and another has taken it.
    house
        .sql("UPDATE tree SET until = now() - interval '1 second'")
        .await;
    let Storage::Postgres(address) = house.config().storage else {
        unreachable!("it is on a database");
    };
    let other = PostgresJournal::open(&address, "other").await.unwrap();
    let refused = record.admit(vec![message("late", "p1", "late")]).await;
    let refused = refused.err().unwrap().to_string();
    assert!(refused.contains("taken over"), "{refused}");
    assert_eq!(other.frontier().await.unwrap().size(), 11);
    assert!(record.publish().await.is_err());
    assert!(other.publish(None, &next(11)).await.unwrap());
    other.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_goes_only_onto_its_tree_and_a_checkpoint_only_onto_its_own() {
    let house = House::new(Sql::Postgres, Files::Folder).await;
    let address = real::address_by_tls(house.database.as_deref().unwrap());
    let journal = PostgresJournal::open(&address, "one").await.unwrap();
    let mut batch = Batch::default();
    batch.frontier.push([1; 32]);
    // It says that one leaf follows, and brings no row for it: it was made for another tree.
    let refused = journal.append(batch.clone()).await.unwrap_err().to_string();
    assert!(refused.contains("has grown"), "{refused}");
    assert!(journal.publish(None, &next(1)).await.unwrap());
    assert!(!journal.publish(None, &next(2)).await.unwrap());
    assert!(!journal.publish(Some(7), &next(2)).await.unwrap());
    assert!(journal.publish(Some(1), &next(2)).await.unwrap());
    assert_eq!(journal.published().await.unwrap(), Some(next(2)));
    let reading = PostgresJournal::open_read_only(&address).await.unwrap();
    assert!(reading.append(batch).await.is_err());
    journal.close().await;
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}
