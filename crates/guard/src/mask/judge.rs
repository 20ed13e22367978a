//! Whether a word that is somebody's name means that person where it stands.

use std::collections::HashSet;

use super::draft::Trust;
use super::lexicon::{Lexicon, List};
use super::span::Span;
use super::terms::{is_credential, is_particle, month};
use super::words::{Shape, Text};

/// Decides whether a match of a known name is that name here.
pub(crate) struct Judge<'a> {
    pub(crate) text: &'a Text,
    pub(crate) lexicon: &'a Lexicon,
    pub(crate) singles: &'a HashSet<String>,
    /// What is masked around it: no part of the thing that a name could belong to.
    pub(crate) masked: &'a [Span],
}

impl Judge<'_> {
    pub(crate) fn holds(&self, trust: Trust, first: usize, last: usize) -> bool {
        match trust {
            Trust::Sure => true,
            Trust::Capital if first == last && self.part_of_a_thing(first) => false,
            Trust::Capital if self.article(first, last) => false,
            Trust::Capital => (first..=last).all(|at| {
                let shape = self.text.shape(at);
                shape != Some(Shape::Lower)
                    || is_particle(self.text.small(at))
                    || matches!(self.text.small(at), "of" | "the" | "and" | "s")
            }),
            Trust::Careful => self.careful(first),
        }
    }

    /// A word of the language that is also somebody's name.
    fn careful(&self, index: usize) -> bool {
        let text = self.text;
        let shape = text.shape(index);
        if !matches!(shape, Some(Shape::Capital | Shape::Upper)) {
            return false;
        }
        let before = index.checked_sub(1);
        let titled = before.is_some_and(|at| {
            self.lexicon.on(List::Titles, text.small(at))
                && matches!(text.gap(at), "." | ". " | " " | ".  ")
        });
        if titled || self.signs(index) {
            return true;
        }
        if self.thing(index) {
            return false;
        }
        let neighbor = |at: usize, gap: &str| {
            let near = matches!(gap, " " | ", " | "-" | "," | ". ");
            let initial = text.written(at).len() == 1 && text.shape(at) == Some(Shape::Capital);
            near && text.shape(at) == shape
                && (self.singles.contains(text.small(at))
                    || initial && gap != ", " && shape == Some(Shape::Capital))
        };
        let beside = before.is_some_and(|at| neighbor(at, text.gap(at)))
            || neighbor(index + 1, text.gap(index));
        if beside {
            return true;
        }
        if shape == Some(Shape::Upper) {
            return false;
        }
        let owns = text.small(index + 1) == "s" && text.gap(index) == "'";
        let used = self.lexicon.on(List::Uses, text.small(index + 2));
        let acts =
            text.gap(index) == " " && self.lexicon.on(List::Acts, text.small(index + 1)) && !used;
        if owns
            || acts && (text.begins(index) || !self.lexicon.on(List::Eponyms, text.small(index)))
        {
            return true;
        }
        let eponym = self.lexicon.on(List::Eponyms, text.small(index))
            || self.lexicon.is_medical(text.small(index));
        !eponym && self.inside(index)
    }

    /// `Ray-Tec`, and `ED` for the emergency department.
    fn part_of_a_thing(&self, index: usize) -> bool {
        let text = self.text;
        let ours = |at: usize| self.singles.contains(text.small(at));
        let named = |at: usize| ours(at) || self.lexicon.is_name(text.small(at));
        let hyphened = text.gap(index) == "-" && !named(index + 1) && !self.is_masked(index + 1);
        let shape = text.shape(index);
        let short = shape == Some(Shape::Upper) && text.written(index).len() < 4;
        let alike = |at: usize| text.shape(at) == shape && ours(at);
        let beside = index.checked_sub(1).is_some_and(alike) || alike(index + 1);
        hyphened || (short && !beside)
    }

    fn is_masked(&self, index: usize) -> bool {
        let Some(word) = self.text.word(index) else {
            return false;
        };
        let holds =
            |span: &Span| span.range.start <= word.range.start && word.range.end <= span.range.end;
        self.masked.iter().any(holds)
    }

    /// `A Foley`: an article, not an initial.
    fn article(&self, first: usize, last: usize) -> bool {
        let letter = matches!(self.text.written(first), "A" | "I");
        first < last && letter && !self.text.gap(first).starts_with('.')
    }

    /// In the middle of a sentence, where words of the language begin with small letters.
    fn inside(&self, index: usize) -> bool {
        let text = self.text;
        let before = index.checked_sub(1);
        let lower = before.is_some_and(|at| {
            text.shape(at) == Some(Shape::Lower) && matches!(text.gap(at), " " | ", ")
        });
        let dated = month(text.small(index)).is_some()
            && (text.shape(index + 1) == Some(Shape::Digits)
                || before.is_some_and(|at| {
                    text.shape(at) == Some(Shape::Digits)
                        || matches!(text.small(at), "in" | "of" | "since" | "last")
                }));
        lower && !text.begins(index) && !dated
    }

    fn thing(&self, index: usize) -> bool {
        let text = self.text;
        let next = match text.small(index + 1) {
            "s" => index + 2,
            _ => index + 1,
        };
        let article = index
            .checked_sub(1)
            .is_some_and(|at| matches!(text.small(at), "a" | "an" | "the"));
        self.lexicon.is_head(text.small(next))
            || article && self.lexicon.on(List::Eponyms, text.small(index))
    }

    /// Letters behind the name: `Early, MD`.
    fn signs(&self, index: usize) -> bool {
        matches!(self.text.gap(index), ", " | " ") && is_credential(self.text.written(index + 1))
    }
}
