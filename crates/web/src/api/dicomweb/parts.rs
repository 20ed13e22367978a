//! Answers that are made while they are sent: many objects do not lie in memory together.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, HttpBody};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use hyper::body::Frame;
use tokio::sync::mpsc;

use super::Refused;
use crate::session::secret;

/// Pieces that wait to be sent.
const WAITING_MAX: usize = 2;

/// Where pieces of an answer go.
pub(super) type Pieces = mpsc::Sender<Result<Bytes, io::Error>>;

/// A body whose pieces are still being made.
struct Made(mpsc::Receiver<Result<Bytes, io::Error>>);

impl HttpBody for Made {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let piece = self.0.poll_recv(context);
        piece.map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }
}

/// An answer of which the pieces follow.
pub(super) fn answer(media: &str) -> Result<(Pieces, Response), Refused> {
    let (pieces, made) = mpsc::channel(WAITING_MAX);
    let media = HeaderValue::from_str(media).map_err(|why| Refused::broken(&why))?;
    let headers = [(CONTENT_TYPE, media)];
    let response = (StatusCode::OK, headers, Body::new(Made(made))).into_response();
    Ok((pieces, response))
}

/// What parts the parts of an answer.
#[derive(Debug, Clone)]
pub(super) struct Boundary(String);

impl Boundary {
    pub(super) fn new() -> Result<Boundary, Refused> {
        let secret = secret().ok_or_else(|| Refused::broken(&"the system has no randomness"))?;
        Ok(Boundary(secret))
    }

    /// The media type of the whole.
    pub(super) fn media(&self, parts: &str) -> String {
        format!(
            "multipart/related; type=\"{parts}\"; boundary=\"{}\"",
            self.0
        )
    }

    /// A part.
    pub(super) fn part(&self, media: &str, content: &[u8]) -> Bytes {
        let head = format!("--{}\r\nContent-Type: {media}\r\n\r\n", self.0);
        let mut out = Vec::with_capacity(head.len() + content.len() + 2);
        out.extend_from_slice(head.as_bytes());
        out.extend_from_slice(content);
        out.extend_from_slice(b"\r\n");
        out.into()
    }

    /// What ends the whole.
    pub(super) fn end(&self) -> Bytes {
        format!("--{}--\r\n", self.0).into()
    }
}
