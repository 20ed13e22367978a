//! From traces to rows: who, when, what part, and why it was allowed, in words.

use access::{Looked, Looker, Sum, Trace, What};
use event::{Actor, Role};
use guard::Identity;

use super::view::{self, Counted, Row, Why};
use crate::error::Problem;
use crate::pages::shell::Tone;
use crate::pages::visit::Visit;
use crate::pages::words;

/// Tells traces for one visit.
pub(crate) struct Teller<'a> {
    visit: &'a Visit,
    policies: Vec<(String, String)>,
}

impl<'a> Teller<'a> {
    pub(crate) fn new(visit: &'a Visit) -> Teller<'a> {
        Teller {
            visit,
            policies: visit.app.policies.list(),
        }
    }

    pub(crate) fn row(&self, trace: &Trace) -> Row {
        Row {
            index: trace.id.index,
            at: self.visit.stamp(trace.at),
            account: trace.actor.id.clone(),
            name: name(&trace.actor),
            role: role(&trace.actor),
            what: what(trace.what),
            patient: trace.patient.clone().unwrap_or_default(),
            part: part(trace),
            why: self.why(trace.allowed, &trace.because),
            reason: trace.reason.clone(),
            from: trace.from.clone(),
        }
    }

    /// Somebody who looked at a patient, and whether anything connects them now.
    pub(crate) async fn looker(
        &self,
        patient: &str,
        looker: &Looker,
    ) -> Result<view::Looker, Problem> {
        let identity = self.visit.app.staff.identity(&looker.actor.id);
        Ok(view::Looker {
            account: looker.actor.id.clone(),
            name: name(&looker.actor),
            role: role(&looker.actor),
            count: self.counted(&looker.sum),
            why: self.tie(identity.as_ref(), patient, &looker.sum).await?,
        })
    }

    /// A patient somebody looked at.
    pub(crate) async fn looked(
        &self,
        identity: Option<&Identity>,
        looked: &Looked,
    ) -> Result<view::Looked, Problem> {
        Ok(view::Looked {
            patient: looked.patient.clone(),
            count: self.counted(&looked.sum),
            why: self.tie(identity, &looked.patient, &looked.sum).await?,
        })
    }

    fn counted(&self, sum: &Sum) -> Counted {
        Counted {
            looks: sum.allowed,
            refused: sum.refused,
            first: self.visit.stamp(sum.first),
            last: self.visit.stamp(sum.last),
            index: sum.id.index,
        }
    }

    /// The relationship as it was decided, and a mark if it is none any more.
    async fn tie(
        &self,
        identity: Option<&Identity>,
        patient: &str,
        sum: &Sum,
    ) -> Result<Why, Problem> {
        let mut why = self.why(sum.allowed > 0, &sum.because);
        if !why.mark.is_empty() || !by_relation(&sum.because) {
            return Ok(why);
        }
        let related = match identity {
            Some(identity) => {
                let app = &self.visit.app;
                let now = app.clock.now();
                let facts = app.chart.facts(identity, patient, now).await?;
                !facts.relations.is_empty()
            }
            None => false,
        };
        if !related {
            why.tone = Tone::Unknown;
            why.mark = "relationship ended";
        }
        Ok(why)
    }

    /// Why it was allowed or refused, from the policies that are sealed with it.
    pub(crate) fn why(&self, allowed: bool, because: &[String]) -> Why {
        let said: Vec<String> = because.iter().map(|id| self.said(id)).collect();
        let (tone, mark) = match allowed {
            false => (Tone::Bad, "refused"),
            true if because.iter().any(|id| is_glass(id)) => (Tone::Warn, "broken glass"),
            true if because
                .iter()
                .any(|id| id == "clients-keep-to-their-scopes") =>
            {
                (Tone::Warn, "by its scopes alone")
            }
            true if because.iter().any(|id| id.starts_with("operators-")) => {
                (Tone::Warn, "by role alone")
            }
            true => (Tone::Good, ""),
        };
        Why {
            tone,
            words: words::list(&said),
            mark,
        }
    }

    fn said(&self, id: &str) -> String {
        let known = match id {
            "ward-reads-its-patients" => "the patient was on a ward where they work",
            "care-team-reads-its-patients" => "an encounter of the patient named them",
            "ward-lists-its-census" => "it was the list of a ward where they work",
            "bedside-finds-patients" => "they looked the patient up; it showed who it is, no more",
            "clients-keep-to-their-scopes" => "the system\u{2019}s scopes cover it",
            "overseers-see-who-looked" => "overseeing who looks is their task",
            "no-policy-allows" => "nothing connected them with the patient",
            "salus-itself" => "Salus sealed it by itself",
            _ => "",
        };
        if !known.is_empty() {
            return known.to_owned();
        }
        let policy = self.policies.iter().find(|(policy, _)| policy == id);
        match policy {
            Some((_, words)) => words::quoted(&told_of(words)),
            None => id.to_owned(),
        }
    }
}

/// A policy's words are said to whoever asks; here somebody else reads them.
fn told_of(policy: &str) -> String {
    policy
        .replace("{ward}", "a ward")
        .replace("{part}", "a member of the care team")
        .replace("{types}", "it")
        .replace("{taken}", "many patients")
        .replace("{ceiling}", "their own")
        .replace("you have ", "they had ")
        .replace("your ", "their ")
        .replace("you ", "they ")
}

fn is_glass(id: &str) -> bool {
    id.contains("glass")
}

fn by_relation(because: &[String]) -> bool {
    because
        .iter()
        .any(|id| id == "ward-reads-its-patients" || id == "care-team-reads-its-patients")
}

/// What it was, as a person would say it.
pub(crate) const fn what(what: What) -> &'static str {
    match what {
        What::Audit => "looked at who looked",
        What::BreakGlass => "broke the glass",
        What::Capture => "typed in what was written down",
        What::Carry => "took along in a ward pack",
        What::Ceiling => "came to a ceiling",
        What::Create => "wrote",
        What::Delete => "deleted",
        What::EndGlass => "ended broken glass",
        What::Export => "decided on an export",
        What::Fetch => "had images fetched",
        What::History => "read the history",
        What::Manage => "changed an account",
        What::Read => "read",
        What::ReadMessage => "read a message",
        What::Reconcile => "decided about an entry",
        What::Review => "reviewed broken glass",
        What::Search => "searched",
        What::Shown => "was shown",
        What::Listed => "saw in a list",
        What::SignIn => "signed in",
        What::SignOut => "signed out",
        What::Started => "Salus started",
        What::Stopped => "Salus stopped",
        What::Unlock => "learned a pack's code",
        What::Unmerge => "took a merge back",
        What::Update => "changed",
        What::Vread => "read an earlier version",
    }
}

/// What part of the chart it was.
fn part(trace: &Trace) -> String {
    match (trace.what, trace.detail.as_str()) {
        (What::Listed, _) => "who the patient is, nothing else".to_owned(),
        (What::Read | What::History, "") => "the whole chart".to_owned(),
        (_, detail) => detail.to_owned(),
    }
}

fn name(actor: &Actor) -> String {
    match actor.name.trim() {
        "" => actor.id.clone(),
        name => name.to_owned(),
    }
}

fn role(actor: &Actor) -> &'static str {
    match actor.role {
        Role::Salus if actor.id != "salus" => "not signed in",
        role => words::role(role),
    }
}

/// `12 people and systems looked; 2 of them need an explanation.`
pub(crate) fn answer(all: u64, open: u64, (one, many): (&str, &str)) -> String {
    let counted = words::capital(&words::count(all, one, many));
    match (all, open) {
        (0, _) => format!("{counted} in this time."),
        (_, 0) => format!("{counted}; each is explained by a relationship."),
        (1, _) => format!("{counted}, and it needs an explanation."),
        (_, 1) => format!("{counted}; 1 needs an explanation."),
        (_, open) => format!("{counted}; {} need an explanation.", words::thousands(open)),
    }
}
