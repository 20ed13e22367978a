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
    let seconds = |key: &str| drill[key].as_f64().unwrap();
    assert!(seconds("seconds_to_read") > 0.0);
    assert!(seconds("seconds_to_write") >= seconds("seconds_to_read"));
}
