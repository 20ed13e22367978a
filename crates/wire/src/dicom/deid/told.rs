//! What an object says of what was done to it (PS3.15 section E.1.1), and who stands for its patient.

use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;

use super::object::Elements;
use super::put::{self, Written};
use super::{Choice, Device, value};
use crate::dicom::recode::ITEM;
use crate::dicom::{Syntax, Writer};

const METHOD: &str = "DICOM PS3.15 basic profile, by Salus";

/// Writes the pseudonym and what was done.
pub(super) fn tell(choice: &Choice<'_>, patient: &str, written: &mut Elements<'_>) {
    let patient = (choice.patient)(patient);
    let dates = match choice.days {
        Some(_) => "MODIFIED",
        None => "REMOVED",
    };
    for (tag, vr, text) in [
        (tags::PATIENT_ID, VR::LO, patient.as_str()),
        (tags::PATIENT_NAME, VR::PN, &patient),
        (tags::PATIENT_IDENTITY_REMOVED, VR::CS, "YES"),
        (tags::DEIDENTIFICATION_METHOD, VR::LO, METHOD),
        (DATES, VR::CS, dates),
    ] {
        let text = value::even(text.as_bytes().to_vec(), b' ');
        written.insert(tag, Written::Bytes(vr, text.into()));
    }
    let items = codes(choice).flat_map(item).collect();
    written.insert(
        tags::DEIDENTIFICATION_METHOD_CODE_SEQUENCE,
        Written::Items(items),
    );
}

/// What became of dates: UNMODIFIED, MODIFIED or REMOVED.
const DATES: Tag = tags::LONGITUDINAL_TEMPORAL_INFORMATION_MODIFIED;

/// The profile and its options (PS3.16 CID 7050).
fn codes(choice: &Choice<'_>) -> impl Iterator<Item = (&'static str, &'static str)> {
    let all = [
        (true, "113100", "Basic Application Confidentiality Profile"),
        (
            choice.days.is_some(),
            "113107",
            "Retain Longitudinal Temporal Information Modified Dates Option",
        ),
        (
            choice.device == Device::Stays,
            "113109",
            "Retain Device Identity Option",
        ),
        (choice.uid.is_none(), "113110", "Retain UIDs Option"),
    ];
    let chosen = all.into_iter().filter(|(chosen, ..)| *chosen);
    chosen.map(|(_, code, words)| (code, words))
}

/// A code of DCM as an item.
fn item((code, words): (&str, &str)) -> Vec<u8> {
    let set = Writer::new(Syntax::EXPLICIT)
        .text(tags::CODE_VALUE, VR::SH, code)
        .text(tags::CODING_SCHEME_DESIGNATOR, VR::SH, "DCM")
        .text(tags::CODE_MEANING, VR::LO, words)
        .finish();
    let mut out = Vec::new();
    // A code is short: its length can be written.
    let _ = put::item(ITEM, &set, &mut out);
    out
}
