use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use event::{Act, Actor, Arrival, Body, Event, Resend, Shown, Subject, Time};
use guard::{Ask, Taking};
use record::{Alike, Blind, Pace, Reader, ReaderError, Sealed};
use serde::{Deserialize, Serialize};
use sqlx::{Row as _, SqlitePool};
use thiserror::Error as ThisError;
use tokio::sync::watch;

use crate::ask::{Filter, Listing, Looked, Looker, Page};
use crate::ceiling::{Ceilings, Need};
use crate::exports::{self, Export, ExportLimits, Leave, NoLeave};
use crate::fold::traces;
use crate::heard::{self, told};
use crate::known::Known;
use crate::meter::{Day, Meter, PAST_DAYS, Seen};
use crate::outlet::OutletStatus;
use crate::trace::{Trace, TraceId, What};
use crate::{heard_view, page, purge, save, view};

/// How far behind it may be while nobody waits for it: what counts for ceilings is counted when it is sealed.
const PACE: Duration = Duration::from_millis(100);
/// Milliseconds of a day.
const DAY_MS: i64 = 86_400_000;

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
    pub(crate) fn new(doing: &'static str) -> impl FnOnce(sqlx::Error) -> Error {
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
    inner: Arc<Inner>,
}

struct Inner {
    pool: SqlitePool,
    /// What folds: a connection that writes by itself alone keeps the pages that it knows.
    folds: SqlitePool,
    known: tokio::sync::Mutex<Known>,
    meter: Mutex<Meter>,
    folded: watch::Sender<u64>,
    pace: Pace,
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
        let folds = view::open_to_fold(path).await?;
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
            folds,
            known: tokio::sync::Mutex::new(known),
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
        Arc::new(Folding {
            access: self.clone(),
            blind,
        })
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
        self.inner.folds.close().await;
        self.inner.pool.close().await;
    }

    pub(crate) fn pool(&self) -> &SqlitePool {
        &self.inner.pool
    }

    /// Rows of a page, as many as there may be.
    pub(crate) fn rows(&self, page: Page) -> usize {
        page.rows.clamp(1, self.inner.limits.page_rows_max.max(1))
    }

    fn meter(&self) -> MutexGuard<'_, Meter> {
        let meter = self.inner.meter.lock();
        meter.unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads who acts and what was taken from the file again.
    async fn learn_again(&self) -> Result<(), sqlx::Error> {
        let pool = &self.inner.pool;
        let mut kept = self.inner.known.lock().await;
        let next: i64 = sqlx::query_scalar("SELECT next FROM cursor WHERE id = 1")
            .fetch_one(pool)
            .await?;
        *kept = Known::read(pool).await?;
        let file = recalled(pool).await?;
        // INVARIANT: a ceiling holds while this view is held up: what was opened and is not folded stays.
        self.meter().mend(file);
        self.inner.folded.send_replace(next.unsigned_abs());
        Ok(())
    }

    /// Folds events (index, time, event) in one transaction; gives those who came to a ceiling.
    async fn take(
        &self,
        events: &[(u64, Time, &Event)],
        (next, blind): (u64, &Blind),
    ) -> Result<Vec<Arrival>, sqlx::Error> {
        let mut kept = self.inner.known.lock().await;
        let folded = self.folded();
        if next <= folded {
            return Ok(Vec::new());
        }
        let new = move || events.iter().filter(move |(index, ..)| *index >= folded);
        let rows: Vec<Trace> = new()
            .flat_map(|&(index, at, event)| traces(index, at, event))
            .collect();
        let days = self.counted(&rows);
        // A copy, so that a transaction that fails leaves what is known as it was.
        let mut known = kept.clone();
        let mut transaction = self.inner.folds.begin().await?;
        save::traces(&mut transaction, &mut known, &rows).await?;
        save::days(&mut transaction, &days).await?;
        for &one in new() {
            let (index, at, event) = one;
            save::export(&mut transaction, one).await?;
            if let Some((at, event)) = told(at, event) {
                for rows in heard::rows((index, at), &event, blind) {
                    heard_view::save(&mut transaction, &rows).await?;
                }
            }
            if let Body::Erased(order) = &event.body {
                purge::purge(&mut transaction, (index, order), blind).await?;
            }
        }
        sqlx::query("UPDATE cursor SET next = $1 WHERE id = 1")
            .bind(next.cast_signed())
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        *kept = known;
        self.inner.folded.send_replace(next);
        Ok(rows.iter().filter_map(ceiling).collect())
    }

    /// Counts the patients of these traces; gives the days that changed.
    fn counted(&self, rows: &[Trace]) -> Vec<(String, Day)> {
        let mut meter = self.meter();
        let mut touched: Vec<&str> = Vec::new();
        for row in rows {
            if let Some((patient, seen)) = seen(row) {
                let account = row.actor.id.as_str();
                meter.note((account, patient), row.at, seen);
                touched.push(account);
            }
        }
        touched.sort_unstable();
        touched.dedup();
        let days = touched.into_iter();
        days.filter_map(|account| Some((account.to_owned(), meter.today(account)?)))
            .collect()
    }
}

/// Whom a trace shows, and how.
fn seen(trace: &Trace) -> Option<(&str, Seen)> {
    let patient = trace.patient.as_deref().filter(|_| trace.allowed)?;
    match trace.what {
        What::Read | What::Vread | What::History | What::Search | What::Shown => {
            Some((patient, Seen::Opened))
        }
        What::Listed => Some((patient, Seen::Listed)),
        _ => None,
    }
}

/// A refusal by a ceiling is told once an hour for each account and policy.
fn ceiling(trace: &Trace) -> Option<Arrival> {
    let refused = !trace.allowed && trace.what != What::Ceiling;
    let mut policies = trace.because.iter().filter(|_| refused);
    let policy = policies.find(|id| id.starts_with("ceiling-"))?;
    let account = trace.actor.id.clone();
    let hour = trace.at.millis().div_euclid(DAY_MS / 24);
    let body = Body::Ceiling(event::Ceiling {
        account: account.clone(),
        policy: policy.clone(),
        decision: trace.id.index,
    });
    let subject = Subject::Account(account.clone());
    let claim = Event::new(Actor::salus(), Act::Audit, subject, body);
    Some(Arrival {
        claim,
        resend: Some(Resend {
            sender: "access".into(),
            message: format!("ceiling {hour} {policy} {account}"),
        }),
    })
}

/// What was taken in the last day and on the days before, from the tables.
async fn recalled(pool: &SqlitePool) -> Result<Meter, sqlx::Error> {
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

/// The view as it is folded.
struct Folding {
    access: Access,
    blind: Blind,
}

#[async_trait]
impl Reader for Folding {
    fn name(&self) -> &'static str {
        "access"
    }

    async fn cursor(&self) -> Result<u64, ReaderError> {
        Ok(self.access.folded())
    }

    fn pace(&self) -> Option<&Pace> {
        Some(&self.access.inner.pace)
    }

    fn alike(&self) -> &'static [Alike] {
        &view::ALIKE
    }

    async fn relearn(&self) -> Result<(), ReaderError> {
        let learned = self.access.learn_again().await;
        learned.map_err(|why| ReaderError {
            reader: "access",
            why: why.to_string(),
        })
    }

    async fn fold(&self, batch: &[Sealed], next: u64) -> Result<Vec<Arrival>, ReaderError> {
        let events: Vec<(u64, Time, &Event)> = batch
            .iter()
            .map(|sealed| (sealed.index(), sealed.at(), sealed.event()))
            .collect();
        let took = self.access.take(&events, (next, &self.blind)).await;
        took.map_err(|error| ReaderError {
            reader: "access",
            why: error.to_string(),
        })
    }

    async fn tidy(&self) -> Result<(), ReaderError> {
        let done = record::rewrite_if_due(&self.access.inner.pool).await;
        done.map_err(|why| ReaderError {
            reader: "access",
            why,
        })
    }
}
