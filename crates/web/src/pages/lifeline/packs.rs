//! How the wards' packs stand: what *Now* and *Lifeline* say of them.

use event::Time;
use lifeline::PackStatus;

use crate::App;
use crate::pages::shell::Tone;
use crate::pages::words;

/// All packs in one word, one number, one sentence.
pub(crate) struct Told {
    pub tone: Tone,
    pub state: String,
    /// Packs that are as fresh as they should be.
    pub fresh: usize,
    pub detail: String,
}

impl Told {
    pub(crate) fn of(app: &App, now: Time) -> Told {
        let statuses = app.lifeline.statuses();
        let limits = app.lifeline.limits();
        let old: Vec<&PackStatus> = statuses
            .iter()
            .filter(|one| one.is_old(now, limits))
            .collect();
        let fresh = statuses.len() - old.len();
        let (tone, state, detail) = match (statuses.len(), old.first()) {
            (0, _) => (
                Tone::Unknown,
                "no evidence".to_owned(),
                "no ward pack was made since the start".to_owned(),
            ),
            (_, None) => (
                Tone::Good,
                "ready".to_owned(),
                "every ward's copy is where it should be".to_owned(),
            ),
            (all, Some(first)) => (
                Tone::Bad,
                format!("{} of {all} old", old.len()),
                words::capital(&trouble(first, now)),
            ),
        };
        Told {
            tone,
            state,
            fresh,
            detail,
        }
    }
}

/// What is wrong with one ward's pack.
pub(crate) fn trouble(status: &PackStatus, now: Time) -> String {
    let ward = &status.ward;
    let wrong = status.puts.iter().map(|put| &put.wrong);
    let wrong = wrong.chain([&status.wrong]).find(|wrong| !wrong.is_empty());
    let age = match status.age(now) {
        Some(age) => format!("the copy of ward {ward} is {} old", words::span(age)),
        None => format!("a copy of ward {ward} is missing"),
    };
    match wrong {
        Some(wrong) => format!("{age}: {}", words::quoted(wrong)),
        None => age,
    }
}
