//! Anything may come in; nothing may panic.

use proptest::prelude::*;
use serde_json::Value;
use wire::fhir::search::{QueryLimits, span_of};
use wire::fhir::{self, Limits};

/// JSON of FHIR's own words, put together at random.
fn document() -> impl Strategy<Value = Value> {
    let word = prop_oneof![
        Just("resourceType"),
        Just("id"),
        Just("meta"),
        Just("contained"),
        Just("extension"),
        Just("url"),
        Just("valueString"),
        Just("valueQuantity"),
        Just("value"),
        Just("code"),
        Just("coding"),
        Just("system"),
        Just("subject"),
        Just("reference"),
        Just("name"),
        Just("given"),
        Just("_given"),
        Just("entry"),
        Just("resource"),
        Just("fullUrl"),
        Just("period"),
        Just("start"),
        Just("end"),
        Just("component"),
        Just("status"),
        Just("text"),
        Just("div"),
        Just("versionId"),
        Just("identifier"),
        Just("type"),
    ];
    let text = prop_oneof![
        Just("Patient".to_owned()),
        Just("Observation".to_owned()),
        Just("Bundle".to_owned()),
        Just("#a".to_owned()),
        Just("Patient/1".to_owned()),
        Just("urn:uuid:1".to_owned()),
        Just("2020-01-01".to_owned()),
        Just("final".to_owned()),
        Just("<div>x</div>".to_owned()),
        ".{0,12}",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        text.prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 60, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((word.clone(), inner), 0..6).prop_map(|pairs| pairs
                .into_iter()
                .map(|(k, v)| (k.to_owned(), v))
                .collect::<serde_json::Map<_, _>>()
                .into()),
        ]
    })
}

fn with_kind(mut value: Value, kind: &str) -> Value {
    if let Some(map) = value.as_object_mut() {
        map.insert("resourceType".to_owned(), kind.into());
    }
    value
}

proptest! {
    #[test]
    fn bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = fhir::parse(&bytes, &Limits::default());
        let _ = fhir::bundle::split(&bytes);
        let _ = fhir::stamp(&bytes, "a", 1, "t");
        let _ = fhir::resolve(&bytes, &[("a".to_owned(), "b".to_owned())]);
    }

    #[test]
    fn json_like_text_never_panics(text in "[\\[\\]{}\":,\\\\ a1.u-]{0,80}") {
        let _ = fhir::parse(text.as_bytes(), &Limits::default());
        let _ = fhir::stamp(text.as_bytes(), "a", 1, "t");
        prop_assert_eq!(fhir::resolve(text.as_bytes(), &[]), text.as_bytes());
    }

    #[test]
    fn documents_never_panic(value in document(), kind in prop::sample::select(fhir::kinds())) {
        let value = with_kind(value, kind);
        for issue in fhir::check(&value) {
            prop_assert!(!issue.words.is_empty());
        }
        let _ = fhir::terms(&value);
        let _ = fhir::references(&value);
        let _ = fhir::patient_of(&value);
        let raw = value.to_string();
        let again = fhir::parse(raw.as_bytes(), &Limits::default()).unwrap();
        prop_assert_eq!(&again, &value);
        let stamped = fhir::stamp(raw.as_bytes(), "x", 3, "t");
        if value.is_object() {
            let stamped = fhir::parse(&stamped, &Limits::default()).unwrap();
            prop_assert_eq!(&stamped["id"], "x");
            prop_assert_eq!(&stamped["meta"]["versionId"], "3");
        }
    }

    #[test]
    fn queries_never_panic(kind in prop::sample::select(fhir::kinds()), name in "[a-z_:.-]{0,20}", value in ".{0,30}", at in any::<prop::sample::Index>(), resource in document()) {
        let params: Vec<&str> = fhir::search::params(kind).iter().map(|p| p.code).collect();
        let resource = with_kind(resource, kind);
        for name in [name.as_str(), *at.get(params.as_slice())] {
            let pairs = [(name.to_owned(), value.clone())];
            if let Ok(query) = fhir::query(kind, &pairs, &QueryLimits::default()) {
                let _ = query.filters.iter().filter(|f| fhir::matches(&resource, f)).count();
            }
        }
    }

    #[test]
    fn spans_never_panic_and_are_not_empty(text in ".{0,30}", date in "[0-9T:.Z+-]{4,30}") {
        for text in [text, date] {
            if let Some(span) = span_of(&text) {
                prop_assert!(span.lo_ms < span.hi_ms);
            }
        }
    }

    #[test]
    fn folding_is_stable(text in ".{0,40}") {
        let once = fhir::fold(&text);
        prop_assert_eq!(fhir::fold(&once), once);
    }
}

#[test]
fn names_fold_as_people_search_them() {
    for (text, folded) in [
        ("MÜLLER", "muller"),
        ("  Ñandú  Å ", "nandu a"),
        ("Straße", "strasse"),
        ("Łukasz Ørsted", "lukasz orsted"),
        ("İstanbul", "istanbul"),
        ("ＡＢＣ", "abc"),
        ("Дмитрий", "дмитрии"),
        ("", ""),
    ] {
        assert_eq!(fhir::fold(text), folded, "{text}");
    }
}
