//! Queries for patients, studies, series and instances (PS3.4 annex C.4.1 and C.6): what an
//! Identifier asks, what answers it. C-FIND and QIDO-RS mean the same here.

mod answer;
mod attributes;
mod matching;

pub use answer::Whole;
pub use attributes::{Attributes, Person};

use std::fmt::Write as _;

use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;
use thiserror::Error;

use super::scan::known;
use super::{DataSet, Repertoire, Value};
use matching::Wanted;

/// What is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// `PATIENT`.
    Patient,
    /// `STUDY`.
    Study,
    /// `SERIES`.
    Series,
    /// `IMAGE`.
    Image,
}

/// The information model of a query (PS3.4 section C.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Root {
    /// Patient Root: patients can be looked for.
    Patient,
    /// Study Root: a patient is an attribute of a study.
    Study,
}

/// What is done with what is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// C-FIND.
    Find,
    /// C-MOVE.
    Move,
    /// C-GET.
    Get,
}

/// What a query asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// What is looked for.
    pub level: Level,
    keys: Vec<Key>,
    /// The elements of the answer, by ascending tag.
    returned: Vec<(Tag, VR)>,
    /// Specific Character Set of the query, as it was named.
    charset: String,
}

/// One attribute that must match.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Key {
    tag: Tag,
    level: Level,
    /// As it was said.
    text: String,
    wanted: Wanted,
}

/// Why a query is not answered.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Fault {
    /// Query/Retrieve Level is missing, unknown, or not of the information model.
    #[error("`{0}` is no Query/Retrieve Level of this information model")]
    Level(String),
    /// The unique key of a higher level is missing (PS3.4 section C.4.1.2.1).
    #[error("{0} must name one: it is the unique key of a higher level")]
    Unique(Tag),
    /// A retrieval names objects by unique keys alone (PS3.4 sections C.4.2.1.4 and C.4.3.1.3).
    #[error("{0} is no unique key, and a retrieval has no other; leave its value empty")]
    NotUnique(Tag),
    /// More UIDs in one list than are looked for at once.
    #[error("{0} names more than {UIDS_MAX} UIDs")]
    TooMany(Tag),
    /// Something is to match that nobody matches here: leaving it out would find others than were
    /// asked for.
    #[error("{0} cannot be matched at this level; leave its value empty")]
    Unmatched(Tag),
    /// A value that cannot be understood.
    #[error("the value of {0} cannot be understood")]
    Value(Tag),
}

/// UIDs of one key.
const UIDS_MAX: usize = 1_000;

/// The attributes that are matched, with the level they are of.
const MATCHED: [(Tag, Level); 23] = [
    (tags::PATIENT_NAME, Level::Patient),
    (tags::PATIENT_ID, Level::Patient),
    (tags::ISSUER_OF_PATIENT_ID, Level::Patient),
    (tags::PATIENT_BIRTH_DATE, Level::Patient),
    (tags::PATIENT_SEX, Level::Patient),
    (tags::STUDY_DATE, Level::Study),
    (tags::STUDY_TIME, Level::Study),
    (tags::ACCESSION_NUMBER, Level::Study),
    (tags::STUDY_ID, Level::Study),
    (tags::STUDY_INSTANCE_UID, Level::Study),
    (tags::STUDY_DESCRIPTION, Level::Study),
    (tags::REFERRING_PHYSICIAN_NAME, Level::Study),
    (tags::MODALITIES_IN_STUDY, Level::Study),
    (tags::MODALITY, Level::Series),
    (tags::SERIES_INSTANCE_UID, Level::Series),
    (tags::SERIES_NUMBER, Level::Series),
    (tags::SERIES_DESCRIPTION, Level::Series),
    (tags::BODY_PART_EXAMINED, Level::Series),
    (tags::LATERALITY, Level::Series),
    (tags::SOP_INSTANCE_UID, Level::Image),
    (tags::SOP_CLASS_UID, Level::Image),
    (tags::INSTANCE_NUMBER, Level::Image),
    (tags::NUMBER_OF_FRAMES, Level::Image),
];

/// The information model and the operation of a SOP class; `None`: it is none of query and retrieve.
pub fn query_class(uid: &str) -> Option<(Root, Operation)> {
    let (root, operation) = uid
        .strip_prefix("1.2.840.10008.5.1.4.1.2.")?
        .split_once('.')?;
    let root = match root {
        "1" => Root::Patient,
        "2" => Root::Study,
        _ => return None,
    };
    let operation = match operation {
        "1" => Operation::Find,
        "2" => Operation::Move,
        "3" => Operation::Get,
        _ => return None,
    };
    Some((root, operation))
}

impl Level {
    /// The level that (0008,0052) names.
    pub fn named(name: &str) -> Option<Level> {
        [Level::Patient, Level::Study, Level::Series, Level::Image]
            .into_iter()
            .find(|level| level.name() == name)
    }

    /// Its name, as (0008,0052) has it.
    pub const fn name(self) -> &'static str {
        match self {
            Level::Patient => "PATIENT",
            Level::Study => "STUDY",
            Level::Series => "SERIES",
            Level::Image => "IMAGE",
        }
    }
}

impl Query {
    /// A query that asks nothing yet.
    pub const fn new(level: Level) -> Query {
        Query {
            level,
            keys: Vec::new(),
            returned: Vec::new(),
            charset: String::new(),
        }
    }

    /// Reads the Identifier of a C-FIND, C-MOVE or C-GET. `otherwise` is how text is read that names no
    /// character set.
    ///
    /// # Errors
    /// [`Fault`] says what of it is not answered.
    pub fn of(
        set: &DataSet<'_>,
        (root, operation): (Root, Operation),
        otherwise: &Repertoire,
    ) -> Result<Query, Fault> {
        let named = set.ascii(tags::QUERY_RETRIEVE_LEVEL);
        let level = Level::named(named);
        let level = level.filter(|level| root == Root::Patient || *level != Level::Patient);
        let level = level.ok_or_else(|| Fault::Level(named.to_owned()))?;
        let charset = set.ascii(tags::SPECIFIC_CHARACTER_SET);
        let repertoire = Repertoire::named(charset, otherwise);
        let mut query = Query::new(level);
        charset.clone_into(&mut query.charset);
        for (tag, element) in set.elements() {
            let about = [tags::SPECIFIC_CHARACTER_SET, tags::QUERY_RETRIEVE_LEVEL];
            if about.contains(tag) || tag.element() == 0 {
                continue;
            }
            let text = match element.value {
                Value::Bytes(_) => repertoire.decode(set.bytes(*tag)),
                // A sequence with nothing in it asks for whatever is there.
                Value::Items(items) if items.len() <= EMPTY_ITEM_BYTES => Some(String::new()),
                Value::Items(_) | Value::Fragments(_) => None,
            };
            let text = text.ok_or(Fault::Value(*tag))?;
            query.ask((*tag, element.vr), text.trim_matches([' ', '\0']))?;
        }
        if operation != Operation::Find || level > Level::Study {
            query.names_what_is_above(operation)?;
        }
        if operation != Operation::Find {
            query.is_by_unique_keys()?;
        }
        Ok(query)
    }

    /// Adds an attribute: it is to be in the answer and, unless `text` is empty or `*`, to match.
    ///
    /// # Errors
    /// [`Fault`] if it cannot be matched.
    pub fn ask(&mut self, (tag, vr): (Tag, VR), text: &str) -> Result<(), Fault> {
        self.returns((tag, vr));
        // At the level of studies a modality means any in the study.
        let (matched, level) = match (tag, self.level) {
            (tags::MODALITY, Level::Patient | Level::Study) => {
                (tags::MODALITIES_IN_STUDY, Some(Level::Study))
            }
            (tag, _) => (tag, level_of(tag)),
        };
        if text.is_empty() || text.chars().all(|letter| letter == '*') {
            return Ok(());
        }
        let level = level.filter(|level| *level <= self.level);
        let level = level.ok_or(Fault::Unmatched(tag))?;
        let wanted = Wanted::of(known(matched), text).ok_or(Fault::Value(tag))?;
        if matches!(&wanted, Wanted::Uids(uids) if uids.len() > UIDS_MAX) {
            return Err(Fault::TooMany(tag));
        }
        self.keys.push(Key {
            tag: matched,
            level,
            text: text.to_owned(),
            wanted,
        });
        Ok(())
    }

    /// Adds an attribute to the answer.
    pub fn returns(&mut self, (tag, vr): (Tag, VR)) {
        if let Err(place) = self.returned.binary_search_by_key(&tag, |(tag, _)| *tag) {
            self.returned.insert(place, (tag, vr));
        }
    }

    /// The values of a unique key; none: it may be any.
    pub fn uids(&self, tag: Tag) -> &[String] {
        match self.key(tag).map(|key| &key.wanted) {
            Some(Wanted::Uids(uids)) => uids,
            _ => &[],
        }
    }

    /// The one value that an attribute must have.
    pub fn single(&self, tag: Tag) -> Option<&str> {
        let key = self.key(tag)?;
        match &key.wanted {
            Wanted::Single(_) => Some(&key.text),
            Wanted::Uids(uids) if uids.len() == 1 => uids.first().map(String::as_str),
            _ => None,
        }
    }

    /// The first and the last date that an attribute may have, `YYYYMMDD`; empty: any.
    pub fn dates(&self, tag: Tag) -> Option<(&str, &str)> {
        match &self.key(tag)?.wanted {
            Wanted::Range(from, to) => Some((from, to)),
            _ => None,
        }
    }

    /// Whether the keys of these levels match; others are not looked at.
    pub fn matches(&self, levels: std::ops::RangeInclusive<Level>, found: &Attributes) -> bool {
        let mut keys = self.keys.iter().filter(|key| levels.contains(&key.level));
        keys.all(|key| {
            found
                .get(key.tag)
                .is_some_and(|value| key.wanted.fits(value))
        })
    }

    /// Whether a value is what is asked of an attribute; if nothing is asked of it, any is.
    pub(super) fn takes(&self, tag: Tag, value: &str) -> bool {
        let mut keys = self.keys.iter().filter(|key| key.tag == tag);
        keys.all(|key| key.wanted.fits(value))
    }

    /// What is asked, in one line, for the record.
    pub fn text(&self) -> String {
        let mut out = self.level.name().to_owned();
        for key in &self.keys {
            let _ = write!(out, " {}={}", keyword(key.tag), key.text);
        }
        out
    }

    fn key(&self, tag: Tag) -> Option<&Key> {
        self.keys.iter().find(|key| key.tag == tag)
    }

    /// Whether all that a retrieval asks are unique keys; with a Patient ID its issuer.
    fn is_by_unique_keys(&self) -> Result<(), Fault> {
        let uids = [
            tags::STUDY_INSTANCE_UID,
            tags::SERIES_INSTANCE_UID,
            tags::SOP_INSTANCE_UID,
        ];
        for key in &self.keys {
            let tag = key.tag;
            let is_of_patient = [tags::PATIENT_ID, tags::ISSUER_OF_PATIENT_ID].contains(&tag);
            match (is_of_patient, uids.contains(&tag)) {
                (true, _) if self.single(tag).is_none() => return Err(Fault::Unique(tag)),
                (false, false) => return Err(Fault::NotUnique(tag)),
                _ => {}
            }
        }
        Ok(())
    }

    /// Unique keys of the levels above, and of a retrieval of its own level: one value above, one or more
    /// at the level itself. That a patient must be named above a study is not asked: a study has one.
    fn names_what_is_above(&self, operation: Operation) -> Result<(), Fault> {
        let unique = [
            (Level::Patient, tags::PATIENT_ID),
            (Level::Study, tags::STUDY_INSTANCE_UID),
            (Level::Series, tags::SERIES_INSTANCE_UID),
            (Level::Image, tags::SOP_INSTANCE_UID),
        ];
        for (level, tag) in unique {
            let own = level == self.level;
            let wanted = match own {
                true => operation != Operation::Find,
                false => level < self.level && level != Level::Patient,
            };
            let named = match (own, level) {
                (true, Level::Study | Level::Series | Level::Image) => !self.uids(tag).is_empty(),
                _ => self.single(tag).is_some(),
            };
            if wanted && !named {
                return Err(Fault::Unique(tag));
            }
        }
        Ok(())
    }
}

/// An item without elements, with its delimiters.
const EMPTY_ITEM_BYTES: usize = 24;

fn level_of(tag: Tag) -> Option<Level> {
    let found = MATCHED.iter().find(|(matched, _)| *matched == tag);
    found.map(|(_, level)| *level)
}

/// The attribute with that keyword (PS3.6), or with that tag in eight hex digits, and its value
/// representation.
pub fn attribute(name: &str) -> Option<(Tag, VR)> {
    use dicom_core::dictionary::{DataDictionary as _, DataDictionaryEntry as _};
    let hex = name.len() == 8 && name.bytes().all(|digit| digit.is_ascii_hexdigit());
    let tag = match hex {
        true => {
            let number = u32::from_str_radix(name, 16).ok()?;
            Tag(
                u16::try_from(number >> 16).ok()?,
                u16::try_from(number & 0xFFFF).ok()?,
            )
        }
        false => dicom_dictionary_std::StandardDataDictionary
            .by_name(name)?
            .tag(),
    };
    Some((tag, known(tag)))
}

/// The keyword of an attribute (PS3.6), or its tag.
fn keyword(tag: Tag) -> String {
    use dicom_core::dictionary::{DataDictionary as _, DataDictionaryEntry as _};
    let entry = dicom_dictionary_std::StandardDataDictionary.by_tag(tag);
    entry.map_or_else(|| tag.to_string(), |entry| entry.alias().to_owned())
}

#[cfg(test)]
mod tests;
