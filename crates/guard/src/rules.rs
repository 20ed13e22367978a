//! One set of policies, parsed and validated once, and what it says.

use std::collections::HashMap;
use std::sync::Arc;

use cedar_policy::{
    Authorizer, Decision as Word, Effect, Entities, Policy, PolicyId, PolicySet, Request, Response,
};
use event::{Act, Actor, Consent, Facts, Role, Subject};

use crate::load::{self, Loaded, PolicyError};
use crate::obligation::join;
use crate::pick::Picked;
use crate::posed::Posed;
use crate::remembered::{Remembered, Verdict};
use crate::scopes::uncovered;
use crate::slice::{Slicer, Unfit};
use crate::words::{fill, needed};
use crate::{Ask, Decision, Identity, Obligation};

/// Roles of those who are nobody in particular, and what they do to charts.
const SYSTEMS: [Role; 2] = [Role::Client, Role::Operator];
const ACTS: [Act; 6] = [
    Act::Create,
    Act::Delete,
    Act::History,
    Act::Read,
    Act::Search,
    Act::Update,
];

/// One set of policies.
pub(crate) struct Rules {
    pub(crate) files: Vec<(String, String)>,
    pub(crate) schema: String,
    /// All of them.
    set: PolicySet,
    /// Those that permit and forbid.
    deciding: Picked,
    /// Those that say what goes with a permit.
    duties: Picked,
    obligations: HashMap<PolicyId, Obligation>,
    /// Each policy's words.
    words: HashMap<PolicyId, String>,
    slicer: Slicer,
    remembered: Remembered,
    authorizer: Authorizer,
}

/// What of a chart can change an answer to a system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heeds {
    /// Security labels.
    pub labels: bool,
    /// Consents.
    pub consents: bool,
}

/// A policy that was near a question: it is about such an act on such a thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Near {
    /// Its id.
    pub id: String,
    /// `permit`, `forbid`, or its obligation.
    pub effect: String,
    /// Whether its conditions held.
    pub applied: bool,
    /// Its words, as they stand in the file.
    pub words: String,
}

impl Rules {
    pub(crate) fn load(sources: &[(String, String)], schema: &str) -> Result<Rules, PolicyError> {
        let parsed = load::schema(schema)?;
        let Loaded { set, obligations } = load::policies(sources, &parsed)?;
        let slicer = Slicer::new(parsed).map_err(load::bad_schema)?;
        let topics = slicer.topics();
        let is_duty = |policy: &&Policy| obligations.contains_key(policy.id());
        let (duties, deciding): (Vec<&Policy>, Vec<&Policy>) = set.policies().partition(is_duty);
        let pick = |some: &[&Policy]| Picked::sort(some, &topics).map_err(load::bad_schema);
        let (deciding, duties) = (pick(&deciding)?, pick(&duties)?);
        let remembered = Remembered::new(&set, slicer.patients());
        let named = |policy: &Policy| (policy.id().clone(), words(policy).to_owned());
        let words = set.policies().map(named).collect();
        Ok(Rules {
            files: sources.to_vec(),
            schema: schema.to_owned(),
            set,
            deciding,
            duties,
            obligations,
            words,
            slicer,
            remembered,
            authorizer: Authorizer::new(),
        })
    }

    fn policies(&self) -> impl Iterator<Item = &Policy> {
        self.set.policies()
    }

    /// Every policy's id and words, in the order of the ids.
    pub(crate) fn list(&self) -> Vec<(String, String)> {
        let named = |policy: &Policy| (policy.id().to_string(), words(policy).to_owned());
        let mut list: Vec<(String, String)> = self.policies().map(named).collect();
        list.sort();
        list
    }

    pub(crate) fn decide(&self, ask: Ask, facts: &Facts) -> Decision {
        let outcome = self.outcome(&ask, facts);
        Decision {
            ask,
            allowed: outcome.allowed,
            because: outcome.because,
            words: outcome.words,
            obligations: outcome.obligations,
            facts: facts.clone(),
        }
    }

    fn outcome(&self, ask: &Ask, facts: &Facts) -> Outcome {
        if !self.slicer.is_meant(ask.act, &ask.subject) {
            return Outcome::no_policy(ask, facts);
        }
        // INVARIANT: whatever the policies say, an app gets no more than was granted to it.
        if ask.identity.through.is_some() && !uncovered(ask).is_empty() {
            return Outcome::beyond_scopes();
        }
        match self.verdict(&Posed::of(ask, facts)) {
            Ok(verdict) if verdict.because.is_empty() => Outcome::no_policy(ask, facts),
            Ok(verdict) => self.told(&verdict, ask, facts),
            Err(why) => Outcome::error(&why),
        }
    }

    /// What the policies say, asked anew unless a question that is alike was.
    fn verdict(&self, posed: &Posed<'_>) -> Result<Arc<Verdict>, String> {
        let key = self.remembered.key(posed);
        if let Some(verdict) = key.as_ref().and_then(|key| self.remembered.get(key)) {
            return Ok(verdict);
        }
        let verdict = Arc::new(self.asked(posed)?);
        if let Some(key) = key {
            self.remembered.keep(key, &verdict);
        }
        Ok(verdict)
    }

    /// What the policies say.
    ///
    /// # Errors
    /// What could not be evaluated. INVARIANT: an error refuses. Cedar skips a policy that errors, so a `forbid`
    /// that errors would not forbid; that is why errors are looked at before the verdict.
    fn asked(&self, posed: &Posed<'_>) -> Result<Verdict, String> {
        let slice = match self.slicer.slice(posed) {
            Ok(slice) => slice,
            Err(Unfit::Broken(why)) => return Err(why),
            Err(Unfit::Meaningless) => return Ok(Verdict::nobody()),
        };
        let ask = |set: &PolicySet| {
            let response = self.ask(set, &slice);
            let error = response.diagnostics().errors().next();
            match error.map(ToString::to_string) {
                Some(error) => Err(error),
                None => Ok(response),
            }
        };
        let response = ask(self.picked(&self.deciding, posed))?;
        let allowed = response.decision() == Word::Allow;
        let duties = self.picked(&self.duties, posed);
        let duties = match allowed && !duties.is_empty() {
            true => owned(&reasons(&ask(duties)?)),
            false => Vec::new(),
        };
        Ok(Verdict {
            allowed,
            because: owned(&reasons(&response)),
            duties,
        })
    }

    /// A verdict in words. A permit without the second factor it asks for is none.
    fn told(&self, verdict: &Verdict, ask: &Ask, facts: &Facts) -> Outcome {
        let mut obligations = Vec::new();
        let mut steps = Vec::new();
        for id in &verdict.duties {
            let Some(obligation) = self.obligations.get(id) else {
                continue;
            };
            join(&mut obligations, obligation);
            if *obligation == Obligation::StepUp {
                steps.push(id);
            }
        }
        let stopped = !steps.is_empty() && !ask.identity.stepped_up;
        let ids: Vec<&PolicyId> = match stopped {
            true => steps,
            false => verdict.because.iter().collect(),
        };
        let said = |id: &&PolicyId| {
            let why = fill(self.words(id), ask, facts);
            match stopped {
                true => format!("{why}: confirm with your second factor, then ask again"),
                false => why,
            }
        };
        Outcome {
            allowed: verdict.allowed && !stopped,
            because: ids.iter().map(ToString::to_string).collect(),
            words: ids.iter().map(said).collect(),
            obligations,
        }
    }

    fn picked<'p>(&self, from: &'p Picked, posed: &Posed<'_>) -> &'p PolicySet {
        let kind = self.slicer.kind(posed.subject);
        from.set((posed.act, posed.role), kind)
    }

    fn near_policies(&self, posed: &Posed<'_>) -> impl Iterator<Item = &Policy> {
        let deciding = self.picked(&self.deciding, posed).policies();
        deciding.chain(self.picked(&self.duties, posed).policies())
    }

    fn ask(&self, set: &PolicySet, (request, entities): &(Request, Entities)) -> Response {
        self.authorizer.is_authorized(request, set, entities)
    }

    fn words(&self, id: &PolicyId) -> &str {
        self.words.get(id).map_or("", String::as_str)
    }

    /// Every policy about such an act on such a thing, whether or not it applied.
    pub(crate) fn near(&self, ask: &Ask, facts: &Facts) -> Vec<Near> {
        let posed = Posed::of(ask, facts);
        let Ok(slice) = self.slicer.slice(&posed) else {
            return Vec::new();
        };
        let mut near: Vec<Near> = self
            .near_policies(&posed)
            .map(|policy| Near {
                id: policy.id().to_string(),
                effect: self.effect(policy),
                applied: self.applies(policy, &slice),
                words: words(policy).to_owned(),
            })
            .collect();
        near.sort_by(|a, b| (!a.applied, &a.id).cmp(&(!b.applied, &b.id)));
        near
    }

    fn effect(&self, policy: &Policy) -> String {
        match (self.obligations.get(policy.id()), policy.effect()) {
            (Some(obligation), _) => obligation.to_string(),
            (None, Effect::Permit) => "permit".to_owned(),
            (None, Effect::Forbid) => "forbid".to_owned(),
        }
    }

    fn applies(&self, policy: &Policy, slice: &(Request, Entities)) -> bool {
        PolicySet::from_policies([policy.clone()])
            .is_ok_and(|alone| !reasons(&self.ask(&alone, slice)).is_empty())
    }

    /// What of what charts say can change an answer to a system: found by asking with every label,
    /// with consents, with both, and with nothing.
    pub(crate) fn heeds_of_systems(&self) -> Heeds {
        let labels = Facts {
            labels: self.literals(),
            ..Facts::default()
        };
        let consents = |permits, facts: &Facts| Facts {
            consents: vec![Consent {
                permits,
                ..Consent::default()
            }],
            ..facts.clone()
        };
        let plain = Facts::default();
        let alone = Heeds {
            labels: self.changes(std::slice::from_ref(&labels)),
            consents: self.changes(&[consents(true, &plain), consents(false, &plain)]),
        };
        let both = self.changes(&[consents(true, &labels), consents(false, &labels)]);
        // What only the two together change is both of them.
        let neither = both && !alone.labels && !alone.consents;
        Heeds {
            labels: alone.labels || neither,
            consents: alone.consents || neither,
        }
    }

    /// Whether any of these facts changes anything that is said to a system.
    fn changes(&self, facts: &[Facts]) -> bool {
        let plain = Facts::default();
        SYSTEMS.iter().any(|&role| {
            ACTS.iter().any(|&act| {
                let bare = self.probe((role, act), &plain);
                facts.iter().any(|one| self.probe((role, act), one) != bare)
            })
        })
    }

    /// What is said to a system that asks for somebody's chart.
    fn probe(&self, (role, act): (Role, Act), facts: &Facts) -> (Vec<String>, Vec<Obligation>) {
        let mut identity = Identity::of(Actor {
            role,
            ..Actor::salus()
        });
        identity.scopes = vec!["system/*.cruds".to_owned()];
        let ask = Ask {
            identity,
            act,
            subject: Subject::Patient("probe".to_owned()),
            kinds: vec!["Patient".to_owned()],
            purpose: "HOPERAT".to_owned(),
            reason: None,
            detail: String::new(),
        };
        let decision = self.decide(ask, facts);
        (decision.because, decision.obligations)
    }

    /// Every string that stands in a policy: whichever label one asks for is among them.
    fn literals(&self) -> Vec<String> {
        let texts = self.files.iter().flat_map(|(_, text)| text.split('"'));
        let mut literals: Vec<String> = texts.map(str::to_owned).collect();
        literals.extend(["VIP", "V", "R"].map(str::to_owned));
        literals.sort();
        literals.dedup();
        literals
    }
}

fn words(policy: &Policy) -> &str {
    policy.annotation("words").unwrap_or_default()
}

fn owned(ids: &[&PolicyId]) -> Vec<PolicyId> {
    ids.iter().map(|&id| id.clone()).collect()
}

fn reasons(response: &Response) -> Vec<&PolicyId> {
    let mut ids: Vec<&PolicyId> = response.diagnostics().reason().collect();
    ids.sort();
    ids
}

struct Outcome {
    allowed: bool,
    because: Vec<String>,
    words: Vec<String>,
    obligations: Vec<Obligation>,
}

impl Outcome {
    fn no_policy(ask: &Ask, facts: &Facts) -> Outcome {
        Outcome {
            allowed: false,
            because: vec!["no-policy-allows".to_owned()],
            words: vec![needed(ask, facts)],
            obligations: Vec::new(),
        }
    }

    /// The same words whether or not there is anything, so that an app learns nothing from them.
    fn beyond_scopes() -> Outcome {
        Outcome {
            allowed: false,
            because: vec!["apps-keep-to-their-scopes".to_owned()],
            words: vec![
                "this is more than was granted to the app: another patient, type or act".to_owned(),
            ],
            obligations: Vec::new(),
        }
    }

    fn error(why: &str) -> Outcome {
        Outcome {
            allowed: false,
            because: vec!["policy-error".to_owned()],
            words: vec![format!(
                "the policies could not be evaluated, so the answer is no; tell whoever runs \
                 Salus: {why}"
            )],
            obligations: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests;
