//! Moving, backing up and restoring, as an operator does it.

use std::fs;

use serde_json::Value;

use crate::process::{Server, json, run, with_config};
use crate::real;

const PATIENT: &str = r#"{"resourceType":"Patient","id":"a1","name":[{"family":"Åberg"}]}"#;

fn imported(data: &std::path::Path) {
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

#[test]
fn a_backup_beside_a_server_is_sealed_and_comes_back_in_an_empty_folder() {
    let folder = tempfile::tempdir().unwrap();
    let (data, disk) = (folder.path().join("data"), folder.path().join("disk"));
    let (copies, new) = (folder.path().join("copies"), folder.path().join("new"));
    fs::create_dir(&disk).unwrap();
    imported(&data);
    let server = Server::serve(&data);
    let packs = folder.path().join("packs");
    fs::create_dir(&packs).unwrap();
    fs::write(packs.join("ward-ICU.html"), "a pack").unwrap();
    let first = packs.to_str().unwrap();
    let made = json(
        &data,
        &[
            "backup",
            "record",
            "--to",
            disk.to_str().unwrap(),
            "--first",
            first,
        ],
    );
    assert!(
        made["sealed"].is_u64() && made["locked_days"].is_null(),
        "{made}"
    );
    let copied = json(&data, &["backup", "keys", "--to", copies.to_str().unwrap()]);
    let shares = folder.path().join("shares");
    let shares_to = shares.to_str().unwrap();
    let cut = json(
        &data,
        &[
            "keys", "escrow", "--shares", "3", "--needed", "2", "--to", shares_to,
        ],
    );
    assert_eq!(server.stop().code(), Some(0));

    let share = |number: usize| cut["files"][number].as_str().unwrap();
    let copy = copied["path"].as_str().unwrap();
    let keyed = json(
        &new,
        &[
            "restore",
            "keys",
            copy,
            "--share",
            share(0),
            "--share",
            share(2),
        ],
    );
    assert!(keyed["data"].is_string(), "{keyed}");
    let place = disk.to_str().unwrap();
    let log_key = new.join("keys/log.pub");
    let listed = json(
        &new,
        &[
            "restore",
            "list",
            "--from",
            place,
            "--log-key",
            log_key.to_str().unwrap(),
        ],
    );
    assert_eq!(listed["backups"][0]["events"], made["events"], "{listed}");
    let restored = json(&new, &["restore", "record", "--from", place]);
    assert_eq!(
        (&restored["events"], &restored["alterations"]),
        (&made["events"], &0.into()),
        "{restored}"
    );
    let pack = fs::read_to_string(new.join("first/ward-ICU.html"));
    assert_eq!(pack.unwrap(), "a pack", "it is there before the record");
    let (log_key, to) = (log_key.to_str().unwrap(), folder.path().join("ward"));
    let alone = [
        "restore",
        "first",
        "--from",
        place,
        "--log-key",
        log_key,
        "--to",
    ];
    let alone = json(&new, &[&alone[..], &[to.to_str().unwrap()]].concat());
    assert_eq!(alone["files"].as_array().unwrap().len(), 1, "{alone}");
    let again = run(&new, &["restore", "record", "--from", place]);
    assert_eq!(
        again.status.code(),
        Some(2),
        "what is there is not overwritten"
    );
    let server = Server::serve(&new);
    assert_eq!(server.stop().code(), Some(0));
}
