//! A record and the witness of it, both on disk.

use std::path::Path;

use record::{Answer, Enough, Record, WitnessBook};
use seal::{AddCheckpoint, LogVerifier, Proof, WitnessVerifier, leaf_hash};

use crate::house::{data, fill, open};

const SECONDS: u64 = 1_790_000_000;

async fn book(folder: &Path, log: &str) -> WitnessBook {
    std::fs::create_dir_all(folder).unwrap();
    WitnessBook::open(folder, "w.test/one", &[log.to_owned()])
        .await
        .unwrap()
}

/// The request that a record makes for its newest checkpoint.
async fn request(record: &Record, old: u64) -> AddCheckpoint {
    let (size, checkpoint, _) = record.checkpoint();
    AddCheckpoint {
        old,
        proof: record.consistency(old, size).await.unwrap(),
        checkpoint,
    }
}

async fn ask(book: &WitnessBook, request: &AddCheckpoint) -> Answer {
    book.add_checkpoint(request.to_text().as_bytes(), SECONDS)
        .await
        .unwrap()
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        match path.is_dir() {
            true => copy(&path, &target),
            false => drop(std::fs::copy(&path, &target).unwrap()),
        }
    }
}

#[tokio::test]
async fn a_growing_record_is_cosigned_and_its_proofs_carry_it() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let record = open(folder.path()).await;
    fill(&record, 0, 20).await;
    record.publish().await.unwrap();
    let book = book(other.path(), &record.public_key()).await;
    let witness = WitnessVerifier::new(&book.public_key()).unwrap();
    let first = ask(&book, &request(&record, 0).await).await;
    assert_eq!(first.status, 200, "{first:?}");
    fill(&record, 20, 600).await;
    record.publish().await.unwrap();
    let (size, note, _) = record.checkpoint();
    assert_eq!(ask(&book, &request(&record, 0).await).await.body, "21\n");
    let second = ask(&book, &request(&record, 21).await).await;
    assert_eq!(second.status, 200, "{second:?}");
    assert!(
        witness.join(&note, &first.body).is_none(),
        "it is of another head"
    );
    let joined = witness.join(&note, &second.body).unwrap();
    record.add_cosignatures(&joined, Enough::Yes).await.unwrap();
    assert_eq!(record.checkpoint().1, joined);
    // What comes later is proved under its own head, what came before under the cosigned one.
    fill(&record, 620, 5).await;
    record.publish().await.unwrap();
    let log = LogVerifier::new(&record.public_key()).unwrap();
    for (index, cosigned) in [(3, true), (size - 1, true), (size + 1, false)] {
        let proof = Proof::from_text(&record.proof(index).await.unwrap()).unwrap();
        assert!(proof.verify(&leaf_hash(&proof.extra), &log).is_ok());
        assert_eq!(
            witness.cosigned(&proof.checkpoint).is_some(),
            cosigned,
            "{index}"
        );
    }
    record.stop().await;
    drop(record);
    let record = open(folder.path()).await;
    assert_eq!(record.cosigned().map(|head| head.size), Some(size));
    assert_eq!(
        record.cosigned_at(&witness).map(|(size, _)| size),
        Some(size)
    );
}

#[tokio::test]
async fn a_rolled_back_and_a_forked_record_are_refused_for_ever() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let record = open(folder.path()).await;
    fill(&record, 0, 20).await;
    record.stop().await;
    drop(record);
    let old = tempfile::tempdir().unwrap();
    copy(&data(folder.path()), &data(old.path()));
    let record = open(folder.path()).await;
    fill(&record, 20, 20).await;
    record.publish().await.unwrap();
    let key = record.public_key();
    let kept = book(other.path(), &key).await;
    assert_eq!(ask(&kept, &request(&record, 0).await).await.status, 200);
    record.stop().await;
    drop(record);
    drop(kept);
    // The witness is restarted; an older copy of the record goes on.
    let kept = book(other.path(), &key).await;
    let fork = open(old.path()).await;
    let answer = ask(&kept, &request(&fork, 21).await).await;
    assert_eq!((answer.status, answer.body.as_str()), (409, "41\n"));
    assert_eq!(answer.kind, "text/x.tlog.size");
    fill(&fork, 100, 40).await;
    fork.publish().await.unwrap();
    let answer = ask(&kept, &request(&fork, 41).await).await;
    assert_eq!(answer.status, 422, "{answer:?}");
    let answer = ask(&kept, &request(&fork, 61).await).await;
    assert_eq!((answer.status, answer.body.as_str()), (409, "41\n"));
}

#[tokio::test]
async fn strangers_and_nonsense_have_their_status() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let record = open(folder.path()).await;
    record.publish().await.unwrap();
    let kept = book(other.path(), &record.public_key()).await;
    for bad in [
        &b""[..],
        b"\xff\xfe",
        b"old 0\n",
        b"old x\n\nlog\n1\nAAAA\n\n",
    ] {
        assert_eq!(kept.add_checkpoint(bad, SECONDS).await.unwrap().status, 400);
    }
    let mut asked = request(&record, 0).await;
    asked.checkpoint = asked
        .checkpoint
        .replacen("salus.test/record", "other.test", 1);
    assert_eq!(ask(&kept, &asked).await.status, 404);
    let mut asked = request(&record, 0).await;
    asked.checkpoint = asked.checkpoint.replacen("\n1\n", "\n2\n", 1);
    assert_eq!(ask(&kept, &asked).await.status, 403);
}

#[tokio::test]
async fn of_two_requests_at_once_none_rolls_the_other_back() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let record = open(folder.path()).await;
    fill(&record, 0, 20).await;
    record.publish().await.unwrap();
    let small = request(&record, 0).await;
    fill(&record, 20, 20).await;
    record.publish().await.unwrap();
    let large = request(&record, 0).await;
    let kept = book(other.path(), &record.public_key()).await;
    let (one, two) = tokio::join!(ask(&kept, &small), ask(&kept, &large));
    let mut both = [one.status, two.status];
    both.sort_unstable();
    assert_eq!(both, [200, 409]);
    let seen = kept.seen("salus.test/record").await.unwrap().unwrap().0;
    assert_eq!(seen, if one.status == 200 { 21 } else { 41 });
}

#[tokio::test]
async fn a_witness_without_its_memory_does_not_go_on() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let record = open(folder.path()).await;
    let logs = [record.public_key()];
    drop(book(other.path(), &logs[0]).await);
    for end in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(other.path().join(format!("witness.db{end}")));
    }
    let again = WitnessBook::open(other.path(), "w.test/one", &logs).await;
    let why = again.err().unwrap().to_string();
    assert!(why.contains("forgot"), "{why}");
}
