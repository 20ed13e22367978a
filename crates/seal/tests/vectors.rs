//! The public proof vectors of transparency-dev/merkle, valid and corrupted.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a vector that cannot be read is a failed test"
)]

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use seal::{Hash, climb, consistent};
use serde_json::Value;

fn testdata(folder: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let shared = std::env::var_os("SALUS_SHARED_DATA").map(PathBuf::from);
    shared
        .unwrap_or_else(|| root.join("../shared/data"))
        .join("seal/testdata")
        .join(folder)
}

fn cases(folder: &Path, found: &mut Vec<(PathBuf, Value)>) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    for path in entries.map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            cases(&path, found);
        } else {
            let text = std::fs::read(&path).unwrap();
            found.push((path, serde_json::from_slice(&text).unwrap()));
        }
    }
}

fn hash(value: &Value) -> Option<Hash> {
    STANDARD.decode(value.as_str()?).ok()?.try_into().ok()
}

fn proof(case: &Value) -> Option<Vec<Hash>> {
    match &case["proof"] {
        Value::Null => Some(Vec::new()),
        list => list.as_array()?.iter().map(hash).collect(),
    }
}

fn included(case: &Value) -> Option<bool> {
    let (leaf, root, proof) = (hash(&case["leafHash"])?, hash(&case["root"])?, proof(case)?);
    let (index, size) = (case["leafIdx"].as_u64()?, case["treeSize"].as_u64()?);
    Some(climb(&leaf, index, size, &proof) == Some(root))
}

/// One case has roots that are no hashes ("don't care"): only whether they are equal counts there.
fn root(value: &Value) -> Option<Hash> {
    hash(value).or_else(|| Some(seal::sha256(&[value.as_str()?.as_bytes()])))
}

fn grown(case: &Value) -> Option<bool> {
    let earlier = (case["size1"].as_u64()?, root(&case["root1"])?);
    let later = (case["size2"].as_u64()?, root(&case["root2"])?);
    Some(consistent(earlier, later, &proof(case)?))
}

fn check(folder: &str, holds: fn(&Value) -> Option<bool>) {
    let mut found = Vec::new();
    cases(&testdata(folder), &mut found);
    if !testdata(folder).exists() {
        return;
    }
    assert!(found.len() >= 98, "{} cases in {folder}", found.len());
    for (path, case) in found {
        let wanted = !case["wantErr"].as_bool().unwrap();
        assert_eq!(
            holds(&case).unwrap_or(false),
            wanted,
            "{} {}",
            path.display(),
            case["desc"]
        );
    }
}

#[test]
fn inclusion_proofs_hold_when_they_should_and_only_then() {
    check("inclusion", included);
}

#[test]
fn consistency_proofs_hold_when_they_should_and_only_then() {
    check("consistency", grown);
}
