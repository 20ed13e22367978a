use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use event::{Act, Actor, Shown, Subject, Time};
use guard::{Ask, Taking};
use record::{Blind, Pace, Reader, Writer};
use serde::{Deserialize, Serialize};
use sqlx::{Row as _, SqlitePool};
use thiserror::Error as ThisError;
use tokio::sync::watch;

use crate::ask::{Filter, Listing, Looked, Looker, Page};
use crate::batch::{DAY_MS, seen};
use crate::ceiling::{Ceilings, Need};
use crate::exports::{self, Export, ExportLimits, Leave, NoLeave};
use crate::folding::Folding;
use crate::known::Known;
use crate::meter::{Day, Meter, PAST_DAYS, Seen};
use crate::outlet::OutletStatus;
use crate::trace::{Trace, TraceId, What};
use crate::{page, view};

/// How far behind it may be while nobody waits for it: what counts for ceilings is counted when it is sealed.
const PACE: Duration = Duration::from_millis(100);

/// Why the view of accesses cannot be used. Our own fault or our machine's.
#[derive(Debug, ThisError)]
#[error(
    "the view of accesses cannot {doing}: {why}; stop Salus, remove `views/access.db` and start it: it is folded again"
)]
pub struct Error {
    doing: &'static str,
    why: String,
}

impl Error {
    pub(crate) fn new<E: fmt::Display>(doing: &'static str) -> impl FnOnce(E) -> Error {
        move |why| Error {
            doing,
            why: why.to_string(),
        }
    }
}

/// How much is shown and how much may be taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Rows on one page of a list.
    pub page_rows_max: usize,
    /// How many different patients an account may come to see.
    pub ceilings: Ceilings,
    /// How long requests for exports last.
    pub exports: ExportLimits,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            page_rows_max: 1_000,
            ceilings: Ceilings::default(),
            exports: ExportLimits::default(),
        }
    }
}

/// Who looked at whom, when and why. Cheap to clone: every clone is the same view.
#[derive(Clone)]
pub struct Access {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) pool: SqlitePool,
    /// What is to be written goes to its thread whole.
    pub(crate) writer: Writer,
    /// Held while a batch is folded, by the thread that writes it.
    pub(crate) known: Arc<tokio::sync::Mutex<Known>>,
    meter: Mutex<Meter>,
    pub(crate) folded: watch::Sender<u64>,
    pub(crate) pace: Pace,
    outlet: watch::Sender<Option<OutletStatus>>,
    limits: Limits,
}

impl Access {
    /// Opens the view, or makes an empty one, with the default limits.
    ///
    /// # Errors
    /// [`Error`] if the file cannot be read or written.
    pub async fn open(path: &Path) -> Result<Access, Error> {
        Access::open_with(path, Limits::default()).await
    }

    /// Opens the view with the caller's limits.
    ///
    /// # Errors
    /// As [`Access::open`].
    pub async fn open_with(path: &Path, limits: Limits) -> Result<Access, Error> {
        let pool = view::open(path).await?;
        let writer = record::view_writer(path).await;
        let writer = writer.map_err(Error::new("be opened"))?;
        let known = Known::read(&pool).await;
        let known = known.map_err(Error::new("read who acts"))?;
        let next: i64 = sqlx::query_scalar("SELECT next FROM cursor WHERE id = 1")
            .fetch_one(&pool)
            .await
            .map_err(Error::new("read how far it is"))?;
        let meter = recalled(&pool).await;
        let meter = meter.map_err(Error::new("count what was taken"))?;
        let inner = Inner {
            pool,
            writer,
            known: Arc::new(tokio::sync::Mutex::new(known)),
            meter: Mutex::new(meter),
            folded: watch::Sender::new(next.unsigned_abs()),
            pace: Pace::of(PACE),
            outlet: watch::Sender::new(None),
            limits,
        };
        let inner = Arc::new(inner);
        Ok(Access { inner })
    }

    /// What `record::follow` keeps up to date. `blind` finds whom an order to erase names.
    pub fn reader(&self, blind: Blind) -> Arc<dyn Reader> {
        Arc::new(Folding::of(self.clone(), blind))
    }

    /// The number of events folded.
    pub fn folded(&self) -> u64 {
        *self.inner.folded.borrow()
    }

    /// Waits until `size` events are folded; false if that takes longer than `wait`.
    pub async fn caught_up(&self, size: u64, wait: Duration) -> bool {
        let mut folded = self.inner.folded.subscribe();
        if *folded.borrow() < size {
            self.inner.pace.hurry();
        }
        let reached = folded.wait_for(|folded| *folded >= size);
        tokio::time::timeout(wait, reached)
            .await
            .is_ok_and(|reached| reached.is_ok())
    }

    /// A part of the traces that fit.
    ///
    /// # Errors
    /// [`Error`] if the view cannot be read.
    pub async fn traces(&self, filter: &Filter, page: Page) -> Result<Listing<Trace>, Error> {
        let rows = self.rows(page);
        let listing = page::traces(&self.inner.pool, filter, Page { rows, ..page }).await;
        listing.map_err(Error::new("list accesses"))
    }

    /// One trace.
    ///
    /// # Errors
    /// As [`Access::traces`].
    pub async fn trace(&self, id: TraceId) -> Result<Option<Trace>, Error> {
        let trace = page::one(&self.inner.pool, id).await;
        trace.map_err(Error::new("find an access"))
    }

    /// How many traces fit.
    ///
    /// # Errors
    /// As [`Access::traces`].
    pub async fn count(&self, filter: &Filter) -> Result<u64, Error> {
        let count = page::count(&self.inner.pool, filter).await;
        count.map_err(Error::new("count accesses"))
    }

    /// Who did what fits, each account once, the last first, at most `rows`.
    ///
    /// # Errors
    /// As [`Access::traces`].
    pub async fn lookers(&self, filter: &Filter, rows: usize) -> Result<Vec<Looker>, Error> {
        let lookers = page::lookers(&self.inner.pool, filter, rows).await;
        lookers.map_err(Error::new("sum up who looked"))
    }

    /// To whom what fits was done, each patient once, the last first, at most `rows`.
    ///
    /// # Errors
    /// As [`Access::traces`].
    pub async fn looked(&self, filter: &Filter, rows: usize) -> Result<Vec<Looked>, Error> {
        let looked = page::looked(&self.inner.pool, filter, rows).await;
        looked.map_err(Error::new("sum up who was looked at"))
    }

    /// How much the asker took already; `None`: nobody counts for this role or this question.
    pub fn taking(&self, actor: &Actor, act: Act, subject: &Subject, now: Time) -> Option<Taking> {
        if !matches!(act, Act::Read | Act::History | Act::Search) {
            return None;
        }
        // A ward's list and what belongs to no patient are not counted beforehand; whom a list
        // showed is counted when it is sealed.
        let patient = match subject {
            Subject::Patient(id) => Some(id.as_str()),
            // Wards and who works there are nobody's data; searches may bring patients along.
            Subject::Kind(kind) if act == Act::Read && guard::is_directory(kind) => return None,
            Subject::Kind(_) | Subject::Record => None,
            Subject::Account(_) | Subject::Feed(_) | Subject::Ward(_) => return None,
        };
        let meter = self.meter();
        let past = meter.past(&actor.id, now);
        let ceilings = &self.inner.limits.ceilings;
        let need = ceilings.need((&actor.id, actor.role), &past)?;
        let count = meter.count(&actor.id, patient, now);
        Some(Taking {
            patients_hour: count.hour,
            patients_day: count.day,
            ceiling_hour: need.ceiling.patients_hour,
            ceiling_day: need.ceiling.patients_day,
            new_patient: !count.known,
        })
    }

    /// What an account may take, and where that comes from.
    pub fn need(&self, actor: &Actor, now: Time) -> Option<Need> {
        let past = self.meter().past(&actor.id, now);
        let ceilings = &self.inner.limits.ceilings;
        ceilings.need((&actor.id, actor.role), &past)
    }

    /// Different patients an account saw in the last hour and in the last 24.
    pub fn taken(&self, account: &str, now: Time) -> (u32, u32) {
        let count = self.meter().count(account, None, now);
        (count.hour, count.day)
    }

    /// Counts at once what an allowed question will show, so that a burst of them cannot run
    /// ahead of the fold; the sealed decision counts it again, which is as good as once.
    pub fn opened(&self, ask: &Ask, now: Time) {
        if let (Some(patient), Act::Read | Act::History | Act::Search) =
            (ask.subject.patient(), ask.act)
        {
            let who = (ask.identity.actor.id.as_str(), patient);
            self.meter().note(who, now, Seen::Opened);
        }
    }

    /// The same for an answer about several patients, once it is sealed whom it shows.
    pub fn showed(&self, account: &str, shown: &Shown, now: Time) {
        let how = match shown.identity_only {
            true => Seen::Listed,
            false => Seen::Opened,
        };
        let mut meter = self.meter();
        for patient in &shown.patients {
            meter.note((account, patient), now, how);
        }
    }

    /// Requests for exports, the newest first.
    ///
    /// # Errors
    /// As [`Access::traces`].
    pub async fn exports(&self, rows: usize) -> Result<Vec<Export>, Error> {
        let exports = exports::list(&self.inner.pool, rows).await;
        exports.map_err(Error::new("list exports"))
    }

    /// One request for an export, by its index in the record.
    ///
    /// # Errors
    /// As [`Access::traces`].
    pub async fn export(&self, index: u64) -> Result<Option<Export>, Error> {
        let export = exports::one(&self.inner.pool, index).await;
        export.map_err(Error::new("find an export"))
    }

    /// Leave to carry an export out now: one person asked, another agreed, not too long ago.
    ///
    /// # Errors
    /// As [`Access::traces`]; the inner one says why there is no leave.
    pub async fn leave(&self, index: u64, now: Time) -> Result<Result<Leave, NoLeave>, Error> {
        let export = self.export(index).await?;
        let export = export.ok_or(NoLeave::Unknown);
        Ok(export.and_then(|export| export.leave(&self.inner.limits.exports, now)))
    }

    /// How long requests for exports last.
    pub fn export_limits(&self) -> ExportLimits {
        self.inner.limits.exports
    }

    /// How the audit trail's way out does; `None`: it goes nowhere.
    pub fn outlet(&self) -> Option<OutletStatus> {
        self.inner.outlet.borrow().clone()
    }

    /// As [`Access::outlet`], and whenever it changes.
    pub fn outlet_changes(&self) -> watch::Receiver<Option<OutletStatus>> {
        self.inner.outlet.subscribe()
    }

    pub(crate) fn outlet_sender(&self) -> watch::Sender<Option<OutletStatus>> {
        self.inner.outlet.clone()
    }

    /// Closes the file; for a refold.
    pub async fn close(&self) {
        self.inner.writer.close().await;
        self.inner.pool.close().await;
    }

    pub(crate) fn pool(&self) -> &SqlitePool {
        &self.inner.pool
    }

    /// Rows of a page, as many as there may be.
    pub(crate) fn rows(&self, page: Page) -> usize {
        page.rows.clamp(1, self.inner.limits.page_rows_max.max(1))
    }

    pub(crate) fn meter(&self) -> MutexGuard<'_, Meter> {
        let meter = self.inner.meter.lock();
        meter.unwrap_or_else(PoisonError::into_inner)
    }
}

/// What was taken in the last day and on the days before, from the tables.
pub(crate) async fn recalled(pool: &SqlitePool) -> Result<Meter, sqlx::Error> {
    let mut meter = Meter::default();
    let newest: Option<i64> = sqlx::query_scalar("SELECT at FROM trace ORDER BY key DESC LIMIT 1")
        .fetch_optional(pool)
        .await?;
    let Some(newest) = newest else {
        return Ok(meter);
    };
    let sql = "SELECT account, day, patients, hour_peak FROM day WHERE day >= $1 ORDER BY day";
    let since = newest.div_euclid(DAY_MS) - PAST_DAYS;
    for row in sqlx::query(sql).bind(since).fetch_all(pool).await? {
        let number = |column| {
            let value = row.try_get::<i64, _>(column);
            value.map(|value| u32::try_from(value).unwrap_or(u32::MAX))
        };
        let day = Day {
            day: row.try_get("day")?,
            patients: number("patients")?,
            hour_peak: number("hour_peak")?,
        };
        meter.remember(row.try_get("account")?, day);
    }
    let filter = Filter {
        from: Some(Time::from_millis(newest - DAY_MS)),
        what: What::LOOKS.to_vec(),
        allowed: Some(true),
        ..Filter::default()
    };
    let mut page = Page {
        order: crate::ask::Order::Oldest,
        ..Page::newest(5_000)
    };
    loop {
        let listing = page::traces(pool, &filter, page).await?;
        for trace in &listing.rows {
            if let Some((patient, how)) = seen(trace) {
                meter.recall((&trace.actor.id, patient), trace.at, how);
            }
        }
        let Some(next) = listing.next else {
            return Ok(meter);
        };
        page.after = Some(next);
    }
}
