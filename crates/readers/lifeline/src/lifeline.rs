use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use event::{Arrival, Line, Time};
use record::{Alike, Blind, Pace, Reader, ReaderError, Sealed, Writer, WriterFault};
use rusqlite::Transaction;
use sqlx::SqlitePool;
use tokio::sync::watch;

use crate::code::{Code, PackKey, Which};
use crate::deed::{self, Deed, Evidence};
use crate::entry::{self, Entry, Sheet, Sum};
use crate::pack::{Content, Stamp};
use crate::packs::{self, Order, PackStatus, Packs};
use crate::proof::{Away, CopySeen, DrillSeen};
use crate::{Error, Head, Limits, PackConfig, fold, openings, view};

/// How far behind it may be while nobody waits for it.
const PACE: Duration = Duration::from_millis(100);

/// Packs, paper, copies and drills. Cheap to clone: every clone is the same view.
#[derive(Clone)]
pub struct Lifeline {
    inner: Arc<Inner>,
}

struct Inner {
    /// What is asked is read with it.
    pool: SqlitePool,
    /// What is folded is written with it.
    writer: Writer,
    key: PackKey,
    blind: Blind,
    limits: Limits,
    configs: Vec<PackConfig>,
    packs: Packs,
    pace: Pace,
    /// What is known by heart. Published after the commit.
    state: watch::Sender<Arc<State>>,
}

/// What is known by heart.
#[derive(Debug, Clone, Default)]
pub(crate) struct State {
    pub(crate) folded: u64,
    /// How often a ward asked for a new code.
    pub(crate) generations: HashMap<String, u32>,
    pub(crate) away: Option<Away>,
}

/// The patients of a ward's packs, as they were sealed: who number 7 on a sheet is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// Index of the event that lists them.
    pub index: u64,
    /// When.
    pub at: Time,
    /// The ward's code.
    pub ward: String,
    /// Patients' ids by their number, from 1; empty: they were erased.
    pub patients: Vec<String>,
}

impl Lifeline {
    /// Opens the view, or makes an empty one.
    ///
    /// # Errors
    /// [`Error::View`] if the file cannot be read or written.
    pub async fn open(
        path: &Path,
        (key, blind): (PackKey, Blind),
        limits: Limits,
        configs: Vec<PackConfig>,
    ) -> Result<Lifeline, Error> {
        let pool = view::open(path).await?;
        let writer = record::view_writer(path).await;
        let writer = writer.map_err(Error::view("be opened"))?;
        let state = view::state(&pool).await?;
        let inner = Inner {
            pool,
            writer,
            key,
            blind,
            limits,
            configs,
            packs: Packs::default(),
            pace: Pace::of(PACE),
            state: watch::Sender::new(Arc::new(state)),
        };
        Ok(Lifeline {
            inner: Arc::new(inner),
        })
    }

    /// What `record::follow` keeps up to date.
    pub fn reader(&self) -> Arc<dyn Reader> {
        Arc::new(self.clone())
    }

    /// The number of events folded.
    pub fn folded(&self) -> u64 {
        self.inner.state.borrow().folded
    }

    /// Reads what is known by heart from the file again.
    async fn learn_again(&self) -> Result<(), Error> {
        let state = view::state(&self.inner.pool).await?;
        self.inner.state.send_replace(Arc::new(state));
        Ok(())
    }

    /// Waits until `size` events are folded; false if that takes longer than `wait`.
    pub async fn caught_up(&self, size: u64, wait: Duration) -> bool {
        let mut state = self.inner.state.subscribe();
        if state.borrow().folded < size {
            self.inner.pace.hurry();
        }
        let reached = state.wait_for(|state| state.folded >= size);
        tokio::time::timeout(wait, reached)
            .await
            .is_ok_and(|reached| reached.is_ok())
    }

    /// The limits it was opened with.
    pub fn limits(&self) -> &Limits {
        &self.inner.limits
    }

    /// Which packs are to be made.
    pub fn configs(&self) -> &[PackConfig] {
        &self.inner.configs
    }

    /// Which code a pack has that is made now.
    pub fn which(&self, ward: &str, now: Time) -> Which {
        let generations = &self.inner.state.borrow().generations;
        Which {
            ward: ward.to_owned(),
            period: now.millis().div_euclid(self.inner.limits.period_ms()),
            generation: generations.get(ward).copied().unwrap_or_default(),
        }
    }

    /// The code itself. Whoever asks has a sealed decision that lets them.
    pub fn code(&self, which: &Which) -> Code {
        self.inner.key.code(which)
    }

    /// How often a pack was opened, as its page shows it and somebody typed it; `None`: the number
    /// is none of this ward's, by its codes of now and of the two periods before.
    pub fn openings(&self, ward: &str, typed: &str, now: Time) -> Option<u32> {
        let (times, check) = openings::read(typed)?;
        let now = self.which(ward, now);
        let periods = (0..=2).map(|back| now.period - back);
        let mut all = periods.flat_map(|period| {
            let ward = ward.to_owned();
            (0..=now.generation).map(move |generation| Which {
                ward: ward.clone(),
                period,
                generation,
            })
        });
        let fits = |which: &Which| openings::check(ward, &self.code(which), times) == check;
        all.any(|which| fits(&which)).then_some(times)
    }

    /// The letters that go with so many openings, as the page of a pack makes them.
    pub fn openings_number(ward: &str, code: &Code, times: u32) -> String {
        format!("{times}-{}", openings::check(ward, code, times))
    }

    /// When the period of a code begins and ends.
    pub fn period(&self, which: &Which) -> (Time, Time) {
        let length = self.inner.limits.period_ms();
        let from = which.period.saturating_mul(length);
        (
            Time::from_millis(from),
            Time::from_millis(from.saturating_add(length)),
        )
    }

    /// Makes a ward's pack, opens it again, and puts it where it is wanted. Takes a tenth of a
    /// second of work when the code is new: not for a thread that serves.
    ///
    /// # Errors
    /// [`Error::NotSealed`]; a folder that cannot be written is in the status instead.
    pub fn make(
        &self,
        content: &Content,
        patients: usize,
        stamp: &Stamp,
    ) -> Result<Arc<Vec<u8>>, Error> {
        let which = self.which(&stamp.ward, stamp.made);
        let order = Order {
            which,
            content,
            patients,
            stamp,
        };
        let folders = self.folders(&stamp.ward);
        self.inner.packs.make(&self.inner.key, &order, &folders)
    }

    /// Notes that a ward's pack could not be made.
    pub fn failed(&self, ward: &str, why: &str) {
        self.inner.packs.failed(ward, why, &self.folders(ward));
    }

    /// Where a ward's packs are put.
    fn folders(&self, ward: &str) -> Vec<PathBuf> {
        let own = self.inner.configs.iter();
        let own = own.filter(|one| one.ward == ward || one.ward == "*");
        let mut folders: Vec<PathBuf> = own.flat_map(|one| one.folders.clone()).collect();
        folders.sort();
        folders.dedup();
        folders
    }

    /// How each ward's pack stands.
    pub fn statuses(&self) -> Vec<PackStatus> {
        self.inner.packs.statuses()
    }

    /// The newest pack of a ward, and when it was made.
    pub fn file(&self, ward: &str) -> Option<(Time, Arc<Vec<u8>>)> {
        self.inner.packs.file(ward)
    }

    /// Whether a code opens a file.
    pub fn opens(file: &[u8], code: &Code) -> bool {
        Packs::opens(file, code)
    }

    /// The head of a checkpoint, for a stamp.
    pub fn head(checkpoint: &str) -> Head {
        packs::head(checkpoint)
    }

    /// The newest list of a ward's patients.
    ///
    /// # Errors
    /// [`Error::View`] if the view cannot be read.
    pub async fn listing(&self, ward: &str) -> Result<Option<Listing>, Error> {
        view::listing(&self.inner.pool, view::Newest::Of(ward)).await
    }

    /// The list that a sheet's number means.
    ///
    /// # Errors
    /// As [`Lifeline::listing`].
    pub async fn listing_at(&self, index: u64) -> Result<Option<Listing>, Error> {
        view::listing(&self.inner.pool, view::Newest::At(index)).await
    }

    /// What of a line cannot be sealed, in words.
    ///
    /// # Errors
    /// The words.
    pub fn check(line: &Line) -> Result<(), String> {
        entry::check(line)
    }

    /// The entries of a ward that wait for somebody, the oldest first.
    ///
    /// # Errors
    /// As [`Lifeline::listing`].
    pub async fn waiting(&self, ward: &str) -> Result<Vec<Entry>, Error> {
        let most = self.inner.limits.entries_shown_max;
        view::entries(&self.inner.pool, view::Entries::Waiting(ward), most).await
    }

    /// The entries of a ward that were decided, the newest first.
    ///
    /// # Errors
    /// As [`Lifeline::listing`].
    pub async fn decided(&self, ward: &str) -> Result<Vec<Entry>, Error> {
        let most = self.inner.limits.entries_shown_max;
        view::entries(&self.inner.pool, view::Entries::Decided(ward), most).await
    }

    /// Everything that was typed in from one sheet.
    ///
    /// # Errors
    /// As [`Lifeline::listing`].
    pub async fn of_sheet(&self, sheet: &str) -> Result<Vec<Entry>, Error> {
        let most = self.inner.limits.entries_shown_max;
        view::entries(&self.inner.pool, view::Entries::Sheet(sheet), most).await
    }

    /// Accepted entries that were not sent on yet, the oldest first.
    ///
    /// # Errors
    /// As [`Lifeline::listing`].
    pub async fn unsent(&self, most: u32) -> Result<Vec<Entry>, Error> {
        view::entries(&self.inner.pool, view::Entries::Unsent, most).await
    }

    /// One entry.
    ///
    /// # Errors
    /// As [`Lifeline::listing`].
    pub async fn entry(&self, index: u64) -> Result<Option<Entry>, Error> {
        let found = view::entries(&self.inner.pool, view::Entries::One(index), 1).await?;
        Ok(found.into_iter().next())
    }

    /// How much of each ward's paper is in the charts.
    ///
    /// # Errors
    /// As [`Lifeline::listing`].
    pub async fn sums(&self) -> Result<Vec<Sum>, Error> {
        view::sums(&self.inner.pool).await
    }

    /// A ward's sheets, those that are out first.
    ///
    /// # Errors
    /// As [`Lifeline::listing`].
    pub async fn sheets(&self, ward: &str) -> Result<Vec<Sheet>, Error> {
        view::sheets(&self.inner.pool, ward, self.inner.limits.entries_shown_max).await
    }

    /// Whether the systems that charts come from are said to be away.
    pub fn away(&self) -> Option<Away> {
        self.inner.state.borrow().away.clone()
    }

    /// Every copy, as it was last looked at, by kind and name.
    ///
    /// # Errors
    /// As [`Lifeline::listing`].
    pub async fn copies(&self) -> Result<Vec<CopySeen>, Error> {
        view::copies(&self.inner.pool).await
    }

    /// What an account, a client or a feed changed since a moment, at most `most`, in the order of
    /// the record.
    ///
    /// # Errors
    /// As [`Lifeline::listing`].
    pub async fn deeds(&self, actor: &str, since: Time, most: u32) -> Result<Vec<Deed>, Error> {
        deed::since(&self.inner.pool, (actor, since), most).await
    }

    /// What was sealed since a moment that speaks of an intrusion, at most `most`, the first first.
    ///
    /// # Errors
    /// As [`Lifeline::listing`].
    pub async fn evidence(&self, since: Time, most: u32) -> Result<Vec<Evidence>, Error> {
        deed::evidence(&self.inner.pool, since, most).await
    }

    /// The manifests that were sealed for a place, with the events that say so, the newest first.
    /// `kind` is that of the copy: `backup` or `files`.
    ///
    /// # Errors
    /// As [`Lifeline::listing`].
    pub async fn pinned(&self, kind: &str, place: &str) -> Result<Vec<(u64, String)>, Error> {
        view::pinned(&self.inner.pool, (kind, place)).await
    }

    /// The drills that were carried out, the newest first.
    ///
    /// # Errors
    /// As [`Lifeline::listing`].
    pub async fn drills(&self, most: u32) -> Result<Vec<DrillSeen>, Error> {
        view::drills(&self.inner.pool, most).await
    }
}

#[async_trait]
impl Reader for Lifeline {
    fn name(&self) -> &'static str {
        "lifeline"
    }

    async fn cursor(&self) -> Result<u64, ReaderError> {
        Ok(self.folded())
    }

    async fn tidy(&self) -> Result<(), ReaderError> {
        self.inner.writer.rewrite_if_due().await.map_err(failed)
    }

    fn alike(&self) -> &'static [Alike] {
        &view::ALIKE
    }

    fn pace(&self) -> Option<&Pace> {
        Some(&self.inner.pace)
    }

    async fn relearn(&self) -> Result<(), ReaderError> {
        self.learn_again().await.map_err(failed)
    }

    async fn fold(&self, batch: &[Sealed], next: u64) -> Result<Vec<Arrival>, ReaderError> {
        let before = self.inner.state.borrow().clone();
        if next <= before.folded {
            return Ok(Vec::new());
        }
        let mut state = State::clone(&before);
        state.folded = next;
        let new = batch.iter().filter(|one| one.index() >= before.folded);
        let new: Vec<Sealed> = new.cloned().collect();
        let concerned = new.iter().any(|sealed| fold::concerns(sealed.event()));
        if concerned || record::save_is_due(before.folded, next) {
            for sealed in &new {
                fold::by_heart(&mut state, (sealed.index(), sealed.at()), sealed.event());
            }
            let blind = self.inner.blind.clone();
            let writes = move |to: &Transaction<'_>| fold::take(to, (&new, next), &blind);
            let written = self.inner.writer.transact::<_, WriterFault, _>(writes);
            written.await.map_err(failed)?;
        }
        self.inner.state.send_replace(Arc::new(state));
        Ok(Vec::new())
    }
}

fn failed(why: impl ToString) -> ReaderError {
    ReaderError {
        reader: "lifeline",
        why: why.to_string(),
    }
}
