//! A human makes a standby the primary.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use event::{Act, Body, Event, Promoted, Subject};
use guard::Standing;
use serde::{Deserialize, Serialize};

use crate::assemble::House;
use crate::config::Config;
use crate::following::{self, beside, cursor, is_standby, joined};

/// The shortest reason.
const REASON_LETTERS_MIN: usize = 8;
/// How long the record of the standby may take to let go of its folder.
const RELEASE_TRIES: u32 = 100;
const RELEASE_PAUSE: Duration = Duration::from_millis(50);

/// An order to become the primary.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Promote {
    pub(crate) reason: String,
}

/// What became of it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Became {
    /// Which primary it is.
    pub(crate) epoch: u64,
    /// Events that it has from the primary before.
    pub(crate) events: u64,
    /// Objects (images) that these name and that are not here; `None`: nobody knows.
    pub(crate) objects_missing: Option<u64>,
}

impl Promote {
    /// # Errors
    /// If it does not say why.
    pub(crate) fn check(&self) -> Result<()> {
        if self.reason.trim().chars().count() < REASON_LETTERS_MIN {
            bail!("say why, in {REASON_LETTERS_MIN} letters or more: it is sealed");
        }
        Ok(())
    }
}

impl House {
    /// Tells the running standby to become the primary.
    pub(crate) fn become_primary(&self, order: &Promote) -> Result<Became> {
        order.check()?;
        if !self.app.record.is_standby() {
            bail!("this is the primary already");
        }
        let became = Became {
            epoch: self.app.record.epoch().highest + 1,
            events: self.app.record.size(),
            objects_missing: self.app.following.contact().objects_missing,
        };
        self.promotion.send_replace(Some(order.clone()));
        Ok(became)
    }
}

/// Makes a standby's data folder, which no server uses, the primary's: takes the next number, seals
/// that and why, and joins what was seen while the primary before was gone.
pub(crate) async fn carry_out(config: &Config, order: &Promote) -> Result<Became> {
    order.check()?;
    if !is_standby(&config.data) {
        bail!("`{}` is no standby's folder", config.data.display());
    }
    released(config).await?;
    let epoch = record::next_epoch(&config.record())?.own;
    following::unmark(&config.data)?;
    let house = House::open(config.clone()).await?;
    let events = house.app.record.size();
    let done = seal(&house, epoch, order).await;
    let joined = join_own(&house, config).await;
    house.close().await;
    done?;
    joined.context("it is the primary, but what was seen on the standby is not joined yet")?;
    Ok(Became {
        epoch,
        events,
        objects_missing: None,
    })
}

async fn seal(house: &House, epoch: u64, order: &Promote) -> Result<()> {
    let decision = house.decide(Act::Manage, Subject::Record, Some(order.reason.clone()));
    let body = Body::Promoted(Promoted {
        epoch,
        reason: order.reason.trim().to_owned(),
    });
    let actor = decision.ask().identity.actor.clone();
    let event = Event::new(actor, Act::Manage, Subject::Record, body);
    let admitted = guard::admit(event.into(), Standing::Decided(&decision), "");
    let admitted = admitted.map_err(|refused| anyhow::anyhow!(refused.words))?;
    house.app.record.admit(vec![admitted]).await?;
    Ok(())
}

/// What the standby sealed by itself becomes part of its own record now.
async fn join_own(house: &House, config: &Config) -> Result<()> {
    let mut own = record::Config::new(config.data.join("side"));
    own.origin = format!("{}/standby", config.record.origin);
    let side = record::Record::open(own, std::sync::Arc::clone(&house.clock)).await?;
    let (cursor, mut done) = (cursor(config), joined(&cursor(config)));
    while done < side.size() {
        let (events, next) = beside(&side, done).await?;
        let admitted = events.iter().filter_map(web::api::log::joined_by_itself);
        house.app.record.admit(admitted.collect()).await?;
        done = next;
        std::fs::write(&cursor, done.to_string())?;
    }
    side.stop().await;
    Ok(())
}

/// Waits until no server of this machine has the record open.
async fn released(config: &Config) -> Result<()> {
    for _ in 0..RELEASE_TRIES {
        let file = std::fs::File::options()
            .write(true)
            .open(config.data.join("lock"))?;
        let free = rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive);
        if free.is_ok() {
            return Ok(());
        }
        tokio::time::sleep(RELEASE_PAUSE).await;
    }
    bail!("another salus process uses `{}`", config.data.display())
}
