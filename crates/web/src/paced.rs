//! The body of an answer with images or documents. Who reads it too slowly gets the rest of it no more, and what it held is free
//! again, though nobody asks for the next piece.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll};

use axum::body::{Body, HttpBody};
use bytes::{Buf as _, Bytes};
use hyper::body::{Frame, SizeHint};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use crate::rate::{Credit, Rate};

/// Bytes that are handed out at once. They are copied: what lies in the buffers of a connection keeps no object in
/// memory.
const HANDED_OUT_BYTES: usize = 64 << 10;

type Piece = Result<Bytes, io::Error>;

/// Pieces, as fast as they are read.
pub(crate) struct Paced(Arc<Mutex<State>>);

struct State {
    pieces: Option<mpsc::Receiver<Piece>>,
    /// What is left of the piece that is being handed out.
    now: Bytes,
    /// Bytes yet to be handed out, if that is known.
    left: Option<u64>,
    credit: Credit,
    /// Since when the other side is waited for; `None`: it waits for us.
    since: Option<Instant>,
}

impl Paced {
    /// Hands out pieces, to whoever reads them at that rate.
    pub(crate) fn new(pieces: mpsc::Receiver<Piece>, rate: Rate) -> Paced {
        let state = Arc::new(Mutex::new(State::new(pieces, rate)));
        if rate.min > 0 {
            tokio::spawn(watch(Arc::downgrade(&state), rate));
        }
        Paced(state)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A body of these bytes, to be read at that rate. What they hold is free once they were handed out.
pub(crate) fn whole(bytes: Bytes, rate: Rate) -> Body {
    let (pieces, made) = mpsc::channel(1);
    // There is room for the one piece.
    let size = bytes.len() as u64;
    let _ = pieces.try_send(Ok(bytes));
    let paced = Paced::new(made, rate);
    paced.state().left = Some(size);
    Body::new(paced)
}

/// Lets go of everything once it was read too slowly.
async fn watch(state: Weak<Mutex<State>>, rate: Rate) {
    let mut until = Instant::now() + rate.grace;
    loop {
        sleep_until(until).await;
        let Some(state) = state.upgrade() else {
            return;
        };
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        match state.look(now) {
            Looked::Over => return,
            Looked::Until(end) => until = end,
            Looked::Ours => until = now + rate.grace,
        }
    }
}

/// How an answer is read.
#[derive(Debug, PartialEq, Eq)]
enum Looked {
    /// Too slowly: nothing is held any more.
    Over,
    /// It will be too slow at that moment.
    Until(Instant),
    /// It waits for us.
    Ours,
}

impl State {
    const fn new(pieces: mpsc::Receiver<Piece>, rate: Rate) -> State {
        State {
            pieces: Some(pieces),
            now: Bytes::new(),
            left: None,
            credit: rate.credit(),
            since: None,
        }
    }

    fn look(&mut self, now: Instant) -> Looked {
        // A piece that nobody takes: over HTTP/2 a stream without window does not ask for the first one either.
        if self.since.is_none()
            && self
                .pieces
                .as_ref()
                .is_some_and(|pieces| !pieces.is_empty())
        {
            self.since = Some(now);
        }
        let since = self.since.zip(self.credit.left());
        match since.map(|(since, left)| since + left) {
            Some(end) if end <= now => {
                tracing::info!(
                    "an answer with images or documents was read too slowly (`images_rate_min`)"
                );
                (self.pieces, self.now) = (None, Bytes::new());
                Looked::Over
            }
            Some(end) => Looked::Until(end),
            None => Looked::Ours,
        }
    }

    fn poll(&mut self, now: Instant, context: &mut Context<'_>) -> Poll<Option<Piece>> {
        if let Some(since) = self.since.take() {
            self.credit.waited(now.saturating_duration_since(since));
        }
        let Some(pieces) = &mut self.pieces else {
            let why = "it was read too slowly (`images_rate_min`)";
            return Poll::Ready(Some(Err(io::Error::new(io::ErrorKind::TimedOut, why))));
        };
        while self.now.is_empty() {
            match pieces.poll_recv(context) {
                Poll::Ready(Some(Ok(piece))) => self.now = piece,
                Poll::Ready(Some(Err(why))) => return Poll::Ready(Some(Err(why))),
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending => return Poll::Pending,
            }
        }
        let most = self.now.len().min(HANDED_OUT_BYTES);
        let out = Bytes::copy_from_slice(self.now.get(..most).unwrap_or_default());
        self.now.advance(most);
        if self.now.is_empty() {
            // Its owner goes, and the room that it held.
            self.now = Bytes::new();
        }
        self.left = self.left.map(|left| left.saturating_sub(out.len() as u64));
        self.credit.moved(out.len());
        self.since = Some(now);
        Poll::Ready(Some(Ok(out)))
    }
}

impl HttpBody for Paced {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let piece = self.state().poll(Instant::now(), context);
        piece.map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }

    fn size_hint(&self) -> SizeHint {
        self.state()
            .left
            .map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::task::noop_waker_ref;
    use http_body_util::BodyExt as _;

    use super::*;

    const RATE: Rate = Rate {
        min: HANDED_OUT_BYTES as u64,
        grace: Duration::from_secs(30),
    };
    const SECOND: Duration = Duration::from_secs(1);

    /// Bytes that hold something as long as they are there.
    struct Room(
        Vec<u8>,
        #[expect(dead_code, reason = "it is held")] mpsc::Sender<()>,
    );

    impl AsRef<[u8]> for Room {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }

    /// One piece of so many bytes, what it holds, and what sends more.
    fn piece(
        bytes: usize,
    ) -> (
        mpsc::Receiver<Piece>,
        mpsc::Receiver<()>,
        mpsc::Sender<Piece>,
    ) {
        let (held, room) = mpsc::channel(1);
        let (pieces, made) = mpsc::channel(2);
        let first = Bytes::from_owner(Room(vec![7; bytes], held));
        pieces.try_send(Ok(first)).unwrap();
        (made, room, pieces)
    }

    /// The next bytes at a moment; `None`: there are none yet.
    fn next(state: &mut State, now: Instant) -> Option<usize> {
        match state.poll(now, &mut Context::from_waker(noop_waker_ref())) {
            Poll::Ready(piece) => Some(piece.map_or(0, |piece| piece.unwrap().len())),
            Poll::Pending => None,
        }
    }

    #[tokio::test]
    async fn who_reads_nothing_any_more_lets_go_of_what_it_holds() {
        let (made, mut room, pieces) = piece(HANDED_OUT_BYTES * 2);
        let grace = Duration::from_millis(1);
        let mut body = Paced::new(made, Rate { grace, ..RATE });
        assert!(body.frame().await.unwrap().is_ok());
        // Nobody asks for more.
        assert_eq!(room.recv().await, None, "its room is free");
        assert!(pieces.is_closed());
        let late = body.frame().await.unwrap();
        assert_eq!(late.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn a_whole_body_says_how_long_it_is() {
        let bytes = Bytes::from(vec![7; HANDED_OUT_BYTES + 5]);
        let mut body = whole(bytes, RATE);
        assert_eq!(body.size_hint().exact(), Some(HANDED_OUT_BYTES as u64 + 5));
        assert!(body.frame().await.unwrap().is_ok());
        assert_eq!(body.size_hint().exact(), Some(5));
    }

    #[test]
    fn who_keeps_the_rate_gets_all_and_who_does_not_is_let_go() {
        let (made, _room, _pieces) = piece(HANDED_OUT_BYTES * 100);
        let (mut state, mut now) = (State::new(made, RATE), Instant::now());
        for _ in 0..50 {
            assert_eq!(next(&mut state, now), Some(HANDED_OUT_BYTES));
            now += SECOND;
            assert!(matches!(state.look(now), Looked::Until(_)));
        }
        let slow = (0..50).take_while(|_| {
            assert_eq!(next(&mut state, now), Some(HANDED_OUT_BYTES));
            now += SECOND * 5;
            state.look(now) != Looked::Over
        });
        assert_eq!(slow.count(), 7);
    }

    #[test]
    fn waiting_for_us_is_not_reading_slowly() {
        let (made, mut room, pieces) = piece(HANDED_OUT_BYTES);
        let (mut state, mut now) = (State::new(made, RATE), Instant::now());
        assert_eq!(next(&mut state, now), Some(HANDED_OUT_BYTES));
        assert!(
            room.try_recv()
                .is_err_and(|why| why == mpsc::error::TryRecvError::Disconnected)
        );
        assert_eq!(next(&mut state, now), None);
        now += RATE.grace * 10;
        assert_eq!(state.look(now), Looked::Ours);
        pieces.try_send(Ok(Bytes::from_static(b"more"))).unwrap();
        assert_eq!(next(&mut state, now), Some(4));
        drop(pieces);
        assert_eq!(next(&mut state, now), Some(0));
    }

    #[test]
    fn without_a_rate_nobody_is_too_slow() {
        let (made, _room, _pieces) = piece(HANDED_OUT_BYTES * 2);
        let (mut state, now) = (State::new(made, Rate { min: 0, ..RATE }), Instant::now());
        assert_eq!(next(&mut state, now), Some(HANDED_OUT_BYTES));
        assert_eq!(state.look(now + RATE.grace * 1_000), Looked::Ours);
    }

    #[test]
    fn a_body_of_which_not_even_the_first_piece_is_asked_for_is_let_go() {
        let (pieces, made) = mpsc::channel(1);
        let (mut state, now) = (State::new(made, RATE), Instant::now());
        assert_eq!(
            state.look(now),
            Looked::Ours,
            "there is nothing to read yet"
        );
        pieces.try_send(Ok(Bytes::from_static(b"x"))).unwrap();
        assert_eq!(state.look(now), Looked::Until(now + RATE.grace));
        assert_eq!(state.look(now + RATE.grace), Looked::Over);
        assert!(pieces.is_closed(), "nothing is held any more");
    }
}
