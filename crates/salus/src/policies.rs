//! Policies as the operator works with them: explain, try on what really happened, put in force.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail};
use aws_lc_rs::digest;
use event::{Act, Body, Event, PolicyChange, Subject, Time};
use guard::{Ask, Decision, Facts, Near, Policies, Question, Standing, admit, asked_again};
use record::{Record, Sealed};
use serde::{Deserialize, Serialize};

use crate::assemble::House;
use crate::local::NewPolicies;
use crate::operations::operator;

/// Events that are read at once.
const READ_EVENTS: usize = 1_000;
/// Letters of a reason.
const REASON_LETTERS: std::ops::RangeInclusive<usize> = 8..=500;
const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

/// A decision and what stands behind it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Explained {
    pub(crate) allowed: bool,
    pub(crate) because: Vec<String>,
    pub(crate) words: Vec<String>,
    pub(crate) obligations: Vec<String>,
    /// Every policy about such an act on such a thing, those that applied first.
    pub(crate) near: Vec<NearOne>,
}

/// A policy that was near.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct NearOne {
    pub(crate) id: String,
    /// `permit`, `forbid`, or its obligation.
    pub(crate) effect: String,
    pub(crate) applied: bool,
    pub(crate) words: String,
}

/// What other policies would change of what was decided.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Replayed {
    pub(crate) days: u32,
    /// Decisions that were decided again.
    pub(crate) decisions: u64,
    /// Decisions from before what they were made of was sealed; they cannot be decided again.
    pub(crate) unknown: u64,
    /// What would change, all in all.
    pub(crate) all: Counts,
    /// By person or client.
    pub(crate) people: BTreeMap<String, Counts>,
    /// By role.
    pub(crate) roles: BTreeMap<String, Counts>,
    /// By the policy that would decide.
    pub(crate) policies: BTreeMap<String, Counts>,
    pub(crate) examples: Vec<Changed>,
}

/// How many decisions would change, and how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Counts {
    /// Allowed then, refused by the new ones.
    pub(crate) lost: u64,
    /// Refused then, allowed by the new ones.
    pub(crate) gained: u64,
    /// Allowed by both, with other obligations.
    pub(crate) bound: u64,
}

/// One decision that would change.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Changed {
    pub(crate) index: u64,
    pub(crate) at: String,
    pub(crate) who: String,
    pub(crate) role: String,
    pub(crate) act: String,
    /// `lost`, `gained` or `bound`.
    pub(crate) how: How,
    pub(crate) then: Vec<String>,
    pub(crate) now: Vec<String>,
    pub(crate) words: Vec<String>,
    pub(crate) obligations: Vec<String>,
}

/// How a decision would change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum How {
    Lost,
    Gained,
    Bound,
}

/// Policies that are in force now.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Applied {
    /// The event that put them in force.
    pub(crate) index: u64,
    pub(crate) hash: String,
    pub(crate) policies: u64,
}

/// Decides one question and says what stood near.
pub(crate) fn explain(policies: &Policies, question: &str) -> Result<Explained> {
    let question: Question =
        serde_json::from_str(question).context("the question cannot be read")?;
    let (ask, facts) = question.parts();
    let near = policies.near(&ask, &facts).into_iter().map(near);
    let near = near.collect();
    let decision = policies.decide(ask, &facts);
    Ok(Explained {
        allowed: decision.allowed(),
        because: decision.because().to_vec(),
        words: decision.words().to_vec(),
        obligations: decision.decided().obligations,
        near,
    })
}

fn near(one: Near) -> NearOne {
    NearOne {
        id: one.id,
        effect: one.effect,
        applied: one.applied,
        words: one.words,
    }
}

impl House {
    /// Decides again what was decided in the last days, by other policies. Seals nothing.
    pub(crate) async fn replay(&self, new: &NewPolicies) -> Result<Replayed> {
        let policies = Policies::load(&new.files, &new.schema)?;
        let record = &self.app.record;
        let since = self
            .clock
            .now()
            .plus_millis(-i64::from(new.days).saturating_mul(DAY_MS));
        let (mut from, size) = (first_since(record, since).await?, record.size());
        let mut replayed = Replayed {
            days: new.days,
            ..Replayed::default()
        };
        while from < size {
            let (events, next) = record.read_until(from, READ_EVENTS).await?;
            for sealed in &events {
                replayed.take(sealed, &policies, new.examples);
            }
            if next == from {
                break;
            }
            from = next;
        }
        Ok(replayed)
    }

    /// Puts policies in force: decided by the old ones, sealed, and only then used.
    pub(crate) async fn apply_policies(&self, new: &NewPolicies) -> Result<Applied> {
        let policies = Policies::load(&new.files, &new.schema)?;
        let reason = new.reason.trim();
        if !REASON_LETTERS.contains(&reason.chars().count()) {
            bail!(
                "the reason has to have {} to {} characters: it is sealed",
                REASON_LETTERS.start(),
                REASON_LETTERS.end()
            );
        }
        if !change(&policies, reason).allowed() {
            bail!(
                "under these policies the operator could not change them again; keep a policy like \
                 `operators-manage`"
            );
        }
        let _turn = self.changing.lock().await;
        let decision = change(&self.app.policies, reason);
        let hash = hash(new);
        let body = Body::PolicyChange(PolicyChange {
            reason: reason.to_owned(),
            hash: hash.clone(),
            schema: new.schema.clone(),
            files: new.files.clone(),
        });
        let event = Event::new(operator().actor, Act::Manage, Subject::Record, body);
        let admitted = admit(event.into(), Standing::Decided(&decision), "")
            .map_err(|refused| anyhow::anyhow!(refused.words))?;
        let receipts = self.app.record.admit(vec![admitted]).await?;
        self.app.policies.replace(&policies);
        Ok(Applied {
            index: receipts.first().map_or(0, |receipt| receipt.index),
            hash,
            policies: policies.list().len() as u64,
        })
    }
}

/// Whether the operator may change the policies.
fn change(policies: &Policies, reason: &str) -> Decision {
    let ask = Ask {
        identity: operator(),
        act: Act::Manage,
        subject: Subject::Record,
        kinds: Vec::new(),
        purpose: "HOPERAT".into(),
        reason: Some(reason.to_owned()),
        detail: "policies".into(),
    };
    policies.decide(ask, &Facts::default())
}

/// SHA-256 over schema, names and texts, each with its length before it.
fn hash(new: &NewPolicies) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    let mut part = |text: &str| {
        context.update(&(text.len() as u64).to_le_bytes());
        context.update(text.as_bytes());
    };
    part(&new.schema);
    for (name, text) in &new.files {
        part(name);
        part(text);
    }
    let hash = context.finish();
    hash.as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// The first event that was sealed at or after a moment.
async fn first_since(record: &Record, since: Time) -> Result<u64> {
    let (mut low, mut high) = (0, record.size());
    while low < high {
        let middle = low + (high - low) / 2;
        let (events, _) = record.read_until(middle, 1).await?;
        // What was erased says no time: it is passed over towards the past, which only reads more.
        if events.first().is_some_and(|sealed| sealed.at() < since) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(low)
}

impl Replayed {
    fn take(&mut self, sealed: &Sealed, policies: &Policies, examples: usize) {
        let event = sealed.event();
        let Body::Decision(decided) = &event.body else {
            return;
        };
        let Some((ask, facts)) = asked_again(&event.actor, decided) else {
            self.unknown += 1;
            return;
        };
        self.decisions += 1;
        let now = policies.decide(ask, &facts);
        let obligations = now.decided().obligations;
        let how = match (decided.allowed, now.allowed()) {
            (true, false) => How::Lost,
            (false, true) => How::Gained,
            (true, true) if obligations != decided.obligations => How::Bound,
            (true, true) | (false, false) => return,
        };
        self.count(&event.actor, &now, how);
        if self.examples.len() < examples {
            self.examples.push(Changed {
                index: sealed.index(),
                at: sealed.at().to_string(),
                who: event.actor.id.clone(),
                role: event.actor.role.word().to_owned(),
                act: decided.act.word().to_owned(),
                how,
                then: event.because.clone(),
                now: now.because().to_vec(),
                words: now.words().to_vec(),
                obligations,
            });
        }
    }

    fn count(&mut self, actor: &event::Actor, now: &Decision, how: How) {
        self.all.add(how);
        self.people.entry(actor.id.clone()).or_default().add(how);
        let role = actor.role.word().to_owned();
        self.roles.entry(role).or_default().add(how);
        for id in now.because() {
            self.policies.entry(id.clone()).or_default().add(how);
        }
    }
}

impl Counts {
    fn add(&mut self, how: How) {
        match how {
            How::Lost => self.lost += 1,
            How::Gained => self.gained += 1,
            How::Bound => self.bound += 1,
        }
    }

    /// Whether nothing would change.
    pub(crate) fn none(self) -> bool {
        self == Counts::default()
    }
}

#[cfg(test)]
mod tests;
