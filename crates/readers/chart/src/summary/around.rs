//! Encounters, contacts, insurance.

use serde_json::Value;

use super::clinical::is_code_status;
use super::{Chartful, Item, is_error, moment};
use crate::place::Places;
use crate::view::{Contact, Coverage, Encounter, Precaution};
use crate::words_of::{
    address, concept, concept_at, human, identifiers, list, name, telecom, text,
};

/// Encounters, the newest first.
pub(super) fn encounters(chartful: &Chartful, places: &Places) -> Vec<Encounter> {
    let all = chartful.of("Encounter").iter();
    let all = all.filter(|item| !is_error(&item.value));
    let mut all: Vec<Encounter> = all.map(|item| encounter(chartful, places, item)).collect();
    all.sort_by_key(|one| std::cmp::Reverse(moment(one.start.as_deref(), &one.mark)));
    all
}

fn encounter(chartful: &Chartful, places: &Places, item: &Item) -> Encounter {
    let value = &item.value;
    let status = text(value, "/status").unwrap_or_default();
    let reasons = list(value, "/reasonCode").iter();
    let number = identifiers(value).into_iter().next();
    Encounter {
        mark: item.mark.clone(),
        class: text(value, "/class/display").or_else(|| text(value, "/class/code")),
        what: concept_at(value, "/type/0").or_else(|| concept_at(value, "/serviceType")),
        current: matches!(
            status.as_str(),
            "arrived" | "triaged" | "in-progress" | "onleave" | "planned"
        ),
        status,
        start: text(value, "/period/start"),
        end: text(value, "/period/end"),
        place: place(value, places),
        people: people(chartful, value),
        reasons: reasons.filter_map(concept).collect(),
        number: number.map(|one| one.value),
    }
}

/// The active place, else the last one.
fn place(encounter: &Value, places: &Places) -> Option<String> {
    let all = list(encounter, "/location");
    let active = |one: &&Value| text(one, "/status").as_deref() == Some("active");
    let one = all.iter().find(active).or_else(|| all.last())?;
    let spot = text(one, "/location/reference").map(|reference| {
        let id = reference.strip_prefix("Location/").unwrap_or_default();
        places.spot(id)
    });
    let spot = spot.unwrap_or_default();
    let parts: Vec<String> = [spot.ward, spot.room, spot.bed]
        .into_iter()
        .flatten()
        .collect();
    if parts.is_empty() {
        text(one, "/location/display")
    } else {
        Some(parts.join(" / "))
    }
}

fn people(chartful: &Chartful, encounter: &Value) -> Vec<(String, String)> {
    let all = list(encounter, "/participant").iter();
    all.filter_map(|one| {
        let role = concept_at(one, "/type/0").unwrap_or_else(|| "participant".to_owned());
        Some((role, chartful.named(one, "/individual")?))
    })
    .collect()
}

/// Next of kin: RelatedPersons, then the contacts of the Patient itself.
pub(super) fn contacts(chartful: &Chartful) -> Vec<Contact> {
    let related = chartful.of("RelatedPerson").iter();
    let related =
        related.filter(|item| item.value.get("active").and_then(Value::as_bool) != Some(false));
    let related = related.map(|item| contact(item, &item.value, name(&item.value)));
    let own = chartful.of("Patient").iter().flat_map(|item| {
        let all = list(&item.value, "/contact").iter();
        all.map(move |one| contact(item, one, one.get("name").and_then(human)))
    });
    related.chain(own).collect()
}

fn contact(item: &Item, value: &Value, name: Option<String>) -> Contact {
    let home = value.pointer("/address/0").or_else(|| value.get("address"));
    Contact {
        mark: item.mark.clone(),
        name,
        relationship: concept_at(value, "/relationship/0"),
        telecom: telecom(value),
        address: home.and_then(address).map(|one| one.text),
    }
}

/// Isolation, falls and the like: active flags that are no code status, the newest first.
pub(super) fn precautions(chartful: &Chartful) -> Vec<Precaution> {
    let flags = chartful.of("Flag").iter().filter(|item| {
        let active = text(&item.value, "/status").as_deref() == Some("active");
        active && !is_code_status(&item.value)
    });
    let mut all: Vec<Precaution> = flags
        .filter_map(|item| {
            Some(Precaution {
                mark: item.mark.clone(),
                text: concept_at(&item.value, "/code")?,
                category: concept_at(&item.value, "/category/0"),
                since: text(&item.value, "/period/start"),
            })
        })
        .collect();
    all.sort_by_key(|one| std::cmp::Reverse(moment(one.since.as_deref(), &one.mark)));
    all
}

/// Insurance.
pub(super) fn coverage(chartful: &Chartful) -> Vec<Coverage> {
    let all = chartful.of("Coverage").iter();
    let all = all.filter(|item| !is_error(&item.value));
    all.map(|item| {
        let value = &item.value;
        let plan = text(value, "/class/0/name").or_else(|| text(value, "/class/0/value"));
        let number = text(value, "/subscriberId").or_else(|| text(value, "/identifier/0/value"));
        Coverage {
            mark: item.mark.clone(),
            payor: chartful.named(value, "/payor/0"),
            plan: plan.or_else(|| concept_at(value, "/type")),
            number,
            status: text(value, "/status"),
            start: text(value, "/period/start"),
            end: text(value, "/period/end"),
        }
    })
    .collect()
}
