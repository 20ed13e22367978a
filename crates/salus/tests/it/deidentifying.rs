//! DICOM files leave without whose they are, whole or not at all.

use std::fs;
use std::path::Path;

use wire::dicom::{DataSet, Limits, Syntax, VR, Writer, file, part10, scan, tags};

use crate::export::agreed_to;
use crate::images::{EVERYTHING, client, of, slice, stow};
use crate::process::{Server, json, run, with_config};

const CT: &str = "1.2.840.10008.5.1.4.1.1.2";
const SECONDARY: &str = "1.2.840.10008.5.1.4.1.1.7";

fn picture(path: &Path, (class, instance): (&str, &str)) {
    let set = Writer::new(Syntax::EXPLICIT)
        .text(tags::SOP_CLASS_UID, VR::UI, class)
        .text(tags::SOP_INSTANCE_UID, VR::UI, instance)
        .text(tags::STUDY_DATE, VR::DA, "20240229")
        .text(tags::PATIENT_NAME, VR::PN, "Oyelaran^Ngozi")
        .text(tags::PATIENT_ID, VR::LO, "4186027")
        .text(tags::STUDY_INSTANCE_UID, VR::UI, "1.2.3")
        .bytes(tags::PIXEL_DATA, VR::OW, &[1, 2, 3, 4])
        .finish();
    let head = file(class, instance, Syntax::EXPLICIT_UID, "CT1");
    fs::write(path, [head, set].concat()).unwrap();
}

/// The files of a folder, by name.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let mut names: Vec<String> = entries
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn with(bytes: &[u8], look: impl Fn(&DataSet<'_>)) {
    let part = part10(bytes).unwrap();
    look(&scan(&bytes[part.data_at..], part.syntax, &Limits::default()).unwrap());
}

/// Two pictures that may leave, one whose pixels may name somebody, and what is none.
fn some(came: &Path) {
    fs::create_dir(came).unwrap();
    picture(&came.join("Oyelaran 1.dcm"), (CT, "1.2.3.1"));
    picture(&came.join("Oyelaran 2.dcm"), (CT, "1.2.3.2"));
    picture(&came.join("screen.dcm"), (SECONDARY, "1.2.3.3"));
    fs::write(came.join("notes.txt"), "no picture").unwrap();
}

/// A file that left: named after its new UID, and nothing of whose it is in it.
fn leaves_nobody(path: &Path) {
    let name = path.file_name().unwrap().to_str().unwrap();
    assert!(name.starts_with("2.25."), "{name}");
    let bytes = fs::read(path).unwrap();
    let text = String::from_utf8_lossy(&bytes);
    for word in ["Oyelaran", "Ngozi", "4186027", "1.2.3", "20240229"] {
        assert!(!text.contains(word), "{word}");
    }
    with(&bytes, |set| {
        assert_eq!(set.ascii(tags::PATIENT_IDENTITY_REMOVED), "YES");
        assert_eq!(set.ascii(tags::PATIENT_ID).len(), 16);
        assert_eq!(set.bytes(tags::PIXEL_DATA), [1, 2, 3, 4]);
    });
}

#[test]
fn deidentified_files_are_whole_and_what_may_name_stays() {
    let folder = tempfile::tempdir().unwrap();
    let (data, came, to) = (
        folder.path().join("data"),
        folder.path().join("came"),
        folder.path().join("out"),
    );
    some(&came);
    let secret = folder.path().join("project.key");
    fs::write(&secret, [7; 32]).unwrap();
    let (from, out) = (came.to_str().unwrap(), to.to_str().unwrap());
    let args = [
        "deidentify",
        from,
        "--to",
        out,
        "--secret-file",
        secret.to_str().unwrap(),
    ];

    let report = json(&data, &args);
    assert_eq!(
        (&report["left"], &report["refused"]),
        (&2.into(), &2.into()),
        "{report}"
    );
    let refused: Vec<&str> = report["files"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|one| one["refused"].as_str())
        .collect();
    assert!(refused[0].contains("DICM"), "{report}");
    assert!(refused[1].contains("--pixels-looked-at"), "{report}");
    let first = names(&to);
    assert_eq!(first.len(), 2, "{first:?}");
    first.iter().for_each(|name| leaves_nobody(&to.join(name)));

    // The same once more: nothing is overwritten.
    let again = json(&data, &args);
    assert_eq!(again["left"], 0, "{again}");
    assert!(again.to_string().contains("is there already"), "{again}");
    assert_eq!(run(&data, &args).status.code(), Some(1));
    assert_eq!(names(&to), first);

    // The same secret gives the same names elsewhere, another secret others.
    let (same, other) = (folder.path().join("same"), folder.path().join("other"));
    let args = [
        "deidentify",
        from,
        "--to",
        same.to_str().unwrap(),
        "--secret-file",
        secret.to_str().unwrap(),
        "--pixels-looked-at",
        "--dates",
        "shift",
    ];
    let report = json(&data, &args);
    assert_eq!(report["left"], 3, "{report}");
    assert!(
        report["files"].to_string().contains("burned into"),
        "{report}"
    );
    assert!(first.iter().all(|name| names(&same).contains(name)));
    with(&fs::read(same.join(&first[0])).unwrap(), |set| {
        let date = set.ascii(tags::STUDY_DATE);
        assert!(date.len() == 8 && date != "20240229", "{date}");
    });
    json(
        &data,
        &["deidentify", from, "--to", other.to_str().unwrap()],
    );
    assert!(names(&other).iter().all(|name| !first.contains(name)));
    assert!(!data.exists(), "no record is made for it");
}

#[test]
fn deidentifying_needs_files_and_a_secret_that_is_long() {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("out");
    let (short, out) = (folder.path().join("short"), to.to_str().unwrap());
    fs::write(&short, [7; 15]).unwrap();
    picture(&folder.path().join("a.dcm"), (CT, "1.2.3.1"));
    let from = folder.path().join("a.dcm");
    let from = from.to_str().unwrap();
    let short = short.to_str().unwrap();
    for args in [
        ["deidentify", from, "--to", out, "--secret-file", short],
        [
            "deidentify",
            "no/such/file",
            "--to",
            out,
            "--dates",
            "shift",
        ],
    ] {
        assert_eq!(run(folder.path(), &args).status.code(), Some(2), "{args:?}");
    }
    assert!(!to.exists());
}

/// A house with a study of two objects, and the number of a request for it that another person agreed to.
async fn with_a_study(data: &Path, what: &str) -> String {
    let server = Server::serve(data);
    let token = client(data, "plugin", &EVERYTHING);
    let both = of(&[&slice("1.2.1.1", "Doe^Jane"), &slice("1.2.1.2", "Doe^Jane")]);
    assert_eq!(stow(&server, &token, ("studies", &both)).0, 200);
    assert!(server.stop().success());
    agreed_to(data, what).await
}

#[tokio::test]
async fn what_two_people_agreed_to_lets_no_other_study_out() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let all = with_a_study(&data, "all charts").await;
    let longer = agreed_to(&data, "the study 1.2.1").await;
    let to = folder.path().join("out");
    for number in [all, longer] {
        let report = json(
            &data,
            &[
                "deidentify",
                "--study",
                "1.2",
                "--agreed",
                &number,
                "--to",
                to.to_str().unwrap(),
                "--reason",
                "registry 2026-14",
            ],
        );
        let said = report.to_string();
        assert!(said.contains("the images of the study `1.2`"), "{said}");
    }
    assert!(names(&to).is_empty());
}

/// Takes a study out by the number of a request.
fn leaving<'a>(to: &'a Path, (study, agreed): (&'a str, &'a str)) -> Vec<&'a str> {
    let to = ["--to", to.to_str().unwrap()];
    let why = ["--reason", "registry 2026-14"];
    let what = ["deidentify", "--study", study, "--agreed", agreed];
    [&what[..], &to, &why].concat()
}

/// The text without the UIDs that were made for it: their digits fall as they fall, and may be those of a number.
fn without_new_uids(text: &str) -> String {
    let mut parts = text.split("2.25.");
    let mut rest = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        rest.push_str(part.trim_start_matches(|digit: char| digit.is_ascii_digit()));
    }
    rest
}

#[tokio::test]
async fn a_study_of_the_record_leaves_by_the_word_of_two_people() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let number = with_a_study(&data, "the images of 1.2, and of the study 1.9.").await;
    let leave = |to: &Path, of: (&str, &str)| json(&data, &leaving(to, of));
    let nobody = |to: &Path| {
        let names = names(to);
        assert_eq!(names.len(), 2, "{names:?}");
        for name in names {
            assert!(name.starts_with("2.25."), "{name}");
            let bytes = fs::read(to.join(name)).unwrap();
            let text = without_new_uids(&String::from_utf8_lossy(&bytes));
            for word in ["Doe", "4711", "1.2.1.1"] {
                assert!(!text.contains(word), "{word}");
            }
        }
    };
    // Without a server, and beside one.
    let alone = folder.path().join("alone");
    let report = leave(&alone, ("1.2", &number));
    assert_eq!(
        (&report["left"], &report["refused"]),
        (&2.into(), &0.into()),
        "{report}"
    );
    let file = report["files"][0]["file"].as_str().unwrap();
    assert!(file.starts_with("event "), "{file}");
    nobody(&alone);
    let server = Server::serve(&data);
    let beside = folder.path().join("beside");
    assert_eq!(leave(&beside, ("1.2", &number))["left"], 2);
    nobody(&beside);
    assert!(server.stop().success());
    // The guard is asked again for each object.
    let config = folder.path().join("salus.toml");
    fs::write(
        &config,
        format!("data = {data:?}\n[web]\nimages_permit_ms = 0\n"),
    )
    .unwrap();
    let again = folder.path().join("again");
    let args = leaving(&again, ("1.2", &number));
    assert_eq!(with_config(&config, &args)["left"], 2);
    nobody(&again);
    let refused = folder.path().join("refused");
    let unknown = leave(&refused, ("1.9", &number)).to_string();
    assert!(unknown.contains("no study `1.9`"), "{unknown}");
    let alone = leave(&refused, ("1.2", "1")).to_string();
    assert!(alone.contains("no request"), "{alone}");
    assert!(names(&refused).is_empty());
    let config = record::Config::new(data.clone());
    let record = record::Record::open(config, std::sync::Arc::new(crate::export::Now))
        .await
        .unwrap();
    let sealed = record.read(0, 10_000).await.unwrap();
    let detail = format!("de-identified images of the study 1.2, as agreed to in request {number}");
    let decided = sealed.iter().filter(|one| match &one.event().body {
        event::Body::Decision(decided) => decided.allowed && decided.detail == detail,
        _ => false,
    });
    // Once for each of the first two, and once more for each object of the third.
    assert_eq!(decided.count(), 5);
    record.stop().await;
}
