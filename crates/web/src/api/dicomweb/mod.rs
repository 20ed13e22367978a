//! DICOMweb (PS3.18): studies looked for (QIDO-RS), fetched (WADO-RS) and stored (STOW-RS), for those who
//! hold a token.
//!
//! One request: who asks, what for ([`route`]), then [`qido`], [`wado`] or [`stow`]; all ask the guard
//! through [`crate::imaging`].

mod accept;
mod parts;
mod qido;
mod route;
mod stow;
mod wado;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{ALLOW, CONTENT_TYPE, HeaderName};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::any;
use guard::Identity;

use crate::App;
use crate::api::fhir::{Bearer, Fault, identity};
use crate::imaging::NoImages;
use route::Call;

/// The door, at `/dicomweb`.
pub(crate) fn mounted() -> Router<Arc<App>> {
    Router::new().route("/dicomweb/{*path}", any(handle))
}

/// Who asks, and by what they proved it.
#[derive(Debug)]
struct Asker {
    who: Identity,
    bearer: Option<Bearer>,
}

/// Why there is no answer: a status and words.
#[derive(Debug, Clone)]
struct Refused {
    status: StatusCode,
    words: String,
    header: Option<(HeaderName, HeaderValue)>,
}

impl Refused {
    fn new(status: StatusCode, words: impl Into<String>) -> Refused {
        Refused {
            status,
            words: words.into(),
            header: None,
        }
    }

    fn bad(words: impl Into<String>) -> Refused {
        Refused::new(StatusCode::BAD_REQUEST, words)
    }

    fn absent() -> Refused {
        Refused::new(
            StatusCode::NOT_FOUND,
            "there is nothing like that that you may see",
        )
    }

    /// 406: it cannot be given in a form that is accepted.
    fn unacceptable(words: impl Into<String>) -> Refused {
        Refused::new(StatusCode::NOT_ACCEPTABLE, words)
    }

    /// What is wrong goes to the program's log alone.
    fn broken(why: &dyn std::fmt::Display) -> Refused {
        tracing::error!(%why, "a request for images was not answered");
        let words = "Salus or its machine has a fault; what it is stands in the program's log";
        Refused::new(StatusCode::INTERNAL_SERVER_ERROR, words)
    }

    fn of(why: NoImages, who: &Identity) -> Refused {
        match why {
            NoImages::Refused(_) if who.through.is_some() => Refused::new(
                StatusCode::FORBIDDEN,
                "this is more than was granted: another patient, type, part or act",
            ),
            NoImages::Refused(words) => Refused::new(StatusCode::FORBIDDEN, words.join(" ")),
            NoImages::TooMuch(words) => Refused::new(StatusCode::PAYLOAD_TOO_LARGE, words),
            NoImages::Broken(why) => Refused::broken(&why),
        }
    }
}

impl From<Fault> for Refused {
    fn from(fault: Fault) -> Refused {
        Refused {
            status: fault.status,
            words: fault.words(),
            header: fault.header,
        }
    }
}

async fn handle(State(app): State<Arc<App>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    match serve(&app, (&parts, body)).await {
        Ok(response) => response,
        Err(refused) => {
            let kind = (
                CONTENT_TYPE,
                HeaderValue::from_static("text/plain; charset=utf-8"),
            );
            let words = format!("{}\n", refused.words);
            let mut response = (refused.status, [kind], words).into_response();
            if let Some((name, value)) = refused.header {
                response.headers_mut().insert(name, value);
            }
            response
        }
    }
}

async fn serve(app: &Arc<App>, (parts, body): (&Parts, Body)) -> Result<Response, Refused> {
    let headers = &parts.headers;
    let who = identity(app, &parts.extensions, headers).await?;
    if parts.method == Method::POST {
        let study = route::stored(parts.uri.path())?;
        return stow::store(app, who, (headers, study), body).await;
    }
    if ![Method::GET, Method::HEAD].contains(&parts.method) {
        let allow = (ALLOW, HeaderValue::from_static("GET, HEAD, POST"));
        let words = "images are looked for, fetched and stored here, and no more";
        return Err(Refused {
            header: Some(allow),
            ..Refused::new(StatusCode::METHOD_NOT_ALLOWED, words)
        });
    }
    let accepted = accept::all(headers);
    let bearer = Bearer::of(&parts.extensions, headers);
    let asker = Asker { who, bearer };
    match route::call(parts.uri.path())? {
        Call::Search(place) => {
            let query = parts.uri.query().unwrap_or_default();
            qido::search(app, &asker.who, (&place, query), &accepted).await
        }
        Call::Objects(place) => wado::objects(app, &asker, (&place, &accepted)).await,
        Call::Metadata(place) => wado::metadata(app, &asker, (&place, &accepted)).await,
        Call::Frames(place, frames) => {
            wado::frames(app, &asker, (&place, &frames), &accepted).await
        }
        Call::Rendered(place, look) => wado::rendered(app, &asker, (&place, look), &accepted).await,
    }
}
