//! An answer before it is an HTTP response or an entry of a response bundle.

use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, LAST_MODIFIED, LOCATION};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use event::Time;
use futures_util::Stream;
use serde_json::{Value, json};
use wire::fhir::search::Subset;

use super::fault::Fault;
use super::format::Layout;
use super::json::quoted;

/// What was asked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Answer {
    /// The HTTP status.
    pub(crate) status: StatusCode,
    /// JSON bytes, if there is anything to show.
    pub(crate) body: Option<Bytes>,
    /// The same indented, if that is kept too: it is not laid out anew.
    pub(crate) pretty: Option<Bytes>,
    /// The version it speaks of: the index that wrote it.
    pub(crate) version: Option<u64>,
    /// When that version was written.
    pub(crate) at: Option<Time>,
    /// Where it is, relative to the base.
    pub(crate) location: Option<String>,
    /// More headers.
    pub(crate) headers: Vec<(HeaderName, String)>,
    /// What the body is, if it is not FHIR JSON.
    pub(crate) media: Option<&'static str>,
    /// The body, if it comes piece by piece.
    pub(crate) pieces: Option<Pieces>,
}

/// A body that is given out once, as it is read.
#[derive(Clone)]
pub(crate) struct Pieces(Arc<Mutex<Option<Body>>>);

impl Pieces {
    pub(crate) fn of<E: Into<axum::BoxError> + 'static>(
        pieces: impl Stream<Item = Result<Bytes, E>> + Send + 'static,
    ) -> Pieces {
        Pieces(Arc::new(Mutex::new(Some(Body::from_stream(pieces)))))
    }

    fn take(&self) -> Body {
        let mut body = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        body.take().unwrap_or_default()
    }
}

impl std::fmt::Debug for Pieces {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Pieces(..)")
    }
}

impl Answer {
    /// An answer that is only a body.
    pub(crate) fn body(body: impl Into<Bytes>) -> Answer {
        Answer {
            body: Some(body.into()),
            ..Answer::default()
        }
    }

    /// The answer with the part of its resource that the subset shows.
    pub(crate) fn cut(mut self, subset: &Subset) -> Answer {
        if let Some(part) = self.body.as_deref().and_then(|body| subset.of(body)) {
            self.body = Some(part.into());
        }
        self
    }

    /// The answer as one `Bundle.entry` of a response, without the resource's `fullUrl`.
    pub(crate) fn entry(&self, base: &str, out: &mut Vec<u8>) {
        let resource = self.body.as_ref().filter(|_| self.status.is_success());
        out.push(b'{');
        if let Some(resource) = resource {
            out.extend_from_slice(b"\"resource\":");
            out.extend_from_slice(resource);
            out.push(b',');
        }
        let mut response = json!({ "status": status_text(self.status) });
        if let Some(map) = response.as_object_mut() {
            let location = self.location.as_ref();
            let location = location.map(|place| Value::from(format!("{base}/{place}")));
            let members = [
                ("location", location),
                ("etag", self.version.map(|version| etag(version).into())),
                ("lastModified", self.at.map(|at| at.to_string().into())),
            ];
            let members = members.into_iter();
            map.extend(members.filter_map(|(name, value)| Some((name.to_owned(), value?))));
        }
        out.extend_from_slice(b"\"response\":");
        out.extend_from_slice(response.to_string().as_bytes());
        out.push(b'}');
    }

    /// The answer as an HTTP response.
    pub(crate) fn response(self, base: &str, layout: Layout) -> Response {
        let mut headers = HeaderMap::new();
        if let Some(version) = self.version {
            set(&mut headers, ETAG, &etag(version));
        }
        if let Some(at) = self.at {
            set(&mut headers, LAST_MODIFIED, &http_date(at));
        }
        if let Some(place) = &self.location {
            set(&mut headers, LOCATION, &format!("{base}/{place}"));
        }
        for (name, value) in self.headers {
            set(&mut headers, name, &value);
        }
        if let Some(media) = self.media {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(media));
        }
        if let Some(pieces) = &self.pieces {
            let mut response = respond(self.status, headers, None, layout);
            *response.body_mut() = pieces.take();
            return response;
        }
        match (layout, self.pretty) {
            (Layout::Pretty, Some(kept)) => {
                respond(self.status, headers, Some(kept), Layout::AsKept)
            }
            (layout, _) => respond(self.status, headers, self.body, layout),
        }
    }
}

impl Fault {
    /// The fault as one `Bundle.entry` of a batch response.
    pub(crate) fn entry(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"response\":{\"status\":");
        out.extend_from_slice(quoted(&status_text(self.status)).as_bytes());
        out.extend_from_slice(b",\"outcome\":");
        out.extend_from_slice(&self.outcome());
        out.extend_from_slice(b"}}");
    }

    /// The fault as an HTTP response.
    pub(crate) fn response(self, layout: Layout) -> Response {
        let mut headers = HeaderMap::new();
        let body = self.outcome();
        if let Some((name, value)) = self.header {
            headers.insert(name, value);
        }
        respond(self.status, headers, Some(body.into()), layout)
    }
}

/// `W/"7"`.
pub(crate) fn etag(version: u64) -> String {
    format!("W/\"{version}\"")
}

/// The moment as HTTP writes it, for instance `Sun, 06 Nov 1994 08:49:37 GMT`.
pub(crate) fn http_date(at: Time) -> String {
    at.timestamp()
        .strftime("%a, %d %b %Y %H:%M:%S GMT")
        .to_string()
}

fn respond(
    status: StatusCode,
    mut headers: HeaderMap,
    body: Option<Bytes>,
    layout: Layout,
) -> Response {
    // A chart has no place in anybody's cache.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let body = match body {
        Some(bytes) => {
            let media = HeaderValue::from_static("application/fhir+json; charset=utf-8");
            headers.entry(CONTENT_TYPE).or_insert(media);
            Body::from(laid_out(bytes, layout))
        }
        None => Body::empty(),
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

fn laid_out(bytes: Bytes, layout: Layout) -> Bytes {
    match layout {
        Layout::AsKept | Layout::Content => bytes,
        Layout::Pretty => serde_json::from_slice::<Value>(&bytes)
            .and_then(|value| serde_json::to_vec_pretty(&value))
            .map_or(bytes, Bytes::from),
    }
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

fn status_text(status: StatusCode) -> String {
    let reason = status.canonical_reason().unwrap_or_default();
    format!("{} {reason}", status.as_u16())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_as_http_writes_it() {
        let at = Time::from_millis(784_111_777_000);
        assert_eq!(http_date(at), "Sun, 06 Nov 1994 08:49:37 GMT");
    }

    #[test]
    fn an_entry_carries_what_the_headers_would() {
        let answer = Answer {
            status: StatusCode::CREATED,
            body: Some(Bytes::from_static(b"{\"a\":1.10}")),
            version: Some(7),
            at: Some(Time::from_millis(0)),
            location: Some("Patient/1/_history/7".into()),
            ..Answer::default()
        };
        let mut out = Vec::new();
        answer.entry("https://x/fhir", &mut out);
        let text = String::from_utf8(out).unwrap();
        assert_eq!(
            text,
            "{\"resource\":{\"a\":1.10},\"response\":{\"status\":\"201 Created\",\
             \"location\":\"https://x/fhir/Patient/1/_history/7\",\"etag\":\"W/\\\"7\\\"\",\
             \"lastModified\":\"1970-01-01T00:00:00.000Z\"}}"
        );
    }
}
