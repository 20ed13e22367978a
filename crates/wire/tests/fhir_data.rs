//! The published and synthetic resources in the shared data folder, one by one.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::PathBuf;

use flate2::read::GzDecoder;
use serde_json::Value;
use wire::fhir::{self, Issue, Limits};

fn data() -> Option<PathBuf> {
    let set = std::env::var_os("SALUS_SHARED_DATA").map(PathBuf::from);
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let fhir = set.unwrap_or(root).join("fhir");
    fhir.is_dir().then_some(fhir)
}

/// File name and bytes of each JSON file in a tar.gz.
fn archive(name: &str) -> Vec<(String, Vec<u8>)> {
    let Some(folder) = data() else {
        return Vec::new();
    };
    let mut archive = tar::Archive::new(GzDecoder::new(File::open(folder.join(name)).unwrap()));
    let mut out = Vec::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().to_string_lossy().into_owned();
        if path.ends_with(".json") {
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            out.push((path, bytes));
        }
    }
    out
}

fn synthea() -> Vec<(String, Vec<u8>)> {
    let Some(folder) = data() else {
        return Vec::new();
    };
    let mut files: Vec<_> = fs::read_dir(folder.join("synthea-r4"))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    files.sort_by_key(|f| f.file_name());
    let read = |file: fs::DirEntry| {
        let mut bytes = Vec::new();
        GzDecoder::new(File::open(file.path()).unwrap())
            .read_to_end(&mut bytes)
            .unwrap();
        (file.file_name().to_string_lossy().into_owned(), bytes)
    };
    files.into_iter().map(read).collect()
}

fn refusals(bytes: &[u8]) -> Vec<Issue> {
    match fhir::parse(bytes, &Limits::default()) {
        Ok(value) => fhir::check(&value)
            .into_iter()
            .filter(Issue::refuses)
            .collect(),
        Err(fault) => vec![fault.into()],
    }
}

fn refused(files: &[(String, Vec<u8>)]) -> BTreeMap<String, Vec<Issue>> {
    let judged = files
        .iter()
        .map(|(name, bytes)| (name.clone(), refusals(bytes)));
    judged.filter(|(_, issues)| !issues.is_empty()).collect()
}

fn print(of: usize, refused: &BTreeMap<String, Vec<Issue>>) {
    println!("{} of {of} refused", refused.len());
    for (name, issues) in refused {
        for issue in issues.iter().take(6) {
            println!("  {name}: {issue}");
        }
    }
}

#[test]
fn synthea_is_accepted_whole() {
    let files = synthea();
    let refused = refused(&files);
    print(files.len(), &refused);
    assert!(refused.is_empty());
}

#[test]
fn published_examples_are_refused_only_for_true_faults() {
    for name in [
        "hl7-r4-examples-instances.tar.gz",
        "us-core-examples.tar.gz",
        "hl7.fhir.uv.ips-2.0.0.tgz",
    ] {
        let files = archive(name);
        let refused = refused(&files);
        println!("{name}");
        print(files.len(), &refused);
    }
}
