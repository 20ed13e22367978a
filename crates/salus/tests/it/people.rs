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

pub(crate) fn installed() -> PathBuf {
    let home = std::env::var_os("SALUS_REAL_HOME").map(PathBuf::from);
    let home = home.unwrap_or_else(|| {
        PathBuf::from(std::env::var_os("HOME").unwrap()).join(".cache/salus/real")
    });
    let setup = std::fs::read_to_string(scripts().join("setup.sh")).unwrap();
    let stamp = setup
        .split("$home/")
        .find(|part| part.starts_with(".ready-"));
    let stamp = stamp.and_then(|part| part.split('"').next()).unwrap();
    assert!(
        home.join(stamp).exists(),
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

/// A script that starts a server of its own.
fn by_itself(script: &str) {
    installed();
    let output = Command::new("timeout")
        .args(["300", "bash"])
        .arg(scripts().join(script))
        .arg(env!("CARGO_BIN_EXE_salus"))
        .output()
        .unwrap();
    let (said, why) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{said}\n{why}");
    assert!(said.contains("ok "), "{said}");
}

#[test]
fn openssl_finds_good_tls_and_no_other() {
    by_itself("tls.sh");
}

#[test]
fn what_the_demo_hospital_answers_is_read_by_the_models_of_others() {
    by_itself("demo.sh");
}

#[test]
fn the_audit_trail_arrives_whole_at_rsyslog() {
    by_itself("audit.sh");
}

#[test]
fn rsyslog_is_heard_over_tls() {
    by_itself("signals.sh");
}

#[test]
fn images_come_from_dcmtk_pynetdicom_and_orthanc() {
    by_itself("dicom.sh");
}

#[test]
fn images_are_pulled_from_orthanc_and_dcmqrscp() {
    by_itself("pull.sh");
}

#[test]
fn images_are_fetched_by_order_at_a_page() {
    by_itself("fetch_page.sh");
}

#[test]
fn the_root_key_can_live_in_softhsm() {
    by_itself("softhsm.sh");
}

#[test]
fn a_wards_pack_opens_in_a_browser_when_salus_is_gone() {
    let home = installed();
    let folder = tempfile::tempdir().unwrap();
    let packs = folder.path().join("packs");
    std::fs::create_dir(&packs).unwrap();
    let config = folder.path().join("salus.toml");
    let wanted = format!("[[packs]]\nward = \"*\"\nfolders = [{packs:?}]\nevery_ms = 1000\n");
    std::fs::write(&config, wanted).unwrap();
    let args = ["--config", config.to_str().unwrap(), "demo", "--speed", "0"];
    let mut server = Server::start(&folder.path().join("data"), &args);
    let opened = server.until("the hospital is open");
    assert!(opened.contains("the hospital is open"), "{opened}");
    let ready = server.ready.to_string();
    let run = |what: &str| {
        let output = Command::new(home.join("venv/bin/python"))
            .arg(scripts().join("pack.py"))
            .arg(what)
            .arg(&packs)
            .env("SALUS_READY", &ready)
            .env("SALUS_SHOTS", folder.path())
            .output()
            .unwrap();
        let (said, why) = (
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        assert!(output.status.success(), "{said}\n{why}");
    };
    run("card");
    assert!(server.stop().success());
    run("open");
}
