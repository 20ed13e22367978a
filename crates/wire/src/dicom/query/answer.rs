//! The answer to a query: a data set for C-FIND, JSON for QIDO-RS.

use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;
use serde_json::{Map, Value};

use super::{Attributes, Query};
use crate::dicom::json::{element, key};
use crate::dicom::scan::known;
use crate::dicom::{Repertoire, Syntax, Writer};

/// UTF-8, as (0008,0005) names it.
const UTF_8: &str = "ISO_IR 192";

impl Query {
    /// The Identifier of one answer: what was asked for, empty where it is not known. In the query's
    /// character set (of one that names none in `otherwise`) if that has all letters, else in UTF-8.
    pub fn answer(
        &self,
        found: &Attributes,
        (syntax, title): (Syntax, &str),
        otherwise: &str,
    ) -> Vec<u8> {
        let value = |tag: Tag| match tag {
            tags::QUERY_RETRIEVE_LEVEL => self.level.name(),
            tags::RETRIEVE_AE_TITLE => title,
            tag => found.get(tag).unwrap_or_default(),
        };
        let mut returned = self.returned.clone();
        for own in [
            (tags::QUERY_RETRIEVE_LEVEL, VR::CS),
            (tags::RETRIEVE_AE_TITLE, VR::AE),
        ] {
            if let Err(place) = returned.binary_search_by_key(&own.0, |(tag, _)| *tag) {
                returned.insert(place, own);
            }
        }
        let named = match self.charset.is_empty() {
            true => otherwise,
            false => &self.charset,
        };
        let repertoire = Repertoire::named(named, &Repertoire::ascii());
        let all = || returned.iter().map(|(tag, _)| value(*tag));
        let (named, repertoire) = match all().all(|text| repertoire.encode(text).is_some()) {
            true => (named, repertoire),
            false => (UTF_8, Repertoire::named(UTF_8, &Repertoire::ascii())),
        };
        let is_ascii = all().all(str::is_ascii);
        let mut writer = Writer::new(syntax);
        if !is_ascii {
            writer = writer.text(tags::SPECIFIC_CHARACTER_SET, VR::CS, named);
        }
        for (tag, vr) in &returned {
            if *tag == tags::SPECIFIC_CHARACTER_SET {
                continue;
            }
            let text = repertoire.encode(value(*tag)).unwrap_or_default();
            writer = put(writer, (*tag, *vr), text);
        }
        writer.finish()
    }

    /// One answer in the JSON of PS3.18 annex F: what is known of what was asked for; `all`: of
    /// everything.
    pub fn json(&self, found: &Attributes, all: Whole) -> Map<String, Value> {
        let wanted =
            |tag: Tag| all == Whole::All || self.returned.iter().any(|(one, _)| *one == tag);
        let mut out = Map::new();
        for (tag, text) in found.all().filter(|(tag, _)| wanted(*tag)) {
            out.insert(key(tag), element(known(tag), text));
        }
        out
    }
}

/// How much of what is known an answer tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whole {
    /// All of it.
    All,
    /// What was asked for.
    Asked,
}

fn put(writer: Writer, (tag, vr): (Tag, VR), mut text: Vec<u8>) -> Writer {
    match vr {
        VR::US => {
            let number = std::str::from_utf8(&text)
                .ok()
                .and_then(|text| text.parse().ok());
            match number {
                Some(number) => writer.us(tag, number),
                None => writer.bytes(tag, vr, &[]),
            }
        }
        VR::UI => writer.bytes(tag, vr, &text),
        _ => {
            if text.len() % 2 == 1 {
                text.push(b' ');
            }
            writer.bytes(tag, vr, &text)
        }
    }
}
