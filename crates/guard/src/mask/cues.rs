//! Words that say that a name comes: labels, `called`, `signed by`, `patients like`.

use std::ops::Range;

use regex::Regex;

use super::MaskError;
use super::lexicon::List;
use super::names::Names;
use super::terms::{Cue, is_credential};
use super::words::Shape;

/// What needs to be compiled once.
#[derive(Debug)]
pub(crate) struct Cues {
    /// A label whose value is a person.
    label: Regex,
    /// Words after which a capital letter begins a name.
    called: Regex,
    /// Words after which a name known as a given name is one.
    perhaps: Regex,
}

impl Cues {
    pub(crate) fn new() -> Result<Cues, MaskError> {
        let compile = |pattern: &str| {
            Regex::new(&pattern.replace("{B}", r"(?-u:\b)")).map_err(MaskError::pattern)
        };
        Ok(Cues {
            label: compile(LABEL)?,
            called: compile(CALLED)?,
            perhaps: compile(PERHAPS)?,
        })
    }
}

const LABEL: &str = r"(?i){B}(?:(?:patient|pt|client|full|first|last|given|family|middle|maiden|birth|sur|legal|preferred|member|subscriber|guarantor|insured|mother'?s|father'?s|spouse'?s)?[ ']*names?|patient|pt|client|attending(?: physician| surgeon| provider| md)?|(?:referring|primary(?: care)?|consulting|ordering|admitting|treating|family|requesting|supervising|responsible|operating)?[ ]?(?:physician|provider|doctor|clinician|practitioner|surgeon|dentist|radiologist|pathologist|cardiologist|oncologist|anesthesiologist|anesthetist|nurse|therapist|psychiatrist|psychologist|resident|midwife)s?|(?:first |second |co-?|surgical )?assistants?(?: surgeons?)?|pcp|gp|author|consultants?|technologist|technician|case manager|social worker|informant|historian|recipient|sender|interpreter|(?:dictated|transcribed|typed|signed|reviewed|verified|reported|interpreted|read|seen|performed|ordered|requested|prepared|authenticated|approved|electronically signed|e-?signed|entered|recorded|completed|documented|attested|cosigned|co-signed|validated|scribed|administered|witnessed|collected|examined|evaluated|referred)(?: electronically)? by|signature|signed|scribe|witness|(?:emergency |primary )?contacts?(?: person)?|next of kin|nok|guardian|mother|father|spouse|husband|wife|partner|son|daughter|relative|caregiver|employer|cc|to|from|re|attn|attention|nombre|apellidos|medico|doctora?|remitido por|responsable|firmado(?: por)?|paciente|nom|prenom|vorname|nachname|arzt|patientin)[ ]?(?:\([^)\n]{1,20}\))?[ ]*[:=][ ,]*";
const CALLED: &str = r"(?i){B}(?:named|called|(?:name|nickname) (?:is|was)|goes by|known as|nicknamed|addressed as|answers to|identified as|introduced (?:her|him)self as|signed by|dictated by|i am|my name's|spoke (?:with|to)|accompanied by|discussed with|on behalf of|attn:?|dear|sincerely,?|regards,?)[ \n]+";
const PERHAPS: &str = r"(?i){B}(?:patients?,?|pt,?|like|cases? of|to|by|with|from|for|of|and|per|hi|hello|hey|thanks,?|thank you,?|regarding|re|about|see|ask|call|tell|contact|email|notes? of|client|resident|colleague|signed,?|that|saw|seen)[ ]+";

impl Names<'_> {
    /// Names behind words that announce one.
    pub(crate) fn cued(&mut self, cues: &Cues) {
        self.labelled(&cues.label);
        self.called(&cues.called);
        self.perhaps(&cues.perhaps);
    }

    /// `Patient Name: Murphy, Carmen J`, `Attending: Jane Early`.
    fn labelled(&mut self, label: &Regex) {
        for found in label.find_iter(self.text.source()) {
            let first = self.text.after(found.end());
            let starts = self.text.word(first).map(|word| word.range.start);
            let first = match starts {
                Some(start) if start == found.end() => first,
                _ => continue,
            };
            let name = found.as_str().to_lowercase().contains("name")
                || ["nombre", "apellidos", "nom", "vorname", "nachname"]
                    .iter()
                    .any(|label| found.as_str().to_lowercase().starts_with(label));
            self.field(first, if name { Cue::Strong } else { Cue::Weak });
        }
    }

    /// The value of a field that holds a name; a strong cue: nothing else can stand there.
    fn field(&mut self, first: usize, cue: Cue) {
        let sure = cue == Cue::Strong;
        let mut first = first;
        while self.is_a_title(first) {
            first += 1;
        }
        let small = self.text.small(first);
        let listed = self.lexicon.on(List::Firsts, small) || self.lexicon.on(List::Surnames, small);
        let word = self.lexicon.is_word(small);
        let last = self.sequence(first);
        let several = last > first
            || (self.text.gap(last) == ", "
                && self.capital(last + 1)
                && self.lexicon.on(List::Firsts, self.text.small(last + 1)));
        let fits = self.capital(first)
            && match word {
                true => listed && (several || sure) && !self.lexicon.is_medical(small),
                false => self.text.written(first).len() > 1 || several,
            };
        let plain = sure && self.text.shape(first) == Some(Shape::Lower) && listed && !word;
        if !fits && !plain {
            return;
        }
        self.keep(first, last);
        // `LAST, FIRST M`
        let next = last + 1;
        let alike = self.text.shape(next) == self.text.shape(first);
        let comes = matches!(self.text.gap(last), ", " | ",") && self.capital(next);
        if comes
            && self.could_be_name(next)
            && (sure
                || self.given_follows(last)
                || self.signs(next)
                || (alike && !self.lexicon.is_word(self.text.small(next))))
        {
            self.keep(next, self.sequence(next));
        }
    }

    /// `prefers to be called Mike`, `a patient named May`.
    fn called(&mut self, called: &Regex) {
        for found in called.find_iter(self.text.source()) {
            let Some(first) = self.at(found.range()) else {
                continue;
            };
            let small = self.text.small(first);
            let known = self.lexicon.on(List::Firsts, small) || !self.lexicon.is_word(small);
            let plain = self.text.shape(first) == Some(Shape::Capital)
                && self.text.written(first).len() > 1;
            if found.as_str().trim_end().to_lowercase().ends_with(" by") {
                self.field(first, Cue::Weak);
                continue;
            }
            if plain && known && !self.lexicon.on(List::Titles, small) && !self.is_thing(first) {
                self.keep(first, self.sequence(first));
            }
        }
    }

    /// `Green, Karen`
    fn given_follows(&self, family: usize) -> bool {
        let next = family + 1;
        self.text.gap(family) == ", "
            && self.lexicon.on(List::Firsts, self.text.small(next))
            && self.text.shape(next) == Some(Shape::Capital)
    }

    /// Letters behind the name: `Ahmed MD`.
    fn signs(&self, given: usize) -> bool {
        is_credential(self.text.written(given + 1))
    }

    fn at(&self, found: Range<usize>) -> Option<usize> {
        let first = self.text.after(found.end);
        let word = self.text.word(first)?;
        (word.range.start == found.end).then_some(first)
    }

    /// `patients like Anna`, `notes of Sam`.
    fn perhaps(&mut self, perhaps: &Regex) {
        for found in perhaps.find_iter(self.text.source()) {
            let Some(first) = self.at(found.range()) else {
                continue;
            };
            let small = self.text.small(first);
            let plain = self.text.shape(first) == Some(Shape::Capital);
            let given = self.is_given(first) && !self.lexicon.on(List::Cities, small);
            let introduced = introduces(found.as_str()) && self.is_full_name(first);
            if plain && (given || introduced) && !self.is_thing(first) {
                self.keep(first, self.sequence(first));
            }
        }
    }

    /// Two words with capitals that nobody knows, or one with an initial: `Hiroshi Tanaka`.
    fn is_full_name(&self, first: usize) -> bool {
        let free = |at: usize| {
            let small = self.text.small(at);
            !self.lexicon.is_word(small) && !self.lexicon.on(List::Eponyms, small)
        };
        let next = first + 1;
        let follows = self.capital(next) && matches!(self.text.gap(first), " " | "-");
        let whole = self.text.written(first).len() > 1;
        whole && free(first) && follows && free(next)
    }
}

/// Words that introduce a person, not only something that one may have.
fn introduces(cue: &str) -> bool {
    let cue = cue.trim().trim_end_matches(',').to_lowercase();
    [
        "patient", "pt", "case of", "client", "resident", "notes of", "note of",
    ]
    .contains(&cue.as_str())
}
