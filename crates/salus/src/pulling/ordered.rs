//! Pulling, as somebody at a page ordered it.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use event::{Act, Subject};
use futures_util::FutureExt as _;
use guard::Ask;
use inlets::dicom::Retrieve;
use record::Witnessed;
use tokio_util::sync::CancellationToken;
use web::{PullOrder, PullWhat, PulledSeries};

use super::{Order, Pulled, What, Word};
use crate::assemble::House;

/// Carries out what is ordered, one order after the other, until `stop`.
pub(crate) async fn on_order(house: Arc<House>, stop: CancellationToken) {
    let Some(mut orders) = house.app.pulls.taken() else {
        return;
    };
    loop {
        let order = tokio::select! {
            () = stop.cancelled() => return,
            order = orders.wait() => order,
        };
        // It may have been taken back at this moment.
        if !house.app.pulls.begin(order.id) {
            continue;
        }
        let limit = Duration::from_millis(house.app.settings.pull_order_ms);
        let carried = within(limit, Box::pin(ordered(&house, &order)));
        let outcome = tokio::select! {
            () = stop.cancelled() => return,
            // A fault inside one order ends that order and not the line.
            outcome = AssertUnwindSafe(carried).catch_unwind() => outcome,
        };
        let outcome = match outcome {
            Ok(outcome) => outcome.map_err(|why| format!("{why:#}")),
            Err(_) => Err("a fault of the program: it panicked, see its log".to_owned()),
        };
        let end = (house.clock.now(), outcome);
        house.app.pulls.end(order.id, end);
    }
}

/// An order takes so long at most: a PACS that says for ever that it goes on does not hold up the others.
async fn within(limit: Duration, carried: impl Future<Output = Result<()>>) -> Result<()> {
    let Ok(outcome) = tokio::time::timeout(limit, carried).await else {
        bail!(
            "it took longer than `pull_order_ms` = {} ms in all; what came stays: ordered again, it goes on with what lacks",
            limit.as_millis()
        );
    };
    outcome
}

async fn ordered(house: &House, order: &PullOrder) -> Result<()> {
    let word = Word::Person(order);
    let stop = house.app.pulls.stop_of(order.id);
    let mut found = Vec::new();
    for what in &order.what {
        if stop.is_cancelled() {
            return Ok(());
        }
        let order = Order {
            from: order.from.clone(),
            reason: order.reason.clone(),
            what: what.into(),
            by: Retrieve::Auto,
        };
        let series = Box::pin(house.pull_find((&order, &word))).await?;
        found.extend(series.into_iter().map(|one| (order.clone(), one)));
    }
    house.app.pulls.found(order.id, found.len());
    for (one, series) in &found {
        if stop.is_cancelled() {
            return Ok(());
        }
        let pulled = Box::pin(house.pull_series((one, &word), series)).await?;
        house.app.pulls.step(order.id, &pulled.into());
    }
    Ok(())
}

impl House {
    /// Seals that a person has something pulled, and whether they may: as they are by now.
    pub(super) async fn may_fetch(
        &self,
        order: &PullOrder,
        (feed, detail): (&str, &str),
    ) -> Result<()> {
        let account = &order.by.actor.id;
        let Some(identity) = self.app.staff.identity(account) else {
            bail!("the account `{account}` is there no more");
        };
        let (act, subject, purpose) = match &order.patient {
            Some(patient) => (Act::Fetch, Subject::Patient(patient.clone()), "TREAT"),
            None => (Act::Manage, Subject::Feed(feed.to_owned()), "HOPERAT"),
        };
        let ask = Ask {
            identity,
            act,
            subject,
            kinds: order
                .patient
                .iter()
                .map(|_| "ImagingStudy".to_owned())
                .collect(),
            purpose: purpose.to_owned(),
            reason: Some(order.reason.clone()),
            detail: detail.to_owned(),
        };
        let decision = self.app.decide(ask).await?;
        match self.app.record.witness(decision).await? {
            Witnessed::Allowed(_) => Ok(()),
            Witnessed::Refused(_, decision) => bail!(decision.words().join("; ")),
        }
    }
}

impl From<&PullWhat> for What {
    fn from(what: &PullWhat) -> What {
        match what {
            PullWhat::Study(uid) => What::Study(uid.clone()),
            PullWhat::Patient(number) => What::Patient(number.clone()),
            PullWhat::Accession(number) => What::Accession(number.clone()),
        }
    }
}

impl From<Pulled> for PulledSeries {
    fn from(pulled: Pulled) -> PulledSeries {
        PulledSeries {
            came: pulled.came as u64,
            there: pulled.there as u64,
            lacking: pulled.lacking.into_iter().map(|(_, why)| why).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_order_that_never_ends_is_ended_and_says_by_what() {
        let never = std::future::pending::<Result<()>>();
        let why = within(Duration::ZERO, never).await.unwrap_err().to_string();
        assert!(why.contains("`pull_order_ms`"), "{why}");
        let soon = async { bail!("no such study") };
        let why = within(Duration::from_millis(1), soon).await.unwrap_err();
        assert_eq!(why.to_string(), "no such study");
    }
}
