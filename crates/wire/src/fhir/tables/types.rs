//! What the tables are made of.

use std::collections::HashMap;

use super::super::path::Expr;

/// A resource type, a datatype, or a part within one.
#[derive(Debug)]
pub(in super::super) struct Structure {
    /// `Patient`, `Patient.contact`, `HumanName`.
    pub(in super::super) path: &'static str,
    /// Its elements, inherited ones too.
    pub(in super::super) elements: Vec<Element>,
    /// The rules that hold within it.
    pub(in super::super) rules: Vec<Rule>,
    /// From a JSON key to element and type.
    pub(super) slots: HashMap<Box<str>, Slot>,
}

impl Structure {
    /// What a JSON key means here.
    pub(in super::super) fn slot(&self, key: &str) -> Option<Slot> {
        self.slots.get(key).copied()
    }

    /// The element of a name without `[x]`, and its place.
    pub(in super::super) fn element(&self, name: &str) -> Option<(usize, &Element)> {
        self.elements
            .iter()
            .enumerate()
            .find(|(_, e)| e.name == name)
    }
}

/// Where a JSON key leads.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Slot {
    /// Place in [`Structure::elements`].
    pub(in super::super) element: usize,
    /// Its type, by the key for a choice.
    pub(in super::super) kind: Type,
}

/// One element.
#[derive(Debug)]
pub(in super::super) struct Element {
    /// Name without `[x]`.
    pub(in super::super) name: &'static str,
    /// At least so many.
    pub(in super::super) min: u32,
    /// More than one is allowed: an array in JSON.
    pub(in super::super) many: bool,
    /// A choice of types: the key carries the type.
    pub(in super::super) choice: bool,
    /// The types with the JSON key each is written under.
    pub(in super::super) types: Vec<(Box<str>, Type)>,
    /// The types a reference may point to; empty: any.
    pub(in super::super) targets: Vec<&'static str>,
    /// The codes it must be one of: a place for [`super::Tables::list`].
    pub(in super::super) codes: Option<usize>,
    /// It stands in a summary (R4 section 3.1.1.5.9).
    pub(in super::super) summary: bool,
    /// It changes what the others mean, so it may never be left out (R4 section 1.18.0.6).
    pub(in super::super) modifier: bool,
}

/// The type of an element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Type {
    /// A single JSON value.
    Primitive(Primitive),
    /// An object by a structure of the table.
    Structure(usize),
    /// A `Reference`, also a structure (its place).
    Reference(usize),
    /// Any resource.
    Resource,
}

/// The primitive types (R4 section 2.24.0.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Primitive {
    Base64Binary,
    Boolean,
    Canonical,
    Code,
    Date,
    DateTime,
    Decimal,
    Id,
    Instant,
    Integer,
    Markdown,
    Oid,
    PositiveInt,
    String,
    Time,
    UnsignedInt,
    Uri,
    Url,
    Uuid,
    Xhtml,
}

impl Primitive {
    /// Every one with its name.
    pub(in super::super) const NAMES: &'static [(&'static str, Self)] = &[
        ("base64Binary", Self::Base64Binary),
        ("boolean", Self::Boolean),
        ("canonical", Self::Canonical),
        ("code", Self::Code),
        ("date", Self::Date),
        ("dateTime", Self::DateTime),
        ("decimal", Self::Decimal),
        ("id", Self::Id),
        ("instant", Self::Instant),
        ("integer", Self::Integer),
        ("markdown", Self::Markdown),
        ("oid", Self::Oid),
        ("positiveInt", Self::PositiveInt),
        ("string", Self::String),
        ("time", Self::Time),
        ("unsignedInt", Self::UnsignedInt),
        ("uri", Self::Uri),
        ("url", Self::Url),
        ("uuid", Self::Uuid),
        ("xhtml", Self::Xhtml),
    ];

    /// Its name in the specification.
    pub(in super::super) fn name(self) -> &'static str {
        Self::NAMES
            .iter()
            .find(|(_, p)| *p == self)
            .map_or("", |(n, _)| n)
    }
}

/// A value set, expanded.
#[derive(Debug, Default)]
pub(in super::super) struct CodeList {
    /// Its name, such as `administrative-gender`.
    pub(in super::super) name: &'static str,
    /// Each code with the systems it stands in.
    pub(super) codes: HashMap<&'static str, Vec<&'static str>>,
    /// A few codes for the message.
    pub(in super::super) sample: Vec<&'static str>,
}

impl CodeList {
    /// True when the code is in the list, in whatever system.
    pub(in super::super) fn has(&self, code: &str) -> bool {
        self.codes.contains_key(code)
    }

    /// Every code with its system, in no order.
    pub(in super::super) fn all(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let codes = self.codes.iter();
        codes.flat_map(|(code, systems)| systems.iter().map(|system| (*system, *code)))
    }

    /// How many codes it has.
    pub(in super::super) fn len(&self) -> usize {
        self.codes.len()
    }

    /// The systems a code stands in.
    pub(in super::super) fn systems(&self, code: &str) -> &[&'static str] {
        self.codes.get(code).map_or(&[], Vec::as_slice)
    }

    /// True when the code of this system is in the list.
    pub(in super::super) fn has_coding(&self, system: &str, code: &str) -> bool {
        self.codes
            .get(code)
            .is_some_and(|systems| systems.contains(&system))
    }
}

/// A rule between elements, from the definitions.
#[derive(Debug)]
pub(in super::super) struct Rule {
    /// Such as `per-1`.
    pub(in super::super) key: &'static str,
    /// Refuses, or only warns.
    pub(in super::super) refuses: bool,
    /// What must hold.
    pub(in super::super) expr: Expr,
    /// The rule in the specification's words.
    pub(in super::super) words: &'static str,
}

/// What a search parameter's values are (R4 section 3.1.1.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ParamKind {
    /// A code, an identifier, a truth value.
    Token,
    /// Text.
    String,
    /// A date, a time or a period.
    Date,
    /// Another resource.
    Reference,
    /// A measure with its unit.
    Quantity,
    /// A number.
    Number,
    /// An address.
    Uri,
    /// Several at once, of one place.
    Composite,
    /// With rules of its own: not offered.
    Special,
}

impl ParamKind {
    /// The code of `SearchParameter.type`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::String => "string",
            Self::Date => "date",
            Self::Reference => "reference",
            Self::Quantity => "quantity",
            Self::Number => "number",
            Self::Uri => "uri",
            Self::Composite => "composite",
            Self::Special => "special",
        }
    }

    pub(super) fn read(text: &str) -> Option<Self> {
        Some(match text {
            "token" => Self::Token,
            "string" => Self::String,
            "date" => Self::Date,
            "reference" => Self::Reference,
            "quantity" => Self::Quantity,
            "number" => Self::Number,
            "uri" => Self::Uri,
            "composite" => Self::Composite,
            "special" => Self::Special,
            _ => return None,
        })
    }
}

/// One search parameter of one resource type.
#[derive(Debug)]
pub struct Param {
    /// The name in the URL, such as `birthdate`.
    pub code: &'static str,
    /// What its values are.
    pub kind: ParamKind,
    /// For a reference: the types it may point to; empty: any.
    pub targets: Vec<&'static str>,
    /// It places the resource in a patient's compartment.
    pub compartment: bool,
    /// Where the values stand, or the parts of a composite; `None` for those that are not offered.
    pub(in super::super) expr: Option<Expr>,
    /// Of a composite: its parts, in the order of the value.
    pub(in super::super) parts: Vec<Part>,
}

/// One part of a composite search parameter.
#[derive(Debug)]
pub(in super::super) struct Part {
    /// The parameter that looks for this part alone, such as `code`.
    pub(in super::super) code: &'static str,
    /// What its values are.
    pub(in super::super) kind: ParamKind,
    /// Where they stand within the composite's place.
    pub(in super::super) expr: Expr,
}

impl Param {
    /// True when searches by it are answered.
    #[must_use]
    pub fn offered(&self) -> bool {
        self.expr.is_some()
    }

    /// Of a composite: the parameters that look for its parts alone, in the order of the value.
    pub fn parts(&self) -> impl Iterator<Item = &'static str> {
        self.parts.iter().map(|part| part.code)
    }
}
