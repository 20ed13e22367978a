//! Of two machines with one record only the one that a human made the primary last takes anything.
//! The other one learns of it before it takes the first event: it asks those that may have taken
//! over.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use tokio_util::sync::CancellationToken;
use web::App;
use web::api::log::Turn;

use crate::config::Config;
use crate::remote::Remote;

/// How often peers are asked before the first event, if one of them has to answer and none does: after a power failure all of
/// them start at once.
const ROUNDS: usize = 5;

/// Asks, before anything is taken, whether another machine took over.
///
/// # Errors
/// If one did, or if nobody answers and somebody has to.
pub(crate) async fn may_begin(config: &Config) -> Result<()> {
    let record = config.record();
    let mut own = record::epoch(&record)?;
    let peers = peers(config)?;
    let log = std::fs::read_to_string(config.data.join("keys/log.pub")).unwrap_or_default();
    let needed = config.fence.required || config.fence.lease_ms > 0;
    let pause = Duration::from_millis(config.fence.ask_ms.max(1));
    let mut answers = 0_usize;
    for round in 1..=ROUNDS {
        for peer in &peers {
            match turn(peer, log.trim()).await {
                Ok(epoch) => {
                    answers += 1;
                    own = record::heard_of(&record, epoch)?;
                }
                Err(why) => {
                    tracing::warn!(why = %format!("{why:#}"), "whether another machine took over is not known")
                }
            }
        }
        if answers > 0 || peers.is_empty() || !needed || round == ROUNDS {
            break;
        }
        tokio::time::sleep(pause).await;
    }
    if let Some(epoch) = own.fenced_by() {
        bail!(
            "another machine is the primary now (number {epoch}, this one is {}): this one must not \
             take anything any more. Make it a standby of that one, in a new data folder",
            own.own
        );
    }
    if answers == 0 && !peers.is_empty() && needed {
        bail!(
            "none of `peers` in `[fence]` answers, so nobody knows whether another machine took over; \
             bring one of them back, or set `required = false` and `lease_ms = 0` if you are sure that none did"
        );
    }
    Ok(())
}

/// Asks again and again while the server runs.
pub(crate) async fn watch(config: Config, app: Arc<App>, stop: CancellationToken) {
    let Ok(peers) = peers(&config) else { return };
    let mut lease = Lease::of(&config, &app);
    let log = app.record.public_keys();
    let pause = Duration::from_millis(config.fence.ask_ms.max(1));
    while !peers.is_empty() {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
        for peer in &peers {
            let asked = Instant::now();
            let Ok(epoch) = turn(peer, &log).await else {
                lease.look();
                continue;
            };
            lease.renew(asked);
            let before = app.record.epoch().fenced_by();
            if let Err(why) = app.record.heard_of(epoch) {
                tracing::error!(%why, "that another machine took over could not be kept");
            }
            if before.is_none() && app.record.epoch().fenced_by().is_some() {
                tracing::error!(
                    epoch,
                    "another machine took over: nothing is taken any more"
                );
            }
        }
    }
}

/// How long something may be acknowledged without hearing from anybody.
struct Lease<'a> {
    app: &'a App,
    lasts: Duration,
    until: Instant,
    ended: bool,
}

impl<'a> Lease<'a> {
    /// It begins now: somebody has answered just before ([`may_begin`]).
    fn of(config: &Config, app: &'a App) -> Lease<'a> {
        let mut lease = Lease {
            app,
            lasts: Duration::from_millis(config.fence.lease_ms),
            until: Instant::now(),
            ended: false,
        };
        if !config.fence.peers.is_empty() {
            lease.renew(Instant::now());
        }
        lease
    }

    /// Somebody answered a question of that moment.
    fn renew(&mut self, asked: Instant) {
        if self.lasts.is_zero() {
            return;
        }
        self.until = asked + self.lasts;
        self.app.record.lease(Some(self.until));
        if std::mem::take(&mut self.ended) {
            tracing::warn!("a peer answers again: events are acknowledged");
        }
    }

    /// Says once that it has ended.
    fn look(&mut self) {
        if !self.lasts.is_zero() && !self.ended && self.until <= Instant::now() {
            self.ended = true;
            tracing::error!(
                "no peer has answered for longer than `lease_ms`: nothing is acknowledged until one does"
            );
        }
    }
}

fn peers(config: &Config) -> Result<Vec<Remote>> {
    let own = &config.fence;
    let wait = Duration::from_millis(own.ask_ms.max(1));
    let peers = own.peers.iter();
    let peers = peers.map(|url| Ok(Remote::new(url, &own.authorities)?.waiting(wait)));
    peers.collect()
}

/// Whether two public keys are of one log: one leads to the other.
fn one_record(theirs: &str, ours: &str) -> bool {
    let key = |text: &str| seal::LogVerifier::new(text).ok();
    match (key(theirs), key(ours)) {
        (Some(theirs), Some(ours)) => {
            theirs.leads_from(ours.vkey()) || ours.leads_from(theirs.vkey())
        }
        _ => false,
    }
}

/// The highest number that a peer has heard of, if it is of the same record.
async fn turn(peer: &Remote, log: &str) -> Result<u64> {
    let answer = peer.get("/epoch").await?;
    if answer.status != 200 {
        bail!("it answered {}", answer.status);
    }
    let turn: Turn = serde_json::from_slice(&answer.body)?;
    if !one_record(&turn.log, log) {
        bail!("it has another record");
    }
    Ok(turn.epoch)
}
