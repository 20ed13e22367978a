//! How long the body of a request may take to come.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::BoxError;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use hyper::body::{Body as _, Bytes, Frame, SizeHint};
use tokio::time::Sleep;

/// A body that has to be whole by a moment.
struct Timely {
    inner: Body,
    until: Pin<Box<Sleep>>,
}

impl hyper::body::Body for Timely {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.inner).poll_frame(context) {
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let over = self.until.as_mut().poll(context);
        over.map(|()| {
            Some(Err(
                "the body took too long to come (`body_ms`, `images_body_ms`)".into(),
            ))
        })
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// How long bodies may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// Any.
    pub(crate) any: Duration,
    /// Those with images.
    pub(crate) images: Duration,
}

/// Gives the body of every request so long to come; then it is cut off.
pub(crate) async fn for_bodies(
    State(patience): State<Patience>,
    request: Request,
    next: Next,
) -> Response {
    let (parts, inner) = request.into_parts();
    let most = match parts.uri.path().starts_with("/dicomweb/") {
        true => patience.images,
        false => patience.any,
    };
    let body = match inner.is_end_stream() {
        true => inner,
        false => Body::new(Timely {
            inner,
            until: Box::pin(tokio::time::sleep(most)),
        }),
    };
    next.run(Request::from_parts(parts, body)).await
}
