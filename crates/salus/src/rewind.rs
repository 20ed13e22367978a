//! Undoing what a captured account or machine changed: first a list, then, after somebody's
//! verdict, new sealed versions. Nothing is deleted, and what others did since is left alone.

use anyhow::{Result, anyhow, bail};
use chart::Touched;
use event::{Act, Body, Event, Resource, Rewound, Subject, Time};
use guard::{Ask, Decision, Facts, Standing, admit};
use record::Witnessed;
use serde::{Deserialize, Serialize};

use crate::assemble::House;
use crate::operations::{SETTLE, operator};

/// Events read at once.
const PAGE: usize = 2_000;
/// Events of one actor that one rewind takes, at most.
const EVENTS_MAX: usize = 200_000;

/// Whose doing, and since when.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Suspect {
    /// An account, a client or a feed, by id.
    pub(crate) actor: String,
    pub(crate) since: Time,
}

/// What they changed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Changed {
    /// Every event by them since then.
    pub(crate) events: u64,
    /// The last index before the first of them; `None`: there is none.
    pub(crate) clean: Option<u64>,
    /// Resources they wrote, and what undoing would do.
    pub(crate) resources: Vec<Undo>,
    /// What they did that is no chart: accounts, policies, exports. To be decided by hand.
    pub(crate) by_hand: Vec<(u64, String)>,
}

/// What undoing does to one resource.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Undo {
    pub(crate) resource: String,
    pub(crate) patient: Option<String>,
    pub(crate) versions: Vec<u64>,
    pub(crate) current: u64,
    pub(crate) what: Way,
}

/// How a resource is undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Way {
    /// The version before them is written again.
    Restore(u64),
    /// It was not there before: it is marked as deleted.
    Delete,
    /// Somebody else has changed it since: left alone, to be looked at.
    Leave,
}

/// An order to undo.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) suspect: Suspect,
    pub(crate) reason: String,
}

/// What was undone.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Undone {
    /// The index of the event that says so.
    pub(crate) index: u64,
    pub(crate) restored: u64,
    pub(crate) deleted: u64,
    /// Left alone: somebody else changed them since, or they changed while this ran.
    pub(crate) left: Vec<String>,
}

impl House {
    /// What a suspect changed.
    ///
    /// # Errors
    /// What keeps record or chart from being read; nobody of that name did anything.
    pub(crate) async fn changed_by(&self, suspect: &Suspect) -> Result<Changed> {
        let size = self.app.record.size();
        self.app.chart.caught_up(size, SETTLE).await;
        let (mut indexes, mut by_hand, mut from) = (Vec::new(), Vec::new(), 0);
        while from < size {
            let (events, next) = self.app.record.read_until(from, PAGE).await?;
            let theirs = events.iter().filter(|sealed| {
                sealed.at() >= suspect.since && sealed.event().actor.id == suspect.actor
            });
            for sealed in theirs {
                indexes.push(sealed.index());
                by_hand.extend(no_chart(&sealed.event().body).map(|what| (sealed.index(), what)));
            }
            if indexes.len() > EVENTS_MAX {
                bail!(
                    "`{}` did more than {EVENTS_MAX} things since then: rewind a shorter time",
                    suspect.actor
                );
            }
            from = next;
        }
        let touched = self.app.chart.touched(&indexes).await?;
        Ok(Changed {
            events: indexes.len() as u64,
            clean: indexes.first().and_then(|first| first.checked_sub(1)),
            resources: touched.iter().map(undo).collect(),
            by_hand,
        })
    }

    /// Undoes what can be undone, each patient by a decision of its own.
    ///
    /// # Errors
    /// What keeps it from being decided or sealed; what was undone before stays undone.
    pub(crate) async fn rewind(&self, order: &Order) -> Result<Undone> {
        let reason = order.reason.trim();
        if reason.is_empty() {
            bail!("say why, with `--reason`: it is sealed with every version that is written");
        }
        let changed = self.changed_by(&order.suspect).await?;
        let mut undone = Undone {
            index: 0,
            restored: 0,
            deleted: 0,
            left: Vec::new(),
        };
        for one in &changed.resources {
            match (one.what, self.undo(one, reason).await?) {
                (Way::Restore(_), true) => undone.restored += 1,
                (Way::Delete, true) => undone.deleted += 1,
                (_, false) | (Way::Leave, _) => undone.left.push(one.resource.clone()),
            }
        }
        let body = Body::Rewound(Rewound {
            actor: order.suspect.actor.clone(),
            since: order.suspect.since,
            restored: undone.restored,
            deleted: undone.deleted,
            left: undone.left.len() as u64,
        });
        let decision = self.leave_to(Act::Manage, Subject::Record, reason);
        let event = Event::new(operator().actor, Act::Manage, Subject::Record, body);
        let admitted = admit(event.into(), Standing::Decided(&decision), "");
        let admitted = admitted.map_err(|refused| anyhow!(refused.words))?;
        let receipts = self.app.record.admit(vec![admitted]).await?;
        undone.index = receipts.first().map_or(0, |receipt| receipt.index);
        Ok(undone)
    }

    /// Undoes one; false: it is left alone.
    async fn undo(&self, one: &Undo, reason: &str) -> Result<bool> {
        let Some((kind, id)) = one.resource.split_once('/') else {
            return Ok(false);
        };
        let subject = match &one.patient {
            Some(patient) => Subject::Patient(patient.clone()),
            None => Subject::Kind(kind.to_owned()),
        };
        let (act, raw) = match one.what {
            Way::Leave => return Ok(false),
            Way::Delete => (Act::Delete, Vec::new()),
            Way::Restore(version) => {
                let decision = self.leave_to(Act::Update, subject.clone(), reason);
                let permit = match self.app.record.witness(decision).await? {
                    Witnessed::Allowed(permit) => permit,
                    Witnessed::Refused(_, decision) => bail!("{}", decision.words().join(" ")),
                };
                let former = self.app.chart.former(permit, (kind, id, version)).await?;
                match former {
                    Some(json) => (Act::Update, json),
                    None => return Ok(false),
                }
            }
        };
        let body = Body::Resource(Resource {
            kind: kind.to_owned(),
            id: id.to_owned(),
            replaces: one.current,
            as_of: self.app.record.size(),
            resolved: Vec::new(),
        });
        let decision = self.leave_to(act, subject.clone(), reason);
        let event = Event::new(operator().actor, act, subject, body).with_raw(raw);
        let admitted = admit(event.into(), Standing::Decided(&decision), "");
        let admitted = admitted.map_err(|refused| anyhow!(refused.words))?;
        match self.app.record.admit(vec![admitted]).await {
            Ok(_) => Ok(true),
            // Somebody wrote it in the meantime: theirs stands.
            Err(record::Error::Conflict { .. }) => Ok(false),
            Err(why) => Err(why.into()),
        }
    }

    fn leave_to(&self, act: Act, subject: Subject, reason: &str) -> Decision {
        let ask = Ask {
            identity: operator(),
            act,
            subject,
            kinds: Vec::new(),
            purpose: "HOPERAT".into(),
            reason: Some(reason.to_owned()),
            detail: "rewind".to_owned(),
        };
        self.app.policies.decide(ask, &Facts::default())
    }
}

fn undo(touched: &Touched) -> Undo {
    let what = match (touched.since, touched.before) {
        (true, _) => Way::Leave,
        (false, Some(version)) => Way::Restore(version),
        (false, None) => Way::Delete,
    };
    Undo {
        resource: format!("{}/{}", touched.kind, touched.id),
        patient: touched.patient.clone(),
        versions: touched.versions.clone(),
        current: touched.current,
        what,
    }
}

/// What somebody has to decide by hand, in words.
fn no_chart(body: &Body) -> Option<String> {
    Some(match body {
        Body::Account(change) => format!("the account `{}` was changed", change.id),
        Body::App(change) => format!("the app `{}` was changed", change.id),
        Body::Person(change) => format!("what `{}` signs in with was changed", change.account),
        Body::PolicyChange(_) => "the policies were changed".to_owned(),
        Body::ExportAnswered(_) => "an export was answered".to_owned(),
        Body::ExportAsked(_) => "an export was asked for".to_owned(),
        Body::Erased(_) => "patients were erased; that cannot be undone".to_owned(),
        Body::Keys(change) => change.what.clone(),
        Body::Message(message) if message.kind.ends_with("^A40") => {
            "two patients were merged".to_owned()
        }
        Body::Unmerge(_) => "a merge was taken back".to_owned(),
        _ => return None,
    })
}
