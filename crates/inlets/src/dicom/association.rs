//! One association: asked for, answered, and messages until it is released.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use event::Actor;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use wire::dicom::{
    COMMAND_BYTES_MAX, Command, Fragment, PDU_HEAD_BYTES, Pdu, Rejection, Service, Status,
    VERIFICATION_UID, abort, accept, command, data, pdu, pdu_head, query_class, reject, released,
};

use super::agreed::{Agreed, Context, answers};
use super::desk::Desk;
use super::feeds::Feeds;
use super::held::Held;
use super::intake::{Came, Sender};
use crate::places::Counted;
use crate::tls::Peer;

/// Bytes that are read from the stream at once.
const READ_BYTES: usize = 64 << 10;
/// Bytes of a request for an association: 128 contexts with some twenty syntaxes each.
const REQUEST_BYTES_MAX: u32 = 256 << 10;
/// Bytes of a unit that a caller must take at least: of smaller ones heads would be the most.
const LENGTH_MIN: u32 = 4_096;
const UNRECOGNIZED: u8 = 1;
const UNEXPECTED: u8 = 2;
const INVALID: u8 = 6;

/// Who is at the other end, before a word is said.
pub(crate) struct Caller {
    pub(crate) address: String,
    pub(crate) peer: Option<Peer>,
    /// There is room for an association.
    pub(crate) has_place: bool,
    /// Its place among those with its certificate, until it is known which feed it is: whoever serves several
    /// has a share for each.
    pub(crate) begun: Option<Counted>,
}

/// A connection.
pub(crate) struct Association<S> {
    pub(super) stream: BufReader<S>,
    pub(super) desk: Arc<Desk>,
    /// The body of the unit that came last.
    pub(super) body: Vec<u8>,
    /// Its place among those of its feed.
    place: Option<Counted>,
}

/// A message as it comes in.
enum Coming {
    Nothing,
    Command {
        context: u8,
        bytes: Vec<u8>,
        since: Instant,
    },
    Data {
        context: u8,
        command: Command,
        held: Held,
        since: Instant,
    },
}

/// The association ends with this said.
pub(super) struct Ends(pub(super) Vec<u8>);

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Association<S> {
    pub(crate) fn new(stream: S, desk: Arc<Desk>) -> Association<S> {
        Association {
            stream: BufReader::with_capacity(READ_BYTES, stream),
            desk,
            body: Vec::new(),
            place: None,
        }
    }

    pub(crate) async fn run(
        mut self,
        (feeds, caller): (&Feeds, Caller),
        stop: &CancellationToken,
    ) -> io::Result<()> {
        let Some(agreed) = self.begin((feeds, caller), stop).await? else {
            return Ok(());
        };
        let mut coming = Coming::Nothing;
        loop {
            let Some(kind) = self.next(&coming, stop).await? else {
                return self.end(&abort(0)).await;
            };
            let body = std::mem::take(&mut self.body);
            let step = match pdu(kind, &body) {
                Some(Pdu::Data(parts)) => self.parts(&agreed, &mut coming, parts).await?,
                Some(Pdu::Release) => Some(Ends(released())),
                Some(Pdu::Abort) => return Ok(()),
                Some(Pdu::Request(_) | Pdu::Accepted(_) | Pdu::Rejected(_) | Pdu::Released) => {
                    Some(Ends(abort(UNEXPECTED)))
                }
                Some(Pdu::Other(_)) => Some(Ends(abort(UNRECOGNIZED))),
                None => Some(Ends(abort(INVALID))),
            };
            self.body = body;
            if let Some(Ends(word)) = step {
                return self.end(&word).await;
            }
        }
    }

    /// Takes a place among those of its feed; false: there is none.
    fn takes_place(&mut self, feed: &str) -> bool {
        let max = self.desk.config.associations_per_feed_max;
        self.place = self.desk.by_feed.take(feed, max);
        if self.place.is_none() {
            tracing::warn!(
                feed,
                "there are `associations_per_feed_max` associations of this feed"
            );
        }
        self.place.is_some()
    }

    /// Answers the request; `None`: there is no association.
    async fn begin(
        &mut self,
        (feeds, caller): (&Feeds, Caller),
        stop: &CancellationToken,
    ) -> io::Result<Option<Agreed>> {
        let wait = Duration::from_millis(self.desk.config.associate_ms);
        let read = timeout(wait, self.unit(REQUEST_BYTES_MAX));
        let kind = tokio::select! {
            read = read => read.map_err(io::Error::from)??,
            () = stop.cancelled() => return Ok(None),
        };
        let body = std::mem::take(&mut self.body);
        let Some(Pdu::Request(request)) = pdu(kind, &body) else {
            self.end(&abort(UNEXPECTED)).await?;
            return Ok(None);
        };
        if !caller.has_place {
            tracing::warn!(
                address = caller.address,
                "there are `associations_max` associations"
            );
            self.end(&reject(Rejection::Limit)).await?;
            return Ok(None);
        }
        let feed = match feeds.of(&request, caller.peer.as_ref()) {
            Ok(feed) => feed,
            Err((how, why)) => {
                self.desk.rejected((&caller.address, &why), body).await;
                self.end(&reject(how)).await?;
                return Ok(None);
            }
        };
        if !self.takes_place(&feed.grant.feed) {
            self.end(&reject(Rejection::Limit)).await?;
            return Ok(None);
        }
        // From here on it counts among those of its feed.
        drop(caller.begun);
        if (1..LENGTH_MIN).contains(&request.length_max) {
            tracing::warn!(
                address = caller.address,
                "units of that few bytes are not sent"
            );
            self.end(&abort(INVALID)).await?;
            return Ok(None);
        }
        let (answers, roles) = answers(&request, &feed);
        let max = self.desk.config.pdu_bytes_max;
        self.write(&accept(&request, (&answers, &roles), max))
            .await?;
        let contexts = request.contexts.iter().zip(answers);
        Ok(Some(Agreed {
            feed,
            calling: request.calling.clone(),
            called: request.called.clone(),
            takes: roles.into_iter().map(|role| role.class).collect(),
            address: caller.address,
            contexts: contexts
                .filter_map(|(asked, answer)| {
                    Some(Context {
                        id: asked.id,
                        class: asked.class.clone(),
                        syntax: answer.taken.ok()?,
                    })
                })
                .collect(),
            length_max: request.length_max,
            stop: stop.clone(),
        }))
    }

    async fn parts(
        &mut self,
        agreed: &Agreed,
        coming: &mut Coming,
        parts: Vec<Fragment<'_>>,
    ) -> io::Result<Option<Ends>> {
        for part in parts {
            let before = std::mem::replace(coming, Coming::Nothing);
            match self.part(agreed, before, part).await? {
                Ok(now) => *coming = now,
                Err(ends) => return Ok(Some(ends)),
            }
        }
        Ok(None)
    }

    async fn part(
        &mut self,
        agreed: &Agreed,
        coming: Coming,
        part: Fragment<'_>,
    ) -> io::Result<Result<Coming, Ends>> {
        Ok(match (coming, part.command) {
            (Coming::Nothing, true) => {
                let since = Instant::now();
                return self.of_command(agreed, (Vec::new(), since), part).await;
            }
            (
                Coming::Command {
                    context,
                    bytes,
                    since,
                },
                true,
            ) if context == part.context => {
                return self.of_command(agreed, (bytes, since), part).await;
            }
            (
                Coming::Data {
                    context,
                    command,
                    mut held,
                    since,
                },
                false,
            ) if context == part.context => {
                held.add(part.bytes);
                if part.last {
                    let whole = self.whole(agreed, (context, command), held).await?;
                    return Ok(whole.map(|()| Coming::Nothing));
                }
                Ok(Coming::Data {
                    context,
                    command,
                    held,
                    since,
                })
            }
            _ => Err(Ends(abort(UNEXPECTED))),
        })
    }

    async fn of_command(
        &mut self,
        agreed: &Agreed,
        (mut bytes, since): (Vec<u8>, Instant),
        part: Fragment<'_>,
    ) -> io::Result<Result<Coming, Ends>> {
        bytes.extend_from_slice(part.bytes);
        if bytes.len() > COMMAND_BYTES_MAX {
            return Ok(Err(Ends(abort(INVALID))));
        }
        let context = part.context;
        if !part.last {
            return Ok(Ok(Coming::Command {
                context,
                bytes,
                since,
            }));
        }
        let (Some(command), Some(of)) = (command(&bytes), agreed.context(context)) else {
            return Ok(Err(Ends(abort(INVALID))));
        };
        if command.data {
            let (class, instance) = (command.class.as_str(), command.instance.as_str());
            let head = wire::dicom::file(class, instance, &of.syntax, &agreed.calling);
            let held = match query_class(&of.class) {
                Some(_) => self.desk.identifier(),
                None => self.desk.intake.begin(head),
            };
            return Ok(Ok(Coming::Data {
                context,
                command,
                held,
                since,
            }));
        }
        let (status, why) = match command.service {
            Service::Cancel => return Ok(Ok(Coming::Nothing)),
            Service::Echo if of.class == VERIFICATION_UID => (Status::Success, ""),
            Service::Store => (Status::CannotUnderstand, "there is no data set"),
            _ => (
                Status::UnrecognizedOperation,
                "this is not served in this presentation context",
            ),
        };
        self.answer(agreed, (context, &command), (status, why))
            .await?;
        Ok(Ok(Coming::Nothing))
    }

    /// A message with its data set.
    async fn whole(
        &mut self,
        agreed: &Agreed,
        (id, command): (u8, Command),
        held: Held,
    ) -> io::Result<Result<(), Ends>> {
        let (status, why) = match (command.service, agreed.context(id)) {
            (_, Some(of)) if query_class(&of.class).is_some() => {
                return self.inquiry(agreed, (of, &command), &held).await;
            }
            (Service::Store, Some(of)) if of.class != VERIFICATION_UID => {
                let came = Came {
                    sender: Sender {
                        feed: Arc::clone(&agreed.feed),
                        actor: Actor::feed(agreed.feed.name()),
                        calling: agreed.calling.clone(),
                        address: Some(agreed.address.clone()),
                        vouched: true,
                    },
                    class: of.class.clone(),
                    syntax: of.syntax.clone(),
                    said: (command.class.clone(), command.instance.clone()),
                    study: None,
                    only: None,
                    preamble: None,
                };
                Box::pin(self.desk.store((came, &command.origin), held)).await
            }
            _ => (
                Status::UnrecognizedOperation,
                "this is not served in this presentation context".to_owned(),
            ),
        };
        let answer = command.answer(status, &why);
        self.write(&data(id, (&answer, None), agreed.length_max))
            .await?;
        Ok(Ok(()))
    }

    async fn answer(
        &mut self,
        agreed: &Agreed,
        (context, command): (u8, &Command),
        (status, why): (Status, &str),
    ) -> io::Result<()> {
        let answer = command.answer(status, why);
        self.write(&data(context, (&answer, None), agreed.length_max))
            .await
    }

    /// The next unit while an association is there; `None`: Salus stops, or it was still for too
    /// long.
    async fn next(&mut self, coming: &Coming, stop: &CancellationToken) -> io::Result<Option<u8>> {
        let config = &self.desk.config;
        let max = config.pdu_bytes_max;
        let idle = Instant::now() + Duration::from_millis(config.idle_ms);
        let whole = Duration::from_millis(config.message_ms);
        let (until, stops) = match coming {
            Coming::Nothing => (idle, true),
            Coming::Command { since, .. } | Coming::Data { since, .. } => {
                (idle.min(*since + whole), false)
            }
        };
        let stopped = async {
            match stops {
                true => stop.cancelled().await,
                false => std::future::pending().await,
            }
        };
        tokio::select! {
            read = timeout_at(until, self.unit(max)) => match read {
                Ok(kind) => kind.map(Some),
                Err(_) => {
                    tracing::info!("an association was still for too long (`idle_ms`, `message_ms`)");
                    Ok(None)
                }
            },
            () = stopped => Ok(None),
        }
    }

    /// Reads one unit into `body`; returns its type.
    pub(super) async fn unit(&mut self, max: u32) -> io::Result<u8> {
        let mut head = [0; PDU_HEAD_BYTES];
        self.stream.read_exact(&mut head).await?;
        let (kind, length) = pdu_head(head);
        if length > max {
            let why = format!("a unit of {length} bytes is longer than {max}");
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
        self.body.clear();
        let mut part = (&mut self.stream).take(u64::from(length));
        let read = part.read_to_end(&mut self.body).await?;
        if read as u64 != u64::from(length) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(kind)
    }

    pub(super) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let limit = Duration::from_millis(self.desk.config.write_ms);
        within(limit, self.stream.write_all(bytes)).await?;
        within(limit, self.stream.flush()).await
    }

    /// The last word.
    async fn end(&mut self, word: &[u8]) -> io::Result<()> {
        self.write(word).await?;
        self.stream.shutdown().await
    }
}

async fn within<T>(limit: Duration, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(limit, work).await.map_err(io::Error::from)?
}
