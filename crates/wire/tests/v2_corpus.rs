//! One real message of each kind from the shared corpus, and what comes of it in short: the types,
//! their elements, and how each stands. `SALUS_GOLDEN=write` writes `golden/corpus.txt` anew.

#![expect(
    clippy::unwrap_used,
    reason = "what helps a test may fail as the test does"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use wire::v2::{self, Draft, Reading, Sender};

fn read(raw: &[u8]) -> Reading {
    let sender = Sender {
        zone: "Europe/Berlin",
        charset: "UNICODE UTF-8",
        authority: "STELLA",
        id: &|kind, system, value| format!("{kind}|{system}|{value}"),
    };
    v2::read(raw, &sender)
}

/// The message of each kind that makes most. Empty if the shared data folder is not there.
fn fullest() -> BTreeMap<String, (PathBuf, Vec<u8>)> {
    let data = std::env::var_os("SALUS_SHARED_DATA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"),
        PathBuf::from,
    );
    let mut found: BTreeMap<String, (PathBuf, Vec<u8>)> = BTreeMap::new();
    let mut most: BTreeMap<String, usize> = BTreeMap::new();
    let Ok(entries) = fs::read_dir(data.join("hl7/linuxforhealth")) else {
        return found;
    };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.push(data.join("hl7/v2-to-fhir-ig/samples/messages/Message.hl7_MDM_T02.txt"));
    paths.sort();
    for path in paths {
        let bytes = fs::read(&path).unwrap();
        let Reading { kind, drafts, .. } = read(&bytes);
        let before = most.get(&kind).copied().unwrap_or_default();
        if v2::maps(&kind) && (drafts.len() > before || before == 0) {
            most.insert(kind.clone(), drafts.len());
            found.insert(kind, (path, bytes));
        }
    }
    found
}

fn line(draft: &Draft) -> String {
    let resource = v2::merged(None, draft);
    let status = ["status", "lifecycleStatus", "clinicalStatus"]
        .iter()
        .find_map(|element| resource.get(*element))
        .map(ToString::to_string)
        .unwrap_or_default();
    let skip = ["resourceType", "id", "status"];
    let elements = resource.keys().map(String::as_str);
    let elements: Vec<&str> = elements.filter(|element| !skip.contains(element)).collect();
    format!("  {} {status} {}\n", draft.kind, elements.join(" "))
}

#[test]
fn the_corpus_reads_as_it_did() {
    let fullest = fullest();
    if fullest.is_empty() {
        return;
    }
    let mut found = String::new();
    for (kind, (path, bytes)) in &fullest {
        let reading = read(bytes);
        let name = path.file_name().unwrap().to_string_lossy();
        found.push_str(&format!("{kind} {name}\n"));
        if let Some(merge) = &reading.merge {
            found.push_str(&format!("  {} is {} now\n", merge.retired, merge.survivor));
        }
        // A long report is a hundred lines that look alike.
        let mut lines: Vec<String> = reading.drafts.iter().map(line).collect();
        lines.dedup();
        found.extend(lines);
        for complaint in reading.complaints.iter().take(10) {
            found.push_str(&format!("  ! {complaint}\n"));
        }
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/corpus.txt");
    if std::env::var_os("SALUS_GOLDEN").is_some() {
        fs::write(&path, &found).unwrap();
    }
    assert_eq!(found, fs::read_to_string(&path).unwrap());
    assert!(fullest.len() >= 20, "{:?}", fullest.keys());
}
