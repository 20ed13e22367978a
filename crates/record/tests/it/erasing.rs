//! Erasure: what was erased cannot be read, everything else can, the log verifies, and a crash at
//! any point leaves either nothing done or everything.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use event::{Act, Actor, ActorKind, Body, Role, Subject};
use guard::{Ask, Decision, Facts, Identity, Policies};
use record::{Error, Record};

use crate::house::{data, fill, message, open, verified, write};

pub(crate) fn ordered(patient: &str) -> Decision {
    let actor = Actor {
        kind: ActorKind::Person,
        id: "operator".into(),
        name: "the operator".into(),
        role: Role::Operator,
    };
    let ask = Ask {
        identity: Identity::of(actor),
        act: Act::Erase,
        subject: Subject::Patient(patient.into()),
        kinds: Vec::new(),
        purpose: "HOPERAT".into(),
        reason: Some("retention period is over".into()),
        detail: String::new(),
    };
    Policies::built_in().unwrap().decide(ask, &Facts::default())
}

pub(crate) async fn erase(record: &Record, patient: &str) -> Result<record::Erasure, Error> {
    let decision = ordered(patient);
    record.erase(&decision, &[patient.to_owned()]).await
}

async fn of_patient(record: &Record, patient: &str) -> usize {
    let sealed = record.read(0, 10_000).await.unwrap();
    let of = |one: &&record::Sealed| one.event().subject == Subject::Patient(patient.into());
    sealed.iter().filter(of).count()
}

#[tokio::test]
async fn what_was_erased_is_gone_and_the_log_verifies() {
    let folder = tempfile::tempdir().unwrap();
    let record = open(folder.path()).await;
    fill(&record, 0, 700).await;
    record.publish().await.unwrap();
    let wrapped = keyring_of(folder.path(), "SELECT wrapped FROM stream").await;
    let newest = record.size() - 1;
    assert_eq!(record.at_hand(newest).unwrap().index(), newest);
    assert!(record.at_hand(newest + 1).is_none());
    let done = erase(&record, "p3").await.unwrap();
    assert_eq!(done.events, 100);
    assert!(
        record.at_hand(newest).is_none(),
        "nothing of before is in memory"
    );
    assert_eq!(of_patient(&record, "p3").await, 0);
    assert_eq!(of_patient(&record, "p4").await, 100);
    assert!(matches!(record.get(4).await, Err(Error::Erased(4))));
    record.publish().await.unwrap();
    let report = verified(folder.path()).await;
    assert_eq!((report.erased, report.alterations), (100, vec![]));
    let left = keyring_of(folder.path(), "SELECT wrapped FROM stream").await;
    let gone: Vec<_> = wrapped.iter().filter(|key| !left.contains(key)).collect();
    assert_eq!(gone.len(), 1);
    for path in files(&data(folder.path())) {
        let bytes = std::fs::read(&path).unwrap();
        let found = bytes
            .windows(gone[0].len())
            .any(|part| part == gone[0].as_slice());
        assert!(!found, "the wrapped key is still in {}", path.display());
    }
    // The order says who and why, and names nobody.
    let order = record.get(done.index).await.unwrap();
    let Body::Erased(erased) = &order.event().body else {
        unreachable!("an order was sealed");
    };
    assert_eq!(order.event().actor.id, "operator");
    assert_eq!(order.event().because, ["operators-erase"]);
    assert_eq!(erased.reason, "retention period is over");
    assert!(erased.covers(4) && !erased.covers(5));
    assert!(matches!(
        erase(&record, "p3").await,
        Err(Error::NoSuchPatient)
    ));
}

#[tokio::test]
async fn what_comes_later_begins_a_new_stream() {
    let folder = tempfile::tempdir().unwrap();
    let record = open(folder.path()).await;
    let old = record.admit(vec![write("p", 0, 1)]).await.unwrap()[0].index;
    record.admit(vec![message("1", "p", "old")]).await.unwrap();
    erase(&record, "p").await.unwrap();
    // The same message again has no effect: it was acknowledged once.
    let again = record.admit(vec![message("1", "p", "old")]).await.unwrap()[0];
    assert!(again.repeated);
    let late = record.admit(vec![message("2", "p", "new")]).await.unwrap()[0].index;
    assert_eq!(record.get(late).await.unwrap().event().raw, b"new");
    // The resource may be made again, as if it had never been there.
    assert!(record.admit(vec![write("p", 0, late)]).await.is_ok());
    assert!(matches!(record.get(old).await, Err(Error::Erased(_))));
    record.stop().await;
    drop(record);
    let record = open(folder.path()).await;
    assert_eq!(of_patient(&record, "p").await, 2);
    assert_eq!(verified(folder.path()).await.alterations, []);
}

#[tokio::test]
async fn nobody_erases_without_a_policy() {
    let folder = tempfile::tempdir().unwrap();
    let record = open(folder.path()).await;
    fill(&record, 0, 10).await;
    let decision = ordered("p1");
    let mut ask = decision.ask().clone();
    ask.reason = None;
    let refused = Policies::built_in().unwrap().decide(ask, &Facts::default());
    assert!(record.erase(&refused, &["p1".to_owned()]).await.is_err());
    assert!(of_patient(&record, "p1").await > 0);
}

#[tokio::test]
async fn a_key_that_went_without_an_order_is_an_alteration() {
    let folder = tempfile::tempdir().unwrap();
    let record = open(folder.path()).await;
    fill(&record, 0, 70).await;
    record.stop().await;
    drop(record);
    let path = data(folder.path()).join("keyring.db");
    let pool = sqlx::SqlitePool::connect(path.to_str().unwrap())
        .await
        .unwrap();
    sqlx::query("DELETE FROM stream WHERE rowid = (SELECT MAX(rowid) FROM stream)")
        .execute(&pool)
        .await
        .unwrap();
    pool.close().await;
    let report = verified(folder.path()).await;
    assert_eq!(report.erased, 0);
    let fields: Vec<&str> = report
        .alterations
        .iter()
        .map(|one| one.field.as_str())
        .collect();
    assert_eq!(fields, ["keyring"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_was_acknowledged_later_is_lost_with_the_key() {
    let folder = tempfile::tempdir().unwrap();
    let record = open(folder.path()).await;
    fill(&record, 0, 20).await;
    let sender = record.clone();
    let sending = tokio::spawn(async move {
        let mut indexes = Vec::new();
        for number in 0..200 {
            let sent = sender
                .admit(vec![message(&format!("x{number}"), "p1", "late")])
                .await;
            indexes.push(sent.unwrap()[0].index);
        }
        indexes
    });
    let order = erase(&record, "p1").await.unwrap();
    for index in sending.await.unwrap() {
        let read = record.get(index).await;
        // Before the order: erased by it. Behind it: there.
        assert_eq!(read.is_ok(), index > order.index, "{index} {read:?}");
    }
    record.publish().await.unwrap();
    assert_eq!(verified(folder.path()).await.alterations, []);
}

/// Stops a future for good after so many polls: what a kill at that point would leave.
pub(crate) struct CutShort<F>(pub(crate) Pin<Box<F>>, pub(crate) u32);

impl<F: Future> Future for CutShort<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if self.1 == 0 {
            return Poll::Ready(None);
        }
        self.1 -= 1;
        self.0.as_mut().poll(cx).map(Some)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_erasure_that_is_broken_off_is_done_or_undone_at_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let record = open(folder.path()).await;
    fill(&record, 0, 140).await;
    record.stop().await;
    drop(record);
    let (mut done, mut undone, mut number) = (0, 0, 0);
    for polls in (0..60).step_by(2) {
        let patient = format!("p{}", number % 7);
        let record = open(folder.path()).await;
        if of_patient(&record, &patient).await == 0 {
            let again = message(&format!("again{polls}"), &patient, "again");
            record.admit(vec![again]).await.unwrap();
        }
        let before = of_patient(&record, &patient).await;
        let decision = ordered(&patient);
        let patients = [patient.clone()];
        let erasing = Box::pin(record.erase(&decision, &patients));
        let finished = CutShort(erasing, polls).await.is_some();
        // No farewell: the record is dropped as a killed process would drop it.
        drop(record);
        let record = open(folder.path()).await;
        let sealed = record.read(0, 10_000).await.unwrap();
        let orders = sealed
            .iter()
            .filter(|one| matches!(one.event().body, Body::Erased(_)))
            .count();
        let left = of_patient(&record, &patient).await;
        assert!(left == 0 || left == before, "{polls}: {left} of {before}");
        assert_eq!(
            orders,
            done + usize::from(left == 0),
            "{polls}: an order, or nothing happened"
        );
        assert!(left == 0 || !finished, "{polls}");
        if left == 0 {
            done += 1;
            number += 1;
        } else {
            undone += 1;
        }
        record.publish().await.unwrap();
        record.stop().await;
        drop(record);
        assert_eq!(verified(folder.path()).await.alterations, [], "{polls}");
    }
    assert!(done > 0 && undone > 0, "{done} {undone}");
}

pub(crate) async fn keyring_of(folder: &std::path::Path, sql: &'static str) -> Vec<Vec<u8>> {
    let path = data(folder).join("keyring.db");
    let pool = sqlx::SqlitePool::connect(path.to_str().unwrap())
        .await
        .unwrap();
    let rows = sqlx::query_scalar(sql).fetch_all(&pool).await.unwrap();
    pool.close().await;
    rows
}

pub(crate) fn files(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.is_file() {
            found.push(path);
        }
    }
    found
}
