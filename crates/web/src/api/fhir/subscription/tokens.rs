//! Tokens that bind a websocket to subscriptions. They are kept in memory: after a restart the client
//! asks for another.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use event::Time;
use guard::Identity;

use super::super::who::Proof;

/// Tokens that are kept, at most; with more, those that end first go.
const TOKENS_MAX: usize = 10_000;

/// Tokens that are good, by themselves.
#[derive(Debug, Default)]
pub(crate) struct Tokens(Mutex<HashMap<String, Bound>>);

/// What a token binds.
#[derive(Debug, Clone)]
pub(super) struct Bound {
    /// The client.
    pub(super) client: String,
    /// The ids of its subscriptions.
    pub(super) subscriptions: Vec<String>,
    /// The scopes of whoever asked for it: no more is told over the websocket.
    pub(super) scopes: Vec<String>,
    /// The token by which it was asked for: the websocket ends with it.
    pub(super) proof: Proof,
    ends: Time,
}

impl Tokens {
    /// Takes a token in; when it ends.
    pub(super) fn add(
        &self,
        token: &str,
        (who, ids, proof): (&Identity, &[String], &Proof),
        (now, good_ms): (Time, i64),
    ) -> Time {
        let ends = Time::from_millis(now.millis().saturating_add(good_ms));
        let bound = Bound {
            client: who.actor.id.clone(),
            subscriptions: ids.to_vec(),
            scopes: who.scopes.clone(),
            proof: proof.clone(),
            ends,
        };
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, one| one.ends > now);
        if all.len() >= TOKENS_MAX {
            let first = all.iter().min_by_key(|(_, one)| one.ends.millis());
            let first = first.map(|(token, _)| token.clone());
            first.and_then(|token| all.remove(&token));
        }
        all.insert(token.to_owned(), bound);
        ends
    }

    /// What a token binds, if it is good. It is good once.
    pub(super) fn take(&self, token: &str, now: Time) -> Option<Bound> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.remove(token).filter(|bound| bound.ends > now)
    }
}
