use std::borrow::Cow;

use super::part::Rules;
use super::{Charset, Complaint, Part, Place, Separators, Value};

/// An HL7 v2 message: an index over its bytes.
#[derive(Debug, Clone)]
pub struct Message<'a> {
    pub(crate) raw: &'a [u8],
    /// What was indexed: the raw bytes, or their UTF-8 if they had to be decoded first.
    pub(crate) text: Cow<'a, [u8]>,
    pub(crate) rules: Rules,
    pub(crate) charset: Charset,
    pub(crate) spans: Vec<Span>,
    /// Positions of the field separators of all segments.
    pub(crate) separators: Vec<usize>,
    pub(crate) fault: Option<Complaint>,
}

/// Where a segment lies in the text, and its separators in the list of all separators.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) first: usize,
    pub(crate) count: usize,
    pub(crate) decoded: bool,
}

impl<'a> Message<'a> {
    /// The bytes as they were received, with everything that was not understood.
    pub const fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// Why the message as a whole cannot be trusted to have been read, if so: there is no MSH, its
    /// separators are none, or it is beyond a limit. Its sender deserves a rejection.
    pub const fn fault(&self) -> Option<&Complaint> {
        self.fault.as_ref()
    }

    /// The separators it uses.
    pub const fn separators(&self) -> Separators {
        self.rules.separators
    }

    /// The character set it uses.
    pub const fn charset(&self) -> Charset {
        self.charset
    }

    /// All segments, in order.
    pub fn all(&self) -> impl DoubleEndedIterator<Item = Segment<'_>> {
        self.spans
            .iter()
            .enumerate()
            .map(|(position, span)| Segment {
                message: self,
                span,
                position,
            })
    }

    /// All segments of one name, in order.
    pub fn segments<'m>(&'m self, name: &'m str) -> impl Iterator<Item = Segment<'m>> + 'm {
        self.all().filter(move |segment| segment.name() == name)
    }

    /// The first segment of that name.
    pub fn segment<'m>(&'m self, name: &'m str) -> Option<Segment<'m>> {
        self.segments(name).next()
    }

    /// A field of the first segment of that name; absent if there is no such segment.
    pub fn get<'m>(&'m self, name: &'m str, field: usize) -> Part<'m> {
        match self.segment(name) {
            Some(segment) => segment.field(field),
            None => Part::field(None, self.rules),
        }
    }

    /// MSH, if the message has one.
    pub fn header(&self) -> Option<Segment<'_>> {
        self.segment("MSH")
    }

    /// MSH-9 as `TYPE^TRIGGER`, or `TYPE`; empty if there is none. Where MSH-9 names no trigger,
    /// as in version 2.1, EVN-1 does.
    pub fn kind(&self) -> String {
        let what = self.get("MSH", 9);
        let kind = what.comp(1).string().unwrap_or_default();
        let trigger = what
            .comp(2)
            .string()
            .or_else(|| self.get("EVN", 1).string());
        match trigger {
            Some(trigger) if !kind.is_empty() => format!("{kind}^{trigger}"),
            _ => kind,
        }
    }

    /// MSH-10, the sender's id of this message; empty if there is none.
    pub fn control(&self) -> String {
        self.get("MSH", 10).string().unwrap_or_default()
    }

    /// MSH-12, for instance `2.5.1`; empty if there is none.
    pub fn version(&self) -> String {
        self.get("MSH", 12).string().unwrap_or_default()
    }

    /// The text of a field of MSH: `message.sender(3)` is the sending application.
    pub fn sender(&self, field: usize) -> Value<'_> {
        self.get("MSH", field).text()
    }
}

/// One segment.
#[derive(Debug, Clone, Copy)]
pub struct Segment<'m> {
    message: &'m Message<'m>,
    span: &'m Span,
    position: usize,
}

impl<'m> Segment<'m> {
    /// Its three letters.
    pub fn name(&self) -> &'m str {
        let name = self.bytes().get(..3).unwrap_or_default();
        std::str::from_utf8(name).unwrap_or_default()
    }

    /// Its position among all segments, from 0.
    pub const fn position(&self) -> usize {
        self.position
    }

    /// Which of the segments of its name it is, from 1.
    pub fn occurrence(&self) -> usize {
        let before = self.message.all().take(self.position);
        before.filter(|other| other.name() == self.name()).count() + 1
    }

    /// The n-th field, from 1, numbered as the standard does (MSH-1 is the separator itself).
    pub fn field(&self, number: usize) -> Part<'m> {
        let rules = self.rules();
        let Some(nth) = number.checked_sub(1) else {
            return Part::field(None, rules);
        };
        if !self.is_header() {
            return Part::field(self.between(nth), rules);
        }
        match nth {
            0 => Part::literal(self.bytes().get(3..4), rules),
            1 => Part::literal(self.between(0), rules),
            _ => Part::field(self.between(nth - 1), rules),
        }
    }

    /// How many fields were sent, trailing empty ones included.
    pub fn fields(&self) -> usize {
        self.span.count + usize::from(self.is_header())
    }

    /// The name for a complaint about one of its fields; 0: about the segment.
    pub fn place(&self, field: usize) -> Place {
        Place {
            segment: self.name().to_owned(),
            occurrence: self.occurrence(),
            field,
        }
    }

    /// The whole segment as it stands in the message, without its end mark.
    pub fn bytes(&self) -> &'m [u8] {
        self.message
            .text
            .get(self.span.start..self.span.end)
            .unwrap_or_default()
    }

    /// Whether it numbers its fields as MSH does.
    pub(crate) fn is_header(&self) -> bool {
        matches!(self.name(), "MSH" | "BHS" | "FHS")
    }

    pub(crate) fn rules(&self) -> Rules {
        if self.span.decoded {
            self.message.rules
        } else {
            self.message.rules.undecoded()
        }
    }

    /// The bytes behind the n-th separator, from 0.
    fn between(&self, nth: usize) -> Option<&'m [u8]> {
        if nth >= self.span.count {
            return None;
        }
        let at = self.span.first + nth;
        let start = self.message.separators.get(at)? + 1;
        let end = if nth + 1 < self.span.count {
            *self.message.separators.get(at + 1)?
        } else {
            self.span.end
        };
        self.message.text.get(start..end)
    }
}
