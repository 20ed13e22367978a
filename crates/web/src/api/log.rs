//! The record for machines that follow it: tiles, packs and the checkpoint by their C2SP paths, new
//! rows as they are sealed, the keys for a standby. They ask; nothing is ever sent to them.

mod frame;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, FromRequestParts, Path, Query, State};
use axum::http::StatusCode;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use event::{Actor, Body, Event, Joined, Resend};
use guard::{Standing, admit};
use rustls::crypto::aws_lc_rs::hpke::DH_KEM_X25519_HKDF_SHA256_AES_256 as SUITE;
use rustls::crypto::hpke::{Hpke as _, HpkePublicKey};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::App;

pub use frame::{Framed, frame, unframe};

/// The scope of a client that may follow the record.
pub const SCOPE: &str = "system/standby";
/// What the sealed keys are bound to.
pub const KEYS_INFO: &[u8] = b"salus/standby-keys/v1";

/// Rows in one answer, at most.
const ROWS_MAX: usize = 4_096;
/// The longest that an answer waits for something new.
const WAIT_MAX: Duration = Duration::from_secs(20);
/// What comes within this time of each other goes into one answer.
const GATHER: Duration = Duration::from_millis(40);
/// The largest part of a standby's own record that is joined at once, in bytes.
const JOINED_BYTES_MAX: usize = 8 << 20;

/// The endpoints of a record that may be followed.
pub(crate) fn mounted() -> Router<Arc<App>> {
    Router::new()
        .route("/epoch", get(epoch))
        .route("/log/rows", get(rows))
        .route("/log/keys", get(keys))
        .route("/log/joined", post(joined))
        .route("/log/{*path}", get(file))
        .layer(DefaultBodyLimit::max(JOINED_BYTES_MAX))
}

/// A client with [`SCOPE`].
struct Follower(Actor);

impl FromRequestParts<Arc<App>> for Follower {
    type Rejection = (StatusCode, &'static str);

    async fn from_request_parts(
        parts: &mut Parts,
        app: &Arc<App>,
    ) -> Result<Self, Self::Rejection> {
        let said = parts.headers.get(AUTHORIZATION);
        let said = said.and_then(|said| said.to_str().ok()).unwrap_or_default();
        let token = said.split_once(' ').map_or("", |(_, token)| token.trim());
        let identity = app.staff.client(token);
        let identity = identity.ok_or((StatusCode::UNAUTHORIZED, "a bearer token is needed\n"))?;
        match identity.scopes.iter().any(|scope| scope == SCOPE) {
            true => Ok(Follower(identity.actor)),
            false => Err((
                StatusCode::FORBIDDEN,
                "this client has no `system/standby` scope\n",
            )),
        }
    }
}

/// Which primary this is: asked by a machine that comes back, so nobody signs in for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    /// The public key of the record, with the notes of how those before it led to it.
    pub log: String,
    /// Its number.
    pub epoch: u64,
}

async fn epoch(State(app): State<Arc<App>>) -> Response {
    let turn = Turn {
        log: app.record.public_keys(),
        epoch: app.record.epoch().highest,
    };
    axum::Json(turn).into_response()
}

async fn file(State(app): State<Arc<App>>, _: Follower, Path(path): Path<String>) -> Response {
    if path.starts_with("object/") {
        return match app.record.object_file(&path).await {
            Ok(Some(pieces)) => {
                let kind = [(CONTENT_TYPE, "application/octet-stream")];
                (kind, axum::body::Body::from_stream(pieces)).into_response()
            }
            Ok(None) => (StatusCode::NOT_FOUND, "there is no such object\n").into_response(),
            Err(why) => broken(&why),
        };
    }
    match app.record.file(&path).await {
        Ok(Some(bytes)) => ([(CONTENT_TYPE, "application/octet-stream")], bytes).into_response(),
        Ok(None) => (StatusCode::NOT_FOUND, "there is no such file\n").into_response(),
        Err(why) => broken(&why),
    }
}

/// From which row on, and how long to wait for it.
#[derive(Deserialize)]
struct Wanted {
    from: u64,
    #[serde(default)]
    wait_ms: u64,
}

/// Rows from an index on, or 204 if none came in time, or 409 with how many there are.
async fn rows(
    State(app): State<Arc<App>>,
    follower: Follower,
    Query(wanted): Query<Wanted>,
) -> Response {
    let record = &app.record;
    let has = (wanted.from, record.size());
    app.standbys.asks(&follower.0.id, has, app.clock.now());
    let wait = Duration::from_millis(wanted.wait_ms).min(WAIT_MAX);
    if record.size() == wanted.from {
        let mut growth = record.growth();
        let grown = growth.wait_for(|size| *size > wanted.from);
        if tokio::time::timeout(wait, grown).await.is_ok() {
            tokio::time::sleep(GATHER).await;
        }
    }
    // Before the rows are read: while messages come there are always more of them afterwards.
    let size = record.size();
    match record.tail(wanted.from, ROWS_MAX).await {
        Ok(Some(tail)) => {
            let framed = Framed {
                tail,
                size,
                epoch: record.epoch().own,
            };
            ([(CONTENT_TYPE, "application/octet-stream")], frame(&framed)).into_response()
        }
        Ok(None) => StatusCode::NO_CONTENT.into_response(),
        Err(record::Error::NoSuchIndex(_)) => {
            (StatusCode::CONFLICT, format!("{}\n", record.size())).into_response()
        }
        Err(why) => broken(&why),
    }
}

/// For whom the keys are sealed.
#[derive(Deserialize)]
struct For {
    key: String,
}

/// The keys of the record, sealed (RFC 9180) for a standby whose public key the configuration names:
/// a token that was stolen opens nothing.
async fn keys(State(app): State<Arc<App>>, _: Follower, Query(asked): Query<For>) -> Response {
    let known = app.settings.standby_keys.contains(&asked.key);
    let Some(key) = STANDARD.decode(&asked.key).ok().filter(|_| known) else {
        let words = "this key is not among `standby_keys` in `[web]` of the primary\n";
        return (StatusCode::FORBIDDEN, words).into_response();
    };
    let copy = app.record.key_copy();
    let hex = |key: &[u8]| {
        key.iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    };
    let wrapping = copy.wrapping.iter();
    let wrapping: Vec<_> = wrapping
        .map(|(number, key)| json!([number, hex(key.bytes())]))
        .collect();
    let fixed = copy.fixed.iter();
    let fixed: Vec<_> = fixed
        .map(|(name, key)| json!([name, hex(key.bytes())]))
        .collect();
    let text = json!({"wrapping": wrapping, "fixed": fixed, "log": copy.log}).to_string();
    match SUITE.seal(
        KEYS_INFO,
        asked.key.as_bytes(),
        text.as_bytes(),
        &HpkePublicKey(key),
    ) {
        Ok((secret, sealed)) => axum::Json(json!({
            "secret": STANDARD.encode(secret.0),
            "sealed": STANDARD.encode(sealed),
        }))
        .into_response(),
        Err(why) => broken(&why),
    }
}

/// What a standby sealed by itself, to be joined.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Beside {
    /// Its index there.
    pub index: u64,
    /// When it was sealed, milliseconds since 1970.
    pub at: i64,
    /// The plaintext, in base64.
    pub plaintext: String,
}

async fn joined(State(app): State<Arc<App>>, follower: Follower, body: Bytes) -> Response {
    let Ok(events) = serde_json::from_slice::<Vec<Beside>>(&body) else {
        return (StatusCode::BAD_REQUEST, "this is no list of events\n").into_response();
    };
    let admitted: Option<Vec<_>> = events
        .iter()
        .map(|event| arrival(&follower.0, event))
        .map(|arrival| admit(arrival?, Standing::Salus, "").ok())
        .collect();
    let Some(admitted) = admitted else {
        return (StatusCode::BAD_REQUEST, "one of them is no look\n").into_response();
    };
    match app.record.admit(admitted).await {
        Ok(receipts) => axum::Json(receipts.len()).into_response(),
        Err(why) => broken(&why),
    }
}

/// What a standby that became the primary sealed before, to be joined to its own record; `None` if it
/// is no look.
pub fn joined_by_itself(beside: &Beside) -> Option<guard::Admitted> {
    let mut own = Actor::salus();
    "side".clone_into(&mut own.id);
    admit(arrival(&own, beside)?, Standing::Salus, "").ok()
}

/// A look that a standby sealed. Nothing but looks is joined: a standby cannot change a chart.
fn arrival(standby: &Actor, beside: &Beside) -> Option<event::Arrival> {
    let plaintext = STANDARD.decode(&beside.plaintext).ok()?;
    let inner = event::decode(&plaintext).ok()?;
    let looks = matches!(
        inner.body,
        Body::Ceiling(_)
            | Body::Decision(_)
            | Body::Glass(_)
            | Body::Opened(_)
            | Body::Rejected(_)
            | Body::Service(_)
            | Body::Session(_)
            | Body::Shown(_)
    );
    let body = Body::Joined(Joined {
        standby: standby.id.clone(),
        index: beside.index,
        at: event::Time::from_millis(beside.at),
    });
    // About the same patient, so under the same key: what is erased is erased here as well.
    let claim = Event::new(standby.clone(), inner.act, inner.subject, body).with_raw(plaintext);
    looks.then(|| event::Arrival {
        claim,
        resend: Some(Resend {
            sender: Joined::sender(&standby.id),
            message: beside.index.to_string(),
        }),
    })
}

fn broken(why: &dyn std::fmt::Display) -> Response {
    tracing::error!(%why, "a standby was not answered");
    let words = "the record cannot answer now; its own log says why\n";
    (StatusCode::SERVICE_UNAVAILABLE, words).into_response()
}
