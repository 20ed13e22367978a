//! Answers that are made while they are sent: many objects do not lie in memory together.

use std::io;

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use tokio::sync::mpsc;

use super::Refused;
use crate::imaging::{Paced, Rate};
use crate::session::secret;

/// Pieces that wait to be sent.
const WAITING_MAX: usize = 2;

/// Where pieces of an answer go.
pub(super) type Pieces = mpsc::Sender<Result<Bytes, io::Error>>;

/// An answer of which the pieces follow, to be read at that rate.
pub(super) fn answer(media: &str, rate: Rate) -> Result<(Pieces, Response), Refused> {
    let (pieces, made) = mpsc::channel(WAITING_MAX);
    let media = HeaderValue::from_str(media).map_err(|why| Refused::broken(&why))?;
    let headers = [(CONTENT_TYPE, media)];
    let body = Body::new(Paced::new(made, rate));
    Ok((pieces, (StatusCode::OK, headers, body).into_response()))
}

/// An answer of one piece, to be read at that rate.
pub(super) fn whole(media: &str, piece: Bytes, rate: Rate) -> Result<Response, Refused> {
    let (pieces, response) = answer(media, rate)?;
    let sent = pieces.try_send(Ok(piece));
    sent.map_err(|why| Refused::broken(&why))?;
    Ok(response)
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
