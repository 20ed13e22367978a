//! One object, element by element, at every depth.

use std::borrow::Cow;
use std::collections::BTreeMap;

use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;

use super::known::Known;
use super::put::{self, Written};
use super::table::{Action, Entry, TABLE};
use super::{Choice, Device, Done, NotClean, told, value};
use crate::dicom::recode::ITEM;
use crate::dicom::scan::known as representation;
use crate::dicom::{DataSet, Element, Limits, Refusal, Syntax, Value, items};

/// The elements of a data set as they are to be written.
pub(super) type Elements<'a> = BTreeMap<Tag, Written<'a>>;

/// What holds for a whole object, and what was done to it.
pub(super) struct Object<'o, 'c> {
    choice: &'o Choice<'c>,
    limits: &'o Limits,
    syntax: Syntax,
    days: Option<i32>,
    known: Known,
    /// Bytes by which values that were made are longer than what they stand for.
    grown: usize,
    /// What was done.
    pub(super) done: Done,
    /// The content of a report was taken out.
    pub(super) emptied_content: bool,
}

impl<'o, 'c> Object<'o, 'c> {
    /// The elements without who the object is of.
    pub(super) fn clean<'a>(
        set: &DataSet<'a>,
        (choice, syntax, limits): (&'o Choice<'c>, Syntax, &'o Limits),
    ) -> Result<(Elements<'a>, Object<'o, 'c>), NotClean> {
        let key = key(set);
        let mut object = Object {
            choice,
            limits,
            syntax,
            days: choice.days.map(|days| days(&key)),
            known: Known::default(),
            grown: 0,
            done: Done::default(),
            emptied_content: false,
        };
        object.learn(set)?;
        let mut written = object.set(set)?;
        told::tell(choice, &key, &mut written);
        Ok((written, object))
    }

    /// Learns who it is of, at every depth.
    fn learn(&mut self, set: &DataSet<'_>) -> Result<(), NotClean> {
        for (tag, element) in set.elements() {
            match element.value {
                Value::Bytes(bytes) => self.known.learn((*tag, element.vr), bytes)?,
                Value::Items(written) => {
                    for item in self.items(element, written)? {
                        self.learn(&item)?;
                    }
                }
                Value::Fragments(_) => {}
            }
        }
        Ok(())
    }

    fn items<'a>(
        &self,
        element: &Element<'_>,
        written: &'a [u8],
    ) -> Result<Vec<DataSet<'a>>, Refusal> {
        let syntax = Syntax {
            explicit: element.vr != VR::UN,
            ..self.syntax
        };
        items(written, syntax, self.limits)
    }

    fn set<'a>(&mut self, set: &DataSet<'a>) -> Result<Elements<'a>, NotClean> {
        let mut written = BTreeMap::new();
        for (tag, element) in set.elements() {
            if !self.goes((*tag, element.vr))
                && let Some(one) = self.element((*tag, element))?
            {
                written.insert(*tag, one);
            }
        }
        Ok(written)
    }

    /// What goes whatever the table says: what only its maker understands, what nobody does, curves,
    /// overlays, what is encrypted, lengths of groups.
    fn goes(&mut self, (tag, vr): (Tag, VR)) -> bool {
        let group = tag.group();
        let repeating = matches!(group & 0xff00, 0x5000 | 0x6000);
        let encrypted = group == 0x0400 && matches!(tag.element(), 0x0500..=0x0520);
        if group % 2 == 1 {
            self.done.private += 1;
        } else if repeating || encrypted {
            self.done.removed += 1;
        } else if tag.element() != 0 && !value::is_kind(vr, representation(tag)) {
            self.done.unknown += 1;
        } else {
            return tag.element() == 0;
        }
        true
    }

    fn element<'a>(
        &mut self,
        (tag, element): (Tag, &Element<'a>),
    ) -> Result<Option<Written<'a>>, NotClean> {
        match element.value {
            Value::Bytes(bytes) => {
                let value = self.bytes((tag, element.vr), bytes)?;
                Ok(value.map(|value| Written::Bytes(element.vr, value)))
            }
            Value::Items(written) => self.sequence((tag, element), written),
            Value::Fragments(fragments) if tag == tags::PIXEL_DATA => {
                self.look((tag, element.vr), fragments)?;
                Ok(Some(Written::Fragments(fragments)))
            }
            Value::Fragments(_) => {
                self.done.unknown += 1;
                Ok(None)
            }
        }
    }

    fn sequence<'a>(
        &mut self,
        (tag, element): (Tag, &Element<'a>),
        written: &'a [u8],
    ) -> Result<Option<Written<'a>>, NotClean> {
        let entry = TABLE.entry(tag);
        match entry.action {
            _ if self.device_stays(entry) => {}
            None | Some(Action::Uids) => {}
            Some(Action::Remove) => {
                self.done.removed += 1;
                return Ok(None);
            }
            Some(Action::Empty | Action::Dummy) => {
                self.emptied_content |= tag == tags::CONTENT_SEQUENCE && !written.is_empty();
                self.done.blanked += 1;
                return Ok(Some(Written::Items(Vec::new())));
            }
        }
        let mut all = Vec::new();
        for item in self.items(element, written)? {
            let mut one = Vec::new();
            put::write(&self.set(&item)?, &mut one)?;
            put::item(ITEM, &one, &mut all)?;
        }
        Ok(Some(Written::Items(all)))
    }

    fn bytes<'a>(
        &mut self,
        (tag, vr): (Tag, VR),
        bytes: &'a [u8],
    ) -> Result<Option<Cow<'a, [u8]>>, NotClean> {
        let entry = TABLE.entry(tag);
        if value::is_time(vr)
            && entry.dates
            && let Some(days) = self.days
        {
            self.done.moved += usize::from(vr != VR::TM);
            return Ok(Some(value::moved(vr, bytes, days).into()));
        }
        if self.device_stays(entry) && !value::is_time(vr) {
            return self.kept((tag, vr), bytes).map(Some);
        }
        Ok(match entry.action {
            Some(Action::Remove) => {
                self.done.removed += 1;
                None
            }
            Some(Action::Dummy) if vr != VR::UI => {
                self.done.blanked += 1;
                Some(self.grown(bytes, value::dummy(vr, bytes.len()))?)
            }
            Some(Action::Empty) => {
                self.done.blanked += 1;
                Some(Cow::Borrowed(&[]))
            }
            Some(Action::Uids | Action::Dummy) => Some(self.uids(bytes, value::WELL_KNOWN)?),
            None if vr == VR::UI => Some(self.uids(bytes, value::STANDARD)?),
            // What the table does not name, and says by its kind who somebody is, where or when.
            None if value::is_time(vr) || matches!(vr, VR::PN | VR::UR) => {
                self.done.blanked += 1;
                Some(Cow::Borrowed(&[]))
            }
            None => Some(self.kept((tag, vr), bytes)?),
        })
    }

    fn uids<'a>(&mut self, bytes: &'a [u8], stay: &str) -> Result<Cow<'a, [u8]>, NotClean> {
        Ok(match self.choice.uid {
            Some(other) => {
                self.done.uids += 1;
                let others = value::uids(bytes, (stay, other));
                self.grown(bytes, others)?
            }
            None if value::is_of(VR::UI, bytes) => Cow::Borrowed(bytes),
            None => {
                self.done.unknown += 1;
                Cow::Borrowed(&[])
            }
        })
    }

    /// Another value, unless all that were made are much longer than what they stand for: a list of
    /// short UIDs becomes twenty times as long.
    fn grown<'a>(&mut self, bytes: &[u8], value: Vec<u8>) -> Result<Cow<'a, [u8]>, NotClean> {
        let more = value.len().saturating_sub(bytes.len());
        self.grown = self.grown.saturating_add(more);
        let max = self.limits.inflated_bytes_max;
        match self.grown <= max {
            true => Ok(value.into()),
            false => Err(Refusal::Inflated { max }.into()),
        }
    }

    /// A value that stays, unless it names somebody or is none of its kind.
    fn kept<'a>(
        &mut self,
        (tag, vr): (Tag, VR),
        bytes: &'a [u8],
    ) -> Result<Cow<'a, [u8]>, NotClean> {
        if !value::is_of(vr, bytes) {
            self.done.unknown += 1;
            return Ok(Cow::Borrowed(&[]));
        }
        if value::is_text(vr) && self.known.is_in(bytes) {
            self.done.named += 1;
            return Ok(Cow::Borrowed(&[]));
        }
        self.look((tag, vr), bytes)?;
        Ok(Cow::Borrowed(bytes))
    }

    /// Bytes that stay and are no text must not have somebody's name within them.
    fn look(&self, (tag, vr): (Tag, VR), bytes: &[u8]) -> Result<(), NotClean> {
        match value::is_text(vr) || !self.known.is_within(bytes) {
            true => Ok(()),
            false => Err(NotClean::Within(tag)),
        }
    }

    fn device_stays(&self, entry: Entry) -> bool {
        entry.device && self.choice.device == Device::Stays
    }
}

/// What tells the patient from others: their number, whatever its letters are, or else the study.
fn key(set: &DataSet<'_>) -> String {
    let number: String = set
        .bytes(tags::PATIENT_ID)
        .trim_ascii()
        .iter()
        .map(|byte| char::from(*byte))
        .collect();
    match number.is_empty() {
        true => format!("study:{}", set.ascii(tags::STUDY_INSTANCE_UID)),
        false => format!("id:{number}"),
    }
}
