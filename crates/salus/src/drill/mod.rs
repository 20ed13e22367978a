//! What is practised: a server of its own in a folder of its own is killed, edited, encrypted; what
//! was lost, and how long it took, is measured and sealed in the real record.

mod lag;
mod lost_site;
mod outage;
mod ransomware;
mod restore;
mod scene;
mod tamper;

use std::sync::Arc;

use anyhow::{Result, anyhow};
use event::{Act, Body, Drill, Event, Subject};
use guard::{Ask, Facts, Standing, admit};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;
use web::DrillOrder;

use crate::assemble::House;
use crate::cli::DrillName;
use crate::operations::operator;
pub(crate) use lag::standby_lag;

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
        DrillName::LostSite => Box::pin(lost_site::drill(seed)).await,
        DrillName::Outage => outage::drill(seed).await,
        DrillName::Ransomware => Box::pin(ransomware::drill(seed)).await,
        DrillName::Restore => Box::pin(restore::drill(seed)).await,
        DrillName::Tamper => tamper::drill(seed).await,
    }
}

/// Carries out the drills that are ordered from the page, until `stop`.
pub(crate) async fn on_order(house: Arc<House>, stop: CancellationToken) {
    let Some(mut orders) = house.app.errands.drills() else {
        return;
    };
    loop {
        let order = tokio::select! {
            () = stop.cancelled() => return,
            order = orders.recv() => order,
        };
        let Some(order) = order else {
            return;
        };
        let outcome = tokio::select! {
            () = stop.cancelled() => return,
            outcome = Box::pin(ordered(&house, &order)) => outcome,
        };
        let outcome = outcome.map_err(|why| format!("{why:#}"));
        house.app.errands.drill.end(house.clock.now(), outcome);
    }
}

async fn ordered(house: &House, order: &DrillOrder) -> Result<String> {
    let name = DrillName::of(&order.name).ok_or_else(|| anyhow!("there is no such drill"))?;
    let drill = carry_out(name, order.seed).await?;
    let drilled = house.note_drill(drill).await?;
    let lost = drilled.drill.lost;
    Ok(format!("{lost} lost; sealed as event {}", drilled.index))
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
