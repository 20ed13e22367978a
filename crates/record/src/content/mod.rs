//! What of a resource is too large for a row: it goes into the vault before the event is sealed, and
//! comes back when the resource is read.

mod mark;
mod text;

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Weak};

use event::{Body, Content, Event, Form};
use seal::Key;

use crate::door::{Inner, Record};
use crate::object::{self, Within};
use crate::sealed::Outcome;
use crate::{Error, Sealed};
use mark::Marked;

pub use mark::Marks;

/// Bytes of base64 below which nothing is worth an object of its own.
const BYTES_MIN: usize = 1 << 10;
/// In the place of what is missing, altered or erased (FHIR R4, data-absent-reason).
const LOST: &str = "error";
/// In the place of what is there, and is not given here for its size.
const LEFT_OUT: &str = "temp-unknown";
/// Why an event is not sealed.
const UNLISTED: &str =
    "a text of the resource begins with `urn:salus:content:`, which only Salus writes";

/// A string in the JSON of an event, and what is to stand in its place.
type Part = (Range<usize>, Vec<u8>);

impl Inner {
    /// Where strings stand in the event that are too large for a row.
    ///
    /// # Errors
    /// [`Error::Broken`] if it has a mark that it does not list: such text is refused at every door.
    pub(crate) fn large(&self, event: &Event) -> Outcome<Vec<Range<usize>>> {
        let Body::Resource(written) = &event.body else {
            return Ok(Vec::new());
        };
        // INVARIANT: no mark is sealed that the event does not list.
        if text::begins(&event.raw).len() != written.contents.len() {
            return Err(broken(UNLISTED));
        }
        let min = self.config.content_bytes_min.max(BYTES_MIN);
        Ok(match event.raw.len() < min {
            true => Vec::new(),
            false => text::large(&event.raw, min),
        })
    }

    /// Puts these strings of an event into the vault, durable on return, and marks into their places; with them
    /// comes what the raw bytes were before.
    ///
    /// # Errors
    /// [`Error::Broken`] if something cannot be encrypted or stored: then what was stored is nobody's.
    pub(crate) async fn take_out(
        &self,
        mut event: Event,
        (places, within): (Vec<Range<usize>>, &Within),
    ) -> Outcome<(Event, Arc<Vec<u8>>)> {
        let mut taken = Vec::with_capacity(places.len());
        let raw = Arc::new(std::mem::take(&mut event.raw));
        for place in places {
            let text = (Arc::clone(&raw), place.clone());
            let content = self.store(text, within).await?;
            taken.push((place, content));
        }
        let marks = taken.iter();
        let marks = marks.map(|(place, one)| (place.clone(), one.mark().into_bytes()));
        event.raw = text::replaced(&raw, &marks.collect::<Vec<Part>>());
        if let Body::Resource(written) = &mut event.body {
            written
                .contents
                .extend(taken.into_iter().map(|(_, one)| one));
        }
        Ok((event, raw))
    }

    async fn store(
        &self,
        (raw, place): (Arc<Vec<u8>>, Range<usize>),
        within: &Within,
    ) -> Outcome<Content> {
        let mut nonce = [0; 12];
        self.keyring.random(&mut nonce)?;
        let within = within.clone();
        let work = tokio::task::spawn_blocking(move || {
            let text = raw.get(place).unwrap_or_default();
            let (form, bytes) = match text::decoded(text) {
                Some(bytes) => (Form::Base64, bytes),
                None => (Form::Text, text.to_vec()),
            };
            let (whole, sealed) = object::encrypted(&within, nonce, &bytes)?;
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
        Contents {
            inner: Arc::downgrade(&self.inner),
            marks: Marks::of(self.blind()),
        }
    }

    /// The raw bytes of an event with everything in them that lies in the vault.
    ///
    /// # Errors
    /// [`Error::Erased`], [`Error::Lost`] if something of it is missing or altered, [`Error::Broken`].
    pub async fn raw(&self, sealed: &Sealed) -> Outcome<Vec<u8>> {
        let raw = sealed.event().raw.clone();
        let contents = contents_of(sealed).iter();
        let listed: HashMap<String, &Content> = contents.map(|one| (one.mark(), one)).collect();
        let mut parts = Vec::new();
        for begin in text::begins(&raw) {
            if let Some((place, mark)) = text::string_at(&raw, begin)
                && let Some(content) = listed.get(mark)
            {
                parts.push((place, back(&self.inner, sealed, content).await?));
            }
        }
        replaced(raw, parts).await
    }
}

/// What brings contents back. It keeps no record open.
#[derive(Clone)]
pub struct Contents {
    inner: Weak<Inner>,
    marks: Marks,
}

/// Whose contents are brought back.
#[derive(Debug, Clone, Copy)]
pub struct Of<'a> {
    /// FHIR type.
    pub kind: &'a str,
    /// Logical id.
    pub id: &'a str,
    /// The event that wrote this version: nothing that came later is in it.
    pub version: u64,
}

impl Contents {
    /// JSON of a resource, made of what events wrote of it ([`Marks::numbered`]), with its contents. What was
    /// taken out of it, or hidden, stays so. What was erased, or is another resource's, is said to be absent.
    ///
    /// # Errors
    /// [`Error::Stopped`], [`Error::Lost`] if something of it is missing or altered, [`Error::Broken`].
    pub async fn put_back(&self, of: Of<'_>, json: Vec<u8>) -> Outcome<Vec<u8>> {
        let (mut parts, mut last) = (Vec::new(), None);
        for marked in self.marks.marked(&json) {
            let place = marked.place.clone();
            match self.brought(of, &marked, &mut last).await {
                Ok(text) => parts.push((place, text)),
                Err(why @ (Error::NoSuchIndex(_) | Error::Erased(_))) => {
                    parts.extend(lost(&json, (&marked, &why)));
                }
                Err(why) => return Err(why),
            }
        }
        self.replaced(json, parts).await
    }

    /// The same; of what is missing or altered it says so in its place, and why in the program's log. What is
    /// larger than `each_max` bytes of JSON is left out, and said to be.
    ///
    /// # Errors
    /// [`Error::Stopped`], [`Error::Broken`] if journal or vault do not answer at all: that says nothing of a content.
    pub async fn put_back_what_is_there(
        &self,
        of: Of<'_>,
        (json, each_max): (Vec<u8>, u64),
    ) -> Outcome<Vec<u8>> {
        let (mut parts, mut last) = (Vec::new(), None);
        for marked in self.marks.marked(&json) {
            let place = marked.place.clone();
            if marked.written > each_max {
                parts.extend(text::absent(&json, &place, LEFT_OUT));
                continue;
            }
            match self.brought(of, &marked, &mut last).await {
                Ok(text) => parts.push((place, text)),
                Err(Error::Stopped) => return Err(Error::Stopped),
                Err(why @ Error::Broken { .. }) => {
                    self.record()?.answers().await?;
                    parts.extend(lost(&json, (&marked, &why)));
                }
                Err(why) => parts.extend(lost(&json, (&marked, &why))),
            }
        }
        self.replaced(json, parts).await
    }

    /// How many bytes more the JSON has once its contents are back, without those of more than `each_max`.
    pub fn promised(&self, json: &[u8], each_max: u64) -> usize {
        self.marks.promised(json, each_max)
    }

    /// Whether anything in it looks like a mark.
    pub fn is_marked(&self, json: &[u8]) -> bool {
        !text::begins(json).is_empty()
    }

    /// The JSON without its contents, which are said to be left out.
    pub fn without(&self, json: Vec<u8>) -> Vec<u8> {
        self.marks.without(json, LEFT_OUT)
    }

    /// The bytes of the content that is the value of the member `data` of the resource itself, as this version
    /// wrote it; `None`: it has none in the vault.
    ///
    /// # Errors
    /// As [`Contents::put_back`], and [`Error::Erased`].
    pub async fn data(&self, of: Of<'_>, json: &[u8]) -> Outcome<Option<Vec<u8>>> {
        let marked = text::data(json).and_then(|text| self.marks.read(&text));
        let Some(marked) = marked.filter(|marked| marked.index == of.version) else {
            return Ok(None);
        };
        let (sealed, content) = self.listed(of, &marked, &mut None).await?;
        if content.form != Form::Base64 {
            return Ok(None);
        }
        let record = self.record()?;
        opened(&record.inner, &sealed, &content).await.map(Some)
    }

    /// The content as it stands between the quotes.
    async fn brought(
        &self,
        of: Of<'_>,
        marked: &Marked,
        last: &mut Option<Sealed>,
    ) -> Outcome<Vec<u8>> {
        let (sealed, content) = self.listed(of, marked, last).await?;
        back(&self.record()?.inner, &sealed, &content).await
    }

    /// The event that lists the content. `last` is the one that was read last: most contents of a resource are of
    /// one event.
    ///
    /// INVARIANT: a mark counts only if the event that it names wrote this very resource, not after this
    /// version, and lists its content. For whoever copies the mark of another there is none.
    async fn listed(
        &self,
        of: Of<'_>,
        marked: &Marked,
        last: &mut Option<Sealed>,
    ) -> Outcome<(Sealed, Content)> {
        let none = || Error::NoSuchIndex(marked.index);
        if marked.index > of.version {
            return Err(none());
        }
        let sealed = match last.take().filter(|last| last.index() == marked.index) {
            Some(sealed) => sealed,
            None => match self.record()?.get(marked.index).await {
                // INVARIANT: a mark is made of what was sealed, so that its event was there.
                Err(Error::NoSuchIndex(index)) => {
                    return Err(broken(format!("its event {index} is missing")));
                }
                read => read?,
            },
        };
        *last = Some(sealed.clone());
        let Body::Resource(written) = &sealed.event().body else {
            return Err(none());
        };
        let theirs = written.kind == of.kind && written.id == of.id;
        let mut contents = written.contents.iter().filter(|_| theirs);
        let content = contents.find(|content| content.mark() == marked.mark);
        let content = content.cloned().ok_or_else(none)?;
        Ok((sealed, content))
    }

    /// INVARIANT: nothing that looks like a mark is left.
    async fn replaced(&self, json: Vec<u8>, parts: Vec<Part>) -> Outcome<Vec<u8>> {
        let parts = self.marks.parts(&json, parts);
        replaced(json, parts).await
    }

    fn record(&self) -> Outcome<Record> {
        let inner = self.inner.upgrade().ok_or(Error::Stopped)?;
        Ok(Record { inner })
    }
}

impl Record {
    /// Whether journal and vault answer at all.
    async fn answers(&self) -> Outcome<()> {
        let there = self.inner.vault.get(object::NOWHERE).await;
        there.map_err(broken)?;
        self.inner.journal.frontier().await.map_err(broken)?;
        Ok(())
    }
}

fn lost(json: &[u8], (marked, why): (&Marked, &Error)) -> Option<Part> {
    let index = marked.index;
    tracing::error!(index, %why, "a content was left out of an answer");
    text::absent(json, &marked.place, LOST)
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
