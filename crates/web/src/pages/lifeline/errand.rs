//! How long work stands that somebody ordered from a page.

use crate::errands::Errand;
use crate::pages::shell::Tone;
use crate::pages::visit::Visit;
use crate::pages::words as said;

/// The sentence; `None`: nothing was ordered since the start.
pub(super) fn words(visit: &Visit, errand: &Errand) -> Option<(Tone, String)> {
    match errand {
        Errand::None => None,
        Errand::Runs(run) => {
            let far = match run.all {
                0 => String::new(),
                all => format!(
                    ", {} of {}",
                    said::thousands(run.done),
                    said::thousands(all)
                ),
            };
            let since = visit.stamp(run.since);
            let words = format!(
                "Goes on since {} ({}){far}: {}. Ordered by {}.",
                since.short(),
                since.age,
                run.what,
                run.by
            );
            Some((Tone::Warn, words))
        }
        Errand::Ended { run, at, outcome } => {
            let at = visit.stamp(*at).short();
            let (tone, came) = match outcome {
                Ok(came) => (Tone::Good, came.clone()),
                Err(why) => (Tone::Bad, format!("it was not carried out: {why}")),
            };
            let words = format!("Ended at {at}: {}. {}.", run.what, said::sentence(&came));
            Some((tone, words.replace("..", ".")))
        }
    }
}
