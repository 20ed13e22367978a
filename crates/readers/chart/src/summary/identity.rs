use serde_json::Value;

use super::{Chartful, Item};
use crate::alias::Aliases;
use crate::view::{Identity, Retired};
use crate::words_of::{address, concept_at, identifiers, list, name, telecom, text};

/// Who the patient is; where they lie comes later.
pub(super) fn of(chartful: &Chartful, id: &str, aliases: &Aliases) -> Identity {
    let patients = chartful.of("Patient");
    let find = |id: &str| patients.iter().find(|item| item.mark.id == id);
    let item = find(id);
    let nothing = Value::Null;
    let value = item.map_or(&nothing, |item| &item.value);
    Identity {
        mark: item.map(|item| item.mark.clone()),
        name: name(value),
        birth_date: text(value, "/birthDate"),
        sex: text(value, "/gender"),
        deceased: deceased(value),
        inactive: value.get("active").and_then(Value::as_bool) == Some(false),
        identifiers: identifiers(value),
        addresses: list(value, "/address").iter().filter_map(address).collect(),
        telecom: telecom(value),
        languages: languages(value),
        ward: None,
        room: None,
        bed: None,
        attending: None,
        merged_from: aliases
            .retired(id)
            .into_iter()
            .map(|(id, seq)| retired(find(&id), id, seq))
            .collect(),
    }
}

fn deceased(patient: &Value) -> Option<String> {
    let flag = patient.get("deceasedBoolean").and_then(Value::as_bool);
    text(patient, "/deceasedDateTime").or_else(|| (flag == Some(true)).then(|| "yes".to_owned()))
}

fn languages(patient: &Value) -> Vec<String> {
    let mut all: Vec<&Value> = list(patient, "/communication").iter().collect();
    all.sort_by_key(|one| one.get("preferred").and_then(Value::as_bool) != Some(true));
    let names = all.into_iter();
    names
        .filter_map(|one| concept_at(one, "/language"))
        .collect()
}

fn retired(item: Option<&Item>, id: String, seq: i64) -> Retired {
    Retired {
        identifiers: item
            .map(|item| identifiers(&item.value))
            .unwrap_or_default(),
        version: u64::try_from(seq).unwrap_or_default(),
        id,
    }
}
