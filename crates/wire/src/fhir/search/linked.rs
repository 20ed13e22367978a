//! Conditions on other resources: chains (R4 section 3.1.1.4.8) and `_has` (3.1.1.4.9).

use super::super::issue::{Code, Issue};
use super::super::tables::{ParamKind, param as defined, tables};
use super::Param;
use super::query::{Filter, QueryLimits};
use super::read::{One, filter, offered};

/// What must hold for a resource that is connected with another one.
#[derive(Debug, Clone)]
pub enum Condition {
    /// Something about itself.
    Filter(Filter),
    /// Something about what it is connected with in turn.
    Linked(Box<Linked>),
}

/// A condition on resources that the searched one refers to, or that refer to it.
#[derive(Debug, Clone)]
pub enum Linked {
    /// `subject:Patient.name=x`: it refers to one for which something holds.
    Chain {
        /// The reference.
        param: &'static Param,
        /// What must hold, by the type it may refer to.
        ways: Vec<(String, Condition)>,
    },
    /// `_has:Observation:patient:code=x`: one refers to it for which something holds.
    Reverse {
        /// The type of the one that refers.
        source: String,
        /// The reference, which stands in `source`.
        param: &'static Param,
        /// What must hold for the one that refers.
        condition: Condition,
    },
}

/// Types that one untyped link is followed to, at most.
const WAYS_MAX: usize = 4;

impl Linked {
    /// Every type it looks into.
    pub fn touches(&self) -> Vec<&str> {
        match self {
            Linked::Chain { param: _, ways } => {
                let ways = ways.iter();
                ways.flat_map(|(kind, condition)| reached(kind, condition))
                    .collect()
            }
            Linked::Reverse {
                source,
                param: _,
                condition,
            } => reached(source, condition),
        }
    }
}

fn reached<'a>(kind: &'a str, condition: &'a Condition) -> Vec<&'a str> {
    let mut all = vec![kind];
    if let Condition::Linked(linked) = condition {
        all.extend(linked.touches());
    }
    all
}

/// Whether a parameter's name asks for something about another resource.
pub(super) fn is_linked(name: &str) -> bool {
    name.starts_with("_has:") || name.contains('.')
}

/// Reads a chain or `_has`.
pub(super) fn linked(kind: &str, one: One<'_>, limits: &QueryLimits) -> Result<Linked, Issue> {
    let steps = one.name.matches(['.']).count() + one.name.matches("_has:").count();
    if steps > limits.chain_max {
        let words = format!("{steps} links; at most {} are followed", limits.chain_max);
        return Err(Issue::error(Code::TooCostly, one.name, words));
    }
    match one.name.strip_prefix("_has:") {
        Some(rest) => reverse((kind, rest), one, limits),
        None => chain(kind, one, limits),
    }
}

fn condition(kind: &str, one: One<'_>, limits: &QueryLimits) -> Result<Condition, Issue> {
    if is_linked(one.name) {
        let inner = linked(kind, one, limits)?;
        return Ok(Condition::Linked(Box::new(inner)));
    }
    filter(kind, one, limits).map(Condition::Filter)
}

fn reverse(
    (kind, rest): (&str, &str),
    one: One<'_>,
    limits: &QueryLimits,
) -> Result<Linked, Issue> {
    let form = || one.bad("`_has` is of the form _has:Type:reference:parameter");
    let mut parts = rest.splitn(3, ':');
    let (Some(source), Some(code), Some(name)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(form());
    };
    if !tables().is_kind(source) {
        return Err(one.bad(format!("`{source}` is no resource type of FHIR R4")));
    }
    let param = reference(source, code, one)?;
    if !param.targets.is_empty() && !param.targets.contains(&kind) {
        return Err(one.bad(format!("`{source}:{code}` does not refer to `{kind}`")));
    }
    Ok(Linked::Reverse {
        source: source.to_owned(),
        param,
        condition: condition(source, One::of(name, one.value), limits)?,
    })
}

fn chain(kind: &str, one: One<'_>, limits: &QueryLimits) -> Result<Linked, Issue> {
    let (head, rest) = one.name.split_once('.').unwrap_or((one.name, ""));
    let (code, only) = match head.split_once(':') {
        Some((code, only)) => (code, Some(only)),
        None => (head, None),
    };
    let param = reference(kind, code, one)?;
    let refers = |to: &str| param.targets.is_empty() || param.targets.contains(&to);
    if let Some(only) = only {
        if !tables().is_kind(only) || !refers(only) {
            return Err(one.bad(format!("`{code}` does not refer to `{only}`")));
        }
        let way = condition(only, One::of(rest, one.value), limits)?;
        let ways = vec![(only.to_owned(), way)];
        return Ok(Linked::Chain { param, ways });
    }
    let next = rest.split(['.', ':']).next().unwrap_or_default();
    let targets = param.targets.iter();
    let targets: Vec<&str> = targets
        .copied()
        .filter(|to| rest.starts_with("_has:") || defined(to, next).is_some())
        .collect();
    if targets.is_empty() || targets.len() > WAYS_MAX {
        return Err(one.bad(format!(
            "`{code}` may refer to several types; say which, such as `{code}:Patient.{rest}`"
        )));
    }
    let way = |to: &str| {
        Ok((
            to.to_owned(),
            condition(to, One::of(rest, one.value), limits)?,
        ))
    };
    let ways = targets.into_iter().map(way).collect::<Result<_, Issue>>()?;
    Ok(Linked::Chain { param, ways })
}

fn reference(kind: &str, code: &str, one: One<'_>) -> Result<&'static Param, Issue> {
    let param = offered(kind, code, one)?;
    if param.kind == ParamKind::Reference {
        return Ok(param);
    }
    Err(one.bad(format!("`{kind}:{code}` is no reference")))
}
