//! De-identification of images: nothing that says who an object is of is in the bytes that leave, what
//! leaves is read again, and what cannot be vouched for does not leave.

#![expect(
    clippy::unwrap_used,
    reason = "what helps a test may fail as the test does"
)]

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use wire::dicom::{
    Choice, Clean, DataSet, Device, Limits, NotClean, Pixels, Refusal, Syntax, Tag, VR, Value,
    Writer, deidentify, file, items, part10, scan, tags,
};

const CT: &str = "1.2.840.10008.5.1.4.1.1.2";

fn other(uid: &str) -> String {
    let sum = uid.bytes().fold(7_u64, |sum, byte| {
        sum.wrapping_mul(1_000_003).wrapping_add(u64::from(byte))
    });
    format!("2.25.{sum}")
}

fn patient(key: &str) -> String {
    format!("P{}", other(key).trim_start_matches("2.25."))
}

fn days(key: &str) -> i32 {
    i32::try_from(key.len()).unwrap() + 10
}

const STRICT: Choice<'static> = Choice {
    uid: Some(&other),
    patient: &patient,
    days: None,
    device: Device::Gone,
    pixels: Pixels::Unseen,
};
const SHIFTED: Choice<'static> = Choice {
    days: Some(&days),
    ..STRICT
};

/// A file of a data set in explicit little endian.
fn object(set: Vec<u8>) -> Vec<u8> {
    [file(CT, "1.2.3.4", Syntax::EXPLICIT_UID, "CT1"), set].concat()
}

fn clean(bytes: &[u8], choice: &Choice<'_>) -> Clean {
    deidentify(bytes, choice, &Limits::default()).unwrap()
}

fn refused(set: Writer) -> NotClean {
    deidentify(&object(set.finish()), &STRICT, &Limits::default()).unwrap_err()
}

/// The data set of a file that left.
fn left(clean: &Clean) -> DataSet<'_> {
    let part = part10(&clean.file).unwrap();
    let data = clean.file.get(part.data_at..).unwrap();
    scan(data, part.syntax, &Limits::default()).unwrap()
}

fn item(set: Writer) -> Vec<u8> {
    let set = set.finish();
    let length = u32::try_from(set.len()).unwrap().to_le_bytes();
    [&[0xfe, 0xff, 0x00, 0xe0][..], &length, &set].concat()
}

fn has(bytes: &[u8], word: &str) -> bool {
    bytes
        .windows(word.len())
        .any(|part| part == word.as_bytes())
}

fn head() -> Writer {
    Writer::new(Syntax::EXPLICIT)
        .text(tags::SOP_CLASS_UID, VR::UI, CT)
        .text(tags::SOP_INSTANCE_UID, VR::UI, "1.2.3.4")
        .text(tags::STUDY_DATE, VR::DA, "20240229")
        .text(tags::STUDY_TIME, VR::TM, "101112")
        .text(tags::MODALITY, VR::CS, "CT")
}

fn whole() -> Writer {
    let reference = Writer::new(Syntax::EXPLICIT)
        .text(tags::REFERENCED_SOP_CLASS_UID, VR::UI, CT)
        .text(tags::REFERENCED_SOP_INSTANCE_UID, VR::UI, "1.2.3.4");
    let code = Writer::new(Syntax::EXPLICIT)
        .text(tags::CODE_VALUE, VR::SH, "T-1")
        .text(tags::CODE_MEANING, VR::LO, "seen by Oyelaran")
        .bytes(Tag(0x0009, 0x1001), VR::LO, b"Oyelaran");
    head()
        .text(tags::STATION_NAME, VR::SH, "CT-2-EAST")
        .bytes(tags::REFERENCED_IMAGE_SEQUENCE, VR::SQ, &item(reference))
        .bytes(tags::ANATOMIC_REGION_SEQUENCE, VR::SQ, &item(code))
        .bytes(Tag(0x0009, 0x0010), VR::LO, b"ACME")
        .bytes(Tag(0x0009, 0x1002), VR::LO, b"Oyelaran")
        .text(tags::PATIENT_NAME, VR::PN, "Oyelaran^Ngozi")
        .text(tags::PATIENT_ID, VR::LO, "QX-4186027")
        .text(tags::PATIENT_BIRTH_DATE, VR::DA, "19850928")
        .text(tags::PATIENT_SEX, VR::CS, "F")
        .text(tags::BODY_PART_EXAMINED, VR::CS, "CHEST")
        .text(tags::DEVICE_SERIAL_NUMBER, VR::LO, "SER12345")
        .text(tags::STUDY_INSTANCE_UID, VR::UI, "1.2.3")
        .text(tags::SERIES_INSTANCE_UID, VR::UI, "1.2.3.1")
        .text(tags::INSTANCE_NUMBER, VR::IS, "7")
        .us(tags::ROWS, 1)
        .bytes(tags::PIXEL_DATA, VR::OW, &[1, 2, 3, 4])
        .bytes(Tag(0x7fe1, 0x1010), VR::OB, b"Oyelaran")
}

#[test]
fn the_profile_is_done_at_every_depth() {
    let clean = clean(&object(whole().finish()), &STRICT);
    for word in [
        "yelaran", "YELARAN", "gozi", "4186027", "1985", "SER123", "EAST", "1.2.3.", "2024",
    ] {
        assert!(!has(&clean.file, word), "{word}");
    }
    let set = left(&clean);
    let number = patient("id:QX-4186027");
    for (tag, value) in [
        (tags::PATIENT_ID, number.as_str()),
        (tags::PATIENT_NAME, &number),
        (tags::PATIENT_IDENTITY_REMOVED, "YES"),
        (tags::LONGITUDINAL_TEMPORAL_INFORMATION_MODIFIED, "REMOVED"),
        (tags::SOP_CLASS_UID, CT),
        (tags::MODALITY, "CT"),
        (tags::BODY_PART_EXAMINED, "CHEST"),
        (tags::INSTANCE_NUMBER, "7"),
        (tags::STUDY_DATE, ""),
        (tags::PATIENT_SEX, ""),
    ] {
        assert_eq!(set.ascii(tag), value, "{tag}");
    }
    assert_eq!(set.bytes(tags::PIXEL_DATA), [1, 2, 3, 4]);
    assert!(set.elements().all(|(tag, _)| tag.group() % 2 == 0));
    let Value::Items(written) = set.get(tags::REFERENCED_IMAGE_SEQUENCE).unwrap().value else {
        panic!("it is no sequence");
    };
    let inner = items(written, Syntax::EXPLICIT, &Limits::default()).unwrap();
    let reference = inner
        .first()
        .unwrap()
        .ascii(tags::REFERENCED_SOP_INSTANCE_UID);
    assert_eq!(
        reference,
        set.ascii(tags::SOP_INSTANCE_UID),
        "they still lead to each other"
    );
    assert_eq!((clean.done.private, clean.done.named), (4, 1));
    let part = part10(&clean.file).unwrap();
    assert_eq!(
        part.meta.ascii(tags::MEDIA_STORAGE_SOP_INSTANCE_UID),
        clean.instance
    );
    assert!(!has(&clean.file, "CT1"));
}

#[test]
fn options_keep_what_they_name_and_say_so() {
    let bytes = object(whole().finish());
    let choice = Choice {
        uid: None,
        device: Device::Stays,
        ..SHIFTED
    };
    let clean = clean(&bytes, &choice);
    let set = left(&clean);
    for (tag, value) in [
        (tags::STUDY_DATE, "20240323"),
        (tags::STUDY_TIME, "101112"),
        (tags::PATIENT_BIRTH_DATE, ""),
        (tags::LONGITUDINAL_TEMPORAL_INFORMATION_MODIFIED, "MODIFIED"),
        (tags::SOP_INSTANCE_UID, "1.2.3.4"),
        (tags::STUDY_INSTANCE_UID, "1.2.3"),
        (tags::DEVICE_SERIAL_NUMBER, "SER12345"),
        (tags::STATION_NAME, "CT-2-EAST"),
    ] {
        assert_eq!(set.ascii(tag), value, "{tag}");
    }
    for code in ["113100", "113107", "113109", "113110"] {
        assert!(has(&clean.file, code), "{code}");
    }
    assert!(!has(&clean.file, "yelaran"));
}

#[test]
fn what_may_have_a_name_in_its_pixels_does_not_leave_unseen() {
    let class = |class: &str| {
        Writer::new(Syntax::EXPLICIT)
            .text(tags::SOP_CLASS_UID, VR::UI, class)
            .text(tags::SOP_INSTANCE_UID, VR::UI, "1.2.3.4")
    };
    let overlay = head().bytes(Tag(0x6000, 0x0102), VR::US, &[9, 0]);
    for set in [
        class("1.2.840.10008.5.1.4.1.1.6.1").text(tags::MODALITY, VR::CS, "MR"),
        class("1.2.840.10008.5.1.4.1.1.7"),
        class(CT).text(tags::MODALITY, VR::CS, "US"),
        class(CT).text(tags::CONVERSION_TYPE, VR::CS, "WSD"),
        head().text(tags::BURNED_IN_ANNOTATION, VR::CS, "YES"),
        overlay.clone(),
    ] {
        assert!(
            matches!(refused(set.clone()), NotClean::Pixels(_)),
            "{set:?}"
        );
        let seen = Choice {
            pixels: Pixels::LookedAt,
            ..STRICT
        };
        assert_eq!(clean(&object(set.finish()), &seen).warnings.len(), 1);
    }
    let document = class("1.2.840.10008.5.1.4.1.1.104.1");
    assert_eq!(refused(document), NotClean::Document);
    let says_no =
        class(CT)
            .text(tags::MODALITY, VR::CS, "US")
            .text(tags::BURNED_IN_ANNOTATION, VR::CS, "NO");
    assert!(
        clean(&object(says_no.finish()), &STRICT)
            .warnings
            .is_empty()
    );
}

#[test]
fn a_name_within_bytes_that_are_no_text_does_not_leave() {
    let set = head()
        .text(tags::PATIENT_NAME, VR::PN, "Oyelaran^Ngozi")
        .bytes(tags::PIXEL_DATA, VR::OB, b"\xff\xfe OYELARAN ");
    assert_eq!(refused(set), NotClean::Within(tags::PIXEL_DATA));
}

#[test]
fn what_is_not_of_its_kind_goes() {
    let set = head()
        .text(tags::PATIENT_NAME, VR::PN, "Ng^An")
        .text(tags::INSTANCE_NUMBER, VR::IS, "Ng An")
        .text(tags::ROWS, VR::LO, "Ng An")
        .text(Tag(0x0028, 0x7777), VR::LO, "Ng An");
    let clean = clean(&object(set.finish()), &SHIFTED);
    assert!(!has(&clean.file, "Ng An"));
    assert_eq!(clean.done.unknown, 3);
}

#[test]
fn a_patient_without_a_number_is_one_in_each_study() {
    let of = |study: &str| {
        let set = head().text(tags::STUDY_INSTANCE_UID, VR::UI, study);
        let clean = clean(&object(set.finish()), &STRICT);
        left(&clean).ascii(tags::PATIENT_ID).to_owned()
    };
    assert_eq!(of("1.2.3"), of("1.2.3"));
    assert_ne!(of("1.2.3"), of("1.2.4"));
}

#[test]
fn what_is_no_object_is_refused() {
    let missing = deidentify(&object(Vec::new()), &STRICT, &Limits::default());
    let missing_class = Refusal::Missing(tags::SOP_CLASS_UID);
    assert_eq!(missing, Err(NotClean::Refused(missing_class)));
    assert!(deidentify(b"no DICOM", &STRICT, &Limits::default()).is_err());
    // An object that would leave without its UID stays.
    let unknown = Writer::new(Syntax::EXPLICIT)
        .text(tags::SOP_CLASS_UID, VR::UI, CT)
        .text(tags::SOP_INSTANCE_UID, VR::UN, "1.2.3.4");
    let missing = Refusal::Missing(tags::SOP_INSTANCE_UID);
    assert_eq!(refused(unknown), NotClean::Refused(missing));
    let deep = (0..40).fold(head(), |inner, _| {
        Writer::new(Syntax::EXPLICIT).bytes(tags::ANATOMIC_REGION_SEQUENCE, VR::SQ, &item(inner))
    });
    let deep = head().bytes(tags::ANATOMIC_REGION_SEQUENCE, VR::SQ, &item(deep));
    let limit = NotClean::Refused(Refusal::Depth { max: 32 });
    assert_eq!(refused(deep), limit);
}

#[test]
fn lists_of_short_uids_do_not_grow_without_bound() {
    let list = "1\\".repeat(1000);
    let bytes = object(
        head()
            .bytes(tags::STUDY_INSTANCE_UID, VR::UI, list.as_bytes())
            .finish(),
    );
    let limits = Limits {
        inflated_bytes_max: 10_000,
        ..Limits::default()
    };
    let inflated = NotClean::Refused(Refusal::Inflated { max: 10_000 });
    assert_eq!(deidentify(&bytes, &STRICT, &limits), Err(inflated));
    assert!(deidentify(&bytes, &STRICT, &Limits::default()).is_ok());
}

/// The files of the shared data folder, if it is there.
fn corpus() -> Vec<(PathBuf, Vec<u8>)> {
    let data = std::env::var_os("SALUS_SHARED_DATA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"),
        PathBuf::from,
    );
    let folders =
        ["pydicom-test-files", "pydicom-charset-files"].map(|one| data.join("dicom").join(one));
    let entries = folders
        .iter()
        .filter_map(|folder| fs::read_dir(folder).ok());
    let paths = entries.flatten().map(|entry| entry.unwrap().path());
    let files = paths.filter(|path| path.extension().is_some_and(|end| end == "dcm"));
    files
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect()
}

#[test]
fn real_files_leave_without_whose_they_are() {
    let seen = Choice {
        pixels: Pixels::LookedAt,
        ..SHIFTED
    };
    let (files, mut count) = (corpus(), 0);
    for (path, bytes) in &files {
        let Ok(clean) = deidentify(bytes, &seen, &Limits::default()) else {
            continue;
        };
        count += 1;
        let part = part10(bytes).unwrap();
        let set = scan(
            bytes.get(part.data_at..).unwrap(),
            part.syntax,
            &Limits::default(),
        );
        let again = left(&clean);
        for set in set.iter() {
            for tag in [
                tags::PATIENT_NAME,
                tags::PATIENT_ID,
                tags::STUDY_INSTANCE_UID,
            ] {
                let was = String::from_utf8_lossy(set.bytes(tag));
                let gone = was.len() < 5 || !has(&clean.file, &was);
                assert!(gone, "{path:?}: {tag} is in it");
            }
        }
        assert_eq!(again.ascii(tags::PATIENT_IDENTITY_REMOVED), "YES");
        assert!(
            again.elements().all(|(tag, _)| tag.group() % 2 == 0),
            "{path:?}"
        );
        if part.syntax.encapsulated {
            let pixels = |set: &DataSet<'_>| {
                set.get(tags::PIXEL_DATA)
                    .map(|one| format!("{:?}", one.value))
            };
            assert_eq!(
                pixels(&again),
                set.as_ref().ok().and_then(pixels),
                "{path:?}"
            );
        }
    }
    assert!(files.is_empty() || count > 40, "{count} of {}", files.len());
}

/// Attributes whose value the profile does not let stay, with the kind that they have.
const NAMING: [(Tag, VR); 14] = [
    (tags::ACCESSION_NUMBER, VR::SH),
    (tags::INSTITUTION_NAME, VR::LO),
    (tags::INSTITUTION_ADDRESS, VR::ST),
    (tags::REFERRING_PHYSICIAN_NAME, VR::PN),
    (tags::STATION_NAME, VR::SH),
    (tags::STUDY_DESCRIPTION, VR::LO),
    (tags::OPERATORS_NAME, VR::PN),
    (tags::PATIENT_NAME, VR::PN),
    (tags::PATIENT_ID, VR::LO),
    (tags::PATIENT_ADDRESS, VR::LO),
    (tags::PATIENT_COMMENTS, VR::LT),
    (tags::DEVICE_SERIAL_NUMBER, VR::LO),
    (tags::STUDY_ID, VR::SH),
    (tags::IMAGE_COMMENTS, VR::LT),
];

proptest! {
    #[test]
    fn no_identifying_value_is_in_what_leaves(
        secrets in prop::collection::btree_set("[a-z]{9,12}", NAMING.len()), depth in 0_usize..4,
    ) {
        let set = NAMING.iter().zip(&secrets).fold(Writer::new(Syntax::EXPLICIT), |set, ((tag, vr), secret)| {
            set.text(*tag, *vr, secret)
        });
        let nested = (0..depth).fold(set.clone(), |inner, _| {
            Writer::new(Syntax::EXPLICIT).bytes(tags::ANATOMIC_REGION_SEQUENCE, VR::SQ, &item(inner))
        });
        let name = secrets.first().unwrap();
        let set = head()
            .bytes(tags::ANATOMIC_REGION_SEQUENCE, VR::SQ, &item(nested))
            .text(tags::PATIENT_NAME, VR::PN, name)
            .text(tags::PROTOCOL_NAME, VR::LO, &format!("chest of {}", name.to_uppercase()))
            .text(tags::PATIENT_POSITION, VR::CS, name);
        let clean = clean(&object(set.finish()), &SHIFTED);
        for secret in &secrets {
            let small = clean.file.to_ascii_lowercase();
            prop_assert!(!has(&small, secret), "{}", secret);
        }
        prop_assert!(!left(&clean).ascii(tags::SOP_INSTANCE_UID).is_empty());
    }

    #[test]
    fn the_same_file_leaves_as_the_same_bytes(uid in "[1-9](\\.[1-9][0-9]{0,5}){2,6}", number in "[A-Z0-9]{1,8}") {
        let set = head()
            .text(tags::PATIENT_ID, VR::LO, &number)
            .text(tags::STUDY_INSTANCE_UID, VR::UI, &uid);
        let bytes = object(set.finish());
        let (first, second) = (clean(&bytes, &SHIFTED), clean(&bytes, &SHIFTED));
        prop_assert_eq!(&first, &second);
        let set = left(&first);
        prop_assert_eq!(set.ascii(tags::STUDY_INSTANCE_UID), other(&uid));
        prop_assert_eq!(set.ascii(tags::PATIENT_ID), patient(&format!("id:{number}")));
    }

    #[test]
    fn any_bytes_leave_readable_or_not_at_all(data in prop::collection::vec(any::<u8>(), 0..300), kind in 0_usize..4) {
        let syntax = ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.4.50"][kind];
        let start = match kind {
            1 | 3 => head().finish(),
            _ => Vec::new(),
        };
        let bytes = [file(CT, "1.2", syntax, "CT1"), start, data].concat();
        if let Ok(clean) = deidentify(&bytes, &SHIFTED, &Limits::default()) {
            prop_assert!(left(&clean).elements().count() > 0);
        }
    }
}
