//! Wards, rooms and beds: what the Locations say about where a patient lies.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

/// Locations within each other, at most; a longer chain (or a circle) is cut.
const DEPTH_MAX: usize = 16;

/// How fine a Location is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    /// A site, a building, a floor: coarser than a ward.
    House,
    /// A ward.
    Ward,
    /// A room.
    Room,
    /// A bed.
    Bed,
    /// It does not say.
    Unsaid,
}

impl Level {
    pub(crate) const fn number(self) -> i64 {
        match self {
            Level::Unsaid => 0,
            Level::House => 1,
            Level::Ward => 2,
            Level::Room => 3,
            Level::Bed => 4,
        }
    }

    const fn of_number(number: i64) -> Level {
        match number {
            1 => Level::House,
            2 => Level::Ward,
            3 => Level::Room,
            4 => Level::Bed,
            _ => Level::Unsaid,
        }
    }

    /// By HL7's location-physical-type.
    fn of_code(code: &str) -> Level {
        match code {
            "si" | "bu" | "lvl" | "wi" | "area" | "jdn" => Level::House,
            "wa" => Level::Ward,
            "ro" | "co" => Level::Room,
            "bd" => Level::Bed,
            _ => Level::Unsaid,
        }
    }
}

/// What is known of one Location.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// Id of the Location it is a part of.
    pub(crate) parent: Option<String>,
    /// What the house calls it: its identifier, else its name, else its id.
    pub(crate) code: String,
    pub(crate) name: Option<String>,
    pub(crate) level: Level,
}

/// A row of the table `place`: id, parent, code, name, level.
pub(crate) type PlaceRow = (String, Option<String>, String, Option<String>, i64);

impl Place {
    /// The place a Location resource describes.
    pub(crate) fn of(id: &str, location: &Value) -> Place {
        let text = |path: &str| location.pointer(path).and_then(Value::as_str);
        let codings = location.pointer("/physicalType/coding");
        let level = codings
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|coding| coding.get("code").and_then(Value::as_str))
            .map(Level::of_code)
            .find(|level| *level != Level::Unsaid);
        let code = text("/identifier/0/value").or(text("/name")).unwrap_or(id);
        Place {
            parent: text("/partOf/reference")
                .and_then(|reference| reference.strip_prefix("Location/"))
                .map(str::to_owned),
            code: code.to_owned(),
            name: text("/name").map(str::to_owned),
            level: level.unwrap_or(Level::Unsaid),
        }
    }

    pub(crate) fn of_row(row: PlaceRow) -> (String, Place) {
        let (id, parent, code, name, level) = row;
        let level = Level::of_number(level);
        let place = Place {
            parent,
            code,
            name,
            level,
        };
        (id, place)
    }
}

/// Where a bed is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Spot {
    pub(crate) ward: Option<String>,
    pub(crate) room: Option<String>,
    pub(crate) bed: Option<String>,
}

/// Every Location by id.
#[derive(Debug, Clone, Default)]
pub(crate) struct Places(BTreeMap<String, Arc<Place>>);

impl Places {
    pub(crate) fn from_rows(rows: impl IntoIterator<Item = PlaceRow>) -> Places {
        let places = rows.into_iter().map(Place::of_row);
        Places(places.map(|(id, place)| (id, Arc::new(place))).collect())
    }

    pub(crate) fn set(&mut self, id: &str, place: Option<Place>) {
        match place {
            Some(place) => self.0.insert(id.to_owned(), Arc::new(place)),
            None => self.0.remove(id),
        };
    }

    /// The wards that say they are one: (code, name).
    pub(crate) fn wards(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        let wards = self.0.values().filter(|place| place.level == Level::Ward);
        wards.map(|place| (place.code.as_str(), place.name.as_deref()))
    }

    /// Ids of the Locations that are this ward.
    pub(crate) fn ids_of_ward(&self, code: &str) -> Vec<String> {
        let of_code = self.0.iter().filter(|(_, place)| {
            place.code == code && !matches!(place.level, Level::Room | Level::Bed)
        });
        of_code.map(|(id, _)| id.clone()).collect()
    }

    /// The ward, room and bed of a Location. The ward of a Location that says nothing of its kind
    /// is the nearest around it that is neither room nor bed.
    pub(crate) fn spot(&self, id: &str) -> Spot {
        let mut spot = Spot::default();
        let mut unsaid = None;
        let mut at = self.0.get(id);
        for _ in 0..DEPTH_MAX {
            let Some(place) = at else { break };
            let code = Some(place.code.clone());
            match place.level {
                Level::Bed => spot.bed = spot.bed.or(code),
                Level::Room => spot.room = spot.room.or(code),
                Level::Ward => spot.ward = spot.ward.or(code),
                Level::Unsaid => unsaid = unsaid.or(code),
                Level::House => {}
            }
            at = place.parent.as_ref().and_then(|parent| self.0.get(parent));
        }
        spot.ward = spot.ward.or(unsaid);
        spot
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn places() -> Places {
        let mut places = Places::default();
        for (id, level, parent) in [
            ("w", "wa", "none"),
            ("r", "ro", "w"),
            ("b", "bd", "r"),
            ("x", "", "y"),
            ("y", "", "x"),
        ] {
            let location = json!({
                "identifier": [{"value": id.to_uppercase()}],
                "physicalType": {"coding": [{"code": level}]},
                "partOf": {"reference": format!("Location/{parent}")},
            });
            places.set(id, Some(Place::of(id, &location)));
        }
        places
    }

    #[test]
    fn a_bed_knows_its_room_and_ward() {
        let spot = places().spot("b");
        assert_eq!(spot.ward.as_deref(), Some("W"));
        assert_eq!(spot.room.as_deref(), Some("R"));
        assert_eq!(spot.bed.as_deref(), Some("B"));
    }

    #[test]
    fn a_circle_of_places_ends() {
        assert_eq!(places().spot("x").ward.as_deref(), Some("X"));
        assert_eq!(places().spot("nowhere"), Spot::default());
    }
}
