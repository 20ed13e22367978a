//! A primary and the standby that follows it, both on disk.

use std::fs;
use std::io;
use std::path::Path;

use futures_util::{StreamExt as _, stream};

use event::{Act, Actor, Body, Event, Service, ServiceState, Subject};
use guard::{Ask, Facts, Identity, Policies, Standing, admit};
use record::{Error, Record, Tail, Witnessed, install_keys, verify};

use crate::healing::sql;
use crate::house::{NOON, StillClock, config, data, fill, message, open, verified};

/// A standby's folder with the keys of a primary.
async fn enrol(folder: &Path, primary: &Record) {
    install_keys(&config(folder), &primary.key_copy())
        .await
        .unwrap();
}

async fn standby(folder: &Path) -> Record {
    Record::open_standby(config(folder), StillClock::at(NOON))
        .await
        .unwrap()
}

/// Takes all there is, so many rows at a time.
pub(crate) async fn follow(standby: &Record, primary: &Record, max: usize) {
    while let Some(tail) = primary.tail(standby.size(), max).await.unwrap() {
        standby.take(&tail).await.unwrap();
    }
}

async fn text(record: &Record, index: u64) -> Vec<u8> {
    record.get(index).await.unwrap().event().raw.clone()
}

#[tokio::test]
async fn it_has_what_the_primary_has_row_by_row_and_from_the_beginning() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let primary = open(folder.path()).await;
    fill(&primary, 0, 700).await;
    primary.publish().await.unwrap();
    fill(&primary, 700, 40).await;
    enrol(other.path(), &primary).await;
    let copy = standby(other.path()).await;
    follow(&copy, &primary, 100).await;
    assert_eq!(copy.size(), 741);
    for index in [1, 300, 740] {
        assert_eq!(text(&copy, index).await, text(&primary, index).await);
    }
    // Nothing of it was signed here, and yet it is all under the log's signature.
    assert_eq!(copy.checkpoint().0, 741);
    fill(&primary, 740, 3).await;
    follow(&copy, &primary, 100).await;
    copy.stop().await;
    drop(copy);
    let report = verified(other.path()).await;
    assert_eq!((report.size, report.published), (744, 744));
    assert_eq!(report.alterations, []);
    // It goes on where it was.
    let copy = standby(other.path()).await;
    fill(&primary, 743, 2).await;
    follow(&copy, &primary, 100).await;
    assert_eq!(text(&copy, 745).await, text(&primary, 745).await);
}

#[tokio::test]
async fn a_forged_head_an_older_one_and_another_history_are_refused() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let primary = open(folder.path()).await;
    fill(&primary, 0, 20).await;
    enrol(other.path(), &primary).await;
    let copy = standby(other.path()).await;
    let older = primary.tail(0, 100).await.unwrap().unwrap();
    follow(&copy, &primary, 100).await;
    fill(&primary, 20, 20).await;
    let good = primary.tail(21, 100).await.unwrap().unwrap();
    let refused = async |tail: &Tail| match copy.take(tail).await {
        Err(Error::Distrusted { why }) => why,
        other => format!("{other:?}"),
    };
    let mut forged = good.clone();
    forged.checkpoint = forged.checkpoint.replacen("\n41\n", "\n42\n", 1);
    assert!(refused(&forged).await.contains("not signed"));
    let mut cut = older.clone();
    cut.rows.clear();
    cut.checkpoint = primary_head(&older);
    assert_eq!(
        copy.take(&cut).await.unwrap(),
        21,
        "its own head again is nothing new"
    );
    let mut altered = good.clone();
    altered.rows[3].ciphertext[20] ^= 1;
    assert!(refused(&altered).await.contains("altered"));
    let mut swapped = good.clone();
    swapped.rows.swap(1, 2);
    assert!(refused(&swapped).await.contains("do not follow"));
    let mut short = good.clone();
    short.rows.pop();
    assert!(refused(&short).await.contains("another history"));
    assert_eq!(copy.size(), 21);
    // The honest one is still taken; then the older head is older.
    copy.take(&good).await.unwrap();
    assert!(refused(&cut).await.contains("rolled back"));
    assert_eq!(copy.size(), 41);
}

fn primary_head(tail: &Tail) -> String {
    tail.checkpoint.clone()
}

#[tokio::test]
async fn a_fork_that_the_same_key_signed_is_refused() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let primary = open(folder.path()).await;
    fill(&primary, 0, 20).await;
    primary.stop().await;
    drop(primary);
    let fork = tempfile::tempdir().unwrap();
    let copied = std::process::Command::new("cp")
        .args([
            "-a",
            data(folder.path()).to_str().unwrap(),
            fork.path().to_str().unwrap(),
        ])
        .status();
    assert!(copied.unwrap().success());
    let primary = open(folder.path()).await;
    fill(&primary, 20, 20).await;
    enrol(other.path(), &primary).await;
    let copy = standby(other.path()).await;
    follow(&copy, &primary, 100).await;
    let fork = open(fork.path()).await;
    assert!(matches!(
        fork.tail(41, 100).await,
        Err(Error::NoSuchIndex(41))
    ));
    fill(&fork, 900, 40).await;
    let tail = fork.tail(41, 100).await.unwrap().unwrap();
    let refused = copy.take(&tail).await;
    assert!(
        matches!(refused, Err(Error::Distrusted { .. })),
        "{refused:?}"
    );
    assert_eq!(copy.size(), 41);
}

#[tokio::test]
async fn what_happens_here_is_sealed_beside_and_nothing_else_may() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let primary = open(folder.path()).await;
    fill(&primary, 0, 10).await;
    enrol(other.path(), &primary).await;
    let copy = standby(other.path()).await;
    follow(&copy, &primary, 100).await;
    let ask = Ask {
        identity: Identity::of(Actor::salus()),
        act: Act::Read,
        subject: Subject::Patient("p1".into()),
        kinds: Vec::new(),
        purpose: "TREAT".into(),
        reason: None,
        detail: String::new(),
    };
    let decision = Policies::built_in().unwrap().decide(ask, &Facts::default());
    let before = copy.side().unwrap().size();
    assert!(matches!(
        copy.witness(decision).await.unwrap(),
        Witnessed::Refused(..)
    ));
    assert_eq!(copy.side().unwrap().size(), before + 1);
    assert_eq!(copy.size(), 11);
    let refused = copy.admit(vec![message("m1", "p1", "x")]).await;
    assert!(matches!(refused, Err(Error::Standby)));
    copy.stop().await;
    drop(copy);
    let mut side = config(other.path());
    side.data = side.data.join("side");
    let report = verify(&side, |_, _| {}).await.unwrap();
    assert_eq!((report.size, report.alterations.len()), (before + 1, 0));
}

#[tokio::test]
async fn a_promoted_standby_goes_on_and_the_old_primary_is_fenced_for_good() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let primary = open(folder.path()).await;
    fill(&primary, 0, 10).await;
    enrol(other.path(), &primary).await;
    let copy = standby(other.path()).await;
    follow(&copy, &primary, 100).await;
    copy.stop().await;
    drop(copy);
    let next = record::next_epoch(&config(other.path())).unwrap();
    assert_eq!((next.own, next.fenced_by()), (2, None));
    let copy = open(other.path()).await;
    fill(&copy, 10, 10).await;
    copy.publish().await.unwrap();
    assert_eq!((copy.size(), copy.checkpoint().0), (21, 21));
    assert_eq!(copy.public_key(), primary.public_key());
    // The same message again is known, though the old primary took it.
    let again = copy
        .admit(vec![message("m3", "p3", "content of 3")])
        .await
        .unwrap();
    assert!(again[0].repeated);
    primary.heard_of(copy.epoch().highest).unwrap();
    let refused = primary.admit(vec![message("x", "p1", "late")]).await;
    assert!(
        matches!(refused, Err(Error::Fenced { epoch: 2 })),
        "{refused:?}"
    );
    primary.stop().await;
    drop(primary);
    let primary = open(folder.path()).await;
    let refused = primary.admit(vec![started()]).await;
    assert!(
        matches!(refused, Err(Error::Fenced { epoch: 2 })),
        "after a restart as well"
    );
    // It still shows what it has.
    assert_eq!(text(&primary, 3).await, b"content of 2");
}

fn started() -> guard::Admitted {
    let body = Body::Service(Service {
        state: ServiceState::Started,
    });
    let event = Event::new(Actor::salus(), Act::Manage, Subject::Record, body);
    admit(event.into(), Standing::Salus, "").unwrap()
}

#[tokio::test]
async fn an_erased_patient_is_erased_on_the_standby_too() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let primary = open(folder.path()).await;
    fill(&primary, 0, 20).await;
    enrol(other.path(), &primary).await;
    let copy = standby(other.path()).await;
    follow(&copy, &primary, 100).await;
    let index = (1..21).find(|index| index % 7 == 2).unwrap();
    assert!(copy.get(index).await.is_ok());
    let ask = Ask {
        identity: Identity::of(Actor {
            role: event::Role::Operator,
            ..Actor::salus()
        }),
        act: Act::Erase,
        subject: Subject::Patient("p1".into()),
        kinds: Vec::new(),
        purpose: "HOPERAT".into(),
        reason: Some("the retention period is over".into()),
        detail: String::new(),
    };
    let decision = Policies::built_in().unwrap().decide(ask, &Facts::default());
    primary.erase(&decision, &["p1".to_owned()]).await.unwrap();
    follow(&copy, &primary, 100).await;
    assert!(matches!(copy.get(index).await, Err(Error::Erased(_))));
    assert!(copy.get(index + 1).await.is_ok());
}

fn image(primary: &str) -> Event {
    let body = Body::Image(event::Image {
        instance: "1.2.3".into(),
        ..event::Image::default()
    });
    Event::new(
        Actor::feed("ct1"),
        Act::Send,
        Subject::Patient(primary.into()),
        body,
    )
}

/// An image of the primary: its bytes in the vault, under which path.
async fn with_image(primary: &Record, folder: &Path) -> (u64, Vec<u8>) {
    let mut claim = image("p1");
    let whole = primary.keep(&claim, vec![7; 3_000_000]).await.unwrap();
    let bytes = fs::read(data(folder).join("vault").join(&whole.path)).unwrap();
    if let Body::Image(image) = &mut claim.body {
        image.whole = whole;
    }
    let event = admit(claim.into(), Standing::Salus, "").unwrap();
    (primary.admit(vec![event]).await.unwrap()[0].index, bytes)
}

/// Bytes as they come over a network.
fn pieces(bytes: &[u8]) -> stream::Iter<std::vec::IntoIter<io::Result<bytes::Bytes>>> {
    let pieces = bytes.chunks(100_000);
    let pieces: Vec<_> = pieces
        .map(|piece| Ok(bytes::Bytes::copy_from_slice(piece)))
        .collect();
    stream::iter(pieces)
}

#[tokio::test]
async fn it_takes_objects_only_as_the_events_name_them_and_has_them_when_it_is_the_primary() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let primary = open(folder.path()).await;
    let (index, bytes) = with_image(&primary, folder.path()).await;
    enrol(other.path(), &primary).await;
    let copy = standby(other.path()).await;
    follow(&copy, &primary, 100).await;
    let (absent, next) = copy.absent(0, 100).await.unwrap();
    assert_eq!((absent.len(), next), (1, copy.size()));
    let absent = absent[0].clone();
    assert_eq!((absent.index, absent.bytes), (index, bytes.len() as u64));
    let refused = async |bytes: &[u8]| {
        let taken = copy.take_object(&absent, pieces(bytes)).await;
        taken.unwrap_err().to_string()
    };
    let mut wrong = bytes.clone();
    wrong[2_000_000] ^= 1;
    assert!(refused(&wrong).await.contains("SHA-256"));
    assert!(refused(&bytes[..bytes.len() / 2]).await.contains("SHA-256"));
    let endless = [bytes.as_slice(), &bytes].concat();
    assert!(refused(&endless).await.contains("goes on beyond"));
    let mut cut: Vec<_> = pieces(&bytes[..1_000_000]).collect::<Vec<_>>().await;
    cut.push(Err(io::Error::other("the line is dead")));
    let why = copy.take_object(&absent, stream::iter(cut)).await;
    assert!(why.unwrap_err().to_string().contains("the line is dead"));
    let again = copy.absent(0, 100).await.unwrap().0;
    assert_eq!(again.as_slice(), std::slice::from_ref(&absent));
    let whole = primary.object_file(&absent.path).await.unwrap().unwrap();
    let whole = whole.map(|piece| piece.map_err(io::Error::other));
    copy.take_object(&absent, whole).await.unwrap();
    assert_eq!(copy.absent(0, 100).await.unwrap().0, []);
    let sealed = copy.get(index).await.unwrap();
    assert_eq!(copy.object(&sealed).await.unwrap(), vec![7; 3_000_000]);
    copy.stop().await;
    primary.stop().await;
    drop(copy);
    let promoted = open(other.path()).await;
    let sealed = promoted.get(index).await.unwrap();
    assert_eq!(promoted.object(&sealed).await.unwrap(), vec![7; 3_000_000]);
    promoted.stop().await;
}

#[tokio::test]
async fn only_files_of_the_vault_are_shown_to_it() {
    let folder = tempfile::tempdir().unwrap();
    let primary = open(folder.path()).await;
    for path in [
        "object/../../keys/root.key",
        "object//x",
        "object/2026-09-21/x",
    ] {
        assert!(primary.object_file(path).await.unwrap().is_none(), "{path}");
    }
    primary.stop().await;
}

#[tokio::test]
async fn what_an_event_that_cannot_be_read_names_is_not_told_to_be_here() {
    let folder = tempfile::tempdir().unwrap();
    let record = open(folder.path()).await;
    fill(&record, 0, 5).await;
    assert_eq!(record.absent(0, 100).await.unwrap(), (Vec::new(), 6));
    sql(
        folder.path(),
        "UPDATE row SET ciphertext = x'00' WHERE seq = 3",
    )
    .await;
    let why = record.absent(0, 100).await.unwrap_err().to_string();
    assert!(why.contains("cannot be read"), "{why}");
    record.stop().await;
}
