//! How far a standby is behind while its primary is sent to at a steady rate.

use std::time::Duration;

use anyhow::{Result, bail};
use drills::load::{MllpLoad, Template, Until, mllp};
use event::Clock as _;
use tokio_util::sync::CancellationToken;

use super::lost_site::pair;
use crate::clock::SystemClock;
use crate::remote::Remote;

/// Between two looks at the standby.
const LOOK: Duration = Duration::from_millis(100);
const CONNECTIONS: u16 = 64;
const PATIENTS: usize = 200;
const ANSWER_WAIT: Duration = Duration::from_secs(60);

/// What was measured.
pub(crate) struct Lag {
    /// Messages that the primary acknowledged in a second.
    pub(crate) per_second: f64,
    /// The farthest that the standby said it was behind, in milliseconds.
    pub(crate) most_ms: u64,
    /// How often it was looked at.
    pub(crate) looks: u64,
}

/// Sends `rate` messages a second for some time, and looks at the standby meanwhile.
///
/// # Errors
/// What keeps the two from being started, or a message from being acknowledged.
pub(crate) async fn standby_lag(rate: u64, lasts: Duration) -> Result<Lag> {
    let pair = Box::pin(pair()).await?;
    let load = MllpLoad {
        address: pair.running.mllp()?,
        tls: None,
        connections: CONNECTIONS,
        until: Until::Elapsed(lasts),
        pace: Some(rate as f64),
        run: 1,
        templates: Template::panels(1, PATIENTS, SystemClock.now()),
        answer_wait: ANSWER_WAIT,
    };
    let authority = pair.standby.certificate();
    let standby = Remote::new(pair.following.text("url"), &authority)?;
    let stop = CancellationToken::new();
    let watching = tokio::spawn(watch(standby, stop.clone()));
    let figures = mllp(&load).await;
    stop.cancel();
    let (most_ms, looks) = watching.await?;
    pair.following.victim.stop().await?;
    pair.running.victim.stop().await?;
    drop(pair.scene);
    let figures = figures?;
    match figures.first_error {
        Some(why) => bail!("a message was not acknowledged: {why}"),
        None => Ok(Lag {
            per_second: figures.per_second,
            most_ms,
            looks,
        }),
    }
}

/// The farthest behind, and how often it was asked.
async fn watch(standby: Remote, stop: CancellationToken) -> (u64, u64) {
    let (mut most, mut looks) = (0, 0);
    while !stop.is_cancelled() {
        if let Ok(answer) = standby.get("/readyz").await {
            let said = String::from_utf8_lossy(&answer.body).into_owned();
            let lag = said
                .lines()
                .find_map(|line| line.strip_prefix("standby_lag_ms "));
            if let Some(lag) = lag.and_then(|lag| lag.parse::<u64>().ok()) {
                most = most.max(lag);
                looks += 1;
            }
        }
        tokio::time::sleep(LOOK).await;
    }
    (most, looks)
}
