//! Sends what was sealed to the system in which it was altered, after a person ordered it, and only
//! if nothing was changed there since.

use std::time::Duration;

use event::{Body, Outside, PutBackStep, Unlike};
use lifeline::UpstreamConfig;
use oversight::{Alteration, Fate};

use super::ask::Other;
use super::found::{mark, step};
use crate::App;
use crate::fetch::{Condition, Fetch, Form, Sent};
use crate::upstream::{terms, token};

/// Why nothing was replaced there.
const CHANGED: &str = "it was changed there again since it was found";
/// Orders that are looked at in one round.
const ROUND: u32 = 100;

/// Sends what is ordered and not sent yet, the oldest first; stops at what has to wait.
///
/// # Errors
/// In words, what keeps the first from being sent.
pub(crate) async fn put_back(app: &App, config: &UpstreamConfig) -> Result<(), String> {
    if config.fhir.is_empty() {
        return Ok(());
    }
    let ordered = app.oversight.outside(Fate::Ordered, ROUND).await;
    let ordered = ordered.map_err(|why| why.to_string())?;
    if ordered.is_empty() {
        return Ok(());
    }
    for one in &ordered {
        let sent = send(app, config, one).await?;
        step(app, one, sent).await?;
    }
    // The next round must not send it again.
    let wait = Duration::from_millis(app.settings.chart_wait_ms);
    app.oversight.caught_up(app.record.size(), wait).await;
    Ok(())
}

async fn send(app: &App, config: &UpstreamConfig, one: &Alteration) -> Result<PutBackStep, String> {
    let (Some(version), Some(outside)) = (one.altered.index, &one.altered.outside) else {
        return Ok(refused("nothing was sealed that could be put back"));
    };
    let now = app.chart.locate(&outside.kind, &outside.id).await;
    let now = now.map_err(|why| why.to_string())?;
    if now.is_none_or(|now| now.deleted || now.version != version) {
        return Ok(refused("something newer was sealed since it was ordered"));
    }
    let sealed = app.record.get(version).await;
    let sealed = sealed.map_err(|why| why.to_string())?;
    let event = sealed.event();
    let Body::Resource(written) = &event.body else {
        return Ok(refused("it was sealed as part of a message, not by itself"));
    };
    let raw = app.record.raw(&sealed).await;
    let raw = raw.map_err(|why| why.to_string())?;
    let raw = wire::fhir::resolve(&raw, &written.resolved);
    let json = wire::fhir::stamp(&raw, &outside.id, version, &sealed.at().to_string());
    let base = config.fhir.trim_end_matches('/');
    let url = format!("{base}/{}/{}", outside.kind, outside.id);
    let Some(condition) = condition((&app.fetch, config), outside).await? else {
        return Ok(refused(CHANGED));
    };
    let form = Form {
        sent: Sent::Resource,
        body: String::from_utf8_lossy(&json).into_owned(),
        authorization: token(config)?,
        condition,
    };
    match app.fetch.ask(&url, Some(form), terms(config)).await {
        Ok((status @ 200..=299, _)) => Ok(PutBackStep::Sent {
            answer: format!("HTTP {status}"),
            taken: true,
        }),
        Ok((412, _)) => Ok(refused(CHANGED)),
        Ok((status @ (401 | 403 | 408 | 425 | 429 | 500..), _)) => {
            Err(format!("`{base}/{}` answers HTTP {status}", outside.kind))
        }
        Ok((status, body)) => {
            let said: String = String::from_utf8_lossy(&body).chars().take(300).collect();
            Ok(refused(&format!("HTTP {status} {said}")))
        }
        Err(why) => Err(why),
    }
}

/// What must still hold there; `None`: it does not. A server that has no versions is read again.
async fn condition(
    (fetch, config): (&Fetch, &UpstreamConfig),
    outside: &Outside,
) -> Result<Option<Option<Condition>>, String> {
    if outside.unlike == Unlike::Missing {
        return Ok(Some(Some(Condition::Absent)));
    }
    if !outside.tag.is_empty() {
        return Ok(Some(Some(Condition::Tag(outside.tag.clone()))));
    }
    let there = Other::of(fetch, config)?
        .one(&outside.kind, &outside.id)
        .await?;
    let same = there.is_some_and(|there| mark(&there) == outside.mark);
    Ok(same.then_some(None))
}

fn refused(answer: &str) -> PutBackStep {
    PutBackStep::Sent {
        answer: answer.to_owned(),
        taken: false,
    }
}
