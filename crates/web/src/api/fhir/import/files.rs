//! Taking in files: whole documents or lines, from a process that has its own word on who asks.

use std::sync::Arc;

use bytes::Bytes;
use guard::Identity;

use super::super::bundle::{self, Parcel};
use super::super::conditions::Conditions;
use super::super::door::{Door, Kept};
use super::super::fault::Fault;
use super::super::format::{Layout, Prefer};
use super::super::held::Held;
use super::super::intent::{Context, Intent, Order, Together};
use super::super::route::{self, Target, Write};
use super::super::settle::peek;
use super::super::who::Proof;
use super::super::write::{Answers, perform};
use crate::App;

/// Takes in FHIR documents as somebody.
pub struct Importer {
    door: Door,
    who: Identity,
    is_there: Box<IsThere>,
}

/// Whether a resource with these bytes was taken before, asked once for each.
type IsThere = dyn Fn(&[u8]) -> bool + Send + Sync;

/// What became of what was taken in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Imported {
    /// Resources that are kept now.
    pub accepted: u64,
    /// Those that were taken before.
    pub repeated: u64,
    /// Those that are not, and why.
    pub refused: Vec<Refusal>,
}

/// Something that was not taken in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Which: `Observation/123`, or its place in the Bundle.
    pub what: String,
    /// Why, in words.
    pub why: String,
}

impl Importer {
    /// An importer for `who`, whom the guard will be asked about as about anybody else.
    pub fn new(app: Arc<App>, who: Identity) -> Importer {
        let kept = Arc::new(Kept::default());
        Importer {
            door: Door {
                app,
                kept,
                layout: Layout::AsKept,
                held: Held::default(),
                proof: Proof::default(),
            },
            who,
            is_there: Box::new(|_| false),
        }
    }

    /// Leaves out what was taken before: `is_there` is asked once for each resource, in order. A
    /// transaction was taken as a whole or not at all.
    #[must_use]
    pub fn but(mut self, is_there: impl Fn(&[u8]) -> bool + Send + Sync + 'static) -> Importer {
        self.is_there = Box::new(is_there);
        self
    }

    /// Takes in one document: a transaction or batch is done as it says; of a Bundle of any
    /// other type each resource is kept under its own id; a single resource likewise.
    pub async fn document(&self, bytes: Bytes) -> Imported {
        let said = peek(&bytes);
        if said.kind.as_deref() != Some("Bundle") {
            return self.resources(vec![bytes]).await;
        }
        let mut parcel = match bundle::open(&self.door, bytes).await {
            Ok(parcel) => parcel,
            Err(fault) => return Imported::refused("Bundle", &fault),
        };
        let repeated = self.leave_out(&mut parcel);
        if parcel.entries.is_empty() && repeated > 0 {
            return Imported::repeated(repeated);
        }
        let names = parcel.entries.iter().enumerate();
        let names: Vec<String> = names.map(|(at, entry)| name(at, &entry.raw)).collect();
        match self.parcel(parcel).await {
            Ok(answers) => Imported::of(names, answers).and(repeated),
            Err(fault) => Imported::none(&names, &fault).and(repeated),
        }
    }

    /// Takes the entries out that are there; their number.
    fn leave_out(&self, parcel: &mut Parcel) -> u64 {
        let before = parcel.entries.len();
        let is_new = |entry: &bundle::Entry| entry.raw.is_empty() || !(self.is_there)(&entry.raw);
        if parcel.kind != "transaction" {
            parcel.entries.retain(is_new);
        } else if !parcel.entries.iter().all(is_new) {
            parcel.entries.clear();
        }
        (before - parcel.entries.len()) as u64
    }

    /// Takes in resources, each by itself and all in one commit.
    pub async fn resources(&self, mut resources: Vec<Bytes>) -> Imported {
        let before = resources.len();
        resources.retain(|raw| !(self.is_there)(raw));
        let repeated = (before - resources.len()) as u64;
        let names = resources.iter().enumerate();
        let names: Vec<String> = names.map(|(at, raw)| name(at, raw)).collect();
        let entries = resources.into_iter().map(|raw| (None, raw));
        match self.keep(entries.collect()).await {
            Ok(answers) => Imported::of(names, answers).and(repeated),
            Err(fault) => Imported::none(&names, &fault).and(repeated),
        }
    }

    async fn parcel(&self, parcel: Parcel) -> Result<Answers, Fault> {
        match parcel.kind.as_str() {
            "transaction" => {
                bundle::run(&self.door, &self.order(Together::All), parcel.entries).await
            }
            "batch" => bundle::run(&self.door, &self.order(Together::Each), parcel.entries).await,
            _ => {
                let entries = parcel.entries.into_iter();
                let entries = entries.map(|entry| (entry.full_url, entry.raw));
                self.keep(entries.collect()).await
            }
        }
    }

    async fn keep(&self, entries: Vec<(Option<String>, Bytes)>) -> Result<Answers, Fault> {
        let order = self.order(Together::Each);
        let mut answers: Vec<(usize, Result<_, Fault>)> = Vec::with_capacity(entries.len());
        let mut writes = Vec::with_capacity(entries.len());
        for (at, (full_url, raw)) in entries.into_iter().enumerate() {
            match by_its_id((at, "Basic"), full_url, raw) {
                Ok(intent) => writes.push((at, intent)),
                Err(fault) => answers.push((at, Err(fault))),
            }
        }
        for wave in bundle::waves(Together::Each, writes) {
            let (places, intents): (Vec<usize>, Vec<Intent>) = wave.into_iter().unzip();
            let done = perform(&self.door, &order, intents).await?;
            answers.extend(places.into_iter().zip(done));
        }
        answers.sort_by_key(|(at, _)| *at);
        Ok(answers.into_iter().map(|(_, answer)| answer).collect())
    }

    fn order(&self, together: Together) -> Order {
        Order {
            who: self.who.clone(),
            together,
            prefer: Prefer::Minimal,
        }
    }
}

/// The write that keeps a resource under the id it has, or under a new one if it has none. What cannot
/// be read is refused later, as a resource of the type `else_kind`.
pub(super) fn by_its_id(
    (at, else_kind): (usize, &str),
    full_url: Option<String>,
    raw: Bytes,
) -> Result<Intent, Fault> {
    let said = peek(&raw);
    // What cannot be read is refused with better words when it is read with care.
    let kind = route::kind(said.kind.as_deref().unwrap_or(else_kind))?;
    let write = match said.id {
        Some(id) if route::is_id(&id) => Write::Update(Target { kind, id }),
        Some(id) => {
            let words = format!("`{id}` is not an id: 1 to 64 letters, digits, `-` or `.`");
            return Err(Fault::bad(wire::fhir::Code::Value, words));
        }
        None => Write::Create(kind),
    };
    Ok(Intent {
        path: format!("Bundle.entry[{at}]"),
        write,
        query: String::new(),
        full_url,
        conditions: Conditions::default(),
        raw,
        content: None,
        context: Context::AsSaid,
        along: Vec::new(),
    })
}

fn name(at: usize, raw: &[u8]) -> String {
    let said = peek(raw);
    match (said.kind, said.id) {
        (Some(kind), Some(id)) => format!("{kind}/{id}"),
        (Some(kind), None) => format!("entry {at} ({kind})"),
        (None, _) => format!("entry {at}"),
    }
}

impl Imported {
    fn of(names: Vec<String>, answers: Answers) -> Imported {
        let mut imported = Imported::default();
        for (name, answer) in names.iter().zip(answers) {
            match answer {
                Ok(_) => imported.accepted += 1,
                Err(fault) => imported.refused.push(Refusal::new(name, &fault)),
            }
        }
        imported
    }

    fn refused(what: &str, fault: &Fault) -> Imported {
        Imported::none(&[what.to_owned()], fault)
    }

    /// Nothing is kept, for one reason.
    fn none(names: &[String], fault: &Fault) -> Imported {
        let refused = names.iter().map(|name| Refusal::new(name, fault));
        Imported {
            refused: refused.collect(),
            ..Imported::default()
        }
    }

    fn repeated(repeated: u64) -> Imported {
        Imported {
            repeated,
            ..Imported::default()
        }
    }

    fn and(mut self, repeated: u64) -> Imported {
        self.repeated += repeated;
        self
    }
}

impl Refusal {
    fn new(what: &str, fault: &Fault) -> Refusal {
        Refusal {
            what: what.to_owned(),
            why: fault.words(),
        }
    }
}
