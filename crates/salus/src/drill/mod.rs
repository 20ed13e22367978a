//! What is practised: a server of its own in a folder of its own is killed, edited, encrypted; what
//! was lost, and how long it took, is measured and sealed in the real record.

mod outage;
mod scene;
mod tamper;

use anyhow::{Result, anyhow};
use event::{Act, Body, Drill, Event, Subject};
use guard::{Ask, Facts, Standing, admit};
use serde::{Deserialize, Serialize};

use crate::assemble::House;
use crate::cli::DrillName;
use crate::operations::operator;

/// Events looked at once for the last drill of that name.
const PAGE: usize = 2_000;

/// What a drill came to, and the last of its name before it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Drilled {
    pub(crate) drill: Drill,
    /// The index of the event that says so.
    pub(crate) index: u64,
    pub(crate) before: Option<Drill>,
}

/// Carries one out. Nothing of the installation is touched.
///
/// # Errors
/// What kept it from being carried out; that is no result.
pub(crate) async fn carry_out(name: DrillName, seed: u64) -> Result<Drill> {
    match name {
        DrillName::Outage => outage::drill(seed).await,
        DrillName::Tamper => tamper::drill(seed).await,
    }
}

impl House {
    /// Seals what a drill came to; gives the last of its name before it.
    ///
    /// # Errors
    /// What keeps the record from being read or from sealing.
    pub(crate) async fn note_drill(&self, drill: Drill) -> Result<Drilled> {
        let before = self.last_drill(&drill.name).await?;
        let ask = Ask {
            identity: operator(),
            act: Act::Manage,
            subject: Subject::Record,
            kinds: Vec::new(),
            purpose: "HOPERAT".into(),
            reason: None,
            detail: format!("drill {}", drill.name),
        };
        let decision = self.app.policies.decide(ask, &Facts::default());
        let body = Body::Drill(drill.clone());
        let event = Event::new(operator().actor, Act::Manage, Subject::Record, body);
        let admitted = admit(event.into(), Standing::Decided(&decision), "");
        let admitted = admitted.map_err(|refused| anyhow!(refused.words))?;
        let receipts = self.app.record.admit(vec![admitted]).await?;
        let index = receipts.first().map_or(0, |receipt| receipt.index);
        Ok(Drilled {
            drill,
            index,
            before,
        })
    }

    async fn last_drill(&self, name: &str) -> Result<Option<Drill>> {
        let mut until = self.app.record.size();
        while until > 0 {
            let from = until.saturating_sub(PAGE as u64);
            let count = usize::try_from(until - from).unwrap_or(PAGE);
            let events = self.app.record.read(from, count).await?;
            let found = events
                .iter()
                .rev()
                .find_map(|sealed| match &sealed.event().body {
                    Body::Drill(drill) if drill.name == name => Some(drill.clone()),
                    _ => None,
                });
            if found.is_some() {
                return Ok(found);
            }
            until = from;
        }
        Ok(None)
    }
}
