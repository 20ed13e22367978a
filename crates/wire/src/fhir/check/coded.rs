//! Codes that must come from a list (required bindings).

use serde_json::Value;

use super::super::issue::Code;
use super::super::tables::{CodeList, Type};
use super::place::{Place, Walk, shown};

/// Checks a value against the list its element is bound to.
pub(super) fn check(
    walk: &mut Walk<'_>,
    list: &CodeList,
    (kind, value): (Type, &Value),
    place: &Place<'_>,
) {
    match (kind, value) {
        (Type::Primitive(_), Value::String(code)) if !list.has(code) => {
            walk.error(Code::CodeInvalid, place, refusal(code, list));
        }
        (Type::Structure(_), Value::Object(map)) => match map.get("coding") {
            Some(Value::Array(codings)) => concept(walk, list, codings, place),
            Some(_) => {}
            None if map.contains_key("code") => {
                concept(walk, list, std::slice::from_ref(value), place)
            }
            None => walk.error(
                Code::CodeInvalid,
                place,
                format!("a code is required here: {}", choices(list)),
            ),
        },
        _ => {}
    }
}

/// At least one of the codings must be in the list.
fn concept(walk: &mut Walk<'_>, list: &CodeList, codings: &[Value], place: &Place<'_>) {
    let fits = |coding: &Value| {
        let text = |key| coding.get(key).and_then(Value::as_str);
        text("system")
            .zip(text("code"))
            .is_some_and(|(s, c)| list.has_coding(s, c))
    };
    if codings.iter().any(fits) {
        return;
    }
    let first = codings.first();
    let code = first
        .and_then(|c| c.get("code"))
        .and_then(Value::as_str)
        .unwrap_or("");
    let known = list.has(code);
    let words = if known {
        let wanted = list.systems(code).join("` or `");
        format!("{} needs the system `{wanted}`", shown(code))
    } else {
        refusal(code, list)
    };
    walk.error(Code::CodeInvalid, place, words);
}

fn refusal(code: &str, list: &CodeList) -> String {
    format!(
        "{} is not in the list `{}`: {}",
        shown(code),
        list.name,
        choices(list)
    )
}

fn choices(list: &CodeList) -> String {
    let more = if list.len() > list.sample.len() {
        ", …"
    } else {
        ""
    };
    format!("use {}{more}", list.sample.join(", "))
}
