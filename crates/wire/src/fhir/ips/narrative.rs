//! What people read of a summary, as the XHTML that FHIR allows.

use serde_json::Value;

use super::sections::{MOMENTS, text};
use super::{Chosen, Material};

/// A `div` around XHTML.
pub(super) fn div(inner: &str) -> String {
    format!("<div xmlns=\"http://www.w3.org/1999/xhtml\">{inner}</div>")
}

/// Text as it stands in XHTML.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            letter if letter.is_control() && !letter.is_whitespace() => out.push(' '),
            letter => out.push(letter),
        }
    }
    out
}

/// Name, birth date and sex.
pub(super) fn person(patient: &Value) -> String {
    let name = patient.pointer("/name/0");
    let name = name.map(name_of).filter(|name| !name.is_empty());
    let parts = [
        name.unwrap_or_else(|| "no name".to_owned()),
        text(patient, "/birthDate").to_owned(),
        text(patient, "/gender").to_owned(),
    ];
    joined(parts.into_iter(), ", ")
}

fn name_of(name: &Value) -> String {
    if let Some(whole) = name.get("text").and_then(Value::as_str) {
        return whole.to_owned();
    }
    let given = name.get("given").and_then(Value::as_array);
    let given = given.into_iter().flatten().filter_map(Value::as_str);
    let all = given.chain(name.get("family").and_then(Value::as_str));
    joined(all.map(str::to_owned), " ")
}

/// What a section says that does not list all.
pub(super) const CUT: &str =
    "Only the newest entries of the record were looked at; older ones may be missing here.";

/// The text of one section.
pub(super) fn section(material: &Material<'_>, chosen: &Chosen<'_>) -> String {
    let mut inner = String::new();
    if chosen.entries.is_empty() {
        // Not looking is not knowing.
        if !chosen.cut {
            inner.push_str(&format!("<p>{}</p>", escaped(chosen.section.nothing)));
        }
    } else {
        inner.push_str("<ul>");
        for entry in &chosen.entries {
            inner.push_str(&format!("<li>{}</li>", escaped(&line(material, entry))));
        }
        inner.push_str("</ul>");
    }
    if chosen.cut {
        inner.push_str(&format!("<p>{}</p>", escaped(CUT)));
    }
    if chosen.withheld {
        inner.push_str("<p>Parts of the record are left out for whoever asked.</p>");
    }
    div(&inner)
}

/// One resource in a line: what, how much, when, and how it stands.
fn line(material: &Material<'_>, resource: &Value) -> String {
    let what = what(material, resource);
    let what = match what.is_empty() {
        true => text(resource, "/resourceType").to_owned(),
        false => what,
    };
    let parts = [
        what,
        value(resource),
        components(resource),
        text(resource, "/dosage/0/text").to_owned(),
        text(resource, "/dosageInstruction/0/text").to_owned(),
        said("criticality ", text(resource, "/criticality")),
        reactions(resource),
        when(resource),
        status(resource).to_owned(),
    ];
    joined(parts.into_iter(), ", ")
}

fn what(material: &Material<'_>, resource: &Value) -> String {
    const CONCEPTS: [&str; 5] = [
        "/code",
        "/medicationCodeableConcept",
        "/vaccineCode",
        "/category/0",
        "/scope",
    ];
    const WORDS: [&str; 3] = ["/title", "/description", "/summary"];
    let named = CONCEPTS
        .iter()
        .take(3)
        .filter_map(|path| resource.pointer(path));
    let mut named = named.map(concept).filter(|words| !words.is_empty());
    if let Some(words) = named.next() {
        return words;
    }
    for path in ["/medicationReference", "/device"] {
        if let Some(reference) = resource.pointer(path) {
            return referred(material, reference);
        }
    }
    let words = WORDS.iter().map(|path| text(resource, path).to_owned());
    let rest = CONCEPTS
        .iter()
        .skip(3)
        .filter_map(|path| resource.pointer(path));
    let mut all = words
        .chain(rest.map(concept))
        .filter(|words| !words.is_empty());
    all.next().unwrap_or_default()
}

/// What a reference means, in words.
fn referred(material: &Material<'_>, reference: &Value) -> String {
    let display = text(reference, "/display");
    if !display.is_empty() {
        return display.to_owned();
    }
    let to = text(reference, "/reference");
    let mut all = material.referred.iter().chain(material.resources);
    let found = all.find(|resource| super::name(resource) == to);
    let Some(found) = found else {
        return to.to_owned();
    };
    let of = ["/code", "/type"]
        .iter()
        .filter_map(|path| found.pointer(path));
    let words = of.map(concept).find(|words| !words.is_empty());
    words.unwrap_or_else(|| text(found, "/deviceName/0/name").to_owned())
}

/// A CodeableConcept in words.
fn concept(concept: &Value) -> String {
    let words = [
        "/text",
        "/coding/0/display",
        "/coding/1/display",
        "/coding/0/code",
    ];
    let mut words = words.iter().map(|path| text(concept, path));
    words
        .find(|words| !words.is_empty())
        .unwrap_or_default()
        .to_owned()
}

fn value(holder: &Value) -> String {
    if let Some(quantity) = holder.get("valueQuantity") {
        let number = quantity
            .get("value")
            .map(ToString::to_string)
            .unwrap_or_default();
        let unit = [text(quantity, "/unit"), text(quantity, "/code")];
        let unit = unit
            .into_iter()
            .find(|unit| !unit.is_empty())
            .unwrap_or_default();
        return format!("{}{number} {unit}", text(quantity, "/comparator"))
            .trim()
            .to_owned();
    }
    if let Some(coded) = holder.get("valueCodeableConcept") {
        return concept(coded);
    }
    for key in ["valueString", "valueDateTime", "valueTime"] {
        if let Some(words) = holder.get(key).and_then(Value::as_str) {
            return words.to_owned();
        }
    }
    for key in ["valueInteger", "valueBoolean"] {
        if let Some(value) = holder.get(key) {
            return value.to_string();
        }
    }
    String::new()
}

fn components(resource: &Value) -> String {
    let all = resource.get("component").and_then(Value::as_array);
    let all = all.into_iter().flatten().map(|component| {
        let code = component.get("code").map(concept).unwrap_or_default();
        format!("{code} {}", value(component))
    });
    joined(all, ", ")
}

fn reactions(resource: &Value) -> String {
    let all = resource.get("reaction").and_then(Value::as_array);
    let all = all.into_iter().flatten();
    let shown = all.filter_map(|reaction| reaction.get("manifestation")?.as_array());
    said("reaction ", &joined(shown.flatten().map(concept), " and "))
}

fn said(before: &str, words: &str) -> String {
    match words {
        "" => String::new(),
        words => format!("{before}{words}"),
    }
}

fn when(resource: &Value) -> String {
    let mut said = MOMENTS.iter().map(|path| text(resource, path));
    let said = said.find(|said| !said.is_empty()).unwrap_or_default();
    said.split('T').next().unwrap_or_default().to_owned()
}

fn status(resource: &Value) -> &str {
    match text(resource, "/clinicalStatus/coding/0/code") {
        "" => text(resource, "/status"),
        clinical => clinical,
    }
}

fn joined(parts: impl Iterator<Item = String>, between: &str) -> String {
    let parts: Vec<String> = parts.filter(|part| !part.is_empty()).collect();
    parts.join(between)
}
