//! How fast a chart is folded from the first event.
//!
//! `cargo bench --workspace --bench fold` folds 50,000 observations of 500 patients that it seals first
//! (another number behind `--`); `-- FOLDER` folds the record in a data folder that nobody serves.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench stops at the first thing that goes wrong, and prints its figures"
)]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use chart::Chart;
use event::{Act, Actor, Body, Clock, Event, Resource, Subject, Time};
use guard::{Standing, admit};
use record::{Config, Record};

/// The program's own.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const GROUP: u64 = 1_000;
const PATIENTS: u64 = 500;

struct Still;

impl Clock for Still {
    fn now(&self) -> Time {
        Time::from_millis(1_795_269_802_000)
    }
}

fn observation(number: u64) -> Event {
    let (id, patient) = (format!("o{number}"), format!("p{}", number % PATIENTS));
    let raw = format!(
        r#"{{"resourceType":"Observation","id":"{id}","status":"final","category":[{{"coding":[{{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"laboratory"}}]}}],"code":{{"coding":[{{"system":"http://loinc.org","code":"2823-3","display":"Potassium [Moles/volume] in Serum or Plasma"}}],"text":"Potassium"}},"subject":{{"reference":"Patient/{patient}"}},"effectiveDateTime":"2026-11-2{}T0{}:1{}:00+01:00","valueQuantity":{{"value":{}.{},"unit":"mmol/L","system":"http://unitsofmeasure.org","code":"mmol/L"}},"referenceRange":[{{"low":{{"value":3.5}},"high":{{"value":5.1}}}}]}}"#,
        number % 9,
        number % 10,
        number % 7,
        number % 6,
        number % 10,
    );
    let body = Body::Resource(Resource {
        kind: "Observation".into(),
        id,
        replaces: 0,
        as_of: 0,
        resolved: Vec::new(),
        contents: Vec::new(),
    });
    let mut event = Event::new(Actor::salus(), Act::Create, Subject::Patient(patient), body);
    event.raw = raw.into_bytes();
    event
}

#[tokio::main]
async fn main() {
    let asked = std::env::args().skip(1).find(|one| !one.starts_with('-'));
    let asked = asked.unwrap_or_else(|| "50000".to_owned());
    let folder = tempfile::tempdir().unwrap();
    let data = match asked.parse::<u64>() {
        Ok(_) => folder.path().join("data"),
        Err(_) => PathBuf::from(&asked),
    };
    std::fs::create_dir_all(&data).unwrap();
    let record = Record::open(Config::new(data), Arc::new(Still))
        .await
        .unwrap();
    if let Ok(all) = asked.parse::<u64>() {
        for first in (0..all).step_by(GROUP as usize) {
            let some = first..(first + GROUP).min(all);
            let some = some.map(|number| admit(observation(number).into(), Standing::Salus, ""));
            record
                .admit(some.map(Result::unwrap).collect())
                .await
                .unwrap();
        }
    }
    let size = record.size();
    for run in 1..=3 {
        let file = folder.path().join(format!("chart{run}.db"));
        let chart = Chart::open(chart::Config::at(file), &record).await.unwrap();
        let began = Instant::now();
        record::fold_to(&record, chart.reader().as_ref(), size)
            .await
            .unwrap();
        let took = began.elapsed().as_secs_f64();
        println!(
            "{size} events folded in {took:.1} s: {:.0} a second",
            size as f64 / took
        );
        chart.close().await;
    }
}
