//! What FHIR resources tell of people, places and numbers.

use jiff::civil::Date;
use serde_json::{Map, Value};

use super::super::{Facts, Kind, PersonName};

impl Facts {
    /// Takes over everything in a resource that would identify: names, identifiers, addresses,
    /// telecoms, the names behind references, birth dates.
    pub fn learn(&mut self, resource: &Value) {
        let kind = resource
            .get("resourceType")
            .and_then(Value::as_str)
            .unwrap_or_default();
        self.walk(kind, resource);
        if kind == "Patient"
            && let Some(day) = day(resource.get("birthDate"))
        {
            self.dates.push(day);
        }
    }

    fn walk(&mut self, kind: &str, value: &Value) {
        match value {
            Value::Object(object) => {
                let kind = text(object, "resourceType").unwrap_or(kind);
                for (element, inner) in object {
                    self.element(kind, element, inner);
                }
                self.reference(object);
                let system = text(object, "system").is_some_and(|system| system.contains(':'));
                if system && object.get("value").is_some_and(Value::is_string) {
                    self.identifier(object);
                }
            }
            Value::Array(list) => list.iter().for_each(|inner| self.walk(kind, inner)),
            _ => {}
        }
    }

    fn element(&mut self, kind: &str, element: &str, value: &Value) {
        let objects = || each(value).filter_map(Value::as_object);
        match element {
            "name" | "participantName" => {
                objects().for_each(|name| self.human(name));
                if let Some(name) = value.as_str()
                    && matches!(kind, "Organization" | "Location" | "HealthcareService")
                {
                    self.organizations.push(name.to_owned());
                }
            }
            "alias" => each(value)
                .filter_map(Value::as_str)
                .for_each(|name| self.organizations.push(name.to_owned())),
            "identifier" => objects().for_each(|identifier| self.identifier(identifier)),
            "telecom" => {
                let values = objects().filter_map(|telecom| text(telecom, "value"));
                self.telecom.extend(values.map(str::to_owned));
            }
            "address" => objects().for_each(|address| self.address(address)),
            "serialNumber" | "distinctIdentifier" | "deviceIdentifier" | "carrierHRF"
            | "subscriberId" => {
                let value = value.as_str().map(|value| (Kind::Device, value.to_owned()));
                self.identifiers.extend(value);
            }
            _ => {}
        }
        self.walk(kind, value);
    }

    fn human(&mut self, name: &Map<String, Value>) {
        let given = name
            .get("given")
            .into_iter()
            .flat_map(each)
            .filter_map(Value::as_str);
        let given: Vec<String> = given.map(str::to_owned).collect();
        let family = text(name, "family").unwrap_or_default().to_owned();
        if !given.is_empty() || !family.is_empty() {
            self.names.push(PersonName { given, family });
        } else if let Some(whole) = text(name, "text") {
            self.written_names.push(whole.to_owned());
        }
    }

    fn identifier(&mut self, identifier: &Map<String, Value>) {
        let Some(value) = text(identifier, "value") else {
            return;
        };
        let code = identifier
            .get("type")
            .and_then(|kind| kind.pointer("/coding/0/code"));
        let kind = match code.and_then(Value::as_str) {
            Some("MR") => Kind::Mrn,
            Some("SS") => Kind::Ssn,
            Some("DL" | "MD" | "NPI" | "PPN") => Kind::License,
            Some("MB" | "AN" | "MC" | "MA") => Kind::Account,
            _ => Kind::Other,
        };
        self.identifiers.push((kind, value.to_owned()));
    }

    fn address(&mut self, address: &Map<String, Value>) {
        let lines = address
            .get("line")
            .into_iter()
            .flat_map(each)
            .filter_map(Value::as_str);
        self.address_parts.extend(lines.map(str::to_owned));
        let parts = ["city", "district"]
            .iter()
            .filter_map(|part| text(address, part));
        self.address_parts.extend(parts.map(str::to_owned));
        self.postal_codes
            .extend(text(address, "postalCode").map(str::to_owned));
    }

    /// `{"reference": "Practitioner/7", "display": "Dr. Jane Early"}`
    fn reference(&mut self, object: &Map<String, Value>) {
        let (Some(to), Some(display)) = (text(object, "reference"), text(object, "display")) else {
            return;
        };
        let is = |kind: &str| to.split('/').any(|part| part == kind);
        if ["Patient", "Practitioner", "RelatedPerson", "Person"]
            .into_iter()
            .any(is)
        {
            self.written_names.push(display.to_owned());
        } else if ["Organization", "Location"].into_iter().any(is) {
            self.organizations.push(display.to_owned());
        }
    }
}

fn each(value: &Value) -> std::slice::Iter<'_, Value> {
    match value {
        Value::Array(list) => list.iter(),
        one => std::slice::from_ref(one).iter(),
    }
}

fn text<'a>(object: &'a Map<String, Value>, element: &str) -> Option<&'a str> {
    object.get(element).and_then(Value::as_str)
}

pub(crate) fn day(value: Option<&Value>) -> Option<Date> {
    value?.as_str()?.get(..10)?.parse().ok()
}
