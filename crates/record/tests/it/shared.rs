//! Objects in a vault that somebody else uses, too, or whose disk is failing: nothing goes that may be
//! another's, and one bad place stops nothing.

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use event::Body;
use record::journal::SqliteJournal;
use record::vault::{LocalVault, Vault, VaultFault};
use record::{Config, Parts, Place, Record, Sealed};

use crate::house::{NOON, StillClock, config, data, fill, verified};
use crate::objects::{DAY, claim, files, sealed, told};

/// A folder with places that cannot be read, and one that may refuse to change objects.
struct Failing {
    folder: LocalVault,
    unreadable: Mutex<HashSet<String>>,
    refuses: AtomicBool,
}

impl Failing {
    fn open(folder: &Path) -> Arc<Failing> {
        fs::create_dir_all(data(folder).join("vault")).unwrap();
        Arc::new(Failing {
            folder: LocalVault::open(&data(folder).join("vault")).unwrap(),
            unreadable: Mutex::default(),
            refuses: AtomicBool::new(false),
        })
    }

    fn refuse(&self, refuses: bool) {
        self.refuses.store(refuses, Ordering::SeqCst);
    }

    fn changes(&self, path: &str) -> Result<(), VaultFault> {
        match self.refuses.load(Ordering::SeqCst) && path.starts_with("object/") {
            true => Err(fault("change", path)),
            false => Ok(()),
        }
    }
}

fn fault(doing: &'static str, path: &str) -> VaultFault {
    VaultFault {
        doing,
        path: path.to_owned(),
        why: "input/output error".to_owned(),
    }
}

#[async_trait]
impl Vault for Failing {
    async fn put(&self, path: &str, bytes: Bytes) -> Result<(), VaultFault> {
        self.changes(path)?;
        self.unreadable.lock().unwrap().remove(path);
        self.folder.put(path, bytes).await
    }

    async fn get(&self, path: &str) -> Result<Option<Bytes>, VaultFault> {
        if self.unreadable.lock().unwrap().contains(path) {
            return Err(fault("read", path));
        }
        self.folder.get(path).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>, VaultFault> {
        self.folder.list(prefix).await
    }

    async fn discard(&self, path: &str) -> Result<(), VaultFault> {
        self.changes(path)?;
        self.folder.discard(path).await
    }
}

async fn start(config: &Config, vault: &Arc<Failing>, clock: &Arc<StillClock>) -> Record {
    let journal = SqliteJournal::open(&config.data.join("journal.db")).await;
    let parts = Parts {
        journal: Arc::new(journal.unwrap()),
        vault: Arc::clone(vault) as Arc<dyn Vault>,
    };
    let record = Record::open_with(config.clone(), parts, clock.clone() as Arc<_>);
    record.await.unwrap()
}

fn path(image: &Sealed) -> String {
    match &image.event().body {
        Body::Image(image) => image.whole.path.clone(),
        _ => unreachable!(),
    }
}

/// A record with an image, and beside it an object that no event names and that is old enough to go.
async fn with_one_left(folder: &Path, vault: &Arc<Failing>) -> Record {
    let clock = StillClock::at(NOON);
    let record = start(&config(folder), vault, &clock).await;
    sealed(&record, ("p1", "1.2.3"), b"a slice of a head").await;
    let left = claim("p1", "1.2.4");
    record
        .keep(&left, b"left by a crash".to_vec())
        .await
        .unwrap();
    clock.put(NOON + 9 * DAY);
    fill(&record, 0, 1).await;
    record.stop().await;
    drop(record);
    start(&config(folder), vault, &clock).await
}

#[tokio::test]
async fn a_primary_that_another_took_over_from_removes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let record = with_one_left(folder.path(), &Failing::open(folder.path())).await;
    record.lease(Some(std::time::Instant::now()));
    assert_eq!(
        record.scrub().await.unwrap().removed,
        0,
        "another may be it"
    );
    record.lease(None);
    record.heard_of(2).unwrap();
    assert_eq!(record.scrub().await.unwrap().removed, 0, "another is it");
    assert_eq!(files(folder.path()).len(), 2);
    record.stop().await;
}

#[tokio::test]
async fn a_removal_that_is_refused_is_not_told_as_done() {
    let folder = tempfile::tempdir().unwrap();
    let vault = Failing::open(folder.path());
    let record = with_one_left(folder.path(), &vault).await;
    vault.refuse(true);
    let found = record.scrub().await.unwrap();
    assert_eq!((found.removed, found.removed_bytes), (0, 0));
    vault.refuse(false);
    assert_eq!(record.scrub().await.unwrap().removed, 1);
    assert_eq!(files(folder.path()).len(), 1);
    record.stop().await;
}

#[tokio::test]
async fn what_cannot_be_read_is_told_once_and_put_right_and_the_rest_is_looked_at() {
    let (folder, disk) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let place = Place::Folder(disk.path().to_owned());
    let mut own = config(folder.path());
    own.objects_second = Some(place.clone());
    let vault = Failing::open(folder.path());
    let record = start(&own, &vault, &StillClock::at(NOON)).await;
    let first = sealed(&record, ("p1", "1.2.3"), b"a slice of a head").await;
    let second = sealed(&record, ("p2", "1.2.4"), b"a slice of a knee").await;
    record.publish().await.unwrap();
    let bad = path(&first);
    vault.unreadable.lock().unwrap().insert(bad.clone());
    fs::remove_file(data(folder.path()).join("vault").join(path(&second))).unwrap();
    for _ in 0..2 {
        let found = record.scrub().await.unwrap();
        assert_eq!((found.objects, found.altered, found.healed), (2, 2, 0));
    }
    let said = told(&record).await;
    assert_eq!(said.len(), 2, "each is told once: {said:?}");
    assert_eq!(said[0].1.parts[0].found, "bytes that cannot be read");
    // The second place has it now, and the first one does not take it.
    vault.unreadable.lock().unwrap().remove(&bad);
    fs::create_dir_all(disk.path().join(&bad).parent().unwrap()).unwrap();
    let whole = data(folder.path()).join("vault").join(&bad);
    fs::copy(&whole, disk.path().join(&bad)).unwrap();
    vault.unreadable.lock().unwrap().insert(bad);
    vault.refuse(true);
    let found = record.scrub().await.unwrap();
    assert_eq!((found.altered, found.healed), (2, 0));
    let said = told(&record).await;
    assert_eq!(said.len(), 2, "nothing is told as put right that is not");
    vault.refuse(false);
    let found = record.scrub().await.unwrap();
    assert_eq!((found.altered, found.healed), (2, 1));
    let said = told(&record).await;
    assert_eq!(said[2].1.healed_from.as_deref(), Some("second"));
    assert_eq!(record.object(&first).await.unwrap(), b"a slice of a head");
    record.stop().await;
}

#[tokio::test]
async fn verification_names_what_cannot_be_read_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let vault = Failing::open(folder.path());
    let record = start(&config(folder.path()), &vault, &StillClock::at(NOON)).await;
    let first = sealed(&record, ("p1", "1.2.3"), b"a slice of a head").await;
    sealed(&record, ("p2", "1.2.4"), b"a slice of a knee").await;
    record.stop().await;
    // A file that can be opened, and whose first byte cannot be read (proc(5)).
    let bad = data(folder.path()).join("vault").join(path(&first));
    fs::remove_file(&bad).unwrap();
    symlink("/proc/self/mem", &bad).unwrap();
    let report = verified(folder.path()).await;
    assert_eq!(report.objects, 2);
    let [only] = &report.alterations[..] else {
        panic!("{:?}", report.alterations);
    };
    assert_eq!(only.index, Some(first.index()));
    assert!(
        only.found.starts_with("bytes that cannot be read"),
        "{only:?}"
    );
}
