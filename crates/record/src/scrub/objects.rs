//! The objects that events name, held against what was sealed; and those that no event names, which
//! a crash between the two can leave.

use std::time::{Duration, Instant};

use event::{AlteredPart, Time};
use futures_util::TryStreamExt as _;

use super::bundle::Wrong;
use super::{Scrubbed, broken};
use crate::door::Inner;
use crate::object::{DAY_MS, Held, Holding, Named, Naming, Unnamed, day, hold, naming};
use crate::sealed::Outcome;
use crate::vault::{Second, checked};

/// Days after which an object can be removed, at least: an event names it within two.
const UNNAMED_DAYS_MIN: u32 = 2;
/// Bytes of a forgery that are kept, at most.
const EVIDENCE_BYTES_MAX: usize = 1 << 20;
/// Rows that are read at a time.
const ROWS: usize = 256;

/// One look over everything.
pub(super) struct Round {
    pub(super) sum: Scrubbed,
    rate: u64,
    begun: Instant,
    unnamed: Unnamed,
    /// Something could not be read, or is missing for good: nothing is removed in this round.
    doubt: bool,
}

impl Round {
    /// Bytes were read faster than they may be by this long.
    pub(super) fn ahead(&self) -> Duration {
        if self.rate == 0 {
            return Duration::ZERO;
        }
        let due = Duration::from_secs_f64(self.sum.bytes as f64 / self.rate as f64);
        due.saturating_sub(self.begun.elapsed())
    }
}

impl Inner {
    /// Begins a look at `rate` bytes a second (0: as fast as it goes).
    pub(super) async fn round(&self, rate: u64) -> Outcome<Round> {
        let days = self.config.objects_unnamed_days.max(UNNAMED_DAYS_MIN);
        let before = self.clock.now().millis() - i64::from(days) * DAY_MS;
        let after = self.scrub.looking.lock().await.objects_after.clone();
        let (vault, max) = (self.vault.as_ref(), self.config.objects_names_max);
        let mut unnamed = Unnamed::load(vault, &after, max).await?;
        unnamed.before(&day(Time::from_millis(before)));
        Ok(Round {
            sum: Scrubbed::default(),
            rate,
            begun: Instant::now(),
            unnamed,
            doubt: false,
        })
    }

    /// Holds the objects that a bundle names against what was sealed.
    pub(super) async fn objects(&self, naming: Naming, round: &mut Round) -> Outcome<()> {
        round.doubt |= naming.doubt;
        round.unnamed.strike(&naming);
        for one in &naming.named {
            let holding = hold(self.vault.as_ref(), &one.whole.path).await?;
            round.sum.bytes += holding.bytes;
            round.sum.objects += 1;
            if holding.held != Held::Whole {
                self.object_is_wrong((one, &holding), round).await?;
            }
            self.pause(round.ahead()).await?;
        }
        Ok(())
    }

    /// Seals what is wrong, and only then puts it right.
    async fn object_is_wrong(
        &self,
        (one, holding): (&Named, &Holding),
        round: &mut Round,
    ) -> Outcome<()> {
        let path = &one.whole.path;
        // Whoever was erased since has no objects to be missed.
        if self.keyring.key(&one.stream).await?.is_none() {
            return Ok(());
        }
        let good = self.has_second(path).await;
        round.doubt |= !good;
        let sealed = path.rsplit('/').next().unwrap_or_default();
        let sealed = format!("an object of {} bytes, SHA-256 {sealed}", one.whole.bytes);
        let part = AlteredPart::new(format!("vault/{path}"), sealed, holding.found());
        let wrong = Wrong {
            index: Some(one.index),
            stream: Some(one.stream),
            healed_from: good.then_some("second"),
            evidence: self.beginning(path).await?,
            ..Wrong::file(vec![part])
        };
        let mut told = self.scrub.looking.lock().await;
        self.tell(vec![wrong], (&mut told, &mut round.sum)).await?;
        match good {
            true => self.bring_second(path).await,
            false => Ok(()),
        }
    }

    /// Whether the second place has the right bytes. One that cannot be reached has none.
    async fn has_second(&self, path: &str) -> bool {
        let found = async {
            let pieces = self.second(path).await?;
            pieces.try_for_each(|_| async { Ok(()) }).await.ok()
        };
        found.await.is_some()
    }

    async fn bring_second(&self, path: &str) -> Outcome<()> {
        let gone = || broken(format!("`{path}` is gone from `objects_second`"));
        let pieces = self.second(path).await.ok_or_else(gone)?;
        self.vault.bring(path, pieces).await.map_err(broken)
    }

    /// An object as the second place has it, believed only if it is what its name says.
    async fn second(&self, path: &str) -> Option<crate::vault::Pieces> {
        let place = self.config.objects_second.as_ref()?;
        let found = async { Second::open(place)?.read(path).await };
        let found = found
            .await
            .inspect_err(|why| tracing::warn!(%why, "`objects_second` cannot be read"));
        Some(checked(path, found.ok()??))
    }

    /// What lies there instead of an object: evidence.
    async fn beginning(&self, path: &str) -> Outcome<Vec<u8>> {
        let mut evidence = Vec::new();
        let Some(mut pieces) = self.vault.read(path).await.map_err(broken)? else {
            return Ok(evidence);
        };
        while evidence.len() < EVIDENCE_BYTES_MAX
            && let Some(piece) = pieces.try_next().await.map_err(broken)?
        {
            evidence.extend_from_slice(&piece);
        }
        evidence.truncate(EVIDENCE_BYTES_MAX);
        Ok(evidence)
    }

    /// Removes what no event names, once every committed event was looked at.
    pub(super) async fn unnamed(&self, from: u64, round: &mut Round) -> Outcome<()> {
        self.names_beyond(from, round).await?;
        if !round.doubt {
            for path in round.unnamed.left() {
                self.remove(&path, &mut round.sum).await?;
            }
        }
        let next = round.unnamed.next.take().unwrap_or_default();
        self.scrub.looking.lock().await.objects_after = next;
        Ok(())
    }

    /// What committed events name that are under no checkpoint yet.
    async fn names_beyond(&self, mut from: u64, round: &mut Round) -> Outcome<()> {
        loop {
            let rows = self.journal.rows(from, ROWS).await.map_err(broken)?;
            let Some(last) = rows.last() else {
                return Ok(());
            };
            from = last.seq + 1;
            let naming = naming(&self.keyring, rows).await?;
            round.doubt |= naming.doubt;
            round.unnamed.strike(&naming);
        }
    }

    /// INVARIANT: only what can be opened is removed: of an object whose key is not here, nobody
    /// can tell whether an event names it.
    async fn remove(&self, path: &str, sum: &mut Scrubbed) -> Outcome<()> {
        let holding = hold(self.vault.as_ref(), path).await?;
        let known = match &holding.stream {
            Some(stream) => self.keyring.key(stream).await?.is_some(),
            None => false,
        };
        if holding.held != Held::Whole || !known {
            return Ok(());
        }
        self.vault.discard(path).await.map_err(broken)?;
        sum.removed += 1;
        sum.removed_bytes += holding.bytes;
        tracing::warn!(
            path,
            bytes = holding.bytes,
            "an object that no event names was removed"
        );
        Ok(())
    }
}
