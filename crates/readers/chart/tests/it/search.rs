//! The index answers what reading everything would answer.

use crate::house::{House, admission, client, ids, merge, person, query};
use chart::{ChartError, EverythingOf, FindPatient, PageOf};
use event::{Act, Role, Subject};
use proptest::prelude::*;
use serde_json::{Value, json};

/// Small worlds, so that queries meet something.
fn resource() -> impl Strategy<Value = Value> {
    let name = prop::sample::select(vec![
        "Müller",
        "Muller",
        "van der Berg",
        "O'Neil",
        "Doe-Roe",
    ]);
    let given = prop::sample::select(vec!["Anna", "Anna Maria", "ÉMILE", "Bo"]);
    let born = prop::sample::select(vec!["1950-01-02", "1950-01", "1950", "1961-12-31"]);
    let number = prop::sample::select(vec!["1", "2", "a1", "A1"]);
    let system = prop::sample::select(vec!["urn:a", "urn:b"]);
    let patient = (name, given, born, number.clone(), system.clone(), 0..4_u8).prop_map(
        |(name, given, born, number, system, id)| {
            json!({"resourceType": "Patient", "id": format!("p{id}"), "birthDate": born,
                "identifier": [{"system": system, "value": number}],
                "name": [{"family": name, "given": [given]}]})
        },
    );
    let code = prop::sample::select(vec!["c1", "c2", "C1"]);
    let when = prop::sample::select(vec![
        "2024",
        "2024-05-01",
        "2024-05-01T10:00:00Z",
        "2023-01-01",
        "2024-04-30T23:30:00-02:00",
        "2024-05-01T23:59:59Z",
        "period",
        "open",
        "",
    ]);
    let to = prop::sample::select(vec!["Patient/p0", "Patient/p1", "Group/p1", "Patient/p9"]);
    let observation = (code, when, to, number, system, (0..12_u8, 0..3_u8)).prop_map(
        |(code, when, to, number, system, (id, encounter))| {
            let mut observation = json!({"resourceType": "Observation", "id": format!("o{id}"),
                "status": "final", "identifier": [{"system": system, "value": number}],
                "code": {"coding": [{"system": system, "code": code}]},
                "subject": {"reference": to},
                "encounter": {"reference": format!("Encounter/e{encounter}")},
                "valueQuantity": {"value": 5.4, "unit": "mmol/L"}});
            match when {
                "" => {}
                "period" => {
                    observation["effectivePeriod"] =
                        json!({"start": "2024-04-30", "end": "2024-05-01"});
                }
                "open" => observation["effectivePeriod"] = json!({"start": "2024-05-01T08:00:00Z"}),
                when => observation["effectiveDateTime"] = when.into(),
            }
            observation
        },
    );
    prop_oneof![patient, observation.clone(), observation]
}

const QUERIES: [&str; 44] = [
    "Patient",
    "Patient?_id=p1,p2",
    "Patient?identifier=1",
    "Patient?identifier=urn:a|1,urn:b|a1",
    "Patient?identifier=urn:a|",
    "Patient?name=mul",
    "Patient?name=van der",
    "Patient?family=berg",
    "Patient?family:exact=Müller",
    "Patient?family:contains=roe",
    "Patient?given=anna,emile",
    "Patient?given=anna&family=o'neil",
    "Patient?birthdate=1950-01-02",
    "Patient?birthdate=1950",
    "Patient?birthdate=gt1955",
    "Patient?identifier:not=urn:a|1",
    "Patient?birthdate:missing=true",
    "Patient?_sort=family,-birthdate",
    "Patient?_sort=-_lastUpdated",
    "Observation",
    "Observation?patient=p0",
    "Observation?subject=Patient/p1",
    "Observation?subject=Group/p1",
    "Observation?patient=p0,p9&code=c1",
    "Observation?code=c1",
    "Observation?code=urn:a|c1,c2",
    "Observation?encounter=Encounter/e1",
    "Observation?encounter=e1,e2&_sort=date",
    "Observation?date=2024",
    "Observation?code=c1&date=2024",
    "Observation?code=c1&date=2024-05-01",
    "Observation?code=c1&date=2024-05-01,2023-01-01",
    "Observation?code=c1&date=ne2024-05-01",
    "Observation?code=c1&date=ap2024-05-01",
    "Observation?code=c1&date:missing=true",
    "Observation?patient=p0&date=ge2024-05-01",
    "Observation?patient=p0&date=lt2024-05-01&_sort=date",
    "Observation?patient=p0,p1&date=le2024-05-01T12:00:00Z",
    "Observation?encounter=e1&date=sa2023-01-01",
    "Observation?date=ge2024-05-01&_sort=-date",
    "Observation?identifier=a1",
    "Observation?_id=o1,o2,o3&code=c1",
    "Observation?code:not=c1",
    "Observation?value-quantity=5.4",
];

/// What reading every current resource of the type would find, in no order.
async fn naive(house: &House, search: &str) -> Vec<String> {
    let query = query(search);
    let everything = house.search(&query.kind, 1000).await;
    let open = house.kind(&query.kind).await;
    let mut found = Vec::new();
    for id in everything {
        let stored = open.read(&query.kind, &id).await.unwrap().unwrap();
        let value: Value = serde_json::from_slice(&stored.json).unwrap();
        if query
            .filters
            .iter()
            .all(|filter| wire::fhir::matches(&value, filter))
        {
            found.push(id);
        }
    }
    found.sort();
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]
    #[test]
    fn the_index_and_a_scan_agree(resources in prop::collection::vec(resource(), 1..50)) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let house = House::new().await;
            for resource in &resources {
                house.put(resource).await;
            }
            for search in QUERIES {
                let mut found = house.search(search, 3).await;
                let mut unique = found.clone();
                unique.sort();
                unique.dedup();
                found.sort();
                assert_eq!(found, unique, "{search} finds something twice");
                assert_eq!(found, naive(&house, search).await, "{search}");
            }
        });
    }
}

fn observation(id: u32, day: u32) -> Value {
    json!({"resourceType": "Observation", "id": format!("o{id}"), "status": "final",
        "code": {"text": "x"}, "subject": {"reference": "Patient/p"},
        "effectiveDateTime": format!("2024-05-{day:02}")})
}

#[tokio::test]
async fn pages_do_not_shift_while_data_arrives() {
    let house = House::new().await;
    for id in 0..9 {
        house.put(&observation(id, id + 1)).await;
    }
    for search in [
        "Observation",
        "Observation?patient=p&_sort=-date",
        "Observation?_sort=-_lastUpdated",
    ] {
        let expected = house.search(search, 100).await;
        let query = query(search);
        let mut of = PageOf {
            count: 2,
            token: None,
        };
        let (mut found, mut round) = (Vec::new(), 0);
        loop {
            let open = house.kind("Observation").await;
            let page = open.search(&query, &of).await.unwrap();
            found.extend(ids(&page));
            // Between the pages: one new, one changed, one deleted.
            house.put(&observation(100 + round, 20)).await;
            house.put(&observation(round % 9, 21)).await;
            if round < 3 {
                let gone = format!("o{}", 8 - round);
                house.delete("Observation", &gone).await;
            }
            round += 1;
            let Some(next) = page.next else { break };
            of.token = Some(next);
        }
        assert_eq!(found, expected, "{search}");
        for id in 0..9 {
            house.put(&observation(id, id + 1)).await;
        }
        for id in 0..round {
            house.delete("Observation", &format!("o{}", 100 + id)).await;
        }
    }
}

#[tokio::test]
async fn totals_sorts_and_bad_pages() {
    let house = House::new().await;
    for id in 0..5 {
        house.put(&observation(id, 9 - id)).await;
    }
    assert_eq!(
        house.search("Observation?patient=p&_sort=date", 2).await,
        ["o4", "o3", "o2", "o1", "o0"]
    );
    assert_eq!(
        house.search("Observation?_sort=-_id", 2).await,
        ["o4", "o3", "o2", "o1", "o0"]
    );
    let open = house.kind("Observation").await;
    let none = PageOf {
        count: 0,
        token: None,
    };
    let page = open
        .search(&query("Observation?patient=p"), &none)
        .await
        .unwrap();
    assert_eq!(
        (page.total, page.matches.len(), page.next),
        (Some(5), 0, None)
    );
    let page = open.search(&query("Observation"), &none).await.unwrap();
    assert_eq!(page.total, Some(5));
    let bad = PageOf {
        count: 2,
        token: Some("nonsense".into()),
    };
    let refused = open.search(&query("Observation"), &bad).await;
    assert!(matches!(refused, Err(ChartError::BadPage(_))));
}

/// Of more candidates than are looked at at once a page ends when it is full, and no total is told that
/// nobody asked for.
#[tokio::test]
async fn pages_of_many_candidates_have_every_match_once() {
    let house = House::new().await;
    for id in 0..600 {
        house.put(&observation(id, 1 + id % 28)).await;
    }
    let all = "Observation?patient=p&status=final";
    let few = "Observation?patient=p&date=2024-05-05";
    for (search, count) in [(few, 1), (few, 4), (all, 70), (all, 500)] {
        for search in [search.to_owned(), format!("{search}&_total=none")] {
            let mut found = house.search(&search, count).await;
            found.sort();
            assert_eq!(found, naive(&house, &search).await, "{search} by {count}");
        }
    }
    let page = PageOf {
        count: 3,
        token: None,
    };
    let open = house.kind("Observation").await;
    for (search, total) in [
        (all, None),
        (
            "Observation?patient=p&status=final&_total=accurate",
            Some(600),
        ),
        (few, Some(22)),
        ("Observation?_id=o4,o5,o32&date=2024-05-05", Some(2)),
    ] {
        let found = open.search(&query(search), &page).await.unwrap();
        assert_eq!(found.total, total, "{search}");
    }
}

#[tokio::test]
async fn a_search_that_reads_too_much_is_refused() {
    let house = House::new().await;
    for id in 0..6 {
        house.put(&observation(id, 1)).await;
    }
    let small = house.other_chart(|config| config.search_scan_max = 3).await;
    house.fold(&small).await;
    let permit = house
        .permit(
            client(),
            Act::Search,
            (Subject::Kind("Observation".into()), &[]),
        )
        .await;
    let costly = small
        .open_with(permit)
        .matching(&query("Observation?patient=p&code=nothing&date=2023-01-01"))
        .await;
    let Err(ChartError::TooCostly { limit, max, .. }) = costly else {
        panic!("{costly:?}")
    };
    assert_eq!((limit, max), ("search_scan_max", 3));
    assert_eq!(
        house
            .kind("Observation")
            .await
            .matching(&query("Observation?patient=p"))
            .await
            .unwrap()
            .len(),
        2
    );
    assert_eq!(
        house
            .kind("Observation")
            .await
            .matching(&query("Observation?_id=o3"))
            .await
            .unwrap(),
        ["o3"]
    );
}

/// A page of everything ends after so many rows, whatever they held, and says where it goes on.
#[tokio::test]
async fn everything_goes_on_where_it_stopped_looking() {
    let house = House::new().await;
    for id in 0..7 {
        house.put(&observation(id, id + 1)).await;
    }
    let small = house.other_chart(|config| config.search_scan_max = 3).await;
    house.fold(&small).await;
    let day = |day: u32| wire::fhir::search::span_of(&format!("2024-05-{day:02}"));
    let what = EverythingOf {
        from_ms: day(5).map(|span| span.lo_ms),
        ..EverythingOf::default()
    };
    let (mut sizes, mut token) = (Vec::new(), None);
    loop {
        let asked = (Subject::Patient("p".into()), &[] as &[&str]);
        let open = small.open_with(house.permit(client(), Act::Search, asked).await);
        let page = open.everything(&what, &PageOf { count: 10, token }).await;
        let page = page.unwrap();
        sizes.push(page.matches.len());
        token = page.next;
        if token.is_none() {
            break;
        }
    }
    assert_eq!(sizes, [0, 2, 1]);
}

/// What a summary did not look at it names; what it may not leave out comes first.
#[tokio::test]
async fn an_excerpt_says_what_it_did_not_look_at() {
    let house = House::new().await;
    for id in 0..4 {
        house.put(&observation(id, id + 1)).await;
    }
    let flag = json!({"resourceType": "Flag", "id": "f", "status": "active",
        "code": {"text": "x"}, "subject": {"reference": "Patient/p"}});
    house.put(&flag).await;
    let small = house.other_chart(|config| config.search_scan_max = 3).await;
    house.fold(&small).await;
    let asked = (
        Subject::Patient("p".into()),
        &["Flag", "Observation"] as &[&str],
    );
    let permit = house.permit(client(), Act::Read, asked).await;
    let kinds = [("Flag", usize::MAX), ("Observation", usize::MAX)];
    let open = small.open_with(permit);
    let excerpt = open.excerpt(&kinds, |one| one["id"] != "o3").await.unwrap();
    let ids: Vec<&str> = excerpt
        .resources
        .iter()
        .map(|one| one["id"].as_str().unwrap())
        .collect();
    assert_eq!(ids, ["f", "o2"]);
    assert_eq!(excerpt.cut, ["Observation"]);
}

/// One request may hold a hundred chains; what they look at counts together.
#[tokio::test]
async fn chains_share_what_one_search_may_read() {
    let house = House::new().await;
    for id in 0..6 {
        house.put(&observation(id, 1)).await;
    }
    let small = house.other_chart(|config| config.search_scan_max = 8).await;
    house.fold(&small).await;
    let linked = "_has:Observation:subject:status=final";
    for (search, fits) in [
        (format!("Patient?{linked}"), true),
        (format!("Patient?{linked}&{linked}"), false),
    ] {
        let kinds: &[&str] = &["Patient", "Observation"];
        let asked = (Subject::Kind("Patient".into()), kinds);
        let permit = house.permit(client(), Act::Search, asked).await;
        let found = small.open_with(permit).matching(&query(&search)).await;
        match found {
            Ok(_) => assert!(fits, "{search}"),
            Err(ChartError::TooCostly { limit, max, .. }) => {
                assert_eq!(
                    (limit, max, fits),
                    ("search_scan_max", 8, false),
                    "{search}"
                );
            }
            Err(why) => panic!("{search}: {why}"),
        }
    }
}

#[tokio::test]
async fn patients_are_found() {
    let house = House::new().await;
    house.message(&merge("1", "100", "300")).await;
    house
        .message(
            // Of after the merge, which names her too.
            &admission("2", "100", "Müller-Lüdenscheidt^Anna^Maria", "3W^301^A")
                .replace("20240501100000", "20240503100000"),
        )
        .await;
    house
        .message(&admission("3", "200", "Roe^Jack", "4W^401^B"))
        .await;
    let id = house.patient("100");
    let same = std::slice::from_ref(&id);
    let open = house
        .open_for(
            person(Role::Nurse, Some("3W"), None),
            Act::Search,
            (Subject::Kind("Patient".into()), &["Patient"]),
        )
        .await;
    let find = async |find: FindPatient| {
        let find = FindPatient { limit: 50, ..find };
        let rows = open.find(&find).await.unwrap();
        rows.into_iter().map(|row| row.patient).collect::<Vec<_>>()
    };
    let named = |name: &str| FindPatient {
        name: Some(name.into()),
        ..FindPatient::default()
    };
    for name in [
        "mull",
        "MÜLLER",
        "lud anna",
        "Anna, müller",
        "maria lüdensch",
        "muller-lud",
    ] {
        assert_eq!(find(named(name)).await, same, "{name}");
    }
    for name in ["uller", "mull jack", "annab"] {
        assert!(find(named(name)).await.is_empty(), "{name}");
    }
    let number = |number: &str| FindPatient {
        identifier: Some(number.into()),
        ..FindPatient::default()
    };
    assert_eq!(find(number("100")).await, same);
    // The retired number finds the survivor.
    assert_eq!(find(number("300")).await, same);
    assert!(find(number("10")).await.is_empty());
    let born = |born: &str| FindPatient {
        birth_date: Some(born.into()),
        ..FindPatient::default()
    };
    assert_eq!(find(born("1950-01-02")).await.len(), 2);
    assert_eq!(find(born("1950")).await.len(), 2);
    assert!(find(born("1951")).await.is_empty());
    let ward = FindPatient {
        ward: Some("4W".into()),
        ..FindPatient::default()
    };
    assert_eq!(find(ward).await, [house.patient("200")]);
    let both = FindPatient {
        ward: Some("3W".into()),
        ..born("1950")
    };
    assert_eq!(find(both).await, same);
    assert!(find(FindPatient::default()).await.is_empty());
}
