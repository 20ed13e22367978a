//! Drills are carried out, measured, sealed, and compared with the last of their name.

use crate::process::json;

#[test]
fn what_is_edited_is_named_and_the_next_drill_knows_the_last() {
    let folder = tempfile::tempdir().unwrap();
    let first = json(folder.path(), &["drill", "tamper", "--seed", "3"]);
    let drill = &first["drill"];
    assert_eq!(
        (&drill["altered"], &drill["named"]),
        (&12.into(), &12.into()),
        "{first}"
    );
    assert_eq!(drill["lost"], 0, "verified afterwards: {first}");
    assert!(first["before"].is_null());
    let second = json(folder.path(), &["drill", "tamper", "--seed", "4"]);
    assert_eq!(second["before"]["seed"], 3, "{second}");
    assert!(second["index"].as_u64() > first["index"].as_u64());
}

#[test]
fn a_server_that_is_killed_loses_nothing_and_is_back() {
    let folder = tempfile::tempdir().unwrap();
    let outage = json(folder.path(), &["drill", "outage", "--seed", "5"]);
    let drill = &outage["drill"];
    assert_eq!(drill["lost"], 0, "{outage}");
    let ms = |key: &str| drill[key].as_u64().unwrap();
    assert!(ms("to_read_ms") > 0);
    assert!(ms("to_write_ms") >= ms("to_read_ms"));
}

/// Nothing is lost, and the ways back are measured.
fn came_back(name: &str) -> serde_json::Value {
    let folder = tempfile::tempdir().unwrap();
    let drilled = json(folder.path(), &["drill", name, "--seed", "2"]);
    let drill = drilled["drill"].clone();
    assert_eq!(drill["lost"], 0, "{drilled}");
    assert!(drill["to_read_ms"].as_u64().unwrap() > 0);
    assert!(drill["to_write_ms"].as_u64().unwrap() > 0);
    drill
}

#[test]
fn tonights_backup_comes_back_whole() {
    came_back("restore");
}

#[test]
fn what_was_encrypted_is_known_and_the_pulled_backup_comes_back() {
    let drill = came_back("ransomware");
    assert_eq!((&drill["altered"], &drill["named"]), (&2.into(), &2.into()));
}

#[test]
fn a_lost_site_is_read_at_the_other_and_written_there() {
    came_back("lost-site");
}
