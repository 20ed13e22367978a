//! DICOM data sets: what is written is found again, lies about lengths are refused, and the files of
//! the shared data folder are read or refused with the reason that is theirs.

#![expect(
    clippy::unwrap_used,
    reason = "what helps a test may fail as the test does"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use wire::dicom::{
    DataSet, Header, Limits, Operation, PIXELS_MAX, Packing, Preamble, Query, Refusal, Repertoire,
    Root, Source, Syntax, Tag, VR, Writer, file, frame, metadata, part10, patient_identifier,
    picture, recode, scan, study, tags, unpack,
};

/// The folder of shared data, if it is there.
fn shared(folder: &str) -> Option<PathBuf> {
    let data = std::env::var_os("SALUS_SHARED_DATA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"),
        PathBuf::from,
    );
    Some(data.join("dicom").join(folder)).filter(|folder| folder.is_dir())
}

fn files(folder: &str) -> BTreeMap<String, Vec<u8>> {
    let Some(folder) = shared(folder) else {
        return BTreeMap::new();
    };
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let dicom = entries.filter(|path| path.extension().is_some_and(|end| end == "dcm"));
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    dicom
        .map(|path| (name(&path), fs::read(&path).unwrap()))
        .collect()
}

/// What a file says of itself, as the door would find it.
fn read(bytes: &[u8]) -> Result<Header, Refusal> {
    let limits = Limits::default();
    let head = part10(bytes)?;
    let data = bytes.get(head.data_at..).unwrap();
    let data = unpack(data, head.syntax, &limits)?;
    Header::of(&scan(&data, head.syntax, &limits)?, &Repertoire::ascii())
}

/// What a data set says of itself.
fn header_of(set: Writer) -> Header {
    let bytes = set.finish();
    let limits = Limits::default();
    let found = scan(&bytes, Syntax::EXPLICIT, &limits).unwrap();
    Header::of(&found, &Repertoire::ascii()).unwrap()
}

#[test]
fn a_strange_offset_tells_no_time_and_ends_nothing() {
    let id = |_: &str, _: &str, value: &str| value.to_owned();
    let source = Source {
        authority: "hospital",
        zone: "UTC",
        id: &id,
    };
    for (offset, began) in [
        ("+0199999999", "2026-11-27T08:15:00+00:00"),
        ("+99", "2026-11-27T08:15:00+00:00"),
        ("-0330", "2026-11-27T08:15:00-03:30"),
    ] {
        let set = bare()
            .text(tags::STUDY_DATE, VR::DA, "20261127")
            .text(tags::STUDY_TIME, VR::TM, "081500")
            .text(tags::TIMEZONE_OFFSET_FROM_UTC, VR::SH, offset);
        let study = study(None, &header_of(set), ("s", "p"), source);
        assert_eq!(study["started"], began, "{offset}");
    }
}

#[test]
fn an_identifier_that_two_readers_would_read_differently_is_nobodys() {
    for (tag, text) in [
        (tags::PATIENT_ID, "12\u{0}34"),
        (tags::PATIENT_ID, "12\\34"),
        (tags::ISSUER_OF_PATIENT_ID, "KLINIK\u{1b}"),
    ] {
        let set = match tag {
            tags::PATIENT_ID => bare(),
            _ => bare().text(tags::PATIENT_ID, VR::LO, "4711"),
        };
        let header = header_of(set.text(tag, VR::LO, text));
        assert_eq!(patient_identifier(&header, "hospital"), None, "{text:?}");
        assert!(
            header
                .complaints
                .iter()
                .any(|one| one.contains("whose it is"))
        );
    }
    let padded = header_of(bare().text(tags::PATIENT_ID, VR::LO, "4711 \0"));
    let (_, value) = patient_identifier(&padded, "hospital").unwrap();
    assert_eq!(value, "4711");
}

#[test]
fn what_is_longer_than_it_may_be_is_cut() {
    let long = "x".repeat(50_000);
    let set =
        bare()
            .text(tags::STUDY_DESCRIPTION, VR::LO, &long)
            .text(tags::MODALITY, VR::CS, &long);
    let header = header_of(set);
    assert!(header.study_description.len() <= 200 && header.modality.len() <= 64);
}

/// The names that each object has, and nothing else.
fn bare() -> Writer {
    Writer::new(Syntax::EXPLICIT)
        .text(tags::SOP_CLASS_UID, VR::UI, "1.2.840.10008.5.1.4.1.1.2")
        .text(tags::SOP_INSTANCE_UID, VR::UI, "1.2.3.4")
        .text(tags::STUDY_INSTANCE_UID, VR::UI, "1.2.3")
        .text(tags::SERIES_INSTANCE_UID, VR::UI, "1.2.3.3")
}

fn described() -> Writer {
    Writer::new(Syntax::EXPLICIT)
        .text(tags::SPECIFIC_CHARACTER_SET, VR::CS, "ISO_IR 192")
        .text(tags::SOP_CLASS_UID, VR::UI, "1.2.840.10008.5.1.4.1.1.2")
        .text(tags::SOP_INSTANCE_UID, VR::UI, "1.2.3.4")
        .text(tags::MODALITY, VR::CS, "CT")
        .text(tags::PATIENT_NAME, VR::PN, "Müller^Jörg")
        .text(tags::PATIENT_ID, VR::LO, "4711")
        .text(tags::STUDY_INSTANCE_UID, VR::UI, "1.2.3")
        .text(tags::SERIES_INSTANCE_UID, VR::UI, "1.2.3.3")
        .us(tags::ROWS, 512)
        .us(tags::COLUMNS, 256)
}

#[test]
fn a_file_says_whose_it_is() {
    let mut bytes = file(
        "1.2.840.10008.5.1.4.1.1.2",
        "1.2.3.4",
        Syntax::EXPLICIT_UID,
        "CT1",
    );
    bytes.extend(described().finish());
    let head = part10(&bytes).unwrap();
    assert_eq!(head.preamble, Preamble::Blank);
    assert_eq!(
        head.meta.ascii(tags::SOURCE_APPLICATION_ENTITY_TITLE),
        "CT1"
    );
    let header = read(&bytes).unwrap();
    assert_eq!(header.patient_name, "Müller^Jörg");
    assert_eq!(
        (header.instance.as_str(), header.modality.as_str()),
        ("1.2.3.4", "CT")
    );
    assert_eq!(header.size, Some((512, 256)));
    assert!(header.complaints.is_empty());
}

#[test]
fn what_names_no_instance_is_refused() {
    let bytes = Writer::new(Syntax::EXPLICIT)
        .text(tags::SOP_CLASS_UID, VR::UI, "1.2.840.10008.5.1.4.1.1.2")
        .text(tags::SOP_INSTANCE_UID, VR::UI, "../../etc/passwd")
        .finish();
    let found = scan(&bytes, Syntax::EXPLICIT, &Limits::default()).unwrap();
    let why = Header::of(&found, &Repertoire::ascii()).unwrap_err();
    assert_eq!(why, Refusal::Missing(tags::SOP_INSTANCE_UID));
}

/// A sequence of undefined length within itself, `depth` times.
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

#[test]
fn limits_hold_at_their_number() {
    let limits = Limits {
        depth_max: 8,
        elements_max: 20,
        ..Limits::default()
    };
    let of = |bytes: &[u8]| scan(bytes, Syntax::EXPLICIT, &limits).map(|_| ());
    assert_eq!(of(&nested(8)), Ok(()));
    assert_eq!(of(&nested(9)), Err(Refusal::Depth { max: 8 }));
    let many = |count: u16| {
        let texts = (0..count).map(|number| Tag(0x0009, 0x1000 + number));
        texts.fold(Writer::new(Syntax::EXPLICIT), |writer, tag| {
            writer.text(tag, VR::LO, "x")
        })
    };
    assert_eq!(of(&many(20).finish()), Ok(()));
    assert_eq!(of(&many(21).finish()), Err(Refusal::Elements { max: 20 }));
}

#[test]
fn a_length_is_held_against_what_it_lies_in() {
    // An item that says it has 8 bytes, of a sequence that says it has 10.
    let bytes = b"\x08\x00\x40\x11SQ\0\0\x0a\0\0\0\xfe\xff\x00\xe0\x08\0\0\0\x08\0\x05\0CS\0\0";
    let why = scan(bytes, Syntax::EXPLICIT, &Limits::default()).unwrap_err();
    assert!(matches!(
        why,
        Refusal::Length { length: 10, .. }
            | Refusal::Length {
                length: 8,
                left: 2,
                ..
            }
    ));
    let bomb = b"\x09\x00\x10\x10UN\0\0\xf0\xff\xff\xe8abc";
    let why = scan(bomb, Syntax::EXPLICIT, &Limits::default()).unwrap_err();
    assert!(matches!(
        why,
        Refusal::Length {
            length: 0xe8ff_fff0,
            left: 3,
            ..
        }
    ));
}

#[test]
fn an_element_that_stands_there_twice_is_refused() {
    let twice = Writer::new(Syntax::EXPLICIT)
        .text(tags::PATIENT_ID, VR::LO, "1")
        .text(tags::PATIENT_ID, VR::LO, "2")
        .finish();
    let why = scan(&twice, Syntax::EXPLICIT, &Limits::default()).unwrap_err();
    assert_eq!(why, Refusal::Twice(tags::PATIENT_ID));
}

/// What is expected of the files that are not simply read.
const ODD: [(&str, &str); 17] = [
    ("ExplVR_BigEndNoMeta.dcm", "it is no DICOM file"),
    ("ExplVR_LitEndNoMeta.dcm", "it is no DICOM file"),
    ("JPEGLSNearLossless_08.dcm", "(0020,000D) is missing"),
    ("JPEGLSNearLossless_16.dcm", "(0020,000D) is missing"),
    (
        "MR_truncated.dcm",
        "(7FE0,0010) at byte 1154 says it has 8192 bytes, of which 8130 are",
    ),
    ("SC_rgb_jls_lossy_line.dcm", "(0020,000D) is missing"),
    ("SC_rgb_jls_lossy_sample.dcm", "(0020,000D) is missing"),
    (
        "SC_rgb_jpeg.dcm",
        "at byte 4, there is no value representation that is known",
    ),
    ("UN_sequence.dcm", "(0008,0016) is missing"),
    ("empty_charset_LEI.dcm", "(0008,0016) is missing"),
    ("meta_missing_tsyntax.dcm", "names no transfer syntax"),
    ("nested_priv_SQ.dcm", "(0008,0016) is missing"),
    ("no_meta.dcm", "it is no DICOM file"),
    ("no_meta_group_length.dcm", "(0008,0016) is missing"),
    ("priv_SQ.dcm", "(0008,0016) is missing"),
    (
        "rtplan_truncated.dcm",
        "(300A,00B0) at byte 1110 says it has 976 bytes, of which 711 are",
    ),
    ("rtstruct.dcm", "it is no DICOM file"),
];

#[test]
fn the_files_of_others_are_read_or_refused_with_their_reason() {
    let odd: BTreeMap<&str, &str> = ODD.into();
    let mut wrong = Vec::new();
    for (name, bytes) in files("pydicom-test-files") {
        let said = read(&bytes).map_or_else(|why| why.to_string(), |_| String::new());
        let expected = odd.get(name.as_str()).copied().unwrap_or_default();
        if said.is_empty() != expected.is_empty() || !said.contains(expected) {
            wrong.push(format!("(\"{name}\", \"{said}\"),"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn hostile_files_are_refused_or_told() {
    for (name, bytes) in files("hostile") {
        let why = read(&bytes).unwrap_err();
        assert!(
            matches!(why, Refusal::Length { .. } | Refusal::Depth { .. }),
            "{name}: {why}"
        );
    }
    for (name, bytes) in files("hostile/polyglot") {
        let found = part10(&bytes).unwrap().preamble;
        let legit = name.contains("legit");
        assert_eq!(
            matches!(found, Preamble::Program(_)),
            !legit,
            "{name}: {found:?}"
        );
        assert!(read(&bytes).is_ok(), "{name}");
    }
}

#[test]
fn names_are_read_in_their_own_script() {
    let names = [
        ("chrArab.dcm", "قباني^لنزار"),
        ("chrFren.dcm", "Buc^Jérôme"),
        ("chrFrenMulti.dcm", "Buc^Jérôme"),
        ("chrGerm.dcm", "Äneas^Rüdiger"),
        ("chrGreek.dcm", "Διονυσιος"),
        ("chrH31.dcm", "Yamada^Tarou=山田^太郎=やまだ^たろう"),
        ("chrH32.dcm", "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう"),
        ("chrHbrw.dcm", "שרון^דבורה"),
        ("chrI2.dcm", "Hong^Gildong=洪^吉洞=홍^길동"),
        ("chrRuss.dcm", "Люкceмбypг"),
        ("chrX1.dcm", "Wang^XiaoDong=王^小東="),
        ("chrX2.dcm", "Wang^XiaoDong=王^小东="),
    ];
    let found = files("pydicom-charset-files");
    for (file, name) in names.iter().filter(|(file, _)| found.contains_key(*file)) {
        let bytes = &found[*file];
        let head = part10(bytes).unwrap();
        let set = scan(&bytes[head.data_at..], head.syntax, &Limits::default()).unwrap();
        assert_eq!(name_of(&set).as_deref(), Some(*name), "{file}");
    }
}

fn name_of(set: &DataSet<'_>) -> Option<String> {
    let named = set.ascii(tags::SPECIFIC_CHARACTER_SET);
    Repertoire::named(named, &Repertoire::ascii()).decode(set.bytes(tags::PATIENT_NAME))
}

#[test]
fn text_that_means_nothing_is_not_guessed() {
    let repertoire = Repertoire::named("ISO_IR 192", &Repertoire::ascii());
    assert_eq!(repertoire.decode(b"M\xfcller"), None);
    assert_eq!(Repertoire::ascii().decode(b"M\xfcller"), None);
    let strange = Repertoire::named("ISO_IR 999", &Repertoire::ascii());
    assert!(strange.is_unknown());
    let latin = Repertoire::named("ISO_IR 100", &Repertoire::ascii());
    assert_eq!(
        Repertoire::named("", &latin).decode(b"M\xfcller").unwrap(),
        "Müller"
    );
    let switched = Repertoire::named("\\ISO 2022 IR 87", &Repertoire::ascii());
    assert_eq!(switched.decode(b"\x1b$"), None);
    assert_eq!(switched.decode(b"\x1b$B;3E"), None);
}

proptest! {
    #[test]
    fn what_is_written_is_found_again(
        values in prop::collection::btree_map(0x1000_u16..0x10ff, prop::collection::vec(1_u8..=255, 0..40), 0..30),
        explicit: bool,
    ) {
        let syntax = if explicit { Syntax::EXPLICIT } else { Syntax::IMPLICIT };
        let tag = |element: u16| Tag(0x0009, element);
        let written = values.iter().fold(Writer::new(syntax), |writer, (element, value)| {
            writer.bytes(tag(*element), VR::UN, value)
        });
        let bytes = written.finish();
        let found = scan(&bytes, syntax, &Limits::default()).unwrap();
        prop_assert_eq!(found.elements().count(), values.len());
        for (element, value) in &values {
            let end = value.iter().rposition(|byte| *byte != b' ').map_or(0, |last| last + 1);
            prop_assert_eq!(found.bytes(tag(*element)), &value[..end]);
        }
    }

    #[test]
    fn a_part_of_a_data_set_is_never_more_than_it(cut in 0_usize..300) {
        let bytes = described().finish();
        let part = &bytes[..cut.min(bytes.len())];
        if let Ok(found) = scan(part, Syntax::EXPLICIT, &Limits::default()) {
            let end = found.elements().map(|(_, element)| element.place.end).max();
            prop_assert_eq!(end.unwrap_or_default(), part.len());
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..400), kind in 0_usize..4) {
        let uid = ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"][kind];
        let syntax = Syntax::named(uid).unwrap();
        let limits = Limits::default();
        if let Ok(data) = unpack(&bytes, syntax, &limits)
            && let Ok(found) = scan(&data, syntax, &limits)
        {
            let mut last = 0;
            let mut places: Vec<_> = found.elements().map(|(_, element)| element.place.clone()).collect();
            places.sort_by_key(|place| place.start);
            for place in places {
                prop_assert_eq!(place.start, last);
                last = place.end;
            }
            prop_assert_eq!(last, data.len());
            let _ = Header::of(&found, &Repertoire::ascii());
        }
        let _ = part10(&bytes);
    }
}

/// A picture with a sequence in it.
fn small() -> Vec<u8> {
    let item = Writer::new(Syntax::EXPLICIT)
        .text(tags::CODE_VALUE, VR::SH, "T-1")
        .finish();
    let mut items = vec![0xfe, 0xff, 0, 0xe0];
    items.extend_from_slice(&u32::try_from(item.len()).unwrap().to_le_bytes());
    items.extend_from_slice(&item);
    Writer::new(Syntax::EXPLICIT)
        .text(tags::QUERY_RETRIEVE_LEVEL, VR::CS, "STUDY")
        .text(tags::STUDY_DATE, VR::DA, "20230306-")
        .bytes(tags::PROCEDURE_CODE_SEQUENCE, VR::SQ, &items)
        .text(tags::PATIENT_NAME, VR::PN, "M*^J?rg")
        .us(tags::SAMPLES_PER_PIXEL, 1)
        .text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME2")
        .text(tags::NUMBER_OF_FRAMES, VR::IS, "2")
        .us(tags::ROWS, 2)
        .us(tags::COLUMNS, 2)
        .us(tags::BITS_ALLOCATED, 16)
        .us(tags::BITS_STORED, 12)
        .us(tags::PIXEL_REPRESENTATION, 1)
        .text(tags::WINDOW_CENTER, VR::DS, "40")
        .text(tags::WINDOW_WIDTH, VR::DS, "400")
        .bytes(tags::PIXEL_DATA, VR::OW, &[7; 16])
        .finish()
}

proptest! {
    #[test]
    fn whatever_is_let_in_is_told_drawn_and_rewritten_or_refused(
        places in proptest::collection::vec((0_usize..400, any::<u8>()), 0..6), frame_number in 0_usize..4,
    ) {
        let mut bytes = small();
        for (place, with) in places {
            if let Some(byte) = bytes.get_mut(place) {
                *byte = with;
            }
        }
        let limits = Limits::default();
        let Ok(set) = scan(&bytes, Syntax::EXPLICIT, &limits) else {
            return Ok(());
        };
        let told = metadata(&set, Syntax::EXPLICIT, &Repertoire::ascii());
        prop_assert!(told.len() <= set.elements().count());
        if let Ok(drawn) = picture(&set, frame_number, (Packing::Plain, PIXELS_MAX)) {
            prop_assert!(drawn.shrunk(1).png().starts_with(b"\x89PNG"));
        }
        let _ = frame(&set, frame_number);
        let _ = Query::of(&set, (Root::Study, Operation::Find), &Repertoire::ascii());
        let to = (Syntax::EXPLICIT_UID, Syntax::IMPLICIT_UID);
        if let Ok(other) = recode(&bytes, to, &limits) {
            let again = scan(&other, Syntax::IMPLICIT, &limits);
            prop_assert!(again.is_ok(), "{again:?}");
        }
    }
}

/// Real files: what is not compressed says the same in either little endian.
#[test]
fn real_files_say_the_same_in_another_syntax() {
    for (name, bytes) in files("pydicom-test-files") {
        let (Ok(head), Ok(header)) = (part10(&bytes), read(&bytes)) else {
            continue;
        };
        let data = bytes.get(head.data_at..).unwrap();
        for (to, syntax) in [
            (Syntax::IMPLICIT_UID, Syntax::IMPLICIT),
            (Syntax::EXPLICIT_UID, Syntax::EXPLICIT),
        ] {
            let Ok(other) = recode(data, (head.syntax_uid, to), &Limits::default()) else {
                assert!(head.syntax.encapsulated, "{name}");
                continue;
            };
            let set = scan(&other, syntax, &Limits::default()).unwrap();
            let mut same = Header::of(&set, &Repertoire::ascii()).unwrap();
            same.complaints.clone_from(&header.complaints);
            assert_eq!(same, header, "{name}");
        }
    }
}
