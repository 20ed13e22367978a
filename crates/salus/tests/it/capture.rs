//! `salus capture`: what a door received, for a reason that is sealed.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::Stdio;

use serde_json::Value;

use crate::process::{Server, json, run, salus};

const REASON: &str = "results of ward 3 are missing";

fn oru(control: &str) -> String {
    format!(
        "MSH|^~\\&|LAB|NORTH|SALUS|H|20231114||ORU^R01|{control}|P|2.5\r\
         PID|1||77^^^N^MR||Capturename^Jo||19700101|M\r\
         OBR|1||{control}|2951-2^Sodium^LN|||20231114\r\
         OBX|1|NM|2951-2^Sodium^LN||140|mmol/L|||||F\r"
    )
}

/// Sends a message and waits for its acknowledgement.
fn send(server: &Server, message: &str) {
    let mut stream = TcpStream::connect(server.mllp()).unwrap();
    stream
        .write_all(format!("\u{b}{message}\u{1c}\r").as_bytes())
        .unwrap();
    let mut answer = [0; 1];
    stream.read_exact(&mut answer).unwrap();
}

fn captured(data: &Path, more: &[&str]) -> Value {
    let args = [&["capture", "--feed", "loopback", "--reason", REASON], more].concat();
    json(data, &args)
}

fn lines(message: &Value) -> Vec<&str> {
    let lines = message["lines"].as_array().unwrap();
    lines.iter().filter_map(Value::as_str).collect()
}

/// The look is a decision in the record, with the reason.
fn is_sealed(data: &Path, message: &Value) {
    let decision = message["decision"].as_u64().unwrap();
    assert!(decision > message["index"].as_u64().unwrap());
    let disclosed = data.join("out");
    let out = disclosed.to_str().unwrap();
    let number = decision.to_string();
    let done = run(
        data,
        &[
            "proof",
            &number,
            "--out",
            out,
            "--reason",
            "an auditor asks for the look",
        ],
    );
    assert!(done.status.success());
    let sheet = std::fs::read_to_string(disclosed.join(format!("{number}.html"))).unwrap();
    for part in ["read-message", REASON, "operator"] {
        assert!(sheet.contains(part), "{part}: {sheet}");
    }
}

#[test]
fn what_came_is_shown_raw_by_field_and_as_fhir_and_each_look_is_sealed() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let server = Server::serve(data);
    send(&server, &oru("M1"));
    send(&server, "no message");
    send(&server, &oru("M2"));
    let two = captured(data, &["--last", "2"]);
    let messages = two["messages"].as_array().unwrap();
    assert_eq!(messages.len(), 2, "{two}");
    assert_eq!(
        (&messages[0]["kind"], &messages[1]["kind"]),
        (&"not understood".into(), &"ORU^R01".into())
    );
    assert_eq!(lines(&messages[0]), ["no message"]);
    let shown = lines(&messages[1]).join("\n");
    for parts in [
        ["PID-5", "Patient Name"],
        ["Patient Name", "Capturename^Jo"],
        ["MSH-10", "M2"],
    ] {
        let has = shown
            .lines()
            .any(|line| parts.iter().all(|part| line.contains(part)));
        assert!(has, "{parts:?}: {shown}");
    }
    is_sealed(data, &messages[1]);
    let raw = captured(data, &["--last", "1", "--show", "raw"]);
    assert!(
        lines(&raw["messages"][0])[1].starts_with("PID|1||77^^^N^MR"),
        "{raw}"
    );
    let fhir = captured(data, &["--last", "1", "--show", "fhir"]);
    let resources: Vec<Value> = lines(&fhir["messages"][0])
        .into_iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    for kind in ["Patient", "Observation"] {
        assert!(
            resources.iter().any(|one| one["resourceType"] == kind),
            "{fhir}"
        );
    }
    assert!(server.stop().success());
}

#[test]
fn it_works_without_a_server_and_never_without_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let server = Server::serve(data);
    for control in ["M1", "M2", "M3"] {
        send(&server, &oru(control));
    }
    assert!(server.stop().success());
    assert_eq!(
        captured(data, &["--last", "3"])["messages"]
            .as_array()
            .unwrap()
            .len(),
        3
    );
    let short = run(data, &["capture", "--feed", "loopback", "--reason", "no"]);
    assert!(String::from_utf8_lossy(&short.stderr).contains("8 to 500"));
    let none = run(data, &["capture", "--feed", "nobody", "--reason", REASON]);
    assert_eq!(none.status.code(), Some(1));
    let follow = run(
        data,
        &[
            "capture", "--feed", "loopback", "--reason", REASON, "--follow",
        ],
    );
    assert!(String::from_utf8_lossy(&follow.stderr).contains("needs a running server"));
}

#[test]
fn what_comes_is_followed() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let server = Server::serve(data);
    send(&server, &oru("M1"));
    let mut following = salus()
        .args(["--format", "json", "--data"])
        .arg(data)
        .args([
            "capture", "--feed", "loopback", "--follow", "--reason", REASON,
        ])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(following.stdout.take().unwrap());
    let mut next = || {
        let mut line = String::new();
        said.read_line(&mut line).unwrap();
        let message: Value = serde_json::from_str(&line).unwrap();
        lines(&message).join("\n")
    };
    assert!(next().contains("M1"));
    send(&server, &oru("M2"));
    assert!(next().contains("M2"));
    send(&server, &oru("M3"));
    assert!(next().contains("M3"));
    let pid = rustix::process::Pid::from_child(&following);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    assert!(following.wait().unwrap().success());
    assert!(server.stop().success());
}
