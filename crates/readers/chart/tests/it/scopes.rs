//! What scopes narrow holds in the search itself: in matches, totals and pages, in what comes
//! along, in reads, versions and histories.

use chart::{HistoryOf, PageOf};
use event::{Act, Role, Subject};
use guard::{Identity, Through};
use serde_json::{Value, json};

use crate::house::{House, client, ids, person, query};

const LABORATORY: &str = "http://terminology.hl7.org/CodeSystem/observation-category";

fn observation(id: &str, patient: &str, category: &str) -> Value {
    json!({
        "resourceType": "Observation", "id": id, "status": "final", "code": {"text": "x"},
        "category": [{"coding": [{"system": LABORATORY, "code": category}]}],
        "subject": {"reference": format!("Patient/{patient}")},
        "performer": [{"reference": "Practitioner/dr"}]
    })
}

async fn house() -> House {
    let house = House::new().await;
    for patient in ["a", "b"] {
        house
            .put(
                &json!({"resourceType": "Patient", "id": patient, "name": [{"family": patient}],
                "generalPractitioner": [{"reference": "Practitioner/dr"}]}),
            )
            .await;
        for at in 0..3 {
            for category in ["laboratory", "vital-signs"] {
                let id = format!("{patient}-{category}-{at}");
                house.put(&observation(&id, patient, category)).await;
            }
        }
    }
    house
        .put(&json!({"resourceType": "Practitioner", "id": "dr", "name": [{"family": "House"}]}))
        .await;
    house
}

fn scoped(scopes: &[&str]) -> Identity {
    let mut who = client();
    who.scopes = scopes.iter().map(|&scope| scope.to_owned()).collect();
    who
}

fn laboratory() -> Identity {
    scoped(&[
        "system/Observation.rs?category=laboratory",
        "system/Patient.rs",
    ])
}

fn page(count: usize) -> PageOf {
    PageOf { count, token: None }
}

fn all() -> Subject {
    Subject::Kind("Observation".into())
}

#[tokio::test]
async fn totals_and_pages_count_what_may_be_seen() {
    let house = house().await;
    for scope in [
        "system/Observation.rs?category=laboratory",
        "system/Observation.rs?category=http://terminology.hl7.org/CodeSystem/observation-category|laboratory",
    ] {
        let who = scoped(&[scope]);
        let open = house
            .open_for(who, Act::Search, (all(), &["Observation"]))
            .await;
        let none = open.search(&query("Observation"), &page(0)).await.unwrap();
        assert_eq!(none.total, Some(6), "{scope}");
        let sorted = query("Observation?_sort=_id&_total=accurate");
        let first = open.search(&sorted, &page(4)).await.unwrap();
        assert_eq!(first.total, Some(6));
        assert_eq!(
            ids(&first),
            [
                "a-laboratory-0",
                "a-laboratory-1",
                "a-laboratory-2",
                "b-laboratory-0"
            ]
        );
        let rest = PageOf {
            count: 4,
            token: first.next,
        };
        let rest = open.search(&sorted, &rest).await.unwrap();
        assert_eq!(ids(&rest), ["b-laboratory-1", "b-laboratory-2"]);
        assert_eq!(rest.next, None);
        let hidden = query("Observation?category=vital-signs");
        let hidden = open.search(&hidden, &page(10)).await.unwrap();
        assert_eq!((hidden.total, hidden.matches.len()), (Some(0), 0));
        let not = query("Observation?category:not=laboratory");
        assert_eq!(open.search(&not, &page(10)).await.unwrap().matches.len(), 0);
    }
}

#[tokio::test]
async fn several_parts_are_seen_together() {
    let house = house().await;
    let who = scoped(&[
        "system/Observation.rs?category=laboratory&patient=a",
        "system/Observation.rs?category=vital-signs&patient=b",
    ]);
    let open = house
        .open_for(who, Act::Search, (all(), &["Observation"]))
        .await;
    let found = open
        .search(&query("Observation?_sort=_id"), &page(9))
        .await
        .unwrap();
    assert_eq!(found.total, Some(6));
    let halves = ["a-laboratory", "b-vital-signs"];
    assert!(
        ids(&found)
            .iter()
            .all(|id| halves.iter().any(|half| id.starts_with(half)))
    );
}

#[tokio::test]
async fn what_lies_outside_does_not_come_along() {
    let house = house().await;
    let kinds: &[&str] = &["Patient", "Observation"];
    let open = house
        .open_for(
            laboratory(),
            Act::Search,
            (Subject::Kind("Patient".into()), kinds),
        )
        .await;
    let search = query("Patient?_id=a&_revinclude=Observation:subject");
    let found = open.search(&search, &page(9)).await.unwrap();
    let mut came: Vec<&str> = found.included.iter().map(|one| one.id.as_str()).collect();
    came.sort_unstable();
    assert_eq!(came, ["a-laboratory-0", "a-laboratory-1", "a-laboratory-2"]);
    // A type that nobody asked for comes along neither.
    let search = query("Patient?_id=a&_include=Patient:general-practitioner");
    let found = open.search(&search, &page(9)).await.unwrap();
    assert_eq!(found.included.len(), 0);
}

#[tokio::test]
async fn what_lies_outside_connects_nothing() {
    let house = house().await;
    let kinds: &[&str] = &["Patient", "Observation"];
    let open = house
        .open_for(
            laboratory(),
            Act::Search,
            (Subject::Kind("Patient".into()), kinds),
        )
        .await;
    let linked = |category: &str| {
        query(&format!(
            "Patient?_has:Observation:subject:category={category}"
        ))
    };
    let seen = open.search(&linked("laboratory"), &page(9)).await.unwrap();
    assert!(ids(&seen).iter().any(|id| id == "a"), "{seen:?}");
    let hidden = open.search(&linked("vital-signs"), &page(9)).await.unwrap();
    assert_eq!((ids(&hidden).len(), hidden.total), (0, Some(0)));
}

#[tokio::test]
async fn reads_versions_and_histories_are_narrowed_too() {
    let house = house().await;
    let hidden = house.put(&observation("x", "a", "vital-signs")).await;
    let shown = house.put(&observation("x", "a", "laboratory")).await;
    let subject = Subject::Patient("a".into());
    let open = house
        .open_for(laboratory(), Act::Read, (subject.clone(), &["Observation"]))
        .await;
    assert!(
        open.read("Observation", "a-vital-signs-0")
            .await
            .unwrap()
            .is_none()
    );
    assert!(
        open.read("Observation", "a-laboratory-0")
            .await
            .unwrap()
            .is_some()
    );
    assert!(
        open.version("Observation", "x", shown)
            .await
            .unwrap()
            .is_some()
    );
    assert!(
        open.version("Observation", "x", hidden)
            .await
            .unwrap()
            .is_none()
    );
    let open = house
        .open_for(laboratory(), Act::History, (subject, &["Observation"]))
        .await;
    let of = HistoryOf::Instance {
        kind: "Observation".into(),
        id: "x".into(),
    };
    let past = open.history(&of, &page(9)).await.unwrap();
    assert_eq!(
        past.matches
            .iter()
            .map(|one| one.version)
            .collect::<Vec<_>>(),
        [shown]
    );
    let open = house
        .open_for(laboratory(), Act::History, (all(), &["Observation"]))
        .await;
    let of = HistoryOf::Type {
        kind: "Observation".into(),
    };
    let (mut found, mut token) = (Vec::new(), None);
    loop {
        let page = open
            .history(&of, &PageOf { count: 2, token })
            .await
            .unwrap();
        found.extend(page.matches.iter().map(|one| one.id.clone()));
        token = page.next;
        if token.is_none() {
            break;
        }
    }
    assert_eq!(found.len(), 7, "{found:?}");
    let narrow = |id: &String| id == "x" || id.contains("laboratory");
    assert!(found.iter().all(narrow), "{found:?}");
}

#[tokio::test]
async fn one_patient_is_all_an_app_sees_of_what_belongs_to_somebody() {
    let house = house().await;
    let mut who = person(Role::Nurse, None, None);
    who.scopes = vec!["patient/*.rs".into(), "user/Patient.s".into()];
    who.through = Some(Through {
        app: "growth".into(),
        patient: Some("a".into()),
    });
    let kinds: &[&str] = &["Patient"];
    let open = house
        .open_for(who, Act::Search, (Subject::Kind("Patient".into()), kinds))
        .await;
    // The `user/` scope and the policy let every patient be found, but nothing of theirs come.
    let search = query("Patient?_revinclude=Observation:subject");
    let found = open.search(&search, &page(9)).await.unwrap();
    assert_eq!((ids(&found).len(), found.included.len()), (2, 0));
}

#[tokio::test]
async fn a_narrowed_scope_covers_what_may_be_written() {
    let house = house().await;
    let mut who = laboratory();
    who.scopes = vec!["system/Observation.cruds?category=laboratory".into()];
    let permit = house
        .permit(who, Act::Search, (all(), &["Observation"]))
        .await;
    let mut ask = permit.ask().clone();
    ask.act = Act::Update;
    let chart = &house.chart;
    assert!(chart.covers(&ask, "Observation", &observation("n", "a", "laboratory")));
    assert!(!chart.covers(&ask, "Observation", &observation("n", "a", "vital-signs")));
    for (id, covered) in [
        ("a-laboratory-0", true),
        ("a-vital-signs-0", false),
        ("new", true),
    ] {
        let said = chart.covers_current(&ask, "Observation", id).await.unwrap();
        assert_eq!(said, covered, "{id}");
    }
}
