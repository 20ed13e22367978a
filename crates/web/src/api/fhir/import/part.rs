//! A part of a file: what goes into one commit.

use std::collections::HashSet;

use super::super::fault::Fault;
use super::super::intent::Intent;
use super::super::route::{Target, Write};
use super::super::settle::peek;
use super::files::by_its_id;
use super::lines::Line;
use super::settings::Imports;
use super::told;
use bytes::Bytes;
use wire::fhir::{Code, Issue};

/// Lines that become one commit, no resource twice.
pub(super) struct Part {
    /// The type that they must be of.
    kind: String,
    /// How many lines of the file were read before them.
    after: u64,
    /// How many lines of the file were read with them.
    last: u64,
    lines_left: usize,
    bytes_left: usize,
    seen: HashSet<Target>,
    /// Those that say what to write, each with its number.
    pub(super) writes: Vec<(u64, Intent)>,
    /// Those that do not, and why, as it is told: however much is wrong with a line, it is little.
    pub(super) refused: Vec<(u64, Vec<u8>)>,
}

impl Part {
    /// A part that begins after this many lines.
    pub(super) fn new(after: u64, kind: &str, settings: &Imports) -> Part {
        Part {
            kind: kind.to_owned(),
            after,
            last: after,
            lines_left: settings.batch_lines_max.max(1),
            bytes_left: settings.batch_bytes_max,
            seen: HashSet::new(),
            writes: Vec::new(),
            refused: Vec::new(),
        }
    }

    /// How many lines of the file were read before it.
    pub(super) const fn after(&self) -> u64 {
        self.after
    }

    /// How many lines of the file were read with it.
    pub(super) const fn last(&self) -> u64 {
        self.last
    }

    pub(super) const fn is_full(&self) -> bool {
        self.lines_left == 0
    }

    /// Takes the next line in, or gives it back: it belongs to the next part.
    pub(super) fn take(&mut self, line: Line) -> Option<Line> {
        let raw = match &line {
            Line::Text(raw) => raw.clone(),
            Line::TooLong => {
                let words = "the line is longer than a resource may be (`body_bytes_max`)";
                self.count(0);
                self.refuse(self.last, &Fault::too_large(words));
                return None;
            }
        };
        if raw.trim_ascii().is_empty() {
            self.count(raw.len());
            return None;
        }
        let read = self.read(raw.clone());
        let is_empty = self.writes.is_empty() && self.refused.is_empty();
        if raw.len() > self.bytes_left && !is_empty {
            self.lines_left = 0;
            return Some(line);
        }
        if let Ok(intent) = &read
            && let Write::Update(target) = &intent.write
            && !self.seen.insert(target.clone())
        {
            self.lines_left = 0;
            return Some(line);
        }
        self.count(raw.len());
        match read {
            Ok(intent) => self.writes.push((self.last, intent)),
            Err(fault) => self.refuse(self.last, &fault),
        }
        None
    }

    /// Refuses the largest of the writes, since one of them is larger than an event may be.
    pub(super) fn without_largest(&mut self, fault: &Fault) {
        let all = self.writes.iter().enumerate();
        let largest = all.max_by_key(|(_, (_, intent))| intent.raw.len());
        if let Some(at) = largest.map(|(at, _)| at) {
            let (line, _) = self.writes.remove(at);
            self.refuse(line, fault);
        }
    }

    fn refuse(&mut self, line: u64, fault: &Fault) {
        self.refused.push((line, told::refusal(line, fault)));
    }

    fn count(&mut self, bytes: usize) {
        self.last += 1;
        self.lines_left = self.lines_left.saturating_sub(1);
        self.bytes_left = self.bytes_left.saturating_sub(bytes);
    }

    fn read(&self, raw: Bytes) -> Result<Intent, Fault> {
        let said = peek(&raw).kind;
        if said.as_deref().is_some_and(|said| said != self.kind) {
            let words = format!(
                "it is a `{}` in a file of {}",
                said.unwrap_or_default(),
                self.kind
            );
            let issue = Issue::error(Code::Value, format!("{}.resourceType", self.kind), words);
            return Err(Fault::of(axum::http::StatusCode::BAD_REQUEST, vec![issue]));
        }
        let mut intent = by_its_id((0, &self.kind), None, raw)?;
        intent.path = String::new();
        Ok(intent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Line {
        Line::Text(Bytes::copy_from_slice(text.as_bytes()))
    }

    fn part(batch_lines_max: usize, batch_bytes_max: usize) -> Part {
        let settings = Imports {
            batch_lines_max,
            batch_bytes_max,
            ..Imports::default()
        };
        Part::new(10, "Patient", &settings)
    }

    #[test]
    fn no_resource_stands_twice_in_one_part() {
        let mut part = part(10, 10_000);
        let one = r#"{"resourceType":"Patient","id":"a"}"#;
        assert!(part.take(line(one)).is_none());
        assert!(part.take(line(r#"{"resourceType":"Patient"}"#)).is_none());
        assert!(part.take(line(r#"{"resourceType":"Patient"}"#)).is_none());
        assert!(part.take(line(" ")).is_none() && !part.is_full());
        assert_eq!(part.take(line(one)), Some(line(one)));
        assert!(part.is_full());
        assert_eq!((part.writes.len(), part.last()), (3, 14));
    }

    #[test]
    fn a_part_is_full_by_lines_or_bytes_but_one_line_always_goes_in() {
        let mut few = part(2, 10_000);
        assert!(few.take(line("{}")).is_none() && !few.is_full());
        assert!(few.take(line("{}")).is_none() && few.is_full());
        let mut small = part(10, 1);
        let one = r#"{"resourceType":"Patient","id":"a"}"#;
        assert!(small.take(line(one)).is_none());
        assert_eq!(small.take(line("{}")), Some(line("{}")));
        assert!(small.is_full());
    }

    #[test]
    fn what_is_of_another_type_or_too_long_is_refused_under_its_number() {
        let mut part = part(10, 10_000);
        part.take(line(r#"{"resourceType":"Observation","id":"a"}"#));
        part.take(Line::TooLong);
        part.take(line(r#"{"resourceType":"Patient","id":"no/id"}"#));
        let numbers: Vec<u64> = part.refused.iter().map(|(line, _)| *line).collect();
        assert_eq!(numbers, [11, 12, 13]);
        assert!(part.writes.is_empty());
    }
}
