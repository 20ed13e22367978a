//! The data types: CWE, CX, EI, HD, XPN, XAD and XTN as FHIR has them.

use std::borrow::Cow;

use serde_json::Value;

use super::code;
use super::json::{Object, coding, concept_of, extension};
use super::system::{self, is_oid, is_uri, uri_part};
use super::work::{Spot, Work};
use crate::hl7::Part;

/// The code system of table 0203, identifier types.
pub(super) const IDENTIFIER_TYPE: &str = "http://terminology.hl7.org/CodeSystem/v2-0203";

/// The extension that keeps the original of a code that was translated.
const ALTERNATE: &str = "http://hl7.org/fhir/StructureDefinition/alternate-codes";

/// An identifier: who gave it, and what it is.
pub(super) struct Named {
    pub(super) system: String,
    pub(super) value: String,
}

/// The parts of a hierarchic designator: namespace, universal id and its type.
struct Designator {
    namespace: Option<String>,
    universal: Option<String>,
    kind: Option<String>,
}

impl Designator {
    fn system(self, fallback: &str) -> String {
        let kind = self.kind.unwrap_or_default().to_ascii_uppercase();
        match (kind.as_str(), self.universal.as_deref()) {
            ("ISO" | "", Some(oid)) if is_oid(oid) => return format!("urn:oid:{oid}"),
            ("UUID" | "GUID", Some(uuid)) => {
                return format!("urn:uuid:{}", uri_part(&uuid.to_ascii_lowercase()));
            }
            ("URI" | "URL", Some(uri)) if is_uri(uri) => return uri.to_owned(),
            _ => {}
        }
        let name = self.namespace.or(self.universal);
        named_system(name.as_deref().unwrap_or(fallback))
    }
}

/// The system of an assigning authority by its name.
pub(super) fn named_system(name: &str) -> String {
    if is_oid(name) {
        format!("urn:oid:{name}")
    } else if is_uri(name) {
        name.to_owned()
    } else if name.is_empty() {
        "urn:salus:authority:unnamed".to_owned()
    } else {
        format!("urn:salus:authority:{}", uri_part(name))
    }
}

/// The first components of a part; those that were not sent are absent.
fn columns<const N: usize>(part: Part<'_>) -> [Part<'_>; N] {
    let mut columns = [part.comp(0); N];
    for (column, found) in columns.iter_mut().zip(part.comps()) {
        *column = found;
    }
    columns
}

fn string(part: Part<'_>) -> Option<String> {
    let text = part.string()?;
    let trimmed = text.trim();
    (!trimmed.is_empty()).then(|| trimmed.to_owned())
}

/// The system that an HD in one component means.
pub(super) fn authority(part: Part<'_>, fallback: &str) -> String {
    let designator = Designator {
        namespace: string(part.sub(1)),
        universal: string(part.sub(2)),
        kind: string(part.sub(3)),
    };
    designator.system(fallback)
}

/// The system of an assigning authority by its name alone; `fallback` if it has none.
pub fn authority_system(name: &str, fallback: &str) -> String {
    named_system(if name.is_empty() { fallback } else { name })
}

/// System and value of an identifier that is written as CX outside of a message, as IHE does (ITI TF-3
/// table 4.2.3.1.7-2): `value^^^namespace&universal id&type`. One without an authority is of `fallback`.
pub fn cx_identifier(text: &str, fallback: &str) -> Option<(String, String)> {
    let mut parts = text.split('^').map(str::trim);
    let value = parts.next().filter(|value| !value.is_empty())?;
    if value.contains(char::is_control) {
        return None;
    }
    let mut authority = parts.nth(2).unwrap_or_default().split('&').map(str::trim);
    let mut next = || authority.next().filter(|part| !part.is_empty());
    let designator = Designator {
        namespace: next().map(str::to_owned),
        universal: next().map(str::to_owned),
        kind: next().map(str::to_owned),
    };
    Some((designator.system(fallback), value.to_owned()))
}

/// CX, or XCN by its columns: the value in one component, the authority in another.
pub(super) fn named(part: Part<'_>, columns: (usize, usize), fallback: &str) -> Option<Named> {
    let value = string(part.comp(columns.0))?;
    if value.contains(char::is_control) {
        return None;
    }
    Some(Named {
        system: authority(part.comp(columns.1), fallback),
        value,
    })
}

/// EI in a field: entity, namespace, universal id, its type.
pub(super) fn entity(part: Part<'_>, fallback: &str) -> Option<Named> {
    entity_of(
        [part.comp(1), part.comp(2), part.comp(3), part.comp(4)],
        fallback,
    )
}

/// EI in one component, as EIP has it.
pub(super) fn entity_in(part: Part<'_>, fallback: &str) -> Option<Named> {
    entity_of(
        [part.sub(1), part.sub(2), part.sub(3), part.sub(4)],
        fallback,
    )
}

fn entity_of(parts: [Part<'_>; 4], fallback: &str) -> Option<Named> {
    let [value, namespace, universal, kind] = parts;
    let value = string(value).filter(|value| !value.contains(char::is_control))?;
    let designator = Designator {
        namespace: string(namespace),
        universal: string(universal),
        kind: string(kind),
    };
    Some(Named {
        system: designator.system(fallback),
        value,
    })
}

/// An Identifier, with a type of table 0203 if one is known.
pub(super) fn identifier(named: &Named, kind: Option<&str>) -> Value {
    Object::with_room(3)
        .put(
            "type",
            kind.map(|kind| concept_of(coding(IDENTIFIER_TYPE, kind, None))),
        )
        .set("system", named.system.as_str())
        .set("value", named.value.as_str())
        .done()
}

impl Work<'_> {
    /// CX as an Identifier, with its type, its period and the name of who gave it.
    pub(super) fn identifier(&mut self, at: Spot<'_>, part: Part<'_>) -> Option<Value> {
        let named = named(part, (1, 4), self.sender.authority)?;
        let kind = self.code(part.comp(5));
        let assigner = self.text(part.comp(4).sub(1));
        let period = self.period((at, part.comp(7)), (at, part.comp(8)));
        let mut value = identifier(&named, kind.as_deref());
        if let Value::Object(map) = &mut value {
            if let Some(period) = period {
                map.insert("period".into(), period);
            }
            if let Some(assigner) = assigner {
                let named = Object::with_room(1).set("display", assigner).done();
                map.insert("assigner".into(), named);
            }
        }
        Some(value)
    }

    /// CWE, CE, CNE or IS as a CodeableConcept; `table` is the system of a code that names none.
    pub(super) fn concept(&mut self, part: Part<'_>, table: &str) -> Option<Value> {
        if part.is_absent() {
            return None;
        }
        let [c1, d1, s1, c2, d2, s2, v1, v2, original, c3, d3, s3, v3] = columns(part);
        let mut codings = Vec::new();
        let mut words = None;
        for (at, [code, display, system, version]) in
            [[c1, d1, s1, v1], [c2, d2, s2, v2], [c3, d3, s3, v3]]
                .into_iter()
                .enumerate()
        {
            if code.is_absent() && display.is_absent() {
                continue;
            }
            let display = self.free(display);
            let Some(code) = self.code(code) else {
                // What cannot be a code because of its blanks can still be read.
                words = words.or(display).or_else(|| self.text(code));
                continue;
            };
            let fallback = if at == 0 { table } else { "" };
            let value = Object::with_room(4)
                .put("system", self.system(system, fallback))
                .put("version", self.text(version))
                .set("code", code)
                .put("display", display);
            codings.push(value.done());
        }
        let text = self.free(original).or(words);
        Object::with_room(1)
            .list("coding", codings)
            .put("text", text)
            .some()
    }

    /// CWE as a Coding; text alone becomes its display.
    pub(super) fn coding(&mut self, part: Part<'_>, table: &str) -> Option<Value> {
        let code = self.code(part.comp(1));
        let display = self.free(part.comp(2));
        code.as_ref().or(display.as_ref())?;
        let object = Object::with_room(3).put("system", self.system(part.comp(3), table));
        Some(object.put("code", code).put("display", display).done())
    }

    fn system(&mut self, part: Part<'_>, fallback: &str) -> Option<String> {
        match self.text(part) {
            Some(name) => Some(system::uri(&name).into_owned()),
            None => (!fallback.is_empty()).then(|| fallback.to_owned()),
        }
    }

    /// The original of a translated code, for the `_element` beside it.
    pub(super) fn original(&mut self, part: Part<'_>, table: &str) -> Option<Value> {
        let concept = self.concept(part, table)?;
        let kept = extension(ALTERNATE, "valueCodeableConcept", concept);
        Some(Object::with_room(1).set("extension", vec![kept]).done())
    }

    /// XPN as a HumanName; with `shift` 1 the name within an XCN.
    pub(super) fn name(&mut self, part: Part<'_>, shift: usize) -> Option<Value> {
        let family = self.text(part.comp(1 + shift));
        let given = self.texts(part, &[2 + shift, 3 + shift]);
        let suffix = self.texts(part, &[4 + shift, 6 + shift]);
        let prefix = self.texts(part, &[5 + shift]);
        if family.is_none() && given.is_empty() && prefix.is_empty() && suffix.is_empty() {
            return None;
        }
        let kind = if shift == 0 { 7 } else { 10 };
        let usage = self
            .text(part.comp(kind))
            .and_then(|kind| code::look(code::NAME_USE, &kind));
        let name = Object::with_room(5).put("use", usage).put("family", family);
        let name = name
            .list("given", given)
            .list("prefix", prefix)
            .list("suffix", suffix);
        Some(name.done())
    }

    fn texts(&mut self, part: Part<'_>, numbers: &[usize]) -> Vec<Value> {
        numbers
            .iter()
            .filter_map(|number| self.text(part.comp(*number)))
            .map(Value::from)
            .collect()
    }

    /// XAD as an Address.
    pub(super) fn address(&mut self, part: Part<'_>) -> Option<Value> {
        let street = self.text(part.comp(1)).or_else(|| {
            let name = self.text(part.comp(1).sub(2))?;
            let number = self.text(part.comp(1).sub(3));
            Some(match number {
                Some(number) => Cow::Owned(format!("{number} {name}")),
                None => name,
            })
        });
        let other = self.free(part.comp(2));
        let line = street.into_iter().chain(other).map(Value::from).collect();
        let kind = self.text(part.comp(7)).unwrap_or_default();
        let postal = matches!(&*kind, "M" | "SH").then_some("postal");
        let address = Object::with_room(8)
            .put("use", code::look(code::ADDRESS_USE, &kind))
            .put("type", postal)
            .list("line", line)
            .put("city", self.free(part.comp(3)))
            .put("district", self.free(part.comp(9)))
            .put("state", self.text(part.comp(4)))
            .put("postalCode", self.text(part.comp(5)))
            .put("country", self.text(part.comp(6)));
        address.some()
    }

    /// XTN as a ContactPoint; `usual` is its use if it names none.
    pub(super) fn telecom(&mut self, part: Part<'_>, usual: Option<&'static str>) -> Option<Value> {
        let equipment = self.text(part.comp(3)).unwrap_or_default();
        let mail = self.text(part.comp(4));
        let is_mail = code::look(code::CONTACT_SYSTEM, &equipment) == Some("email")
            || equipment.is_empty() && mail.is_some();
        let value = if is_mail {
            mail.or_else(|| self.text(part.comp(1)))
        } else {
            self.phone(part)
        };
        let system = if is_mail {
            "email"
        } else {
            code::look(code::CONTACT_SYSTEM, &equipment).unwrap_or("phone")
        };
        let said = self.text(part.comp(2));
        let usage = match (&said, equipment.eq_ignore_ascii_case("CP")) {
            (_, true) => Some("mobile"),
            (Some(said), false) => code::look(code::CONTACT_USE, said).or(usual),
            (None, false) => usual,
        };
        Some(
            Object::with_room(3)
                .set("system", system)
                .set("value", value?)
                .put("use", usage)
                .done(),
        )
    }

    /// The number as dialed: put together from its parts, or as it was written.
    fn phone<'m>(&mut self, part: Part<'m>) -> Option<Cow<'m, str>> {
        let Some(local) = self.text(part.comp(7)) else {
            return self.free(part.comp(12)).or_else(|| self.free(part.comp(1)));
        };
        let mut number = String::new();
        if let Some(country) = self.text(part.comp(5)) {
            number.push_str(if country.starts_with('+') { "" } else { "+" });
            number.push_str(&country);
            number.push(' ');
        }
        if let Some(area) = self.text(part.comp(6)) {
            number.push_str(&area);
            number.push(' ');
        }
        number.push_str(&local);
        if let Some(inner) = self.text(part.comp(8)) {
            number.push_str(" X");
            number.push_str(&inner);
        }
        Some(Cow::Owned(number))
    }
}
