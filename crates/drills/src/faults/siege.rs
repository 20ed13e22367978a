//! Rounds of: start the server, send to it on several connections, kill it in the middle, look at
//! what it left. Senders behave as hospitals' senders do: what was not acknowledged is sent again.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use event::Clock;
use thiserror::Error;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::writer::CREATED;
use super::{Breach, FhirDoor, Ledger, Recipe, audit};
use crate::dice::Dice;
use crate::load::{Template, acknowledged, patched_id};

/// What to besiege, and how.
pub struct Siege {
    /// How to start the server.
    pub server: Recipe,
    /// The server's record: its data folder and its engines.
    pub record: record::Config,
    /// Finds the address of the MLLP listener in the line by which the server says it is ready.
    pub address: fn(&str) -> Option<SocketAddr>,
    /// Decides the moments.
    pub seed: u64,
    /// How often the server is killed.
    pub rounds: u32,
    /// Connections at the same time.
    pub connections: u16,
    /// At most so many messages are acknowledged before the server is killed.
    pub messages_max: u64,
    /// Messages to send in turn.
    pub templates: Vec<Template>,
    /// Where patients are created at the same time, if anywhere.
    pub fhir: Option<FhirDoor>,
    /// For opening the record between the rounds.
    pub clock: Arc<dyn Clock>,
}

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Rounds that were played.
    pub rounds: u32,
    /// Messages acknowledged in all.
    pub acknowledged: usize,
    /// Messages of which the senders did not know what became, summed over the rounds.
    pub unknown: usize,
    /// The round in which a word was first not kept, and what it was.
    pub breaches: Vec<(u32, Breach)>,
}

/// Why a siege could not go on.
#[derive(Debug, Error)]
pub enum SiegeError {
    /// The server cannot be started or stopped.
    #[error("round {0}: the server cannot be started or stopped: {1}")]
    Server(u32, std::io::Error),
    /// The server did not say where it listens.
    #[error("round {0}: there is no MLLP address in `{1}`")]
    Address(u32, String),
    /// The record cannot be read at all.
    #[error("round {0}: {1}")]
    Record(u32, record::Error),
}

/// Plays the rounds; stops at the first in which a word was not kept.
///
/// Every other round the server itself recovers, is stopped politely, and only then its record is
/// read; in the others the record is read as the kill left it.
///
/// # Errors
/// See [`SiegeError`].
pub async fn siege(siege: &Siege) -> Result<Outcome, SiegeError> {
    let mut dice = Dice::new(siege.seed);
    let books = Arc::new(Books::default());
    let mut outcome = Outcome::default();
    for round in 0..siege.rounds {
        attack(siege, (round, &mut dice), &books).await?;
        outcome.unknown += books.ledger().unknown().len();
        if round % 2 == 1 {
            let server = siege
                .server
                .start()
                .await
                .map_err(|why| SiegeError::Server(round, why))?;
            server
                .stop()
                .await
                .map_err(|why| SiegeError::Server(round, why))?;
        }
        let ledger = books.ledger();
        let found = audit(&siege.record, Arc::clone(&siege.clock), &ledger).await;
        let found = found.map_err(|why| SiegeError::Record(round, why))?;
        outcome.rounds = round + 1;
        outcome.acknowledged = ledger.acknowledged();
        if !found.breaches.is_empty() {
            outcome.breaches = found
                .breaches
                .into_iter()
                .map(|breach| (round, breach))
                .collect();
            break;
        }
    }
    Ok(outcome)
}

/// One round: from a started server to a dead one.
async fn attack(
    siege: &Siege,
    moment: (u32, &mut Dice),
    books: &Arc<Books>,
) -> Result<(), SiegeError> {
    let (round, dice) = moment;
    let server = siege
        .server
        .start()
        .await
        .map_err(|why| SiegeError::Server(round, why))?;
    let Some(address) = (siege.address)(server.said()) else {
        return Err(SiegeError::Address(round, server.said().to_owned()));
    };
    let enough = dice.below(siege.messages_max) + 1;
    books.begin(enough);
    let mut senders = JoinSet::new();
    let again = books.ledger().unknown();
    for number in 0..siege.connections {
        let mine = again
            .iter()
            .skip(usize::from(number))
            .step_by(usize::from(siege.connections.max(1)));
        let sender = Sender {
            again: mine
                .filter_map(|id| u32::from_str_radix(id, 16).ok())
                .collect(),
            templates: siege.templates.clone(),
            books: Arc::clone(books),
        };
        senders.spawn(sender.run(address));
    }
    let door = siege.fhir.as_ref();
    if let Some(writer) = door.and_then(|door| door.writer(server.said())) {
        let created = again.iter().filter_map(|id| id.strip_prefix(CREATED));
        let mine = created.filter_map(|number| number.parse().ok()).collect();
        senders.spawn(writer.run(mine, Arc::clone(books)));
    }
    // Long enough for any machine: a server that answers nothing at all is killed too, and the
    // books show that nothing was acknowledged.
    let _ = tokio::time::timeout(Duration::from_secs(120), books.reached.notified()).await;
    // From the middle of an acknowledgement to somewhere in the commits after it.
    let pause = Duration::from_micros(dice.below(15_000));
    tokio::time::sleep(pause).await;
    server
        .kill()
        .await
        .map_err(|why| SiegeError::Server(round, why))?;
    while senders.join_next().await.is_some() {}
    Ok(())
}

/// The ledger of all senders, and the count that decides when the server dies.
#[derive(Default)]
pub(super) struct Books {
    ledger: Mutex<Ledger>,
    next: AtomicU32,
    next_patient: AtomicU32,
    left: AtomicU64,
    reached: Notify,
}

impl Books {
    fn ledger(&self) -> Ledger {
        self.ledger
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn begin(&self, enough: u64) {
        self.left.store(enough, Ordering::SeqCst);
    }

    pub(super) fn next_patient(&self) -> u32 {
        self.next_patient.fetch_add(1, Ordering::SeqCst)
    }

    pub(super) fn send(&self, id: &str) {
        self.ledger
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .send(id);
    }

    pub(super) fn acknowledge(&self, id: &str) {
        self.ledger
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .acknowledge(id);
        let before = self
            .left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                left.checked_sub(1)
            });
        if before == Ok(1) {
            self.reached.notify_one();
        }
    }
}

struct Sender {
    again: Vec<u32>,
    templates: Vec<Template>,
    books: Arc<Books>,
}

impl Sender {
    /// Sends until the server is gone.
    async fn run(mut self, address: SocketAddr) {
        let Ok(mut stream) = TcpStream::connect(address).await else {
            return;
        };
        let mut answer = Vec::new();
        loop {
            let number = self
                .again
                .pop()
                .unwrap_or_else(|| self.books.next.fetch_add(1, Ordering::SeqCst));
            let Some((id, frame)) = self.message(number) else {
                return;
            };
            self.books.send(&id);
            if stream.write_all(&frame).await.is_err() {
                return;
            }
            answer.clear();
            while !answer.ends_with(&[0x1C, 0x0D]) {
                match stream.read_buf(&mut answer).await {
                    Ok(read) if read > 0 => {}
                    Ok(_) | Err(_) => return,
                }
            }
            if acknowledged(&answer, id.as_bytes()) {
                self.books.acknowledge(&id);
            }
        }
    }

    /// The message of a number: always the same bytes, however often it is sent.
    fn message(&mut self, number: u32) -> Option<(String, Vec<u8>)> {
        let place = usize::try_from(number)
            .ok()?
            .checked_rem(self.templates.len())?;
        let id = patched_id(0, 0, number);
        let template = self.templates.get_mut(place)?;
        let frame = template
            .patched(&id, u8::try_from(number % 10).ok()?)
            .to_vec();
        Some((String::from_utf8(id.to_vec()).ok()?, frame))
    }
}
