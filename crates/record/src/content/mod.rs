//! What of a resource is too large for a row: it goes into the vault before the event is sealed, and
//! comes back when the resource is read.

mod text;

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Weak};

use event::{Body, Content, Event, Form};
use seal::Key;

use crate::door::{Inner, Record};
use crate::keyring::Stream;
use crate::object::{self, belongs};
use crate::sealed::Outcome;
use crate::{Error, Sealed};

pub use text::{numbered, promised};

/// Bytes of base64 below which nothing is worth an object of its own.
const BYTES_MIN: usize = 1 << 10;
/// Events that one resource has its contents from, at most: its own, and those before it from which
/// something was taken over.
const EVENTS_MAX: usize = 16;

/// A string in the JSON of an event, and what is to stand in its place.
type Part = (Range<usize>, Vec<u8>);

impl Inner {
    /// Puts what is too large for a row into the vault, durable on return, and its mark into its place.
    /// What is there already must be under the key of the event.
    ///
    /// # Errors
    /// [`Error::Broken`] if it cannot be encrypted or stored: then nothing is sealed, and what was
    /// stored is nobody's.
    pub(crate) async fn take_out(
        &self,
        mut event: Event,
        (stream, day): (&Stream, &str),
    ) -> Outcome<Event> {
        let Body::Resource(written) = &event.body else {
            return Ok(event);
        };
        for content in &written.contents {
            belongs(&content.whole, &stream.name, self.clock.now())?;
        }
        let min = self.config.content_bytes_min.max(BYTES_MIN);
        let places = match event.raw.len() < min {
            true => Vec::new(),
            false => text::large(&event.raw, min),
        };
        if places.is_empty() {
            return Ok(event);
        }
        let mut taken = Vec::with_capacity(places.len());
        let mut raw = Arc::new(std::mem::take(&mut event.raw));
        for place in places {
            let text = (Arc::clone(&raw), place.clone());
            let content = self.store(text, (stream, day)).await?;
            taken.push((place, content));
        }
        let marks = taken.iter();
        let marks = marks.map(|(place, one)| (place.clone(), one.mark().into_bytes()));
        event.raw = text::replaced(Arc::make_mut(&mut raw), &marks.collect::<Vec<Part>>());
        if let Body::Resource(written) = &mut event.body {
            written
                .contents
                .extend(taken.into_iter().map(|(_, one)| one));
        }
        Ok(event)
    }

    async fn store(
        &self,
        (raw, place): (Arc<Vec<u8>>, Range<usize>),
        (stream, day): (&Stream, &str),
    ) -> Outcome<Content> {
        let mut nonce = [0; 12];
        self.keyring.random(&mut nonce)?;
        let (stream, day) = (stream.clone(), day.to_owned());
        let work = tokio::task::spawn_blocking(move || {
            let text = raw.get(place).unwrap_or_default();
            let (form, bytes) = match text::decoded(text) {
                Some(bytes) => (Form::Base64, bytes),
                None => (Form::Text, text.to_vec()),
            };
            let (whole, sealed) = object::encrypted((&stream, &day), nonce, &bytes)?;
            Ok::<_, Error>((Content { whole, form }, sealed))
        });
        let (content, sealed) = work.await.map_err(broken)??;
        let put = self.vault.put(&content.whole.path, sealed.into()).await;
        put.map_err(broken)?;
        Ok(content)
    }
}

impl Record {
    /// Brings contents back, for as long as this record is open.
    pub fn contents(&self) -> Contents {
        Contents(Arc::downgrade(&self.inner))
    }

    /// The raw bytes of an event with everything in them that lies in the vault.
    ///
    /// # Errors
    /// [`Error::Erased`], [`Error::Broken`] if something of it is missing or altered.
    pub async fn raw(&self, sealed: &Sealed) -> Outcome<Vec<u8>> {
        let raw = sealed.event().raw.clone();
        let mut parts = Vec::new();
        for content in contents_of(sealed) {
            if let Some(place) = text::place_of(&raw, &content.mark()) {
                parts.push((place, back(&self.inner, sealed, content).await?));
            }
        }
        parts.sort_unstable_by_key(|(place, _)| place.start);
        replaced(raw, parts).await
    }
}

/// What brings contents back. It keeps no record open.
#[derive(Clone)]
pub struct Contents(Weak<Inner>);

/// Whose contents are brought back: FHIR type and logical id of what has them.
type Of<'a> = (&'a str, &'a str);

/// A content that belongs somewhere in some JSON.
struct Belongs {
    place: Range<usize>,
    sealed: Sealed,
    content: Content,
}

impl Contents {
    /// JSON of a resource, made of what events wrote of it ([`numbered`]), with its contents. What was taken
    /// out of it, or hidden, stays so.
    ///
    /// # Errors
    /// [`Error::Stopped`], [`Error::Erased`], [`Error::Broken`] if something of it is missing or altered.
    pub async fn put_back(&self, of: Of<'_>, json: Vec<u8>) -> Outcome<Vec<u8>> {
        let mut parts = Vec::new();
        for one in self.belonging(of, &json).await? {
            parts.push((one.place, self.back(&one.sealed, &one.content).await?));
        }
        replaced(json, parts).await
    }

    /// The same; of what is lost it says so in its place, and why in the program's log.
    ///
    /// # Errors
    /// [`Error::Stopped`], [`Error::Erased`].
    pub async fn put_back_what_is_there(&self, of: Of<'_>, json: Vec<u8>) -> Outcome<Vec<u8>> {
        let mut parts = Vec::new();
        let belonging = match self.belonging(of, &json).await {
            Err(why @ Error::Broken { .. }) => {
                tracing::error!(%why, "contents were left out of an answer");
                let marked = text::marked(&json).into_iter();
                parts.extend(marked.filter_map(|one| text::absent(&json, &one.place)));
                Vec::new()
            }
            found => found?,
        };
        for one in belonging {
            match self.back(&one.sealed, &one.content).await {
                Ok(text) => parts.push((one.place, text)),
                Err(why) => {
                    let index = one.sealed.index();
                    tracing::error!(index, %why, "a content was left out of an answer");
                    parts.extend(text::absent(&json, &one.place));
                }
            }
        }
        replaced(json, parts).await
    }

    /// The bytes of the one content that the JSON has; `None`: it has none, or several.
    ///
    /// # Errors
    /// As [`Contents::put_back`].
    pub async fn only(&self, of: Of<'_>, json: &[u8]) -> Outcome<Option<Vec<u8>>> {
        match self.belonging(of, json).await?.as_slice() {
            [one] if one.content.form == Form::Base64 => {
                let record = self.record()?;
                let bytes = opened(&record.inner, &one.sealed, &one.content).await?;
                Ok(Some(bytes))
            }
            _ => Ok(None),
        }
    }

    /// INVARIANT: a mark counts only if an event that wrote this very resource names its content. Whoever
    /// copies the mark of another gets nothing.
    async fn belonging(&self, (kind, id): Of<'_>, json: &[u8]) -> Outcome<Vec<Belongs>> {
        let marked = text::marked(json);
        let mut events: HashMap<u64, Option<Sealed>> = HashMap::new();
        let mut belonging = Vec::with_capacity(marked.len());
        for one in marked {
            if !events.contains_key(&one.index) {
                if events.len() >= EVENTS_MAX {
                    continue;
                }
                let sealed = self.event(one.index, (kind, id)).await?;
                events.insert(one.index, sealed);
            }
            let Some(Some(sealed)) = events.get(&one.index) else {
                continue;
            };
            let content = contents_of(sealed).iter();
            let content = content.rev().find(|content| content.mark() == one.mark);
            belonging.extend(content.map(|content| Belongs {
                place: one.place,
                sealed: sealed.clone(),
                content: content.clone(),
            }));
        }
        Ok(belonging)
    }

    /// The event, if it wrote this resource.
    async fn event(&self, index: u64, (kind, id): Of<'_>) -> Outcome<Option<Sealed>> {
        let sealed = match self.record()?.get(index).await {
            Err(Error::NoSuchIndex(_)) => return Ok(None),
            found => found?,
        };
        let theirs = matches!(&sealed.event().body, Body::Resource(written)
            if written.kind == kind && written.id == id);
        Ok(theirs.then_some(sealed))
    }

    async fn back(&self, sealed: &Sealed, content: &Content) -> Outcome<Vec<u8>> {
        back(&self.record()?.inner, sealed, content).await
    }

    fn record(&self) -> Outcome<Record> {
        let inner = self.0.upgrade().ok_or(Error::Stopped)?;
        Ok(Record { inner })
    }
}

fn contents_of(sealed: &Sealed) -> &[Content] {
    match &sealed.event().body {
        Body::Resource(written) => &written.contents,
        _ => &[],
    }
}

async fn replaced(json: Vec<u8>, parts: Vec<Part>) -> Outcome<Vec<u8>> {
    if parts.is_empty() {
        return Ok(json);
    }
    let work = tokio::task::spawn_blocking(move || text::replaced(&json, &parts));
    work.await.map_err(broken)
}

async fn back(inner: &Inner, sealed: &Sealed, content: &Content) -> Outcome<Vec<u8>> {
    let (form, bytes) = (content.form, opened(inner, sealed, content).await?);
    let work = tokio::task::spawn_blocking(move || text::written(form, bytes));
    work.await.map_err(broken)
}

async fn opened(inner: &Inner, sealed: &Sealed, content: &Content) -> Outcome<Vec<u8>> {
    let key: Option<Key> = inner.keyring.key(&sealed.stream()).await?;
    let key = key.ok_or(Error::Erased(sealed.index()))?;
    inner
        .open_object(&content.whole, (sealed.stream(), key))
        .await
}

fn broken(why: impl ToString) -> Error {
    Error::Broken {
        doing: "keep or bring back a content",
        why: why.to_string(),
    }
}
