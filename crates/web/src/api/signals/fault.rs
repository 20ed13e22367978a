use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// Seconds after which somebody who was turned away for want of room may try again.
pub(super) const RETRY_SECONDS: i64 = 1;

/// Why lines were not taken.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// No token, or one that is not good.
    Unknown,
    Forbidden,
    Missing,
    /// More than a request may hold: which limit.
    TooLarge(&'static str),
    Encoding,
    /// It cannot be read, in words.
    Malformed(&'static str),
    /// Another body was sent with this key.
    Reused,
    /// More at a time, or more in a minute, than are taken; in so many seconds again.
    TooFast(i64),
    /// Our own fault.
    Broken,
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let (status, detail) = match &self {
            Fault::Unknown => (
                401,
                "a bearer token of `salus client add` is needed".to_owned(),
            ),
            Fault::Forbidden => (
                403,
                "this client has no `system/signals` scope, or this feed is another client's"
                    .to_owned(),
            ),
            Fault::Missing => (
                404,
                "there is no such feed in `[[signals.https.feed]]`".to_owned(),
            ),
            Fault::TooLarge(limit) => (413, format!("it is larger than `{limit}`")),
            Fault::Encoding => (
                415,
                "`gzip` is the one content encoding that is read".to_owned(),
            ),
            Fault::Malformed(why) => (400, (*why).to_owned()),
            Fault::Reused => (
                422,
                "this `Idempotency-Key` was sent with other lines; each request has its own"
                    .to_owned(),
            ),
            Fault::TooFast(_) => (429, "more at a time than is taken; try again".to_owned()),
            Fault::Broken => (503, "it cannot be sealed now; send it again".to_owned()),
        };
        let code = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        // RFC 9457.
        let problem = json!({
            "title": code.canonical_reason().unwrap_or_default(),
            "status": status,
            "detail": detail,
        });
        let kind = [(CONTENT_TYPE, "application/problem+json")];
        let mut response = (code, kind, problem.to_string()).into_response();
        let headers = response.headers_mut();
        match self {
            Fault::Unknown => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            Fault::TooFast(seconds) => {
                headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
            }
            Fault::Broken => {
                headers.insert(RETRY_AFTER, HeaderValue::from(RETRY_SECONDS));
            }
            _ => {}
        }
        response
    }
}
