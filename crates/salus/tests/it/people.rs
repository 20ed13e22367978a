//! Other people's programs against the real server. They are installed by `./test`.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process::{Server, json};

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/real")
        .canonicalize()
        .unwrap()
}

fn installed() -> PathBuf {
    let home = std::env::var_os("SALUS_REAL_HOME").map(PathBuf::from);
    let home = home.unwrap_or_else(|| {
        PathBuf::from(std::env::var_os("HOME").unwrap()).join(".cache/salus/real")
    });
    assert!(
        home.join(".ready-5").exists(),
        "run `./test`, which installs what this test needs"
    );
    home
}

#[test]
fn senders_clients_and_verifiers_of_others_work_against_salus() {
    installed();
    let folder = tempfile::tempdir().unwrap();
    // The people of these scripts have passwords only; `people.py` shows the other factors.
    let config = folder.path().join("salus.toml");
    std::fs::write(&config, "[web]\nsecond_factor = \"optional\"\n").unwrap();
    let args = ["--config", config.to_str().unwrap(), "serve"];
    let server = Server::start(&folder.path().join("data"), &args);
    let made = json(
        &server.data,
        &["client", "add", "real", "--scope", "system/*.cruds"],
    );
    let output = Command::new("bash")
        .arg(scripts().join("run.sh"))
        .env("SALUS_FHIR", server.text("fhir"))
        .env("SALUS_TOKEN", made["token"].as_str().unwrap())
        .env("SALUS_CA", server.certificate())
        .env("SALUS_MLLP", server.mllp())
        .env("SALUS_DATA", &server.data)
        .env("SALUS_SETUP", server.text("setup"))
        .env("SALUS_BINARY", env!("CARGO_BIN_EXE_salus"))
        .output()
        .unwrap();
    let (said, why) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{said}\n{why}");
    assert!(!said.contains("failed"), "{said}");
    assert!(server.stop().success());
}

#[test]
fn every_page_works_in_a_browser() {
    let home = installed();
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start(&folder.path().join("data"), &["demo", "--speed", "0"]);
    let opened = server.until("the hospital is open");
    assert!(opened.contains("the hospital is open"), "{opened}");
    let output = Command::new(home.join("venv/bin/python"))
        .arg(scripts().join("pages.py"))
        .env("SALUS_READY", server.ready.to_string())
        .env("SALUS_SHOTS", folder.path())
        .output()
        .unwrap();
    let (said, why) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{said}\n{why}");
    assert!(server.stop().success());
}

#[test]
fn people_sign_in_with_passkeys_and_through_a_real_provider_and_leave() {
    let home = installed();
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(home.join("venv/bin/python"))
        .arg(scripts().join("people.py"))
        .env("SALUS_BIN", env!("CARGO_BIN_EXE_salus"))
        .env("SALUS_SHOTS", folder.path())
        .output()
        .unwrap();
    let (said, why) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{said}\n{why}");
}
