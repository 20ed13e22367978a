//! The hospital's systems at the doors of a running Salus: HL7 v2 over MLLP, FHIR over HTTPS.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use thiserror::Error;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::hospital::{Item, Via};
use crate::load::{Call, HttpLoad, LoadError, Until, http};

const ANSWER_WAIT: Duration = Duration::from_secs(30);
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// Where Salus is and as whom its doors are used.
#[derive(Debug, Clone)]
pub struct Doors {
    /// Where MLLP listens; the feed is told by MSH-3.
    pub mllp: SocketAddr,
    /// `https://HOST:PORT/fhir`.
    pub fhir: String,
    /// Whom to trust.
    pub tls: Arc<ClientConfig>,
    /// Bearer tokens by client id.
    pub tokens: HashMap<String, String>,
}

/// What became of what was sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sent {
    /// Positively acknowledged.
    pub accepted: u64,
    /// Answered otherwise; the hospital sends some messages that are broken on purpose.
    pub refused: u64,
}

/// Why a door could not be used.
#[derive(Debug, Error)]
pub enum TrafficError {
    /// MLLP.
    #[error("the MLLP door at {0} does not answer: {1}")]
    Mllp(SocketAddr, std::io::Error),
    /// HTTPS.
    #[error(transparent)]
    Https(#[from] LoadError),
}

/// The systems, with their connections.
pub struct Traffic {
    doors: Doors,
    open: HashMap<&'static str, TcpStream>,
    /// So far.
    pub sent: Sent,
    /// The first answer to a FHIR transaction that was not a success.
    pub first_error: Option<String>,
}

impl Traffic {
    /// Nothing is connected yet.
    pub fn new(doors: Doors) -> Traffic {
        Traffic {
            doors,
            open: HashMap::new(),
            sent: Sent::default(),
            first_error: None,
        }
    }

    /// Sends one item and waits for its answer.
    ///
    /// # Errors
    /// [`TrafficError`] if the door is closed; a negative answer is counted, not an error.
    pub async fn send(&mut self, item: Item) -> Result<(), TrafficError> {
        match item.via {
            Via::Hl7 { feed, message } => self.message(feed, &message).await,
            Via::Fhir { client, bundle } => self.bundles(client, vec![bundle]).await,
        }
    }

    /// Sends FHIR transactions of one client over one connection.
    ///
    /// # Errors
    /// As [`Traffic::send`].
    pub async fn bundles(
        &mut self,
        client: &str,
        bundles: Vec<Vec<u8>>,
    ) -> Result<(), TrafficError> {
        let load = HttpLoad {
            base: self.doors.fhir.clone(),
            tls: Arc::clone(&self.doors.tls),
            token: self.doors.tokens.get(client).cloned().unwrap_or_default(),
            connections: 1,
            until: Until::Count(bundles.len() as u64),
            answer_wait: ANSWER_WAIT,
        };
        let calls = bundles.into_iter().map(|bundle| Call::post("", bundle, 1));
        let figures = http(&load, Box::new(calls)).await?;
        self.sent.accepted += figures.count;
        self.sent.refused += figures.errors;
        if self.first_error.is_none() {
            self.first_error = figures.first_error;
        }
        Ok(())
    }

    async fn message(&mut self, feed: &'static str, message: &[u8]) -> Result<(), TrafficError> {
        let address = self.doors.mllp;
        let fault = |why| TrafficError::Mllp(address, why);
        let mut stream = match self.open.remove(feed) {
            Some(stream) => stream,
            None => TcpStream::connect(address).await.map_err(fault)?,
        };
        let answer = exchange(&mut stream, message).await.map_err(fault)?;
        let accepted = memchr::memmem::find(&answer, b"MSA|AA").is_some();
        self.sent.accepted += u64::from(accepted);
        self.sent.refused += u64::from(!accepted);
        self.open.insert(feed, stream);
        Ok(())
    }
}

async fn exchange(stream: &mut TcpStream, message: &[u8]) -> std::io::Result<Vec<u8>> {
    let frame = [&[0x0B], message, &[0x1C, 0x0D]].concat();
    stream.write_all(&frame).await?;
    let mut answer = Vec::new();
    let whole = async {
        while !answer.ends_with(&[0x1C, 0x0D]) {
            let more = stream.read_buf(&mut answer).await?;
            if more == 0 || answer.len() > ANSWER_BYTES_MAX {
                return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof));
            }
        }
        std::io::Result::Ok(())
    };
    tokio::time::timeout(ANSWER_WAIT, whole).await??;
    Ok(answer)
}
