//! Data sets in the JSON of PS3.18 annex F.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;
use serde_json::{Map, Number, Value as Json, json};

use super::scan::items;
use super::{DataSet, Element, Limits, Repertoire, Syntax, Value};

/// Bytes of a binary value that stand in the JSON; of a longer one only that it is there.
const INLINE_BYTES_MAX: usize = 4 << 10;

/// A data set as JSON: all of it but for long binary values. `otherwise` is how text is read that
/// names no character set.
pub fn metadata(set: &DataSet<'_>, syntax: Syntax, otherwise: &Repertoire) -> Map<String, Json> {
    let named = Repertoire::named(set.ascii(tags::SPECIFIC_CHARACTER_SET), otherwise);
    let mut out = Map::new();
    for (tag, element) in set.elements().filter(|(tag, _)| tag.element() != 0) {
        // What is told is UTF-8, whatever it was.
        let value = match *tag {
            tags::SPECIFIC_CHARACTER_SET => json!({"vr": "CS", "Value": ["ISO_IR 192"]}),
            _ => value(element, (syntax, set.big_endian), &named),
        };
        out.insert(key(*tag), value);
    }
    out
}

/// `GGGGEEEE`.
pub(super) fn key(tag: Tag) -> String {
    format!("{:04X}{:04X}", tag.group(), tag.element())
}

fn value(element: &Element<'_>, (syntax, big): (Syntax, bool), named: &Repertoire) -> Json {
    let vr = element.vr;
    match element.value {
        Value::Fragments(_) => json!({"vr": vr.to_string()}),
        Value::Items(written) => {
            let within = Syntax {
                explicit: syntax.explicit && vr != VR::UN,
                ..syntax
            };
            let all = items(written, within, &Limits::sealed()).unwrap_or_default();
            let all = all.iter().map(|item| metadata(item, within, named));
            let all: Vec<Json> = all.map(Json::Object).collect();
            match all.is_empty() {
                true => json!({"vr": "SQ"}),
                false => json!({"vr": "SQ", "Value": all}),
            }
        }
        Value::Bytes(bytes) => of_bytes(vr, (bytes, big), named),
    }
}

fn of_bytes(vr: VR, (bytes, big): (&[u8], bool), named: &Repertoire) -> Json {
    let numbers = match vr {
        VR::US | VR::SS | VR::AT => Some(2),
        VR::UL | VR::SL | VR::FL => Some(4),
        VR::FD | VR::SV | VR::UV => Some(8),
        _ => None,
    };
    if let Some(width) = numbers {
        let values = bytes.chunks_exact(width);
        let mut values: Vec<Json> = values.filter_map(|one| number(vr, one, big)).collect();
        if vr == VR::AT {
            values = tags_of(bytes, big);
        }
        return told(vr, values);
    }
    if binary(vr) {
        return match bytes.len() {
            1..=INLINE_BYTES_MAX => {
                json!({"vr": vr.to_string(), "InlineBinary": STANDARD.encode(bytes)})
            }
            _ => json!({"vr": vr.to_string()}),
        };
    }
    match named.decode(bytes) {
        Some(text) => element(vr, text.trim_end_matches([' ', '\0'])),
        None => json!({"vr": vr.to_string()}),
    }
}

/// An element of text.
pub(super) fn element(vr: VR, text: &str) -> Json {
    if text.is_empty() {
        return told(vr, Vec::new());
    }
    let one = |part: &str| match (vr, part.trim()) {
        (_, "") => Json::Null,
        (VR::PN, part) => person(part),
        (VR::US, part) => part.parse::<u32>().map_or(Json::Null, Json::from),
        (VR::IS | VR::DS, part) => decimal(part),
        (_, part) => Json::from(part),
    };
    let values = match vr {
        // PS3.5 section 6.2: these have one value, and a backslash in it is a letter.
        VR::LT | VR::ST | VR::UT | VR::UR => vec![Json::from(text)],
        _ => text.split('\\').map(one).collect(),
    };
    told(vr, values)
}

fn told(vr: VR, values: Vec<Json>) -> Json {
    match values.is_empty() {
        true => json!({"vr": vr.to_string()}),
        false => json!({"vr": vr.to_string(), "Value": values}),
    }
}

/// A number as it is written, or as a text if it is none.
fn decimal(text: &str) -> Json {
    let written: Option<Number> = serde_json::from_str(text).ok();
    let read = || text.parse::<f64>().ok().and_then(Number::from_f64);
    written
        .or_else(read)
        .map_or_else(|| Json::from(text), Json::Number)
}

/// A name by its component groups.
fn person(name: &str) -> Json {
    let groups = ["Alphabetic", "Ideographic", "Phonetic"];
    let parts = groups.iter().zip(name.split('='));
    let said = parts.filter(|(_, part)| !part.trim().is_empty());
    let said = said.map(|(group, part)| ((*group).to_owned(), Json::from(part.trim())));
    Json::Object(said.collect())
}

fn number(vr: VR, bytes: &[u8], big: bool) -> Option<Json> {
    let mut little = bytes.to_vec();
    if big {
        little.reverse();
    }
    let little = little.as_slice();
    Some(match vr {
        VR::US => u16::from_le_bytes(little.try_into().ok()?).into(),
        VR::SS => i16::from_le_bytes(little.try_into().ok()?).into(),
        VR::UL => u32::from_le_bytes(little.try_into().ok()?).into(),
        VR::SL => i32::from_le_bytes(little.try_into().ok()?).into(),
        VR::UV => u64::from_le_bytes(little.try_into().ok()?).into(),
        VR::SV => i64::from_le_bytes(little.try_into().ok()?).into(),
        VR::FL => Number::from_f64(f32::from_le_bytes(little.try_into().ok()?).into())?.into(),
        VR::FD => Number::from_f64(f64::from_le_bytes(little.try_into().ok()?))?.into(),
        _ => return None,
    })
}

fn tags_of(bytes: &[u8], big: bool) -> Vec<Json> {
    let half = |a: u8, b: u8| match big {
        true => u16::from_be_bytes([a, b]),
        false => u16::from_le_bytes([a, b]),
    };
    let (all, _) = bytes.as_chunks::<4>();
    let all = all
        .iter()
        .map(|&[a, b, c, d]| key(Tag(half(a, b), half(c, d))));
    all.map(Json::from).collect()
}

const fn binary(vr: VR) -> bool {
    matches!(
        vr,
        VR::OB | VR::OW | VR::OF | VR::OD | VR::OL | VR::OV | VR::UN
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dicom::{Writer, scan};

    #[test]
    fn a_data_set_is_told_in_the_json_of_the_standard() {
        let item = Writer::new(Syntax::EXPLICIT)
            .text(tags::CODE_VALUE, VR::SH, "T-1")
            .finish();
        let mut written = vec![0xfe, 0xff, 0, 0xe0];
        written.extend_from_slice(&u32::try_from(item.len()).unwrap().to_le_bytes());
        written.extend_from_slice(&item);
        let bytes = Writer::new(Syntax::EXPLICIT)
            .text(tags::SPECIFIC_CHARACTER_SET, VR::CS, "ISO_IR 100")
            .text(tags::IMAGE_TYPE, VR::CS, "ORIGINAL\\PRIMARY")
            .bytes(tags::PROCEDURE_CODE_SEQUENCE, VR::SQ, &written)
            .bytes(tags::PATIENT_NAME, VR::PN, b"M\xfcller^J\xf6rg")
            .bytes(
                tags::FRAME_INCREMENT_POINTER,
                VR::AT,
                &[0x18, 0, 0x63, 0x10],
            )
            .us(tags::ROWS, 512)
            .text(tags::RESCALE_SLOPE, VR::DS, "1.50")
            .bytes(Tag(0x0029, 0x1010), VR::OB, &[1, 2])
            .finish();
        let set = scan(&bytes, Syntax::EXPLICIT, &Limits::default()).unwrap();
        let told = metadata(&set, Syntax::EXPLICIT, &Repertoire::ascii());
        let wanted = json!({
            "00080005": {"vr": "CS", "Value": ["ISO_IR 192"]},
            "00080008": {"vr": "CS", "Value": ["ORIGINAL", "PRIMARY"]},
            "00081032": {"vr": "SQ", "Value": [{"00080100": {"vr": "SH", "Value": ["T-1"]}}]},
            "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Müller^Jörg"}]},
            "00280009": {"vr": "AT", "Value": ["00181063"]},
            "00280010": {"vr": "US", "Value": [512]},
            "00291010": {"vr": "OB", "InlineBinary": "AQI="},
        });
        let mut told = Json::Object(told);
        let slope = told.as_object_mut().unwrap().remove("00281053").unwrap();
        assert_eq!(slope["Value"][0].to_string(), "1.50");
        assert_eq!(told, wanted);
    }
}
