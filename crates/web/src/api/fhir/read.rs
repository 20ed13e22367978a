//! `read` and `vread` (FHIR R4 sections 3.1.0.1 and 3.1.0.2).

use axum::http::StatusCode;
use bytes::Bytes;
use chart::{Found, Located, Open, Stored};
use event::Act;
use guard::Identity;

use super::answer::Answer;
use super::conditions::Conditions;
use super::door::{Door, Question};
use super::fault::Fault;
use super::format::Layout;
use super::recent::Concern;
use super::route::{self, Target};

/// The current version.
///
/// # Errors
/// 403 or 404 if it may not be seen or is not there, 410 if it was deleted.
pub(crate) async fn current(
    door: &Door,
    who: &Identity,
    (target, conditions): (&Target, &Conditions),
) -> Result<Answer, Fault> {
    // Read once, and opened by the permit: what is shown is the version that was decided about.
    let found = find(door, who, target).await?;
    let patient = found.as_ref().and_then(Found::patient).map(str::to_owned);
    let question = Question::of(Act::Read, target, patient);
    let permit = door.permit(who, question, Some(target)).await?;
    let Some(found) = found else {
        return Err(Fault::absent(target.kind, &target.id));
    };
    let open = door.app.chart.open_with(permit);
    let found = open.shown_bare(found).await?;
    let stored = present(found, target)?;
    if conditions.has(stored.version, stored.at) {
        return Ok(Answer {
            status: StatusCode::NOT_MODIFIED,
            version: Some(stored.version),
            at: Some(stored.at),
            ..Answer::default()
        });
    }
    shown(door, &open, stored).await
}

/// The answer to a create that found what it was to make, with the resource if the asker may read it: that is
/// decided and sealed like any read.
pub(crate) async fn found(door: &Door, who: &Identity, answer: Answer) -> Answer {
    let named = answer.location.as_deref().and_then(|place| {
        let mut words = place.split('/');
        Some(Target {
            kind: route::kind(words.next()?).ok()?,
            id: words.next()?.to_owned(),
        })
    });
    let Some(target) = named else {
        return answer;
    };
    match shown_to(door, who, &target).await {
        Ok(Some(read)) => Answer {
            location: answer.location,
            ..read
        },
        Ok(None) | Err(_) => answer,
    }
}

/// The current version; `None`: it may not be read, which is no refusal of what was asked.
async fn shown_to(door: &Door, who: &Identity, target: &Target) -> Result<Option<Answer>, Fault> {
    let located = locate(door, target).await?;
    let patient = located.and_then(|located| located.patient);
    let question = Question::of(Act::Read, target, patient);
    match door.decide(who, question).await?.allowed() {
        true => current(door, who, (target, &Conditions::default()))
            .await
            .map(Some),
        false => Ok(None),
    }
}

/// One version, by the index of the event that wrote it.
///
/// # Errors
/// 403 or 404 if it may not be seen or is not there, 410 if it is the one that deleted it.
pub(crate) async fn version(
    door: &Door,
    who: &Identity,
    (target, version): (&Target, u64),
) -> Result<Answer, Fault> {
    let located = locate(door, target).await?;
    let patient = located.as_ref().and_then(|located| located.patient.clone());
    let mut question = Question::of(Act::Read, target, patient);
    question.detail = format!("{}/_history/{version}", question.detail);
    let permit = door.permit(who, question, Some(target)).await?;
    if located.is_none() {
        return Err(Fault::absent(target.kind, &target.id));
    }
    let open = door.app.chart.open_with(permit);
    let found = open.version_bare(target.kind, &target.id, version).await?;
    let stored = present(found, target)?;
    shown(door, &open, stored).await
}

/// The current version, its last write through this door included.
async fn find(door: &Door, who: &Identity, target: &Target) -> Result<Option<Found>, Fault> {
    let (chart, Target { kind, id }) = (&door.app.chart, target);
    let by = door.unfolded(who, target);
    if let Some(found) = by.and_then(|by| chart.find_written(kind, id, &by)) {
        return Ok(Some(found));
    }
    door.fresh(&[Concern::Resource(kind, id.clone())]).await?;
    Ok(chart.find(kind, id).await?)
}

/// Where the target stands by its last write through this door, which the chart does not show yet; `None`: that is to be
/// waited for ([`locate`]).
pub(crate) fn locate_unfolded(door: &Door, who: &Identity, target: &Target) -> Option<Located> {
    let by = door.unfolded(who, target)?;
    let chart = &door.app.chart;
    chart.locate_written(target.kind, &target.id, &by)
}

/// Where the target stands, its last write through this door included; the chart shows it.
pub(crate) async fn locate(door: &Door, target: &Target) -> Result<Option<Located>, Fault> {
    let concern = Concern::Resource(target.kind, target.id.clone());
    door.fresh(&[concern]).await?;
    Ok(door.app.chart.locate(target.kind, &target.id).await?)
}

fn present(found: Option<Stored>, target: &Target) -> Result<Stored, Fault> {
    match found {
        None => Err(Fault::absent(target.kind, &target.id)),
        Some(stored) if stored.deleted => Err(Fault::gone(target.kind, &target.id)),
        Some(stored) => Ok(stored),
    }
}

/// The resource whole or, if its content alone is asked for and lies in the vault, that apart.
async fn shown(door: &Door, open: &Open, bare: Stored) -> Result<Answer, Fault> {
    let content = match door.layout {
        Layout::Content => apart(door, open, &bare).await?,
        Layout::AsKept | Layout::Pretty => None,
    };
    let stored = match content {
        Some(_) => open.stripped(bare),
        None => door.whole(open, bare).await?,
    };
    Ok(Answer {
        status: StatusCode::OK,
        body: Some(stored.json.into()),
        content,
        version: Some(stored.version),
        at: Some(stored.at),
        ..Answer::default()
    })
}

async fn apart(door: &Door, open: &Open, bare: &Stored) -> Result<Option<Bytes>, Fault> {
    door.make_room(open.brings(bare)).await?;
    Ok(open.data(bare).await?.map(Bytes::from))
}
