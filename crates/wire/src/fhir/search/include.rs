//! Reads `_include` and `_revinclude` (R4 section 3.1.1.5.7), with `:iterate` and the wild card.

use super::super::issue::Issue;
use super::super::tables::{ParamKind, params, tables};
use super::Param;
use super::query::{Include, Query};
use super::read::{One, offered};

/// What stands after the `=`, taken apart.
struct Said<'a> {
    source: &'a str,
    code: &'a str,
    target: Option<&'a str>,
}

/// Reads one `_include` or `_revinclude` into the query.
pub(super) fn include(out: &mut Query, one: One<'_>) -> Result<(), Issue> {
    let iterate = match one.modifier {
        None => false,
        Some("iterate") => true,
        Some(other) => {
            return Err(one.not_offered(format!(
                "`:{other}` is not offered for `{}`; only `:iterate` is",
                one.base
            )));
        }
    };
    let said = said(&out.kind, one, iterate)?;
    let found = match said.code {
        "*" => every(&said),
        code => vec![reference(said.source, code, one)?],
    };
    let forward = one.base == "_include";
    fits(out, &said, one)?;
    let bring = |param: &'static Param| Include {
        source: said.source.to_owned(),
        param,
        target: said.target.map(str::to_owned),
        iterate,
    };
    // Of a wild card those references count that lead where they are wanted.
    let leads = |param: &&'static Param| match (forward, iterate) {
        (true, _) => said.target.is_none_or(|target| reaches(param, target)),
        (false, true) => true,
        (false, false) => reaches(param, &out.kind),
    };
    let found: Vec<Include> = found.into_iter().filter(leads).map(bring).collect();
    if found.is_empty() {
        return Err(one.bad(format!("`{}` leads nowhere", one.value)));
    }
    let list = if forward {
        &mut out.includes
    } else {
        &mut out.revincludes
    };
    for one in found {
        let alike = |other: &Include| {
            (
                &other.source,
                other.param.code,
                &other.target,
                other.iterate,
            ) == (&one.source, one.param.code, &one.target, one.iterate)
        };
        if !list.iter().any(alike) {
            list.push(one);
        }
    }
    Ok(())
}

fn said<'a>(kind: &'a str, one: One<'a>, iterate: bool) -> Result<Said<'a>, Issue> {
    if one.value == "*" {
        if one.base == "_include" && !iterate {
            return Ok(Said {
                source: kind,
                code: "*",
                target: None,
            });
        }
        return Err(one.not_offered(format!(
            "`*` alone would bring everything; say of which type, such as `{}=Observation:*`",
            one.name
        )));
    }
    let mut parts = one.value.split(':');
    let (source, code, target) = (parts.next().unwrap_or(""), parts.next(), parts.next());
    let Some(code) = code.filter(|code| !code.is_empty() && parts.next().is_none()) else {
        return Err(one.bad(format!(
            "`{}` is not of the form Type:parameter or Type:parameter:Target",
            one.value
        )));
    };
    if !tables().is_kind(source) || target.is_some_and(|t| !tables().is_kind(t)) {
        return Err(one.bad(format!("`{}` names no resource type of FHIR R4", one.value)));
    }
    Ok(Said {
        source,
        code,
        target,
    })
}

/// Every reference of the type that this server answers.
fn every(said: &Said<'_>) -> Vec<&'static Param> {
    let all = params(said.source).iter();
    all.filter(|param| param.kind == ParamKind::Reference && param.offered())
        .collect()
}

fn reference(source: &str, code: &str, one: One<'_>) -> Result<&'static Param, Issue> {
    let param = offered(source, code, one)?;
    match param.kind {
        ParamKind::Reference => Ok(param),
        _ => Err(one.bad(format!("`{source}:{code}` is no reference"))),
    }
}

/// Refuses what can bring nothing: it was meant otherwise. What is iterated may begin anywhere.
fn fits(out: &Query, said: &Said<'_>, one: One<'_>) -> Result<(), Issue> {
    let Said { source, target, .. } = *said;
    let iterate = one.modifier.is_some();
    if one.base == "_include" {
        if source != out.kind && !iterate {
            return Err(one.bad(format!(
                "the search is for `{}`, so nothing can be included by `{source}`",
                out.kind
            )));
        }
        return Ok(());
    }
    let param = super::param(source, said.code);
    let aims = target.is_none_or(|target| target == out.kind)
        && param.is_none_or(|param| reaches(param, &out.kind));
    if !aims && !iterate {
        return Err(one.bad(format!(
            "`{source}:{}` does not refer to `{}`",
            said.code, out.kind
        )));
    }
    Ok(())
}

fn reaches(param: &Param, kind: &str) -> bool {
    param.targets.is_empty() || param.targets.contains(&kind)
}
