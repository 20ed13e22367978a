//! What the fold keeps in memory between batches. All of it can be read again from the tables.

use std::num::NonZeroUsize;
use std::sync::Arc;

use lru::LruCache;
use rusqlite::Connection;
use wire::v2::Told;

use crate::alias::Aliases;
use crate::error::Outcome;
use crate::label::Labels;
use crate::place::{PlaceRow, Places};
use crate::store::meet::rows;
use crate::words::Words;
use crate::{ChartError, Config};

/// The name of a resource: number of its type, logical id.
pub(super) type Name = (i64, String);

/// Patient ids whose numbers are kept in memory.
pub(super) const PIDS_MAX: NonZeroUsize = NonZeroUsize::MIN.saturating_add(20_000 - 1);
/// Drafts that are remembered to change nothing about a resource.
const IDLE_MAX: usize = 2;

/// What both the fold and the answers know by heart.
#[derive(Debug, Clone, Default)]
pub(crate) struct Known {
    pub(crate) words: Arc<Words>,
    pub(crate) aliases: Arc<Aliases>,
    pub(crate) places: Arc<Places>,
    /// There is a consent in the chart, or there was one.
    pub(crate) consents: bool,
    /// Which codes are sensitive.
    pub(crate) labels: Arc<Labels>,
}

/// The current version of a resource.
#[derive(Debug, Clone)]
pub(super) struct Current {
    pub(super) rid: i64,
    /// The number and id of the patient it was written for.
    pub(super) pid: i64,
    pub(super) patient: Option<String>,
    pub(super) deleted: bool,
    /// When what it says happened, in milliseconds since 1970; 0: nobody said.
    pub(super) told: i64,
    /// What is kept beside it for the messages that come after; empty: nothing.
    pub(super) beside: Arc<[u8]>,
    /// Its content; `None`: not read.
    pub(super) json: Option<Arc<[u8]>>,
    /// Drafts that were laid upon this version and changed nothing.
    pub(super) idle: Vec<Arc<[u8]>>,
}

impl Current {
    /// Whether it says what happened after that.
    pub(super) fn is_newer_than(&self, told: Option<Told>) -> bool {
        self.told != 0 && told.is_some_and(|told| told.is_before(self.told))
    }

    /// Remembers a draft that changed nothing.
    pub(super) fn is_idle_after(&mut self, draft: &[u8]) {
        if self.idle.len() >= IDLE_MAX {
            self.idle.remove(0);
        }
        self.idle.push(draft.into());
    }
}

/// The fold's memory.
pub(super) struct Memory {
    pub(super) known: Known,
    /// Current versions of what messages lay drafts upon again and again.
    pub(super) hot: LruCache<Name, Current>,
    pub(super) pids: LruCache<String, i64>,
    pub(super) next_rid: i64,
    pub(super) next_pid: i64,
    /// Index of the next event.
    pub(super) cursor: u64,
}

impl Memory {
    pub(super) fn load(from: &Connection, config: &Config) -> Outcome<Memory> {
        let hot_max = NonZeroUsize::new(config.hot_resources_max).unwrap_or(NonZeroUsize::MIN);
        let cursor = number(from, "SELECT next FROM cursor WHERE id = 1")?;
        Ok(Memory {
            known: Known::load(from, config)?,
            hot: LruCache::new(hot_max),
            pids: LruCache::new(PIDS_MAX),
            next_rid: 1 + number(from, "SELECT COALESCE(MAX(rid), 0) FROM version")?,
            next_pid: 1 + number(from, "SELECT COALESCE(MAX(pid), 0) FROM patient")?,
            cursor: u64::try_from(cursor).unwrap_or_default(),
        })
    }
}

impl Memory {
    /// Reads itself again after something was taken out of the tables. Numbers are not given twice.
    pub(super) fn forget(&mut self, from: &Connection, config: &Config) -> Outcome<()> {
        let fresh = Memory::load(from, config)?;
        *self = Memory {
            next_rid: fresh.next_rid.max(self.next_rid),
            next_pid: fresh.next_pid.max(self.next_pid),
            cursor: self.cursor,
            ..fresh
        };
        Ok(())
    }
}

impl Known {
    fn load(from: &Connection, config: &Config) -> Outcome<Known> {
        let broken = ChartError::broken("read what it knows by heart");
        let words = "SELECT text FROM word ORDER BY wid";
        let words: Vec<String> = rows(from, words, [()], |row| row.get(0)).map_err(&broken)?;
        let aliases = "SELECT r.id, s.id, a.seq FROM alias a JOIN patient r ON r.pid = a.retired
             JOIN patient s ON s.pid = a.survivor";
        let aliases: Vec<(String, String, i64)> =
            rows(from, aliases, [()], |row| row.try_into()).map_err(&broken)?;
        let places = "SELECT id, parent, code, name, level FROM place";
        let places: Vec<PlaceRow> =
            rows(from, places, [()], |row| row.try_into()).map_err(&broken)?;
        let consents = number(from, "SELECT EXISTS (SELECT 1 FROM consent)")?;
        Ok(Known {
            consents: consents != 0,
            labels: Arc::new(Labels::parse(&config.sensitivity)?),
            words: Arc::new(Words::from_rows(words)),
            aliases: Arc::new(Aliases::from_rows(aliases)),
            places: Arc::new(Places::from_rows(places)),
        })
    }
}

fn number(from: &Connection, sql: &str) -> Outcome<i64> {
    from.query_row(sql, [], |row| row.get(0))
        .map_err(ChartError::broken("read its counters"))
}
