use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::contents::Room;
use crate::error::Outcome;
use crate::fold::{Folder, index};
use crate::hash;
use crate::parts::View;
use crate::read::{self, Found};
use crate::store::{self, DELETED, Lent, Store};
use crate::{ChartError, Open};

/// Where the chart lives and how much it may do.
#[derive(Debug, Clone)]
pub struct Config {
    /// The view's database file, for instance `<data>/views/chart.db`; its folder is made.
    pub path: PathBuf,
    /// Resources that one search may read, at most.
    pub search_scan_max: usize,
    /// Resources that a chain or `_has` may lead over, at most.
    pub search_chain_max: usize,
    /// Resources that `_include` and `_revinclude` may add to a page, at most.
    pub include_max: usize,
    /// Bytes that a page of resources brings from the vault, at most; it ends with the resource that goes over.
    pub contents_bytes_max: usize,
    /// Bytes of base64 of one content that such a page has within, at most; a larger one is left out of it, and
    /// given by whoever reads the resource itself.
    pub content_inline_bytes_max: u64,
    /// Observations that a chart page reads, at most; the newest.
    pub summary_scan_max: usize,
    /// Earlier readings of a vital sign on a chart page, at most.
    pub trend_max: usize,
    /// Patients, encounters and the like that are kept in memory between messages, at most.
    pub hot_resources_max: usize,
    /// Bytes of resources that were read lately and are kept in memory, at most; 0: none are.
    pub resources_bytes_max: usize,
    /// Bytes of summaries that are kept ready to be shown again, at most; 0: none are.
    pub summaries_bytes_max: usize,
    /// Patients whose summaries are made again after a change, before anybody asks, at most; 0: none are.
    pub summaries_ready_max: usize,
    /// Which codes are sensitive: the text of a file like `rules/sensitivity.toml`.
    pub sensitivity: String,
    /// Connections of each kind that read at the same time, at most: those that look single resources up (fewer than there
    /// are processors), those for other reads of charts, and those for everything else.
    pub readers_max: u32,
}

impl Config {
    /// The defaults, at a path.
    pub fn at(path: impl Into<PathBuf>) -> Config {
        Config {
            path: path.into(),
            search_scan_max: 20_000,
            search_chain_max: 1_000,
            include_max: 1_000,
            contents_bytes_max: 64 << 20,
            content_inline_bytes_max: 16 << 20,
            summary_scan_max: 5_000,
            trend_max: 24,
            hot_resources_max: 10_000,
            resources_bytes_max: 64 << 20,
            summaries_bytes_max: 64 << 20,
            summaries_ready_max: 200,
            sensitivity: crate::SENSITIVITY.to_owned(),
            readers_max: 4,
        }
    }
}

/// The current record of every patient, folded from the sealed events. Cheap to clone.
#[derive(Clone)]
pub struct Chart {
    pub(crate) config: Arc<Config>,
    pub(crate) store: Store,
    pub(crate) folder: Arc<Folder>,
    pub(crate) contents: record::Contents,
}

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

impl Chart {
    /// How much of the vault a page has room for.
    pub(crate) fn room(&self) -> Room<'_> {
        let limits = (
            self.config.contents_bytes_max,
            self.config.content_inline_bytes_max,
        );
        Room::of(&self.contents, limits)
    }

    /// Opens (or makes) the chart's view of a record, which it does not keep open.
    ///
    /// # Errors
    /// [`ChartError::Broken`] if the file cannot be opened.
    pub async fn open(config: Config, record: &record::Record) -> Outcome<Chart> {
        let store = Store::open(&config).await?;
        let folder = Folder::open(store.clone(), config.clone(), record.blind()).await?;
        Ok(Chart {
            config: Arc::new(config),
            store,
            folder: Arc::new(folder),
            contents: record.contents(),
        })
    }

    /// What [`record::follow`] drives.
    pub fn reader(&self) -> Arc<dyn record::Reader> {
        self.folder.clone()
    }

    /// How many events are folded.
    pub fn folded(&self) -> watch::Receiver<u64> {
        self.folder.answers.folded()
    }

    /// Waits until `size` events are folded; false if `wait` passed before.
    pub async fn caught_up(&self, size: u64, wait: Duration) -> bool {
        let mut folded = self.folded();
        if *folded.borrow() < size {
            self.folder.pace.hurry();
        }
        let reached = folded.wait_for(|folded| *folded >= size);
        matches!(tokio::time::timeout(wait, reached).await, Ok(Ok(_)))
    }

    /// Where a resource stands; `None`: there never was one.
    ///
    /// # Errors
    /// [`ChartError::Broken`].
    pub async fn locate(&self, kind: &str, id: &str) -> Outcome<Option<Located>> {
        read::locate(self, kind, id).await
    }

    /// As [`Chart::locate`] for what this event wrote, which need not be folded. `None`: it wrote something else, or
    /// where that stands is known only once it is folded.
    pub fn locate_written(&self, kind: &str, id: &str, by: &record::Sealed) -> Option<Located> {
        read::locate_written(self, (kind, id), by)
    }

    /// Whether anybody became one with this patient by an event after that index.
    pub fn joined_since(&self, patient: &str, index: u64) -> bool {
        let retired = self.folder.answers.known().aliases.retired(patient);
        let mut events = retired.iter().map(|(_, seq)| seq.unsigned_abs());
        events.any(|event| event > index)
    }

    /// The current version of a resource, closed until a permit opens it; `None`: there never was one.
    ///
    /// # Errors
    /// [`ChartError::Broken`].
    pub async fn find(&self, kind: &str, id: &str) -> Outcome<Option<Found>> {
        read::find(self, kind, id).await
    }

    /// As [`Chart::find`] for what this event wrote, which need not be folded. `None`: it wrote something else, or what
    /// that is is known only once it is folded.
    pub fn find_written(&self, kind: &str, id: &str, by: &record::Sealed) -> Option<Found> {
        read::find_written(self, (kind, id), by)
    }

    /// Whether the scopes behind an ask that was allowed also cover this content of a resource:
    /// asked before it is written, since a narrowed scope is about a part of its type only.
    pub fn covers(&self, ask: &guard::Ask, kind: &str, resource: &serde_json::Value) -> bool {
        let aliases = self.folder.answers.known().aliases;
        let patient = wire::fhir::patient_of(resource);
        View::of(guard::seen(ask, kind), kind, &aliases).shows(patient.as_deref(), resource)
    }

    /// As [`Chart::covers`] for the current version of a resource; true if there is none.
    ///
    /// # Errors
    /// [`ChartError::Broken`].
    pub async fn covers_current(&self, ask: &guard::Ask, kind: &str, id: &str) -> Outcome<bool> {
        let aliases = self.folder.answers.known().aliases;
        let view = View::of(guard::seen(ask, kind), kind, &aliases);
        if view.whole() {
            return Ok(true);
        }
        read::current(self, (kind, id), &view).await
    }

    /// Ids of the patients with this record number, two at most: which patient somebody means who
    /// may look at who looked, or order an erasure. No content leaves.
    ///
    /// # Errors
    /// [`ChartError::Broken`].
    pub async fn numbered(&self, number: &str) -> Outcome<Vec<String>> {
        let key = hash::key("Patient", "identifier", number);
        let rows: Vec<(String,)> = sqlx::query_as(
            "SELECT DISTINCT v.id FROM term t JOIN version v ON v.rid = t.rid
             JOIN word w ON w.wid = v.kind
             WHERE t.key = $1 AND v.next = 0 AND v.flags & $2 = 0 AND w.text = 'Patient'
             ORDER BY v.id LIMIT 2",
        )
        .bind(key)
        .bind(DELETED)
        .fetch_all(&self.store.readers)
        .await
        .map_err(ChartError::broken("find a record number"))?;
        Ok(rows.into_iter().map(|(id,)| id).collect())
    }

    /// The survivor's id, if this patient was retired by a merge.
    ///
    /// # Errors
    /// [`ChartError::Broken`].
    pub async fn survivor(&self, patient: &str) -> Outcome<Option<String>> {
        let aliases = self.folder.answers.known().aliases;
        let survivor = aliases.survivor(patient);
        Ok((survivor != patient).then(|| survivor.to_owned()))
    }

    /// Whether anybody's consent was ever written here.
    pub fn any_consents(&self) -> bool {
        self.folder.answers.known().consents
    }

    /// Everybody who is one person with this patient: the survivor first, then who was merged.
    pub fn family(&self, patient: &str) -> Vec<String> {
        self.folder.answers.known().aliases.family(patient)
    }

    /// Whether a text names one of these patients: by a word of a name or by a record number. For
    /// what must not name them, such as the reason of an erasure, which outlives it.
    ///
    /// # Errors
    /// [`ChartError::Broken`].
    pub async fn names(&self, patients: &[String], text: &str) -> Outcome<bool> {
        let broken = ChartError::broken("look for names in a text");
        let mut from = self.reading().await?;
        let pids = store::pids(&mut from, patients).await?;
        let folded = wire::fhir::fold(text);
        for word in index::words(&folded) {
            let key = hash::key("Patient", "identifier", &word);
            for pid in pids.values() {
                let found: Option<i64> = sqlx::query_scalar(
                    "SELECT 1 FROM version WHERE patient = $1 AND (\
                     rid IN (SELECT rid FROM name WHERE word = $2) OR \
                     rid IN (SELECT rid FROM term WHERE key = $3)) LIMIT 1",
                )
                .bind(pid)
                .bind(&word)
                .bind(key)
                .fetch_optional(&mut *from)
                .await
                .map_err(&broken)?;
                if found.is_some() {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// How many versions of resources there are.
    ///
    /// # Errors
    /// [`ChartError::Broken`].
    pub async fn versions(&self) -> Outcome<u64> {
        let count: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM version")
            .fetch_one(&self.store.readers)
            .await
            .map_err(ChartError::broken("count its versions"))?;
        Ok(count.unsigned_abs())
    }

    /// SHA-256 over all tables in a fixed order; equal states have equal digests.
    ///
    /// # Errors
    /// [`ChartError::Broken`].
    pub async fn state_digest(&self) -> Outcome<[u8; 32]> {
        store::digest(&self.store).await
    }

    /// Closes the file.
    pub async fn close(&self) {
        self.store.points.close();
        self.store.lender.close().await;
        self.store.readers.close().await;
        self.store.writer.close().await;
    }

    /// Empties the view; [`record::follow`] folds it again from the first event.
    ///
    /// # Errors
    /// [`ChartError::Broken`].
    pub async fn refold(&self) -> Outcome<()> {
        self.folder.refold().await
    }

    /// The only way to content. Consumes the permit.
    pub fn open_with(&self, permit: record::Permit) -> Open {
        Open::new(self.clone(), permit)
    }

    /// A connection that reads.
    pub(crate) async fn reading(&self) -> Outcome<Lent> {
        self.store.lender.lend().await
    }
}
