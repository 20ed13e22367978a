//! Data sets from one native transfer syntax into another: what is not compressed can be given to
//! whoever reads little endian (PS3.5 section 10.1).

use std::borrow::Cow;

use dicom_core::dictionary::{DataDictionary as _, DataDictionaryEntry as _, VirtualVr};
use dicom_core::{Tag, VR};
use dicom_dictionary_std::{StandardDataDictionary, tags};

use super::scan::{items, long};
use super::{DataSet, Element, Limits, Refusal, Syntax, Value, part10, scan, unpack};

pub(super) const ITEM: Tag = Tag(0xFFFE, 0xE000);

/// Whether an element is US or SS as Pixel Representation says (PS3.6).
fn follows_pixels(tag: Tag) -> bool {
    let entry = StandardDataDictionary.by_tag(tag);
    entry.is_some_and(|entry| entry.vr() == VirtualVr::Xs)
}

/// Whether an object that is kept in one transfer syntax can be given in another.
pub fn can_recode(from: &str, to: &str) -> bool {
    let native = |uid| Syntax::named(uid).is_some_and(|syntax| !syntax.encapsulated);
    let little = [Syntax::IMPLICIT_UID, Syntax::EXPLICIT_UID].contains(&to);
    from == to || (little && native(from))
}

/// A data set in another transfer syntax; the bytes themselves if it is in that already.
///
/// # Errors
/// [`Refusal`] if it cannot be read, or cannot be written in that syntax.
pub fn recode<'a>(
    data: &'a [u8],
    (from, to): (&str, &str),
    limits: &Limits,
) -> Result<Cow<'a, [u8]>, Refusal> {
    if from == to {
        return Ok(Cow::Borrowed(data));
    }
    let named = |uid: &str| Syntax::named(uid).ok_or_else(|| Refusal::Syntax(uid.to_owned()));
    let (source, target) = (named(from)?, named(to)?);
    if !can_recode(from, to) {
        return Err(Refusal::Syntax(to.to_owned()));
    }
    let plain = unpack(data, source, limits)?;
    let set = scan(&plain, source, limits)?;
    let mut out = Vec::with_capacity(plain.len() + plain.len() / 16);
    let recoding = Recoding {
        source,
        target,
        limits,
        signed: false,
    };
    recoding.set(&set, &mut out)?;
    // What lies about the kind of a value is read otherwise where kinds are not written.
    scan(&out, target, limits)?;
    Ok(Cow::Owned(out))
}

/// The data set of a file, as it is to be given.
#[derive(Debug, Clone)]
pub struct Given {
    bytes: Vec<u8>,
    from: usize,
}

impl Given {
    /// The data set.
    pub fn set(&self) -> &[u8] {
        self.bytes.get(self.from..).unwrap_or_default()
    }
}

/// The data set of a file (PS3.10) that was kept, in a transfer syntax; nothing is copied if it is in that
/// already. Of the limits those of unpacking count.
///
/// # Errors
/// [`Refusal`] if the file cannot be read, unpacks to too much, or its data set cannot be written in that
/// syntax.
pub fn given(file: Vec<u8>, to: &str, limits: &Limits) -> Result<Given, Refusal> {
    let part = part10(&file)?;
    let from = part.data_at;
    if part.syntax_uid == to {
        return Ok(Given { bytes: file, from });
    }
    let set = file.get(from..).unwrap_or_default();
    let set = recode(set, (part.syntax_uid, to), &limits.giving())?;
    Ok(Given {
        bytes: set.into_owned(),
        from: 0,
    })
}

struct Recoding<'l> {
    source: Syntax,
    target: Syntax,
    limits: &'l Limits,
    /// Pixels can be negative (Pixel Representation 1), of this set or of the one around it.
    signed: bool,
}

impl Recoding<'_> {
    fn set(&self, set: &DataSet<'_>, out: &mut Vec<u8>) -> Result<(), Refusal> {
        let signed = match set.number(tags::PIXEL_REPRESENTATION) {
            Some(number) => number == 1,
            None => self.signed,
        };
        let within = Recoding { signed, ..*self };
        // Group lengths (retired) would no longer be true.
        let kept = set.elements().filter(|(tag, _)| tag.element() != 0);
        for (tag, element) in kept {
            within.element((*tag, element), out)?;
        }
        Ok(())
    }

    fn element(
        &self,
        (tag, element): (Tag, &Element<'_>),
        out: &mut Vec<u8>,
    ) -> Result<(), Refusal> {
        match element.value {
            Value::Bytes(bytes) => {
                let bytes = match self.source.big_endian {
                    true => Cow::Owned(swapped(element.vr, bytes)),
                    false => Cow::Borrowed(bytes),
                };
                // What is implicit does not say whether its numbers can be negative: the pixels do.
                let vr = match !self.source.explicit && self.signed && follows_pixels(tag) {
                    true => VR::SS,
                    false => element.vr,
                };
                self.head((tag, vr), bytes.len(), out)?;
                out.extend_from_slice(&bytes);
            }
            Value::Items(written) => {
                let mut inner = Vec::new();
                // What an unknown element holds is implicit, whatever it lies in.
                let within = Recoding {
                    source: Syntax {
                        explicit: self.source.explicit && element.vr != VR::UN,
                        ..self.source
                    },
                    ..*self
                };
                for item in items(written, within.source, self.limits)? {
                    let mut one = Vec::new();
                    within.set(&item, &mut one)?;
                    put_tag(ITEM, &mut inner);
                    inner.extend_from_slice(&length(tag, one.len())?.to_le_bytes());
                    inner.extend_from_slice(&one);
                }
                self.head((tag, VR::SQ), inner.len(), out)?;
                out.extend_from_slice(&inner);
            }
            Value::Fragments(_) => {
                let why = "pixel data in fragments stands where none can";
                let at = element.place.start;
                return Err(Refusal::Malformed { at, why });
            }
        }
        Ok(())
    }

    fn head(&self, of: (Tag, VR), bytes: usize, out: &mut Vec<u8>) -> Result<(), Refusal> {
        if self.target.explicit {
            return explicit_head(of, bytes, out);
        }
        put_tag(of.0, out);
        out.extend_from_slice(&length(of.0, bytes)?.to_le_bytes());
        Ok(())
    }
}

/// Appends the head of an element with a value of so many bytes, in explicit little endian.
///
/// # Errors
/// [`Refusal::Length`] if no length can say it.
pub(super) fn explicit_head(
    (tag, vr): (Tag, VR),
    bytes: usize,
    out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    put_tag(tag, out);
    match u16::try_from(bytes) {
        Ok(short) if !long(vr) => {
            out.extend_from_slice(&vr.to_bytes());
            out.extend_from_slice(&short.to_le_bytes());
        }
        // PS3.5 section 6.2.2: what is longer than its representation can say is unknown.
        _ => {
            let vr = if long(vr) { vr } else { VR::UN };
            out.extend_from_slice(&vr.to_bytes());
            out.extend_from_slice(&[0, 0]);
            out.extend_from_slice(&length(tag, bytes)?.to_le_bytes());
        }
    }
    Ok(())
}

/// A length as it is written; what is undefined is none.
///
/// # Errors
/// [`Refusal::Length`] if it does not fit.
pub(super) fn length(tag: Tag, bytes: usize) -> Result<u32, Refusal> {
    let fits = u32::try_from(bytes)
        .ok()
        .filter(|length| *length < u32::MAX);
    fits.ok_or(Refusal::Length {
        tag,
        at: 0,
        length: u32::MAX,
        left: bytes,
    })
}

pub(super) fn put_tag(tag: Tag, out: &mut Vec<u8>) {
    out.extend_from_slice(&tag.group().to_le_bytes());
    out.extend_from_slice(&tag.element().to_le_bytes());
}

/// Numbers with their little end first.
fn swapped(vr: VR, bytes: &[u8]) -> Vec<u8> {
    let width = match vr {
        VR::US | VR::SS | VR::OW | VR::AT => 2,
        VR::UL | VR::SL | VR::FL | VR::OF | VR::OL => 4,
        VR::FD | VR::OD | VR::OV | VR::SV | VR::UV => 8,
        _ => 1,
    };
    let numbers = bytes.chunks(width);
    numbers
        .flat_map(|number| number.iter().rev().copied())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dicom::{Writer, file};

    fn set(syntax: Syntax) -> Vec<u8> {
        let item = Writer::new(syntax)
            .text(tags::CODE_VALUE, VR::SH, "T-1")
            .finish();
        let mut items = Vec::new();
        put_tag(ITEM, &mut items);
        items.extend_from_slice(&u32::try_from(item.len()).unwrap().to_le_bytes());
        items.extend_from_slice(&item);
        Writer::new(syntax)
            .text(tags::SOP_INSTANCE_UID, VR::UI, "1.2.3")
            .bytes(tags::PROCEDURE_CODE_SEQUENCE, VR::SQ, &items)
            .us(tags::ROWS, 513)
            .bytes(tags::PIXEL_DATA, VR::OW, &[1, 2, 3, 4])
            .finish()
    }

    #[test]
    fn there_and_back_is_the_same() {
        let limits = Limits::default();
        let (implicit, explicit) = (set(Syntax::IMPLICIT), set(Syntax::EXPLICIT));
        let uids = (Syntax::IMPLICIT_UID, Syntax::EXPLICIT_UID);
        assert_eq!(recode(&implicit, uids, &limits).unwrap(), explicit);
        assert_eq!(
            recode(&explicit, (uids.1, uids.0), &limits).unwrap(),
            implicit
        );
    }

    #[test]
    fn a_file_gives_its_own_bytes_or_those_of_another_syntax() {
        let (implicit, explicit) = (set(Syntax::IMPLICIT), set(Syntax::EXPLICIT));
        let head = file("1.2", "1.2.3", Syntax::IMPLICIT_UID, "CT");
        let kept = [head, implicit.clone()].concat();
        let limits = Limits::default();
        let own = given(kept.clone(), Syntax::IMPLICIT_UID, &limits).unwrap();
        assert_eq!(own.set(), implicit);
        let other = given(kept.clone(), Syntax::EXPLICIT_UID, &limits).unwrap();
        assert_eq!(other.set(), explicit);
        assert!(given(kept, "1.2.840.10008.1.2.4.50", &limits).is_err());
        assert!(given(implicit, Syntax::IMPLICIT_UID, &limits).is_err());
    }

    #[test]
    fn what_is_deflated_is_given_as_far_as_there_is_room_for_it() {
        use std::io::Write as _;

        let deflated = "1.2.840.10008.1.2.1.99";
        let set = Writer::new(Syntax::EXPLICIT)
            .text(tags::SOP_INSTANCE_UID, VR::UI, "1.2.3")
            .bytes(tags::PIXEL_DATA, VR::OW, &vec![0; 2 << 20])
            .finish();
        let mut packed = flate2::write::DeflateEncoder::new(
            file("1.2", "1.2.3", deflated, "CT"),
            flate2::Compression::best(),
        );
        packed.write_all(&set).unwrap();
        let kept = packed.finish().unwrap();
        let limits = |inflated_bytes_max| Limits {
            inflated_bytes_max,
            inflate_ratio_max: usize::MAX,
            ..Limits::default()
        };
        let whole = given(kept.clone(), Syntax::EXPLICIT_UID, &limits(set.len())).unwrap();
        assert_eq!(whole.set(), set);
        let max = set.len() - 1;
        let refused = given(kept.clone(), Syntax::EXPLICIT_UID, &limits(max));
        assert_eq!(refused.unwrap_err(), Refusal::Inflated { max });
        assert!(given(kept, deflated, &limits(max)).is_ok());
    }

    #[test]
    fn numbers_that_can_be_negative_are_called_so_where_pixels_are() {
        let scaled = |signed: u16| {
            let minus = (-2000_i16).to_le_bytes();
            Writer::new(Syntax::IMPLICIT)
                .us(tags::PIXEL_REPRESENTATION, signed)
                .bytes(tags::PIXEL_PADDING_VALUE, VR::SS, &minus)
                .finish()
        };
        let uids = (Syntax::IMPLICIT_UID, Syntax::EXPLICIT_UID);
        for (signed, vr) in [(1, VR::SS), (0, VR::US)] {
            let implicit = scaled(signed);
            let explicit = recode(&implicit, uids, &Limits::default()).unwrap();
            let found = scan(&explicit, Syntax::EXPLICIT, &Limits::default()).unwrap();
            let padding = found.get(tags::PIXEL_PADDING_VALUE).unwrap();
            assert_eq!(padding.vr, vr);
            assert_eq!(
                found.bytes(tags::PIXEL_PADDING_VALUE),
                (-2000_i16).to_le_bytes()
            );
        }
    }

    #[test]
    fn numbers_with_their_big_end_first_are_turned() {
        let big = "1.2.840.10008.1.2.2";
        let bytes = b"\0\x28\0\x10US\0\x02\x02\x01\x7f\xe0\0\x10OW\0\0\0\0\0\x04\x01\x02\x03\x04";
        let little = recode(bytes, (big, Syntax::EXPLICIT_UID), &Limits::default()).unwrap();
        let found = scan(&little, Syntax::EXPLICIT, &Limits::default()).unwrap();
        assert_eq!(found.number(tags::ROWS), Some(513));
        assert_eq!(found.bytes(tags::PIXEL_DATA), [2, 1, 4, 3]);
    }

    #[test]
    fn what_is_compressed_is_not_unpacked() {
        let jpeg = "1.2.840.10008.1.2.4.50";
        assert!(can_recode(jpeg, jpeg) && !can_recode(jpeg, Syntax::EXPLICIT_UID));
        assert!(!can_recode(Syntax::EXPLICIT_UID, jpeg));
        let refused = recode(b"", (jpeg, Syntax::EXPLICIT_UID), &Limits::default());
        assert!(matches!(refused, Err(Refusal::Syntax(_))));
    }
}
