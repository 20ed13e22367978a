//! Which client calls, and whether it proves it. A client proves itself in the way it is
//! registered for and in no weaker one.

use std::sync::Arc;

use axum::extract::{FromRequest, Request};
use axum::http::HeaderMap;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use event::App as Registered;
use guard::Identity;

use super::assertion::{Asserted, believe, claimed};
use super::certificate::ClientCertificate;
use super::refusal::Refusal;
use crate::App;
use crate::api::fhir::query::{self, Pairs};

/// The one kind of assertion (RFC 7523 section 2.2).
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// Parameters of one form, at most.
const PAIRS_MAX: usize = 32;

/// A form sent by a client whose word about itself is proved as far as it can be.
pub(crate) struct Call {
    pub(crate) caller: Caller,
    pub(crate) form: Form,
}

/// A client that proved who it is, or has no secret to prove it with.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    /// The client's account.
    pub(crate) identity: Identity,
    /// How it is registered.
    pub(crate) app: Arc<Registered>,
    /// The assertion it proved itself with.
    pub(crate) asserted: Option<Asserted>,
    /// The thumbprint of the certificate it proved itself with.
    pub(crate) certificate: Option<String>,
}

impl Caller {
    pub(crate) fn id(&self) -> &str {
        &self.identity.actor.id
    }
}

/// The fields of a form; none stands there twice.
#[derive(Debug, Default)]
pub(crate) struct Form(Pairs);

impl Form {
    /// The fields of a form or of a query string.
    ///
    /// # Errors
    /// `invalid_request` for what is no form and for a field that stands there twice.
    pub(crate) fn read(text: &str) -> Result<Form, Refusal> {
        let pairs = query::pairs(text, PAIRS_MAX).map_err(|why| Refusal::request(why.words()))?;
        for (at, (name, _)) in pairs.iter().enumerate() {
            if pairs.iter().skip(at + 1).any(|(other, _)| other == name) {
                return Err(Refusal::request(format!("`{name}` stands there twice")));
            }
        }
        Ok(Form(pairs))
    }

    /// All of it as a query string.
    pub(crate) fn text(&self) -> String {
        query::text(&self.0)
    }

    /// The value of a field; an empty one is not there.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        query::value(&self.0, name).filter(|value| !value.is_empty())
    }

    /// The value of a field that has to be there.
    ///
    /// # Errors
    /// `invalid_request`.
    pub(crate) fn need(&self, name: &str) -> Result<&str, Refusal> {
        self.get(name)
            .ok_or_else(|| Refusal::request(format!("`{name}` is missing")))
    }
}

impl FromRequest<Arc<App>> for Call {
    type Rejection = Refusal;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Call, Refusal> {
        let headers = request.headers().clone();
        let certificate = request.extensions().get::<ClientCertificate>().cloned();
        let kind = headers
            .get(CONTENT_TYPE)
            .and_then(|kind| kind.to_str().ok());
        let form = kind.is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));
        if !form {
            return Err(Refusal::request("send `application/x-www-form-urlencoded`"));
        }
        let bytes = Bytes::from_request(request, app).await;
        let bytes = bytes.map_err(|why| Refusal::request(why.body_text()))?;
        let text = std::str::from_utf8(&bytes);
        let form = Form::read(text.map_err(|_| Refusal::request("the form is not UTF-8"))?)?;
        let shown = Shown::of(&headers, &form);
        let shown = shown.map_err(|refusal| refusal.by(form.get("client_id")))?;
        let caller = shown.caller(app, certificate.as_ref()).await;
        let caller = caller.map_err(|refusal| refusal.by(shown.id.as_deref()))?;
        Ok(Call { caller, form })
    }
}

/// What a client shows of itself.
struct Shown<'a> {
    id: Option<String>,
    secret: Option<String>,
    assertion: Option<&'a str>,
}

impl<'a> Shown<'a> {
    fn of(headers: &HeaderMap, form: &'a Form) -> Result<Shown<'a>, Refusal> {
        let basic = basic(headers)?;
        let mut shown = Shown {
            id: form.get("client_id").map(str::to_owned),
            secret: form.get("client_secret").map(str::to_owned),
            assertion: form.get("client_assertion"),
        };
        let ways = [
            basic.is_some(),
            shown.secret.is_some(),
            shown.assertion.is_some(),
        ];
        if ways.iter().filter(|way| **way).count() > 1 {
            return Err(Refusal::request(
                "a client proves itself in one way at a time",
            ));
        }
        let (mut named, mut secret) = (None, None);
        if let Some((id, word)) = basic {
            (named, secret) = (Some(id), Some(word));
        } else if let Some(assertion) = shown.assertion {
            if form.get("client_assertion_type") != Some(JWT_BEARER) {
                return Err(Refusal::request(format!(
                    "`client_assertion_type` is `{JWT_BEARER}`"
                )));
            }
            named = claimed(assertion);
            if named.is_none() {
                return Err(Refusal::client("the assertion is no JWT with a `sub`"));
            }
        }
        if named.is_some() && shown.id.is_some() && named != shown.id {
            return Err(Refusal::client(
                "`client_id` is another client than the one that proves itself",
            ));
        }
        shown.id = named.or(shown.id);
        shown.secret = secret.or(shown.secret);
        Ok(shown)
    }

    async fn caller(
        &self,
        app: &App,
        certificate: Option<&ClientCertificate>,
    ) -> Result<Caller, Refusal> {
        // The same words whether or not there is such a client.
        let wrong =
            || Refusal::client("this client is not known, or does not prove itself as registered");
        let id = self.id.as_deref().ok_or_else(wrong)?;
        let registered = app.tokens.app(id).ok_or_else(wrong)?;
        let identity = app.staff.identity(id).ok_or_else(wrong)?;
        let certificate = certificate.filter(|one| one.is_one_of(&registered.certificates));
        let mut caller = Caller {
            identity,
            app: Arc::clone(&registered),
            asserted: None,
            certificate: certificate.map(ClientCertificate::thumbprint),
        };
        let has_keys = registered.jwks.is_some() || registered.jwks_url.is_some();
        match (self.assertion, &self.secret) {
            (Some(assertion), _) if has_keys => {
                caller.asserted = Some(believe(app, (id, &registered), assertion).await?);
                Ok(caller)
            }
            (None, Some(secret)) if registered.secret => {
                let known = app
                    .staff
                    .client(secret)
                    .filter(|known| known.actor.id == id);
                known.map(|_| caller).ok_or_else(wrong)
            }
            (None, None) if caller.certificate.is_some() || !registered.is_confidential() => {
                Ok(caller)
            }
            _ => Err(wrong()),
        }
    }
}

/// `Authorization: Basic`: id and secret, each escaped as in a form (RFC 6749 section 2.3.1).
fn basic(headers: &HeaderMap) -> Result<Option<(String, String)>, Refusal> {
    let Some(said) = headers.get(AUTHORIZATION) else {
        return Ok(None);
    };
    let read = || {
        let (scheme, rest) = said.to_str().ok()?.split_once(' ')?;
        let basic = scheme
            .eq_ignore_ascii_case("basic")
            .then_some(rest.trim())?;
        let text = String::from_utf8(STANDARD.decode(basic).ok()?).ok()?;
        let (id, secret) = text.split_once(':')?;
        let plain = |text: &str| query::unescape(&text.replace('+', " ")).ok();
        Some((plain(id)?, plain(secret)?))
    };
    let read = read();
    read.map(Some)
        .ok_or_else(|| Refusal::request("the `Authorization` is not `Basic` with id and secret"))
}
