//! What `salus client add` takes as a registration, and what it refuses with words.

use anyhow::{Context as _, Result, bail};
use event::App;
use guard::{Context, Scope};
use web::api::smart::{is_app_word, is_redirect_uri};

/// The largest set of keys that is registered, in bytes.
const JWKS_BYTES_MAX: usize = 64 << 10;

/// Checks a registration.
pub(crate) fn check(app: Option<&App>, scopes: &[String]) -> Result<()> {
    let people = app.is_some_and(|app| !app.redirect_uris.is_empty());
    for scope in scopes {
        if people && is_app_word(scope) {
            continue;
        }
        let read = Scope::parse(scope).with_context(|| format!("scope `{scope}`"))?;
        narrowing(&read).with_context(|| format!("scope `{scope}`"))?;
        match (read.context(), people) {
            (Context::System, true) if !app.is_some_and(App::is_confidential) => bail!(
                "scope `{scope}`: an app that proves nothing about itself acts for people only"
            ),
            (Context::Patient | Context::User, false) => bail!(
                "scope `{scope}`: it does not begin with `system/`; only an app with \
                 `--redirect-uri` asks in people's names"
            ),
            _ => {}
        }
    }
    match app {
        Some(app) => addresses(app).and_then(|()| keys(app)),
        None => Ok(()),
    }
}

/// Whether what narrows a scope can be searched for.
fn narrowing(scope: &Scope) -> Result<()> {
    let limits = wire::fhir::search::QueryLimits::default();
    let narrowed = scope.narrowed();
    if !narrowed.is_empty() {
        wire::fhir::query(scope.kind(), narrowed, &limits)
            .map_err(|issue| anyhow::anyhow!(issue.to_string()))?;
    }
    Ok(())
}

fn addresses(app: &App) -> Result<()> {
    for uri in app.redirect_uris.iter().chain(&app.launch_url) {
        if !is_redirect_uri(uri) {
            bail!(
                "`{uri}` is no address to send people to: `https://` without a fragment, `http://` \
                 on their own machine, or an installed app's own scheme with a dot in it"
            );
        }
    }
    if let Some(url) = &app.jwks_url
        && !(url.starts_with("https://") || is_redirect_uri(url))
    {
        bail!("`{url}` is no address to fetch keys from: write `https://...`");
    }
    Ok(())
}

fn keys(app: &App) -> Result<()> {
    let Some(text) = &app.jwks else {
        return Ok(());
    };
    if text.len() > JWKS_BYTES_MAX {
        bail!(
            "the keys have {} bytes; at most {JWKS_BYTES_MAX} are taken",
            text.len()
        );
    }
    let set: serde_json::Value = serde_json::from_str(text).context("the keys are no JSON")?;
    let keys = set.get("keys").and_then(serde_json::Value::as_array);
    let keys = keys.context("the keys are no JWK set: there is no `keys`")?;
    for key in keys {
        if key.get("d").is_some() || key.get("k").is_some() {
            bail!("there is a private key among the keys: register the public ones only");
        }
    }
    Ok(())
}
