//! The public keys of clients: inline, or fetched and kept for a while.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use event::{App as Registered, Time};
use jsonwebtoken::jwk::JwkSet;

use crate::App;
use crate::fetch::Terms;

/// Sets that are kept at the same time, at most.
const SETS_MAX: usize = 256;
/// A set is not fetched again for an unknown key before it is this old, in milliseconds.
const AGAIN_MS: i64 = 10_000;

/// Fetched sets by their address.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    kept: Mutex<HashMap<String, Kept>>,
    fetching: tokio::sync::Mutex<()>,
}

#[derive(Debug, Clone)]
struct Kept {
    at: Time,
    set: Arc<JwkSet>,
}

impl Keys {
    /// The keys of a client, among them, if it can be found, the one called `kid`.
    ///
    /// # Errors
    /// In words, without what the other end said.
    pub(crate) async fn of(
        app: &App,
        client: &Registered,
        kid: &str,
    ) -> Result<Arc<JwkSet>, String> {
        if let Some(inline) = &client.jwks {
            let set = serde_json::from_str(inline);
            return set
                .map(Arc::new)
                .map_err(|_| "its registered keys are damaged".to_owned());
        }
        let url = client.jwks_url.as_deref();
        let url = url.ok_or("it has no registered keys")?;
        if let Some(set) = app.keys.usable(app, url, kid) {
            return Ok(set);
        }
        // One at a time: whoever waited finds what the one before brought.
        let _turn = app.keys.fetching.lock().await;
        if let Some(set) = app.keys.usable(app, url, kid) {
            return Ok(set);
        }
        let set = fetched(app, url).await;
        if let Err(why) = &set {
            tracing::warn!(url, why, "a client's keys could not be fetched");
        }
        // What failed is kept too, as no keys, so that not every request asks again.
        let set = set.unwrap_or(JwkSet { keys: Vec::new() });
        Ok(app.keys.keep(url, app.clock.now(), set))
    }

    /// The kept set, unless it is too old, or a key that it has not may have been added since.
    fn usable(&self, app: &App, url: &str, kid: &str) -> Option<Arc<JwkSet>> {
        let kept = self.kept(url)?;
        let age = app.clock.now().since(kept.at);
        let fresh = (0..app.settings.jwks_cache_ms).contains(&age);
        let enough = kept.set.find(kid).is_some() || age < AGAIN_MS;
        (fresh && enough).then_some(kept.set)
    }

    fn kept(&self, url: &str) -> Option<Kept> {
        self.lock().get(url).cloned()
    }

    fn keep(&self, url: &str, at: Time, set: JwkSet) -> Arc<JwkSet> {
        let set = Arc::new(set);
        let mut kept = self.lock();
        if kept.len() >= SETS_MAX && !kept.contains_key(url) {
            let oldest = kept.iter().min_by_key(|(_, one)| one.at);
            let oldest = oldest.map(|(url, _)| url.clone());
            oldest.and_then(|url| kept.remove(&url));
        }
        let one = Kept {
            at,
            set: Arc::clone(&set),
        };
        kept.insert(url.to_owned(), one);
        set
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn fetched(app: &App, url: &str) -> Result<JwkSet, String> {
    let terms = Terms {
        authorities: &app.settings.jwks_authorities,
        wait_ms: app.settings.jwks_timeout_ms,
        bytes_max: app.settings.jwks_bytes_max,
    };
    let (status, bytes) = app.fetch.ask(url, None, terms).await?;
    // A redirect would lead where nobody registered anything.
    if status != 200 {
        return Err(format!("it answered with {status}"));
    }
    serde_json::from_slice(&bytes).map_err(|_| "it is no JWK set".to_owned())
}
