//! Which patient a message is about, and which two are one (A18, A34, A36, A40 ...).

use serde_json::{Value, json};

use super::data::{self, Named};
use super::patient::{identifiers, patient};
use super::work::{Work, spot};
use super::{Merge, Mode};
use crate::hl7::{Message, Part, Segment};

/// The identifier that makes the id of the Patient: see [`super::patient_identifier`].
pub(super) fn identifier_of(pid: Segment<'_>, authority: &str) -> Option<Named> {
    [3, 2, 4]
        .into_iter()
        .find_map(|number| preferred(pid.field(number), authority))
}

/// The one repetition of a list of identifiers that is the medical record number, or comes
/// nearest to it.
pub(super) fn preferred(list: Part<'_>, authority: &str) -> Option<Named> {
    let mut best: Option<(u8, Named)> = None;
    for part in list.reps().take(100) {
        let Some(named) = data::named(part, (1, 4), authority) else {
            continue;
        };
        let rank = rank(part.comp(5).string().as_deref().map(str::trim));
        if best.as_ref().is_none_or(|(before, _)| rank > *before) {
            best = Some((rank, named));
        }
    }
    best.map(|(_, named)| named)
}

fn rank(kind: Option<&str>) -> u8 {
    match kind {
        Some("MR") => 5,
        Some("PI" | "PT") => 4,
        Some("MRT") => 3,
        None | Some("") => 2,
        // Numbers that follow a person through a country are no record numbers.
        Some("SS" | "DL" | "PPN" | "NI" | "NNUSA" | "MC" | "MA") => 0,
        Some(_) => 1,
    }
}

/// The merges of a message, one for each PID that is followed by an MRG.
pub(super) fn merges(message: &Message<'_>, work: &mut Work<'_>) -> Vec<Merge> {
    let mut found = Vec::new();
    let mut pid = None;
    for segment in message.all() {
        match segment.name() {
            "PID" => pid = Some(segment),
            "MRG" => found.extend(pid.and_then(|pid| merge(pid, segment, work))),
            _ => {}
        }
    }
    if found.is_empty() {
        work.complain("nobody was merged, so it was read as an update of the patient".into());
    }
    found
}

fn merge(pid: Segment<'_>, mrg: Segment<'_>, work: &mut Work<'_>) -> Option<Merge> {
    let authority = work.sender.authority;
    let Some(old) = preferred(mrg.field(1), authority) else {
        work.complain_at(spot(mrg, 1), "names nobody to be merged");
        return None;
    };
    let Some(new) = identifier_of(pid, authority) else {
        work.complain_at(spot(pid, 3), "names nobody to be merged into");
        return None;
    };
    let merge = Merge {
        survivor: work.id("Patient", &new.system, &new.value),
        retired: work.id("Patient", &old.system, &old.value),
    };
    if merge.survivor == merge.retired {
        work.complain_at(
            spot(mrg, 1),
            "names the patient it is to be merged into; nothing to merge",
        );
        return None;
    }
    work.patient.clone_from(&merge.survivor);
    let mut survivor = patient(pid, None, work);
    survivor.list("link", vec![link(&merge.retired, "replaces")]);
    work.add(survivor);
    work.patient.clone_from(&merge.retired);
    let mut retired = work.of_patient("Patient", merge.retired.clone(), Mode::Merge);
    let identifiers = identifiers(spot(mrg, 1), work);
    retired.list("identifier", identifiers);
    retired.put("active", json!(false));
    retired.list("link", vec![link(&merge.survivor, "replaced-by")]);
    work.add(retired);
    work.patient.clone_from(&merge.survivor);
    Some(merge)
}

fn link(other: &str, kind: &str) -> Value {
    json!({"other": {"reference": format!("Patient/{other}")}, "type": kind})
}
