//! Erasing a patient through the binary: afterwards nothing of them is readable in any file.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::process::{Server, json, run};
use crate::serving::send;

/// What a patient's messages hold that nobody else's do.
const THEIRS: [&str; 5] = [
    "zyxwolff",
    "quarzbert",
    "77120045",
    "hyperglobulinfund",
    "fernwehgasse",
];
const OTHERS: &str = "nachbarlein";

fn admission(control: &str, number: &str, family: &str) -> String {
    format!(
        "MSH|^~\\&|ADT|STSALUS|SALUS|STSALUS|20261121120000||ADT^A01^ADT_A01|{control}|P|2.5\r\
         EVN|A01|20261121120000\r\
         PID|1||{number}^^^STSALUS^MR||{family}^Quarzbert||19500101|M|||Fernwehgasse 7^^Wien\r\
         PV1|1|I|MED1^101^A^STSALUS||||P1^Krueger^Lena|||||||||||V{number}||||||||||||||||||||||\
         |||20261121115900\r"
    )
}

fn result(control: &str, number: &str, text: &str) -> String {
    format!(
        "MSH|^~\\&|LAB|STSALUS|SALUS|STSALUS|20261121120500||ORU^R01^ORU_R01|{control}|P|2.5\r\
         PID|1||{number}^^^STSALUS^MR||Zyxwolff^Quarzbert||19500101|M\r\
         OBR|1|P{control}|F{control}|24323-8^CMP^LN|||20261121120000|||||||||||||||20261121120400||LAB|F\r\
         OBX|1|ST|2345-7^Befund^LN||{text}||||||F\r"
    )
}

fn merge(control: &str, retired: &str, survivor: &str) -> String {
    format!(
        "MSH|^~\\&|ADT|STSALUS|SALUS|STSALUS|20261121130000||ADT^A40^ADT_A39|{control}|P|2.5\r\
         EVN|A40|20261121130000\r\
         PID|1||{survivor}^^^STSALUS^MR||Zyxwolff^Quarzbert||19500101|M\r\
         MRG|{retired}^^^STSALUS^MR\r"
    )
}

fn accepted(server: &Server, message: &str) {
    let answer = send(&server.mllp(), message);
    assert!(answer.contains("MSA|AA"), "{answer}");
}

/// Which of the words are readable in a file of the folder, as they are or packed.
fn readable(folder: &Path, words: &[&'static str]) -> BTreeSet<&'static str> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(readable(&path, words));
        } else if path.is_file() {
            let bytes = fs::read(&path).unwrap();
            found.extend(words_in(&bytes, words));
            for packed in frames(&bytes) {
                found.extend(words_in(&packed, words));
            }
        }
    }
    found
}

fn words_in(bytes: &[u8], words: &[&'static str]) -> Vec<&'static str> {
    let lower = bytes.to_ascii_lowercase();
    let has = |word: &&&str| {
        lower
            .windows(word.len())
            .any(|part| part == word.as_bytes())
    };
    words.iter().filter(has).copied().collect()
}

/// What unpacks from any place that looks like the beginning of a zstd frame (RFC 8878).
fn frames(bytes: &[u8]) -> Vec<Vec<u8>> {
    use std::io::Read as _;
    let begins = bytes
        .windows(4)
        .enumerate()
        .filter(|(_, four)| *four == [0x28, 0xB5, 0x2F, 0xFD]);
    let unpacked = begins.filter_map(|(at, _)| {
        let mut out = Vec::new();
        let decoder = zstd::stream::read::Decoder::new(&bytes[at..]).ok()?;
        // A frame that is torn gives what it has up to there.
        let _ = decoder.single_frame().take(1 << 20).read_to_end(&mut out);
        Some(out)
    });
    unpacked.collect()
}

/// Comes back when every event is folded.
fn folded(data: &Path) {
    assert!(json(data, &["refold", "chart"])["events"].is_u64());
}

/// What is found once a checkpoint is published, which is done each second.
fn verified(data: &Path) -> Value {
    loop {
        let verified = json(data, &["verify"]);
        if verified["published"] != 0 {
            return verified;
        }
    }
}

fn erase(data: &Path, patient: &str, reason: &str) -> Value {
    json(data, &["erase", patient, "--reason", reason])
}

#[test]
fn nothing_of_an_erased_patient_is_readable_in_any_file() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = Server::serve(&data);
    accepted(&server, &admission("A1", "77120045", "Zyxwolff"));
    accepted(
        &server,
        &admission("A2", "88130056", "Nachbarlein")
            .replace("Quarzbert", "Anna")
            .replace("Fernwehgasse", "Hauptgasse"),
    );
    for number in 0..40 {
        accepted(
            &server,
            &result(&format!("R{number}"), "77120045", "Hyperglobulinfund"),
        );
    }
    folded(&data);
    let all: Vec<&'static str> = THEIRS.into_iter().chain([OTHERS]).collect();
    assert_eq!(
        readable(&data, &all).len(),
        all.len(),
        "what is looked for can be found"
    );

    let named = erase(&data, "77120045", "Zyxwolff wants it");
    assert!(
        named
            .as_str()
            .unwrap()
            .contains("the reason names the patient"),
        "{named}"
    );
    let unreasoned = erase(&data, "77120045", " ");
    assert!(
        unreasoned.as_str().unwrap().contains("typed reason"),
        "{unreasoned}"
    );

    let done = erase(&data, "77120045", "retention period is over");
    assert!(done["events"].as_u64().unwrap() >= 41, "{done}");
    assert_eq!(done["waiting"], Value::Array(Vec::new()), "{done}");
    assert_eq!(readable(&data, &all), BTreeSet::from([OTHERS]));
    let verified = verified(&data);
    assert_eq!(verified["erased"], done["events"], "{verified}");
    assert_eq!(
        verified["alterations"].as_array().map(Vec::len),
        Some(0),
        "{verified}"
    );

    // A refold does not bring anything back, nor does a restart without views.
    folded(&data);
    assert_eq!(readable(&data, &all), BTreeSet::from([OTHERS]));
    assert!(server.stop().success());
    fs::remove_dir_all(data.join("views")).unwrap();
    let server = Server::serve(&data);
    folded(&data);
    assert_eq!(readable(&data, &all), BTreeSet::from([OTHERS]));

    // What was sent before is recognized and changes nothing; what is new begins a new chart.
    accepted(&server, &result("R1", "77120045", "Hyperglobulinfund"));
    folded(&data);
    assert_eq!(readable(&data, &all), BTreeSet::from([OTHERS]));
    accepted(&server, &admission("A9", "77120045", "Zyxwolff"));
    folded(&data);
    let late = readable(&data, &all);
    assert!(
        late.contains("zyxwolff") && !late.contains("hyperglobulinfund"),
        "{late:?}"
    );
    assert!(server.stop().success());
    assert_eq!(run(&data, &["verify"]).status.code(), Some(0));
}

#[test]
fn whoever_was_merged_is_erased_with_the_survivor() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = Server::serve(&data);
    accepted(&server, &admission("A1", "77120045", "Zyxwolff"));
    accepted(&server, &admission("A2", "77120046", "Zyxwolff"));
    accepted(&server, &result("R1", "77120046", "Hyperglobulinfund"));
    accepted(&server, &merge("M1", "77120046", "77120045"));
    folded(&data);
    let done = erase(&data, "77120045", "wrongly registered");
    assert_eq!(done["patients"], 2, "{done}");
    assert!(readable(&data, &THEIRS).is_empty());
    let again = erase(&data, "77120045", "wrongly registered");
    assert!(
        again.as_str().unwrap().contains("erased already"),
        "{again}"
    );
    assert!(server.stop().success());
    assert_eq!(run(&data, &["verify"]).status.code(), Some(0));
}

#[test]
fn a_patient_is_erased_without_a_server_too() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let file = folder.path().join("Zyxwolff_Quarzbert.json");
    let patient = r#"{"resourceType":"Patient","id":"zyxwolff-1","name":[{"family":"Zyxwolff"}]}"#;
    fs::write(&file, patient).unwrap();
    assert_eq!(
        json(&data, &["import", file.to_str().unwrap()])["accepted"],
        1
    );
    folded(&data);
    assert_eq!(readable(&data, &THEIRS), BTreeSet::from(["zyxwolff"]));
    let done = erase(&data, "zyxwolff-1", "test patient");
    assert_eq!(done["events"], 1, "{done}");
    assert!(readable(&data, &THEIRS).is_empty());
    assert_eq!(json(&data, &["verify"])["erased"], 1);
    // The same file again is new, and is taken.
    fs::write(&file, format!("{patient} ")).unwrap();
    assert_eq!(
        json(&data, &["import", file.to_str().unwrap()])["accepted"],
        1
    );
}
