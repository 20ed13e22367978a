//! `create`, `update`, `delete`, with or without conditions, one or many at once: settle which
//! resources are meant, read and check them, ask the guard, have them sealed.

use std::collections::{BTreeSet, HashSet};

use axum::http::StatusCode;
use bytes::Bytes;
use event::{Arrival, Body, Content, Event, Form, Resource};
use guard::{Admitted, Standing};
use record::Receipt;
use wire::fhir::Code;

use super::answer::Answer;
use super::binary;
use super::door::{Door, subject};
use super::draft::{Draft, draft};
use super::fault::{self, Fault};
use super::format::Prefer;
use super::ihe;
use super::intent::{Intent, Order};
use super::recent::Concern;
use super::refer::Names;
use super::ruling::Rulings;
use super::settle::{Fate, Settled, settle};
use super::subscription;

/// How often a write is tried again that somebody else got ahead of.
const ATTEMPTS_MAX: usize = 5;

/// What became of each of several writes, in their order.
pub(crate) type Answers = Vec<Result<Answer, Fault>>;

enum Halt {
    /// Somebody else wrote one of the resources in between.
    Overtaken,
    Fault(Fault),
}

impl From<Fault> for Halt {
    fn from(fault: Fault) -> Halt {
        Halt::Fault(fault)
    }
}

/// What is sealed in the same commit as the writes, by what became of them.
pub(crate) type Also<'a> =
    dyn Fn(&[Result<Draft, Fault>]) -> Result<Option<Admitted>, Fault> + Send + Sync + 'a;

/// Does what `intents` ask for, all in one commit.
///
/// # Errors
/// What kept all of them from being done; with `Together::Each` only what concerns them all.
pub(crate) async fn perform(
    door: &Door,
    order: &Order,
    intents: Vec<Intent>,
) -> Result<Answers, Fault> {
    perform_with(door, order, (intents, &|_| Ok(None))).await
}

/// The same, with something more in that commit.
///
/// # Errors
/// As [`perform`].
pub(crate) async fn perform_with(
    door: &Door,
    order: &Order,
    (intents, also): (Vec<Intent>, &Also<'_>),
) -> Result<Answers, Fault> {
    for _ in 0..ATTEMPTS_MAX {
        match attempt(door, order, (intents.clone(), also)).await {
            Ok(answers) => return Ok(answers),
            Err(Halt::Fault(fault)) => return Err(fault),
            Err(Halt::Overtaken) => door.caught_up(door.app.record.size()).await?,
        }
    }
    let words = "others keep writing the same resource; read it again, then write";
    Err(Fault::new(StatusCode::CONFLICT, Code::Conflict, words))
}

async fn attempt(
    door: &Door,
    order: &Order,
    (intents, also): (Vec<Intent>, &Also<'_>),
) -> Result<Answers, Halt> {
    // INVARIANT: subscriptions are counted and sealed one after the other, through whatever door they come.
    let subscribes = |intent: &Intent| intent.write.kind() == subscription::KIND;
    let _turn = match intents.iter().any(subscribes) {
        true => Some(door.app.subscribing.lock().await),
        false => None,
    };
    let settled = order.sift(settle_all(door, order, intents).await)?;
    let base = door.app.settings.fhir_base.as_str();
    let names = Names::of(settled.iter().flatten(), (order.together, base))?;
    let drafts = order.sift(draft_all(door, settled, names.clone()).await?)?;
    let drafts = order.sift(look_up(door, order, (drafts, names)).await?)?;
    let drafts = order.sift(whole(door, drafts).await)?;
    ihe::of_one_patient(door, &order.who, &drafts).await?;
    let mut rulings = Rulings::new(door, &order.who);
    let mut ruled = Vec::with_capacity(drafts.len());
    let mut siblings = BTreeSet::new();
    for draft in drafts {
        ruled.push(match draft {
            Ok(draft) => {
                let draft = rulings.rule(draft).await?;
                checked(door, order, (draft, &mut siblings)).await
            }
            Err(fault) => Err(fault),
        });
    }
    let drafts = order.sift(ruled)?;
    seal(door, order, (drafts, rulings, also)).await
}

/// A subscription is looked at once more: what it asks for will be told later, and again and again.
async fn checked(
    door: &Door,
    order: &Order,
    (ruled, siblings): (Result<Draft, Fault>, &mut BTreeSet<String>),
) -> Result<Draft, Fault> {
    let draft = ruled?;
    let path = draft.settled.intent.path.clone();
    let good = subscription::check(door, &order.who, (&draft, siblings)).await;
    good.map(|()| draft).map_err(|fault| fault.under(&path))
}

async fn settle_all(
    door: &Door,
    order: &Order,
    intents: Vec<Intent>,
) -> Vec<Result<Settled, Fault>> {
    let mut seen = HashSet::new();
    let mut all = Vec::with_capacity(intents.len());
    // What patches make of what is kept may be far larger than what came in.
    let (mut patched, patched_max) = (0_usize, door.app.settings.body_bytes_max);
    // A document that was there already replaced the older one when it came.
    let mut there = HashSet::new();
    for mut intent in intents {
        let along = &intent.along;
        let replaced = !along.is_empty() && along.iter().all(|path| there.contains(path));
        if replaced {
            intent.raw = ihe::untouched();
        }
        let patches = intent.write.patches();
        let settled = match patches && patched >= patched_max {
            true => Err(patched_too_much(patched_max).under(&intent.path)),
            false => settle(door, &order.who, intent).await,
        };
        if let (true, Ok(settled)) = (patches, &settled) {
            patched = patched.saturating_add(settled.intent.raw.len());
        }
        if let Ok(Settled {
            fate: Fate::Kept(_),
            intent,
            ..
        }) = &settled
        {
            there.insert(intent.path.clone());
        }
        all.push(settled.and_then(|settled| {
            if replaced {
                let fate = Fate::Nothing;
                return Ok(Settled { fate, ..settled });
            }
            if !settled.fate.writes() || seen.insert(settled.target.clone()) {
                return Ok(settled);
            }
            // Another entry says what becomes of a document that is replaced, or the same one is replaced twice.
            if !settled.intent.along.is_empty() {
                let fate = Fate::Nothing;
                return Ok(Settled { fate, ..settled });
            }
            let target = &settled.target;
            let words = format!("`{}/{}` is written twice", target.kind, target.id);
            Err(Fault::bad(Code::Duplicate, words).under(&settled.intent.path))
        }));
    }
    all
}

fn patched_too_much(max: usize) -> Fault {
    let words = format!(
        "what the patches before this one make is larger than {max} bytes together (`body_bytes_max`); send fewer at once"
    );
    Fault::too_large(words)
}

async fn draft_all(
    door: &Door,
    settled: Vec<Result<Settled, Fault>>,
    names: Names,
) -> Result<Vec<Result<Draft, Fault>>, Fault> {
    let sizes = settled.iter().flatten().map(|one| one.intent.raw.len());
    let bytes = sizes.sum();
    let limits = door.limits();
    let work = move || {
        let settled = settled.into_iter();
        let drafts = settled.map(|one| one.and_then(|one| draft(one, &names, &limits)));
        drafts.collect()
    };
    door.work(bytes, work).await
}

/// Looks up what conditional references mean, if there are any.
async fn look_up(
    door: &Door,
    order: &Order,
    (drafts, names): (Vec<Result<Draft, Fault>>, Names),
) -> Result<Vec<Result<Draft, Fault>>, Fault> {
    let open = drafts.iter().flatten().flat_map(|draft| &draft.open);
    let open: BTreeSet<String> = open.map(|(_, reference)| reference.clone()).collect();
    if open.is_empty() {
        return Ok(drafts);
    }
    let names = names.look_up(door, &order.who, open).await?;
    let finish = |draft: Result<Draft, Fault>| draft.and_then(|draft| draft.finish(&names));
    Ok(drafts.into_iter().map(finish).collect())
}

/// Refuses those with which a content would be lost.
async fn whole(door: &Door, drafts: Vec<Result<Draft, Fault>>) -> Vec<Result<Draft, Fault>> {
    let mut all = Vec::with_capacity(drafts.len());
    for draft in drafts {
        all.push(match draft {
            Ok(draft) => draft.whole(door).await,
            fault => fault,
        });
    }
    all
}

async fn seal(
    door: &Door,
    order: &Order,
    (drafts, rulings, also): (Vec<Result<Draft, Fault>>, Rulings<'_>, &Also<'_>),
) -> Result<Answers, Halt> {
    let mut events = Vec::with_capacity(drafts.len());
    for draft in drafts.iter().flatten() {
        if draft.settled.fate.writes() {
            events.push(admitted((door, order), draft, &rulings).await?);
        }
    }
    events.extend(also(&drafts)?);
    let receipts = match events.is_empty() {
        true => Vec::new(),
        false => door
            .app
            .record
            .admit(events)
            .await
            .map_err(|error| match error {
                record::Error::Conflict { .. } => Halt::Overtaken,
                error => Halt::Fault(error.into()),
            })?,
    };
    if let Some(size) = receipts.iter().map(|receipt| receipt.index + 1).max() {
        door.note(drafts.iter().flatten().flat_map(concerns), size);
    }
    let mut receipts = receipts.into_iter();
    let answer = |draft: Result<Draft, Fault>| {
        let draft = draft?;
        let receipt = match draft.settled.fate.writes() {
            true => receipts.next(),
            false => None,
        };
        Ok(answer(&draft, receipt, order.prefer))
    };
    Ok(drafts.into_iter().map(answer).collect())
}

async fn admitted(
    (door, order): (&Door, &Order),
    draft: &Draft,
    rulings: &Rulings<'_>,
) -> Result<Admitted, Fault> {
    let Settled { target, intent, .. } = &draft.settled;
    // INVARIANT: of another patient than that of the version before nothing is known but what is folded.
    let as_of = match draft.patient == draft.settled.before {
        true => draft.settled.as_of,
        false => draft.settled.as_of.min(draft.settled.folded),
    };
    let body = Body::Resource(Resource {
        kind: target.kind.to_owned(),
        id: target.id.clone(),
        replaces: draft.settled.replaces,
        as_of,
        resolved: draft.pairs.clone(),
        contents: Vec::new(),
    });
    let subject = subject(target.kind, draft.patient.clone());
    let event = Event::new(order.who.actor.clone(), draft.settled.act, subject, body);
    let raw = match intent.write.deletes() {
        true => Vec::new(),
        false => intent.raw.to_vec(),
    };
    let mut event = event.with_raw(raw);
    if let Some(bytes) = intent.content.clone() {
        apart(door, &mut event, bytes).await?;
    }
    let arrival: Arrival = event.into();
    let unruled = || Fault::broken("a write was about to be sealed that nobody had decided on");
    let decision = rulings.decision(draft).ok_or_else(unruled)?;
    guard::admit(arrival, Standing::Decided(decision), "")
        .map_err(|refused| Fault::forbidden(&[refused.words]))
}

/// Stores content that came by itself, before the event that names it is sealed.
async fn apart(door: &Door, event: &mut Event, bytes: Bytes) -> Result<(), Fault> {
    let whole = door.app.record.keep(event, bytes).await?;
    let content = Content {
        whole,
        form: Form::Base64,
    };
    event.raw = binary::with_data(&event.raw, &content.mark());
    if let Body::Resource(written) = &mut event.body {
        written.contents.push(content);
    }
    Ok(())
}

/// What a read may be about for which this write matters.
fn concerns(draft: &Draft) -> impl Iterator<Item = Concern> {
    let settled = &draft.settled;
    let kind = settled.target.kind;
    let written = settled.fate.writes();
    let fixed = [
        Concern::Record,
        Concern::Kind(kind),
        Concern::Resource(kind, settled.target.id.clone()),
    ];
    let patients = draft.patient.iter().chain(&settled.before);
    let patients: Vec<Concern> = patients.cloned().map(Concern::Patient).collect();
    fixed.into_iter().chain(patients).filter(move |_| written)
}

fn answer(draft: &Draft, receipt: Option<Receipt>, prefer: Prefer) -> Answer {
    let settled = &draft.settled;
    let place = format!("{}/{}", settled.target.kind, settled.target.id);
    let version = match settled.fate {
        Fate::Kept(version) => Some(version),
        Fate::Created | Fate::Deleted | Fate::Nothing | Fate::Updated => {
            receipt.map(|receipt| receipt.index)
        }
    };
    let (status, word) = match settled.fate {
        Fate::Created => (StatusCode::CREATED, "created"),
        Fate::Deleted | Fate::Nothing => (StatusCode::NO_CONTENT, "deleted"),
        Fate::Kept(_) => (StatusCode::OK, "there already"),
        Fate::Updated => (StatusCode::OK, "updated"),
    };
    let gone = status == StatusCode::NO_CONTENT;
    let body = match (prefer, receipt) {
        (Prefer::Outcome, _) => Some(fault::done(format!("`{place}` is {word}"))),
        (Prefer::Representation, Some(receipt)) if !gone => Some(as_kept(draft, receipt)),
        (Prefer::Minimal | Prefer::Representation, _) => None,
    };
    Answer {
        // A status of 204 can have no body.
        status: if gone && body.is_some() {
            StatusCode::OK
        } else {
            status
        },
        body: body.map(Into::into),
        version,
        at: receipt.map(|receipt| receipt.at),
        location: version
            .filter(|_| !gone)
            .map(|version| format!("{place}/_history/{version}")),
        ..Answer::default()
    }
}

/// The resource as the chart will show it.
fn as_kept(draft: &Draft, receipt: Receipt) -> Vec<u8> {
    let raw = wire::fhir::resolve(&draft.settled.intent.raw, &draft.pairs);
    let at = receipt.at.to_string();
    wire::fhir::stamp(&raw, &draft.settled.target.id, receipt.index, &at)
}
