//! SIGKILL at a random moment, again and again, with the real binary.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use drills::faults::{FhirDoor, Recipe, Siege, siege};
use drills::load::Template;
use event::{Body, Clock, Time};

use crate::process::with_config;
use crate::real;

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
async fn created(config: record::Config) -> usize {
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

/// Kills the server that `file` configures, and counts what was not kept.
async fn besieged(file: &Path, engines: record::Config, rounds: u32) {
    let server = Recipe {
        program: env!("CARGO_BIN_EXE_salus").into(),
        args: ["--format", "json", "--config"]
            .into_iter()
            .map(Into::into)
            .chain([file.as_os_str().to_owned()])
            .chain(["serve", "--listen", "127.0.0.1:0", "--mllp", "127.0.0.1:0"].map(Into::into))
            .collect(),
        env: Vec::new(),
        ready: "\"mllp\"".into(),
        ready_wait: Duration::from_secs(60),
    };
    let token = with_config(file, &["client", "add", "ris", "--scope", "system/*.cruds"]);
    let fhir = FhirDoor {
        base: |said| {
            let ready: serde_json::Value = serde_json::from_str(said.lines().last()?).ok()?;
            Some(ready["fhir"].as_str()?.to_owned())
        },
        certificate: engines.data.join("tls/certificate.pem"),
        token: token["token"].as_str().unwrap().to_owned(),
    };
    let outcome = siege(&Siege {
        server,
        record: engines.clone(),
        address,
        seed: 7,
        rounds,
        connections: 6,
        messages_max: 200,
        templates: Template::panels(1, 10, AT),
        fhir: Some(fhir),
        clock: Arc::new(Later),
    })
    .await
    .unwrap();
    assert_eq!(outcome.breaches, []);
    let patients = created(engines).await;
    assert!(patients > 0, "no patient was created in any round");
}

fn rounds(usual: u32) -> u32 {
    let asked = std::env::var("SALUS_KILL_ROUNDS").ok();
    asked.and_then(|text| text.parse().ok()).unwrap_or(usual)
}

fn configured(folder: &Path, engines: &str) -> (PathBuf, record::Config) {
    let (file, data) = (folder.join("salus.toml"), folder.join("data"));
    let text = format!("data = \"{}\"\n{engines}", data.display());
    std::fs::write(&file, text).unwrap();
    (file, record::Config::new(data))
}

/// 20 rounds; `SALUS_KILL_ROUNDS` asks for more (nightly: 200).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_server_acknowledged_survives_being_killed() {
    let folder = tempfile::tempdir().unwrap();
    let (file, engines) = configured(folder.path(), "");
    Box::pin(besieged(&file, engines, rounds(20))).await;
}

/// The same on PostgreSQL and a bucket with object lock.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_on_other_engines_survives_it_too() {
    let folder = tempfile::tempdir().unwrap();
    let storage = real::address(&real::database().await);
    let credentials = real::credentials(folder.path());
    let objects = real::bucket_line(&real::locked_bucket(), &credentials);
    let lines = format!("storage = \"{storage}\"\nobjects = \"{objects}\"\n");
    let (file, mut engines) = configured(folder.path(), &lines);
    engines.storage = record::Storage::parse(&storage).unwrap();
    engines.objects = record::Objects::parse(&objects).unwrap();
    Box::pin(besieged(&file, engines, rounds(6))).await;
}
