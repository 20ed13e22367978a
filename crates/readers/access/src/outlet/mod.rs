//! The way out for the audit trail: DICOM audit messages over syslog to another repository
//! (IHE ATNA ITI-20; RFC 5424 over TLS by RFC 5425, or plain TCP on this machine).
//!
//! Syslog has no acknowledgement, and bytes that a dead receiver never read are lost in its
//! socket. So a connection carries some events and is then closed from this side; only when the
//! receiver has read to the end and closes too are they taken as delivered, and the cursor moves
//! on. Whatever happens before that, they are sent again: each event arrives once or more often.

mod cursor;
mod delivery;
mod way;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use event::{Clock, Time};
use record::Record;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use wire::audit::Site;

use crate::access::Access;
use cursor::Cursor;
use way::Way;

/// Events that are read from the record together.
const READ_EVENTS: usize = 300;
/// The longest wait between two tries.
const RETRY_MAX: Duration = Duration::from_secs(60);

/// Where the audit trail is sent, in `salus.toml` under `[audit.export]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OutletConfig {
    /// `tls://host:6514`, or `tcp://127.0.0.1:514` on this machine alone; empty: nowhere.
    pub to: String,
    /// PEM file with the certificates of the authorities that may vouch for the receiver.
    pub authorities: PathBuf,
    /// PEM file with our own certificate chain; empty: none is shown.
    pub certificate: PathBuf,
    /// PEM file with its private key.
    pub key: PathBuf,
    /// How we are called in the messages; empty: `salus`.
    pub host: String,
    /// Whether the audit messages that other systems sent here are passed on, too, as they came.
    pub others: bool,
    /// Events that one connection carries before it is closed to learn that they were read.
    pub confirm_events: u64,
    /// Milliseconds the receiver may take to connect, to read, and to close.
    pub wait_ms: u64,
    /// Milliseconds after a failure before the first new try; each further one waits twice as long.
    pub retry_ms: u64,
}

impl Default for OutletConfig {
    fn default() -> OutletConfig {
        OutletConfig {
            to: String::new(),
            authorities: PathBuf::new(),
            certificate: PathBuf::new(),
            key: PathBuf::new(),
            host: String::new(),
            others: false,
            confirm_events: 1_000,
            wait_ms: 10_000,
            retry_ms: 1_000,
        }
    }
}

/// How the way out does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutletStatus {
    /// Where it leads.
    pub to: String,
    /// Events of the record that were delivered or are none of its business.
    pub next: u64,
    /// Messages delivered since the start.
    pub delivered: u64,
    /// When something was last delivered.
    pub last: Option<Time>,
    /// What keeps it from delivering, in words; `None`: nothing.
    pub trouble: Option<String>,
}

/// The task that sends.
pub struct Outlet {
    config: OutletConfig,
    way: Way,
    cursor: Cursor,
    site: Site,
    clock: Arc<dyn Clock>,
    status: watch::Sender<Option<OutletStatus>>,
}

impl Outlet {
    /// Reads the certificates and where it stopped; `None` if nothing is configured.
    ///
    /// # Errors
    /// In words what is wrong with the configuration or the files.
    pub fn open(
        config: OutletConfig,
        cursor: PathBuf,
        (access, site, clock): (&Access, Site, Arc<dyn Clock>),
    ) -> Result<Option<Outlet>, String> {
        if config.to.is_empty() {
            return Ok(None);
        }
        let way = Way::open(&config)?;
        let cursor = Cursor::open(cursor, &config.to)?;
        let status = access.outlet_sender();
        status.send_replace(Some(OutletStatus {
            to: config.to.clone(),
            next: cursor.next(),
            delivered: 0,
            last: None,
            trouble: None,
        }));
        Ok(Some(Outlet {
            config,
            way,
            cursor,
            site,
            clock,
            status,
        }))
    }

    /// Sends until `stop`.
    pub async fn run(mut self, record: Record, stop: CancellationToken) {
        let sending = self.send(&record);
        tokio::select! {
            () = stop.cancelled() => {}
            () = sending => {}
        }
    }

    /// Sends for ever. Cut off anywhere, it has sent something again at worst.
    async fn send(&mut self, record: &Record) {
        let mut growth = record.growth();
        let first = Duration::from_millis(self.config.retry_ms.max(1));
        let mut pause = first;
        loop {
            if self.cursor.next() >= *growth.borrow_and_update() {
                if growth.changed().await.is_err() {
                    return;
                }
                continue;
            }
            match self.round(record).await {
                Ok(()) => pause = first,
                Err(why) => {
                    self.failed(why);
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(RETRY_MAX);
                }
            }
        }
    }

    /// One connection's worth.
    async fn round(&mut self, record: &Record) -> Result<(), String> {
        let from = (record, &self.site, self.cursor.next());
        let (next, messages) = delivery::deliver(&self.way, &self.config, from).await?;
        self.cursor.save(next)?;
        self.delivered(next, messages);
        Ok(())
    }

    fn delivered(&self, next: u64, messages: u64) {
        let now = self.clock.now();
        self.status.send_modify(|status| {
            if let Some(status) = status {
                status.next = next;
                status.delivered += messages;
                status.trouble = None;
                if messages > 0 {
                    status.last = Some(now);
                }
            }
        });
    }

    fn failed(&self, why: String) {
        tracing::warn!(
            to = self.config.to,
            why,
            "the audit trail was not delivered; trying again"
        );
        self.status.send_modify(|status| {
            if let Some(status) = status {
                status.trouble = Some(why);
            }
        });
    }
}
