//! Paper over a real record: typed in, held against the chart, decided, sent on, until nothing is
//! left.

use axum::http::StatusCode;
use event::{Act, Body, Outcome, Role};
use lifeline::{Lifeline, PackConfig, Sum, UpstreamConfig};
use serde_json::json;
use web::{SecondFactor, Settings};

use crate::house::{Browser, House, Page};
use crate::wards;

async fn house() -> House {
    let settings = Settings {
        second_factor: SecondFactor::Optional,
        ..Settings::default()
    };
    let packs = PackConfig {
        ward: "ICU".into(),
        folders: Vec::new(),
        every_ms: 10_000,
    };
    let house = House::packing(settings, vec![packs]).await;
    wards(&house).await;
    house.person("anna", Role::Nurse, &["ICU"]).await;
    house.person("nick", Role::Nurse, &["ICU"]).await;
    house.person("mia", Role::Nurse, &["MED1"]).await;
    house.person("tomas", Role::Administrator, &[]).await;
    house
}

/// The numbers of the sheets in the ward's pack: of its patient, then of somebody without a chart.
async fn sheets(house: &House) -> (String, String) {
    house.settle().await;
    let pack = web::refresh_pack(&house.app, "ICU").await.unwrap();
    house.settle().await;
    let which = house.app.lifeline.which("ICU", house.now());
    let code = house.app.lifeline.code(&which);
    let (html, _) = lifeline::open(&pack, &code).unwrap();
    let ids: Vec<&str> = html
        .split("aria-label=\"barcode ")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap())
        .collect();
    let newcomer = ids.iter().find(|id| id.split('-').nth(1) == Some("0"));
    (ids[0].to_owned(), (*newcomer.unwrap()).to_owned())
}

const AT: [(&str, &str); 2] = [("day1", "2026-11-21"), ("time1", "10:00")];

async fn type_in(browser: &mut Browser, sheet: &str, fields: &[(&str, &str)]) -> Page {
    let mut all = vec![("number", sheet)];
    all.extend_from_slice(&AT);
    all.extend_from_slice(fields);
    let page = format!("/downtime/sheet?number={sheet}");
    browser.submit(&page, "/downtime/sheet", &all).await
}

async fn sum(house: &House) -> Sum {
    house.settle().await;
    Sum::of_all(&house.app.lifeline.sums().await.unwrap())
}

/// The index of the first entry on a page of entries.
fn first(html: &str) -> String {
    let after = html
        .split("action=\"/downtime/entries/")
        .nth(1)
        .expect("an entry");
    after.split('"').next().unwrap().to_owned()
}

const ENTRIES: &str = "/downtime/ward/ICU/entries?patient=p-icu";

async fn decide(browser: &mut Browser, page: &str, fields: &[(&str, &str)]) -> Page {
    let html = browser.get(page).await.html;
    let to = format!("/downtime/entries/{}", first(&html));
    browser.submit(page, &to, fields).await
}

fn given(outcome: &'static str, reason: &'static str) -> Vec<(&'static str, &'static str)> {
    vec![
        ("outcome", outcome),
        ("reason", reason),
        ("day0", "2026-11-21"),
        ("time0", "10:00"),
        ("kind0", "given"),
        ("what0", "Furosemide"),
        ("value0", "40"),
        ("unit0", "mg"),
        ("by0", "AK"),
    ]
}

const DOSE: [(&str, &str); 5] = [
    ("kind1", "given"),
    ("what1", "Furosemide"),
    ("value1", "40"),
    ("unit1", "mg"),
    ("by1", "AK"),
];

async fn resources(house: &House) -> Vec<(String, serde_json::Value)> {
    let sealed = house.sealed().await;
    let written = sealed.iter().filter_map(|one| match &one.event().body {
        Body::Resource(written)
            if one.event().act == Act::Create && one.event().actor.id != "salus" =>
        {
            Some((
                written.kind.clone(),
                serde_json::from_slice(&one.event().raw).unwrap(),
            ))
        }
        _ => None,
    });
    written.collect()
}

async fn verdicts(house: &House) -> Vec<Outcome> {
    let sealed = house.sealed().await;
    let verdicts = sealed.iter().filter_map(|one| match &one.event().body {
        Body::Verdict(verdict) => Some(verdict.outcome.clone()),
        _ => None,
    });
    verdicts.collect()
}

const PULSE: [(&str, &str); 6] = [
    ("outcome", "accept"),
    ("day0", "2026-11-21"),
    ("time0", "10:05"),
    ("kind0", "vital"),
    ("what0", "Pulse"),
    ("value0", "98"),
];

#[tokio::test]
async fn paper_goes_from_the_sheet_into_the_chart_until_nothing_is_left() {
    let house = house().await;
    let (sheet, _) = sheets(&house).await;
    let mut anna = house.browser("anna").await;
    let expected = [("numbers", sheet.as_str())];
    let printed = anna
        .submit("/downtime/ward/ICU", "/downtime/ward/ICU/print", &expected)
        .await;
    assert!(
        printed.html.contains("1 sheet is expected back"),
        "{}",
        printed.html
    );
    let now = sum(&house).await;
    assert_eq!((now.sheets, now.sheets_out, now.is_done()), (1, 1, false));

    let mut fields = DOSE.to_vec();
    fields.extend([
        ("day2", "2026-11-21"),
        ("time2", "10:05"),
        ("kind2", "vital"),
        ("what2", "Pulse"),
        ("value2", "88"),
    ]);
    let saved = type_in(&mut anna, &sheet, &fields).await;
    assert_eq!(saved.location(), "/downtime/ward/ICU", "{}", saved.html);
    let now = sum(&house).await;
    assert_eq!((now.sheets_out, now.rows, now.blank), (0, 16, 14));
    assert_eq!((now.typed, now.waiting), (2, 2));
    assert!(
        resources(&house).await.is_empty(),
        "it is in the chart by itself"
    );

    let accepted = decide(&mut anna, ENTRIES, &given("accept", "")).await;
    assert_eq!(accepted.status, StatusCode::SEE_OTHER, "{}", accepted.html);
    decide(&mut anna, ENTRIES, &PULSE).await;
    let now = sum(&house).await;
    assert_eq!((now.accepted, now.waiting, now.is_done()), (2, 0, true));
    assert!(anna.get("/downtime").await.html.contains("Nothing is left"));

    let written = resources(&house).await;
    let kinds: Vec<&str> = written.iter().map(|(kind, _)| kind.as_str()).collect();
    assert_eq!(
        kinds,
        [
            "MedicationAdministration",
            "Provenance",
            "Observation",
            "Provenance"
        ]
    );
    assert_eq!(
        written[0].1["effectiveDateTime"],
        "2026-11-21T10:00:00+00:00"
    );
    assert_eq!(written[2].1["valueQuantity"]["value"].to_string(), "98");
    let chart = anna.get("/patients/p-icu").await.html;
    assert!(
        chart.contains("Heart rate") && chart.contains("98"),
        "{chart}"
    );
    let verdicts = verdicts(&house).await;
    assert!(
        matches!(verdicts[0], Outcome::Accepted { .. }),
        "{verdicts:?}"
    );
    assert!(matches!(&verdicts[1], Outcome::Changed { line, .. } if line.value == "98"));
}

#[tokio::test]
async fn a_dose_that_was_given_meanwhile_is_shown_beside_it_and_needs_a_reason() {
    let house = house().await;
    let (sheet, _) = sheets(&house).await;
    for (id, json) in [
        (
            "ma",
            json!({"resourceType": "MedicationAdministration", "id": "ma", "status": "completed",
            "subject": {"reference": "Patient/p-icu"}, "effectiveDateTime": "2026-11-21T10:20:00Z",
            "medicationCodeableConcept": {"text": "Furosemide 40 mg tablet"}}),
        ),
        (
            "al",
            json!({"resourceType": "AllergyIntolerance", "id": "al", "patient": {"reference": "Patient/p-icu"},
            "code": {"text": "Furosemide"}}),
        ),
        (
            "mr",
            json!({"resourceType": "MedicationRequest", "id": "mr", "status": "stopped", "intent": "order",
            "subject": {"reference": "Patient/p-icu"}, "medicationCodeableConcept": {"text": "Furosemide"}}),
        ),
    ] {
        assert_eq!(json["id"], id);
        house.resource(Some("p-icu"), json).await;
    }
    let mut anna = house.browser("anna").await;
    type_in(&mut anna, &sheet, &DOSE).await;
    let page = anna.get(ENTRIES).await.html;
    for said in [
        "was given at 2026-11-21 10:20 already",
        "an allergy to Furosemide",
        "is stopped now",
    ] {
        assert!(page.contains(said), "no {said}: {page}");
    }
    let bare = decide(&mut anna, ENTRIES, &given("accept", "")).await;
    assert_eq!(bare.status, StatusCode::BAD_REQUEST);
    assert!(
        bare.html.contains("Something speaks against it"),
        "{}",
        bare.html
    );
    assert!(resources(&house).await.is_empty());
    let refused = decide(&mut anna, ENTRIES, &given("refuse", "it is the same dose")).await;
    assert_eq!(refused.status, StatusCode::SEE_OTHER, "{}", refused.html);
    let now = sum(&house).await;
    assert_eq!((now.refused, now.waiting), (1, 0));
    assert!(resources(&house).await.is_empty());
}

#[tokio::test]
async fn the_same_row_typed_in_twice_and_two_who_decide_at_once_have_one_effect() {
    let house = house().await;
    let (sheet, _) = sheets(&house).await;
    let mut anna = house.browser("anna").await;
    type_in(&mut anna, &sheet, &DOSE).await;
    let again = anna.get(&format!("/downtime/sheet?number={sheet}")).await;
    assert!(
        again.html.contains("This sheet was typed in before"),
        "{}",
        again.html
    );
    type_in(&mut anna, &sheet, &DOSE).await;
    let page = anna.get(ENTRIES).await.html;
    assert!(page.contains("this row was typed in twice"), "{page}");
    let one = first(&page);

    let mut nick = house.browser("nick").await;
    let to = format!("/downtime/entries/{one}");
    let fields = given("accept", "the other line is a copy");
    let first = anna.submit(ENTRIES, &to, &fields).await;
    assert_eq!(first.status, StatusCode::SEE_OTHER, "{}", first.html);
    let second = nick.submit(ENTRIES, &to, &fields).await;
    assert_eq!(second.status, StatusCode::BAD_REQUEST);
    assert!(
        second.html.contains("decided about this entry already"),
        "{}",
        second.html
    );
    assert_eq!(resources(&house).await.len(), 2);
}

#[tokio::test]
async fn whoever_had_no_chart_gets_theirs_by_the_record_number() {
    let house = house().await;
    let (_, newcomer) = sheets(&house).await;
    let mut anna = house.browser("anna").await;
    let bare = type_in(&mut anna, &newcomer, &DOSE).await;
    assert_eq!(
        bare.status,
        StatusCode::BAD_REQUEST,
        "a wristband is needed"
    );
    let mut fields = DOSE.to_vec();
    fields.push(("temporary", "T-ICU-1"));
    let saved = type_in(&mut anna, &newcomer, &fields).await;
    assert_eq!(saved.status, StatusCode::SEE_OTHER, "{}", saved.html);
    let page = "/downtime/ward/ICU/entries?temporary=T-ICU-1";
    let mut fields = given("accept", "");
    fields.push(("number", "nobody"));
    let unknown = decide(&mut anna, page, &fields).await;
    assert!(
        unknown.html.contains("There is no patient"),
        "{}",
        unknown.html
    );
    fields.pop();
    fields.push(("number", "77p-icu"));
    let done = decide(&mut anna, page, &fields).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.html);
    assert_eq!(
        resources(&house).await[0].1["subject"]["reference"],
        "Patient/p-icu"
    );
    assert!(sum(&house).await.is_done());
}

#[tokio::test]
async fn nobody_types_in_or_decides_for_another_ward() {
    let house = house().await;
    let (sheet, _) = sheets(&house).await;
    let mut anna = house.browser("anna").await;
    type_in(&mut anna, &sheet, &DOSE).await;
    let entry = first(&anna.get(ENTRIES).await.html);
    for who in ["mia", "tomas"] {
        let mut other = house.browser(who).await;
        let page = format!("/downtime/sheet?number={sheet}");
        assert_eq!(
            other.get(&page).await.status,
            StatusCode::FORBIDDEN,
            "{who}"
        );
        assert_eq!(
            other.get(ENTRIES).await.status,
            StatusCode::FORBIDDEN,
            "{who}"
        );
        let to = format!("/downtime/entries/{entry}");
        let fields = given("refuse", "none of my business");
        let refused = other.submit("/downtime", &to, &fields).await;
        assert_eq!(
            refused.status,
            StatusCode::FORBIDDEN,
            "{who}: {}",
            refused.html
        );
    }
    assert_eq!(sum(&house).await.waiting, 1);
    let forged = anna.get("/downtime/sheet?number=1-2-3-44").await;
    assert!(!forged.status.is_success());
}

#[tokio::test]
async fn a_mistake_is_said_beside_its_row_and_nothing_is_sealed() {
    let house = house().await;
    let (sheet, _) = sheets(&house).await;
    let mut anna = house.browser("anna").await;
    let before = sum(&house).await;
    let fields = [
        ("kind1", "vital"),
        ("what1", "Pulse"),
        ("value1", "high <b>"),
    ];
    let wrong = type_in(&mut anna, &sheet, &fields).await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
    assert!(
        wrong.html.contains("is no measured value"),
        "{}",
        wrong.html
    );
    assert!(
        wrong.html.contains("value=\"high &#60;b&#62;\""),
        "it is kept as it was typed"
    );
    assert_eq!(sum(&house).await, before);
}

#[tokio::test]
async fn patients_says_that_systems_are_away_and_by_whose_word() {
    let house = house().await;
    let mut tomas = house.browser("tomas").await;
    let fields = [("state", "away"), ("reason", "the EHR does not answer")];
    let said = tomas.submit("/downtime", "/downtime/away", &fields).await;
    assert_eq!(said.location(), "/downtime", "{}", said.html);
    let mut anna = house.browser("anna").await;
    let patients = anna.get("/patients").await.html;
    assert!(patients.contains("Systems are away since"), "{patients}");
    assert!(
        patients.contains("the EHR does not answer") && patients.contains("tomas of administrator")
    );
    let nurse = anna.submit("/downtime", "/downtime/away", &fields).await;
    assert_eq!(nurse.status, StatusCode::FORBIDDEN);
    let back = [("state", "back"), ("reason", "the EHR answers again")];
    tomas.submit("/downtime", "/downtime/away", &back).await;
    assert!(
        !anna
            .get("/patients")
            .await
            .html
            .contains("Systems are away")
    );
}

/// A Salus that serves over plain HTTP on this machine, with a client's token.
pub(crate) async fn upstream() -> (House, String, String) {
    let other = House::open().await;
    let made = staff::new_client([5; 32]);
    let account = event::Account {
        name: "the other Salus".into(),
        role: Role::Client,
        wards: Vec::new(),
        practitioner: None,
        secret: made.secret.clone(),
        scopes: vec!["system/*.cruds".into()],
    };
    let body = Body::Account(event::AccountChange {
        id: "downtime".into(),
        account: Some(account),
    });
    let subject = event::Subject::Account("downtime".into());
    other
        .seal(event::Event::new(
            event::Actor::salus(),
            Act::Manage,
            subject,
            body,
        ))
        .await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = other.router.clone();
    tokio::spawn(async move { axum::serve(listener, router).await });
    (other, format!("http://{address}/fhir"), made.token)
}

#[tokio::test]
async fn an_accepted_entry_reaches_the_other_system_once_however_often_it_is_sent() {
    let house = house().await;
    let (sheet, _) = sheets(&house).await;
    let mut anna = house.browser("anna").await;
    type_in(&mut anna, &sheet, &DOSE).await;
    decide(&mut anna, ENTRIES, &given("accept", "")).await;
    house.settle().await;
    let (other, url, token) = upstream().await;
    let folder = tempfile::tempdir().unwrap();
    let token_file = folder.path().join("token");
    crate::house::secret(&token_file, &token);
    let config = UpstreamConfig {
        fhir: url,
        token_file,
        ..UpstreamConfig::default()
    };
    let nobody = UpstreamConfig {
        fhir: "http://127.0.0.1:1/fhir".into(),
        ..config.clone()
    };
    assert!(web::send_round(&house.app, &nobody).await.is_err());
    let patients = anna.get("/patients").await.html;
    assert!(patients.contains("Systems are away since"), "{patients}");
    assert_eq!(
        house.app.lifeline.unsent(9).await.unwrap().len(),
        1,
        "it is kept"
    );

    web::send_round(&house.app, &config).await.unwrap();
    web::look_upstream(&house.app, &config).await.unwrap();
    assert!(
        !anna
            .get("/patients")
            .await
            .html
            .contains("Systems are away")
    );
    house.settle().await;
    assert!(house.app.lifeline.unsent(9).await.unwrap().is_empty());
    other.settle().await;
    let there = other.sealed().await;
    let written: Vec<_> = there
        .iter()
        .filter(|one| matches!(&one.event().body, Body::Resource(r) if r.kind == "MedicationAdministration"))
        .collect();
    assert_eq!(written.len(), 1);
    let value: serde_json::Value = serde_json::from_slice(&written[0].event().raw).unwrap();
    assert_eq!(value["subject"]["identifier"]["value"], "77p-icu");
    assert!(value["id"].as_str().unwrap().starts_with("captured-"));
    web::send_round(&house.app, &config).await.unwrap();
    assert_eq!(
        other.sealed().await.len(),
        there.len(),
        "nothing is sent twice"
    );
    let page = anna.get(ENTRIES).await.html;
    assert!(page.contains("taken by http://127.0.0.1"), "{page}");
}

/// Reads one message, answers it, and returns it.
async fn answered(
    mut stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    code: &str,
) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let (mut bytes, mut part) = (Vec::new(), [0; 1024]);
    while !bytes.ends_with(b"\x1c\r") {
        let read = stream.read(&mut part).await.unwrap();
        bytes.extend_from_slice(&part[..read]);
    }
    let text = String::from_utf8(bytes).unwrap();
    let control = text.split('|').nth(9).unwrap().to_owned();
    let answer = format!("\x0bMSH|^~\\&|R|R|S|S|2026||ACK|1|P|2.5\rMSA|{code}|{control}\r\x1c\r");
    stream.write_all(answer.as_bytes()).await.unwrap();
    text
}

/// A receiver that takes one connection for each answer it is given, and returns what it was sent.
async fn receiver(
    codes: &'static [&'static str],
) -> (String, tokio::task::JoinHandle<Vec<String>>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let heard = tokio::spawn(async move {
        let mut heard = Vec::new();
        for code in codes {
            let (stream, _) = listener.accept().await.unwrap();
            heard.push(answered(stream, code).await);
        }
        heard
    });
    (address, heard)
}

/// An authority, with its certificate in a file.
struct Authority(
    rcgen::CertifiedIssuer<'static, rcgen::KeyPair>,
    std::path::PathBuf,
);

impl Authority {
    fn new(folder: &std::path::Path, name: &str) -> Authority {
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = rcgen::KeyPair::generate().unwrap();
        let issuer = rcgen::CertifiedIssuer::self_signed(params, key).unwrap();
        let file = folder.join(name);
        std::fs::write(&file, issuer.pem()).unwrap();
        Authority(issuer, file)
    }

    fn identity(&self) -> (rcgen::Certificate, rcgen::KeyPair) {
        let params = rcgen::CertificateParams::new(vec!["localhost".into()]).unwrap();
        let key = rcgen::KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.0).unwrap(), key)
    }
}

/// The same over TLS, for a sender whom `authority` vouches for.
async fn tls_receiver(authority: &Authority) -> (String, tokio::task::JoinHandle<String>) {
    use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = rustls::RootCertStore::empty();
    roots.add(authority.0.der().clone()).unwrap();
    let asks = rustls::server::WebPkiClientVerifier::builder_with_provider(
        roots.into(),
        std::sync::Arc::clone(&provider),
    );
    let (certificate, key) = authority.identity();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(asks.build().unwrap())
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(std::sync::Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let heard = tokio::spawn(async move {
        // Whoever does not prove who they are, or believes another authority, is heard by nobody.
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            if let Ok(stream) = acceptor.accept(stream).await {
                return answered(stream, "AA").await;
            }
        }
    });
    (format!("tls://localhost:{port}"), heard)
}

#[tokio::test]
async fn a_message_goes_over_tls_to_a_receiver_that_both_sides_know() {
    let house = house().await;
    let (sheet, _) = sheets(&house).await;
    let mut anna = house.browser("anna").await;
    type_in(&mut anna, &sheet, &DOSE).await;
    decide(&mut anna, ENTRIES, &given("accept", "")).await;
    house.settle().await;
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path(), "hospital.pem");
    let stranger = Authority::new(folder.path(), "stranger.pem");
    let (mllp, heard) = tls_receiver(&authority).await;
    let (certificate, key) = authority.identity();
    let own = (folder.path().join("own.pem"), folder.path().join("own.key"));
    std::fs::write(&own.0, certificate.pem()).unwrap();
    std::fs::write(&own.1, key.serialize_pem()).unwrap();
    let known = UpstreamConfig {
        mllp,
        authorities: authority.1.clone(),
        certificate: own.0,
        key: own.1,
        ..UpstreamConfig::default()
    };
    let mut nameless = known.clone();
    nameless.certificate = std::path::PathBuf::new();
    let mut fooled = known.clone();
    fooled.authorities = stranger.1;
    for wrong in [nameless, fooled] {
        assert!(web::send_round(&house.app, &wrong).await.is_err());
    }
    web::send_round(&house.app, &known).await.unwrap();
    assert!(house.app.lifeline.unsent(9).await.unwrap().is_empty());
    assert!(heard.await.unwrap().contains("|40|mg|"));
}

#[tokio::test]
async fn a_message_that_was_not_taken_is_sent_again_under_the_same_name() {
    let house = house().await;
    let (sheet, _) = sheets(&house).await;
    let mut anna = house.browser("anna").await;
    type_in(&mut anna, &sheet, &DOSE).await;
    decide(&mut anna, ENTRIES, &given("accept", "")).await;
    house.settle().await;
    let (mllp, heard) = receiver(&["AE", "AA"]).await;
    let config = UpstreamConfig {
        mllp,
        ..UpstreamConfig::default()
    };
    assert!(web::send_round(&house.app, &config).await.is_err());
    assert_eq!(house.app.lifeline.unsent(9).await.unwrap().len(), 1);
    web::send_round(&house.app, &config).await.unwrap();
    assert!(house.app.lifeline.unsent(9).await.unwrap().is_empty());
    let heard = heard.await.unwrap();
    let name = |text: &String| text.split('|').nth(9).unwrap().to_owned();
    assert_eq!(name(&heard[0]), name(&heard[1]));
    assert!(
        heard[0].contains("PID|1||77p-icu^^^^MR") && heard[0].contains("|40|mg|"),
        "{heard:?}"
    );
}

#[tokio::test]
async fn how_often_a_pack_was_opened_is_typed_in_and_a_slip_is_refused() {
    let house = house().await;
    let lifeline = &house.app.lifeline;
    let which = lifeline.which("ICU", house.now());
    let number = Lifeline::openings_number("ICU", &lifeline.code(&which), 3);
    let mut anna = house.browser("anna").await;
    let before = house.app.record.size();
    let slip = number.replacen('3', "4", 1);
    for wrong in ["4-7K3", "3", slip.as_str()] {
        let fields = [("ward", "ICU"), ("computer", "PC 3"), ("number", wrong)];
        let refused = anna
            .submit("/downtime", "/downtime/openings", &fields)
            .await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{wrong}");
    }
    assert_eq!(house.app.record.size(), before, "nothing was sealed");
    let fields = [
        ("ward", "ICU"),
        ("computer", "PC 3"),
        ("number", number.as_str()),
    ];
    let done = anna
        .submit("/downtime", "/downtime/openings", &fields)
        .await;
    assert!(
        done.html.contains("3 openings of the pack of ward ICU"),
        "{}",
        done.html
    );
    let sealed = house.app.record.read(before, 1).await.unwrap();
    let Body::PackOpenings(one) = &sealed[0].event().body else {
        panic!("another event was sealed");
    };
    assert_eq!((one.ward.as_str(), one.times), ("ICU", 3));
}
