//! What a data set means in FHIR R4: whose it is (Patient) and of which study (ImagingStudy), after
//! the mapping of the resource's own page (ImagingStudy, appendix "DICOM").

use serde_json::{Map, Value, json};

use super::Header;
use crate::v2::{Draft, Mode, authority_system};

/// Series that a study lists, at most; their instances are counted beyond that too.
const SERIES_MAX: usize = 500;
const UIDS: &str = "urn:dicom:uid";
const CODES: &str = "http://dicom.nema.org/resources/ontology/DCM";
const IDENTIFIER_TYPES: &str = "http://terminology.hl7.org/CodeSystem/v2-0203";

/// How the sender of an image names patients, and which clock it reads.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    /// The assigning authority of patient ids that name no issuer.
    pub authority: &'a str,
    /// IANA name of the zone of times without an offset.
    pub zone: &'a str,
    /// The logical id of a resource, from its kind, the system of its identifier and the value.
    pub id: &'a dyn Fn(&str, &str, &str) -> String,
}

/// System and value of the identifier by which the patient is known; `None`: there is none. The same
/// as of a message that names the issuer as assigning authority (CX.4.1).
pub fn patient_identifier(header: &Header, authority: &str) -> Option<(String, String)> {
    let value = header.patient_id.as_str();
    (!value.is_empty()).then(|| {
        (
            authority_system(&header.issuer, authority),
            value.to_owned(),
        )
    })
}

/// What a data set says of its patient: only what is not known yet counts.
pub fn patient(header: &Header, source: Source<'_>) -> Option<Draft> {
    let (system, value) = patient_identifier(header, source.authority)?;
    let id = (source.id)("Patient", &system, &value);
    let coding = json!([{"system": IDENTIFIER_TYPES, "code": "MR"}]);
    let mut json = Map::new();
    json.insert("resourceType".into(), "Patient".into());
    json.insert("id".into(), id.as_str().into());
    json.insert(
        "identifier".into(),
        json!([{"type": {"coding": coding}, "system": system, "value": value}]),
    );
    let names: Vec<Value> = header.patient_name.split('=').filter_map(name).collect();
    if !names.is_empty() {
        json.insert("name".into(), names.into());
    }
    let gender = match header.sex.as_str() {
        "M" => Some("male"),
        "F" => Some("female"),
        "O" => Some("other"),
        _ => None,
    };
    if let Some(gender) = gender {
        json.insert("gender".into(), gender.into());
    }
    if let Some(date) = date(&header.birth_date) {
        json.insert("birthDate".into(), date.to_string().into());
    }
    Some(Draft {
        kind: "Patient",
        patient: Some(id.clone()),
        id,
        json,
        otherwise: Map::new(),
        clears: Vec::new(),
        mode: Mode::Fill,
        told: None,
        fillers: Vec::new(),
        part_of: None,
    })
}

/// The id of the study's resource.
pub fn study_id(header: &Header, source: Source<'_>) -> String {
    study_named(&header.study, source.id)
}

/// The id of the resource of the study with that UID.
pub fn study_named(uid: &str, id: &dyn Fn(&str, &str, &str) -> String) -> String {
    id("ImagingStudy", UIDS, uid)
}

/// The study with one more instance. What it says of itself the first instance said; each instance
/// must come once.
pub fn study(
    before: Option<&Map<String, Value>>,
    header: &Header,
    (id, patient): (&str, &str),
    source: Source<'_>,
) -> Map<String, Value> {
    let mut study = before
        .cloned()
        .unwrap_or_else(|| new(header, (id, patient), source));
    count(&mut study, "numberOfInstances");
    let modality = json!({"system": CODES, "code": header.modality});
    if let Some(Value::Array(all)) = study.get_mut("modality")
        && !header.modality.is_empty()
        && all.len() < MODALITIES_MAX
        && !all.contains(&modality)
    {
        all.push(modality);
    }
    let Some(Value::Array(series)) = study.get_mut("series") else {
        return study;
    };
    let uid = header.series.as_str();
    let there = series
        .iter_mut()
        .filter_map(Value::as_object_mut)
        .find(|one| one.get("uid").and_then(Value::as_str) == Some(uid));
    if let Some(there) = there {
        count(there, "numberOfInstances");
    } else if series.len() < SERIES_MAX {
        series.push(new_series(header));
        count(&mut study, "numberOfSeries");
    }
    study
}

fn new(header: &Header, (id, patient): (&str, &str), source: Source<'_>) -> Map<String, Value> {
    let mut study = Map::new();
    let mut set = |name: &str, value: Value| drop(study.insert(name.to_owned(), value));
    set("resourceType", "ImagingStudy".into());
    set("id", id.into());
    let mut identifiers =
        vec![json!({"system": UIDS, "value": format!("urn:oid:{}", header.study)})];
    if !header.accession.is_empty() {
        let coding = json!([{"system": IDENTIFIER_TYPES, "code": "ACSN"}]);
        identifiers.push(json!({"type": {"coding": coding}, "value": header.accession}));
    }
    set("identifier", identifiers.into());
    set("status", "available".into());
    set("modality", json!([]));
    set(
        "subject",
        json!({"reference": format!("Patient/{patient}")}),
    );
    if let Some(started) = started(header, source.zone) {
        set("started", started.into());
    }
    if let Some(referrer) = header.referring.split('=').find_map(name) {
        set("referrer", json!({"display": referrer.get("text")}));
    }
    set("numberOfSeries", 0.into());
    set("numberOfInstances", 0.into());
    if !header.study_description.is_empty() {
        set("description", header.study_description.as_str().into());
    }
    set("series", json!([]));
    study
}

fn new_series(header: &Header) -> Value {
    let mut series = Map::new();
    let mut set = |name: &str, value: Value| drop(series.insert(name.to_owned(), value));
    set("uid", header.series.as_str().into());
    if let Ok(number) = header.series_number.parse::<u32>() {
        set("number", number.into());
    }
    let modality = if header.modality.is_empty() {
        "OT"
    } else {
        &header.modality
    };
    set("modality", json!({"system": CODES, "code": modality}));
    if !header.series_description.is_empty() {
        set("description", header.series_description.as_str().into());
    }
    set("numberOfInstances", 1.into());
    if !header.body_part.is_empty() {
        set("bodySite", json!({"display": header.body_part}));
    }
    let side = match header.laterality.as_str() {
        "R" => Some(("24028007", "Right")),
        "L" => Some(("7771000", "Left")),
        _ => None,
    };
    if let Some((code, display)) = side {
        let system = "http://snomed.info/sct";
        set(
            "laterality",
            json!({"system": system, "code": code, "display": display}),
        );
    }
    series.into()
}

fn count(of: &mut Map<String, Value>, name: &str) {
    let before = of.get(name).and_then(Value::as_u64).unwrap_or_default();
    of.insert(name.to_owned(), (before + 1).into());
}

/// A HumanName out of one component group of a PN (PS3.5 section 6.2.1).
fn name(group: &str) -> Option<Value> {
    let mut parts = group.split('^').map(str::trim);
    let mut next = || parts.next().unwrap_or_default().to_owned();
    let (family, given, middle, prefix, suffix) = (next(), next(), next(), next(), next());
    let givens: Vec<&String> = [&given, &middle]
        .into_iter()
        .filter(|one| !one.is_empty())
        .collect();
    let spoken = [&prefix, &given, &middle, &family, &suffix];
    let spoken: Vec<&str> = spoken
        .into_iter()
        .filter(|one| !one.is_empty())
        .map(String::as_str)
        .collect();
    if spoken.is_empty() {
        return None;
    }
    let mut name = Map::new();
    name.insert("text".into(), spoken.join(" ").into());
    if !family.is_empty() {
        name.insert("family".into(), family.into());
    }
    if !givens.is_empty() {
        name.insert("given".into(), json!(givens));
    }
    if !prefix.is_empty() {
        name.insert("prefix".into(), json!([prefix]));
    }
    if !suffix.is_empty() {
        name.insert("suffix".into(), json!([suffix]));
    }
    Some(name.into())
}

/// Modalities that a study names.
const MODALITIES_MAX: usize = 32;

fn date(text: &str) -> Option<jiff::civil::Date> {
    jiff::civil::Date::strptime("%Y%m%d", text).ok()
}

/// When a study began, as far as it was said.
fn started(header: &Header, zone: &str) -> Option<String> {
    let date = date(&header.study_date)?;
    let time = header.study_time.get(..6);
    let time = time.and_then(|time| jiff::civil::Time::strptime("%H%M%S", time).ok());
    let Some(time) = time else {
        return Some(date.to_string());
    };
    let zone = offset(&header.offset).or_else(|| jiff::tz::TimeZone::get(zone).ok())?;
    let zoned = date.to_datetime(time).to_zoned(zone).ok()?;
    Some(zoned.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string())
}

fn offset(text: &str) -> Option<jiff::tz::TimeZone> {
    let (sign, digits) = text.split_at_checked(1)?;
    let written = digits.len() == 4 && digits.bytes().all(|byte| byte.is_ascii_digit());
    let (hours, minutes) = digits.split_at_checked(2).filter(|_| written)?;
    // INVARIANT: two digits each, so that the sum fits.
    let seconds = hours.parse::<i32>().ok()? * 3_600 + minutes.parse::<i32>().ok()? * 60;
    let seconds = match sign {
        "+" => seconds,
        "-" => -seconds,
        _ => return None,
    };
    jiff::tz::Offset::from_seconds(seconds)
        .ok()
        .map(jiff::tz::TimeZone::fixed)
}
