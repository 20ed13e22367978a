//! Which policies can apply to an act of a role on a kind of thing, worked out once.
//!
//! Cedar looks at every policy of a set for every question. Most are about other acts, other roles
//! or other things, which their heads say, or the first thing in their `when`; leaving those out
//! changes no answer, only the time it takes.

use std::collections::HashMap;

use cedar_policy::{
    ActionConstraint, EntityTypeName, EntityUid, Policy, PolicySet, PrincipalConstraint,
    ResourceConstraint,
};
use event::{Act, Role};
use serde_json::Value;

/// Policies by the act, the kind of thing and the role they can apply to.
pub(crate) struct Picked {
    sets: HashMap<(Act, Role), HashMap<EntityTypeName, PolicySet>>,
    none: PolicySet,
}

/// Everything that questions are about, under Cedar's names.
#[derive(Debug)]
pub(crate) struct Topics {
    pub(crate) acts: Vec<(Act, EntityUid)>,
    pub(crate) kinds: Vec<EntityTypeName>,
    pub(crate) roles: Vec<(Role, EntityUid)>,
}

/// What a question is about, as Cedar names it.
#[derive(Debug, Clone, Copy)]
struct Topic<'t> {
    action: &'t EntityUid,
    kind: &'t EntityTypeName,
    role: &'t EntityUid,
}

impl Picked {
    /// Sorts `policies`.
    ///
    /// # Errors
    /// A policy id that stands twice, in words.
    pub(crate) fn sort(policies: &[&Policy], topics: &Topics) -> Result<Picked, String> {
        // What each begins with is looked up once, not for each act, role and kind.
        let policies: Vec<(&Policy, Value)> = policies
            .iter()
            .map(|policy| (*policy, policy.to_json().unwrap_or_default()))
            .collect();
        let mut sets = HashMap::new();
        for ((act, action), (role, asker)) in pairs(&topics.acts, &topics.roles) {
            let mut by_kind = HashMap::new();
            for kind in &topics.kinds {
                let topic = Topic {
                    action,
                    kind,
                    role: asker,
                };
                let near = policies
                    .iter()
                    .filter(|(policy, json)| is_near((policy, json), topic, topics));
                let near: Vec<Policy> = near.map(|(policy, _)| Policy::clone(policy)).collect();
                if !near.is_empty() {
                    let set = PolicySet::from_policies(near).map_err(|why| why.to_string())?;
                    by_kind.insert(kind.clone(), set);
                }
            }
            sets.insert((*act, *role), by_kind);
        }
        Ok(Picked {
            sets,
            none: PolicySet::new(),
        })
    }

    /// The policies that can apply to such an act of such a role on such a thing.
    pub(crate) fn set(&self, (act, role): (Act, Role), kind: &EntityTypeName) -> &PolicySet {
        let by_kind = self.sets.get(&(act, role));
        by_kind
            .and_then(|sets| sets.get(kind))
            .unwrap_or(&self.none)
    }
}

fn pairs<'t, A, B>(some: &'t [A], others: &'t [B]) -> impl Iterator<Item = (&'t A, &'t B)> {
    some.iter()
        .flat_map(|one| others.iter().map(move |other| (one, other)))
}

/// Whether a policy's head lets it apply.
///
/// INVARIANT: false only if it cannot apply whatever the entities are. An action that is no act
/// may be a group that holds some, `resource in` may hold for a thing of any kind, and an asker is in
/// one role, which is in nothing ([`Slicer`](crate::slice::Slicer)).
fn is_near((policy, json): (&Policy, &Value), topic: Topic<'_>, topics: &Topics) -> bool {
    let is_act = |uid: &EntityUid| topics.acts.iter().any(|(_, action)| action == uid);
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
    let by_role =
        |group: &EntityUid| group == topic.role || group.type_name() != topic.role.type_name();
    let by_principal = match policy.principal_constraint() {
        PrincipalConstraint::Any | PrincipalConstraint::Eq(_) | PrincipalConstraint::Is(_) => true,
        PrincipalConstraint::In(group) | PrincipalConstraint::IsIn(_, group) => by_role(&group),
    };
    by_action && by_resource && by_principal && by_condition(json, topic.role)
}

/// Whether a policy's first condition lets it apply to a role.
///
/// INVARIANT: false only if that condition begins with a question whether the asker is in certain
/// roles, and they are not. It is the first thing that is evaluated, so that nothing behind it could
/// have been an error.
fn by_condition(json: &Value, role: &EntityUid) -> bool {
    let when = json
        .pointer("/conditions/0")
        .filter(|first| first["kind"] == "when");
    let Some(mut first) = when.and_then(|when| when.get("body")) else {
        return true;
    };
    while let Some(left) = first.pointer("/&&/left") {
        first = left;
    }
    may_hold(first, role)
}

/// Whether an expression can hold for who is in a role, as far as it is about roles alone.
fn may_hold(expression: &Value, role: &EntityUid) -> bool {
    if let (Some(left), Some(right)) = (
        expression.pointer("/||/left"),
        expression.pointer("/||/right"),
    ) {
        return may_hold(left, role) || may_hold(right, role);
    }
    let asks = expression.pointer("/in/left/Var").and_then(Value::as_str) == Some("principal");
    let group = expression
        .pointer("/in/right/Value/__entity")
        .filter(|_| asks);
    let named = |key| group.and_then(|group| group.get(key)?.as_str());
    match (named("type"), named("id")) {
        (Some(kind), Some(id)) if kind == role.type_name().basename() => {
            let own: &str = role.id().as_ref();
            id == own
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(policy: &str) -> bool {
        let policy = Policy::parse(None, policy).unwrap();
        by_condition(
            &policy.to_json().unwrap(),
            &r#"Role::"nurse""#.parse().unwrap(),
        )
    }

    #[test]
    fn a_policy_that_begins_with_another_role_is_not_about_this_one() {
        let when = |what: &str| format!("forbid (principal, action, resource) when {{ {what} }};");
        for about in [
            r#"principal in Role::"nurse" && context.a"#,
            r#"(principal in Role::"physician" || principal in Role::"nurse") && context.a"#,
            r#"(principal in Role::"physician" || context.a) && context.b"#,
            r#"context.a && principal in Role::"physician""#,
            r#"!(principal in Role::"physician")"#,
            r#"principal in Ward::"physician""#,
            r#"resource in Role::"physician""#,
            r#"principal in [Role::"physician"]"#,
            r#"if principal in Role::"physician" then false else true"#,
            "context.a",
        ] {
            assert!(near(&when(about)), "{about}");
        }
        for other in [
            r#"principal in Role::"physician""#,
            r#"principal in Role::"physician" && context.a && context.b"#,
            r#"((principal in Role::"physician" || principal in Role::"client") && context.a) && context.b"#,
        ] {
            assert!(!near(&when(other)), "{other}");
        }
        assert!(near("forbid (principal, action, resource);"));
        let unless =
            r#"forbid (principal, action, resource) unless { principal in Role::"physician" };"#;
        assert!(near(unless));
    }
}
