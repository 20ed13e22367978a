//! Looks the record over, and holds the chart against a fresh fold of it: what somebody edited in
//! the view's file is named, sealed and put right.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use chart::{Chart, Differs};
use event::{Act, Actor, Altered, Body, Event, Subject, Time};
use guard::{Standing, admit};
use serde::{Deserialize, Serialize};
use tempfile::{Builder, TempDir};
use tokio_util::sync::CancellationToken;

use crate::assemble::House;
use crate::config::Config;

/// The fresh fold may be this many events behind before the view is held still for it.
const CLOSE_EVENTS: u64 = 1_000;
/// Rounds of catching up with a view that goes on; then it is held still all the same.
const ROUNDS_MAX: u32 = 20;
/// What was edited while nothing ran is found this long after a start.
const FIRST: Duration = Duration::from_secs(600);
/// A view that is behind is given this long; what it has folded by then is looked over.
const BEHIND: Duration = Duration::from_secs(10);
/// What the names of folders for fresh folds begin with.
const AFRESH: &str = "compared";
/// Bytes of a forgery that are kept, at most.
const EVIDENCE_BYTES_MAX: usize = 1 << 20;

/// What looking everything over came to.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Looked {
    /// Published events that were looked over.
    pub(crate) events: u64,
    /// Bytes re-read and hashed.
    pub(crate) bytes: u64,
    /// Objects that events name, held against what was sealed.
    pub(crate) objects: u64,
    /// Objects that no event names, and that were removed.
    pub(crate) removed: u64,
    /// Their bytes.
    pub(crate) removed_bytes: u64,
    /// Rows and files that were altered.
    pub(crate) altered: u64,
    /// Those of them that were put right.
    pub(crate) healed: u64,
    /// Events from which the chart was folded afresh to be compared.
    pub(crate) chart_events: u64,
    /// Entries of the chart that were altered; all were put right.
    pub(crate) chart_altered: u64,
    /// Rows of the other views that were altered; all were put right.
    pub(crate) views_altered: u64,
}

impl House {
    /// Looks over everything now.
    ///
    /// # Errors
    /// What keeps record or chart from being read, or what was found from being sealed.
    pub(crate) async fn look_over(&self) -> Result<Looked> {
        // What waits for the next second is looked over too; a row that was altered keeps it waiting.
        if let Err(why) = self.app.record.publish().await {
            tracing::warn!(%why, "the newest events are not under a checkpoint yet");
        }
        let record = self.app.record.scrub().await?;
        self.settle().await;
        let (chart_events, chart_altered, views_altered) = self.compare_all().await?;
        Ok(Looked {
            events: record.events,
            bytes: record.bytes,
            objects: record.objects,
            removed: record.removed,
            removed_bytes: record.removed_bytes,
            altered: record.altered,
            healed: record.healed,
            chart_events,
            chart_altered,
            views_altered,
        })
    }

    /// Lets the views that fold at a pace show what was sealed until now, so that it is looked over too.
    async fn settle(&self) {
        let (size, app) = (self.app.record.size(), &self.app);
        tokio::join!(
            app.chart.caught_up(size, BEHIND),
            app.access.caught_up(size, BEHIND),
            app.lifeline.caught_up(size, BEHIND),
        );
    }

    /// Holds all views against a fresh fold: (events of the chart, its entries that were altered,
    /// rows of the others that were).
    async fn compare_all(&self) -> Result<(u64, u64, u64)> {
        let mut whole_at = self.compared.lock().await;
        // First who may sign in and what was overseen: they decide what else is believed.
        let views_altered = self.compare_views(*whole_at).await?;
        let (chart_events, chart_altered) = self.compare_chart(*whole_at).await?;
        *whole_at = Some(self.clock.now());
        Ok((chart_events, chart_altered, views_altered))
    }

    /// Holds the chart against a fresh fold: (events folded, entries altered).
    async fn compare_chart(&self, whole_at: Option<Time>) -> Result<(u64, u64)> {
        let folder = afresh(&self.config)?;
        let mut config = self.config.chart()?;
        config.path = folder.path().join("chart.db");
        let fresh = Chart::open(config, &self.app.record).await?;
        let compared = self.compare_with(&fresh, whole_at).await;
        fresh.close().await;
        compared
    }

    async fn compare_with(&self, fresh: &Chart, whole_at: Option<Time>) -> Result<(u64, u64)> {
        let (record, live) = (&self.app.record, &self.app.chart);
        let reader = fresh.reader();
        let fold = async |until: u64| {
            let folded = record::fold_to(record, reader.as_ref(), until).await;
            folded.map_err(anyhow::Error::msg)
        };
        for _ in 0..ROUNDS_MAX {
            let until = *live.folded().borrow();
            fold(until).await?;
            if *live.folded().borrow() <= until + CLOSE_EVENTS {
                break;
            }
        }
        let mut still = live.still().await?;
        let folded = still.folded;
        fold(folded).await?;
        let differs = fresh
            .differences(&mut still, &record.erased().await?)
            .await?;
        drop(still);
        if differs.is_empty() {
            return Ok((folded, 0));
        }
        // What lies there is sealed as evidence before it is overwritten.
        for one in &differs {
            tracing::error!(event = one.version, "an entry of the chart was altered");
            let admitted = admit(told(one, whole_at).into(), Standing::Salus, "");
            let admitted = admitted.map_err(|refused| anyhow!(refused.words))?;
            record.admit(vec![admitted]).await?;
        }
        live.put_right(fresh, &differs).await?;
        Ok((folded, differs.len() as u64))
    }
}

/// A folder for views that are folded afresh: each comparison has one of its own, since a database
/// that is still being closed removes files by their names. They hold charts, and do not outlive it.
///
/// # Errors
/// What the file system said.
pub(crate) fn afresh(config: &Config) -> Result<TempDir> {
    let folder = Builder::new().prefix(AFRESH).tempdir_in(views(config));
    folder.with_context(|| format!("a folder in {}", views(config).display()))
}

/// A comparison that was broken off leaves no charts behind.
///
/// # Errors
/// What the file system said.
pub(crate) fn forget(config: &Config) -> Result<()> {
    for entry in fs::read_dir(views(config))? {
        let entry = entry?;
        if !entry.file_name().to_string_lossy().starts_with(AFRESH) {
            continue;
        }
        match entry.file_type()?.is_dir() {
            true => fs::remove_dir_all(entry.path())?,
            false => fs::remove_file(entry.path())?,
        }
    }
    Ok(())
}

fn views(config: &Config) -> PathBuf {
    config.data.join("views")
}

/// Compares the views now and then, until `stop`.
pub(crate) async fn now_and_then(house: Arc<House>, stop: CancellationToken) {
    let every = Duration::from_secs(60 * 60 * u64::from(house.config.chart.compare_every_hours));
    if every.is_zero() {
        return;
    }
    let mut pause = every.min(FIRST);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
        pause = every;
        let compared = tokio::select! {
            () = stop.cancelled() => return,
            compared = house.compare_all() => compared,
        };
        if let Err(why) = compared {
            tracing::error!(%why, "the views could not be compared; trying again later");
        }
    }
}

fn told(one: &Differs, whole_at: Option<Time>) -> Event {
    let patient = one.patient.clone().map(Subject::Patient);
    let body = Body::Alteration(Altered {
        index: one.version,
        parts: one.parts.clone(),
        whole_at,
        healed_from: Some("record".to_owned()),
        outside: None,
    });
    let subject = patient.unwrap_or(Subject::Record);
    let mut event = Event::new(Actor::salus(), Act::Manage, subject, body);
    event.raw.clone_from(&one.found);
    event.raw.truncate(EVIDENCE_BYTES_MAX);
    event
}
