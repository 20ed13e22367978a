//! What a door received, for the interface analyst: each message that is shown is a look, decided and
//! sealed before.

mod shown;

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use event::{Act, Body};
use guard::Ask;
use record::{Sealed, Witnessed};
use serde::{Deserialize, Serialize};

use crate::assemble::House;
use crate::cli::Show;
use crate::operations::operator;
use crate::signals::zone;

/// Messages in one answer, at most.
pub(crate) const MESSAGES_MAX: u32 = 1_000;
/// Events that are looked through for the newest messages of a feed, at most.
const SCANNED_MAX: u64 = 200_000;
/// Events read at once.
const READ_EVENTS: u64 = 1_000;
/// How long an answer waits for something new.
const WAIT: Duration = Duration::from_secs(10);
/// The fewest and the most characters of a reason, as on the page.
const REASON_LETTERS: std::ops::RangeInclusive<usize> = 8..=500;

/// What is asked for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Wanted {
    pub(crate) feed: String,
    pub(crate) reason: String,
    pub(crate) show: Show,
    /// The newest, so many.
    pub(crate) last: u32,
    /// What came from this index on instead, as soon as there is something.
    pub(crate) from: Option<u64>,
}

/// What was received.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Captured {
    pub(crate) messages: Vec<Received>,
    /// Where to go on from.
    pub(crate) next: u64,
    /// Not all of the record was looked through.
    pub(crate) partly: bool,
}

/// One message, or one batch of lines.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Received {
    pub(crate) index: u64,
    pub(crate) at: String,
    /// Its kind: `ORU^R01`, `not understood`, or how its lines are read.
    pub(crate) kind: String,
    /// The sealed decision that allowed the look.
    pub(crate) decision: u64,
    /// What was odd about it, in words.
    pub(crate) complaints: Vec<String>,
    /// What is shown of it.
    pub(crate) lines: Vec<String>,
}

impl House {
    /// Shows what a feed sent.
    pub(crate) async fn capture(&self, wanted: &Wanted) -> Result<Captured> {
        let letters = wanted.reason.trim().chars().count();
        if !REASON_LETTERS.contains(&letters) {
            bail!(
                "`--reason` must have {} to {} characters",
                REASON_LETTERS.start(),
                REASON_LETTERS.end()
            );
        }
        let (found, next, partly) = match wanted.from {
            Some(from) => self.since(wanted, from).await?,
            None => self.newest(wanted).await?,
        };
        let mut messages = Vec::with_capacity(found.len());
        for sealed in &found {
            messages.push(self.look(sealed, wanted).await?);
        }
        Ok(Captured {
            messages,
            next,
            partly,
        })
    }

    /// The newest of a feed, in their order.
    async fn newest(&self, wanted: &Wanted) -> Result<(Vec<Sealed>, u64, bool)> {
        let record = &self.app.record;
        let size = record.size();
        let most = usize::try_from(wanted.last.min(MESSAGES_MAX))?;
        let (mut found, mut end) = (Vec::new(), size);
        let until = size.saturating_sub(SCANNED_MAX);
        while end > until && found.len() < most {
            let from = end.saturating_sub(READ_EVENTS).max(until);
            let mut events = self.between(from, end).await?;
            events.retain(|one| is_of(one, &wanted.feed));
            found.extend(events.into_iter().rev());
            end = from;
        }
        let partly = found.len() < most && until > 0;
        found.truncate(most);
        found.reverse();
        Ok((found, size, partly))
    }

    /// What came from an index on, as soon as something did; nothing, if that takes too long.
    async fn since(&self, wanted: &Wanted, from: u64) -> Result<(Vec<Sealed>, u64, bool)> {
        let record = &self.app.record;
        let mut growth = record.growth();
        let _ = tokio::time::timeout(WAIT, growth.wait_for(|size| *size > from)).await;
        let end = record.size().min(from.saturating_add(READ_EVENTS));
        let mut events = self.between(from, end).await?;
        events.retain(|one| is_of(one, &wanted.feed));
        Ok((events, end.max(from), false))
    }

    async fn between(&self, from: u64, end: u64) -> Result<Vec<Sealed>> {
        let (mut found, mut next) = (Vec::new(), from);
        while next < end {
            let left = usize::try_from(end - next)?;
            let (events, after) = self.app.record.read_until(next, left).await?;
            found.extend(events);
            if after <= next {
                break;
            }
            next = after;
        }
        Ok(found)
    }

    /// One look: decided, sealed, then shown.
    async fn look(&self, sealed: &Sealed, wanted: &Wanted) -> Result<Received> {
        let event = sealed.event();
        let ask = Ask {
            identity: operator(),
            act: Act::ReadMessage,
            subject: event.subject.clone(),
            kinds: Vec::new(),
            purpose: "HOPERAT".into(),
            reason: Some(wanted.reason.trim().to_owned()),
            detail: format!("event {}", sealed.index()),
        };
        let decision = self.app.decide(ask).await.context("cannot decide")?;
        let permit = match self.app.record.witness(decision).await? {
            Witnessed::Allowed(permit) => permit,
            Witnessed::Refused(_, decision) => bail!("{}", decision.words().join(" ")),
        };
        let blind = self.app.record.blind();
        let (kind, complaints) = told(&event.body);
        Ok(Received {
            index: sealed.index(),
            at: sealed.at().to_string(),
            kind,
            decision: permit.index(),
            complaints,
            lines: shown::lines(
                event,
                wanted.show,
                (&blind, &zone(&self.config.signals, &wanted.feed)),
            ),
        })
    }
}

fn is_of(sealed: &Sealed, feed: &str) -> bool {
    match &sealed.event().body {
        Body::Message(message) => message.feed == feed,
        Body::Unread(unread) => unread.feed == feed,
        Body::Signals(batch) => batch.feed == feed,
        Body::Image(image) => image.feed == feed,
        _ => false,
    }
}

fn told(body: &Body) -> (String, Vec<String>) {
    match body {
        Body::Message(message) => (message.kind.clone(), message.complaints.clone()),
        Body::Unread(unread) => ("not understood".to_owned(), vec![unread.reason.clone()]),
        Body::Image(image) => {
            let kind = format!("DICOM {}", image.modality);
            (kind, image.complaints.clone())
        }
        Body::Signals(batch) => {
            let odd = Some(batch.reason.clone()).filter(|why| !why.is_empty());
            let kind = format!("{} lines, {}", batch.lines, batch.format);
            (kind, odd.into_iter().collect())
        }
        _ => (String::new(), Vec::new()),
    }
}
