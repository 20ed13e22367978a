//! Disks that fail, fill up and lie, under the real binary: `strace` makes the system's own answers
//! wrong. What was acknowledged is there afterwards, or it is said which part of it is not.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use drills::faults::{Ledger, Platter, audit};
use event::{Body, Clock, Time};
use rustix::process::Signal;
use serde_json::json as value;

use crate::process::{Server, json};

struct Later;

/// Later than anything the server's own clock has said.
impl Clock for Later {
    fn now(&self) -> Time {
        Time::from_millis(4_000_000_000_000)
    }
}

/// From now on some of the calls of a running server fail.
fn failing(server: &Server, calls: &str, fault: &str) -> (Child, BufReader<ChildStderr>) {
    let mut strace = Command::new("strace")
        .args(["-f", "-o", "/dev/null", "-e"])
        .arg(format!("trace={calls}"))
        .arg("-e")
        .arg(format!("inject={calls}:{fault}"))
        .args(["-p", &server.pid().to_string()])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(strace.stderr.take().unwrap());
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    assert!(line.contains("attached"), "strace: {line}");
    (strace, said)
}

fn message(control: &str) -> String {
    format!(
        "MSH|^~\\&|LAB|STSALUS|SALUS|STSALUS|20261121120500||ORU^R01^ORU_R01|{control}|P|2.5\r\
         PID|1||{}^^^STSALUS^MR||Muster^Max||19500101|M\r\
         OBR|1|P{control}|F{control}|2345-7^Glucose^LN|||20261121120000|||||||||||||||20261121120400||LAB|F\r\
         OBX|1|NM|2345-7^Glucose^LN||5|mg/dL|||||F\r",
        control.len()
    )
}

/// What a server answers, if it does.
fn told(address: &str, message: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .ok()?;
    stream
        .write_all(&[b"\x0B", message.as_bytes(), b"\x1C\r"].concat())
        .ok()?;
    let (mut answer, mut byte) = (Vec::new(), [0]);
    while !answer.ends_with(b"\x1C\r") {
        stream.read_exact(&mut byte).ok()?;
        answer.push(byte[0]);
    }
    String::from_utf8(answer).ok()
}

/// Sends, each message up to `tries` times, and keeps the books.
fn send(server: &Server, ledger: &mut Ledger, (names, tries): (std::ops::Range<u32>, u32)) {
    for number in names {
        let control = format!("M{number}");
        ledger.send(&control);
        for _ in 0..tries {
            let answer = told(&server.mllp(), &message(&control));
            if answer.is_some_and(|answer| answer.contains("MSA|AA")) {
                ledger.acknowledge(&control);
                break;
            }
        }
    }
}

/// Kills a server and returns what it had said on standard error.
fn killed(mut server: Server, (mut strace, said): (Child, BufReader<ChildStderr>)) -> String {
    server.signal(Signal::KILL);
    let words = server.until("no line has this");
    drop(server);
    strace.wait().unwrap();
    drop(said);
    words
}

async fn kept(data: &Path, ledger: &Ledger) {
    let config = record::Config::new(data.to_owned());
    let found = audit(&config, Arc::new(Later), ledger).await.unwrap();
    assert_eq!(found.breaches, []);
    assert!(found.messages > 0);
}

/// Each of these calls fails now and then while messages are sent; then the power fails.
async fn now_and_then(calls: &str, fault: &str, words: &str) {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut server = Server::serve(&data);
    let mut ledger = Ledger::default();
    send(&server, &mut ledger, (0..5, 1));
    let strace = failing(&server, calls, fault);
    send(&server, &mut ledger, (5..60, 4));
    let said = server.until(words);
    assert!(said.contains(words), "nothing failed: {said}");
    killed(server, strace);
    assert!(
        ledger.acknowledged() > 20,
        "{} of 60",
        ledger.acknowledged()
    );
    kept(&data, &ledger).await;
}

#[tokio::test]
async fn an_fsync_that_fails_now_and_then_loses_nothing_that_was_acknowledged() {
    now_and_then("fsync,fdatasync", "error=EIO:when=3+5", "disk I/O error").await;
}

#[tokio::test]
async fn a_disk_that_is_full_now_and_then_loses_nothing_that_was_acknowledged() {
    now_and_then("pwrite64", "error=ENOSPC:when=40+211", "is full").await;
}

#[tokio::test]
async fn a_rename_that_fails_keeps_checkpoints_back_and_nothing_else() {
    let calls = "rename,renameat,renameat2";
    now_and_then(calls, "error=EIO:when=1+2", "Input/output error").await;
}

#[tokio::test]
async fn when_nothing_can_be_made_durable_nothing_is_acknowledged_any_more_and_it_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = Server::serve(&data);
    let mut ledger = Ledger::default();
    send(&server, &mut ledger, (0..5, 1));
    let strace = failing(&server, "fsync,fdatasync", "error=EIO:when=1+");
    let before = ledger.acknowledged();
    send(&server, &mut ledger, (5..10, 2));
    assert_eq!(
        ledger.acknowledged(),
        before,
        "acknowledged what no disk has"
    );
    let answer = told(&server.mllp(), &message("M11")).unwrap();
    ledger.send("M11");
    assert!(answer.contains("MSA|AE|M11"), "{answer}");
    let said = killed(server, strace);
    assert!(
        said.contains("a batch was not committed; its senders will try again"),
        "{said}"
    );
    kept(&data, &ledger).await;
}

/// A server whose disk has said "written" of everything since some moment, and lied; then the
/// power fails.
async fn lied(parts: &[&str]) -> (tempfile::TempDir, Ledger) {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut ledger = Ledger::default();
    let server = Server::serve(&data);
    send(&server, &mut ledger, (0..10, 1));
    assert!(server.stop().success());
    let platter = Platter::of(&data, folder.path().join("platter")).unwrap();
    let server = Server::serve(&data);
    send(&server, &mut ledger, (10..40, 1));
    // Everything is published, and every view has it, when it has stopped; the power fails then.
    assert!(server.stop().success());
    platter.lose(&data, parts).unwrap();
    (folder, ledger)
}

#[tokio::test]
async fn a_journal_that_a_lying_disk_lost_comes_back_from_the_vault() {
    let (folder, ledger) = lied(&["journal.db"]).await;
    let data = folder.path().join("data");
    let server = Server::serve(&data);
    let answer = told(&server.mllp(), &message("M39")).unwrap();
    assert!(answer.contains("MSA|AA"), "{answer}");
    assert!(server.stop().success());
    assert_eq!(json(&data, &["verify"])["alterations"], value!([]));
    kept(&data, &ledger).await;
}

#[tokio::test]
async fn what_a_lying_disk_lost_for_good_is_named_and_no_view_goes_on_from_it() {
    let (folder, ledger) = lied(&["journal.db", "vault", "keyring.db"]).await;
    let data = folder.path().join("data");
    let mut server = Server::serve(&data);
    let said = server.until("events that were sealed are gone");
    assert!(said.contains("events that were sealed are gone"), "{said}");
    // The senders send again what was lost, and the views have it.
    let mut again = ledger.clone();
    send(&server, &mut again, (10..40, 1));
    let client = json(&data, &["client", "add", "ris", "--scope", "system/*.rs"]);
    let url = format!(
        "{}/Observation?_count=1&_total=accurate",
        server.text("fhir")
    );
    let token = client["token"].as_str().unwrap();
    let mut counted = value!(0);
    for _ in 0..200 {
        counted = crate::healing::curl(&server, token, &[&url])["total"].clone();
        if counted == value!(40) {
            break;
        }
    }
    assert_eq!(counted, value!(40));
    assert!(server.stop().success());
    let config = record::Config::new(data.clone());
    let record = record::Record::open(config, Arc::new(Later)).await.unwrap();
    let sealed = record.read(0, 1_000).await.unwrap();
    let named = sealed.iter().find_map(|one| match &one.event().body {
        Body::Alteration(altered) => Some(altered.parts[0].clone()),
        _ => None,
    });
    let named = named.expect("what was lost is sealed");
    record.stop().await;
    drop(record);
    assert!(named.part.starts_with("record: events "), "{named:?}");
    assert!(named.found.contains("lost"), "{named:?}");
    let scrubbed = json(&data, &["scrub"]);
    assert_eq!(scrubbed["views_altered"], value!(0), "{scrubbed}");
    kept(&data, &again).await;
}
