//! Objects that a peer sends here, on an association that it opens (C-MOVE): they come through the door of all,
//! and are counted there.

use std::time::Duration;

use anyhow::{Result, bail};
use inlets::dicom::{Arrivals, Awaited};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use web::Scu;
use wire::dicom::Status;

use super::{AT_ONCE, CANCELLED, From, Portion, Pulled, TAKEN_BACK};
use crate::assemble::House;

impl House {
    /// Has objects sent here, and counts what comes.
    pub(super) async fn have_sent(
        &self,
        from: &From,
        some: &Portion<'_>,
        pulled: &mut Pulled,
    ) -> Result<()> {
        if some.instances.is_empty() || from.stop.is_cancelled() {
            return Ok(());
        }
        if !self.intake.is_open() {
            bail!(
                "by C-MOVE the objects come to the running server: start it with `[dicom]` listening, and pull again"
            );
        }
        for uids in some.instances.chunks(AT_ONCE) {
            let mut arrivals = self.intake.awaits(&Awaited {
                feed: from.sender.feed.name(),
                calling: &from.peer.calling,
                called: &from.peer.called,
                study: &some.of.study,
                only: from.only.as_deref(),
                instances: uids,
            });
            let still = Duration::from_millis(self.config.dicom.move_still_ms);
            let scu = Scu::open_to_move(&self.app, &from.peer).await;
            let scu = scu.map_err(anyhow::Error::msg)?;
            let sending = Sending {
                scu,
                here: &from.peer.calling,
                still,
                late: from.peer.wait,
                stop: &from.stop,
            };
            let why = sending.all(&some.identifier(uids), &mut arrivals).await;
            count(uids, &arrivals, (&why, &mut *pulled));
            if from.stop.is_cancelled() {
                break;
            }
        }
        Ok(())
    }
}

/// Objects on their way here.
struct Sending<'a> {
    scu: Scu,
    /// The AE title to which they are sent.
    here: &'a str,
    /// How long nothing may come.
    still: Duration,
    /// The same, once the peer said that it is done.
    late: Duration,
    /// Nobody wants them any more.
    stop: &'a CancellationToken,
}

impl Sending<'_> {
    /// Waits until all are here or no more come; why those that are not did not.
    async fn all(self, asked: &[u8], arrivals: &mut Arrivals) -> String {
        let Sending {
            mut scu,
            here,
            still,
            late,
            stop,
        } = self;
        let to = (here, arrivals.message());
        let ended = until_still(scu.moves(asked, to, (still, stop)), arrivals, (still, late)).await;
        match ended {
            Some(Ok(status)) => {
                scu.close().await;
                // Some say that they are done before they send.
                if is_done(status) {
                    until_still(
                        std::future::pending::<()>(),
                        arrivals,
                        (late, Duration::ZERO),
                    )
                    .await;
                }
                said(status, here)
            }
            Some(Err(why)) => format!("it was not sent: {why}"),
            None => {
                scu.abort().await;
                let still = still.as_millis();
                format!("nothing came for {still} ms (`move_still_ms`)")
            }
        }
    }
}

/// Whether a peer says that it sent what it could (PS3.4 table C.4-2).
const fn is_done(status: u16) -> bool {
    matches!(status, 0x0000 | 0xB000..=0xBFFF)
}

/// What the last status says of an object that did not come.
fn said(status: u16, here: &str) -> String {
    match status {
        0xA801 => format!(
            "it knows no `{here}` to send to (status A801): enter `{here}` there, with the address and port of \
             `[dicom]`"
        ),
        0x0000 => format!(
            "it says that it was sent (status 0000), and it did not come: see whether it sends to the address of \
             `{here}`, and *Flow* for who was turned away"
        ),
        CANCELLED => TAKEN_BACK.to_owned(),
        status => format!("it was not sent (status {status:04X})"),
    }
}

/// Waits for the end of something, but no longer than nothing comes for `still`, or for `late` once all are here;
/// `None`: it did not end by then.
async fn until_still<T>(
    work: impl Future<Output = T>,
    arrivals: &mut Arrivals,
    (still, late): (Duration, Duration),
) -> Option<T> {
    tokio::pin!(work);
    loop {
        let wait = if arrivals.are_all() { late } else { still };
        tokio::select! {
            done = &mut work => return Some(done),
            () = arrivals.more() => {}
            () = sleep(wait) => return None,
        }
    }
}

/// Adds what came, and says of the others why they lack.
fn count(uids: &[&str], arrivals: &Arrivals, (why, pulled): (&str, &mut Pulled)) {
    let mut told = arrivals.told();
    for uid in uids {
        match told.remove(*uid) {
            Some(told) if told.status == Status::Success => pulled.came += 1,
            Some(told) => pulled.lacking.push(((*uid).to_owned(), told.why)),
            None => pulled.lacking.push(((*uid).to_owned(), why.to_owned())),
        }
    }
}
