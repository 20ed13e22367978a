//! `$import` with the real binary: killed in the middle, it goes on and doubles nothing.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use event::{Body, Clock, Time};
use serde_json::{Value, json as value};

use crate::healing::curl;
use crate::process::{Server, json};

/// Lines of the file.
const LINES: usize = 1_200;
/// Lines that are given to the first who asks.
const FIRST: usize = 500;

struct Later;

/// Later than anything the server's own clock has said.
impl Clock for Later {
    fn now(&self) -> Time {
        Time::from_millis(4_000_000_000_000)
    }
}

/// A place with one file. The first who asks gets a part of it and then nothing more; the connection stays
/// open until the file is dropped. Everybody after gets all of it.
fn files(text: String, part: usize) -> (String, Receiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/files/p.ndjson", listener.local_addr().unwrap());
    let (say, asked) = channel();
    std::thread::spawn(move || {
        let mut held = Vec::new();
        while let Ok((stream, _)) = listener.accept() {
            let first = held.is_empty();
            held.push(give(stream, (&text, part, first), &say));
        }
    });
    (url, asked)
}

fn give(
    mut stream: TcpStream,
    (text, part, first): (&str, usize, bool),
    say: &Sender<()>,
) -> TcpStream {
    let reader = BufReader::new(stream.try_clone().unwrap());
    let head = reader.lines().map_while(Result::ok);
    head.take_while(|line| !line.is_empty()).for_each(drop);
    let length = text.len();
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n");
    let given = if first { &text[..part] } else { text };
    let _ = stream.write_all(head.as_bytes());
    let _ = stream.write_all(given.as_bytes());
    let _ = say.send(());
    stream
}

/// The `Content-Location` of what was begun.
fn begin(server: &Server, token: &str, body: &Value) -> String {
    let output = std::process::Command::new("curl")
        .args(["-s", "-i", "--cacert"])
        .arg(server.certificate())
        .args(["-H", &format!("authorization: Bearer {token}")])
        .args(["-H", "prefer: respond-async"])
        .args(["-H", "content-type: application/json"])
        .args(["-d", &body.to_string()])
        .arg(format!("{}/$import", server.text("fhir")))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let place = text.lines().find_map(|line| {
        let (name, place) = line.split_once(": ")?;
        (name.eq_ignore_ascii_case("content-location")).then(|| place.trim().to_owned())
    });
    place.expect("a `Content-Location`")
}

/// How often each resource was written.
async fn written(data: PathBuf) -> HashMap<String, usize> {
    let record = record::Record::open(record::Config::new(data), Arc::new(Later));
    let record = record.await.unwrap();
    let (mut next, mut counts) = (0, HashMap::new());
    while next < record.size() {
        let (events, after) = record.read_until(next, 1_000).await.unwrap();
        for sealed in &events {
            if let Body::Resource(one) = &sealed.event().body {
                *counts.entry(one.id.clone()).or_default() += 1;
            }
        }
        next = after;
    }
    record.stop().await;
    counts
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_that_is_killed_goes_on_and_doubles_nothing() {
    let folder = tempfile::tempdir().unwrap();
    // Those without an id would be there twice if they were taken twice.
    let line = |at: usize| match at % 2 {
        0 => value!({"resourceType": "Patient", "id": format!("p{at}"), "gender": "male"}),
        _ => value!({"resourceType": "Patient", "gender": "female"}),
    };
    let lines: Vec<String> = (0..LINES).map(|at| format!("{}\n", line(at))).collect();
    let part = lines[..FIRST].iter().map(String::len).sum::<usize>() + 7;
    let (url, asked) = files(lines.concat(), part);
    let (data, file) = (folder.path().join("data"), folder.path().join("salus.toml"));
    let text = format!("[web.imports]\nsources = [\"{url}\"]\nbatch_lines_max = 100\n");
    std::fs::write(&file, text).unwrap();
    let with = ["--config", file.to_str().unwrap(), "serve"];
    let mut server = Server::start(&data, &with);
    let client = ["client", "add", "moves", "--scope", "system/*.cruds"];
    let made = json(&data, &client);
    let token = made["token"].as_str().unwrap().to_owned();
    let wanted = value!({
        "inputFormat": "application/fhir+ndjson", "inputSource": "https://old.hospital/fhir",
        "input": [{"type": "Patient", "url": url}]});
    let place = begin(&server, &token, &wanted);
    let place = place.rsplit('/').next().unwrap().to_owned();
    asked.recv().unwrap();
    // Some of what was given is there.
    let count = |server: &Server| {
        let url = format!("{}/Patient?_summary=count", server.text("fhir"));
        curl(server, &token, &[&url])["total"].as_u64().unwrap_or(0)
    };
    while count(&server) == 0 {}
    server.signal(rustix::process::Signal::KILL);
    server.ended();
    let server = Server::start(&data, &with);
    asked.recv().unwrap();
    let status = format!("{}/$import-status/{place}", server.text("fhir"));
    let done = loop {
        let said = curl(&server, &token, &[&status]);
        if said.get("output").is_some() {
            break said;
        }
    };
    assert_eq!(done["output"][0]["count"], LINES as u64, "{done}");
    assert_eq!(done["error"], value!([]));
    assert_eq!(count(&server), LINES as u64);
    assert!(server.stop().success());
    let written = written(data).await;
    assert_eq!(written.len(), LINES);
    assert!(written.values().all(|times| *times == 1));
}
