//! Erasure: the key of a patient is shredded, and everything that was sealed under it stays as
//! bytes that nothing opens. The log still verifies.
//!
//! In this order: note what is about to go; seal the order; shred. A crash before the order is
//! sealed leaves everything as it was, a crash after it is carried to its end at the next start.

use event::{Act, Body, Erased, Event, Subject};
use guard::{Decision, Standing, admit};

use crate::Error;
use crate::door::{Inner, Record};
use crate::journal::JournalFault;
use crate::sealed::Outcome;

/// Rows that are looked through at a time for an order.
const ROWS_AT_ONCE: usize = 500;

/// What was erased.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erasure {
    /// The index of the sealed order.
    pub index: u64,
    /// Events that cannot be read any more.
    pub events: u64,
}

impl Record {
    /// Erases patients: seals the order that `decision` allows, then shreds their keys. Whatever
    /// arrives for them afterwards begins a new stream under a new key.
    ///
    /// # Errors
    /// [`Error::NoSuchPatient`] if nothing was ever sealed for any of them, [`Error::Broken`] if
    /// the decision refuses, or if something failed: then nothing was erased, or the order is
    /// sealed and the next start finishes it.
    pub async fn erase(&self, decision: &Decision, patients: &[String]) -> Outcome<Erasure> {
        let inner = &self.inner;
        let _alone = inner.maintenance.lock().await;
        inner.settle_erasures().await?;
        let streams = inner.keyring.names_of(patients).await?;
        if streams.is_empty() {
            return Err(Error::NoSuchPatient);
        }
        let looked = self.size();
        let mut events = inner
            .journal
            .of_streams(&streams, 0)
            .await
            .map_err(failed)?;
        // INVARIANT: nothing is acknowledged under a key that is about to go: what is being
        // sealed is waited for, and what comes waits until the key is gone.
        let _quiet = inner.quiet.write().await;
        // INVARIANT: nobody's key is made after they were erased, for who asked before that and gave up.
        inner.keyring.settled().await?;
        let late = inner
            .journal
            .of_streams(&streams, looked)
            .await
            .map_err(failed)?;
        events.extend(late);
        events.sort_unstable();
        events.dedup();
        let order = Order {
            decision,
            streams: &streams,
            patients: patients.iter().map(|id| inner.blind.mark(id)).collect(),
            events: &events,
        };
        let order = order.admitted()?;
        inner.keyring.intend(&streams, self.size()).await?;
        let receipts = self.admit_now(vec![order]).await?;
        let index = receipts.first().map_or(0, |receipt| receipt.index);
        inner.shred(&streams, (index, &events)).await?;
        Ok(Erasure {
            index,
            events: events.len() as u64,
        })
    }
}

impl Record {
    /// The orders by which patients were erased.
    ///
    /// # Errors
    /// [`Error::Broken`] if keyring or journal cannot be read.
    pub async fn erased(&self) -> Outcome<Vec<Erased>> {
        self.inner.erased().await
    }
}

/// What is to be sealed.
struct Order<'o> {
    decision: &'o Decision,
    streams: &'o [[u8; 16]],
    patients: Vec<String>,
    events: &'o [u64],
}

impl Order<'_> {
    fn admitted(self) -> Outcome<guard::Admitted> {
        let ask = self.decision.ask();
        let body = Body::Erased(Erased {
            reason: ask.reason.clone().unwrap_or_default(),
            streams: self.streams.iter().map(|name| hex(name)).collect(),
            patients: self.patients,
            events: runs(self.events),
        });
        // About the record, not about the patient: it must outlive the patient's key.
        let event = Event::new(
            ask.identity.actor.clone(),
            Act::Erase,
            Subject::Record,
            body,
        );
        admit(event.into(), Standing::Decided(self.decision), "")
            .map_err(|refused| broken(refused.words))
    }
}

impl Inner {
    /// As [`Record::erased`].
    pub(crate) async fn erased(&self) -> Outcome<Vec<Erased>> {
        let mut orders = Vec::new();
        for index in self.keyring.orders().await? {
            let row = self.row(index).await?;
            if let Body::Erased(order) = &self.open_row(&row).await?.event.body {
                orders.push(order.clone());
            }
        }
        Ok(orders)
    }

    /// Finishes or drops erasures that were broken off.
    pub(crate) async fn settle_erasures(&self) -> Outcome<()> {
        let Some((streams, since)) = self.keyring.intended().await? else {
            return Ok(());
        };
        match self.order_since(since, &streams).await? {
            Some((index, order)) => {
                tracing::warn!(index, "an erasure was broken off: finishing it");
                let events: Vec<u64> = order
                    .events
                    .iter()
                    .flat_map(|(first, last)| *first..=*last)
                    .collect();
                self.shred(&streams, (index, &events)).await
            }
            // The order was never sealed, so nobody was told that anything is erased.
            None => self.keyring.erasing_is_over(&streams).await,
        }
    }

    /// The sealed order that names these streams, if it is at or behind `from`.
    async fn order_since(
        &self,
        mut from: u64,
        streams: &[[u8; 16]],
    ) -> Outcome<Option<(u64, Erased)>> {
        loop {
            let rows = self
                .journal
                .rows(from, ROWS_AT_ONCE)
                .await
                .map_err(failed)?;
            let Some(last) = rows.last() else {
                return Ok(None);
            };
            from = last.seq + 1;
            for row in &rows {
                let Ok(sealed) = self.open_row(row).await else {
                    continue;
                };
                if let Body::Erased(order) = &sealed.event.body
                    && streams
                        .iter()
                        .any(|name| order.streams.contains(&hex(name)))
                {
                    return Ok(Some((row.seq, order.clone())));
                }
            }
        }
    }

    /// Shreds the keys that a sealed order names. Every step can be repeated.
    pub(crate) async fn shred(
        &self,
        streams: &[[u8; 16]],
        (index, events): (u64, &[u64]),
    ) -> Outcome<()> {
        self.keyring.shred(streams, index).await?;
        self.newest.forget();
        // What was written of a resource counts no longer: it may be made again.
        self.journal.forget(events).await.map_err(failed)?;
        self.keyring.scrub().await?;
        self.keyring.erasing_is_over(streams).await
    }
}

/// Sorted indexes as runs: first and last of each.
fn runs(indexes: &[u64]) -> Vec<(u64, u64)> {
    let mut runs: Vec<(u64, u64)> = Vec::new();
    for &index in indexes {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == index => *last = index,
            _ => runs.push((index, index)),
        }
    }
    runs
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The names of streams as an order spells them.
pub(crate) fn unhex_streams(names: &[String]) -> Vec<[u8; 16]> {
    let read = |name: &String| {
        let mut out = [0; 16];
        for (place, number) in out.iter_mut().zip(0..) {
            *place = u8::from_str_radix(name.get(number * 2..number * 2 + 2)?, 16).ok()?;
        }
        Some(out)
    };
    names.iter().filter_map(read).collect()
}

fn failed(why: JournalFault) -> Error {
    broken(why)
}

fn broken(why: impl ToString) -> Error {
    Error::Broken {
        doing: "erase",
        why: why.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbors_make_one_run() {
        assert_eq!(runs(&[1, 2, 3, 7, 9, 10]), [(1, 3), (7, 7), (9, 10)]);
        assert_eq!(runs(&[]), []);
    }
}
