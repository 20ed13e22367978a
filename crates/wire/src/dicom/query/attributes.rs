//! What is known of a patient, a study, a series, an instance, as attributes that are matched and
//! answered.

use std::collections::BTreeMap;

use dicom_core::Tag;
use dicom_dictionary_std::tags;
use serde_json::{Map, Value};

use super::Query;
use crate::dicom::Header;
use crate::v2::authority_system;

/// Attributes by tag, as text; several values are parted by `\`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attributes(BTreeMap<Tag, String>);

/// Whose a study is, as the chart knows it today.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Person {
    /// Patient ID.
    pub id: String,
    /// Issuer of Patient ID, as it was asked for or as the object said it.
    pub issuer: String,
    /// Patient's Name, as PN.
    pub name: String,
    /// Patient's Birth Date, `YYYYMMDD`.
    pub birth_date: String,
    /// Patient's Sex.
    pub sex: String,
}

impl Attributes {
    /// Of a patient.
    pub fn of_patient(person: &Person) -> Attributes {
        let mut all = Attributes::default();
        all.set(tags::PATIENT_ID, &person.id);
        all.set(tags::ISSUER_OF_PATIENT_ID, &person.issuer);
        all.set(tags::PATIENT_NAME, &person.name);
        all.set(tags::PATIENT_BIRTH_DATE, &person.birth_date);
        all.set(tags::PATIENT_SEX, &person.sex);
        all
    }

    /// Of a study, by its first instance: its modalities, how many series and instances it has.
    pub fn of_study(
        header: &Header,
        modalities: &[&str],
        (series, instances): (u64, u64),
    ) -> Attributes {
        let mut all = Attributes::default();
        all.set(tags::STUDY_INSTANCE_UID, &header.study);
        all.set(tags::STUDY_DATE, &header.study_date);
        all.set(tags::STUDY_TIME, &header.study_time);
        all.set(tags::TIMEZONE_OFFSET_FROM_UTC, &header.offset);
        all.set(tags::ACCESSION_NUMBER, &header.accession);
        all.set(tags::STUDY_ID, &header.study_id);
        all.set(tags::STUDY_DESCRIPTION, &header.study_description);
        all.set(tags::REFERRING_PHYSICIAN_NAME, &header.referring);
        all.set(tags::MODALITIES_IN_STUDY, &modalities.join("\\"));
        all.set(tags::NUMBER_OF_STUDY_RELATED_SERIES, &series.to_string());
        all.set(
            tags::NUMBER_OF_STUDY_RELATED_INSTANCES,
            &instances.to_string(),
        );
        all.set(tags::INSTANCE_AVAILABILITY, "ONLINE");
        all
    }

    /// Of a series, by its first instance: how many instances it has.
    pub fn of_series(header: &Header, instances: u64) -> Attributes {
        let mut all = Attributes::default();
        all.set(tags::SERIES_INSTANCE_UID, &header.series);
        all.set(tags::MODALITY, &header.modality);
        all.set(tags::SERIES_NUMBER, &header.series_number);
        all.set(tags::SERIES_DESCRIPTION, &header.series_description);
        all.set(tags::BODY_PART_EXAMINED, &header.body_part);
        all.set(tags::LATERALITY, &header.laterality);
        all.set(
            tags::NUMBER_OF_SERIES_RELATED_INSTANCES,
            &instances.to_string(),
        );
        all
    }

    /// Of an instance, with the transfer syntax in which it is kept.
    pub fn of_instance(header: &Header, syntax: &str) -> Attributes {
        let mut all = Attributes::default();
        all.set(tags::SOP_CLASS_UID, &header.class);
        all.set(tags::SOP_INSTANCE_UID, &header.instance);
        all.set(tags::INSTANCE_NUMBER, &header.instance_number);
        if let Some(frames) = header.frames {
            all.set(tags::NUMBER_OF_FRAMES, &frames.to_string());
        }
        if let Some((rows, columns)) = header.size {
            all.set(tags::ROWS, &rows.to_string());
            all.set(tags::COLUMNS, &columns.to_string());
        }
        all.set(tags::AVAILABLE_TRANSFER_SYNTAX_UID, syntax);
        all
    }

    /// These and those.
    #[must_use]
    pub fn with(mut self, more: &Attributes) -> Attributes {
        self.0
            .extend(more.0.iter().map(|(tag, text)| (*tag, text.clone())));
        self
    }

    /// One of them; empty: it is known to have no value.
    pub fn get(&self, tag: Tag) -> Option<&str> {
        self.0.get(&tag).map(String::as_str)
    }

    /// Sets one.
    pub fn set(&mut self, tag: Tag, text: &str) {
        self.0.insert(tag, text.to_owned());
    }

    /// All of them, by ascending tag.
    pub fn all(&self) -> impl Iterator<Item = (Tag, &str)> {
        self.0.iter().map(|(tag, text)| (*tag, text.as_str()))
    }
}

impl Person {
    /// Whose a study is: a `Patient` as a chart shows it, with what an object said of them. Who has several
    /// numbers is answered by the one that was asked for, under the issuer that was asked for.
    pub fn of(patient: &Map<String, Value>, header: &Header, query: &Query) -> Person {
        let (id, issuer) = under_issuer(patient, header, query)
            .unwrap_or_else(|| by_number(patient, header, query));
        let text = |name: &str| {
            patient
                .get(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        Person {
            id: id.to_owned(),
            issuer: issuer.to_owned(),
            name: name(patient, &header.patient_name),
            birth_date: day(text("birthDate")),
            sex: match text("gender") {
                "male" => "M",
                "female" => "F",
                "other" => "O",
                _ => "",
            }
            .to_owned(),
        }
    }
}

/// The number that a patient has of the issuer that is asked for: the object need not have named one.
fn under_issuer<'a>(
    patient: &'a Map<String, Value>,
    header: &Header,
    query: &'a Query,
) -> Option<(&'a str, &'a str)> {
    let issuer = query.single(tags::ISSUER_OF_PATIENT_ID)?;
    let system = authority_system(issuer, "");
    let theirs = |one: &&Map<String, Value>| {
        one.get("system").and_then(Value::as_str) == Some(system.as_str())
    };
    let numbers = list(patient, "identifier").filter(theirs);
    let numbers: Vec<&str> = numbers
        .filter_map(|one| one.get("value").and_then(Value::as_str))
        .filter(|number| query.takes(tags::PATIENT_ID, number))
        .collect();
    let own = numbers.iter().find(|number| **number == header.patient_id);
    let number = own.or(numbers.first())?;
    Some((number, issuer))
}

/// The number that is asked for, or that the object said, or the first one; with the issuer that the object said.
fn by_number<'a>(
    patient: &'a Map<String, Value>,
    header: &'a Header,
    query: &'a Query,
) -> (&'a str, &'a str) {
    let numbers: Vec<&str> = list(patient, "identifier")
        .filter_map(|one| one.get("value").and_then(Value::as_str))
        .collect();
    let has = |number: &&str| numbers.contains(number);
    let own = Some(header.patient_id.as_str());
    let asked = query.single(tags::PATIENT_ID);
    let id = asked.filter(has).or_else(|| own.filter(has));
    let id = id.or_else(|| numbers.first().copied()).unwrap_or_default();
    match id == header.patient_id {
        true => (id, &header.issuer),
        false => (id, ""),
    }
}

/// A date as DA; what has no day is none.
fn day(date: &str) -> String {
    const LETTERS: usize = 8;
    let digits = date.replace('-', "");
    match digits.len() == LETTERS && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        true => digits,
        false => String::new(),
    }
}

/// The first name as PN. If the object says the same, its own spelling, with ideographs and sounds.
fn name(patient: &Map<String, Value>, said: &str) -> String {
    let Some(name) = list(patient, "name").next() else {
        return String::new();
    };
    let part = |key: &str| -> Vec<&str> {
        match name.get(key) {
            Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).collect(),
            Some(Value::String(one)) => vec![one],
            _ => Vec::new(),
        }
    };
    let given = part("given");
    let (first, middle) = match given.split_first() {
        Some((first, middle)) => (*first, middle.join(" ")),
        None => ("", String::new()),
    };
    let parts = [
        part("family").join(" "),
        first.to_owned(),
        middle,
        part("prefix").join(" "),
        part("suffix").join(" "),
    ];
    // What parts components, groups and values cannot stand within one.
    let clean = parts.map(|part| part.replace(['^', '=', '\\'], " "));
    let known = clean.join("^");
    let known = known.trim_end_matches('^');
    let group = said.split('=').next().unwrap_or_default();
    match group.trim_end_matches('^').eq_ignore_ascii_case(known) {
        true => said.to_owned(),
        false => known.to_owned(),
    }
}

fn list<'a>(
    of: &'a Map<String, Value>,
    name: &str,
) -> impl Iterator<Item = &'a Map<String, Value>> {
    let all = of.get(name).and_then(Value::as_array);
    all.into_iter().flatten().filter_map(Value::as_object)
}
