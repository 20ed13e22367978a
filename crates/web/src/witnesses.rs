//! What is known of the witnesses that cosign this record's checkpoints.

use std::sync::{Mutex, PoisonError};

use event::Time;

/// The witnesses that are asked, and how many of them have to cosign.
#[derive(Debug, Default)]
pub struct Witnesses {
    needed: usize,
    known: Mutex<Vec<WitnessState>>,
}

/// One witness.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WitnessState {
    /// Its name, as in its key.
    pub name: String,
    /// The head that it cosigned last: events under it, and when. `None`: no evidence.
    pub last: Option<(u64, Time)>,
    /// What keeps it from cosigning.
    pub trouble: Option<Trouble>,
}

/// Why a witness does not cosign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// It gives no answer that can be used; why, in words.
    Silent(String),
    /// It has seen more events of this record than there are: an older copy was put back.
    RolledBack {
        /// How many it has seen.
        seen: u64,
    },
    /// It has seen another history of this record.
    SplitView,
}

impl Trouble {
    /// Whether it means that the record is not what it was.
    pub const fn is_grave(&self) -> bool {
        matches!(self, Trouble::RolledBack { .. } | Trouble::SplitView)
    }
}

impl Witnesses {
    /// These witnesses, with what they cosigned last; `needed` of them have to.
    pub fn of(known: Vec<WitnessState>, needed: usize) -> Witnesses {
        Witnesses {
            needed,
            known: Mutex::new(known),
        }
    }

    /// How many have to cosign.
    pub const fn needed(&self) -> usize {
        self.needed
    }

    /// All of them, in the order of the configuration.
    pub fn all(&self) -> Vec<WitnessState> {
        let known = self.known.lock();
        known.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A witness cosigned a head of `size` events.
    pub fn cosigned(&self, name: &str, size: u64, at: Time) {
        self.change(name, |state| {
            state.last = Some((size, at));
            state.trouble = None;
        });
    }

    /// A witness did not.
    pub fn refused(&self, name: &str, trouble: Trouble) {
        self.change(name, |state| {
            // That it falls silent does not undo what it said before.
            let kept = state.trouble.as_ref().is_some_and(Trouble::is_grave);
            if trouble.is_grave() || !kept {
                state.trouble = Some(trouble);
            }
        });
    }

    fn change(&self, name: &str, change: impl FnOnce(&mut WitnessState)) {
        let known = self.known.lock();
        let mut known = known.unwrap_or_else(PoisonError::into_inner);
        if let Some(state) = known.iter_mut().find(|state| state.name == name) {
            change(state);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_grave_stays_until_the_witness_cosigns_again() {
        let state = WitnessState {
            name: "w".into(),
            last: None,
            trouble: None,
        };
        let witnesses = Witnesses::of(vec![state], 1);
        witnesses.refused("w", Trouble::RolledBack { seen: 9 });
        witnesses.refused("w", Trouble::Silent("no answer".into()));
        let trouble = |witnesses: &Witnesses| witnesses.all()[0].trouble.clone();
        assert_eq!(trouble(&witnesses), Some(Trouble::RolledBack { seen: 9 }));
        witnesses.cosigned("w", 12, Time::from_millis(5));
        assert_eq!(trouble(&witnesses), None);
        assert_eq!(witnesses.all()[0].last, Some((12, Time::from_millis(5))));
    }
}
