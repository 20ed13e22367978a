//! What an app asks a person for (RFC 6749 section 4.1.1, SMART App Launch 2.2 section 2.1.5).

use axum::response::{IntoResponse, Redirect, Response};

use super::client::Form;
use super::refusal::Refusal;
use super::scope::within;
use crate::App;
use crate::api::fhir::query;
use crate::error::Problem;

/// The longest `state` and `nonce`, in bytes.
const STATE_BYTES_MAX: usize = 1_024;
/// The length of an S256 challenge, in characters.
const CHALLENGE_LETTERS: usize = 43;

/// A request that may be shown to somebody: client and address are registered, PKCE is there.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) client: String,
    /// How a person would say it.
    pub(crate) name: String,
    pub(crate) redirect_uri: String,
    pub(crate) state: String,
    pub(crate) challenge: String,
    pub(crate) nonce: Option<String>,
    pub(crate) launch: Option<String>,
    /// What it asks for, of what it is registered for.
    pub(crate) scopes: Vec<String>,
}

/// What came instead of a request that may be shown.
pub(crate) enum Wrong {
    /// Nobody can be told but the person: where it would be sent is not to be trusted.
    Here(Problem),
    /// The app is told.
    There(Response),
}

impl From<Wrong> for Response {
    fn from(wrong: Wrong) -> Response {
        match wrong {
            Wrong::Here(problem) => problem.into_response(),
            Wrong::There(response) => response,
        }
    }
}

impl Asked {
    /// Reads a request. Until client and address are known to belong together nothing is sent
    /// anywhere: an open redirect would carry codes, or people, to anybody.
    #[expect(
        clippy::result_large_err,
        reason = "made once a request, and handed on to the answer at once"
    )]
    pub(crate) fn read(app: &App, form: &Form) -> Result<Asked, Wrong> {
        let here = |why: &str| Wrong::Here(Problem::Malformed(why.to_owned()));
        let unknown = || {
            here(
                "this app is not registered here, or not under this address; its maker has to say which `client_id` and `redirect_uri` it uses",
            )
        };
        let client = form.get("client_id").ok_or_else(unknown)?;
        let registered = app.tokens.app(client).ok_or_else(unknown)?;
        let identity = app.staff.identity(client).ok_or_else(unknown)?;
        let redirect_uri = form.get("redirect_uri").ok_or_else(unknown)?;
        if !registered
            .redirect_uris
            .iter()
            .any(|one| one == redirect_uri)
        {
            return Err(unknown());
        }
        let mut asked = Asked {
            client: client.to_owned(),
            name: identity.actor.name.clone(),
            redirect_uri: redirect_uri.to_owned(),
            state: form.get("state").unwrap_or_default().to_owned(),
            challenge: String::new(),
            nonce: form.get("nonce").map(str::to_owned),
            launch: form.get("launch").map(str::to_owned),
            scopes: Vec::new(),
        };
        match asked.rest(app, form, &identity.scopes) {
            Ok(()) => Ok(asked),
            Err(refusal) => Err(Wrong::There(asked.refuse(app, &refusal))),
        }
    }

    fn rest(&mut self, app: &App, form: &Form, registered: &[String]) -> Result<(), Refusal> {
        if form.need("response_type")? != "code" {
            let why = "only `code` is offered";
            return Err(Refusal::of("unsupported_response_type", why));
        }
        let long = |text: &str| text.len() > STATE_BYTES_MAX;
        if self.state.is_empty() || long(&self.state) || self.nonce.as_deref().is_some_and(long) {
            return Err(Refusal::request(
                "`state` must be there, and `state` and `nonce` at most 1024 bytes",
            ));
        }
        let base = app.settings.fhir_base.trim_end_matches('/');
        if form.need("aud")?.trim_end_matches('/') != base {
            return Err(Refusal::request(format!("`aud` must be `{base}`")));
        }
        if form.need("code_challenge_method")? != "S256" {
            return Err(Refusal::request("`code_challenge_method` must be `S256`"));
        }
        let challenge = form.need("code_challenge")?;
        let sound = challenge.len() == CHALLENGE_LETTERS
            && challenge
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        if !sound {
            return Err(Refusal::request(
                "`code_challenge` is no SHA-256 in base64url",
            ));
        }
        challenge.clone_into(&mut self.challenge);
        self.scopes = within(form.need("scope")?, registered);
        match self.scopes.is_empty() {
            true => Err(Refusal::scope(
                "the app is registered for none of these scopes",
            )),
            false => Ok(()),
        }
    }

    /// Sends the person back to the app with a refusal.
    pub(crate) fn refuse(&self, app: &App, refusal: &Refusal) -> Response {
        self.back(
            app,
            &[
                ("error", refusal.error),
                ("error_description", refusal.why.as_str()),
            ],
        )
    }

    /// Sends the person back to the app.
    pub(crate) fn back(&self, app: &App, said: &[(&str, &str)]) -> Response {
        let mut pairs: Vec<(String, String)> = Vec::with_capacity(said.len() + 2);
        pairs.extend(
            said.iter()
                .map(|(name, value)| ((*name).into(), (*value).into())),
        );
        if !self.state.is_empty() {
            pairs.push(("state".to_owned(), self.state.clone()));
        }
        // RFC 9207: so that an app with several servers knows which one answered.
        pairs.push(("iss".to_owned(), app.issuer().to_owned()));
        let mark = if self.redirect_uri.contains('?') {
            '&'
        } else {
            '?'
        };
        let uri = format!("{}{mark}{}", self.redirect_uri, query::text(&pairs));
        Redirect::to(&uri).into_response()
    }

    /// The fields that a form of ours carries on.
    pub(crate) fn fields(&self, app: &App) -> Vec<(String, String)> {
        let scope = self.scopes.join(" ");
        let fixed = [
            ("response_type", "code"),
            ("client_id", self.client.as_str()),
            ("redirect_uri", self.redirect_uri.as_str()),
            ("scope", scope.as_str()),
            ("state", self.state.as_str()),
            ("aud", app.settings.fhir_base.as_str()),
            ("code_challenge", self.challenge.as_str()),
            ("code_challenge_method", "S256"),
        ];
        let more = [("nonce", &self.nonce), ("launch", &self.launch)];
        let more = more
            .into_iter()
            .filter_map(|(name, value)| Some((name, value.as_deref()?)));
        let all = fixed.into_iter().chain(more);
        all.map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }
}

/// Whether an address may be registered for answers: HTTPS, plain HTTP on the person's own
/// machine, or an installed app's own scheme, without a fragment.
pub fn is_redirect_uri(uri: &str) -> bool {
    let sound = uri
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && !b"\\\"<>^`{|}#".contains(&byte));
    let Some((scheme, rest)) = uri.split_once(':').filter(|_| sound) else {
        return false;
    };
    let host = rest.strip_prefix("//").map(|rest| {
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        rest.get(..end).unwrap_or_default()
    });
    match (scheme, host) {
        ("https", Some(host)) => !host.is_empty() && !host.contains('@'),
        ("http", Some(host)) => {
            let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
            ["127.0.0.1", "[::1]", "localhost"].contains(&name)
        }
        // RFC 8252 section 7.1: a reversed domain name.
        (own, _) => {
            own.contains('.')
                && own.starts_with(|first: char| first.is_ascii_lowercase())
                && own
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b".+-".contains(&byte))
        }
    }
}

/// The part of an address that a page may be allowed to send a form to.
pub(crate) fn origin(uri: &str) -> String {
    let scheme = uri.split(':').next().unwrap_or_default();
    match uri.split_once("://") {
        Some((scheme @ ("http" | "https"), rest)) => {
            let host = rest.split(['/', '?']).next().unwrap_or_default();
            format!("{scheme}://{host}")
        }
        _ => format!("{scheme}:"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_an_answer_may_be_sent() {
        for good in [
            "https://app.example/callback",
            "https://app.example",
            "http://127.0.0.1:9000/cb",
            "http://localhost/cb?x=1",
            "http://[::1]:80/cb",
            "com.example.app:/cb",
            "com.example.app://cb",
        ] {
            assert!(is_redirect_uri(good), "{good}");
        }
        for bad in [
            "",
            "/callback",
            "//evil.example",
            "http://app.example/cb",
            "http://127.0.0.1@evil.example/cb",
            "http://127.0.0.1.evil.example/cb",
            "https://user@app.example/",
            "https:///cb",
            "https://app.example/#fragment",
            "https://app.example/\\..",
            "javascript:alert(1)",
            "data:text/html,x",
            "https://app.example/ space",
            "https://app.example/\r\nLocation: x",
        ] {
            assert!(!is_redirect_uri(bad), "{bad}");
        }
    }

    #[test]
    fn the_origin_is_what_a_form_may_lead_to() {
        assert_eq!(
            origin("https://a.example:8443/x?y"),
            "https://a.example:8443"
        );
        assert_eq!(origin("com.example.app:/cb"), "com.example.app:");
    }
}
