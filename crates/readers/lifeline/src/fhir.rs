//! What an accepted entry is in FHIR R4: one resource, and a Provenance that says who wrote it
//! down, who typed it in and who accepted it. The same entry makes the same ids for ever, so that
//! sending it again has no second effect.

use event::{Actor, Line, LineKind, Time};
use serde_json::{Value, json};

use crate::Entry;

/// A resource to be written.
#[derive(Debug, Clone, PartialEq)]
pub struct Made {
    /// Its FHIR type.
    pub kind: &'static str,
    /// Its logical id.
    pub id: String,
    /// Its content.
    pub json: Value,
}

/// Whose chart it goes into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Whose<'a> {
    /// Id of the Patient resource.
    pub id: &'a str,
    /// The record number, for systems that don't know our ids.
    pub number: Option<&'a str>,
}

/// A vital sign: the words by which people call it, its LOINC code, its name, its usual unit (UCUM).
struct Sign {
    words: &'static [&'static str],
    code: &'static str,
    name: &'static str,
    unit: &'static str,
}

const fn sign(
    words: &'static [&'static str],
    code: &'static str,
    name: &'static str,
    unit: &'static str,
) -> Sign {
    Sign {
        words,
        code,
        name,
        unit,
    }
}

static SIGNS: [Sign; 7] = [
    sign(
        &["blood pressure", "bp", "rr"],
        PRESSURE,
        "Blood pressure",
        "mm[Hg]",
    ),
    sign(
        &["heart rate", "pulse", "hr"],
        "8867-4",
        "Heart rate",
        "/min",
    ),
    sign(
        &["temperature", "temp", "body temperature"],
        "8310-5",
        "Body temperature",
        "Cel",
    ),
    sign(
        &["oxygen saturation", "spo2", "saturation"],
        "59408-5",
        "Oxygen saturation",
        "%",
    ),
    sign(
        &["respiratory rate", "breathing", "af"],
        "9279-1",
        "Respiratory rate",
        "/min",
    ),
    sign(&["weight", "body weight"], "29463-7", "Body weight", "kg"),
    sign(
        &["pain", "pain score", "nrs"],
        "72514-3",
        "Pain severity",
        "{score}",
    ),
];
/// LOINC's blood pressure: two numbers.
const PRESSURE: &str = "85354-9";
const LOINC: &str = "http://loinc.org";
const UCUM: &str = "http://unitsofmeasure.org";

/// The entry's resource, saying what `line` says: what was typed in, or what it was changed to.
pub fn resource(entry: &Entry, line: &Line, whose: &Whose<'_>) -> Made {
    let kind = match line.kind {
        LineKind::Given => "MedicationAdministration",
        LineKind::Note => "Communication",
        LineKind::Order => "ServiceRequest",
        LineKind::Result | LineKind::Vital => "Observation",
        LineKind::Allergy => "AllergyIntolerance",
    };
    let id = format!("captured-{}", entry.index);
    let mut subject = json!({"reference": format!("Patient/{}", whose.id)});
    if let Some(number) = whose.number {
        put(&mut subject, "identifier", json!({"value": number}));
    }
    let mut json = body(line, &subject);
    put(&mut json, "resourceType", kind.into());
    put(&mut json, "id", id.as_str().into());
    put(
        &mut json,
        "identifier",
        json!([{"system": "urn:salus:captured", "value": entry.index.to_string()}]),
    );
    if let Some(dosage) = dosage(line) {
        put(&mut json, "dosage", dosage);
    }
    put(&mut json, "note", json!([{"text": written(entry, line)}]));
    Made { kind, id, json }
}

fn body(line: &Line, subject: &Value) -> Value {
    let when = line.happened.as_str();
    let text = json!({"text": line.what});
    match line.kind {
        LineKind::Given => json!({
            "status": "completed", "subject": subject, "medicationCodeableConcept": text,
            "effectiveDateTime": when}),
        LineKind::Note => json!({
            "status": "completed", "subject": subject, "sent": when,
            "payload": [{"contentString": line.what}]}),
        LineKind::Order => json!({
            "status": "active", "intent": "order", "subject": subject, "code": text,
            "authoredOn": when}),
        LineKind::Allergy => json!({
            "patient": subject, "code": text, "recordedDate": when,
            "clinicalStatus": {"coding": [{"code": "active",
                "system": "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical"}]},
            "verificationStatus": {"coding": [{"code": "unconfirmed",
                "system": "http://terminology.hl7.org/CodeSystem/allergyintolerance-verification"}]}}),
        LineKind::Result | LineKind::Vital => observation(line, subject),
    }
}

fn observation(line: &Line, subject: &Value) -> Value {
    let category = match line.kind {
        LineKind::Vital => "vital-signs",
        _ => "laboratory",
    };
    let known = vital(line);
    let mut observation = json!({
        "status": "final", "subject": subject, "effectiveDateTime": line.happened,
        "category": [{"coding": [{"code": category,
            "system": "http://terminology.hl7.org/CodeSystem/observation-category"}]}],
        "code": {"text": line.what}});
    let mut unit = line.unit.as_str();
    if let Some(sign) = known {
        put(
            &mut observation,
            "code",
            json!({
            "coding": [{"system": LOINC, "code": sign.code, "display": sign.name}],
            "text": sign.name}),
        );
        if unit.is_empty() {
            unit = sign.unit;
        }
    }
    let number = line.value.trim().replace(',', ".");
    match number.split_once('/') {
        Some((upper, lower)) if known.is_some_and(|sign| sign.code == PRESSURE) => {
            put(
                &mut observation,
                "component",
                json!([
                    part("8480-6", "Systolic blood pressure", upper, unit),
                    part("8462-4", "Diastolic blood pressure", lower, unit)
                ]),
            );
        }
        _ => match quantity(&number, unit) {
            Some(quantity) => put(&mut observation, "valueQuantity", quantity),
            None => put(&mut observation, "valueString", amount(line).into()),
        },
    }
    observation
}

fn part(code: &str, name: &str, value: &str, unit: &str) -> Value {
    let mut part = json!({"code": {"coding": [{"system": LOINC, "code": code, "display": name}]}});
    if let Some(quantity) = quantity(value.trim(), unit) {
        put(&mut part, "valueQuantity", quantity);
    }
    part
}

/// A number as it was written, so that `36.60` stays `36.60`.
fn quantity(number: &str, unit: &str) -> Option<Value> {
    let value: serde_json::Number = number.parse().ok()?;
    let mut quantity = json!({"value": value});
    if !unit.is_empty() {
        put(&mut quantity, "unit", unit.into());
        put(&mut quantity, "system", UCUM.into());
        put(&mut quantity, "code", unit.into());
    }
    Some(quantity)
}

fn vital(line: &Line) -> Option<&'static Sign> {
    let what = line.what.trim().to_lowercase();
    let mut all = SIGNS.iter();
    all.find(|sign| line.kind == LineKind::Vital && sign.words.contains(&what.as_str()))
}

/// Sets one field of an object.
fn put(object: &mut Value, name: &str, value: Value) {
    if let Some(fields) = object.as_object_mut() {
        fields.insert(name.to_owned(), value);
    }
}

/// How much was given, if it is a number (FHIR wants one: mad-1); words stand in the note.
fn dosage(line: &Line) -> Option<Value> {
    let dose = quantity(&line.value.trim().replace(',', "."), &line.unit);
    let dose = dose.filter(|_| line.kind == LineKind::Given)?;
    Some(json!({"text": amount(line), "dose": dose}))
}

/// `40 mg`
fn amount(line: &Line) -> String {
    let both = format!("{} {}", line.value.trim(), line.unit.trim());
    match both.trim() {
        "" => "not written down".to_owned(),
        both => both.to_owned(),
    }
}

fn written(entry: &Entry, line: &Line) -> String {
    let by = match line.by.trim() {
        "" => String::new(),
        by => format!(" by {by}"),
    };
    let sheet = match entry.sheet.as_str() {
        "" => String::new(),
        sheet => format!(", sheet {sheet} row {}", entry.row),
    };
    let amount = match (line.kind, dosage(line)) {
        (LineKind::Given, None) => format!(" How much: {}.", amount(line)),
        _ => String::new(),
    };
    format!(
        "Written down{by} while systems were away{sheet}; typed in by {}.{amount}",
        entry.typist.1
    )
}

/// Who wrote it down, who typed it in, who accepted it.
pub fn provenance(entry: &Entry, made: &Made, (decider, now): (&Actor, Time)) -> Made {
    let id = format!("provenance-{}", made.id);
    let agent = |kind: &str, name: &str| {
        json!({"who": {"display": name}, "type": {"coding": [{"code": kind,
            "system": "http://terminology.hl7.org/CodeSystem/provenance-participant-type"}]}})
    };
    let mut agents = vec![
        agent("enterer", &entry.typist.1),
        agent("verifier", &decider.name),
    ];
    if !entry.line.by.trim().is_empty() {
        agents.insert(0, agent("author", entry.line.by.trim()));
    }
    let mut json = json!({
        "resourceType": "Provenance", "id": id,
        "target": [{"reference": format!("{}/{}", made.kind, made.id)}],
        "occurredDateTime": entry.line.happened, "recorded": now.to_string(), "agent": agents});
    if !entry.sheet.is_empty() {
        put(
            &mut json,
            "entity",
            json!([{"role": "source", "what": {"display":
            format!("paper sheet {}, row {}", entry.sheet, entry.row)}}]),
        );
    }
    Made {
        kind: "Provenance",
        id,
        json,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const P: Whose<'_> = Whose {
        id: "p",
        number: Some("77"),
    };

    pub(crate) fn of_line(line: Line) -> Entry {
        Entry {
            index: 4711,
            at: Time::from_millis(1_795_269_802_000),
            ward: "ICU".into(),
            patient: Some("p".into()),
            temporary: String::new(),
            line,
            sheet: "12-3-1-45".into(),
            row: 4,
            typist: ("nora".into(), "Nora Lind".into()),
            decided: None,
            sent: None,
        }
    }

    fn line(kind: LineKind, what: &str, value: &str, unit: &str) -> Line {
        Line {
            kind,
            happened: "2026-11-21T10:00:00+01:00".into(),
            what: what.into(),
            value: value.into(),
            unit: unit.into(),
            by: "AK".into(),
        }
    }

    #[test]
    fn a_blood_pressure_is_two_numbers_with_codes_and_as_they_were_written() {
        let entry = of_line(line(LineKind::Vital, "BP", "120/80", ""));
        let made = resource(&entry, &entry.line, &P);
        assert_eq!(
            (made.kind, made.id.as_str()),
            ("Observation", "captured-4711")
        );
        assert_eq!(made.json["code"]["coding"][0]["code"], "85354-9");
        assert_eq!(
            made.json["component"][1]["valueQuantity"]["value"].to_string(),
            "80"
        );
        assert_eq!(made.json["subject"]["reference"], "Patient/p");
        let warm = of_line(line(LineKind::Vital, "Temp", "36,60", ""));
        let made = resource(&warm, &warm.line, &P);
        assert_eq!(made.json["valueQuantity"]["value"].to_string(), "36.60");
    }

    #[test]
    fn every_kind_is_a_resource_that_the_fhir_door_takes() {
        for kind in LineKind::ALL {
            let entry = of_line(line(kind, "Furosemide", "40", "mg"));
            let made = resource(&entry, &entry.line, &P);
            let decider = Actor::salus();
            let by = provenance(&entry, &made, (&decider, entry.at));
            for made in [made, by] {
                let raw = made.json.to_string();
                let issues = wire::fhir::check(&made.json);
                let refused = issues.iter().any(wire::fhir::Issue::refuses);
                assert!(!refused, "{raw}: {issues:?}");
            }
        }
    }

    #[test]
    fn its_provenance_names_who_wrote_who_typed_and_who_accepted() {
        let entry = of_line(line(LineKind::Given, "Furosemide", "40", "mg"));
        let made = resource(&entry, &entry.line, &P);
        let by = provenance(&entry, &made, (&Actor::salus(), entry.at));
        let names: Vec<&str> = (0..3)
            .map(|place| by.json["agent"][place]["who"]["display"].as_str().unwrap())
            .collect();
        assert_eq!(names, ["AK", "Nora Lind", "Salus"]);
        assert_eq!(
            by.json["target"][0]["reference"],
            "MedicationAdministration/captured-4711"
        );
    }
}
