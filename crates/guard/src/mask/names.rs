//! Names of people that nobody told us of: found by titles, letters behind the name, labels,
//! relations and given names.

use super::cues::Cues;
use super::lexicon::{Lexicon, List};
use super::span::{Kind, Span};
use super::terms::{Cue, is_credential, is_particle, month};
use super::words::{Shape, Text};

/// The most words of one name.
const NAME_WORDS_MAX: usize = 5;

/// Looks for names in one text.
pub(crate) struct Names<'a> {
    pub(crate) text: &'a Text,
    pub(crate) lexicon: &'a Lexicon,
    pub(crate) spans: &'a mut Vec<Span>,
}

impl Names<'_> {
    pub(crate) fn find(&mut self, cues: &Cues) {
        self.cued(cues);
        for index in 0..self.text.words.len() {
            self.titled(index);
            self.credentialed(index);
            self.related(index);
            self.paired(index);
            self.reversed(index);
            self.single(index);
        }
    }

    pub(crate) fn keep(&mut self, first: usize, last: usize) {
        self.spans
            .push(Span::new(self.text.span(first, last), Kind::Name));
    }

    /// `Dr. Hill`, `Mrs. Anna Bui`, `Drs. Dass and Hill`.
    fn titled(&mut self, index: usize) {
        let text = self.text;
        if !self.is_a_title(index) {
            return;
        }
        let weak = matches!(
            text.small(index),
            "nurse" | "doctor" | "professor" | "pastor" | "miss" | "sr"
        );
        let mut first = index + 1;
        // `Dr. med. Weber`, `Prof. Dr. Weber`
        while self.is_a_title(first) || matches!(text.small(first), "med") {
            first += 1;
        }
        let cue = if weak { Cue::Weak } else { Cue::Strong };
        let Some(last) = self.named(first, cue) else {
            return;
        };
        self.keep(first, last);
        let joined = matches!(text.small(last + 1), "and" | "or") || text.gap(last).contains('&');
        let next = if text.gap(last).contains(['&', '/']) {
            last + 1
        } else {
            last + 2
        };
        if joined
            && !self.is_a_title(next)
            && let Some(end) = self.named(next, Cue::Weak)
        {
            self.keep(next, end);
        }
    }

    pub(crate) fn is_a_title(&self, index: usize) -> bool {
        let (text, small) = (self.text, self.text.small(index));
        let gap = text.gap(index);
        let near = matches!(gap, "." | ". " | " " | ".  ");
        let written = text.written(index);
        let fits = match small {
            "dr" | "drs" | "prof" | "mrs" | "herr" | "frau" | "sra" | "srta" | "dra" => true,
            "mr" | "ms" | "sr" => {
                written != small && (written.ends_with(char::is_lowercase) || gap.starts_with('.'))
            }
            _ => written.starts_with(char::is_uppercase),
        };
        self.lexicon.on(List::Titles, small) && near && fits
    }

    /// The last word of a name that begins here behind a title or cue.
    fn named(&self, first: usize, cue: Cue) -> Option<usize> {
        let strong = cue == Cue::Strong;
        let (small, lexicon) = (self.text.small(first), self.lexicon);
        let listed = lexicon.on(List::Surnames, small) || lexicon.on(List::Firsts, small);
        let capital = matches!(self.text.shape(first), Some(Shape::Capital | Shape::Upper));
        let particle = is_particle(small)
            && matches!(
                self.text.shape(first + 1),
                Some(Shape::Capital | Shape::Upper)
            );
        let fits = match capital {
            true => {
                !lexicon.is_word(small)
                    || (listed && strong)
                    || lexicon.on(List::Firsts, small)
                    || particle
            }
            false => (strong && listed && !lexicon.is_common(small)) || particle,
        };
        let letter =
            self.text.written(first).len() == 1 && !self.text.gap(first).starts_with(['.', '\'']);
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
            let after = self.behind_particles(next);
            let hyphened = text.gap(last) == "-" && self.capital(next);
            if self.continues(first, next) || hyphened {
                last = next;
            } else if after > next && self.capital(after) && self.continues(first, after) {
                last = after;
            } else {
                break;
            }
        }
        last
    }

    /// `van der Berg`: the word behind the small ones.
    fn behind_particles(&self, first: usize) -> usize {
        let small = |at: &usize| is_particle(self.text.small(*at)) && self.text.gap(*at) == " ";
        first + (first..first + 3).take_while(small).count()
    }

    pub(crate) fn capital(&self, index: usize) -> bool {
        matches!(self.text.shape(index), Some(Shape::Capital | Shape::Upper))
    }

    fn continues(&self, first: usize, next: usize) -> bool {
        let (text, small) = (self.text, self.text.small(next));
        if !self.capital(next)
            || is_credential(text.written(next))
            || self.lexicon.on(List::Titles, small)
        {
            return text.shape(next) == Some(Shape::Lower)
                && text.shape(first) == Some(Shape::Lower)
                && self.lexicon.on(List::Surnames, small)
                && !self.lexicon.is_word(small);
        }
        if text.written(next).len() == 1 {
            return small != "i" || text.gap(next).starts_with('.');
        }
        let listed = self.lexicon.on(List::Surnames, small) || self.lexicon.on(List::Firsts, small);
        let word = self.lexicon.is_word(small) || month(small).is_some();
        let alike = text.shape(next) == text.shape(first) || text.written(first).len() == 1;
        match word {
            false => !self.lexicon.is_head(small),
            true => {
                listed
                    && alike
                    && next - first < 3
                    && !self.lexicon.is_head(small)
                    && !self.lexicon.is_medical(small)
            }
        }
    }

    /// `Jane Early, MD`, `Hill RN`.
    fn credentialed(&mut self, index: usize) {
        let text = self.text;
        let dotted = text.written(index) == "M"
            && text.written(index + 1) == "D"
            && text.gap(index).starts_with('.')
            || text.written(index) == "D"
                && text.written(index + 1) == "O"
                && text.gap(index).starts_with('.');
        if !dotted && !is_credential(text.written(index)) || index == 0 {
            return;
        }
        let gap = text.gap(index - 1);
        let sure = matches!(
            text.written(index),
            "MD" | "RN" | "PhD" | "CRNA" | "FACS" | "MBBS" | "M"
        ) || gap.starts_with(',');
        if !sure || !matches!(gap, " " | ", " | "," | ",  ") {
            return;
        }
        let last = index - 1;
        let mut first = last;
        while first > 0
            && last - first < 3
            && self.capital(first - 1)
            && matches!(text.gap(first - 1), " " | "-" | "." | ". " | "'")
            && self.could_be_name(first - 1)
        {
            first -= 1;
        }
        // `Esparza, Felix, MD`
        if first > 0
            && first == last
            && text.gap(first - 1) == ", "
            && self.capital(first - 1)
            && self.lexicon.on(List::Surnames, text.small(first - 1))
        {
            first -= 1;
        }
        let known = (first..=last).any(|at| !self.lexicon.is_word(text.small(at)) || first < last);
        if self.capital(last) && known && self.could_be_name(last) {
            self.keep(first, last);
        }
    }

    pub(crate) fn could_be_name(&self, index: usize) -> bool {
        let small = self.text.small(index);
        let listed = self.lexicon.on(List::Surnames, small) || self.lexicon.on(List::Firsts, small);
        let initial = self.text.written(index).len() == 1;
        let joined =
            self.lexicon.on(List::Titles, small) || is_credential(self.text.written(index));
        !joined && (initial || listed || !self.lexicon.is_word(small))
    }

    /// `her daughter Amanda`, `his brother, Andrew Parra,`.
    fn related(&mut self, index: usize) {
        let text = self.text;
        if !self.lexicon.on(List::Relations, text.small(index)) {
            return;
        }
        let mut first = index + 1;
        if matches!(text.small(first), "is" | "named" | "called" | "s") {
            first += 1;
        }
        let near = matches!(text.gap(first - 1), " " | ", " | " (" | ": " | "'" | " - ");
        let small = text.small(first);
        let known = self.lexicon.on(List::Firsts, small) || !self.lexicon.is_word(small);
        let capital = text.shape(first) == Some(Shape::Capital) && text.written(first).len() > 1;
        if near
            && capital
            && known
            && month(small).is_none_or(|_| self.lexicon.on(List::Firsts, small))
            && !self.lexicon.on(List::Titles, small)
            && !self.is_thing(first)
        {
            self.keep(first, self.sequence(first));
        }
    }

    /// An instrument, a sign, a disease: `Foley catheter`, `Murphy's sign`.
    pub(crate) fn is_thing(&self, index: usize) -> bool {
        let next = match self.text.small(index + 1) {
            "s" => index + 2,
            _ => index + 1,
        };
        let eponym = self.lexicon.on(List::Eponyms, self.text.small(index));
        let head =
            self.lexicon.is_head(self.text.small(next)) && !self.text.gap(index).contains('.');
        let hyphened = eponym && self.text.gap(index) == "-";
        let article = index
            .checked_sub(1)
            .is_some_and(|before| matches!(self.text.small(before), "a" | "an" | "the"));
        head || hyphened || (eponym && article)
    }

    /// A given name that is neither a word nor an eponym.
    pub(crate) fn is_given(&self, index: usize) -> bool {
        let small = self.text.small(index);
        small.len() > 2
            && self.lexicon.on(List::Firsts, small)
            && !self.lexicon.is_word(small)
            && !self.lexicon.on(List::Eponyms, small)
    }

    /// `Sarah P.`, `Mary Johnson`, `Robert J. Lee`.
    fn paired(&mut self, index: usize) {
        let text = self.text;
        if text.shape(index) != Some(Shape::Capital) && text.shape(index) != Some(Shape::Upper)
            || text.written(index).len() < 2
        {
            return;
        }
        let small = text.small(index);
        let first = self.lexicon.on(List::Firsts, small);
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
            let open = text.gap(next) == " "
                && text.shape(next + 1) == Some(Shape::Lower)
                && second != "i"
                && second != "a";
            let reversed = self.lexicon.on(List::Surnames, small)
                && closed
                && !word
                && text.gap_before(index).ends_with(", ");
            reversed
                || (first && !word && (closed || family || open))
                || (first && closed && !text.begins(index) && !self.lexicon.is_medical(small))
                || (!word
                    && closed
                    && text.gap(next).starts_with('.')
                    && !self.lexicon.on(List::Eponyms, small)
                    && !text.begins(index))
        } else {
            let listed = self.lexicon.on(List::Surnames, second);
            let common = self.lexicon.is_word(second) || month(second).is_some();
            let alike = text.shape(next) == text.shape(index) && self.capital(next);
            alike
                && match (first, word) {
                    (true, false) => {
                        !common
                            || (listed
                                && !self.lexicon.is_medical(second)
                                && text.shape(index) == Some(Shape::Capital))
                    }
                    (true, true) => {
                        listed
                            && !common
                            && text.shape(index) == Some(Shape::Capital)
                            && !text.begins(index)
                    }
                    (false, false) => {
                        let apart = text.gap_before(index).ends_with(", ") && !text.begins(index);
                        listed
                            && !common
                            && (self.lexicon.on(List::Surnames, small) || apart)
                            && text.shape(index) == Some(Shape::Capital)
                            && !self.lexicon.on(List::Eponyms, small)
                    }
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
        let names = self.lexicon.on(List::Surnames, family)
            && !self.lexicon.is_word(family)
            && self.is_given(index + 1);
        let apart = family.len() > 2
            && given.len() > 2
            && !self.lexicon.on(List::Cities, family)
            && !self.lexicon.on(List::Firsts, family);
        if alike && names && apart && text.gap(index) == ", " {
            self.keep(index, self.sequence(index + 1));
        }
    }

    /// A given name alone where people are spoken of: `Anna was last seen`.
    fn single(&mut self, index: usize) {
        let text = self.text;
        if text.shape(index) != Some(Shape::Capital)
            || !self.is_given(index)
            || self.lexicon.on(List::Cities, text.small(index))
        {
            return;
        }
        let acts = self.lexicon.on(List::Acts, text.small(index + 1)) && text.gap(index) == " ";
        let owns = text.small(index + 1) == "s"
            && text.gap(index) == "'"
            && !self.lexicon.is_head(text.small(index + 2));
        let apart = text.gap_before(index).ends_with(", ")
            && (text.gap(index).starts_with(',') || text.gap(index).starts_with(" ("));
        if (acts || owns || apart) && !self.is_thing(index) {
            self.keep(index, index);
        }
    }
}
