//! DICOMweb: pictures of what is compressed.

use wire::dicom::{Syntax, VR, Writer, tags};

use crate::house::House;
use crate::images::{BOTH, CT, asked, sealed};

/// Two rows of two pixels (0, 80, 160, 255) in lossless JPEG, by dcmtk.
const LOSSLESS_JPEG: [u8; 74] =
    *b"\xff\xd8\xff\xe0\0\x10\x4a\x46\x49\x46\0\x01\x01\0\0\x01\0\x01\0\0\xff\xc3\0\x0b\
\x08\0\x02\0\x02\x01\x01\x11\0\xff\xc4\0\x15\0\x01\x01\0\0\0\0\0\0\0\0\
\0\0\0\0\0\0\x07\x08\xff\xda\0\x08\x01\x01\0\x06\0\0\x9f\xd4\x2a\x05\xff\0\
\xff\xd9";

#[tokio::test]
async fn a_picture_is_made_of_lossless_jpeg_and_what_is_cut_is_said() {
    let house = House::open().await;
    let head = |instance: &str| {
        Writer::new(Syntax::EXPLICIT)
            .text(tags::SOP_CLASS_UID, VR::UI, CT)
            .text(tags::SOP_INSTANCE_UID, VR::UI, instance)
            .text(tags::PATIENT_ID, VR::LO, "4711")
            .text(tags::STUDY_INSTANCE_UID, VR::UI, "1.2")
            .text(tags::SERIES_INSTANCE_UID, VR::UI, "1.2.1")
            .us(tags::SAMPLES_PER_PIXEL, 1)
            .text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME2")
            .us(tags::ROWS, 2)
            .us(tags::COLUMNS, 2)
            .us(tags::BITS_ALLOCATED, 8)
            .us(tags::BITS_STORED, 8)
            .finish()
    };
    let item = |tag: u8, bytes: &[u8]| {
        let length = u32::try_from(bytes.len()).unwrap().to_le_bytes();
        [&[0xfe, 0xff, tag, 0xe0][..], &length, bytes].concat()
    };
    for (instance, syntax, length) in [
        ("1.2.1.1", "1.2.840.10008.1.2.4.70", 74),
        ("1.2.1.2", "1.2.840.10008.1.2.4.70", 60),
        ("1.2.1.3", "1.2.840.10008.1.2.4.80", 74),
    ] {
        let raw = head(instance);
        let begins = [
            0xe0, 0x7f, 0x10, 0, b'O', b'B', 0, 0, 0xff, 0xff, 0xff, 0xff,
        ];
        let frame = item(0, &LOSSLESS_JPEG[..length]);
        let set = [&raw[..], &begins, &item(0, b""), &frame, &item(0xdd, b"")].concat();
        sealed(&house, (instance, syntax), (raw, set)).await;
    }
    let token = house.client("viewer", &BOTH).await;
    let look = async |instance: &str| {
        let path = format!("studies/1.2/series/1.2.1/instances/{instance}/rendered");
        asked(&house, (&token, &path, "image/*")).await
    };
    let whole = look("1.2.1.1").await;
    assert_eq!(
        (whole.code(), whole.header("content-type")),
        (200, "image/png")
    );
    assert_eq!(whole.bytes[16..24], [0, 0, 0, 2, 0, 0, 0, 2], "two by two");
    for (instance, words) in [
        ("1.2.1.2", "its JPEG ends before its end"),
        ("1.2.1.3", "compressed like these"),
    ] {
        let none = look(instance).await;
        let text = String::from_utf8_lossy(&none.bytes).into_owned();
        assert!(none.code() == 406 && text.contains(words), "{text}");
    }
}
