//! What becomes of objects: kept as they came, sealed, answered; or refused, and kept as that.

use event::{Actor, Body, Subject};
use guard::Standing;
use inlets::dicom::{Config, Intake, Sender};
use wire::dicom::{Status, Syntax, VR, Writer, file, part10, tags};

use crate::caller::Answer;
use crate::house::{CT, House, MR, config, feed, of_class, slice};

#[tokio::test]
async fn an_object_is_kept_as_it_came_and_sealed_before_it_is_answered() {
    let house = House::open(config()).await;
    let set = slice("1.2.3.4", "Doe^Jane");
    let mut caller = house.connect().await;
    caller.ask("SALUS", "CT1", &[CT]).await;
    assert_eq!(caller.store((CT, "1.2.3.4"), &set).await, Answer::Status(0));
    let images = house.images().await;
    let (sealed, image) = &images[0];
    let event = sealed.event();
    assert_eq!((image.feed.as_str(), image.calling.as_str()), ("ct", "CT1"));
    assert_eq!(
        (image.instance.as_str(), image.modality.as_str()),
        ("1.2.3.4", "CT")
    );
    assert_eq!(image.syntax, Syntax::EXPLICIT_UID);
    assert_eq!(event.because, ["feed:ct"]);
    assert_eq!(event.from.as_deref(), Some("127.0.0.1"));
    // The same patient as of a message whose assigning authority is the feed's.
    let id = house
        .record
        .blind()
        .id("Patient", "urn:salus:authority:STELLA", "4711");
    assert_eq!(event.subject, Subject::Patient(id));
    // The event has what comes before the pixels, the vault has everything.
    assert_eq!(event.raw, set[..set.len() - 5_012]);
    let whole = house.record.object(sealed).await.unwrap();
    let head = part10(&whole).unwrap();
    assert_eq!(head.syntax_uid, Syntax::EXPLICIT_UID);
    assert_eq!(
        head.meta.ascii(tags::MEDIA_STORAGE_SOP_INSTANCE_UID),
        "1.2.3.4"
    );
    assert_eq!(whole[head.data_at..], set);
    house.close().await;
}

#[tokio::test]
async fn the_same_once_more_is_a_success_and_no_second_event() {
    let house = House::open(config()).await;
    let set = slice("1.2.3.4", "Doe^Jane");
    for _ in 0..2 {
        let mut caller = house.connect().await;
        caller.ask("SALUS", "CT1", &[CT]).await;
        assert_eq!(caller.store((CT, "1.2.3.4"), &set).await, Answer::Status(0));
    }
    assert_eq!(house.sealed().await.len(), 1);
    house.close().await;
}

#[tokio::test]
async fn another_object_under_the_same_uid_is_an_alteration_and_the_first_stays() {
    let house = House::open(config()).await;
    let first = slice("1.2.3.4", "Doe^Jane");
    let mut caller = house.connect().await;
    caller.ask("SALUS", "CT1", &[CT]).await;
    caller.store((CT, "1.2.3.4"), &first).await;
    let other = slice("1.2.3.4", "Roe^Jane");
    assert_eq!(
        caller.store((CT, "1.2.3.4"), &other).await,
        Answer::Status(0x0111)
    );
    // Pixels alone are enough.
    let mut pixels = first.clone();
    *pixels.last_mut().unwrap() ^= 1;
    assert_eq!(
        caller.store((CT, "1.2.3.4"), &pixels).await,
        Answer::Status(0x0111)
    );
    let images = house.images().await;
    assert_eq!(images.len(), 1);
    let whole = house.record.object(&images[0].0).await.unwrap();
    assert!(whole.ends_with(&first));
    let sealed = house.sealed().await;
    let altered: Vec<_> = sealed
        .iter()
        .filter_map(|one| match &one.event().body {
            Body::Alteration(altered) => Some((one.event(), altered)),
            _ => None,
        })
        .collect();
    assert_eq!(altered.len(), 2);
    let (event, what) = altered[0];
    assert_eq!(what.index, Some(images[0].0.index()));
    let parts: Vec<_> = what.parts.iter().map(|part| part.part.as_str()).collect();
    assert_eq!(parts, ["PatientName", "data set (SHA-256)"]);
    assert_eq!(
        (what.parts[0].sealed.as_str(), what.parts[0].found.as_str()),
        ("Doe^Jane", "Roe^Jane")
    );
    assert_eq!(event.subject, images[0].0.event().subject);
    let (_, what) = altered[1];
    assert_eq!(what.parts.len(), 1);
    house.close().await;
}

#[tokio::test]
async fn of_two_that_come_at_the_same_moment_one_counts() {
    let house = House::open(config()).await;
    let (one, other) = (slice("1.2.3.4", "Doe^Jane"), slice("1.2.3.4", "Roe^Jane"));
    let (mut left, mut right) = (house.connect().await, house.connect().await);
    left.ask("SALUS", "CT1", &[CT]).await;
    right.ask("SALUS", "CT1", &[CT]).await;
    let (a, b) = tokio::join!(
        left.store((CT, "1.2.3.4"), &one),
        right.store((CT, "1.2.3.4"), &other)
    );
    let mut answers = [a, b].map(|answer| match answer {
        Answer::Status(status) => status,
        other => unreachable!("{other:?}"),
    });
    answers.sort_unstable();
    assert_eq!(answers, [0, 0x0111]);
    assert_eq!(house.images().await.len(), 1);
    house.close().await;
}

/// A sequence within itself.
fn nested(depth: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..depth {
        bytes.extend(b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff");
    }
    for _ in 0..depth {
        bytes.extend(b"\xfe\xff\x0d\xe0\0\0\0\0\xfe\xff\xdd\xe0\0\0\0\0");
    }
    bytes
}

#[tokio::test]
async fn what_lies_about_itself_is_refused_and_kept_as_that() {
    let house = House::open(config()).await;
    let mut caller = house.connect().await;
    caller.ask("SALUS", "CT1", &[CT]).await;
    let named = Writer::new(Syntax::EXPLICIT)
        .text(tags::SOP_CLASS_UID, VR::UI, CT)
        .text(tags::SOP_INSTANCE_UID, VR::UI, "1.2.3.4")
        .finish();
    let bomb = [&named[..], b"\x09\x00\x10\x10UN\0\0\xf0\xff\xff\xe8x"].concat();
    let deep = [&named[..], &nested(5_000)].concat();
    let other = slice("1.2.3.5", "Doe^Jane");
    let magnetic = of_class(MR, "1.2.3.4", "Doe^Jane");
    for (set, status) in [
        (&bomb, 0xC000),
        (&deep, 0xA700),
        (&named, 0xC000),
        (&other, 0xA900),
        (&magnetic, 0xA900),
    ] {
        assert_eq!(
            caller.store((CT, "1.2.3.4"), set).await,
            Answer::Status(status)
        );
    }
    assert!(house.images().await.is_empty());
    let reasons = house.reasons().await;
    let words = ["says it has", "nested", "(0020,000D)", "1.2.3.5", MR];
    assert_eq!(reasons.len(), words.len());
    for (reason, word) in reasons.iter().zip(words) {
        assert!(
            reason.starts_with("ct: the object `1.2.3.4` was refused") && reason.contains(word),
            "{reason}"
        );
    }
    assert_eq!(house.sealed().await[0].event().raw, bomb);
    // The association goes on.
    let set = slice("1.2.3.4", "Doe^Jane");
    assert_eq!(caller.store((CT, "1.2.3.4"), &set).await, Answer::Status(0));
    house.close().await;
}

#[tokio::test]
async fn what_is_too_large_is_refused_without_being_held() {
    let large = Config {
        object_bytes_max: 4_000,
        ..config()
    };
    // There is no room now; there may be later.
    let full = Config {
        unfinished_bytes_max: 4_000,
        ..config()
    };
    let wordy = Config {
        header_bytes_max: 40,
        ..config()
    };
    for (config, status) in [(large, 0xA700), (full, 0xA701), (wordy, 0xA700)] {
        let house = House::open(config).await;
        let mut caller = house.connect().await;
        caller.ask("SALUS", "CT1", &[CT]).await;
        let set = slice("1.2.3.4", "Doe^Jane");
        assert_eq!(
            caller.store((CT, "1.2.3.4"), &set).await,
            Answer::Status(status)
        );
        assert_eq!(
            caller.store((CT, "1.2.3.4"), b"").await,
            Answer::Status(0xC000)
        );
        assert_eq!(house.reasons().await.len(), 2);
        house.close().await;
    }
}

#[tokio::test]
async fn what_names_no_patient_is_the_feeds() {
    let house = House::open(Config {
        feeds: vec![feed("qa", "QA")],
        ..config()
    })
    .await;
    let set = Writer::new(Syntax::EXPLICIT)
        .text(tags::SOP_CLASS_UID, VR::UI, CT)
        .text(tags::SOP_INSTANCE_UID, VR::UI, "1.2.3.4")
        .text(tags::STUDY_INSTANCE_UID, VR::UI, "1.2.3")
        .text(tags::SERIES_INSTANCE_UID, VR::UI, "1.2.3.1")
        .finish();
    let mut caller = house.connect().await;
    caller.ask("SALUS", "QA", &[CT]).await;
    assert_eq!(caller.store((CT, "1.2.3.4"), &set).await, Answer::Status(0));
    let images = house.images().await;
    assert_eq!(images[0].0.event().subject, Subject::Feed("qa".into()));
    assert!(
        house
            .record
            .object(&images[0].0)
            .await
            .unwrap()
            .ends_with(&set)
    );
    house.close().await;
}

#[tokio::test]
async fn of_what_nobody_stands_for_the_reason_alone_is_kept() {
    let house = House::open(config()).await;
    let intake = Intake::new(&config(), house.record.clone());
    for (vouched, raw) in [(false, &b""[..]), (true, b"garbage")] {
        let mut sender = Sender::web(intake.config(), Actor::feed("app"), None).unwrap();
        assert!(!sender.vouched);
        sender.vouched = vouched;
        let mut held = intake.begin_from_web();
        held.add(b"garbage");
        let told = intake.look_at_file((sender, None), held).await;
        assert_eq!(told.err().unwrap().status, Status::CannotUnderstand);
        assert_eq!(house.sealed().await.last().unwrap().event().raw, raw);
    }
    house.close().await;
}

#[tokio::test]
async fn what_comes_over_the_web_has_half_of_the_room() {
    let config = Config {
        unfinished_bytes_max: 4_000,
        ..config()
    };
    let house = House::open(config.clone()).await;
    let intake = Intake::new(&config, house.record.clone());
    let told = async |mut held: inlets::dicom::Held| {
        held.add(&[7; 2_500]);
        let sender = Sender::web(&config, Actor::feed("app"), None).unwrap();
        let told = intake.look_at_file((sender, None), held).await;
        told.err().unwrap().status
    };
    assert_eq!(told(intake.begin_from_web()).await, Status::NoRoom);
    assert_eq!(
        told(intake.begin(Vec::new())).await,
        Status::CannotUnderstand
    );
    // What is let go is free again.
    let mut held = intake.begin_from_web();
    held.add(&[7; 2_000]);
    drop(held);
    let mut held = intake.begin_from_web();
    held.add(&[7; 2_000]);
    let sender = Sender::web(&config, Actor::feed("app"), None).unwrap();
    let told = intake.look_at_file((sender, None), held).await;
    assert_eq!(told.err().unwrap().status, Status::CannotUnderstand);
    house.close().await;
}

#[tokio::test]
async fn nothing_is_sealed_with_somebody_for_whom_nothing_may_be_stored() {
    let house = House::open(config()).await;
    let mut caller = house.connect().await;
    caller.ask("SALUS", "CT1", &[CT]).await;
    let first = slice("1.2.3.4", "Doe^Jane");
    assert_eq!(
        caller.store((CT, "1.2.3.4"), &first).await,
        Answer::Status(0)
    );
    let (sealed, _) = house.images().await.remove(0);
    let owner = sealed.event().subject.patient().unwrap().to_owned();
    let intake = Intake::new(&config(), house.record.clone());
    let other = slice("1.2.3.4", "Roe^Jane");
    let head = file(CT, "1.2.3.4", Syntax::EXPLICIT_UID, "APP");
    for (patient, status) in [
        ("somebody else", Status::NotAuthorized),
        ("somebody else", Status::NotAuthorized),
        (owner.as_str(), Status::DuplicateInstance),
    ] {
        let sender = Sender::web(intake.config(), Actor::feed("app"), None).unwrap();
        let mut held = intake.begin_from_web();
        held.add(&[&head[..], &other[..]].concat());
        let claim = intake.look_at_file((sender, None), held).await;
        let claim = claim.ok().unwrap().only_of(&[patient.to_owned()]);
        assert_eq!(intake.keep(claim, Standing::Salus).await.status, status);
        let reasons = house.reasons().await;
        assert_eq!(reasons.len(), 1, "{reasons:?}");
        assert!(reasons[0].starts_with("dicomweb: "), "{reasons:?}");
    }
    house.close().await;
}
