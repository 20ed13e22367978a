//! What a standby knows of the primary that it follows.

use std::sync::{Mutex, PoisonError};

use event::Time;

/// How a standby stands to its primary.
#[derive(Debug, Default)]
pub struct Following {
    known: Mutex<Contact>,
}

/// What it knows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Contact {
    /// The primary's address.
    pub primary: String,
    /// When it last answered; `None`: never since this server began.
    pub last: Option<Time>,
    /// How many events it had then.
    pub events: u64,
    /// When the standby last had all that the primary had.
    pub whole: Option<Time>,
    /// Objects (images) that its events name and that are not here yet; `None`: not every event was
    /// looked at yet.
    pub objects_missing: Option<u64>,
    /// Events that were looked at for objects.
    pub objects_looked: u64,
    /// Why what it shows is refused, in words.
    pub refused: Option<String>,
}

impl Following {
    /// The primary is at this address.
    pub fn of(primary: &str) -> Following {
        Following {
            known: Mutex::new(Contact {
                primary: primary.to_owned(),
                ..Contact::default()
            }),
        }
    }

    /// What is known.
    pub fn contact(&self) -> Contact {
        let known = self.known.lock();
        known.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The primary answered that it had so many events at that time or later, and `here` are here.
    pub fn answered(&self, at: Time, (events, here): (u64, u64)) {
        self.change(|known| {
            known.last = Some(at);
            known.events = events;
            if here >= events {
                known.whole = Some(at);
            }
            known.refused = None;
        });
    }

    /// So many objects that its events name are not here, as far as `looked` events say; `None`: that
    /// is not known, because there are more events.
    pub fn objects(&self, missing: Option<u64>, looked: u64) {
        self.change(|known| (known.objects_missing, known.objects_looked) = (missing, looked));
    }

    /// The primary showed what is not to be believed.
    pub fn refused(&self, why: &str) {
        self.change(|known| known.refused = Some(why.to_owned()));
    }

    fn change(&self, change: impl FnOnce(&mut Contact)) {
        let known = self.known.lock();
        change(&mut known.unwrap_or_else(PoisonError::into_inner));
    }
}

impl Contact {
    /// How far the standby is behind, in milliseconds: how long ago it had all that there was.
    /// `None`: it never had, since this server began.
    pub fn lag(&self, now: Time) -> Option<i64> {
        self.whole.map(|whole| now.since(whole))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lag_is_the_age_of_what_is_known() {
        let at = Time::from_millis;
        let following = Following::of("https://a.example");
        assert_eq!(following.contact().lag(at(9_000)), None);
        following.answered(at(10_000), (7, 7));
        assert_eq!(following.contact().lag(at(10_400)), Some(400));
        following.answered(at(11_000), (90, 50));
        assert_eq!(following.contact().lag(at(11_500)), Some(1_500));
        following.refused("a fork");
        assert_eq!(following.contact().refused.as_deref(), Some("a fork"));
        following.answered(at(12_000), (90, 90));
        assert_eq!(following.contact().refused, None);
    }
}
