//! A reader that fails or panics: it is tried again, stands where it cannot go on, and skips nothing.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use event::Arrival;
use record::{HeldUp, Pace, Reader, ReaderError, Record, Sealed, follow};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::erasing::erase;
use crate::house::{message, open};

/// Folds into a list, and panics at one event until it is mended.
struct Panics {
    at: u64,
    mended: AtomicBool,
    folded: Mutex<Vec<u64>>,
    cursor: Mutex<u64>,
}

#[async_trait]
impl Reader for Panics {
    fn name(&self) -> &'static str {
        "panics"
    }

    async fn cursor(&self) -> Result<u64, ReaderError> {
        Ok(*self.cursor.lock().unwrap())
    }

    async fn fold(&self, batch: &[Sealed], next: u64) -> Result<Vec<Arrival>, ReaderError> {
        let indices: Vec<u64> = batch.iter().map(Sealed::index).collect();
        let bad = indices.contains(&self.at) && !self.mended.load(Ordering::SeqCst);
        assert!(!bad, "name of a patient");
        self.folded.lock().unwrap().extend(indices);
        *self.cursor.lock().unwrap() = next;
        Ok(Vec::new())
    }
}

#[tokio::test]
async fn a_reader_that_panics_stands_at_the_event_says_so_and_goes_on_when_it_can() {
    let folder = tempfile::tempdir().unwrap();
    let record = open(folder.path()).await;
    for control in 0..20 {
        let one = message(&control.to_string(), "p", "MSH");
        record.admit(vec![one]).await.unwrap();
    }
    let reader = Arc::new(Panics {
        at: 13,
        mended: AtomicBool::new(false),
        folded: Mutex::default(),
        cursor: Mutex::default(),
    });
    let stop = CancellationToken::new();
    let following = follow(record.clone(), reader.clone(), stop.clone());
    let following = tokio::spawn(following);
    let mut held = record.held_up_changes();
    let said: Vec<HeldUp> = held.wait_for(|all| !all.is_empty()).await.unwrap().clone();
    assert_eq!((said[0].reader.as_str(), said[0].at), ("panics", 13));
    assert!(!said[0].why.contains("patient"), "{}", said[0].why);
    let before: Vec<u64> = (0..13).collect();
    assert_eq!(*reader.folded.lock().unwrap(), before);
    reader.mended.store(true, Ordering::SeqCst);
    held.wait_for(Vec::is_empty).await.unwrap();
    let all: Vec<u64> = (0..record.size()).collect();
    assert_eq!(*reader.folded.lock().unwrap(), all);
    assert!(!following.is_finished());
    stop.cancel();
    following.await.unwrap();
    record.stop().await;
}

/// Fails a few times at its first event, and notes how much it was given at a time.
struct Stumbles {
    left: AtomicU64,
    cursor: AtomicU64,
    took: Mutex<Vec<usize>>,
}

#[async_trait]
impl Reader for Stumbles {
    fn name(&self) -> &'static str {
        "stumbles"
    }

    async fn cursor(&self) -> Result<u64, ReaderError> {
        Ok(self.cursor.load(Ordering::SeqCst))
    }

    async fn fold(&self, batch: &[Sealed], next: u64) -> Result<Vec<Arrival>, ReaderError> {
        self.took.lock().unwrap().push(batch.len());
        let left = self.left.load(Ordering::SeqCst);
        if left > 0 {
            self.left.store(left - 1, Ordering::SeqCst);
            return Err(ReaderError {
                reader: "stumbles",
                why: "the disk is busy".to_owned(),
            });
        }
        self.cursor.store(next, Ordering::SeqCst);
        Ok(Vec::new())
    }
}

#[tokio::test]
async fn a_reader_that_goes_on_soon_takes_as_much_at_a_time_as_before() {
    let folder = tempfile::tempdir().unwrap();
    let record = open(folder.path()).await;
    for control in 0..20 {
        let one = message(&control.to_string(), "p", "MSH");
        record.admit(vec![one]).await.unwrap();
    }
    let size = record.size();
    let all = usize::try_from(size).unwrap();
    // One failure changes nothing; 13 of them bring it down to one event at a time.
    for (failures, wanted) in [(1, vec![all, all]), (13, vec![1, 2, 4, 8, all - 15])] {
        let reader = Arc::new(Stumbles {
            left: AtomicU64::new(failures),
            cursor: AtomicU64::new(0),
            took: Mutex::default(),
        });
        let stop = CancellationToken::new();
        let following = follow(record.clone(), reader.clone(), stop.clone());
        let following = tokio::spawn(following);
        while reader.cursor.load(Ordering::SeqCst) < size {
            tokio::task::yield_now().await;
        }
        stop.cancel();
        following.await.unwrap();
        let took = reader.took.lock().unwrap();
        assert!(took.ends_with(&wanted), "{took:?}");
    }
    record.stop().await;
}

/// Notes what it was called for; its first tidying fails.
struct Tidies {
    cursor: AtomicU64,
    failed: AtomicBool,
    tidied: watch::Sender<usize>,
    log: Mutex<Vec<&'static str>>,
}

#[async_trait]
impl Reader for Tidies {
    fn name(&self) -> &'static str {
        "tidies"
    }

    async fn cursor(&self) -> Result<u64, ReaderError> {
        Ok(self.cursor.load(Ordering::SeqCst))
    }

    async fn fold(&self, _: &[Sealed], next: u64) -> Result<Vec<Arrival>, ReaderError> {
        self.log.lock().unwrap().push("fold");
        self.cursor.store(next, Ordering::SeqCst);
        self.tidied.send_modify(|_| {});
        Ok(Vec::new())
    }

    async fn tidy(&self) -> Result<(), ReaderError> {
        if !self.failed.swap(true, Ordering::SeqCst) {
            self.log.lock().unwrap().push("not tidied");
            return Err(ReaderError {
                reader: "tidies",
                why: "somebody still reads the file".to_owned(),
            });
        }
        self.log.lock().unwrap().push("tidied");
        self.tidied.send_modify(|times| *times += 1);
        Ok(())
    }
}

#[tokio::test]
async fn a_view_is_tidied_up_after_a_start_and_after_an_erasure_and_not_otherwise() {
    let folder = tempfile::tempdir().unwrap();
    let record = open(folder.path()).await;
    record.admit(vec![message("1", "p", "MSH")]).await.unwrap();
    let reader = Arc::new(Tidies {
        cursor: AtomicU64::new(0),
        failed: AtomicBool::new(false),
        tidied: watch::Sender::new(0),
        log: Mutex::default(),
    });
    let stop = CancellationToken::new();
    let following = tokio::spawn(follow(record.clone(), reader.clone(), stop.clone()));
    let mut tidied = reader.tidied.subscribe();
    tidied.wait_for(|times| *times == 1).await.unwrap();
    for control in ["2", "3"] {
        let one = message(control, "p", "MSH");
        record.admit(vec![one]).await.unwrap();
        let size = record.size();
        let all = |_: &usize| reader.cursor.load(Ordering::SeqCst) == size;
        tidied.wait_for(all).await.unwrap();
    }
    erase(&record, "p").await.unwrap();
    tidied.wait_for(|times| *times == 2).await.unwrap();
    let log = reader.log.lock().unwrap().clone();
    assert_eq!(
        log.iter().filter(|one| **one == "not tidied").count(),
        1,
        "{log:?}"
    );
    let mended = log.iter().position(|one| *one == "tidied").unwrap();
    assert_eq!(log[mended + 1..mended + 3], ["fold"; 2], "{log:?}");
    assert_eq!(log.last(), Some(&"tidied"));
    assert_eq!(
        log.iter().filter(|one| **one == "tidied").count(),
        2,
        "{log:?}"
    );
    stop.cancel();
    following.await.unwrap();
    record.stop().await;
}

/// How often something more is sealed while it folds.
const BUSY_FOLDS: u64 = 30;

/// A paced view of a house in which there is always something more.
struct Busy {
    record: Record,
    pace: Pace,
    cursor: AtomicU64,
    folds: watch::Sender<u64>,
    /// After how many folds it was tidied up first.
    tidied: Mutex<Option<u64>>,
}

#[async_trait]
impl Reader for Busy {
    fn name(&self) -> &'static str {
        "busy"
    }

    async fn cursor(&self) -> Result<u64, ReaderError> {
        Ok(self.cursor.load(Ordering::SeqCst))
    }

    fn pace(&self) -> Option<&Pace> {
        Some(&self.pace)
    }

    async fn fold(&self, _: &[Sealed], next: u64) -> Result<Vec<Arrival>, ReaderError> {
        let folds = *self.folds.borrow() + 1;
        if folds < BUSY_FOLDS {
            let one = message(&format!("more {folds}"), "p", "MSH");
            self.record.admit(vec![one]).await.unwrap();
        }
        self.cursor.store(next, Ordering::SeqCst);
        self.folds.send_replace(folds);
        Ok(Vec::new())
    }

    async fn tidy(&self) -> Result<(), ReaderError> {
        let folds = *self.folds.borrow();
        self.tidied.lock().unwrap().get_or_insert(folds);
        Ok(())
    }
}

#[tokio::test]
async fn a_view_that_never_has_all_there_is_is_tidied_up_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let record = open(folder.path()).await;
    record.admit(vec![message("1", "p", "MSH")]).await.unwrap();
    let reader = Arc::new(Busy {
        record: record.clone(),
        pace: Pace::of(Duration::from_millis(1)),
        cursor: AtomicU64::new(0),
        folds: watch::Sender::new(0),
        tidied: Mutex::new(None),
    });
    let stop = CancellationToken::new();
    let following = tokio::spawn(follow(record.clone(), reader.clone(), stop.clone()));
    let mut folds = reader.folds.subscribe();
    folds.wait_for(|folds| *folds == BUSY_FOLDS).await.unwrap();
    stop.cancel();
    following.await.unwrap();
    let tidied = *reader.tidied.lock().unwrap();
    assert!(tidied.is_some_and(|after| after < BUSY_FOLDS), "{tidied:?}");
    record.stop().await;
}
