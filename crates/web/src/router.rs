//! The whole HTTP surface: pages, static files, health, FHIR, and the headers around them.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderName, HeaderValue,
    IF_NONE_MATCH, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::{App, api, assets, manners, pace, packs, pages, rejected, session, unread};

/// What a page may do: show itself, its own stylesheet and script, and send forms back here and,
/// if there are any, to these origins: a form that an app's answer follows leads there.
pub(crate) fn policy(origins: &[String]) -> String {
    let mut forms = "'self'".to_owned();
    for origin in origins {
        forms.push(' ');
        forms.push_str(origin);
    }
    format!(
        "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self'; \
         connect-src 'self'; object-src 'none'; base-uri 'none'; form-action {forms}; \
         frame-ancestors 'none'"
    )
}

/// What an answer may do that is no page: nothing, wherever a browser puts it.
const NOTHING: &str = "default-src 'none'; object-src 'none'; base-uri 'none'; \
                       form-action 'none'; frame-ancestors 'none'";

/// Browsers speak TLS alone with this host and those under it, for a year.
const TLS_ALONE: &str = "max-age=31536000; includeSubDomains";

/// Events that charts may be behind before a balancer should send people elsewhere.
const READY_BEHIND_MAX: u64 = 50_000;

/// Every HTTP surface of Salus.
pub fn router(app: Arc<App>) -> Router {
    let systems = api::fhir::mounted("/fhir");
    let directory = api::scim::mounted("/scim/v2");
    let people = pages::router(&app).layer(middleware::from_fn(page_headers));
    Router::new()
        .route("/healthz", get(async || "alive\n"))
        .route("/readyz", get(ready))
        .route("/static/salus.css", get(css))
        .route("/static/salus.js", get(script))
        .route("/static/mark.svg", get(mark))
        .route("/favicon.ico", get(mark))
        .route("/packs/machine/{ward}", get(packs::machine))
        .merge(systems)
        .merge(api::smart::systems(&app))
        .merge(directory)
        .merge(api::dicomweb::mounted())
        .merge(api::witness::mounted())
        .merge(api::log::mounted())
        .merge(api::signals::mounted())
        .merge(people)
        .layer(middleware::from_fn_with_state(Arc::clone(&app), around))
        .with_state(app)
}

/// What stands around every answer, the outermost first. It is one layer: of several each would copy all those within
/// it, for each request.
async fn around(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let app = &*app;
    let within = async move |request| next.run(request).await;
    let within = async move |request| pace::hold(app, request, within).await;
    // Around the pace: a browser hides an answer from its page that does not say that the page may read it,
    // and asks nothing if its question before is not answered. That costs no more than to refuse it.
    let within = async move |request| api::cors::answer(app, request, within).await;
    let within = async move |request| rejected::watch(app, request, within).await;
    let within = async move |request| manners::keep(request, within).await;
    let within = async move |request| headers(within(request).await);
    unread::pass_over(app.settings.unread(), request, within).await
}

/// Whether people and systems are served: accounts and charts are open, charts are not far behind.
async fn ready(State(app): State<Arc<App>>) -> Response {
    let behind = pages::visit::behind(&app);
    let status = match behind {
        0..=READY_BEHIND_MAX => StatusCode::OK,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    let word = if status.is_success() {
        "ready"
    } else {
        "not ready"
    };
    let size = app.record.size();
    let mut body = format!("{word}\nrecord_events {size}\nchart_events_behind {behind}\n");
    if app.record.is_standby() {
        let contact = app.following.contact();
        let told = |number: Option<i64>| number.map_or("unknown".to_owned(), |it| it.to_string());
        let lag = told(contact.lag(app.clock.now()));
        let missing = told(contact.objects_missing.map(u64::cast_signed));
        body.push_str(&format!(
            "standby_lag_ms {lag}\nstandby_objects_missing {missing}\n\
             standby_objects_looked {}\n",
            contact.objects_looked
        ));
    }
    (status, body).into_response()
}

async fn css(headers: HeaderMap) -> Response {
    file(&headers, "text/css; charset=utf-8", assets::CSS)
}

async fn script(headers: HeaderMap) -> Response {
    file(&headers, "text/javascript; charset=utf-8", assets::SCRIPT)
}

async fn mark(headers: HeaderMap) -> Response {
    file(&headers, "image/svg+xml; charset=utf-8", assets::MARK)
}

/// A file that browsers keep, and ask about before they use it again.
fn file(headers: &HeaderMap, kind: &'static str, text: &'static str) -> Response {
    let hash = session::hash(text);
    let tag: String = hash
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let tag = format!("\"{tag}\"");
    let known = headers
        .get(IF_NONE_MATCH)
        .is_some_and(|known| known == tag.as_str());
    let told = [
        (CONTENT_TYPE, kind.to_owned()),
        (CACHE_CONTROL, "no-cache".to_owned()),
        (ETAG, tag),
    ];
    match known {
        true => (StatusCode::NOT_MODIFIED, told).into_response(),
        false => (told, text).into_response(),
    }
}

/// On every answer.
fn headers(mut response: Response) -> Response {
    let headers = response.headers_mut();
    put(headers, X_CONTENT_TYPE_OPTIONS, "nosniff");
    put(headers, STRICT_TRANSPORT_SECURITY, TLS_ALONE);
    put(headers, REFERRER_POLICY, "no-referrer");
    if !headers.contains_key(CACHE_CONTROL) {
        put(headers, CACHE_CONTROL, "no-store");
    }
    if !headers.contains_key(CONTENT_SECURITY_POLICY) {
        put(headers, CONTENT_SECURITY_POLICY, NOTHING);
    }
    response
}

/// On every page.
async fn page_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    put(headers, CACHE_CONTROL, "no-store");
    if !headers.contains_key(CONTENT_SECURITY_POLICY)
        && let Ok(policy) = HeaderValue::from_str(&policy(&[]))
    {
        headers.insert(CONTENT_SECURITY_POLICY, policy);
    }
    put(headers, X_FRAME_OPTIONS, "DENY");
    put(
        headers,
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    );
    put(
        headers,
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    );
    response
}

fn put(headers: &mut HeaderMap, name: HeaderName, value: &'static str) {
    headers.insert(name, HeaderValue::from_static(value));
}
