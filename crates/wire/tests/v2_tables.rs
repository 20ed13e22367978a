//! What our mapping makes of each field, found out by leaving the field away, against the segment
//! maps of the HL7 v2-to-FHIR guide, row by row.
//!
//! `golden/fields.txt` is our table: field and element. `golden/differences.txt` explains each row
//! of the guide that we read otherwise or not at all, and each row of ours that the guide does not
//! have. A row without an explanation fails the test, and so does an explanation without a row.
//!
//! To write our table anew: `SALUS_GOLDEN=write cargo test -p wire --test v2_tables`.

#![expect(
    clippy::unwrap_used,
    reason = "what helps a test may fail as the test does"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use wire::v2::{self, Draft, Sender};

/// A field and an element: `PID-5` and `Patient.name`.
type Row = (String, String);

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name)
}

/// An id that says what it was made of, so that a change of it can be seen.
fn id(kind: &str, system: &str, value: &str) -> String {
    format!("{kind}:{system}:{value}")
}

fn drafts(raw: &str) -> Vec<Draft> {
    let sender = Sender {
        zone: "Europe/Berlin",
        charset: "UNICODE UTF-8",
        authority: "STELLA",
        id: &id,
    };
    v2::read(raw.as_bytes(), &sender).drafts
}

/// The elements of each type, with what they hold; ids of ours left out, since they change with
/// whatever they are made of.
fn elements(raw: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for draft in drafts(raw) {
        let resource = v2::merged(None, &draft);
        for (element, value) in &resource {
            if element == "id" || element == "resourceType" {
                continue;
            }
            let name = element.strip_prefix('_').unwrap_or(element);
            let key = format!("{}.{name}", draft.kind);
            let mut value = value.clone();
            forget_ids(&mut value);
            found.entry(key).or_default().insert(value.to_string());
        }
    }
    found
}

fn forget_ids(value: &mut Value) {
    match value {
        Value::Array(list) => list.iter_mut().for_each(forget_ids),
        Value::Object(map) => {
            let reference = map.get_mut("reference");
            if let Some(Value::String(reference)) = reference {
                let kind = reference.split('/').next().unwrap_or_default().to_owned();
                *reference = kind;
            }
            map.values_mut().for_each(forget_ids);
        }
        _ => {}
    }
}

/// What a field makes: the elements that are not there, or are otherwise, when it is left away.
fn rows_of(raw: &str) -> BTreeSet<Row> {
    let whole = elements(raw);
    let segments: Vec<Vec<&str>> = raw
        .split('\r')
        .filter(|line| !line.is_empty())
        .map(|line| line.split('|').collect())
        .collect();
    let mut rows = BTreeSet::new();
    for (at, segment) in segments
        .iter()
        .enumerate()
        .filter(|(_, one)| one.first() != Some(&"MSH"))
    {
        for number in 1..segment.len() {
            if segment.get(number).is_none_or(|field| field.is_empty()) {
                continue;
            }
            let without = elements(&left_away(&segments, at, number));
            for (element, values) in &whole {
                if without.get(element) != Some(values) {
                    let name = segment.first().copied().unwrap_or_default();
                    rows.insert((format!("{name}-{number}"), element.clone()));
                }
            }
        }
    }
    rows
}

fn left_away(segments: &[Vec<&str>], at: usize, number: usize) -> String {
    let mut lines = Vec::new();
    for (position, segment) in segments.iter().enumerate() {
        let mut fields: Vec<&str> = segment.clone();
        if let Some(field) = fields.get_mut(number).filter(|_| position == at) {
            *field = "";
        }
        lines.push(fields.join("|"));
    }
    lines.join("\r")
}

fn ours() -> BTreeSet<Row> {
    let mut rows = BTreeSet::new();
    let mut folders = vec![root().join("demo/hl7"), golden("full")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|kind| kind == "hl7")
                && let Ok(raw) = fs::read_to_string(&path)
            {
                rows.extend(rows_of(&raw.replace('\n', "\r")));
            }
        }
    }
    // Without these nothing can be put in a chart, so everything hangs on them.
    rows.retain(|(field, _)| !matches!(field.as_str(), "PID-3"));
    rows
}

/// The rows of the guide's segment maps; none if the shared data folder is not there.
fn guide() -> BTreeSet<Row> {
    let data = std::env::var_os("SALUS_SHARED_DATA")
        .map_or_else(|| root().join("../shared/data"), PathBuf::from);
    let Ok(entries) = fs::read_dir(data.join("hl7/v2-to-fhir-ig/mappings/segments")) else {
        return BTreeSet::new();
    };
    let mut rows = BTreeSet::new();
    for path in entries.map(|entry| entry.unwrap().path()) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let Some((_, target)) = name
            .strip_suffix(".csv")
            .and_then(|name| name.split_once('['))
        else {
            continue;
        };
        let target: String = target
            .chars()
            .take_while(char::is_ascii_alphabetic)
            .collect();
        let text = fs::read_to_string(&path).unwrap();
        for row in records(&text).into_iter().skip(2) {
            let cell = |at: usize| row.get(at).map(|cell| cell.trim()).unwrap_or_default();
            let (field, attribute) = (cell(1), cell(9));
            let element: String = attribute
                .chars()
                .take_while(char::is_ascii_alphanumeric)
                .collect();
            if field.contains('-') && !element.is_empty() {
                rows.insert((field.to_owned(), format!("{target}.{element}")));
            }
        }
    }
    rows
}

/// CSV with quotes, as spreadsheets write it.
fn records(text: &str) -> Vec<Vec<String>> {
    let (mut records, mut record, mut cell) = (Vec::new(), Vec::new(), String::new());
    let mut quoted = false;
    for letter in text.trim_start_matches('\u{feff}').chars() {
        match (letter, quoted) {
            ('"', _) => quoted = !quoted,
            (',', false) => record.push(std::mem::take(&mut cell)),
            ('\n', false) => {
                record.push(std::mem::take(&mut cell));
                records.push(std::mem::take(&mut record));
            }
            ('\r', false) => {}
            (letter, _) => cell.push(letter),
        }
    }
    record.push(cell);
    records.push(record);
    records
}

/// An explanation, and the rows it is for: `field element: why`, with `*` at the end of either.
struct Explained {
    field: String,
    element: String,
}

impl Explained {
    fn is_for(&self, (field, element): &Row) -> bool {
        fits(&self.field, field) && fits(&self.element, element)
    }
}

fn fits(pattern: &str, text: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => text.starts_with(start),
        None => text == pattern,
    }
}

fn explained(mark: char) -> Vec<Explained> {
    let text = fs::read_to_string(golden("differences.txt")).unwrap();
    let lines = text.lines().filter_map(|line| line.strip_prefix(mark));
    lines
        .map(|line| {
            let (what, why) = line.split_once(": ").unwrap();
            assert!(why.len() > 8, "{line}");
            let (field, element) = what.trim().split_once(' ').unwrap();
            Explained {
                field: field.to_owned(),
                element: element.to_owned(),
            }
        })
        .collect()
}

/// Each of these rows has an explanation, and each explanation has a row.
fn all_are_explained(rows: &[&Row], mark: char) -> Vec<String> {
    let explained = explained(mark);
    let open = rows
        .iter()
        .filter(|row| !explained.iter().any(|one| one.is_for(row)));
    let mut wrong: Vec<String> = open
        .map(|(field, element)| format!("{mark} {field} {element}: ?"))
        .collect();
    let stale = explained
        .iter()
        .filter(|one| !rows.iter().any(|row| one.is_for(row)));
    wrong.extend(stale.map(|one| format!("stale: {mark} {} {}", one.field, one.element)));
    wrong
}

#[test]
fn our_table_is_what_the_reading_does() {
    let found: String = ours()
        .iter()
        .map(|(field, element)| format!("{field} {element}\n"))
        .collect();
    let path = golden("fields.txt");
    if std::env::var_os("SALUS_GOLDEN").is_some() {
        fs::write(&path, &found).unwrap();
    }
    assert_eq!(found, fs::read_to_string(&path).unwrap());
}

#[test]
fn each_difference_from_the_guide_is_explained() {
    let (ours, guide) = (ours(), guide());
    if guide.is_empty() {
        return;
    }
    assert!(guide.len() > 400, "{}", guide.len());
    // `-`: a row of the guide that is not ours. `+`: one of ours that is not the guide's.
    let missing: Vec<&Row> = guide.difference(&ours).collect();
    let more: Vec<&Row> = ours.difference(&guide).collect();
    let mut wrong = all_are_explained(&missing, '-');
    wrong.extend(all_are_explained(&more, '+'));
    assert!(
        wrong.is_empty(),
        "{} rows:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
