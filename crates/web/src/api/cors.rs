//! Answers to programs that run in a browser on a page of their own (CORS): those of registered apps,
//! at the doors that apps use, without cookies.

use axum::extract::Request;
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD,
    HeaderValue, ORIGIN, VARY,
};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse as _, Response};

use super::smart::origin;
use crate::App;

/// What a page may send.
const METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE";
const HEADERS: &str = "authorization, content-type, accept, prefer, if-match, if-none-match, \
                       if-none-exist, if-modified-since";
/// What it may read of an answer beside the body.
const EXPOSED: &str = "etag, last-modified, location, content-location, retry-after, \
                       www-authenticate";
/// How long a browser may keep the answer to its question, in seconds.
const KEEPS: &str = "600";

/// The doors of apps. Pages of people and the doors of systems answer nobody else's page.
fn is_for_apps(path: &str) -> bool {
    let exact = [
        "/fhir",
        "/oauth/token",
        "/oauth/revoke",
        "/oauth/introspect",
        "/oauth/jwks",
        "/.well-known/openid-configuration",
    ];
    exact.contains(&path) || path.starts_with("/fhir/") || path.starts_with("/dicomweb/")
}

/// The origin of the page that asks, if it is one of a registered app's.
fn registered(app: &App, headers: &HeaderMap) -> Option<HeaderValue> {
    let said = headers.get(ORIGIN)?;
    let text = said.to_str().ok()?;
    let web = text.starts_with("https://") || text.starts_with("http://");
    let apps = app.tokens.apps();
    let mut known = apps.iter().flat_map(|(_, app)| &app.redirect_uris);
    (web && known.any(|uri| origin(uri) == text)).then(|| said.clone())
}

/// Around every door.
pub(crate) async fn answer(
    app: &App,
    request: Request,
    next: impl AsyncFnOnce(Request) -> Response,
) -> Response {
    if !is_for_apps(request.uri().path()) {
        return next(request).await;
    }
    let origin = registered(app, request.headers());
    let asks = request.method() == Method::OPTIONS
        && request
            .headers()
            .contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = match (&origin, asks) {
        (Some(_), true) => StatusCode::NO_CONTENT.into_response(),
        _ => next(request).await,
    };
    let headers = response.headers_mut();
    headers.append(VARY, HeaderValue::from_static("origin"));
    let Some(origin) = origin else {
        return response;
    };
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    let said = [
        (ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED),
        (ACCESS_CONTROL_ALLOW_METHODS, METHODS),
        (ACCESS_CONTROL_ALLOW_HEADERS, HEADERS),
        (ACCESS_CONTROL_MAX_AGE, KEEPS),
    ];
    for (name, value) in said {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}
