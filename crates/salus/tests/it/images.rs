//! Objects that come over DICOMweb (STOW-RS), as an HTTP client sends them.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json as value};
use wire::dicom::{Syntax, VR, Writer, file, tags};

use crate::process::{Server, json, salus};

pub(crate) const CT: &str = "1.2.840.10008.5.1.4.1.1.2";
pub(crate) const EVERYTHING: [&str; 2] = ["system/ImagingStudy.cruds", "system/Patient.crus"];

/// A file of study 1.2, of patient 4711.
pub(crate) fn slice(instance: &str, name: &str) -> Vec<u8> {
    let set = Writer::new(Syntax::EXPLICIT)
        .text(tags::SPECIFIC_CHARACTER_SET, VR::CS, "ISO_IR 192")
        .text(tags::SOP_CLASS_UID, VR::UI, CT)
        .text(tags::SOP_INSTANCE_UID, VR::UI, instance)
        .text(tags::MODALITY, VR::CS, "CT")
        .text(tags::PATIENT_NAME, VR::PN, name)
        .text(tags::PATIENT_ID, VR::LO, "4711")
        .text(tags::STUDY_INSTANCE_UID, VR::UI, "1.2")
        .text(tags::SERIES_INSTANCE_UID, VR::UI, "1.2.1")
        .bytes(tags::PIXEL_DATA, VR::OW, &[7; 5_000])
        .finish();
    [
        file(CT, instance, Syntax::EXPLICIT_UID, "PLUGIN"),
        set.clone(),
    ]
    .concat()
}

pub(crate) fn client(data: &Path, id: &str, scopes: &[&str]) -> String {
    let mut args = vec!["client", "add", id];
    for scope in scopes {
        args.extend(["--scope", scope]);
    }
    json(data, &args)["token"].as_str().unwrap().to_owned()
}

/// A body of parts.
fn body(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    for (kind, content) in parts {
        out.extend(format!("--frontier\r\nContent-Type: {kind}\r\n\r\n").bytes());
        out.extend_from_slice(content);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"--frontier--\r\n");
    out
}

/// Status and answer to a request.
fn ask(server: &Server, token: &str, rest: &[&str]) -> (u16, Vec<u8>) {
    let output = Command::new("curl")
        .args(["-sS", "--cacert"])
        .arg(server.certificate())
        .args(["-w", "\n%{http_code}", "-H"])
        .arg(format!("Authorization: Bearer {token}"))
        .args(rest)
        .output()
        .unwrap();
    let at = output.stdout.iter().rposition(|byte| *byte == b'\n');
    let (answer, code) = output.stdout.split_at(at.unwrap());
    let code = String::from_utf8_lossy(code).trim().parse().unwrap();
    (code, answer.to_vec())
}

/// Stores a body; the status and what is told.
pub(crate) fn stow(server: &Server, token: &str, (path, sent): (&str, &[u8])) -> (u16, Value) {
    let kept = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(kept.path(), sent).unwrap();
    let url = format!("{}/dicomweb/{path}", server.text("url"));
    let kind = "Content-Type: multipart/related; type=\"application/dicom\"; boundary=\"frontier\"";
    let data = format!("@{}", kept.path().display());
    let (code, answer) = ask(
        server,
        token,
        &["-H", kind, "-H", "Expect:", "--data-binary", &data, &url],
    );
    (code, serde_json::from_slice(&answer).unwrap_or_default())
}

fn get(server: &Server, token: &str, (path, accept): (&str, &str)) -> (u16, Vec<u8>) {
    let url = format!("{}/dicomweb/{path}", server.text("url"));
    ask(server, token, &["-H", &format!("Accept: {accept}"), &url])
}

pub(crate) fn of(parts: &[&[u8]]) -> Vec<u8> {
    let parts: Vec<(&str, &[u8])> = parts
        .iter()
        .map(|one| ("application/dicom", *one))
        .collect();
    body(&parts)
}

/// The reasons of a list of failures.
fn reasons(told: &Value, list: &str) -> Vec<u64> {
    let items = told[list]["Value"].as_array().cloned().unwrap_or_default();
    let reason = |item: &Value| item["00081197"]["Value"][0].as_u64().unwrap();
    items.iter().map(reason).collect()
}

#[test]
fn objects_that_are_stored_over_the_web_are_sealed_as_those_of_an_association() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::serve(folder.path());
    let token = client(folder.path(), "plugin", &EVERYTHING);
    let (one, mut two) = (slice("1.2.1.1", "Doe^Jane"), slice("1.2.1.2", "Doe^Jane"));
    // One that is a program to others.
    two[..2].copy_from_slice(b"MZ");
    let (code, told) = stow(&server, &token, ("studies", &of(&[&one, &two])));
    assert_eq!(code, 200, "{told}");
    let good = told["00081199"]["Value"].as_array().unwrap();
    assert_eq!(good.len(), 2, "{told}");
    assert_eq!(good[0]["00081155"]["Value"], value!(["1.2.1.1"]));
    let url = format!(
        "{}/dicomweb/studies/1.2/series/1.2.1/instances/1.2.1.2",
        server.text("url")
    );
    assert_eq!(good[1]["00081190"]["Value"], value!([url]));
    assert!(told.get("00081198").is_none(), "{told}");
    // They are on the chart, and come back as they went.
    let (code, found) = get(&server, &token, ("instances", "application/dicom+json"));
    let found: Value = serde_json::from_slice(&found).unwrap();
    assert_eq!((code, found.as_array().map(Vec::len)), (200, Some(2)));
    let parts = "multipart/related; type=\"application/dicom\"; transfer-syntax=*";
    let (_, got) = get(&server, &token, ("studies/1.2", parts));
    let has = |wanted: &[u8]| got.windows(wanted.len()).any(|some| some == wanted);
    assert!(has(&one));
    assert!(!has(&two), "the head of a program stays");
    two[..2].fill(0);
    assert!(has(&two));
    // Once more it is there already; other bytes under its UID are an alteration.
    let again = stow(&server, &token, ("studies/1.2", &of(&[&one])));
    assert_eq!((again.0, reasons(&again.1, "00081198")), (200, vec![]));
    let other = of(&[&slice("1.2.1.1", "Roe^Jane")]);
    let (code, told) = stow(&server, &token, ("studies", &other));
    assert_eq!((code, reasons(&told, "00081198")), (409, vec![0x0111]));
    assert!(server.stop().success());
    let verified = json(folder.path(), &["verify"]);
    assert_eq!(verified["alterations"], value!([]), "{verified}");
}

#[test]
fn what_cannot_be_stored_is_told_beside_what_was() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::serve(folder.path());
    let token = client(folder.path(), "plugin", &EVERYTHING);
    let good = slice("1.2.1.1", "Doe^Jane");
    // Of another instance than its head says; cut; no file at all; of no type that is stored.
    let mut lies = slice("1.2.1.2", "Doe^Jane");
    let at = lies
        .windows(7)
        .rposition(|some| some == b"1.2.1.2")
        .unwrap();
    lies[at + 6] = b'3';
    let cut = &slice("1.2.1.4", "Doe^Jane")[..600];
    let dicom = "application/dicom";
    let sent = body(&[
        (dicom, &lies),
        (dicom, &good),
        (dicom, cut),
        (dicom, b"garbage"),
        ("image/jpeg", b"\xff\xd8"),
    ]);
    let (code, told) = stow(&server, &token, ("studies", &sent));
    assert_eq!(code, 202, "{told}");
    assert_eq!(reasons(&told, "00081198"), [0xA900, 0xC000], "{told}");
    assert_eq!(reasons(&told, "0008119A"), [0xC000, 0xC000], "{told}");
    // To a study of which it is not.
    let (code, told) = stow(&server, &token, ("studies/1.3", &of(&[&good])));
    assert_eq!((code, reasons(&told, "00081198")), (409, vec![0xA900]));
    // A body that is none, or that ends too early: what was whole is stored.
    let kind = |kind: &str| {
        let url = format!("{}/dicomweb/studies", server.text("url"));
        let kind = format!("Content-Type: {kind}");
        ask(&server, &token, &["-H", &kind, "-d", "x", &url]).0
    };
    assert_eq!(kind("application/dicom"), 415);
    assert_eq!(
        kind("multipart/related; type=\"image/jpeg\"; boundary=x"),
        415
    );
    assert_eq!(kind("multipart/related"), 400);
    assert_eq!(kind("multipart/related; boundary=x"), 400);
    let whole = of(&[&slice("1.2.1.7", "Doe^Jane"), &slice("1.2.1.8", "Doe^Jane")]);
    let (code, told) = stow(&server, &token, ("studies", &whole[..whole.len() - 3_000]));
    assert_eq!((code, reasons(&told, "0008119A")), (202, vec![0xC000]));
    assert_eq!(
        told["00081199"]["Value"][0]["00081155"]["Value"][0],
        "1.2.1.7"
    );
}

#[test]
fn who_may_not_write_studies_stores_none() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::serve(folder.path());
    let good = of(&[&slice("1.2.1.1", "Doe^Jane")]);
    let reader = client(
        folder.path(),
        "reader",
        &["system/ImagingStudy.rs", "system/Patient.rs"],
    );
    assert_eq!(stow(&server, &reader, ("studies", &good)).0, 403);
    assert_eq!(stow(&server, "nonsense", ("studies", &good)).0, 401);
    let narrow = client(
        folder.path(),
        "narrow",
        &["system/ImagingStudy.cu?status=available"],
    );
    assert_eq!(stow(&server, &narrow, ("studies", &good)).0, 403);
    // Who may make studies may not add to one that is there.
    let maker = client(
        folder.path(),
        "maker",
        &["system/ImagingStudy.c", "system/Patient.cr"],
    );
    assert_eq!(stow(&server, &maker, ("studies", &good)).0, 200);
    let all = client(folder.path(), "all", &EVERYTHING);
    let (_, found) = get(&server, &all, ("studies", "application/dicom+json"));
    assert!(found.len() > 2, "it is on the chart");
    let more = of(&[&slice("1.2.1.2", "Doe^Jane")]);
    let (code, told) = stow(&server, &maker, ("studies", &more));
    assert_eq!((code, reasons(&told, "00081198")), (409, vec![0x0124]));
    assert_eq!(stow(&server, &all, ("studies", &more)).0, 200);
}

#[test]
fn a_refusal_is_heard_however_much_is_still_being_sent() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::serve(folder.path());
    let kept = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(kept.path(), "x".repeat(60_000)).unwrap();
    let data = format!("@{}", kept.path().display());
    let url = format!("{}/Patient", server.text("fhir"));
    let kind = "Content-Type: application/fhir+json";
    for _ in 0..40 {
        let sent = ["-H", kind, "-H", "Expect:", "--data-binary", &data, &url];
        assert_eq!(ask(&server, "nonsense", &sent).0, 401);
    }
}

#[test]
fn who_may_write_no_patients_makes_and_fills_none() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::serve(folder.path());
    let token = client(folder.path(), "plugin", &["system/ImagingStudy.cu"]);
    let all = client(folder.path(), "all", &EVERYTHING);
    let patients = |token: &str| {
        // What was stored is on the chart a moment later.
        assert!(json(folder.path(), &["refold", "chart"])["events"].is_u64());
        let url = format!("{}/fhir/Patient", server.text("url"));
        let (code, found) = ask(&server, token, &[&url]);
        assert_eq!(code, 200);
        serde_json::from_slice::<Value>(&found).unwrap()
    };
    let good = of(&[&slice("1.2.1.1", "Doe^Jane"), &slice("1.2.1.2", "Doe^Jane")]);
    let (code, told) = stow(&server, &token, ("studies", &good));
    assert_eq!((code, reasons(&told, "00081198")), (409, vec![0x0124; 2]));
    assert_eq!(patients(&all)["entry"], Value::Null);
    // Of a patient who is there it stores, and what is not known of them stays unknown.
    let nameless = of(&[&slice("1.2.1.3", "")]);
    assert_eq!(stow(&server, &all, ("studies", &nameless)).0, 200);
    let name = |found: &Value| found["entry"][0]["resource"]["name"][0]["family"].clone();
    assert_eq!(name(&patients(&all)), Value::Null);
    let (code, told) = stow(&server, &token, ("studies", &good));
    assert_eq!(code, 200, "{told}");
    assert_eq!(name(&patients(&all)), Value::Null);
    // Who may update patients fills it.
    let more = of(&[&slice("1.2.1.4", "Doe^Jane")]);
    assert_eq!(stow(&server, &all, ("studies", &more)).0, 200);
    assert_eq!(name(&patients(&all)), "Doe");
    assert!(server.stop().success());
    let verified = json(folder.path(), &["verify"]);
    assert_eq!(verified["alterations"], value!([]), "{verified}");
}

#[test]
fn one_request_stores_so_much_and_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("salus.toml");
    let data = folder.path().join("data");
    let config = format!(
        "data = {data:?}\n[web]\ndicomweb_stored_max = 1\ndicomweb_stored_bytes_max = 20000\n\
         [dicom]\nobject_bytes_max = 6000\n"
    );
    std::fs::write(&file, config).unwrap();
    let mut command = salus();
    command.args(["--format", "json", "--config"]).arg(&file);
    command.args(["serve", "--listen", "127.0.0.1:0", "--mllp", "127.0.0.1:0"]);
    let server = Server::spawn(command, &data);
    let token = client(&data, "plugin", &EVERYTHING);
    let (one, two) = (slice("1.2.1.1", "Doe^Jane"), slice("1.2.1.2", "Doe^Jane"));
    let (code, told) = stow(&server, &token, ("studies", &of(&[&one, &two])));
    assert_eq!((code, reasons(&told, "0008119A")), (202, vec![0xA700]));
    let long = of(&[&[&one[..], &[0; 2_000]].concat()]);
    let (code, told) = stow(&server, &token, ("studies", &long));
    assert_eq!((code, reasons(&told, "0008119A")), (409, vec![0xA700]));
    let (code, _) = stow(&server, &token, ("studies", &of(&[&[0; 20_000]])));
    assert_eq!(code, 413);
}
