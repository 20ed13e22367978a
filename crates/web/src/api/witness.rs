//! The witness of other logs, over HTTP: C2SP tlog-witness. A request proves itself by the log's
//! signature on it; nobody signs in.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

use crate::App;

/// The largest request, in bytes: 63 hashes and a checkpoint with some signatures.
const REQUEST_BYTES_MAX: usize = 16 << 10;

/// `POST /add-checkpoint`, and `GET /witness/<SHA-256 of the origin>/checkpoint`.
pub(crate) fn mounted() -> Router<Arc<App>> {
    Router::new()
        .route("/add-checkpoint", post(add_checkpoint))
        .route("/witness/{origin}/checkpoint", get(latest))
        .layer(DefaultBodyLimit::max(REQUEST_BYTES_MAX))
}

async fn add_checkpoint(State(app): State<Arc<App>>, body: Bytes) -> Response {
    let Some(book) = &app.witness else {
        return unknown();
    };
    let seconds = u64::try_from(app.clock.now().millis() / 1_000).unwrap_or_default();
    match book.add_checkpoint(&body, seconds).await {
        Ok(answer) => {
            let status = StatusCode::from_u16(answer.status);
            let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            (status, [(CONTENT_TYPE, answer.kind)], answer.body).into_response()
        }
        Err(why) => broken(&why),
    }
}

async fn latest(State(app): State<Arc<App>>, Path(origin): Path<String>) -> Response {
    let Some(book) = &app.witness else {
        return unknown();
    };
    match book.latest(&origin).await {
        Ok(Some(note)) => ([(CONTENT_TYPE, "text/plain; charset=utf-8")], note).into_response(),
        Ok(None) => unknown(),
        Err(why) => broken(&why),
    }
}

fn unknown() -> Response {
    (
        StatusCode::NOT_FOUND,
        "no log of this origin is witnessed here\n",
    )
        .into_response()
}

fn broken(why: &record::Error) -> Response {
    tracing::error!(%why, "a checkpoint was not cosigned");
    StatusCode::INTERNAL_SERVER_ERROR.into_response()
}
