use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value, json};

use super::work::is_reversed;
use super::{Told, place, settle};

/// One resource as one message means it, not yet laid upon what is known already.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// The FHIR type.
    pub kind: &'static str,
    /// The logical id, the same each time the same thing is named.
    pub id: String,
    /// Id of the Patient it belongs to; `None` for what belongs to the house (Location, Practitioner).
    pub patient: Option<String>,
    /// What the message says, `resourceType` and `id` first.
    pub json: Map<String, Value>,
    /// What stands in for elements that neither the message nor the resource before it has.
    pub otherwise: Map<String, Value>,
    /// What the message empties with `""`: an element (`name`), a member of one
    /// (`period.end`), or the entries of a list under one key (`participant:ATND`).
    pub clears: Vec<Cow<'static, str>>,
    /// How it meets what is there.
    pub mode: Mode,
    /// When what it says happened, as its sender says; `None`: it settles nothing.
    pub told: Option<Told>,
    /// Of an order: the ids that it has for those who know only a number that its filler gave. If
    /// its own id is among them, nobody said its placer's number.
    pub fillers: Vec<String>,
    /// The id of the order that it is a part of: its own id begins as that says.
    pub part_of: Option<String>,
}

/// How a draft meets the resource that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Elements present replace, absent ones stay, `clears` go. Lists with a key of their own
    /// (identifiers, participants, telecom by use, extensions by URL ...) are replaced key by key,
    /// `period` and `hospitalization` member by member.
    Merge,
    /// The whole resource, as a result is sent again when it is corrected.
    Replace,
    /// Only what is not known yet: a sender of results names a patient, but does not tell who
    /// they are.
    Fill,
}

impl Draft {
    pub(super) fn new(kind: &'static str, id: String, mode: Mode) -> Draft {
        let mut json = Map::with_capacity(16);
        json.insert("resourceType".into(), kind.into());
        json.insert("id".into(), id.as_str().into());
        Draft {
            kind,
            id,
            patient: None,
            json,
            otherwise: Map::new(),
            clears: Vec::new(),
            mode,
            told: None,
            fillers: Vec::new(),
            part_of: None,
        }
    }

    /// Empties a path before the rest is laid.
    pub(super) fn clear(&mut self, path: &'static str) {
        self.clears.push(Cow::Borrowed(path));
    }

    /// Sets an element, if there is something to set.
    pub(super) fn put(&mut self, element: &str, value: impl Into<Option<Value>>) {
        if let Some(value) = value.into() {
            self.json.insert(element.into(), value);
        }
    }

    /// Sets a list, if it has entries.
    pub(super) fn list(&mut self, element: &str, values: Vec<Value>) {
        if !values.is_empty() {
            self.json.insert(element.into(), Value::Array(values));
        }
    }
}

/// The resource that comes of laying `draft` upon `existing`.
///
/// Applying the same draft twice in a row changes nothing more.
pub fn merged(existing: Option<&Map<String, Value>>, draft: &Draft) -> Map<String, Value> {
    let result = match (existing, draft.mode) {
        (None, _) | (_, Mode::Replace) => draft.json.clone(),
        (Some(existing), Mode::Fill) => filled(existing.clone(), &draft.json),
        (Some(existing), Mode::Merge) => {
            let mut result = existing.clone();
            for path in &draft.clears {
                clear(&mut result, path);
            }
            lay(&mut result, &draft.json);
            result
        }
    };
    complete(result, draft.kind, &draft.otherwise)
}

/// The resource that a draft is by itself: what [`merged`] makes of it where nothing is there, or
/// where it replaces what is there.
pub fn alone(draft: Draft) -> Map<String, Value> {
    complete(draft.json, draft.kind, &draft.otherwise)
}

fn complete(
    mut result: Map<String, Value>,
    kind: &str,
    otherwise: &Map<String, Value>,
) -> Map<String, Value> {
    if !otherwise.is_empty() {
        result = filled(result, otherwise);
    }
    settle::settle(kind, &mut result);
    result
}

/// Takes a merge of two patients back in one of them: its `link` to the other goes, and with it
/// what the link had set.
pub fn unmerged(patient: &Map<String, Value>, other: &str) -> Map<String, Value> {
    let mut result = patient.clone();
    let reference = format!("Patient/{other}");
    let mut was_retired = false;
    if let Some(Value::Array(links)) = result.get_mut("link") {
        links.retain(|link| {
            let same = text_at(link, "/other/reference") == Some(&reference);
            was_retired |= same && text_at(link, "/type") == Some("replaced-by");
            !same
        });
        if links.is_empty() {
            result.shift_remove("link");
        }
    }
    if was_retired {
        result.insert("active".into(), json!(true));
    }
    result
}

pub(super) fn filled(
    mut result: Map<String, Value>,
    more: &Map<String, Value>,
) -> Map<String, Value> {
    for (element, value) in more {
        if !has(&result, element) {
            result.insert(element.clone(), value.clone());
        }
    }
    result
}

/// Whether an element is there, in whichever of its types.
fn has(resource: &Map<String, Value>, element: &str) -> bool {
    match choice(element) {
        Some(stem) => resource.keys().any(|key| choice(key) == Some(stem)),
        None => resource.contains_key(element),
    }
}

fn lay(result: &mut Map<String, Value>, json: &Map<String, Value>) {
    for (element, value) in json {
        match (result.get_mut(element), value) {
            (Some(Value::Object(there)), Value::Object(new)) if is_record(element) => {
                lay_record(there, new);
            }
            (Some(Value::Array(there)), Value::Array(new)) if is_keyed(element) => {
                lay_list(element, there, new);
            }
            _ => set(result, json, element, value),
        }
    }
}

fn lay_record(there: &mut Map<String, Value>, new: &Map<String, Value>) {
    for (member, value) in new {
        there.shift_remove(&format!("_{member}"));
        there.insert(member.clone(), value.clone());
    }
    // Of two times that contradict each other the one that was said last stands.
    if is_reversed(there) {
        there.retain(|member, _| new.contains_key(member));
    }
}

/// Replaces one element, and what would contradict it: its other types and its old extensions.
fn set(result: &mut Map<String, Value>, json: &Map<String, Value>, element: &str, value: &Value) {
    let bare = element.strip_prefix('_').unwrap_or(element);
    let twin = if bare == element {
        format!("_{element}")
    } else {
        bare.to_owned()
    };
    if !json.contains_key(&twin) {
        result.shift_remove(&twin);
    }
    if let Some(stem) = choice(element) {
        result.retain(|key, _| choice(key) != Some(stem) || json.contains_key(key));
    }
    result.insert(element.to_owned(), value.clone());
}

/// Replaces the entries whose key is among the new ones where they stand; adds the others.
fn lay_list(element: &str, there: &mut Vec<Value>, new: &[Value]) {
    let mut by_key: HashMap<String, Vec<&Value>> = HashMap::new();
    for value in new {
        by_key
            .entry(key_of(element, value))
            .or_default()
            .push(value);
    }
    let mut laid = HashSet::new();
    let mut result = Vec::with_capacity(there.len() + new.len());
    for value in there.drain(..) {
        let key = key_of(element, &value);
        match by_key.get(&key) {
            None => result.push(value),
            Some(values) => {
                if laid.insert(key) {
                    result.extend(values.iter().map(|value| (*value).clone()));
                }
            }
        }
    }
    for value in new {
        if !laid.contains(&key_of(element, value)) {
            result.push(value.clone());
        }
    }
    *there = result;
}

fn clear(result: &mut Map<String, Value>, path: &str) {
    // An extension's key is a URL, so the colon is looked for first.
    if let Some((element, key)) = path.split_once(':') {
        if let Some(Value::Array(list)) = result.get_mut(element) {
            list.retain(|value| key_of(element, value) != key);
            if list.is_empty() {
                result.shift_remove(element);
            }
        }
    } else if let Some((element, member)) = path.split_once('.') {
        if let Some(Value::Object(object)) = result.get_mut(element) {
            object.shift_remove(member);
            object.shift_remove(&format!("_{member}"));
            if object.is_empty() {
                result.shift_remove(element);
            }
        }
    } else {
        result.shift_remove(path);
        result.shift_remove(&format!("_{path}"));
    }
}

fn is_record(element: &str) -> bool {
    matches!(element, "period" | "hospitalization")
}

pub(super) fn is_keyed(element: &str) -> bool {
    matches!(
        element,
        "identifier"
            | "telecom"
            | "link"
            | "extension"
            | "participant"
            | "diagnosis"
            | "result"
            | "specimen"
            | "basedOn"
            | "location"
    )
}

/// The stem of an element that has one of several types, for instance `deceased`.
pub(super) fn choice(element: &str) -> Option<&'static str> {
    const STEMS: [&str; 9] = [
        "deceased",
        "multipleBirth",
        "onset",
        "effective",
        "collected",
        "value",
        "occurrence",
        "medication",
        "performed",
    ];
    let bare = element.strip_prefix('_').unwrap_or(element);
    STEMS.into_iter().find(|stem| {
        bare.strip_prefix(stem)
            .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_uppercase()))
    })
}

pub(super) fn key_of(element: &str, value: &Value) -> String {
    let at = |path: &str| text_at(value, path).unwrap_or_default();
    match element {
        "identifier" => format!("{}|{}", at("/system"), at("/value")),
        "telecom" if at("/use") == "work" => "work".into(),
        "telecom" => "home".into(),
        "link" => at("/other/reference").into(),
        "extension" => at("/url").into(),
        "participant" => at("/type/0/coding/0/code").into(),
        "diagnosis" => at("/condition/reference").into(),
        "location" if place::is_temporary(value) => "temporary".into(),
        "location" => at("/status").into(),
        _ => at("/reference").into(),
    }
}

fn text_at<'v>(value: &'v Value, path: &str) -> Option<&'v str> {
    value.pointer(path).and_then(Value::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    fn draft(json: Value) -> Draft {
        let mut draft = Draft::new("Patient", "a".into(), Mode::Merge);
        draft.json.extend(map(json));
        draft
    }

    #[test]
    fn present_replaces_absent_stays_clears_go() {
        let before =
            map(json!({"name": [1], "gender": "male", "period": {"start": "1", "end": "2"}}));
        let mut draft = draft(json!({"name": [2], "period": {"start": "3"}}));
        draft.clears = vec!["gender".into(), "period.end".into()];
        let after = merged(Some(&before), &draft);
        assert_eq!(after["name"], json!([2]));
        assert_eq!(after["period"], json!({"start": "3"}));
        assert!(!after.contains_key("gender"));
        assert_eq!(merged(Some(&after), &draft), after);
    }

    #[test]
    fn one_type_of_an_element_ends_the_other() {
        let before = map(json!({"deceasedBoolean": true, "birthDate": "1950", "_birthDate": {}}));
        let after = merged(
            Some(&before),
            &draft(json!({"deceasedDateTime": "2020", "birthDate": "1951"})),
        );
        assert!(!after.contains_key("deceasedBoolean") && !after.contains_key("_birthDate"));
    }

    #[test]
    fn keyed_lists_meet_key_by_key() {
        let before = map(json!({
            "telecom": [{"use": "home", "value": "1"}, {"use": "work", "value": "2"}],
            "identifier": [{"system": "s", "value": "1"}],
        }));
        let draft = draft(json!({
            "telecom": [{"use": "mobile", "value": "3"}],
            "identifier": [{"system": "s", "value": "2"}, {"system": "s", "value": "1", "use": "old"}],
        }));
        let after = merged(Some(&before), &draft);
        assert_eq!(after["telecom"][0]["value"], "3");
        assert_eq!(after["telecom"][1]["value"], "2");
        assert_eq!(after["identifier"].as_array().unwrap().len(), 2);
        assert_eq!(after["identifier"][0]["use"], "old");
        assert_eq!(merged(Some(&after), &draft), after);
    }

    #[test]
    fn filling_changes_nothing_that_is_known() {
        let before = map(json!({"gender": "male", "deceasedBoolean": false}));
        let mut draft = draft(json!({"gender": "female", "deceasedDateTime": "2020", "name": [1]}));
        draft.mode = Mode::Fill;
        let after = merged(Some(&before), &draft);
        assert_eq!(after["gender"], "male");
        assert_eq!(after["name"], json!([1]));
        assert!(!after.contains_key("deceasedDateTime"));
    }

    #[test]
    fn a_late_message_puts_nobody_into_a_bed_again() {
        let before = map(
            json!({"status": "finished", "location": [{"status": "completed"}],
            "period": {"start": "2025-03-06", "end": "2025-03-12"}}),
        );
        let mut draft = draft(json!({"location": [{"status": "active"}],
            "period": {"start": "2025-03-20"}}));
        draft.kind = "Encounter";
        let after = merged(Some(&before), &draft);
        assert_eq!(after["location"], json!([{"status": "completed"}]));
        // The end that contradicts the new start is the older word.
        assert_eq!(after["period"], json!({"start": "2025-03-20"}));
    }

    #[test]
    fn a_merge_taken_back_leaves_no_trace() {
        let before = map(json!({"active": false,
            "link": [{"other": {"reference": "Patient/b"}, "type": "replaced-by"}]}));
        assert_eq!(unmerged(&before, "b"), map(json!({"active": true})));
        assert_eq!(unmerged(&before, "c"), before);
    }
}
