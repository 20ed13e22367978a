use serde_json::json;

use super::*;

fn resource(topic: &str, filters: &[&str]) -> Value {
    let extension: Vec<Value> = filters
        .iter()
        .map(|text| json!({"url": format!("{BACKPORT}backport-filter-criteria"), "valueString": text}))
        .collect();
    json!({
        "resourceType": "Subscription",
        "status": "requested",
        "reason": "to know",
        "criteria": format!("{TOPIC_BASE}{topic}"),
        "_criteria": { "extension": extension },
        "channel": {
            "type": "rest-hook",
            "endpoint": "https://ehr.example/hook",
            "payload": "application/fhir+json",
            "_payload": { "extension": [{
                "url": format!("{BACKPORT}backport-payload-content"), "valueCode": "id-only" }] },
        }
    })
}

fn read(resource: &Value) -> Subscribed {
    subscription(resource).unwrap().unwrap()
}

fn refused(resource: &Value) -> String {
    let issues = subscription(resource).unwrap_err();
    issues
        .iter()
        .map(|issue| issue.words.clone() + "\n")
        .collect()
}

#[test]
fn a_stay_begins_once() {
    let wanted = read(&resource("encounter-start", &[]));
    let planned = json!({"status": "planned"});
    let here = json!({"status": "in-progress"});
    let event =
        |before: Option<&Value>, now: Option<&Value>| wanted.happened("Encounter", before, now);
    assert!(event(Some(&planned), Some(&here)));
    assert!(event(None, Some(&here)));
    assert!(!event(Some(&here), Some(&here)));
    assert!(!event(None, Some(&planned)));
    assert!(!event(Some(&here), None));
    assert!(!wanted.happened("Patient", None, Some(&here)));
}

#[test]
fn a_result_counts_when_it_is_final_and_its_flag_says_so() {
    let result = |status: &str, flag: &str| {
        json!({"resourceType": "Observation", "status": status,
               "interpretation": [{"coding": [{"code": flag}]}]})
    };
    let wanted = read(&resource("result-abnormal", &[]));
    let event = |now: &Value| wanted.happened("Observation", None, Some(now));
    assert!(event(&result("final", "HH")) && event(&result("corrected", "L")));
    assert!(!event(&result("final", "N")) && !event(&result("preliminary", "HH")));
    let wanted = read(&resource("result-final", &[]));
    assert!(wanted.happened("Observation", None, Some(&result("final", "N"))));
    assert!(!wanted.happened("Observation", None, Some(&result("preliminary", "N"))));
}

#[test]
fn filters_are_search_parameters_and_all_of_a_type_must_hold() {
    let wanted = read(&resource(
        "resource-changed",
        &[
            "Observation?code=http%3A%2F%2Floinc.org%7C8867-4",
            "Observation?status=final",
            "Patient?",
        ],
    ));
    assert_eq!(wanted.kinds, ["Observation", "Patient"]);
    let rate = |status: &str| {
        json!({"resourceType": "Observation", "status": status,
               "code": {"coding": [{"system": "http://loinc.org", "code": "8867-4"}]}})
    };
    assert!(wanted.happened("Observation", None, Some(&rate("final"))));
    assert!(!wanted.happened("Observation", None, Some(&rate("preliminary"))));
    assert!(wanted.happened("Observation", Some(&rate("final")), None));
    assert!(!wanted.happened("Observation", Some(&rate("preliminary")), None));
    assert!(wanted.happened("Patient", None, Some(&json!({"resourceType": "Patient"}))));
    for (bad, why) in [
        ("Observation", "is not of the form"),
        ("Nonsense?a=b", "no type"),
        ("Subscription?", "no type"),
        ("AuditEvent?", "no type"),
        ("Observation?nothing=1", "nothing"),
        ("Observation?patient.name=x", "without chains"),
        ("Observation?_include=Observation:patient", "without chains"),
        ("Observation?code=%zz", "not a query"),
    ] {
        let said = refused(&resource("resource-changed", &[bad]));
        assert!(said.contains(why), "{bad}: {said}");
    }
    assert!(
        refused(&resource("encounter-end", &["Patient?name=x"])).contains("no type of this topic")
    );
    assert!(refused(&resource("resource-changed", &[])).contains("names a type"));
}

#[test]
fn what_names_no_topic_is_a_resource_like_any_other() {
    let mut old = resource("encounter-start", &[]);
    old["criteria"] = "Observation?code=1".into();
    assert!(subscription(&old).unwrap().is_none());
    old["meta"] = json!({"profile": [format!("{BACKPORT}backport-subscription")]});
    assert!(refused(&old).contains("there is no topic `Observation?code=1`"));
    assert!(refused(&resource("none", &[])).contains("encounter-start"));
}

#[test]
fn a_channel_is_held_to_what_is_offered() {
    let with = |part: &str, value: Value| {
        let mut resource = resource("encounter-start", &[]);
        resource["channel"][part] = value;
        resource
    };
    assert!(refused(&with("type", "email".into())).contains("`email` is not offered"));
    assert!(refused(&with("payload", "application/fhir+xml".into())).contains("cannot be made"));
    assert!(refused(&with("endpoint", Value::Null)).contains("needs the address"));
    assert!(
        read(&with("type", "websocket".into()))
            .channel
            .endpoint
            .is_none()
    );
    let number = |name: &str, value: Value| json!([{"url": format!("{BACKPORT}backport-{name}"), "valueUnsignedInt": value}]);
    let good = read(&with("extension", number("heartbeat-period", 60.into())));
    assert_eq!(good.channel.heartbeat_seconds, Some(60));
    assert_eq!(good.channel.content, ContentKind::IdOnly);
    assert!(
        refused(&with("extension", number("heartbeat-period", 1.into()))).contains("from 10 on")
    );
    assert!(refused(&with("extension", number("timeout", "x".into()))).contains("from 1 on"));
    let many = read(&with("extension", number("max-count", 1_000_000.into())));
    assert_eq!(many.channel.events_max, 100);
}

#[test]
fn a_header_that_would_change_the_request_is_refused() {
    let with = |line: &str| {
        let mut resource = resource("encounter-start", &[]);
        resource["channel"]["header"] = json!([line]);
        resource
    };
    let good = read(&with("Authorization: Bearer x"));
    assert_eq!(
        good.channel.headers,
        [("authorization".to_owned(), "Bearer x".to_owned())]
    );
    for bad in [
        "Host: evil.example",
        "content-length: 0",
        "Transfer-Encoding: chunked",
        "Proxy-Authorization: x",
        "X-Forwarded-For: 10.0.0.1",
        "X_Forwarded_Host: evil.example",
        "X-HTTP-Method-Override: DELETE",
        "X-HTTP-Method: DELETE",
        "X-Method-Override: DELETE",
        "X-Original-URL: /admin",
        "X-Rewrite-URL: /admin",
        "X-Real-IP: 10.0.0.1",
        "X: a\r\nHost: evil.example",
        "X Y: a",
        ": a",
        "nothing",
    ] {
        assert!(subscription(&with(bad)).is_err(), "{bad}");
    }
    let long = format!("X: {}", "y".repeat(5_000));
    assert!(!refused(&with(&long)).contains("yyy"));
}
