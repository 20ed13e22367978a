//! Undoing what a captured account or machine changed: first a list, then, after somebody's
//! verdict, new sealed versions. Nothing is deleted, and what others did since is left alone.

use chart::Touched;
use event::{Act, Actor, ActorKind, Body, Event, Resource, Rewound, Role, Subject, Time};
use guard::{Ask, Decision, Facts, Identity, Standing, admit};
use record::Witnessed;
use serde::{Deserialize, Serialize};

use crate::App;

/// Events of one actor that one rewind takes, at most.
const EVENTS_MAX: u32 = 200_000;
/// How long a list waits until charts and deeds know of what was just sealed.
const SETTLE: std::time::Duration = std::time::Duration::from_secs(10);

/// Whose doing, and since when.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Suspect {
    /// An account, a client or a feed, by id.
    pub actor: String,
    /// From when on.
    pub since: Time,
}

/// What they changed.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Changed {
    /// Every event since then by which they changed something.
    pub events: u64,
    /// The last index before the first of them; `None`: there is none.
    pub clean: Option<u64>,
    /// Resources they wrote, and what undoing would do.
    pub resources: Vec<Undo>,
    /// What they did that is no chart: accounts, policies, exports. To be decided by hand.
    pub by_hand: Vec<(u64, String)>,
}

/// What undoing does to one resource.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Undo {
    /// Type and id.
    pub resource: String,
    /// Whose chart.
    pub patient: Option<String>,
    /// The versions they wrote.
    pub versions: Vec<u64>,
    /// The version that is current.
    pub current: u64,
    /// What becomes of it.
    pub what: Way,
}

/// How a resource is undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// The version before them is written again.
    Restore(u64),
    /// It was not there before: it is marked as deleted.
    Delete,
    /// Somebody else has changed it since: left alone, to be looked at.
    Leave,
}

/// An order to undo.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Order {
    /// Whose doing.
    pub suspect: Suspect,
    /// Why; sealed with every version that is written.
    pub reason: String,
}

/// What was undone.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Undone {
    /// The index of the event that says so.
    pub index: u64,
    /// Resources that went back.
    pub restored: u64,
    /// Resources that were marked as deleted.
    pub deleted: u64,
    /// Left alone: somebody else changed them since, or they changed while this ran.
    pub left: Vec<String>,
}

/// The operator of this machine, by whose hand things are undone and brought in.
pub fn operator() -> Identity {
    let mut identity = Identity::of(Actor {
        kind: ActorKind::Person,
        id: "operator".into(),
        name: "the operator of this machine".into(),
        role: Role::Operator,
    });
    identity.scopes = vec!["system/*.cruds".into()];
    identity
}

impl App {
    /// What a suspect changed.
    ///
    /// # Errors
    /// In words: what keeps the views from being read, or that there is too much of it.
    pub async fn changed_by(&self, suspect: &Suspect) -> Result<Changed, String> {
        let size = self.record.size();
        self.chart.caught_up(size, SETTLE).await;
        self.lifeline.caught_up(size, SETTLE).await;
        let since = (suspect.actor.as_str(), suspect.since);
        let deeds = self.lifeline.deeds(since.0, since.1, EVENTS_MAX + 1).await;
        let deeds = deeds.map_err(|why| why.to_string())?;
        if deeds.len() > EVENTS_MAX as usize {
            return Err(format!(
                "`{}` did more than {EVENTS_MAX} things since then: rewind a shorter time",
                suspect.actor
            ));
        }
        let indexes: Vec<u64> = deeds.iter().map(|deed| deed.index).collect();
        let touched = self.chart.touched(&indexes).await;
        let touched = touched.map_err(|why| why.to_string())?;
        let by_hand = deeds.into_iter();
        Ok(Changed {
            events: indexes.len() as u64,
            clean: indexes.first().and_then(|first| first.checked_sub(1)),
            resources: touched.iter().map(undo).collect(),
            by_hand: by_hand
                .filter_map(|deed| Some((deed.index, deed.by_hand?)))
                .collect(),
        })
    }

    /// Undoes what can be undone, each patient by a decision of its own; `by` has given the verdict.
    /// `told` hears (resources done, resources in all).
    ///
    /// # Errors
    /// In words: what keeps it from being decided or sealed; what was undone before stays undone.
    pub async fn rewind(
        &self,
        order: &Order,
        by: &Identity,
        told: impl Fn(u64, u64),
    ) -> Result<Undone, String> {
        let reason = order.reason.trim();
        if reason.is_empty() {
            return Err("say why: it is sealed with every version that is written".to_owned());
        }
        let changed = self.changed_by(&order.suspect).await?;
        let mut undone = Undone {
            index: 0,
            restored: 0,
            deleted: 0,
            left: Vec::new(),
        };
        let all = changed.resources.len() as u64;
        for (done, one) in changed.resources.iter().enumerate() {
            match (one.what, self.undo(one, reason).await?) {
                (Way::Restore(_), true) => undone.restored += 1,
                (Way::Delete, true) => undone.deleted += 1,
                (_, false) | (Way::Leave, _) => undone.left.push(one.resource.clone()),
            }
            told(done as u64 + 1, all);
        }
        undone.index = self.rewound(order, by, &undone).await?;
        Ok(undone)
    }

    /// Seals what came of it.
    async fn rewound(&self, order: &Order, by: &Identity, undone: &Undone) -> Result<u64, String> {
        let body = Body::Rewound(Rewound {
            actor: order.suspect.actor.clone(),
            since: order.suspect.since,
            restored: undone.restored,
            deleted: undone.deleted,
            left: undone.left.len() as u64,
        });
        let decision = self.order_of(by, (Act::Manage, Subject::Record), order.reason.trim());
        let event = Event::new(by.actor.clone(), Act::Manage, Subject::Record, body);
        let admitted = admit(event.into(), Standing::Decided(&decision), "");
        let admitted = admitted.map_err(|refused| refused.words)?;
        let receipts = self.record.admit(vec![admitted]).await;
        let receipts = receipts.map_err(|why| why.to_string())?;
        let index = receipts.first().map_or(0, |receipt| receipt.index);
        // Who undid it looks next: what came of it is to be seen by then.
        self.chart.caught_up(index + 1, SETTLE).await;
        self.lifeline.caught_up(index + 1, SETTLE).await;
        Ok(index)
    }

    /// Undoes one; false: it is left alone.
    async fn undo(&self, one: &Undo, reason: &str) -> Result<bool, String> {
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
                match self.former((kind, id, version), &subject, reason).await? {
                    Some(json) => (Act::Update, json),
                    None => return Ok(false),
                }
            }
        };
        let body = Body::Resource(Resource {
            kind: kind.to_owned(),
            id: id.to_owned(),
            replaces: one.current,
            as_of: self.record.size(),
            resolved: Vec::new(),
            contents: Vec::new(),
        });
        let hand = operator();
        let decision = self.order_of(&hand, (act, subject.clone()), reason);
        let event = Event::new(hand.actor, act, subject, body).with_raw(raw);
        let admitted = admit(event.into(), Standing::Decided(&decision), "");
        let admitted = admitted.map_err(|refused| refused.words)?;
        match self.record.admit(vec![admitted]).await {
            Ok(_) => Ok(true),
            // Somebody wrote it in the meantime: theirs stands.
            Err(record::Error::Conflict { .. }) => Ok(false),
            Err(why) => Err(why.to_string()),
        }
    }

    async fn former(
        &self,
        version: (&str, &str, u64),
        subject: &Subject,
        reason: &str,
    ) -> Result<Option<Vec<u8>>, String> {
        let decision = self.order_of(&operator(), (Act::Update, subject.clone()), reason);
        let witnessed = self.record.witness(decision).await;
        let permit = match witnessed.map_err(|why| why.to_string())? {
            Witnessed::Allowed(permit) => permit,
            Witnessed::Refused(_, decision) => return Err(decision.words().join(" ")),
        };
        Ok(match self.chart.former(permit, version).await {
            Ok(former) => former,
            // One that cannot be read keeps nobody from the others: it is told as left alone.
            Err(why) => {
                tracing::error!(%why, kind = version.0, id = version.1, "a former version cannot be read");
                None
            }
        })
    }

    fn order_of(&self, who: &Identity, (act, subject): (Act, Subject), reason: &str) -> Decision {
        let ask = Ask {
            identity: who.clone(),
            act,
            subject,
            kinds: Vec::new(),
            purpose: "HOPERAT".into(),
            reason: Some(reason.to_owned()),
            detail: "rewind".to_owned(),
        };
        self.policies.decide(ask, &Facts::default())
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
