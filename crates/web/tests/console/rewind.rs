//! What a captured account changed is listed, and undone after an administrator's verdict. Drills.

use axum::http::StatusCode;
use event::{Act, Actor, ActorKind, Body, Event, Resource, Role, Session, SessionStep, Subject};
use serde_json::json;

use crate::house::{House, Page};
use crate::wards;

const LIST: &str = "/lifeline/rewind?actor=mallory&since=2026-01-01T00%3A00%3A00";
const WHY: &str = "incident 7, decided by Dr. Rao";

fn order(reason: &'static str) -> [(&'static str, &'static str); 3] {
    [
        ("actor", "mallory"),
        ("since", "2026-01-01T00:00:00"),
        ("reason", reason),
    ]
}

/// Writes an observation as somebody else.
async fn written(house: &House, (id, value, replaces): (&str, f64, u64)) -> u64 {
    let actor = Actor {
        kind: ActorKind::Software,
        id: "mallory".into(),
        name: "a captured client".into(),
        role: Role::Client,
    };
    let body = Body::Resource(Resource {
        kind: "Observation".into(),
        id: id.into(),
        replaces,
        as_of: house.app.record.size(),
        resolved: Vec::new(),
        contents: Vec::new(),
    });
    let act = if replaces == 0 {
        Act::Create
    } else {
        Act::Update
    };
    let event = Event::new(actor, act, Subject::Patient("p-icu".into()), body);
    house.seal(event.with_raw(observation(id, value))).await
}

fn observation(id: &str, value: f64) -> Vec<u8> {
    json!({
        "resourceType": "Observation", "id": id, "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "2345-7"}]},
        "subject": {"reference": "Patient/p-icu"}, "valueQuantity": {"value": value}
    })
    .to_string()
    .into_bytes()
}

async fn house() -> (House, u64) {
    let house = House::open().await;
    wards(&house).await;
    house.person("anna", Role::Nurse, &["ICU"]).await;
    house.person("tomas", Role::Administrator, &[]).await;
    let right: serde_json::Value = serde_json::from_slice(&observation("a", 4.1)).unwrap();
    let right = house.resource(Some("p-icu"), right).await;
    written(&house, ("a", 9.9, right)).await;
    written(&house, ("forged", 1.0, 0)).await;
    (house, right)
}

/// The page, once the errand has ended.
async fn ended(house: &House, browser: &mut crate::house::Browser, path: &str) -> Page {
    loop {
        let page = browser.get(path).await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.html);
        if page.html.contains("Ended at") {
            house.settle().await;
            return page;
        }
    }
}

#[tokio::test]
async fn what_a_captured_account_wrote_is_listed_and_undone_by_a_verdict() {
    let (house, right) = house().await;
    let mut anna = house.browser("anna").await;
    for path in [
        LIST,
        "/lifeline/rewind",
        "/lifeline/rewind?actor=x&since=zz",
    ] {
        let refused = anna.get(path).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{path}");
        assert!(!refused.html.contains("mallory"), "{path}");
    }
    let mut tomas = house.browser("tomas").await;
    let listed = tomas.get(LIST).await.html;
    for words in [
        "`mallory` changed 2 resources".to_owned(),
        format!("goes back to what version {right} says"),
        "was not there before: marked as deleted".to_owned(),
    ] {
        assert!(listed.contains(&words), "{words}: {listed}");
    }
    assert!(!listed.contains("9.9"), "an administrator sees no chart");
    let short = tomas.submit(LIST, "/lifeline/rewind", &order("why")).await;
    assert_eq!(short.status, StatusCode::BAD_REQUEST);
    let begun = tomas.submit(LIST, "/lifeline/rewind", &order(WHY)).await;
    assert_eq!(begun.status, StatusCode::SEE_OTHER, "{}", begun.html);
    let page = ended(&house, &mut tomas, LIST).await;
    assert!(
        page.html
            .contains("1 resource went back, 1 marked as deleted"),
        "{}",
        page.html
    );
    let sealed = house.sealed().await;
    let last = sealed.last().unwrap().event();
    let done = sealed
        .iter()
        .rev()
        .find(|one| matches!(one.event().body, Body::Rewound(_)));
    let Body::Rewound(done) = &done.unwrap().event().body else {
        panic!("{last:?}");
    };
    assert_eq!((done.restored, done.deleted, done.left), (1, 1, 0));
    let again = sealed
        .iter()
        .rev()
        .find(|one| matches!(&one.event().body, Body::Resource(one) if one.id == "a"));
    let again: serde_json::Value = serde_json::from_slice(&again.unwrap().event().raw).unwrap();
    assert_eq!(again["valueQuantity"]["value"], json!(4.1));
    let verdict = sealed.iter().any(|one| match &one.event().body {
        Body::Decision(decided) => decided.reason.as_deref() == Some(WHY),
        _ => false,
    });
    assert!(verdict, "the verdict is sealed with its reason");
}

#[tokio::test]
async fn the_clean_point_before_the_first_evidence_is_proposed() {
    let (house, _) = house().await;
    let mut tomas = house.browser("tomas").await;
    let none = tomas.get("/lifeline/rewind").await.html;
    assert!(
        none.contains("No evidence of an intrusion is sealed"),
        "{none}"
    );
    let mut session = Session::of("mallory", "another device");
    session.step = SessionStep::Misused;
    let subject = Subject::Account("mallory".into());
    let event = Event::new(Actor::salus(), Act::SignIn, subject, Body::Session(session));
    let index = house.seal(event).await;
    for path in ["/lifeline/rewind", "/lifeline"] {
        let page = tomas.get(path).await.html;
        let clean = format!("/lifeline?event={}", index - 1);
        assert!(
            page.contains(&clean) && page.contains("mallory"),
            "{path}: {page}"
        );
    }
}

#[tokio::test]
async fn an_administrator_orders_a_drill_and_a_nurse_does_not() {
    let (house, _) = house().await;
    let mut orders = house.app.errands.drills().unwrap();
    let fields = [
        ("name", "restore"),
        ("seed", "7"),
        ("reason", "quarterly practice"),
    ];
    let mut anna = house.browser("anna").await;
    let refused = anna.submit("/lifeline", "/lifeline/drills", &fields).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.html);
    let mut tomas = house.browser("tomas").await;
    let wrong = [
        ("name", "meteor"),
        ("seed", "7"),
        ("reason", "quarterly practice"),
    ];
    let wrong = tomas.submit("/lifeline", "/lifeline/drills", &wrong).await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
    let begun = tomas.submit("/lifeline", "/lifeline/drills", &fields).await;
    assert_eq!(begun.status, StatusCode::SEE_OTHER, "{}", begun.html);
    let order = orders.try_recv().unwrap();
    assert_eq!((order.name.as_str(), order.seed), ("restore", 7));
    assert!(orders.try_recv().is_err(), "one alone was ordered");
    let going = tomas.get("/lifeline").await.html;
    assert!(
        going.contains("drill restore, seed 7. Ordered by tomas"),
        "{going}"
    );
    house
        .app
        .errands
        .drill
        .end(house.now(), Ok("0 lost; sealed as event 12".into()));
    ended(&house, &mut tomas, "/lifeline").await;
}
