//! An association that Salus asks for, to store objects (Storage SCU, PS3.4 annex B).

use std::collections::VecDeque;
use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use wire::dicom::{
    Asking, Command, Limits, PDU_HEAD_BYTES, Pdu, Proposed, Role, Service, Syntax, asking,
    can_recode, command, given, part10, pdu, pdu_head, release, store_request, units,
};

use crate::App;
use crate::trust::Keys;

/// Presentation contexts of an association, at most: their ids are odd and one byte.
pub(super) const CONTEXTS_MAX: usize = 128;
/// Bytes of a unit that is taken.
const UNIT_BYTES_MAX: u32 = 128 << 10;
/// Bytes of a unit that the other side must take at least.
const LENGTH_MIN: u32 = 4_096;

/// A connection: TLS, or plain.
trait Wire: AsyncRead + AsyncWrite + Unpin + Send + Sync {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send + Sync> Wire for T {}

/// Who is called, and how.
#[derive(Debug, Clone, Default)]
pub struct Peer {
    /// Called AE title.
    pub called: String,
    /// Calling AE title.
    pub calling: String,
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Over TLS.
    pub tls: bool,
    /// PEM files: the authorities that are trusted (empty: the machine's), our own certificate chain
    /// (empty: none) and its key.
    pub keys: [PathBuf; 3],
    /// How long connecting may take, and one answer.
    pub wait: Duration,
}

/// Why an object was not sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failed {
    /// This one alone: the association goes on.
    Object(String),
    /// The association is of no use any more.
    Association(String),
}

/// An association with somebody who stores objects.
pub struct Scu {
    stream: Box<dyn Wire>,
    /// Id, class and transfer syntax of what was agreed on.
    pub(super) contexts: Vec<(u8, String, String)>,
    pub(super) length_max: u32,
    pub(super) message: u16,
    pub(super) body: Vec<u8>,
    pub(super) wait: Duration,
    limits: Limits,
    /// The first byte of a unit, if it came while something else was waited for too.
    first: Vec<u8>,
    /// Fragments that were read and not looked at yet.
    pub(super) parts: VecDeque<Part>,
}

/// A fragment of a message.
pub(super) struct Part {
    pub(super) context: u8,
    pub(super) command: bool,
    pub(super) last: bool,
    pub(super) bytes: Vec<u8>,
}

impl Scu {
    /// Asks for an association for objects of these classes and transfer syntaxes.
    ///
    /// # Errors
    /// In words, why there is none.
    pub async fn open(app: &App, peer: &Peer, kinds: &[(&str, &str)]) -> Result<Scu, String> {
        Scu::begin(app, peer, (proposed(kinds), &[])).await
    }

    pub(super) async fn begin(
        app: &App,
        peer: &Peer,
        (contexts, roles): (Vec<Proposed>, &[Role]),
    ) -> Result<Scu, String> {
        let stream = within(peer.wait, connect(app, peer)).await??;
        let mut scu = Scu {
            stream,
            contexts: Vec::new(),
            length_max: 0,
            message: 0,
            body: Vec::new(),
            wait: peer.wait,
            limits: app.settings.image_limits,
            first: Vec::new(),
            parts: VecDeque::new(),
        };
        let asked = asking(&Asking {
            called: &peer.called,
            calling: &peer.calling,
            contexts: &contexts,
            roles,
            length_max: UNIT_BYTES_MAX,
        });
        scu.write(&asked).await?;
        let kind = scu.unit().await?;
        let accepted = match pdu(kind, &scu.body) {
            Some(Pdu::Accepted(accepted)) => accepted,
            Some(Pdu::Rejected([result, source, reason])) => {
                let called = &peer.called;
                return Err(format!(
                    "`{called}` rejected the association ({result}/{source}/{reason})"
                ));
            }
            _ => return Err(format!("`{}` does not speak DICOM", peer.called)),
        };
        // Heads are no part of an object: of the smallest units they would be all.
        if (1..LENGTH_MIN).contains(&accepted.length_max) {
            let called = &peer.called;
            return Err(format!(
                "`{called}` takes units of {} bytes",
                accepted.length_max
            ));
        }
        scu.length_max = accepted.length_max;
        for answered in accepted.contexts {
            let of = contexts.iter().find(|one| one.id == answered.id);
            if let (Some(of), Ok(syntax)) = (of, answered.taken) {
                scu.contexts.push((of.id, of.class.clone(), syntax));
            }
        }
        Ok(scu)
    }

    /// Sends a file (PS3.10), in its own transfer syntax or in one that it can be written in, and waits
    /// for the status. `origin` is who had it moved: AE title and Message ID.
    ///
    /// # Errors
    /// [`Failed`].
    pub async fn store(
        &mut self,
        (class, instance): (&str, &str),
        file: Vec<u8>,
        origin: Option<(&str, u16)>,
    ) -> Result<u16, Failed> {
        let object = |why: String| Failed::Object(why);
        let part = part10(&file).map_err(|why| object(why.to_string()))?;
        let from = part.syntax_uid.to_owned();
        let (id, to) = self
            .context(class, &from)
            .ok_or_else(|| object(format!("the receiver does not take `{class}` in `{from}`")))?;
        let limits = self.limits;
        let work = tokio::task::spawn_blocking(move || given(file, &to, &limits));
        let set = work.await.map_err(|why| object(why.to_string()))?;
        let set = set.map_err(|why| object(why.to_string()))?;
        self.message = self.message.wrapping_add(1).max(1);
        let command = store_request(self.message, (class, instance), origin);
        for unit in units(id, (&command, Some(set.set())), self.length_max) {
            self.write(&unit).await.map_err(Failed::Association)?;
        }
        drop(set);
        self.answer().await.map_err(Failed::Association)
    }

    /// Ends it in order.
    pub async fn close(mut self) {
        if self.write(&release()).await.is_ok() {
            // Whatever comes, it is over.
            let _ = self.unit().await;
        }
        let _ = self.stream.shutdown().await;
    }

    fn context(&self, class: &str, syntax: &str) -> Option<(u8, String)> {
        let of = || self.contexts.iter().filter(|(_, own, _)| own == class);
        let same = of().find(|(_, _, own)| own == syntax);
        let fits = same.or_else(|| of().find(|(_, _, own)| can_recode(syntax, own)));
        fits.map(|(id, _, own)| (*id, own.clone()))
    }

    async fn answer(&mut self) -> Result<u16, String> {
        let kind = self.unit().await?;
        let said = match pdu(kind, &self.body) {
            Some(Pdu::Data(parts)) => match parts.as_slice() {
                [part] if part.command && part.last => command(part.bytes),
                _ => None,
            },
            Some(Pdu::Abort) => return Err("the receiver aborted the association".into()),
            _ => None,
        };
        match said {
            Some(Command {
                service: Service::Stored,
                about,
                status: Some(status),
                data: false,
                ..
            }) if about == self.message => Ok(status),
            _ => Err("what the receiver answered is no answer to what was sent".into()),
        }
    }

    pub(super) async fn write(&mut self, bytes: &[u8]) -> Result<(), String> {
        let work = async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        };
        within(self.wait, work)
            .await?
            .map_err(|why| why.to_string())
    }

    /// Waits until something comes, and takes nothing of it: whoever waits may give that up.
    pub(super) async fn stirs(&mut self) -> Result<(), String> {
        if !self.parts.is_empty() || !self.first.is_empty() {
            return Ok(());
        }
        let first = within(self.wait, self.stream.read_u8()).await?;
        self.first = vec![first.map_err(|why| why.to_string())?];
        Ok(())
    }

    /// Reads one unit into `body`; returns its type.
    pub(super) async fn unit(&mut self) -> Result<u8, String> {
        let (stream, body) = (&mut self.stream, &mut self.body);
        let first = std::mem::take(&mut self.first);
        let work = async {
            let mut head = [0; PDU_HEAD_BYTES];
            let mut begins = first.as_slice().chain(&mut *stream);
            begins.read_exact(&mut head).await?;
            let (kind, length) = pdu_head(head);
            if length > UNIT_BYTES_MAX {
                return Err(std::io::ErrorKind::InvalidData.into());
            }
            body.clear();
            let read = stream.take(u64::from(length)).read_to_end(body).await?;
            match read as u64 == u64::from(length) {
                true => Ok(kind),
                false => Err(std::io::ErrorKind::UnexpectedEof.into()),
            }
        };
        within(self.wait, work)
            .await?
            .map_err(|why: std::io::Error| why.to_string())
    }
}

async fn connect(app: &App, peer: &Peer) -> Result<Box<dyn Wire>, String> {
    let words = |why: std::io::Error| format!("`{}` cannot be reached: {why}", peer.called);
    let stream = TcpStream::connect((peer.host.as_str(), peer.port)).await;
    let stream = stream.map_err(words)?;
    stream.set_nodelay(true).map_err(words)?;
    if !peer.tls {
        return Ok(Box::new(stream));
    }
    let [authorities, certificate, key] = &peer.keys;
    let keys = Keys {
        authorities,
        certificate,
        key,
    };
    Ok(Box::new(app.fetch.secured(stream, &peer.host, keys).await?))
}

async fn within<T>(wait: Duration, work: impl Future<Output = T>) -> Result<T, String> {
    let done = timeout(wait, work).await;
    done.map_err(|_| format!("there was no answer within {} ms", wait.as_millis()))
}

/// One context for each class and transfer syntax; what is not compressed is offered as little endian
/// too, explicit before implicit.
fn proposed(kinds: &[(&str, &str)]) -> Vec<Proposed> {
    let mut all: Vec<Proposed> = Vec::new();
    for (class, syntax) in kinds {
        let mut syntaxes = vec![(*syntax).to_owned()];
        for plain in [Syntax::EXPLICIT_UID, Syntax::IMPLICIT_UID] {
            if can_recode(syntax, plain) && *syntax != plain {
                syntaxes.push(plain.to_owned());
            }
        }
        let known = all
            .iter()
            .any(|one| one.class == *class && one.syntaxes == syntaxes);
        let id = u8::try_from(all.len() * 2 + 1);
        if let (false, true, Ok(id)) = (known, all.len() < CONTEXTS_MAX, id) {
            all.push(Proposed {
                id,
                class: (*class).to_owned(),
                syntaxes,
            });
        }
    }
    all
}
