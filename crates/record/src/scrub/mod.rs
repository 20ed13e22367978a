//! Looks the whole record over, again and again and not too fast: finds what was altered outside
//! the path, names it, puts it right from what is left, and seals that it happened.

mod bundle;
mod keys;
mod tell;
mod truth;

use std::collections::HashSet;
use std::sync::Weak;
use std::time::{Duration, Instant};

use event::Time;
use seal::TILE_WIDTH;
use tokio::sync::{Mutex, watch};

use bundle::{Wrong, part};
pub use tell::json_differences;
use truth::Truth;

use crate::Error;
use crate::door::{Inner, Record};
use crate::journal::{Published, Row};
use crate::sealed::Outcome;
use crate::vault::CHECKPOINT;

const WIDTH: u64 = TILE_WIDTH as u64;
/// Between two looks at the end of the record, where forged rows would be.
const REST: Duration = Duration::from_secs(1);

/// What a look over the whole record came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scrubbed {
    /// When it ended; `None`: none has ended yet.
    pub at: Option<Time>,
    /// Events looked at.
    pub events: u64,
    /// Bytes re-read and hashed.
    pub bytes: u64,
    /// Things that were found altered.
    pub altered: u64,
    /// Those of them that were put right.
    pub healed: u64,
}

/// What is remembered between looks.
pub(crate) struct Scrub {
    done: watch::Sender<Scrubbed>,
    /// Held by whoever looks.
    looking: Mutex<Told>,
}

/// What was said already and could not be healed: it is not said each time.
#[derive(Default)]
struct Told {
    before: Option<Time>,
    said: HashSet<(Option<u64>, String, String)>,
    /// Whose keys were looked at in this round.
    keys: keys::Seen,
}

impl Scrub {
    pub(crate) fn new() -> Scrub {
        Scrub {
            done: watch::Sender::new(Scrubbed::default()),
            looking: Mutex::default(),
        }
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
        if let Err(why) = held.scrub(rate).await {
            tracing::error!(%why, "the record could not be looked over; trying again");
        }
        drop(held);
        for _ in 0..rest.max(1) {
            tokio::time::sleep(REST).await;
            let Some(held) = inner.upgrade() else { return };
            if let Err(why) = held.look_at_the_end().await {
                tracing::error!(%why, "the end of the record could not be looked at");
            }
        }
    }
}

impl Inner {
    /// One look over everything, at most `rate` bytes a second (0: as fast as it goes).
    async fn scrub(&self, rate: u64) -> Outcome<Scrubbed> {
        let mut told = self.scrub.looking.lock().await;
        let mut sum = Scrubbed::default();
        self.checkpoint_file(&mut told, &mut sum).await?;
        let head = self.publisher.last.lock().await.clone();
        if let Some(head) = head {
            self.bundles(&head, (&mut told, &mut sum), rate).await?;
        }
        self.forged(&mut told, &mut sum).await?;
        let now = self.clock.now();
        (sum.at, told.before) = (Some(now), Some(now));
        self.scrub.done.send_replace(sum.clone());
        Ok(sum)
    }

    /// Forged rows, and the events that were sealed last: what an altered one would keep from
    /// being published.
    async fn look_at_the_end(&self) -> Outcome<()> {
        let mut told = self.scrub.looking.lock().await;
        let mut sum = Scrubbed::default();
        self.forged(&mut told, &mut sum).await?;
        let size = self
            .publisher
            .last
            .lock()
            .await
            .as_ref()
            .map_or(0, |last| last.size);
        if !size.is_multiple_of(WIDTH) {
            self.unfinished((&mut told, &mut sum)).await?;
        }
        Ok(())
    }

    async fn bundles(
        &self,
        head: &Published,
        (told, sum): (&mut Told, &mut Scrubbed),
        rate: u64,
    ) -> Outcome<()> {
        let mut truth = Truth::of(self, head)?;
        let begun = Instant::now();
        told.keys.clear();
        for number in 0..truth.size() / WIDTH {
            let (wrong, bytes) = bundle::look(self, &mut truth, (number, &mut told.keys)).await?;
            sum.events += WIDTH;
            sum.bytes += bytes;
            self.tell(wrong, (told, sum)).await?;
            if rate > 0 {
                let due = Duration::from_secs_f64(sum.bytes as f64 / rate as f64);
                tokio::time::sleep(due.saturating_sub(begun.elapsed())).await;
            }
        }
        let upper = truth.upper_files().await?;
        self.tell(upper, (told, sum)).await?;
        self.unfinished((told, sum)).await
    }

    /// The last bundle, whose files grow: nothing is published meanwhile.
    async fn unfinished(&self, (told, sum): (&mut Told, &mut Scrubbed)) -> Outcome<()> {
        let last = self.publisher.last.lock().await;
        let Some(head) = last.as_ref() else {
            return Ok(());
        };
        let mut truth = Truth::of(self, head)?;
        let (size, mut wrong) = (truth.size(), Vec::new());
        if !size.is_multiple_of(WIDTH) {
            let (found, bytes) =
                bundle::look(self, &mut truth, (size / WIDTH, &mut told.keys)).await?;
            (wrong, sum.events, sum.bytes) = (found, sum.events + size % WIDTH, sum.bytes + bytes);
        }
        drop(last);
        self.tell(wrong, (told, sum)).await
    }

    /// Rows that no commit accounts for are taken away and kept as evidence.
    async fn forged(&self, told: &mut Told, sum: &mut Scrubbed) -> Outcome<()> {
        let forged = self.journal.take_forged().await.map_err(broken)?;
        let wrong = forged.iter().map(|row: &Row| Wrong {
            index: Some(row.seq),
            stream: Some(row.stream),
            healed_from: Some("journal"),
            evidence: bundle::evidence(row),
            ..Wrong::file(vec![part(
                "row",
                "nothing",
                "a row beyond the head: forged",
            )])
        });
        self.tell(wrong.collect(), (told, sum)).await
    }

    /// The published checkpoint against the one that SQL and memory hold.
    async fn checkpoint_file(&self, told: &mut Told, sum: &mut Scrubbed) -> Outcome<()> {
        let last = self.publisher.last.lock().await;
        let Some(head) = last.clone() else {
            return Ok(());
        };
        let found = self
            .vault
            .get(CHECKPOINT)
            .await
            .map_err(broken)?
            .unwrap_or_default();
        if found == head.note.as_bytes() {
            return Ok(());
        }
        self.publisher.put_checkpoint(&head.note).await?;
        drop(last);
        let seen = String::from_utf8_lossy(&found).into_owned();
        let part = part("vault/checkpoint", &head.note, seen);
        let wrong = Wrong {
            healed_from: Some("journal"),
            evidence: found.to_vec(),
            ..Wrong::file(vec![part])
        };
        self.tell(vec![wrong], (told, sum)).await
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
