//! SIGKILL at a random moment, again and again, with the real binary.

use std::sync::Arc;
use std::time::Duration;

use drills::faults::{FhirDoor, Recipe, Siege, siege};
use drills::load::Template;
use event::{Body, Clock, Time};

use crate::process::json;

const AT: Time = Time::from_millis(1_795_300_000_000);

struct Later;

/// Later than anything the server's own clock has said.
impl Clock for Later {
    fn now(&self) -> Time {
        Time::from_millis(4_000_000_000_000)
    }
}

fn address(said: &str) -> Option<std::net::SocketAddr> {
    let ready: serde_json::Value = serde_json::from_str(said.lines().last()?).ok()?;
    ready["mllp"][0].as_str()?.parse().ok()
}

/// Patients that were created through the FHIR door.
async fn created(data: &std::path::Path) -> usize {
    let config = record::Config::new(data.to_owned());
    let record = record::Record::open(config, Arc::new(Later)).await.unwrap();
    let mut next = 0;
    let mut patients = 0;
    while next < record.size() {
        let (events, after) = record.read_until(next, 1_000).await.unwrap();
        let written = events.iter().map(|sealed| &sealed.event().body);
        patients += written
            .filter(|body| matches!(body, Body::Resource(_)))
            .count();
        next = after;
    }
    record.stop().await;
    patients
}

/// 20 rounds; `SALUS_KILL_ROUNDS` asks for more (nightly: 200).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_server_acknowledged_survives_being_killed() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let rounds = std::env::var("SALUS_KILL_ROUNDS")
        .ok()
        .and_then(|text| text.parse().ok());
    let server = Recipe {
        program: env!("CARGO_BIN_EXE_salus").into(),
        args: ["--format", "json", "--data"]
            .into_iter()
            .map(Into::into)
            .chain([data.clone().into_os_string()])
            .chain(["serve", "--listen", "127.0.0.1:0", "--mllp", "127.0.0.1:0"].map(Into::into))
            .collect(),
        env: Vec::new(),
        ready: "\"mllp\"".into(),
        ready_wait: Duration::from_secs(60),
    };
    let token = json(
        &data,
        &["client", "add", "ris", "--scope", "system/*.cruds"],
    );
    let fhir = FhirDoor {
        base: |said| {
            let ready: serde_json::Value = serde_json::from_str(said.lines().last()?).ok()?;
            Some(ready["fhir"].as_str()?.to_owned())
        },
        certificate: data.join("tls/certificate.pem"),
        token: token["token"].as_str().unwrap().to_owned(),
    };
    let outcome = siege(&Siege {
        server,
        data,
        address,
        seed: 7,
        rounds: rounds.unwrap_or(20),
        connections: 6,
        messages_max: 200,
        templates: Template::panels(1, 10, AT),
        fhir: Some(fhir),
        clock: Arc::new(Later),
    })
    .await
    .unwrap();
    assert_eq!(outcome.breaches, []);
    let patients = created(&folder.path().join("data")).await;
    assert!(patients > 0, "no patient was created in any round");
}
