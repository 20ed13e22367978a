//! DICOMweb: studies looked for and fetched by the word of the guard.

use axum::body::Body;
use axum::http::Request;
use event::{Act, Actor, ActorKind, Body as Told, Event, Image, Role, Subject};
use guard::{Identity, Standing, admit};
use serde_json::Value;
use web::{ImageQuery, NoImages, NotOut, Settings, Wanted};
use wire::dicom::{Level, Query, Syntax, VR, Writer, file, tags};

use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

use crate::house::{House, Reply};

pub(crate) const CT: &str = "1.2.840.10008.5.1.4.1.1.2";
pub(crate) const BOTH: [&str; 2] = ["system/ImagingStudy.rs", "system/Patient.rs"];

/// One instance of study 1.2, series 1.2.1, of patient 4711.
async fn came(house: &House, instance: &str) {
    let pixels: Vec<u8> = (0..16_u8).flat_map(|value| [value * 16, 0]).collect();
    let number = instance.rsplit('.').next().unwrap();
    let head = Writer::new(Syntax::IMPLICIT)
        .text(tags::SPECIFIC_CHARACTER_SET, VR::CS, "ISO_IR 192")
        .text(tags::SOP_CLASS_UID, VR::UI, CT)
        .text(tags::SOP_INSTANCE_UID, VR::UI, instance)
        .text(tags::STUDY_DATE, VR::DA, "20230306")
        .text(tags::ACCESSION_NUMBER, VR::SH, "A9")
        .text(tags::MODALITY, VR::CS, "CT")
        .text(tags::PATIENT_NAME, VR::PN, "Müller^Jörg")
        .text(tags::PATIENT_ID, VR::LO, "4711")
        .text(tags::STUDY_INSTANCE_UID, VR::UI, "1.2")
        .text(tags::SERIES_INSTANCE_UID, VR::UI, "1.2.1")
        .text(tags::INSTANCE_NUMBER, VR::IS, number)
        .us(tags::SAMPLES_PER_PIXEL, 1)
        .text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME2")
        .us(tags::ROWS, 4)
        .us(tags::COLUMNS, 4)
        .us(tags::BITS_ALLOCATED, 16)
        .us(tags::BITS_STORED, 16);
    let raw = head.clone().finish();
    let set = head.bytes(tags::PIXEL_DATA, VR::OW, &pixels).finish();
    sealed(house, (instance, Syntax::IMPLICIT_UID), (raw, set)).await;
}

/// An object of that patient: its head, and all of its data set.
pub(crate) async fn sealed(
    house: &House,
    (instance, syntax): (&str, &str),
    (raw, set): (Vec<u8>, Vec<u8>),
) {
    let app = &house.app;
    let system = wire::v2::authority_system("", "hospital");
    let patient = app.record.blind().id("Patient", &system, "4711");
    let image = Image {
        feed: "ct".into(),
        authority: "hospital".into(),
        zone: "UTC".into(),
        instance: instance.into(),
        syntax: syntax.into(),
        ..Image::default()
    };
    let subject = Subject::Patient(patient);
    let mut event = Event::new(Actor::feed("ct"), Act::Send, subject, Told::Image(image));
    let whole = [file(CT, instance, syntax, "CT1"), set].concat();
    let whole = app.record.keep(&event, whole).await.unwrap();
    if let Told::Image(image) = &mut event.body {
        image.whole = whole;
    }
    let admitted = admit(event.with_raw(raw).into(), Standing::Salus, "").unwrap();
    app.record.admit(vec![admitted]).await.unwrap();
}

pub(crate) async fn asked(house: &House, (token, path, accept): (&str, &str, &str)) -> Reply {
    let request = Request::builder()
        .uri(format!("/dicomweb/{path}"))
        .header("authorization", format!("Bearer {token}"))
        .header("accept", accept)
        .body(Body::empty());
    let router = web::router(house.app.clone());
    House::send_to(router, request.unwrap()).await
}

/// The decisions that were sealed: what was asked, and whether it was allowed.
async fn decisions(house: &House) -> Vec<(String, bool)> {
    let sealed = house.app.record.read(0, 10_000).await.unwrap();
    let decided = sealed.iter().filter_map(|one| match &one.event().body {
        Told::Decision(decided) => Some((decided.detail.clone(), decided.allowed)),
        _ => None,
    });
    decided.collect()
}

#[tokio::test]
async fn studies_are_looked_for_by_a_client_of_both_types() {
    let house = House::open().await;
    came(&house, "1.2.1.1").await;
    came(&house, "1.2.1.2").await;
    let token = house.client("viewer", &BOTH).await;
    let json = "application/dicom+json";
    for (query, count) in [
        ("studies", 1),
        ("studies?PatientID=4711&StudyDate=20230301-20230331", 1),
        ("studies?00100020=4712", 0),
        ("studies?PatientID=4711&IssuerOfPatientID=hospital", 1),
        ("studies?PatientID=4711&IssuerOfPatientID=elsewhere", 0),
        ("studies?IssuerOfPatientID=hospital", 1),
        ("studies?PatientName=m%C3%BCller*", 1),
        ("studies?AccessionNumber=A9&ModalitiesInStudy=CT", 1),
        ("studies/1.2/series", 1),
        ("studies/1.2/series/1.2.1/instances", 2),
        ("studies/1.2/instances?limit=1", 1),
        ("studies/1.2/instances?limit=5&offset=1", 1),
        ("instances?StudyInstanceUID=1.2,1.3", 2),
        ("instances?StudyInstanceUID=1.2,1.2", 2),
        // What is matched comes after more than the limit of what is not.
        ("studies/1.2/instances?InstanceNumber=2&limit=1", 1),
    ] {
        let reply = asked(&house, (&token, query, json)).await;
        assert_eq!(
            reply.code(),
            200,
            "{query} {}",
            String::from_utf8_lossy(&reply.bytes)
        );
        assert_eq!(reply.json().as_array().unwrap().len(), count, "{query}");
    }
    let reply = asked(&house, (&token, "studies", json)).await;
    let study = reply.json()[0].clone();
    assert_eq!(study["00100010"]["Value"][0]["Alphabetic"], "Müller^Jörg");
    assert_eq!(study["00201208"]["Value"][0], 2);
    assert_eq!(
        study["00081190"]["Value"][0],
        "https://test.invalid/dicomweb/studies/1.2"
    );
    let more = asked(&house, (&token, "studies/1.2/instances?limit=1", json)).await;
    assert!(more.header("warning").starts_with("299"));
    for (query, accept, code) in [
        ("studies?Nonsense=1", json, 400),
        ("studies?InstitutionName=x", json, 400),
        ("studies?limit=x", json, 400),
        ("studies", "application/xml", 406),
        ("studies/1.2/nothing", json, 404),
    ] {
        assert_eq!(
            asked(&house, (&token, query, accept)).await.code(),
            code,
            "{query}"
        );
    }
    let narrow = house.client("narrow", &BOTH[..1]).await;
    let refused = asked(&house, (&narrow, "studies", json)).await;
    assert_eq!(refused.code(), 403);
    assert_eq!(
        asked(&house, ("nothing", "studies", json)).await.code(),
        401
    );
    let decided = decisions(&house).await;
    assert!(
        decided.contains(&("QIDO-RS STUDY".into(), true)),
        "{decided:?}"
    );
    assert!(decided.contains(&("QIDO-RS STUDY".into(), false)));
}

#[tokio::test]
async fn objects_frames_and_pictures_are_fetched() {
    let house = House::open().await;
    came(&house, "1.2.1.1").await;
    let token = house.client("viewer", &BOTH).await;
    let one = "studies/1.2/series/1.2.1/instances/1.2.1.1";
    let fetch = async |path: String, accept: &str| asked(&house, (&token, &path, accept)).await;
    let parts = "multipart/related; type=\"application/dicom\"";
    let object = fetch("studies/1.2".into(), parts).await;
    assert_eq!(object.code(), 200);
    assert!(
        object
            .header("content-type")
            .starts_with("multipart/related; type=\"application/dicom\"")
    );
    let text = String::from_utf8_lossy(&object.bytes).into_owned();
    // It came in implicit little endian, and leaves as the standard wants it if nothing is said.
    assert!(text.contains("application/dicom; transfer-syntax=1.2.840.10008.1.2.1\r\n"));
    assert!(text.contains("DICM") && text.contains("Müller^Jörg") && text.ends_with("--\r\n"));
    let as_kept = fetch(one.into(), &format!("{parts}; transfer-syntax=*")).await;
    assert!(
        String::from_utf8_lossy(&as_kept.bytes).contains("transfer-syntax=1.2.840.10008.1.2\r\n")
    );
    let jpeg = format!("{parts}; transfer-syntax=1.2.840.10008.1.2.4.50");
    assert_eq!(fetch(one.into(), &jpeg).await.code(), 406);
    let said = fetch(format!("{one}/metadata"), "application/dicom+json").await;
    let said: Value = said.json();
    assert_eq!(said[0]["00280010"]["Value"][0], 4);
    assert_eq!(said[0]["00100010"]["Value"][0]["Alphabetic"], "Müller^Jörg");
    let frame = fetch(
        format!("{one}/frames/1"),
        "multipart/related; type=\"application/octet-stream\"",
    )
    .await;
    assert_eq!(frame.code(), 200);
    let begins = frame
        .bytes
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .unwrap()
        + 4;
    assert_eq!(frame.bytes[begins..begins + 4], [0, 0, 16, 0]);
    assert_eq!(fetch(format!("{one}/frames/2"), "*/*").await.code(), 404);
    let picture = fetch(format!("{one}/rendered"), "image/png").await;
    assert_eq!((picture.code(), &picture.bytes[1..4]), (200, &b"PNG"[..]));
    assert_eq!(
        fetch("studies/1.2/thumbnail".into(), "image/*")
            .await
            .code(),
        200
    );
    assert_eq!(
        fetch(format!("{one}/rendered"), "image/gif").await.code(),
        406
    );
    assert_eq!(fetch("studies/1.3".into(), parts).await.code(), 404);
    let decided = decisions(&house).await;
    let wanted =
        "WADO-RS frames IMAGE StudyInstanceUID=1.2 SeriesInstanceUID=1.2.1 SOPInstanceUID=1.2.1.1";
    assert!(decided.contains(&(wanted.into(), true)), "{decided:?}");
}

#[tokio::test]
async fn what_is_hidden_of_a_patient_is_not_handed_out_in_an_image() {
    let house = House::open().await;
    came(&house, "1.2.1.1").await;
    let token = house.client("viewer", &BOTH).await;
    house.ruled_by(
        r#"@id("no-telecom") @words("their numbers are nobody's business")
           @obligation("hide Patient.telecom")
           permit (principal in Role::"client", action in [Action::"read", Action::"search"], resource);"#,
    );
    let parts = "multipart/related; type=\"application/dicom\"";
    assert_eq!(
        asked(&house, (&token, "studies/1.2", parts)).await.code(),
        403
    );
    let json = "application/dicom+json";
    assert_eq!(asked(&house, (&token, "studies", json)).await.code(), 200);
}

#[tokio::test]
async fn what_is_hidden_by_a_label_is_not_told_of_by_an_image() {
    let house = House::open().await;
    came(&house, "1.2.1.1").await;
    let json = "application/dicom+json";
    let token = house.client("viewer", &BOTH).await;
    house.ruled_by(
        r#"@id("no-notes") @words("what is restricted is not described")
           @obligation("hide ImagingStudy.description@R")
           permit (principal in Role::"client", action in [Action::"read", Action::"search"], resource);"#,
    );
    let told = async || asked(&house, (&token, "studies", json)).await.json();
    // This door waits until the chart has what came.
    assert_eq!(told().await.as_array().map(Vec::len), Some(1));
    let found = house.get("/ImagingStudy").await.json();
    let mut study = found["entry"][0]["resource"].clone();
    study["meta"]["security"] = serde_json::json!([{
        "system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"
    }]);
    study["description"] = "restricted".into();
    let path = format!("/ImagingStudy/{}", study["id"].as_str().unwrap());
    assert_eq!(house.put(&path, &study).await.code(), 200);
    assert_eq!(told().await.as_array().map(Vec::len), Some(0));
    let parts = "multipart/related; type=\"application/dicom\"";
    let object = asked(&house, (&token, "studies/1.2", parts)).await;
    assert_eq!(object.code(), 404);
}

/// A feed that may ask these scopes, as over C-GET.
fn feed(scopes: &[&str]) -> Identity {
    let mut who = Identity::of(Actor {
        kind: ActorKind::Software,
        id: "feed-viewer".into(),
        name: "the feed viewer".into(),
        role: Role::Client,
    });
    who.scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
    who
}

/// The objects of study 1.2 that a retrieval with this Patient ID hands out.
async fn retrieved(
    house: &House,
    (scopes, patient, max): (&[&str], &str, usize),
) -> Result<usize, NoImages> {
    let mut query = Query::new(Level::Study);
    query
        .ask((tags::STUDY_INSTANCE_UID, VR::UI), "1.2")
        .unwrap();
    query.ask((tags::PATIENT_ID, VR::LO), patient).unwrap();
    let of = ImageQuery {
        who: &feed(scopes),
        query: &query,
        said: "C-GET",
        authority: "hospital",
        max,
    };
    let found = house.app.retrieve_images(&of).await;
    found.map(|all| all.len())
}

#[tokio::test]
async fn a_retrieval_hands_out_objects_of_the_patient_that_it_names_alone() {
    let house = House::open().await;
    came(&house, "1.2.1.1").await;
    came(&house, "1.2.1.2").await;
    assert_eq!(retrieved(&house, (&BOTH, "4711", 2)).await, Ok(2));
    assert_eq!(retrieved(&house, (&BOTH, "", 2)).await, Ok(2));
    assert_eq!(retrieved(&house, (&BOTH, "4712", 2)).await, Ok(0));
    let too_many = retrieved(&house, (&BOTH, "4711", 1)).await;
    assert!(
        matches!(too_many, Err(NoImages::TooMuch(_))),
        "{too_many:?}"
    );
    let half = retrieved(&house, (&BOTH[..1], "4711", 2)).await;
    assert!(matches!(half, Err(NoImages::Refused(_))), "{half:?}");
    // What may be seen of patients is narrowed: this one is none of them.
    let men = ["system/ImagingStudy.rs", "system/Patient.rs?gender=male"];
    assert_eq!(retrieved(&house, (&men, "4711", 2)).await, Ok(0));
    let decided = decisions(&house).await;
    assert_eq!(decided.iter().filter(|(_, allowed)| *allowed).count(), 5);
}

/// A retrieval of study 1.2.
async fn retrieval(house: &House) -> web::Retrieval {
    retrieval_of(house, 10).await
}

/// The same, of so many objects at most.
async fn retrieval_of(house: &House, max: usize) -> web::Retrieval {
    let mut query = Query::new(Level::Study);
    query
        .ask((tags::STUDY_INSTANCE_UID, VR::UI), "1.2")
        .unwrap();
    let wanted = Wanted {
        who: feed(&BOTH),
        query,
        said: "C-GET".into(),
        authority: "hospital".into(),
        max,
        bearer: None,
    };
    house.app.retrieval(wanted).await.unwrap()
}

#[tokio::test]
async fn objects_on_their_way_out_share_one_room_whatever_the_door() {
    let house = House::with(Settings {
        images_out_bytes_max: 1,
        images_out_wait_ms: 0,
        ..Settings::default()
    })
    .await;
    came(&house, "1.2.1.1").await;
    came(&house, "1.2.1.2").await;
    let token = house.client("viewer", &BOTH).await;
    let mut going = retrieval(&house).await;
    let held = going.out(&house.app, 0).await.unwrap();
    assert_eq!(going.out(&house.app, 1).await.unwrap_err(), NotOut::Busy);
    let parts = "multipart/related; type=\"application/dicom\"";
    let one = "studies/1.2/series/1.2.1/instances/1.2.1.1";
    for (path, accept) in [
        (one.to_owned(), parts),
        (format!("{one}/frames/1"), "*/*"),
        (format!("{one}/rendered"), "image/png"),
    ] {
        let busy = asked(&house, (&token, &path, accept)).await;
        assert_eq!(busy.code(), 503, "{path}");
        assert_eq!(busy.header("retry-after"), "10");
    }
    drop(held);
    assert_eq!(asked(&house, (&token, one, parts)).await.code(), 200);
    assert!(going.out(&house.app, 1).await.is_ok());
}

#[tokio::test]
async fn what_is_hidden_while_a_retrieval_runs_is_not_sent_any_more() {
    let hide = r#"@id("no-telecom") @words("their numbers are nobody's business")
           @obligation("hide Patient.telecom")
           permit (principal in Role::"client", action in [Action::"read", Action::"search"], resource);"#;
    for (images_permit_ms, last) in [(0, Err(NotOut::Hidden)), (60_000, Ok(()))] {
        let house = House::with(Settings {
            images_permit_ms,
            ..Settings::default()
        })
        .await;
        came(&house, "1.2.1.1").await;
        came(&house, "1.2.1.2").await;
        let mut going = retrieval(&house).await;
        assert!(going.out(&house.app, 0).await.is_ok());
        house.ruled_by(hide);
        let told = going.out(&house.app, 1).await.map(|_| ());
        assert_eq!(told, last, "{images_permit_ms}");
    }
}

#[tokio::test]
async fn a_guard_that_cannot_be_asked_again_hides_nothing_and_shows_nothing() {
    let settings = Settings {
        chart_wait_ms: 10,
        images_permit_ms: 0,
        ..Settings::default()
    };
    let house = House::waiting(settings, access::Ceilings::default()).await;
    came(&house, "1.2.1.1").await;
    came(&house, "1.2.1.2").await;
    let wait = std::time::Duration::from_secs(60);
    let size = house.app.record.size();
    assert!(house.app.chart.caught_up(size, wait).await);
    let mut going = retrieval(&house).await;
    // The chart stands still, and something newer was sealed.
    house.halt().await;
    came(&house, "1.2.1.3").await;
    assert_eq!(going.out(&house.app, 1).await.unwrap_err(), NotOut::Busy);
}

#[tokio::test]
async fn what_comes_while_a_retrieval_runs_does_not_end_it() {
    let house = House::with(Settings {
        images_permit_ms: 0,
        ..Settings::default()
    })
    .await;
    came(&house, "1.2.1.1").await;
    came(&house, "1.2.1.2").await;
    let mut going = retrieval_of(&house, 2).await;
    came(&house, "1.2.1.3").await;
    assert!(going.out(&house.app, 0).await.is_ok());
    assert!(going.out(&house.app, 1).await.is_ok());
    house.ruled_by(
        r#"@id("nobody") @words("nobody may") forbid (principal, action == Action::"read", resource);"#,
    );
    assert_eq!(going.out(&house.app, 1).await.unwrap_err(), NotOut::Hidden);
}

/// Pieces of an answer, each let go before the next; whether it came to its end.
async fn streamed(response: axum::response::Response) -> (usize, bool) {
    let mut body = response.into_body();
    let mut pieces = 0;
    while let Some(piece) = body.frame().await {
        if piece.is_err() {
            return (pieces, false);
        }
        pieces += 1;
    }
    (pieces, true)
}

async fn begun(
    house: &House,
    (token, path, accept): (&str, &str, &str),
) -> axum::response::Response {
    let request = Request::builder()
        .uri(format!("/dicomweb/{path}"))
        .header("authorization", format!("Bearer {token}"))
        .header("accept", accept)
        .body(Body::empty());
    let router = web::router(house.app.clone());
    router.oneshot(request.unwrap()).await.unwrap()
}

#[tokio::test]
async fn a_withdrawn_token_ends_an_answer_that_has_begun() {
    let house = House::with(Settings {
        images_permit_ms: 0,
        ..Settings::default()
    })
    .await;
    for number in 1..=6 {
        came(&house, &format!("1.2.1.{number}")).await;
    }
    let parts = "multipart/related; type=\"application/dicom\"";
    for (path, accept) in [
        ("studies/1.2", parts),
        ("studies/1.2/metadata", "application/dicom+json"),
    ] {
        let token = house.client("viewer", &BOTH).await;
        let whole = begun(&house, (&token, path, accept)).await;
        assert_eq!(streamed(whole).await, (7, true), "{path}");
        let response = begun(&house, (&token, path, accept)).await;
        assert_eq!(response.status(), 200);
        house.change("viewer", None).await;
        let (pieces, ended) = streamed(response).await;
        assert!(pieces < 6 && !ended, "{path}: {pieces}");
    }
}

#[tokio::test]
async fn an_answer_does_not_wait_for_room_that_it_holds_itself() {
    let house = House::with(Settings {
        images_out_bytes_max: 1,
        images_out_wait_ms: 0,
        ..Settings::default()
    })
    .await;
    for number in 1..=4 {
        came(&house, &format!("1.2.1.{number}")).await;
    }
    let token = house.client("viewer", &BOTH).await;
    let parts = "multipart/related; type=\"application/dicom\"";
    let response = begun(&house, (&token, "studies/1.2", parts)).await;
    assert_eq!(streamed(response).await, (5, true));
}

/// Stores a body that breaks off before its first part is whole.
async fn broken_off(house: &House, token: &str) -> Reply {
    let pieces = [
        Ok(bytes::Bytes::from_static(b"--x\r\n")),
        Err(std::io::Error::other("it took too long")),
    ];
    let request = Request::builder()
        .method("POST")
        .uri("/dicomweb/studies")
        .header("authorization", format!("Bearer {token}"))
        .header(
            "content-type",
            "multipart/related; type=\"application/dicom\"; boundary=x",
        )
        .body(Body::from_stream(futures_util::stream::iter(pieces)));
    House::send_to(web::router(house.app.clone()), request.unwrap()).await
}

#[tokio::test]
async fn what_may_be_stored_is_asked_first_and_what_breaks_off_may_come_again() {
    let house = House::open().await;
    for (id, scopes, code) in [
        ("reader", &["system/ImagingStudy.rs"][..], 403),
        ("other", &["system/Observation.cruds"], 403),
        ("narrow", &["system/ImagingStudy.cu?status=available"], 403),
        ("maker", &["system/ImagingStudy.c"], 503),
        ("adder", &["system/ImagingStudy.u"], 503),
    ] {
        let token = house.client(id, scopes).await;
        let reply = broken_off(&house, &token).await;
        assert_eq!(reply.code(), code, "{id}");
        if code == 503 {
            assert_eq!(reply.header("retry-after"), "10");
            let told = reply.json();
            let reason = &told["0008119A"]["Value"][0]["00081197"]["Value"][0];
            assert_eq!(reason, 0xA701, "{told}");
        }
    }
}
