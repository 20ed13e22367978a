//! Images on the chart: whose they are, and of which study.

use std::time::Duration;

use chart::InstancesOf;
use event::{Act, Actor, Body, Event, Image, Subject};
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use wire::dicom::{Syntax, VR, Writer, tags};

use crate::house::{House, merge};

/// What one instance says of itself.
#[derive(Clone, Copy)]
struct Said {
    instance: &'static str,
    series: &'static str,
    modality: &'static str,
    patient: &'static str,
    name: &'static str,
}

const SLICE: Said = Said {
    instance: "1.2.3.1.1",
    series: "1.2.3.1",
    modality: "CT",
    patient: "77",
    name: "Doe^Jane^^Dr",
};

async fn came(house: &House, said: Said) {
    let raw = Writer::new(Syntax::EXPLICIT)
        .text(tags::SPECIFIC_CHARACTER_SET, VR::CS, "ISO_IR 192")
        .text(tags::SOP_CLASS_UID, VR::UI, "1.2.840.10008.5.1.4.1.1.2")
        .text(tags::SOP_INSTANCE_UID, VR::UI, said.instance)
        .text(tags::STUDY_DATE, VR::DA, "20230306")
        .text(tags::STUDY_TIME, VR::TM, "081500.25")
        .text(tags::ACCESSION_NUMBER, VR::SH, "A9")
        .text(tags::MODALITY, VR::CS, said.modality)
        .text(tags::STUDY_DESCRIPTION, VR::LO, "Head")
        .text(tags::PATIENT_NAME, VR::PN, said.name)
        .text(tags::PATIENT_ID, VR::LO, said.patient)
        .text(tags::PATIENT_BIRTH_DATE, VR::DA, "19700102")
        .text(tags::PATIENT_SEX, VR::CS, "F")
        .text(tags::STUDY_INSTANCE_UID, VR::UI, "1.2.3")
        .text(tags::SERIES_INSTANCE_UID, VR::UI, said.series)
        .text(tags::SERIES_NUMBER, VR::IS, "2")
        .finish();
    let id = house
        .record
        .blind()
        .id("Patient", "urn:salus:authority:MRN", said.patient);
    let image = Image {
        feed: "ct".into(),
        authority: "MRN".into(),
        zone: "Europe/Berlin".into(),
        instance: said.instance.into(),
        syntax: Syntax::EXPLICIT_UID.into(),
        ..Image::default()
    };
    let subject = Subject::Patient(id);
    let mut event = Event::new(Actor::feed("ct"), Act::Send, subject, Body::Image(image));
    let whole = house.record.keep(&event, raw.clone()).await.unwrap();
    if let Body::Image(image) = &mut event.body {
        image.whole = whole;
    }
    house.admit(event.with_raw(raw)).await;
}

async fn all(house: &House, kind: &str) -> Vec<Value> {
    let mut found = Vec::new();
    for id in house.search(kind, 10).await {
        let read = house
            .kind(kind)
            .await
            .read(kind, &id)
            .await
            .unwrap()
            .unwrap();
        found.push(serde_json::from_slice(&read.json).unwrap());
    }
    found
}

#[tokio::test]
async fn instances_are_counted_into_one_study_of_the_patient_that_messages_name() {
    let house = House::new().await;
    house
        .message("MSH|^~\\&|PAS|S|||20230306||ADT^A01|1|P|2.5\rPID|||77^^^MRN^MR||Known^Jane\r")
        .await;
    came(&house, SLICE).await;
    came(
        &house,
        Said {
            instance: "1.2.3.1.2",
            ..SLICE
        },
    )
    .await;
    let report = Said {
        instance: "1.2.3.2.1",
        series: "1.2.3.2",
        modality: "SR",
        ..SLICE
    };
    came(&house, report).await;
    let patients = all(&house, "Patient").await;
    assert_eq!(patients.len(), 1);
    // What a message said stays; what it did not say is filled.
    assert_eq!(patients[0]["name"][0]["family"], "Known");
    assert_eq!(patients[0]["birthDate"], "1970-01-02");
    let studies = all(&house, "ImagingStudy").await;
    assert_eq!(studies.len(), 1);
    let study = &studies[0];
    let subject = format!("Patient/{}", patients[0]["id"].as_str().unwrap());
    assert_eq!(study["subject"]["reference"], subject.as_str());
    assert_eq!(study["identifier"][0]["value"], "urn:oid:1.2.3");
    assert_eq!(study["started"], "2023-03-06T08:15:00+01:00");
    assert_eq!(
        (&study["numberOfSeries"], &study["numberOfInstances"]),
        (&2.into(), &3.into())
    );
    let series = study["series"].as_array().unwrap();
    let counts: Vec<_> = series
        .iter()
        .map(|one| one["numberOfInstances"].as_u64())
        .collect();
    assert_eq!(counts, [Some(2), Some(1)]);
    assert_eq!(study["modality"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn who_is_known_by_an_image_alone_is_a_patient() {
    let house = House::new().await;
    came(&house, SLICE).await;
    let patients = all(&house, "Patient").await;
    assert_eq!(patients[0]["name"][0]["text"], "Dr Jane Doe");
    assert_eq!(patients[0]["gender"], "female");
    assert_eq!(patients[0]["identifier"][0]["value"], "77");
}

#[tokio::test]
async fn an_image_of_another_patient_is_on_nobodys_study() {
    let house = House::new().await;
    came(&house, SLICE).await;
    let other = Said {
        instance: "1.2.3.1.2",
        patient: "78",
        ..SLICE
    };
    came(&house, other).await;
    let studies = all(&house, "ImagingStudy").await;
    assert_eq!(studies.len(), 1);
    assert_eq!(studies[0]["numberOfInstances"], 1);
}

#[tokio::test]
async fn the_feed_is_told_once_of_a_study_that_has_images_of_another_patient() {
    let house = House::new().await;
    came(&house, SLICE).await;
    let others = [("1.2.3.1.2", "78"), ("1.2.3.1.3", "79")];
    for (instance, patient) in others {
        let said = Said {
            instance,
            patient,
            ..SLICE
        };
        came(&house, said).await;
    }
    let before = house.record.size();
    let stop = CancellationToken::new();
    let reader = house.chart.reader();
    let following = tokio::spawn(record::follow(house.record.clone(), reader, stop.clone()));
    let mut growth = house.record.growth();
    growth.wait_for(|size| *size > before).await.unwrap();
    // Folding it all again tells nothing new.
    house.chart.refold().await.unwrap();
    let size = house.record.size();
    assert!(house.chart.caught_up(size, Duration::from_secs(60)).await);
    stop.cancel();
    following.await.unwrap();
    let mut told = Vec::new();
    for index in 0..house.record.size() {
        let sealed = house.record.get(index).await.unwrap();
        if let Body::Unread(unread) = &sealed.event().body {
            told.push((unread.feed.clone(), unread.reason.clone()));
        }
    }
    let (feed, reason) = &told[0];
    assert_eq!((told.len(), feed.as_str()), (1, "ct"), "{told:?}");
    assert!(reason.contains("event 2"), "{reason}");
    let studies = all(&house, "ImagingStudy").await;
    let study = format!("ImagingStudy/{}", studies[0]["id"].as_str().unwrap());
    assert!(reason.contains(&study), "{reason}");
    for patient in ["77", "78"] {
        assert!(!reason.contains(&house.patient(patient)), "{reason}");
    }
}

#[tokio::test]
async fn instances_of_a_study_are_found_by_the_permit_of_its_patient_alone() {
    let house = House::new().await;
    came(&house, SLICE).await;
    for (instance, series) in [("1.2.3.1.2", "1.2.3.1"), ("1.2.3.2.1", "1.2.3.2")] {
        let said = Said {
            instance,
            series,
            ..SLICE
        };
        came(&house, said).await;
    }
    let study = house.search("ImagingStudy", 10).await.remove(0);
    let studies = [study.clone()];
    let all = house.kind("ImagingStudy").await;
    let series = all.series(&studies).await.unwrap();
    let counts: Vec<_> = series
        .iter()
        .map(|one| (one.first.header.instance.as_str(), one.instances))
        .collect();
    assert_eq!(counts, [("1.2.3.1.1", 2), ("1.2.3.2.1", 1)]);
    assert_eq!(series[0].first.header.patient_name, "Doe^Jane^^Dr");
    let patient = house.patient("77");
    assert_eq!(series[0].first.patient.as_ref(), Some(&patient));
    let of = InstancesOf {
        series: vec!["1.2.3.1".into()],
        count: 10,
        ..InstancesOf::default()
    };
    let theirs = house.chart_of(&patient).await;
    let found = theirs.instances(&study, &of).await.unwrap();
    let uids: Vec<_> = found
        .iter()
        .map(|one| one.header.instance.as_str())
        .collect();
    assert_eq!(uids, ["1.2.3.1.1", "1.2.3.1.2"]);
    let one = InstancesOf {
        instances: vec!["1.2.3.2.1".into()],
        count: 10,
        ..InstancesOf::default()
    };
    assert_eq!(theirs.instances(&study, &one).await.unwrap().len(), 1);
    let first = InstancesOf {
        count: 1,
        ..InstancesOf::default()
    };
    assert_eq!(theirs.instances(&study, &first).await.unwrap().len(), 1);
    let another = house.chart_of(&house.patient("78")).await;
    assert_eq!(another.instances(&study, &of).await.unwrap(), []);
    assert_eq!(another.series(&studies).await.unwrap(), []);
    assert!(house.kind("Patient").await.series(&studies).await.is_err());
}

#[tokio::test]
async fn what_was_deleted_or_erased_has_no_instances() {
    let house = House::new().await;
    came(&house, SLICE).await;
    let study = house.search("ImagingStudy", 10).await.remove(0);
    house.delete("ImagingStudy", &study).await;
    house.fold(&house.chart).await;
    let all = house.kind("ImagingStudy").await;
    assert_eq!(all.series(std::slice::from_ref(&study)).await.unwrap(), []);
    assert_eq!(house.rows("image").await, 1);
    let body = Body::Erased(event::Erased {
        reason: "retention period is over".into(),
        streams: Vec::new(),
        patients: vec![house.record.blind().mark(&house.patient("77"))],
        events: Vec::new(),
    });
    let event = Event::new(Actor::salus(), Act::Erase, Subject::Record, body);
    house.admit(event).await;
    house.fold(&house.chart).await;
    assert_eq!(house.rows("image").await, 0);
}

#[tokio::test]
async fn a_study_that_was_deleted_and_comes_as_another_patients_has_that_patients_objects_alone() {
    let house = House::new().await;
    came(&house, SLICE).await;
    let study = house.search("ImagingStudy", 10).await.remove(0);
    house.delete("ImagingStudy", &study).await;
    let corrected = Said {
        instance: "1.2.3.1.2",
        patient: "78",
        ..SLICE
    };
    // Within one batch, and over two.
    for instance in ["1.2.3.1.2", "1.2.3.1.3"] {
        came(
            &house,
            Said {
                instance,
                ..corrected
            },
        )
        .await;
        house.fold(&house.chart).await;
    }
    let of = InstancesOf {
        count: 10,
        ..InstancesOf::default()
    };
    let theirs = house.chart_of(&house.patient("78")).await;
    let found = theirs.instances(&study, &of).await.unwrap();
    let uids: Vec<_> = found
        .iter()
        .map(|one| one.header.instance.as_str())
        .collect();
    assert_eq!(uids, ["1.2.3.1.2", "1.2.3.1.3"]);
    let studies = std::slice::from_ref(&study);
    let series = theirs.series(studies).await.unwrap();
    let counts: Vec<_> = series.iter().map(|one| one.instances).collect();
    assert_eq!(counts, [2]);
    let of_all = house.kind("ImagingStudy").await;
    assert_eq!(of_all.instances(&study, &of).await.unwrap().len(), 2);
    // What was on the study before it was deleted is not kept for it.
    assert_eq!(house.rows("image").await, 2);
}

#[tokio::test]
async fn after_a_merge_was_taken_back_a_study_has_its_own_patients_objects_alone() {
    let house = House::new().await;
    came(&house, SLICE).await;
    house.message(&merge("1", "78", "77")).await;
    let other = Said {
        instance: "1.2.3.1.2",
        patient: "78",
        ..SLICE
    };
    came(&house, other).await;
    let study = house.search("ImagingStudy", 10).await.remove(0);
    let of = InstancesOf {
        count: 10,
        ..InstancesOf::default()
    };
    let both = house.chart_of(&house.patient("78")).await;
    assert_eq!(both.instances(&study, &of).await.unwrap().len(), 2);
    let studies = std::slice::from_ref(&study);
    assert_eq!(both.series(studies).await.unwrap()[0].instances, 2);
    house
        .unmerge(&house.patient("77"), &house.patient("78"))
        .await;
    let alone = house.chart_of(&house.patient("77")).await;
    let found = alone.instances(&study, &of).await.unwrap();
    let uids: Vec<_> = found
        .iter()
        .map(|one| one.header.instance.as_str())
        .collect();
    assert_eq!(uids, ["1.2.3.1.1"]);
    assert_eq!(alone.series(studies).await.unwrap()[0].instances, 1);
    let another = house.chart_of(&house.patient("78")).await;
    assert_eq!(another.instances(&study, &of).await.unwrap(), []);
}
