//! Places (PL): a chain of Locations from the site down to the bed, each a part of the one before.

use serde_json::{Map, Value};

use super::Draft;
use super::data;
use super::json::{Object, coding, concept_of, extension, reference};
use super::work::Work;
use crate::hl7::Part;

/// Extensions of `Encounter.location` that name the ward, room and bed as the message did.
const WARD: &str = "urn:salus:ward";
const ROOM: &str = "urn:salus:room";
const BED: &str = "urn:salus:bed";

const PHYSICAL: &str = "http://terminology.hl7.org/CodeSystem/location-physical-type";

/// One level of a place, coarse to fine: component of PL, physical type, its display, and the
/// extension that names it on an encounter.
struct Level {
    component: usize,
    code: &'static str,
    display: &'static str,
    url: &'static str,
}

const LEVELS: [Level; 6] = [
    Level {
        component: 4,
        code: "si",
        display: "Site",
        url: "",
    },
    Level {
        component: 7,
        code: "bu",
        display: "Building",
        url: "",
    },
    Level {
        component: 8,
        code: "lvl",
        display: "Level",
        url: "",
    },
    Level {
        component: 1,
        code: "wa",
        display: "Ward",
        url: WARD,
    },
    Level {
        component: 2,
        code: "ro",
        display: "Room",
        url: ROOM,
    },
    Level {
        component: 3,
        code: "bd",
        display: "Bed",
        url: BED,
    },
];

/// Where somebody lies, as the encounter's current location names it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// The ward (PL.1, point of care).
    pub ward: Option<String>,
    /// The room (PL.2).
    pub room: Option<String>,
    /// The bed (PL.3).
    pub bed: Option<String>,
}

/// The current place of an Encounter that came by HL7 v2.
pub fn place(encounter: &Map<String, Value>) -> Option<Place> {
    let list = encounter.get("location")?.as_array()?;
    let is = |status: &str| {
        list.iter().find(|entry| {
            entry.get("status").and_then(Value::as_str) == Some(status) && !is_temporary(entry)
        })
    };
    let entry = is("active")
        .or_else(|| is("planned"))
        .or_else(|| is("completed"))?;
    let mut place = Place::default();
    for extension in entry.get("extension")?.as_array()? {
        let name = extension
            .get("valueString")
            .and_then(Value::as_str)
            .map(str::to_owned);
        match extension.get("url").and_then(Value::as_str) {
            Some(WARD) => place.ward = name,
            Some(ROOM) => place.room = name,
            Some(BED) => place.bed = name,
            _ => {}
        }
    }
    Some(place)
}

/// Whether an entry of `Encounter.location` is a temporary one (PV1-11).
pub(super) fn is_temporary(entry: &Value) -> bool {
    let code = entry.pointer("/extension/0/valueCodeableConcept/coding/0/code");
    code.and_then(Value::as_str) == Some("temporary")
}

/// The chain of a place that has been read so far.
#[derive(Default)]
struct Chain {
    path: Vec<String>,
    parent: Option<String>,
    names: Vec<Value>,
    words: Vec<String>,
}

impl Work<'_> {
    /// An entry of `Encounter.location`, with a draft for each Location of its chain.
    pub(super) fn location(&mut self, part: Part<'_>, status: Option<&str>) -> Option<Value> {
        let mut chain = Chain::default();
        for level in &LEVELS {
            if let Some(name) = self.free(part.comp(level.component).sub(1)) {
                self.level(&mut chain, level, name.into_owned());
            }
        }
        let words = chain.words.join(" ");
        let display = if words.is_empty() {
            self.free(part.comp(9))
        } else {
            Some(words.into())
        };
        let location = Object::with_room(2)
            .put("reference", chain.parent.map(|id| format!("Location/{id}")))
            .put("display", display)
            .some()?;
        let entry = Object::with_room(3)
            .list("extension", chain.names)
            .set("location", location);
        Some(entry.put("status", status).done())
    }

    fn level(&mut self, chain: &mut Chain, level: &Level, name: String) {
        let system = data::named_system(self.sender.authority);
        chain.path.push(format!("{}={name}", level.code));
        let path: Vec<&str> = std::iter::once(system.as_str())
            .chain(chain.path.iter().map(String::as_str))
            .collect();
        let id = self.part_id("Location", &path);
        if !self.has_made(&id) {
            let parent = chain.parent.as_deref().map(|id| reference("Location", id));
            let mut draft = Draft::new("Location", id.clone(), self.house);
            let kind = concept_of(coding(PHYSICAL, level.code, Some(level.display)));
            let named = data::Named {
                system,
                value: name.clone(),
            };
            draft.list("identifier", vec![data::identifier(&named, None)]);
            draft.put("status", Value::from("active"));
            draft.put("name", Value::from(name.as_str()));
            draft.put("mode", Value::from("instance"));
            draft.put("physicalType", kind);
            draft.put("partOf", parent);
            self.add(draft);
        }
        chain.parent = Some(id);
        if !level.url.is_empty() {
            chain.words.push(name.clone());
            chain.names.push(extension(level.url, "valueString", name));
        }
    }
}
