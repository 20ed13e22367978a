//! How many requests a minute one address or one client may send.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::{HeaderValue, RETRY_AFTER};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use event::Time;

use crate::App;
use crate::caller::place;

const MINUTE_MS: i64 = 60_000;
/// The most that are counted at a time; above it, those whose minute is over are forgotten.
const COUNTED_MAX: usize = 10_000;

/// Requests by who sent them, within the minute that began with the first.
#[derive(Default)]
pub(crate) struct Paces(Mutex<HashMap<String, (Time, u32)>>);

/// Somebody asked too often; in so many seconds they may again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooFast {
    pub(crate) seconds: i64,
}

impl Paces {
    /// Counts one request of `who`.
    ///
    /// # Errors
    /// [`TooFast`] if it is more than `max` in the minute.
    fn count(&self, who: &str, max: u32, now: Time) -> Result<(), TooFast> {
        if max == 0 {
            return Ok(());
        }
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let over = |since: Time| !(0..MINUTE_MS).contains(&now.since(since));
        if counted.len() >= COUNTED_MAX && !counted.contains_key(who) {
            counted.retain(|_, (since, _)| !over(*since));
        }
        // More than can be counted share one count.
        let full = counted.len() >= COUNTED_MAX && !counted.contains_key(who);
        let key = if full { "" } else { who };
        let (since, requests) = counted.entry(key.to_owned()).or_insert((now, 0));
        if over(*since) {
            (*since, *requests) = (now, 0);
        }
        *requests = requests.saturating_add(1);
        match *requests > max {
            true => Err(TooFast {
                seconds: (MINUTE_MS - now.since(*since)).div_euclid(1_000) + 1,
            }),
            false => Ok(()),
        }
    }
}

impl App {
    /// Counts one request of a client that proved who it is.
    ///
    /// # Errors
    /// [`TooFast`] if it is more than it may send.
    pub(crate) fn paced(&self, client: &str) -> Result<(), TooFast> {
        let max = self.settings.requests_per_client_max;
        self.paces
            .count(&format!("client {client}"), max, self.clock.now())
    }
}

impl TooFast {
    /// `Retry-After`, in seconds.
    pub(crate) fn header(self) -> HeaderValue {
        HeaderValue::from(self.seconds)
    }
}

/// Around everything: requests of an address that comes too often are not looked at.
pub(crate) async fn hold(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let source = place(request.extensions());
    let max = app.settings.requests_per_source_max;
    let counted = app
        .paces
        .count(&format!("source {source}"), max, app.clock.now());
    let Err(fast) = counted else {
        return next.run(request).await;
    };
    let words = "this address sends more requests in a minute than are taken; slow down\n";
    let mut answer = (StatusCode::TOO_MANY_REQUESTS, words).into_response();
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
        let paces = Paces::default();
        for millis in [0, 10, 20] {
            assert_eq!(paces.count("lis", 3, at(millis)), Ok(()));
        }
        let fast = paces.count("lis", 3, at(30_000)).unwrap_err();
        assert_eq!(fast.seconds, 31);
        assert_eq!(paces.count("other", 3, at(30_000)), Ok(()));
        assert_eq!(paces.count("lis", 3, at(60_000)), Ok(()));
    }

    #[test]
    fn none_is_set_by_nought_and_a_clock_set_back_locks_nobody_out() {
        let paces = Paces::default();
        for _ in 0..100 {
            assert_eq!(paces.count("lis", 0, at(0)), Ok(()));
        }
        assert_eq!(paces.count("lis", 1, at(1_000_000)), Ok(()));
        assert_eq!(paces.count("lis", 1, at(500)), Ok(()));
    }

    #[test]
    fn a_flood_of_addresses_does_not_fill_the_memory() {
        let paces = Paces::default();
        let taken = (0..3 * COUNTED_MAX)
            .filter(|one| paces.count(&one.to_string(), 5, at(0)).is_ok())
            .count();
        assert!(paces.0.lock().unwrap().len() <= COUNTED_MAX + 1);
        assert_eq!(taken, COUNTED_MAX + 5);
    }
}
