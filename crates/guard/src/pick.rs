//! Which policies can apply to an act on a kind of thing, worked out once.
//!
//! Cedar looks at every policy of a set for every question. Most are about other acts or other
//! things, which their heads say; leaving those out changes no answer, only the time it takes.

use std::collections::HashMap;

use cedar_policy::{
    ActionConstraint, EntityTypeName, EntityUid, Policy, PolicySet, ResourceConstraint,
};
use event::Act;

/// Policies by the act and the kind of thing they can apply to.
pub(crate) struct Picked {
    sets: HashMap<(Act, EntityTypeName), PolicySet>,
    none: PolicySet,
}

/// What a question is about, as Cedar names it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Topic<'t> {
    pub(crate) action: &'t EntityUid,
    pub(crate) kind: &'t EntityTypeName,
}

impl Picked {
    /// Sorts `policies`. `actions` are all acts under Cedar's names, `kinds` all kinds of things.
    ///
    /// # Errors
    /// A policy id that stands twice, in words.
    pub(crate) fn sort(
        policies: &[&Policy],
        (actions, kinds): (&[(Act, EntityUid)], &[EntityTypeName]),
    ) -> Result<Picked, String> {
        let mut sets = HashMap::new();
        for (act, action) in actions {
            for kind in kinds {
                let topic = Topic { action, kind };
                let near = policies
                    .iter()
                    .filter(|policy| is_near(policy, topic, actions));
                let near: Vec<Policy> = near.map(|policy| Policy::clone(policy)).collect();
                if !near.is_empty() {
                    let set = PolicySet::from_policies(near).map_err(|why| why.to_string())?;
                    sets.insert((*act, kind.clone()), set);
                }
            }
        }
        Ok(Picked {
            sets,
            none: PolicySet::new(),
        })
    }

    /// The policies that can apply to such an act on such a thing.
    pub(crate) fn set(&self, act: Act, kind: &EntityTypeName) -> &PolicySet {
        self.sets.get(&(act, kind.clone())).unwrap_or(&self.none)
    }
}

/// Whether a policy's head lets it apply.
///
/// INVARIANT: false only if it cannot apply whatever the entities are. An action that is no act
/// may be a group that holds some, and `resource in` may hold for a thing of any kind.
fn is_near(policy: &Policy, topic: Topic<'_>, actions: &[(Act, EntityUid)]) -> bool {
    let is_act = |uid: &EntityUid| actions.iter().any(|(_, action)| action == uid);
    let by_action = |uid: &EntityUid| uid == topic.action || !is_act(uid);
    let by_action = match policy.action_constraint() {
        ActionConstraint::Any => true,
        ActionConstraint::Eq(one) => by_action(&one),
        ActionConstraint::In(several) => several.iter().any(by_action),
    };
    let by_resource = match policy.resource_constraint() {
        ResourceConstraint::Any | ResourceConstraint::In(_) => true,
        ResourceConstraint::Eq(one) => one.type_name() == topic.kind,
        ResourceConstraint::Is(name) | ResourceConstraint::IsIn(name, _) => name == *topic.kind,
    };
    by_action && by_resource
}
