//! The R4 definitions, small: what a resource may hold, which codes, which search parameters.
//!
//! The three text files beside this one are made by tools/fhir-tables.py and read once, on first
//! use. The decision and its price: docs/decisions/0004-fhir-tables.md.

mod read;
mod types;

use std::collections::HashMap;
use std::sync::OnceLock;

pub(super) use types::{CodeList, Element, Part, Primitive, Slot, Structure, Type};
pub use types::{Param, ParamKind};

/// Everything, read.
#[derive(Debug, Default)]
pub(super) struct Tables {
    /// Resource types, datatypes, and the parts within them.
    structures: Vec<Structure>,
    /// Path to place in `structures`.
    by_path: HashMap<&'static str, usize>,
    /// Value sets of required bindings.
    lists: Vec<CodeList>,
    /// The concrete resource types, sorted.
    kinds: Vec<&'static str>,
    /// Search parameters by resource type, each sorted by name.
    params: HashMap<&'static str, Vec<Param>>,
}

impl Tables {
    /// The structure at a place that a [`Type::Structure`] names.
    pub(super) fn structure(&self, at: usize) -> Option<&Structure> {
        self.structures.get(at)
    }

    /// The value set at a place that [`Element::codes`] names.
    pub(super) fn list(&self, at: usize) -> Option<&CodeList> {
        self.lists.get(at)
    }

    /// The value sets of required bindings.
    pub(super) fn lists(&self) -> &[CodeList] {
        &self.lists
    }

    /// The value set of a required binding by its name, such as `administrative-gender`.
    pub(super) fn list_named(&self, name: &str) -> Option<&CodeList> {
        self.lists.iter().find(|list| list.name == name)
    }

    /// The structure of a path such as `Patient` or `HumanName`.
    pub(super) fn named(&self, path: &str) -> Option<(usize, &Structure)> {
        let at = *self.by_path.get(path)?;
        Some((at, self.structures.get(at)?))
    }

    /// True for the name of a concrete resource type.
    pub(super) fn is_kind(&self, name: &str) -> bool {
        self.kinds.binary_search(&name).is_ok()
    }
}

/// The tables, read on first use.
pub(super) fn tables() -> &'static Tables {
    static TABLES: OnceLock<Tables> = OnceLock::new();
    TABLES.get_or_init(read::read)
}

/// The names of the concrete resource types of R4, sorted.
#[must_use]
pub fn kinds() -> &'static [&'static str] {
    &tables().kinds
}

/// The search parameters of a resource type that this program understands, and those it refuses by
/// name (special), sorted. Empty for an unknown type.
#[must_use]
pub fn params(kind: &str) -> &'static [Param] {
    tables().params.get(kind).map_or(&[], Vec::as_slice)
}

/// One search parameter of a resource type.
#[must_use]
pub fn param(kind: &str, code: &str) -> Option<&'static Param> {
    let list = params(kind);
    list.binary_search_by(|p| p.code.cmp(code))
        .ok()
        .and_then(|at| list.get(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_table_is_understood() {
        let t = tables();
        assert_eq!(t.kinds.len(), 146);
        assert!(read::complaints().is_empty(), "{:?}", read::complaints());
        let rules: usize = t.structures.iter().map(|s| s.rules.len()).sum();
        assert!(rules >= 185, "{rules} rules");
        assert_eq!(
            param("Patient", "birthdate").map(|p| p.kind),
            Some(ParamKind::Date)
        );
        assert_eq!(param("Patient", "nonsense").map(|p| p.kind), None);
        assert_eq!(
            param("Condition", "subject").map(|p| p.targets.len()),
            Some(2)
        );
    }

    #[test]
    fn choice_elements_are_found_by_their_json_key() {
        let (_, observation) = tables().named("Observation").unwrap();
        let slot = observation.slot("valueQuantity").unwrap();
        assert_eq!(observation.elements[slot.element].name, "value");
        assert!(observation.slot("value").is_none());
        assert!(observation.slot("__proto__").is_none());
    }
}
