//! A resource with only those of its elements that somebody looks at: most of a claim, a
//! questionnaire or a narrative is never made into values.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::{Map, Value};

use super::path::Expr;
use super::tables::params;

/// What every lens shows: what a reference within the resource leads to, and what it is.
const ALWAYS: [&str; 3] = ["contained", "id", "resourceType"];

/// The elements at the top of one resource type that are looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lens(BTreeSet<&'static str>);

impl Lens {
    /// What [`super::search::terms_of`] with the parameters `codes` and [`super::patient_of`] look at in a
    /// resource of this type, and `also`. `None`: they may look at anything.
    #[must_use]
    pub fn of(kind: &str, codes: &[&str], also: &[&'static str]) -> Option<Lens> {
        let mut shown: BTreeSet<&'static str> =
            ALWAYS.into_iter().chain(also.iter().copied()).collect();
        // A Binary has no parameter that names a patient: it is whose its context is.
        shown.extend((kind == "Binary").then_some("securityContext"));
        let looked = params(kind)
            .iter()
            .filter(|param| param.compartment || codes.contains(&param.code));
        for expr in looked.filter_map(|param| param.expr.as_ref()) {
            if !from(expr, true, &mut shown) {
                return None;
            }
        }
        Some(Lens(shown))
    }

    /// Reads a resource; what is not shown is read over.
    ///
    /// # Errors
    /// As serde_json, if it is no JSON object.
    pub fn read(&self, json: &[u8]) -> serde_json::Result<Value> {
        let mut reader = serde_json::Deserializer::from_slice(json);
        let shown = reader.deserialize_map(self)?;
        reader.end()?;
        Ok(Value::Object(shown))
    }

    /// Whether it shows this member; `valueQuantity` is the element `value`, `_status` is `status`.
    fn shows(&self, key: &str) -> bool {
        let name = key.strip_prefix('_').unwrap_or(key);
        let choice = |element: &&str| {
            let kind = name.strip_prefix(*element);
            kind.is_some_and(|kind| kind.starts_with(|first: char| first.is_ascii_uppercase()))
        };
        self.0.contains(name) || self.0.iter().any(choice)
    }
}

impl<'de> Visitor<'de> for &Lens {
    type Value = Map<String, Value>;

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("a resource")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut shown = Map::new();
        while let Some(key) = members.next_key::<String>()? {
            if self.shows(&key) {
                let value = members.next_value()?;
                shown.insert(key, value);
            } else {
                members.next_value::<IgnoredAny>()?;
            }
        }
        Ok(shown)
    }
}

/// Adds the elements at the top that an expression begins with; `top`: it starts from the resource.
/// `false`: it looks at the resource as a whole.
fn from(expr: &Expr, top: bool, shown: &mut BTreeSet<&'static str>) -> bool {
    let whole = |expr: &Expr| match expr {
        Expr::This => top,
        Expr::Resource => true,
        _ => false,
    };
    match expr {
        Expr::This | Expr::Resource => !whole(expr),
        Expr::Member(of, name) if whole(of) => {
            shown.insert(name);
            true
        }
        Expr::Member(of, _) | Expr::Index(of, _) | Expr::As(of, _) | Expr::Is(of, _) => {
            from(of, top, shown)
        }
        Expr::Call(of, _, with) => {
            let within = whole(of);
            from(of, top, shown) && with.as_ref().is_none_or(|with| from(with, within, shown))
        }
        Expr::Binary(_, one, other) => from(one, top, shown) && from(other, top, shown),
        Expr::Text(_) | Expr::Number(_) | Expr::Bool(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shown(kind: &str, codes: &[&str], resource: &Value) -> Value {
        let lens = Lens::of(kind, codes, &["meta"]).unwrap();
        lens.read(resource.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn only_what_is_looked_at_is_read() {
        let claim = json!({"resourceType": "Claim", "id": "c", "meta": {"security": []},
            "text": {"div": "<div/>"}, "identifier": [{"value": "7"}], "item": [{"sequence": 1}],
            "patient": {"reference": "Patient/a"}, "total": {"value": 3.5}});
        let shown = shown("Claim", &["identifier"], &claim);
        let names: Vec<&String> = shown.as_object().unwrap().keys().collect();
        assert_eq!(
            names,
            ["resourceType", "id", "meta", "identifier", "patient"]
        );
        assert_eq!(shown["patient"], claim["patient"]);
    }

    #[test]
    fn a_choice_is_shown_under_each_of_its_names() {
        let seen = json!({"resourceType": "Observation", "valueQuantity": {"value": 1},
            "_valueString": {"id": "x"}, "valued": 1, "status": "final"});
        let shown = shown("Observation", &["value-quantity"], &seen);
        let names: Vec<&String> = shown.as_object().unwrap().keys().collect();
        assert_eq!(names, ["resourceType", "valueQuantity", "_valueString"]);
    }

    #[test]
    fn a_binary_is_whose_its_context_is() {
        let binary = json!({"resourceType": "Binary", "contentType": "text/plain", "data": "QQ==",
            "securityContext": {"reference": "Patient/a"}});
        let shown = shown("Binary", &["identifier"], &binary);
        assert_eq!(crate::fhir::patient_of(&shown).as_deref(), Some("a"));
        assert_eq!(shown.get("data"), None);
    }

    #[test]
    fn what_is_no_object_or_ends_early_is_refused() {
        let lens = Lens::of("Claim", &[], &[]).unwrap();
        for text in [
            "",
            "[]",
            "7",
            "{\"item\": [}",
            "{\"item\": 1} x",
            "{\"item\"",
        ] {
            assert!(lens.read(text.as_bytes()).is_err(), "{text}");
        }
    }
}
