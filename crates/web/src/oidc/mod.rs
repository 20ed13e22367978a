//! Single sign-on: OpenID Connect, authorization code with PKCE S256. Nothing is kept between the
//! two halves but in the browser's own cookie, from which nonce and verifier are derived.

mod person;
mod provider;
mod token;

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

use crate::App;
use crate::fetch::{Form, Sent, Terms};
use crate::secrets::secret_in;
use crate::session::hash;
pub(crate) use person::{entry, named};
pub(crate) use provider::Provider;
pub(crate) use token::Claims;

/// The provider that people sign in with; section `[web.oidc]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Oidc {
    /// The provider's issuer address; empty: no single sign-on.
    pub issuer: String,
    /// How people call it, on the sign-in page.
    pub name: String,
    /// Our id there.
    pub client_id: String,
    /// File with our secret there; empty: a public client, PKCE alone.
    pub client_secret_file: PathBuf,
    /// PEM file with the authorities its certificate is checked against; empty: the machine's.
    pub authorities: PathBuf,
    /// Scopes that are asked for, with spaces between them.
    pub scopes: String,
    /// The claim that names the account here, on somebody's first sign-in.
    pub account_claim: String,
    /// Whether a first sign-in may make an account.
    pub accounts: Accounts,
    /// Who answers for the second factor.
    pub second_factor: Vouched,
    /// Which claims give which role; the first that fits counts.
    pub roles: Vec<RoleRule>,
    /// How long the provider may take to answer.
    pub answer_ms: u64,
    /// The largest answer of the provider, in bytes.
    pub answer_bytes_max: usize,
}

/// Whether a first sign-in may make an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Accounts {
    /// Only accounts that are here already may sign in.
    Existing,
    /// Somebody with a role by the rules gets an account.
    Made,
}

/// Who answers for the second factor of somebody who comes from the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Vouched {
    /// The token must say so: `amr` (RFC 8176) with `mfa`, `hwk`, `otp` or the like.
    Amr,
    /// The provider always asks for one.
    Provider,
}

/// A claim that gives a role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleRule {
    /// The claim, for instance `groups`.
    pub claim: String,
    /// Its value, or one of its values.
    pub value: String,
    /// The role: `nurse`, `physician`, `privacy-officer`, `administrator`.
    pub role: String,
    /// The wards, by code.
    #[serde(default)]
    pub wards: Vec<String>,
}

impl Default for Oidc {
    fn default() -> Oidc {
        Oidc {
            issuer: String::new(),
            name: "Single sign-on".to_owned(),
            client_id: "salus".to_owned(),
            client_secret_file: PathBuf::new(),
            authorities: PathBuf::new(),
            scopes: "openid profile".to_owned(),
            account_claim: "preferred_username".to_owned(),
            accounts: Accounts::Existing,
            second_factor: Vouched::Amr,
            roles: Vec::new(),
            answer_ms: 5_000,
            answer_bytes_max: 1 << 20,
        }
    }
}

impl Oidc {
    /// Whether people may sign in with it.
    pub(crate) fn on(&self) -> bool {
        !self.issuer.is_empty()
    }

    pub(crate) fn terms(&self) -> Terms<'_> {
        Terms {
            authorities: &self.authorities,
            wait_ms: self.answer_ms,
            bytes_max: self.answer_bytes_max,
        }
    }
}

/// Why somebody goes to the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Errand {
    SignIn,
    /// They are signed in and prove themselves again.
    StepUp,
}

/// One way to the provider and back. The browser keeps `cookie`; the rest follows from it.
pub(crate) struct Trip {
    pub cookie: String,
    pub errand: Errand,
    pub next: String,
}

impl Trip {
    /// A new trip, from 43 random letters.
    pub(crate) fn new(secret: &str, errand: Errand, next: &str) -> Trip {
        let letter = match errand {
            Errand::SignIn => 's',
            Errand::StepUp => 'u',
        };
        let next64 = URL_SAFE_NO_PAD.encode(next);
        Trip {
            cookie: format!("{letter}.{secret}.{next64}"),
            errand,
            next: next.to_owned(),
        }
    }

    /// The trip that a cookie tells of.
    pub(crate) fn of(cookie: &str) -> Option<Trip> {
        let mut parts = cookie.split('.');
        let errand = match parts.next()? {
            "s" => Errand::SignIn,
            "u" => Errand::StepUp,
            _ => return None,
        };
        let next = URL_SAFE_NO_PAD.decode(parts.nth(1)?).ok()?;
        Some(Trip {
            cookie: cookie.to_owned(),
            errand,
            next: String::from_utf8(next).ok()?,
        })
    }

    /// What a challenge is for that is sent as `state`: it is worth nothing in another browser.
    pub(crate) fn purpose(&self) -> String {
        format!("sso {}", self.cookie)
    }

    pub(crate) fn nonce(&self) -> String {
        self.derived("nonce")
    }

    fn verifier(&self) -> String {
        self.derived("verifier")
    }

    fn challenge(&self) -> String {
        URL_SAFE_NO_PAD.encode(hash(&self.verifier()))
    }

    fn derived(&self, what: &str) -> String {
        URL_SAFE_NO_PAD.encode(hash(&format!("salus/{what}/{}", self.cookie)))
    }
}

/// Where the provider sends people back to.
pub(crate) fn back(app: &App) -> String {
    let base = &app.settings.fhir_base;
    format!(
        "{}/sign-in/sso/back",
        base.strip_suffix("/fhir").unwrap_or(base)
    )
}

/// The provider's page for a trip.
pub(crate) async fn leave(app: &App, trip: &Trip, state: &str) -> Result<String, String> {
    let oidc = &app.settings.oidc;
    let found = app
        .provider
        .discover((&app.fetch, oidc), app.clock.now())
        .await?;
    let mut fields = vec![
        ("response_type", "code".to_owned()),
        ("client_id", oidc.client_id.clone()),
        ("redirect_uri", back(app)),
        ("scope", oidc.scopes.clone()),
        ("state", state.to_owned()),
        ("nonce", trip.nonce()),
        ("code_challenge", trip.challenge()),
        ("code_challenge_method", "S256".to_owned()),
    ];
    if trip.errand == Errand::StepUp {
        fields.push(("prompt", "login".to_owned()));
        fields.push(("max_age", "0".to_owned()));
    }
    let joint = if found.authorization_endpoint.contains('?') {
        '&'
    } else {
        '?'
    };
    Ok(format!(
        "{}{joint}{}",
        found.authorization_endpoint,
        form(&fields)
    ))
}

/// Who came back with `code`: the claims of the token that it is worth.
pub(crate) async fn arrive(app: &App, trip: &Trip, code: &str) -> Result<Claims, String> {
    let oidc = &app.settings.oidc;
    let now = app.clock.now();
    let found = app.provider.discover((&app.fetch, oidc), now).await?;
    let fields = [
        ("grant_type", "authorization_code".to_owned()),
        ("code", code.to_owned()),
        ("redirect_uri", back(app)),
        ("client_id", oidc.client_id.clone()),
        ("code_verifier", trip.verifier()),
    ];
    let sent = Form {
        sent: Sent::Form,
        body: form(&fields),
        authorization: authorization(oidc)?,
        condition: None,
    };
    let asked = app
        .fetch
        .ask(&found.token_endpoint, Some(sent), oidc.terms());
    let (status, body) = asked.await?;
    if status != 200 {
        return Err(format!(
            "the provider gave no token for the code (status {status})"
        ));
    }
    #[derive(Deserialize)]
    struct Answer {
        id_token: String,
    }
    let answer: Answer = serde_json::from_slice(&body)
        .map_err(|_| "the provider's answer has no `id_token`".to_owned())?;
    let wanted = token::Wanted {
        issuer: &oidc.issuer,
        client_id: &oidc.client_id,
        nonce: &trip.nonce(),
        now,
        fresh: trip.errand == Errand::StepUp,
    };
    let kid = token::kid(&answer.id_token)?;
    let keys = app.provider.keys((&app.fetch, oidc), &kid, now).await?;
    token::verified(&answer.id_token, &keys, &wanted)
}

/// HTTP Basic with the form-encoded id and secret (RFC 6749 section 2.3.1); none for a public client.
fn authorization(oidc: &Oidc) -> Result<Option<String>, String> {
    if oidc.client_secret_file.as_os_str().is_empty() {
        return Ok(None);
    }
    let secret = secret_in(&oidc.client_secret_file)?;
    let pair = format!("{}:{}", escaped(&oidc.client_id), escaped(&secret));
    Ok(Some(format!("Basic {}", STANDARD.encode(pair))))
}

fn form(fields: &[(&str, String)]) -> String {
    let pairs = fields
        .iter()
        .map(|(name, value)| format!("{name}={}", escaped(value)));
    pairs.collect::<Vec<_>>().join("&")
}

fn escaped(value: &str) -> String {
    let mut out = String::new();
    for byte in value.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(byte));
            }
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trip_is_what_its_cookie_says() {
        let trip = Trip::new("c2VjcmV0", Errand::StepUp, "/patients?ward=ICU");
        let back = Trip::of(&trip.cookie).unwrap();
        assert_eq!(
            (back.errand, back.next.as_str()),
            (Errand::StepUp, "/patients?ward=ICU")
        );
        assert_eq!(
            (back.nonce(), back.verifier()),
            (trip.nonce(), trip.verifier())
        );
        assert_ne!(trip.nonce(), trip.verifier());
        assert_eq!(trip.verifier().len(), 43);
        for other in ["", "s", "x.a.b", "s.a.!"] {
            assert!(Trip::of(other).is_none(), "{other}");
        }
    }
}
