//! `transaction` and `batch` (FHIR R4 section 3.1.0.11).

use std::ops::Range;

use axum::http::StatusCode;
use bytes::Bytes;
use guard::Identity;
use serde_json::Value;
use wire::fhir::{Code, Issue, Limits, mhd};

use super::answer::Answer;
use super::audit;
use super::conditions::{Conditions, Written};
use super::door::Door;
use super::fault::Fault;
use super::format::{self, Prefer};
use super::ihe;
use super::intent::{Context, Intent, Order, Together};
use super::json::{self, Head};
use super::look::{Look, look};
use super::operation;
use super::query;
use super::route::{self, Call, Write};
use super::write::{Answers, perform};

/// A Bundle taken apart.
#[derive(Debug)]
pub(crate) struct Parcel {
    /// `type`.
    pub(crate) kind: String,
    /// `meta.profile`.
    pub(crate) profiles: Vec<String>,
    /// The entries in order.
    pub(crate) entries: Vec<Entry>,
}

/// One entry, its resource as the bytes that were received.
#[derive(Debug)]
pub(crate) struct Entry {
    /// `fullUrl`.
    pub(crate) full_url: Option<String>,
    /// `request.method` and `request.url`.
    pub(crate) request: Option<(String, String)>,
    /// The conditions in `request`.
    pub(crate) conditions: Result<Conditions, Fault>,
    /// `resource`.
    pub(crate) raw: Bytes,
    /// Where faults of it stand, if it is none that was sent.
    pub(crate) path: Option<String>,
    /// Of a document that others of the bundle replace: where those stand.
    pub(crate) along: Vec<String>,
}

/// What an entry asks for.
enum Asked {
    Look(Look),
    Write(Intent),
}

/// Takes a Bundle apart and checks what is around the resources in it.
///
/// # Errors
/// 400, 413 or 422 if it is no Bundle, or has too many entries.
pub(crate) async fn open(door: &Door, bytes: Bytes) -> Result<Parcel, Fault> {
    let limits = door.limits();
    let parcel = door
        .work(bytes.len(), move || split(&bytes, &limits))
        .await??;
    not_too_many(door, (parcel.entries.len(), "entries"))?;
    Ok(parcel)
}

fn not_too_many(door: &Door, (entries, what): (usize, &str)) -> Result<(), Fault> {
    let max = door.app.settings.bundle_entries_max;
    if entries <= max {
        return Ok(());
    }
    let words = format!("{entries} {what} are more than `bundle_entries_max` = {max}");
    Err(Fault::too_large(words))
}

fn split(bytes: &Bytes, limits: &Limits) -> Result<Parcel, Fault> {
    let text: &[u8] = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let bundle = match wire::fhir::bundle::split(text) {
        Ok(bundle) => bundle,
        // The careful reading says better what is wrong.
        Err(issue) => {
            wire::fhir::parse(text, limits)?;
            return Err(Fault::of(StatusCode::BAD_REQUEST, vec![issue]));
        }
    };
    let resources = bundle.entries.iter().filter_map(|entry| entry.resource);
    let ranges: Vec<Range<usize>> = resources.map(|part| place(text, part)).collect();
    let profiles = check_around(text, &ranges, limits)?;
    let entries = bundle.entries.into_iter().map(|entry| Entry {
        conditions: Conditions::read(Written {
            if_match: entry.if_match.as_deref(),
            if_none_match: entry.if_none_match.as_deref(),
            if_modified_since: entry.if_modified_since.as_deref(),
            if_none_exist: entry.if_none_exist.as_deref(),
        }),
        request: entry.method.zip(entry.url),
        full_url: entry.full_url,
        raw: entry
            .resource
            .map(|raw| bytes.slice_ref(raw))
            .unwrap_or_default(),
        path: None,
        along: Vec::new(),
    });
    Ok(Parcel {
        entries: entries.collect(),
        profiles,
        kind: bundle.kind,
    })
}

/// Where `part`, which is cut from `text`, stands in it.
fn place(text: &[u8], part: &[u8]) -> Range<usize> {
    let start = (part.as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
    start..start + part.len()
}

/// Checks the Bundle with a stand-in for each resource: those are checked one by one later, so
/// that nothing is read twice and no more than one of them is in memory. Gives the profiles of the Bundle.
fn check_around(
    text: &[u8],
    resources: &[Range<usize>],
    limits: &Limits,
) -> Result<Vec<String>, Fault> {
    const STAND_IN: &[u8] = b"{\"resourceType\":\"Basic\",\"code\":{\"text\":\"-\"}}";
    let mut around = Vec::with_capacity(256 * resources.len());
    let mut from = 0;
    for range in resources {
        around.extend_from_slice(text.get(from..range.start).unwrap_or_default());
        around.extend_from_slice(STAND_IN);
        from = range.end;
    }
    around.extend_from_slice(text.get(from..).unwrap_or_default());
    let bundle = wire::fhir::parse(&around, limits)?;
    let mut issues = wire::fhir::check(&bundle);
    issues.retain(Issue::refuses);
    if !issues.is_empty() {
        return Err(Fault::of(StatusCode::BAD_REQUEST, issues));
    }
    let profiles = bundle.pointer("/meta/profile").and_then(Value::as_array);
    let profiles = profiles.into_iter().flatten().filter_map(Value::as_str);
    Ok(profiles.map(str::to_owned).collect())
}

/// Does what a transaction or batch asks for and answers with its response Bundle.
///
/// The writes of a transaction are one commit. Its reads come after the commit, as FHIR orders
/// them, and cannot undo it: one that fails says so in its own entry.
///
/// # Errors
/// What kept a transaction from being done; for a batch only what concerns the whole of it.
pub(crate) async fn answer(
    door: &Door,
    who: &Identity,
    (bytes, prefer): (Bytes, Prefer),
) -> Result<Answer, Fault> {
    let parcel = open(door, bytes).await?;
    let (together, kind) = match parcel.kind.as_str() {
        "transaction" => (Together::All, "transaction-response"),
        "batch" => (Together::Each, "batch-response"),
        other => {
            let words = format!(
                "a Bundle of type `{other}` is nothing to be done; send a `transaction` or a `batch`, or `POST` it to `Bundle` to keep it"
            );
            return Err(Fault::bad(Code::Value, words));
        }
    };
    let order = Order {
        who: who.clone(),
        together,
        prefer,
    };
    let sent = parcel.entries.len();
    let metadata = mhd::metadata(&parcel.profiles).filter(|_| together == Together::All);
    let entries = match metadata {
        Some(metadata) => {
            let bytes = parcel.entries.iter().map(|entry| entry.raw.len()).sum();
            let base = door.app.settings.fhir_base.clone();
            let work = move || ihe::provided(parcel.entries, (metadata, &base));
            let entries = door.work(bytes, work).await??;
            let what = "entries and documents that they replace";
            not_too_many(door, (entries.len(), what))?;
            entries
        }
        None => parcel.entries,
    };
    let mut answers = match together {
        Together::Each => batch(door, &order, entries).await?,
        Together::All => run(door, &order, entries).await?,
    };
    answers.truncate(sent);
    let head = Head {
        kind,
        total: None,
        links: Vec::new(),
    };
    let base = &door.app.settings.fhir_base;
    let bundle = json::bundle(&head, &answers, |answer, out| match answer {
        Ok(answer) => answer.entry(base, out),
        Err(fault) => fault.entry(out),
    });
    Ok(Answer::body(bundle))
}

/// The same for a batch, of which AuditEvents that are created are what another system tells.
async fn batch(door: &Door, order: &Order, entries: Vec<Entry>) -> Result<Answers, Fault> {
    let mut asked = Vec::with_capacity(entries.len());
    let (mut told, mut places) = (Vec::new(), Vec::new());
    for (at, entry) in entries.into_iter().enumerate() {
        match asked_for(door, at, entry) {
            Ok(Asked::Write(intent)) if audit::is_told(&intent) => {
                told.push(intent);
                places.push(at);
            }
            one => asked.push((at, one)),
        }
    }
    let mut answers = perform_all(door, order, asked).await?;
    if !told.is_empty() {
        let taken = audit::take(door, order, told).await?;
        answers.extend(places.into_iter().zip(taken));
    }
    Ok(in_order(answers))
}

/// Does what the entries ask for; the answers are in the entries' order.
///
/// # Errors
/// What kept a transaction from being done.
pub(crate) async fn run(door: &Door, order: &Order, entries: Vec<Entry>) -> Result<Answers, Fault> {
    let asked = entries.into_iter().enumerate();
    let asked = asked
        .map(|(at, entry)| asked_for(door, at, entry))
        .collect();
    let asked = order.sift(asked)?.into_iter().enumerate().collect();
    Ok(in_order(perform_all(door, order, asked).await?))
}

/// Answers with their places.
type Placed = Vec<(usize, Result<Answer, Fault>)>;

fn in_order(mut answers: Placed) -> Answers {
    answers.sort_by_key(|(at, _)| *at);
    answers.into_iter().map(|(_, answer)| answer).collect()
}

async fn perform_all(
    door: &Door,
    order: &Order,
    asked: Vec<(usize, Result<Asked, Fault>)>,
) -> Result<Placed, Fault> {
    let mut answers: Placed = Vec::with_capacity(asked.len());
    let (mut looks, mut writes) = (Vec::new(), Vec::new());
    for (at, asked) in asked {
        match asked {
            Ok(Asked::Look(look)) => looks.push((at, look)),
            Ok(Asked::Write(intent)) => writes.push((at, intent)),
            Err(fault) => answers.push((at, Err(fault))),
        }
    }
    writes.sort_by_key(|(_, intent)| rank(&intent.write));
    for wave in waves(order.together, writes) {
        let (places, intents): (Vec<usize>, Vec<Intent>) = wave.into_iter().unzip();
        let done = perform(door, order, intents).await?;
        answers.extend(places.into_iter().zip(done));
    }
    for (at, one) in looks {
        let path = format!("Bundle.entry[{at}]");
        let answer = look(door, &order.who, &one).await;
        answers.push((at, answer.map_err(|fault| fault.under(&path))));
    }
    Ok(answers)
}

/// Deletes first, then creates, then updates and patches (section 3.1.0.11.2).
fn rank(write: &Write) -> u8 {
    match write {
        Write::Delete(_) | Write::DeleteWhere(_) => 0,
        Write::Create(_) => 1,
        Write::Patch(_) | Write::PatchWhere(_) | Write::Update(_) | Write::UpdateWhere(_) => 2,
    }
}

/// Splits the writes of a batch so that none of the parts writes a resource twice. A
/// transaction stays whole: it may not write a resource twice.
pub(crate) fn waves(together: Together, writes: Vec<(usize, Intent)>) -> Vec<Vec<(usize, Intent)>> {
    if together == Together::All {
        return vec![writes];
    }
    let mut seen = std::collections::HashMap::new();
    let mut waves: Vec<Vec<(usize, Intent)>> = Vec::new();
    for (at, intent) in writes {
        let wave = match &intent.write {
            Write::Update(target) | Write::Patch(target) | Write::Delete(target) => {
                let times = seen.entry(target.clone()).or_insert(0_usize);
                *times += 1;
                *times - 1
            }
            Write::Create(_)
            | Write::DeleteWhere(_)
            | Write::PatchWhere(_)
            | Write::UpdateWhere(_) => 0,
        };
        match waves.get_mut(wave) {
            Some(wave) => wave.push((at, intent)),
            None => waves.push(vec![(at, intent)]),
        }
    }
    waves
}

/// The writes for which these entries ask, which are done with one that came by itself.
///
/// # Errors
/// 413 if all of them are too many, 400 if one is no write.
pub(crate) fn beside(door: &Door, entries: Vec<Entry>) -> Result<Vec<Intent>, Fault> {
    not_too_many(
        door,
        (entries.len() + 1, "documents, with those that it replaces,"),
    )?;
    let write = |entry| match asked_for(door, 0, entry)? {
        Asked::Write(intent) => Ok(intent),
        Asked::Look(_) => Err(Fault::broken("a look stood beside a write")),
    };
    entries.into_iter().map(write).collect()
}

fn asked_for(door: &Door, at: usize, entry: Entry) -> Result<Asked, Fault> {
    let sent = || format!("Bundle.entry[{at}]");
    let path = entry.path.clone().unwrap_or_else(sent);
    understand(door, &path, entry).map_err(|fault| fault.under(&path))
}

fn understand(door: &Door, path: &str, entry: Entry) -> Result<Asked, Fault> {
    let (method, url) = entry.request.ok_or_else(|| {
        Fault::bad(
            Code::Required,
            "the entry has no `request` with `method` and `url`, so it asks for nothing",
        )
    })?;
    let base = door.app.settings.fhir_base.as_str();
    let url = url.strip_prefix(base).unwrap_or(&url);
    let (place, query) = url.split_once('?').unwrap_or((url, ""));
    let conditions = entry.conditions?;
    match route::call(&method, place)? {
        Call::Bundle => Err(Fault::bad(
            Code::NotSupported,
            "a Bundle within a Bundle is not taken apart; send it by itself",
        )),
        Call::Export(_) | Call::Import(_) | Call::OpenApi => Err(Fault::bad(
            Code::NotSupported,
            "this is not part of a bundle; ask for it by itself",
        )),
        Call::Write(write) => Ok(Asked::Write(Intent {
            path: path.to_owned(),
            write,
            query: query.to_owned(),
            full_url: entry.full_url,
            conditions,
            raw: entry.raw,
            content: None,
            context: Context::AsSaid,
            along: entry.along,
        })),
        call => {
            let max = door.app.settings.search_parameters_max;
            let mut pairs = format::strip(query::pairs(query, max)?);
            let mut body = Bytes::new();
            match &call {
                Call::Operation(operation) if operation.takes_body() => body = entry.raw,
                Call::Operation(_) if !entry.raw.is_empty() => {
                    pairs.extend(operation::pairs(&entry.raw, &door.limits())?);
                }
                _ => {}
            }
            Ok(Asked::Look(Look {
                call,
                pairs,
                conditions,
                body,
            }))
        }
    }
}
