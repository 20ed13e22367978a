//! What a client wrote and is not folded yet, as the fold will make it: whoever reads what they wrote a moment ago need
//! not wait until it is in the tables.

use event::Body;
use record::Sealed;

use super::content::Follows;
use super::memory::Known;
use super::step::{Wrote, wrote};
use crate::store::{FROM_FHIR, LABELS, LATE, Row};

/// Bytes of a resource that is told so, at most: it is read each time, on a thread that serves.
const BYTES_MAX: usize = 64 * 1024;

/// A version that an event wrote.
pub(crate) struct Written {
    pub(crate) row: Row,
    pub(crate) json: Vec<u8>,
    /// The version that it replaces; 0: none.
    pub(crate) replaces: u64,
}

/// The version that an event wrote. `None`: it wrote another resource, or what it wrote takes more than the event to tell.
///
/// What a deleted resource was is in the tables, and contents that lie in the vault have numbers there. Of some types more
/// follows than what they say, such as who may see what: that has to be folded before anybody is answered.
pub(crate) fn written((kind, id): (&str, &str), sealed: &Sealed, known: &Known) -> Option<Written> {
    let event = sealed.event();
    let Body::Resource(resource) = &event.body else {
        return None;
    };
    let same = resource.kind == kind && resource.id == id;
    let whole = !event.raw.is_empty() && resource.contents.is_empty();
    if !same || !whole || event.raw.len() > BYTES_MAX || Follows::some(kind) {
        return None;
    }
    let Wrote {
        json,
        value,
        patient,
    } = wrote(resource, &event.raw)?;
    let labels = match known.labels.of(&value).as_str() {
        "" => 0,
        labels => known.words.number(&format!("{LABELS}{labels}"))?,
    };
    let retired = patient
        .as_deref()
        .is_some_and(|id| known.aliases.is_retired(id));
    let row = Row {
        rid: 0,
        kind: known.words.number(kind)?,
        id: id.to_owned(),
        pid: 0,
        patient,
        seq: i64::try_from(sealed.index()).ok()?,
        item: 0,
        at: sealed.at(),
        flags: if retired { LATE } else { 0 },
        source: FROM_FHIR,
        prev: 0,
        next: 0,
        labels,
        told: 0,
    };
    Some(Written {
        row,
        json,
        replaces: resource.replaces,
    })
}
