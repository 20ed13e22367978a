//! Which imports go on: so many at the same time, the oldest first. One that waits for its next try gives its
//! place to others, one that its client ended stops at once, and one that ends in a panic has failed once more.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use flow::Import;
use routes::Status;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::run::{Run, Went, said_as};
use super::settings::Imports;
use crate::App;

/// The longest rest without a look at what is to be imported.
const IDLE: Duration = Duration::from_secs(10);

/// Carries out what is to be imported until `stop`.
pub async fn imports(app: Arc<App>, stop: CancellationToken) {
    let mut places = Places::default();
    let mut stirred = app.flow.imports_stirred();
    while !stop.is_cancelled() {
        stirred.borrow_and_update();
        match app.flow.imports(flow::Imports::Going).await {
            Ok(going) => places.look(&app, &going, &stop),
            Err(why) => tracing::error!(%why, "imports cannot be listed"),
        }
        let next = places.next();
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            Some(ended) = places.tasks.join_next_with_id() => places.ended(&app, ended).await,
            _ = stirred.changed() => {}
            () = sleep_until(next) => {}
        }
    }
    while places.tasks.join_next().await.is_some() {}
}

#[derive(Default)]
struct Places {
    tasks: JoinSet<Went>,
    running: HashMap<Id, Running>,
    tried: HashMap<String, Tries>,
}

/// An import that goes on.
struct Running {
    import: String,
    stop: CancellationToken,
}

/// An import that failed.
struct Tries {
    /// Failures in a row.
    failures: u32,
    /// When it is tried again.
    due: Instant,
}

impl Places {
    /// Stops what is over, and begins what is due as far as there are places.
    fn look(&mut self, app: &Arc<App>, going: &[Import], stop: &CancellationToken) {
        let goes = |id: &str| going.iter().any(|import| import.id == id);
        for one in self.running.values().filter(|one| !goes(&one.import)) {
            one.stop.cancel();
        }
        self.tried.retain(|id, _| goes(id));
        let max = app.settings.imports.running_max.max(1);
        for import in going {
            if self.running.len() >= max {
                return;
            }
            if self.is_running(&import.id) || !self.is_due(&import.id) {
                continue;
            }
            let stop = stop.child_token();
            let run = Run::new(app, &import.id);
            let task = self.tasks.spawn(run.run(stop.clone()));
            let import = import.id.clone();
            self.running.insert(task.id(), Running { import, stop });
        }
    }

    fn is_running(&self, id: &str) -> bool {
        self.running.values().any(|one| one.import == id)
    }

    fn is_due(&self, id: &str) -> bool {
        let tries = self.tried.get(id);
        tries.is_none_or(|tries| tries.due <= Instant::now())
    }

    /// When the next try is due, or the next look.
    fn next(&self) -> Instant {
        let now = Instant::now();
        let later = self.tried.values().map(|tries| tries.due);
        let later = later.filter(|due| *due > now);
        later.min().unwrap_or(now + IDLE).min(now + IDLE)
    }

    /// Frees a place, and notes what became of its import.
    async fn ended(&mut self, app: &Arc<App>, ended: Result<(Id, Went), JoinError>) {
        let (id, went) = match ended {
            Ok(ended) => ended,
            Err(broken) => (broken.id(), Went::of_panic()),
        };
        let Some(Running { import, .. }) = self.running.remove(&id) else {
            return;
        };
        let trouble = match self.note(&import, went, &app.settings.imports) {
            Some(Trouble {
                why,
                given_up: true,
            }) => {
                Run::new(app, &import).give_up(why).await;
                return;
            }
            trouble => trouble.map(|trouble| trouble.why),
        };
        let held_up = 0;
        app.routes
            .note(&said_as(&import), Status { trouble, held_up });
    }

    /// Counts a failure, and says when it is tried again; `None`: it is not.
    fn note(&mut self, import: &str, went: Went, settings: &Imports) -> Option<Trouble> {
        let (why, kept, more) = match went {
            Went::Again { why, kept } => (why, kept, 1),
            Went::Waits { why, kept } => (why, kept, 0),
            Went::Over => {
                self.tried.remove(import);
                return None;
            }
        };
        let before = self.tried.get(import).map_or(0, |tries| tries.failures);
        let failures = if kept { 0 } else { before }.saturating_add(more);
        let doubled = 1_u64 << failures.saturating_sub(1).min(20);
        let pause = settings.retry_ms.saturating_mul(doubled);
        let pause = Duration::from_millis(pause.min(settings.retry_max_ms));
        let due = Instant::now() + pause;
        self.tried
            .insert(import.to_owned(), Tries { failures, due });
        Some(Trouble {
            why,
            given_up: more > 0 && failures >= settings.tries_max,
        })
    }
}

/// What keeps an import from going on.
struct Trouble {
    why: String,
    given_up: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn again(kept: bool) -> Went {
        let why = "broken".to_owned();
        Went::Again { why, kept }
    }

    #[test]
    fn failures_in_a_row_count_and_what_was_kept_between_them_begins_anew() {
        let settings = Imports {
            tries_max: 3,
            ..Imports::default()
        };
        let mut places = Places::default();
        let mut gave_up = |went| {
            let trouble = places.note("a", went, &settings);
            trouble.is_some_and(|trouble| trouble.given_up)
        };
        assert!(!gave_up(again(false)) && !gave_up(again(false)));
        assert!(!gave_up(again(true)) && !gave_up(again(false)));
        assert!(gave_up(Went::of_panic()), "a panic is a failure");
    }

    #[test]
    fn what_waits_for_its_machine_has_not_failed_and_keeps_its_pace() {
        let settings = Imports {
            tries_max: 2,
            retry_ms: 3_600_000,
            retry_max_ms: 3_600_000,
            ..Imports::default()
        };
        let mut places = Places::default();
        let waits = || Went::Waits {
            why: "a view is behind".to_owned(),
            kept: false,
        };
        for _ in 0..10 {
            let trouble = places.note("a", waits(), &settings).unwrap();
            assert!(!trouble.given_up && trouble.why.contains("behind"));
        }
        assert!(!places.is_due("a"), "it is not tried again at once");
        let first = places.note("a", again(false), &settings).unwrap();
        assert!(!first.given_up);
        assert!(places.note("a", again(false), &settings).unwrap().given_up);
    }

    #[test]
    fn one_that_waits_for_its_next_try_is_not_due() {
        let settings = Imports {
            retry_ms: 3_600_000,
            retry_max_ms: 3_600_000,
            ..Imports::default()
        };
        let mut places = Places::default();
        assert!(places.is_due("a"));
        places.note("a", again(false), &settings);
        assert!(!places.is_due("a") && places.is_due("b"));
        places.note("a", Went::Over, &settings);
        assert!(places.is_due("a"));
    }
}
