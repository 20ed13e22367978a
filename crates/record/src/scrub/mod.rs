//! Looks the whole record over, again and again and not too fast: finds what was altered outside
//! the path, names it, puts it right from what is left, and seals that it happened.

mod bundle;
mod keys;
mod objects;
mod tell;
mod truth;

use std::collections::HashSet;
use std::sync::Weak;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use event::{AlteredPart, Time};
use seal::TILE_WIDTH;
use tokio::sync::{Mutex, watch};

use bundle::{Looked, Wrong};
use objects::Round;
pub use tell::{FIELDS_MAX, json_differences};
use truth::Truth;

use crate::Error;
use crate::door::{Inner, Record};
use crate::journal::{Published, Row};
use crate::object::Naming;
use crate::sealed::Outcome;
use crate::vault::CHECKPOINT;

const WIDTH: u64 = TILE_WIDTH as u64;
/// Between two looks at the end of the record, where forged rows would be.
const REST: Duration = Duration::from_secs(1);
/// Forged rows that are taken away at a time.
const FORGED_MAX: usize = 1_000;

/// What a look over the whole record came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scrubbed {
    /// When it ended; `None`: none has ended yet.
    pub at: Option<Time>,
    /// Events looked at.
    pub events: u64,
    /// Bytes re-read and hashed.
    pub bytes: u64,
    /// Objects that events name, held against what was sealed.
    pub objects: u64,
    /// Objects that no event names, and that were removed.
    pub removed: u64,
    /// Their bytes.
    pub removed_bytes: u64,
    /// Things that were found altered.
    pub altered: u64,
    /// Those of them that were put right.
    pub healed: u64,
}

/// What is remembered between looks.
pub(crate) struct Scrub {
    done: watch::Sender<Scrubbed>,
    /// Held by whoever looks, for one bundle at a time: an order to look at once need not wait.
    looking: Mutex<Told>,
    /// No checkpoint could be made: something among the newest events may be altered.
    stuck: AtomicBool,
}

/// What was said already and could not be healed: it is not said each time.
#[derive(Default)]
struct Told {
    before: Option<Time>,
    said: HashSet<(Option<u64>, String, String)>,
    /// Whose keys were looked at in this round.
    keys: keys::Seen,
    /// After which object the next round looks for those that no event names; empty: from the first.
    objects_after: String,
}

impl Scrub {
    pub(crate) fn new() -> Scrub {
        Scrub {
            done: watch::Sender::new(Scrubbed::default()),
            looking: Mutex::default(),
            stuck: AtomicBool::new(false),
        }
    }

    /// Says that no checkpoint could be made.
    pub(crate) fn stuck(&self) {
        self.stuck.store(true, Ordering::Relaxed);
    }
}

impl Record {
    /// Looks over everything now, as fast as it can.
    ///
    /// # Errors
    /// [`Error::Broken`] if journal or vault cannot be read, or what was found cannot be sealed.
    pub async fn scrub(&self) -> Outcome<Scrubbed> {
        self.inner.scrub(0).await
    }

    /// How the last look over the whole record went.
    pub fn scrubbed(&self) -> watch::Receiver<Scrubbed> {
        self.inner.scrub.done.subscribe()
    }
}

/// Looks until the record is gone.
pub(crate) async fn now_and_then(inner: Weak<Inner>) {
    loop {
        let Some(held) = inner.upgrade() else { return };
        let (rate, rest) = (
            held.config.scrub_bytes_per_second,
            held.config.scrub_rest_seconds,
        );
        if rate == 0 {
            return;
        }
        match held.scrub(rate).await {
            // The supervisor stops.
            Err(Error::Uprooted { .. }) => return,
            Err(why) => tracing::error!(%why, "the record could not be looked over; trying again"),
            Ok(_) => {}
        }
        drop(held);
        for _ in 0..rest.max(1) {
            tokio::time::sleep(REST).await;
            let Some(held) = inner.upgrade() else { return };
            match held.look_at_the_end().await {
                Err(Error::Uprooted { .. }) => return,
                Err(why) => tracing::error!(%why, "the end of the record could not be looked at"),
                Ok(()) => {}
            }
        }
    }
}

impl Inner {
    /// One look over everything, at most `rate` bytes a second (0: as fast as it goes).
    async fn scrub(&self, rate: u64) -> Outcome<Scrubbed> {
        self.grounded()?;
        let mut round = self.round(rate).await?;
        self.scrub.looking.lock().await.keys.clear();
        self.checkpoint_file(&mut round.sum).await?;
        let head = self.publisher.last.lock().await.clone();
        if let Some(head) = &head {
            self.bundles(head, &mut round).await?;
        }
        self.forged(&mut round.sum).await?;
        self.unnamed(head.map_or(0, |head| head.size), &mut round)
            .await?;
        let now = self.clock.now();
        let mut sum = round.sum;
        sum.at = Some(now);
        self.scrub.looking.lock().await.before = Some(now);
        self.scrub.done.send_replace(sum.clone());
        Ok(sum)
    }

    /// Forged rows, and if no checkpoint can be made the newest events.
    async fn look_at_the_end(&self) -> Outcome<()> {
        self.grounded()?;
        let mut sum = Scrubbed::default();
        self.forged(&mut sum).await?;
        if self.scrub.stuck.swap(false, Ordering::Relaxed) {
            self.unfinished(&mut sum).await.map(drop)?;
        }
        Ok(())
    }

    async fn bundles(&self, head: &Published, round: &mut Round) -> Outcome<()> {
        let mut truth = Truth::of(self, head)?;
        for number in 0..truth.size() / WIDTH {
            let naming = {
                let mut told = self.scrub.looking.lock().await;
                let looked = bundle::look(self, &mut truth, (number, &mut told.keys)).await?;
                round.sum.events += WIDTH;
                self.settle(looked, (&mut told, &mut round.sum)).await?
            };
            self.objects(naming, round).await?;
            self.pause(round.ahead()).await?;
        }
        let upper = truth.upper_files().await?;
        let mut told = self.scrub.looking.lock().await;
        self.tell(upper, (&mut told, &mut round.sum)).await?;
        drop(told);
        let naming = self.unfinished(&mut round.sum).await?;
        self.objects(naming, round).await
    }

    /// Rests between two bundles; the end is looked at meanwhile.
    async fn pause(&self, mut left: Duration) -> Outcome<()> {
        while !left.is_zero() {
            let some = left.min(REST);
            tokio::time::sleep(some).await;
            left -= some;
            if some == REST || self.scrub.stuck.load(Ordering::Relaxed) {
                self.look_at_the_end().await?;
            }
        }
        Ok(())
    }

    /// The last bundle, whose files grow: nothing is published meanwhile.
    async fn unfinished(&self, sum: &mut Scrubbed) -> Outcome<Naming> {
        let last = self.publisher.last.lock().await;
        let Some(head) = last.as_ref() else {
            return Ok(Naming::default());
        };
        let mut truth = Truth::of(self, head)?;
        let size = truth.size();
        if size.is_multiple_of(WIDTH) {
            return Ok(Naming::default());
        }
        let mut told = self.scrub.looking.lock().await;
        let looked = bundle::look(self, &mut truth, (size / WIDTH, &mut told.keys)).await?;
        sum.events += size % WIDTH;
        self.settle(looked, (&mut told, sum)).await
    }

    /// Seals what is wrong, and only then puts it right. Which objects the bundle names.
    async fn settle(
        &self,
        mut looked: Looked,
        (told, sum): (&mut Told, &mut Scrubbed),
    ) -> Outcome<Naming> {
        // INVARIANT: what was put in the place of the data folder is no alteration of the record, and is not healed.
        self.grounded()?;
        let naming = std::mem::take(&mut looked.naming);
        sum.bytes += looked.bytes;
        self.tell(std::mem::take(&mut looked.wrong), (told, sum))
            .await?;
        looked.heal(self).await?;
        Ok(naming)
    }

    /// Rows that no commit accounts for are kept as evidence and taken away.
    async fn forged(&self, sum: &mut Scrubbed) -> Outcome<()> {
        let head = self.journal.frontier().await.map_err(broken)?.size();
        let beyond = self.journal.rows(head, FORGED_MAX).await;
        let beyond = beyond.map_err(broken)?;
        if beyond.is_empty() {
            return Ok(());
        }
        // What was committed between the two looks is no forgery: the tree has grown with it.
        let head = self.journal.frontier().await.map_err(broken)?.size();
        let forged = beyond.iter().filter(|row| row.seq >= head);
        let wrong: Vec<Wrong> = forged.map(forgery).collect();
        if wrong.is_empty() {
            return Ok(());
        }
        let mut told = self.scrub.looking.lock().await;
        self.tell(wrong, (&mut told, sum)).await?;
        let taken = self.journal.take_forged().await;
        taken.map(drop).map_err(broken)
    }

    /// The published checkpoint against the one that SQL and memory hold.
    async fn checkpoint_file(&self, sum: &mut Scrubbed) -> Outcome<()> {
        let last = self.publisher.last.lock().await;
        let Some(head) = last.as_ref() else {
            return Ok(());
        };
        let found = self.vault.get(CHECKPOINT).await.map_err(broken)?;
        let found = found.unwrap_or_default();
        if found == head.note.as_bytes() {
            return Ok(());
        }
        let seen = String::from_utf8_lossy(&found);
        let wrong = Wrong {
            healed_from: Some("journal"),
            evidence: found.to_vec(),
            ..Wrong::file(vec![AlteredPart::new("vault/checkpoint", &head.note, seen)])
        };
        let mut told = self.scrub.looking.lock().await;
        self.tell(vec![wrong], (&mut told, sum)).await?;
        self.publisher.put_checkpoint(&head.note).await
    }
}

fn forgery(row: &Row) -> Wrong {
    let found = "a row beyond the head: forged";
    Wrong {
        index: Some(row.seq),
        stream: Some(row.stream),
        healed_from: Some("journal"),
        evidence: bundle::evidence(row),
        ..Wrong::file(vec![AlteredPart::new("row", "nothing", found)])
    }
}

impl Truth<'_> {
    /// Tiles above the leaves that are not what they should be, put right.
    async fn upper_files(&mut self) -> Outcome<Vec<Wrong>> {
        let mut wrong = Vec::new();
        let (mut count, mut level) = (self.size() / WIDTH, 1_u8);
        while count > 0 {
            for number in 0..count.div_ceil(WIDTH) {
                wrong.extend(self.upper_file(level, number).await?);
            }
            (count, level) = (count / WIDTH, level + 1);
        }
        Ok(wrong)
    }
}

fn broken(why: impl ToString) -> Error {
    Error::Broken {
        doing: "look the record over",
        why: why.to_string(),
    }
}
