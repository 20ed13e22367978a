//! Objects that somebody waits for: they come through the door of all.

use std::sync::Arc;

use inlets::dicom::{Awaited, Intake};
use wire::dicom::Status;

use crate::caller::Answer;
use crate::house::{CT, House, config, slice};

/// Stores an object that is waited for, of these patients alone; the answer, and what is told of it.
async fn stored(only: Option<&[String]>, study: &str) -> (House, Answer, Option<Status>) {
    let (house, intake) = House::open_with(config()).await;
    let mut arrivals = intake.awaits(&Awaited {
        feed: "ct",
        calling: "SALUS",
        called: "PACS",
        study,
        only,
        instances: &["1.2.3.4"],
    });
    let mut caller = house.connect().await;
    caller.ask("SALUS", "CT1", &[CT]).await;
    let answer = caller
        .store((CT, "1.2.3.4"), &slice("1.2.3.4", "Doe^Jane"))
        .await;
    arrivals.more().await;
    assert!(arrivals.are_all());
    let told = arrivals.told().remove("1.2.3.4").map(|told| told.status);
    (house, answer, told)
}

fn patient(intake: &House, number: &str) -> String {
    let system = wire::v2::authority_system("", "STELLA");
    intake.record.blind().id("Patient", &system, number)
}

#[tokio::test]
async fn what_is_waited_for_is_counted_and_held_against_what_was_asked() {
    let (house, answer, told) = stored(None, "1.2.3").await;
    assert_eq!((answer, told), (Answer::Status(0), Some(Status::Success)));
    assert_eq!(house.images().await.len(), 1);
    house.close().await;
    let (house, answer, told) = stored(None, "1.2.9").await;
    assert_eq!(answer, Answer::Status(0xA900));
    assert_eq!(told, Some(Status::NotAsSaid));
    assert!(house.images().await.is_empty());
    house.close().await;
}

#[tokio::test]
async fn what_is_of_another_patient_than_was_asked_for_is_refused() {
    let other = ["nobody".to_owned()];
    let (house, answer, told) = stored(Some(&other), "1.2.3").await;
    assert_eq!(answer, Answer::Status(0x0124));
    assert_eq!(told, Some(Status::NotAuthorized));
    assert!(house.images().await.is_empty());
    let own = [patient(&house, "4711")];
    house.close().await;
    // Ids are of one record: whoever is asked for there is somebody else here.
    let (house, answer, _) = stored(Some(&own), "1.2.3").await;
    assert_eq!(answer, Answer::Status(0x0124));
    house.close().await;
}

#[tokio::test]
async fn who_waits_no_more_leaves_nothing_behind() {
    let (house, intake) = House::open_with(config()).await;
    let own = [patient(&house, "4711")];
    let other = ["nobody".to_owned()];
    let awaited = |only| Awaited {
        feed: "ct",
        calling: "SALUS",
        called: "PACS",
        study: "1.2.3",
        only: Some(only),
        instances: &["1.2.3.4"],
    };
    let gone = intake.awaits(&awaited(&other));
    drop(gone);
    let mut arrivals = Arc::clone(&intake).awaits(&awaited(&own));
    let mut caller = house.connect().await;
    caller.ask("SALUS", "CT1", &[CT]).await;
    let answer = caller
        .store((CT, "1.2.3.4"), &slice("1.2.3.4", "Doe^Jane"))
        .await;
    assert_eq!(answer, Answer::Status(0));
    arrivals.more().await;
    house.close().await;
}

/// Two are under way for two patients: each object is of the one that it says it is sent for.
#[tokio::test]
async fn an_object_is_held_to_the_c_move_that_it_names_alone() {
    let (house, intake) = House::open_with(config()).await;
    let own = [patient(&house, "4711")];
    let other = ["nobody".to_owned()];
    let awaited = |only| Awaited {
        feed: "ct",
        calling: "SALUS",
        called: "PACS",
        study: "1.2.3",
        only: Some(only),
        instances: &["1.2.3.4"],
    };
    let mut first = intake.awaits(&awaited(&own));
    let second = intake.awaits(&awaited(&other));
    assert_ne!(first.message(), second.message());
    let mut caller = house.connect().await;
    caller.ask("SALUS", "CT1", &[CT]).await;
    let set = slice("1.2.3.4", "Doe^Jane");
    let named = (CT, "1.2.3.4");
    let of_second = ("SALUS", second.message());
    // That it names itself in the place of who asked says nothing; the message does.
    let by_itself = ("CT1", second.message());
    assert_eq!(
        caller.store_for(by_itself, named, &set).await,
        Answer::Status(0x0124)
    );
    assert_eq!(
        caller.store_for(of_second, named, &set).await,
        Answer::Status(0x0124)
    );
    let of_first = ("SALUS", first.message());
    assert_eq!(
        caller.store_for(of_first, named, &set).await,
        Answer::Status(0)
    );
    first.more().await;
    assert!(first.are_all() && second.are_all());
    let said = |told: &inlets::dicom::Arrivals| told.told()["1.2.3.4"].status;
    assert_eq!(
        (said(&first), said(&second)),
        (Status::Success, Status::NotAuthorized)
    );
    house.close().await;
}

/// What the PACS sends by a rule of its own is nobody's who waits: it is not refused for whom it is of.
#[tokio::test]
async fn an_object_that_is_sent_for_another_is_taken_as_the_feeds_own() {
    for origin in [("WS1", 1), ("SALUS", 9)] {
        let (house, intake) = House::open_with(config()).await;
        let other = ["nobody".to_owned()];
        let arrivals = intake.awaits(&Awaited {
            feed: "ct",
            calling: "SALUS",
            called: "PACS",
            study: "1.2.9",
            only: Some(&other),
            instances: &["1.2.3.4"],
        });
        let mut caller = house.connect().await;
        caller.ask("SALUS", "CT1", &[CT]).await;
        let answer = caller
            .store_for(origin, (CT, "1.2.3.4"), &slice("1.2.3.4", "Doe^Jane"))
            .await;
        assert_eq!(answer, Answer::Status(0), "{origin:?}");
        assert!(arrivals.told().is_empty() && !arrivals.are_all());
        assert_eq!(house.images().await.len(), 1);
        house.close().await;
    }
}

/// The door is told to be open while it is.
#[tokio::test]
async fn an_intake_knows_whether_associations_are_taken() {
    let (house, intake): (House, Arc<Intake>) = House::open_with(config()).await;
    let mut caller = house.connect().await;
    caller.ask("SALUS", "CT1", &[CT]).await;
    assert!(intake.is_open());
    house.close().await;
    assert!(!intake.is_open());
}
