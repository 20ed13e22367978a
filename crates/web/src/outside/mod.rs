//! Holds what another FHIR server has against what was sealed last, names what differs without a
//! message that says so, and puts back what a person ordered to be put back.

mod ask;
mod compare;
mod found;
mod put_back;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use event::Time;
use lifeline::UpstreamConfig;
use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex, watch};
use tokio_util::sync::CancellationToken;

use crate::App;
use compare::Comparison;
pub(crate) use found::subject;
pub(crate) use put_back::put_back;

/// What a comparison came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compared {
    /// Resources that were sealed and asked for there.
    pub read: u64,
    /// Those that say something else, without a message that explains it.
    pub changed: u64,
    /// Those that were sealed and are not there.
    pub missing: u64,
    /// Those that are there and were never sealed.
    pub unknown: u64,
    /// Those that a message explains.
    pub explained: u64,
    /// Those that changed so lately that the next comparison looks at them.
    pub waiting: u64,
    /// Differences that were sealed by this comparison; the others were before.
    pub told: u64,
    /// Former differences that are gone.
    pub settled: u64,
    /// There were more differences than one comparison names: it ended early.
    pub cut: bool,
}

/// What is remembered between comparisons.
#[derive(Default)]
pub(crate) struct Outside {
    /// Held while a comparison runs.
    last: Mutex<Last>,
    whole_at: watch::Sender<Option<Time>>,
    progress: watch::Sender<u64>,
}

/// How the last comparison ended.
#[derive(Default)]
struct Last {
    /// When the last one that came to its end began.
    whole_at: Option<Time>,
    /// What was too young then, by name, with the hash of what was there: it waits once.
    young: HashMap<String, String>,
}

impl Outside {
    /// When the last comparison that came to its end began.
    pub(crate) fn whole_at(&self) -> Option<Time> {
        *self.whole_at.borrow()
    }

    /// Resources that a comparison that runs has read.
    pub(crate) fn progress(&self) -> u64 {
        *self.progress.borrow()
    }
}

/// Resources that the comparison that runs, or ran last, has read.
pub fn compare_progress(app: &App) -> u64 {
    app.outside.progress()
}

/// Compares now.
///
/// # Errors
/// In words: that there is nothing to compare with, that a comparison runs already, or what keeps
/// this one from going on. What was found before is sealed.
pub async fn compare_upstream(app: &App, config: &UpstreamConfig) -> Result<Compared, String> {
    if config.fhir.is_empty() {
        return Err("no FHIR server is configured: set `fhir` in `[upstream]`".to_owned());
    }
    let Ok(mut last) = app.outside.last.try_lock() else {
        return Err("a comparison runs already: wait until it has ended".to_owned());
    };
    let wait = Duration::from_millis(app.settings.chart_wait_ms);
    app.chart.caught_up(app.record.size(), wait).await;
    app.oversight.caught_up(app.record.size(), wait).await;
    app.outside.progress.send_replace(0);
    let began = app.clock.now();
    let mut comparison = Comparison::new(app, config, &last).await?;
    let done = comparison.run().await;
    let (compared, young) = comparison.end();
    last.young = young;
    done?;
    if !compared.cut {
        last.whole_at = Some(began);
        app.outside.whole_at.send_replace(Some(began));
    }
    Ok(compared)
}

/// Compares now and then, until `stop`.
pub async fn keep_comparing(app: Arc<App>, config: UpstreamConfig, stop: CancellationToken) {
    let every = Duration::from_secs(60 * 60 * u64::from(config.compare_every_hours));
    if every.is_zero() || config.fhir.is_empty() {
        return;
    }
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(every) => {}
        }
        let done = tokio::select! {
            () = stop.cancelled() => return,
            done = compare_upstream(&app, &config) => done,
        };
        match done {
            Ok(compared) => tracing::info!(?compared, "the other system was compared"),
            Err(why) => tracing::error!(%why, "the other system could not be compared"),
        }
    }
}
