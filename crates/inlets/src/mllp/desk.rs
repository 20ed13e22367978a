//! Where frames become sealed events and answers: everything about a message but the socket.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use event::Clock;
use guard::{Admitted, Standing};
use record::{Blind, Receipt, Record};
use wire::hl7::ack::{Stamp, Verdict};
use wire::hl7::{Code, Complaint, batch};
use wire::mllp::Frame;

use super::answers::{Answers, Inquiry};
use super::arrival::{admit_unread, head, parse_for, receive};
use super::feeds::Candidates;
use super::reply::{Failure, Reply};
use super::{Config, Feed};

/// What all connections share.
pub(crate) struct Desk {
    pub(crate) config: Config,
    record: Record,
    blind: Blind,
    clock: Arc<dyn Clock>,
    answers: Option<Arc<dyn Answers>>,
    /// Bytes of unfinished messages that all connections hold.
    pub(crate) unfinished: AtomicUsize,
}

/// One message on its way into the record.
pub(crate) struct Work {
    admitted: Option<Admitted>,
    reply: Reply,
    /// What it asks, if it is a query.
    inquiry: Option<Inquiry>,
    /// Bytes of the message.
    pub(crate) bytes: usize,
}

impl Work {
    /// Whether it is taken as a message, and not only kept.
    pub(crate) fn is_message(&self) -> bool {
        self.reply.verdict == Verdict::Accept
    }

    /// Whether it asks something, so that its answer waits for the chart.
    pub(crate) fn is_inquiry(&self) -> bool {
        self.inquiry.is_some()
    }
}

impl Desk {
    pub(crate) fn new(
        config: Config,
        record: Record,
        (clock, answers): (Arc<dyn Clock>, Option<Arc<dyn Answers>>),
    ) -> Desk {
        Desk {
            config,
            blind: record.blind(),
            record,
            clock,
            answers,
            unfinished: AtomicUsize::new(0),
        }
    }

    /// Counts bytes that a connection holds now instead of `before`.
    pub(crate) fn hold(&self, before: usize, now: usize) -> usize {
        if now >= before {
            let more = now - before;
            self.unfinished
                .fetch_add(more, Ordering::Relaxed)
                .saturating_add(more)
        } else {
            let less = before - now;
            self.unfinished
                .fetch_sub(less, Ordering::Relaxed)
                .saturating_sub(less)
        }
    }

    /// What is to be done about a frame: one piece of work for each message in it.
    pub(crate) fn take(&self, frame: Frame, senders: &Candidates) -> Vec<Work> {
        let (bytes, why) = match frame {
            Frame::Message(bytes) => return self.messages(bytes, senders),
            Frame::Empty => (Vec::new(), "the frame is empty"),
            Frame::Cut(bytes) => (bytes, "a new start block came before the end block"),
            Frame::Stray(bytes) => (bytes, "these bytes stood outside a frame"),
            Frame::TooLong(bytes) => {
                let max = self.config.frame_bytes_max;
                let kept = bytes.len();
                let why = format!(
                    "the message is longer than `frame_bytes_max` = {max}; its first {kept} bytes \
                     are kept"
                );
                return vec![self.unreadable(bytes, &why, senders)];
            }
            Frame::Unfinished(bytes) => (bytes, "the stream ended before the end block"),
        };
        vec![self.unreadable(bytes, why, senders)]
    }

    /// Bytes that are kept, refused, and never taken for a message, whatever is in them.
    pub(crate) fn unreadable(&self, bytes: Vec<u8>, why: &str, senders: &Candidates) -> Work {
        let (feed, head) = whose(&bytes, senders);
        let complaint = Complaint::whole(Code::SegmentSequence, why);
        self.refuse(
            bytes,
            Reply {
                head,
                feed,
                verdict: Verdict::Reject,
                complaint: Some(complaint),
            },
        )
    }

    /// Like [`Desk::unreadable`], but the sender should try again.
    pub(crate) fn overloaded(&self, mut bytes: Vec<u8>, senders: &Candidates) -> Work {
        bytes.truncate(self.config.unread_bytes_kept_max);
        let (feed, head) = whose(&bytes, senders);
        let max = self.config.unfinished_bytes_max;
        let words = format!("unfinished messages would take more than {max} bytes; try again");
        let complaint = Some(Complaint::whole(Code::InternalError, words));
        self.refuse(
            bytes,
            Reply {
                head,
                feed,
                verdict: Verdict::Error,
                complaint,
            },
        )
    }

    /// Seals a group and returns the answers, in the group's order. Nothing is answered before the
    /// commit.
    pub(crate) async fn seal(self: Arc<Desk>, group: Vec<Work>) -> Vec<u8> {
        let (mut events, mut replies) = (Vec::with_capacity(group.len()), Vec::new());
        let mut out = Vec::with_capacity(256 * group.len());
        for work in group {
            match work.admitted {
                Some(admitted) => {
                    events.push(admitted);
                    replies.push((work.reply, work.inquiry));
                }
                None => work.reply.failed(&mut out, self.now(), &broken()),
            }
        }
        match self.record.admit(events).await {
            Ok(receipts) => {
                for ((reply, inquiry), receipt) in replies.iter().zip(&receipts) {
                    match inquiry {
                        Some(inquiry) => self.ask(inquiry, receipt, &mut out).await,
                        None => reply.sealed(&mut out, receipt),
                    }
                }
            }
            Err(why) => {
                let replies: Vec<Reply> = replies.into_iter().map(|(reply, _)| reply).collect();
                self.failed(&mut out, &replies, &why).await;
            }
        }
        out
    }

    async fn ask(&self, inquiry: &Inquiry, receipt: &Receipt, out: &mut Vec<u8>) {
        let control = receipt.index.to_string();
        let stamp = Stamp {
            control: &control,
            millis: receipt.at.millis(),
        };
        let answers = (self.answers.as_ref(), self.config.query_patients_max);
        inquiry.answer(answers, &stamp, out).await;
    }

    fn messages(&self, bytes: Vec<u8>, senders: &Candidates) -> Vec<Work> {
        let mut pieces = batch::pieces(&bytes);
        let first = pieces.next();
        let Some(first) = first else {
            return vec![self.unreadable(bytes, "there is no message in the batch", senders)];
        };
        if first.bytes.len() == bytes.len() {
            let complaints = first.complaints;
            return vec![self.message(bytes, &complaints, senders)];
        }
        let max = self.config.batch_messages_max;
        if batch::pieces(&bytes).nth(max).is_some() {
            let why = format!("the batch has more than `batch_messages_max` = {max} messages");
            return vec![self.unreadable(bytes, &why, senders)];
        }
        let all = std::iter::once(first).chain(pieces);
        all.map(|piece| self.message(piece.bytes.to_vec(), &piece.complaints, senders))
            .collect()
    }

    fn message(&self, raw: Vec<u8>, complaints: &[Complaint], senders: &Candidates) -> Work {
        let parsed = wire::hl7::parse(&raw, &senders.first().charset);
        let feed = senders.of(&parsed.message);
        let parsed = if feed.charset == senders.first().charset {
            parsed
        } else {
            parse_for(&raw, &feed)
        };
        let received = receive(&parsed, complaints, &feed, &self.blind);
        let reply = Reply {
            head: received.head,
            feed,
            verdict: Verdict::Reject,
            complaint: received.fault,
        };
        if reply.complaint.is_some() {
            return self.refuse(raw, reply);
        }
        // The guard looks at the claim before it gets the bytes, so that what it refuses is still
        // there to be kept.
        let standing = Standing::Feed(&reply.feed.grant);
        if let Err(refused) = guard::admit(received.arrival.clone(), standing, &received.facility) {
            let complaint = Some(Complaint::whole(
                Code::UnsupportedMessageType,
                refused.words,
            ));
            return self.refuse(raw, Reply { complaint, ..reply });
        }
        let mut arrival = received.arrival;
        let inquiry = Inquiry::of(&parsed.message, &raw, &reply.feed);
        // A query is held twice.
        let bytes = raw.len() * (1 + usize::from(inquiry.is_some()));
        arrival.claim.raw = raw;
        let admitted = guard::admit(arrival, standing, &received.facility).ok();
        Work {
            admitted,
            reply: Reply {
                verdict: Verdict::Accept,
                ..reply
            },
            inquiry,
            bytes,
        }
    }

    fn refuse(&self, raw: Vec<u8>, reply: Reply) -> Work {
        let bytes = raw.len();
        let reason = reply
            .complaint
            .as_ref()
            .map(Complaint::to_string)
            .unwrap_or_default();
        let admitted = admit_unread(&reply.feed, &reason, raw);
        Work {
            admitted,
            reply,
            inquiry: None,
            bytes,
        }
    }

    async fn failed(&self, out: &mut Vec<u8>, replies: &[Reply], why: &record::Error) {
        let record::Error::TooLarge { .. } = why else {
            tracing::error!(%why, messages = replies.len(), "messages were not sealed");
            return replies
                .iter()
                .for_each(|reply| reply.failed(out, self.now(), &unsealed(why)));
        };
        let complaint = Complaint::whole(Code::DataType, why.to_string());
        for reply in replies {
            if let Some(kept) = admit_unread(&reply.feed, &complaint.words, reply.head.clone())
                && let Err(why) = self.record.admit(vec![kept]).await
            {
                tracing::error!(%why, "a message that is too large was not noted");
            }
            let failure = Failure {
                verdict: Verdict::Reject,
                complaint: complaint.clone(),
            };
            reply.failed(out, self.now(), &failure);
        }
    }

    fn now(&self) -> i64 {
        self.clock.now().millis()
    }
}

/// The path of a folder is nothing for a sender.
fn unsealed(why: &record::Error) -> Failure {
    match why {
        record::Error::Uprooted { .. } => error(crate::UPROOTED),
        _ => broken(),
    }
}

fn broken() -> Failure {
    error("it could not be sealed; send it again")
}

fn error(words: &str) -> Failure {
    Failure {
        verdict: Verdict::Error,
        complaint: Complaint::whole(Code::InternalError, words),
    }
}

/// The feed that broken bytes are from, and their MSH, as far as it can be read.
fn whose(bytes: &[u8], senders: &Candidates) -> (Arc<Feed>, Vec<u8>) {
    let parsed = parse_for(bytes, &senders.first());
    if parsed.message.header().is_none() {
        return (senders.first(), Vec::new());
    }
    (senders.of(&parsed.message), head(&parsed.message))
}
