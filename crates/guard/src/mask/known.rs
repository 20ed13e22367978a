//! What the record knows, as one automaton over words and one over letters and digits.

use std::collections::HashSet;
use std::ops::Range;

use aho_corasick::{AhoCorasick, MatchKind};

use super::draft::{Draft, Pattern};
use super::facts::Facts;
use super::judge::Judge;
use super::lexicon::{Lexicon, List};
use super::span::{Kind, Span};
use super::words::{Shape, Text};
use super::write::BLANK;
use super::{MaskError, date};

/// The shortest name in which a mistyped letter is forgiven.
const TYPO_LETTERS_MIN: usize = 6;

/// Everything that is known, ready to be found in any text.
#[derive(Debug)]
pub struct Known {
    words: Option<AhoCorasick>,
    word_patterns: Vec<Pattern>,
    packed: Option<AhoCorasick>,
    packed_kinds: Vec<Kind>,
    /// Single names, for mistyped ones and for neighbours.
    singles: HashSet<String>,
    /// Months and days of known dates.
    days: HashSet<(i8, i8)>,
}

impl Known {
    /// # Errors
    /// [`MaskError::TooMuch`] if there is more than an automaton can hold.
    pub(crate) fn of(facts: &Facts, lexicon: &Lexicon) -> Result<Known, MaskError> {
        let draft = Draft::of(facts, lexicon);
        let days = facts
            .dates
            .iter()
            .flat_map(|day| date::month_and_day(*day))
            .collect();
        Known::build(draft, days)
    }

    fn build(draft: Draft, days: HashSet<(i8, i8)>) -> Result<Known, MaskError> {
        let automaton = |keys: &[String]| {
            if keys.is_empty() {
                return Ok(None);
            }
            AhoCorasick::builder()
                .match_kind(MatchKind::Standard)
                .kind(Some(aho_corasick::AhoCorasickKind::ContiguousNFA))
                .build(keys)
                .map(Some)
                .map_err(|_| MaskError::TooMuch)
        };
        let (words, word_patterns): (Vec<String>, Vec<Pattern>) = draft.words.into_iter().unzip();
        let (packed, packed_kinds): (Vec<String>, Vec<Kind>) = draft.packed.into_iter().unzip();
        Ok(Known {
            words: automaton(&words)?,
            word_patterns,
            packed: automaton(&packed)?,
            packed_kinds,
            singles: draft.singles,
            days,
        })
    }

    /// Everything known in a text.
    pub(crate) fn find(&self, text: &Text, lexicon: &Lexicon, spans: &mut Vec<Span>) {
        self.find_words(text, lexicon, &[], spans);
        self.find_packed(text, spans);
        self.find_mistyped(text, lexicon, spans);
        self.find_days(text, spans);
    }

    /// Names that only what is masked beside them made look like a part of something:
    /// `Whitcombe-17 Ferrybridge Crescent`.
    pub(crate) fn find_beside(&self, text: &Text, lexicon: &Lexicon, spans: &mut Vec<Span>) {
        let masked = std::mem::take(spans);
        self.find_words(text, lexicon, &masked, spans);
        spans.extend(masked);
    }

    fn find_words(&self, text: &Text, lexicon: &Lexicon, masked: &[Span], spans: &mut Vec<Span>) {
        let Some(words) = &self.words else { return };
        for found in words.find_overlapping_iter(text.line()) {
            let Some(&pattern) = self.word_patterns.get(found.pattern().as_usize()) else {
                continue;
            };
            let inner = found.start() + 1..found.end() - 1;
            let Some((first, last)) = text.of_line(inner) else {
                continue;
            };
            let judge = Judge {
                text,
                lexicon,
                singles: &self.singles,
                masked,
            };
            if judge.holds(pattern.trust, first, last) {
                spans.push(Span::new(text.span(first, last), pattern.kind));
            }
        }
    }

    fn find_packed(&self, text: &Text, spans: &mut Vec<Span>) {
        let Some(packed) = &self.packed else { return };
        for found in packed.find_overlapping_iter(text.packed()) {
            let Some(&kind) = self.packed_kinds.get(found.pattern().as_usize()) else {
                continue;
            };
            if bounded(text.packed(), &found.range(), text)
                && let Some(range) = text.packed_range(&found.range())
            {
                spans.push(Span::new(range, kind));
            }
        }
    }

    /// Names with one letter too many, missing, wrong or exchanged.
    fn find_mistyped(&self, text: &Text, lexicon: &Lexicon, spans: &mut Vec<Span>) {
        for index in 0..text.words.len() {
            let small = text.small(index);
            let capital = matches!(text.shape(index), Some(Shape::Capital | Shape::Upper));
            if !capital
                || small.len() < TYPO_LETTERS_MIN
                || lexicon.is_word(small)
                || lexicon.on(List::Eponyms, small)
            {
                continue;
            }
            let near = |name: &String| {
                name.len() >= TYPO_LETTERS_MIN
                    && name.len().abs_diff(small.len()) < 2
                    && one_edit(name, small)
            };
            if self.singles.iter().any(near) {
                spans.push(Span::new(text.span(index, index), Kind::Name));
            }
        }
    }

    /// A known day without its year: `5/26`, `26.5.`
    fn find_days(&self, text: &Text, spans: &mut Vec<Span>) {
        let number = |index: usize| match text.shape(index) {
            Some(Shape::Digits) => text.written(index).parse::<i8>().ok(),
            _ => None,
        };
        for index in 0..text.words.len() {
            let (Some(a), Some(b)) = (number(index), number(index + 1)) else {
                continue;
            };
            let whole =
                !matches!(text.gap(index + 1), "/" | "-" | ".") || number(index + 2).is_none();
            let apart = !matches!(text.gap_before(index), "/" | "-" | ".");
            if text.gap(index) == "/" && whole && apart && self.days.contains(&(a, b)) {
                spans.push(Span::new(text.span(index, index + 1), Kind::Date));
            }
        }
    }

    /// Known numbers and codes in bytes that leave, whatever stands between their digits.
    pub(crate) fn leaks(&self, text: &Text, lexicon: &Lexicon) -> Vec<Span> {
        let mut spans = Vec::new();
        self.find_words(text, lexicon, &[], &mut spans);
        self.find_packed(text, &mut spans);
        // What was masked between two pieces took them apart.
        spans.retain(|span: &Span| {
            let written = text.source().get(span.range.clone());
            !written.is_some_and(|written| written.contains(BLANK))
        });
        spans
    }
}

/// A match in the packed stream counts when it does not cut a run of digits or letters.
fn bounded(packed: &str, found: &Range<usize>, text: &Text) -> bool {
    let class = |letter: Option<char>| letter.map(|letter| letter.is_ascii_digit());
    let before = packed
        .get(..found.start)
        .and_then(|head| head.chars().next_back());
    let after = packed.get(found.end..).and_then(|tail| tail.chars().next());
    let inside = packed.get(found.clone()).unwrap_or_default();
    let (first, last) = (inside.chars().next(), inside.chars().next_back());
    let starts = text.starts_word(found.start) || class(before) != class(first);
    let ends = text.starts_word(found.end) || class(after) != class(last);
    starts && ends
}

fn one_edit(a: &str, b: &str) -> bool {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let same = a.iter().zip(&b).take_while(|(x, y)| x == y).count();
    let tail = |list: &[char], from: usize| list.get(from..).unwrap_or_default().to_vec();
    let (x, y) = (tail(&a, same), tail(&b, same));
    match a.len().cmp(&b.len()) {
        std::cmp::Ordering::Less => x == tail(&y, 1),
        std::cmp::Ordering::Greater => tail(&x, 1) == y,
        std::cmp::Ordering::Equal => {
            let swapped = x.len() > 1
                && x.first() == y.get(1)
                && x.get(1) == y.first()
                && tail(&x, 2) == tail(&y, 2);
            same > 0 && (tail(&x, 1) == tail(&y, 1) || swapped)
        }
    }
}
