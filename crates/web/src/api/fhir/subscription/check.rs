//! Whether a `Subscription` may be written: what it asks for, where it leads, whose it is.

use std::collections::BTreeSet;
use std::time::Duration;

use axum::http::StatusCode;
use event::{Act, Role, Subject};
use guard::{Ask, Identity, Seen, seen};
use wire::fhir::subscription::{Subscribed, subscription};
use wire::fhir::{Code, Issue};

use super::super::door::{Door, Question};
use super::super::draft::Draft;
use super::super::fault::Fault;
use super::hook;

/// Refuses a subscription with a topic that could not be told, or would tell what its client may not see.
///
/// # Errors
/// 422 for what is wrong with it, 403 for what its client may not search and read, 429 when it has too
/// many.
///
/// `siblings` are those that the same commit writes, as far as they were looked at.
pub(crate) async fn check(
    door: &Door,
    who: &Identity,
    (draft, siblings): (&Draft, &mut BTreeSet<String>),
) -> Result<(), Fault> {
    let settled = &draft.settled;
    let written = settled.fate.writes() && !settled.intent.write.deletes();
    if settled.target.kind != super::KIND || !written {
        return Ok(());
    }
    let value = serde_json::from_slice(&settled.intent.raw).unwrap_or_default();
    let invalid = |issues| Fault::of(StatusCode::UNPROCESSABLE_ENTITY, issues);
    let Some(wanted) = subscription(&value).map_err(invalid)? else {
        return Ok(());
    };
    if who.role() != Role::Client || who.through.is_some() {
        let words = "subscriptions are for systems with scopes of their own".to_owned();
        return Err(Fault::forbidden(&[words]));
    }
    let issue = |code, place: &str, words: String| {
        invalid(vec![Issue::error(
            code,
            format!("Subscription.{place}"),
            words,
        )])
    };
    if !matches!(wanted.status.as_str(), "requested" | "off") {
        let words = format!(
            "a client writes the status `requested` or `off`; `{}` is for the server to say",
            wanted.status
        );
        return Err(issue(Code::BusinessRule, "status", words));
    }
    if let Some(endpoint) = &wanted.channel.endpoint {
        hook::place(&door.app.settings.subscriptions, endpoint)
            .map_err(|words| issue(Code::BusinessRule, "channel.endpoint", words))?;
    }
    may_see(door, who, &wanted).await?;
    match wanted.status.as_str() {
        "off" => Ok(()),
        _ => {
            shows_all((who, door.app.staff.identity(&who.actor.id)), &wanted.kinds)?;
            let id = &settled.target.id;
            has_room(door, who, (siblings, id)).await?;
            // What is refused takes no place.
            siblings.insert(id.clone());
            Ok(())
        }
    }
}

/// A standing search: whoever may not search and read the types may not subscribe to them.
///
/// # Errors
/// 403, sealed.
pub(super) async fn may_see(door: &Door, who: &Identity, wanted: &Subscribed) -> Result<(), Fault> {
    for kind in &wanted.kinds {
        for act in [Act::Search, Act::Read] {
            let question = Question {
                act,
                subject: Subject::Kind(kind.clone()),
                kinds: vec![kind.clone()],
                detail: format!("subscription to {}", wanted.topic.name),
            };
            if !door.decide(who, question.clone()).await?.allowed() {
                // The refusal is sealed.
                door.permit(who, question, None).await?;
            }
        }
    }
    Ok(())
}

/// What happens is told as the account is registered: a token with less may not have it told.
fn shows_all(
    (who, registered): (&Identity, Option<Identity>),
    kinds: &[String],
) -> Result<(), Fault> {
    let refused = |words: String| Fault::forbidden(&[words]);
    let Some(registered) = registered else {
        let words = "this client has no account any more".to_owned();
        return Err(refused(words));
    };
    for kind in kinds {
        let of = |identity: &Identity| {
            let ask = Ask {
                identity: identity.clone(),
                act: Act::Read,
                subject: Subject::Kind(kind.clone()),
                kinds: vec![kind.clone()],
                purpose: String::new(),
                reason: None,
                detail: String::new(),
            };
            seen(&ask, kind)
        };
        let whole = match (of(who), of(&registered)) {
            (Seen::All, _) => true,
            (Seen::Parts(_), Seen::All) => false,
            (Seen::Parts(own), Seen::Parts(all)) => all.iter().all(|part| own.contains(part)),
        };
        if !whole {
            return Err(refused(format!(
                "this token shows less of {kind} than its client is registered for, and a subscription is \
                 told by what the client is registered for; ask with a token that has all its scopes"
            )));
        }
    }
    Ok(())
}

/// Whether those that are told, those that this commit writes and one more are not too many together.
async fn has_room(
    door: &Door,
    who: &Identity,
    (siblings, id): (&BTreeSet<String>, &String),
) -> Result<(), Fault> {
    let max = door.app.settings.subscriptions.per_client_max;
    let wait = Duration::from_millis(door.app.settings.chart_wait_ms);
    if !door
        .app
        .routes
        .caught_up(door.app.record.size(), wait)
        .await
    {
        return Err(Fault::later(
            "it is not known yet how many subscriptions there are; ask again in a second",
        ));
    }
    let all = door.app.routes.subscribers().await;
    let all = all.map_err(|why| Fault::ours(&why))?;
    let own = all
        .iter()
        .filter(|one| one.maker == who.actor.id && one.status != "off");
    let others = own.filter(|one| one.id != *id && !siblings.contains(&one.id));
    let with_it = siblings.len() + usize::from(!siblings.contains(id));
    if others.count() + with_it <= max {
        return Ok(());
    }
    let words =
        format!("this client has {max} subscriptions (`per_client_max`); switch one off first");
    Err(Fault::new(
        StatusCode::TOO_MANY_REQUESTS,
        Code::Throttled,
        words,
    ))
}

#[cfg(test)]
mod tests {
    use event::Actor;

    use super::*;

    fn client(scopes: &[&str]) -> Identity {
        let mut identity = Identity::of(Actor {
            role: Role::Client,
            ..Actor::salus()
        });
        identity.scopes = scopes.iter().map(|&scope| scope.to_owned()).collect();
        identity
    }

    #[test]
    fn a_narrowed_token_has_nothing_told_that_it_does_not_show() {
        let (part, all) = ("system/Observation.rs?status=final", "system/*.cruds");
        let kinds = ["Observation".to_owned()];
        let good = |own: &[&str], registered: &[&str]| {
            shows_all((&client(own), Some(client(registered))), &kinds).is_ok()
        };
        assert!(good(&[all], &[all]) && good(&[part], &[part]));
        assert!(good(&["system/Observation.rs"], &[all]));
        assert!(!good(&[part], &[all]) && !good(&[part], &[all, part]));
        let other = "system/Observation.rs?status=amended";
        assert!(good(&[part, other], &[other, part]) && !good(&[part], &[other, part]));
        assert!(shows_all((&client(&[all]), None), &kinds).is_err());
    }
}
