//! What needs no table is found out on other threads while the one that writes writes, or on that one, if there
//! is little of it: a change of threads costs as much as a few rows.

use std::collections::VecDeque;

use record::Sealed;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::step::{self, Step, With};
use crate::ChartError;
use crate::error::Outcome;

/// Events that are read, applied and written before the next ones are looked at: enough to find out others
/// meanwhile, few enough to be held at once.
const EVENTS_AT_ONCE: usize = 256;

/// Chunks of events that are understood while an earlier one is written.
const CHUNKS_AHEAD: usize = 3;

/// So many events are understood, and their pages compressed, on the thread that writes.
const FEW: usize = 32;

/// Where things are found out.
pub(super) enum Aside {
    /// On the thread that asks, at once.
    Here,
    /// On threads of this runtime.
    On(Handle),
}

/// Something that is being found out.
pub(super) enum Found<T> {
    Here(T),
    There(oneshot::Receiver<T>),
}

impl Aside {
    /// For a batch of so many events.
    pub(super) fn of(events: usize, runtime: Handle) -> Aside {
        match events <= FEW {
            true => Aside::Here,
            false => Aside::On(runtime),
        }
    }

    pub(super) fn find<T, F>(&self, work: F) -> Found<T>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let Aside::On(runtime) = self else {
            return Found::Here(work());
        };
        let (done, found) = oneshot::channel();
        runtime.spawn_blocking(move || {
            // Who asked may have given up.
            let _ = done.send(work());
        });
        Found::There(found)
    }
}

impl<T> Found<T> {
    /// Waits for it. Not for a thread that runs futures.
    ///
    /// # Errors
    /// [`ChartError::Broken`] if that panicked or was cut off: then nobody is left who could say it.
    pub(super) fn get(self) -> Outcome<T> {
        match self {
            Found::Here(found) => Ok(found),
            Found::There(found) => found.blocking_recv().map_err(|_| ChartError::Broken {
                doing: "understand a batch",
                why: "it panicked or was cut off, see its log".to_owned(),
            }),
        }
    }
}

/// What events mean, chunk after chunk in their order, found out ahead.
pub(super) struct Understood<'b> {
    chunks: std::slice::Chunks<'b, Sealed>,
    with: With,
    aside: &'b Aside,
    ahead: VecDeque<Found<Vec<Step>>>,
}

impl<'b> Understood<'b> {
    pub(super) fn of(events: &'b [Sealed], with: With, aside: &'b Aside) -> Understood<'b> {
        Understood {
            chunks: events.chunks(EVENTS_AT_ONCE),
            with,
            aside,
            ahead: VecDeque::with_capacity(CHUNKS_AHEAD),
        }
    }
}

impl Iterator for Understood<'_> {
    type Item = Outcome<Vec<Step>>;

    fn next(&mut self) -> Option<Outcome<Vec<Step>>> {
        while self.ahead.len() < CHUNKS_AHEAD
            && let Some(events) = self.chunks.next()
        {
            let (events, with) = (events.to_vec(), self.with.clone());
            let steps = move || {
                let steps = events.iter().filter_map(|event| step::step(event, &with));
                steps.collect()
            };
            self.ahead.push_back(self.aside.find(steps));
        }
        self.ahead.pop_front().map(Found::get)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(found: Found<u8>) -> Result<u8, String> {
        let waits = std::thread::spawn(|| found.get().map_err(|why| why.to_string()));
        waits.join().unwrap()
    }

    #[tokio::test]
    async fn what_panics_or_is_cut_off_is_an_error_and_nobody_waits_for_it() {
        let aside = Aside::of(FEW + 1, Handle::current());
        assert_eq!(get(aside.find(|| 7)).unwrap(), 7);
        let why = get(aside.find(|| panic!("Weiss"))).unwrap_err();
        assert!(why.contains("it panicked or was cut off"), "{why}");
        let gone = tokio::task::spawn_blocking(|| {
            let other = tokio::runtime::Runtime::new().unwrap();
            let aside = Aside::of(FEW + 1, other.handle().clone());
            other.shutdown_background();
            get(aside.find(|| 7))
        });
        assert!(gone.await.unwrap().is_err());
    }

    #[tokio::test]
    async fn few_events_are_understood_where_they_are_written() {
        let here = std::thread::current().id();
        let thread = || std::thread::current().id();
        for (events, same) in [(1, true), (FEW, true), (FEW + 1, false)] {
            let aside = Aside::of(events, Handle::current());
            let found = match aside.find(thread) {
                Found::Here(found) => found,
                Found::There(found) => found.await.unwrap(),
            };
            assert_eq!(found == here, same, "{events}");
        }
    }
}
