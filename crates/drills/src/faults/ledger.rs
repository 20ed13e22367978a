//! Who was told what: the sender's own books, kept apart from the record they are held against.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What was sent and what was acknowledged, by the sender's own message ids.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    sent: BTreeSet<String>,
    acknowledged: BTreeSet<String>,
}

impl Ledger {
    /// Notes that a message is about to be sent, or sent again.
    pub fn send(&mut self, id: impl Into<String>) {
        self.sent.insert(id.into());
    }

    /// Notes that a message was positively acknowledged.
    pub fn acknowledge(&mut self, id: impl Into<String>) {
        self.acknowledged.insert(id.into());
    }

    /// Messages of which the sender does not know what became; it will send them again.
    pub fn unknown(&self) -> Vec<String> {
        self.sent.difference(&self.acknowledged).cloned().collect()
    }

    /// How many were acknowledged.
    pub fn acknowledged(&self) -> usize {
        self.acknowledged.len()
    }

    /// Holds what was sealed, message id by message id, against the books: everything
    /// acknowledged is there, nothing is there twice, and nothing is there that was not sent.
    pub fn check(&self, sealed: impl IntoIterator<Item = String>) -> Vec<Breach> {
        let mut times: BTreeMap<String, usize> = BTreeMap::new();
        for id in sealed {
            *times.entry(id).or_default() += 1;
        }
        let lost = self
            .acknowledged
            .iter()
            .filter(|id| !times.contains_key(*id));
        let mut breaches: Vec<Breach> = lost.cloned().map(Breach::Lost).collect();
        for (id, count) in times {
            if !self.sent.contains(&id) {
                breaches.push(Breach::Unsent(id));
            } else if count > 1 {
                breaches.push(Breach::Repeated(id, count));
            }
        }
        breaches
    }
}

/// A word that was not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Breach {
    /// It was acknowledged and is not there.
    Lost(String),
    /// It is there more than once.
    Repeated(String, usize),
    /// It is there and was never sent.
    Unsent(String),
    /// Something sealed is not as it was sealed.
    Altered(String),
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Breach::Lost(id) => write!(f, "`{id}` was acknowledged and is lost"),
            Breach::Repeated(id, count) => write!(f, "`{id}` is there {count} times"),
            Breach::Unsent(id) => write!(f, "`{id}` is there and was never sent"),
            Breach::Altered(what) => write!(f, "{what}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_books_find_every_breach() {
        let mut ledger = Ledger::default();
        for id in ["a", "b", "c", "d"] {
            ledger.send(id);
        }
        for id in ["a", "b", "c"] {
            ledger.acknowledge(id);
        }
        assert_eq!(ledger.unknown(), ["d"]);
        assert_eq!(ledger.acknowledged(), 3);
        let sealed = |ids: &[&str]| ids.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(ledger.check(sealed(&["a", "b", "c"])), []);
        assert_eq!(ledger.check(sealed(&["c", "d", "b", "a"])), []);
        let breaches = ledger.check(sealed(&["a", "c", "c", "x"]));
        let wanted = [
            Breach::Lost("b".into()),
            Breach::Repeated("c".into(), 2),
            Breach::Unsent("x".into()),
        ];
        assert_eq!(breaches, wanted);
        assert_eq!(breaches[0].to_string(), "`b` was acknowledged and is lost");
    }
}
