//! What a data set says of itself: patient, study, series, instance (PS3.3 section C.7).

use dicom_core::Tag;
use dicom_dictionary_std::tags;
use serde::{Deserialize, Serialize};

use super::{DataSet, Refusal, Repertoire};

/// Bytes of a UID at most (PS3.5 section 9.1).
const UID_BYTES_MAX: usize = 64;

/// The fields Salus uses; an empty text: the data set does not say.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Header {
    /// SOP Class UID.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub class: String,
    /// SOP Instance UID.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub instance: String,
    /// Study Instance UID.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub study: String,
    /// Series Instance UID.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub series: String,
    /// Patient ID.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub patient_id: String,
    /// Issuer of Patient ID.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub issuer: String,
    /// Patient's Name, as PN: component groups by `=`, components by `^`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub patient_name: String,
    /// Patient's Birth Date, `YYYYMMDD`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub birth_date: String,
    /// Patient's Sex: `M`, `F`, `O`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub sex: String,
    /// Study Date, `YYYYMMDD`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub study_date: String,
    /// Study Time, `HHMMSS.FFFFFF`, cut where it was not known further.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub study_time: String,
    /// Timezone Offset From UTC, `+HHMM`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub offset: String,
    /// Study ID.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub study_id: String,
    /// Accession Number.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub accession: String,
    /// Study Description.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub study_description: String,
    /// Referring Physician's Name, as PN.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub referring: String,
    /// Modality.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub modality: String,
    /// Series Number.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub series_number: String,
    /// Series Description.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub series_description: String,
    /// Body Part Examined.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub body_part: String,
    /// Laterality: `R`, `L`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub laterality: String,
    /// Instance Number.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub instance_number: String,
    /// Number of Frames; `None`: it is no picture of several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frames: Option<u32>,
    /// Rows and Columns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<(u32, u32)>,
    /// Burned In Annotation: `YES`, `NO`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub burned_in: String,
    /// What could not be read, in words.
    #[serde(skip)]
    pub complaints: Vec<String>,
}

impl Header {
    /// Reads it. `otherwise` is how text is read that names no character set.
    ///
    /// # Errors
    /// [`Refusal::Missing`] if it does not say which instance of which class, series and study it
    /// is.
    pub fn of(set: &DataSet<'_>, otherwise: &Repertoire) -> Result<Header, Refusal> {
        let named = short(set.ascii(tags::SPECIFIC_CHARACTER_SET));
        let repertoire = Repertoire::named(named, otherwise);
        let mut complaints = set.complaints().to_vec();
        if repertoire.is_unknown() {
            complaints.push(format!("the character set `{named}` is not known"));
        }
        let identity = |tag: Tag| {
            repertoire
                .decode(set.bytes(tag))
                .and_then(|text| identifier(&text))
        };
        let patient = identity(tags::PATIENT_ID).zip(identity(tags::ISSUER_OF_PATIENT_ID));
        if patient.is_none() {
            complaints.push("whose it is cannot be read: it is on nobody's chart".to_owned());
        }
        let (patient_id, issuer) = patient.unwrap_or_default();
        let mut text = |tag: Tag| match repertoire.decode(set.bytes(tag)) {
            Some(text) => printable(&text),
            None => {
                complaints.push(format!("the text of {tag} cannot be read as `{named}`"));
                String::new()
            }
        };
        let size = (set.number(tags::ROWS), set.number(tags::COLUMNS));
        Ok(Header {
            patient_id,
            issuer,
            patient_name: text(tags::PATIENT_NAME),
            study_id: text(tags::STUDY_ID),
            accession: text(tags::ACCESSION_NUMBER),
            study_description: text(tags::STUDY_DESCRIPTION),
            referring: text(tags::REFERRING_PHYSICIAN_NAME),
            series_description: text(tags::SERIES_DESCRIPTION),
            class: uid(set, tags::SOP_CLASS_UID)?,
            instance: uid(set, tags::SOP_INSTANCE_UID)?,
            study: uid(set, tags::STUDY_INSTANCE_UID)?,
            series: uid(set, tags::SERIES_INSTANCE_UID)?,
            birth_date: short(set.ascii(tags::PATIENT_BIRTH_DATE)).to_owned(),
            sex: short(set.ascii(tags::PATIENT_SEX)).to_owned(),
            study_date: short(set.ascii(tags::STUDY_DATE)).to_owned(),
            study_time: short(set.ascii(tags::STUDY_TIME)).to_owned(),
            offset: short(set.ascii(tags::TIMEZONE_OFFSET_FROM_UTC)).to_owned(),
            modality: short(set.ascii(tags::MODALITY)).to_owned(),
            series_number: short(set.ascii(tags::SERIES_NUMBER)).to_owned(),
            body_part: short(set.ascii(tags::BODY_PART_EXAMINED)).to_owned(),
            laterality: short(set.ascii(tags::LATERALITY)).to_owned(),
            instance_number: short(set.ascii(tags::INSTANCE_NUMBER)).to_owned(),
            burned_in: short(set.ascii(tags::BURNED_IN_ANNOTATION)).to_owned(),
            frames: set.number(tags::NUMBER_OF_FRAMES),
            size: size.0.zip(size.1),
            complaints,
        })
    }
}

/// A UID, if it is one: digits and dots, 64 at most.
fn uid(set: &DataSet<'_>, tag: Tag) -> Result<String, Refusal> {
    let uid = set.ascii(tag);
    let written = uid
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.');
    if uid.is_empty() || uid.len() > UID_BYTES_MAX || !written {
        return Err(Refusal::Missing(tag));
    }
    Ok(uid.to_owned())
}

/// The longest code, date or name of a character set that is kept, in bytes (PS3.5 table 6.2-1).
const CODE_BYTES_MAX: usize = 64;
/// The longest text that is kept, in characters: three groups of a name, 64 characters each.
const TEXT_CHARS_MAX: usize = 194;

/// No longer than it may be.
fn short(ascii: &str) -> &str {
    ascii.get(..CODE_BYTES_MAX).unwrap_or(ascii)
}

/// An identifier as it stands there; `None` if two readers could see two: it holds control characters or
/// several values, or is longer than an identifier may be.
fn identifier(text: &str) -> Option<String> {
    let text = text.trim_matches([' ', '\0']);
    let odd = text
        .chars()
        .any(|letter| letter.is_control() || letter == '\\');
    (!odd && text.chars().count() <= CODE_BYTES_MAX).then(|| text.to_owned())
}

/// Without control characters and padding, and no longer than it may be: what is shown is what is there.
fn printable(text: &str) -> String {
    let printable = text.chars().filter(|letter| !letter.is_control());
    let printable: String = printable.take(TEXT_CHARS_MAX).collect();
    printable.trim().to_owned()
}
