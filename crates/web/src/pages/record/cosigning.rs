//! What the witnesses say of the record.

use event::Time;

use crate::pages::shell::Tone;
use crate::pages::visit::Visit;
use crate::pages::words::{self, Stamp};
use crate::witnesses::{Trouble, WitnessState};

/// One witness on the page.
pub(crate) struct WitnessRow {
    pub name: String,
    pub tone: Tone,
    /// Events under the head it cosigned last, and when.
    pub last: Option<(String, Stamp)>,
    /// What is wrong, in a sentence.
    pub trouble: String,
}

/// The witnesses, and what they say together; `None` if nobody is asked.
pub(crate) fn told(visit: &Visit) -> Option<(Tone, String, Vec<WitnessRow>)> {
    let states = visit.app.witnesses.all();
    if states.is_empty() {
        return None;
    }
    let late = visit.app.settings.witness_late_ms;
    let fresh = |at: Time| visit.eye.now.since(at) <= late;
    let rows: Vec<WitnessRow> = states
        .iter()
        .map(|state| WitnessRow {
            name: state.name.clone(),
            tone: tone(state, fresh),
            last: state
                .last
                .map(|(size, at)| (words::thousands(size), visit.stamp(at))),
            trouble: state.trouble.as_ref().map(sentence).unwrap_or_default(),
        })
        .collect();
    let needed = visit.app.witnesses.needed();
    let (tone, words) = together(&states, &rows, needed);
    Some((tone, words, rows))
}

fn tone(state: &WitnessState, fresh: impl Fn(Time) -> bool) -> Tone {
    match (&state.trouble, state.last) {
        (Some(trouble), _) if trouble.is_grave() => Tone::Bad,
        (_, Some((_, at))) if fresh(at) => Tone::Good,
        (_, Some(_)) => Tone::Warn,
        (_, None) => Tone::Unknown,
    }
}

fn together(states: &[WitnessState], rows: &[WitnessRow], needed: usize) -> (Tone, String) {
    let grave = states
        .iter()
        .find_map(|state| state.trouble.as_ref().filter(|trouble| trouble.is_grave()));
    if let Some(trouble) = grave {
        return (Tone::Bad, sentence(trouble));
    }
    let good = rows.iter().filter(|row| row.tone == Tone::Good).count();
    let of = format!("{good} of {} witnesses cosigned lately", rows.len());
    if good >= needed.max(1) {
        return (Tone::Good, format!("{of}; {needed} are needed."));
    }
    match rows.iter().all(|row| row.tone == Tone::Unknown) {
        true => (
            Tone::Unknown,
            "No evidence: no witness has cosigned yet.".to_owned(),
        ),
        false => (Tone::Warn, format!("{of}; {needed} are needed.")),
    }
}

fn sentence(trouble: &Trouble) -> String {
    match trouble {
        Trouble::Silent(why) => words::sentence(&words::quoted(why)),
        Trouble::RolledBack { seen } => format!(
            "A witness has seen {} events of this record, more than there are: an older copy was put back.",
            words::thousands(*seen)
        ),
        Trouble::SplitView => {
            "A witness has seen another history of this record: what was sealed has been changed."
                .to_owned()
        }
    }
}
