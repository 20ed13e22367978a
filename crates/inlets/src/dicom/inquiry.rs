//! Queries: C-FIND, and what a caller may say while one is answered.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite};
use tokio::time::timeout;
use wire::dicom::{
    Answer, Command, Limits, Operation, Pdu, Query, Repertoire, Service, Status, Syntax, abort,
    command, data, pdu, query_class, scan,
};

use super::agreed::{Agreed, Context};
use super::answers::{Asked, Found};
use super::association::{Association, Ends};
use super::held::Held;

const UNEXPECTED: u8 = 2;
const INVALID: u8 = 6;
/// Elements of the Identifier of a query.
const ELEMENTS_MAX: usize = 1_000;

/// A question, and where it was asked.
#[derive(Clone, Copy)]
pub(super) struct Inquiry<'a> {
    pub(super) agreed: &'a Agreed,
    pub(super) context: &'a Context,
    pub(super) command: &'a Command,
    pub(super) query: &'a Query,
}

/// What was said while a question was answered.
pub(super) enum Said {
    /// Nothing yet.
    Nothing,
    /// C-CANCEL of that question.
    Cancel,
    /// What became of an object that was sent: Message ID and status.
    Stored(u16, u16),
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Association<S> {
    /// A C-FIND, C-GET or C-MOVE with its Identifier.
    pub(super) async fn inquiry(
        &mut self,
        agreed: &Agreed,
        (context, command): (&Context, &Command),
        held: &Held,
    ) -> io::Result<Result<(), Ends>> {
        let fits = match query_class(&context.class) {
            Some((root, operation)) if served(command.service) == Some(operation) => {
                Some((root, operation))
            }
            _ => None,
        };
        let Some((root, operation)) = fits else {
            let why = "this is not served in this presentation context";
            let status = Status::UnrecognizedOperation;
            return self.said(agreed, (context, command), (status, why)).await;
        };
        let otherwise = Repertoire::named(&agreed.feed.charset, &Repertoire::ascii());
        let query = identifier(context, held).and_then(|set| {
            let query = Query::of(&set, (root, operation), &otherwise);
            query.map_err(|fault| fault.to_string())
        });
        let query = match query {
            Ok(query) => query,
            Err(why) => {
                let status = (Status::NotAsSaid, why.as_str());
                return self.said(agreed, (context, command), status).await;
            }
        };
        let inquiry = Inquiry {
            agreed,
            context,
            command,
            query: &query,
        };
        match operation {
            Operation::Find => self.find(inquiry).await,
            Operation::Get => self.get(inquiry).await,
            Operation::Move => self.moves(inquiry).await,
        }
    }

    async fn find(&mut self, of: Inquiry<'_>) -> io::Result<Result<(), Ends>> {
        let said = format!("C-FIND {}", of.query.text());
        let found = match self.desk.answers.clone() {
            Some(answers) => {
                let asked = of.asked(&said, self.desk.config.matches_max);
                answers.find(asked).await
            }
            None => Ok(Found::default()),
        };
        let found = match found {
            Ok(found) => found,
            Err(why) => {
                tracing::info!(
                    ?why,
                    feed = of.agreed.feed.name(),
                    "a query was not answered"
                );
                return self.said(of.agreed, of.at(), why.status()).await;
            }
        };
        let syntax = Syntax::named(&of.context.syntax).unwrap_or(Syntax::IMPLICIT);
        let title = (syntax, of.agreed.called.as_str());
        for one in &found.matches {
            match self.meanwhile(of.command.message).await? {
                Ok(Said::Cancel) => {
                    return self.said(of.agreed, of.at(), (Status::Cancelled, "")).await;
                }
                Ok(Said::Nothing) => {}
                Ok(Said::Stored(..)) => return Ok(Err(Ends(abort(UNEXPECTED)))),
                Err(ends) => return Ok(Err(ends)),
            }
            let set = of.query.answer(one, title, &of.agreed.feed.charset);
            let pending = of.command.answered(&Answer {
                status: Status::Pending,
                comment: "",
                data: true,
                progress: None,
            });
            let message = (&pending[..], Some(&set[..]));
            self.write(&data(of.context.id, message, of.agreed.length_max))
                .await?;
        }
        let last = match found.more {
            true => (
                Status::OutOfResources,
                "more match than are told (`matches_max`); ask more narrowly",
            ),
            false => (Status::Success, ""),
        };
        self.said(of.agreed, of.at(), last).await
    }

    /// The last answer to a question.
    pub(super) async fn said(
        &mut self,
        agreed: &Agreed,
        (context, command): (&Context, &Command),
        (status, why): (Status, &str),
    ) -> io::Result<Result<(), Ends>> {
        let answer = command.answer(status, why);
        self.write(&data(context.id, (&answer, None), agreed.length_max))
            .await?;
        Ok(Ok(()))
    }

    /// What the caller has said by now, without waiting for it.
    pub(super) async fn meanwhile(&mut self, message: u16) -> io::Result<Result<Said, Ends>> {
        let there = tokio::select! {
            biased;
            there = self.stream.fill_buf() => Some(there?.is_empty()),
            () = std::future::ready(()) => None,
        };
        match there {
            None => Ok(Ok(Said::Nothing)),
            Some(true) => Err(io::ErrorKind::UnexpectedEof.into()),
            Some(false) => self.hears(message).await,
        }
    }

    /// The next thing that the caller says while the question with that Message ID is answered.
    pub(super) async fn hears(&mut self, message: u16) -> io::Result<Result<Said, Ends>> {
        let config = &self.desk.config;
        let (max, wait) = (config.pdu_bytes_max, Duration::from_millis(config.idle_ms));
        let kind = timeout(wait, self.unit(max)).await??;
        let body = std::mem::take(&mut self.body);
        let said = match pdu(kind, &body) {
            Some(Pdu::Data(parts)) => match parts.as_slice() {
                // A command is far smaller than a unit.
                [part] if part.command && part.last => command(part.bytes),
                _ => None,
            },
            Some(Pdu::Abort) => return Err(io::ErrorKind::ConnectionAborted.into()),
            Some(_) => return Ok(Err(Ends(abort(UNEXPECTED)))),
            None => return Ok(Err(Ends(abort(INVALID)))),
        };
        self.body = body;
        let Some(said) = said.filter(|said| !said.data) else {
            return Ok(Err(Ends(abort(UNEXPECTED))));
        };
        Ok(match said.service {
            Service::Cancel if said.about == message => Ok(Said::Cancel),
            // Of a question that was answered already.
            Service::Cancel => Ok(Said::Nothing),
            // Whether it was taken must be said.
            Service::Stored => match said.status {
                Some(status) => Ok(Said::Stored(said.about, status)),
                None => Err(Ends(abort(UNEXPECTED))),
            },
            _ => Err(Ends(abort(UNEXPECTED))),
        })
    }
}

impl<'a> Inquiry<'a> {
    pub(super) const fn at(&self) -> (&'a Context, &'a Command) {
        (self.context, self.command)
    }

    pub(super) fn asked(&self, said: &'a str, max: usize) -> Asked<'a> {
        Asked {
            feed: &self.agreed.feed,
            address: &self.agreed.address,
            query: self.query,
            said,
            max,
        }
    }
}

const fn served(service: Service) -> Option<Operation> {
    match service {
        Service::Find => Some(Operation::Find),
        Service::Get => Some(Operation::Get),
        Service::Move => Some(Operation::Move),
        _ => None,
    }
}

/// The data set of a question.
fn identifier<'h>(context: &Context, held: &'h Held) -> Result<wire::dicom::DataSet<'h>, String> {
    let bytes = held.whole().ok_or("the identifier is too long")?;
    let syntax = Syntax::named(&context.syntax).unwrap_or(Syntax::IMPLICIT);
    let limits = Limits {
        depth_max: 2,
        elements_max: ELEMENTS_MAX,
        ..Limits::default()
    };
    scan(bytes, syntax, &limits).map_err(|why| why.to_string())
}
