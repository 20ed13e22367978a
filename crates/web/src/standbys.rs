//! The standbys that follow this record: each puts itself on the ladder of copies by asking. It has
//! checked what it has, so asking for row N says that it holds N rows and found them right.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use event::{Act, Actor, Body, Copy, Event, Subject, Time};
use guard::{Standing, admit};
use tokio_util::sync::CancellationToken;

use crate::App;

/// How often it is looked at who still asks.
const LOOK: Duration = Duration::from_secs(5);
/// How long a standby may be silent, in milliseconds: it asks several times a second.
const SILENT_MS: i64 = 60_000;
/// How often it is sealed how a standby stands while nothing changes, in milliseconds.
const SEALED_MS: i64 = 3_600_000;

/// What is known of the standbys.
#[derive(Debug, Default)]
pub(crate) struct Standbys(Mutex<BTreeMap<String, Seen>>);

/// One of them.
#[derive(Debug, Clone, Copy)]
struct Seen {
    /// Rows that it has.
    has: u64,
    /// When it asked last.
    asked: Time,
    /// When it last had everything there was.
    whole: Option<Time>,
    /// When it was sealed last how it stands, and whether it was silent then.
    sealed: Option<(Time, bool)>,
}

impl Standbys {
    /// A standby that has `has` of `size` rows asks for more.
    pub(crate) fn asks(&self, name: &str, (has, size): (u64, u64), now: Time) {
        let mut known = self.known();
        let seen = known.entry(name.to_owned()).or_insert(Seen {
            has,
            asked: now,
            whole: None,
            sealed: None,
        });
        (seen.has, seen.asked) = (has, now);
        if has >= size {
            seen.whole = Some(now);
        }
    }

    /// What is to be sealed now: how each stands of which that is new, or was said long ago.
    fn due(&self, now: Time) -> Vec<Copy> {
        let mut known = self.known();
        let mut due = Vec::new();
        for (name, seen) in known.iter_mut() {
            let silent = now.since(seen.asked) > SILENT_MS;
            let said = seen
                .sealed
                .is_some_and(|(at, was)| was == silent && (silent || now.since(at) < SEALED_MS));
            if !said {
                seen.sealed = Some((now, silent));
                due.push(seen.copy(name, (now, silent)));
            }
        }
        due
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<String, Seen>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    fn copy(&self, name: &str, (now, silent): (Time, bool)) -> Copy {
        let behind = self.whole.map_or(0, |whole| now.since(whole));
        let asked = now.since(self.asked) / 1_000;
        Copy {
            kind: "standby".to_owned(),
            name: name.to_owned(),
            events: self.has,
            behind_ms: behind.max(0),
            verified: !silent && self.has > 0,
            wrong: match silent {
                true => format!("it has not asked for {asked} seconds"),
                false => String::new(),
            },
        }
    }
}

/// Seals how the standbys stand, until `stop`.
pub async fn note_standbys(app: Arc<App>, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
        for copy in app.standbys.due(app.clock.now()) {
            let event = Event::new(
                Actor::salus(),
                Act::Manage,
                Subject::Record,
                Body::Copy(copy),
            );
            let sealed = match admit(event.into(), Standing::Salus, "") {
                Ok(admitted) => app.record.admit(vec![admitted]).await.err(),
                Err(_) => None,
            };
            if let Some(why) = sealed {
                tracing::warn!(%why, "how a standby stands was not sealed");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Time {
        Time::from_millis(1_795_269_802_000 + ms)
    }

    #[test]
    fn a_standby_is_told_of_once_an_hour_and_when_it_falls_silent_and_comes_back() {
        let standbys = Standbys::default();
        assert_eq!(standbys.due(at(0)), []);
        standbys.asks("site-b", (90, 100), at(0));
        standbys.asks("site-b", (100, 100), at(400));
        let first = standbys.due(at(1_400));
        assert_eq!((first[0].events, first[0].behind_ms), (100, 1_000));
        assert!(first[0].verified && first[0].wrong.is_empty());
        standbys.asks("site-b", (100, 100), at(5_000));
        assert_eq!(standbys.due(at(6_000)), [], "nothing is new");
        let silent = standbys.due(at(5_001 + SILENT_MS));
        assert!(!silent[0].verified && silent[0].wrong.contains("60 seconds"));
        assert_eq!(standbys.due(at(9 * SEALED_MS)), [], "said once");
        standbys.asks("site-b", (100, 400), at(10 * SEALED_MS));
        let back = standbys.due(at(10 * SEALED_MS + 1));
        assert!(
            back[0].verified && back[0].behind_ms > SEALED_MS,
            "{back:?}"
        );
        standbys.asks("site-b", (400, 400), at(11 * SEALED_MS + 1));
        assert_eq!(
            standbys.due(at(11 * SEALED_MS + 2)).len(),
            1,
            "an hour has passed"
        );
    }
}
