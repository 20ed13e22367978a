//! Elements that a policy hides are in no answer, and nobody finds anything by them.

use chart::{FindPatient, HistoryOf, Open, PageOf};
use event::{Act, Role, Subject};
use serde_json::{Value, json};

use crate::house::{House, ids, json, person, query};

/// Everybody at the bedside: no telephone, no address, no notes on restricted entries, no codes of
/// psychiatric conditions, no place.
const RULE: &str = r#"
@id("hidden") @words("hidden")
@obligation("hide Patient.telecom Patient.address *.note@R Condition.code@PSY Observation.code Encounter.location")
permit (principal, action, resource) when { principal in Role::"nurse" || principal in Role::"physician" };
"#;

async fn house() -> House {
    let house = House::new().await;
    house.ruled_by(RULE);
    let of = json!({"reference": "Patient/p"});
    house
        .put(&json!({"resourceType": "Practitioner", "id": "dr", "identifier": [{"value": "D1"}]}))
        .await;
    house
        .put(
            &json!({"resourceType": "Patient", "id": "p", "gender": "female",
            "text": {"status": "generated", "div": "<div>Weg 1, +49 731 1</div>"},
            "name": [{"family": "Case"}], "telecom": [{"system": "phone", "value": "+49 731 1"}],
            "address": [{"city": "Ulm"}], "birthDate": "1950-01-02",
            "generalPractitioner": [{"reference": "Practitioner/dr"}]}),
        )
        .await;
    house
        .put(
            &json!({"resourceType": "Encounter", "id": "e", "status": "in-progress",
            "class": {"code": "IMP"}, "subject": of,
            "participant": [{"individual": {"reference": "Practitioner/dr"}}]}),
        )
        .await;
    for (id, label) in [("plain", ""), ("grave", "R"), ("mind", "PSY")] {
        house
            .put(
                &json!({"resourceType": "Condition", "id": id, "subject": of,
                "meta": {"security": [{"code": label}]}, "code": {"text": "what"},
                "clinicalStatus": {"coding": [{"code": "active"}]}, "note": [{"text": "words"}]}),
            )
            .await;
    }
    house
        .put(
            &json!({"resourceType": "Observation", "id": "o", "status": "final", "subject": of,
            "code": {"coding": [{"system": "http://loinc.org", "code": "2951-2"}]}}),
        )
        .await;
    house
}

async fn opened(house: &House, act: Act) -> Open {
    let who = person(Role::Physician, None, Some("D1"));
    house
        .open_for(who, act, (Subject::Patient("p".into()), &[]))
        .await
}

fn all() -> PageOf {
    PageOf {
        count: 20,
        token: None,
    }
}

fn redacted(resource: &Value) -> bool {
    let labels = resource["meta"]["security"].as_array();
    labels.is_some_and(|all| all.iter().any(|one| one["code"] == "REDACTED"))
}

#[tokio::test]
async fn a_read_leaves_it_out_and_says_so_while_the_resource_stays() {
    let house = house().await;
    let open = opened(&house, Act::Read).await;
    let stored = open.read("Patient", "p").await.unwrap().unwrap();
    let patient = json(&stored.json);
    assert!(redacted(&patient), "{patient}");
    assert_eq!(patient["name"][0]["family"], "Case");
    assert_eq!(patient["birthDate"], "1950-01-02");
    for gone in ["telecom", "address", "text"] {
        assert_eq!(patient.get(gone), None, "{gone}");
    }
    let one = open.version("Patient", "p", stored.version).await.unwrap();
    assert_eq!(json(&one.unwrap().json).get("telecom"), None);
    let whole = house.chart_of("p").await.read("Patient", "p").await;
    let whole = json(&whole.unwrap().unwrap().json);
    assert_eq!(whole["telecom"][0]["value"], "+49 731 1");
    assert!(!redacted(&whole));
}

#[tokio::test]
async fn labels_say_of_which_entries() {
    let house = house().await;
    let open = opened(&house, Act::Search).await;
    let page = open.search(&query("Condition"), &all()).await.unwrap();
    assert_eq!(page.total, Some(3));
    let of = |id: &str| {
        let found = page.matches.iter().find(|one| one.id == id);
        json(&found.unwrap().json)
    };
    let has = |id: &str| (of(id).get("code").is_some(), of(id).get("note").is_some());
    assert_eq!((has("plain"), has("grave")), ((true, true), (true, false)));
    assert_eq!(has("mind"), (false, true));
    let marked = ["plain", "grave", "mind"].map(|id| redacted(&of(id)));
    assert_eq!(marked, [false, true, true]);
}

#[tokio::test]
async fn what_the_standard_requires_says_that_it_is_masked() {
    let house = house().await;
    let open = opened(&house, Act::Read).await;
    let stored = open.read("Observation", "o").await.unwrap().unwrap();
    let observation = json(&stored.json);
    let code = &observation["code"];
    assert_eq!(code["extension"][0]["valueCode"], "masked", "{observation}");
    assert_eq!(code.get("coding"), None);
    let refused = wire::fhir::check(&observation);
    assert!(
        !refused.iter().any(wire::fhir::Issue::refuses),
        "{refused:?}"
    );
}

#[tokio::test]
async fn nobody_finds_anything_by_what_is_hidden() {
    let house = house().await;
    let open = opened(&house, Act::Search).await;
    for (search, id) in [
        ("Patient?telecom=+49 731 1", "p"),
        ("Patient?phone=+49 731 1", "p"),
        ("Patient?address-city=Ulm", "p"),
        ("Patient?address-city:missing=false", "p"),
        ("Observation?code=2951-2", "o"),
        ("Observation?code=http://loinc.org|2951-2", "o"),
        ("Patient?birthdate=1950-01-02&address-city=Ulm", "p"),
        ("Observation?subject:Patient.address-city=Ulm", "o"),
        ("Patient?_has:Observation:subject:code=2951-2", "p"),
    ] {
        let page = open.search(&query(search), &all()).await.unwrap();
        assert_eq!((ids(&page), page.total), (Vec::new(), Some(0)), "{search}");
        assert_eq!(house.search(search, 9).await, [id], "{search}");
    }
    let found = open.search(&query("Patient?name=case"), &all()).await;
    assert_eq!(ids(&found.unwrap()), ["p"]);
}

#[tokio::test]
async fn what_comes_along_and_what_was_are_as_bare() {
    let house = house().await;
    let open = opened(&house, Act::Search).await;
    let forward = query("Condition?_include=Condition:subject&_id=plain");
    let page = open.search(&forward, &all()).await.unwrap();
    let back = query("Encounter?_include=Encounter:subject&_revinclude=Observation:encounter");
    let both = open.search(&back, &all()).await.unwrap();
    for included in page.included.iter().chain(&both.included) {
        assert_eq!(included.kind, "Patient");
        assert_eq!(json(&included.json).get("telecom"), None);
    }
    assert_eq!((page.included.len(), both.included.len()), (1, 1));
    let around = query("Patient?_revinclude=Observation:subject");
    let page = open.search(&around, &all()).await.unwrap();
    assert_eq!(json(&page.included[0].json)["code"].get("coding"), None);
    let sorted = query("Patient?_sort=name");
    let page = open.search(&sorted, &all()).await.unwrap();
    assert_eq!(json(&page.matches[0].json).get("telecom"), None);
    let open = opened(&house, Act::History).await;
    let what = HistoryOf::Instance {
        kind: "Patient".into(),
        id: "p".into(),
    };
    let past = open.history(&what, &all()).await.unwrap();
    assert_eq!(json(&past.matches[0].json).get("telecom"), None);
}

#[tokio::test]
async fn the_chart_page_says_what_it_keeps_back() {
    let house = house().await;
    let view = opened(&house, Act::Read)
        .await
        .summary()
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        view.hidden,
        [
            "*.note",
            "Condition.code",
            "Observation.code",
            "Patient.address",
            "Patient.telecom"
        ]
    );
    assert!(view.identity.telecom.is_empty() && view.identity.addresses.is_empty());
    assert_eq!((view.problems.len(), view.masked), (3, 0));
    let whole = house.chart_of("p").await.summary().await.unwrap().unwrap();
    assert_eq!((whole.hidden.len(), whole.identity.telecom.len()), (0, 1));
}

#[tokio::test]
async fn a_list_of_patients_is_as_bare_and_nobody_is_found_by_what_it_leaves_out() {
    let house = house().await;
    house.ruled_by(
        r#"@id("born") @words("born") @obligation("hide Patient.birthDate")
        permit (principal, action, resource) when { principal in Role::"nurse" };"#,
    );
    let find = |name: Option<&str>, born: Option<&str>| FindPatient {
        name: name.map(str::to_owned),
        birth_date: born.map(str::to_owned),
        limit: 9,
        ..FindPatient::default()
    };
    let all = |role| {
        (
            person(role, Some("W3"), None),
            Act::Search,
            (Subject::Kind("Patient".into()), ["Patient"]),
        )
    };
    let (who, act, (subject, kinds)) = all(Role::Nurse);
    let open = house.open_for(who, act, (subject, &kinds)).await;
    let found = open.find(&find(Some("case"), None)).await.unwrap();
    assert_eq!((found.len(), found[0].birth_date.as_deref()), (1, None));
    let by_birth = find(Some("case"), Some("1950-01-02"));
    assert_eq!(open.find(&by_birth).await.unwrap(), []);
    let (who, act, (subject, kinds)) = all(Role::Physician);
    let open = house.open_for(who, act, (subject, &kinds)).await;
    let found = open.find(&by_birth).await.unwrap();
    assert_eq!(found[0].birth_date.as_deref(), Some("1950-01-02"));
}
