//! Resources of which several systems tell, each some elements: of each element the newest word counts
//! ([`wire::v2::Stated`]), so that the chart is the same in whichever order messages come.

use serde_json::{Map, Value};
use wire::v2::{Draft, Stated};

use super::apply::{Now, Said, is_in_passing};
use super::batch::Batch;
use super::join::stated;
use super::memory::Current;
use super::step::Origin;

impl Batch<'_> {
    /// What a message says of a resource. No version is made if nothing changes.
    pub(super) fn by_several(&mut self, now: &mut Now, from: &Origin, draft: &Draft) {
        let patient = draft.patient.clone();
        let Some(current) = self.there(draft.kind, &draft.id, true).cloned() else {
            let name = self.name(draft.kind, &draft.id);
            let before = name.and_then(|name| self.seen.get(&name)?.current.as_ref());
            let since = before.map_or(0, |deleted| deleted.told);
            let shown = Stated::alone(draft).since(since).shown();
            let said = Said {
                told: shown.told,
                beside: shown.beside.into(),
            };
            let of = (draft.kind, draft.id.clone(), patient);
            return self.map(now, from, (of, said), shown.json);
        };
        let late = current.is_newer_than(draft.told);
        if self.is_of_another((draft, late), &current) {
            tracing::warn!(
                kind = draft.kind,
                event = now.event(),
                "a message names what is another patient's; it changes nothing of that"
            );
            return;
        }
        let Some(before) = stated(draft.kind, &current) else {
            return;
        };
        let shown = before.clone().laid(draft).shown();
        let newer = match late {
            true => current.patient.as_deref(),
            false => patient.as_deref(),
        };
        let whose = whose(&shown.json, (newer, [&current.patient, &patient]));
        let said = Said {
            told: shown.told,
            beside: shown.beside.into(),
        };
        if shown.json == before.shown().json && whose == current.patient {
            return self.still(draft.kind, &draft.id, said);
        }
        let of = (draft.kind, draft.id.clone(), whose);
        self.map(now, from, (of, said), shown.json);
    }

    /// Whether a message is about what is another patient's, and is not a newer word on whose it is.
    fn is_of_another(&self, (draft, late): (&Draft, bool), current: &Current) -> bool {
        let says_whose = !late && !is_in_passing(draft);
        !says_whose && self.are_two(current.patient.as_deref(), draft.patient.as_deref())
    }
}

/// Whose a resource is of which two messages tell: whom it names, if that is either's patient. A message may name
/// nobody, or come too late for that; then patients who are one by a merge have each their own when it is taken
/// back. A resource that names nobody is theirs of whom the newer message tells.
pub(super) fn whose(
    json: &Map<String, Value>,
    (newer, [one, other]): (Option<&str>, [&Option<String>; 2]),
) -> Option<String> {
    if one == other {
        return one.clone();
    }
    let named = wire::fhir::patient_of(&Value::Object(json.clone()));
    match named {
        Some(_) if named == *one || named == *other => named,
        _ => newer.map(str::to_owned),
    }
}
