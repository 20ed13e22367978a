//! From an element, by its type, to the values a search compares (R4 sections 3.1.1.4.5 to 3.1.1.4.12).

use serde_json::{Map, Value};

use super::super::path::Item;
use super::super::refs::{self, Target};
use super::super::tables::{ParamKind, Type, tables};
use super::date::{Span, span_of};
use super::terms::TermValue;
use super::text::fold;

/// The values of one element for a parameter of this kind.
pub(super) fn terms(kind: ParamKind, item: &Item<'_>, root: &Value) -> Vec<TermValue> {
    match kind {
        ParamKind::Token => tokens(item),
        ParamKind::String => texts(item)
            .iter()
            .map(|t| TermValue::Text(fold(t)))
            .collect(),
        ParamKind::Date => span(item)
            .map(|s| TermValue::Span {
                lo_ms: s.lo_ms,
                hi_ms: s.hi_ms,
            })
            .into_iter()
            .collect(),
        ParamKind::Reference => reference(item, root).into_iter().collect(),
        ParamKind::Quantity => quantities(item),
        ParamKind::Number => number(item).map(TermValue::Number).into_iter().collect(),
        ParamKind::Uri => scalar(item).map(TermValue::Uri).into_iter().collect(),
        ParamKind::Composite | ParamKind::Special => Vec::new(),
    }
}

fn type_name(kind: Type) -> &'static str {
    match kind {
        Type::Structure(at) | Type::Reference(at) => tables().structure(at).map_or("", |s| s.path),
        Type::Primitive(p) => p.name(),
        Type::Resource => "",
    }
}

fn text_of(map: &Map<String, Value>, key: &str) -> Option<String> {
    map.get(key).and_then(Value::as_str).map(str::to_owned)
}

/// True for a bare code: its system is the one its element is bound to, and is not written.
pub(super) fn is_bare(item: &Item<'_>) -> bool {
    !matches!(item, Item::Node(Value::Object(_), _))
}

/// The identifier of a reference, for `:identifier`.
pub(super) fn identifier(item: &Item<'_>) -> Option<TermValue> {
    match item {
        Item::Node(reference, Type::Reference(_)) => {
            token(reference.get("identifier")?.as_object()?, "value")
        }
        _ => None,
    }
}

/// A single value as text.
fn scalar(item: &Item<'_>) -> Option<String> {
    match item {
        Item::Node(Value::String(text), _) => Some(text.clone()),
        Item::Node(Value::Bool(b), _) => Some(b.to_string()),
        Item::Node(Value::Number(n), _) => Some(n.to_string()),
        Item::Bool(b) => Some(b.to_string()),
        Item::Text(text) => Some(text.clone().into_owned()),
        _ => None,
    }
}

fn tokens(item: &Item<'_>) -> Vec<TermValue> {
    let Item::Node(Value::Object(map), kind) = item else {
        let code = scalar(item).map(|code| TermValue::Token { system: None, code });
        return code.into_iter().collect();
    };
    match type_name(*kind) {
        "CodeableConcept" => {
            let codings = map.get("coding").and_then(Value::as_array);
            let codings = codings.into_iter().flatten().filter_map(Value::as_object);
            codings.filter_map(|c| token(c, "code")).collect()
        }
        "Coding" => token(map, "code").into_iter().collect(),
        "Identifier" => token(map, "value").into_iter().collect(),
        // The system of a telecom is its sort (phone, email), not a code system.
        "ContactPoint" => text_of(map, "value")
            .map(|code| TermValue::Token { system: None, code })
            .into_iter()
            .collect(),
        _ => Vec::new(),
    }
}

fn token(map: &Map<String, Value>, code: &str) -> Option<TermValue> {
    let system = text_of(map, "system");
    let code = text_of(map, code);
    if system.is_none() && code.is_none() {
        return None;
    }
    Some(TermValue::Token {
        system,
        code: code.unwrap_or_default(),
    })
}

/// What people read of a code, for `:text`: the text of a concept, the display of its codings, the
/// text of an identifier's type.
pub(super) fn words(item: &Item<'_>) -> Vec<String> {
    let Item::Node(Value::Object(map), kind) = item else {
        return Vec::new();
    };
    let concept = match type_name(*kind) {
        "Identifier" => map.get("type").and_then(Value::as_object),
        "Coding" => return text_of(map, "display").into_iter().collect(),
        _ => Some(map),
    };
    let Some(concept) = concept else {
        return Vec::new();
    };
    let codings = concept.get("coding").and_then(Value::as_array);
    let codings = codings.into_iter().flatten().filter_map(Value::as_object);
    let displays = codings.filter_map(|coding| text_of(coding, "display"));
    let display = text_of(concept, "display");
    text_of(concept, "text")
        .into_iter()
        .chain(displays)
        .chain(display)
        .collect()
}

/// Whether an identifier has a value and a type, for `:of-type`.
pub(super) fn is_of_type(
    item: &Item<'_>,
    (system, code, value): (Option<&str>, &str, &str),
) -> bool {
    let Item::Node(identifier @ Value::Object(map), kind) = item else {
        return false;
    };
    let codings = identifier.pointer("/type/coding").and_then(Value::as_array);
    let mut codings = codings.into_iter().flatten().filter_map(Value::as_object);
    type_name(*kind) == "Identifier"
        && text_of(map, "value").as_deref() == Some(value)
        && codings.any(|coding| {
            let same =
                system.is_none_or(|system| text_of(coding, "system").as_deref() == Some(system));
            same && text_of(coding, "code").as_deref() == Some(code)
        })
}

/// The parts of a name or an address that a search looks into.
const NAME_PARTS: &[&str] = &["text", "family", "given", "prefix", "suffix"];
const ADDRESS_PARTS: &[&str] = &[
    "text",
    "line",
    "city",
    "district",
    "state",
    "postalCode",
    "country",
];

/// The texts of an element, as they stand.
pub(super) fn texts(item: &Item<'_>) -> Vec<String> {
    let Item::Node(Value::Object(map), kind) = item else {
        return scalar(item).into_iter().collect();
    };
    let parts: &[&str] = match type_name(*kind) {
        "HumanName" => NAME_PARTS,
        "Address" => ADDRESS_PARTS,
        "CodeableConcept" => &["text"],
        "Coding" => &["display"],
        "Annotation" => &["text"],
        _ => &[],
    };
    let mut out = Vec::new();
    for part in parts.iter().filter_map(|key| map.get(*key)) {
        match part {
            Value::String(text) => out.push(text.clone()),
            Value::Array(list) => {
                out.extend(list.iter().filter_map(Value::as_str).map(str::to_owned))
            }
            _ => {}
        }
    }
    out
}

/// The stretch of time an element covers.
pub(super) fn span(item: &Item<'_>) -> Option<Span> {
    match item {
        Item::Node(Value::String(text), _) => span_of(text),
        Item::Text(text) => span_of(text),
        Item::Node(Value::Object(map), kind) => match type_name(*kind) {
            "Period" => period(map),
            "Timing" => timing(map),
            _ => None,
        },
        _ => None,
    }
}

fn period(map: &Map<String, Value>) -> Option<Span> {
    let end = |key| map.get(key).and_then(Value::as_str).map(span_of);
    let lo_ms = end("start").map_or(Some(i64::MIN), |s| s.map(|s| s.lo_ms))?;
    let hi_ms = end("end").map_or(Some(i64::MAX), |s| s.map(|s| s.hi_ms))?;
    let said = map.contains_key("start") || map.contains_key("end");
    (said && lo_ms < hi_ms).then_some(Span { lo_ms, hi_ms })
}

/// From the first to the last of the events, or the bounds of the repetition.
fn timing(map: &Map<String, Value>) -> Option<Span> {
    let events = map
        .get("event")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    let spans = events.filter_map(Value::as_str).filter_map(span_of);
    let whole = spans.reduce(|a, b| Span {
        lo_ms: a.lo_ms.min(b.lo_ms),
        hi_ms: a.hi_ms.max(b.hi_ms),
    });
    whole.or_else(|| period(map.get("repeat")?.get("boundsPeriod")?.as_object()?))
}

/// `Patient/1`, an absolute address, or a canonical; never `#x`.
pub(super) fn reference(item: &Item<'_>, root: &Value) -> Option<TermValue> {
    let text = match item {
        Item::Node(Value::String(text), _) => text.as_str(),
        Item::Node(value @ Value::Object(map), _) => match map.get("reference") {
            Some(Value::String(text)) => text.as_str(),
            // Only the type is known: nothing to look up by.
            _ => return refs::target(value, root).and(None),
        },
        _ => return None,
    };
    if text.starts_with('#') {
        return None;
    }
    Some(TermValue::Reference(without_version(text)))
}

/// A reference without `/_history/n`; with a type and id on this server only these two.
pub(super) fn without_version(text: &str) -> String {
    match refs::read(text) {
        Some(Target::Typed {
            kind,
            id,
            absolute: false,
        }) if !id.is_empty() => format!("{kind}/{id}"),
        _ => text
            .split_once("/_history/")
            .map_or(text, |(stem, _)| stem)
            .to_owned(),
    }
}

fn quantities(item: &Item<'_>) -> Vec<TermValue> {
    let Item::Node(Value::Object(map), kind) = item else {
        return number(item)
            .map(|value| TermValue::Quantity {
                value,
                system: None,
                code: None,
            })
            .into_iter()
            .collect();
    };
    match type_name(*kind) {
        "Range" => {
            let ends = ["low", "high"]
                .into_iter()
                .filter_map(|k| map.get(k)?.as_object());
            ends.flat_map(quantity).collect()
        }
        "SampledData" => map
            .get("origin")
            .and_then(Value::as_object)
            .map(quantity)
            .unwrap_or_default(),
        "Money" => money(map).into_iter().collect(),
        _ => quantity(map),
    }
}

/// Under its code, and under the unit as written when that differs.
fn quantity(map: &Map<String, Value>) -> Vec<TermValue> {
    let Some(value) = map.get("value").and_then(Value::as_f64) else {
        return Vec::new();
    };
    let system = text_of(map, "system");
    let (code, unit) = (text_of(map, "code"), text_of(map, "unit"));
    let mut codes = vec![code.clone()];
    if unit.is_some() && unit != code {
        codes.push(unit);
    }
    if codes.len() > 1 && code.is_none() {
        codes.remove(0);
    }
    let term = |code| TermValue::Quantity {
        value,
        system: system.clone(),
        code,
    };
    codes.into_iter().map(term).collect()
}

fn money(map: &Map<String, Value>) -> Option<TermValue> {
    let value = map.get("value")?.as_f64()?;
    Some(TermValue::Quantity {
        value,
        system: Some("urn:iso:std:iso:4217".to_owned()),
        code: text_of(map, "currency"),
    })
}

fn number(item: &Item<'_>) -> Option<f64> {
    match item {
        Item::Node(Value::Number(n), _) => n.as_f64(),
        Item::Number(n) => Some(*n),
        _ => None,
    }
}
