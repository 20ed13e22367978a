use std::fs;

use seal::{LogVerifier, Proof, leaf_hash};

use crate::process::{Server, json, run, salus};

const PATIENT: &str = r#"{"resourceType":"Patient","id":"a1","name":[{"family":"Åberg"}]}"#;

#[test]
fn files_come_in_once_and_refusals_say_why() {
    let folder = tempfile::tempdir().unwrap();
    let (data, files) = (folder.path().join("data"), folder.path().join("files"));
    fs::create_dir(&files).unwrap();
    fs::write(files.join("a.json"), PATIENT).unwrap();
    let lines = format!(
        "{}\n{}\n",
        PATIENT.replace("a1", "a2"),
        r#"{"resourceType":"Patient","x":1}"#
    );
    fs::write(files.join("b.ndjson"), lines).unwrap();
    fs::write(
        files.join("c.hl7"),
        "MSH|^~\\&|L|F|S|F|20261121||ORU^R01|1|P|2.5\rPID|1||9^^^X^MR\r",
    )
    .unwrap();
    let path = files.to_str().unwrap();
    let imported = json(&data, &["import", path]);
    assert_eq!(imported["accepted"], 3, "{imported}");
    assert_eq!(imported["refused"], 1);
    assert!(
        imported["refusals"][0]["why"]
            .as_str()
            .unwrap()
            .contains('x'),
        "{imported}"
    );
    let again = json(&data, &["import", path]);
    assert_eq!(
        (again["accepted"].as_u64(), again["skipped"].as_u64()),
        (Some(0), Some(3))
    );
    assert_eq!(
        run(&data, &["import", "no/such/file"]).status.code(),
        Some(2)
    );
}

/// The import died after the server had committed a part and before that was noted.
#[test]
fn an_interrupted_import_takes_nothing_twice() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = Server::serve(&data);
    let nameless =
        |family: &str| format!(r#"{{"resourceType":"Patient","name":[{{"family":"{family}"}}]}}"#);
    let twins = format!("{0}\n{0}\n{1}\n", nameless("Twin"), nameless("Single"));
    let bundle = format!(
        r#"{{"resourceType":"Bundle","type":"transaction","entry":[
            {{"request":{{"method":"POST","url":"Patient"}},"resource":{}}}]}}"#,
        nameless("Bundled")
    );
    for (name, content, count) in [("lines.ndjson", &twins, 3), ("one.json", &bundle, 1)] {
        let file = folder.path().join(name);
        fs::write(&file, content).unwrap();
        let import = || {
            json(
                &data,
                &["import", "--feed", "import", file.to_str().unwrap()],
            )
        };
        let first = import();
        assert_eq!(first["accepted"], count, "{first}");
        let notes = data.join("imports.json");
        let mut done: serde_json::Value =
            serde_json::from_slice(&fs::read(&notes).unwrap()).unwrap();
        for mark in done["files"].as_object_mut().unwrap().values_mut() {
            *mark = serde_json::json!({"parts": 0, "whole": false, "begun": 1});
        }
        fs::write(&notes, done.to_string()).unwrap();
        let again = import();
        assert_eq!(
            (again["accepted"].as_u64(), again["repeated"].as_u64()),
            (Some(0), Some(count)),
            "{again}"
        );
        fs::remove_file(&notes).unwrap();
        assert_eq!(
            import()["accepted"],
            count,
            "without a note it is another import"
        );
    }
    drop(server);
}

#[test]
fn commands_work_beside_a_running_server() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = Server::serve(&data);
    let file = folder.path().join("a.json");
    fs::write(&file, PATIENT).unwrap();
    assert_eq!(
        json(&data, &["import", file.to_str().unwrap()])["accepted"],
        1
    );
    let made = json(
        &data,
        &["client", "add", "ris", "--scope", "system/Patient.rs"],
    );
    assert!(
        made["token"].as_str().unwrap().starts_with("salus_"),
        "{made}"
    );
    let wrong = run(&data, &["client", "add", "x", "--scope", "patient/*.read"]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(
        json(&data, &["refold", "chart"])["events"]
            .as_u64()
            .unwrap()
            > 1
    );
    assert_eq!(run(&data, &["verify"]).status.code(), Some(0));
    let doctor = json(&data, &["doctor"]);
    let states = doctor
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (&one["what"], &one["state"]));
    assert!(
        states.clone().all(|(_, state)| state != "wrong"),
        "{doctor}"
    );
    assert!(
        states
            .clone()
            .any(|(what, state)| what == "server" && state == "ok"),
        "{doctor}"
    );
    assert!(server.stop().success());
}

#[test]
fn a_proof_is_checked_with_the_public_key_alone() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let file = folder.path().join("a.json");
    fs::write(&file, PATIENT).unwrap();
    json(&data, &["import", file.to_str().unwrap()]);
    let out = folder.path().join("proofs");
    let written = json(&data, &["proof", "1", "--out", out.to_str().unwrap()]);
    let key = fs::read_to_string(data.join("keys/log.pub")).unwrap();
    assert_eq!(written["public_key"].as_str(), Some(key.trim()));
    let proof = Proof::from_text(&fs::read_to_string(out.join("1.tlog-proof")).unwrap()).unwrap();
    let entry = fs::read(out.join("1.entry")).unwrap();
    assert!(
        proof
            .verify(&leaf_hash(&entry), &LogVerifier::new(&key).unwrap())
            .is_ok()
    );
    assert_eq!(run(&data, &["proof", "999"]).status.code(), Some(2));
}

#[test]
fn an_edited_record_is_named_and_the_exit_code_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let file = folder.path().join("a.json");
    fs::write(&file, PATIENT).unwrap();
    json(&data, &["import", file.to_str().unwrap()]);
    let pack = fs::read_dir(data.join("vault/pack/000.p"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let mut bytes = fs::read(&pack).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&pack, bytes).unwrap();
    let output = run(&data, &["verify"]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(
        said.contains("ALTERED") && said.contains("patient/a1"),
        "{said}"
    );
}

#[test]
fn completions_are_printed_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = salus().args(["completions", shell]).output().unwrap();
        assert!(
            output.status.success() && output.stdout.len() > 1_000,
            "{shell}"
        );
    }
}

#[test]
fn the_configuration_can_be_looked_at_and_checked() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    assert_eq!(json(&data, &["config", "check"])["ok"], true);
    let shown = String::from_utf8(run(&data, &["config", "show"]).stdout).unwrap();
    assert!(shown.contains("batch_events_max = 1000"), "{shown}");
}

#[test]
fn the_doctor_of_nothing_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(&folder.path().join("none"), &["doctor"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        String::from_utf8(output.stdout)
            .unwrap()
            .contains("salus serve")
    );
}
