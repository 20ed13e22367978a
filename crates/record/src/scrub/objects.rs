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
use crate::vault::{Second, VaultFault, checked};

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
        let before = self.judged_before(i64::from(days) * DAY_MS);
        let after = self.scrub.looking.lock().await.objects_after.clone();
        let (vault, max) = (self.vault.as_ref(), self.config.objects_names_max);
        let mut unnamed = Unnamed::load(vault, &after, max).await?;
        unnamed.before(&day(before));
        Ok(Round {
            sum: Scrubbed::default(),
            rate,
            begun: Instant::now(),
            unnamed,
            doubt: false,
        })
    }

    /// Before which moment an object was stored that may be judged.
    ///
    /// INVARIANT: another primary may put objects into the same bucket, and its events are not here.
    /// So only what was stored before the last event that was here at the start is judged: by then
    /// this record knew who names what, whoever took over since.
    fn judged_before(&self, age_ms: i64) -> Time {
        let own = self.before_start.millis() - i64::from(UNNAMED_DAYS_MIN) * DAY_MS;
        Time::from_millis(own.min(self.clock.now().millis() - age_ms))
    }

    /// Whether objects may be removed in the name of the primary.
    fn may_remove(&self) -> bool {
        self.standby.is_none() && self.in_office().is_ok()
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

    /// Puts right what can be, and seals what came of it, with what lay there: evidence.
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
        let evidence = self.beginning(path).await;
        // A machine that may seal nothing puts nothing right either.
        let good = self.may_remove() && self.bring_second(path).await;
        round.doubt |= !good;
        let sealed = path.rsplit('/').next().unwrap_or_default();
        let sealed = format!("an object of {} bytes, SHA-256 {sealed}", one.whole.bytes);
        let part = AlteredPart::new(format!("vault/{path}"), sealed, holding.found());
        let wrong = Wrong {
            index: Some(one.index),
            stream: Some(one.stream),
            healed_from: good.then_some("second"),
            evidence,
            ..Wrong::file(vec![part])
        };
        let mut told = self.scrub.looking.lock().await;
        self.tell(vec![wrong], (&mut told, &mut round.sum)).await
    }

    /// Brings an object from the second place, if it has the right bytes; whether it is here then.
    async fn bring_second(&self, path: &str) -> bool {
        let Some(pieces) = self.second(path).await else {
            return false;
        };
        let brought = self.vault.bring(path, pieces).await;
        let failed = |why: &VaultFault| tracing::warn!(%why, "an object was not put right");
        brought.inspect_err(failed).is_ok()
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

    /// What lies there instead of an object, as far as it can be read.
    async fn beginning(&self, path: &str) -> Vec<u8> {
        let mut evidence = Vec::new();
        let Ok(Some(mut pieces)) = self.vault.read(path).await else {
            return evidence;
        };
        while evidence.len() < EVIDENCE_BYTES_MAX
            && let Ok(Some(piece)) = pieces.try_next().await
        {
            evidence.extend_from_slice(&piece);
        }
        evidence.truncate(EVIDENCE_BYTES_MAX);
        evidence
    }

    /// Removes what no event names, once every committed event was looked at. Only the primary does,
    /// and not while another may be.
    pub(super) async fn unnamed(&self, from: u64, round: &mut Round) -> Outcome<()> {
        if !self.may_remove() {
            return Ok(());
        }
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
        if holding.held != Held::Whole || !known || !self.may_remove() {
            return Ok(());
        }
        if let Err(why) = self.vault.discard(path).await {
            tracing::warn!(%why, "an object that no event names stays");
            return Ok(());
        }
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
