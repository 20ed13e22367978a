//! FHIR R4 over HTTP.
//!
//! One request: who asks ([`who`]), what for ([`route`]), then either [`look`] or [`write`]. Both
//! go through the [`door`]: ask the guard, have its word sealed, and only then look or write.

mod about;
mod address;
mod answer;
pub(crate) mod audit;
mod binary;
mod body;
mod bundle;
mod conditions;
mod content;
mod definition;
mod door;
mod draft;
mod everything;
mod export;
mod fault;
mod format;
mod held;
mod history;
mod ids;
mod ihe;
mod import;
mod intent;
mod json;
mod look;
mod operation;
mod patched;
pub(crate) mod query;
mod read;
mod ready;
mod recent;
mod refer;
mod route;
mod ruling;
mod search;
mod settle;
mod subscription;
mod summary;
mod terminology;
mod types;
pub(crate) mod unmarked;
mod validate;
mod who;
mod write;

pub(crate) use door::purpose;
pub(crate) use fault::Fault;
pub use import::{Imported, Importer, Imports, Refusal, imports};
pub(crate) use import::{progress, said_as};
pub(crate) use query::pairs as query_pairs;
pub use ready::ready_summaries;
pub(crate) use route::is_id;
pub(crate) use subscription::Looks;
pub use subscription::{Subscriptions, notify};
pub use who::Bearer;
pub(crate) use who::identity;

use std::sync::Arc;

use axum::extract::State;
use axum::http::request::Parts;
use axum::http::{Method, Request, StatusCode};
use axum::response::Response;
use axum::routing::any;
use axum::{Extension, Router};
use bytes::Bytes;
use guard::Identity;

use crate::App;
use answer::Answer;
use conditions::Conditions;
use door::{Door, Kept};
use format::{Layout, Prefer};
use held::Held;
use intent::{Context, Intent, Order, Together};
use look::{Look, look};
use query::Pairs;
use route::{Call, Write};

/// The FHIR door, to be nested at the path of `fhir_base`.
///
/// A `guard::Identity` among the request's extensions is who asks; without one a bearer token
/// has to say it.
pub fn router() -> Router<Arc<App>> {
    router_with(Arc::new(Kept::default()))
}

fn router_with(kept: Arc<Kept>) -> Router<Arc<App>> {
    Router::new()
        .route("/", any(handle))
        .route("/{*path}", any(handle))
        .route(subscription::SOCKET_PATH, any(subscription::socket))
        .fallback(handle)
        .layer(Extension(kept))
}

/// The FHIR door under `path`, with and without a slash at its end.
pub fn mounted(path: &str) -> Router<Arc<App>> {
    let kept = Arc::new(Kept::default());
    Router::new()
        .route(&format!("{path}/"), any(at_base))
        .layer(Extension(Arc::clone(&kept)))
        .nest(path, router_with(kept))
}

/// A request to the base, however much of the path stands before it.
async fn at_base(
    state: State<Arc<App>>,
    kept: Extension<Arc<Kept>>,
    mut request: Request<axum::body::Body>,
) -> Response {
    let query = request.uri().query().unwrap_or_default();
    if let Ok(uri) = format!("/?{query}").parse() {
        *request.uri_mut() = uri;
    }
    handle(state, kept, request).await
}

async fn handle(
    State(app): State<Arc<App>>,
    Extension(kept): Extension<Arc<Kept>>,
    request: Request<axum::body::Body>,
) -> Response {
    let proof = who::Proof::of(&app, request.extensions(), request.headers());
    let mut door = Door {
        app,
        kept,
        proof,
        layout: Layout::AsKept,
        held: Held::default(),
    };
    let (parts, body) = request.into_parts();
    let (layout, answer) = match asked(&door, &parts) {
        Ok((layout, pairs)) => {
            let (layout, unfit) = match layout {
                Ok(layout) => (layout, None),
                Err(fault) => (Layout::AsKept, Some(fault)),
            };
            door.layout = layout;
            let served = Box::pin(serve(&door, &parts, (pairs, unfit, body))).await;
            (layout, served)
        }
        Err(fault) => (Layout::AsKept, Err(fault)),
    };
    let answer = match layout {
        Layout::Content => answer.and_then(|answer| content::content(answer, &parts)),
        Layout::AsKept | Layout::Pretty => answer,
    };
    match answer {
        Ok(answer) => answer.response(&door, layout),
        Err(fault) => fault.response(layout),
    }
}

/// The layout of the answer, or why there is none that would do, and the parameters that are about something
/// else.
fn asked(door: &Door, parts: &Parts) -> Result<(Result<Layout, Fault>, Pairs), Fault> {
    let text = parts.uri.query().unwrap_or_default();
    let pairs = query::pairs(text, door.app.settings.search_parameters_max)?;
    // A file of an export is no FHIR JSON, and may be asked for as what it is.
    let path = parts.uri.path();
    let layout = match path.contains("/$export-file/") || path.contains("/$import-file/") {
        true => Ok(Layout::AsKept),
        false => match format::layout(&parts.headers, &pairs) {
            Err(fault) if fault.status == StatusCode::NOT_ACCEPTABLE && content::is_read(parts) => {
                Ok(Layout::Content)
            }
            layout => layout,
        },
    };
    Ok((layout, format::strip(pairs)))
}

/// `unfit`: why no answer would do. Who asks, and whether there is anything to ask, comes before that.
async fn serve(
    door: &Door,
    parts: &Parts,
    (mut pairs, unfit, body): (Pairs, Option<Fault>, axum::body::Body),
) -> Result<Answer, Fault> {
    let call = route::call(parts.method.as_str(), parts.uri.path());
    match (&call, &unfit) {
        (Ok(Call::Capability), None) => return about::capability(door).await,
        (Ok(Call::OpenApi), None) => return about::openapi(door).await,
        (Ok(Call::Capability | Call::OpenApi), Some(fault)) => return Err(fault.clone()),
        _ => {}
    }
    let who = identity(&door.app, &parts.extensions, &parts.headers).await?;
    let call = call?;
    if let Some(fault) = unfit {
        return Err(fault);
    }
    let has_body = [Method::POST, Method::PUT, Method::PATCH].contains(&parts.method);
    if let Call::Write(write) = &call
        && let Some(kind) = binary::kind(write, &parts.headers)
    {
        binary::may_write(door, &who, (write, &parts.headers)).await?;
        let raw = binary::read(door, (kind, &parts.headers), body).await?;
        return write_raw(door, parts, (who, write.clone(), raw)).await;
    }
    let max = door.app.settings.body_bytes_max;
    let bytes = match has_body {
        true => body::read(body, (max, "body_bytes_max")).await?,
        false => Bytes::new(),
    };
    match call {
        Call::Bundle => {
            format::body_is_json(&parts.headers)?;
            let prefer = format::prefer(&parts.headers, Prefer::Minimal);
            bundle::answer(door, &who, (bytes, prefer)).await
        }
        Call::Export(export) => {
            if !bytes.is_empty() {
                format::body_is_json(&parts.headers)?;
                pairs.extend(operation::pairs(&bytes, &door.limits())?);
            }
            export::answer(door, &who, (export, pairs, parts)).await
        }
        Call::Import(asked) => import::answer(door, &who, (asked, parts, bytes)).await,
        Call::Write(write) => write_one(door, parts, (who, write, bytes)).await,
        call => {
            let (pairs, body) = with_body(door, parts, (pairs, bytes, &call))?;
            let question = Look {
                pairs,
                conditions: Conditions::of(&parts.headers)?,
                call,
                body,
            };
            look(door, &who, &question).await
        }
    }
}

async fn write_one(
    door: &Door,
    parts: &Parts,
    (who, write, raw): (Identity, Write, Bytes),
) -> Result<Answer, Fault> {
    if write.patches() {
        format::body_is_patch(&parts.headers)?;
    } else if !write.deletes() {
        format::body_is_json(&parts.headers)?;
    }
    let creates = matches!(write, Write::Create(_));
    let intent = Intent {
        path: String::new(),
        write,
        query: parts.uri.query().unwrap_or_default().to_owned(),
        full_url: None,
        conditions: Conditions::of(&parts.headers)?,
        raw,
        content: None,
        context: Context::AsSaid,
        along: Vec::new(),
    };
    let kept_as = Order {
        who,
        together: Together::All,
        prefer: format::prefer(&parts.headers, Prefer::Representation),
    };
    let answers = match audit::is_told(&intent) {
        true => audit::take(door, &kept_as, vec![intent]).await?,
        false => {
            let beside = beside(door, &intent).await?;
            let intents = std::iter::once(intent).chain(beside).collect();
            write::perform(door, &kept_as, intents).await?
        }
    };
    let lost = || Err(Fault::broken("the answer to a write was lost"));
    let answer = answers.into_iter().next().unwrap_or_else(lost)?;
    let bare = answer.status == StatusCode::OK && answer.body.is_none();
    if creates && bare && kept_as.prefer == Prefer::Representation {
        return Ok(read::found(door, &kept_as.who, answer).await);
    }
    Ok(answer)
}

/// What is done in the same commit: a document that is published by itself may replace others.
async fn beside(door: &Door, intent: &Intent) -> Result<Vec<Intent>, Fault> {
    match intent.write {
        Write::Create("DocumentReference") => {
            bundle::beside(door, ihe::replaced_by(door, &intent.raw).await?)
        }
        _ => Ok(Vec::new()),
    }
}

/// A Binary whose content comes by itself: the answer does not bring it back.
async fn write_raw(
    door: &Door,
    parts: &Parts,
    (who, write, raw): (Identity, Write, binary::Raw),
) -> Result<Answer, Fault> {
    let (resource, content) = raw.parted(&write);
    let intent = Intent {
        path: String::new(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        full_url: None,
        conditions: Conditions::of(&parts.headers)?,
        raw: resource,
        content,
        context: raw.of,
        along: Vec::new(),
        write,
    };
    let prefer = match format::prefer(&parts.headers, Prefer::Minimal) {
        Prefer::Representation => Prefer::Minimal,
        prefer => prefer,
    };
    let order = Order {
        who,
        together: Together::All,
        prefer,
    };
    let answers = write::perform(door, &order, vec![intent]).await?;
    drop(raw.room);
    let lost = || Err(Fault::broken("the answer to a write was lost"));
    answers.into_iter().next().unwrap_or_else(lost)
}

/// The parameters of the URL and, by `POST`, those of the body: a form or, of an operation, a
/// `Parameters` resource; and the body itself of an operation that is about it.
fn with_body(
    door: &Door,
    parts: &Parts,
    (mut pairs, bytes, call): (Pairs, Bytes, &Call),
) -> Result<(Pairs, Bytes), Fault> {
    if parts.method != Method::POST || bytes.is_empty() {
        return Ok((pairs, Bytes::new()));
    }
    match (call, format::body_is_json(&parts.headers)) {
        (Call::Operation(operation), Ok(())) if operation.takes_body() => {
            return Ok((pairs, bytes));
        }
        (Call::Operation(_), Ok(())) => {
            pairs.extend(operation::pairs(&bytes, &door.limits())?);
            return Ok((pairs, Bytes::new()));
        }
        _ => format::body_is_form(&parts.headers)?,
    }
    let text = std::str::from_utf8(&bytes)
        .map_err(|_| Fault::bad(wire::fhir::Code::Structure, "the form is not UTF-8"))?;
    let max = door.app.settings.search_parameters_max;
    let form = query::pairs(text, max.saturating_sub(pairs.len()))?;
    pairs.extend(format::strip(form));
    Ok((pairs, Bytes::new()))
}
