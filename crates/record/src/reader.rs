use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use event::{Arrival, Body};
use futures_util::FutureExt as _;
use guard::{Standing, admit};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::door::Inner;
use crate::{Alike, Pace, Record, Sealed};

/// Events a reader folds in one transaction, at most: many, since a reader that finds out ahead what
/// events mean begins anew with each; few enough for some tenths of a second.
const FOLD_EVENTS_MAX: usize = 4_000;
/// A reader without a pace of its own looks this often at most: of what is sealed on a busy day little concerns it, and
/// each look wakes a thread.
const REST: Duration = Duration::from_millis(5);
/// A reader that failed tries again, and one that has nothing to do looks again, after this long.
const RETRY: Duration = Duration::from_secs(1);
/// The longest wait of a reader that fails again and again.
const RETRY_MAX: Duration = Duration::from_secs(60);

/// Folds sealed events into a view. Its tables can be dropped and folded again.
#[async_trait]
pub trait Reader: Send + Sync + 'static {
    /// The reader's one word: crate, page, database file.
    fn name(&self) -> &'static str;

    /// How many events it has folded: the index of the next one it wants.
    async fn cursor(&self) -> Result<u64, ReaderError>;

    /// Folds `batch` and saves `next` as the new cursor, in one transaction. The batch is in
    /// order and begins at the cursor or, where events were erased, behind it. What is returned
    /// goes back through the door.
    async fn fold(&self, batch: &[Sealed], next: u64) -> Result<Vec<Arrival>, ReaderError>;

    /// How far behind it may be while nobody waits for it; not at all, unless it says so.
    fn pace(&self) -> Option<&Pace> {
        None
    }

    /// Cleans up after what was folded, when there is nothing more to fold: a view that held
    /// something of a patient who was erased ([`event::Erased`]) leaves no trace of it in its file.
    /// Called after a start and after such an order, until it succeeds.
    async fn tidy(&self) -> Result<(), ReaderError> {
        Ok(())
    }

    /// What of its file can be held against a fresh fold; nothing, unless a view says so.
    fn alike(&self) -> &'static [Alike] {
        &[]
    }

    /// Reads again from its file what it knows by heart, after the file was put right. Nothing is
    /// folded meanwhile.
    async fn relearn(&self) -> Result<(), ReaderError> {
        Ok(())
    }
}

/// Why a reader could not go on; [`follow`] tries again.
#[derive(Debug, thiserror::Error)]
#[error("reader `{reader}`: {why}")]
pub struct ReaderError {
    /// The reader's name.
    pub reader: &'static str,
    /// What went wrong, without patient data.
    pub why: String,
}

/// Folds until `reader` has exactly `until` events: for a view that is made to be compared. What it
/// would say goes nowhere.
///
/// # Errors
/// What the record or the reader said.
pub async fn fold_to(record: &Record, reader: &dyn Reader, until: u64) -> Result<(), String> {
    let from = reader.cursor().await.map_err(|why| why.to_string())?;
    let mut ahead = Ahead::read_to(record, from, until).await?;
    while let Some(here) = ahead {
        let folded = reader.fold(&here.batch, here.next);
        let (folded, next) = tokio::join!(folded, Ahead::read_to(record, here.next, until));
        folded.map_err(|why| why.to_string())?;
        ahead = next?;
    }
    Ok(())
}

/// The same for several readers, so that each event is read once; none goes beyond `until`.
///
/// # Errors
/// What the record or a reader said.
pub async fn fold_all_to(
    record: &Record,
    readers: &[Arc<dyn Reader>],
    until: u64,
) -> Result<(), String> {
    let mut ahead = Ahead::read_to(record, 0, until).await?;
    while let Some(here) = ahead {
        let all = async {
            for reader in readers {
                let folded = reader.fold(&here.batch, here.next).await;
                folded.map_err(|why| why.to_string())?;
            }
            Ok::<(), String>(())
        };
        let (folded, next) = tokio::join!(all, Ahead::read_to(record, here.next, until));
        folded?;
        ahead = next?;
    }
    Ok(())
}

/// Events after which a cursor is saved though nothing concerned the reader.
const SAVE_EVENTS: u64 = 1_000;

/// Whether a reader whom nothing concerned between `folded` and `next` should save its cursor all
/// the same: now and then is enough, since what is folded again changes nothing.
pub const fn save_is_due(folded: u64, next: u64) -> bool {
    folded / SAVE_EVENTS != next / SAVE_EVENTS
}

/// Keeps `reader` up to date until `stop`. What fails, or panics, is tried again and again, never skipped:
/// the view stands at the event that it cannot fold, and [`Record::held_up`] says so.
pub async fn follow(record: Record, reader: Arc<dyn Reader>, stop: CancellationToken) {
    let mut growth = record.growth();
    let (mut most, mut tries) = (FOLD_EVENTS_MAX, 0_u32);
    let mut untidy = true;
    // Where it failed last.
    let mut failed = None;
    while !stop.is_cancelled() {
        let caught = catch_up(&record, reader.as_ref(), (&mut most, &mut untidy, &stop));
        let Err(broke) = unpanicked(caught).await else {
            record.inner.stands(reader.name(), None);
            (most, tries, failed) = (FOLD_EVENTS_MAX, 0, None);
            tokio::select! {
                () = stop.cancelled() => return,
                grown = growth.changed() => {
                    if grown.is_err() {
                        return;
                    }
                    if reader.pace().is_none() {
                        tokio::time::sleep(REST).await;
                    }
                }
                // A view that was dropped has to catch up though nothing was sealed.
                () = tokio::time::sleep(RETRY) => {}
            }
            continue;
        };
        let at = async { reader.cursor().await.map_err(|why| why.to_string()) };
        let at = unpanicked(at).await.unwrap_or_default();
        let again = failed.replace(at) == Some(at);
        if !again {
            tries = 0;
        }
        // What comes before the event that cannot be folded is folded.
        let narrows = most > 1 && (again || broke.panicked);
        if narrows {
            most /= 2;
        } else {
            pause(
                &record,
                reader.name(),
                (at, tries, (broke.why, most > 1)),
                &stop,
            )
            .await;
            tries = tries.saturating_add(1);
        }
        if (broke.panicked || !narrows)
            && let Err(broke) = unpanicked(learn_again(reader.as_ref())).await
        {
            tracing::error!(reader = reader.name(), why = %broke.why, "a view cannot be read again");
        }
    }
}

/// Says where a view stands and why, unless that may pass at once, and waits.
async fn pause(
    record: &Record,
    reader: &'static str,
    (at, tries, (why, first)): (u64, u32, (String, bool)),
    stop: &CancellationToken,
) {
    tracing::error!(reader, at, tries, %why, "a view is held up; trying again");
    if !first {
        record.inner.stands(reader, Some((at, why)));
    }
    let doubled = RETRY.saturating_mul(1 << tries.min(16));
    tokio::select! {
        () = stop.cancelled() => {}
        () = tokio::time::sleep(doubled.min(RETRY_MAX)) => {}
    }
}

/// What a fold that broke off may have left half done in memory is read again from the file.
async fn learn_again(reader: &dyn Reader) -> Result<(), String> {
    reader.relearn().await.map_err(|why| why.to_string())
}

/// Why a try came to nothing.
struct Broke {
    why: String,
    panicked: bool,
}

/// The same, with a panic as an error. Its words may quote what was folded, so they are not told on.
async fn unpanicked<T>(work: impl Future<Output = Result<T, String>>) -> Result<T, Broke> {
    match AssertUnwindSafe(work).catch_unwind().await {
        Ok(done) => done.map_err(|why| Broke {
            why,
            panicked: false,
        }),
        Err(_) => Err(Broke {
            why: "a fault of the program: it panicked, see its log".to_owned(),
            panicked: true,
        }),
    }
}

/// A view that does not go on.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct HeldUp {
    /// The reader's name.
    pub reader: String,
    /// The index of the first event that it has not folded.
    pub at: u64,
    /// Why, in words, without patient data.
    pub why: String,
}

impl Record {
    /// The views that do not go on, by name; they are tried again.
    pub fn held_up(&self) -> Vec<HeldUp> {
        self.inner.held_up.borrow().clone()
    }

    /// Changes when a view is held up, or goes on again.
    pub fn held_up_changes(&self) -> watch::Receiver<Vec<HeldUp>> {
        self.inner.held_up.subscribe()
    }
}

impl Inner {
    /// How a view does: where it is held up and why, or `None`.
    fn stands(&self, reader: &str, held: Option<(u64, String)>) {
        self.held_up.send_if_modified(|all| {
            let before = all.len();
            all.retain(|one| one.reader != reader);
            let changed = held.is_some() || all.len() != before;
            if let Some((at, why)) = held {
                let reader = reader.to_owned();
                all.push(HeldUp { reader, at, why });
                all.sort_by(|one, other| one.reader.cmp(&other.reader));
            }
            changed
        });
    }
}

/// Folds until the reader has everything that is committed. While it folds some events, the next
/// ones are read and decrypted.
async fn catch_up(
    record: &Record,
    reader: &dyn Reader,
    (most, untidy, stop): (&mut usize, &mut bool, &CancellationToken),
) -> Result<(), String> {
    let mut ahead: Option<Ahead> = None;
    loop {
        let from = reader.cursor().await.map_err(|why| why.to_string())?;
        if from >= record.size() {
            if *untidy {
                reader.tidy().await.map_err(|why| why.to_string())?;
                *untidy = false;
            }
            return Ok(());
        }
        if stop.is_cancelled() {
            return Ok(());
        }
        // A view that was dropped meanwhile wants other events than those that were read ahead.
        let begun = Instant::now();
        let here = match ahead.take().filter(|ahead| ahead.from == from) {
            Some(ahead) => ahead,
            None => Ahead::read(record, (from, *most)).await?,
        };
        let pace = reader.pace().filter(|_| here.batch.len() < *most);
        let next = async {
            match *most {
                FOLD_EVENTS_MAX if pace.is_none() => {
                    Ahead::read_to(record, here.next, record.size()).await
                }
                _ => Ok(None),
            }
        };
        // Before it is folded: what is folded and not tidied up is, after a start.
        *untidy |= here.batch.iter().any(orders_to_erase);
        let (arrivals, next) = tokio::join!(reader.fold(&here.batch, here.next), next);
        back_through_the_door(record, arrivals.map_err(|why| why.to_string())?).await?;
        ahead = next?;
        if let Some(pace) = pace {
            // What was sealed meanwhile is not waited for: on a busy day there is always something.
            if *untidy {
                reader.tidy().await.map_err(|why| why.to_string())?;
                *untidy = false;
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = pace.due(begun) => {}
            }
        }
        // It goes on: soon with as many events at a time as ever.
        if *most < FOLD_EVENTS_MAX {
            *most = most.saturating_mul(2).min(FOLD_EVENTS_MAX);
            record.inner.stands(reader.name(), None);
        }
    }
}

fn orders_to_erase(sealed: &Sealed) -> bool {
    matches!(sealed.event().body, Body::Erased(_))
}

/// Events that were read before they are wanted.
struct Ahead {
    from: u64,
    batch: Vec<Sealed>,
    next: u64,
}

impl Ahead {
    async fn read(record: &Record, (from, most): (u64, usize)) -> Result<Ahead, String> {
        let read = record.read_until(from, most).await;
        let (batch, next) = read.map_err(|why| why.to_string())?;
        Ok(Ahead { from, batch, next })
    }

    /// Nothing, if there is nothing more before `until`.
    async fn read_to(record: &Record, from: u64, until: u64) -> Result<Option<Ahead>, String> {
        let left = usize::try_from(until.saturating_sub(from)).unwrap_or(FOLD_EVENTS_MAX);
        match left.min(FOLD_EVENTS_MAX) {
            0 => Ok(None),
            most => Ahead::read(record, (from, most)).await.map(Some),
        }
    }
}

async fn back_through_the_door(record: &Record, arrivals: Vec<Arrival>) -> Result<(), String> {
    let admitted = arrivals
        .into_iter()
        .map(|arrival| admit(arrival, Standing::Salus, ""));
    let admitted = admitted
        .collect::<Result<Vec<_>, _>>()
        .map_err(|refused| refused.words)?;
    let sealed = record.admit(admitted).await;
    sealed.map(drop).map_err(|why| why.to_string())
}
