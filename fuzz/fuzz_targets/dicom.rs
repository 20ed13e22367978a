//! Any bytes are read as a DICOM file, a unit of the upper layer or a command, or refused; what is read lies end to end in what was there;
//! what leaves de-identified is read again and has nothing private.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::dicom::{
    Choice, Device, Header, Limits, Pixels, Repertoire, Source, Syntax, command, deidentify, file,
    part10, patient, pdu, scan, study, unpack,
};

const SYNTAXES: [&str; 4] = [
    "1.2.840.10008.1.2",
    "1.2.840.10008.1.2.1",
    "1.2.840.10008.1.2.2",
    "1.2.840.10008.1.2.1.99",
];

fuzz_target!(|input: (u8, &[u8])| {
    let (kind, bytes) = input;
    if let Ok(head) = part10(bytes) {
        assert!(head.data_at <= bytes.len());
        look(&bytes[head.data_at..], head.syntax);
        leave(bytes);
    }
    let _ = pdu(kind % 8, bytes);
    let _ = command(bytes);
    let uid = SYNTAXES[usize::from(kind) % SYNTAXES.len()];
    if let Some(syntax) = Syntax::named(uid) {
        look(bytes, syntax);
        let head = file("1.2.840.10008.5.1.4.1.1.2", "1.2", uid, "CT1");
        leave(&[&head, bytes].concat());
    }
});

fn leave(bytes: &[u8]) {
    let choice = Choice {
        uid: Some(&|uid| format!("2.25.{}", uid.len())),
        patient: &|key| format!("P{}", key.len()),
        days: Some(&|key| i32::try_from(key.len()).unwrap_or(1)),
        device: Device::Stays,
        pixels: Pixels::LookedAt,
    };
    let limits = Limits::default();
    let Ok(clean) = deidentify(bytes, &choice, &limits) else {
        return;
    };
    let head = part10(&clean.file).expect("a file that left is none");
    let found =
        scan(&clean.file[head.data_at..], head.syntax, &limits).expect("what left cannot be read");
    assert!(found.elements().all(|(tag, _)| tag.group() % 2 == 0));
    assert!(!clean.instance.is_empty());
}

fn look(bytes: &[u8], syntax: Syntax) {
    let limits = Limits::default();
    let Ok(data) = unpack(bytes, syntax, &limits) else {
        return;
    };
    let Ok(found) = scan(&data, syntax, &limits) else {
        return;
    };
    let sum: usize = found
        .elements()
        .map(|(_, element)| element.place.len())
        .sum();
    assert_eq!(sum, data.len());
    let Ok(header) = Header::of(&found, &Repertoire::ascii()) else {
        return;
    };
    let id = |_: &str, _: &str, value: &str| value.to_owned();
    let source = Source {
        authority: "hospital",
        zone: "UTC",
        id: &id,
    };
    let _ = patient(&header, source);
    let first = study(None, &header, ("s", "p"), source);
    let _ = study(Some(&first), &header, ("s", "p"), source);
}
