//! The walk through a data set. It holds every length against what is left of the bytes and of what
//! the element lies in, and keeps nothing but places, so that memory is bounded by the input.

use dicom_core::dictionary::{DataDictionary as _, DataDictionaryEntry as _};
use dicom_core::{Tag, VR};
use dicom_dictionary_std::{StandardDataDictionary, tags};

use super::{DataSet, Element, Limits, Refusal, Syntax, Value};

const ITEM: Tag = Tag(0xFFFE, 0xE000);
const ITEM_END: Tag = Tag(0xFFFE, 0xE00D);
const SEQUENCE_END: Tag = Tag(0xFFFE, 0xE0DD);
const DELIMITERS: u16 = 0xFFFE;
const UNDEFINED: u32 = u32::MAX;

/// Looks through a data set that is not deflated (any more), and says where its elements are.
///
/// # Errors
/// [`Refusal`] if it is not what it says, or more than `limits` let be.
pub fn scan<'a>(bytes: &'a [u8], syntax: Syntax, limits: &Limits) -> Result<DataSet<'a>, Refusal> {
    scan_to(bytes, (syntax, u16::MAX), limits).map(|(found, _)| found)
}

/// As [`scan`], up to the first element of a group beyond `group_max`; says where that begins.
pub(super) fn scan_to<'a>(
    bytes: &'a [u8],
    (syntax, group_max): (Syntax, u16),
    limits: &Limits,
) -> Result<(DataSet<'a>, usize), Refusal> {
    let mut walk = Walk {
        bytes,
        at: 0,
        big_endian: syntax.big_endian,
        group_max,
        elements: 0,
        limits,
    };
    let mut found = DataSet {
        big_endian: syntax.big_endian,
        ..DataSet::default()
    };
    let whole = Span {
        end: bytes.len(),
        delimited: false,
        explicit: syntax.explicit,
        depth: 0,
    };
    walk.elements(whole, Some(&mut found))?;
    Ok((found, walk.at))
}

/// The items of a sequence, as [`Value::Items`] has them.
///
/// # Errors
/// As [`scan`].
pub fn items<'a>(
    bytes: &'a [u8],
    syntax: Syntax,
    limits: &Limits,
) -> Result<Vec<DataSet<'a>>, Refusal> {
    let mut walk = Walk {
        bytes,
        at: 0,
        big_endian: syntax.big_endian,
        group_max: u16::MAX,
        elements: 0,
        limits,
    };
    let mut all = Vec::new();
    while walk.at < bytes.len() {
        let start = walk.at;
        let tag = walk.tag(bytes.len())?;
        let length = walk.number(bytes.len())?;
        if tag == SEQUENCE_END {
            break;
        }
        if tag != ITEM {
            return Err(malformed(start, "there is no item where one must be"));
        }
        walk.count()?;
        let delimited = length == UNDEFINED;
        let end = match delimited {
            true => bytes.len(),
            false => walk.within((tag, start), length, bytes.len())?,
        };
        let item = Span {
            end,
            delimited,
            explicit: syntax.explicit,
            depth: 1,
        };
        let mut found = DataSet {
            big_endian: syntax.big_endian,
            ..DataSet::default()
        };
        walk.elements(item, Some(&mut found))?;
        all.push(found);
    }
    Ok(all)
}

/// What a run of elements or items lies in.
#[derive(Clone, Copy)]
struct Span {
    /// Where it ends at the latest.
    end: usize,
    /// Whether a delimiter ends it.
    delimited: bool,
    explicit: bool,
    depth: usize,
}

struct Walk<'a, 'l> {
    bytes: &'a [u8],
    at: usize,
    big_endian: bool,
    group_max: u16,
    elements: usize,
    limits: &'l Limits,
}

impl<'a> Walk<'a, '_> {
    fn elements(&mut self, span: Span, mut found: Option<&mut DataSet<'a>>) -> Result<(), Refusal> {
        let mut last = None;
        while self.at < span.end {
            let start = self.at;
            let tag = self.tag(span.end)?;
            if tag == ITEM_END && span.delimited {
                self.number(span.end)?;
                return Ok(());
            }
            if span.depth == 0 && tag.group() > self.group_max {
                self.at = start;
                return Ok(());
            }
            if tag.group() == DELIMITERS {
                return Err(malformed(start, "a delimiter stands where none can"));
            }
            self.count()?;
            let (vr, length) = self.head(tag, span)?;
            let value = self.value((tag, vr, start), length, span)?;
            if let Some(found) = &mut found {
                let place = start..self.at;
                if last.is_some_and(|last| tag <= last) && found.complaints.is_empty() {
                    found.complaints.push(format!("{tag} stands out of order"));
                }
                last = Some(tag);
                if found
                    .elements
                    .insert(tag, Element { vr, value, place })
                    .is_some()
                {
                    return Err(Refusal::Twice(tag));
                }
            }
        }
        self.ended(span, "an item")
    }

    /// Value representation and length.
    fn head(&mut self, tag: Tag, span: Span) -> Result<(VR, u32), Refusal> {
        if !span.explicit {
            return Ok((known(tag), self.number(span.end)?));
        }
        let at = self.at;
        let written = self.take(2, span.end, "an element")?;
        let vr = match <[u8; 2]>::try_from(written) {
            Ok(written) => VR::from_binary(written),
            Err(_) => None,
        };
        let Some(vr) = vr else {
            return Err(malformed(
                at,
                "there is no value representation that is known",
            ));
        };
        if long(vr) {
            self.take(2, span.end, "an element")?;
            return Ok((vr, self.number(span.end)?));
        }
        let length = self.take(2, span.end, "an element")?;
        let length = <[u8; 2]>::try_from(length).unwrap_or_default();
        let length = if self.big_endian {
            u16::from_be_bytes(length)
        } else {
            u16::from_le_bytes(length)
        };
        Ok((vr, u32::from(length)))
    }

    fn value(
        &mut self,
        (tag, vr, start): (Tag, VR, usize),
        length: u32,
        span: Span,
    ) -> Result<Value<'a>, Refusal> {
        let from = self.at;
        let delimited = length == UNDEFINED;
        let end = if delimited {
            span.end
        } else {
            self.within((tag, start), length, span.end)?
        };
        let inner = Span {
            end,
            delimited,
            depth: span.depth + 1,
            // PS3.5 section 6.2.2, note 2: what an unknown element of undefined length holds is
            // implicit, whatever it lies in.
            explicit: span.explicit && vr != VR::UN,
        };
        let pixels = matches!(vr, VR::OB | VR::OW) || tag == tags::PIXEL_DATA;
        match (vr, delimited) {
            (VR::SQ, _) => self.items(inner)?,
            (_, false) => {
                self.at = end;
                return Ok(Value::Bytes(self.slice(from, end)));
            }
            (_, true) if pixels => {
                self.fragments(end)?;
                return Ok(Value::Fragments(self.slice(from, self.at)));
            }
            (VR::UN, true) => self.items(inner)?,
            (_, true) => return Err(malformed(start, "a value has no length")),
        }
        Ok(Value::Items(self.slice(from, self.at)))
    }

    fn items(&mut self, span: Span) -> Result<(), Refusal> {
        if span.depth > self.limits.depth_max {
            let max = self.limits.depth_max;
            return Err(Refusal::Depth { max });
        }
        while self.at < span.end {
            let start = self.at;
            let tag = self.tag(span.end)?;
            let length = self.number(span.end)?;
            if tag == SEQUENCE_END && span.delimited {
                return Ok(());
            }
            if tag != ITEM {
                return Err(malformed(start, "there is no item where one must be"));
            }
            self.count()?;
            let delimited = length == UNDEFINED;
            let end = if delimited {
                span.end
            } else {
                self.within((tag, start), length, span.end)?
            };
            let item = Span {
                end,
                delimited,
                ..span
            };
            self.elements(item, None)?;
        }
        self.ended(span, "a sequence")
    }

    fn fragments(&mut self, end: usize) -> Result<(), Refusal> {
        loop {
            let start = self.at;
            let tag = self.tag(end)?;
            let length = self.number(end)?;
            match tag {
                SEQUENCE_END => return Ok(()),
                ITEM if length != UNDEFINED => {
                    self.count()?;
                    self.at = self.within((tag, start), length, end)?;
                }
                _ => return Err(malformed(start, "there is no fragment where one must be")),
            }
        }
    }

    fn ended(&self, span: Span, within: &'static str) -> Result<(), Refusal> {
        if span.delimited {
            return Err(Refusal::Ended {
                at: self.at,
                within,
            });
        }
        Ok(())
    }

    fn count(&mut self) -> Result<(), Refusal> {
        self.elements += 1;
        let max = self.limits.elements_max;
        if self.elements > max {
            return Err(Refusal::Elements { max });
        }
        Ok(())
    }

    /// Where `length` bytes from here end, if they are there.
    fn within(
        &self,
        (tag, start): (Tag, usize),
        length: u32,
        end: usize,
    ) -> Result<usize, Refusal> {
        let left = end.saturating_sub(self.at);
        match usize::try_from(length) {
            Ok(bytes) if bytes <= left => Ok(self.at + bytes),
            _ => Err(Refusal::Length {
                tag,
                at: start,
                length,
                left,
            }),
        }
    }

    fn tag(&mut self, end: usize) -> Result<Tag, Refusal> {
        let bytes = self.take(4, end, "a tag")?;
        let [a, b, c, d] = <[u8; 4]>::try_from(bytes).unwrap_or_default();
        Ok(if self.big_endian {
            Tag(u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]))
        } else {
            Tag(u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d]))
        })
    }

    fn number(&mut self, end: usize) -> Result<u32, Refusal> {
        let bytes = self.take(4, end, "a length")?;
        let bytes = <[u8; 4]>::try_from(bytes).unwrap_or_default();
        Ok(if self.big_endian {
            u32::from_be_bytes(bytes)
        } else {
            u32::from_le_bytes(bytes)
        })
    }

    fn take(
        &mut self,
        count: usize,
        end: usize,
        within: &'static str,
    ) -> Result<&'a [u8], Refusal> {
        let to = self.at + count;
        if to > end {
            return Err(Refusal::Ended { at: end, within });
        }
        let taken = self.slice(self.at, to);
        self.at = to;
        Ok(taken)
    }

    fn slice(&self, from: usize, to: usize) -> &'a [u8] {
        self.bytes.get(from..to).unwrap_or_default()
    }
}

/// Whether the length stands in four bytes behind two reserved ones (PS3.5 section 7.1.2).
pub(super) const fn long(vr: VR) -> bool {
    matches!(
        vr,
        VR::OB
            | VR::OD
            | VR::OF
            | VR::OL
            | VR::OV
            | VR::OW
            | VR::SQ
            | VR::SV
            | VR::UC
            | VR::UN
            | VR::UR
            | VR::UT
            | VR::UV
    )
}

/// The value representation that PS3.6 has for a tag.
pub(super) fn known(tag: Tag) -> VR {
    match StandardDataDictionary.by_tag(tag).map(|entry| entry.vr()) {
        Some(vr) => vr.relaxed(),
        None => VR::UN,
    }
}

const fn malformed(at: usize, why: &'static str) -> Refusal {
    Refusal::Malformed { at, why }
}
