//! One set of policies, parsed and validated once, and what it says.

use std::collections::HashMap;

use cedar_policy::{
    ActionConstraint, Authorizer, Decision as Verdict, Effect, Entities, EntityTypeName, Policy,
    PolicyId, PolicySet, Request, ResourceConstraint, Response,
};
use event::{Act, Actor, Consent, Facts, Role, Subject};

use crate::load::{self, Loaded, PolicyError};
use crate::obligation::join;
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
    /// Those that permit and forbid.
    set: PolicySet,
    /// Those that say what goes with a permit.
    duties: PolicySet,
    obligations: HashMap<PolicyId, Obligation>,
    slicer: Slicer,
    authorizer: Authorizer,
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
        let (mut deciding, mut duties) = (PolicySet::new(), PolicySet::new());
        for policy in set.policies() {
            let home = match obligations.contains_key(policy.id()) {
                true => &mut duties,
                false => &mut deciding,
            };
            // The ids were found unique while loading.
            home.add(policy.clone())
                .map_err(|why| load::bad_schema(why.to_string()))?;
        }
        Ok(Rules {
            files: sources.to_vec(),
            schema: schema.to_owned(),
            set: deciding,
            duties,
            obligations,
            slicer: Slicer::new(parsed).map_err(load::bad_schema)?,
            authorizer: Authorizer::new(),
        })
    }

    fn policies(&self) -> impl Iterator<Item = &Policy> {
        self.set.policies().chain(self.duties.policies())
    }

    /// Every policy's id and words, in the order of the ids.
    pub(crate) fn list(&self) -> Vec<(String, String)> {
        let named = |policy: &Policy| (policy.id().to_string(), words(policy).to_owned());
        let mut list: Vec<(String, String)> = self.policies().map(named).collect();
        list.sort();
        list
    }

    pub(crate) fn decide(&self, ask: Ask, facts: &Facts) -> Decision {
        let outcome = match self.slicer.slice(&ask, facts) {
            // INVARIANT: whatever the policies say, an app gets no more than was granted to it.
            Ok(_) if ask.identity.through.is_some() && !uncovered(&ask).is_empty() => {
                Outcome::beyond_scopes()
            }
            Ok(slice) => self.outcome(&slice, &ask, facts),
            Err(Unfit::Meaningless) => Outcome::no_policy(&ask, facts),
            Err(Unfit::Broken(why)) => Outcome::error(&why),
        };
        Decision {
            ask,
            allowed: outcome.allowed,
            because: outcome.because,
            words: outcome.words,
            obligations: outcome.obligations,
            facts: facts.clone(),
        }
    }

    fn outcome(&self, slice: &(Request, Entities), ask: &Ask, facts: &Facts) -> Outcome {
        let response = self.ask(&self.set, slice);
        // INVARIANT: an error refuses. Cedar skips a policy that errors, so a `forbid` that
        // errors would not forbid; that is why errors are looked at before the verdict.
        if let Some(error) = response.diagnostics().errors().next() {
            return Outcome::error(&error.to_string());
        }
        let ids = reasons(&response);
        if ids.is_empty() {
            return Outcome::no_policy(ask, facts);
        }
        let said = |id: &&PolicyId| fill(self.words(id), ask, facts);
        let outcome = Outcome {
            allowed: response.decision() == Verdict::Allow,
            because: ids.iter().map(ToString::to_string).collect(),
            words: ids.iter().map(said).collect(),
            obligations: Vec::new(),
        };
        match outcome.allowed {
            true => self.bound(outcome, slice, (ask, facts)),
            false => outcome,
        }
    }

    /// A permit with what goes with it; without the second factor it asks for it is none.
    fn bound(
        &self,
        mut outcome: Outcome,
        slice: &(Request, Entities),
        (ask, facts): (&Ask, &Facts),
    ) -> Outcome {
        if self.duties.is_empty() {
            return outcome;
        }
        let response = self.ask(&self.duties, slice);
        if let Some(error) = response.diagnostics().errors().next() {
            return Outcome::error(&error.to_string());
        }
        let mut steps = Vec::new();
        for id in reasons(&response) {
            let Some(obligation) = self.obligations.get(id) else {
                continue;
            };
            join(&mut outcome.obligations, obligation);
            if *obligation == Obligation::StepUp {
                steps.push(id);
            }
        }
        if steps.is_empty() || ask.identity.stepped_up {
            return outcome;
        }
        Outcome {
            allowed: false,
            because: steps.iter().map(ToString::to_string).collect(),
            words: steps
                .iter()
                .map(|id| {
                    let why = fill(self.words(id), ask, facts);
                    format!("{why}: confirm with your second factor, then ask again")
                })
                .collect(),
            ..outcome
        }
    }

    fn ask(&self, set: &PolicySet, (request, entities): &(Request, Entities)) -> Response {
        self.authorizer.is_authorized(request, set, entities)
    }

    fn words(&self, id: &PolicyId) -> &str {
        let policy = self.set.policy(id).or_else(|| self.duties.policy(id));
        policy.map_or("", words)
    }

    /// Every policy about such an act on such a thing, whether or not it applied.
    pub(crate) fn near(&self, ask: &Ask, facts: &Facts) -> Vec<Near> {
        let Ok(slice) = self.slicer.slice(ask, facts) else {
            return Vec::new();
        };
        let mut near: Vec<Near> = self
            .policies()
            .filter(|policy| is_near(policy, &slice.0))
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

    /// Whether what charts say can change an answer to a system: found by asking with every label
    /// and consent, and with none.
    pub(crate) fn heeds_charts_of_systems(&self) -> bool {
        let full = |permits| Facts {
            labels: self.literals(),
            consents: vec![Consent {
                permits,
                ..Consent::default()
            }],
            ..Facts::default()
        };
        let full = [full(true), full(false)];
        let plain = Facts::default();
        SYSTEMS.iter().any(|&role| {
            ACTS.iter().any(|&act| {
                let bare = self.probe((role, act), &plain);
                full.iter()
                    .any(|facts| self.probe((role, act), facts) != bare)
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

fn reasons(response: &Response) -> Vec<&PolicyId> {
    let mut ids: Vec<&PolicyId> = response.diagnostics().reason().collect();
    ids.sort();
    ids
}

fn is_near(policy: &Policy, request: &Request) -> bool {
    let action = request.action();
    let by_action = match policy.action_constraint() {
        ActionConstraint::Any => true,
        ActionConstraint::Eq(one) => Some(&one) == action,
        ActionConstraint::In(several) => several.iter().any(|one| Some(one) == action),
    };
    let kind: Option<&EntityTypeName> = request.resource().map(|uid| uid.type_name());
    let by_resource = match policy.resource_constraint() {
        ResourceConstraint::Any => true,
        ResourceConstraint::Eq(one) | ResourceConstraint::In(one) => Some(one.type_name()) == kind,
        ResourceConstraint::Is(name) | ResourceConstraint::IsIn(name, _) => Some(&name) == kind,
    };
    by_action && by_resource
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
