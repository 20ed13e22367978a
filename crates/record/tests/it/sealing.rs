use event::Body;
use record::{Error, Record};
use seal::{Entry, LogVerifier, Proof};

use crate::house::{NOON, StillClock, config, data, fill, message, open, verified, write};

#[tokio::test]
async fn what_was_sealed_is_read_back_and_proved() {
    let folder = tempfile::tempdir().unwrap();
    let record = open(folder.path()).await;
    fill(&record, 0, 700).await;
    assert_eq!(record.size(), 701);
    record.publish().await.unwrap();

    let sealed = record.get(1).await.unwrap();
    assert!(matches!(&sealed.event().body, Body::Message(m) if m.control == "m0"));
    assert_eq!(sealed.event().raw, b"content of 0");
    assert_eq!(record.read(0, 1_000).await.unwrap().len(), 701);

    let log = LogVerifier::new(&record.public_key()).unwrap();
    for index in [0, 1, 255, 256, 511, 600, 700] {
        let proof = Proof::from_text(&record.proof(index).await.unwrap()).unwrap();
        let entry = Entry::from_bytes(&record.entry(index).await.unwrap()).unwrap();
        assert_eq!(proof.verify(&entry.leaf(), &log).unwrap(), 701);
        assert_eq!(record.check(index).await.unwrap(), None);
    }
    assert!(matches!(
        record.proof(701).await,
        Err(Error::NoSuchIndex(701))
    ));
    let report = verified(folder.path()).await;
    assert_eq!((report.size, report.published), (701, 701));
    assert_eq!(report.alterations, []);
}

#[tokio::test]
async fn a_second_start_resumes_where_the_first_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let record = open(folder.path()).await;
    fill(&record, 0, 300).await;
    record.stop().await;
    assert!(matches!(
        record.admit(vec![message("x", "p", "x")]).await,
        Err(Error::Stopped)
    ));
    drop(record);
    let record = open(folder.path()).await;
    assert_eq!(record.size(), 301);
    assert_eq!(record.checkpoint().0, 301);
    fill(&record, 300, 300).await;
    record.publish().await.unwrap();
    assert_eq!(verified(folder.path()).await.alterations, []);
}

#[tokio::test]
async fn two_processes_cannot_write_one_record() {
    let folder = tempfile::tempdir().unwrap();
    let _first = open(folder.path()).await;
    let second = Record::open(config(folder.path()), StillClock::at(NOON)).await;
    assert!(
        second
            .err()
            .unwrap()
            .to_string()
            .contains("another salus process")
    );
}

#[tokio::test]
async fn a_repeated_delivery_has_no_second_effect() {
    let folder = tempfile::tempdir().unwrap();
    let record = open(folder.path()).await;
    let first = record.admit(vec![message("7", "p", "same")]).await.unwrap()[0];
    let again = record.admit(vec![message("7", "p", "same")]).await.unwrap()[0];
    assert_eq!(
        (again.index, again.at, again.repeated),
        (first.index, first.at, true)
    );
    assert_eq!(record.size(), 2);
    let other = record
        .admit(vec![message("7", "p", "other")])
        .await
        .unwrap()[0];
    assert!(other.reused && !other.repeated && other.index == 2);
    // In one batch, too.
    let (one, two) = tokio::join!(
        record.admit(vec![message("8", "p", "same")]),
        record.admit(vec![message("8", "p", "same")])
    );
    let (one, two) = (one.unwrap()[0], two.unwrap()[0]);
    assert_eq!(one.index, two.index);
    assert!(one.repeated != two.repeated);
}

#[tokio::test]
async fn of_two_writers_of_one_version_one_loses() {
    let folder = tempfile::tempdir().unwrap();
    let record = open(folder.path()).await;
    let made = record.admit(vec![write("a", 0, 1)]).await.unwrap()[0].index;
    assert!(matches!(
        record.admit(vec![write("a", 0, 2)]).await,
        Err(Error::Conflict { kind, id }) if kind == "Patient" && id == "a"
    ));
    let (one, two) = tokio::join!(
        record.admit(vec![write("a", made, 2)]),
        record.admit(vec![write("a", made, 2)])
    );
    assert!(one.is_ok() != two.is_ok());
    // A message for the patient that the writer had not seen makes its write a lost race.
    record.admit(vec![message("9", "a", "late")]).await.unwrap();
    let latest = one.or(two).unwrap()[0].index;
    assert!(record.admit(vec![write("a", latest, 3)]).await.is_err());
    assert!(record.admit(vec![write("a", latest, 4)]).await.is_ok());
}

#[tokio::test]
async fn a_group_is_sealed_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let record = open(folder.path()).await;
    record.admit(vec![write("a", 0, 1)]).await.unwrap();
    let size = record.size();
    assert!(
        record
            .admit(vec![write("b", 0, 1), write("a", 0, 1)])
            .await
            .is_err()
    );
    assert!(
        record
            .admit(vec![write("c", 0, 1), write("c", 0, 1)])
            .await
            .is_err()
    );
    assert_eq!(record.size(), size);
    assert!(
        record
            .admit(vec![write("b", 0, 1), write("c", 0, 1)])
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn time_in_the_record_never_goes_back() {
    let folder = tempfile::tempdir().unwrap();
    let clock = StillClock::at(NOON);
    let record = Record::open(config(folder.path()), clock.clone())
        .await
        .unwrap();
    fill(&record, 0, 10).await;
    record.publish().await.unwrap();
    let before = record.checkpoint().2;
    clock.put(NOON - 3_600_000);
    fill(&record, 10, 10).await;
    record.publish().await.unwrap();
    assert!(record.checkpoint().2 >= before);
    let times: Vec<_> = record
        .read(0, 100)
        .await
        .unwrap()
        .iter()
        .map(|s| s.at())
        .collect();
    assert!(times.is_sorted());
    record.stop().await;
    drop(record);
    let record = Record::open(config(folder.path()), clock).await.unwrap();
    fill(&record, 20, 1).await;
    assert!(record.get(21).await.unwrap().at().millis() >= NOON);
}

#[tokio::test]
async fn an_event_over_the_limit_is_refused_with_both_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(folder.path());
    config.event_bytes_max = 1_000;
    let record = Record::open(config, StillClock::at(NOON)).await.unwrap();
    let refused = record
        .admit(vec![message("1", "p", &"x".repeat(2_000))])
        .await
        .unwrap_err();
    assert!(matches!(refused, Error::TooLarge { max: 1_000, .. }));
    assert_eq!(record.size(), 1);
}

#[tokio::test]
async fn no_patient_data_lies_in_the_clear() {
    let folder = tempfile::tempdir().unwrap();
    let record = open(folder.path()).await;
    let word = "Zyxwvutsrq-unmistakable";
    record.admit(vec![message("1", word, word)]).await.unwrap();
    record.stop().await;
    let mut files = vec![folder.path().to_path_buf()];
    while let Some(path) = files.pop() {
        if path.is_dir() {
            files.extend(
                std::fs::read_dir(&path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
        } else {
            let bytes = std::fs::read(&path).unwrap();
            let found = bytes
                .windows(word.len())
                .any(|window| window == word.as_bytes());
            assert!(!found, "{}", path.display());
        }
    }
}

#[tokio::test]
async fn a_proof_under_a_head_that_was_just_replaced_is_still_a_proof() {
    let folder = tempfile::tempdir().unwrap();
    let record = open(folder.path()).await;
    fill(&record, 0, 9).await;
    record.publish().await.unwrap();
    let checkpoint = data(folder.path()).join("vault/checkpoint");
    let old = std::fs::read(&checkpoint).unwrap();
    fill(&record, 9, 300).await;
    record.stop().await;
    // As somebody sees it who read the head before the next one replaced its partial tiles.
    std::fs::write(&checkpoint, &old).unwrap();
    let proved = record::prove(&config(folder.path()), 3).await.unwrap();
    let log = LogVerifier::new(&proved.public_key).unwrap();
    let proof = Proof::from_text(&proved.proof).unwrap();
    let entry = Entry::from_bytes(&proved.entry).unwrap();
    assert_eq!(proof.verify(&entry.leaf(), &log).unwrap(), 10);
}
