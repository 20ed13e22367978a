//! The record on a standby: it grows by what the primary sealed, and by nothing else.
//!
//! Every batch is held against the primary's signature before anything of it is kept: the rows
//! must hash, together with all that is here already, to a head that the log signed. So a forged
//! head, an older one and another history are refused alike. What people do here while the primary
//! is gone is sealed into a record of the standby's own and joined later.

use std::sync::Arc;

use event::{Body, Clock, Glass};
use guard::Admitted;
use seal::{Frontier, Hash, LogVerifier};
use tokio::sync::{Mutex, watch};

use crate::config::Config;
use crate::door::{Inner, Record};
use crate::erase::unhex_streams;
use crate::journal::{Batch, Row};
use crate::publisher::leaf;
use crate::recover::remember;
use crate::sealed::Outcome;
use crate::{Error, Receipt, Tail};

/// What a standby has beside the record that it follows.
pub(crate) struct Standby {
    /// Its own record: who looked while the primary was gone.
    pub(crate) side: Record,
    pub(crate) grown: watch::Sender<u64>,
    /// Held while a batch is taken.
    taking: Mutex<()>,
}

impl Record {
    /// Opens the record in a standby's data folder: it takes what [`Record::take`] is given.
    ///
    /// # Errors
    /// As [`Record::open`].
    pub async fn open_standby(config: Config, clock: Arc<dyn Clock>) -> Outcome<Record> {
        let mut own = Config::new(config.data.join("side"));
        own.origin = format!("{}/standby", config.origin);
        let side = Record::open(own, Arc::clone(&clock)).await?;
        Record::open_beside(config, clock, side).await
    }

    /// Whether this is a standby.
    pub fn is_standby(&self) -> bool {
        self.inner.standby.is_some()
    }

    /// The standby's own record; `None` if this is no standby.
    pub fn side(&self) -> Option<&Record> {
        self.inner.standby.as_ref().map(|standby| &standby.side)
    }

    /// Takes rows of the primary, if they lead from what is here to a head that the log signed.
    /// Returns how many events there are now.
    ///
    /// # Errors
    /// [`Error::Distrusted`] with what is wrong with them: nothing of them is kept.
    /// [`Error::KeysMissing`] if the keys that wrap theirs are not here. [`Error::Broken`].
    pub async fn take(&self, tail: &Tail) -> Outcome<u64> {
        let inner = &self.inner;
        let standby = inner.standby.as_ref();
        let standby = standby.ok_or_else(|| broken("this is no standby"))?;
        let _alone = standby.taking.lock().await;
        let before = inner.journal.frontier().await.map_err(broken)?;
        let (frontier, head) = inner.trusted(before, tail)?;
        if !inner.keyring.take_over(&tail.keys).await? {
            return Err(Error::KeysMissing);
        }
        let size = frontier.size();
        inner.keep(frontier, &tail.rows).await?;
        // INVARIANT: nothing is vouched for that went into files that nobody finds any more.
        inner.grounded()?;
        standby.grown.send_replace(size);
        if head.0 == size {
            let adopted = inner.publisher.adopt(&tail.checkpoint, head).await?;
            if let Some(published) = adopted {
                inner.tell_head(published);
            }
        }
        Ok(size)
    }
}

impl Standby {
    pub(crate) fn new(side: Record, grown: watch::Sender<u64>) -> Standby {
        Standby {
            side,
            grown,
            taking: Mutex::default(),
        }
    }

    /// Seals what may happen here without the primary; all of it, or nothing.
    pub(crate) async fn admit(&self, events: Vec<Admitted>) -> Outcome<Vec<Receipt>> {
        if events.iter().all(|event| may_happen(&event.event().body)) {
            return Box::pin(self.side.admit(events)).await;
        }
        Err(Error::Standby)
    }
}

/// Looking, and what goes with it. Nothing that changes a chart, an account or a policy.
const fn may_happen(body: &Body) -> bool {
    matches!(
        body,
        Body::Ceiling(_)
            | Body::Decision(_)
            | Body::Glass(Glass::Started { .. } | Glass::Ended { .. })
            | Body::Rejected(_)
            | Body::Service(_)
            | Body::Session(_)
            | Body::Shown(_)
    )
}

impl Inner {
    /// The frontier after the rows, and the signed head that they lead to.
    fn trusted(&self, mut frontier: Frontier, tail: &Tail) -> Outcome<(Frontier, (u64, Hash))> {
        let log = LogVerifier::new(self.publisher.key().public()).map_err(broken)?;
        let distrusted = |why: &str| Error::Distrusted {
            why: why.to_owned(),
        };
        let head = log
            .verify(&tail.checkpoint)
            .map_err(|why| distrusted(&why.to_string()))?;
        // Its successor has to be known before this key signs no more.
        if log.misses_a_key(&tail.checkpoint) {
            return Err(Error::KeysMissing);
        }
        if head.0 < frontier.size() {
            return Err(distrusted(&format!(
                "its head has {} events, and {} are here: it was rolled back",
                head.0,
                frontier.size()
            )));
        }
        for row in &tail.rows {
            if row.seq != frontier.size() {
                return Err(distrusted("its rows do not follow what is here"));
            }
            let leaf = leaf(row).map_err(|why| distrusted(&why.to_string()))?;
            frontier.push(leaf);
        }
        let here = (frontier.size(), frontier.root());
        let leads = match here.0 == head.0 {
            true => here.1 == head.1,
            false => here.0 == 0 || seal::consistent(here, head, &tail.proof),
        };
        match leads {
            true => Ok((frontier, head)),
            false => Err(distrusted(
                "what it shows is another history than the one that is here",
            )),
        }
    }

    /// Keeps rows in one transaction, and shreds the keys that they order to shred.
    async fn keep(&self, frontier: Frontier, rows: &[Row]) -> Outcome<()> {
        if rows.is_empty() {
            return Ok(());
        }
        let mut batch = Batch {
            frontier,
            rows: rows.to_vec(),
            ..Batch::default()
        };
        let mut orders = Vec::new();
        for row in rows {
            remember(self, row, &mut batch).await?;
            if let Ok(sealed) = self.open_row(row).await
                && let Body::Erased(order) = &sealed.event.body
            {
                let streams = unhex_streams(&order.streams);
                // Noted first: if it breaks off here, the next start goes on.
                self.keyring.intend(&streams, row.seq).await?;
                orders.push((streams, row.seq, order.clone()));
            }
        }
        self.journal.append(batch).await.map_err(broken)?;
        for (streams, index, order) in orders {
            let events: Vec<u64> = order
                .events
                .iter()
                .flat_map(|(first, last)| *first..=*last)
                .collect();
            self.shred(&streams, (index, &events)).await?;
        }
        Ok(())
    }
}

fn broken(why: impl ToString) -> Error {
    Error::Broken {
        doing: "follow",
        why: why.to_string(),
    }
}
