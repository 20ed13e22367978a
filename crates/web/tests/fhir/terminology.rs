//! `$expand`, `$validate-code` and `$lookup`.

use serde_json::{Value, json};

use crate::house::House;

const COLOURS: &str = "http://example.org/colours";

/// A code system of colours, and value sets over it.
async fn colours(house: &House) {
    let system = json!({
        "resourceType": "CodeSystem", "id": "colours", "url": COLOURS, "name": "Colours",
        "version": "2", "status": "active", "content": "complete",
        "concept": [
            {"code": "warm", "display": "Warm", "concept": [
                {"code": "red", "display": "Red", "definition": "Like blood.",
                 "property": [{"code": "loud", "valueBoolean": true}]},
                {"code": "orange", "display": "Orange"},
            ]},
            {"code": "blue", "display": "Blue"},
        ],
        "property": [{"code": "loud", "type": "boolean"}],
    });
    let made = house.put("/CodeSystem/colours", &system).await;
    assert_eq!(made.code(), 201, "{}", made.json());
    let all = [
        ("all", json!({"include": [{"system": COLOURS}]})),
        (
            "warm",
            json!({"include": [{"system": COLOURS,
            "filter": [{"property": "concept", "op": "is-a", "value": "warm"}]}]}),
        ),
        (
            "below",
            json!({"include": [{"system": COLOURS,
            "filter": [{"property": "concept", "op": "descendent-of", "value": "warm"}]}]}),
        ),
        (
            "loud",
            json!({"include": [{"system": COLOURS,
            "filter": [{"property": "loud", "op": "=", "value": "true"}]}]}),
        ),
        (
            "few",
            json!({"include": [{"system": COLOURS, "concept": [{"code": "red"}, {"code": "blue", "display": "Bleu"}]}]}),
        ),
        (
            "cold",
            json!({"include": [{"valueSet": ["http://example.org/all"]}],
            "exclude": [{"valueSet": ["http://example.org/warm"]}]}),
        ),
        (
            "both",
            json!({"include": [{"valueSet": ["http://example.org/warm", "http://example.org/few"]}]}),
        ),
        (
            "circle",
            json!({"include": [{"valueSet": ["http://example.org/circle"]}]}),
        ),
        (
            "odd",
            json!({"include": [{"system": COLOURS,
            "filter": [{"property": "concept", "op": "regex", "value": "r.*"}]}]}),
        ),
        (
            "snomed",
            json!({"include": [{"system": "http://snomed.info/sct"}]}),
        ),
    ];
    for (name, compose) in all {
        let set = json!({"resourceType": "ValueSet", "id": name, "name": name, "status": "active",
            "url": format!("http://example.org/{name}"), "compose": compose});
        let made = house.put(&format!("/ValueSet/{name}"), &set).await;
        assert_eq!(made.code(), 201, "{}", made.json());
    }
}

fn codes(set: &Value) -> Vec<String> {
    assert_eq!(set["resourceType"], "ValueSet", "{set}");
    let contains = set["expansion"]["contains"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let code = |one: &Value| one["code"].as_str().unwrap().to_owned();
    contains.iter().map(code).collect()
}

fn says(parameters: &Value, name: &str) -> Value {
    let all = parameters["parameter"].as_array().unwrap();
    let found = all.iter().find(|one| one["name"] == name);
    let found = found.unwrap_or_else(|| panic!("no {name}: {parameters}"));
    let members = found.as_object().unwrap();
    let value = members.iter().find(|(key, _)| key.starts_with("value"));
    value.unwrap().1.clone()
}

#[tokio::test]
async fn value_sets_are_expanded() {
    let house = House::open().await;
    colours(&house).await;
    for (name, wanted) in [
        ("all", vec!["warm", "red", "orange", "blue"]),
        ("warm", vec!["warm", "red", "orange"]),
        ("below", vec!["red", "orange"]),
        ("loud", vec!["red"]),
        ("few", vec!["red", "blue"]),
        ("cold", vec!["blue"]),
        ("both", vec!["red"]),
    ] {
        let reply = house
            .get(&format!("/ValueSet/$expand?url=http://example.org/{name}"))
            .await;
        assert_eq!(reply.code(), 200, "{name}: {}", reply.json());
        assert_eq!(codes(&reply.json()), wanted, "{name}");
        assert_eq!(wire::fhir::check(&reply.json()), vec![], "{name}");
        let by_id = house.get(&format!("/ValueSet/{name}/$expand")).await;
        assert_eq!(codes(&by_id.json()), wanted, "{name}");
    }
    let few = house.get("/ValueSet/few/$expand").await.json();
    assert_eq!(few["expansion"]["contains"][1]["display"], "Bleu");
    let all = house.get("/ValueSet/all/$expand").await.json();
    assert_eq!(all["expansion"]["contains"][1]["display"], "Red");
    let part = house
        .get("/ValueSet/all/$expand?offset=1&count=2")
        .await
        .json();
    assert_eq!(codes(&part), ["red", "orange"]);
    assert_eq!(
        (&part["expansion"]["total"], &part["expansion"]["offset"]),
        (&json!(4), &json!(1))
    );
    assert_eq!(
        codes(&house.get("/ValueSet/all/$expand?filter=ORAN").await.json()),
        ["orange"]
    );
    let gender = "/ValueSet/$expand?url=http://hl7.org/fhir/ValueSet/administrative-gender";
    let gender = house.get(gender).await.json();
    assert_eq!(codes(&gender), ["female", "male", "other", "unknown"]);
    let own = json!({"resourceType": "ValueSet", "status": "active",
        "compose": {"include": [{"system": "http://hl7.org/fhir/observation-status"}]}});
    let own = house.post("/ValueSet/$expand", &own).await;
    assert!(
        codes(&own.json()).contains(&"final".to_owned()),
        "{}",
        own.json()
    );
    for (path, code) in [
        ("/ValueSet/circle/$expand", 400),
        ("/ValueSet/odd/$expand", 400),
        ("/ValueSet/snomed/$expand", 404),
        ("/ValueSet/$expand?url=http://example.org/nothing", 404),
        ("/ValueSet/$expand", 400),
        (
            "/ValueSet/$expand?url=http://example.org/all&language=de",
            400,
        ),
        ("/ValueSet/nothing/$expand", 404),
    ] {
        let reply = house.get(path).await;
        assert_eq!(reply.code(), code, "{path}: {}", reply.json());
        reply.words();
    }
}

#[tokio::test]
async fn codes_are_looked_for() {
    let house = House::open().await;
    colours(&house).await;
    let gender = "http://hl7.org/fhir/ValueSet/administrative-gender";
    for (query, result) in [
        (
            "url=http://example.org/warm&system=http://example.org/colours&code=red".to_owned(),
            true,
        ),
        ("url=http://example.org/warm&code=red".to_owned(), true),
        ("url=http://example.org/warm&code=blue".to_owned(), false),
        (
            "url=http://example.org/warm&system=http://other&code=red".to_owned(),
            false,
        ),
        (
            "url=http://example.org/warm&code=red&display=red".to_owned(),
            true,
        ),
        (
            "url=http://example.org/warm&code=red&display=green".to_owned(),
            false,
        ),
        (format!("url={gender}&code=female"), true),
        (format!("url={gender}&code=banana"), false),
    ] {
        let reply = house
            .get(&format!("/ValueSet/$validate-code?{query}"))
            .await;
        assert_eq!(reply.code(), 200, "{query}: {}", reply.json());
        assert_eq!(
            says(&reply.json(), "result"),
            result,
            "{query}: {}",
            reply.json()
        );
    }
    let concept = json!({"resourceType": "Parameters", "parameter": [
        {"name": "url", "valueUri": "http://example.org/warm"},
        {"name": "codeableConcept", "valueCodeableConcept": {"coding": [
            {"system": "http://other", "code": "x"}, {"system": COLOURS, "code": "orange"}]}}]});
    let reply = house.post("/ValueSet/$validate-code", &concept).await;
    assert_eq!(says(&reply.json(), "result"), true, "{}", reply.json());
    assert_eq!(says(&reply.json(), "display"), "Orange");
    for (query, result) in [("code=red", true), ("code=green", false)] {
        for path in [
            format!("/CodeSystem/colours/$validate-code?{query}"),
            format!("/CodeSystem/$validate-code?url={COLOURS}&{query}"),
        ] {
            let reply = house.get(&path).await;
            assert_eq!(
                says(&reply.json(), "result"),
                result,
                "{path}: {}",
                reply.json()
            );
        }
    }
    let nothing = house
        .get("/CodeSystem/$validate-code?url=http://loinc.org&code=1-1")
        .await;
    assert_eq!(
        nothing.code(),
        404,
        "what is not at hand is not said to be wrong"
    );
}

#[tokio::test]
async fn what_is_known_of_a_code_is_told() {
    let house = House::open().await;
    colours(&house).await;
    let red = house
        .get(&format!("/CodeSystem/$lookup?system={COLOURS}&code=red"))
        .await;
    assert_eq!(red.code(), 200, "{}", red.json());
    let red = red.json();
    assert_eq!(wire::fhir::check(&red), vec![]);
    assert_eq!(
        (says(&red, "display"), says(&red, "definition")),
        (json!("Red"), json!("Like blood."))
    );
    assert_eq!(
        (says(&red, "name"), says(&red, "version")),
        (json!("Colours"), json!("2"))
    );
    assert!(red.to_string().contains("warm"), "{red}");
    let coding = json!({"resourceType": "Parameters", "parameter": [
        {"name": "coding", "valueCoding": {"system": "http://hl7.org/fhir/observation-status", "code": "final"}}]});
    let fixed = house.post("/CodeSystem/$lookup", &coding).await;
    assert_eq!(says(&fixed.json(), "display"), "final", "{}", fixed.json());
    for (query, code) in [
        (format!("system={COLOURS}&code=green"), 404),
        (format!("system={COLOURS}&code=red&version=1"), 404),
        (
            "system=http://hl7.org/fhir/observation-status&code=banana".to_owned(),
            404,
        ),
        ("system=http://snomed.info/sct&code=1".to_owned(), 404),
        ("code=red".to_owned(), 400),
        (format!("system={COLOURS}"), 400),
    ] {
        let reply = house.get(&format!("/CodeSystem/$lookup?{query}")).await;
        assert_eq!(reply.code(), code, "{query}: {}", reply.json());
    }
    let token = house.client("narrow", &["system/Patient.rs"]).await;
    let path = format!("/CodeSystem/$lookup?system={COLOURS}&code=red");
    assert_eq!(house.get_as(&token, &path).await.code(), 403);
    let built_in = "/CodeSystem/$lookup?system=http://hl7.org/fhir/observation-status&code=final";
    assert_eq!(house.get_as(&token, built_in).await.code(), 200);
}

/// What a definition makes the server do has an end, whoever wrote it.
#[tokio::test]
async fn work_without_end_is_refused() {
    let house = House::open().await;
    let licences = "http://hl7.org/fhir/ValueSet/spdx-license";
    let many = vec![json!({"valueSet": [licences]}); 20_000];
    let wide =
        json!({"resourceType": "ValueSet", "status": "active", "compose": {"include": many}});
    let refused = house.post("/ValueSet/$expand", &wide).await;
    assert_eq!(refused.code(), 400, "{}", refused.json());
    assert!(
        refused.words().contains("too-costly"),
        "{}",
        refused.words()
    );
    let chain: Vec<Value> = (0..20_000)
        .map(|n| {
            json!({"code": format!("c{n}"),
                "property": [{"code": "parent", "valueCode": format!("c{}", n + 1)}]})
        })
        .collect();
    let system = json!({"resourceType": "CodeSystem", "id": "deep", "url": "http://example.org/deep",
        "status": "active", "content": "complete", "concept": chain});
    assert_eq!(house.put("/CodeSystem/deep", &system).await.code(), 201);
    let filter = json!([{"property": "concept", "op": "is-a", "value": "c20000"}]);
    let codes: Vec<Value> = (0..20_000)
        .map(|n| json!({"code": format!("c{n}")}))
        .collect();
    for include in [
        json!([{"system": "http://example.org/deep", "filter": filter}]),
        json!([{"system": "http://example.org/deep", "filter": filter},
            {"system": "http://example.org/deep", "concept": codes}]),
    ] {
        let set = json!({"resourceType": "ValueSet", "status": "active", "compose": {"include": include}});
        let refused = house.post("/ValueSet/$expand", &set).await;
        assert_eq!(refused.code(), 400, "{}", refused.json());
    }
}

#[tokio::test]
async fn what_cannot_be_told_of_a_code_is_not_said_to_be_wrong() {
    let house = House::open().await;
    let status = "http://hl7.org/fhir/observation-status";
    let said = "/CodeSystem/$validate-code?code=entered-in-error&display=Entered%20in%20Error";
    let reply = house.get(&format!("{said}&url={status}")).await;
    assert_eq!(says(&reply.json(), "result"), true, "{}", reply.json());
    let other = json!({"resourceType": "Parameters", "parameter": [
        {"name": "url", "valueUri": status},
        {"name": "coding", "valueCoding": {"system": "http://other", "code": "final"}}]});
    let reply = house.post("/CodeSystem/$validate-code", &other).await;
    assert_eq!(says(&reply.json(), "result"), false, "{}", reply.json());
}

#[tokio::test]
async fn of_several_value_sets_of_one_address_the_newest_active_one_is_meant() {
    let house = House::open().await;
    let set = |id: &str, status: &str, version: &str| {
        json!({"resourceType": "ValueSet", "id": id, "status": status, "version": version,
            "url": "http://example.org/many",
            "compose": {"include": [{"system": COLOURS, "concept": [{"code": id}]}]}})
    };
    for (id, status, version) in [
        ("ten", "active", "1.10"),
        ("nine", "active", "1.9"),
        ("draft", "draft", "3"),
        ("retired", "retired", "2"),
    ] {
        let made = house
            .put(&format!("/ValueSet/{id}"), &set(id, status, version))
            .await;
        assert_eq!(made.code(), 201, "{}", made.json());
    }
    let expanded = house
        .get("/ValueSet/$expand?url=http://example.org/many")
        .await
        .json();
    assert_eq!(
        expanded["expansion"]["contains"][0]["code"], "ten",
        "{expanded}"
    );
    let named = house
        .get("/ValueSet/$expand?url=http://example.org/many&valueSetVersion=2")
        .await
        .json();
    assert_eq!(
        named["expansion"]["contains"][0]["code"], "retired",
        "{named}"
    );
}
