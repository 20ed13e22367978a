//! Subscriptions with the real binary: what came by HL7 v2 is told, and after a kill told again.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver as Heard, Sender, channel};

use serde_json::{Value, json as value};

use crate::healing::curl;
use crate::process::{Server, json};
use crate::serving::send;

const BACKPORT: &str = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition";

/// A receiver that answers what `says` tells of a notification and how many of its type came before.
fn listen(says: impl Fn(&str, usize) -> u16 + Send + 'static) -> (String, Heard<Value>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let (say, heard) = channel();
    std::thread::spawn(move || {
        let mut before = std::collections::HashMap::<String, usize>::new();
        while let Ok((stream, _)) = listener.accept() {
            serve(stream, &say, |kind| {
                let count = before.entry(kind.to_owned()).or_default();
                *count += 1;
                says(kind, *count - 1)
            });
        }
    });
    (url, heard)
}

fn serve(mut stream: TcpStream, say: &Sender<Value>, says: impl FnOnce(&str) -> u16) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        let line = line.trim().to_ascii_lowercase();
        if let Some(said) = line.strip_prefix("content-length:") {
            length = said.trim().parse().unwrap();
        }
        if line.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let bundle: Value = serde_json::from_slice(&body).unwrap();
    let status = says(&kind(&bundle));
    let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    let _ = stream.write_all(answer.as_bytes());
    let _ = say.send(bundle);
}

fn parameters<'a>(bundle: &'a Value, name: &str) -> Vec<&'a Value> {
    let all = bundle["entry"][0]["resource"]["parameter"].as_array();
    let all = all.unwrap().iter();
    all.filter(|one| one["name"] == name).collect()
}

fn kind(bundle: &Value) -> String {
    parameters(bundle, "type")[0]["valueCode"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// The numbers of the events, each with the type that it is about.
fn events(bundle: &Value) -> Vec<(u64, String)> {
    let all = parameters(bundle, "notification-event").into_iter();
    all.map(|one| {
        let number = one["part"][0]["valueString"].as_str().unwrap();
        let focus = one["part"][2]["valueReference"]["reference"]
            .as_str()
            .unwrap();
        let kind = focus.rsplit('/').nth(1).unwrap();
        (number.parse().unwrap(), kind.to_owned())
    })
    .collect()
}

fn next(heard: &Heard<Value>, wanted: &str) -> Value {
    loop {
        let bundle = heard.recv().unwrap();
        if kind(&bundle) == wanted {
            return bundle;
        }
    }
}

fn result(control: &str) -> String {
    format!(
        "MSH|^~\\&|LAB|GH|SALUS|GH|20261121120000||ORU^R01^ORU_R01|{control}|P|2.5\r\
         PID|1||4711^^^GH^MR||Test^One||19500101|M\r\
         OBR|1||{control}F|2823-3^K^LN|||20261121115900||||||||||||||||||F\r\
         OBX|1|NM|2823-3^K^LN||4.1|mmol/L|||||F\r"
    )
}

#[test]
fn a_result_by_hl7_is_told_and_after_a_kill_told_again() {
    let folder = tempfile::tempdir().unwrap();
    // The second result is not taken before the server is killed.
    let (url, heard) = listen(|kind, before| match (kind, before) {
        ("event-notification", 1..=40) => 500,
        _ => 200,
    });
    let (data, file): (PathBuf, PathBuf) =
        (folder.path().join("data"), folder.path().join("salus.toml"));
    let text = format!(
        "[web.subscriptions]\nendpoints = [\"{url}\"]\nretry_ms = 10\nretry_max_ms = 20\nfailures_max = 100000\n"
    );
    std::fs::write(&file, text).unwrap();
    let with = ["--config", file.to_str().unwrap(), "serve"];
    let mut server = Server::start(&data, &with);
    let made = json(
        &data,
        &["client", "add", "ris", "--scope", "system/*.cruds"],
    );
    let token = made["token"].as_str().unwrap().to_owned();
    let wanted = value!({
        "resourceType": "Subscription", "id": "results", "status": "requested", "reason": "to know",
        "criteria": "https://salus.invalid/SubscriptionTopic/result-final",
        "channel": {"type": "rest-hook", "endpoint": url, "payload": "application/fhir+json",
            "_payload": {"extension": [{"url": format!("{BACKPORT}/backport-payload-content"),
                "valueCode": "id-only"}]}}
    });
    let place =
        |server: &Server, rest: &str| format!("{}/Subscription/results{rest}", server.text("fhir"));
    let kept = curl(
        &server,
        &token,
        &["-X", "PUT", &place(&server, ""), "-d", &wanted.to_string()],
    );
    assert_eq!(kept["status"], "requested", "{kept}");
    next(&heard, "handshake");
    send(&server.mllp(), &result("R1"));
    let first = events(&next(&heard, "event-notification"));
    assert_eq!(first[0].0, 1);
    let kinds: Vec<&str> = first.iter().map(|(_, kind)| kind.as_str()).collect();
    assert!(
        kinds.contains(&"Observation") && kinds.contains(&"DiagnosticReport"),
        "{first:?}"
    );
    send(&server.mllp(), &result("R2"));
    let again = events(&next(&heard, "event-notification"));
    assert_eq!(again[0].0, first.len() as u64 + 1, "{again:?}");
    server.signal(rustix::process::Signal::KILL);
    server.ended();
    let server = Server::start(&data, &with);
    // It comes until it is taken, under the same numbers.
    let told = next(&heard, "event-notification");
    assert_eq!(events(&told), again);
    let listed = curl(&server, &token, &[&place(&server, "/$events")]);
    let numbers: Vec<u64> = events(&listed).iter().map(|(number, _)| *number).collect();
    let all: Vec<u64> = (1..=again.last().unwrap().0).collect();
    assert_eq!(numbers, all);
    assert!(server.stop().success());
}
