//! A permit is for what it says: nothing of another patient comes along.

use chart::{ChartError, FindPatient, HistoryOf, PageOf};
use event::{Act, Role, Subject};
use serde_json::json;

use crate::house::{House, client, ids, person, query};

async fn two_patients(house: &House) {
    for id in ["a", "b"] {
        house
            .put(
                &json!({"resourceType": "Patient", "id": id, "name": [{"family": id}],
            "generalPractitioner": [{"reference": "Practitioner/dr"}],
            "link": [{"type": "seealso", "other": {"reference": "Patient/b"}}]}),
            )
            .await;
        house
            .put(
                &json!({"resourceType": "Observation", "id": format!("o{id}"), "status": "final",
            "code": {"text": "x"}, "subject": {"reference": format!("Patient/{id}")},
            "performer": [{"reference": "Practitioner/dr"}, {"reference": "Patient/b"}]}),
            )
            .await;
    }
    house
        .put(&json!({"resourceType": "Practitioner", "id": "dr", "name": [{"family": "House"}]}))
        .await;
}

#[tokio::test]
async fn what_is_iterated_never_leaves_the_patient() {
    let house = House::new().await;
    two_patients(&house).await;
    let of = PageOf {
        count: 10,
        token: None,
    };
    let names = |page: &chart::Page| {
        let named = page.included.iter();
        let mut all: Vec<String> = named
            .map(|one| format!("{}/{}", one.kind, one.id))
            .collect();
        all.sort();
        all
    };
    let search = query(
        "Observation?_id=oa&_include=Observation:subject&_include:iterate=Patient:link\
         &_include:iterate=Patient:general-practitioner&_revinclude:iterate=Observation:subject",
    );
    let open = house.open(Act::Search, Subject::Patient("a".into())).await;
    let page = open.search(&search, &of).await.unwrap();
    assert_eq!(names(&page), ["Patient/a", "Practitioner/dr"]);
    assert_eq!(page.patients, ["a"]);
    let open = house.kind("Observation").await;
    let page = open.search(&search, &of).await.unwrap();
    assert_eq!(
        names(&page),
        [
            "Observation/ob",
            "Patient/a",
            "Patient/b",
            "Practitioner/dr"
        ]
    );
    assert_eq!(page.patients, ["a", "b"], "all who are shown are told of");
    let open = house.kind("Observation").await;
    let once = query("Observation?_id=oa&_include=Observation:subject&_include=Observation:*");
    let page = open.search(&once, &of).await.unwrap();
    assert_eq!(names(&page), ["Patient/a", "Patient/b", "Practitioner/dr"]);
}

#[tokio::test]
async fn a_chain_of_iterations_has_an_end() {
    let house = House::new().await;
    let next = |n: usize| format!("Organization/o{n}");
    for n in 0..20 {
        let part_of = json!({"reference": next(n + 1)});
        house
            .put(&json!({"resourceType": "Organization", "id": format!("o{n}"), "name": "O", "partOf": part_of}))
            .await;
    }
    let of = PageOf {
        count: 10,
        token: None,
    };
    let up = |id: &str| {
        query(&format!(
            "Organization?_id={id}&_include:iterate=Organization:partof"
        ))
    };
    let open = house.kind("Organization").await;
    let page = open.search(&up("o10"), &of).await.unwrap();
    assert_eq!(page.included.len(), 9);
    let refused = open.search(&up("o0"), &of).await.unwrap_err();
    assert!(matches!(refused, ChartError::TooCostly { .. }), "{refused}");
    // A circle ends where it began.
    house
        .put(&json!({"resourceType": "Organization", "id": "o19", "name": "O", "partOf": {"reference": "Organization/o15"}}))
        .await;
    let open = house.kind("Organization").await;
    let page = open.search(&up("o16"), &of).await.unwrap();
    assert_eq!(page.included.len(), 4);
}

#[tokio::test]
async fn includes_never_leave_the_patient() {
    let house = House::new().await;
    two_patients(&house).await;
    let of = PageOf {
        count: 10,
        token: None,
    };
    let names = |page: &chart::Page| {
        let mut all: Vec<String> = page
            .included
            .iter()
            .map(|one| format!("{}/{}", one.kind, one.id))
            .collect();
        all.sort();
        all
    };
    let search = query("Observation?_include=Observation:performer&_include=Observation:subject");
    let open = house.open(Act::Search, Subject::Patient("a".into())).await;
    let page = open.search(&search, &of).await.unwrap();
    assert_eq!(ids(&page), ["oa"]);
    assert_eq!(names(&page), ["Patient/a", "Practitioner/dr"]);
    assert_eq!(page.patients, ["a"]);
    let page = open
        .search(&query("Patient?_revinclude=Observation:performer"), &of)
        .await
        .unwrap();
    assert_eq!(names(&page), Vec::<String>::new());
    let page = open
        .search(&query("Patient?_revinclude=Observation:subject"), &of)
        .await
        .unwrap();
    assert_eq!(names(&page), ["Observation/oa"]);

    let open = house.kind("Observation").await;
    let page = open.search(&search, &of).await.unwrap();
    assert_eq!(names(&page), ["Patient/a", "Patient/b", "Practitioner/dr"]);
    assert_eq!(page.patients, ["a", "b"]);
    let who = client();
    let open = house
        .open_for(
            who,
            Act::Search,
            (
                Subject::Kind("Observation".into()),
                &["Observation", "Patient"],
            ),
        )
        .await;
    let page = open.search(&search, &of).await.unwrap();
    assert_eq!(names(&page), ["Patient/a", "Patient/b"]);
}

#[tokio::test]
async fn a_permit_is_for_what_it_says() {
    let house = House::new().await;
    two_patients(&house).await;
    let outside =
        |answer: Result<_, ChartError>| matches!(answer, Err(ChartError::OutsidePermit { .. }));
    let open = house.chart_of("a").await;
    assert!(open.read("Observation", "oa").await.unwrap().is_some());
    assert!(outside(open.read("Observation", "ob").await.map(drop)));
    assert!(
        outside(open.version("Patient", "b", 1).await.map(drop))
            || open.version("Patient", "b", 1).await.unwrap().is_none()
    );
    assert!(outside(open.read("Practitioner", "dr").await.map(drop)));
    assert!(outside(open.census().await.map(drop)));
    assert!(outside(open.find(&FindPatient::default()).await.map(drop)));
    let of = PageOf {
        count: 10,
        token: None,
    };
    assert!(outside(
        open.history(&HistoryOf::System, &of).await.map(drop)
    ));
    let whole = HistoryOf::Type {
        kind: "Observation".into(),
    };
    assert!(outside(open.history(&whole, &of).await.map(drop)));
    let open = house.kind("Observation").await;
    assert!(outside(open.read("Patient", "a").await.map(drop)));
    assert!(outside(open.summary().await.map(drop)));
    assert!(outside(open.search(&query("Patient"), &of).await.map(drop)));
    assert!(open.history(&whole, &of).await.is_ok());
    // A permit to write is none to read.
    let open = house.open(Act::Update, Subject::Patient("a".into())).await;
    assert!(outside(open.read("Patient", "a").await.map(drop)));
    // Overseers may look at the record, and see no charts.
    let officer = person(Role::PrivacyOfficer, None, None);
    let open = house
        .open_for(officer, Act::History, (Subject::Record, &[]))
        .await;
    assert!(outside(
        open.history(&HistoryOf::System, &of).await.map(drop)
    ));
    let open = house.open(Act::History, Subject::Record).await;
    let page = open
        .history(
            &HistoryOf::System,
            &PageOf {
                count: 2,
                token: None,
            },
        )
        .await
        .unwrap();
    assert_eq!(page.matches[0].kind, "Practitioner");
    let of = PageOf {
        count: 100,
        token: page.next,
    };
    let rest = open.history(&HistoryOf::System, &of).await.unwrap();
    assert_eq!((rest.matches.len(), rest.next), (3, None));
}
