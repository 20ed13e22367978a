//! What is known of somebody, spelled out in every way in which it may be written.

use std::collections::{HashMap, HashSet};

use super::date;
use super::facts::{Facts, PersonName};
use super::lexicon::{Lexicon, List};
use super::span::Kind;
use super::terms::{is_credential, is_particle, month};
use super::words::Text;

/// The shortest number or code that is found whatever stands between its digits.
const PACKED_LETTERS_MIN: usize = 6;

/// How much a match of a name must be backed by what stands around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trust {
    /// It can mean nothing else.
    Sure,
    /// Short, or with an initial: it must be written with a capital.
    Capital,
    /// A word of the language, an eponym, a month: it must stand like a name.
    Careful,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Pattern {
    pub(crate) kind: Kind,
    pub(crate) trust: Trust,
}

/// Collects patterns before the automata are built.
#[derive(Default)]
pub(crate) struct Draft {
    pub(crate) words: HashMap<String, Pattern>,
    pub(crate) packed: HashMap<String, Kind>,
    pub(crate) singles: HashSet<String>,
}

/// The words of a value as they are searched.
fn parts(value: &str) -> Vec<String> {
    let text = Text::of(value);
    (0..text.words.len())
        .map(|index| text.small(index).to_owned())
        .collect()
}

fn trust(small: &str, lexicon: &Lexicon) -> Trust {
    let month = month(small).is_some();
    match () {
        () if lexicon.may_be_word(small)
            || lexicon.on(List::Eponyms, small)
            || is_particle(small)
            || month =>
        {
            Trust::Careful
        }
        () if small.len() < 4 || lexicon.on(List::Cities, small) => Trust::Capital,
        () => Trust::Sure,
    }
}

impl Draft {
    pub(crate) fn of(facts: &Facts, lexicon: &Lexicon) -> Draft {
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
            let kind = if value.contains('@') {
                Kind::Email
            } else {
                Kind::Phone
            };
            draft.telecom(kind, value);
        }
        for part in &facts.address_parts {
            draft.address(part, lexicon);
        }
        for code in &facts.postal_codes {
            draft.phrase(
                code,
                Pattern {
                    kind: Kind::Place,
                    trust: Trust::Sure,
                },
            );
        }
        for name in &facts.organizations {
            draft.organization(name, lexicon);
        }
        for day in &facts.dates {
            for digits in date::packed(*day) {
                draft.packed.insert(digits, Kind::Date);
            }
        }
        draft
    }

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
        for part in firsts
            .iter()
            .copied()
            .chain(family.iter().map(String::as_str))
        {
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
        self.put(
            &[part],
            Pattern {
                kind: Kind::Name,
                trust,
            },
        );
    }

    fn pair(&mut self, first: &str, family: &[&str]) {
        let (Some(initial), Some(last)) = (first.get(..1), family.last()) else {
            return;
        };
        let sure = Pattern {
            kind: Kind::Name,
            trust: Trust::Sure,
        };
        let capital = Pattern {
            kind: Kind::Name,
            trust: Trust::Capital,
        };
        let apart = first.len() > 1;
        self.put(
            &[&[first], family].concat(),
            if apart { sure } else { capital },
        );
        self.put(
            &[family, &[first]].concat(),
            if apart { sure } else { capital },
        );
        self.put(&[&[initial], family].concat(), capital);
        self.put(&[family, &[initial]].concat(), capital);
        if apart && let Some(letter) = last.get(..1) {
            self.put(&[first, letter], capital);
        }
        if apart && last.len() > 2 {
            self.packed
                .insert(format!("{first}{}", family.concat()), Kind::Name);
            self.packed
                .insert(format!("{}{first}", family.concat()), Kind::Name);
        }
    }

    /// `Anna Maria Bui`, `Bui, Anna M`, and a hyphened name in one word.
    fn together(&mut self, given: &[String], family: &[&str]) {
        let sure = Pattern {
            kind: Kind::Name,
            trust: Trust::Capital,
        };
        let full: Vec<&str> = given.iter().map(String::as_str).collect();
        let short: Vec<&str> = full
            .iter()
            .enumerate()
            .map(|(place, name)| {
                if place == 0 {
                    name
                } else {
                    name.get(..1).unwrap_or(name)
                }
            })
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
            .filter(|word| !lexicon.on(List::Titles, word) && !is_credential(&word.to_uppercase()))
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

    /// A short number is a count on every other page; it is not looked for.
    fn identifier(&mut self, kind: Kind, value: &str) {
        let packed: String = parts(value).concat();
        let digits = packed.bytes().filter(u8::is_ascii_digit).count();
        let mixed = digits < packed.len();
        if packed.len() >= PACKED_LETTERS_MIN && digits > 0 {
            self.packed.insert(packed, kind);
        } else if digits > 4 || (mixed && digits > 0 && packed.len() > 3) {
            let trust = Trust::Sure;
            self.phrase(value, Pattern { kind, trust });
        }
    }

    fn telecom(&mut self, kind: Kind, value: &str) {
        self.identifier(kind, value);
        let value = value.split_once(':').map_or(value, |(_, rest)| rest);
        self.phrase(
            value,
            Pattern {
                kind,
                trust: Trust::Sure,
            },
        );
        if let Some((user, _)) = value.split_once('@') {
            let long = parts(user).concat().len() > 5;
            if long {
                self.phrase(
                    user,
                    Pattern {
                        kind,
                        trust: Trust::Sure,
                    },
                );
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
        self.put(
            &words,
            Pattern {
                kind: Kind::Place,
                trust: trust_of(&words),
            },
        );
        let unit = words.iter().position(|word| {
            matches!(
                *word,
                "apt" | "suite" | "unit" | "ste" | "apartment" | "floor"
            )
        });
        let street = words.get(..unit.unwrap_or(words.len())).unwrap_or_default();
        if street.len() > 1 {
            self.put(
                street,
                Pattern {
                    kind: Kind::Place,
                    trust: trust_of(street),
                },
            );
        }
        let bare: Vec<&str> = street
            .iter()
            .copied()
            .filter(|word| !numbered(word))
            .collect();
        if bare.len() > 1 && bare.len() < words.len() {
            self.put(
                &bare,
                Pattern {
                    kind: Kind::Place,
                    trust: Trust::Capital,
                },
            );
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
            self.put(
                &words,
                Pattern {
                    kind: Kind::Place,
                    trust,
                },
            );
        }
    }
}
