//! What the provider publishes: its addresses and its keys, kept for a while.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use event::Time;
use jsonwebtoken::jwk::JwkSet;
use serde::Deserialize;

use super::Oidc;
use crate::fetch::Fetch;

/// How long what the provider publishes is kept, in milliseconds.
const KEPT_MS: i64 = 60 * 60_000;
/// Keys are not fetched again for an unknown `kid` before they are this old, in milliseconds.
const AGAIN_MS: i64 = 10_000;

/// OpenID Connect Discovery 1.0, section 3: the fields that are used.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Published {
    pub issuer: String,
    pub authorization_endpoint: String,
    pub token_endpoint: String,
    pub jwks_uri: String,
}

/// The provider, as it was last asked.
#[derive(Debug, Default)]
pub(crate) struct Provider {
    published: Mutex<Option<(Time, Published)>>,
    keys: Mutex<Option<(Time, Arc<JwkSet>)>>,
}

impl Provider {
    pub(crate) async fn discover(
        &self,
        (fetch, oidc): (&Fetch, &Oidc),
        now: Time,
    ) -> Result<Published, String> {
        let kept = fresh(&lock(&self.published), now);
        if let Some((_, found)) = kept {
            return Ok(found);
        }
        let issuer = oidc.issuer.trim_end_matches('/');
        let url = format!("{issuer}/.well-known/openid-configuration");
        let found: Published = get(&url, (fetch, oidc)).await?;
        if found.issuer != oidc.issuer {
            return Err(format!(
                "the provider calls itself `{}`; set `issuer` in `[web.oidc]` to exactly that, if it is right",
                found.issuer
            ));
        }
        *lock(&self.published) = Some((now, found.clone()));
        Ok(found)
    }

    /// The provider's keys, among them, if it can be found, the one called `kid`.
    pub(crate) async fn keys(
        &self,
        (fetch, oidc): (&Fetch, &Oidc),
        kid: &str,
        now: Time,
    ) -> Result<Arc<JwkSet>, String> {
        let kept = fresh(&lock(&self.keys), now);
        if let Some((at, keys)) = kept
            && (keys.find(kid).is_some() || now.since(at) < AGAIN_MS)
        {
            return Ok(keys);
        }
        let url = self.discover((fetch, oidc), now).await?.jwks_uri;
        let keys: Arc<JwkSet> = Arc::new(get(&url, (fetch, oidc)).await?);
        *lock(&self.keys) = Some((now, Arc::clone(&keys)));
        Ok(keys)
    }
}

fn fresh<T: Clone>(kept: &Option<(Time, T)>, now: Time) -> Option<(Time, T)> {
    let kept = kept.as_ref()?;
    (0..KEPT_MS)
        .contains(&now.since(kept.0))
        .then(|| kept.clone())
}

fn lock<T>(kept: &Mutex<T>) -> MutexGuard<'_, T> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn get<T: serde::de::DeserializeOwned>(
    url: &str,
    (fetch, oidc): (&Fetch, &Oidc),
) -> Result<T, String> {
    let (status, body) = fetch.ask(url, None, oidc.terms()).await?;
    if status != 200 {
        return Err(format!("`{url}` answers with status {status}"));
    }
    serde_json::from_slice(&body).map_err(|why| format!("what stands at `{url}` is not it: {why}"))
}
