//! Summaries made ready after a change, before anybody asks: by and by, one at a time, behind all other work.

use std::sync::Arc;
use std::time::Duration;

use chart::Stamp;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::ids;
use crate::App;

/// What is changed at once is looked at once.
const GATHER: Duration = Duration::from_millis(100);
/// The shortest rest between two summaries.
const REST: Duration = Duration::from_millis(5);
/// With more events that the chart has not folded yet, nothing is made: it would be old soon.
const BEHIND_MAX: u64 = 1_000;

/// Keeps the summaries of those asked about lately, or in house, ready until `stop`.
pub async fn ready_summaries(app: Arc<App>, stop: CancellationToken) {
    let mut stirred = app.chart.ready_stirred();
    while !stop.is_cancelled() {
        stirred.borrow_and_update();
        tokio::select! {
            () = stop.cancelled() => break,
            () = round(&app) => {}
        }
        tokio::select! {
            () = stop.cancelled() => break,
            changed = stirred.changed() => if changed.is_err() { break },
        }
        tokio::select! {
            () = stop.cancelled() => break,
            () = sleep(GATHER) => {}
        }
    }
}

/// Makes what is due now, as long as the chart is not behind.
async fn round(app: &Arc<App>) {
    let begun = Instant::now();
    let due = match app.chart.due().await {
        Ok(due) => due,
        Err(why) => {
            tracing::warn!(%why, "no summary can be made ready");
            return rest(begun).await;
        }
    };
    rest(begun).await;
    let mut warned = false;
    for one in due {
        let folded = *app.chart.folded().borrow();
        if app.record.size().saturating_sub(folded) > BEHIND_MAX {
            return;
        }
        let Some(stamp) = stamp(app) else { return };
        let begun = Instant::now();
        if let Err(why) = app.chart.make_ready(&one, stamp).await {
            // It is not tried again, so the others go on; one line for all of them.
            if !warned {
                tracing::warn!(%why, "a summary was not made ready");
            }
            warned = true;
        }
        rest(begun).await;
    }
}

/// As long as it took: half of the time belongs to whoever waits for an answer.
async fn rest(begun: Instant) {
    sleep(begun.elapsed().max(REST)).await;
}

fn stamp(app: &App) -> Option<Stamp> {
    let uuid = || ids::uuid().ok();
    Some(Stamp {
        base: app.settings.fhir_base.clone(),
        at: app.clock.now().to_string(),
        uuids: [uuid()?, uuid()?, uuid()?],
    })
}
