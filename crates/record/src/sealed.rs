use std::sync::Arc;

use aws_lc_rs::hmac;
use event::{Event, Time};
use guard::{Ask, Decision, Element, Obligation};

use crate::Error;

/// An event with its place in the record. Only the record makes one.
#[derive(Debug, Clone)]
pub struct Sealed {
    pub(crate) index: u64,
    pub(crate) at: Time,
    pub(crate) stream: [u8; 16],
    pub(crate) event: Arc<Event>,
}

impl Sealed {
    /// Its index in the record, from 0; also the version id of a resource that it wrote.
    pub const fn index(&self) -> u64 {
        self.index
    }

    /// When it was sealed. Never earlier than the event before it.
    pub const fn at(&self) -> Time {
        self.at
    }

    /// What was sealed.
    pub fn event(&self) -> &Event {
        &self.event
    }

    /// The random name of the key it is encrypted under; one a patient.
    pub const fn stream(&self) -> [u8; 16] {
        self.stream
    }
}

/// What the sender gets, after the commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// The index in the record; for a repeated delivery, that of the first one.
    pub index: u64,
    /// When it was sealed.
    pub at: Time,
    /// The same sender delivered the same message id with the same content before.
    pub repeated: bool,
    /// The same sender used the same message id for other content before: flagged, but sealed.
    pub reused: bool,
}

/// Leave to look at what one sealed decision allowed. Made by the record alone, used once.
#[derive(Debug)]
pub struct Permit {
    pub(crate) index: u64,
    pub(crate) ask: Ask,
    pub(crate) hides: Vec<Element>,
    pub(crate) masks: Vec<String>,
    pub(crate) because: Vec<String>,
}

impl Permit {
    /// INVARIANT: called with a decision that allows, after it was sealed.
    pub(crate) fn of(index: u64, decision: &Decision) -> Permit {
        let masks = decision.obligations().iter().flat_map(|one| match one {
            Obligation::Mask(labels) => labels.as_slice(),
            Obligation::Hide(_) | Obligation::StepUp | Obligation::Notify(_) => &[],
        });
        let hides = decision.obligations().iter().flat_map(|one| match one {
            Obligation::Hide(elements) => elements.as_slice(),
            Obligation::Mask(_) | Obligation::StepUp | Obligation::Notify(_) => &[],
        });
        Permit {
            index,
            ask: decision.ask().clone(),
            hides: hides.cloned().collect(),
            masks: masks.cloned().collect(),
            because: decision.because().to_vec(),
        }
    }

    /// The elements that it shows of nothing. Whoever reads for it takes them out.
    pub fn hides(&self) -> &[Element] {
        &self.hides
    }

    /// The security labels of what it does not show. Whoever reads for it leaves that out.
    pub fn masks(&self) -> &[String] {
        &self.masks
    }

    /// The index of the sealed decision.
    pub const fn index(&self) -> u64 {
        self.index
    }

    /// What was asked and allowed: act, subject and types.
    pub const fn ask(&self) -> &Ask {
        &self.ask
    }

    /// The policies that allowed it, by id.
    pub fn because(&self) -> &[String] {
        &self.because
    }
}

/// What became of an ask once its decision was sealed.
#[derive(Debug)]
pub enum Witnessed {
    /// Allowed.
    Allowed(Permit),
    /// Refused, sealed at this index, with its reasons.
    Refused(u64, Decision),
}

/// Makes stable ids from identifiers without letting anyone turn them back without the key.
#[derive(Clone)]
pub struct Blind(pub(crate) Arc<hmac::Key>);

impl Blind {
    /// A FHIR id (26 characters of `a-z2-7`) for an identifier: 128 bits of
    /// HMAC-SHA-256 over type, system and value. The same identifier gives the same id for ever.
    pub fn id(&self, kind: &str, system: &str, value: &str) -> String {
        self.tagged(&[kind, system, value])
    }

    /// By what views find a patient who was erased: as opaque as an id.
    pub fn mark(&self, patient: &str) -> String {
        self.tagged(&["erased", patient])
    }

    /// A key of 256 bits for `purpose` that is nowhere on disk: made from what the root key opens,
    /// the same for ever, also after the root key was rotated.
    pub fn key(&self, purpose: &str) -> [u8; 32] {
        let mut key = [0; 32];
        let tag = self.signed(&["salus/key/v1", purpose]);
        key.iter_mut()
            .zip(tag.as_ref())
            .for_each(|(to, from)| *to = *from);
        key
    }

    /// By what a mark of a content is known as one that this record wrote for that event.
    pub(crate) fn tag_of_mark(&self, mark: &str, index: u64) -> String {
        self.tagged(&["salus", "content", mark, &index.to_string()])
    }

    fn tagged(&self, parts: &[&str]) -> String {
        let tag = self.signed(parts);
        base32(tag.as_ref().get(..16).unwrap_or_default())
    }

    fn signed(&self, parts: &[&str]) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&self.0);
        for part in parts {
            context.update(&(part.len() as u64).to_le_bytes());
            context.update(part.as_bytes());
        }
        context.sign()
    }
}

fn base32(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let mut out = String::with_capacity(26);
    let (mut buffer, mut bits) = (0_u32, 0_u32);
    for &byte in bytes {
        buffer = (buffer << 8) | u32::from(byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            push_letter(&mut out, LETTERS, buffer >> bits);
        }
    }
    push_letter(&mut out, LETTERS, buffer << (5 - bits));
    out
}

fn push_letter(out: &mut String, letters: &[u8; 32], value: u32) {
    if let Some(&letter) = letters.get((value & 31) as usize) {
        out.push(char::from(letter));
    }
}

/// So that `?` works on what a reader returns.
pub(crate) type Outcome<T> = Result<T, Error>;
