//! What a batch comes to: counts, and what kinds of lines are in it.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;

use super::{Format, Line, push, read};

/// Kinds that are counted one by one in a batch; what is beyond counts as `other`.
pub const KINDS_MAX: usize = 64;
/// Characters of a kind: enough for any honest one.
const KIND_CHARACTERS_MAX: usize = 80;
const OTHER: &str = "other";

/// Whether a line is whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// As it came.
    Whole,
    /// A piece of one that is longer than a line may be; it is not read.
    Piece,
}

/// A batch as it grows, and what it comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally {
    /// The batch, as [`push`] writes it.
    pub batch: Vec<u8>,
    /// Lines in it, pieces included.
    pub lines: u64,
    /// Of them, those that could not be read as their format.
    pub unread: u64,
    /// Of them, pieces.
    pub cut: u64,
    /// When the first and the last of them came, in milliseconds since 1970.
    pub span: Option<(i64, i64)>,
    /// Why the first of them could not be read.
    pub reason: String,
    kinds: BTreeMap<String, u64>,
    format: Format,
    zone: TimeZone,
}

impl Tally {
    /// An empty batch of a feed with this format, whose times without an offset are in `zone`.
    #[must_use]
    pub const fn new(format: Format, zone: TimeZone) -> Tally {
        Tally {
            batch: Vec::new(),
            lines: 0,
            unread: 0,
            cut: 0,
            span: None,
            reason: String::new(),
            kinds: BTreeMap::new(),
            format,
            zone,
        }
    }

    /// Takes a line in, readable or not.
    pub fn add(&mut self, line: Line<'_>, cut: Cut) {
        self.lines += 1;
        self.span = Some((self.span.map_or(line.at, |(first, _)| first), line.at));
        push(&mut self.batch, line);
        if cut == Cut::Piece {
            self.cut += 1;
            return;
        }
        match read(self.format, line.bytes, (line.at, &self.zone)) {
            Ok(said) => self.count(said.kind),
            Err(why) => {
                self.unread += 1;
                if self.reason.is_empty() {
                    self.reason = why.into_owned();
                }
            }
        }
    }

    /// The kinds of lines, the most frequent first.
    #[must_use]
    pub fn kinds(&self) -> Vec<(String, u64)> {
        let mut kinds: Vec<(String, u64)> = self
            .kinds
            .iter()
            .map(|(kind, count)| (kind.clone(), *count))
            .collect();
        kinds.sort_by(|one, other| other.1.cmp(&one.1).then_with(|| one.0.cmp(&other.0)));
        kinds
    }

    fn count(&mut self, kind: Option<String>) {
        let Some(kind) = kind else { return };
        let visible = kind.chars().map(|letter| match letter.is_control() {
            true => '\u{fffd}',
            false => letter,
        });
        let mut kind: String = visible.take(KIND_CHARACTERS_MAX).collect();
        if self.kinds.len() >= KINDS_MAX && !self.kinds.contains_key(&kind) {
            OTHER.clone_into(&mut kind);
        }
        *self.kinds.entry(kind).or_default() += 1;
    }
}
