//! What is handed out is checked by people who have nothing but the public key.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::people::installed;
use crate::process::{Server, json, run, salus};

/// A record with a patient as event 1, and a disclosure of it.
struct Handed {
    folder: tempfile::TempDir,
    data: PathBuf,
    file: PathBuf,
    key: PathBuf,
}

fn patient(id: &str) -> String {
    format!(r#"{{"resourceType":"Patient","id":"{id}","name":[{{"family":"Åberg"}}]}}"#)
}

fn import(data: &Path, folder: &Path, id: &str) {
    let file = folder.join(format!("{id}.json"));
    fs::write(&file, patient(id)).unwrap();
    assert_eq!(
        json(data, &["import", file.to_str().unwrap()])["accepted"],
        1
    );
}

fn handed() -> Handed {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    import(&data, folder.path(), "a1");
    let out = folder.path().join("out");
    let args = [
        "proof",
        "1",
        "--out",
        out.to_str().unwrap(),
        "--reason",
        "the patient asked for it",
    ];
    let written = json(&data, &args);
    assert!(written["decision"].as_u64().unwrap() > 1, "{written}");
    Handed {
        file: out.join("1.disclosure.json"),
        key: data.join("keys/log.pub"),
        data,
        folder,
    }
}

/// `salus check` in a folder that holds no record: exit code and what it said as JSON.
fn check(args: &[&str]) -> (Option<i32>, Value) {
    let output = salus()
        .args(["--format", "json", "check"])
        .args(args)
        .output()
        .unwrap();
    let said = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| Value::from(String::from_utf8_lossy(&output.stderr).into_owned()));
    (output.status.code(), said)
}

#[test]
fn a_disclosure_is_checked_offline_and_a_changed_one_is_refused() {
    let handed = handed();
    let (file, key) = (handed.file.to_str().unwrap(), handed.key.to_str().unwrap());
    let (code, said) = check(&[file, "--key", key]);
    assert_eq!(
        (code, said["verdict"].as_str()),
        (Some(0), Some("proved")),
        "{said}"
    );
    assert_eq!(said["index"], 1);
    assert!(said["text"].as_str().unwrap().contains("Åberg"), "{said}");
    // The key as text will do as well, and another log's key will not.
    let text = fs::read_to_string(&handed.key).unwrap();
    assert_eq!(check(&[file, "--key", text.trim()]).0, Some(0));
    let other = tempfile::tempdir().unwrap();
    let data = other.path().join("data");
    import(&data, other.path(), "b1");
    let (code, said) = check(&[file, "--key", data.join("keys/log.pub").to_str().unwrap()]);
    assert_eq!(
        (code, said["verdict"].as_str()),
        (Some(1), Some("not-proved")),
        "{said}"
    );
    // One letter of what the patient's name was.
    let mut changed: Value = serde_json::from_slice(&fs::read(&handed.file).unwrap()).unwrap();
    let encoded = changed["plaintext"].as_str().unwrap();
    let letter = if encoded.starts_with('e') { "f" } else { "e" };
    changed["plaintext"] = format!("{letter}{}", &encoded[1..]).into();
    let path = handed.folder.path().join("changed.json");
    fs::write(&path, changed.to_string()).unwrap();
    let (code, said) = check(&[path.to_str().unwrap(), "--key", key]);
    assert_eq!(code, Some(1));
    assert!(said["why"].as_str().unwrap().contains("text"), "{said}");
    // The proof alone says that the entry was sealed, and nothing of what it says.
    let proof = handed.file.with_file_name("1.tlog-proof");
    let (code, said) = check(&[proof.to_str().unwrap(), "--key", key]);
    assert_eq!((code, said["text"].as_str()), (Some(0), None), "{said}");
    // A witness that did not cosign is missed, unless none is needed.
    let nobody = seal::WitnessKey::new("w.example", &[3; 32])
        .unwrap()
        .public();
    let (code, said) = check(&[file, "--key", key, "--witness", &nobody]);
    assert_eq!(
        (code, said["verdict"].as_str()),
        (Some(1), Some("not-proved")),
        "{said}"
    );
    let args = [file, "--key", key, "--witness", &nobody, "--needed", "0"];
    assert_eq!(check(&args).0, Some(0));
}

#[test]
fn the_sheet_stands_by_itself_and_the_decision_is_sealed() {
    let handed = handed();
    let html = fs::read_to_string(handed.file.with_file_name("1.html")).unwrap();
    let key = fs::read_to_string(&handed.key).unwrap();
    for part in [
        "Event 1",
        "Åberg",
        "<svg",
        "salus check",
        &key.trim().replace('+', "&#43;"),
    ] {
        let plain = part.replace("&#43;", "+");
        assert!(html.contains(part) || html.contains(&plain), "{part}");
    }
    // Without a reason only the proof is written, which says nothing of the patient.
    let out = handed.folder.path().join("bare");
    json(
        &handed.data,
        &["proof", "1", "--out", out.to_str().unwrap()],
    );
    assert!(!out.join("1.disclosure.json").exists() && !out.join("1.html").exists());
    let short = run(
        &handed.data,
        &["proof", "1", "--out", out.to_str().unwrap(), "--reason", ""],
    );
    assert_eq!(
        short.status.code(),
        Some(2),
        "a reason that says nothing is none"
    );
}

#[test]
fn a_head_on_paper_is_a_witness() {
    let handed = handed();
    let (data, key) = (handed.data.to_str().unwrap(), handed.key.to_str().unwrap());
    let note = fs::read_to_string(handed.data.join("vault/checkpoint")).unwrap();
    let lines: Vec<&str> = note.lines().collect();
    let head = format!("{} {}", lines[1], lines[2]);
    let kept = handed.folder.path().join("kept");
    copy(&handed.data, &kept);
    import(&handed.data, handed.folder.path(), "a2");
    let qr = handed.folder.path().join("qr.txt");
    fs::write(&qr, &note).unwrap();
    for form in [head.as_str(), qr.to_str().unwrap()] {
        let (code, said) = check(&["--head", form, "--against", data, "--key", key]);
        assert_eq!(code, Some(0), "{said}");
        assert!(
            said["why"].as_str().unwrap().contains("unchanged"),
            "{said}"
        );
    }
    // An older copy of the whole folder was put back.
    let newer = fs::read_to_string(handed.data.join("vault/checkpoint")).unwrap();
    let newer: Vec<&str> = newer.lines().collect();
    let newer = format!("{} {}", newer[1], newer[2]);
    let (code, said) = check(&[
        "--head",
        &newer,
        "--against",
        kept.to_str().unwrap(),
        "--key",
        key,
    ]);
    assert_eq!(code, Some(1));
    assert!(
        said["why"].as_str().unwrap().contains("rolled back"),
        "{said}"
    );
    // And went on with another history.
    for id in ["c1", "c2", "c3", "c4", "c5", "c6"] {
        import(&kept, handed.folder.path(), id);
    }
    let (code, said) = check(&[
        "--head",
        &newer,
        "--against",
        kept.to_str().unwrap(),
        "--key",
        key,
    ]);
    assert_eq!(code, Some(1));
    assert!(said["why"].as_str().unwrap().contains("changed"), "{said}");
}

pub(crate) fn copy(from: &Path, to: &Path) {
    let done = Command::new("cp")
        .arg("-a")
        .arg(from)
        .arg(to)
        .status()
        .unwrap();
    assert!(done.success());
}

#[test]
fn twenty_lines_of_python_come_to_the_same_verdict() {
    let home = installed();
    let doc = fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/protect/record.md"),
    );
    let doc = doc.unwrap();
    let script = doc
        .split("```python\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .find(|script| script.contains("\"plaintext\""))
        .unwrap();
    assert!(script.lines().count() <= 26, "{}", script.lines().count());
    let handed = handed();
    let path = handed.folder.path().join("check.py");
    fs::write(&path, script).unwrap();
    let python = |file: &Path| {
        Command::new(home.join("venv/bin/python"))
            .args([&path, file, &handed.key])
            .output()
            .unwrap()
    };
    let output = python(&handed.file);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success() && said.contains("Åberg"),
        "{output:?}"
    );
    for member in ["plaintext", "salt", "entry", "proof"] {
        let mut changed: Value = serde_json::from_slice(&fs::read(&handed.file).unwrap()).unwrap();
        let text = changed[member].as_str().unwrap();
        let at = text.len() / 2;
        let letter = if text[at..].starts_with('A') {
            "B"
        } else {
            "A"
        };
        changed[member] = format!("{}{letter}{}", &text[..at], &text[at + 1..]).into();
        let bad = handed.folder.path().join("bad.json");
        fs::write(&bad, changed.to_string()).unwrap();
        assert!(!python(&bad).status.success(), "{member}");
    }
}

#[test]
fn programs_of_others_accept_the_proof_inside() {
    let home = installed();
    let handed = handed();
    let file: Value = serde_json::from_slice(&fs::read(&handed.file).unwrap()).unwrap();
    let proof = handed.folder.path().join("inside.tlog-proof");
    let entry = handed.folder.path().join("inside.entry");
    fs::write(&proof, file["proof"].as_str().unwrap()).unwrap();
    fs::copy(handed.file.with_file_name("1.entry"), &entry).unwrap();
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/real");
    let checkers = || {
        let mut go = Command::new(home.join("verifylog"));
        go.arg("-proof").args([&proof, &entry, &handed.key]);
        let mut python = Command::new(home.join("venv/bin/python"));
        python
            .arg(scripts.join("aics_proof.py"))
            .args([&proof, &entry, &handed.key]);
        [go, python]
    };
    for mut checker in checkers() {
        let output = checker.output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }
    let mut bytes = fs::read(&entry).unwrap();
    bytes[40] ^= 1;
    fs::write(&entry, bytes).unwrap();
    for mut checker in checkers() {
        assert!(!checker.output().unwrap().status.success());
    }
}

#[test]
fn a_running_server_hands_out_as_well() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = Server::serve(&data);
    import(&data, folder.path(), "a1");
    let events = json(&data, &["verify"])["events"].as_u64().unwrap();
    let out = folder.path().join("out");
    let index = (events - 1).to_string();
    let args = [
        "proof",
        "0",
        "--out",
        out.to_str().unwrap(),
        "--reason",
        "to see the beginning",
    ];
    let written = json(&data, &args);
    assert_eq!(
        written["decision"].as_u64(),
        Some(events),
        "after event {index}: {written}"
    );
    let file = out.join("0.disclosure.json");
    let key = data.join("keys/log.pub");
    let (code, said) = check(&[file.to_str().unwrap(), "--key", key.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said["text"].as_str().unwrap().contains("opened"), "{said}");
    assert!(server.stop().success());
}
