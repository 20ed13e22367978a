use std::fmt;

use super::super::{Message, Part, Segment};

/// The highest number in a path.
const NUMBER_MAX: usize = 10_000;

/// A place in a message, as the standard names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    pub(super) segment: String,
    /// Which segment of that name, from 1.
    pub(super) occurrence: Option<usize>,
    /// The field, from 1; 0: the whole segment.
    pub(super) field: usize,
    /// Which repetition, from 1.
    pub(super) repetition: Option<usize>,
    /// The component, from 1; 0: the whole field.
    pub(super) component: usize,
    /// The subcomponent, from 1; 0: the whole component.
    pub(super) subcomponent: usize,
}

impl Path {
    /// Reads a path.
    ///
    /// # Errors
    /// In words, what is wrong with it.
    pub fn parse(written: &str) -> Result<Path, String> {
        read(written).ok_or_else(|| {
            format!(
                "`{written}` is no place in a message; write for instance `PID-3.1` or `OBX[2]-5`"
            )
        })
    }

    /// The same, if it names a field.
    pub(super) fn field(written: &str) -> Result<Path, String> {
        let path = Path::parse(written)?;
        match path.field {
            0 => Err(format!(
                "`{written}` names no field; write for instance `{written}-3`"
            )),
            _ => Ok(path),
        }
    }

    /// How far it divides: 0 a field, 1 a component, 2 a subcomponent.
    pub(super) const fn depth(&self) -> usize {
        match (self.component, self.subcomponent) {
            (0, _) => 0,
            (_, 0) => 1,
            _ => 2,
        }
    }

    /// The first component of a field, and its first subcomponent if the message divides so far.
    pub(super) fn first(&self, divides: bool) -> Path {
        Path {
            component: self.component.max(1),
            subcomponent: self.subcomponent.max(usize::from(divides)),
            ..self.clone()
        }
    }

    /// What stands in these places, in the order of the message; places that nothing was said in
    /// are among it if their segment is there.
    pub fn parts<'m>(&self, message: &'m Message<'_>) -> Vec<Part<'m>> {
        let all = message.all().filter(|one| one.name() == self.segment);
        let numbered = all.enumerate();
        let meant = numbered.filter(|(at, _)| self.occurrence.is_none_or(|nth| at + 1 == nth));
        meant
            .flat_map(|(_, segment)| self.within(segment))
            .collect()
    }

    fn within<'m>(&self, segment: Segment<'m>) -> Vec<Part<'m>> {
        let field = segment.field(self.field);
        let repetitions: Vec<Part<'m>> = match self.repetition {
            Some(nth) => vec![field.rep(nth.saturating_sub(1))],
            None if field.is_absent() => vec![field],
            None => field.reps().collect(),
        };
        let divided = repetitions.into_iter().map(|one| match self.depth() {
            0 => one,
            1 => one.comp(self.component),
            _ => one.comp(self.component).sub(self.subcomponent),
        });
        divided.collect()
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.segment)?;
        numbered(f, self.occurrence)?;
        if self.field > 0 {
            write!(f, "-{}", self.field)?;
            numbered(f, self.repetition)?;
        }
        for part in [self.component, self.subcomponent] {
            if part > 0 {
                write!(f, ".{part}")?;
            }
        }
        Ok(())
    }
}

fn numbered(f: &mut fmt::Formatter<'_>, number: Option<usize>) -> fmt::Result {
    number.map_or(Ok(()), |number| write!(f, "[{number}]"))
}

fn read(written: &str) -> Option<Path> {
    let (head, rest) = written.split_once('-').unzip();
    let (segment, occurrence) = bracketed(head.unwrap_or(written))?;
    let begins = segment.starts_with(|letter: char| letter.is_ascii_uppercase());
    let fits = |letter: char| letter.is_ascii_uppercase() || letter.is_ascii_digit();
    if segment.len() != 3 || !begins || !segment.chars().all(fits) {
        return None;
    }
    let mut path = Path {
        segment: segment.to_owned(),
        occurrence,
        field: 0,
        repetition: None,
        component: 0,
        subcomponent: 0,
    };
    let Some(rest) = rest else {
        return Some(path);
    };
    let mut parts = rest.split('.');
    let (field, repetition) = bracketed(parts.next()?)?;
    (path.field, path.repetition) = (number(field)?, repetition);
    path.component = parts.next().map_or(Some(0), number)?;
    path.subcomponent = parts.next().map_or(Some(0), number)?;
    parts.next().is_none().then_some(path)
}

/// What stands before brackets, and the number in them.
fn bracketed(written: &str) -> Option<(&str, Option<usize>)> {
    match written.split_once('[') {
        None => Some((written, None)),
        Some((before, rest)) => Some((before, Some(number(rest.strip_suffix(']')?)?))),
    }
}

fn number(written: &str) -> Option<usize> {
    let plain = written.bytes().all(|byte| byte.is_ascii_digit()) && !written.starts_with('0');
    let number = written.parse().ok().filter(|_| plain)?;
    (1..=NUMBER_MAX).contains(&number).then_some(number)
}
