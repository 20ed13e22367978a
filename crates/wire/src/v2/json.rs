//! Building JSON objects member by member, leaving out what is not there.

use serde_json::{Map, Value};

/// A JSON object in the making.
pub(super) struct Object(Map<String, Value>);

impl Object {
    /// Room for that many members.
    pub(super) fn with_room(members: usize) -> Object {
        Object(Map::with_capacity(members))
    }

    /// Sets a member.
    pub(super) fn set(mut self, member: &str, value: impl Into<Value>) -> Object {
        self.0.insert(member.into(), value.into());
        self
    }

    /// Sets a member, if there is a value.
    pub(super) fn put(self, member: &str, value: Option<impl Into<Value>>) -> Object {
        match value {
            Some(value) => self.set(member, value),
            None => self,
        }
    }

    /// Sets a list, if it has entries.
    pub(super) fn list(self, member: &str, values: Vec<Value>) -> Object {
        if values.is_empty() {
            self
        } else {
            self.set(member, values)
        }
    }

    /// The object.
    pub(super) fn done(self) -> Value {
        Value::Object(self.0)
    }

    /// The object, if it has a member.
    pub(super) fn some(self) -> Option<Value> {
        (!self.0.is_empty()).then(|| self.done())
    }
}

/// A Coding.
pub(super) fn coding(system: &str, code: &str, display: Option<&str>) -> Value {
    Object::with_room(3)
        .set("system", system)
        .set("code", code)
        .put("display", display)
        .done()
}

/// A CodeableConcept of one Coding.
pub(super) fn concept_of(coding: Value) -> Value {
    Object::with_room(1).set("coding", vec![coding]).done()
}

/// A Reference to a resource of ours.
pub(super) fn reference(kind: &str, id: &str) -> Value {
    let mut path = String::with_capacity(kind.len() + 1 + id.len());
    path.push_str(kind);
    path.push('/');
    path.push_str(id);
    Object::with_room(1).set("reference", path).done()
}

/// An extension whose value is text.
pub(super) fn extension(url: &str, element: &str, value: impl Into<Value>) -> Value {
    Object::with_room(2)
        .set("url", url)
        .set(element, value)
        .done()
}

/// The extension that says that a value is needed, but not known.
pub(super) fn absent() -> Value {
    const URL: &str = "http://hl7.org/fhir/StructureDefinition/data-absent-reason";
    Object::with_room(1)
        .set("extension", vec![extension(URL, "valueCode", "unknown")])
        .done()
}
