//! `salus send`, as an interface analyst uses it.

use serde_json::Value;

use crate::healing::curl;
use crate::process::{Server, json, run};

#[test]
fn a_test_message_of_every_kind_is_taken_and_stands_in_the_chart() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::serve(&folder.path().join("data"));
    let mllp = server.mllp();
    let sent = run(folder.path(), &["--format", "json", "send", &mllp, "--all"]);
    let said = String::from_utf8_lossy(&sent.stdout).into_owned();
    let all: Vec<Value> = serde_json::from_slice(&sent.stdout).unwrap();
    assert!(all.len() > 20, "{said}");
    // Who may ask for patients is written down for each feed; for this one it is not.
    let refused: Vec<&Value> = all.iter().filter(|one| one["taken"] != true).collect();
    assert_eq!(refused.len(), 1, "{said}");
    assert_eq!(refused[0]["what"], "QBP^Q22", "{said}");
    assert!(refused[0]["said"].as_str().unwrap().contains("`queries`"));
    assert_eq!(sent.status.code(), Some(1), "{said}");
    // What was taken is on the chart a moment later.
    assert!(json(&server.data, &["refold", "chart"])["events"].is_u64());
    let client = json(
        &server.data,
        &["client", "add", "look", "--scope", "system/*.rs"],
    );
    let token = client["token"].as_str().unwrap();
    for kind in [
        "Patient?identifier=SALUS-TEST-1",
        "Encounter",
        "ServiceRequest",
        "Observation?code=2823-3",
        "MedicationRequest",
        "MedicationAdministration",
        "Immunization",
        "Appointment",
        "DocumentReference",
        "Condition",
    ] {
        let url = format!("{}/{kind}", server.text("fhir"));
        let found = curl(&server, token, &[&url]);
        assert!(found["entry"][0].is_object(), "{kind}: {found}");
    }
    // What a receiver refuses is said in its own words.
    let odd = folder.path().join("odd.hl7");
    std::fs::write(&odd, "PID|1\r").unwrap();
    let odd = odd.to_str().unwrap();
    let refused = run(folder.path(), &["send", &mllp, "--file", odd]);
    assert_eq!(refused.status.code(), Some(1));
    let said = String::from_utf8_lossy(&refused.stdout);
    assert!(said.contains("REFUSED") && said.contains("AR"), "{said}");
    let fhir = server.text("fhir");
    let certificate = server.certificate();
    let certificate = certificate.to_str().unwrap();
    let refused = run(
        folder.path(),
        &["send", &fhir, "--authorities", certificate],
    );
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stdout).contains("HTTP 401"));
    let nobody = run(folder.path(), &["send", "127.0.0.1:1"]);
    assert_eq!(nobody.status.code(), Some(2));
}
