//! Any bytes are read as a DICOM file, a unit of the upper layer or a command, or refused; what is read lies end to end in what was there.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::dicom::{
    Header, Limits, Repertoire, Source, Syntax, command, part10, patient, pdu, scan, study, unpack,
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
    }
    let _ = pdu(kind % 8, bytes);
    let _ = command(bytes);
    let uid = SYNTAXES[usize::from(kind) % SYNTAXES.len()];
    if let Some(syntax) = Syntax::named(uid) {
        look(bytes, syntax);
    }
});

fn look(bytes: &[u8], syntax: Syntax) {
    let limits = Limits::default();
    let Ok(data) = unpack(bytes, syntax, &limits) else {
        return;
    };
    let Ok(found) = scan(&data, syntax, &limits) else {
        return;
    };
    let sum: usize = found.elements().map(|(_, element)| element.place.len()).sum();
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
