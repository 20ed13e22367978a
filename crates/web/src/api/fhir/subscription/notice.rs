//! A notification: what a subscriber is told of some events, as the guard lets its client see them.

use chart::{Change, ChartError, Stored};
use event::{Act, Happening, Time};
use guard::{Decision, Identity};
use record::Witnessed;
use routes::{Happened, Subscriber};
use serde_json::{Value, json};
use wire::fhir::subscription::{BACKPORT, ContentKind, Subscribed};

use super::super::door::{Door, Question};
use super::super::fault::Fault;
use super::super::ids;
use super::super::route::{self, Target};
use crate::taking;

/// A notification takes no further event in once its resources are larger, in bytes.
const BYTES_MAX: usize = 4 << 20;

/// How long a refusal by the ceiling of patients is not sealed again for the same subscription while it
/// waits, in milliseconds.
const SEALED_AGAIN_MS: i64 = 3_600_000;

/// What is known of a subscription's wait for its client's ceiling: the refusal is sealed when it begins, and
/// then once an hour.
#[derive(Debug, Default)]
pub(super) struct Hold {
    sealed: Option<Time>,
}

impl Hold {
    fn is_sealed(&self, now: Time) -> bool {
        let since = self.sealed.map(|sealed| now.since(sealed));
        since.is_some_and(|since| since < SEALED_AGAIN_MS)
    }
}

/// A notification of one subscription, before its events.
pub(super) struct Notice<'a> {
    one: &'a Subscriber,
    wanted: &'a Subscribed,
    /// `handshake`, `heartbeat`, `event-notification`, `query-event` or `query-status`.
    what: &'static str,
    status: &'a str,
}

/// An event as its subscriber sees it.
pub(super) struct Told {
    number: u64,
    at: String,
    /// `None`: it may not be seen, or only that it happened is told.
    stored: Option<Stored>,
}

impl<'a> Notice<'a> {
    /// With the status that the subscription has.
    pub(super) fn of(
        (one, wanted): (&'a Subscriber, &'a Subscribed),
        what: &'static str,
    ) -> Notice<'a> {
        Notice {
            one,
            wanted,
            what,
            status: &one.status,
        }
    }

    /// The same with the status that it is about to have.
    pub(super) fn with_status(self, status: &'a str) -> Notice<'a> {
        Notice { status, ..self }
    }

    /// The Bundle, and the number of the last event in it: of those that are asked for as many as fit.
    /// Each event whose resource is told is decided anew, and sealed; one that waits as `hold` says.
    ///
    /// # Errors
    /// What keeps the record from sealing, or the chart from answering.
    pub(super) async fn bundle(
        &self,
        door: &Door,
        who: &Identity,
        (events, hold): (&[Happened], &mut Hold),
    ) -> Result<(Value, u64), Fault> {
        let (mut bytes, mut last) = (0, 0);
        let mut told = Vec::with_capacity(events.len());
        for event in events {
            if bytes > BYTES_MAX {
                break;
            }
            let stored = match self.wanted.channel.content {
                ContentKind::Empty => None,
                ContentKind::IdOnly | ContentKind::FullResource => {
                    match seen(door, who, (self.one, self.wanted, event.what), hold).await? {
                        Sight::Shown(stored) => Some(*stored),
                        Sight::Nothing => None,
                        // What comes before it is told; it waits.
                        Sight::Later if !told.is_empty() => break,
                        Sight::Later => return Err(Fault::over_ceiling()),
                    }
                }
            };
            bytes += stored.as_ref().map_or(0, |stored| stored.json.len());
            last = event.number;
            told.push(Told {
                number: event.number,
                at: event.at.to_string(),
                stored,
            });
        }
        let base = &door.app.settings.fhir_base;
        let whole = self.wanted.channel.content == ContentKind::FullResource;
        let mut entries = vec![json!({
            "fullUrl": format!("urn:uuid:{}", ids::uuid()?),
            "resource": self.status(base, &told),
            "request": { "method": "GET", "url": format!("{base}/Subscription/{}/$status", self.one.id) },
            "response": { "status": "200" },
        })];
        let stored = told.iter().filter_map(|one| one.stored.as_ref());
        entries.extend(stored.map(|stored| entry(base, stored, whole)));
        let bundle = json!({
            "resourceType": "Bundle",
            "id": ids::uuid()?,
            "meta": { "profile": [format!("{BACKPORT}backport-subscription-notification-r4")] },
            "type": "history",
            "timestamp": door.app.clock.now().to_string(),
            "entry": entries,
        });
        Ok((bundle, last))
    }

    /// The status: the first entry of each notification.
    pub(super) fn status(&self, base: &str, told: &[Told]) -> Value {
        let mut parameters = vec![
            json!({ "name": "subscription", "valueReference":
                { "reference": format!("{base}/Subscription/{}", self.one.id) } }),
            json!({ "name": "topic", "valueCanonical": self.wanted.topic.url() }),
            json!({ "name": "status", "valueCode": self.status }),
            json!({ "name": "type", "valueCode": self.what }),
            json!({ "name": "events-since-subscription-start",
                "valueString": self.one.number.to_string() }),
        ];
        parameters.extend(told.iter().map(|one| {
            let mut parts = vec![
                json!({ "name": "event-number", "valueString": one.number.to_string() }),
                json!({ "name": "timestamp", "valueInstant": one.at }),
            ];
            if let Some(stored) = &one.stored {
                let place = format!("{base}/{}/{}", stored.kind, stored.id);
                parts.push(json!({ "name": "focus", "valueReference": { "reference": place } }));
            }
            json!({ "name": "notification-event", "part": parts })
        }));
        json!({
            "resourceType": "Parameters",
            "meta": { "profile": [format!("{BACKPORT}backport-subscription-status-r4")] },
            "parameter": parameters,
        })
    }
}

fn entry(base: &str, stored: &Stored, whole: bool) -> Value {
    let place = format!("{}/{}", stored.kind, stored.id);
    let (method, status) = match stored.deleted {
        true => ("DELETE", "204"),
        false => ("PUT", "200"),
    };
    let mut entry = json!({ "fullUrl": format!("{base}/{place}") });
    if let Some(map) = entry.as_object_mut() {
        if whole
            && !stored.deleted
            && let Ok(resource) = serde_json::from_slice::<Value>(&stored.json)
        {
            map.insert("resource".to_owned(), resource);
        }
        map.insert(
            "request".to_owned(),
            json!({ "method": method, "url": place }),
        );
        map.insert(
            "response".to_owned(),
            json!({ "status": status, "lastModified": stored.at.to_string() }),
        );
    }
    entry
}

/// What a client sees of a version.
pub(super) enum Sight {
    /// This.
    Shown(Box<Stored>),
    /// It may not see it, or it is no event any more.
    Nothing,
    /// It has come to its ceiling of patients, and sees it when some of them are longer ago.
    Later,
}

/// What the client may see of a version, if that can be an event of its subscription; decided and sealed.
///
/// # Errors
/// What keeps the record from sealing, or the chart from answering; a refusal is none.
pub(super) async fn seen(
    door: &Door,
    who: &Identity,
    (one, wanted, what): (&Subscriber, &Subscribed, Happening),
    hold: &mut Hold,
) -> Result<Sight, Fault> {
    // What the chart does not have yet is not gone.
    door.caught_up(what.index.saturating_add(1)).await?;
    match door.app.chart.change(what.index, what.place).await? {
        Some(change) => shown(door, who, (one, wanted, &change), hold).await,
        None => Ok(Sight::Nothing),
    }
}

/// The same of a version whose place is known.
///
/// # Errors
/// As [`seen`].
pub(super) async fn shown(
    door: &Door,
    who: &Identity,
    (one, wanted, change): (&Subscriber, &Subscribed, &Change),
    hold: &mut Hold,
) -> Result<Sight, Fault> {
    if !wanted.kinds.contains(&change.kind) {
        return Ok(Sight::Nothing);
    }
    let target = Target {
        kind: route::kind(&change.kind)?,
        id: change.id.clone(),
    };
    let mut question = Question::of(Act::Read, &target, change.patient.clone());
    question.detail = format!(
        "{}/_history/{} for Subscription/{}",
        question.detail, change.version, one.id
    );
    let decision = door.decide(who, question).await?;
    let now = door.app.clock.now();
    if over_ceiling(&decision) && hold.is_sealed(now) {
        return Ok(Sight::Later);
    }
    // INVARIANT: what is sealed is the decision that was looked at: another one of the same client may bring
    // it to its ceiling meanwhile.
    let permit = match door.app.record.witness(decision).await? {
        Witnessed::Allowed(permit) => permit,
        Witnessed::Refused(_, decision) if over_ceiling(&decision) => {
            hold.sealed = Some(now);
            return Ok(Sight::Later);
        }
        Witnessed::Refused(..) => return Ok(Sight::Nothing),
    };
    taking::opened(&door.app, permit.ask());
    let open = door.app.chart.open_with(permit);
    // Contents in the vault decide nothing.
    let found = open
        .version_bare(&change.kind, &change.id, change.version)
        .await;
    let Some(stored) = unless_outside(found)? else {
        return Ok(Sight::Nothing);
    };
    // That it is gone is told to whoever could see that it was there, and was what is asked for.
    let judged = match (stored.deleted, change.before) {
        (true, None) => return Ok(Sight::Nothing),
        (true, Some(before)) => {
            unless_outside(open.version_bare(&change.kind, &change.id, before).await)?
        }
        (false, _) => Some(stored.clone()),
    };
    let fits = judged.is_some_and(|judged| {
        let value: Value = serde_json::from_slice(&judged.json).unwrap_or_default();
        !is_withheld(&value) && wanted.shows(&change.kind, &value)
    });
    Ok(match fits {
        // Whoever is told reads large contents by themselves.
        true => Sight::Shown(Box::new(open.stripped(stored))),
        false => Sight::Nothing,
    })
}

/// Whether nothing but the ceiling of patients refuses it: that passes with time.
fn over_ceiling(decision: &Decision) -> bool {
    let because = decision.because();
    let ceiling = |id: &String| id.starts_with("ceiling-");
    !decision.allowed() && !because.is_empty() && because.iter().all(ceiling)
}

/// It became somebody else's in between.
fn unless_outside(found: Result<Option<Stored>, ChartError>) -> Result<Option<Stored>, Fault> {
    match found {
        Err(ChartError::OutsidePermit { .. }) => Ok(None),
        found => Ok(found?),
    }
}

/// What is left out as a whole is shown as no more than its name; a search leaves it out too.
fn is_withheld(value: &Value) -> bool {
    let members = value.as_object().into_iter().flatten();
    let mut members =
        members.filter(|(name, _)| !matches!(name.as_str(), "resourceType" | "id" | "meta"));
    members.next().is_none()
}
