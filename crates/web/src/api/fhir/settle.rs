//! Which resource a write means, and which version of it it replaces.

use chart::{Located, Open};
use event::{Act, Subject};
use guard::{Ask, Identity, Seen, seen};
use serde::Deserialize;
use wire::fhir::{Code, Query};

use super::binary;
use super::conditions::Tag;
use super::door::{Door, Question};
use super::fault::Fault;
use super::ids;
use super::intent::{Context, Intent};
use super::patched::{patch, patch_where};
use super::read::{locate, locate_unfolded};
use super::recent::Concern;
use super::route::{Target, Write, is_id};
use super::search::{has_criteria, subject};

/// A write whose target is known.
#[derive(Debug, Clone)]
pub(crate) struct Settled {
    /// What was asked for.
    pub(crate) intent: Intent,
    /// The resource that is meant.
    pub(crate) target: Target,
    /// What will happen to it.
    pub(crate) fate: Fate,
    /// What the guard is asked for.
    pub(crate) act: Act,
    /// The version it replaces; 0: none.
    pub(crate) replaces: u64,
    /// How many events were known when that was looked up, of all that concerns it.
    pub(crate) as_of: u64,
    /// The same of what concerns other patients than the one before: what the chart had folded.
    pub(crate) folded: u64,
    /// The patient it belongs to so far.
    pub(crate) before: Option<String>,
}

/// What will happen to a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It will be there.
    Created,
    /// It will be gone.
    Deleted,
    /// Nothing: what was to be created only if it was not there is there, in this version.
    Kept(u64),
    /// Nothing: what was to be deleted is not there.
    Nothing,
    /// It will have another version.
    Updated,
}

impl Fate {
    /// Whether anything is written.
    pub(crate) fn writes(self) -> bool {
        match self {
            Fate::Created | Fate::Deleted | Fate::Updated => true,
            Fate::Kept(_) | Fate::Nothing => false,
        }
    }
}

/// Finds out which resource `intent` means.
///
/// # Errors
/// 400, 404 or 412, as the conditions of the write have it.
pub(crate) async fn settle(door: &Door, who: &Identity, intent: Intent) -> Result<Settled, Fault> {
    let path = intent.path.clone();
    let settled = match intent.write.clone() {
        Write::Create(kind) => create(door, who, (intent, kind)).await,
        Write::Patch(target) => patch(door, who, (intent, target)).await,
        Write::PatchWhere(kind) => patch_where(door, who, (intent, kind)).await,
        Write::Update(target) => update_soon(door, who, (intent, target)).await,
        Write::UpdateWhere(kind) => update_where(door, who, (intent, kind)).await,
        Write::Delete(target) => delete(door, who, (intent, target)).await,
        Write::DeleteWhere(kind) => delete_where(door, who, (intent, kind)).await,
    };
    let settled = match settled {
        Ok(settled) => binary::in_context(door, who, settled).await,
        fault => fault,
    };
    settled.map_err(|fault| fault.under(&path))
}

async fn create(
    door: &Door,
    who: &Identity,
    (intent, kind): (Intent, &'static str),
) -> Result<Settled, Fault> {
    let Some(query) = intent.conditions.if_none_exist.clone() else {
        let id = ids::random()?;
        return Ok(new(door, intent, Target { kind, id }));
    };
    // INVARIANT: before the search, or one that is created between the two would be taken for another.
    let spare = reserved(door, kind, &query).await?;
    match only(&matching(door, who, (kind, &query)).await?, kind)? {
        Some(target) => {
            let located = locate(door, &target).await?;
            let version = located.as_ref().map_or(0, |located| located.version);
            Ok(Settled {
                fate: Fate::Kept(version),
                before: located.and_then(|located| located.patient),
                ..new(door, intent, target)
            })
        }
        None => Ok(new(door, intent, spare)),
    }
}

/// A new resource's id, the same for everybody who creates it under the same condition: of two
/// at the same moment the record lets one through, and the other finds it.
async fn reserved(door: &Door, kind: &'static str, query: &str) -> Result<Target, Fault> {
    let id = door.app.record.blind().id(kind, "if-none-exist", query);
    let target = Target { kind, id };
    match locate(door, &target).await? {
        None => Ok(target),
        // It was there, and was deleted or has changed beyond the condition.
        Some(_) => Ok(Target {
            kind,
            id: ids::random()?,
        }),
    }
}

fn new(door: &Door, intent: Intent, target: Target) -> Settled {
    let folded = *door.app.chart.folded().borrow();
    Settled {
        intent,
        target,
        fate: Fate::Created,
        act: Act::Create,
        replaces: 0,
        as_of: folded,
        folded,
        before: None,
    }
}

/// As [`update`], for who asks the chart nothing else about the resource: it need not show its last version yet.
async fn update_soon(
    door: &Door,
    who: &Identity,
    (intent, target): (Intent, Target),
) -> Result<Settled, Fault> {
    // INVARIANT: taken before the look-up, so that nothing written in between is overlooked.
    let folded = *door.app.chart.folded().borrow();
    // The context of a Binary is read from the version before.
    let soon = match intent.context {
        Context::AsBefore => None,
        Context::AsSaid => locate_unfolded(door, who, &target),
    };
    let Some(located) = soon else {
        return update(door, who, (intent, target)).await;
    };
    let of = (intent, target);
    let settled = replaced(door, who, (of, Some(located), folded)).await?;
    Ok(Settled { folded, ..settled })
}

/// Finds out which version an update replaces, and whether its conditions hold; the chart shows that version.
///
/// # Errors
/// 403 or 412.
pub(crate) async fn update(
    door: &Door,
    who: &Identity,
    (intent, target): (Intent, Target),
) -> Result<Settled, Fault> {
    // INVARIANT: as in `update_soon`.
    let folded = *door.app.chart.folded().borrow();
    let located = locate(door, &target).await?;
    replaced(door, who, ((intent, target), located, folded)).await
}

/// The same, of where the resource stands.
async fn replaced(
    door: &Door,
    who: &Identity,
    ((intent, target), located, folded): ((Intent, Target), Option<Located>, u64),
) -> Result<Settled, Fault> {
    let current = located.as_ref().filter(|located| !located.deleted);
    let current = current.map(|located| located.version);
    let patient = located.as_ref().and_then(|located| located.patient.clone());
    first(door, who, (&intent, &target, patient)).await?;
    hold(&intent, &target, current)?;
    let as_of = located.as_ref().map_or(folded, |located| located.as_of);
    Ok(Settled {
        fate: current.map_or(Fate::Created, |_| Fate::Updated),
        act: Act::Update,
        replaces: located.as_ref().map_or(0, |located| located.version),
        as_of,
        folded: as_of,
        before: located.and_then(|located| located.patient),
        ..new(door, intent, target)
    })
}

/// Asks the guard before a condition says anything about a resource to somebody who asks through
/// an app: whether it is there is an answer too. Everybody else is asked about once it is drafted.
async fn first(
    door: &Door,
    who: &Identity,
    (intent, target, patient): (&Intent, &Target, Option<String>),
) -> Result<(), Fault> {
    if who.through.is_none() {
        return Ok(());
    }
    let act = match intent.write.deletes() {
        true => Act::Delete,
        false => Act::Update,
    };
    let question = Question::of(act, target, patient);
    let decision = door.decide(who, question).await?;
    let ask = decision.ask();
    if decision.allowed() && covers_current(door, ask, target).await? {
        return Ok(());
    }
    if !decision.allowed() {
        door.app.record.witness(decision).await?;
    }
    Err(Fault::beyond_scopes())
}

/// Whether the scopes behind an ask that was allowed cover the current version; true if there is none.
pub(crate) async fn covers_current(door: &Door, ask: &Ask, target: &Target) -> Result<bool, Fault> {
    let Target { kind, id } = target;
    if matches!(seen(ask, kind), Seen::All) {
        return Ok(true);
    }
    door.fresh(&[Concern::Resource(kind, id.clone())]).await?;
    Ok(door.app.chart.covers_current(ask, kind, id).await?)
}

/// Checks `If-Match` and `If-None-Match` against the current version.
fn hold(intent: &Intent, target: &Target, current: Option<u64>) -> Result<(), Fault> {
    let Target { kind, id } = target;
    let wanted = intent.conditions.if_match;
    if let Some(wanted) = wanted.filter(|wanted| Some(*wanted) != current) {
        let words = match current {
            Some(current) => format!(
                "`{kind}/{id}` is at version {current}, not {wanted}: read it again, then write"
            ),
            None => format!("`{kind}/{id}` has no version {wanted}: it is not there"),
        };
        return Err(Fault::precondition(Code::Conflict, words));
    }
    let unwanted = match (intent.conditions.if_none_match, current) {
        (Some(Tag::Any), Some(_)) => true,
        (Some(Tag::Version(version)), Some(current)) => version == current,
        (None, _) | (_, None) => false,
    };
    if unwanted {
        let words = format!("`{kind}/{id}` is there already, and `If-None-Match` forbids that");
        return Err(Fault::precondition(Code::Conflict, words));
    }
    Ok(())
}

async fn update_where(
    door: &Door,
    who: &Identity,
    (intent, kind): (Intent, &'static str),
) -> Result<Settled, Fault> {
    let said = peek(&intent.raw).id;
    // Before the search, as in `create`.
    let spare = reserved(door, kind, &intent.query).await?;
    let found = matching(door, who, (kind, &intent.query)).await?;
    match (only(&found, kind)?, said) {
        (Some(target), Some(said)) if said != target.id => {
            let words = format!(
                "the query finds `{kind}/{}`, but the resource says that it is `{said}`",
                target.id
            );
            Err(Fault::bad(Code::Value, words).under(&intent.path))
        }
        (Some(target), _) => update(door, who, (intent, target)).await,
        (None, Some(id)) if is_id(&id) => update(door, who, (intent, Target { kind, id })).await,
        (None, _) => Ok(Settled {
            act: Act::Update,
            ..new(door, intent, spare)
        }),
    }
}

async fn delete(
    door: &Door,
    who: &Identity,
    (intent, target): (Intent, Target),
) -> Result<Settled, Fault> {
    let settled = update_soon(door, who, (intent, target)).await?;
    let fate = match settled.fate {
        Fate::Updated => Fate::Deleted,
        Fate::Created | Fate::Deleted | Fate::Kept(_) | Fate::Nothing => Fate::Nothing,
    };
    Ok(Settled {
        fate,
        act: Act::Delete,
        ..settled
    })
}

async fn delete_where(
    door: &Door,
    who: &Identity,
    (intent, kind): (Intent, &'static str),
) -> Result<Settled, Fault> {
    let found = matching_shown(door, who, (kind, &intent.query)).await?;
    let target = only(&found, kind)?.ok_or_else(|| {
        let words = format!("no `{kind}` matches, so nothing was deleted");
        Fault::new(axum::http::StatusCode::NOT_FOUND, Code::NotFound, words)
    })?;
    delete(door, who, (intent, target)).await
}

/// The one resource that matches, if there is one.
pub(crate) fn only(found: &[String], kind: &'static str) -> Result<Option<Target>, Fault> {
    match found {
        [] => Ok(None),
        [id] => Ok(Some(Target {
            kind,
            id: id.clone(),
        })),
        _ => {
            let words = format!("more than one `{kind}` matches where one is meant; say more");
            Err(Fault::precondition(Code::MultipleMatches, words))
        }
    }
}

/// The ids of what a condition finds: none, one, or more than one. A question like any search,
/// so it is asked of the guard and sealed. What is masked or hidden counts.
pub(crate) async fn matching(
    door: &Door,
    who: &Identity,
    condition: (&'static str, &str),
) -> Result<Vec<String>, Fault> {
    let (query, open) = looked_for(door, who, condition).await?;
    Ok(open.matching(&query).await?)
}

/// As [`matching`], but what is masked or hidden does not count.
pub(crate) async fn matching_shown(
    door: &Door,
    who: &Identity,
    condition: (&'static str, &str),
) -> Result<Vec<String>, Fault> {
    let (query, open) = looked_for(door, who, condition).await?;
    Ok(open.matching_shown(&query).await?)
}

async fn looked_for(
    door: &Door,
    who: &Identity,
    (kind, text): (&'static str, &str),
) -> Result<(Query, Open), Fault> {
    let query = door.query(kind, text)?;
    if !has_criteria(&query) {
        let words = format!("`{kind}?{text}` says nothing about what it means");
        return Err(Fault::precondition(Code::Required, words));
    }
    let question = Question {
        act: Act::Search,
        subject: match who.through {
            Some(_) => subject(door, who, &query).await?,
            None => Subject::Kind(kind.to_owned()),
        },
        kinds: query.touches().into_iter().map(str::to_owned).collect(),
        detail: format!("{kind}?{text}"),
    };
    let permit = door.permit(who, question, None).await?;
    door.fresh(&[Concern::Kind(kind)]).await?;
    Ok((query, door.app.chart.open_with(permit)))
}

/// What a resource says that it is, read without reading the rest.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Peek {
    /// `resourceType`.
    #[serde(rename = "resourceType")]
    pub(crate) kind: Option<String>,
    /// `id`.
    pub(crate) id: Option<String>,
}

/// What a resource says that it is; nothing, if it cannot be read.
pub(crate) fn peek(raw: &[u8]) -> Peek {
    let raw = raw.strip_prefix(b"\xef\xbb\xbf").unwrap_or(raw);
    serde_json::from_slice(raw).unwrap_or_default()
}
