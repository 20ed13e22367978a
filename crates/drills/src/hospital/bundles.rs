//! What the bedside and the pharmacy send: FHIR R4 transactions that name the patient by
//! identifier, since neither system knows the ids that Salus gives.

use event::Time;
use serde_json::{Value, json};

use crate::dice::Dice;
use crate::hospital::patient::{Order, Patient};
use crate::hospital::picture::Allergy;

/// The FHIR system of identifiers assigned by St. Salus, as the HL7 v2 mapper names it.
pub const AUTHORITY_SYSTEM: &str = "urn:salus:authority:STSALUS";
/// The FHIR system of prescription numbers.
pub const PRESCRIPTION_SYSTEM: &str = "urn:salus:drills:prescription";

const LOINC: &str = "http://loinc.org";
const SNOMED: &str = "http://snomed.info/sct";
const RXNORM: &str = "http://www.nlm.nih.gov/research/umls/rxnorm";
const ICD10: &str = "http://hl7.org/fhir/sid/icd-10-cm";
const UCUM: &str = "http://unitsofmeasure.org";
const HL7: &str = "http://terminology.hl7.org/CodeSystem";

/// An entry of a transaction: method, URL, condition for a create, resource.
pub(crate) struct Entry {
    method: &'static str,
    url: String,
    if_none_exist: Option<String>,
    full_url: Option<String>,
    resource: Value,
}

impl Entry {
    pub(crate) fn post(kind: &str, resource: Value) -> Entry {
        let url = kind.to_owned();
        Entry {
            method: "POST",
            url,
            if_none_exist: None,
            full_url: None,
            resource,
        }
    }

    fn value(self) -> Value {
        let mut request = json!({"method": self.method, "url": self.url});
        if let (Some(condition), Some(members)) = (self.if_none_exist, request.as_object_mut()) {
            members.insert("ifNoneExist".to_owned(), Value::String(condition));
        }
        let mut entry = serde_json::Map::new();
        if let Some(full_url) = self.full_url {
            entry.insert("fullUrl".to_owned(), Value::String(full_url));
        }
        entry.insert("resource".to_owned(), self.resource);
        entry.insert("request".to_owned(), request);
        Value::Object(entry)
    }
}

/// The bytes of a transaction.
pub(crate) fn transaction(control: &str, at: Time, entries: Vec<Entry>) -> Vec<u8> {
    let entries: Vec<Value> = entries.into_iter().map(Entry::value).collect();
    let bundle = json!({
        "resourceType": "Bundle",
        "identifier": {"system": "urn:salus:drills:bundle", "value": control},
        "type": "transaction",
        "timestamp": at.to_string(),
        "entry": entries,
    });
    bundle.to_string().into_bytes()
}

fn subject(patient: &Patient) -> Value {
    json!({"reference": format!("Patient?identifier={AUTHORITY_SYSTEM}|{}", patient.mrn)})
}

fn coded(system: &str, code: &str, text: &str) -> Value {
    json!({"coding": [{"system": system, "code": code, "display": text}], "text": text})
}

fn category(list: &str, code: &str) -> Value {
    json!([{"coding": [{"system": format!("{HL7}/{list}"), "code": code}]}])
}

fn quantity(value: f64, decimals: usize, unit: (&str, &str)) -> Value {
    let number: Value = format!("{value:.decimals$}").parse().unwrap_or(Value::Null);
    json!({"value": number, "unit": unit.0, "system": UCUM, "code": unit.1})
}

/// Heart rate, blood pressure, breaths, temperature and oxygen saturation.
pub(crate) fn vitals(dice: &mut Dice, ill: (&Patient, f64), at: Time) -> Vec<Entry> {
    let (patient, severity) = ill;
    let young = patient.picture.ward == "PED";
    let normal = if young {
        [105.0, 98.0, 24.0, 36.9, 98.0]
    } else {
        [74.0, 124.0, 15.0, 36.7, 97.0]
    };
    let spread = [6.0, 8.0, 1.5, 0.2, 0.8];
    let mut values = normal
        .iter()
        .zip(spread)
        .zip(patient.picture.vitals)
        .map(|((normal, spread), shift)| normal + dice.bell() * spread + shift * severity);
    let mut next = || values.next().unwrap_or_default();
    let (heart, systolic, breaths, heat, oxygen) = (next(), next(), next(), next(), next());
    let systolic = systolic.max(55.0);
    let single = [
        (
            ("8867-4", "Heart rate"),
            quantity(heart.max(30.0), 0, ("/min", "/min")),
        ),
        (
            ("9279-1", "Respiratory rate"),
            quantity(breaths.max(6.0), 0, ("/min", "/min")),
        ),
        (
            ("8310-5", "Body temperature"),
            quantity(heat, 1, ("Cel", "Cel")),
        ),
        (
            (
                "59408-5",
                "Oxygen saturation in Arterial blood by Pulse oximetry",
            ),
            quantity(oxygen.clamp(60.0, 100.0), 0, ("%", "%")),
        ),
    ];
    let mut entries: Vec<Entry> = single
        .into_iter()
        .map(|((code, text), value)| {
            let mut observation = vital(patient, at, (code, text));
            insert(&mut observation, "valueQuantity", value);
            Entry::post("Observation", observation)
        })
        .collect();
    entries.push(Entry::post(
        "Observation",
        pressure(patient, at, (systolic, systolic * 0.62)),
    ));
    entries
}

fn vital(patient: &Patient, at: Time, code: (&str, &str)) -> Value {
    json!({
        "resourceType": "Observation",
        "status": "final",
        "category": category("observation-category", "vital-signs"),
        "code": coded(LOINC, code.0, code.1),
        "subject": subject(patient),
        "effectiveDateTime": at.to_string(),
    })
}

fn pressure(patient: &Patient, at: Time, values: (f64, f64)) -> Value {
    let unit = ("mm[Hg]", "mm[Hg]");
    let mut observation = vital(
        patient,
        at,
        ("85354-9", "Blood pressure panel with all children optional"),
    );
    let parts = json!([
        {"code": coded(LOINC, "8480-6", "Systolic blood pressure"), "valueQuantity": quantity(values.0, 0, unit)},
        {"code": coded(LOINC, "8462-4", "Diastolic blood pressure"), "valueQuantity": quantity(values.1, 0, unit)},
    ]);
    insert(&mut observation, "component", parts);
    observation
}

fn insert(resource: &mut Value, name: &str, value: Value) {
    if let Some(members) = resource.as_object_mut() {
        members.insert(name.to_owned(), value);
    }
}

/// Whether the patient is to be resuscitated.
pub(crate) fn code_status(patient: &Patient, at: Time, resuscitate: Resuscitate) -> Entry {
    let (code, text) = match resuscitate {
        Resuscitate::Full => ("304252001", "For resuscitation"),
        Resuscitate::No => ("304253006", "Not for resuscitation"),
    };
    let observation = json!({
        "resourceType": "Observation",
        "status": "final",
        "category": category("observation-category", "survey"),
        "code": coded(LOINC, "100822-6", "Code status"),
        "subject": subject(patient),
        "effectiveDateTime": at.to_string(),
        "valueCodeableConcept": coded(SNOMED, code, text),
    });
    Entry::post("Observation", observation)
}

/// The two answers that the drill hospital knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resuscitate {
    Full,
    No,
}

/// A new prescription; created once however often it is sent.
pub(crate) fn prescribe(patient: &Patient, order: &Order, full_url: String) -> Entry {
    Entry {
        method: "POST",
        url: "MedicationRequest".to_owned(),
        if_none_exist: Some(format!("identifier={PRESCRIPTION_SYSTEM}|{}", order.number)),
        full_url: Some(full_url),
        resource: request(patient, order, "active"),
    }
}

/// A prescription that has run its course: a conditional update by its number.
pub(crate) fn stop(patient: &Patient, order: &Order) -> Entry {
    Entry {
        method: "PUT",
        url: format!(
            "MedicationRequest?identifier={PRESCRIPTION_SYSTEM}|{}",
            order.number
        ),
        if_none_exist: None,
        full_url: None,
        resource: request(patient, order, "completed"),
    }
}

fn request(patient: &Patient, order: &Order, status: &str) -> Value {
    let drug = order.drug;
    let attending = patient
        .visit
        .as_ref()
        .map(|visit| person_in(&visit.attending));
    json!({
        "resourceType": "MedicationRequest",
        "identifier": [{"system": PRESCRIPTION_SYSTEM, "value": order.number}],
        "status": status,
        "intent": "order",
        "medicationCodeableConcept": coded(RXNORM, drug.rxnorm, drug.text),
        "subject": subject(patient),
        "authoredOn": order.written.to_string(),
        "requester": {"display": attending.unwrap_or_else(|| "On call".to_owned())},
        "dosageInstruction": [{
            "text": format!("{} {} {} times a day", drug.dose, drug.unit, drug.daily),
            "timing": {"repeat": {"frequency": drug.daily, "period": 1, "periodUnit": "d"}},
            "route": coded(SNOMED, drug.route.0, drug.route.1),
            "doseAndRate": [{"doseQuantity": quantity(drug.dose, 1, (drug.unit, drug.unit))}],
        }],
    })
}

/// `Lena Krüger` from `P1003^Krüger^Lena^...`.
fn person_in(xcn: &str) -> String {
    let mut parts = xcn.split('^').skip(1);
    let family = parts.next().unwrap_or_default();
    format!("{} {family}", parts.next().unwrap_or_default())
}

/// A dose that was given; `request` is a reference to the prescription.
pub(crate) fn give(patient: &Patient, order: &Order, given: (Time, String)) -> Entry {
    let drug = order.drug;
    let (at, request) = given;
    let administration = json!({
        "resourceType": "MedicationAdministration",
        "status": "completed",
        "medicationCodeableConcept": coded(RXNORM, drug.rxnorm, drug.text),
        "subject": subject(patient),
        "effectiveDateTime": at.to_string(),
        "request": {"reference": request},
        "dosage": {
            "route": coded(SNOMED, drug.route.0, drug.route.1),
            "dose": quantity(drug.dose, 1, (drug.unit, drug.unit)),
        },
    });
    Entry::post("MedicationAdministration", administration)
}

/// A reference to a prescription by its number.
pub(crate) fn by_number(order: &Order) -> String {
    format!(
        "MedicationRequest?identifier={PRESCRIPTION_SYSTEM}|{}",
        order.number
    )
}

/// An allergy that somebody has just noticed.
pub(crate) fn allergy(patient: &Patient, allergy: Allergy, at: Time) -> Entry {
    let severity = match allergy.severity {
        "SV" => "severe",
        "MO" => "moderate",
        _ => "mild",
    };
    let category = match allergy.kind {
        "FA" => "food",
        "EA" => "environment",
        _ => "medication",
    };
    let resource = json!({
        "resourceType": "AllergyIntolerance",
        "clinicalStatus": {"coding": [{"system": format!("{HL7}/allergyintolerance-clinical"), "code": "active"}]},
        "verificationStatus": {"coding": [{"system": format!("{HL7}/allergyintolerance-verification"), "code": "confirmed"}]},
        "type": "allergy",
        "category": [category],
        "criticality": if severity == "severe" { "high" } else { "low" },
        "code": coded(SNOMED, allergy.code, allergy.text),
        "patient": subject(patient),
        "recordedDate": at.to_string(),
        "reaction": [{"manifestation": [{"text": allergy.reaction}], "severity": severity}],
    });
    Entry::post("AllergyIntolerance", resource)
}

/// A problem for the list: ICD-10-CM code, text, SNOMED CT code.
pub(crate) fn problem(patient: &Patient, problem: (&str, &str, &str), at: Time) -> Entry {
    let (icd, text, snomed) = problem;
    let resource = json!({
        "resourceType": "Condition",
        "clinicalStatus": {"coding": [{"system": format!("{HL7}/condition-clinical"), "code": "active"}]},
        "verificationStatus": {"coding": [{"system": format!("{HL7}/condition-ver-status"), "code": "confirmed"}]},
        "category": category("condition-category", "problem-list-item"),
        "code": {
            "coding": [
                {"system": ICD10, "code": icd, "display": text},
                {"system": SNOMED, "code": snomed},
            ],
            "text": text,
        },
        "subject": subject(patient),
        "recordedDate": at.to_string(),
    });
    Entry::post("Condition", resource)
}
