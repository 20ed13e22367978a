//! Another FHIR server is compared with what was sealed: what differs is named, a person decides,
//! and what was sealed is put back. A server that lies, drags or never ends does no harm.

use axum::Router;
use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use event::{Act, Actor, ActorKind, Altered, Body, Event, PutBackStep, Resource, Role, Subject};
use lifeline::UpstreamConfig;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::downtime::upstream;
use crate::house::House;
use crate::wards;

/// Longer than `compare_grace_ms`.
const LATER_MS: i64 = 700_000;

fn ehr() -> Actor {
    Actor {
        kind: ActorKind::Software,
        id: "ehr".into(),
        name: "the EHR".into(),
        role: Role::Client,
    }
}

fn potassium(id: &str, value: f64) -> Value {
    json!({
        "resourceType": "Observation", "id": id, "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "2823-3", "display": "Potassium"}]},
        "subject": {"reference": "Patient/p-icu"},
        "valueQuantity": {"value": value, "unit": "mmol/L"}
    })
}

/// Seals a resource as the client `ehr` brings it.
async fn brought(house: &House, json: &Value) -> u64 {
    let text = |name: &str| json[name].as_str().unwrap().to_owned();
    let body = Body::Resource(Resource {
        kind: text("resourceType"),
        id: text("id"),
        replaces: 0,
        as_of: 0,
        resolved: Vec::new(),
        contents: Vec::new(),
    });
    let event = Event::new(ehr(), Act::Create, Subject::Patient("p-icu".into()), body);
    house
        .seal(event.with_raw(json.to_string().into_bytes()))
        .await
}

/// Our house and the EHR, which have the same resources; how the EHR is reached, and its token.
struct Pair {
    house: House,
    other: House,
    config: UpstreamConfig,
    token: String,
    _folder: tempfile::TempDir,
}

async fn pair(resources: &[Value]) -> Pair {
    let house = House::open().await;
    wards(&house).await;
    house.person("anna", Role::Nurse, &["ICU"]).await;
    house.person("berta", Role::Nurse, &["MED1"]).await;
    house.person("paul", Role::Nurse, &["ICU"]).await;
    house.person("tomas", Role::Administrator, &[]).await;
    let (other, fhir, token) = upstream().await;
    wards(&other).await;
    for resource in resources {
        brought(&house, resource).await;
        brought(&other, resource).await;
    }
    house.wait(LATER_MS);
    let folder = tempfile::tempdir().unwrap();
    let token_file = folder.path().join("token");
    crate::house::secret(&token_file, &token);
    let config = UpstreamConfig {
        fhir,
        token_file,
        compare_page: 2,
        ..UpstreamConfig::default()
    };
    Pair {
        house,
        other,
        config,
        token,
        _folder: folder,
    }
}

impl Pair {
    /// Somebody edits the EHR, by its own FHIR interface.
    async fn edit(&self, method: &str, path: &str, body: &Value) {
        let address = self.config.fhir.strip_prefix("http://").unwrap();
        let (address, base) = address.split_once('/').unwrap();
        let body = match body {
            Value::Null => String::new(),
            body => body.to_string(),
        };
        let request = format!(
            "{method} /{base}/{path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
             Authorization: Bearer {}\r\nContent-Type: application/fhir+json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            self.token,
            body.len()
        );
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let status = answer.split(' ').nth(1).unwrap();
        assert!(status.starts_with('2'), "{answer}");
        self.other.settle().await;
    }

    async fn compare(&self) -> web::Compared {
        let compared = web::compare_upstream(&self.house.app, &self.config).await;
        self.house.settle().await;
        compared.unwrap()
    }

    /// Everything that was found, the oldest first.
    async fn found(&self) -> Vec<(u64, Option<String>, Altered)> {
        let sealed = self.house.sealed().await;
        let found = sealed.iter().filter_map(|one| match &one.event().body {
            Body::Alteration(altered) => {
                let patient = one.event().subject.patient().map(str::to_owned);
                Some((one.index(), patient, altered.clone()))
            }
            _ => None,
        });
        found.collect()
    }

    async fn steps(&self) -> Vec<PutBackStep> {
        let sealed = self.house.sealed().await;
        let steps = sealed.iter().filter_map(|one| match &one.event().body {
            Body::PutBack(put) => Some(put.step.clone()),
            _ => None,
        });
        steps.collect()
    }

    /// The value that the EHR has by now.
    async fn value(&self, id: &str) -> Value {
        let sealed = self.other.sealed().await;
        let written = sealed
            .iter()
            .rev()
            .find(|one| matches!(&one.event().body, Body::Resource(written) if written.id == id));
        let json: Value = serde_json::from_slice(&written.unwrap().event().raw).unwrap();
        json["valueQuantity"]["value"].clone()
    }
}

#[tokio::test]
#[expect(
    clippy::too_many_lines,
    reason = "one story, from what was found to what was put back"
)]
async fn what_was_changed_in_the_ehr_is_named_decided_and_put_back() {
    let pair = pair(&[
        potassium("k1", 4.1),
        potassium("k2", 3.9),
        potassium("k3", 4.4),
    ])
    .await;
    let whole = pair.compare().await;
    assert_eq!(
        (whole.changed, whole.missing, whole.told),
        (0, 0, 0),
        "{whole:?}"
    );
    assert!(whole.read >= 9, "{whole:?}");
    let mut anna = pair.house.browser("anna").await;
    let page = anna.get("/record/outside").await.html;
    assert!(
        page.contains("was as sealed when it was compared"),
        "{page}"
    );

    pair.edit("PUT", "Observation/k1", &potassium("k1", 9.9))
        .await;
    pair.house.wait(LATER_MS);
    let compared = pair.compare().await;
    assert_eq!((compared.changed, compared.told), (1, 1), "{compared:?}");
    let found = pair.found().await;
    let (index, patient, altered) = &found[0];
    assert_eq!(patient.as_deref(), Some("p-icu"));
    let part = &altered.parts[0];
    assert_eq!(part.part, "Observation.valueQuantity.value");
    assert_eq!((part.sealed.as_str(), part.found.as_str()), ("4.1", "9.9"));
    assert_eq!(pair.compare().await.told, 0, "it is told once");

    let mut anna = pair.house.browser("anna").await;
    let chart = anna.get("/patients/p-icu").await.html;
    assert!(chart.contains("is not what was sealed"), "{chart}");
    for (page, words) in [
        (
            "/record",
            "1 resource of another system is not what was sealed",
        ),
        (
            "/now",
            "1 resource of another system is not what was sealed",
        ),
        ("/record/outside", "says something else"),
    ] {
        let html = anna.get(page).await.html;
        assert!(html.contains(words), "{page}: {html}");
        assert!(!html.contains("9.9"), "{page} shows no values");
    }
    let here = format!("/record/outside/{index}");
    let mut berta = pair.house.browser("berta").await;
    assert_eq!(berta.get(&here).await.status, StatusCode::FORBIDDEN);
    assert!(anna.get(&here).await.html.contains("9.9"));
    let hasty = [("verdict", "put-back"), ("reason", "no")];
    let refused = anna.submit(&here, &here, &hasty).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{}", refused.html);
    let order = [("verdict", "put-back"), ("reason", "the lab says 4.1")];
    let ordered = anna.submit(&here, &here, &order).await;
    assert_eq!(ordered.status, StatusCode::SEE_OTHER, "{}", ordered.html);
    let mut paul = pair.house.browser("paul").await;
    assert!(
        !paul.get(&here).await.html.contains("Seal the verdict"),
        "it is decided"
    );
    let mut tomas = pair.house.browser("tomas").await;
    assert_eq!(
        tomas.get(&here).await.status,
        StatusCode::FORBIDDEN,
        "the office sees no charts"
    );

    web::send_round(&pair.house.app, &pair.config)
        .await
        .unwrap();
    pair.other.settle().await;
    assert_eq!(pair.value("k1").await, json!(4.1));
    let before = pair.other.sealed().await.len();
    web::send_round(&pair.house.app, &pair.config)
        .await
        .unwrap();
    assert_eq!(pair.other.sealed().await.len(), before, "it is sent once");
    let after = pair.compare().await;
    assert_eq!((after.changed, after.settled), (0, 1), "{after:?}");
    let steps = pair.steps().await;
    assert!(
        matches!(
            steps.as_slice(),
            [
                PutBackStep::Ordered { .. },
                PutBackStep::Sent { taken: true, .. },
                PutBackStep::Settled
            ]
        ),
        "{steps:?}"
    );
    let mut anna = pair.house.browser("anna").await;
    let record = anna.get("/record").await.html;
    assert!(!record.contains("another system is not what"), "{record}");
}

#[tokio::test]
async fn what_is_missing_there_and_what_was_never_sealed_are_named() {
    let pair = pair(&[potassium("k1", 4.1), potassium("k2", 3.9)]).await;
    pair.edit("DELETE", "Observation/k2", &Value::Null).await;
    pair.edit("PUT", "Observation/forged", &potassium("forged", 1.0))
        .await;
    pair.house.wait(LATER_MS);
    let compared = pair.compare().await;
    assert_eq!(
        (compared.changed, compared.missing, compared.unknown),
        (0, 1, 1),
        "{compared:?}"
    );
    let found = pair.found().await;
    let (missing, _, lost) = &found[0];
    assert!(lost.parts[0].found.contains("not there"), "{lost:?}");
    let (forged, patient, unknown) = &found[1];
    assert_eq!((patient.as_deref(), unknown.index), (Some("p-icu"), None));

    let mut paul = pair.house.browser("paul").await;
    let here = format!("/record/outside/{forged}");
    assert!(
        !paul.get(&here).await.html.contains("put-back"),
        "nothing was sealed"
    );
    let leave = [
        ("verdict", "leave"),
        ("reason", "a test of the EHR's maker"),
    ];
    let left = paul.submit(&here, &here, &leave).await;
    assert_eq!(left.status, StatusCode::SEE_OTHER, "{}", left.html);
    let here = format!("/record/outside/{missing}");
    let order = [("verdict", "put-back"), ("reason", "nobody deleted it")];
    paul.submit(&here, &here, &order).await;
    web::send_round(&pair.house.app, &pair.config)
        .await
        .unwrap();
    pair.other.settle().await;
    assert_eq!(pair.value("k2").await, json!(3.9));
    // What nobody sealed is still there, and stays as it was decided.
    let after = pair.compare().await;
    assert_eq!(
        (after.missing, after.unknown, after.told, after.settled),
        (0, 1, 0, 1),
        "{after:?}"
    );
    let steps = pair.steps().await;
    let left = |step: &PutBackStep| matches!(step, PutBackStep::Left { .. });
    assert_eq!(
        steps.iter().filter(|step| left(step)).count(),
        1,
        "{steps:?}"
    );
    // Until it is gone: then there is nothing left to decide.
    pair.edit("DELETE", "Observation/forged", &Value::Null)
        .await;
    let gone = pair.compare().await;
    assert_eq!((gone.unknown, gone.settled), (0, 1), "{gone:?}");
}

/// Somebody who is not in the chart may have been erased from it; the house's key outlives them.
#[tokio::test]
async fn of_a_patient_who_is_not_here_only_that_it_is_there_is_sealed() {
    let pair = pair(&[potassium("k1", 4.1)]).await;
    let mut stranger = potassium("s1", 7.7);
    stranger["subject"] = json!({"reference": "Patient/not-here"});
    pair.edit("PUT", "Observation/s1", &stranger).await;
    pair.house.wait(LATER_MS);
    let compared = pair.compare().await;
    assert_eq!((compared.unknown, compared.told), (1, 1), "{compared:?}");
    let sealed = pair.house.sealed().await;
    let found = sealed
        .iter()
        .find(|one| matches!(one.event().body, Body::Alteration(_)));
    assert!(found.unwrap().event().raw.is_empty());
    assert_eq!(pair.found().await[0].1, None);
}

#[tokio::test]
async fn what_was_ordered_is_not_sent_when_something_newer_was_sealed() {
    let pair = pair(&[potassium("k1", 4.1)]).await;
    pair.edit("PUT", "Observation/k1", &potassium("k1", 9.9))
        .await;
    pair.house.wait(LATER_MS);
    pair.compare().await;
    let (index, _, found) = pair.found().await.remove(0);
    let mut anna = pair.house.browser("anna").await;
    let here = format!("/record/outside/{index}");
    let order = [("verdict", "put-back"), ("reason", "the lab says 4.1")];
    anna.submit(&here, &here, &order).await;
    let corrected = potassium("k1", 4.4);
    let body = Body::Resource(Resource {
        kind: "Observation".into(),
        id: "k1".into(),
        replaces: found.index.unwrap(),
        as_of: pair.house.app.record.size(),
        resolved: Vec::new(),
        contents: Vec::new(),
    });
    let event = Event::new(ehr(), Act::Update, Subject::Patient("p-icu".into()), body);
    let raw = corrected.to_string().into_bytes();
    pair.house.seal(event.with_raw(raw)).await;
    web::send_round(&pair.house.app, &pair.config)
        .await
        .unwrap();
    pair.other.settle().await;
    pair.house.settle().await;
    assert_eq!(pair.value("k1").await, json!(9.9));
    let page = anna.get("/record/outside").await.html;
    assert!(
        page.contains("NOT put back") && page.contains("newer"),
        "{page}"
    );
}

#[tokio::test]
async fn what_was_changed_there_again_meanwhile_is_not_overwritten() {
    let pair = pair(&[potassium("k1", 4.1)]).await;
    pair.edit("PUT", "Observation/k1", &potassium("k1", 9.9))
        .await;
    pair.house.wait(LATER_MS);
    pair.compare().await;
    let index = pair.found().await[0].0;
    let mut anna = pair.house.browser("anna").await;
    let here = format!("/record/outside/{index}");
    let order = [("verdict", "put-back"), ("reason", "the lab says 4.1")];
    let csrf = anna.get(&here).await.csrf();
    anna.submit(&here, &here, &order).await;
    let again = [
        ("csrf", csrf.as_str()),
        ("verdict", "leave"),
        ("reason", "somebody else"),
    ];
    let late = anna.post(&here, &again).await;
    assert_eq!(late.status, StatusCode::CONFLICT, "{}", late.html);

    pair.edit("PUT", "Observation/k1", &potassium("k1", 4.2))
        .await;
    web::send_round(&pair.house.app, &pair.config)
        .await
        .unwrap();
    pair.other.settle().await;
    pair.house.settle().await;
    assert_eq!(pair.value("k1").await, json!(4.2));
    let page = anna.get("/record/outside").await.html;
    assert!(page.contains("NOT put back"), "{page}");
    pair.house.wait(LATER_MS);
    let compared = pair.compare().await;
    assert_eq!((compared.changed, compared.told), (1, 1), "{compared:?}");
    assert_eq!(pair.found().await[1].2.parts[0].found, "4.2");
}

#[tokio::test]
async fn a_change_waits_once_for_its_message_and_not_for_ever() {
    let pair = pair(&[potassium("k1", 4.1)]).await;
    pair.compare().await;
    // Whoever edits the EHR's database makes the change look as if it were always new.
    pair.other.wait(pair.house.now().since(pair.other.now()));
    pair.edit("PUT", "Observation/k1", &potassium("k1", 9.9))
        .await;
    let first = pair.compare().await;
    assert_eq!((first.changed, first.waiting), (0, 1), "{first:?}");
    let second = pair.compare().await;
    assert_eq!((second.changed, second.told), (1, 1), "{second:?}");
}

#[tokio::test]
async fn more_differences_than_one_comparison_names_are_said_to_be_there() {
    let mut pair = pair(&[
        potassium("k1", 4.1),
        potassium("k2", 4.2),
        potassium("k3", 4.3),
    ])
    .await;
    for id in ["k1", "k2", "k3"] {
        pair.edit("PUT", &format!("Observation/{id}"), &potassium(id, 1.0))
            .await;
    }
    pair.house.wait(LATER_MS);
    pair.config.compare_named_max = 2;
    let first = pair.compare().await;
    assert_eq!((first.told, first.cut), (2, true), "{first:?}");
    let second = pair.compare().await;
    assert_eq!((second.told, second.cut), (1, false), "{second:?}");
}

/// A server that answers every request with `answer`, which may look at the query.
async fn hostile(answer: fn(&str) -> axum::response::Response) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().fallback(move |request: axum::extract::Request| async move {
        answer(request.uri().query().unwrap_or_default())
    });
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}/fhir")
}

fn bundle(next: &str, entries: &[Value]) -> axum::response::Response {
    let entries: Vec<Value> = entries.iter().map(|one| json!({"resource": one})).collect();
    let link = json!([{"relation": "next", "url": next}]);
    let bundle =
        json!({"resourceType": "Bundle", "type": "searchset", "entry": entries, "link": link});
    bundle.to_string().into_response()
}

/// What a comparison with such a server says.
async fn against(answer: fn(&str) -> axum::response::Response) -> String {
    let house = House::open().await;
    wards(&house).await;
    brought(&house, &potassium("k1", 4.1)).await;
    house.wait(LATER_MS);
    let config = UpstreamConfig {
        fhir: hostile(answer).await,
        wait_ms: 2_000,
        compare_types: vec!["Observation".into()],
        compare_pages_max: 20,
        compare_page_bytes_max: 1 << 20,
        ..UpstreamConfig::default()
    };
    let before = house.app.record.size();
    let compared = web::compare_upstream(&house.app, &config).await;
    let why = compared.expect_err("a hostile server is no evidence");
    assert_eq!(house.app.record.size(), before, "nothing is sealed of it");
    // And the next comparison, with a server that answers, is not in its way.
    let again = web::compare_upstream(&house.app, &config).await;
    assert_ne!(
        again.unwrap_err(),
        "a comparison runs already: wait until it has ended"
    );
    why
}

#[tokio::test]
async fn a_server_that_answers_no_json_or_no_bundle_is_said_to() {
    let why = against(|_| "<html>".into_response()).await;
    assert!(why.contains("is no JSON"), "{why}");
    let why = against(|_| "[1, 2]".into_response()).await;
    assert!(why.contains("is no Bundle"), "{why}");
    let why = against(|_| "[".repeat(100_000).into_response()).await;
    assert!(why.contains("is no JSON"), "{why}");
}

#[tokio::test]
async fn a_server_whose_answer_is_huge_or_never_comes_is_given_up() {
    let why = against(|_| vec![b' '; 8 << 20].into_response()).await;
    assert!(why.contains("over 1048576 bytes"), "{why}");
    let why = against(|_| axum::response::Response::new(axum::body::Body::new(Never))).await;
    assert!(why.contains("no answer within 2000 ms"), "{why}");
}

/// A body that never gives a byte and never ends.
struct Never;

impl axum::body::HttpBody for Never {
    type Data = axum::body::Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<Self::Data>, Self::Error>>> {
        std::task::Poll::Pending
    }
}

#[tokio::test]
async fn a_list_that_never_ends_is_broken_off() {
    let why = against(|query| {
        let page: u32 = query
            .rsplit('=')
            .next()
            .and_then(|n| n.parse().ok())
            .unwrap_or_default();
        bundle(
            &format!("Observation?_page={}", page + 1),
            &[potassium("k1", 4.1)],
        )
    })
    .await;
    assert!(why.contains("did not end after 20 pages"), "{why}");
    let why = against(|query| match query.contains("_id=") {
        true => bundle("Observation?_page=1", &[potassium("k1", 4.1)]),
        false => bundle("Observation?_page=1", &[]),
    })
    .await;
    assert!(why.contains("again and again"), "{why}");
}

#[tokio::test]
async fn a_page_of_another_server_is_not_asked_for() {
    let why = against(|_| bundle("http://169.254.169.254/latest", &[potassium("k1", 4.1)])).await;
    assert!(why.contains("which is not under"), "{why}");
}

#[tokio::test]
async fn a_server_that_lets_nobody_in_is_no_evidence() {
    let why = against(|_| StatusCode::UNAUTHORIZED.into_response()).await;
    assert!(why.contains("does not let us read"), "{why}");
    let why = against(|_| StatusCode::BAD_GATEWAY.into_response()).await;
    assert!(why.contains("HTTP 502"), "{why}");
}
