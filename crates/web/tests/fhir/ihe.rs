//! `$ihe-pix` (IHE PIXm, ITI-83) and `$match` (IHE PDQm, ITI-119).

use event::{Act, Actor, Body, Event, Message, Subject};
use guard::{Standing, admit};
use serde_json::{Value, json};
use web::Settings;

use crate::house::{BASE, House};

const LAB: &str = "urn:oid:1.3.6.1.4.1.21367.13.20.1000";
const MAIN: &str = "urn:salus:authority:MAIN";

fn person(identifiers: &[(&str, &str)], (family, given): (&str, &str), birth: &str) -> Value {
    let one = |(system, value): &(&str, &str)| json!({"system": system, "value": value});
    let identifiers: Vec<Value> = identifiers.iter().map(one).collect();
    json!({
        "resourceType": "Patient",
        "identifier": identifiers,
        "name": [{"family": family, "given": [given]}],
        "gender": "female",
        "birthDate": birth,
    })
}

/// `targetIdentifier`s as `system|value` in order of text, and the `targetId`s.
fn told(answer: &Value) -> (Vec<String>, Vec<String>) {
    assert_eq!(answer["resourceType"], "Parameters", "{answer}");
    let all = answer["parameter"].as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (mut identifiers, mut ids) = (Vec::new(), Vec::new());
    for one in &all {
        let identifier = &one["valueIdentifier"];
        match one["name"].as_str() {
            Some("targetIdentifier") => identifiers.push(format!(
                "{}|{}",
                text(&identifier["system"]),
                text(&identifier["value"])
            )),
            Some("targetId") => ids.push(text(&one["valueReference"]["reference"])),
            other => panic!("{other:?}"),
        }
    }
    identifiers.sort();
    (identifiers, ids)
}

#[tokio::test]
async fn pix_gives_the_other_identifiers_of_a_patient_as_iti_83_has_it() {
    let house = House::open().await;
    let anna = person(
        &[(LAB, "L,7"), ("urn:mrn", "100"), ("urn:insurance", "9|9")],
        ("Mohr", "Alice"),
        "1958-01-30",
    );
    let id = house.post("/Patient", &anna).await.id();
    let other = person(&[(LAB, "8")], ("Maier", "Bea"), "1960-01-30");
    let other = house.post("/Patient", &other).await.id();
    let pix = async |query: &str| house.get(&format!("/Patient/$ihe-pix?{query}")).await;
    let patient = format!("Patient/{id}");
    let all = pix(&format!("sourceIdentifier={LAB}|L,7")).await;
    assert_eq!(all.code(), 200, "{}", all.json());
    assert_eq!(wire::fhir::check(&all.json()), []);
    let wanted = ["urn:insurance|9|9", "urn:mrn|100"].map(str::to_owned);
    assert_eq!(told(&all.json()), (wanted.to_vec(), vec![patient.clone()]));
    let one = pix(&format!("sourceIdentifier={LAB}|L,7&targetSystem=urn:mrn")).await;
    assert_eq!(told(&one.json()), (vec!["urn:mrn|100".to_owned()], vec![]));
    let ids = pix(&format!("sourceIdentifier={LAB}|L,7&targetSystem={BASE}")).await;
    assert_eq!(told(&ids.json()), (vec![], vec![patient.clone()]));
    let by_id = pix(&format!(
        "sourceIdentifier={BASE}|{patient}&targetSystem={LAB}&targetSystem=urn:mrn"
    ))
    .await;
    let wanted = vec![format!("{LAB}|L,7"), "urn:mrn|100".to_owned()];
    let (mut identifiers, ids) = told(&by_id.json());
    identifiers.sort();
    let mut sorted = wanted.clone();
    sorted.sort();
    assert_eq!((identifiers, ids), (sorted, vec![]));
    let both =
        pix("sourceIdentifier=urn:mrn|100&targetSystem=urn:insurance&targetSystem=urn:mrn").await;
    assert_eq!(told(&both.json()).0, ["urn:insurance|9|9"]);
    // A domain that is known, and in which this patient has no number, is no fault.
    for source in [format!("{LAB}|8"), format!("{BASE}|Patient/{other}")] {
        let none = pix(&format!("sourceIdentifier={source}&targetSystem=urn:mrn")).await;
        assert_eq!(none.code(), 200, "{source}: {}", none.json());
        assert_eq!(told(&none.json()), (vec![], vec![]), "{source}");
        let unknown = pix(&format!("sourceIdentifier={source}&targetSystem=urn:none")).await;
        assert_eq!(unknown.code(), 403, "{source}");
    }
    let posted = json!({"resourceType": "Parameters", "parameter": [
        {"name": "sourceIdentifier", "valueString": format!("{LAB}|L,7")},
        {"name": "targetSystem", "valueUri": "urn:mrn"},
    ]});
    let posted = house.post("/Patient/$ihe-pix", &posted).await;
    assert_eq!(posted.json(), one.json());
    // Whom it showed is sealed.
    pix(&format!("sourceIdentifier={LAB}|L,7")).await;
    let last = house.last().await;
    assert!(
        matches!(&last.body, Body::Shown(shown) if shown.patients == [id.clone()]),
        "{last:?}"
    );
}

/// What is asked wrongly: the query, and status, code and words of the answer.
fn faults() -> Vec<(String, u16, &'static str, &'static str)> {
    vec![
        (
            format!("sourceIdentifier={LAB}|8"),
            404,
            "not-found",
            "sourceIdentifier Patient Identifier not found",
        ),
        (
            "sourceIdentifier=urn:oid:1.2.3|8".into(),
            400,
            "code-invalid",
            "sourceIdentifier Assigning Authority not found",
        ),
        (
            format!("sourceIdentifier={LAB}|7&targetSystem=urn:nowhere"),
            403,
            "code-invalid",
            "targetSystem not found",
        ),
        (
            format!("sourceIdentifier={BASE}|Patient/nobody"),
            404,
            "not-found",
            "sourceIdentifier Patient Identifier not found",
        ),
        (
            format!("sourceIdentifier={BASE}|Patient/../x"),
            404,
            "not-found",
            "sourceIdentifier Patient Identifier not found",
        ),
        ("sourceIdentifier=7".into(), 400, "value", "system"),
        (format!("sourceIdentifier={LAB}|"), 400, "value", "system"),
        (String::new(), 400, "required", "sourceIdentifier"),
        (
            format!("sourceIdentifier={LAB}|7&sourceIdentifier={LAB}|7"),
            400,
            "required",
            "one",
        ),
        (
            format!("sourceIdentifier={LAB}|7&target=x"),
            400,
            "not-supported",
            "target",
        ),
        (
            "sourceIdentifier=urn:twice|1".into(),
            412,
            "multiple-matches",
            "more than one",
        ),
    ]
}

#[tokio::test]
async fn pix_fails_as_iti_83_says() {
    let house = House::open().await;
    let anna = person(
        &[(LAB, "7"), ("urn:mrn", "100")],
        ("Mohr", "Alice"),
        "1958-01-30",
    );
    house.post("/Patient", &anna).await;
    for bea in ["Bea", "Eva"] {
        let twice = person(&[("urn:twice", "1")], ("Maier", bea), "1960-01-30");
        house.post("/Patient", &twice).await;
    }
    for (query, status, code, words) in faults() {
        let failed = house.get(&format!("/Patient/$ihe-pix?{query}")).await;
        assert_eq!(failed.code(), status, "{query}: {}", failed.json());
        let issue = &failed.json()["issue"][0];
        assert_eq!(issue["code"], code, "{query}");
        assert!(
            issue["diagnostics"].as_str().unwrap().contains(words),
            "{query}: {issue}"
        );
    }
}

#[tokio::test]
async fn pix_tells_nothing_to_whoever_may_not_search_patients() {
    let house = House::open().await;
    let anna = person(&[(LAB, "7")], ("Mohr", "Alice"), "1958-01-30");
    house.post("/Patient", &anna).await;
    let token = house.client("lab", &["system/Observation.rs"]).await;
    for path in [
        format!("/Patient/$ihe-pix?sourceIdentifier={LAB}|7"),
        format!("/Patient/$ihe-pix?sourceIdentifier={LAB}|8"),
    ] {
        let refused = house.get_as(&token, &path).await;
        assert_eq!(
            refused.code(),
            403,
            "the same whether there is somebody or not"
        );
        assert_eq!(refused.json()["issue"][0]["code"], "forbidden");
    }
}

/// Seals an HL7 message as the MLLP door would, and waits for the chart.
pub(crate) async fn message(house: &House, (kind, number): (&str, &str), raw: &str) {
    let id = house.app.record.blind().id("Patient", MAIN, number);
    sealed(house, (kind, id), raw).await;
    let size = house.app.record.size();
    let wait = std::time::Duration::from_secs(60);
    assert!(house.app.chart.caught_up(size, wait).await);
}

/// Seals a message of a patient.
pub(crate) async fn sealed(house: &House, (kind, patient): (&str, String), raw: &str) {
    let body = Body::Message(Message {
        feed: "adt".into(),
        kind: kind.into(),
        control: raw.len().to_string(),
        zone: "UTC".into(),
        charset: String::new(),
        authority: "MAIN".into(),
        mapped: true,
        complaints: Vec::new(),
    });
    let subject = Subject::Patient(patient);
    let claim = Event::new(Actor::feed("adt"), Act::Send, subject, body);
    let claim = claim.with_raw(raw.as_bytes().to_vec());
    let admitted = admit(claim.into(), Standing::Salus, "").unwrap();
    house.app.record.admit(vec![admitted]).await.unwrap();
}

#[tokio::test]
async fn who_was_merged_is_known_by_the_numbers_of_both() {
    let house = House::open().await;
    let head = |kind: &str, control: &str| {
        format!("MSH|^~\\&|ADT|H|S|H|20261126||{kind}|{control}|P|2.5\r")
    };
    for (number, family) in [("100", "Mohr"), ("200", "Maiden")] {
        let raw = format!(
            "{}PID|1||{number}^^^MAIN^MR||{family}^Alice||19580130|F\rPV1|1|O\r",
            head("ADT^A04", number)
        );
        message(&house, ("ADT^A04", number), &raw).await;
    }
    let raw = format!(
        "{}PID|1||100^^^MAIN^MR||Mohr^Alice||19580130|F\rMRG|200^^^MAIN^MR\r",
        head("ADT^A40", "m")
    );
    message(&house, ("ADT^A40", "100"), &raw).await;
    let survivor = house.app.record.blind().id("Patient", MAIN, "100");
    let found = house
        .get(&format!("/Patient/$ihe-pix?sourceIdentifier={MAIN}|200"))
        .await;
    assert_eq!(found.code(), 200, "{}", found.json());
    let (identifiers, ids) = told(&found.json());
    assert_eq!(identifiers, [format!("{MAIN}|100")]);
    assert_eq!(ids, [format!("Patient/{survivor}")]);
    // Who is found by the retired number is the survivor, once.
    let asked = person(&[(MAIN, "200")], ("Maiden", "Alice"), "1958-01-30");
    let matched = house.post("/Patient/$match", &asked).await;
    assert_eq!(
        matched.names(),
        [format!("Patient/{survivor}")],
        "{}",
        matched.json()
    );
}

fn grades(bundle: &Value) -> Vec<(String, String)> {
    let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
    let one = |entry: &Value| {
        let grade = entry["search"]["extension"][0]["valueCode"]
            .as_str()
            .unwrap();
        let score = entry["search"]["score"].as_f64().unwrap();
        assert!((0.0..=1.0).contains(&score), "{score}");
        (
            entry["resource"]["id"].as_str().unwrap().to_owned(),
            grade.to_owned(),
        )
    };
    let matches = entries
        .iter()
        .filter(|one| one["search"]["mode"] == "match");
    matches.map(one).collect()
}

#[tokio::test]
async fn a_match_is_certain_by_identifier_alone_and_the_surest_stands_first() {
    let house = House::open().await;
    let sure = person(&[(LAB, "7")], ("M\u{fc}ller", "Anna"), "1970-01-02");
    let sure = house.post("/Patient", &sure).await.id();
    let namesake = person(&[(LAB, "8")], ("Muller", "Anna"), "1970-01-02");
    let namesake = house.post("/Patient", &namesake).await.id();
    let sister = person(&[(LAB, "9")], ("Muller", "Bea"), "1970-01-02");
    let sister = house.post("/Patient", &sister).await.id();
    let stranger = person(&[(LAB, "10")], ("Huber", "Carla"), "1999-01-02");
    house.post("/Patient", &stranger).await;
    let asked = person(&[(LAB, "7")], ("Mueller, M|x$", "Anna"), "1970-01-02");
    let odd = house.post("/Patient/$match", &asked).await;
    assert_eq!(odd.code(), 200, "{}", odd.json());
    assert_eq!(
        grades(&odd.json())[0],
        (sure.clone(), "probable".to_owned()),
        "another family name"
    );
    let asked = person(&[(LAB, "7")], ("Muller", "Anna"), "1970-01-02");
    let found = house.post("/Patient/$match", &asked).await;
    assert_eq!(wire::fhir::check(&found.json()), []);
    let wanted = [
        (sure.clone(), "certain"),
        (namesake.clone(), "probable"),
        (sister, "possible"),
    ];
    let wanted: Vec<(String, String)> = wanted
        .into_iter()
        .map(|(id, grade)| (id, grade.to_owned()))
        .collect();
    assert_eq!(grades(&found.json()), wanted);
    let with = |more: Value| {
        let mut all = vec![json!({"name": "resource", "resource": asked})];
        all.extend(more.as_array().cloned().unwrap_or_default());
        json!({"resourceType": "Parameters", "parameter": all})
    };
    let certain = with(json!([{"name": "onlyCertainMatches", "valueBoolean": true}]));
    let certain = house.post("/Patient/$match", &certain).await;
    assert_eq!(
        grades(&certain.json()),
        [(sure.clone(), "certain".to_owned())]
    );
    let two = with(json!([{"name": "count", "valueInteger": 2}]));
    let two = house.post("/Patient/$match", &two).await;
    assert_eq!(grades(&two.json()), wanted[..2]);
    // By name and birth date alone nothing is certain: two are alike.
    let bare = json!({"resourceType": "Patient", "name": [{"family": "muller", "given": ["ANNA"]}], "birthDate": "1970-01-02"});
    let bare = house.post("/Patient/$match", &bare).await;
    let mut first: Vec<(String, String)> = grades(&bare.json())[..2].to_vec();
    first.sort();
    let mut both = vec![
        (sure.clone(), "probable".to_owned()),
        (namesake, "probable".to_owned()),
    ];
    both.sort();
    assert_eq!(first, both);
    let last = house.last().await;
    // All that was looked for is sealed, not what was looked for first.
    let asked = ["family=muller", "given=ANNA", "birthdate=1970-01-02"];
    assert!(
        matches!(&last.body, Body::Shown(shown) if shown.patients.contains(&sure)
            && asked.iter().all(|one| shown.asked.contains(one))),
        "{last:?}"
    );
}

#[tokio::test]
async fn whose_year_of_birth_alone_is_known_is_found_by_the_day() {
    let house = House::open().await;
    let roughly = person(&[(LAB, "7")], ("Muller", "Bea"), "1970");
    let roughly = house.post("/Patient", &roughly).await.id();
    let exactly = person(&[(LAB, "8")], ("Muller", "Carla"), "1970-03-04");
    house.post("/Patient", &exactly).await;
    let asked = person(&[(LAB, "9")], ("Muller", "Anna"), "1970-01-02");
    let found = house.post("/Patient/$match", &asked).await;
    let wanted = [(roughly, "possible".to_owned())];
    assert_eq!(grades(&found.json()), wanted, "{}", found.json());
}

#[tokio::test]
async fn two_who_are_certain_are_nobody_when_only_certain_ones_are_wanted() {
    let house = House::open().await;
    for given in ["Anna", "Anna"] {
        let twice = person(&[("urn:twice", "1")], ("Muller", given), "1970-01-02");
        house.post("/Patient", &twice).await;
    }
    let asked = person(&[("urn:twice", "1")], ("Muller", "Anna"), "1970-01-02");
    let both = house.post("/Patient/$match", &asked).await;
    assert_eq!(grades(&both.json()).len(), 2);
    let certain = json!({"resourceType": "Parameters", "parameter": [
        {"name": "resource", "resource": asked},
        {"name": "onlyCertainMatches", "valueBoolean": true},
    ]});
    let none = house.post("/Patient/$match", &certain).await;
    assert_eq!((none.code(), none.json()["total"].as_u64()), (200, Some(0)));
}

#[tokio::test]
async fn what_is_no_question_for_a_match_is_refused() {
    let house = House::open().await;
    let asked = person(&[(LAB, "7")], ("Muller", "Anna"), "1970-01-02");
    let with = |part: Value| json!({"resourceType": "Parameters", "parameter": [{"name": "resource", "resource": asked}, part]});
    for (body, code) in [
        (json!({"resourceType": "Patient"}), "required"),
        (
            json!({"resourceType": "Patient", "name": [{"family": "Muller"}]}),
            "required",
        ),
        (json!({"resourceType": "Observation"}), "required"),
        (
            json!({"resourceType": "Patient", "gender": "banana"}),
            "code-invalid",
        ),
        (
            json!({"resourceType": "Patient", "implicitRules": "urn:x"}),
            "not-supported",
        ),
        (with(json!({"name": "count", "valueString": "x"})), "value"),
        (
            with(json!({"name": "fuzzy", "valueBoolean": true})),
            "not-supported",
        ),
    ] {
        let refused = house.post("/Patient/$match", &body).await;
        assert_eq!(refused.code(), 400, "{body}: {}", refused.json());
        let issue = &refused.json()["issue"][0];
        assert_eq!(issue["code"], code, "{body}: {issue}");
    }
    let got = house.get("/Patient/$match").await;
    assert_eq!(got.code(), 405, "{}", got.json());
    let token = house.client("lab", &["system/Patient.r"]).await;
    let json: &[(&str, &str)] = &[("content-type", "application/fhir+json")];
    let call = (axum::http::Method::POST, "/Patient/$match");
    let refused = house
        .ask(&token, call, (json, asked.to_string().into()))
        .await;
    assert_eq!(refused.code(), 403, "{}", refused.json());
}

/// The words of the `OperationOutcome` in a search set; empty: there is none.
fn warned(bundle: &Value) -> String {
    let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
    let told = |one: &&Value| one["search"]["mode"] == "outcome";
    let outcome = entries.iter().find(told).cloned().unwrap_or_default();
    let words = outcome["resource"]["issue"][0]["diagnostics"].as_str();
    words.unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_match_looks_at_more_than_a_page_and_says_when_it_did_not_look_at_all() {
    let settings = |max: usize| Settings {
        match_candidates_max: max,
        ..Settings::default()
    };
    for (max, cut) in [(2_000, false), (205, true)] {
        let house = House::with(settings(max)).await;
        // Found by the name alone: one of them stands behind all others, whichever way they are read.
        let mut unborn = person(&[("urn:other", "0")], ("Muller", "Anna"), "");
        unborn.as_object_mut().unwrap().shift_remove("birthDate");
        house.post("/Patient", &unborn).await;
        for one in 0..230 {
            let day = format!("19{:02}-01-02", 20 + one % 60);
            let namesake = person(&[(LAB, &format!("{one}"))], ("Muller", "Anna"), &day);
            house.post("/Patient", &namesake).await;
        }
        house.post("/Patient", &unborn).await;
        let sure = person(&[("urn:other", "1")], ("Muller", "Anna"), "2001-02-03");
        let sure = house.post("/Patient", &sure).await.id();
        let asked = person(&[("urn:none", "1")], ("Muller", "Anna"), "2001-02-03");
        let found = house.post("/Patient/$match", &asked).await;
        assert_eq!(found.code(), 200, "{}", found.json());
        let bundle = found.json();
        // By name and birth date they are found however many share the name alone.
        assert_eq!(grades(&bundle)[0], (sure, "probable".to_owned()));
        let both = if cut { 1 } else { 2 };
        assert_eq!(bundle["total"], 1 + both, "without what is told");
        let words = warned(&bundle);
        assert_eq!(words.contains("family and given"), cut, "{words}");
        assert_eq!(words.contains("205"), cut, "{words}");
    }
}

#[tokio::test]
async fn patients_are_found_by_the_maiden_name_of_their_mother() {
    let house = House::open().await;
    let url = "http://hl7.org/fhir/StructureDefinition/patient-mothersMaidenName";
    let of = |mother: &str| {
        let mut one = person(&[(LAB, mother)], ("Mohr", "Alice"), "1958-01-30");
        one["extension"] = json!([{"url": url, "valueString": mother}]);
        one
    };
    let hers = house.post("/Patient", &of("G\u{f6}tz-Kessler")).await.id();
    house.post("/Patient", &of("Huber")).await;
    // Who is called so is not found by it.
    let named = person(&[(LAB, "9")], ("Gotz", "Eva"), "1958-01-30");
    house.post("/Patient", &named).await;
    for query in [
        "mothersMaidenName=gotz",
        "mothersMaidenName=G%C3%B6tz-K",
        "family=Mohr&mothersMaidenName=gotz",
        "mothersMaidenName:exact=G%C3%B6tz-Kessler",
    ] {
        let found = house.get(&format!("/Patient?{query}")).await;
        assert_eq!(found.names(), [format!("Patient/{hers}")], "{query}");
    }
    // PID-6 says it.
    let raw = "MSH|^~\\&|PAS|S|||20240501||ADT^A28|m1|P|2.5\rEVN||20240501\r\
               PID|||31^^^MAIN^MR||Roe^Jane|Lindqvist^Ada\r";
    message(&house, ("ADT^A28", "31"), raw).await;
    let found = house.get("/Patient?mothersMaidenName=lindq").await;
    assert_eq!(found.names().len(), 1, "{}", found.json());
}
