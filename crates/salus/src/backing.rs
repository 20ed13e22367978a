//! Backups, as the record hears of them.

use anyhow::{Result, anyhow, bail};
use event::{Act, Actor, BackedUp, Body, Copy, Event, Subject};
use guard::{Standing, admit};
use serde::{Deserialize, Serialize};

use crate::assemble::House;
use crate::operations::{SETTLE, operator};

/// A backup that was made and is to be sealed.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Pinned {
    /// Where it is.
    pub(crate) place: String,
    /// Events in it.
    pub(crate) size: u64,
    /// SHA-256 of its manifest, in hex.
    pub(crate) manifest: String,
    /// Files in it, if it is one of folders and dumps.
    pub(crate) files: Option<u64>,
    /// Whether other names go there, which are not in it.
    #[serde(default)]
    pub(crate) in_part: bool,
    /// How the copy stands, if something is not in it.
    #[serde(default)]
    pub(crate) lacks: Option<Copy>,
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
            files: made.files,
            in_part: made.in_part,
        });
        let event = Event::new(operator().actor, Act::Manage, Subject::Record, body);
        let admitted = admit(event.into(), Standing::Decided(&decision), "");
        let admitted = admitted.map_err(|refused| anyhow!(refused.words))?;
        let mut admitted = vec![admitted];
        if let Some(copy) = &made.lacks {
            let body = Body::Copy(copy.clone());
            let event = Event::new(Actor::salus(), Act::Manage, Subject::Record, body);
            let lacks = admit(event.into(), Standing::Salus, "");
            admitted.push(lacks.map_err(|refused| anyhow!(refused.words))?);
        }
        let receipts = self.app.record.admit(admitted).await?;
        Ok(receipts.first().map_or(0, |receipt| receipt.index))
    }

    /// The manifests of folders and dumps that were sealed for a place, the newest first.
    ///
    /// # Errors
    /// What keeps the view from being read; or that it has not read the whole record yet: who went on
    /// from an older manifest would leave out the newer ones.
    pub(crate) async fn pinned(&self, place: &str) -> Result<Vec<String>> {
        let (lifeline, size) = (&self.app.lifeline, self.app.record.size());
        if !lifeline.caught_up(size, SETTLE).await {
            bail!(
                "which manifest counts at `{place}` is not known yet: {} of the record's {size} events \
                 are read; try again in a moment",
                lifeline.folded()
            );
        }
        let pinned = lifeline.pinned("files", place).await?;
        Ok(pinned.into_iter().map(|(_, manifest)| manifest).collect())
    }
}
