//! What of a request's body is still on its way when the answer is known: a little of it is taken all the
//! same. A client that is still sending might not hear the answer: over HTTP/2 the stream is reset
//! (RFC 9113 section 8.1), over HTTP/1.1 the connection is closed (RFC 9112 section 9.6).

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::Method;
use axum::response::Response;
use hyper::body::{Frame, SizeHint};

/// What is taken of a body that nobody reads.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Unread {
    /// Bytes, at most (`unread_bytes_max`).
    pub(crate) bytes_max: usize,
    /// How long is waited for them (`unread_ms`).
    pub(crate) wait: Duration,
}

/// Where a body is left that was not read to its end.
type Left = Arc<Mutex<Option<Body>>>;

/// A body that is left behind when it is let go before its end.
struct Kept {
    body: Body,
    left: Left,
}

impl HttpBody for Kept {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        if self.body.is_end_stream() {
            return;
        }
        let body = std::mem::take(&mut self.body);
        *self.left.lock().unwrap_or_else(PoisonError::into_inner) = Some(body);
    }
}

/// Answers at once, and takes beside that what the client still sends, up to a limit.
pub(crate) async fn pass_over(
    limits: Unread,
    request: Request,
    next: impl AsyncFnOnce(Request) -> Response,
) -> Response {
    let empty = matches!(*request.method(), Method::GET | Method::HEAD);
    if empty || request.body().is_end_stream() {
        return next(request).await;
    }
    let left = Left::default();
    let kept = |body| {
        let left = Arc::clone(&left);
        Body::new(Kept { body, left })
    };
    let response = next(request.map(kept)).await;
    let unread = left.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(body) = unread {
        let taken = tokio::time::timeout(limits.wait, take(body, limits.bytes_max));
        tokio::spawn(taken);
    }
    response
}

/// Takes what comes, until it is over, broken or too much.
async fn take(body: Body, mut room: usize) {
    let mut body = pin!(body);
    while let Some(Ok(frame)) = poll_fn(|context| body.as_mut().poll_frame(context)).await {
        let bytes = frame.into_data().map_or(0, |bytes| bytes.len());
        room = match room.checked_sub(bytes) {
            Some(room) => room,
            None => return,
        };
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::http::StatusCode;
    use axum::middleware::{self, Next};
    use axum::routing::post;
    use tower::ServiceExt as _;

    use super::*;

    /// A body of `pieces` pieces; how many were taken.
    async fn taken((pieces, piece): (usize, usize), bytes_max: usize) -> usize {
        let limits = Unread {
            bytes_max,
            wait: Duration::from_secs(60),
        };
        let app = Router::new()
            .route("/", post(async || StatusCode::UNAUTHORIZED))
            .layer(middleware::from_fn(move |request, next: Next| async move {
                pass_over(limits, request, async move |request| {
                    next.run(request).await
                })
                .await
            }));
        let (sender, mut receiver) = tokio::sync::mpsc::channel::<()>(pieces);
        let bytes = Bytes::from(vec![b'x'; piece]);
        let sent = (0..pieces).map(move |_| {
            let _ = sender.try_send(());
            Ok::<_, std::convert::Infallible>(bytes.clone())
        });
        let body = Body::from_stream(futures_util::stream::iter(sent));
        let request = Request::post("/").body(body).unwrap();
        let response = app.oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        let mut count = 0;
        while receiver.recv().await.is_some() {
            count += 1;
        }
        count
    }

    #[tokio::test]
    async fn what_nobody_reads_is_taken_up_to_a_limit() {
        assert_eq!(taken((10, 1_000), 65_536).await, 10);
        assert_eq!(taken((1_000, 1_000), 65_536).await, 66);
        assert_eq!(taken((1_000, 1_000), 10_000).await, 11);
    }
}
