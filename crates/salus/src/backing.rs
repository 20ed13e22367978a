//! Backups, as the record hears of them.

use anyhow::{Result, anyhow};
use event::{Act, BackedUp, Body, Event, Subject};
use guard::{Standing, admit};
use serde::{Deserialize, Serialize};

use crate::assemble::House;
use crate::operations::operator;

/// A backup that was made and is to be sealed.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Pinned {
    /// Where it is.
    pub(crate) place: String,
    /// Events in it.
    pub(crate) size: u64,
    /// SHA-256 of its manifest, in hex.
    pub(crate) manifest: String,
}

impl House {
    /// Seals that a backup was made and returns the event's index.
    ///
    /// # Errors
    /// What keeps the record from sealing.
    pub(crate) async fn backed_up(&self, made: &Pinned) -> Result<u64> {
        let decision = self.decide(Act::Manage, Subject::Record, None);
        let body = Body::BackedUp(BackedUp {
            place: made.place.clone(),
            size: made.size,
            manifest: made.manifest.clone(),
        });
        let event = Event::new(operator().actor, Act::Manage, Subject::Record, body);
        let admitted = admit(event.into(), Standing::Decided(&decision), "");
        let admitted = admitted.map_err(|refused| anyhow!(refused.words))?;
        let receipts = self.app.record.admit(vec![admitted]).await?;
        Ok(receipts.first().map_or(0, |receipt| receipt.index))
    }
}
