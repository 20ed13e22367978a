//! `salus compare` between two real servers: one is the EHR of the other.

use std::fs;

use serde_json::json as value;

use crate::healing::{curl, observation, put};
use crate::process::{Server, json, secret, with_config};

#[test]
fn an_edit_in_the_ehr_is_found_by_salus_compare() {
    let root = tempfile::tempdir().unwrap();
    let ehr = Server::serve(&root.path().join("ehr"));
    let client = |data: &std::path::Path, id: &str| {
        let made = json(data, &["client", "add", id, "--scope", "system/*.cruds"]);
        made["token"].as_str().unwrap().to_owned()
    };
    let theirs = client(&ehr.data, "salus");
    secret(&root.path().join("token"), &theirs);
    let config = root.path().join("salus.toml");
    let path = |name: &str| root.path().join(name).display().to_string();
    let text = format!(
        "data = \"{}\"\n[upstream]\nfhir = \"{}\"\ntoken_file = \"{}\"\nauthorities = \"{}\"\n\
         compare_grace_ms = 0\n",
        path("ours"),
        ehr.text("fhir"),
        path("token"),
        ehr.certificate().display()
    );
    fs::write(&config, text).unwrap();
    let ours = root.path().join("ours");
    let server = Server::start(&ours, &["--config", config.to_str().unwrap(), "serve"]);
    let own = client(&ours, "ehr");
    for (to, token) in [(&ehr, &theirs), (&server, &own)] {
        put(to, token, &value!({"resourceType": "Patient", "id": "p1"}));
        for id in ["a", "b", "c"] {
            put(to, token, &observation(id, 4.1));
        }
    }
    let whole = with_config(&config, &["compare"]);
    assert_eq!(
        (
            &whole["read"],
            &whole["changed"],
            &whole["missing"],
            &whole["unknown"]
        ),
        (&value!(4), &value!(0), &value!(0), &value!(0)),
        "{whole}"
    );
    put(&ehr, &theirs, &observation("a", 9.9));
    put(&ehr, &theirs, &observation("forged", 1.0));
    let url = format!("{}/Observation/b", ehr.text("fhir"));
    curl(&ehr, &theirs, &["-X", "DELETE", &url]);
    let found = with_config(&config, &["compare"]);
    assert_eq!(
        (
            &found["changed"],
            &found["missing"],
            &found["unknown"],
            &found["told"]
        ),
        (&value!(1), &value!(1), &value!(1), &value!(3)),
        "{found}"
    );
    let again = with_config(&config, &["compare"]);
    assert_eq!(again["told"], value!(0), "{again}");
    server.stop();
    ehr.stop();
    let alone = with_config(&config, &["compare"]);
    assert!(
        alone.as_str().unwrap_or_default().contains("127.0.0.1"),
        "{alone}"
    );
}
