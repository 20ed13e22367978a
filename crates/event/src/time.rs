use std::fmt;

use serde::{Deserialize, Serialize};

/// A moment: milliseconds since 1970-01-01T00:00:00Z, leap seconds ignored (POSIX).
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Time(i64);

impl Time {
    /// From milliseconds since the epoch.
    pub const fn from_millis(millis: i64) -> Time {
        Time(millis)
    }

    /// Milliseconds since the epoch.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Milliseconds from `earlier` to this moment; negative if `earlier` is later.
    pub const fn since(self, earlier: Time) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// This moment moved by `millis`.
    #[must_use]
    pub const fn plus_millis(self, millis: i64) -> Time {
        Time(self.0.saturating_add(millis))
    }

    /// As a `jiff` timestamp, clamped to the range that RFC 3339 can write.
    pub fn timestamp(self) -> jiff::Timestamp {
        jiff::Timestamp::from_millisecond(self.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
    }
}

/// RFC 3339 in UTC with milliseconds, as FHIR `instant` wants it.
impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3}", self.timestamp())
    }
}

/// Where the present moment comes from. A parameter, so that tests and simulations own time.
pub trait Clock: Send + Sync + 'static {
    /// The present moment. May jump backwards; callers that need order must not rely on it.
    fn now(&self) -> Time;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_as_a_fhir_instant() {
        assert_eq!(
            Time::from_millis(1_700_000_000_007).to_string(),
            "2023-11-14T22:13:20.007Z"
        );
        assert_eq!(Time::from_millis(0).to_string(), "1970-01-01T00:00:00.000Z");
    }

    #[test]
    fn a_moment_outside_rfc_3339_does_not_panic() {
        assert_eq!(
            Time::from_millis(i64::MAX).to_string(),
            "1970-01-01T00:00:00.000Z"
        );
    }
}
