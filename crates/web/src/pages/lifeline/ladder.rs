//! The ladder of copies: each with when it was last opened and found right, not when it was last
//! written.

use lifeline::{CopySeen, PackStatus};

use super::view::Rung;
use crate::pages::shell::Tone;
use crate::pages::visit::Visit;
use crate::pages::words;

/// What a hospital should have, in the order in which one looks for help; each by its kind in the
/// record.
const KINDS: [(&str, &str); 6] = [
    ("standby", "Standby: another machine that follows"),
    ("backup", "Backup: another place"),
    ("locked", "Locked backup: nobody can change it"),
    ("offline", "Offline: no wire leads to it"),
    ("files", "Folders and dumps of other systems"),
    ("keys", "Keys: apart from all of these"),
];

/// Every rung.
pub(super) fn rungs(visit: &Visit, copies: &[CopySeen]) -> Vec<Rung> {
    let mut rungs = vec![primary(visit)];
    for (kind, words) in KINDS {
        let own: Vec<&CopySeen> = copies.iter().filter(|one| one.copy.kind == kind).collect();
        if own.is_empty() {
            rungs.push(missing(words));
        }
        rungs.extend(own.into_iter().map(|one| seen(visit, words, one)));
    }
    let known = |kind: &str| KINDS.iter().any(|(known, _)| *known == kind);
    let others = copies.iter().filter(|one| !known(&one.copy.kind));
    rungs.extend(others.map(|one| seen(visit, &one.copy.kind, one)));
    rungs.push(packs(visit));
    rungs
}

fn primary(visit: &Visit) -> Rung {
    let (size, _, at) = visit.app.record.checkpoint();
    let behind = visit.app.record.size().saturating_sub(size);
    Rung {
        kind: "Primary: this record".to_owned(),
        name: "served now".to_owned(),
        tone: if size == 0 { Tone::Unknown } else { Tone::Good },
        events: words::thousands(visit.app.record.size()),
        behind: words::count(behind, "event is not published", "events are not published"),
        seen: if size == 0 {
            "no evidence".to_owned()
        } else {
            visit.stamp(at).short()
        },
        verified: "salus verify".to_owned(),
        wrong: String::new(),
        index: None,
    }
}

fn missing(words: &str) -> Rung {
    Rung {
        kind: words.to_owned(),
        name: String::new(),
        tone: Tone::Unknown,
        events: String::new(),
        behind: String::new(),
        seen: "no evidence".to_owned(),
        verified: "no evidence".to_owned(),
        wrong: String::new(),
        index: None,
    }
}

fn seen(visit: &Visit, words: &str, one: &CopySeen) -> Rung {
    let most = visit.app.lifeline.limits().copy_proved_ms;
    let fresh = one
        .verified
        .is_some_and(|at| visit.eye.now.since(at) <= most);
    let tone = match (one.copy.wrong.is_empty(), fresh) {
        (false, _) => Tone::Bad,
        (true, true) => Tone::Good,
        (true, false) => Tone::Warn,
    };
    Rung {
        kind: words.to_owned(),
        name: one.copy.name.clone(),
        tone,
        events: words::thousands(one.copy.events),
        behind: words::span(one.copy.behind_ms),
        seen: visit.stamp(one.at).short(),
        verified: match one.verified {
            Some(at) => {
                let stamp = visit.stamp(at);
                format!("{} ({} ago)", stamp.short(), stamp.age)
            }
            None => "never".to_owned(),
        },
        wrong: words::quoted(&one.copy.wrong),
        index: Some(one.index),
    }
}

fn packs(visit: &Visit) -> Rung {
    let statuses = visit.app.lifeline.statuses();
    if statuses.is_empty() {
        return missing("Ward packs: they open without Salus");
    }
    let limits = visit.app.lifeline.limits();
    let now = visit.eye.now;
    let old = statuses
        .iter()
        .filter(|one| one.is_old(now, limits))
        .count();
    let proved = statuses.iter().flat_map(|one: &PackStatus| &one.puts);
    let proved = proved.filter_map(|put| put.proved).min();
    Rung {
        kind: "Ward packs: they open without Salus".to_owned(),
        name: words::count(statuses.len() as u64, "ward", "wards"),
        tone: if old == 0 { Tone::Good } else { Tone::Bad },
        events: String::new(),
        behind: match old {
            0 => "all fresh".to_owned(),
            old => format!("{old} old"),
        },
        seen: visit.stamp(now).short(),
        verified: proved.map_or_else(
            || "served only".to_owned(),
            |at| format!("{} (each opened when it is put)", visit.stamp(at).short()),
        ),
        wrong: String::new(),
        index: None,
    }
}
