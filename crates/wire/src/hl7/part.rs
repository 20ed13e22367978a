use std::borrow::Cow;

use super::{Charset, Separators, escape};

/// A field, a repetition, a component or a subcomponent: a piece of a message that can be divided
/// further. Copy it freely; it only points.
#[derive(Debug, Clone, Copy)]
pub struct Part<'m> {
    bytes: Option<&'m [u8]>,
    level: Level,
    rules: Rules,
}

/// What a sender said in one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value<'m> {
    /// Nothing: leave what is known unchanged.
    Absent,
    /// `""`: clear what is known.
    Null,
    /// Text, decoded and unescaped.
    Text(Cow<'m, str>),
    /// Bytes that mean nothing in the message's character set, as they came.
    Undecoded(&'m [u8]),
}

impl<'m> Value<'m> {
    /// The text, if it is text.
    pub fn text(self) -> Option<Cow<'m, str>> {
        match self {
            Value::Text(text) => Some(text),
            Value::Absent | Value::Null | Value::Undecoded(_) => None,
        }
    }

    /// The text as a `&str`, if it is text.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            Value::Absent | Value::Null | Value::Undecoded(_) => None,
        }
    }
}

/// How far a part has been divided already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Field,
    Repetition,
    Component,
    Subcomponent,
    /// MSH-1 and MSH-2: never divided, never unescaped.
    Literal,
}

/// What is needed to divide and decode.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    pub(crate) separators: Separators,
    /// The set that the stored bytes are in.
    stored: Charset,
    /// The set that the message declared, which `\X..\` speaks.
    declared: Charset,
}

impl Rules {
    pub(crate) fn new(separators: Separators, declared: Charset) -> Rules {
        let stored = if declared.before_dividing() {
            Charset::Utf8
        } else {
            declared
        };
        Rules {
            separators,
            stored,
            declared,
        }
    }

    /// For a segment that could not be decoded: only its ASCII fields can be read.
    pub(crate) fn undecoded(self) -> Rules {
        Rules {
            stored: Charset::Unknown,
            ..self
        }
    }

    pub(crate) fn decode<'b>(&self, bytes: &'b [u8]) -> Option<Cow<'b, str>> {
        let shifted = self.stored == Charset::Unknown && memchr::memchr(0x1B, bytes).is_some();
        if shifted {
            None
        } else {
            self.stored.decode(bytes)
        }
    }

    /// Words of our own as they would stand among the stored bytes.
    pub(crate) fn encode<'t>(&self, words: &'t str) -> Cow<'t, [u8]> {
        self.stored.encode(words)
    }

    /// Bytes in the declared set as they would stand in the stored one; as they are if they
    /// cannot.
    pub(crate) fn as_stored(&self, bytes: &[u8]) -> Vec<u8> {
        if self.stored == self.declared {
            return bytes.to_vec();
        }
        match self.declared.decode(bytes) {
            Some(text) => text.into_owned().into_bytes(),
            None => bytes.to_vec(),
        }
    }
}

impl<'m> Part<'m> {
    pub(crate) fn field(bytes: Option<&'m [u8]>, rules: Rules) -> Part<'m> {
        Part {
            bytes,
            level: Level::Field,
            rules,
        }
    }

    pub(crate) fn literal(bytes: Option<&'m [u8]>, rules: Rules) -> Part<'m> {
        Part {
            bytes,
            level: Level::Literal,
            rules,
        }
    }

    /// The n-th repetition, from 0.
    #[must_use]
    pub fn rep(&self, index: usize) -> Part<'m> {
        self.nth(Level::Repetition, index)
    }

    /// The n-th component, from 1, of the first repetition if this is a field.
    #[must_use]
    pub fn comp(&self, number: usize) -> Part<'m> {
        match self.level {
            Level::Field => self.rep(0).comp(number),
            _ => self.nth(Level::Component, number.wrapping_sub(1)),
        }
    }

    /// The n-th subcomponent, from 1, of the first component if this is more.
    #[must_use]
    pub fn sub(&self, number: usize) -> Part<'m> {
        match self.level {
            Level::Field | Level::Repetition => self.comp(1).sub(number),
            _ => self.nth(Level::Subcomponent, number.wrapping_sub(1)),
        }
    }

    /// All repetitions, in order; none if the field is absent.
    pub fn reps(&self) -> impl Iterator<Item = Part<'m>> + use<'m> {
        self.parts(Level::Repetition)
    }

    /// All components, in order, of the first repetition if this is a field.
    pub fn comps(&self) -> impl Iterator<Item = Part<'m>> + use<'m> {
        let whole = if self.level == Level::Field {
            self.rep(0)
        } else {
            *self
        };
        whole.parts(Level::Component)
    }

    /// The text of the first subcomponent of the first component of the first repetition: what a
    /// reader of an older version of the standard would have read here.
    pub fn text(&self) -> Value<'m> {
        if self.is_null() {
            return Value::Null;
        }
        self.sub(1).whole()
    }

    /// The text with the separators in it left as they are: for free text (FT, TX) whose sender
    /// forgot to escape.
    pub fn whole(&self) -> Value<'m> {
        match self.bytes {
            None | Some(b"") => Value::Absent,
            Some(b"\"\"") => Value::Null,
            Some(bytes) => self.read(bytes),
        }
    }

    /// The text as a new `String`, if there is text.
    pub fn string(&self) -> Option<String> {
        self.text().text().map(Cow::into_owned)
    }

    /// Nothing was said here.
    pub fn is_absent(&self) -> bool {
        self.bytes.is_none_or(<[u8]>::is_empty)
    }

    /// `""` was said here.
    pub fn is_null(&self) -> bool {
        self.bytes == Some(b"\"\"")
    }

    /// Nothing was said in any part of it, or `""` alone.
    pub fn is_empty(&self) -> bool {
        let Separators {
            repetition,
            component,
            subcomponent,
            ..
        } = self.rules.separators;
        let divides = |byte: &u8| {
            self.level != Level::Literal
                && (*byte == repetition || *byte == component || Some(*byte) == subcomponent)
        };
        let mut pieces = self.bytes().split(divides);
        pieces.all(|piece| piece.is_empty() || piece == b"\"\"")
    }

    /// The bytes as they stand in the message (after decoding, if the character set had to be
    /// decoded before the message could be divided).
    pub fn bytes(&self) -> &'m [u8] {
        self.bytes.unwrap_or_default()
    }

    fn read(&self, bytes: &'m [u8]) -> Value<'m> {
        let read = match self.level {
            Level::Literal => self.rules.decode(bytes),
            _ => escape::text(bytes, &self.rules),
        };
        read.map_or(Value::Undecoded(bytes), Value::Text)
    }

    fn nth(&self, level: Level, index: usize) -> Part<'m> {
        let bytes = if level <= self.level {
            self.bytes.filter(|_| index == 0)
        } else {
            self.bytes
                .and_then(|bytes| Pieces::new(bytes, self.separator(level)).nth(index))
        };
        Part {
            bytes,
            level: level.max(self.level),
            rules: self.rules,
        }
    }

    fn parts(&self, level: Level) -> impl Iterator<Item = Part<'m>> + use<'m> {
        let separator = if level <= self.level {
            None
        } else {
            self.separator(level)
        };
        let (level, rules) = (level.max(self.level), self.rules);
        self.bytes
            .filter(|bytes| !bytes.is_empty())
            .into_iter()
            .flat_map(move |bytes| Pieces::new(bytes, separator))
            .map(move |bytes| Part {
                bytes: Some(bytes),
                level,
                rules,
            })
    }

    fn separator(&self, level: Level) -> Option<u8> {
        match level {
            Level::Field | Level::Literal => None,
            Level::Repetition => Some(self.rules.separators.repetition),
            Level::Component => Some(self.rules.separators.component),
            Level::Subcomponent => self.rules.separators.subcomponent,
        }
    }
}

/// Splits at one byte; without a separator there is one piece.
struct Pieces<'m> {
    rest: Option<&'m [u8]>,
    separator: Option<u8>,
}

impl<'m> Pieces<'m> {
    const fn new(bytes: &'m [u8], separator: Option<u8>) -> Pieces<'m> {
        Pieces {
            rest: Some(bytes),
            separator,
        }
    }
}

impl<'m> Iterator for Pieces<'m> {
    type Item = &'m [u8];

    fn next(&mut self) -> Option<&'m [u8]> {
        let rest = self.rest.take()?;
        let end = self.separator.and_then(|byte| memchr::memchr(byte, rest));
        let Some(end) = end else {
            return Some(rest);
        };
        self.rest = rest.get(end + 1..);
        rest.get(..end)
    }
}
