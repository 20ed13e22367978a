//! The siege against a small server of the test's own, first an honest one, then one that
//! acknowledges before it seals: the siege must find that out, or it would find out nothing.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use drills::faults::{Breach, Recipe, Siege, siege};
use drills::load::Template;
use event::{Act, Actor, Arrival, Body, Clock, Event, Message, Resend, Subject, Time};
use guard::{Admitted, Standing, admit};
use record::{Config, Record};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const AT: Time = Time::from_millis(1_772_409_600_000);

struct Still;

impl Clock for Still {
    fn now(&self) -> Time {
        AT
    }
}

fn recipe(data: &Path, manner: &str) -> Recipe {
    Recipe {
        program: std::env::current_exe().unwrap(),
        args: ["--ignored", "--exact", "faults::victim", "--nocapture"]
            .map(Into::into)
            .to_vec(),
        env: vec![
            ("VICTIM_DATA".into(), data.into()),
            ("VICTIM_MANNER".into(), manner.into()),
        ],
        ready: "listening on ".into(),
        ready_wait: Duration::from_secs(60),
    }
}

fn rounds(data: &Path, manner: &str, rounds: u32) -> Siege {
    Siege {
        server: recipe(data, manner),
        record: Config::new(data.to_owned()),
        address: |said| said.rsplit("listening on ").next()?.trim().parse().ok(),
        seed: 4711,
        rounds,
        connections: 6,
        messages_max: 120,
        fhir: None,
        templates: Template::panels(1, 10, AT),
        clock: Arc::new(Still),
    }
}

#[tokio::test]
async fn an_honest_server_keeps_its_word_through_every_kill() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let outcome = siege(&rounds(&data, "honest", 6)).await.unwrap();
    assert_eq!(outcome.breaches, []);
    assert_eq!(outcome.rounds, 6);
    assert!(outcome.acknowledged >= 6, "{outcome:?}");
}

#[tokio::test]
async fn a_server_that_acknowledges_too_early_is_found_out() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let outcome = siege(&rounds(&data, "hasty", 20)).await.unwrap();
    assert!(
        matches!(outcome.breaches.first(), Some((_, Breach::Lost(_)))),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn a_server_that_forgets_what_it_has_is_found_out() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let outcome = siege(&rounds(&data, "doubling", 2)).await.unwrap();
    assert!(
        matches!(outcome.breaches.first(), Some((_, Breach::Repeated(_, 2)))),
        "{outcome:?}"
    );
}

/// The server that is killed: this program, started by the tests above.
#[test]
#[ignore = "is started by the other tests as the server that they kill"]
fn victim() {
    let Some(data) = std::env::var_os("VICTIM_DATA") else {
        return;
    };
    let manner = std::env::var("VICTIM_MANNER").unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(serve(Path::new(&data), &manner));
}

async fn serve(data: &Path, manner: &str) {
    let record = Record::open(Config::new(data.to_owned()), Arc::new(Still))
        .await
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("listening on {}", listener.local_addr().unwrap());
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        tokio::spawn(converse(stream, record.clone(), manner.to_owned()));
    }
}

async fn converse(mut stream: TcpStream, record: Record, manner: String) -> Option<()> {
    let mut buffer = Vec::new();
    loop {
        while !buffer.ends_with(&[0x1C, 0x0D]) {
            if stream.read_buf(&mut buffer).await.ok()? == 0 {
                return None;
            }
        }
        let text = String::from_utf8_lossy(&buffer).into_owned();
        let control = text.split('|').nth(9)?.to_owned();
        let events = vec![message(&control, &buffer)];
        match manner.as_str() {
            "hasty" => drop(tokio::spawn({
                let record = record.clone();
                async move { record.admit(events).await }
            })),
            "doubling" => {
                record.admit(events).await.ok()?;
                let (event, _) = message(&control, &buffer).into_parts();
                record
                    .admit(vec![admit(event.into(), Standing::Salus, "").ok()?])
                    .await
                    .ok()?;
            }
            _ => drop(record.admit(events).await.ok()?),
        }
        let answer = format!("\x0bMSH|^~\\&|S|||||ACK|1|P|2.5.1\rMSA|AA|{control}\r\x1c\r");
        stream.write_all(answer.as_bytes()).await.ok()?;
        buffer.clear();
    }
}

fn message(control: &str, raw: &[u8]) -> Admitted {
    let body = Body::Message(Message {
        feed: "lab".into(),
        kind: "ORU^R01".into(),
        control: control.into(),
        zone: "UTC".into(),
        charset: String::new(),
        authority: "STSALUS".into(),
        mapped: true,
        complaints: Vec::new(),
    });
    let subject = Subject::Patient(format!("p{}", raw.len() % 7));
    let claim = Event::new(Actor::feed("lab"), Act::Send, subject, body).with_raw(raw.to_vec());
    let resend = Some(Resend {
        sender: "lab".into(),
        message: control.into(),
    });
    admit(Arrival { claim, resend }, Standing::Salus, "").unwrap()
}
