//! Parts of resources: `_elements` and `_summary` (R4 sections 3.1.1.5.8 and 3.1.1.5.9).

use serde_json::{Map, Value, json};

use super::super::tables::{Element, Structure, tables};

/// Which elements of each resource an answer shows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Subset {
    /// All of them.
    #[default]
    Whole,
    /// `_elements`: these, and what may not be left out.
    Elements(Vec<String>),
    /// `_summary=true`: those that the definitions mark for it.
    Summary,
    /// `_summary=text`: the narrative, and what may not be left out.
    Text,
    /// `_summary=data`: everything but the narrative.
    Data,
    /// `_summary=count`: no resources, only how many there are.
    Count,
}

const TAG_SYSTEM: &str = "http://terminology.hl7.org/CodeSystem/v3-ObservationValue";

impl Subset {
    /// Reads `_summary`; `None`: it is none of its codes.
    pub(super) fn summary(text: &str) -> Option<Subset> {
        Some(match text {
            "true" => Subset::Summary,
            "false" => Subset::Whole,
            "text" => Subset::Text,
            "data" => Subset::Data,
            "count" => Subset::Count,
            _ => return None,
        })
    }

    /// Reads `_elements` of a type.
    ///
    /// # Errors
    /// The name that is no element of the type.
    pub(super) fn elements<'t>(kind: &str, text: &'t str) -> Result<Subset, &'t str> {
        let structure = tables().named(kind).map(|(_, structure)| structure);
        let mut names = Vec::new();
        for name in text.split(',') {
            let there = structure.is_some_and(|structure| structure.element(name).is_some());
            if !there {
                return Err(name);
            }
            names.push(name.to_owned());
        }
        Ok(Subset::Elements(names))
    }

    fn shows(&self, element: &Element) -> bool {
        let name = element.name;
        let must = element.min > 0 || element.modifier || matches!(name, "id" | "meta");
        match self {
            Subset::Whole => true,
            Subset::Elements(names) => must || names.iter().any(|one| one == name),
            Subset::Summary => element.summary || must,
            Subset::Text => name == "text" || must,
            Subset::Data => name != "text",
            Subset::Count => must,
        }
    }

    /// The resource with these elements alone, tagged as incomplete so that nobody writes it back;
    /// `None`: it is shown as it is.
    #[must_use]
    pub fn of(&self, resource: &[u8]) -> Option<Vec<u8>> {
        if *self == Subset::Whole {
            return None;
        }
        let mut map: Map<String, Value> = serde_json::from_slice(resource).ok()?;
        let kind = map.get("resourceType").and_then(Value::as_str)?;
        let (_, structure) = tables().named(kind)?;
        map.retain(|key, _| key == "resourceType" || self.keeps(structure, key));
        tag(&mut map);
        serde_json::to_vec(&map).ok()
    }

    fn keeps(&self, structure: &Structure, key: &str) -> bool {
        let bare = key.strip_prefix('_').unwrap_or(key);
        let element = structure.slot(bare);
        let element = element.and_then(|slot| structure.elements.get(slot.element));
        element.is_some_and(|element| self.shows(element))
    }
}

fn tag(map: &mut Map<String, Value>) {
    let meta = map.entry("meta").or_insert_with(|| json!({}));
    let Some(meta) = meta.as_object_mut() else {
        return;
    };
    let tags = meta.entry("tag").or_insert_with(|| json!([]));
    if let Some(tags) = tags.as_array_mut() {
        tags.push(json!({ "system": TAG_SYSTEM, "code": "SUBSETTED" }));
    }
}
