//! A message that is being changed: its segments as bytes.

use super::super::{Message, Separators};
use super::Path;

pub(super) struct Draft<'m> {
    segments: Vec<Vec<u8>>,
    separators: &'m Separators,
}

/// What is divided by which separator, and which of the pieces is meant; `None`: each of them.
type Step = (u8, Option<usize>);

/// What becomes of a piece: `None`, it stays.
type Becomes<'f> = dyn FnMut(&[u8]) -> Option<Vec<u8>> + 'f;

impl<'m> Draft<'m> {
    pub(super) fn of(message: &'m Message<'_>) -> Draft<'m> {
        Draft {
            segments: message.all().map(|one| one.bytes().to_vec()).collect(),
            separators: &message.rules.separators,
        }
    }

    /// Every segment, each ended by a carriage return.
    pub(super) fn written(self) -> Vec<u8> {
        let mut out = Vec::new();
        for segment in self.segments {
            out.extend_from_slice(&segment);
            out.push(b'\r');
        }
        out
    }

    pub(super) fn drop(&mut self, path: &Path) {
        let mut count = 0;
        self.segments.retain(|segment| {
            let named = is(segment, path);
            count += usize::from(named);
            !(named && path.occurrence.is_none_or(|nth| nth == count))
        });
    }

    /// Changes what stands in every place that is meant.
    pub(super) fn each(&mut self, path: &Path, becomes: &mut Becomes<'_>) -> Result<(), String> {
        let steps = self.steps(path)?;
        for segment in meant(&mut self.segments, path) {
            *segment = changed(segment, &steps, becomes);
        }
        Ok(())
    }

    /// Copies within each segment if both are in segments of one name, else from the first; from one
    /// that is not there, nothing.
    pub(super) fn copy(&mut self, from: &Path, to: &Path) -> Result<(), String> {
        let (read, write) = (self.steps(from)?, self.steps(to)?);
        // A whole field with its repetitions goes into a whole field alone.
        let repetition = self.separators.repetition;
        let whole = to.depth() == 0 && to.repetition.is_none();
        let take = |segment: &[u8]| found(segment, &read, (whole, repetition));
        let beside = from.segment == to.segment && from.occurrence == to.occurrence;
        let first = meant(&mut self.segments, from).next().map(|one| take(one));
        // Where there is nothing to take from, the target keeps what it says.
        let Some(first) = first else {
            return Ok(());
        };
        for segment in meant(&mut self.segments, to) {
            let text = match beside {
                true => take(segment),
                false => first.clone(),
            };
            *segment = changed(segment, &write, &mut |_| Some(text.clone()));
        }
        Ok(())
    }

    /// How to come to a place: field, repetition, component, subcomponent.
    fn steps(&self, path: &Path) -> Result<Vec<Step>, String> {
        let separators = self.separators;
        let header = matches!(path.segment.as_str(), "MSH" | "BHS" | "FHS");
        let field = path.field - usize::from(header && path.field > 0);
        let mut steps = vec![(separators.field, Some(field))];
        if path.repetition.is_some() || path.component > 0 {
            let nth = path.repetition.map(|nth| nth.saturating_sub(1));
            steps.push((separators.repetition, nth));
        }
        if path.component > 0 {
            steps.push((separators.component, Some(path.component.saturating_sub(1))));
        }
        if path.subcomponent > 0 {
            let separator = separators.subcomponent;
            let separator = separator.ok_or("the message has no separator for subcomponents")?;
            steps.push((separator, Some(path.subcomponent.saturating_sub(1))));
        }
        Ok(steps)
    }
}

fn is(segment: &[u8], path: &Path) -> bool {
    segment.starts_with(path.segment.as_bytes())
}

fn meant<'s>(
    segments: &'s mut [Vec<u8>],
    path: &'s Path,
) -> impl Iterator<Item = &'s mut Vec<u8>> + 's {
    let named = segments.iter_mut().filter(|one| is(one, path));
    let numbered = named.enumerate();
    let meant = numbered.filter(|(at, _)| path.occurrence.is_none_or(|nth| at + 1 == nth));
    meant.map(|(_, segment)| segment)
}

/// The piece, with what stands at the end of the steps changed. Where there is no such place it is
/// made, unless nothing would stand in it.
fn changed(piece: &[u8], steps: &[Step], becomes: &mut Becomes<'_>) -> Vec<u8> {
    let Some(((separator, which), rest)) = steps.split_first() else {
        return becomes(piece).unwrap_or_else(|| piece.to_vec());
    };
    let mut pieces: Vec<Vec<u8>> = piece
        .split(|byte| byte == separator)
        .map(<[u8]>::to_vec)
        .collect();
    let Some(which) = *which else {
        for one in &mut pieces {
            *one = changed(one, rest, becomes);
        }
        return pieces.join(separator);
    };
    let there = pieces.get(which).cloned().unwrap_or_default();
    let new = changed(&there, rest, becomes);
    if new == there {
        return piece.to_vec();
    }
    if pieces.len() <= which {
        pieces.resize(which + 1, Vec::new());
    }
    if let Some(place) = pieces.get_mut(which) {
        *place = new;
    }
    pieces.join(separator)
}

/// What stands at the end of the steps, of several the first; a field whole, with its repetitions,
/// or the first of them.
fn found(piece: &[u8], steps: &[Step], (whole, repetition): (bool, u8)) -> Vec<u8> {
    let mut piece = piece;
    for (separator, which) in steps {
        let nth = piece
            .split(|byte| byte == separator)
            .nth(which.unwrap_or(0));
        piece = nth.unwrap_or_default();
    }
    if !whole && steps.len() == 1 {
        piece = piece
            .split(|byte| *byte == repetition)
            .next()
            .unwrap_or_default();
    }
    piece.to_vec()
}
