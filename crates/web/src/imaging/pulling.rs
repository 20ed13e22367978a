//! An association that Salus asks for, to find objects elsewhere and to have them given or sent here (C-FIND, C-GET,
//! C-MOVE; PS3.4 annex C).

use std::time::Duration;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;
use wire::dicom::{
    Command, Fragment, Pdu, Proposed, Role, Service, Status, Syntax, abort, cancel_request,
    command, data, move_request, pdu, query_request,
};

use super::scu::{CONTEXTS_MAX, Part, Peer, Scu};
use crate::App;

/// Study Root Query/Retrieve Information Model: FIND, GET, MOVE.
const FIND: &str = "1.2.840.10008.5.1.4.1.2.2.1";
const GET: &str = "1.2.840.10008.5.1.4.1.2.2.3";
const MOVE: &str = "1.2.840.10008.5.1.4.1.2.2.2";
/// Bytes of a command, and of one match.
const COMMAND_BYTES_MAX: usize = 16 << 10;
const MATCH_BYTES_MAX: usize = 64 << 10;
/// Bytes of all matches of one question.
const FOUND_BYTES_MAX: usize = 64 << 20;
/// How long it may take to say that an association is over.
const ABORT_WAIT: Duration = Duration::from_secs(5);
/// In what objects are taken: compressed ones as they are, else as little endian.
const SYNTAXES: [&str; 10] = [
    Syntax::EXPLICIT_UID,
    Syntax::IMPLICIT_UID,
    "1.2.840.10008.1.2.4.50",
    "1.2.840.10008.1.2.4.51",
    "1.2.840.10008.1.2.4.70",
    "1.2.840.10008.1.2.4.80",
    "1.2.840.10008.1.2.4.81",
    "1.2.840.10008.1.2.4.90",
    "1.2.840.10008.1.2.4.91",
    "1.2.840.10008.1.2.5",
];

/// Takes objects that come on an association of ours.
#[async_trait]
pub trait Receives: Send {
    /// One begins: SOP class, instance and transfer syntax as they are said.
    fn begin(&mut self, named: (&str, &str), syntax: &str);

    /// More of its data set.
    fn add(&mut self, bytes: &[u8]);

    /// It is whole: what is told of it.
    async fn end(&mut self) -> Status;
}

impl Scu {
    /// Asks for an association to find studies, series and instances.
    ///
    /// # Errors
    /// In words, why there is none.
    pub async fn open_to_find(app: &App, peer: &Peer) -> Result<Scu, String> {
        let contexts = vec![proposed(1, FIND, &[Syntax::IMPLICIT_UID])];
        Scu::begin(app, peer, (contexts, &[])).await
    }

    /// Asks for an association to have objects of these classes given, as many of them as fit.
    ///
    /// # Errors
    /// In words, why there is none.
    pub async fn open_to_get(app: &App, peer: &Peer, classes: &[String]) -> Result<Scu, String> {
        let mut contexts = vec![proposed(1, GET, &[Syntax::IMPLICIT_UID])];
        let kinds = classes
            .iter()
            .flat_map(|class| SYNTAXES.map(|one| (class, one)));
        for (id, (class, syntax)) in (3..=255).step_by(2).zip(kinds).take(CONTEXTS_MAX - 1) {
            contexts.push(proposed(id, class, &[syntax]));
        }
        let roles: Vec<Role> = classes
            .iter()
            .map(|class| Role {
                class: class.clone(),
                user: false,
                provider: true,
            })
            .collect();
        Scu::begin(app, peer, (contexts, &roles)).await
    }

    /// Asks for an association to have objects sent.
    ///
    /// # Errors
    /// In words, why there is none.
    pub async fn open_to_move(app: &App, peer: &Peer) -> Result<Scu, String> {
        let contexts = vec![proposed(1, MOVE, &[Syntax::IMPLICIT_UID])];
        Scu::begin(app, peer, (contexts, &[])).await
    }

    /// Whether the other side agreed to give objects on this association, of at least one class.
    pub fn gives(&self) -> bool {
        let has = |is_get| self.contexts.iter().any(|one| (one.1 == GET) == is_get);
        has(true) && has(false)
    }

    /// How many classes one association can be asked for.
    pub const fn classes_max() -> usize {
        (CONTEXTS_MAX - 1) / SYNTAXES.len()
    }

    /// The data sets (implicit little endian) that match an Identifier, `max` at most.
    ///
    /// # Errors
    /// In words: it was refused, or there are more.
    pub async fn find(&mut self, identifier: &[u8], max: usize) -> Result<Vec<Vec<u8>>, String> {
        let about = self.put(FIND, identifier).await?;
        let (mut found, mut bytes) = (Vec::new(), 0);
        loop {
            let (_, said, set) = self.hears(None).await?;
            bytes += set.len();
            match (said.service, said.status) {
                (Service::Found, Some(0xFF00 | 0xFF01)) if said.about == about => {
                    if found.len() >= max || bytes > FOUND_BYTES_MAX {
                        return Err(format!(
                            "more than {max} match, or what matches is too large; ask more narrowly"
                        ));
                    }
                    found.push(set);
                }
                (Service::Found, Some(0)) if said.about == about => return Ok(found),
                (Service::Found, Some(status)) => {
                    return Err(format!("the query was answered with status {status:04X}"));
                }
                _ => return Err(NONSENSE.into()),
            }
        }
    }

    /// Has given what an Identifier names; the last status. Once `stop` is cancelled, so is that (C-CANCEL): what is
    /// being given is taken yet.
    ///
    /// # Errors
    /// In words: the association is of no use any more.
    pub async fn get(
        &mut self,
        identifier: &[u8],
        takes: &mut dyn Receives,
        stop: &CancellationToken,
    ) -> Result<u16, String> {
        let about = self.put(GET, identifier).await?;
        let mut stop = Some(stop);
        loop {
            let wait = self.wait;
            self.stirs_or_cancels((GET, about), (wait, &mut stop))
                .await?;
            let (id, said, _) = self.hears(Some(&mut *takes)).await?;
            match (said.service, said.status) {
                (Service::Store, _) if said.data => {
                    let answer = said.answer(takes.end().await, "");
                    self.write(&data(id, (&answer, None), self.length_max))
                        .await?;
                }
                (Service::Got, Some(0xFF00)) if said.about == about => {}
                (Service::Got, Some(status)) if said.about == about => return Ok(status),
                _ => return Err(NONSENSE.into()),
            }
        }
    }

    /// Has what an Identifier names sent to `destination`, an AE title, by a message of that ID, which objects name;
    /// the last status. Meanwhile the other side may say nothing here for `still`. Once `stop` is cancelled, so is that
    /// (C-CANCEL).
    ///
    /// # Errors
    /// In words: the association is of no use any more.
    pub async fn moves(
        &mut self,
        identifier: &[u8],
        (destination, about): (&str, u16),
        (still, stop): (Duration, &CancellationToken),
    ) -> Result<u16, String> {
        self.message = about;
        let command = move_request(about, MOVE, destination).ok_or("it is no question")?;
        self.ask(MOVE, (&command, identifier)).await?;
        let wait = self.wait;
        self.wait = wait.max(still);
        let status = self.moved(about, (wait, stop)).await;
        self.wait = wait;
        status
    }

    async fn moved(
        &mut self,
        about: u16,
        (wait, stop): (Duration, &CancellationToken),
    ) -> Result<u16, String> {
        let mut stop = Some(stop);
        loop {
            self.stirs_or_cancels((MOVE, about), (wait, &mut stop))
                .await?;
            let (_, said, _) = self.hears(None).await?;
            match (said.service, said.status) {
                (Service::Moved, Some(0xFF00)) if said.about == about => {}
                (Service::Moved, Some(status)) if said.about == about => return Ok(status),
                _ => return Err(NONSENSE.into()),
            }
        }
    }

    /// Waits for more of what was asked for. Once nobody wants it any more the other side is told so, once, and may be
    /// silent for `wait` from then on.
    async fn stirs_or_cancels(
        &mut self,
        (class, about): (&str, u16),
        (wait, stop): (Duration, &mut Option<&CancellationToken>),
    ) -> Result<(), String> {
        if let Some(token) = stop {
            tokio::select! {
                stirred = self.stirs() => return stirred,
                () = token.cancelled() => {}
            }
            *stop = None;
            let id = self.context_of(class)?;
            let cancel = data(id, (&cancel_request(about), None), self.length_max);
            self.write(&cancel).await?;
            self.wait = wait;
        }
        self.stirs().await
    }

    /// Ends it at once: what is still asked for is not wanted any more.
    pub async fn abort(mut self) {
        self.wait = self.wait.min(ABORT_WAIT);
        // Whether that is heard or not, it is over.
        let _ = self.write(&abort(0)).await;
    }

    /// Puts a question; its Message ID.
    async fn put(&mut self, class: &str, identifier: &[u8]) -> Result<u16, String> {
        self.message = self.message.wrapping_add(1).max(1);
        let command = query_request(self.message, class).ok_or("it is no question")?;
        self.ask(class, (&command, identifier)).await?;
        Ok(self.message)
    }

    async fn ask(&mut self, class: &str, message: (&[u8], &[u8])) -> Result<(), String> {
        let id = self.context_of(class)?;
        let (command, identifier) = message;
        let question = data(id, (command, Some(identifier)), self.length_max);
        self.write(&question).await
    }

    fn context_of(&self, class: &str) -> Result<u8, String> {
        let mut contexts = self.contexts.iter();
        let context = contexts.find(|(_, own, _)| own == class);
        Ok(context.ok_or("it answers no such questions")?.0)
    }

    /// The next message; the data set of an object goes to who takes it.
    async fn hears(
        &mut self,
        mut takes: Option<&mut dyn Receives>,
    ) -> Result<(u8, Command, Vec<u8>), String> {
        let (mut bytes, mut set) = (Vec::new(), Vec::new());
        let mut said: Option<Command> = None;
        loop {
            let part = self.part().await?;
            match (&said, part.command) {
                (None, true) => {
                    bytes.extend_from_slice(&part.bytes);
                    if bytes.len() > COMMAND_BYTES_MAX {
                        return Err(NONSENSE.into());
                    }
                    if !part.last {
                        continue;
                    }
                    let read = command(&bytes).ok_or(NONSENSE)?;
                    if !read.data {
                        return Ok((part.context, read, set));
                    }
                    if let (Service::Store, Some(takes)) = (read.service, takes.as_mut()) {
                        let mut contexts = self.contexts.iter();
                        let own = contexts.find(|(id, ..)| *id == part.context);
                        let (_, _, syntax) = own.ok_or(NONSENSE)?;
                        takes.begin((&read.class, &read.instance), syntax);
                    }
                    said = Some(read);
                }
                (Some(read), false) => {
                    match (read.service, takes.as_mut()) {
                        (Service::Store, Some(takes)) => takes.add(&part.bytes),
                        _ => set.extend_from_slice(&part.bytes),
                    }
                    if set.len() > MATCH_BYTES_MAX {
                        return Err(NONSENSE.into());
                    }
                    if part.last {
                        return Ok((part.context, read.clone(), set));
                    }
                }
                _ => return Err(NONSENSE.into()),
            }
        }
    }

    async fn part(&mut self) -> Result<Part, String> {
        loop {
            if let Some(part) = self.parts.pop_front() {
                return Ok(part);
            }
            let kind = self.unit().await?;
            let body = std::mem::take(&mut self.body);
            match pdu(kind, &body) {
                Some(Pdu::Data(parts)) => self.parts.extend(parts.iter().map(owned)),
                Some(Pdu::Abort) => return Err("it aborted the association".into()),
                _ => return Err(NONSENSE.into()),
            }
            self.body = body;
        }
    }
}

const NONSENSE: &str = "what it answered is no answer to what was asked";

fn owned(part: &Fragment<'_>) -> Part {
    Part {
        context: part.context,
        command: part.command,
        last: part.last,
        bytes: part.bytes.to_vec(),
    }
}

fn proposed(id: u8, class: &str, syntaxes: &[&str]) -> Proposed {
    Proposed {
        id,
        class: class.to_owned(),
        syntaxes: syntaxes.iter().map(|one| (*one).to_owned()).collect(),
    }
}
