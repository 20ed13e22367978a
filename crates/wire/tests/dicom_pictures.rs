//! Pictures of the files of the shared data folder: the same however their pixels are packed, and of the samples that
//! other decoders find.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "what helps a test may fail as the test does"
)]

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use wire::dicom::{
    DataSet, Limits, PIXELS_MAX, Packing, Syntax, VR, Writer, frame, part10, picture, scan, tags,
};

/// Grey values between two windows that touch: in each a sample is a byte.
const STEP: i64 = 255;

/// The files, if they are there.
fn files() -> BTreeMap<String, Vec<u8>> {
    let data = std::env::var_os("SALUS_SHARED_DATA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"),
        PathBuf::from,
    );
    let Ok(entries) = fs::read_dir(data.join("dicom/pydicom-test-files")) else {
        return BTreeMap::new();
    };
    let paths = entries.map(|entry| entry.unwrap().path());
    let dicom = paths.filter(|path| path.extension().is_some_and(|end| end == "dcm"));
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    dicom
        .map(|path| (name(&path), fs::read(&path).unwrap()))
        .collect()
}

fn read(bytes: &[u8]) -> (DataSet<'_>, Packing) {
    let head = part10(bytes).unwrap();
    let data = bytes.get(head.data_at..).unwrap();
    let set = scan(data, head.syntax, &Limits::default()).unwrap();
    (set, Packing::named(head.syntax_uid).unwrap())
}

/// The picture of a file, as PNG.
fn drawn(bytes: &[u8]) -> Result<Vec<u8>, String> {
    let (set, packing) = read(bytes);
    let made = picture(&set, 1, (packing, PIXELS_MAX));
    made.map(|made| made.png()).map_err(|why| why.to_string())
}

/// The bytes of a PNG as it is written here, without those that each row begins with.
fn bytes_of(png: &[u8], row: usize) -> Vec<u8> {
    let length = u32::from_be_bytes(png[33..37].try_into().unwrap()) as usize;
    let mut rows = Vec::new();
    let packed = &png[41..41 + length];
    flate2::read::ZlibDecoder::new(packed)
        .read_to_end(&mut rows)
        .unwrap();
    rows.chunks(row + 1)
        .flat_map(|row| &row[1..])
        .copied()
        .collect()
}

/// The samples of the first frame, from `least` on: by as many pictures as there are windows up to `most`, since
/// a picture has 256 shades.
fn samples(bytes: &[u8], (least, most): (i64, i64)) -> Vec<i64> {
    let (set, packing) = read(bytes);
    let number = |tag| u16::try_from(set.number(tag).unwrap()).unwrap();
    let (columns, count) = (number(tags::COLUMNS), number(tags::SAMPLES_PER_PIXEL));
    if count == 3 {
        let png = drawn(bytes).unwrap();
        let all = bytes_of(&png, 3 * usize::from(columns));
        return all.into_iter().map(i64::from).collect();
    }
    let item = |tag: u8, bytes: &[u8]| {
        let length = u32::try_from(bytes.len()).unwrap().to_le_bytes();
        [&[0xfe, 0xff, tag, 0xe0][..], &length, bytes].concat()
    };
    let begins = [
        0xe0, 0x7f, 0x10, 0, b'O', b'B', 0, 0, 0xff, 0xff, 0xff, 0xff,
    ];
    let frame = item(0, &frame(&set, 1).unwrap());
    let pixels = [&begins[..], &item(0, b""), &frame, &item(0xdd, b"")].concat();
    let mut out = Vec::new();
    for from in (least..most).step_by(usize::try_from(STEP).unwrap()) {
        let head = Writer::new(Syntax::EXPLICIT)
            .us(tags::SAMPLES_PER_PIXEL, 1)
            .text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME2")
            .us(tags::ROWS, number(tags::ROWS))
            .us(tags::COLUMNS, columns)
            .us(tags::BITS_ALLOCATED, number(tags::BITS_ALLOCATED))
            .us(tags::BITS_STORED, number(tags::BITS_STORED))
            .us(
                tags::PIXEL_REPRESENTATION,
                number(tags::PIXEL_REPRESENTATION),
            )
            .text(tags::WINDOW_CENTER, VR::DS, &(from + 128).to_string())
            .text(tags::WINDOW_WIDTH, VR::DS, "256")
            .finish();
        let object = [head, pixels.clone()].concat();
        let syntax = Syntax::named("1.2.840.10008.1.2.4.90").unwrap();
        let set = scan(&object, syntax, &Limits::default()).unwrap();
        let made = picture(&set, 1, (packing, PIXELS_MAX)).unwrap();
        let shades = bytes_of(&made.png(), columns.into());
        out.resize(shades.len(), least);
        for (sample, shade) in out.iter_mut().zip(shades) {
            *sample += i64::from(shade);
        }
    }
    out
}

/// Real files of the same pixels: however they are packed, the picture is the same.
#[test]
fn real_files_are_drawn_the_same_however_they_are_packed() {
    let files = files();
    for twins in [
        &[
            "MR_small.dcm",
            "MR_small_RLE.dcm",
            "MR_small_jp2klossless.dcm",
        ][..],
        &[
            "SC_rgb_rle.dcm",
            "SC_rgb_gdcm_KY.dcm",
            "SC_rgb_jpeg_gdcm.dcm",
        ],
    ] {
        let pictures = twins.iter().filter_map(|name| files.get(*name));
        let pictures: Vec<_> = pictures.map(|bytes| drawn(bytes).unwrap()).collect();
        assert!(pictures.windows(2).all(|two| two[0] == two[1]), "{twins:?}");
        assert!(files.is_empty() || pictures.len() == twins.len());
    }
    // Four of its bytes were replaced.
    let damaged = files.get("JPEG2000-embedded-sequence-delimiter.dcm");
    let why = damaged.map(|bytes| drawn(bytes).unwrap_err());
    assert!(why.is_none_or(|why| why.contains("its JPEG 2000")));
}

/// Real files, and what OpenJPEG 2.5.4 (by pylibjpeg-openjpeg 2.6.0) makes of them: the least sample and the
/// largest, their sum, and the sum of each times the rest of its place divided by 251.
#[test]
fn real_files_have_the_samples_that_another_decoder_finds() {
    let files = files();
    for (name, expected) in [
        ("693_J2KI.dcm", (-2_971, 2_836, -2_181_784, -400_277_614)),
        ("GDCMJ2K_TextGBR.dcm", (0, 255, 59_729_223, 7_464_806_000)),
        // Its codestream has no sign, its object has one.
        (
            "J2K_pixelrep_mismatch.dcm",
            (-2_000, 1_896, -172_605_258, -21_549_977_677),
        ),
        (
            "MR_small_jp2klossless.dcm",
            (127, 2_145, 2_125_338, 262_866_647),
        ),
        ("SC_rgb_gdcm_KY.dcm", (0, 255, 3_831_000, 477_954_150)),
        ("examples_jpeg2k.dcm", (0, 255, 31_821_736, 3_973_625_110)),
    ] {
        let Some(bytes) = files.get(name) else {
            continue;
        };
        let all = samples(bytes, (expected.0 - 20, expected.1 + 20));
        let (least, largest) = (*all.iter().min().unwrap(), *all.iter().max().unwrap());
        let weighed = (0_i64..).zip(&all).map(|(place, one)| one * (place % 251));
        let found = (least, largest, all.iter().sum(), weighed.sum());
        assert_eq!(found, expected, "{name}");
    }
}

/// With loss another decoder rounds otherwise, by one at most: OpenJPEG, and libjpeg (by pylibjpeg-libjpeg 2.5.0). Of two
/// files of twelve bits the header of one says that it has the first coefficients alone; it has them all.
#[test]
fn real_files_with_loss_are_close_to_what_another_decoder_finds() {
    let files = files();
    for (name, (least, largest, sum)) in [
        ("JPEG2000.dcm", (-30_i64, 245_i64, 3_527_976_i64)),
        ("JPGExtended.dcm", (0, 264, 3_770_427)),
        ("JPEG-lossy.dcm", (0, 264, 3_770_427)),
    ] {
        let Some(bytes) = files.get(name) else {
            continue;
        };
        let all = samples(bytes, (least - 20, largest + 20));
        assert!(all.iter().min().unwrap().abs_diff(least) < 2, "{name}");
        assert!(all.iter().max().unwrap().abs_diff(largest) < 2, "{name}");
        let off = all.iter().sum::<i64>().abs_diff(sum);
        assert!(off < sum.unsigned_abs() / 1_000, "{name}: {off}");
    }
}
