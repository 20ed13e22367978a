use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::error::Outcome;
use crate::{ChartError, Open};

/// Where the chart lives and how much it may do.
#[derive(Debug, Clone)]
pub struct Config {
    /// The view's database file, for instance `<data>/views/chart.db`; its folder is made.
    pub path: PathBuf,
    /// Resources that one search may read, at most.
    pub search_scan_max: usize,
    /// Resources that `_include` and `_revinclude` may add to a page, at most.
    pub include_max: usize,
    /// Observations that a chart page reads, at most; the newest.
    pub summary_scan_max: usize,
    /// Earlier readings of a vital sign on a chart page, at most.
    pub trend_max: usize,
    /// Patients, encounters and the like that are kept in memory between messages, at most.
    pub hot_resources_max: usize,
    /// Connections that read at the same time, at most.
    pub readers_max: u32,
}

impl Config {
    /// The defaults, at a path.
    pub fn at(path: impl Into<PathBuf>) -> Config {
        Config {
            path: path.into(),
            search_scan_max: 20_000,
            include_max: 1_000,
            summary_scan_max: 5_000,
            trend_max: 24,
            hot_resources_max: 10_000,
            readers_max: 4,
        }
    }
}

/// The current record of every patient, folded from the sealed events. Cheap to clone.
#[derive(Clone)]
pub struct Chart {}

/// Where a resource stands, without its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located {
    /// The patient it belongs to now: the survivor's id.
    pub patient: Option<String>,
    /// Its current version.
    pub version: u64,
    /// It was deleted.
    pub deleted: bool,
    /// Events folded when this was read: `event::Resource::as_of`.
    pub as_of: u64,
}

/// How full a ward is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WardCount {
    /// The ward's code.
    pub code: String,
    /// Its name, if its Location has one.
    pub name: Option<String>,
    /// Patients there now.
    pub patients: u64,
    /// Patients expected.
    pub expected: u64,
}

#[expect(clippy::unused_async, clippy::todo, reason = "signatures first")]
impl Chart {
    /// Opens (or makes) the chart's view.
    ///
    /// # Errors
    /// [`ChartError::Broken`] if the file cannot be opened.
    pub async fn open(_config: Config, _blind: record::Blind) -> Outcome<Chart> {
        todo!()
    }
    /// What [`record::follow`] drives.
    pub fn reader(&self) -> Arc<dyn record::Reader> {
        todo!()
    }
    /// How many events are folded.
    pub fn folded(&self) -> watch::Receiver<u64> {
        todo!()
    }
    /// Waits until `size` events are folded; false if `wait` passed before.
    pub async fn caught_up(&self, _size: u64, _wait: Duration) -> bool {
        todo!()
    }
    /// What connects somebody with a patient.
    ///
    /// # Errors
    /// [`ChartError::Broken`].
    pub async fn facts(&self, _who: &guard::Identity, _patient: &str) -> Outcome<guard::Facts> {
        todo!()
    }
    /// Where a resource stands; `None`: there never was one.
    ///
    /// # Errors
    /// [`ChartError::Broken`].
    pub async fn locate(&self, _kind: &str, _id: &str) -> Outcome<Option<Located>> {
        todo!()
    }
    /// Ids of what a conditional write or reference means: none, one, or two if there are more.
    ///
    /// # Errors
    /// [`ChartError::TooCostly`], [`ChartError::Broken`].
    pub async fn matching(&self, _query: &wire::fhir::Query) -> Outcome<Vec<String>> {
        todo!()
    }
    /// Every ward with how many patients it has.
    ///
    /// # Errors
    /// [`ChartError::Broken`].
    pub async fn wards(&self) -> Outcome<Vec<WardCount>> {
        todo!()
    }
    /// The survivor's id, if this patient was retired by a merge.
    ///
    /// # Errors
    /// [`ChartError::Broken`].
    pub async fn survivor(&self, _patient: &str) -> Outcome<Option<String>> {
        todo!()
    }
    /// SHA-256 over all tables in a fixed order; equal states have equal digests.
    ///
    /// # Errors
    /// [`ChartError::Broken`].
    pub async fn state_digest(&self) -> Outcome<[u8; 32]> {
        todo!()
    }
    /// Empties the view; [`record::follow`] folds it again from the first event.
    ///
    /// # Errors
    /// [`ChartError::Broken`].
    pub async fn refold(&self) -> Outcome<()> {
        todo!()
    }
    /// The only way to content. Consumes the permit.
    pub fn open_with(&self, permit: record::Permit) -> Open {
        Open::new(self.clone(), permit)
    }
}
const _: Option<ChartError> = None;
