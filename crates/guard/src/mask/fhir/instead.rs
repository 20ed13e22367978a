//! What stands for references, dates, identifiers, addresses, attachments and ages.

use serde_json::{Map, Value, json};

use super::super::span::Kind;
use super::super::write::Dates;
use super::rules::{is_published, zip3};
use super::walk::{At, Walk};
use super::{collect, time};

/// Ages from here on are one category.
pub(crate) const OLD_YEARS: i16 = 90;

impl Walk<'_> {
    /// `Patient/7`, `#local`, `http://server/fhir/Patient/7/_history/3`.
    pub(crate) fn reference(&mut self, text: &str) -> Option<Value> {
        self.count(Kind::Other);
        if let Some(local) = text.strip_prefix('#') {
            return Some(Value::String(format!(
                "#{}",
                self.with.secret.pseudonym("#", local)
            )));
        }
        let plain = text.split("/_history/").next().unwrap_or_default();
        let mut parts = plain.rsplit('/');
        let (id, kind) = (parts.next()?, parts.next().unwrap_or_default());
        let named = kind.starts_with(|letter: char| letter.is_ascii_uppercase());
        named.then(|| Value::String(format!("{kind}/{}", self.with.id(kind, id))))
    }

    pub(crate) fn date(&mut self, text: &str, at: At<'_>) -> Option<Value> {
        self.count(Kind::Date);
        let instant = at.element == "issued"
            || (matches!(at.kind, "Appointment" | "Schedule")
                && matches!(at.element, "start" | "end"));
        // An instant has no shorter form.
        if instant && self.with.dates == Dates::Year {
            return None;
        }
        time::instead(text, self.with.dates).map(Value::String)
    }

    pub(crate) fn identifiers(&mut self, value: &Value) -> Option<Value> {
        let one = |identifier: &Value| {
            let value = identifier.get("value").and_then(Value::as_str)?;
            let system = identifier
                .get("system")
                .and_then(Value::as_str)
                .unwrap_or_default();
            let mut out = Map::new();
            let kind = identifier.pointer("/type/coding/0").and_then(|coding| {
                let system = coding.get("system").and_then(Value::as_str)?;
                let code = coding.get("code").and_then(Value::as_str)?;
                is_published(system).then(|| json!({"coding": [{"system": system, "code": code}]}))
            });
            out.extend(kind.map(|kind| ("type".to_owned(), kind)));
            out.insert("system".to_owned(), json!("urn:salus:pseudonym"));
            out.insert(
                "value".to_owned(),
                json!(self.with.secret.pseudonym(system, value)),
            );
            Some(Value::Object(out))
        };
        let out = match value {
            Value::Array(list) => Value::Array(list.iter().filter_map(one).collect()),
            single => one(single)?,
        };
        self.count(Kind::Mrn);
        Some(out)
    }

    pub(crate) fn addresses(&mut self, value: &Value) -> Option<Value> {
        self.count(Kind::Place);
        let one = |address: &Value| {
            let mut out = Map::new();
            for element in ["state", "country"] {
                let short = address
                    .get(element)
                    .filter(|text| text.as_str().is_some_and(|text| text.len() <= 30));
                out.extend(short.map(|text| (element.to_owned(), text.clone())));
            }
            let zip = address
                .get("postalCode")
                .and_then(Value::as_str)
                .and_then(zip3);
            out.extend(zip.map(|zip| ("postalCode".to_owned(), json!(zip))));
            (!out.is_empty()).then_some(Value::Object(out))
        };
        match value {
            Value::Array(list) => Some(Value::Array(list.iter().filter_map(one).collect())),
            single => one(single),
        }
    }

    /// What it is stays; what is in it, where it lies and what it is called does not.
    pub(crate) fn attachments(&mut self, value: &Value) -> Option<Value> {
        self.count(Kind::Picture);
        let one = |attachment: &Value| {
            let kept = ["contentType", "language", "size"].iter();
            let kept = kept.filter_map(|&element| {
                Some((element.to_owned(), attachment.get(element)?.clone()))
            });
            Value::Object(kept.collect())
        };
        Some(match value {
            Value::Array(list) => Value::Array(list.iter().map(one).collect()),
            single => one(single),
        })
    }

    /// An age over 89 told as a number of years.
    pub(crate) fn old(
        &self,
        number: &serde_json::Number,
        at: At<'_>,
        beside: &Map<String, Value>,
    ) -> bool {
        let years = beside
            .get("unit")
            .or_else(|| beside.get("code"))
            .and_then(Value::as_str);
        let years = years.is_some_and(|unit| matches!(unit, "a" | "year" | "years" | "yr" | "yrs"));
        let age = at.element == "value" && years;
        age && number
            .as_f64()
            .is_some_and(|value| value >= f64::from(OLD_YEARS))
    }

    /// Nobody is older than 89: a birth date that says otherwise is left out.
    pub(crate) fn age(&mut self, patient: &Map<String, Value>, out: &mut Map<String, Value>) {
        let Some(born) = patient.get("birthDate").and_then(Value::as_str) else {
            return;
        };
        let year = |text: &str| text.get(..4).and_then(|year| year.parse::<i16>().ok());
        let death = collect::day(patient.get("deceasedDateTime"));
        let last = death.unwrap_or(self.with.today);
        let birthday = |day: &str| day.get(4..).map(|rest| format!("{:04}{rest}", last.year()));
        let come = birthday(born).is_none_or(|day| day <= last.to_string());
        let years = year(born).map(|year| last.year() - year - i16::from(!come));
        if years.is_none_or(|years| years >= OLD_YEARS) {
            out.remove("birthDate");
            self.count(Kind::Age);
            let masked = json!({"extension": [{
                "url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason",
                "valueCode": "masked",
            }]});
            out.insert("_birthDate".to_owned(), masked);
        }
    }
}
