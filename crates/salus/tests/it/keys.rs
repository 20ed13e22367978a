//! Keys through the binary: rotation, shares, a root that is lost and put back, and all of it
//! killed in the middle.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use drills::dice::Dice;
use drills::faults::cut;
use serde_json::Value;

use crate::process::{Server, json, run};

fn filled(folder: &Path) -> PathBuf {
    let (data, file) = (folder.join("data"), folder.join("many.ndjson"));
    let lines: Vec<String> = (0..60)
        .map(|number| format!(r#"{{"resourceType":"Patient","id":"p{number}"}}"#))
        .collect();
    fs::write(&file, lines.join("\n")).unwrap();
    assert_eq!(
        json(&data, &["import", file.to_str().unwrap()])["accepted"],
        60
    );
    data
}

fn shares(made: &Value) -> Vec<String> {
    let files = made["files"].as_array().unwrap();
    files
        .iter()
        .map(|file| file.as_str().unwrap().to_owned())
        .collect()
}

/// What was handed out under the first key is checked with the second key's file, and what is handed
/// out while both sign with the first's.
#[test]
fn the_keys_that_sign_are_rotated_and_what_was_handed_out_stays_good() {
    let folder = tempfile::tempdir().unwrap();
    let data = filled(folder.path());
    let proof = |to: &str| {
        let to = folder.path().join(to);
        json(&data, &["proof", "7", "--out", to.to_str().unwrap()]);
        to.join("7.tlog-proof").to_str().unwrap().to_owned()
    };
    let proved = |proof: &str, key: &Path| {
        let args = ["check", proof, "--key", key.to_str().unwrap()];
        run(&data, &args).status.code() == Some(0)
    };
    let (public, first) = (data.join("keys/log.pub"), folder.path().join("first.pub"));
    fs::copy(&public, &first).unwrap();
    let early = proof("early");
    let made = |key: &str| {
        json(&data, &["keys", "show"])[key]
            .as_str()
            .map(str::to_owned)
    };
    let log_first = made("log_at").expect("the log's key was made with the record");
    let server = Server::serve(&data);
    let id_first = made("id_at").expect("a server makes the key of id tokens");
    let rotated = json(&data, &["keys", "rotate", "--log"]);
    assert!(made("log_at").unwrap() > log_first, "{log_first}");
    let said = rotated["signing"].as_str().unwrap();
    assert!(said.starts_with("log key rotated"), "{rotated}");
    let both = proof("both");
    for proof in [&early, &both] {
        assert!(proved(proof, &first) && proved(proof, &public), "{proof}");
    }
    let id = fs::read(data.join("keys/id.key")).unwrap();
    let log_next = made("log_at");
    json(&data, &["keys", "rotate", "--id"]);
    assert!(made("id_at").unwrap() > id_first, "{id_first}");
    assert_eq!(made("log_at"), log_next);
    assert_ne!(fs::read(data.join("keys/id.key")).unwrap(), id);
    assert!(data.join("keys/id.before.json").exists());
    assert!(server.stop().success());
    json(&data, &["keys", "rotate", "--retire-log"]);
    let late = proof("late");
    assert!(proved(&late, &public) && proved(&early, &public));
    assert!(!proved(&late, &first));
    assert_eq!(run(&data, &["verify"]).status.code(), Some(0));
    let secret = fs::read_to_string(data.join("keys/log.key")).unwrap();
    assert_eq!(secret.matches("PRIVATE+KEY").count(), 1);
    assert_eq!(
        run(&data, &["keys", "rotate", "--log", "--id"])
            .status
            .code(),
        Some(2)
    );
}

#[test]
fn keys_are_rotated_beside_a_server_and_without_one() {
    let folder = tempfile::tempdir().unwrap();
    let data = filled(folder.path());
    let shown = json(&data, &["keys", "show"]);
    assert_eq!(
        (&shown["root"], &shown["escrow"]),
        (&"file".into(), &Value::Null),
        "{shown}"
    );
    assert_eq!(json(&data, &["keys", "rotate"])["generation"], 2);
    let server = Server::serve(&data);
    let rotated = json(&data, &["keys", "rotate"]);
    assert_eq!(rotated["generation"], 3, "{rotated}");
    assert!(rotated["keys"].as_u64().unwrap() >= 60, "{rotated}");
    let before = fs::read(data.join("keys/root.key")).unwrap();
    let root = json(&data, &["keys", "rotate", "--root"]);
    assert!(
        root["root"].as_str().unwrap().contains("root.key"),
        "{root}"
    );
    assert_ne!(fs::read(data.join("keys/root.key")).unwrap(), before);
    let doctor = json(&data, &["doctor"]);
    let of = |what: &str| {
        let findings = doctor.as_array().unwrap().iter();
        findings
            .filter(|one| one["what"] == what)
            .map(|one| one["state"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(of("key age"), ["ok"], "{doctor}");
    assert_eq!(of("escrow"), ["warning"], "{doctor}");
    assert!(server.stop().success());
    assert_eq!(run(&data, &["verify"]).status.code(), Some(0));
    assert_eq!(
        json(&data, &["refold", "chart"])["events"],
        json(&data, &["verify"])["events"]
    );
}

#[test]
fn a_lost_root_key_is_put_back_from_shares() {
    let folder = tempfile::tempdir().unwrap();
    let data = filled(folder.path());
    let to = folder.path().join("shares");
    let escrow = [
        "keys",
        "escrow",
        "--shares",
        "4",
        "--needed",
        "2",
        "--to",
        to.to_str().unwrap(),
    ];
    let files = shares(&json(&data, &escrow));
    assert_eq!(files.len(), 4);
    let other = shares(&json(&data, &escrow));
    assert_eq!(json(&data, &["keys", "show"])["escrow"]["needed"], 2);
    let key = data.join("keys/root.key");
    let right = fs::read(&key).unwrap();
    fs::remove_file(&key).unwrap();
    assert_eq!(run(&data, &["refold", "chart"]).status.code(), Some(2));
    let recover = |files: &[&String]| {
        let args: Vec<&str> = files.iter().map(|file| file.as_str()).collect();
        let output = run(&data, &[&["keys", "recover"], args.as_slice()].concat());
        (
            output.status.code(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let (code, why) = recover(&[&files[0]]);
    assert!(code == Some(2) && why.contains("1 of 2 shares"), "{why}");
    let (code, why) = recover(&[&files[0], &other[1]]);
    assert!(code == Some(2) && why.contains("different sets"), "{why}");
    let (code, why) = recover(&[&files[0], &files[0]]);
    assert!(code == Some(2) && why.contains("given twice"), "{why}");
    // Typed by hand, with a slip in the second line.
    let page = fs::read_to_string(&files[1]).unwrap();
    let typed = folder.path().join("typed.txt");
    let mut lines: Vec<String> = page
        .lines()
        .filter(|line| line.trim().len() > 20 && line.trim().starts_with(['1', '2', '3', '4']))
        .map(|line| line.trim().to_lowercase())
        .collect();
    lines.truncate(4);
    let good = lines.join("\n");
    let last = lines[1].pop().unwrap();
    lines[1].push(if last == 'z' { 'y' } else { 'z' });
    fs::write(&typed, lines.join("\n")).unwrap();
    let typed_name = typed.to_str().unwrap().to_owned();
    let (code, why) = recover(&[&files[0], &typed_name]);
    assert!(
        code == Some(2) && why.contains("line 2 was mistyped"),
        "{why}"
    );
    assert!(!key.exists());
    fs::write(&typed, good).unwrap();
    let (code, why) = recover(&[&files[3], &typed_name]);
    assert_eq!(code, Some(0), "{why}");
    assert_eq!(fs::read(&key).unwrap(), right);
    assert!(json(&data, &["refold", "chart"])["events"].is_u64());
}

/// 14 rounds; `SALUS_KILL_ROUNDS` asks for more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rotation_and_erasure_survive_being_killed() {
    let folder = tempfile::tempdir().unwrap();
    let data = filled(folder.path());
    let rounds = std::env::var("SALUS_KILL_ROUNDS").ok();
    let rounds: usize = rounds.and_then(|text| text.parse().ok()).unwrap_or(14);
    let mut dice = Dice::new(11);
    let mut ended = 0;
    for round in 0..rounds {
        let patient = format!("p{}", round % 60);
        let command: &[&str] = match round % 3 {
            0 => &["keys", "rotate"],
            1 => &["erase", &patient, "--reason", "test patient"],
            _ => &["keys", "rotate", "--root"],
        };
        let args: Vec<OsString> = ["--data".into(), data.clone().into_os_string()]
            .into_iter()
            .chain(command.iter().map(Into::into))
            .collect();
        let within = (&mut dice, Duration::from_millis(900));
        let status = cut(Path::new(env!("CARGO_BIN_EXE_salus")), &args, within)
            .await
            .unwrap();
        ended += usize::from(status.is_some());
        // Opening it settles what was broken off; then everything is there or erased by order.
        assert!(
            json(&data, &["refold", "chart"])["events"].is_u64(),
            "{round}"
        );
        let verified = json(&data, &["verify"]);
        assert_eq!(
            verified["alterations"].as_array().map(Vec::len),
            Some(0),
            "{round} {verified}"
        );
        let shown = json(&data, &["keys", "show"]);
        assert!(
            shown["keys"].as_u64().unwrap() >= 61_u64.saturating_sub(rounds as u64),
            "{shown}"
        );
    }
    assert!(ended < rounds, "nothing was killed");
}
