//! Patient, from PID, PD1 and Z segments.

use serde_json::{Map, Value, json};

use super::data::{self, Named};
use super::json::{Object, coding, concept_of, extension};
use super::work::{Spot, Work, spot};
use super::{Draft, code};
use crate::hl7::{Message, Part, Segment};

const BIRTH_TIME: &str = "http://hl7.org/fhir/StructureDefinition/patient-birthTime";
const MOTHER: &str = "http://hl7.org/fhir/StructureDefinition/patient-mothersMaidenName";
const RELIGION: &str = "http://hl7.org/fhir/StructureDefinition/patient-religion";
const BIRTH_PLACE: &str = "http://hl7.org/fhir/StructureDefinition/patient-birthPlace";
const DISABILITY: &str = "http://hl7.org/fhir/StructureDefinition/patient-disability";
const CITIZENSHIP: &str = "http://hl7.org/fhir/StructureDefinition/patient-citizenship";
const NATIONALITY: &str = "http://hl7.org/fhir/StructureDefinition/patient-nationality";
const RACE: &str = "urn:salus:race";
const ETHNIC_GROUP: &str = "urn:salus:ethnic-group";
const Z_SEGMENT: &str = "urn:salus:z-segment";
const US_SSN: &str = "http://hl7.org/fhir/sid/us-ssn";
const BCP_47: &str = "urn:ietf:bcp:47";

/// Coded fields of PID that become extensions: field, URL, clear path, table of the code.
const CODED: [(usize, &str, &str, &str); 3] = [
    (
        17,
        RELIGION,
        "extension:http://hl7.org/fhir/StructureDefinition/patient-religion",
        "0006",
    ),
    (10, RACE, "extension:urn:salus:race", "0005"),
    (22, ETHNIC_GROUP, "extension:urn:salus:ethnic-group", "0189"),
];

/// The Patient of a PID and the PD1 behind it.
pub(super) fn patient(pid: Segment<'_>, pd1: Option<Segment<'_>>, work: &mut Work<'_>) -> Draft {
    let mut draft = work.of_patient("Patient", work.patient.clone(), work.house);
    draft.otherwise.insert("active".into(), json!(true));
    list_identifiers(pid, &mut draft, work);
    who(pid, &mut draft, work);
    contact(pid, &mut draft, work);
    standing(pid, &mut draft, work);
    let mut extensions = extensions(pid, &mut draft, work);
    if let Some(pd1) = pd1 {
        general_practitioner(pd1, &mut draft, work);
        if let Some(concept) = work.concept(pd1.field(6), &table("0295")) {
            extensions.push(extension(DISABILITY, "valueCodeableConcept", concept));
        }
    }
    draft.list("extension", extensions);
    draft
}

/// Z segments, whole and as they stand, since nobody but their sender knows what they mean.
pub(super) fn z_segments(message: &Message<'_>, draft: &mut Draft, work: &mut Work<'_>) {
    let charset = message.charset();
    for segment in message
        .all()
        .filter(|segment| segment.name().starts_with('Z'))
        .take(50)
    {
        let bytes = segment.bytes();
        // The text of a message that was decoded first is UTF-8; the rest is in its own set.
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => Some(text.to_owned()),
            Err(_) => charset.decode(bytes).map(|text| text.into_owned()),
        };
        let Some(text) = text.filter(|text| !text.contains(char::is_control)) else {
            work.complain_at(
                spot(segment, 0),
                "is no plain text; it is kept in the message only",
            );
            continue;
        };
        let kept = extension(Z_SEGMENT, "valueString", text);
        if let Some(Value::Array(list)) = draft.json.get_mut("extension") {
            list.push(kept);
        } else {
            draft.list("extension", vec![kept]);
        }
    }
}

fn list_identifiers(pid: Segment<'_>, draft: &mut Draft, work: &mut Work<'_>) {
    let mut found = identifiers(spot(pid, 3), work);
    for number in [2, 4] {
        // Without an authority these old fields say nothing that PID-3 does not.
        let part = pid.field(number);
        if found.is_empty() || !part.comp(4).is_absent() {
            found.extend(work.identifier(spot(pid, number), part));
        }
    }
    found.extend(social_security(pid, work));
    found.extend(license(pid, work));
    let mut seen = Vec::new();
    found.retain(|value| {
        let key = (value.get("system").cloned(), value.get("value").cloned());
        let is_new = !seen.contains(&key);
        seen.push(key);
        is_new
    });
    draft.list("identifier", found);
}

pub(super) fn identifiers(at: Spot<'_>, work: &mut Work<'_>) -> Vec<Value> {
    work.reps(at)
        .filter_map(|part| work.identifier(at, part))
        .collect()
}

fn social_security(pid: Segment<'_>, work: &mut Work<'_>) -> Option<Value> {
    let value = work.text(pid.field(19))?;
    let digits = value.bytes().filter(u8::is_ascii_digit).count();
    let is_us = digits == 9
        && value
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'-');
    let (system, kind) = if is_us {
        (US_SSN.to_owned(), "SS")
    } else {
        (data::named_system(work.sender.authority), "SB")
    };
    Some(data::identifier(
        &Named {
            system,
            value: value.into_owned(),
        },
        Some(kind),
    ))
}

fn license(pid: Segment<'_>, work: &mut Work<'_>) -> Option<Value> {
    let part = pid.field(20);
    let value = work.text(part.comp(1))?;
    let issuer = work.text(part.comp(2)).unwrap_or_default();
    let system = data::named_system(&format!("{issuer}:driver-license"));
    Some(data::identifier(
        &Named {
            system,
            value: value.into_owned(),
        },
        Some("DL"),
    ))
}

fn who(pid: Segment<'_>, draft: &mut Draft, work: &mut Work<'_>) {
    let mut names = Vec::new();
    for number in [5, 9] {
        for part in work.reps(spot(pid, number)) {
            names.extend(work.name(part, 0));
        }
    }
    draft.list("name", names);
    born(spot(pid, 7), draft, work);
    gender(spot(pid, 8), draft, work);
    for (number, element) in [(5, "name"), (7, "birthDate"), (8, "gender")] {
        clear(draft, spot(pid, number), element);
    }
}

/// A date of birth, with the time of day in the extension that is meant for it.
pub(super) fn born(at: Spot<'_>, draft: &mut Draft, work: &mut Work<'_>) {
    let Some(stamp) = work.time(at) else {
        return;
    };
    draft.put("birthDate", Value::from(stamp.moment.day()));
    if stamp.moment.has_clock() {
        let mut inner = Map::new();
        inner.insert("url".into(), BIRTH_TIME.into());
        stamp.put(&mut inner, "valueDateTime");
        draft.put("_birthDate", json!({"extension": [inner]}));
    }
}

/// Administrative sex. What has no counterpart is `unknown`; the original is kept where the
/// translation says less.
pub(super) fn gender(at: Spot<'_>, draft: &mut Draft, work: &mut Work<'_>) {
    let Some(said) = work.text(at.part()) else {
        return;
    };
    let found = work.look(at, at.part(), code::SEX).unwrap_or("unknown");
    draft.put("gender", Value::from(found));
    if !said
        .get(..1)
        .is_some_and(|letter| found.starts_with(&letter.to_ascii_lowercase()))
    {
        draft.put("_gender", work.original(at.part(), &table("0001")));
    }
}

fn contact(pid: Segment<'_>, draft: &mut Draft, work: &mut Work<'_>) {
    let at = spot(pid, 11);
    let mut addresses: Vec<Value> = work
        .reps(at)
        .filter_map(|part| work.address(part))
        .collect();
    if let ([Value::Object(only)], Some(county)) = (&mut *addresses, work.text(pid.field(12)))
        && !only.contains_key("district")
    {
        only.insert("district".into(), county.into());
    }
    draft.list("address", addresses);
    clear(draft, at, "address");
    let mut telecom = Vec::new();
    for (number, usual) in [(13, Some("home")), (14, Some("work")), (40, None)] {
        telecom.extend(telecoms(spot(pid, number), usual, work));
    }
    draft.list("telecom", telecom);
    clear(draft, spot(pid, 13), "telecom:home");
    clear(draft, spot(pid, 14), "telecom:work");
    if let Some(language) = language(pid.field(15), work) {
        draft.list("communication", vec![json!({"language": language})]);
    }
    clear(draft, spot(pid, 15), "communication");
}

/// XTN, all repetitions.
pub(super) fn telecoms(
    at: Spot<'_>,
    usual: Option<&'static str>,
    work: &mut Work<'_>,
) -> Vec<Value> {
    work.reps(at)
        .filter_map(|part| work.telecom(part, usual))
        .collect()
}

/// A language; two letters without a coding system are BCP 47.
pub(super) fn language(part: Part<'_>, work: &mut Work<'_>) -> Option<Value> {
    let code = work.text(part.comp(1)).unwrap_or_default();
    let bare = code.split('-').next().unwrap_or_default();
    let is_tag = bare.len() == 2 && bare.bytes().all(|byte| byte.is_ascii_alphabetic());
    if is_tag && part.comp(3).is_absent() {
        let tag = code.to_ascii_lowercase();
        let display = work.text(part.comp(2));
        let tag = if code.contains('-') {
            code.into_owned()
        } else {
            tag
        };
        return Some(concept_of(coding(BCP_47, &tag, display.as_deref())));
    }
    work.concept(part, "")
}

/// Marital status, death, multiple birth.
fn standing(pid: Segment<'_>, draft: &mut Draft, work: &mut Work<'_>) {
    draft.put(
        "maritalStatus",
        translated(pid.field(16), code::MARITAL_STATUS, "0002", work),
    );
    clear(draft, spot(pid, 16), "maritalStatus");
    if let Some(stamp) = work.time(spot(pid, 29)) {
        stamp.put(&mut draft.json, "deceasedDateTime");
    } else if let Some(dead) = yes_no(spot(pid, 30), work) {
        draft.put("deceasedBoolean", Value::from(dead));
    }
    clear(draft, spot(pid, 29), "deceasedDateTime");
    clear(draft, spot(pid, 30), "deceasedBoolean");
    let order = work
        .text(pid.field(25))
        .and_then(|text| text.parse::<u8>().ok());
    if let Some(order) = order.filter(|order| *order > 0) {
        draft.put("multipleBirthInteger", Value::from(order));
    } else if let Some(multiple) = yes_no(spot(pid, 24), work) {
        draft.put("multipleBirthBoolean", Value::from(multiple));
    }
    clear(draft, spot(pid, 24), "multipleBirthBoolean");
    clear(draft, spot(pid, 25), "multipleBirthInteger");
}

fn yes_no(at: Spot<'_>, work: &mut Work<'_>) -> Option<bool> {
    match work.text(at.part())?.to_ascii_uppercase().as_str() {
        "Y" | "YES" | "TRUE" | "1" => Some(true),
        "N" | "NO" | "FALSE" | "0" => Some(false),
        other => {
            work.complain_at(at, &format!("`{other}` is neither yes nor no; left out"));
            None
        }
    }
}

/// A CodeableConcept whose code has a counterpart in FHIR: that, and the original beside it.
pub(super) fn translated(
    part: Part<'_>,
    codings: code::Codings,
    number: &str,
    work: &mut Work<'_>,
) -> Option<Value> {
    let mut concept = work.concept(part, &table(number))?;
    let said = work.text(part.comp(1)).unwrap_or_default();
    if let Some((code, display, system)) = code::look_coding(codings, &said)
        && let Some(Value::Array(list)) = concept.get_mut("coding")
    {
        list.insert(0, coding(system, code, Some(display)));
    }
    Some(concept)
}

/// The URI of an HL7 table.
pub(super) fn table(number: &str) -> String {
    format!("http://terminology.hl7.org/CodeSystem/v2-{number}")
}

fn extensions(pid: Segment<'_>, draft: &mut Draft, work: &mut Work<'_>) -> Vec<Value> {
    let mut found = Vec::new();
    let mother = pid.field(6);
    if let Some(name) = work
        .text(mother.comp(1))
        .or_else(|| work.text(mother.comp(2)))
    {
        found.push(extension(MOTHER, "valueString", name));
    }
    if let Some(place) = work.free(pid.field(23)) {
        found.push(extension(
            BIRTH_PLACE,
            "valueAddress",
            json!({"text": place}),
        ));
    }
    for (number, url, path, codes) in CODED {
        for part in work.reps(spot(pid, number)) {
            let concept = work.concept(part, &table(codes));
            found.extend(concept.map(|concept| extension(url, "valueCodeableConcept", concept)));
        }
        clear(draft, spot(pid, number), path);
    }
    for (number, url, codes) in [(26, CITIZENSHIP, "0171"), (28, NATIONALITY, "0212")] {
        for part in work.reps(spot(pid, number)) {
            if let Some(concept) = work.concept(part, &table(codes)) {
                let inner = extension("code", "valueCodeableConcept", concept);
                found.push(
                    Object::with_room(2)
                        .set("url", url)
                        .set("extension", vec![inner])
                        .done(),
                );
            }
        }
    }
    found
}

fn general_practitioner(pd1: Segment<'_>, draft: &mut Draft, work: &mut Work<'_>) {
    let mut found = Vec::new();
    for part in work.reps(spot(pd1, 4)) {
        found.extend(work.practitioner(part));
    }
    for part in work.reps(spot(pd1, 3)) {
        found.extend(work.organization(part));
    }
    draft.list("generalPractitioner", found);
    clear(draft, spot(pd1, 4), "generalPractitioner");
}

/// Notes that a field says `""`, unless something else was put in its place.
pub(super) fn clear(draft: &mut Draft, at: Spot<'_>, path: &'static str) {
    if at.is_null() && !draft.json.contains_key(path) {
        draft.clear(path);
    }
}
