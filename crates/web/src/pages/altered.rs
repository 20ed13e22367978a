//! What was found altered outside Salus, as pages tell it.

use chart::{ChartError, Open};
use guard::Element;
use oversight::{Alteration, Fate};

use super::outside::view::fate;
use super::words::{self, Eye, Stamp};

/// One thing that was altered.
pub(crate) struct Altered {
    /// The event that says so.
    pub index: u64,
    /// Type and id, and the other system it was found in.
    pub elsewhere: Option<(String, String)>,
    /// Whether somebody has to decide about it.
    pub waits: bool,
    /// When it was found.
    pub at: Stamp,
    /// The event that was altered.
    pub event: Option<u64>,
    pub parts: Vec<Part>,
    /// Whether and from what it was put right.
    pub healed: String,
    pub whole: bool,
    /// Between which two looks it happened.
    pub since: String,
}

/// From what to what.
pub(crate) struct Part {
    pub part: String,
    pub sealed: String,
    pub found: String,
}

/// Characters of a value that are shown.
const SHOWN_CHARS: usize = 120;

impl Altered {
    pub(crate) fn told(one: &Alteration, eye: &Eye) -> Altered {
        let altered = &one.altered;
        let healed = match altered.healed_from.as_deref() {
            Some("pack") => "put right from the vault's pack".to_owned(),
            Some("journal") => "put right from the journal".to_owned(),
            Some("first") => "the first stays; what came under its name was refused".to_owned(),
            Some("record") => "folded again from the record".to_owned(),
            Some("second") => "put right from the second place of objects".to_owned(),
            Some(other) => format!("put right from {other}"),
            None if altered.outside.is_some() => fate(one),
            None => "NOT put right: nothing whole is left here; restore it from a copy".to_owned(),
        };
        let outside = altered.outside.as_ref();
        let fates = one.settling.as_ref().map(|settling| settling.fate);
        let since = match altered.whole_at {
            Some(whole) => format!("whole {} before", words::span(one.at.since(whole))),
            None => "never looked at before".to_owned(),
        };
        let parts = altered.parts.iter().map(|part| Part {
            part: part.part.clone(),
            sealed: cut(&part.sealed),
            found: cut(&part.found),
        });
        Altered {
            index: one.index,
            elsewhere: outside
                .map(|found| (format!("{}/{}", found.kind, found.id), found.system.clone())),
            waits: fates == Some(Fate::Waiting),
            at: Stamp::new(one.at, eye),
            event: altered.index,
            parts: parts.collect(),
            healed,
            whole: altered.healed_from.is_some() || fates.is_some_and(|fate| !fate.open()),
            since,
        }
    }
}

impl Altered {
    /// The same without the values of what is hidden from whoever looks. Of what is no element of a
    /// resource (a segment of a message) nothing is known to be shown, so it is not.
    pub(crate) fn without(self, hides: &[Element]) -> Altered {
        self.showing(|part| shown(part, hides))
    }

    /// The same without any value of what was sealed or stood in its place.
    pub(crate) fn withheld(self) -> Altered {
        self.showing(is_column)
    }

    /// The same without any value that was found in the place of what was sealed.
    fn unfound(mut self) -> Altered {
        for part in self.parts.iter_mut().filter(|part| !is_column(&part.part)) {
            part.found = KEPT.to_owned();
        }
        self
    }

    fn showing(mut self, shown: impl Fn(&str) -> bool) -> Altered {
        for part in self.parts.iter_mut().filter(|part| !shown(&part.part)) {
            part.sealed = KEPT.to_owned();
            part.found = KEPT.to_owned();
        }
        self
    }

    /// As whoever opened the chart may see it: without what their permit hides, and, if the permit
    /// masks the entry that was altered, without its values; without those that were found if these may
    /// be masked.
    pub(crate) async fn seen(
        one: &Alteration,
        eye: &Eye,
        (open, hides): (&Open, &[Element]),
    ) -> Result<Altered, ChartError> {
        let told = Altered::told(one, eye).without(hides);
        Ok(match open.withholds(one.altered.index).await? {
            true => told.withheld(),
            false if open.withholds_found(&one.altered) => told.unfound(),
            false => told,
        })
    }
}

/// What stands in the place of a value that is hidden.
const KEPT: &str = "kept from you";

fn shown(part: &str, hides: &[Element]) -> bool {
    let mut steps = part.split(['.', '[']);
    let (kind, key) = (
        steps.next().unwrap_or_default(),
        steps.next().unwrap_or_default(),
    );
    let element = wire::fhir::kinds().contains(&kind);
    let hidden = hides.iter().any(|one| one.is_within(kind, key));
    hides.is_empty() || is_column(part) || (element && !hidden)
}

/// Whether it is a column of the record's own row, which says nothing of what is in it.
fn is_column(part: &str) -> bool {
    part.starts_with("row.")
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARS) {
        Some((at, _)) => format!("{}\u{2026}", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_what_is_hidden_are_not_shown() {
        let hides =
            ["Patient.telecom", "Observation.value[x]"].map(|one| Element::parse(one).unwrap());
        for (part, is_shown) in [
            ("Patient.telecom[0].value", false),
            ("Patient.birthDate", true),
            ("Observation.valueQuantity.value", false),
            ("Observation.status", true),
            ("PID-13", false),
            ("row.at", true),
        ] {
            assert_eq!(shown(part, &hides), is_shown, "{part}");
            assert!(shown(part, &[]));
        }
    }
}

#[cfg(test)]
pub(crate) mod samples {
    use super::*;
    use crate::pages::shell::samples::ago;

    pub(crate) fn altered() -> Vec<Altered> {
        let part = |part: &str, sealed: &str, found: &str| Part {
            part: part.into(),
            sealed: sealed.into(),
            found: found.into(),
        };
        let one = |whole: bool, parts: Vec<Part>| Altered {
            index: 4_711,
            elsewhere: (!whole)
                .then(|| ("Observation/a".into(), "https://ehr.hospital/fhir".into())),
            waits: !whole,
            at: ago(7),
            event: Some(4_020),
            parts,
            healed: if whole {
                "put right from the vault's pack"
            } else {
                "NOT put right"
            }
            .into(),
            whole,
            since: "whole 3 min before".into(),
        };
        vec![
            one(
                true,
                vec![part("Observation.valueQuantity.value", "4.1", "9.9")],
            ),
            one(false, vec![part("row.at", "<b>", "\"'&")]),
        ]
    }
}
