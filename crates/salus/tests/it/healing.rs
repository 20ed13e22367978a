//! A database administrator edits what lies on disk while the server runs, and a captured account
//! writes what it should not: both are named, and put right.

use std::process::Command;

use drills::dice::Dice;
use drills::tamper::tamper;
use serde_json::{Value, json as value};

use crate::process::{Server, json, run};
use crate::serving::send;

const RESULTS: usize = 600;

fn result(number: usize) -> String {
    let patient = number % 9;
    format!(
        "MSH|^~\\&|LAB|STSALUS|SALUS|STSALUS|20261121120500||ORU^R01^ORU_R01|R{number}|P|2.5\r\
         PID|1||{patient}^^^STSALUS^MR||Muster^Max||19500101|M\r\
         OBR|1|P{number}|F{number}|2345-7^Glucose^LN|||20261121120000|||||||||||||||20261121120400||LAB|F\r\
         OBX|1|NM|2345-7^Glucose^LN||{number}|mg/dL|||||F\r"
    )
}

#[test]
fn ten_ways_and_more_to_edit_the_record_are_named_and_put_right() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("salus.toml");
    // What is edited is found when the test looks, not before.
    std::fs::write(&config, "[record]\nscrub_bytes_per_second = 0\n").unwrap();
    let data = folder.path().join("data");
    let server = Server::start(&data, &["--config", config.to_str().unwrap(), "serve"]);
    for number in 0..RESULTS {
        let answer = send(&server.mllp(), &result(number));
        assert!(answer.contains("MSA|AA"), "{answer}");
    }
    let looked = json(&data, &["scrub"]);
    assert_eq!(
        (&looked["altered"], &looked["chart_altered"]),
        (&value!(0), &value!(0)),
        "{looked}"
    );
    assert!(looked["chart_events"].as_u64().unwrap() > RESULTS as u64);
    let events = looked["events"].as_u64().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let edits = runtime
        .block_on(tamper(&data, events, &mut Dice::new(7)))
        .unwrap();
    assert_eq!(edits.len(), 12);
    let found = run(&data, &["--format", "json", "scrub"]);
    assert_eq!(
        found.status.code(),
        Some(1),
        "{}",
        String::from_utf8_lossy(&found.stderr)
    );
    let found: Value = serde_json::from_slice(&found.stdout).unwrap();
    let named = found["altered"].as_u64().unwrap() + found["chart_altered"].as_u64().unwrap();
    assert_eq!(named, edits.len() as u64, "{found} {edits:?}");
    assert_eq!(found["healed"], found["altered"], "{found}");
    let again = run(&data, &["scrub"]);
    assert_eq!(
        again.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&again.stdout)
    );
    server.stop();
    let verified = json(&data, &["verify"]);
    assert_eq!(verified["alterations"], value!([]), "{verified}");
}

/// A FHIR write by a client, with curl.
pub(crate) fn put(server: &Server, token: &str, resource: &Value) -> Value {
    let (kind, id) = (
        resource["resourceType"].as_str().unwrap(),
        resource["id"].as_str().unwrap(),
    );
    let url = format!("{}/{kind}/{id}", server.text("fhir"));
    curl(
        server,
        token,
        &["-X", "PUT", &url, "-d", &resource.to_string()],
    )
}

pub(crate) fn curl(server: &Server, token: &str, rest: &[&str]) -> Value {
    let output = Command::new("curl")
        .args(["-sS", "--cacert"])
        .arg(server.certificate())
        .args(["-H", "Content-Type: application/fhir+json", "-H"])
        .arg(format!("Authorization: Bearer {token}"))
        .args(rest)
        .output()
        .unwrap();
    serde_json::from_slice(&output.stdout).unwrap_or_default()
}

pub(crate) fn observation(id: &str, value: f64) -> Value {
    value!({
        "resourceType": "Observation", "id": id, "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "2345-7"}]},
        "subject": {"reference": "Patient/p1"}, "valueQuantity": {"value": value}
    })
}

#[test]
fn what_a_captured_client_wrote_is_listed_and_undone_as_new_versions() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::serve(folder.path());
    let client = |id: &str| {
        let args = ["client", "add", id, "--scope", "system/*.cruds"];
        json(folder.path(), &args)["token"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let (good, bad) = (client("ehr"), client("mallory"));
    put(
        &server,
        &good,
        &value!({"resourceType": "Patient", "id": "p1"}),
    );
    put(&server, &good, &observation("a", 4.1));
    put(&server, &good, &observation("b", 5.0));
    put(&server, &bad, &observation("a", 9.9));
    put(&server, &bad, &observation("a", 9.8));
    put(&server, &bad, &observation("forged", 1.0));
    put(&server, &bad, &observation("b", 7.0));
    put(&server, &good, &observation("b", 5.1));
    let since = ["--actor", "mallory", "--since", "2026-01-01T00:00:00Z"];
    let listed = json(folder.path(), &[&["rewind"], &since[..]].concat());
    let resources = listed["resources"].as_array().unwrap();
    assert_eq!(resources.len(), 3, "{listed}");
    let way = |id: &str| {
        let name = format!("Observation/{id}");
        let found = resources
            .iter()
            .find(|one| one["resource"] == name.as_str());
        found.unwrap()["what"].clone()
    };
    assert!(way("a")["restore"].is_u64(), "{listed}");
    assert_eq!(
        (way("forged"), way("b")),
        (value!("delete"), value!("leave"))
    );
    let clean = listed["clean"].as_u64().unwrap();
    assert!(clean > 0);
    let read = |id: &str| {
        let url = format!("{}/Observation/{id}", server.text("fhir"));
        curl(&server, &good, &[&url])
    };
    assert_eq!(
        read("a")["valueQuantity"]["value"],
        value!(9.8),
        "a list changes nothing"
    );
    let order = [
        &["rewind"],
        &since[..],
        &["--undo", "--reason", "incident 7"],
    ]
    .concat();
    let undone = json(folder.path(), &order);
    assert_eq!(
        (&undone["restored"], &undone["deleted"]),
        (&value!(1), &value!(1)),
        "{undone}"
    );
    assert_eq!(undone["left"], value!(["Observation/b"]));
    assert_eq!(read("a")["valueQuantity"]["value"], value!(4.1));
    assert_eq!(read("forged")["resourceType"], "OperationOutcome");
    assert_eq!(read("b")["valueQuantity"]["value"], value!(5.1));
    let history = format!("{}/Observation/a/_history", server.text("fhir"));
    let history = curl(&server, &good, &[&history]);
    assert_eq!(
        history["entry"].as_array().unwrap().len(),
        4,
        "nothing is deleted"
    );
    let again = json(folder.path(), &order);
    assert_eq!(
        (&again["restored"], &again["deleted"]),
        (&value!(0), &value!(0)),
        "{again}"
    );
    server.stop();
    assert_eq!(json(folder.path(), &["verify"])["alterations"], value!([]));
}

#[test]
fn a_rewind_without_a_reason_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let since = [
        "rewind",
        "--actor",
        "m",
        "--since",
        "2026-01-01T00:00:00Z",
        "--undo",
    ];
    assert_eq!(run(folder.path(), &since).status.code(), Some(2));
    let odd = ["rewind", "--actor", "m", "--since", "yesterday"];
    let output = run(folder.path(), &odd);
    assert!(String::from_utf8_lossy(&output.stderr).contains("is no moment"));
}

/// Somebody with the files edits a view's, by themselves.
fn edit(data: &std::path::Path, view: &str, sql: &str) {
    let path = data.join(format!("views/{view}.db"));
    let code = "import sqlite3, sys; base = sqlite3.connect(sys.argv[1], timeout=20); \
                base.executescript(sys.argv[2]); base.commit()";
    let status = Command::new("python3")
        .args(["-c", code])
        .arg(path)
        .arg(sql)
        .status();
    assert!(status.unwrap().success());
}

#[test]
fn a_role_that_was_raised_by_hand_is_named_and_does_not_last() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::serve(folder.path());
    let client = |scope: &str, id: &str| {
        let made = json(folder.path(), &["client", "add", id, "--scope", scope]);
        made["token"].as_str().unwrap().to_owned()
    };
    let reader = client("system/Patient.rs", "reader");
    let writer = client("system/*.cruds", "writer");
    put(
        &server,
        &writer,
        &value!({"resourceType": "Patient", "id": "p1"}),
    );
    for number in 0..20 {
        let answer = send(&server.mllp(), &result(number));
        assert!(answer.contains("MSA|AA"), "{answer}");
    }
    assert_eq!(json(folder.path(), &["scrub"])["views_altered"], value!(0));
    server.stop();
    // Whoever edits it does so while nothing runs: the next start reads the forged scope.
    edit(
        folder.path(),
        "staff",
        "UPDATE account SET scopes = '[\"system/*.cruds\"]' WHERE id = 'reader'",
    );
    edit(
        folder.path(),
        "access",
        "DELETE FROM trace WHERE key IN (SELECT MIN(key) FROM trace)",
    );
    edit(folder.path(), "flow", "UPDATE feed SET messages = 3");
    // Who wrote what is what a rewind goes by.
    edit(
        folder.path(),
        "lifeline",
        "UPDATE doer SET name = 'somebody-else' WHERE name = 'writer'",
    );
    let server = Server::serve(folder.path());
    put(&server, &reader, &observation("forged", 1.0));
    let url = format!("{}/Observation/forged", server.text("fhir"));
    let there = curl(&server, &writer, &[&url]);
    assert_eq!(there["id"], "forged", "it counts until it is found");
    let found = run(folder.path(), &["--format", "json", "scrub"]);
    assert_eq!(found.status.code(), Some(1));
    let found: Value = serde_json::from_slice(&found.stdout).unwrap();
    assert!(found["views_altered"].as_u64() >= Some(4), "{found}");
    let refused = put(&server, &reader, &observation("again", 1.0));
    assert_eq!(refused["resourceType"], "OperationOutcome", "{refused}");
    assert_eq!(json(folder.path(), &["scrub"])["views_altered"], value!(0));
    server.stop();
    assert_eq!(json(folder.path(), &["verify"])["alterations"], value!([]));
}
