//! Words that say who somebody is, as the object itself has them: a text that stays must hold none.

use std::collections::BTreeSet;

use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;
use memchr::memmem;

use super::NotClean;

/// The shortest word that is looked for.
const LETTERS_MIN: usize = 3;
/// The shortest that is looked for within other words.
const WITHIN_MIN: usize = 5;
/// The shortest that is looked for in bytes that are no text, where chance makes words.
const BYTES_MIN: usize = 6;
/// Words at most: each is looked for in each text.
const WORDS_MAX: usize = 512;
/// Attributes whose words are looked for, beside every name of a person.
const NAMING: [Tag; 8] = [
    tags::PATIENT_ID,
    // Other Patient IDs, retired.
    Tag(0x0010, 0x1000),
    tags::PATIENT_ADDRESS,
    tags::PATIENT_TELEPHONE_NUMBERS,
    tags::ACCESSION_NUMBER,
    tags::STUDY_ID,
    tags::INSTITUTION_NAME,
    tags::PATIENT_BIRTH_DATE,
];

/// Words, in small letters.
#[derive(Debug, Clone, Default)]
pub(super) struct Known {
    words: BTreeSet<Vec<u8>>,
    /// Those of names and numbers of people, as they are looked for in bytes.
    people: BTreeSet<Vec<u8>>,
}

impl Known {
    /// Takes the words of a value, if they say who somebody is.
    pub(super) fn learn(&mut self, (tag, vr): (Tag, VR), value: &[u8]) -> Result<(), NotClean> {
        if vr != VR::PN && !NAMING.contains(&tag) {
            return Ok(());
        }
        for word in words(value).filter(|word| word.len() >= LETTERS_MIN) {
            let person = vr == VR::PN || tag == tags::PATIENT_ID;
            if person && word.len() >= BYTES_MIN {
                self.people.insert(word.to_vec());
                self.people.insert(word.to_ascii_uppercase());
                self.people.insert(word.to_ascii_lowercase());
            }
            self.words.insert(word.to_ascii_lowercase());
            if self.words.len() > WORDS_MAX {
                return Err(NotClean::People { max: WORDS_MAX });
            }
        }
        Ok(())
    }

    /// Whether a text has one of them.
    pub(super) fn is_in(&self, value: &[u8]) -> bool {
        let small = value.to_ascii_lowercase();
        let within = |word: &&Vec<u8>| word.len() >= WITHIN_MIN;
        words(&small).any(|word| self.words.contains(word))
            || self
                .words
                .iter()
                .filter(within)
                .any(|word| memmem::find(&small, word).is_some())
    }

    /// Whether bytes that are no text have the name or number of a person.
    pub(super) fn is_within(&self, bytes: &[u8]) -> bool {
        let mut people = self.people.iter();
        people.any(|word| memmem::find(bytes, word).is_some())
    }
}

/// Letters and digits that follow each other; letters of other alphabets are bytes beyond ASCII.
fn words(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let parts = value.split(|byte| !byte.is_ascii_alphanumeric() && byte.is_ascii());
    parts.filter(|part| !part.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_text_and_in_bytes() {
        let mut known = Known::default();
        let name = (tags::PATIENT_NAME, VR::PN);
        known
            .learn(name, "Müller^Annemarie^^Dr ".as_bytes())
            .unwrap();
        known
            .learn((tags::STUDY_DESCRIPTION, VR::LO), b"Thorax")
            .unwrap();
        assert!(known.is_in(b"seen by annemarie"));
        assert!(known.is_in(b"ANNEMARIES_SCAN"));
        assert!(
            !known.is_in(b"Dr Thorax"),
            "what is short or names nobody is no word"
        );
        assert!(known.is_within(b"\xff\xfe\0Comment: ANNEMARIE\0"));
        assert!(!known.is_within(b"\xff\xfeanna"));
    }

    #[test]
    fn more_names_than_can_be_looked_for_are_too_many() {
        let mut known = Known::default();
        let many: Vec<u8> = (0..WORDS_MAX)
            .flat_map(|n| format!("w{n:05}^").into_bytes())
            .collect();
        known.learn((tags::PATIENT_NAME, VR::PN), &many).unwrap();
        let more = known.learn((tags::PATIENT_NAME, VR::PN), b"another");
        assert_eq!(more, Err(NotClean::People { max: WORDS_MAX }));
    }
}
