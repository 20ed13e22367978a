//! Folded text cut into words, and the two streams in which known things are looked for.

use std::ops::Range;

use super::fold::Folded;

/// How a word is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// `word`
    Lower,
    /// `Word`, also `McDonald` and a single capital letter.
    Capital,
    /// `WORD`, two letters and more.
    Upper,
    /// `1234`
    Digits,
    /// `E12`, `hBD`
    Mixed,
}

/// A run of letters and digits.
#[derive(Debug, Clone)]
pub(crate) struct Word {
    /// Where it is in the folded text.
    pub(crate) range: Range<usize>,
    pub(crate) shape: Shape,
    /// Where it is in the stream of words.
    line_at: usize,
    /// Where it is in the packed stream.
    packed_at: usize,
}

/// A text, folded and cut into words.
#[derive(Debug, Clone)]
pub(crate) struct Text {
    pub(crate) folded: Folded,
    pub(crate) words: Vec<Word>,
    /// The words in small letters, one space before and after each.
    line: String,
    /// The words in small letters with nothing between them.
    packed: String,
}

impl Text {
    pub(crate) fn of(original: &str) -> Text {
        let folded = Folded::of(original);
        let mut text = Text {
            words: Vec::with_capacity(folded.text().len() / 5),
            line: String::with_capacity(folded.text().len() + 2),
            packed: String::with_capacity(folded.text().len()),
            folded,
        };
        text.line.push(' ');
        let source = std::mem::take(&mut text.folded);
        let mut start = None;
        for (at, letter) in source.text().char_indices() {
            match (letter.is_alphanumeric(), start) {
                (true, None) => start = Some(at),
                (false, Some(from)) => {
                    text.push(source.text(), from..at);
                    start = None;
                }
                _ => {}
            }
        }
        if let Some(from) = start {
            text.push(source.text(), from..source.text().len());
        }
        text.folded = source;
        text
    }

    fn push(&mut self, source: &str, range: Range<usize>) {
        let word = source.get(range.clone()).unwrap_or_default();
        self.words.push(Word {
            shape: shape(word),
            line_at: self.line.len(),
            packed_at: self.packed.len(),
            range,
        });
        for letter in word.chars().flat_map(char::to_lowercase) {
            self.line.push(letter);
            self.packed.push(letter);
        }
        self.line.push(' ');
    }

    pub(crate) fn source(&self) -> &str {
        self.folded.text()
    }

    pub(crate) fn line(&self) -> &str {
        &self.line
    }

    pub(crate) fn packed(&self) -> &str {
        &self.packed
    }

    pub(crate) fn word(&self, index: usize) -> Option<&Word> {
        self.words.get(index)
    }

    /// The word as it is written.
    pub(crate) fn written(&self, index: usize) -> &str {
        self.word(index)
            .and_then(|word| self.source().get(word.range.clone()))
            .unwrap_or_default()
    }

    /// The word in small letters; empty before the first and after the last.
    pub(crate) fn small(&self, index: usize) -> &str {
        let Some(word) = self.word(index) else {
            return "";
        };
        let end = match self.word(index + 1) {
            Some(next) => next.line_at.saturating_sub(1),
            None => self.line.len().saturating_sub(1),
        };
        self.line.get(word.line_at..end).unwrap_or_default()
    }

    pub(crate) fn shape(&self, index: usize) -> Option<Shape> {
        self.word(index).map(|word| word.shape)
    }

    /// What stands between a word and the next one.
    pub(crate) fn gap(&self, index: usize) -> &str {
        let Some(word) = self.word(index) else {
            return "";
        };
        let end = self.word(index + 1).map(|next| next.range.start);
        let end = end.unwrap_or(self.source().len());
        self.source().get(word.range.end..end).unwrap_or_default()
    }

    /// What stands before a word.
    pub(crate) fn gap_before(&self, index: usize) -> &str {
        match index.checked_sub(1) {
            Some(before) => self.gap(before),
            None => {
                let end = self.word(0).map_or(0, |word| word.range.start);
                self.source().get(..end).unwrap_or_default()
            }
        }
    }

    /// From the first letter of one word to the last of another.
    pub(crate) fn span(&self, first: usize, last: usize) -> Range<usize> {
        match (self.word(first), self.word(last)) {
            (Some(first), Some(last)) => first.range.start..last.range.end,
            _ => 0..0,
        }
    }

    /// The words that a match in the line touches.
    pub(crate) fn of_line(&self, found: Range<usize>) -> Option<(usize, usize)> {
        self.touched(&found, |word| word.line_at)
    }

    /// The words that a match in the packed stream touches.
    pub(crate) fn of_packed(&self, found: Range<usize>) -> Option<(usize, usize)> {
        self.touched(&found, |word| word.packed_at)
    }

    fn touched(&self, found: &Range<usize>, at: fn(&Word) -> usize) -> Option<(usize, usize)> {
        let first = self.words.partition_point(|word| at(word) <= found.start);
        let last = self.words.partition_point(|word| at(word) < found.end);
        Some((first.checked_sub(1)?, last.checked_sub(1)?))
    }

    /// The folded range of a match in the packed stream, to the letter.
    pub(crate) fn packed_range(&self, found: &Range<usize>) -> Option<Range<usize>> {
        let (first, last) = self.of_packed(found.clone())?;
        let (first, last) = (self.word(first)?, self.word(last)?);
        // Small letters of a few scripts are longer than their capitals; then the whole word is meant.
        let start = first.range.start + (found.start - first.packed_at).min(first.range.len());
        let end = last.range.start + (found.end - last.packed_at).min(last.range.len());
        let whole = self.source().is_char_boundary(start) && self.source().is_char_boundary(end);
        Some(match whole && start < end {
            true => start..end,
            false => first.range.start..last.range.end,
        })
    }

    /// Whether a word begins at a place in the packed stream, or the stream ends there.
    pub(crate) fn starts_word(&self, at: usize) -> bool {
        at >= self.packed.len()
            || self
                .words
                .binary_search_by_key(&at, |word| word.packed_at)
                .is_ok()
    }

    /// The first word that ends behind a place in the folded text.
    pub(crate) fn after(&self, at: usize) -> usize {
        self.words.partition_point(|word| word.range.end <= at)
    }

    /// Whether a word begins a sentence, a line or a heading's text.
    pub(crate) fn begins(&self, index: usize) -> bool {
        if index == 0 {
            return true;
        }
        let gap = self.gap_before(index);
        let initial = self.written(index - 1).len() == 1 && gap.starts_with('.');
        let shortened = ["st", "dr", "mr", "mrs", "ms", "mt"].contains(&self.small(index - 1));
        gap.contains(['\n', '!', '?', ':', ';', '"'])
            || gap.contains(".,")
            || gap.contains(":,")
            || (gap.contains('.') && !initial && !shortened)
    }
}

fn shape(word: &str) -> Shape {
    let mut letters = word.chars();
    let first = letters.next().unwrap_or(' ');
    let digits = word.chars().any(|letter| letter.is_ascii_digit());
    let others = word.chars().any(|letter| !letter.is_ascii_digit());
    if digits {
        return match others {
            true => Shape::Mixed,
            false => Shape::Digits,
        };
    }
    let rest = letters.as_str();
    if !first.is_uppercase() {
        return match rest.chars().any(char::is_uppercase) {
            true => Shape::Mixed,
            false => Shape::Lower,
        };
    }
    match !rest.is_empty() && !rest.chars().any(char::is_lowercase) {
        true => Shape::Upper,
        false => Shape::Capital,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_lead_back_from_both_streams() {
        let text = Text::of("MRN: 41-86/027, O'Brien");
        assert_eq!(text.line(), " mrn 41 86 027 o brien ");
        assert_eq!(text.packed(), "mrn4186027obrien");
        assert_eq!(text.of_line(15..22), Some((4, 5)));
        assert_eq!(text.packed_range(&(3..10)), Some(5..14));
        assert_eq!(text.small(5), "brien");
        assert_eq!(text.gap(4), "'");
    }

    #[test]
    fn the_way_a_word_is_written_is_told() {
        let shapes = ["word", "Word", "McDonald", "WORD", "12", "E12", "A", "hBD"].map(shape);
        assert_eq!(
            shapes,
            [
                Shape::Lower,
                Shape::Capital,
                Shape::Capital,
                Shape::Upper,
                Shape::Digits,
                Shape::Mixed,
                Shape::Capital,
                Shape::Mixed
            ]
        );
    }
}
