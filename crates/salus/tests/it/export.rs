//! What leaves the house as a file.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use event::{
    Act, Actor, ActorKind, Body, Clock, Event, ExportAnswered, ExportAsked, Leaves, Role, Subject,
    Time,
};
use guard::{Standing, admit};
use serde_json::Value;

use crate::process::{Server, json, run};

const CHARTS: &str = r##"{"resourceType":"Practitioner","id":"doc","name":[{"family":"Mireles","given":["Octavio"]}]}
{"resourceType":"Patient","id":"a1","identifier":[{"system":"urn:x","value":"QX-4186027"}],"name":[{"family":"Oyelaran","given":["Ngozi"]}],"birthDate":"1985-09-28","telecom":[{"system":"phone","value":"523-976-3762"}]}
{"resourceType":"Patient","id":"a2","name":[{"family":"Korpal","given":["Agnieszka"]}],"birthDate":"1931-09-28"}
{"resourceType":"Encounter","id":"e1","status":"finished","class":{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"IMP"},"subject":{"reference":"Patient/a1"},"period":{"start":"2013-06-22T10:30:00Z","end":"2013-06-25T08:00:00Z"}}
{"resourceType":"Observation","id":"o1","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"8867-4","display":"Heart rate"}]},"subject":{"reference":"Patient/a1","display":"Ngozi Oyelaran"},"performer":[{"reference":"Practitioner/doc","display":"Octavio Mireles"}],"valueQuantity":{"value":72,"unit":"/min"},"note":[{"text":"OYELARAN, NGOZI (qx4186027): call 523 976 3762. Dr. Mireles placed a Foley catheter."}]}
{"resourceType":"Provenance","id":"pr1","target":[{"reference":"Patient/a1"}],"recorded":"2013-06-22T10:30:00Z","agent":[{"who":{"reference":"Practitioner/doc","display":"Octavio Mireles"}}]}
{"resourceType":"Binary","id":"b1","contentType":"text/plain","data":"Tmdvemk="}
"##;

const SECRETS: [&str; 8] = [
    "oyelaran",
    "ngozi",
    "4186027",
    "9763762",
    "korpal",
    "agnieszka",
    "mireles",
    "octavio",
];

fn imported(folder: &Path) -> std::path::PathBuf {
    let data = folder.join("data");
    let file = folder.join("charts.ndjson");
    fs::write(&file, CHARTS).unwrap();
    let imported = json(&data, &["import", file.to_str().unwrap()]);
    assert_eq!(imported["refused"], 0, "{imported}");
    data
}

/// What two people say on the page Access, Exports; the number of the request.
async fn agreed(data: &Path) -> String {
    agreed_that(data, ("all charts", Some(Leaves::Charts))).await
}

/// The same, of a request that says in words alone what is to leave.
pub(crate) async fn agreed_to(data: &Path, what: &str) -> String {
    agreed_that(data, (what, None)).await
}

/// The same, of what is to leave.
pub(crate) async fn agreed_that(data: &Path, (what, leaves): (&str, Option<Leaves>)) -> String {
    let config = record::Config::new(data.to_owned());
    let record = record::Record::open(config, Arc::new(Now)).await.unwrap();
    let seal = async |id: &str, body: Body| {
        let actor = Actor {
            kind: ActorKind::Person,
            id: id.into(),
            name: id.into(),
            role: Role::PrivacyOfficer,
        };
        let event = Event::new(actor, Act::Export, Subject::Record, body);
        let admitted = admit(event.into(), Standing::Salus, "").unwrap();
        record.admit(vec![admitted]).await.unwrap()[0].index
    };
    let words = || "the registry asks for it".to_owned();
    let asked = ExportAsked {
        what: what.into(),
        recipient: "the registry".into(),
        reason: words(),
        leaves,
    };
    let request = seal("pia", Body::ExportAsked(asked)).await;
    let answered = ExportAnswered {
        request,
        approved: true,
        reason: words(),
    };
    seal("ada", Body::ExportAnswered(answered)).await;
    record.stop().await;
    request.to_string()
}

pub(crate) struct Now;

impl Clock for Now {
    fn now(&self) -> Time {
        let since = std::time::UNIX_EPOCH.elapsed().unwrap();
        Time::from_millis(since.as_millis().try_into().unwrap())
    }
}

fn exporting<'a>(number: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["export", "--deidentify", "--agreed", number], more].concat()
}

fn lines(folder: &Path, kind: &str) -> Vec<Value> {
    let text = fs::read_to_string(folder.join(format!("{kind}.ndjson"))).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Bytes of the resources in a folder, in none of whose files a secret is left.
fn searched(out: &Path) -> usize {
    let mut bytes = 0;
    for entry in fs::read_dir(out).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let packed: String = text
            .to_lowercase()
            .chars()
            .filter(|letter| letter.is_alphanumeric())
            .collect();
        for secret in SECRETS {
            assert!(
                !packed.contains(secret),
                "{secret} in {}: {text}",
                path.display()
            );
        }
        if path.extension().is_some_and(|ending| ending == "ndjson") {
            bytes += text.len() - text.lines().count();
        }
    }
    bytes
}

#[tokio::test]
async fn charts_leave_without_whose_they_are_and_the_report_says_what_was_done() {
    let folder = tempfile::tempdir().unwrap();
    let data = imported(folder.path());
    let number = agreed(&data).await;
    let out = folder.path().join("out");
    let to = [
        "--reason",
        "registry 2026-14",
        "--to",
        out.to_str().unwrap(),
    ];
    let args = exporting(&number, &to);
    let report = json(&data, &args);
    assert_eq!(report["patients"], 2, "{report}");
    assert_eq!(report["known_identifiers"], 0);
    assert!(report["masked"]["name"].as_u64().unwrap() > 3, "{report}");
    let left_out = report["left_out"]["Binary"].as_object().unwrap();
    assert_eq!(left_out.values().next(), Some(&1.into()), "{report}");
    let bytes = searched(&out);
    assert_eq!(report["searched_bytes"].as_u64(), Some(bytes as u64));
    assert_eq!(lines(&out, "Provenance").len(), 1);
    let patients = lines(&out, "Patient");
    let observation = &lines(&out, "Observation")[0];
    let subject = observation["subject"]["reference"].as_str().unwrap();
    let named = |patient: &Value| subject == format!("Patient/{}", patient["id"].as_str().unwrap());
    assert!(patients.iter().any(named));
    assert!(
        patients
            .iter()
            .any(|patient| patient.get("birthDate").is_none()),
        "older than 89"
    );
    assert!(
        observation["note"][0]["text"]
            .as_str()
            .unwrap()
            .contains("Foley catheter")
    );
    let period = &lines(&out, "Encounter")[0]["period"];
    let day = |key: &str| {
        period[key].as_str().unwrap()[..10]
            .parse::<jiff::civil::Date>()
            .unwrap()
    };
    assert_eq!((day("end") - day("start")).get_days(), 3);
    assert_ne!(day("start").to_string(), "2013-06-22");
    assert!(
        fs::read_to_string(out.join("report.txt"))
            .unwrap()
            .contains("0 known identifiers in")
    );
    // The same folder is not written to twice.
    assert_eq!(run(&data, &args).status.code(), Some(2));
    assert_eq!(run(&data, &["verify"]).status.code(), Some(0));
}

#[tokio::test]
async fn an_export_needs_a_reason_and_has_the_same_pseudonyms_under_the_same_secret() {
    let folder = tempfile::tempdir().unwrap();
    let data = imported(folder.path());
    let number = agreed(&data).await;
    let server = Server::serve(&data);
    let secret = folder.path().join("project.key");
    fs::write(&secret, [7; 32]).unwrap();
    let to = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let blank = ["--reason", "  ", "--to", &to("none")];
    let refused = run(&data, &exporting(&number, &blank));
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("give the reason for it"));
    let bare = ["export", "--agreed", &number, "--reason", "x", "--to"];
    let bare = run(&data, &[&bare, &[to("bare").as_str()][..]].concat());
    assert_eq!(bare.status.code(), Some(2));
    let alone = ["--reason", "x", "--to", &to("alone")];
    let alone = run(&data, &exporting("1", &alone));
    assert_eq!(alone.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&alone.stderr).contains("there is no request for an export"));
    let ids = |name: &str, more: &[&str]| {
        let folder = to(name);
        let how = ["--dates", "year", "--reason", "follow-up", "--to", &folder];
        let args = exporting(&number, &[&how, more].concat());
        let report = json(&data, &args);
        assert_eq!(report["patients"], 2, "{report}");
        let mut ids: Vec<String> = lines(Path::new(&folder), "Patient")
            .iter()
            .map(|patient| patient["id"].to_string())
            .collect();
        ids.sort();
        ids
    };
    let key = ["--secret", secret.to_str().unwrap()];
    let first = ids("first", &key);
    assert_eq!(first, ids("second", &key));
    assert_ne!(first, ids("third", &[]));
    assert_eq!(
        lines(Path::new(&to("first")), "Encounter")[0]["period"]["start"],
        "2013"
    );
    assert!(server.stop().success());
}

#[tokio::test]
async fn an_export_is_asked_for_and_listed_by_command() {
    let folder = tempfile::tempdir().unwrap();
    let data = imported(folder.path());
    let all = [
        "--what",
        "all charts",
        "--recipient",
        "the registry",
        "--reason",
        "registry 2026-14",
        "--leaves",
        "charts",
    ];
    let half = run(&data, &[&["export-request"], &all[..4]].concat());
    assert_eq!(half.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&half.stderr).contains("--reason"));
    let asked = json(&data, &[&["export-request"], &all[..]].concat());
    assert_eq!(asked[0]["asker"], "the operator of this machine");
    assert_eq!(asked[0]["state"], "waits for another person");
    let number = asked[0]["number"].to_string();
    let out = folder.path().join("early");
    let to = ["--reason", "registry", "--to", out.to_str().unwrap()];
    let early = run(&data, &exporting(&number, &to));
    assert_eq!(early.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&early.stderr).contains("nobody has agreed"));
    let agreed = agreed(&data).await;
    let server = Server::serve(&data);
    let listed = json(&data, &["export-request"]);
    assert!(server.stop().success());
    assert_eq!(listed.as_array().unwrap().len(), 2);
    assert_eq!(listed[0]["number"].to_string(), agreed);
    assert_eq!(listed[0]["state"], "ada agreed");
    assert!(listed[0]["until"].as_str().unwrap().ends_with('Z'));
    let told = run(&data, &["export-request"]);
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    let command = format!("salus export --deidentify --agreed {agreed}");
    assert!(told.contains(&command), "{told}");
}

#[tokio::test]
async fn an_agreement_about_something_else_lets_no_charts_out() {
    let folder = tempfile::tempdir().unwrap();
    let data = imported(folder.path());
    let study = Leaves::Study {
        study: "1.2.3".into(),
    };
    let study = agreed_that(&data, ("all charts", Some(study))).await;
    let words = agreed_to(&data, "all charts").await;
    let nobody = Leaves::Ward { ward: "ICU".into() };
    let nobody = agreed_that(&data, ("the ward", Some(nobody))).await;
    let one = Leaves::Patients {
        patients: vec!["a2".into(), "zz".into()],
    };
    let one = agreed_that(&data, ("two charts", Some(one))).await;
    let to = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    for (number, says) in [
        (&study, "agreed to something else"),
        (&words, "only in words"),
    ] {
        let out = to(number);
        let how = ["--reason", "registry 2026-14", "--to", &out];
        let refused = run(&data, &exporting(number, &how));
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(2), "{said}");
        assert!(said.contains(says), "{said}");
        assert_eq!(fs::read_dir(&out).unwrap().count(), 0);
    }
    let out = to("nobody");
    let how = ["--reason", "registry 2026-14", "--to", &out];
    assert_eq!(json(&data, &exporting(&nobody, &how))["patients"], 0);
    let out = to("one");
    let how = ["--reason", "registry 2026-14", "--to", &out];
    let report = json(&data, &exporting(&one, &how));
    assert_eq!(report["patients"], 1, "{report}");
    assert_eq!(lines(Path::new(&out), "Patient").len(), 1);
    assert!(report["resources"].get("Observation").is_none(), "{report}");
    let refused = report["refused"]["Patient"].as_object().unwrap();
    assert!(
        refused.keys().any(|why| why.contains("no chart")),
        "{report}"
    );
    let told = run(&data, &["export-request"]);
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    let command = format!("salus deidentify --study 1.2.3 --agreed {study}");
    assert!(
        told.contains(&command) && told.contains("the charts of a2, zz"),
        "{told}"
    );
}
