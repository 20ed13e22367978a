//! How many requests a minute one address or one client may send.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::extract::Request;
use axum::http::StatusCode;
use axum::http::header::{AUTHORIZATION, HeaderValue, RETRY_AFTER};
use axum::response::Response;
use event::Time;

use crate::App;
use crate::api::smart::ClientCertificate;
use crate::caller::{Caller, place};
use crate::manners::turned_away;
use crate::rejected::client;

const MINUTE_MS: i64 = 60_000;
/// The most that are counted at a time, in each table; above it, those whose minute is over are
/// forgotten.
const COUNTED_MAX: usize = 10_000;
/// A full table is not looked through for them again before this time is over, in milliseconds.
const SWEPT_MS: i64 = 1_000;

/// Requests by who sent them. Strangers share no table with those who proved who they are.
#[derive(Default)]
pub(crate) struct Paces {
    /// By address, whoever comes from there.
    sources: Table,
    /// By client, once it proved that it is that one.
    clients: Table,
    /// Failed sign-ins that were sealed one by one, of everybody together.
    failures: Table,
}

/// Counts, each within the minute that began with the first.
#[derive(Default)]
struct Table(Mutex<Counts>);

#[derive(Default)]
struct Counts {
    by: HashMap<String, Count>,
    /// What more than can be told apart share.
    others: Count,
    swept: Option<Time>,
}

#[derive(Default, Clone, Copy)]
struct Count {
    since: Time,
    requests: u32,
}

/// Somebody asked too often; in so many seconds they may again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooFast {
    pub(crate) seconds: i64,
    /// It is not their own doing: more come than are told apart.
    crowded: bool,
}

impl Count {
    fn over(self, now: Time) -> bool {
        !(0..MINUTE_MS).contains(&now.since(self.since))
    }

    /// One more; how many it are in this minute.
    fn add(&mut self, now: Time) -> u32 {
        if self.requests == 0 || self.over(now) {
            (self.since, self.requests) = (now, 0);
        }
        self.requests = self.requests.saturating_add(1);
        self.requests
    }
}

impl Counts {
    /// Forgets those whose minute is over, if the table is full and that was not tried just now.
    fn make_room(&mut self, now: Time) {
        let lately = |at: Time| (0..SWEPT_MS).contains(&now.since(at));
        if self.by.len() < COUNTED_MAX || self.swept.is_some_and(lately) {
            return;
        }
        self.swept = Some(now);
        self.by.retain(|_, one| !one.over(now));
    }
}

impl Table {
    /// Counts one request of `who`.
    ///
    /// # Errors
    /// [`TooFast`] if it is more than `max` in the minute; `max` 0: never.
    fn count(&self, who: &str, max: u32, now: Time) -> Result<(), TooFast> {
        if max == 0 {
            return Ok(());
        }
        let mut counts = self.lock();
        if !counts.by.contains_key(who) {
            counts.make_room(now);
        }
        let crowded = counts.by.len() >= COUNTED_MAX && !counts.by.contains_key(who);
        let count = match crowded {
            true => &mut counts.others,
            false => counts.by.entry(who.to_owned()).or_default(),
        };
        if count.add(now) <= max {
            return Ok(());
        }
        Err(TooFast {
            seconds: (MINUTE_MS - now.since(count.since)).div_euclid(1_000) + 1,
            crowded,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl App {
    /// Counts one request of a client that proved who it is.
    ///
    /// # Errors
    /// [`TooFast`] if it is more than it may send.
    pub(crate) fn paced(&self, client: &str) -> Result<(), TooFast> {
        let max = self.settings.requests_per_client_max;
        self.paces.clients.count(client, max, self.clock.now())
    }

    /// Whether one more failed sign-in is sealed as an event of its own, or only as one of a count.
    pub(crate) fn failure_in_full(&self) -> bool {
        let max = self.settings.failures_sealed_max;
        let counted = self.paces.failures.count("", max, self.clock.now());
        counted.is_ok()
    }

    /// Whether a request shows that somebody proved who they are: a client's token or certificate, or
    /// the cookie of a session that lives. Nothing is decided by it but whose crowd they are counted in.
    fn knows(&self, request: &Request) -> bool {
        let (headers, extensions) = (request.headers(), request.extensions());
        let shown = headers.get(AUTHORIZATION);
        extensions.get::<ClientCertificate>().is_some()
            || shown.is_some_and(|shown| client(self, shown).is_some())
            || self
                .sessions
                .peek(&Caller::of(headers, extensions), self.clock.now())
                .is_some()
    }
}

impl TooFast {
    /// `Retry-After`, in seconds.
    pub(crate) fn header(self) -> HeaderValue {
        HeaderValue::from(self.seconds)
    }
}

/// Around everything: requests of an address that comes too often are not looked at. When there are
/// more addresses than are told apart, those share one count who proved nothing, and nobody else.
pub(crate) async fn hold(
    app: &App,
    request: Request,
    next: impl AsyncFnOnce(Request) -> Response,
) -> Response {
    let source = place(request.extensions());
    let max = app.settings.requests_per_source_max;
    let counted = app.paces.sources.count(&source, max, app.clock.now());
    let Err(fast) = counted else {
        return next(request).await;
    };
    if fast.crowded && app.knows(&request) {
        return next(request).await;
    }
    let words = "this address sends more requests in a minute than are taken; slow down";
    let path = request.uri().path();
    let mut answer = turned_away(path, StatusCode::TOO_MANY_REQUESTS, words);
    answer.headers_mut().insert(RETRY_AFTER, fast.header());
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Time {
        Time::from_millis(millis)
    }

    #[test]
    fn so_many_in_a_minute_and_no_more() {
        let table = Table::default();
        for millis in [0, 10, 20] {
            assert_eq!(table.count("lis", 3, at(millis)), Ok(()));
        }
        let fast = table.count("lis", 3, at(30_000)).unwrap_err();
        assert_eq!((fast.seconds, fast.crowded), (31, false));
        assert_eq!(table.count("other", 3, at(30_000)), Ok(()));
        assert_eq!(table.count("lis", 3, at(60_000)), Ok(()));
    }

    #[test]
    fn none_is_set_by_nought_and_a_clock_set_back_locks_nobody_out() {
        let table = Table::default();
        for _ in 0..100 {
            assert_eq!(table.count("lis", 0, at(0)), Ok(()));
        }
        assert_eq!(table.count("lis", 1, at(1_000_000)), Ok(()));
        assert_eq!(table.count("lis", 1, at(500)), Ok(()));
    }

    #[test]
    fn a_flood_of_addresses_does_not_fill_the_memory() {
        let table = Table::default();
        let taken = (0..3 * COUNTED_MAX)
            .filter(|one| table.count(&one.to_string(), 5, at(0)).is_ok())
            .count();
        assert_eq!(table.lock().by.len(), COUNTED_MAX);
        assert_eq!(taken, COUNTED_MAX + 5);
        let fast = table.count("one more", 5, at(0)).unwrap_err();
        assert!(fast.crowded, "it is the others' doing");
        // When their minute is over, there is room again.
        assert_eq!(table.count("one more", 1, at(MINUTE_MS)), Ok(()));
        let own = table.count("one more", 1, at(MINUTE_MS)).unwrap_err();
        assert!(!own.crowded);
    }
}
