//! Images on the patient's page: small pictures, a page for each study, each look decided and sealed.

use axum::http::StatusCode;
use event::{Act, Actor, Body, Event, Image, Role, Subject};
use serde_json::json;
use wire::dicom::{Syntax, VR, Writer, file, tags};

use crate::house::House;
use crate::{decisions, wards};

const CT: &str = "1.2.840.10008.5.1.4.1.1.2";
const RLE: &str = "1.2.840.10008.1.2.5";
const JPEG_LS: &str = "1.2.840.10008.1.2.4.80";
const JPEG_2000: &str = "1.2.840.10008.1.2.4.90";
const LOSSLESS_JPEG: &str = "1.2.840.10008.1.2.4.57";
/// Two rows of two pixels (0, 80, 160, 255): by OpenJPEG, and by dcmtk.
const IN_JPEG_2000: [u8; 89] = *b"\xff\x4f\xff\x51\0\x29\0\0\0\0\0\x02\0\0\0\x02\0\0\0\0\0\0\0\0\0\0\0\x02\
\0\0\0\x02\0\0\0\0\0\0\0\0\0\x01\x07\x01\x01\xff\x52\0\x0c\0\0\0\x01\0\0\x04\x04\0\x01\xff\x5c\0\x04\x40\x40\
\xff\x90\0\x0a\0\0\0\0\0\x16\0\x01\xff\x93\xdf\x80\x28\x07\xb5\xf0\x54\x46\xff\xd9";
const IN_LOSSLESS_JPEG: [u8; 74] =
    *b"\xff\xd8\xff\xe0\0\x10\x4a\x46\x49\x46\0\x01\x01\0\0\x01\0\x01\0\0\xff\xc3\0\x0b\
\x08\0\x02\0\x02\x01\x01\x11\0\xff\xc4\0\x15\0\x01\x01\0\0\0\0\0\0\0\0\
\0\0\0\0\0\0\x07\x08\xff\xda\0\x08\x01\x01\0\x06\0\0\x9f\xd4\x2a\x05\xff\0\
\xff\xd9";

/// The head of an instance of study 1.2 in explicit little endian.
fn head(instance: &str, rows: Option<u16>) -> Writer {
    let (series, number) = instance.rsplit_once('.').unwrap();
    let head = Writer::new(Syntax::EXPLICIT)
        .text(tags::SOP_CLASS_UID, VR::UI, CT)
        .text(tags::SOP_INSTANCE_UID, VR::UI, instance)
        .text(tags::STUDY_DATE, VR::DA, "20261119")
        .text(tags::MODALITY, VR::CS, "CT")
        .text(tags::STUDY_DESCRIPTION, VR::LO, "Head <plain>")
        .text(tags::PATIENT_ID, VR::LO, "4711")
        .text(tags::BODY_PART_EXAMINED, VR::CS, "HEAD")
        .text(tags::STUDY_INSTANCE_UID, VR::UI, "1.2")
        .text(tags::SERIES_INSTANCE_UID, VR::UI, series)
        .text(tags::INSTANCE_NUMBER, VR::IS, number);
    let Some(rows) = rows else { return head };
    head.us(tags::SAMPLES_PER_PIXEL, 1)
        .text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME2")
        .us(tags::ROWS, rows)
        .us(tags::COLUMNS, 2)
        .us(tags::BITS_ALLOCATED, 8)
        .us(tags::BITS_STORED, 8)
}

/// Two rows of two pixels by run lengths, as pixel data of fragments.
fn runs() -> Vec<u8> {
    let mut frame = vec![0; 64];
    frame[0] = 1;
    frame[4] = 64;
    frame.extend_from_slice(&[253, 9]);
    fragments(&frame)
}

/// A frame as pixel data of fragments.
fn fragments(frame: &[u8]) -> Vec<u8> {
    let item = |tag: u8, bytes: &[u8]| {
        let length = u32::try_from(bytes.len()).unwrap().to_le_bytes();
        [&[0xfe, 0xff, tag, 0xe0][..], &length, bytes].concat()
    };
    let all = [item(0x00, b""), item(0x00, frame), item(0xdd, b"")].concat();
    let tag = [
        0xe0, 0x7f, 0x10, 0x00, b'O', b'B', 0, 0, 0xff, 0xff, 0xff, 0xff,
    ];
    [&tag[..], &all].concat()
}

/// The patient with the number of these images, who lies on the ICU.
fn id(house: &House) -> String {
    let system = wire::v2::authority_system("", "HOSP");
    house.app.record.blind().id("Patient", &system, "4711")
}

async fn admitted(house: &House) {
    let id = id(house);
    let patient = json!({
        "resourceType": "Patient", "id": id, "name": [{"family": "Müller", "given": ["Jörg"]}]
    });
    house.resource(Some(&id), patient).await;
    let encounter = json!({
        "resourceType": "Encounter", "id": "e-images", "status": "in-progress",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"},
        "subject": {"reference": format!("Patient/{id}")},
        "period": {"start": "2026-11-19T08:12:00Z"},
        "location": [{"location": {"reference": "Location/icu"}, "status": "active"}]
    });
    house.resource(Some(&id), encounter).await;
}

async fn came(
    house: &House,
    (instance, syntax): (&str, &str),
    (head, rest): (Writer, Vec<u8>),
) -> u64 {
    let raw = head.finish();
    let image = Image {
        feed: "ct".into(),
        authority: "HOSP".into(),
        zone: "UTC".into(),
        class: CT.into(),
        instance: instance.into(),
        syntax: syntax.into(),
        ..Image::default()
    };
    let subject = Subject::Patient(id(house));
    let mut event = Event::new(Actor::feed("ct"), Act::Send, subject, Body::Image(image));
    let whole = [file(CT, instance, syntax, "CT1"), raw.clone(), rest].concat();
    let whole = house.app.record.keep(&event, whole).await.unwrap();
    if let Body::Image(image) = &mut event.body {
        image.whole = whole;
    }
    house.seal(event.with_raw(raw)).await
}

/// A study with a plain series, one by run lengths, one that is not unpacked here, and a report.
async fn study(house: &House) -> [u64; 4] {
    admitted(house).await;
    let pixels = Writer::new(Syntax::EXPLICIT).bytes(tags::PIXEL_DATA, VR::OW, &[0, 80, 160, 255]);
    let plain = (head("1.2.1.1", Some(2)), pixels.finish());
    let plain = came(house, ("1.2.1.1", Syntax::EXPLICIT_UID), plain).await;
    let packed = (head("1.2.2.1", Some(2)), runs());
    let packed = came(house, ("1.2.2.1", RLE), packed).await;
    let other = (head("1.2.3.1", Some(2)), runs());
    let other = came(house, ("1.2.3.1", JPEG_LS), other).await;
    let report = (head("1.2.4.1", None), Vec::new());
    let report = came(house, ("1.2.4.1", Syntax::EXPLICIT_UID), report).await;
    house.settle().await;
    [plain, packed, other, report]
}

/// The address of the study's page, as the chart page has it.
fn href(html: &str) -> String {
    let at = html.find("/imaging/").unwrap();
    let from = html[..at].rfind('"').unwrap() + 1;
    html[from..].split('"').next().unwrap().to_owned()
}

#[tokio::test]
async fn the_chart_shows_small_pictures_that_are_made_here_and_sealed_as_looks() {
    let house = House::open().await;
    wards(&house).await;
    house.person("anna", Role::Nurse, &["ICU"]).await;
    let [plain, packed, ..] = study(&house).await;
    let mut anna = house.browser("anna").await;
    let chart = anna.get(&format!("/patients/{}", id(&house))).await;
    assert_eq!(chart.status, StatusCode::OK, "{}", chart.html);
    let page = href(&chart.html);
    for index in [plain, packed] {
        let tag = format!(
            "<img loading=\"lazy\" width=\"96\" height=\"96\" src=\"{page}/{index}\" alt=\"CT, HEAD, picture 1\">"
        );
        assert!(chart.html.contains(&tag), "{}", chart.html);
        let before = decisions(&house).await.len();
        let picture = anna.get(&format!("{page}/{index}")).await;
        assert_eq!(picture.status, StatusCode::OK, "{}", picture.html);
        assert_eq!(picture.headers["content-type"], "image/png");
        assert_eq!(picture.headers["cache-control"], "no-store");
        assert!(picture.html.contains("PNG\r\n\u{1a}\n") && picture.html.contains("IHDR"));
        let after = decisions(&house).await;
        assert_eq!(after.len(), before + 1, "kept or not, a look is sealed");
        let last = after.last().unwrap();
        assert!(last.allowed && last.detail.starts_with("a picture of study"));
        let again = anna.get(&format!("{page}/{index}")).await;
        assert_eq!(again.html, picture.html);
        assert_eq!(decisions(&house).await.len(), before + 2);
    }
    assert_eq!(chart.html.matches("<img ").count(), 2);
}

#[tokio::test]
async fn a_picture_is_the_same_however_its_pixels_are_packed() {
    let house = House::open().await;
    wards(&house).await;
    house.person("anna", Role::Nurse, &["ICU"]).await;
    let [plain, ..] = study(&house).await;
    let mut packed = Vec::new();
    for (instance, syntax, frame) in [
        ("1.2.5.1", JPEG_2000, &IN_JPEG_2000[..]),
        ("1.2.6.1", LOSSLESS_JPEG, &IN_LOSSLESS_JPEG),
        ("1.2.7.1", JPEG_2000, &IN_JPEG_2000[..80]),
    ] {
        let object = (head(instance, Some(2)), fragments(frame));
        packed.push(came(&house, (instance, syntax), object).await);
    }
    house.settle().await;
    let mut anna = house.browser("anna").await;
    let page = href(&anna.get(&format!("/patients/{}", id(&house))).await.html);
    let expected = anna.get(&format!("{page}/{plain}")).await;
    assert_eq!(expected.status, StatusCode::OK);
    for index in &packed[..2] {
        let picture = anna.get(&format!("{page}/{index}")).await;
        assert_eq!(picture.status, StatusCode::OK, "{}", picture.html);
        assert_eq!(picture.headers["content-type"], "image/png");
        assert_eq!(picture.html, expected.html);
    }
    let cut = anna.get(&format!("{page}/{}", packed[2])).await;
    assert_eq!(cut.status, StatusCode::NOT_FOUND);
    let why = "its JPEG 2000 ends before its end";
    assert!(cut.html.contains(why), "{}", cut.html);
}

#[tokio::test]
async fn a_study_has_a_page_that_says_why_there_is_no_picture() {
    let house = House::open().await;
    wards(&house).await;
    house.person("anna", Role::Nurse, &["ICU"]).await;
    let [plain, _, other, report] = study(&house).await;
    let mut anna = house.browser("anna").await;
    let page = href(&anna.get(&format!("/patients/{}", id(&house))).await.html);
    let shown = anna.get(&page).await;
    assert_eq!(shown.status, StatusCode::OK, "{}", shown.html);
    for words in [
        "CT Head &#60;plain&#62;",
        "2026-11-19",
        "CT, HEAD, 1 object",
        "compressed in a way that is not unpacked here",
        "it is not an image",
        "not for reporting on it",
        &format!("{page}/{plain}"),
    ] {
        assert!(shown.html.contains(words), "{words}: {}", shown.html);
    }
    for index in [other, report] {
        assert!(!shown.html.contains(&format!("{page}/{index}\"")));
        let none = anna.get(&format!("{page}/{index}")).await;
        assert_eq!(none.status, StatusCode::NOT_FOUND);
        assert!(
            none.html.starts_with("there is no picture"),
            "{}",
            none.html
        );
    }
    for wrong in [
        format!("{page}/1"),
        format!("{page}/0"),
        format!("{page}/{}", u64::MAX),
        format!("{page}x"),
        format!("/patients/{}/imaging/nothing/{plain}", id(&house)),
    ] {
        let none = anna.get(&wrong).await;
        assert_eq!(none.status, StatusCode::NOT_FOUND, "{wrong}");
    }
}

#[tokio::test]
async fn who_may_not_see_the_chart_sees_no_picture() {
    let house = House::open().await;
    wards(&house).await;
    house.person("anna", Role::Nurse, &["ICU"]).await;
    house.person("mia", Role::Nurse, &["MED1"]).await;
    let [plain, ..] = study(&house).await;
    let page = {
        let mut anna = house.browser("anna").await;
        href(&anna.get(&format!("/patients/{}", id(&house))).await.html)
    };
    let mut mia = house.browser("mia").await;
    let picture = format!("{page}/{plain}");
    for path in [&page, &picture] {
        let refused = mia.get(path).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{path}");
        assert_ne!(refused.headers["content-type"], "image/png");
        // The signature whole: three letters may stand in any random token of a page.
        assert!(!refused.html.contains("PNG\r\n\u{1a}\n"));
        assert!(!decisions(&house).await.last().unwrap().allowed);
    }
    // By the way of a patient whom she sees, another's study is not there.
    let other = page.replace(&id(&house), "p-med");
    assert_eq!(mia.get(&other).await.status, StatusCode::NOT_FOUND);
    let other = picture.replace(&id(&house), "p-med");
    assert_eq!(mia.get(&other).await.status, StatusCode::NOT_FOUND);
}
