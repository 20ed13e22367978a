//! Reads a corpus in JSONL (`id`, `text`, perhaps `record`), writes what the finder masks in JSONL
//! (`id`, `spans`: start, end in characters, kind), and tells the speed on standard error.
//!
//! Usage: `mask_corpus [rules|record|fail-closed] CORPUS PREDICTIONS`

#![expect(
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a tool for measuring: what a corpus does not have is null"
)]

use std::collections::HashMap;
use std::io::Write as _;
use std::time::Instant;

use guard::mask::{Facts, Finder, Kind, PersonName, Unknown};
use serde_json::{Value, json};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, mode, corpus, predictions] = arguments.as_slice() else {
        return Err("usage: mask_corpus [rules|record|fail-closed] CORPUS PREDICTIONS".into());
    };
    let text = std::fs::read_to_string(corpus)?;
    let documents: Vec<Value> = text
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()?;
    let mut house = Facts::default();
    if mode != "rules" {
        for document in &documents {
            house.add(staff(&document["record"]));
        }
    }
    let unknown = match mode.as_str() {
        "fail-closed" => Unknown::Mask,
        _ => Unknown::Keep,
    };
    let began = Instant::now();
    let finder = Finder::new(&house)?;
    let ready = began.elapsed();
    let mut out = std::io::BufWriter::new(std::fs::File::create(predictions)?);
    let (mut bytes, began) = (0, Instant::now());
    for document in &documents {
        let text = document["text"].as_str().unwrap_or_default();
        let facts = match mode.as_str() {
            "rules" => Facts::default(),
            _ => patient(&document["record"]),
        };
        let known = finder.know(&facts)?;
        let spans = finder.find(text, &known, unknown);
        bytes += text.len();
        let places: HashMap<usize, usize> = text
            .char_indices()
            .enumerate()
            .map(|(place, (at, _))| (at, place))
            .chain([(text.len(), text.chars().count())])
            .collect();
        let spans: Vec<Value> = spans
            .iter()
            .map(|span| {
                json!([
                    places[&span.range.start],
                    places[&span.range.end],
                    span.kind.word()
                ])
            })
            .collect();
        writeln!(out, "{}", json!({"id": document["id"], "spans": spans}))?;
    }
    let seconds = began.elapsed().as_secs_f64();
    eprintln!(
        "{bytes} bytes in {seconds:.3} s: {:.2} MB/s on one core (lists and patterns: {:.0} ms)",
        bytes as f64 / seconds / 1e6,
        ready.as_secs_f64() * 1e3
    );
    Ok(())
}

fn word(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn name(value: &Value) -> PersonName {
    let given = [&value["given"], &value["middle"]];
    PersonName {
        given: given
            .map(word)
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect(),
        family: word(&value["family"]),
    }
}

fn staff(record: &Value) -> Facts {
    let people = record["practitioners"].as_array().into_iter().flatten();
    Facts {
        names: people.map(name).collect(),
        ..Facts::default()
    }
}

fn patient(record: &Value) -> Facts {
    let person = &record["patient"];
    let relatives: Vec<&Value> = record["relatives"]
        .as_array()
        .into_iter()
        .flatten()
        .collect();
    let mut facts = staff(record);
    facts.names.push(name(person));
    facts
        .names
        .extend(relatives.iter().map(|relative| name(relative)));
    facts.identifiers = vec![
        (Kind::Mrn, word(&person["mrn"])),
        (Kind::Ssn, word(&person["ssn"])),
        (Kind::Account, word(&person["insurance_id"])),
        (Kind::Account, word(&person["account"])),
    ];
    facts.telecom = vec![word(&person["phone"]), word(&person["email"])];
    facts
        .telecom
        .extend(relatives.iter().map(|relative| word(&relative["phone"])));
    let address = &person["address"];
    facts.address_parts = vec![word(&address["line"]), word(&address["city"])];
    facts.postal_codes = vec![word(&address["zip"])];
    facts.organizations = vec![word(&record["encounter"]["organization"])];
    let days = [&person["birthDate"], &record["encounter"]["date"]];
    facts.dates = days
        .iter()
        .filter_map(|day| day.as_str()?.parse().ok())
        .collect();
    facts
}
