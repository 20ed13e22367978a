//! One connection, from its first byte to its last answer.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use wire::mllp::{Frame, Framer, Limits};

use super::desk::{Desk, Work};
use super::feeds::Candidates;

/// A message larger than this is sealed by itself, so that it holds up no other; a query too, since
/// its answer waits for the chart.
const ALONE_BYTES_MIN: usize = 1 << 20;

/// Bytes asked of a socket at a time.
const READ_BYTES: usize = 64 << 10;

pub(crate) struct Connection<S> {
    stream: S,
    desk: Arc<Desk>,
    senders: Candidates,
    framer: Framer,
    /// Messages that were read and wait for the group before them to be sealed.
    waiting: VecDeque<Work>,
    waiting_bytes: usize,
    unread_in_a_row: usize,
    /// What the framer held when it was last counted.
    held: usize,
    last_byte: Instant,
    frame_began: Option<Instant>,
    /// No more is read; what was read is still answered.
    closing: bool,
}

enum Step {
    Answered(Vec<u8>),
    Read(io::Result<usize>),
    Paused,
    Stop,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Connection<S> {
    pub(crate) fn new(stream: S, desk: Arc<Desk>, senders: Candidates) -> Connection<S> {
        let limits = Limits {
            frame_bytes_max: desk.config.frame_bytes_max,
            kept_bytes_max: desk.config.unread_bytes_kept_max,
        };
        Connection {
            stream,
            desk,
            senders,
            framer: Framer::new(limits),
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            unread_in_a_row: 0,
            held: 0,
            last_byte: Instant::now(),
            frame_began: None,
            closing: false,
        }
    }

    /// Reads, seals and answers until either side is done.
    ///
    /// # Errors
    /// When the other side no longer takes answers.
    pub(crate) async fn run(mut self, stop: CancellationToken) -> io::Result<()> {
        let mut buffer = Vec::with_capacity(READ_BYTES);
        let mut sealing: Option<BoxFuture<'static, Vec<u8>>> = None;
        loop {
            if sealing.is_none() && !self.waiting.is_empty() {
                sealing = Some(Box::pin(Arc::clone(&self.desk).seal(self.group())));
            }
            if sealing.is_none() && self.closing {
                return self.stream.shutdown().await;
            }
            match self.step(&mut buffer, &mut sealing, &stop).await {
                Step::Answered(answers) => {
                    sealing = None;
                    self.write(&answers).await?;
                }
                Step::Read(Ok(1..)) => self.took(&mut buffer),
                Step::Read(_) => self.ended(),
                Step::Paused => self.paused(),
                Step::Stop => self.closing = true,
            }
        }
    }

    async fn step(
        &mut self,
        buffer: &mut Vec<u8>,
        sealing: &mut Option<BoxFuture<'static, Vec<u8>>>,
        stop: &CancellationToken,
    ) -> Step {
        let (reads, closing, deadline) = (self.has_room(), self.closing, self.deadline());
        tokio::select! {
            answers = outcome(sealing) => Step::Answered(answers),
            read = timeout_at(deadline, self.stream.read_buf(buffer)), if reads => {
                read.map_or(Step::Paused, Step::Read)
            }
            () = stop.cancelled(), if !closing => Step::Stop,
        }
    }

    fn has_room(&self) -> bool {
        let config = &self.desk.config;
        !self.closing
            && self.waiting.len() < config.in_flight_max
            && (self.waiting.is_empty() || self.waiting_bytes < config.in_flight_bytes_max)
    }

    /// When to do something about a sender that stays silent, or is too slow.
    fn deadline(&self) -> Instant {
        let config = &self.desk.config;
        let silent = |ms| self.last_byte + Duration::from_millis(ms);
        match self.frame_began {
            _ if self.framer.may_settle() => silent(config.settle_ms),
            Some(began) => began + Duration::from_millis(config.frame_ms),
            None => silent(config.idle_ms),
        }
    }

    fn took(&mut self, buffer: &mut Vec<u8>) {
        self.last_byte = Instant::now();
        let mut input = buffer.as_slice();
        while let Some(frame) = self.framer.next(&mut input) {
            self.frame_began = None;
            self.take(frame);
        }
        buffer.clear();
        if self.framer.in_frame() {
            self.frame_began.get_or_insert(self.last_byte);
        } else {
            self.frame_began = None;
        }
        self.count_held();
    }

    fn take(&mut self, frame: Frame) {
        for work in self.desk.take(frame, &self.senders) {
            self.enqueue(work);
        }
    }

    fn enqueue(&mut self, work: Work) {
        if work.is_message() {
            self.unread_in_a_row = 0;
        } else {
            self.unread_in_a_row += 1;
            self.closing |= self.unread_in_a_row >= self.desk.config.unread_in_a_row_max;
        }
        self.waiting_bytes += work.bytes;
        self.waiting.push_back(work);
    }

    fn count_held(&mut self) {
        let now = self.framer.held();
        let all = self.desk.hold(self.held, now);
        self.held = now;
        if all > self.desk.config.unfinished_bytes_max && now >= ALONE_BYTES_MIN {
            if let Some(Frame::Unfinished(bytes)) = self.framer.finish() {
                let work = self.desk.overloaded(bytes, &self.senders);
                self.enqueue(work);
            }
            self.closing = true;
        }
    }

    /// The other side sends no more.
    fn ended(&mut self) {
        if let Some(frame) = self.framer.finish() {
            self.take(frame);
        }
        self.closing = true;
    }

    fn paused(&mut self) {
        if let Some(frame) = self.framer.settle() {
            self.frame_began = None;
            return self.take(frame);
        }
        if let Some(Frame::Unfinished(bytes)) = self.framer.finish() {
            let ms = self.desk.config.frame_ms;
            let why = format!("the message was not complete within `frame_ms` = {ms}");
            let work = self.desk.unreadable(bytes, &why, &self.senders);
            self.enqueue(work);
        }
        self.closing = true;
    }

    /// The next messages to seal together, in order.
    fn group(&mut self) -> Vec<Work> {
        let room = self
            .waiting
            .len()
            .min(self.desk.config.in_flight_max)
            .max(1);
        let mut group = Vec::with_capacity(room);
        while group.len() < room
            && let Some(work) = self.waiting.pop_front()
        {
            let alone = work.bytes >= ALONE_BYTES_MIN || work.is_inquiry();
            if alone && !group.is_empty() {
                self.waiting.push_front(work);
                break;
            }
            self.waiting_bytes -= work.bytes;
            group.push(work);
            if alone {
                break;
            }
        }
        group
    }

    async fn write(&mut self, answers: &[u8]) -> io::Result<()> {
        let limit = Duration::from_millis(self.desk.config.write_ms);
        let write = async {
            self.stream.write_all(answers).await?;
            self.stream.flush().await
        };
        timeout(limit, write).await.map_err(io::Error::from)?
    }
}

impl<S> Drop for Connection<S> {
    fn drop(&mut self) {
        self.desk.hold(self.held, 0);
    }
}

async fn outcome(sealing: &mut Option<BoxFuture<'static, Vec<u8>>>) -> Vec<u8> {
    match sealing {
        Some(sealing) => sealing.await,
        None => std::future::pending().await,
    }
}
