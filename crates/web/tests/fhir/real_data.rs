//! What real generators wrote, through the real door.

use std::io::Read;
use std::path::{Path, PathBuf};

use axum::http::Method;
use serde_json::Value;

use crate::house::{BASE, House, Reply};

/// Where sample data lies beside the sources, if it is there.
fn data() -> Option<PathBuf> {
    let given = std::env::var_os("SALUS_SHARED_DATA").map(PathBuf::from);
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .find(|folder| folder.join("crates").is_dir())?;
    let beside = root.parent().map(|folder| folder.join("shared/data"));
    given.or(beside).filter(|folder| folder.is_dir())
}

fn read(path: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).unwrap();
    flate2::read::GzDecoder::new(file)
        .read_to_end(&mut bytes)
        .unwrap();
    bytes
}

/// Bundles of whole patients, those that others refer to first; all of the large ones would take
/// minutes without optimization, so every eighth.
fn synthea(folder: &Path) -> Vec<PathBuf> {
    let files = std::fs::read_dir(folder).unwrap();
    let mut files: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    files.sort();
    let (first, patients): (Vec<PathBuf>, Vec<PathBuf>) = files
        .into_iter()
        .partition(|path| path.to_string_lossy().contains("Information"));
    first
        .into_iter()
        .chain(patients.into_iter().step_by(8))
        .collect()
}

async fn transact(house: &House, bytes: Vec<u8>) -> Reply {
    house.write((Method::POST, "/"), (&[], bytes)).await
}

/// The resource without what the server sets.
fn meaning(resource: &Value) -> Value {
    let mut resource = resource.clone();
    let map = resource.as_object_mut().unwrap();
    map.remove("id");
    let profile = map
        .get("meta")
        .and_then(|meta| meta.get("profile"))
        .cloned();
    map.remove("meta");
    map.extend(profile.map(|profile| ("profile".to_owned(), profile)));
    resource
}

/// `/Type/id/_history/version` of each entry of a response.
fn places(reply: &Value) -> Vec<String> {
    let entries = reply["entry"].as_array().unwrap();
    let place = |entry: &Value| {
        let place = entry["response"]["location"].as_str().unwrap();
        place.strip_prefix(BASE).unwrap().to_owned()
    };
    entries.iter().map(place).collect()
}

/// The resource as it should be read: references to other entries by their new names.
fn linked(entry: &Value, (entries, places): (&[Value], &[String])) -> Value {
    let mut text = entry["resource"].to_string();
    for (other, place) in entries.iter().zip(places) {
        let url = other["fullUrl"].as_str().unwrap_or("-");
        let name = place[1..].split("/_history").next().unwrap();
        text = text.replace(&format!("\"{url}\""), &format!("\"{name}\""));
    }
    serde_json::from_str(&text).unwrap()
}

#[tokio::test]
async fn synthetic_patients_come_back_with_the_same_meaning() {
    let Some(data) = data() else { return };
    let house = House::open().await;
    let (mut patients, mut resources) = (0, 0);
    for path in synthea(&data.join("fhir/synthea-r4")) {
        let bytes = read(&path);
        let bundle: Value = serde_json::from_slice(&bytes).unwrap();
        let entries = bundle["entry"].as_array().unwrap();
        let answer = transact(&house, bytes).await;
        assert_eq!(answer.code(), 200, "{path:?}: {}", answer.json());
        let places = places(&answer.json());
        assert_eq!(places.len(), entries.len());
        for (entry, place) in entries.iter().zip(&places).step_by(29) {
            let read = house.get(place).await;
            assert_eq!(read.code(), 200, "{place}");
            let sent = linked(entry, (entries, &places));
            assert_eq!(meaning(&read.json()), meaning(&sent), "{place}");
        }
        patients += 1;
        resources += entries.len();
    }
    assert!(
        patients > 10 && resources > 3_000,
        "{patients}, {resources}"
    );
}
