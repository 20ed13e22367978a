//! Everything that identifies in a text, from what is known and from rules.

use std::collections::HashSet;

use regex::Regex;

use super::MaskError;
use super::addresses::Addresses;
use super::cues::Cues;
use super::facts::Facts;
use super::known::Known;
use super::labels::Labels;
use super::lexicon::{Lexicon, List};
use super::names::Names;
use super::places::Places;
use super::shapes::Shapes;
use super::span::{Kind, Span, settle};
use super::terms::{is_credential, is_particle, month};
use super::words::{Shape, Text};
use super::write::BLANK;

/// What becomes of a capitalized word that nobody knows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Unknown {
    /// It stays, unless something around it says that it is a name.
    #[default]
    Keep,
    /// It is masked: for text that leaves the house.
    Mask,
}

/// Finds what identifies. Compiled once; it holds no state between texts.
#[derive(Debug)]
pub struct Finder {
    lexicon: Lexicon,
    shapes: Shapes,
    labels: Labels,
    cues: Cues,
    addresses: Addresses,
    masked: Regex,
    house: Known,
}

impl Finder {
    /// `house`: staff, wards and facilities, which are looked for in every text.
    ///
    /// # Errors
    /// [`MaskError::TooMuch`] if the house knows more than an automaton can hold.
    pub fn new(house: &Facts) -> Result<Finder, MaskError> {
        let lexicon = Lexicon::new();
        Ok(Finder {
            house: Known::of(house, &lexicon)?,
            shapes: Shapes::new()?,
            labels: Labels::new()?,
            cues: Cues::new()?,
            addresses: Addresses::new()?,
            masked: Regex::new(MASKED).map_err(MaskError::pattern)?,
            lexicon,
        })
    }

    /// Prepares what is known of one patient.
    ///
    /// # Errors
    /// [`MaskError::TooMuch`] if there is more than an automaton can hold.
    pub fn know(&self, facts: &Facts) -> Result<Known, MaskError> {
        Known::of(facts, &self.lexicon)
    }

    /// Everything in a text that identifies, in the order of the text, without overlaps. What is
    /// masked already is left alone, unless something known stands on both sides of a blank.
    pub fn find(&self, original: &str, known: &Known, unknown: Unknown) -> Vec<Span> {
        let text = Text::of(original);
        let mut spans = Vec::new();
        self.house.find(&text, &self.lexicon, &mut spans);
        known.find(&text, &self.lexicon, &mut spans);
        self.shapes.find(text.source(), &mut spans);
        self.labels.find(text.source(), &mut spans);
        let (lexicon, spans_of) = (&self.lexicon, &mut spans);
        Places {
            text: &text,
            lexicon,
            spans: spans_of,
        }
        .find(&self.addresses);
        Names {
            text: &text,
            lexicon,
            spans: spans_of,
        }
        .find(&self.cues);
        self.again(&text, &mut spans);
        if unknown == Unknown::Mask {
            self.unknown(&text, &mut spans);
        }
        spans.iter_mut().for_each(|span| whole_words(&text, span));
        known.find_beside(&text, &self.lexicon, &mut spans);
        let tags: Vec<_> = self
            .masked
            .find_iter(text.source())
            .map(|tag| tag.range())
            .collect();
        spans.retain(|span| {
            !tags.iter().any(|tag| {
                let meets = tag.start < span.range.end && span.range.start < tag.end;
                // A blank of a form in the midst of a known number was never a mask of ours.
                let around = span.range.start < tag.start && tag.end < span.range.end;
                let blank = text.source().get(tag.clone()) == Some(BLANK);
                meets && !(around && blank)
            })
        });
        let spans = settle(spans, text.source());
        let back = spans
            .into_iter()
            .map(|span| Span::new(text.folded.original(&span.range), span.kind));
        settle(back.collect(), original)
    }

    /// What the record knows and a text still tells; the second look before anything leaves.
    pub fn leaks(&self, outgoing: &str, known: &Known) -> Vec<Span> {
        let text = Text::of(outgoing);
        let mut spans = known.leaks(&text, &self.lexicon);
        spans.extend(self.house.leaks(&text, &self.lexicon));
        let tags: Vec<_> = self
            .masked
            .find_iter(text.source())
            .map(|tag| tag.range())
            .collect();
        spans.retain(|span| {
            !tags
                .iter()
                .any(|tag| tag.start <= span.range.start && span.range.end <= tag.end)
        });
        let back = spans
            .into_iter()
            .map(|span| Span::new(text.folded.original(&span.range), span.kind));
        settle(back.collect(), outgoing)
    }

    /// What was found once is found everywhere in the text.
    fn again(&self, text: &Text, spans: &mut Vec<Span>) {
        let mut names = HashSet::new();
        for span in spans.iter().filter(|span| span.kind == Kind::Name) {
            let first = text.after(span.range.start);
            for index in first..text.after(span.range.end.saturating_sub(1)) + 1 {
                let small = text.small(index);
                let plain = small.len() > 2
                    && !self.lexicon.is_word(small)
                    && !self.lexicon.on(List::Eponyms, small)
                    && month(small).is_none();
                if plain && !is_particle(small) {
                    names.insert(small.to_owned());
                }
            }
        }
        for index in 0..text.words.len() {
            let capital = matches!(text.shape(index), Some(Shape::Capital | Shape::Upper));
            if capital
                && names.contains(text.small(index))
                && !self.lexicon.is_head(text.small(index + 1))
            {
                spans.push(Span::new(text.span(index, index), Kind::Name));
            }
        }
    }

    /// Capitalized words outside the safe vocabulary.
    fn unknown(&self, text: &Text, spans: &mut Vec<Span>) {
        let lower: HashSet<&str> = (0..text.words.len())
            .filter(|&index| text.shape(index) == Some(Shape::Lower))
            .map(|index| text.small(index))
            .collect();
        for index in 0..text.words.len() {
            let small = text.small(index);
            let (shape, length) = (text.shape(index), text.written(index).len());
            let written = match shape {
                Some(Shape::Capital) => length > 1,
                // Short words in capitals are acronyms of medicine.
                Some(Shape::Upper) => length > 5,
                _ => false,
            };
            let safe = self.lexicon.is_word(small)
                || self.lexicon.on(List::Titles, small)
                || is_credential(text.written(index))
                || self.lexicon.on(List::Eponyms, small)
                || lower.contains(small)
                || month(small).is_some();
            if written && !safe {
                spans.push(Span::new(text.span(index, index), Kind::Other));
            }
        }
    }
}

/// What is glued to something that is masked goes with it: alone it could be a name.
fn whole_words(text: &Text, span: &mut Span) {
    let (start, end) = (span.range.start, span.range.end);
    if let Some(word) = text.word(text.after(start))
        && word.range.start < start
    {
        span.range.start = word.range.start;
    }
    if let Some(word) = text.word(text.after(end.saturating_sub(1)))
        && (word.range.start..word.range.end).contains(&end)
    {
        let rest = text.source().get(end..word.range.end).unwrap_or_default();
        if !goes_on(rest, span.kind) {
            span.range.end = word.range.end;
        }
    }
}

/// `2013-06-22T10:30`, `92yo`: what follows belongs to the date or the age.
fn goes_on(rest: &str, kind: Kind) -> bool {
    let time = rest.strip_prefix(['T', 't']);
    let time = time.is_some_and(|hour| hour.len() < 3 && hour.bytes().all(|b| b.is_ascii_digit()));
    match kind {
        Kind::Date => time,
        Kind::Age => matches!(rest, "yo" | "y" | "yr" | "yrs" | "years" | "F" | "M"),
        _ => false,
    }
}

/// What masking left behind: a tag, a pseudonym, a blank.
const MASKED: &str = r"\[(?:NAME|PLACE|DATE|AGE|PHONE|EMAIL|SSN|MRN|ACCOUNT|LICENSE|DEVICE|URL|IP|PICTURE|OTHER)(?::[bcdfghjkmpqrstvz]{16})?\]|\[90\+\]|___";
