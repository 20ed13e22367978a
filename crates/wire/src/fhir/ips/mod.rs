//! The International Patient Summary (HL7 IPS 2.0.0): a document made of what a record holds now.
//!
//! The three required sections always stand there; where the record says nothing, the section says
//! so. It never says that there are none: that only an entry can, which somebody wrote.

mod narrative;
mod sections;

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};

use serde_json::{Value, json};

use narrative::{div, escaped};
use sections::{SECTIONS, Section};

/// The types a summary is made of, with how many of the newest of each are looked at: of those that
/// may still hold however old they are, all.
pub const SOURCES: [(&str, usize); 14] = [
    ("Patient", 10),
    ("AllergyIntolerance", usize::MAX),
    ("MedicationStatement", usize::MAX),
    ("MedicationRequest", usize::MAX),
    ("Condition", usize::MAX),
    ("Flag", usize::MAX),
    ("Consent", usize::MAX),
    ("CarePlan", 1_000),
    ("DeviceUseStatement", 1_000),
    ("Immunization", 1_000),
    ("Procedure", 1_000),
    ("ClinicalImpression", 200),
    ("DiagnosticReport", 300),
    ("Observation", 2_000),
];

/// Those without which there is no summary.
pub const REQUIRED: [&str; 5] = [
    "Patient",
    "AllergyIntolerance",
    "Condition",
    "MedicationRequest",
    "MedicationStatement",
];

/// The profile of the Composition.
pub const PROFILE: &str = "http://hl7.org/fhir/uv/ips/StructureDefinition/Composition-uv-ips";

const BUNDLE_PROFILE: &str = "http://hl7.org/fhir/uv/ips/StructureDefinition/Bundle-uv-ips";
const EMPTY: &str = "http://terminology.hl7.org/CodeSystem/list-empty-reason";

/// What a summary is made of.
#[derive(Debug, Clone, Copy)]
pub struct Material<'a> {
    /// Where the resources are kept: what each `fullUrl` begins with.
    pub base: &'a str,
    /// The Patient.
    pub patient: &'a Value,
    /// What belongs to them, the newest first.
    pub resources: &'a [Value],
    /// What these refer to that belongs to nobody.
    pub referred: &'a [Value],
    /// Types of which something is left out for whoever asks.
    pub withheld: &'a [String],
    /// Types of which the older ones were not looked at.
    pub cut: &'a [String],
    /// When it is made, as an R4 instant.
    pub at: &'a str,
    /// Three UUIDs: of the document, of the Composition, of an author if one has to be made.
    pub uuids: [&'a str; 3],
}

/// Which resources a summary is made of, asked one by one, the newest of each type first.
#[derive(Debug, Default)]
pub struct Picker {
    /// Of what is shown once: when the one was that was taken.
    taken: HashMap<String, i64>,
}

impl Picker {
    /// Whether it stands in a section, unless a newer one of the same takes its place.
    pub fn wants(&mut self, resource: &Value) -> bool {
        if sections::text(resource, "/resourceType") == "Patient" {
            return true;
        }
        let mut mine = SECTIONS.iter().filter(|section| section.holds(resource));
        let Some(first) = mine.next() else {
            return false;
        };
        if !first.newest || mine.any(|section| !section.newest) {
            return true;
        }
        let moment = sections::moment(resource);
        match self.taken.entry(sections::key(resource)) {
            Entry::Occupied(taken) if *taken.get() >= moment => false,
            Entry::Occupied(mut taken) => {
                taken.insert(moment);
                true
            }
            Entry::Vacant(free) => {
                free.insert(moment);
                true
            }
        }
    }
}

/// The summary: a Bundle of type `document`.
#[must_use]
pub fn document(material: &Material<'_>) -> Value {
    let chosen: Vec<Chosen<'_>> = SECTIONS
        .iter()
        .map(|section| Chosen::of(section, material))
        .collect();
    let (author, made) = author(material);
    let mut entries = vec![entry(
        &urn(material.uuids[1]),
        composition(material, &chosen, &author),
    )];
    entries.push(entry(
        &url(material, material.patient),
        material.patient.clone(),
    ));
    let mut seen = BTreeSet::new();
    let mut used: Vec<&Value> = vec![material.patient];
    for resource in chosen.iter().flat_map(|chosen| &chosen.entries) {
        if seen.insert(url(material, resource)) {
            entries.push(entry(&url(material, resource), (*resource).clone()));
            used.push(resource);
        }
    }
    entries.extend(along(material, &used));
    entries.extend(made);
    let meta = match material.withheld.is_empty() {
        true => json!({ "profile": [BUNDLE_PROFILE] }),
        false => json!({ "profile": [BUNDLE_PROFILE], "security": [{
            "system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue",
            "code": "REDACTED",
        }] }),
    };
    json!({
        "resourceType": "Bundle",
        "meta": meta,
        "identifier": { "system": "urn:ietf:rfc:3986", "value": urn(material.uuids[0]) },
        "type": "document",
        "timestamp": material.at,
        "entry": entries,
    })
}

/// A section with what stands in it.
struct Chosen<'a> {
    section: &'static Section,
    /// The newest first.
    entries: Vec<&'a Value>,
    /// Something of its types is left out for whoever asks.
    withheld: bool,
    /// There may be older ones that do not stand there.
    cut: bool,
}

impl<'a> Chosen<'a> {
    fn of(section: &'static Section, material: &Material<'a>) -> Chosen<'a> {
        let (entries, whole) = section.entries(material);
        Chosen {
            section,
            withheld: section.is_of(material.withheld),
            cut: !whole || section.is_of(material.cut),
            entries,
        }
    }
}

fn entry(full_url: &str, resource: Value) -> Value {
    json!({ "fullUrl": full_url, "resource": resource })
}

fn urn(uuid: &str) -> String {
    format!("urn:uuid:{uuid}")
}

/// `Type/id`.
fn name(resource: &Value) -> String {
    let part = |name: &str| {
        resource
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    format!("{}/{}", part("resourceType"), part("id"))
}

fn url(material: &Material<'_>, resource: &Value) -> String {
    format!("{}/{}", material.base.trim_end_matches('/'), name(resource))
}

/// What the chosen resources refer to, and what that refers to, as far as it is at hand.
fn along(material: &Material<'_>, used: &[&Value]) -> Vec<Value> {
    let mut wanted: BTreeSet<String> = BTreeSet::new();
    for resource in used {
        wanted.extend(super::references(resource).into_iter().map(|(_, to)| to));
    }
    for resource in material.referred {
        if wanted.contains(&name(resource)) {
            wanted.extend(super::references(resource).into_iter().map(|(_, to)| to));
        }
    }
    let named = material.referred.iter();
    named
        .filter(|resource| wanted.contains(&name(resource)))
        .map(|resource| entry(&url(material, resource), resource.clone()))
        .collect()
}

/// Who made it: the organization that keeps the patient's record, or else this server, which then
/// comes along as an entry.
fn author(material: &Material<'_>) -> (String, Option<Value>) {
    let keeps = material.patient.pointer("/managingOrganization/reference");
    let keeps = keeps.and_then(Value::as_str);
    let kept = material
        .referred
        .iter()
        .find(|one| keeps == Some(&name(one)));
    if let Some(organization) = kept {
        return (url(material, organization), None);
    }
    let full_url = urn(material.uuids[2]);
    let organization = json!({
        "resourceType": "Organization",
        "id": material.uuids[2],
        "name": format!("The keeper of {}", material.base),
    });
    let made = entry(&full_url, organization);
    (full_url, Some(made))
}

fn composition(material: &Material<'_>, chosen: &[Chosen<'_>], author: &str) -> Value {
    let sections: Vec<Value> = chosen
        .iter()
        .filter(|chosen| chosen.section.required || chosen.cut || !chosen.entries.is_empty())
        .map(|chosen| section_of(material, chosen))
        .collect();
    let title = "International Patient Summary";
    let who = narrative::person(material.patient);
    json!({
        "resourceType": "Composition",
        "id": material.uuids[1],
        "meta": { "profile": [PROFILE] },
        "text": { "status": "generated", "div": div(&format!(
            "<p>{title}</p><p>{}</p><p>Made on {}</p>", escaped(&who), escaped(material.at),
        )) },
        "identifier": { "system": "urn:ietf:rfc:3986", "value": urn(material.uuids[1]) },
        "status": "final",
        "type": { "coding": [{
            "system": "http://loinc.org", "code": "60591-5", "display": "Patient summary Document",
        }] },
        "subject": { "reference": url(material, material.patient) },
        "date": material.at,
        "author": [{ "reference": author }],
        "title": title,
        "custodian": { "reference": author },
        "event": [{
            "code": [{ "coding": [{
                "system": "http://terminology.hl7.org/CodeSystem/v3-ActClass", "code": "PCPR",
            }] }],
            "period": { "end": material.at },
        }],
        "section": sections,
    })
}

fn section_of(material: &Material<'_>, chosen: &Chosen<'_>) -> Value {
    let section = chosen.section;
    let text = narrative::section(material, chosen);
    let (key, value) = match (chosen.entries.is_empty(), chosen.withheld, chosen.cut) {
        (true, true, _) => ("emptyReason", empty("withheld", "Information Withheld")),
        // Nothing in the newest says nothing of the older ones; no code of the list means that.
        (true, false, true) => ("emptyReason", json!({ "text": narrative::CUT })),
        (true, false, false) => ("emptyReason", empty("unavailable", "Unavailable")),
        (false, ..) => {
            let refer = |resource: &&Value| json!({ "reference": url(material, resource) });
            ("entry", chosen.entries.iter().map(refer).collect())
        }
    };
    json!({
        "title": section.title,
        "code": { "coding": [{
            "system": "http://loinc.org", "code": section.code, "display": section.display,
        }] },
        "text": { "status": "generated", "div": text },
        (key): value,
    })
}

fn empty(code: &str, display: &str) -> Value {
    json!({
        "coding": [{ "system": EMPTY, "code": code, "display": display }],
        "text": "No information available",
    })
}
