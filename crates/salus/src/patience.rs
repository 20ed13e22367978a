//! How long the body of a request may take to come.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::BoxError;
use axum::body::Body;
use axum::extract::Request;
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use hyper::body::{Body as _, Bytes, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};
use web::{Credit, Rate};

/// A body that has to be whole by a moment, and to come at a rate if it has images or is a document.
struct Timely {
    inner: Body,
    until: Instant,
    pace: Option<Pace>,
    /// Goes off at the earlier of both.
    alarm: Pin<Box<Sleep>>,
}

/// How fast a body comes. What counts is the time in which it is waited for: while an object is stored, nothing
/// of it is read.
struct Pace {
    credit: Credit,
    /// Since when it is waited for.
    since: Option<Instant>,
}

impl Pace {
    const fn of(rate: Rate) -> Pace {
        Pace {
            credit: rate.credit(),
            since: None,
        }
    }

    /// Bytes came.
    fn came(&mut self, now: Instant, bytes: usize) {
        if let Some(since) = self.since.take() {
            self.credit.waited(now.saturating_duration_since(since));
        }
        self.credit.moved(bytes);
    }

    /// Nothing is there; until when it may be waited for. `None`: for ever.
    fn waits(&mut self, now: Instant) -> Option<Instant> {
        let since = *self.since.get_or_insert(now);
        Some(since + self.credit.left()?)
    }
}

impl hyper::body::Body for Timely {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let now = Instant::now();
        if let Poll::Ready(frame) = Pin::new(&mut self.inner).poll_frame(context) {
            if let (Some(pace), Some(Ok(frame))) = (&mut self.pace, &frame) {
                pace.came(now, frame.data_ref().map_or(0, Bytes::len));
            }
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let slow = self.pace.as_mut().and_then(|pace| pace.waits(now));
        let (until, why) = match slow.filter(|slow| *slow < self.until) {
            Some(slow) => (slow, "the body comes too slowly (`images_rate_min`)"),
            None => (
                self.until,
                "the body took too long to come (`body_ms`, `images_body_ms`)",
            ),
        };
        if self.alarm.deadline() != until {
            self.alarm.as_mut().reset(until);
        }
        let over = self.alarm.as_mut().poll(context);
        over.map(|()| Some(Err(why.into())))
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
    /// Those with images, and documents.
    pub(crate) images: Duration,
    /// At which rate those come at least.
    pub(crate) rate: Rate,
}

impl Patience {
    fn body(self, (inner, has_images): (Body, bool)) -> Body {
        let most = if has_images { self.images } else { self.any };
        let until = Instant::now() + most;
        Body::new(Timely {
            inner,
            until,
            pace: has_images.then(|| Pace::of(self.rate)),
            alarm: Box::pin(sleep_until(until)),
        })
    }
}

/// Gives the body of a request so long to come; then it is cut off.
pub(crate) fn for_body(patience: Patience, request: Request) -> Request {
    let (parts, inner) = request.into_parts();
    let has_images = is_large(&parts);
    let body = match inner.is_end_stream() {
        true => inner,
        false => patience.body((inner, has_images)),
    };
    Request::from_parts(parts, body)
}

/// Whether a body may be large: objects over STOW-RS, and a Binary as what it is.
fn is_large(parts: &Parts) -> bool {
    let path = parts.uri.path();
    let kind = parts.headers.get(CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let is_binary = path == "/fhir/Binary" || path.starts_with("/fhir/Binary/");
    path.starts_with("/dicomweb/") || (is_binary && !kind.is_empty() && !is_json(kind))
}

/// Whether it is FHIR JSON or a JSON Patch, whatever parameters it has.
fn is_json(kind: &str) -> bool {
    const NAMES: [&str; 5] = [
        "application/fhir+json",
        "application/json",
        "application/json+fhir",
        "application/json-patch+json",
        "text/json",
    ];
    let essence = kind.split(';').next().unwrap_or_default().trim();
    NAMES.iter().any(|name| essence.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use futures_util::{StreamExt as _, stream};

    use super::*;

    const RATE: Rate = Rate {
        min: 1_000,
        grace: Duration::from_secs(30),
    };

    /// How many pieces of 1,000 bytes come, each so many seconds after the one before, until it is too slow.
    fn pieces(apart: u64) -> usize {
        let (mut now, mut pace) = (Instant::now(), Pace::of(RATE));
        (0..1_000)
            .take_while(|_| {
                let until = pace.waits(now).unwrap();
                now += Duration::from_secs(apart);
                let in_time = now < until;
                pace.came(now, 1_000);
                in_time
            })
            .count()
    }

    #[test]
    fn a_binary_as_what_it_is_comes_at_a_rate_as_images_do() {
        let large = |path: &str, kind: &str| {
            let request = Request::builder().uri(path).header(CONTENT_TYPE, kind);
            is_large(&request.body(Body::empty()).unwrap().into_parts().0)
        };
        assert!(large("/dicomweb/studies", "multipart/related"));
        assert!(large("/fhir/Binary", "application/pdf"));
        assert!(large("/fhir/Binary/4711", "text/plain"));
        assert!(large("/fhir/Binary", "application/vnd.json-like"));
        assert!(!large("/fhir/Binary", "application/fhir+json"));
        assert!(!large("/fhir/Binary", "Text/JSON; charset=latin1"));
        assert!(!large("/fhir/BinaryOther", "application/pdf"));
        assert!(!large("/fhir/Patient", "application/pdf"));
    }

    #[test]
    fn who_is_slower_than_the_rate_runs_out_of_grace() {
        assert_eq!(pieces(1), 1_000);
        // Of each five seconds one is within the rate.
        assert_eq!(pieces(5), 7);
        assert_eq!(pieces(40), 0);
    }

    #[test]
    fn the_time_in_which_nobody_reads_is_not_the_senders() {
        let (mut now, mut pace) = (Instant::now(), Pace::of(RATE));
        for _ in 0..4 {
            pace.came(now, 1_000);
            now += RATE.grace * 10;
        }
        assert_eq!(pace.waits(now), Some(now + RATE.grace));
    }

    /// Why a body that never comes is cut off.
    async fn cut_off(any: u64, images: u64, grace: u64, has_images: bool) -> String {
        let patience = Patience {
            any: Duration::from_millis(any),
            images: Duration::from_millis(images),
            rate: Rate {
                min: 1,
                grace: Duration::from_millis(grace),
            },
        };
        let inner = Body::from_stream(stream::pending::<Result<Bytes, BoxError>>());
        let mut body = patience.body((inner, has_images)).into_data_stream();
        body.next().await.unwrap().unwrap_err().to_string()
    }

    #[tokio::test]
    async fn a_body_that_stands_still_is_cut_off_by_what_is_over_first() {
        const NEVER: u64 = 100_000_000;
        let slow = cut_off(NEVER, NEVER, 1, true).await;
        assert!(slow.contains("images_rate_min"), "{slow}");
        let late = cut_off(NEVER, 1, NEVER, true).await;
        assert!(late.contains("images_body_ms"), "{late}");
        let other = cut_off(1, NEVER, 0, false).await;
        assert!(other.contains("body_ms"), "{other}");
    }
}
