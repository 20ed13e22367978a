//! Messages that are passed on by a server that stops, and by one whose view fails.

use std::collections::BTreeSet;
use std::path::Path;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection as _, SqliteConnection};

use crate::routes::{Destination, Does, House};

#[test]
fn what_was_sent_before_a_stop_is_sealed_and_goes_once() {
    const MANY: usize = 600;
    let folder = tempfile::tempdir().unwrap();
    let there = Destination::listen(|_, _| Does::Says("AA"));
    let mut house = House::open(folder.path(), &format!("to = \"mllp://{}\"", there.address));
    let why = ["--route", "out", "--reason", "to have a backlog"];
    house.route(&[&["pause"][..], &why].concat());
    for number in 0..MANY {
        house.send(&format!("{number:03}"), &format!("{}", number % 50));
    }
    house.route(&[&["resume"][..], &why].concat());
    let mut heard = there.until(40);
    for _ in 0..3 {
        house.stop();
        heard.extend(there.heard.try_iter());
        house.start();
        heard.extend(there.until(40));
    }
    house.taken(MANY as u64);
    heard.extend(there.heard.try_iter());
    let different: BTreeSet<&String> = heard.iter().map(|(control, _)| control).collect();
    assert_eq!((different.len(), heard.len()), (MANY, MANY));
}

/// Changes a view beside the server.
async fn behind_its_back(data: &Path, sql: &'static str) {
    let view = SqliteConnectOptions::new().filename(data.join("views/routes.db"));
    let mut view = SqliteConnection::connect_with(&view).await.unwrap();
    sqlx::query(sql).execute(&mut view).await.unwrap();
    view.close().await.unwrap();
}

#[tokio::test]
async fn nothing_is_sent_while_nobody_can_tell_whether_it_came_back() {
    let folder = tempfile::tempdir().unwrap();
    let there = Destination::listen(|_, _| Does::Says("AA"));
    let house = House::open(folder.path(), &format!("to = \"mllp://{}\"", there.address));
    house.send("L1", "1");
    house.taken(1);
    behind_its_back(&house.data, "ALTER TABLE sent RENAME COLUMN mark TO marked").await;
    house.send("L2", "2");
    let route = house.once(|route| !route["trouble"].is_null());
    let trouble = route["trouble"].as_str().unwrap();
    assert!(
        trouble.contains("the view of routes cannot say what went out"),
        "{route}"
    );
    assert_eq!(there.next().0, "L1");
    assert!(there.heard.try_recv().is_err());
    behind_its_back(&house.data, "ALTER TABLE sent RENAME COLUMN marked TO mark").await;
    house.taken(2);
    assert_eq!(there.next().0, "L2");
}
