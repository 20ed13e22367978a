//! One task gives every event its place. It is the only writer of the journal.
//!
//! What happens to a batch, in this order and no other: gather, refuse what lost a race, recognise
//! repeated deliveries, encrypt and hash, ONE transaction, answer. A crash anywhere before the
//! commit leaves nothing; a crash after it leaves everything.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use event::{Clock, Event, Time};
use futures_util::FutureExt as _;
use seal::{Frontier, Prepared};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use crate::ground::Ground;
use crate::journal::{Batch, Delivery, Journal, Row, Version};
use crate::keyring::Stream;
use crate::newest::Newest;
use crate::sealed::Outcome;
use crate::{Error, Receipt, Sealed};

/// How long a batch is open for more, if the one before it had several senders: what a commit costs, it costs for all of
/// them once.
const GATHERING: Duration = Duration::from_micros(50);

/// One event, encrypted as far as can be without knowing its index.
pub(crate) struct Item {
    pub(crate) stream: Stream,
    pub(crate) prepared: Prepared,
    pub(crate) event: Arc<Event>,
    /// Length of its plaintext.
    pub(crate) bytes: usize,
    /// Blind tags of (sender and message id, content).
    pub(crate) delivery: Option<([u8; 16], [u8; 16])>,
    /// What it writes, if it writes one resource.
    pub(crate) write: Option<Write>,
    /// Blind tag of what it may change without naming it: the patient of a message.
    pub(crate) touches: Option<[u8; 16]>,
}

/// One resource write, to be held against others.
pub(crate) struct Write {
    pub(crate) resource: [u8; 16],
    pub(crate) patient: Option<[u8; 16]>,
    pub(crate) replaces: u64,
    pub(crate) as_of: u64,
    pub(crate) kind: String,
    pub(crate) id: String,
}

/// Events that are sealed together or not at all.
pub(crate) struct Group {
    pub(crate) items: Vec<Item>,
    pub(crate) reply: Reply,
}

pub(crate) struct Sequencer {
    pub(crate) journal: Arc<dyn Journal>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) batch_events_max: usize,
    pub(crate) recent: Recent,
    pub(crate) frontier: Frontier,
    pub(crate) last_at: Time,
    pub(crate) grown: watch::Sender<u64>,
    pub(crate) newest: Arc<Newest>,
    pub(crate) ground: Arc<Ground>,
}

/// Where the answer of a group goes.
pub(crate) type Reply = oneshot::Sender<Outcome<Vec<Receipt>>>;

/// A batch as it takes shape, with the answers that will be given once it is durable.
#[derive(Default)]
struct Draft {
    batch: Batch,
    seen: HashMap<[u8; 16], Vec<Delivery>>,
    used: HashSet<([u8; 16], u64)>,
    answers: Vec<(Reply, Vec<Receipt>)>,
    sealed: Vec<(Sealed, usize)>,
}

impl Sequencer {
    /// Runs until every sender of groups is gone, on a thread of its own: a commit that waits for the disk keeps
    /// nobody from being served. What is returned ends with it.
    ///
    /// # Errors
    /// [`Error::Broken`] if the system gives no thread.
    pub(crate) fn start(self, groups: mpsc::Receiver<Group>) -> Result<JoinHandle<()>, Error> {
        let here = Handle::current();
        let (ended, end) = oneshot::channel::<()>();
        let run = move || {
            here.block_on(self.run(groups));
            drop(ended);
        };
        let thread = thread::Builder::new().name("sequencer".into());
        let started = thread.spawn(run);
        started.map_err(|why| broken(&why.to_string()))?;
        // An error means that it was dropped, which is the end.
        Ok(tokio::spawn(end.map(drop)))
    }

    async fn run(mut self, mut groups: mpsc::Receiver<Group>) {
        let mut company = false;
        while let Some(first) = groups.recv().await {
            if company {
                thread::sleep(GATHERING);
            }
            // Whatever arrived while the last commit was under way is one batch, and while others were about a moment ago
            // more of them are expected: a single event never waits for company.
            let mut count = first.items.len();
            let mut gathered = vec![first];
            while count < self.batch_events_max {
                let Ok(next) = groups.try_recv() else { break };
                count += next.items.len();
                gathered.push(next);
            }
            company = gathered.len() > 1;
            self.commit(gathered).await;
        }
    }

    async fn commit(&mut self, groups: Vec<Group>) {
        let mut draft = Draft {
            batch: Batch::default(),
            ..Draft::default()
        };
        draft.batch.frontier = self.frontier.clone();
        if let Err(why) = self.look_up(&groups, &mut draft).await {
            return groups
                .into_iter()
                .for_each(|group| refuse(group.reply, broken(&why)));
        }
        // INVARIANT: sealing times never go back, whatever the clock does.
        let at = self.clock.now().max(self.last_at);
        let placed = groups
            .into_iter()
            .try_for_each(|group| self.place(group, at, &mut draft));
        if let Err(why) = placed {
            // INVARIANT: nothing of a batch stays if one event of it cannot be encrypted. The
            // groups that were not reached see their answer's sender dropped, which means the same.
            tracing::error!(%why, "an event could not be encrypted");
            return draft
                .answers
                .into_iter()
                .for_each(|(reply, _)| refuse(reply, broken(&why)));
        }
        if draft.batch.rows.is_empty() {
            return self.answer(draft.answers);
        }
        let frontier = draft.batch.frontier.clone();
        match self.journal.append(draft.batch).await {
            Ok(()) => {
                self.frontier = frontier;
                self.last_at = at;
                self.newest.push(draft.sealed);
                self.grown.send_replace(self.frontier.size());
                self.answer(draft.answers);
            }
            Err(why) => {
                tracing::error!(%why, "a batch was not committed; its senders will try again");
                let why = why.to_string();
                draft
                    .answers
                    .into_iter()
                    .for_each(|(reply, _)| refuse(reply, broken(&why)));
                self.reload().await;
            }
        }
    }

    /// One look-up for the whole batch: which message ids and which versions are taken.
    async fn look_up(&self, groups: &[Group], draft: &mut Draft) -> Result<(), String> {
        let items = || groups.iter().flat_map(|group| &group.items);
        let messages: Vec<_> = items().filter_map(|item| Some(item.delivery?.0)).collect();
        let known = self
            .journal
            .deliveries(&messages)
            .await
            .map_err(|why| why.to_string())?;
        for delivery in known {
            draft
                .seen
                .entry(delivery.message)
                .or_default()
                .push(delivery);
        }
        let wanted: Vec<_> = items()
            .filter_map(|item| item.write.as_ref())
            .map(|write| (write.resource, write.replaces))
            .collect();
        let known = self
            .journal
            .replaced(&wanted)
            .await
            .map_err(|why| why.to_string())?;
        draft.used.extend(
            known
                .iter()
                .map(|version| (version.resource, version.replaces)),
        );
        Ok(())
    }

    /// Gives a group its indices, or refuses it whole.
    fn place(&mut self, group: Group, at: Time, draft: &mut Draft) -> Result<(), String> {
        if let Some(lost) = self.lost_race(&group.items, draft) {
            refuse(group.reply, lost);
            return Ok(());
        }
        let mut receipts = Vec::with_capacity(group.items.len());
        for item in group.items {
            let receipt = match repeated(&item, draft) {
                Some(first) => first,
                None => self.seal(item, at, draft)?,
            };
            receipts.push(receipt);
        }
        draft.answers.push((group.reply, receipts));
        Ok(())
    }

    fn lost_race(&self, items: &[Item], draft: &Draft) -> Option<Error> {
        let mut inside = HashSet::new();
        items
            .iter()
            .filter_map(|item| item.write.as_ref())
            .find_map(|write| {
                let taken = (write.resource, write.replaces);
                let lost = draft.used.contains(&taken)
                    || !inside.insert(taken)
                    || self.recent.since(write);
                lost.then(|| Error::Conflict {
                    kind: write.kind.clone(),
                    id: write.id.clone(),
                })
            })
    }

    fn seal(&mut self, item: Item, at: Time, draft: &mut Draft) -> Result<Receipt, String> {
        let seq = draft.batch.frontier.size();
        let place = (seq, item.stream.name, at.millis());
        let (entry, ciphertext) =
            seal::seal(&item.stream.key, item.prepared, place).map_err(|why| why.to_string())?;
        draft.batch.frontier.push(entry.leaf());
        draft.batch.rows.push(Row {
            seq,
            stream: item.stream.name,
            at: at.millis(),
            entry: entry.to_bytes().to_vec(),
            ciphertext,
        });
        let sealed = Sealed {
            index: seq,
            at,
            stream: item.stream.name,
            event: item.event,
        };
        draft.sealed.push((sealed, item.bytes));
        let mut reused = false;
        if let Some((message, content)) = item.delivery {
            let delivery = Delivery {
                message,
                content,
                seq,
                at: at.millis(),
            };
            let others = draft.seen.entry(message).or_default();
            reused = !others.is_empty();
            others.push(delivery);
            draft.batch.deliveries.push(delivery);
        }
        if let Some(write) = item.write {
            draft.used.insert((write.resource, write.replaces));
            self.recent.note(write.resource, seq);
            let Write {
                resource, replaces, ..
            } = write;
            draft.batch.versions.push(Version {
                resource,
                replaces,
                seq,
            });
        }
        if let Some(patient) = item.touches {
            self.recent.note(patient, seq);
        }
        Ok(Receipt {
            index: seq,
            at,
            repeated: false,
            reused,
        })
    }

    /// INVARIANT: nothing is acknowledged that went into a file that nobody finds any more.
    fn answer(&self, answers: Vec<(Reply, Vec<Receipt>)>) {
        if self.ground.holds().is_ok() {
            return answer(answers);
        }
        for (reply, receipts) in answers {
            // A sender that has gone away needs no answer; its event is sealed all the same.
            let _ = reply.send(self.ground.holds().map(|()| receipts));
        }
    }

    /// After a failed commit the database alone knows what is true.
    async fn reload(&mut self) {
        match self.journal.frontier().await {
            Ok(frontier) => {
                self.frontier = frontier;
                self.grown.send_replace(self.frontier.size());
            }
            Err(why) => tracing::error!(%why, "the journal cannot be read"),
        }
    }
}

fn repeated(item: &Item, draft: &Draft) -> Option<Receipt> {
    let (message, content) = item.delivery?;
    let first = draft
        .seen
        .get(&message)?
        .iter()
        .find(|seen| seen.content == content)?;
    let at = Time::from_millis(first.at);
    Some(Receipt {
        index: first.seq,
        at,
        repeated: true,
        reused: false,
    })
}

fn answer(answers: Vec<(Reply, Vec<Receipt>)>) {
    for (reply, receipts) in answers {
        // A sender that has gone away needs no answer; its event is sealed all the same.
        let _ = reply.send(Ok(receipts));
    }
}

fn refuse(reply: Reply, why: Error) {
    let _ = reply.send(Err(why));
}

fn broken(why: &str) -> Error {
    Error::Broken {
        doing: "commit",
        why: why.to_owned(),
    }
}

/// The last write of each resource and patient, as far back as memory allows.
pub(crate) struct Recent {
    last: HashMap<[u8; 16], u64>,
    /// Writes before this index are not remembered.
    floor: u64,
    max: usize,
}

impl Recent {
    pub(crate) fn new(floor: u64, max: usize) -> Recent {
        Recent {
            last: HashMap::new(),
            floor,
            max,
        }
    }

    /// Whether something this write does not know of came since.
    fn since(&self, write: &Write) -> bool {
        let later = |tag: &[u8; 16]| self.last.get(tag).is_some_and(|&seq| seq >= write.as_of);
        // A new resource cannot lose an update; that nobody else made it is `used`'s to say.
        write.replaces != 0
            && (write.as_of < self.floor
                || later(&write.resource)
                || write.patient.as_ref().is_some_and(later))
    }

    fn note(&mut self, tag: [u8; 16], seq: u64) {
        self.last.insert(tag, seq);
        if self.last.len() > self.max {
            let mut seqs: Vec<u64> = self.last.values().copied().collect();
            let middle = seqs.len() / 2;
            let (_, &mut floor, _) = seqs.select_nth_unstable(middle);
            self.last.retain(|_, seq| *seq >= floor);
            self.floor = self.floor.max(floor);
        }
    }
}
