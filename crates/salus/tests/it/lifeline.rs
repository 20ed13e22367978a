//! Moving, backing up and restoring, as an operator does it.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::process::{Server, json, run, with_config};
use crate::real;

const PATIENT: &str = r#"{"resourceType":"Patient","id":"a1","name":[{"family":"Åberg"}]}"#;

fn imported(data: &Path) {
    let file = data.with_file_name("a.json");
    fs::write(&file, PATIENT).unwrap();
    let taken = json(data, &["import", file.to_str().unwrap()]);
    assert_eq!(taken["accepted"], 1, "{taken}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_installation_moves_to_a_database_and_serves_from_there() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    imported(&data);
    let storage = real::address_by_tls(&real::database().await);
    let credentials = real::credentials(folder.path());
    let objects = real::bucket_line(&real::locked_bucket(), &credentials);
    let server = Server::serve(&data);
    let ahead = json(&data, &["move", "--to", &storage, "--objects", &objects]);
    assert_eq!(ahead["finished"], false, "{ahead}");
    assert_eq!(server.stop().code(), Some(0));
    let moved = json(&data, &["move", "--to", &storage, "--objects", &objects]);
    assert_eq!(
        (&moved["finished"], &moved["storage"]),
        (&true.into(), &Value::from(&*storage)),
        "{moved}"
    );

    // The old place says where it went.
    let old = run(&data, &["serve"]);
    assert_eq!(old.status.code(), Some(2));
    let said = String::from_utf8_lossy(&old.stderr).into_owned();
    assert!(said.contains("was moved to `postgres://"), "{said}");
    let config = folder.path().join("salus.toml");
    let text = format!(
        "data = \"{}\"\nstorage = \"{storage}\"\nobjects = \"{objects}\"\n",
        data.display()
    );
    fs::write(&config, text).unwrap();
    let server = Server::start(&data, &["--config", config.to_str().unwrap(), "serve"]);
    let verified = with_config(&config, &["verify"]);
    assert_eq!(verified["alterations"], Value::Array(vec![]), "{verified}");
    assert_eq!(server.stop().code(), Some(0));
    let back = with_config(&config, &["move", "--to", "file", "--objects", "file"]);
    assert_eq!(back["finished"], true, "{back}");
    let verified = json(&data, &["verify"]);
    assert_eq!(verified["alterations"], Value::Array(vec![]), "{verified}");
}

/// One command line; no path in it has a blank.
fn said(data: &Path, line: &str) -> Value {
    json(data, &line.split_whitespace().collect::<Vec<_>>())
}

#[test]
fn a_backup_beside_a_server_is_sealed_and_comes_back_in_an_empty_folder() {
    let folder = tempfile::tempdir().unwrap();
    let [data, disk, copies, packs, shares, new, ward] =
        ["data", "disk", "copies", "packs", "shares", "new", "ward"]
            .map(|name| folder.path().join(name));
    let [disk, copies, packs, shares, ward] =
        [disk, copies, packs, shares, ward].map(|path| path.to_str().unwrap().to_owned());
    fs::create_dir(&disk).unwrap();
    fs::create_dir(&packs).unwrap();
    fs::write(Path::new(&packs).join("ward-ICU.html"), "a pack").unwrap();
    imported(&data);
    let server = Server::serve(&data);
    let made = said(&data, &format!("backup record --to {disk} --first {packs}"));
    assert!(
        made["sealed"].is_u64() && made["locked_days"].is_null(),
        "{made}"
    );
    let copied = said(&data, &format!("backup keys --to {copies}"));
    let cut = said(
        &data,
        &format!("keys escrow --shares 3 --needed 2 --to {shares}"),
    );
    assert_eq!(server.stop().code(), Some(0));

    let share = |number: usize| cut["files"][number].as_str().unwrap();
    let copy = copied["path"].as_str().unwrap();
    let (one, two) = (share(0), share(2));
    let keyed = said(
        &new,
        &format!("restore keys {copy} --share {one} --share {two}"),
    );
    assert!(keyed["data"].is_string(), "{keyed}");
    let packs_key = |data: &Path| fs::read(data.join("keys/packs.key")).unwrap();
    assert_eq!(packs_key(&new), packs_key(&data), "cards stay good");
    let key = new.join("keys/log.pub").display().to_string();
    let listed = said(&new, &format!("restore list --from {disk} --log-key {key}"));
    assert_eq!(listed["backups"][0]["events"], made["events"], "{listed}");
    let line = format!("restore first --from {disk} --log-key {key} --to {ward}");
    let alone = said(&new, &line);
    assert_eq!(alone["files"].as_array().unwrap().len(), 1, "{alone}");
    let restored = said(&new, &format!("restore record --from {disk}"));
    let found = (&restored["events"], &restored["alterations"]);
    assert_eq!(found, (&made["events"], &0.into()), "{restored}");
    let pack = fs::read_to_string(new.join("first/ward-ICU.html"));
    assert_eq!(pack.unwrap(), "a pack", "it was there before the record");
    let again = run(&new, &["restore", "record", "--from", &disk]);
    assert_eq!(
        again.status.code(),
        Some(2),
        "what is there is not overwritten"
    );
    let server = Server::serve(&new);
    assert_eq!(server.stop().code(), Some(0));
}

#[test]
fn an_installation_comes_back_and_a_pack_of_thirty_patients_is_small() {
    let folder = tempfile::tempdir().unwrap();
    let measured = json(
        folder.path(),
        &["bench", "--only", "recover", "--patients", "70"],
    );
    // Ten of each patient, their stays, and forty wards.
    assert_eq!(measured["resources"], 700 + 70 + 40, "{measured}");
    let kilobytes = measured["pack_kb"].as_f64().unwrap();
    assert!((1.0..400.0).contains(&kilobytes), "{kilobytes} KB");
    assert!(measured["events"].as_u64().unwrap() > 810, "{measured}");
}

#[test]
fn the_server_makes_its_backups_by_itself_and_the_packs_come_back_first() {
    let folder = tempfile::tempdir().unwrap();
    let [data, disk, keys, lab, packs, new] =
        ["data", "disk", "keys", "lab", "packs", "new"].map(|name| folder.path().join(name));
    for made in [&disk, &lab, &packs] {
        fs::create_dir(made).unwrap();
    }
    fs::write(lab.join("a.txt"), "potassium 4.1").unwrap();
    fs::write(packs.join("ward-ICU.html"), "a pack").unwrap();
    fs::write(packs.join("holiday.jpg"), "no pack").unwrap();
    imported(&data);
    let config = folder.path().join("salus.toml");
    let text = format!(
        "data = \"{}\"\n[[backups.record]]\nto = \"{disk}\"\n[[backups.keys]]\nto = \"{}\"\n\
         [[backups.files]]\nname = \"lab\"\nto = \"{disk}\"\npaths = [\"{}\"]\n\
         [[packs]]\nward = \"ICU\"\nfolders = [\"{}\"]\nevery_ms = 86400000\n",
        data.display(),
        keys.display(),
        lab.display(),
        packs.display(),
        disk = disk.display(),
    );
    fs::write(&config, text).unwrap();
    let server = Server::start(&data, &["--config", config.to_str().unwrap(), "serve"]);
    let made = |folder: &Path, count: usize| {
        fs::read_dir(folder).is_ok_and(|files| files.flatten().count() >= count)
    };
    // The manifests of the record and of the folders, and a copy of the keys.
    while !(made(&disk.join("manifest"), 1) && made(&disk.join("pins"), 1) && made(&keys, 1)) {
        std::thread::yield_now();
    }
    assert_eq!(server.stop().code(), Some(0));
    let key = data.join("keys/log.pub");
    let line = format!(
        "restore first --from {} --log-key {} --to {}",
        disk.display(),
        key.display(),
        new.display()
    );
    let first = said(&data, &line);
    assert_eq!(first["files"].as_array().unwrap().len(), 1, "{first}");
    assert!(new.join("ward-ICU.html").exists(), "{first}");
}
