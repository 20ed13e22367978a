//! Why a token endpoint says no (RFC 6749 section 5.2).

use axum::Json;
use axum::http::StatusCode;
use axum::http::header::{HeaderValue, PRAGMA, WWW_AUTHENTICATE};
use axum::response::{IntoResponse, Response};
use event::Attempted;
use serde_json::json;

use crate::rejected::TurnedAway;

/// One refusal: the standard's word, and what is wrong in ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) error: &'static str,
    pub(crate) why: String,
    /// Which client it said it was.
    pub(crate) client: Option<String>,
}

impl Refusal {
    /// The client is not who it says, or does not prove it.
    pub(crate) fn client(why: impl Into<String>) -> Refusal {
        Refusal::of("invalid_client", why)
    }

    /// A code, refresh token or assertion that is not good.
    pub(crate) fn grant(why: impl Into<String>) -> Refusal {
        Refusal::of("invalid_grant", why)
    }

    /// The request itself makes no sense.
    pub(crate) fn request(why: impl Into<String>) -> Refusal {
        Refusal::of("invalid_request", why)
    }

    /// More than may be granted.
    pub(crate) fn scope(why: impl Into<String>) -> Refusal {
        Refusal::of("invalid_scope", why)
    }

    /// Our own fault: asking again may help.
    pub(crate) fn broken(error: &dyn std::fmt::Display) -> Refusal {
        tracing::error!(%error, "no token was issued");
        Refusal::of("server_error", "Salus could not seal this; ask again")
    }

    pub(crate) fn of(error: &'static str, why: impl Into<String>) -> Refusal {
        Refusal {
            error,
            why: why.into(),
            client: None,
        }
    }

    /// The same, of a request that said it came from this client.
    #[must_use]
    pub(crate) fn by(mut self, client: Option<&str>) -> Refusal {
        self.client = client.map(str::to_owned);
        self
    }

    /// What is sealed of it, if somebody showed what is not theirs or not good.
    fn turned_away(&self) -> Option<TurnedAway> {
        let sort = match self.error {
            "invalid_client" | "unauthorized_client" => Attempted::Proof,
            "invalid_grant" => Attempted::Token,
            _ => return None,
        };
        Some(TurnedAway {
            sort,
            named: self.client.clone(),
            why: self.why.clone(),
        })
    }

    fn status(&self) -> StatusCode {
        match self.error {
            "invalid_client" => StatusCode::UNAUTHORIZED,
            "server_error" => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::BAD_REQUEST,
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = self.status();
        let body = Json(json!({ "error": self.error, "error_description": self.why }));
        let mut response = (status, body).into_response();
        if let Some(away) = self.turned_away() {
            response.extensions_mut().insert(away);
        }
        let headers = response.headers_mut();
        headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
        if status == StatusCode::UNAUTHORIZED {
            let how = HeaderValue::from_static("Basic realm=\"salus\"");
            headers.insert(WWW_AUTHENTICATE, how);
        }
        response
    }
}
