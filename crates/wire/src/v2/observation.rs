//! Observation, from an OBX and the notes behind it.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use super::clinical::key_of;
use super::data::{self, Named};
use super::json::{Object, absent, coding, concept_of};
use super::patient::table;
use super::result::{Met, once};
use super::role::{self, Role};
use super::system;
use super::value::{self, decimal, split_comparator};
use super::work::{Spot, Work, spot};
use super::{Draft, Mode, code};
use crate::hl7::{Part, Segment};

const CATEGORY: &str = "http://terminology.hl7.org/CodeSystem/observation-category";
const INTERPRETATION: &str = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation";
const ABSENT_REASON: &str = "http://terminology.hl7.org/CodeSystem/data-absent-reason";
const ANALYSIS_TIME: &str =
    "http://hl7.org/fhir/StructureDefinition/observation-analysis-date-time";

/// What the observations of one order have in common.
pub(super) struct Shared {
    /// What tells this order from others.
    pub(super) parent: String,
    /// What the ids of its observations begin with.
    pub(super) stem: String,
    pub(super) category: Option<Value>,
    /// `effective[x]` of the order, for observations without a time of their own.
    pub(super) effective: Map<String, Value>,
    pub(super) specimen: Option<Value>,
    /// What they are a part of, if that is no order.
    pub(super) part_of: Option<Value>,
    /// How confidential they are: what is true of an order is true of what it found.
    pub(super) meta: Option<Value>,
}

impl Shared {
    /// Sets `effective[x]`.
    pub(super) fn put_effective(&self, map: &mut Map<String, Value>) {
        for (element, value) in &self.effective {
            map.insert(element.clone(), value.clone());
        }
    }
}

/// The Observation of an OBX; its id, unless there is nothing in it.
pub(super) fn observation(
    obx: Segment<'_>,
    notes: &[Segment<'_>],
    (shared, met): (&mut Shared, &mut Met),
    work: &mut Work<'_>,
) -> Option<String> {
    if obx.field(3).is_absent() && obx.field(5).is_absent() {
        work.complain_at(
            spot(obx, 3),
            "names no observation and has no value; left out",
        );
        return None;
    }
    let id = id(obx, (shared, met), work);
    let status = work
        .text(obx.field(11))
        .unwrap_or_default()
        .to_ascii_uppercase();
    // These say something about a result that was sent before, and may come without its value.
    let mode = match status.as_str() {
        "D" | "W" | "U" => Mode::Merge,
        _ => Mode::Replace,
    };
    let mut draft = work.of_patient("Observation", id.clone(), mode);
    if let Some(named) = instance(obx, work) {
        draft.list("identifier", vec![data::identifier(&named, Some("FILL"))]);
    }
    draft.put("meta", shared.meta.clone());
    draft.list("partOf", shared.part_of.clone().into_iter().collect());
    set_status(spot(obx, 11), &status, &mut draft, work);
    let category = category(obx, shared, work);
    draft.list("category", category.into_iter().collect());
    let code = work.concept(obx.field(3), "").unwrap_or_else(|| {
        work.complain_at(spot(obx, 3), "names no observation");
        absent()
    });
    draft.put("code", code);
    draft.put("subject", work.patient_reference());
    let encounter = work.encounter_reference();
    draft.put("encounter", encounter);
    match work.time(spot(obx, 14)) {
        Some(stamp) => stamp.put(&mut draft.json, "effectiveDateTime"),
        None => shared.put_effective(&mut draft.json),
    }
    performers(obx, &mut draft, work);
    role::observed(&Role::among(notes), &mut draft, work);
    values(obx, &mut draft, work);
    missing(&status, &mut draft);
    interpretation(spot(obx, 8), &mut draft, work);
    draft.list("note", note(notes, work).into_iter().collect());
    draft.put("bodySite", work.concept(obx.field(20), ""));
    draft.put("method", work.concept(obx.field(17), ""));
    draft.put("specimen", shared.specimen.clone());
    if let Some(named) = data::entity(obx.field(18), work.sender.authority) {
        draft.put(
            "device",
            json!({"identifier": data::identifier(&named, None)}),
        );
    }
    reference_range(obx, &mut draft, work);
    analyzed(spot(obx, 19), &mut draft, work);
    work.add(draft);
    Some(id)
}

/// OBX-21, if it says who numbers; else the order, the code and the sub-id. Lines of one text that
/// the sender does not tell apart are told apart by their order.
fn id(obx: Segment<'_>, (shared, met): (&Shared, &mut Met), work: &mut Work<'_>) -> String {
    let code = key_of(obx.field(3), work);
    let sub = work.free(obx.field(4)).unwrap_or_default();
    let key = once(met, format!("{}\u{1e}{code}\u{1e}{sub}", shared.parent));
    match instance(obx, work) {
        Some(named) if is_named(obx.field(21)) => {
            let id = work.id("Observation", &named.system, &named.value);
            if work.has_made(&id) {
                work.member_id("Observation", (&shared.stem, &key))
            } else {
                id
            }
        }
        _ => work.member_id("Observation", (&shared.stem, &key)),
    }
}

fn is_named(part: Part<'_>) -> bool {
    !part.comp(2).is_absent() || !part.comp(3).is_absent()
}

fn instance(obx: Segment<'_>, work: &Work<'_>) -> Option<Named> {
    data::entity(obx.field(21), work.sender.authority)
}

fn set_status(at: Spot<'_>, said: &str, draft: &mut Draft, work: &mut Work<'_>) {
    if said.is_empty() {
        work.complain_at(at, "says no status; kept as `unknown`");
    }
    let status = work
        .look(at, at.part(), code::OBSERVATION_STATUS)
        .unwrap_or("unknown");
    draft.put("status", Value::from(status));
    // One FHIR status stands for several of HL7's; those that are plain need no original.
    if !matches!(said, "" | "F" | "P" | "C" | "D" | "A") {
        draft.put("_status", work.original(at.part(), &table("0085")));
    }
}

fn category(obx: Segment<'_>, shared: &Shared, work: &mut Work<'_>) -> Option<Value> {
    for (code, system) in [(1, 3), (4, 6)] {
        let part = obx.field(3);
        if part.comp(system).is_absent() {
            continue;
        }
        let system = work.text(part.comp(system)).unwrap_or_default();
        let code = work.text(part.comp(code)).unwrap_or_default();
        if code::is_vital_sign(&code) && system::uri(&system) == "http://loinc.org" {
            return Some(concept_of(coding(CATEGORY, "vital-signs", None)));
        }
    }
    shared.category.clone()
}

/// OBX-5: one value, the lines of a text, or a component for each repetition.
fn values(obx: Segment<'_>, draft: &mut Draft, work: &mut Work<'_>) {
    let at = spot(obx, 5);
    if at.part().is_absent() {
        return;
    }
    let kind = work.text(obx.field(2)).unwrap_or_default();
    if value::is_text(&kind) {
        if let Some(read) = value::lines(at, work) {
            read.put(&mut draft.json);
        }
        return;
    }
    let mut parts = work.reps(at);
    let (first, second) = (parts.next(), parts.next());
    let Some(second) = second else {
        if let Some(read) = first.and_then(|part| value::value(obx, part, work)) {
            read.put(&mut draft.json);
        }
        return;
    };
    let mut components = Vec::new();
    for part in first.into_iter().chain([second]).chain(parts) {
        if let Some(read) = value::value(obx, part, work) {
            let mut component = Map::new();
            if let Some(code) = draft.json.get("code") {
                component.insert("code".into(), code.clone());
            }
            read.put(&mut component);
            components.push(Value::Object(component));
        }
    }
    draft.list("component", components);
}

/// Why there is no value, where the status tells.
fn missing(status: &str, draft: &mut Draft) {
    let reason = match status {
        "X" => "unknown",
        "N" => "not-asked",
        _ => return,
    };
    if !draft
        .json
        .keys()
        .any(|key| key.starts_with("value") || key == "component")
    {
        draft.put(
            "dataAbsentReason",
            concept_of(coding(ABSENT_REASON, reason, None)),
        );
    }
}

fn interpretation(at: Spot<'_>, draft: &mut Draft, work: &mut Work<'_>) {
    if at.part().is_absent() {
        return;
    }
    let mut found = Vec::new();
    for part in work.reps(at) {
        let said = work.text(part.comp(1)).unwrap_or_default();
        let bare = part.comp(2).is_absent() && part.comp(3).is_absent();
        match code::look(code::INTERPRETATION, &said) {
            Some(display) if bare => {
                let code = said.to_ascii_uppercase();
                found.push(concept_of(coding(INTERPRETATION, &code, Some(display))));
            }
            _ => found.extend(work.concept(part, &table("0078"))),
        }
    }
    draft.list("interpretation", found);
}

/// OBX-16 by name, OBX-23 or OBX-15 as the organization.
fn performers(obx: Segment<'_>, draft: &mut Draft, work: &mut Work<'_>) {
    let mut found = Vec::new();
    for part in work.reps(spot(obx, 16)) {
        found.extend(work.practitioner(part));
    }
    if let Some(organization) = work.organization(obx.field(23).rep(0)) {
        found.push(organization);
    } else if let Some(producer) = producer(obx.field(15), work) {
        found.push(producer);
    }
    draft.list("performer", found);
}

fn producer(part: Part<'_>, work: &mut Work<'_>) -> Option<Value> {
    let value = work.text(part.comp(1));
    let name = work.free(part.comp(2));
    let display = name.or_else(|| value.clone())?;
    let system = work
        .text(part.comp(3))
        .map(|name| system::uri(&name).into_owned());
    let identifier = value.map(|value| {
        Object::with_room(2)
            .put("system", system)
            .set("value", value)
            .done()
    });
    let producer = Object::with_room(3)
        .set("type", "Organization")
        .put("identifier", identifier);
    Some(producer.set("display", display).done())
}

/// OBX-7 as it was written, and its bounds where they can be told.
fn reference_range(obx: Segment<'_>, draft: &mut Draft, work: &mut Work<'_>) {
    let Some(text) = work.free(obx.field(7)) else {
        return;
    };
    let mut range = Object::with_room(3);
    let (low, high) = bounds(&text);
    for (member, bound) in [("low", low), ("high", high)] {
        if let Some(number) = bound.and_then(decimal) {
            let bound = value::units_of(obx, work).set("value", number);
            range = range.set(member, bound.done());
        }
    }
    draft.list("referenceRange", vec![range.set("text", text).done()]);
}

/// `3.5-5.1`, `3.5 - 5.1`, `<5` and `>5`; a bound that is not itself allowed is a bound all the
/// same, the text tells the difference.
fn bounds(text: &str) -> (Option<&str>, Option<&str>) {
    match split_comparator(text) {
        (Some("<" | "<="), rest) => return (None, Some(rest.trim())),
        (Some(_), rest) => return (Some(rest.trim()), None),
        (None, _) => {}
    }
    // The first dash may be the sign of a negative bound.
    let dash = text
        .char_indices()
        .skip(1)
        .find(|(_, letter)| matches!(letter, '-' | '–'));
    let Some((at, letter)) = dash else {
        return (None, None);
    };
    let low = text.get(..at).map(str::trim);
    let high = text.get(at + letter.len_utf8()..).map(str::trim);
    match (low.and_then(decimal), high.and_then(decimal)) {
        (Some(_), Some(_)) => (low, high),
        _ => (None, None),
    }
}

fn analyzed(at: Spot<'_>, draft: &mut Draft, work: &mut Work<'_>) {
    let Some(stamp) = work.time(at) else {
        return;
    };
    let mut map = Map::new();
    map.insert("url".into(), ANALYSIS_TIME.into());
    stamp.put(&mut map, "valueDateTime");
    match draft.json.get_mut("extension") {
        Some(Value::Array(list)) => list.push(Value::Object(map)),
        _ => draft.list("extension", vec![Value::Object(map)]),
    }
}

/// NTE segments in a row are the lines of one Annotation.
pub(super) fn note(notes: &[Segment<'_>], work: &mut Work<'_>) -> Option<Value> {
    let mut text = String::new();
    for nte in notes.iter().filter(|one| one.name() == "NTE") {
        for part in work.reps(spot(*nte, 3)) {
            text.push_str(if text.is_empty() { "" } else { "\n" });
            text.push_str(&work.free(part).unwrap_or_default());
        }
    }
    let text = text.trim_end();
    (!text.is_empty()).then(|| json!({"text": text}))
}

impl Work<'_> {
    /// NDL: a name within one component.
    pub(super) fn ndl(&mut self, part: Part<'_>) -> Option<Value> {
        let name = part.comp(1);
        let words: Vec<Cow<'_, str>> = [6, 3, 2, 5]
            .into_iter()
            .filter_map(|at| self.text(name.sub(at)))
            .collect();
        let number = self.text(name.sub(1));
        let display = if words.is_empty() {
            number.clone()?
        } else {
            Cow::Owned(words.join(" "))
        };
        let identifier = number.map(|value| {
            let system = data::named_system(self.sender.authority);
            data::identifier(
                &Named {
                    system,
                    value: value.into_owned(),
                },
                None,
            )
        });
        Some(
            Object::with_room(2)
                .put("identifier", identifier)
                .set("display", display)
                .done(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_of_a_range() {
        assert_eq!(bounds("3.5-5.1"), (Some("3.5"), Some("5.1")));
        assert_eq!(bounds("-2 - 2"), (Some("-2"), Some("2")));
        assert_eq!(bounds("-5--2"), (Some("-5"), Some("-2")));
        assert_eq!(bounds("3–4"), (Some("3"), Some("4")));
        assert_eq!(bounds("<0.5"), (None, Some("0.5")));
        assert_eq!(bounds(">=60"), (Some("60"), None));
        assert_eq!(bounds("negative"), (None, None));
        assert_eq!(bounds("M: 3-4"), (None, None));
    }
}
