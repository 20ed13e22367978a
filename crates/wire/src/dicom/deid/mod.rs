//! De-identification (PS3.15 annex E, Basic Application Level Confidentiality Profile): what an object
//! says of itself without who it is of. Pure; who calls brings what stands for what identifies.

mod known;
mod object;
mod pixels;
mod put;
mod table;
mod told;
mod value;

use dicom_dictionary_std::tags;
use thiserror::Error;

use super::{DataSet, Limits, Refusal, Syntax, file, part10, recode, scan};
use object::Object;

/// What the bytes of a file grow by at most, roughly, while its values are written again.
const GROWTH_BYTES: usize = 16 << 10;
/// Encapsulated documents (PS3.4 table B.5-1): pages, models, whatever a program wrote.
const DOCUMENTS: &str = "1.2.840.10008.5.1.4.1.1.104.";

/// What stands for what identifies, and what may stay.
#[derive(Clone, Copy)]
pub struct Choice<'c> {
    /// Another UID for a UID, always the same; `None`: UIDs stay (option Retain UIDs).
    pub uid: Option<&'c dyn Fn(&str) -> String>,
    /// A number for a patient, by what tells them from others: `id:` with their number, else `study:`
    /// with the UID of the study.
    pub patient: &'c dyn Fn(&str) -> String,
    /// By how many days the dates of a patient move (option Retain Longitudinal Temporal Information
    /// with Modified Dates); `None`: they go.
    pub days: Option<&'c dyn Fn(&str) -> i32>,
    /// Whether it says which device made it.
    pub device: Device,
    /// Whether somebody looked at the pixels.
    pub pixels: Pixels,
}

/// What becomes of the names and numbers of devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Device {
    /// They go.
    Gone,
    /// They stay (option Retain Device Identity).
    Stays,
}

/// Whether somebody looked at the pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pixels {
    /// A person looked: no text in them names anybody.
    LookedAt,
    /// Nobody did.
    Unseen,
}

/// An object without who it is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clean {
    /// The file (PS3.10): explicit little endian, or compressed as it was.
    pub file: Vec<u8>,
    /// Its SOP Instance UID now.
    pub instance: String,
    /// What was done.
    pub done: Done,
    /// What a person should know, in words.
    pub warnings: Vec<&'static str>,
}

/// How many elements something was done to, at every depth.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Done {
    /// The table takes them out.
    pub removed: usize,
    /// Only their makers understand them (private).
    pub private: usize,
    /// No dictionary has them, or they are not of the kind that it has.
    pub unknown: usize,
    /// They stay without a value, or with one that means nothing.
    pub blanked: usize,
    /// They held a word that says who it is of, and have no value now.
    pub named: usize,
    /// They have other UIDs.
    pub uids: usize,
    /// Dates that moved.
    pub moved: usize,
}

/// Why an object is not given out.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NotClean {
    /// It cannot be read.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Its pixels may say who it is of.
    #[error("its pixels may say who it is of: {0}")]
    Pixels(&'static str),
    /// It is a document, into which nobody can look here.
    #[error("it is a document, and what stands in documents is not looked into")]
    Document,
    /// A name or number of the patient stands in bytes that are not text.
    #[error("{0} has the name or number of a person as text within its bytes")]
    Within(dicom_core::Tag),
    /// It names more people than are looked for.
    #[error("it names more people than can be looked for ({max} words)")]
    People {
        /// The limit.
        max: usize,
    },
}

/// The file of an object (PS3.10) without who it is of. The same file and the same choice always give the
/// same bytes. The preamble is blank, the file meta information new; pixel data stays as it is.
///
/// # Errors
/// [`NotClean`]; nothing of the object is given then.
pub fn deidentify(bytes: &[u8], choice: &Choice<'_>, limits: &Limits) -> Result<Clean, NotClean> {
    let part = part10(bytes)?;
    let uid = match part.syntax.encapsulated {
        true => part.syntax_uid,
        false => Syntax::EXPLICIT_UID,
    };
    let syntax = Syntax::named(uid).unwrap_or(Syntax::EXPLICIT);
    let data = bytes.get(part.data_at..).unwrap_or_default();
    let data = recode(data, (part.syntax_uid, uid), limits)?;
    let set = scan(&data, syntax, limits)?;
    may_leave(&set, choice.pixels)?;
    let (written, object) = Object::clean(&set, (choice, syntax, limits))?;
    let left = |tag| match put::uid(&written, tag) {
        uid if uid.is_empty() => Err(Refusal::Missing(tag)),
        uid => Ok(uid),
    };
    // They came, and went with what is not of its kind.
    let (class, instance) = (left(tags::SOP_CLASS_UID)?, left(tags::SOP_INSTANCE_UID)?);
    let mut out = file(&class, &instance, uid, "SALUS");
    out.reserve(data.len() + GROWTH_BYTES);
    put::write(&written, &mut out)?;
    Ok(Clean {
        file: out,
        instance,
        done: object.done,
        warnings: pixels::warnings(&set, object.emptied_content),
    })
}

fn may_leave(set: &DataSet<'_>, pixels: Pixels) -> Result<(), NotClean> {
    for tag in [tags::SOP_CLASS_UID, tags::SOP_INSTANCE_UID] {
        if set.ascii(tag).is_empty() {
            return Err(Refusal::Missing(tag).into());
        }
    }
    if set.ascii(tags::SOP_CLASS_UID).starts_with(DOCUMENTS) {
        return Err(NotClean::Document);
    }
    match pixels::may_name(set) {
        Some(why) if pixels == Pixels::Unseen => Err(NotClean::Pixels(why)),
        _ => Ok(()),
    }
}
