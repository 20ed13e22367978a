//! Text as the finder reads it, with a map back to the text as it was written.
//!
//! A homoglyph, a full-width digit, a combining accent or a character of no width changes how
//! bytes compare, but not what a person reads. All of them are folded away first.

use std::ops::Range;

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

/// Folded text: plain letters and digits, plain quotes, hyphens and spaces; case is kept.
#[derive(Debug, Clone, Default)]
pub(crate) struct Folded {
    text: String,
    /// For each byte of `text`: where its character began and ended in the original; empty if
    /// both texts are the same.
    map: Vec<(u32, u32)>,
}

impl Folded {
    pub(crate) fn of(original: &str) -> Folded {
        if original.is_ascii() {
            return Folded {
                text: original.to_owned(),
                map: Vec::new(),
            };
        }
        let mut folded = Folded {
            text: String::with_capacity(original.len()),
            map: Vec::with_capacity(original.len()),
        };
        for (start, letter) in original.char_indices() {
            folded.take(letter, (start, start + letter.len_utf8()));
        }
        folded
    }

    fn take(&mut self, letter: char, (start, end): (usize, usize)) {
        if letter.is_ascii() {
            self.put(letter, (start, end));
        } else if is_combining_mark(letter) || is_invisible(letter) {
            self.stretch(end);
        } else {
            for part in std::iter::once(letter).nfkd() {
                if !is_combining_mark(part) && !is_invisible(part) {
                    self.plain(part, (start, end));
                }
            }
        }
    }

    fn plain(&mut self, letter: char, at: (usize, usize)) {
        match lookalike(letter) {
            Some(text) => text.chars().for_each(|plain| self.put(plain, at)),
            None if letter.is_whitespace() && letter != '\n' => self.put(' ', at),
            None => self.put(letter, at),
        }
    }

    fn put(&mut self, letter: char, (start, end): (usize, usize)) {
        self.text.push(letter);
        let place = (narrow(start), narrow(end));
        self.map
            .extend(std::iter::repeat_n(place, letter.len_utf8()));
    }

    /// What is not shown belongs to the character before it, so that it is masked along with it.
    fn stretch(&mut self, end: usize) {
        let Some(&(start, _)) = self.map.last() else {
            return;
        };
        for place in self.map.iter_mut().rev() {
            if place.0 != start {
                break;
            }
            place.1 = narrow(end);
        }
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// A range of the folded text in bytes of the original.
    pub(crate) fn original(&self, range: &Range<usize>) -> Range<usize> {
        if self.map.is_empty() {
            return range.clone();
        }
        let start = self.map.get(range.start).map(|place| place.0);
        let end = range.end.checked_sub(1).and_then(|last| self.map.get(last));
        match (start, end) {
            (Some(start), Some(&(_, end))) => start as usize..end as usize,
            _ => 0..0,
        }
    }
}

/// Texts are far below 4 GiB; what is not is refused before it gets here.
fn narrow(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

/// Zero-width, direction and variation marks, the soft hyphen, tags.
fn is_invisible(letter: char) -> bool {
    matches!(letter,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
        | '\u{ffa0}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// Characters that read as plain ones but do not decompose to them (after Unicode TR39).
fn lookalike(letter: char) -> Option<&'static str> {
    Some(match letter {
        'А' | 'Α' => "A",
        'В' | 'Β' => "B",
        'С' | 'Ϲ' => "C",
        'Ð' | 'Đ' | 'Ɖ' => "D",
        'Е' | 'Ε' => "E",
        'Н' | 'Η' => "H",
        'І' | 'Ι' | 'Ӏ' => "I",
        'Ј' => "J",
        'К' | 'Κ' => "K",
        'Ł' => "L",
        'М' | 'Μ' => "M",
        'Ν' => "N",
        'О' | 'Ο' | 'Ø' => "O",
        'Р' | 'Ρ' => "P",
        'Ѕ' => "S",
        'Т' | 'Τ' => "T",
        'Х' | 'Χ' => "X",
        'У' | 'Υ' | 'Ү' => "Y",
        'Ζ' => "Z",
        'а' | 'α' | 'ɑ' => "a",
        'с' | 'ϲ' => "c",
        'đ' | 'ð' | 'ԁ' => "d",
        'е' | 'ҽ' => "e",
        'ɡ' => "g",
        'һ' => "h",
        'і' | 'ι' | 'ı' => "i",
        'ј' => "j",
        'ł' => "l",
        'ո' => "n",
        'о' | 'ο' | 'ø' | 'օ' => "o",
        'р' | 'ρ' => "p",
        'ԛ' => "q",
        'ѕ' => "s",
        'ν' | 'ѵ' => "v",
        'ԝ' => "w",
        'х' | 'χ' => "x",
        'у' | 'γ' | 'ү' => "y",
        'Æ' => "AE",
        'æ' => "ae",
        'Œ' => "OE",
        'œ' => "oe",
        'ß' => "ss",
        'Þ' => "Th",
        'þ' => "th",
        '‘' | '’' | '‛' | 'ʼ' | 'ʹ' | '′' | '`' | '´' => "'",
        '“' | '”' | '„' | '″' => "\"",
        '‐' | '‑' | '‒' | '–' | '—' | '―' | '−' | '﹣' => "-",
        '∕' | '⁄' => "/",
        '․' | '。' => ".",
        '﹫' => "@",
        _ => return digit(letter),
    })
}

/// Decimal digits of the scripts in which dates and numbers are written most.
fn digit(letter: char) -> Option<&'static str> {
    let digits = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
    let zeros = ['\u{660}', '\u{6f0}', '\u{966}', '\u{9e6}', '\u{e50}'];
    let value = zeros.iter().find_map(|&zero| {
        u32::from(letter)
            .checked_sub(u32::from(zero))
            .filter(|&v| v < 10)
    })?;
    digits.get(value as usize).copied()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn back(original: &str, needle: &str) -> String {
        let folded = Folded::of(original);
        let start = folded.text().find(needle).unwrap();
        original[folded.original(&(start..start + needle.len()))].to_owned()
    }

    #[test]
    fn what_reads_alike_folds_alike() {
        assert_eq!(
            Folded::of("jаne\u{301} ４１ 4\u{200d}1 Bùi Đặng").text(),
            "jane 41 41 Bui Dang"
        );
        assert_eq!(Folded::of("O’Brien – ﬁ").text(), "O'Brien - fi");
    }

    #[test]
    fn offsets_lead_back_over_everything_that_was_folded_away() {
        assert_eq!(
            back("card 4\u{200d}1\u{200d}1.", "411"),
            "4\u{200d}1\u{200d}1"
        );
        assert_eq!(back("x jane\u{301}.", "jane"), "jane\u{301}");
        assert_eq!(back("Đặng Mai", "Dang"), "Đặng");
    }

    proptest! {
        #[test]
        fn every_range_leads_back_to_whole_characters(text in "\\PC{0,40}", a in 0usize..60, b in 0usize..60) {
            let folded = Folded::of(&text);
            let places: Vec<usize> = folded.text().char_indices().map(|(at, _)| at).chain([folded.text().len()]).collect();
            let (a, b) = (places[a % places.len()], places[b % places.len()]);
            let range = folded.original(&(a.min(b)..a.max(b)));
            prop_assert!(text.get(range).is_some());
        }
    }
}
