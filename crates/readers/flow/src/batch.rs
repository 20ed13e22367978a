//! What a run of events means for the feeds. Pure; nothing of a message's body is looked at.

use std::collections::BTreeMap;

use event::{Body, Event, Signals, Time};

use crate::ask::Total;

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
/// What is counted in: milliseconds a bucket.
pub(crate) const WIDTHS_MS: [i64; 2] = [MINUTE_MS, HOUR_MS];

/// Characters kept of what a sender wrote: enough for any honest value.
const TEXT_CHARACTERS_MAX: usize = 200;
const REASON_CHARACTERS_MAX: usize = 500;

/// One event that came by a feed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Came<'a> {
    pub(crate) index: u64,
    pub(crate) at: Time,
    pub(crate) feed: &'a str,
    pub(crate) size: usize,
    pub(crate) what: What<'a>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum What<'a> {
    Message(Heard<'a>),
    Unread {
        reason: &'a str,
    },
    /// Lines of a machine; why some are not there or not read, if so.
    Lines {
        batch: &'a Signals,
        reason: &'a str,
    },
}

/// A message that could be read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Heard<'a> {
    pub(crate) kind: &'a str,
    pub(crate) control: &'a str,
    pub(crate) mapped: bool,
    pub(crate) complaints: usize,
    pub(crate) reused: bool,
}

impl<'a> Came<'a> {
    /// What came, if the event came by a feed.
    pub(crate) fn of(index: u64, at: Time, event: &'a Event) -> Option<Came<'a>> {
        let (feed, what) = match &event.body {
            Body::Message(message) => (
                message.feed.as_str(),
                What::Message(Heard {
                    kind: short(&message.kind, TEXT_CHARACTERS_MAX),
                    control: short(&message.control, TEXT_CHARACTERS_MAX),
                    mapped: message.mapped,
                    complaints: message.complaints.len(),
                    reused: false,
                }),
            ),
            Body::Image(image) => (
                image.feed.as_str(),
                What::Message(Heard {
                    kind: short(&image.modality, TEXT_CHARACTERS_MAX),
                    control: &image.instance,
                    mapped: true,
                    complaints: image.complaints.len(),
                    reused: false,
                }),
            ),
            Body::Unread(unread) => {
                let reason = short(&unread.reason, REASON_CHARACTERS_MAX);
                (unread.feed.as_str(), What::Unread { reason })
            }
            Body::Signals(batch) => {
                let reason = short(&batch.reason, REASON_CHARACTERS_MAX);
                (batch.feed.as_str(), What::Lines { batch, reason })
            }
            _ => return None,
        };
        let size = match &event.body {
            Body::Image(image) => usize::try_from(image.whole.bytes).unwrap_or(usize::MAX),
            _ => event.raw.len(),
        };
        Some(Came {
            index,
            at,
            feed,
            size,
            what,
        })
    }

    pub(crate) fn heard(&self) -> Option<&Heard<'a>> {
        match &self.what {
            What::Message(heard) => Some(heard),
            What::Unread { .. } | What::Lines { .. } => None,
        }
    }

    pub(crate) fn lines(&self) -> Option<&'a Signals> {
        match self.what {
            What::Lines { batch, .. } => Some(batch),
            What::Message(_) | What::Unread { .. } => None,
        }
    }

    /// The kinds of lines, and how many of each.
    pub(crate) fn kinds(&self) -> impl Iterator<Item = (&'a str, u64)> {
        let kinds = self.lines().map_or(&[][..], |batch| &batch.kinds);
        kinds
            .iter()
            .map(|(kind, lines)| (short(kind, TEXT_CHARACTERS_MAX), *lines))
    }

    /// Why it, or some of it, could not be read or was not kept; `None`: nothing of the kind.
    pub(crate) fn trouble(&self) -> Option<String> {
        match self.what {
            What::Message(_) => None,
            What::Unread { reason } => Some(reason.to_owned()),
            What::Lines { batch, reason } => {
                let parts = [
                    (batch.unread, "not read"),
                    (batch.cut, "pieces of longer lines"),
                    (batch.dropped, "not kept"),
                ];
                let parts = parts.iter().filter(|(count, _)| *count > 0);
                let parts: Vec<String> = parts
                    .map(|(count, what)| format!("{count} {what}"))
                    .collect();
                let why = if reason.is_empty() {
                    String::new()
                } else {
                    format!(": {reason}")
                };
                match parts.is_empty() {
                    true => (!reason.is_empty()).then(|| reason.to_owned()),
                    false => Some(format!(
                        "of {} lines {}{why}",
                        batch.lines,
                        parts.join(", ")
                    )),
                }
            }
        }
    }

    fn total(&self) -> Total {
        let bytes = self.size as u64;
        match self.what {
            What::Message(heard) => Total {
                messages: 1,
                kept: u64::from(!heard.mapped),
                reused: u64::from(heard.reused),
                odd: u64::from(heard.complaints > 0),
                bytes,
                ..Total::default()
            },
            What::Lines { batch, .. } => Total {
                messages: batch.lines,
                unread: batch.unread,
                dropped: batch.dropped,
                cut: batch.cut,
                bytes,
                ..Total::default()
            },
            What::Unread { .. } => Total {
                unread: 1,
                bytes,
                ..Total::default()
            },
        }
    }
}

impl Total {
    fn add(&mut self, other: Total) {
        self.messages += other.messages;
        self.kept += other.kept;
        self.reused += other.reused;
        self.odd += other.odd;
        self.unread += other.unread;
        self.dropped += other.dropped;
        self.cut += other.cut;
        self.bytes += other.bytes;
    }
}

/// The sums of a batch, so that the view is written once a feed, not once a message.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Sums<'a> {
    /// By feed: what to add, and when the last one came.
    pub(crate) feeds: BTreeMap<&'a str, (Total, Time)>,
    /// By width, start and feed: messages, unread.
    pub(crate) buckets: BTreeMap<(i64, i64, &'a str), (u64, u64)>,
    /// Not mapped, by feed and kind: messages, last index.
    pub(crate) kept: BTreeMap<(&'a str, &'a str), (u64, u64)>,
}

impl<'a> Sums<'a> {
    pub(crate) fn of(came: &[Came<'a>]) -> Sums<'a> {
        let mut sums = Sums::default();
        for one in came {
            sums.add(one);
        }
        sums
    }

    fn add(&mut self, came: &Came<'a>) {
        let total = came.total();
        let (sum, last) = self.feeds.entry(came.feed).or_default();
        sum.add(total);
        *last = came.at;
        for width in WIDTHS_MS {
            let start = bucket(came.at, width);
            let (messages, unread) = self.buckets.entry((width, start, came.feed)).or_default();
            *messages += total.messages;
            *unread += total.unread;
        }
        if let Some(heard) = came.heard().filter(|heard| !heard.mapped) {
            let (messages, last) = self.kept.entry((came.feed, heard.kind)).or_default();
            *messages += 1;
            *last = came.index;
        }
    }

    pub(crate) fn apply(&self, feed: &str, total: &mut Total) {
        if let Some((sum, _)) = self.feeds.get(feed) {
            total.add(*sum);
        }
    }
}

/// Begin of the bucket that a moment falls into.
pub(crate) fn bucket(at: Time, width_ms: i64) -> i64 {
    at.millis() - at.millis().rem_euclid(width_ms)
}

fn short(text: &str, characters_max: usize) -> &str {
    let end = text.char_indices().nth(characters_max);
    end.and_then(|(end, _)| text.get(..end)).unwrap_or(text)
}

#[cfg(test)]
pub(crate) mod tests {
    use event::{Act, Actor, Message, Subject, Unread};

    use super::*;

    pub(crate) fn message(feed: &str, kind: &str, control: &str) -> Event {
        let body = Body::Message(Message {
            feed: feed.into(),
            kind: kind.into(),
            control: control.into(),
            zone: "UTC".into(),
            charset: String::new(),
            authority: "MRN".into(),
            mapped: kind.starts_with("ORU") || kind.starts_with("ADT"),
            complaints: Vec::new(),
        });
        let subject = Subject::Patient("p".into());
        Event::new(Actor::feed(feed), Act::Send, subject, body).with_raw(b"MSH|^~\\&|".to_vec())
    }

    pub(crate) fn unread(feed: &str, reason: &str) -> Event {
        let body = Body::Unread(Unread {
            feed: feed.into(),
            reason: reason.into(),
        });
        Event::new(
            Actor::feed(feed),
            Act::Send,
            Subject::Feed(feed.into()),
            body,
        )
        .with_raw(vec![0; 7])
    }

    fn at(millis: i64) -> Time {
        Time::from_millis(millis)
    }

    #[test]
    fn a_batch_is_summed_by_feed_minute_and_kind() {
        let events = [
            message("lab", "ORU^R01", "1"),
            message("lab", "SIU^S12", "2"),
            unread("lab", "no `MSH`"),
            message("adt", "ADT^A01", "1"),
        ];
        let came: Vec<Came<'_>> = (5..)
            .zip(&events)
            .filter_map(|(index, event)| Came::of(index, at(59_999 + index as i64 - 5), event))
            .collect();
        let sums = Sums::of(&came);
        let (lab, last) = sums.feeds["lab"];
        assert_eq!(
            (lab.messages, lab.kept, lab.unread, lab.bytes),
            (2, 1, 1, 25)
        );
        assert_eq!(last, at(60_001));
        assert_eq!(sums.buckets[&(MINUTE_MS, 0, "lab")], (1, 0));
        assert_eq!(sums.buckets[&(MINUTE_MS, 60_000, "lab")], (1, 1));
        assert_eq!(sums.buckets[&(HOUR_MS, 0, "lab")], (2, 1));
        assert_eq!(sums.kept[&("lab", "SIU^S12")], (1, 6));
        assert_eq!(sums.kept.len(), 1);
    }

    #[test]
    fn events_that_came_by_no_feed_are_passed_over() {
        let event = Event::new(
            Actor::salus(),
            Act::Read,
            Subject::Record,
            Body::Opened(event::Opened { origin: "o".into() }),
        );
        assert_eq!(Came::of(0, at(0), &event), None);
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        let long = "ü".repeat(300);
        assert_eq!(short(&long, 200).chars().count(), 200);
        assert_eq!(short("ü", 200), "ü");
    }

    #[test]
    fn a_moment_before_the_epoch_has_its_bucket() {
        assert_eq!(bucket(at(-1), HOUR_MS), -HOUR_MS);
    }
}
