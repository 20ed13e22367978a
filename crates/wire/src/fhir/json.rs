//! Reading JSON that somebody else wrote: nothing is guessed, nothing is dropped silently.
//!
//! `serde_json` does the lexing; the visitor here adds what a patient record needs and a general
//! reader does not do: a key twice in one object is refused with its path, and depth and size are
//! capped by named limits.

use std::cell::RefCell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::issue::{Code, Issue};

/// How much of a document is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Objects and arrays within each other, at most. The lexer's own ceiling is 127.
    pub depth_max: usize,
    /// Bytes of the whole document, at most.
    pub bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            depth_max: 100,
            bytes_max: 32 * 1024 * 1024,
        }
    }
}

/// Why a document could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// More bytes than `bytes_max`.
    TooLarge,
    /// Deeper than `depth_max`.
    TooDeep,
    /// Not UTF-8.
    NotUtf8,
    /// Not JSON.
    NotJson,
    /// The same key twice in one object.
    DuplicateKey,
}

/// A document that could not be read, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonFault {
    /// Which of the rules it broke.
    pub kind: FaultKind,
    /// Where: a path such as `Patient.name[0].use`, or empty when only the offset is known.
    pub path: String,
    /// What is wrong, with the offset or line where that is known.
    pub words: String,
}

impl fmt::Display for JsonFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

impl std::error::Error for JsonFault {}

impl From<JsonFault> for Issue {
    fn from(fault: JsonFault) -> Self {
        let code = match fault.kind {
            FaultKind::TooLarge | FaultKind::TooDeep => Code::TooLong,
            FaultKind::NotUtf8 | FaultKind::NotJson | FaultKind::DuplicateKey => Code::Structure,
        };
        Self::error(code, fault.path, fault.words)
    }
}

/// The marker with which `serde_json` hands an exact number to a visitor.
const NUMBER: &str = "$serde_json::private::Number";

/// Reads one JSON document.
///
/// # Errors
/// A [`JsonFault`] when it is too large, not UTF-8, not JSON, too deep, or has a key twice.
pub fn parse(bytes: &[u8], limits: &Limits) -> Result<Value, JsonFault> {
    if bytes.len() > limits.bytes_max {
        let words = format!(
            "the document has {} bytes; at most {} are taken, send it in parts",
            bytes.len(),
            limits.bytes_max
        );
        return Err(fault(FaultKind::TooLarge, words));
    }
    let text = std::str::from_utf8(bytes).map_err(|e| {
        fault(
            FaultKind::NotUtf8,
            format!("byte {} is not UTF-8; send UTF-8", e.valid_up_to()),
        )
    })?;
    if memchr::memmem::find(bytes, NUMBER.as_bytes()).is_some() {
        return Err(fault(
            FaultKind::NotJson,
            format!("the key `{NUMBER}` is reserved"),
        ));
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    read(text, limits)
}

fn read(text: &str, limits: &Limits) -> Result<Value, JsonFault> {
    let trouble = RefCell::new(None);
    let mut lexer = serde_json::Deserializer::from_str(text);
    let seed = Seed {
        depth_left: limits.depth_max,
        trouble: &trouble,
    };
    let read = seed
        .deserialize(&mut lexer)
        .and_then(|value| lexer.end().map(|()| value));
    match (read, trouble.into_inner()) {
        (Ok(value), _) => Ok(value),
        (Err(_), Some(trouble)) => Err(trouble.into_fault(limits)),
        (Err(e), None) => Err(lexer_fault(&e)),
    }
}

fn fault(kind: FaultKind, words: String) -> JsonFault {
    JsonFault {
        kind,
        path: String::new(),
        words,
    }
}

fn lexer_fault(error: &serde_json::Error) -> JsonFault {
    let words = error.to_string();
    if words.starts_with("recursion limit") {
        return fault(FaultKind::TooDeep, "the document is nested too deep".into());
    }
    fault(FaultKind::NotJson, format!("this is not JSON: {words}"))
}

/// A fault found by the visitor; its path is put together while the recursion unwinds.
struct Trouble {
    kind: FaultKind,
    steps: Vec<Step>,
}

enum Step {
    Key(String),
    Index(usize),
}

impl Trouble {
    fn into_fault(self, limits: &Limits) -> JsonFault {
        let mut path = String::new();
        for step in self.steps.iter().rev() {
            match step {
                Step::Key(key) if path.is_empty() => path.push_str(key),
                Step::Key(key) => {
                    path.push('.');
                    path.push_str(key);
                }
                Step::Index(at) => path.push_str(&format!("[{at}]")),
            }
        }
        let words = match self.kind {
            FaultKind::DuplicateKey => format!("the key `{path}` stands twice; keep one"),
            _ => format!(
                "the document is nested deeper than {} levels",
                limits.depth_max
            ),
        };
        // A document 10,000 deep must not answer with a path of the same length.
        let path = if self.kind == FaultKind::TooDeep {
            String::new()
        } else {
            path
        };
        JsonFault {
            kind: self.kind,
            path,
            words,
        }
    }
}

#[derive(Clone, Copy)]
struct Seed<'a> {
    depth_left: usize,
    trouble: &'a RefCell<Option<Trouble>>,
}

impl Seed<'_> {
    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        match self.depth_left.checked_sub(1) {
            Some(depth_left) => Ok(Self { depth_left, ..self }),
            None => Err(self.raise(FaultKind::TooDeep)),
        }
    }

    fn raise<E: serde::de::Error>(self, kind: FaultKind) -> E {
        *self.trouble.borrow_mut() = Some(Trouble {
            kind,
            steps: Vec::new(),
        });
        E::custom("see trouble")
    }

    fn note(self, step: impl FnOnce() -> Step) {
        if let Some(trouble) = self.trouble.borrow_mut().as_mut() {
            trouble.steps.push(step());
        }
    }
}

/// A key of an object, or the marker that stands before an exact number.
enum Key {
    Marker,
    Name(String),
}

impl<'de> serde::Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_str(KeyVisitor)
    }
}

struct KeyVisitor;

impl<'de> Visitor<'de> for KeyVisitor {
    type Value = Key;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    /// `serde_json` hands the marker over borrowed. `parse` has seen that it does not stand in the
    /// text as such, and an escaped one comes through `visit_str`: so this is a true number.
    fn visit_borrowed_str<E>(self, key: &'de str) -> Result<Key, E> {
        Ok(if key == NUMBER {
            Key::Marker
        } else {
            Key::Name(key.to_owned())
        })
    }

    fn visit_str<E: serde::de::Error>(self, key: &str) -> Result<Key, E> {
        if key == NUMBER {
            Err(E::custom("a reserved key"))
        } else {
            Ok(Key::Name(key.to_owned()))
        }
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut list = Vec::new();
        loop {
            match seq.next_element_seed(inner) {
                Ok(Some(value)) => list.push(value),
                Ok(None) => return Ok(Value::Array(list)),
                Err(e) => {
                    self.note(|| Step::Index(list.len()));
                    return Err(e);
                }
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut out = Map::new();
        let mut key: Option<Key> = map.next_key()?;
        if let Some(Key::Marker) = key {
            let digits: String = map.next_value()?;
            return digits
                .parse()
                .map(|n: Number| Value::Number(n))
                .map_err(A::Error::custom);
        }
        let inner = self.deeper()?;
        while let Some(Key::Name(name)) = key {
            let value = match map.next_value_seed(inner) {
                Ok(value) => value,
                Err(e) => {
                    self.note(|| Step::Key(name));
                    return Err(e);
                }
            };
            if out.contains_key(&name) {
                let error = self.raise(FaultKind::DuplicateKey);
                self.note(|| Step::Key(name));
                return Err(error);
            }
            out.insert(name, value);
            key = map.next_key()?;
        }
        Ok(Value::Object(out))
    }
}
