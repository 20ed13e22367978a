//! What goes with a decision, as policies write it: `@obligation("mask HIV PSY")`.

use std::fmt;

use crate::Element;

/// What goes with a decision: it holds only if this is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Obligation {
    /// Leave these elements out of the resources that have them; the resources stay.
    Hide(Vec<Element>),
    /// Leave out what carries any of these security labels (codes, for instance `HIV`).
    Mask(Vec<String>),
    /// A second factor must have been shown within the last minutes.
    StepUp,
    /// Leave a word for whoever oversees access: why, in one word or sentence.
    Notify(String),
}

/// How it is sealed, and how a policy writes it.
impl fmt::Display for Obligation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Obligation::Hide(elements) => {
                f.write_str("hide")?;
                elements.iter().try_for_each(|one| write!(f, " {one}"))
            }
            Obligation::Mask(labels) => write!(f, "mask {}", labels.join(" ")),
            Obligation::StepUp => f.write_str("step-up"),
            Obligation::Notify(why) => write!(f, "notify {why}"),
        }
    }
}

impl Obligation {
    /// Reads `hide TYPE.ELEMENT ...`, `mask LABEL ...`, `step-up` or `notify WHY`; `None`: it is none of these.
    pub(crate) fn parse(text: &str) -> Option<Obligation> {
        let (word, rest) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
        let rest = rest.trim();
        match word {
            "hide" if !rest.is_empty() => {
                let elements = rest.split_whitespace().map(Element::parse);
                elements.collect::<Option<_>>().map(Obligation::Hide)
            }
            "mask" if !rest.is_empty() => Some(Obligation::Mask(
                rest.split_whitespace().map(str::to_owned).collect(),
            )),
            "notify" if !rest.is_empty() => Some(Obligation::Notify(rest.to_owned())),
            "step-up" if rest.is_empty() => Some(Obligation::StepUp),
            _ => None,
        }
    }
}

/// Lays `more` upon what there is: labels and elements join, nothing stands twice.
pub(crate) fn join(all: &mut Vec<Obligation>, more: &Obligation) {
    for one in all.iter_mut() {
        match (one, more) {
            (Obligation::Mask(have), Obligation::Mask(more)) => return merge(have, more),
            (Obligation::Hide(have), Obligation::Hide(more)) => return merge(have, more),
            _ => {}
        }
    }
    if !all.contains(more) {
        all.push(more.clone());
    }
}

fn merge<T: Clone + Ord>(have: &mut Vec<T>, more: &[T]) {
    have.extend(more.iter().cloned());
    have.sort();
    have.dedup();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        for text in [
            "hide Patient.telecom *.note@R",
            "mask HIV PSY",
            "step-up",
            "notify outside the shift",
        ] {
            assert_eq!(Obligation::parse(text).unwrap().to_string(), text);
        }
        for text in [
            "",
            "hide",
            "hide HIV",
            "hide Patient.id",
            "mask",
            "notify ",
            "step-up now",
        ] {
            assert_eq!(Obligation::parse(text), None, "{text}");
        }
    }

    #[test]
    fn masks_join() {
        let mut all = Vec::new();
        for text in [
            "mask PSY",
            "hide *.note",
            "step-up",
            "mask HIV PSY",
            "step-up",
            "hide *.a",
        ] {
            join(&mut all, &Obligation::parse(text).unwrap());
        }
        let said: Vec<String> = all.iter().map(ToString::to_string).collect();
        assert_eq!(said, ["mask HIV PSY", "hide *.a *.note", "step-up"]);
    }
}
