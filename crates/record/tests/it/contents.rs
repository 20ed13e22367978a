//! What of a resource is too large for a row: it comes back as it was received, is held against what was
//! sealed, carried by backups and brought by standbys, and goes with the patient.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use event::{Act, Actor, Body, Content, Event, Form, Resource, Subject};
use guard::{Admitted, Standing, admit};
use record::journal::SqliteJournal;
use record::vault::{LocalVault, Vault, VaultFault};
use record::{
    Error, Marks, Of, Parts, Place, Record, Sealed, Wanted, backup, copy_keys, restore,
    restore_keys,
};

use tokio::sync::Semaphore;

use crate::erasing::erase;
use crate::house::{NOON, StillClock, config, data, fill, open, verified};
use crate::objects::{DAY, files, told};

/// Bytes that do not compress, as a scanned letter does not.
pub(crate) fn letter(bytes: usize) -> Vec<u8> {
    let mut state = 7_u64;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 56) as u8
    };
    (0..bytes).map(|_| next()).collect()
}

pub(crate) fn binary(id: &str, data: &str) -> Vec<u8> {
    let json = format!(
        "{{\"resourceType\":\"Binary\", \"id\":\"{id}\",\n \"data\" : \"{data}\",\"contentType\":\"application/pdf\"}}"
    );
    json.into_bytes()
}

fn claim((patient, id): (&str, &str), raw: Vec<u8>) -> Event {
    let body = Body::Resource(Resource {
        kind: "Binary".into(),
        id: id.into(),
        replaces: 0,
        as_of: 0,
        resolved: Vec::new(),
        contents: Vec::new(),
    });
    let subject = Subject::Patient(patient.into());
    Event::new(Actor::feed("scanner"), Act::Create, subject, body).with_raw(raw)
}

fn admitted(of: (&str, &str), raw: Vec<u8>) -> Admitted {
    admit(claim(of, raw).into(), Standing::Salus, "").unwrap()
}

pub(crate) async fn sealed(record: &Record, of: (&str, &str), raw: &[u8]) -> Sealed {
    let receipts = record.admit(vec![admitted(of, raw.to_vec())]).await;
    record.get(receipts.unwrap()[0].index).await.unwrap()
}

pub(crate) fn contents(sealed: &Sealed) -> &[Content] {
    match &sealed.event().body {
        Body::Resource(written) => &written.contents,
        _ => unreachable!(),
    }
}

/// What a view makes of it.
fn made(record: &Record, sealed: &Sealed) -> Vec<u8> {
    let marks = Marks::of(record.blind());
    marks.numbered(&sealed.event().raw, contents(sealed), sealed.index())
}

/// A version of a resource.
const fn version<'a>((kind, id): (&'a str, &'a str), version: u64) -> Of<'a> {
    Of { kind, id, version }
}

#[tokio::test]
async fn a_large_content_lies_in_the_vault_and_comes_back_byte_for_byte() {
    let folder = tempfile::tempdir().unwrap();
    let record = open(folder.path()).await;
    let bytes = letter(300_000);
    let raw = binary("a", &STANDARD.encode(&bytes));
    let one = sealed(&record, ("p1", "a"), &raw).await;
    assert!(one.event().raw.len() < 300, "the row is small");
    assert_eq!(contents(&one)[0].whole.bytes, 300_000, "no base64 is kept");
    let lying = fs::read(&files(folder.path())[0]).unwrap();
    assert!(!lying.windows(16).any(|part| part == &bytes[..16]));
    assert_eq!(record.raw(&one).await.unwrap(), raw);
    let back = record.contents();
    let (own, bare) = (version(("Binary", "a"), one.index()), made(&record, &one));
    assert_eq!(back.put_back(own, bare.clone()).await.unwrap(), raw);
    assert_eq!(back.data(own, &bare).await.unwrap(), Some(bytes));
    assert_eq!(back.promised(&bare, u64::MAX), 400_000);
    assert_eq!(back.promised(&bare, 399_999), 0);
    record.stop().await;
}

#[tokio::test]
async fn base64_with_line_breaks_comes_back_with_them_and_what_is_small_stays_in_the_row() {
    let folder = tempfile::tempdir().unwrap();
    let record = open(folder.path()).await;
    let lines = STANDARD.encode(letter(90_000));
    let lines: Vec<&str> = lines
        .as_bytes()
        .chunks(76)
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect();
    let raw = binary("a", &lines.join("\\r\\n"));
    let one = sealed(&record, ("p1", "a"), &raw).await;
    assert_eq!(contents(&one)[0].form, Form::Text);
    assert_eq!(record.raw(&one).await.unwrap(), raw);
    let small = binary("b", &STANDARD.encode(letter(30_000)));
    let two = sealed(&record, ("p1", "b"), &small).await;
    assert_eq!((contents(&two).len(), &two.event().raw), (0, &small));
    record.stop().await;
}

/// What is told in the place of a content.
fn absent(json: &[u8]) -> Option<String> {
    let json: serde_json::Value = serde_json::from_slice(json).unwrap();
    assert_eq!(json.get("data"), None, "{json}");
    let code = json["_data"]["extension"][0]["valueCode"].as_str();
    code.map(str::to_owned)
}

#[tokio::test]
async fn a_mark_brings_nothing_to_a_resource_that_did_not_write_it() {
    let folder = tempfile::tempdir().unwrap();
    let record = open(folder.path()).await;
    let raw = binary("a", &STANDARD.encode(letter(100_000)));
    let one = sealed(&record, ("p1", "a"), &raw).await;
    let stolen = made(&record, &one);
    let back = record.contents();
    for (of, at) in [
        (("Binary", "b"), one.index()),
        (("Media", "a"), one.index()),
        (("Binary", "a"), one.index() - 1),
    ] {
        let told = back.put_back(version(of, at), stolen.clone()).await;
        assert_eq!(absent(&told.unwrap()).as_deref(), Some("error"), "{of:?}");
        let data = back.data(version(of, at), &stolen).await;
        assert!(!matches!(data, Ok(Some(_))), "{of:?}");
    }
    let later = version(("Binary", "a"), one.index() + 1);
    assert_eq!(
        back.data(later, &stolen).await.unwrap(),
        None,
        "of another version"
    );
    record.stop().await;
}

#[tokio::test]
async fn no_mark_is_sealed_that_somebody_else_wrote() {
    let folder = tempfile::tempdir().unwrap();
    let record = open(folder.path()).await;
    let raw = binary("a", &STANDARD.encode(letter(100_000)));
    let one = sealed(&record, ("p1", "a"), &raw).await;
    let size = record.size();
    let numbered = made(&record, &one);
    for forged in [
        &one.event().raw,
        &numbered,
        &binary("b", "urn:salus:content:"),
    ] {
        let refused = record
            .admit(vec![admitted(("p2", "b"), forged.clone())])
            .await;
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains("urn:salus:content:"), "{refused}");
    }
    assert_eq!(record.size(), size);
    record.stop().await;
}

#[tokio::test]
async fn what_is_missing_or_altered_is_named_and_keeps_nobody_from_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let record = open(folder.path()).await;
    let raw = |id: &str| binary(id, &STANDARD.encode(letter(100_000)));
    let missing = sealed(&record, ("p1", "a"), &raw("a")).await;
    let altered = sealed(&record, ("p2", "b"), &raw("b")).await;
    record.publish().await.unwrap();
    let report = verified(folder.path()).await;
    assert_eq!((report.objects, report.unnamed), (2, 0));
    assert_eq!(report.alterations, []);
    let place = |of: &Sealed| {
        data(folder.path())
            .join("vault")
            .join(&contents(of)[0].whole.path)
    };
    fs::remove_file(place(&missing)).unwrap();
    let mut bytes = fs::read(place(&altered)).unwrap();
    bytes[50_000] ^= 1;
    fs::write(place(&altered), bytes).unwrap();
    for (one, id, why) in [
        (&missing, "a", "is missing"),
        (&altered, "b", "was altered"),
    ] {
        let back = record.contents();
        let own = version(("Binary", id), one.index());
        let bare = made(&record, one);
        let refused = back.put_back(own, bare.clone()).await.unwrap_err();
        assert!(refused.to_string().contains(why), "{refused}");
        assert!(record.raw(one).await.is_err());
        let told = back
            .put_back_what_is_there(own, (bare, u64::MAX))
            .await
            .unwrap();
        let told: serde_json::Value = serde_json::from_slice(&told).unwrap();
        assert_eq!(told["_data"]["extension"][0]["valueCode"], "error");
        assert_eq!((told["id"].as_str(), told.get("data")), (Some(id), None));
    }
    let named: Vec<_> = verified(folder.path()).await.alterations;
    let named: Vec<_> = named
        .iter()
        .map(|one| (one.index, one.owner.as_deref()))
        .collect();
    let both = [
        (missing.index(), "patient/p1"),
        (altered.index(), "patient/p2"),
    ];
    assert_eq!(named, both.map(|(index, owner)| (Some(index), Some(owner))));
    assert_eq!(record.scrub().await.unwrap().altered, 2);
    let subjects: Vec<Subject> = told(&record)
        .await
        .into_iter()
        .map(|(subject, _)| subject)
        .collect();
    assert_eq!(subjects, ["p1", "p2"].map(|id| Subject::Patient(id.into())));
    record.stop().await;
}

#[tokio::test]
async fn who_is_erased_has_no_contents_any_more() {
    let folder = tempfile::tempdir().unwrap();
    let record = open(folder.path()).await;
    let raw = |id: &str| binary(id, &STANDARD.encode(letter(100_000)));
    let gone = sealed(&record, ("p1", "a"), &raw("a")).await;
    let bare = made(&record, &gone);
    let left = sealed(&record, ("p2", "b"), &raw("b")).await;
    erase(&record, "p1").await.unwrap();
    let why = record.raw(&gone).await.unwrap_err();
    assert!(matches!(why, Error::Erased(_)), "{why}");
    let (back, own) = (record.contents(), version(("Binary", "a"), gone.index()));
    let told = back.put_back(own, bare.clone()).await.unwrap();
    assert_eq!(absent(&told).as_deref(), Some("error"), "the rest is whole");
    let told = back.put_back_what_is_there(own, (bare, u64::MAX)).await;
    assert_eq!(absent(&told.unwrap()).as_deref(), Some("error"));
    assert_eq!(record.raw(&left).await.unwrap(), raw("b"));
    record.publish().await.unwrap();
    assert_eq!(verified(folder.path()).await.alterations, []);
    record.stop().await;
}

#[tokio::test]
async fn a_backup_carries_contents_and_a_lost_database_takes_none_along() {
    let (folder, disk) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let own = config(folder.path());
    let record = open(folder.path()).await;
    let raw = binary("a", &STANDARD.encode(letter(100_000)));
    let index = sealed(&record, ("p1", "a"), &raw).await.index();
    record.publish().await.unwrap();
    let place = Place::Folder(disk.path().to_owned());
    backup(&own, &place, &[], |_, _| {}).await.unwrap();
    record.stop().await;
    drop(record);
    for name in ["journal.db", "journal.db-wal", "journal.db-shm"] {
        let _ = fs::remove_file(data(folder.path()).join(name));
    }
    let record = open(folder.path()).await;
    let again = record.get(index).await.unwrap();
    assert_eq!(record.raw(&again).await.unwrap(), raw);
    record.stop().await;

    let to = tempfile::tempdir().unwrap();
    let copied = copy_keys(&own, &to.path().join("copies"), 3).await.unwrap();
    let fresh = config(to.path());
    fs::create_dir_all(fresh.data.join("keys")).unwrap();
    let root = |folder: &Path| data(folder).join("keys/root.key");
    fs::copy(root(folder.path()), root(to.path())).unwrap();
    restore_keys(&fresh, &copied.path, &[]).unwrap();
    restore(&place, &fresh, &Wanted::Furthest, |_, _| {})
        .await
        .unwrap();
    let record = open(to.path()).await;
    let restored = record.get(index).await.unwrap();
    assert_eq!(record.raw(&restored).await.unwrap(), raw);
    record.stop().await;
    assert_eq!(verified(to.path()).await.alterations, []);
}

/// A disk that is full, or away, when it is told so.
struct Failing {
    vault: LocalVault,
    full: Arc<AtomicBool>,
    away: Arc<AtomicBool>,
}

#[async_trait]
impl Vault for Failing {
    async fn put(&self, path: &str, bytes: Bytes) -> Result<(), VaultFault> {
        if self.full.load(Ordering::SeqCst) && path.starts_with("object/") {
            return Err(VaultFault {
                doing: "store",
                path: path.into(),
                why: "no space".into(),
            });
        }
        self.vault.put(path, bytes).await
    }

    async fn get(&self, path: &str) -> Result<Option<Bytes>, VaultFault> {
        if self.away.load(Ordering::SeqCst) {
            return Err(VaultFault {
                doing: "read",
                path: path.into(),
                why: "nobody answers".into(),
            });
        }
        self.vault.get(path).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>, VaultFault> {
        self.vault.list(prefix).await
    }

    async fn discard(&self, path: &str) -> Result<(), VaultFault> {
        self.vault.discard(path).await
    }
}

/// A record on such a disk.
async fn on(folder: &Path, (full, away): (&Arc<AtomicBool>, &Arc<AtomicBool>)) -> Record {
    fs::create_dir_all(data(folder).join("vault")).unwrap();
    let journal = SqliteJournal::open(&data(folder).join("journal.db")).await;
    let parts = Parts {
        journal: Arc::new(journal.unwrap()),
        vault: Arc::new(Failing {
            vault: LocalVault::open(&data(folder).join("vault")).unwrap(),
            full: Arc::clone(full),
            away: Arc::clone(away),
        }),
    };
    let opened = Record::open_with(config(folder), parts, StillClock::at(NOON));
    opened.await.unwrap()
}

#[tokio::test]
async fn a_vault_that_does_not_answer_has_lost_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (full, away) = (Arc::default(), Arc::new(AtomicBool::new(false)));
    let record = on(folder.path(), (&full, &away)).await;
    let raw = binary("a", &STANDARD.encode(letter(100_000)));
    let one = sealed(&record, ("p1", "a"), &raw).await;
    let (back, own) = (record.contents(), version(("Binary", "a"), one.index()));
    away.store(true, Ordering::SeqCst);
    let told = back.put_back_what_is_there(own, (made(&record, &one), u64::MAX));
    let told = told.await.unwrap_err().to_string();
    assert!(told.contains("nobody answers"), "{told}");
    away.store(false, Ordering::SeqCst);
    let told = back.put_back_what_is_there(own, (made(&record, &one), u64::MAX));
    assert_eq!(told.await.unwrap(), raw);
    record.stop().await;
}

#[tokio::test]
async fn what_is_not_there_is_lost_only_if_the_vault_is() {
    let folder = tempfile::tempdir().unwrap();
    let record = open(folder.path()).await;
    let raw = binary("a", &STANDARD.encode(letter(100_000)));
    let one = sealed(&record, ("p1", "a"), &raw).await;
    record.publish().await.unwrap();
    let vault = data(folder.path()).join("vault");
    let away = folder.path().join("away");
    // As when it was not mounted.
    fs::rename(&vault, &away).unwrap();
    let told = record.raw(&one).await.unwrap_err();
    assert!(matches!(told, Error::Broken { .. }), "{told}");
    fs::rename(&away, &vault).unwrap();
    fs::rename(files(folder.path()).remove(0), &away).unwrap();
    let told = record.raw(&one).await.unwrap_err();
    assert!(matches!(told, Error::Lost { .. }), "{told}");
    record.stop().await;
}

#[tokio::test]
async fn on_a_full_disk_nothing_is_sealed_and_afterwards_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let (full, away) = (Arc::new(AtomicBool::new(true)), Arc::default());
    let record = on(folder.path(), (&full, &away)).await;
    let raw = binary("a", &STANDARD.encode(letter(100_000)));
    let size = record.size();
    let refused = record.admit(vec![admitted(("p1", "a"), raw.clone())]).await;
    assert!(refused.unwrap_err().to_string().contains("no space"));
    assert_eq!(record.size(), size);
    full.store(false, Ordering::SeqCst);
    let one = sealed(&record, ("p1", "a"), &raw).await;
    assert_eq!(record.raw(&one).await.unwrap(), raw);
    record.stop().await;
}

/// A storage that takes its time for objects: each waits until it may.
struct Slow {
    vault: LocalVault,
    begun: Arc<Semaphore>,
    may: Arc<Semaphore>,
}

#[async_trait]
impl Vault for Slow {
    async fn put(&self, path: &str, bytes: Bytes) -> Result<(), VaultFault> {
        if path.starts_with("object/") {
            self.begun.add_permits(1);
            self.may.acquire().await.unwrap().forget();
        }
        self.vault.put(path, bytes).await
    }

    async fn get(&self, path: &str) -> Result<Option<Bytes>, VaultFault> {
        self.vault.get(path).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>, VaultFault> {
        self.vault.list(prefix).await
    }

    async fn discard(&self, path: &str) -> Result<(), VaultFault> {
        self.vault.discard(path).await
    }
}

#[tokio::test]
async fn an_erasure_waits_for_no_storage_and_what_is_stored_meanwhile_goes_under_the_new_key() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(data(folder.path()).join("vault")).unwrap();
    let (begun, may) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let parts = Parts {
        journal: Arc::new(
            SqliteJournal::open(&data(folder.path()).join("journal.db"))
                .await
                .unwrap(),
        ),
        vault: Arc::new(Slow {
            vault: LocalVault::open(&data(folder.path()).join("vault")).unwrap(),
            begun: Arc::clone(&begun),
            may: Arc::clone(&may),
        }),
    };
    let opened = Record::open_with(config(folder.path()), parts, StillClock::at(NOON));
    let record = opened.await.unwrap();
    let small = sealed(&record, ("p1", "small"), &binary("small", "QUJD")).await;
    let raw = binary("a", &STANDARD.encode(letter(100_000)));
    let (of, slow) = (("p1", "a"), record.clone());
    let written = tokio::spawn({
        let event = admitted(of, raw.clone());
        async move { slow.admit(vec![event]).await }
    });
    let kept = tokio::spawn({
        let (slow, claim) = (record.clone(), claim(("p2", "b"), Vec::new()));
        async move { slow.keep(&claim, letter(100_000)).await }
    });
    begun.acquire_many(2).await.unwrap().forget();
    // Both are being stored: neither the erasure nor anybody else stands still.
    erase(&record, "p1").await.unwrap();
    sealed(&record, ("p3", "c"), &binary("c", "QUJD")).await;
    let why = record.get(small.index()).await.unwrap_err();
    assert!(matches!(why, Error::Erased(_)), "{why}");
    // What was stored under the old key is stored again.
    may.add_permits(3);
    let receipts = written.await.unwrap().unwrap();
    let one = record.get(receipts[0].index).await.unwrap();
    assert_eq!(record.raw(&one).await.unwrap(), raw);
    kept.await.unwrap().unwrap();
    record.stop().await;
}

#[tokio::test]
async fn what_was_stored_for_an_event_that_was_not_sealed_goes_after_some_days() {
    let folder = tempfile::tempdir().unwrap();
    let clock = StillClock::at(NOON);
    let record = Record::open(config(folder.path()), clock.clone())
        .await
        .unwrap();
    let raw = |fill: usize| binary("a", &STANDARD.encode(letter(100_000 + fill)));
    let kept = sealed(&record, ("p1", "a"), &raw(0)).await;
    // Of two writers of one version the second is refused once its content is stored.
    let lost = record.admit(vec![admitted(("p1", "a"), raw(1))]).await;
    assert!(matches!(lost, Err(Error::Conflict { .. })));
    record.publish().await.unwrap();
    let report = verified(folder.path()).await;
    assert_eq!((report.objects, report.unnamed), (1, 1));
    clock.put(NOON + 9 * DAY);
    fill(&record, 0, 1).await;
    record.stop().await;
    drop(record);
    let record = Record::open(config(folder.path()), clock).await.unwrap();
    let looked = record.scrub().await.unwrap();
    assert_eq!((looked.removed, looked.altered), (1, 0));
    let kept = record.get(kept.index()).await.unwrap();
    assert_eq!(record.raw(&kept).await.unwrap(), raw(0));
    record.stop().await;
}

#[tokio::test]
async fn an_event_takes_a_content_only_from_under_its_own_key() {
    let folder = tempfile::tempdir().unwrap();
    let record = open(folder.path()).await;
    let whole = record
        .keep(&claim(("p1", "a"), Vec::new()), letter(10))
        .await
        .unwrap();
    let content = Content {
        whole,
        form: Form::Base64,
    };
    let mut other = claim(("p2", "a"), binary("a", &content.mark()));
    if let Body::Resource(written) = &mut other.body {
        written.contents.push(content);
    }
    let event = admit(other.into(), Standing::Salus, "").unwrap();
    let refused = record.admit(vec![event]).await.unwrap_err().to_string();
    assert!(refused.contains("not under the key"), "{refused}");
    record.stop().await;
}

#[tokio::test]
async fn a_standby_misses_contents_until_it_has_them() {
    let folder = tempfile::tempdir().unwrap();
    let record = open(folder.path()).await;
    let raw = binary("a", &STANDARD.encode(letter(100_000)));
    let one = sealed(&record, ("p1", "a"), &raw).await;
    assert_eq!(record.absent(0, 100).await.unwrap().0, []);
    let file = files(folder.path()).remove(0);
    let bytes = fs::read(&file).unwrap();
    fs::remove_file(&file).unwrap();
    let absent = record.absent(0, 100).await.unwrap().0;
    assert_eq!(absent.len(), 1);
    assert_eq!(
        (absent[0].index, absent[0].bytes),
        (one.index(), bytes.len() as u64)
    );
    let pieces = futures_util::stream::iter([Ok(Bytes::from(bytes))]);
    record.take_object(&absent[0], pieces).await.unwrap();
    assert_eq!(record.raw(&one).await.unwrap(), raw);
    record.stop().await;
}
