use serde_json::{Map, Value, json};

use super::super::find::Unknown;
use super::super::span::Kind;
use super::super::write::{Counts, Style, pseudonym, write};
use super::instead::OLD_YEARS;
use super::rules::{EXTENSIONS, LEFT_OUT, Rule, TYPES, by_form, is_published, rule};
use super::{Masking, Withheld, time};

/// The type of whatever stands inside an extension.
const EXTENSION: &str = "Extension";

/// One resource on its way out.
pub(crate) struct Walk<'a> {
    pub(crate) with: &'a Masking<'a>,
    pub(crate) counts: Counts,
}

/// An element where it stands.
#[derive(Clone, Copy)]
pub(crate) struct At<'a> {
    pub(crate) kind: &'a str,
    pub(crate) element: &'a str,
    /// Words that nobody knows are masked too.
    prose: Unknown,
}

impl<'a> Walk<'a> {
    pub(crate) fn new(with: &'a Masking<'a>) -> Walk<'a> {
        Walk {
            with,
            counts: Counts::new(),
        }
    }

    pub(crate) fn resource(&mut self, resource: &Value) -> Result<Value, Withheld> {
        let kind = resource
            .get("resourceType")
            .and_then(Value::as_str)
            .unwrap_or_default();
        if let Some(&(kind, why)) = LEFT_OUT.iter().find(|(left, _)| *left == kind) {
            return Err(Withheld::LeftOut { kind, why });
        }
        let Some(object) = resource.as_object().filter(|_| TYPES.contains(&kind)) else {
            return Err(Withheld::Kind(kind.to_owned()));
        };
        let mut out = self.object(
            object,
            At {
                kind,
                element: "",
                prose: Unknown::Keep,
            },
        )?;
        let label = json!({"security": [{
            "system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue",
            "code": "PSEUDED",
        }]});
        out.insert("meta".to_owned(), label);
        if kind == "Patient" {
            self.age(object, &mut out);
        }
        Ok(Value::Object(out))
    }

    pub(crate) fn count(&mut self, kind: Kind) {
        *self.counts.entry(kind).or_default() += 1;
    }

    fn object(
        &mut self,
        object: &Map<String, Value>,
        at: At<'_>,
    ) -> Result<Map<String, Value>, Withheld> {
        let mut out = Map::new();
        for (element, value) in object {
            if element == "contained" {
                out.insert(element.clone(), self.contained(value)?);
                continue;
            }
            // What stands beside a primitive is extensions and an id.
            let name = element.strip_prefix('_').unwrap_or(element);
            let inner = At {
                element: name,
                ..at
            };
            if element.starts_with('_') {
                if let Some(kept) = absent(value) {
                    out.insert(element.clone(), kept);
                }
            } else if let Some(kept) = self.element(value, inner, object)? {
                out.insert(element.clone(), kept);
            }
        }
        Ok(out)
    }

    /// Contained resources are named within this one only, and carry no labels (rule dom-5).
    fn contained(&mut self, value: &Value) -> Result<Value, Withheld> {
        let mut out = Vec::new();
        for inner in value.as_array().into_iter().flatten() {
            let mut masked = self.resource(inner)?;
            if let Some(object) = masked.as_object_mut() {
                object.remove("meta");
                let id = inner.get("id").and_then(Value::as_str).unwrap_or_default();
                object.insert("id".to_owned(), json!(self.with.secret.pseudonym("#", id)));
            }
            out.push(masked);
        }
        Ok(Value::Array(out))
    }

    /// What stands for an element; `None`: it is left out.
    fn element(
        &mut self,
        value: &Value,
        at: At<'_>,
        beside: &Map<String, Value>,
    ) -> Result<Option<Value>, Withheld> {
        let rule = match rule(at.kind, at.element) {
            Rule::Look => by_form(at.element).unwrap_or(Rule::Look),
            rule => rule,
        };
        // `code` and `type` are words of the standard only where they are one word.
        let rule = match rule {
            Rule::Keep if !is_plain(value) => Rule::Look,
            Rule::Name if is_structured(value) => Rule::Drop,
            Rule::Drop if at.element == "text" && value.is_string() => Rule::Look,
            rule => rule,
        };
        Ok(match rule {
            Rule::Keep => self.kept(value, at),
            Rule::Drop => {
                self.dropped(at.element);
                None
            }
            Rule::Id => value.as_str().map(|id| {
                self.count(Kind::Other);
                Value::String(self.with.id(at.kind, id))
            }),
            Rule::Identifier => self.identifiers(value),
            Rule::Name => value.as_str().map(|name| {
                self.count(Kind::Name);
                Value::String(pseudonym(self.with.secret, Kind::Place, name))
            }),
            Rule::Address => self.addresses(value),
            Rule::Extension => self.extensions(value, at)?,
            Rule::ModifierExtension => return Err(modifier(value)),
            Rule::Birth => value.as_str().and_then(|date| self.date(date, at)),
            Rule::Oid => value.as_str().map(|oid| {
                self.count(Kind::Other);
                Value::String(self.with.secret.oid(oid))
            }),
            Rule::Attachment => self.attachments(value),
            Rule::Prose => self.look(
                value,
                At {
                    prose: Unknown::Mask,
                    ..at
                },
                beside,
            )?,
            Rule::Look => self.look(value, at, beside)?,
        })
    }

    fn dropped(&mut self, element: &str) {
        self.count(match element {
            "photo" => Kind::Picture,
            "telecom" => Kind::Phone,
            "udiCarrier" | "serialNumber" | "lotNumber" | "distinctIdentifier" => Kind::Device,
            "name" | "contact" | "deviceName" => Kind::Name,
            "position" | "alias" => Kind::Place,
            "birthDate" | "bornDate" => Kind::Date,
            "qualification" => Kind::License,
            _ => Kind::Other,
        });
    }

    /// A word of the standard stays unless it is something that the record knows.
    fn kept(&mut self, value: &Value, at: At<'_>) -> Option<Value> {
        let Some(text) = value.as_str() else {
            return Some(value.clone());
        };
        let known =
            at.element != "system" && !self.with.finder.leaks(text, self.with.known).is_empty();
        if known {
            self.count(Kind::Other);
        }
        (!known).then(|| value.clone())
    }

    fn look(
        &mut self,
        value: &Value,
        at: At<'_>,
        beside: &Map<String, Value>,
    ) -> Result<Option<Value>, Withheld> {
        Ok(match value {
            Value::String(text) => self.string(text, at, beside),
            Value::Array(list) => {
                let mut out = Vec::with_capacity(list.len());
                for inner in list {
                    out.extend(self.look(inner, at, beside)?);
                }
                (list.is_empty() || !out.is_empty()).then_some(Value::Array(out))
            }
            Value::Object(object) => self.structure(object, at)?,
            Value::Number(number) if self.old(number, at, beside) => {
                self.count(Kind::Age);
                Some(json!(OLD_YEARS))
            }
            other => Some(other.clone()),
        })
    }

    /// An object is known by what it has: a reference, an attachment, a narrative, a resource.
    fn structure(
        &mut self,
        object: &Map<String, Value>,
        at: At<'_>,
    ) -> Result<Option<Value>, Withheld> {
        if object.contains_key("div") {
            self.count(Kind::Other);
            return Ok(None);
        }
        if object.contains_key("resourceType") {
            return self.resource(&Value::Object(object.clone())).map(Some);
        }
        // An identifier by another name; the value of a quantity is a number.
        if object.get("value").is_some_and(Value::is_string) {
            return Ok(self.identifiers(&Value::Object(object.clone())));
        }
        let mut out = self.object(object, At { element: "", ..at })?;
        let refers = object.contains_key("reference")
            || (object.contains_key("identifier") && object.contains_key("display"));
        if refers && out.remove("display").is_some() {
            self.count(Kind::Name);
        }
        Ok((!out.is_empty()).then_some(Value::Object(out)))
    }

    fn string(&mut self, text: &str, at: At<'_>, beside: &Map<String, Value>) -> Option<Value> {
        if at.element == "reference" {
            return self.reference(text);
        }
        if time::is_date(text) {
            return self.date(text, at);
        }
        if matches!(
            at.element,
            "url" | "instantiatesUri" | "instantiatesCanonical" | "profile" | "definition"
        ) {
            return self.kept(&Value::String(text.to_owned()), at);
        }
        let system = beside
            .get("system")
            .and_then(Value::as_str)
            .unwrap_or_default();
        if at.element == "display" && is_published(system) {
            return self.kept(&Value::String(text.to_owned()), at);
        }
        Some(Value::String(self.text(text, at.prose)))
    }

    fn text(&mut self, text: &str, unknown: Unknown) -> String {
        let spans = self.with.finder.find(text, self.with.known, unknown);
        let (written, counts) = write(
            text,
            &spans,
            Style::Pseudonym(self.with.secret),
            self.with.dates,
        );
        for (kind, count) in counts {
            *self.counts.entry(kind).or_default() += count;
        }
        written
    }

    fn extensions(&mut self, value: &Value, at: At<'_>) -> Result<Option<Value>, Withheld> {
        let mut kept = Vec::new();
        for extension in value.as_array().into_iter().flatten() {
            let url = extension
                .get("url")
                .and_then(Value::as_str)
                .unwrap_or_default();
            // The parts of an extension that stays have names of their own, which are no URLs.
            let inside = at.kind == EXTENSION && !url.contains(':');
            if EXTENSIONS.contains(&url) || inside {
                let part = At {
                    kind: EXTENSION,
                    element: "",
                    ..at
                };
                kept.extend(self.look(extension, part, &Map::new())?);
            } else {
                self.count(Kind::Other);
            }
        }
        Ok((!kept.is_empty()).then_some(Value::Array(kept)))
    }
}

fn modifier(value: &Value) -> Withheld {
    let url = value.pointer("/0/url").and_then(Value::as_str);
    Withheld::Modifier(url.unwrap_or_default().to_owned())
}

/// A primitive, or a list of such.
fn is_plain(value: &Value) -> bool {
    match value {
        Value::Array(list) => list.iter().all(|inner| inner.is_string()),
        other => !other.is_object(),
    }
}

fn is_structured(value: &Value) -> bool {
    value.is_object()
        || value
            .as_array()
            .is_some_and(|list| list.iter().any(Value::is_object))
}

/// Why a primitive is not there may stay; anything else beside it may not.
fn absent(value: &Value) -> Option<Value> {
    let list = value.get("extension")?.as_array()?;
    let reason = list.iter().find(|extension| {
        extension.get("url").and_then(Value::as_str) == EXTENSIONS.first().copied()
    })?;
    let code = reason.get("valueCode")?.as_str()?;
    Some(json!({"extension": [{"url": EXTENSIONS.first(), "valueCode": code}]}))
}
