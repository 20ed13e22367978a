//! Load on a running Salus, and figures. Light on the processor, since it shares the machine with
//! what it measures: messages are prepared once and patched in place.

mod histogram;
mod http;
mod mix;
mod mllp;
mod oru;
mod pin;

use std::time::{Duration, Instant};

use serde::Serialize;
use thiserror::Error;

pub use histogram::Histogram;
pub use http::{Call, HttpLoad, http};
pub use mix::{mix, mix_seed};
pub(crate) use mllp::acknowledged;
pub use mllp::{MllpLoad, MllpTls, mllp};
pub use oru::Template;
pub(crate) use oru::id as patched_id;
pub use pin::pinned;

/// When a driver stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// After so many requests.
    Count(u64),
    /// After so much time; requests under way are finished.
    Elapsed(Duration),
}

/// What a driver measured.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Figures {
    /// Requests that were answered as they should be.
    pub count: u64,
    /// What the requests counted for: resources in bundles; otherwise the same as `count`.
    pub units: u64,
    /// From the first request to the last answer.
    pub seconds: f64,
    /// `units` divided by `seconds`.
    pub per_second: f64,
    /// Median time from request to answer, in milliseconds.
    pub p50_ms: f64,
    /// 99th percentile of the same.
    pub p99_ms: f64,
    /// The slowest of the same.
    pub max_ms: f64,
    /// Requests that failed or were answered otherwise.
    pub errors: u64,
    /// The first of those, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_error: Option<String>,
}

/// Why a driver could not begin.
#[derive(Debug, Error)]
pub enum LoadError {
    /// The certificate to trust cannot be used.
    #[error("the certificate to trust cannot be used: {0}")]
    Certificate(String),
    /// The address is not one.
    #[error("`{0}` is not an address that can be called: give `https://HOST:PORT/PATH`")]
    Address(String),
    /// There is nothing to send.
    #[error("there is nothing to send")]
    Nothing,
}

/// What one connection has seen.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    histogram: Histogram,
    units: u64,
    errors: u64,
    first_error: Option<String>,
}

impl Tally {
    fn answered(&mut self, took: Duration, units: u64) {
        self.histogram.add(took);
        self.units += units;
    }

    fn failed(&mut self, why: impl FnOnce() -> String) {
        self.errors += 1;
        if self.first_error.is_none() {
            self.first_error = Some(why());
        }
    }

    fn join(&mut self, other: Tally) {
        self.histogram.join(&other.histogram);
        self.units += other.units;
        self.errors += other.errors;
        if self.first_error.is_none() {
            self.first_error = other.first_error;
        }
    }

    fn figures(self, began: Instant) -> Figures {
        let seconds = began.elapsed().as_secs_f64();
        let units = u32::try_from(self.units).map_or(f64::MAX, f64::from);
        Figures {
            count: self.histogram.count(),
            units: self.units,
            seconds,
            per_second: if seconds > 0.0 { units / seconds } else { 0.0 },
            p50_ms: self.histogram.quantile_ms(500),
            p99_ms: self.histogram.quantile_ms(990),
            max_ms: self.histogram.quantile_ms(1000),
            errors: self.errors,
            first_error: self.first_error,
        }
    }
}

/// How many requests are left, and until when; shared by all connections of a driver.
#[derive(Debug)]
pub(crate) struct Budget {
    left: std::sync::atomic::AtomicU64,
    end: Option<Instant>,
}

impl Budget {
    fn new(until: Until, began: Instant) -> Budget {
        let (left, end) = match until {
            Until::Count(count) => (count, None),
            Until::Elapsed(time) => (u64::MAX, Some(began + time)),
        };
        Budget {
            left: left.into(),
            end,
        }
    }

    /// Takes leave to send one more request.
    fn take(&self) -> bool {
        use std::sync::atomic::Ordering::Relaxed;
        if self.end.is_some_and(|end| Instant::now() >= end) {
            return false;
        }
        self.left
            .fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1))
            .is_ok()
    }
}
