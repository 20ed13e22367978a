use std::fs;
use std::path::{Path, PathBuf};

use crate::process::{Server, json, run};

const ASK: &str = r#"{"who": {"id": "nora", "role": "nurse", "wards": ["W3"]}, "act": "read",
    "of": {"of": "patient", "id": "anna"}, "relations": [{"ward": "W3"}]}"#;

/// The shipped policies in a folder of their own, without the wards' right to read.
fn stricter(folder: &Path) -> PathBuf {
    let to = folder.join("new");
    fs::create_dir(&to).unwrap();
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policies");
    for path in fs::read_dir(from)
        .unwrap()
        .map(|entry| entry.unwrap().path())
    {
        if path.is_file() {
            let text = fs::read_to_string(&path).unwrap();
            let text = text.replace(
                "principal.wards.containsAny(resource.wards)\n};",
                "principal.wards.containsAny(resource.wards) && context.reason != \"\"\n};",
            );
            fs::write(to.join(path.file_name().unwrap()), text).unwrap();
        }
    }
    to
}

#[test]
fn policies_are_checked_and_the_wrong_line_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    assert_eq!(run(&data, &["policy", "check"]).status.code(), Some(0));
    let new = stricter(folder.path());
    let path = new.to_str().unwrap();
    assert_eq!(
        run(&data, &["policy", "check", path]).status.code(),
        Some(0)
    );
    fs::write(
        new.join("house.cedar"),
        "\n\npermit (principal, action, resource);",
    )
    .unwrap();
    let wrong = run(&data, &["policy", "check", path]);
    let why = String::from_utf8(wrong.stderr).unwrap();
    assert_eq!(wrong.status.code(), Some(2));
    assert!(
        why.contains("house.cedar") && why.contains("line 3"),
        "{why}"
    );
    assert!(!data.exists());
}

#[test]
fn new_policies_are_in_force_at_once_and_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let new = stricter(folder.path());
    let ask = folder.path().join("ask.json");
    fs::write(&ask, ASK).unwrap();
    let explain = ["policy", "explain", ask.to_str().unwrap()];

    let server = Server::serve(&data);
    let before = json(&data, &explain);
    assert_eq!(before["because"][0], "ward-reads-its-patients", "{before}");
    assert_eq!(before["near"][0]["applied"], true);
    let path = new.to_str().unwrap();
    let tried = json(
        &data,
        &[
            "policy",
            "explain",
            ask.to_str().unwrap(),
            "--policies",
            path,
        ],
    );
    assert_eq!(tried["allowed"], false, "{tried}");
    let empty = json(&data, &["policy", "replay", path, "--days", "1"]);
    assert_eq!(empty["all"]["lost"], 0, "{empty}");

    let short = run(&data, &["policy", "apply", path, "--reason", "why"]);
    assert_eq!(short.status.code(), Some(2));
    assert_eq!(json(&data, &explain)["allowed"], true);
    let reason = "wards give a reason from now on";
    let applied = json(&data, &["policy", "apply", path, "--reason", reason]);
    assert_eq!(
        applied["hash"].as_str().map(str::len),
        Some(64),
        "{applied}"
    );
    assert_eq!(json(&data, &explain)["allowed"], false);
    assert!(server.stop().success());

    let server = Server::serve(&data);
    assert_eq!(json(&data, &explain)["allowed"], false);
    assert!(server.stop().success());
    assert_eq!(run(&data, &["verify"]).status.code(), Some(0));
}
