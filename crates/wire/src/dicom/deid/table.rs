//! What the Basic Application Level Confidentiality Profile does to which attribute (PS3.15 table E.1-1).

use std::collections::HashMap;
use std::sync::LazyLock;

use dicom_core::Tag;

const TEXT: &str = include_str!("../../../../../rules/dicom-deidentify.txt");

/// The table, read once.
pub(super) static TABLE: LazyLock<Table> = LazyLock::new(Table::read);

/// What becomes of an attribute. Of combined codes the one that keeps an object readable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// It is taken out (X).
    Remove,
    /// It stays, without a value (Z).
    Empty,
    /// Its value becomes one that means nothing (D).
    Dummy,
    /// Its UIDs become others; what lies in a sequence is looked at (U).
    Uids,
}

/// What the table says of an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    /// By the basic profile; `None`: it does not name it.
    pub(super) action: Option<Action>,
    /// With modified dates, a date in it moves and a time stays.
    pub(super) dates: bool,
    /// With device identity, it stays.
    pub(super) device: bool,
}

/// Attributes, by tag.
#[derive(Debug, Clone)]
pub(super) struct Table(HashMap<Tag, Entry>);

impl Table {
    /// Of an attribute that it does not name: nothing is done, and a date in it moves as others do.
    pub(super) fn entry(&self, tag: Tag) -> Entry {
        let unnamed = Entry {
            action: None,
            dates: true,
            device: false,
        };
        self.0.get(&tag).copied().unwrap_or(unnamed)
    }

    fn read() -> Table {
        let mut entries = HashMap::new();
        for line in TEXT.lines().filter(|line| !line.starts_with('#')) {
            let mut words = line.split(' ');
            let code = words.next().unwrap_or_default();
            for tag in words.filter_map(tag) {
                let entry = entries.entry(tag).or_insert(Entry {
                    action: None,
                    dates: false,
                    device: false,
                });
                match code {
                    "dates" => entry.dates = true,
                    "device" => entry.device = true,
                    _ => entry.action = action(code),
                }
            }
        }
        Table(entries)
    }
}

/// Group and element, four hexadecimal digits each.
fn tag(word: &str) -> Option<Tag> {
    let (group, element) = word.split_at_checked(4)?;
    let number = |text| u16::from_str_radix(text, 16).ok();
    Some(Tag(number(group)?, number(element)?))
}

fn action(code: &str) -> Option<Action> {
    match code {
        "X" => Some(Action::Remove),
        "Z" | "X/Z" => Some(Action::Empty),
        "D" | "Z/D" | "X/D" | "X/Z/D" => Some(Action::Dummy),
        "U" | "X/Z/U*" => Some(Action::Uids),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use dicom_dictionary_std::tags;

    use super::*;

    #[test]
    fn the_table_is_whole() {
        let acted = TABLE.0.values().filter(|entry| entry.action.is_some());
        assert_eq!(
            acted.count(),
            TABLE.0.len(),
            "an option reaches what the profile names"
        );
        assert_eq!(TABLE.0.len(), COUNT);
        for (tag, action) in [
            (tags::ACCESSION_NUMBER, Action::Empty),
            (tags::INSTITUTION_NAME, Action::Dummy),
            (tags::PATIENT_ADDRESS, Action::Remove),
            (tags::SOP_INSTANCE_UID, Action::Uids),
            (tags::REFERENCED_IMAGE_SEQUENCE, Action::Uids),
        ] {
            assert_eq!(TABLE.entry(tag).action, Some(action), "{tag}");
        }
        assert_eq!(TABLE.entry(tags::MODALITY).action, None);
        assert!(
            TABLE.entry(tags::STUDY_DATE).dates && !TABLE.entry(tags::PATIENT_BIRTH_DATE).dates
        );
        assert!(TABLE.entry(tags::DEVICE_SERIAL_NUMBER).device);
        assert!(!TABLE.entry(tags::PATIENT_ID).device);
    }

    /// Attributes of the table, repeating groups left out.
    const COUNT: usize = 652;
}
