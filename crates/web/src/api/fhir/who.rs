//! Who asks.

use axum::http::header::AUTHORIZATION;
use axum::http::{Extensions, HeaderMap, StatusCode};
use event::Time;
use guard::{Identity, Scope};

use super::fault::Fault;
use super::format::header;
use crate::App;
use crate::api::smart::ClientCertificate;
use crate::caller::address;

/// The longest token that is looked at, in bytes.
const TOKEN_BYTES_MAX: usize = 512;

/// The asker: given by the socket the request came in by, or proved by a bearer token: one that
/// `salus client add` made, or one that the token endpoint issued.
///
/// # Errors
/// 401 without a token or with one that is not good; 429 for a client that comes too often.
pub(crate) async fn identity(
    app: &App,
    extensions: &Extensions,
    headers: &HeaderMap,
) -> Result<Identity, Fault> {
    let identity = proved(app, extensions, headers).await?;
    Ok(Identity {
        from: address(extensions),
        ..identity
    })
}

/// What proved who asks, to be looked at again.
#[derive(Clone)]
pub struct Bearer {
    token: String,
    certificate: Option<ClientCertificate>,
}

impl std::fmt::Debug for Bearer {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Bearer(..)")
    }
}

impl Bearer {
    /// Of a request; `None`: the socket says who asks there.
    pub(crate) fn of(extensions: &Extensions, headers: &HeaderMap) -> Option<Bearer> {
        if extensions.get::<Identity>().is_some() {
            return None;
        }
        Some(Bearer {
            token: bearer(header(headers, &AUTHORIZATION)?)?.to_owned(),
            certificate: extensions.get::<ClientCertificate>().cloned(),
        })
    }

    /// Who it stands for by now; `None`: nobody any more.
    ///
    /// # Errors
    /// [`Fault`]: it could not be looked at.
    pub(crate) async fn again(&self, app: &App) -> Result<Option<Identity>, Fault> {
        match known(app, self.certificate.as_ref(), &self.token).await {
            Ok(identity) => Ok(Some(identity)),
            Err(fault) if fault.status == StatusCode::UNAUTHORIZED => Ok(None),
            Err(fault) => Err(fault),
        }
    }
}

async fn proved(
    app: &App,
    extensions: &Extensions,
    headers: &HeaderMap,
) -> Result<Identity, Fault> {
    if let Some(identity) = extensions.get::<Identity>() {
        return Ok(identity.clone());
    }
    let said = header(headers, &AUTHORIZATION).ok_or_else(|| {
        Fault::login("there is no `Authorization: Bearer ...`; `salus client add` makes a token")
    })?;
    let token = bearer(said)
        .ok_or_else(|| Fault::login("the `Authorization` is not `Bearer` and a token"))?;
    let known = known(app, extensions.get::<ClientCertificate>(), token).await?;
    let client = known.through.as_ref().map(|through| &through.app);
    let paced = app.paced(client.unwrap_or(&known.actor.id));
    paced.map_err(Fault::too_fast)?;
    Ok(known)
}

/// By what a request proved who asks, for what goes on after its answer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Proof {
    /// When its token ends, if it is one that does.
    pub(crate) until: Option<Time>,
    /// The token, to be looked at again; `None`: there was none.
    pub(crate) bearer: Option<Bearer>,
}

impl Proof {
    pub(crate) fn of(app: &App, extensions: &Extensions, headers: &HeaderMap) -> Proof {
        let token = header(headers, &AUTHORIZATION).and_then(bearer);
        let good = token.and_then(|token| app.access_of_anybody(token));
        Proof {
            until: good.map(|good| good.until),
            bearer: Bearer::of(extensions, headers),
        }
    }
}

/// Whose token it is.
async fn known(
    app: &App,
    certificate: Option<&ClientCertificate>,
    token: &str,
) -> Result<Identity, Fault> {
    let bad = || Fault::login("this token is not good: unknown, withdrawn or damaged");
    if let Some(client) = app.staff.client(token) {
        // The secret of an app is for the token endpoint, not for charts.
        let plain = app.tokens.app(&client.actor.id).is_none();
        return plain.then_some(client).ok_or_else(bad);
    }
    let good = app.access(token, certificate);
    let asker = app.asker(&good.ok_or_else(bad)?).await?;
    asker.ok_or_else(bad)
}

fn bearer(said: &str) -> Option<&str> {
    let (scheme, token) = said.split_once(' ')?;
    let token = token.trim();
    let good = scheme.eq_ignore_ascii_case("bearer")
        && (1..=TOKEN_BYTES_MAX).contains(&token.len())
        && token.bytes().all(|byte| byte.is_ascii_graphic());
    good.then_some(token)
}

/// Those of the scopes that the client is still registered for.
pub(crate) fn still(scopes: &[String], registered: &[String]) -> Vec<String> {
    let registered = registered.iter().filter_map(|text| Scope::parse(text).ok());
    let registered: Vec<Scope> = registered.collect();
    let stands = |text: &&String| {
        let scope = Scope::parse(text).ok();
        scope.is_some_and(|scope| registered.iter().any(|one| scope.within(one)))
    };
    scopes.iter().filter(stands).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_bearer_token_is_one() {
        assert_eq!(bearer("Bearer salus_x"), Some("salus_x"));
        assert_eq!(bearer("bearer  salus_x "), Some("salus_x"));
        for bad in [
            "Bearer",
            "Bearer ",
            "Basic salus_x",
            "salus_x",
            "Bearer a b",
        ] {
            assert_eq!(bearer(bad), None, "{bad}");
        }
        assert_eq!(bearer(&format!("Bearer {}", "x".repeat(513))), None);
    }

    #[test]
    fn a_token_has_its_own_scopes_while_the_client_is_registered_for_them() {
        let of = |all: &[&str]| -> Vec<String> { all.iter().map(|&one| one.to_owned()).collect() };
        let own = of(&["system/Patient.rs", "system/Observation.rs?status=final"]);
        assert_eq!(still(&own, &of(&["system/*.cruds"])), own);
        assert_eq!(
            still(&own, &of(&["system/Patient.cruds"])),
            of(&["system/Patient.rs"])
        );
        assert!(still(&own, &[]).is_empty());
        assert!(still(&of(&["system/*.cruds"]), &own).is_empty());
    }
}
