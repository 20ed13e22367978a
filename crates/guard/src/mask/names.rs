//! Names of people that nobody told us of: found by titles, letters behind the name, labels,
//! relations and given names.

use std::ops::Range;

use regex::Regex;

use super::MaskError;
use super::lexicon::{
    Lexicon, is_credential, is_eponym_head, is_particle, is_relation, is_title, month,
};
use super::span::{Kind, Span};
use super::words::{Shape, Text};

/// The most words of one name.
const NAME_WORDS_MAX: usize = 5;

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

const LABEL: &str = r"(?i){B}(?:(?:patient|pt|client|full|first|last|given|family|middle|maiden|birth|sur|legal|preferred|member|subscriber|guarantor|insured|mother'?s|father'?s|spouse'?s)?[ ']*names?|patient|pt|client|attending(?: physician| surgeon| provider| md)?|(?:referring|primary(?: care)?|consulting|ordering|admitting|treating|family|requesting|supervising|responsible|operating)?[ ]?(?:physician|provider|doctor|clinician|practitioner|surgeon|dentist|radiologist|pathologist|cardiologist|oncologist|anesthesiologist|anesthetist|nurse|therapist|psychiatrist|psychologist|resident|midwife)s?|(?:first |second |co-?|surgical )?assistants?(?: surgeons?)?|pcp|gp|author|(?:dictated|transcribed|typed|signed|reviewed|verified|reported|interpreted|read|seen|performed|ordered|requested|prepared|authenticated|approved|electronically signed|e-?signed|entered|recorded|completed|documented|attested|cosigned|co-signed|validated|scribed|administered|witnessed|collected|examined|evaluated|referred)(?: electronically)? by|signature|signed|scribe|witness|(?:emergency |primary )?contacts?(?: person)?|next of kin|nok|guardian|mother|father|spouse|husband|wife|partner|son|daughter|relative|caregiver|employer|cc|to|from|re|attn|attention|nombre|apellidos|medico|doctora?|remitido por|responsable|firmado(?: por)?|paciente|nom|prenom|vorname|nachname|arzt|patientin)[ ]?(?:\([^)\n]{1,20}\))?[ ]*[:=][ ,]*";
const CALLED: &str = r"(?i){B}(?:named|called|(?:name|nickname) (?:is|was)|goes by|known as|nicknamed|addressed as|answers to|identified as|introduced (?:her|him)self as|signed by|dictated by|i am|my name's|spoke (?:with|to)|accompanied by|discussed with|on behalf of|attn:?|dear|sincerely,?|regards,?)[ \n]+";
const PERHAPS: &str = r"(?i){B}(?:patients?,?|pt,?|like|cases? of|to|by|with|from|for|of|and|per|hi|hello|hey|thanks,?|thank you,?|regarding|re|about|see|ask|call|tell|contact|email|notes? of|client|resident|colleague|signed,?|that|saw|seen)[ ]+";

/// Looks for names in one text.
pub(crate) struct Names<'a> {
    pub(crate) text: &'a Text,
    pub(crate) lexicon: &'a Lexicon,
    pub(crate) spans: &'a mut Vec<Span>,
}

impl Names<'_> {
    pub(crate) fn find(&mut self, cues: &Cues) {
        self.labelled(&cues.label);
        self.called(&cues.called);
        self.perhaps(&cues.perhaps);
        for index in 0..self.text.words.len() {
            self.titled(index);
            self.credentialed(index);
            self.related(index);
            self.paired(index);
            self.reversed(index);
            self.single(index);
        }
    }

    fn keep(&mut self, first: usize, last: usize) {
        self.spans.push(Span::new(self.text.span(first, last), Kind::Name));
    }

    /// `Dr. Hill`, `Mrs. Anna Bui`, `Drs. Dass and Hill`.
    fn titled(&mut self, index: usize) {
        let text = self.text;
        if !self.is_a_title(index) {
            return;
        }
        let strong = !matches!(text.small(index), "nurse" | "doctor" | "professor" | "pastor" | "miss" | "sr");
        let mut first = index + 1;
        // `Dr. med. Weber`, `Prof. Dr. Weber`
        while self.is_a_title(first) || matches!(text.small(first), "med") {
            first += 1;
        }
        let Some(last) = self.named(first, strong) else {
            return;
        };
        self.keep(first, last);
        let joined = matches!(text.small(last + 1), "and" | "or") || text.gap(last).contains('&');
        let next = if text.gap(last).contains(['&', '/']) { last + 1 } else { last + 2 };
        if joined && let Some(end) = self.named(next, false) {
            self.keep(next, end);
        }
    }

    fn is_a_title(&self, index: usize) -> bool {
        let (text, small) = (self.text, self.text.small(index));
        let gap = text.gap(index);
        let near = matches!(gap, "." | ". " | " " | ".  ");
        let written = text.written(index);
        let fits = match small {
            "dr" | "drs" | "prof" | "mrs" | "herr" | "frau" | "sra" | "srta" | "dra" => true,
            "mr" | "ms" | "sr" => written != small && (written.ends_with(char::is_lowercase) || gap.starts_with('.')),
            _ => written.starts_with(char::is_uppercase),
        };
        is_title(small) && near && fits
    }

    /// The last word of a name that begins here behind a title or cue.
    fn named(&self, first: usize, strong: bool) -> Option<usize> {
        let (small, lexicon) = (self.text.small(first), self.lexicon);
        let listed = lexicon.is_surname(small) || lexicon.is_first(small);
        let capital = matches!(self.text.shape(first), Some(Shape::Capital | Shape::Upper));
        let particle = is_particle(small) && matches!(self.text.shape(first + 1), Some(Shape::Capital | Shape::Upper));
        let fits = match capital {
            true => !lexicon.is_word(small) || (listed && strong) || particle,
            false => (strong && listed && !lexicon.is_common(small)) || particle,
        };
        let letter = self.text.written(first).len() == 1 && !self.text.gap(first).starts_with('.');
        if !fits || letter || month(small).is_some() && !listed {
            return None;
        }
        Some(self.sequence(first))
    }

    /// The last word of the name that begins with this word: further names, initials, particles.
    pub(crate) fn sequence(&self, first: usize) -> usize {
        let text = self.text;
        let mut last = first;
        for _ in 1..NAME_WORDS_MAX {
            let next = last + 1;
            let initial = text.written(last).len() == 1;
            let near = match text.gap(last) {
                " " | "-" | "'" => true,
                "." | ". " => initial || matches!(text.small(last), "st"),
                _ => false,
            };
            if !near {
                break;
            }
            let after = next + 1;
            if self.continues(first, next) {
                last = next;
            } else if is_particle(text.small(next)) && text.gap(next) == " " && self.capital(after) && self.continues(first, after) {
                last = after;
            } else {
                break;
            }
        }
        last
    }

    fn capital(&self, index: usize) -> bool {
        matches!(self.text.shape(index), Some(Shape::Capital | Shape::Upper))
    }

    fn continues(&self, first: usize, next: usize) -> bool {
        let (text, small) = (self.text, self.text.small(next));
        if !self.capital(next) || is_credential(text.written(next)) || is_title(small) {
            return text.shape(next) == Some(Shape::Lower)
                && text.shape(first) == Some(Shape::Lower)
                && self.lexicon.is_surname(small)
                && !self.lexicon.is_word(small);
        }
        if text.written(next).len() == 1 {
            return small != "i" || text.gap(next).starts_with('.');
        }
        let listed = self.lexicon.is_surname(small) || self.lexicon.is_first(small);
        let word = self.lexicon.is_word(small) || month(small).is_some();
        let alike = text.shape(next) == text.shape(first) || text.written(first).len() == 1;
        match word {
            false => !is_eponym_head(small),
            true => listed && alike && next - first < 3 && !is_eponym_head(small) && !self.lexicon.is_medical(small),
        }
    }

    /// `Jane Early, MD`, `Hill RN`.
    fn credentialed(&mut self, index: usize) {
        let text = self.text;
        let dotted = text.written(index) == "M" && text.written(index + 1) == "D" && text.gap(index).starts_with('.')
            || text.written(index) == "D" && text.written(index + 1) == "O" && text.gap(index).starts_with('.');
        if !dotted && !is_credential(text.written(index)) || index == 0 {
            return;
        }
        let gap = text.gap(index - 1);
        let sure = matches!(text.written(index), "MD" | "RN" | "PhD" | "CRNA" | "FACS" | "MBBS" | "M") || gap.starts_with(',');
        if !sure || !matches!(gap, " " | ", " | "," | ",  ") {
            return;
        }
        let last = index - 1;
        let mut first = last;
        while first > 0 && last - first < 3 && self.capital(first - 1) && matches!(text.gap(first - 1), " " | "-" | "." | ". " | "'") && self.could_be_name(first - 1) {
            first -= 1;
        }
        // `Esparza, Felix, MD`
        if first > 0 && first == last && text.gap(first - 1) == ", " && self.capital(first - 1) && self.lexicon.is_surname(text.small(first - 1)) {
            first -= 1;
        }
        let known = (first..=last).any(|at| !self.lexicon.is_word(text.small(at)) || first < last);
        if self.capital(last) && known && self.could_be_name(last) {
            self.keep(first, last);
        }
    }

    fn could_be_name(&self, index: usize) -> bool {
        let small = self.text.small(index);
        let listed = self.lexicon.is_surname(small) || self.lexicon.is_first(small);
        let initial = self.text.written(index).len() == 1;
        let joined = is_title(small) || is_credential(self.text.written(index));
        !joined && (initial || listed || !self.lexicon.is_word(small))
    }

    /// `her daughter Amanda`, `his brother, Andrew Parra,`.
    fn related(&mut self, index: usize) {
        let text = self.text;
        if !is_relation(text.small(index)) {
            return;
        }
        let mut first = index + 1;
        if matches!(text.small(first), "is" | "named" | "called" | "s") {
            first += 1;
        }
        let near = matches!(text.gap(first - 1), " " | ", " | " (" | ": " | "'" | " - ");
        let small = text.small(first);
        let known = self.lexicon.is_first(small) || !self.lexicon.is_word(small);
        let capital = text.shape(first) == Some(Shape::Capital) && text.written(first).len() > 1;
        if near && capital && known && month(small).is_none_or(|_| self.lexicon.is_first(small)) && !is_title(small) {
            self.keep(first, self.sequence(first));
        }
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
                || ["nombre", "apellidos", "nom", "vorname", "nachname"].iter().any(|label| found.as_str().to_lowercase().starts_with(label));
            self.field(first, name);
        }
    }

    /// The value of a field that holds a name; `sure`: nothing else can stand there.
    fn field(&mut self, first: usize, sure: bool) {
        let mut first = first;
        while self.is_a_title(first) {
            first += 1;
        }
        let small = self.text.small(first);
        let listed = self.lexicon.is_first(small) || self.lexicon.is_surname(small);
        let word = self.lexicon.is_word(small);
        let last = self.sequence(first);
        let several = last > first || (self.text.gap(last) == ", " && self.capital(last + 1) && self.lexicon.is_first(self.text.small(last + 1)));
        let fits = self.capital(first) && match word {
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
        let comes = matches!(self.text.gap(last), ", " | ",") && self.capital(next);
        if comes && self.could_be_name(next) && (sure || self.lexicon.is_first(self.text.small(next))) {
            self.keep(next, self.sequence(next));
        }
    }

    /// `prefers to be called Mike`, `a patient named May`.
    fn called(&mut self, called: &Regex) {
        for found in called.find_iter(self.text.source()) {
            let first = self.at(found.range());
            let small = self.text.small(first);
            let known = self.lexicon.is_first(small) || !self.lexicon.is_word(small);
            let plain = self.text.shape(first) == Some(Shape::Capital) && self.text.written(first).len() > 1;
            if plain && self.lexicon.is_surname(small) && self.given_follows(first) {
                self.keep(first, self.sequence(first + 1));
                continue;
            }
            if plain && known && !is_title(small) && !self.is_thing(first) {
                self.keep(first, self.sequence(first));
            }
        }
    }

    /// `Green, Karen`
    fn given_follows(&self, family: usize) -> bool {
        let next = family + 1;
        self.text.gap(family) == ", " && self.lexicon.is_first(self.text.small(next)) && self.text.shape(next) == Some(Shape::Capital)
    }

    fn at(&self, found: Range<usize>) -> usize {
        let first = self.text.after(found.end);
        match self.text.word(first) {
            Some(word) if word.range.start == found.end => first,
            _ => usize::MAX - 1,
        }
    }

    /// `patients like Anna`, `notes of Sam`.
    fn perhaps(&mut self, perhaps: &Regex) {
        for found in perhaps.find_iter(self.text.source()) {
            let first = self.at(found.range());
            let small = self.text.small(first);
            let plain = self.text.shape(first) == Some(Shape::Capital);
            if plain && self.is_given(first) && !self.lexicon.is_city(small) && !self.is_thing(first) {
                self.keep(first, self.sequence(first));
            }
        }
    }

    /// An instrument, a sign, a disease: `Foley catheter`, `Murphy's sign`.
    pub(crate) fn is_thing(&self, index: usize) -> bool {
        let next = match self.text.small(index + 1) {
            "s" => index + 2,
            _ => index + 1,
        };
        let eponym = self.lexicon.is_eponym(self.text.small(index));
        let head = is_eponym_head(self.text.small(next)) && !self.text.gap(index).contains('.');
        let hyphened = eponym && self.text.gap(index) == "-";
        let article = index.checked_sub(1).is_some_and(|before| matches!(self.text.small(before), "a" | "an" | "the"));
        head || hyphened || (eponym && article)
    }

    /// A given name that is neither a word nor an eponym.
    fn is_given(&self, index: usize) -> bool {
        let small = self.text.small(index);
        small.len() > 2 && self.lexicon.is_first(small) && !self.lexicon.is_word(small) && !self.lexicon.is_eponym(small)
    }

    /// `Sarah P.`, `Mary Johnson`, `Robert J. Lee`.
    fn paired(&mut self, index: usize) {
        let text = self.text;
        if text.shape(index) != Some(Shape::Capital) && text.shape(index) != Some(Shape::Upper) || text.written(index).len() < 2 {
            return;
        }
        let small = text.small(index);
        let first = self.lexicon.is_first(small);
        let word = self.lexicon.is_word(small) || month(small).is_some();
        let next = index + 1;
        let second = text.small(next);
        if !matches!(text.gap(index), " " | "-") || self.is_thing(index) || self.is_thing(next) {
            return;
        }
        let initial = text.written(next).len() == 1 && self.capital(next);
        let fits = if initial {
            let closed = text.gap(next).starts_with(['.', ',', '?', ')', '\'']);
            let family = text.gap(next) == ". " && self.capital(next + 1);
            let open = text.gap(next) == " " && text.shape(next + 1) == Some(Shape::Lower) && second != "i" && second != "a";
            let reversed = self.lexicon.is_surname(small) && closed && !word && text.gap_before(index).ends_with(", ");
            reversed || (first && !word && (closed || family || open)) || (first && closed && !text.begins(index) && !self.lexicon.is_medical(small)) || (!word && closed && text.gap(next).starts_with('.') && !self.lexicon.is_eponym(small) && !text.begins(index))
        } else {
            let listed = self.lexicon.is_surname(second);
            let common = self.lexicon.is_word(second) || month(second).is_some();
            let alike = text.shape(next) == text.shape(index) && self.capital(next);
            alike && match (first, word) {
                (true, false) => !common || (listed && !self.lexicon.is_medical(second) && text.shape(index) == Some(Shape::Capital)),
                (true, true) => listed && !common && text.shape(index) == Some(Shape::Capital) && !text.begins(index),
                (false, false) => listed && !common && self.lexicon.is_surname(small) && text.shape(index) == Some(Shape::Capital) && !self.lexicon.is_eponym(small),
                (false, true) => false,
            }
        };
        if fits {
            self.keep(index, self.sequence(index).max(next));
        }
    }

    /// `Esparza, Felix`, `PARRA, EMILIO`.
    fn reversed(&mut self, index: usize) {
        let text = self.text;
        let (family, given) = (text.small(index), text.small(index + 1));
        let alike = self.capital(index) && text.shape(index) == text.shape(index + 1);
        let names = self.lexicon.is_surname(family) && !self.lexicon.is_word(family) && self.is_given(index + 1);
        let apart = family.len() > 2 && given.len() > 2 && !self.lexicon.is_city(family) && !self.lexicon.is_first(family);
        if alike && names && apart && text.gap(index) == ", " {
            self.keep(index, self.sequence(index + 1));
        }
    }

    /// A given name alone where people are spoken of: `Anna was last seen`.
    fn single(&mut self, index: usize) {
        let text = self.text;
        if text.shape(index) != Some(Shape::Capital) || !self.is_given(index) || self.lexicon.is_city(text.small(index)) {
            return;
        }
        let acts = is_act(text.small(index + 1)) && text.gap(index) == " ";
        let owns = text.small(index + 1) == "s" && text.gap(index) == "'" && !is_eponym_head(text.small(index + 2));
        let apart = text.gap_before(index).ends_with(", ") && (text.gap(index).starts_with(',') || text.gap(index).starts_with(" ("));
        if (acts || owns || apart) && !self.is_thing(index) {
            self.keep(index, index);
        }
    }
}

/// What a person does or what happens to one.
pub(crate) fn is_act(small: &str) -> bool {
    [
        "was", "is", "has", "had", "will", "lives", "lived", "can", "could", "reports", "reported",
        "states", "stated", "denies", "denied", "presents", "presented", "came", "comes", "went",
        "says", "said", "would", "did", "does", "complains", "complained", "underwent", "returns",
        "returned", "tolerated", "agreed", "agrees", "understands", "wants", "works", "worked",
        "takes", "took", "received", "feels", "felt", "needs", "called", "calls", "asked", "asks",
        "told", "moved", "died", "suffered", "smokes", "drinks", "may", "should", "arrived",
        "remains", "remained", "continues", "appears", "appeared", "notes", "noted", "requests",
        "requested", "signed", "gave", "made", "got", "saw", "who",
    ]
    .contains(&small)
}
