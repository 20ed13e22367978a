//! The guard's word on each write of a request, asked once for all writes that are alike.

use std::collections::HashMap;

use event::{Act, Subject};
use guard::{Decision, Identity, Seen, seen};
use record::Witnessed;

use super::door::{Door, Question, subject};
use super::draft::Draft;
use super::fault::Fault;
use super::settle::covers_current;

/// What makes two writes alike to the guard.
type Key = (Act, Subject, &'static str);

/// The decisions for one request.
pub(crate) struct Rulings<'a> {
    door: &'a Door,
    who: &'a Identity,
    known: HashMap<Key, Result<Decision, Fault>>,
}

impl<'a> Rulings<'a> {
    /// Nothing decided yet.
    pub(crate) fn new(door: &'a Door, who: &'a Identity) -> Rulings<'a> {
        Rulings {
            door,
            who,
            known: HashMap::new(),
        }
    }

    /// `draft`, if it may be written: for the patient it will belong to and for the one it is
    /// taken from. A refusal is sealed.
    ///
    /// # Errors
    /// 500 if nothing could be decided; the refusal is the inner fault.
    pub(crate) async fn rule(&mut self, draft: Draft) -> Result<Result<Draft, Fault>, Fault> {
        let mut keys = vec![key(&draft, draft.patient.clone())];
        if draft.settled.before.is_some() && draft.settled.before != draft.patient {
            keys.push(key(&draft, draft.settled.before.clone()));
        }
        for key in keys {
            if let Err(refusal) = self.ask(key).await? {
                return Ok(Err(refusal.clone().under(&draft.settled.intent.path)));
            }
        }
        if !self.covered(&draft).await? {
            return Ok(Err(Fault::beyond_scopes().under(&draft.settled.intent.path)));
        }
        Ok(Ok(draft))
    }

    /// Whether narrowed scopes cover the resource as it is and as it will be.
    async fn covered(&self, draft: &Draft) -> Result<bool, Fault> {
        let Some(decision) = self.decision(draft) else {
            return Ok(false);
        };
        let (ask, chart) = (decision.ask(), &self.door.app.chart);
        let target = &draft.settled.target;
        if matches!(seen(ask, target.kind), Seen::All) {
            return Ok(true);
        }
        let fate = draft.settled.fate;
        let will_be = match (fate.writes(), draft.settled.intent.write.deletes()) {
            (true, false) => {
                let raw = wire::fhir::resolve(&draft.settled.intent.raw, &draft.pairs);
                let raw = wire::fhir::stamp(&raw, &target.id, 0, "");
                let resource = serde_json::from_slice(&raw).unwrap_or_default();
                chart.covers(ask, target.kind, &resource)
            }
            (true, true) | (false, _) => true,
        };
        Ok(will_be && covers_current(self.door, ask, target).await?)
    }

    /// The decision that lets `draft` in.
    pub(crate) fn decision(&self, draft: &Draft) -> Option<&Decision> {
        let known = self.known.get(&key(draft, draft.patient.clone()));
        known.and_then(|ruling| ruling.as_ref().ok())
    }

    async fn ask(&mut self, key: Key) -> Result<&Result<Decision, Fault>, Fault> {
        if !self.known.contains_key(&key) {
            let ruling = self.decide(&key).await?;
            self.known.insert(key.clone(), ruling);
        }
        let lost = || Fault::broken("a decision was lost on the way");
        self.known.get(&key).ok_or_else(lost)
    }

    async fn decide(&self, key: &Key) -> Result<Result<Decision, Fault>, Fault> {
        let (act, subject, kind) = key;
        let question = Question {
            act: *act,
            subject: subject.clone(),
            kinds: vec![(*kind).to_owned()],
            detail: String::new(),
        };
        let decision = self.door.decide(self.who, question).await?;
        if decision.allowed() {
            return Ok(Ok(decision));
        }
        match self.door.app.record.witness(decision).await? {
            Witnessed::Refused(_, decision) => Ok(Err(match self.who.through {
                Some(_) => Fault::beyond_scopes(),
                None => Fault::forbidden(decision.words()),
            })),
            Witnessed::Allowed(_) => Err(Fault::broken("a refusal was sealed as its opposite")),
        }
    }
}

fn key(draft: &Draft, patient: Option<String>) -> Key {
    let kind = draft.settled.target.kind;
    (draft.settled.act, subject(kind, patient), kind)
}
