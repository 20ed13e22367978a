//! What the record knows, as one automaton over words and one over letters and digits.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use aho_corasick::{AhoCorasick, MatchKind};

use super::facts::{Facts, PersonName};
use super::lexicon::{Lexicon, is_credential, is_eponym_head, is_particle, is_title, month};
use super::names::is_act;
use super::span::{Kind, Span};
use super::words::{Shape, Text};
use super::{MaskError, date};

/// The shortest number or code that is found whatever stands between its digits.
const PACKED_LETTERS_MIN: usize = 6;
/// The shortest name in which a mistyped letter is forgiven.
const TYPO_LETTERS_MIN: usize = 6;

/// How much a match of a name must be backed by what stands around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trust {
    /// It can mean nothing else.
    Sure,
    /// Short, or with an initial: it must be written with a capital.
    Capital,
    /// A word of the language, an eponym, a month: it must stand like a name.
    Careful,
}

#[derive(Debug, Clone, Copy)]
struct Pattern {
    kind: Kind,
    trust: Trust,
}

/// Everything that is known, ready to be found in any text.
#[derive(Debug)]
pub struct Known {
    words: AhoCorasick,
    word_patterns: Vec<Pattern>,
    packed: AhoCorasick,
    packed_kinds: Vec<Kind>,
    /// Single names, for mistyped ones and for neighbours.
    singles: HashSet<String>,
    /// Months and days of known dates.
    days: HashSet<(i8, i8)>,
}

/// Collects patterns before the automata are built.
#[derive(Default)]
struct Draft {
    words: HashMap<String, Pattern>,
    packed: HashMap<String, Kind>,
    singles: HashSet<String>,
}

impl Known {
    /// # Errors
    /// [`MaskError::TooMuch`] if there is more than an automaton can hold.
    pub(crate) fn of(facts: &Facts, lexicon: &Lexicon) -> Result<Known, MaskError> {
        let mut draft = Draft::default();
        for name in &facts.names {
            draft.person(name, lexicon);
        }
        for name in &facts.written_names {
            draft.written(name, lexicon);
        }
        for (kind, value) in &facts.identifiers {
            draft.identifier(*kind, value);
        }
        for value in &facts.telecom {
            let kind = if value.contains('@') { Kind::Email } else { Kind::Phone };
            draft.telecom(kind, value);
        }
        for part in &facts.address_parts {
            draft.address(part, lexicon);
        }
        for code in &facts.postal_codes {
            draft.phrase(code, Pattern { kind: Kind::Place, trust: Trust::Sure });
        }
        for name in &facts.organizations {
            draft.organization(name, lexicon);
        }
        for day in &facts.dates {
            for digits in date::packed(*day) {
                draft.packed.insert(digits, Kind::Date);
            }
        }
        let days = facts.dates.iter().flat_map(|day| date::month_and_day(*day)).collect();
        draft.build(days)
    }

    /// Everything known in a text.
    pub(crate) fn find(&self, text: &Text, lexicon: &Lexicon, spans: &mut Vec<Span>) {
        self.find_words(text, lexicon, spans);
        self.find_packed(text, spans);
        self.find_mistyped(text, lexicon, spans);
        self.find_days(text, spans);
    }

    fn find_words(&self, text: &Text, lexicon: &Lexicon, spans: &mut Vec<Span>) {
        for found in self.words.find_overlapping_iter(text.line()) {
            let Some(&pattern) = self.word_patterns.get(found.pattern().as_usize()) else {
                continue;
            };
            let inner = found.start() + 1..found.end() - 1;
            let Some((first, last)) = text.of_line(inner) else {
                continue;
            };
            let judge = Judge { text, lexicon, singles: &self.singles };
            if judge.holds(pattern.trust, first, last) {
                spans.push(Span::new(text.span(first, last), pattern.kind));
            }
        }
    }

    fn find_packed(&self, text: &Text, spans: &mut Vec<Span>) {
        for found in self.packed.find_overlapping_iter(text.packed()) {
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
            if !capital || small.len() < TYPO_LETTERS_MIN || lexicon.is_word(small) || lexicon.is_eponym(small) {
                continue;
            }
            let near = |name: &String| {
                name.len() >= TYPO_LETTERS_MIN && name.len().abs_diff(small.len()) < 2 && one_edit(name, small)
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
            let whole = !matches!(text.gap(index + 1), "/" | "-" | ".") || number(index + 2).is_none();
            let apart = !matches!(text.gap_before(index), "/" | "-" | ".");
            if text.gap(index) == "/" && whole && apart && self.days.contains(&(a, b)) {
                spans.push(Span::new(text.span(index, index + 1), Kind::Date));
            }
        }
    }

    /// Known numbers and codes in bytes that leave, whatever stands between their digits.
    pub(crate) fn leaks(&self, text: &Text, lexicon: &Lexicon) -> Vec<Span> {
        let mut spans = Vec::new();
        self.find_words(text, lexicon, &mut spans);
        self.find_packed(text, &mut spans);
        spans
    }
}

/// A match in the packed stream counts when it does not cut a run of digits or letters.
fn bounded(packed: &str, found: &Range<usize>, text: &Text) -> bool {
    let class = |letter: Option<char>| letter.map(|letter| letter.is_ascii_digit());
    let before = packed.get(..found.start).and_then(|head| head.chars().next_back());
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
            let swapped = x.len() > 1 && x.first() == y.get(1) && x.get(1) == y.first() && tail(&x, 2) == tail(&y, 2);
            same > 0 && (tail(&x, 1) == tail(&y, 1) || swapped)
        }
    }
}

/// The words of a value as they are searched.
fn parts(value: &str) -> Vec<String> {
    let text = Text::of(value);
    (0..text.words.len()).map(|index| text.small(index).to_owned()).collect()
}

fn trust(small: &str, lexicon: &Lexicon) -> Trust {
    let month = month(small).is_some();
    match () {
        () if lexicon.may_be_word(small) || lexicon.is_eponym(small) || is_particle(small) || month => {
            Trust::Careful
        }
        () if small.len() < 4 || lexicon.is_city(small) => Trust::Capital,
        () => Trust::Sure,
    }
}

impl Draft {
    fn put(&mut self, words: &[&str], pattern: Pattern) {
        if words.iter().all(|word| word.is_empty()) {
            return;
        }
        let key = format!(" {} ", words.join(" "));
        let entry = self.words.entry(key).or_insert(pattern);
        if entry.trust == Trust::Careful || pattern.trust == Trust::Sure {
            entry.trust = pattern.trust;
        }
    }

    fn person(&mut self, name: &PersonName, lexicon: &Lexicon) {
        let given: Vec<String> = name.given.iter().flat_map(|given| parts(given)).collect();
        let family = parts(&name.family);
        let mut firsts: Vec<&str> = given.iter().map(String::as_str).collect();
        for first in given.iter().take(1) {
            firsts.extend(lexicon.nicknames(first));
        }
        for part in firsts.iter().copied().chain(family.iter().map(String::as_str)) {
            self.single(part, lexicon);
        }
        let family: Vec<&str> = family.iter().map(String::as_str).collect();
        self.together(&given, &family);
        for first in firsts {
            self.pair(first, &family);
        }
    }

    /// A part of a name that stands alone.
    fn single(&mut self, part: &str, lexicon: &Lexicon) {
        if part.chars().count() < 2 {
            return;
        }
        self.singles.insert(part.to_owned());
        let trust = trust(part, lexicon);
        self.put(&[part], Pattern { kind: Kind::Name, trust });
    }

    fn pair(&mut self, first: &str, family: &[&str]) {
        let (Some(initial), Some(last)) = (first.get(..1), family.last()) else {
            return;
        };
        let sure = Pattern { kind: Kind::Name, trust: Trust::Sure };
        let capital = Pattern { kind: Kind::Name, trust: Trust::Capital };
        let apart = first.len() > 1;
        self.put(&[&[first], family].concat(), if apart { sure } else { capital });
        self.put(&[family, &[first]].concat(), if apart { sure } else { capital });
        self.put(&[&[initial], family].concat(), capital);
        self.put(&[family, &[initial]].concat(), capital);
        if let Some(letter) = last.get(..1) {
            self.put(&[first, letter], capital);
        }
        if apart && last.len() > 2 {
            self.packed.insert(format!("{first}{}", family.concat()), Kind::Name);
            self.packed.insert(format!("{}{first}", family.concat()), Kind::Name);
        }
    }

    /// `Anna Maria Bui`, `Bui, Anna M`, and a hyphened name in one word.
    fn together(&mut self, given: &[String], family: &[&str]) {
        let sure = Pattern { kind: Kind::Name, trust: Trust::Capital };
        let full: Vec<&str> = given.iter().map(String::as_str).collect();
        let short: Vec<&str> = full
            .iter()
            .enumerate()
            .map(|(place, name)| if place == 0 { name } else { name.get(..1).unwrap_or(name) })
            .collect();
        for first in [&full, &short] {
            self.put(&[first.as_slice(), family].concat(), sure);
            self.put(&[family, first.as_slice()].concat(), sure);
        }
        for several in [full.as_slice(), family] {
            if several.len() > 1 {
                self.put(&[several.concat().as_str()], sure);
                self.put(several, sure);
            }
        }
    }

    fn written(&mut self, name: &str, lexicon: &Lexicon) {
        let words: Vec<String> = parts(name)
            .into_iter()
            .filter(|word| !is_title(word) && !is_credential(&word.to_uppercase()))
            .collect();
        let reversed = name.contains(',');
        let (given, family) = match words.as_slice() {
            [] => return,
            [only] => (Vec::new(), only.clone()),
            [first, rest @ ..] if reversed => (rest.to_vec(), first.clone()),
            [rest @ .., last] => (rest.to_vec(), last.clone()),
        };
        self.person(&PersonName { given, family }, lexicon);
    }

    fn phrase(&mut self, value: &str, pattern: Pattern) {
        let words = parts(value);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        self.put(&words, pattern);
    }

    fn identifier(&mut self, kind: Kind, value: &str) {
        let packed: String = parts(value).concat();
        let digits = packed.bytes().any(|byte| byte.is_ascii_digit());
        if packed.len() >= PACKED_LETTERS_MIN && digits {
            self.packed.insert(packed, kind);
        } else if packed.len() > 2 && digits {
            self.phrase(value, Pattern { kind, trust: Trust::Sure });
        }
    }

    fn telecom(&mut self, kind: Kind, value: &str) {
        self.identifier(kind, value);
        let value = value.split_once(':').map_or(value, |(_, rest)| rest);
        self.phrase(value, Pattern { kind, trust: Trust::Sure });
        if let Some((user, _)) = value.split_once('@') {
            let long = parts(user).concat().len() > 5;
            if long {
                self.phrase(user, Pattern { kind, trust: Trust::Sure });
            }
        } else {
            let digits: String = value.chars().filter(char::is_ascii_digit).collect();
            if digits.len() >= 7 {
                self.packed.insert(digits, kind);
            }
        }
    }

    /// The whole line, the line without its house number or unit, a city.
    fn address(&mut self, part: &str, lexicon: &Lexicon) {
        let words = parts(part);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let trust_of = |words: &[&str]| match words {
            [only] => trust(only, lexicon),
            several if several.iter().any(|word| !lexicon.is_word(word)) => Trust::Sure,
            _ => Trust::Capital,
        };
        let numbered = |word: &&str| word.bytes().any(|byte| byte.is_ascii_digit());
        self.put(&words, Pattern { kind: Kind::Place, trust: trust_of(&words) });
        let unit = words.iter().position(|word| matches!(*word, "apt" | "suite" | "unit" | "ste" | "apartment" | "floor"));
        let street = words.get(..unit.unwrap_or(words.len())).unwrap_or_default();
        if street.len() > 1 {
            self.put(street, Pattern { kind: Kind::Place, trust: trust_of(street) });
        }
        let bare: Vec<&str> = street.iter().copied().filter(|word| !numbered(word)).collect();
        if bare.len() > 1 && bare.len() < words.len() {
            self.put(&bare, Pattern { kind: Kind::Place, trust: Trust::Capital });
        }
    }

    fn organization(&mut self, name: &str, lexicon: &Lexicon) {
        let words = parts(name);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let trust = match words.as_slice() {
            [only] => trust(only, lexicon),
            _ => Trust::Capital,
        };
        if words.concat().len() > 2 {
            self.put(&words, Pattern { kind: Kind::Place, trust });
        }
    }

    fn build(self, days: HashSet<(i8, i8)>) -> Result<Known, MaskError> {
        let automaton = |keys: &[String]| {
            AhoCorasick::builder()
                .match_kind(MatchKind::Standard)
                .kind(Some(aho_corasick::AhoCorasickKind::ContiguousNFA))
                .build(keys)
                .map_err(|_| MaskError::TooMuch)
        };
        let (words, word_patterns): (Vec<String>, Vec<Pattern>) = self.words.into_iter().unzip();
        let (packed, packed_kinds): (Vec<String>, Vec<Kind>) = self.packed.into_iter().unzip();
        Ok(Known {
            words: automaton(&words)?,
            word_patterns,
            packed: automaton(&packed)?,
            packed_kinds,
            singles: self.singles,
            days,
        })
    }
}

/// What is done with an instrument: `Foley was placed`.
fn is_used(small: &str) -> bool {
    [
        "placed", "inserted", "removed", "kept", "advanced", "used", "left", "drained", "draining",
        "changed", "passed", "exchanged", "discontinued", "replaced", "introduced", "in", "positive",
        "negative", "applied", "withdrawn", "pulled", "not",
    ]
    .contains(&small)
}

/// Decides whether a match of a known name is that name here.
struct Judge<'a> {
    text: &'a Text,
    lexicon: &'a Lexicon,
    singles: &'a HashSet<String>,
}

impl Judge<'_> {
    fn holds(&self, trust: Trust, first: usize, last: usize) -> bool {
        match trust {
            Trust::Sure => true,
            Trust::Capital if first == last && self.part_of_a_thing(first) => false,
            Trust::Capital => (first..=last).all(|at| {
                let shape = self.text.shape(at);
                shape != Some(Shape::Lower) || is_particle(self.text.small(at)) || matches!(self.text.small(at), "of" | "the" | "and" | "s")
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
        let titled = before.is_some_and(|at| is_title(text.small(at)) && matches!(text.gap(at), "." | ". " | " " | ".  "));
        if titled || self.signs(index) {
            return true;
        }
        if self.thing(index) {
            return false;
        }
        let neighbor = |at: usize, gap: &str| {
            let near = matches!(gap, " " | ", " | "-" | "," | ". ");
            let initial = text.written(at).len() == 1 && text.shape(at) == Some(Shape::Capital);
            near && text.shape(at) == shape && (self.singles.contains(text.small(at)) || initial && gap != ", " && shape == Some(Shape::Capital))
        };
        let beside = before.is_some_and(|at| neighbor(at, text.gap(at))) || neighbor(index + 1, text.gap(index));
        if beside {
            return true;
        }
        if shape == Some(Shape::Upper) {
            return false;
        }
        let owns = text.small(index + 1) == "s" && text.gap(index) == "'";
        let used = is_used(text.small(index + 2));
        let acts = text.gap(index) == " " && is_act(text.small(index + 1)) && !used;
        if owns || acts && (text.begins(index) || !self.lexicon.is_eponym(text.small(index))) {
            return true;
        }
        let eponym = self.lexicon.is_eponym(text.small(index)) || self.lexicon.is_medical(text.small(index));
        !eponym && self.inside(index)
    }

    /// `Ray-Tec`, and `ED` for the emergency department.
    fn part_of_a_thing(&self, index: usize) -> bool {
        let text = self.text;
        let named = |at: usize| self.singles.contains(text.small(at)) || self.lexicon.is_first(text.small(at)) || self.lexicon.is_surname(text.small(at));
        let hyphened = text.gap(index) == "-" && !named(index + 1);
        let short = text.shape(index) == Some(Shape::Upper) && text.written(index).len() < 4;
        let beside = index.checked_sub(1).is_some_and(&named) || named(index + 1);
        hyphened || (short && !beside)
    }

    /// In the middle of a sentence, where words of the language begin with small letters.
    fn inside(&self, index: usize) -> bool {
        let text = self.text;
        let before = index.checked_sub(1);
        let lower = before.is_some_and(|at| text.shape(at) == Some(Shape::Lower) && matches!(text.gap(at), " " | ", "));
        let dated = month(text.small(index)).is_some()
            && (text.shape(index + 1) == Some(Shape::Digits) || before.is_some_and(|at| text.shape(at) == Some(Shape::Digits) || matches!(text.small(at), "in" | "of" | "since" | "last")));
        lower && !text.begins(index) && !dated
    }

    fn thing(&self, index: usize) -> bool {
        let text = self.text;
        let next = match text.small(index + 1) {
            "s" => index + 2,
            _ => index + 1,
        };
        let article = index.checked_sub(1).is_some_and(|at| matches!(text.small(at), "a" | "an" | "the"));
        is_eponym_head(text.small(next)) || article && self.lexicon.is_eponym(text.small(index))
    }

    /// Letters behind the name: `Early, MD`.
    fn signs(&self, index: usize) -> bool {
        matches!(self.text.gap(index), ", " | " ") && is_credential(self.text.written(index + 1))
    }
}
