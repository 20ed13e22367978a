//! From the pairs of a URL to a [`Query`]. What is not understood is refused, never left out.

use super::super::issue::{Code, Issue};
use super::super::tables::{ParamKind, kinds, param, tables};
use super::Param;
use super::include::include;
use super::linked::{is_linked, linked};
use super::query::{Filter, Modifier, Order, Query, QueryLimits, Sort, Total, Wanted};
use super::subset::Subset;
use super::wanted;

/// Parameters that R4 defines for every type and that this server does not offer.
const NOT_OFFERED: &[&str] = &["_list", "_text", "_content", "_query", "_score"];

/// What to do instead of some of those parameters.
const INSTEAD: &[(&str, &str)] = &[
    (
        "_filter",
        "`_filter` is not offered; use search parameters, chains and `_has`, which say most of what it can",
    ),
    (
        "_type",
        "`_type` belongs to a search over several types: `GET [base]?_type=Patient,Encounter`",
    ),
    (
        "_containedType",
        "`_containedType` is not offered: contained resources are found with those that contain them",
    ),
];

/// Reads a search of one type. The pairs are URL-decoded, in order; the name keeps its modifier
/// (`name:exact`). Absolute references to this server must be made relative before.
///
/// # Errors
/// An [`Issue`] naming the parameter that is unknown, not offered, or has a bad value.
pub fn query(kind: &str, pairs: &[(String, String)], limits: &QueryLimits) -> Result<Query, Issue> {
    if !tables().is_kind(kind) {
        return Err(Issue::error(
            Code::NotSupported,
            kind,
            format!("`{kind}` is no resource type of FHIR R4"),
        ));
    }
    if pairs.len() > limits.params_max {
        let words = format!(
            "{} parameters; at most {} are taken",
            pairs.len(),
            limits.params_max
        );
        return Err(Issue::error(Code::TooCostly, "", words));
    }
    let mut out = Query::new(kind);
    for (name, value) in pairs {
        let one = One::of(name, value);
        match one.base {
            "_count" | "_elements" | "_format" | "_page" | "_pretty" | "_sort" | "_summary"
            | "_total" => control(&mut out, one, limits)?,
            _ if is_linked(name) => out.linked.push(linked(kind, one, limits)?),
            "_include" | "_revinclude" => include(&mut out, one)?,
            "_contained" => contained(one)?,
            _ => out.filters.push(filter(kind, one, limits)?),
        }
        if one.base != "_page" {
            out.pairs.push((name.clone(), value.clone()));
        }
    }
    if out.subset == Subset::Count {
        (out.count, out.total) = (Some(0), Total::Accurate);
    }
    Ok(out)
}

/// One pair, its name taken apart.
#[derive(Clone, Copy)]
pub(super) struct One<'a> {
    pub(super) name: &'a str,
    pub(super) base: &'a str,
    pub(super) modifier: Option<&'a str>,
    pub(super) value: &'a str,
}

impl<'a> One<'a> {
    pub(super) fn of(name: &'a str, value: &'a str) -> One<'a> {
        let (base, modifier) = match name.split_once(':') {
            Some((base, modifier)) => (base, Some(modifier)),
            None => (name, None),
        };
        One {
            name,
            base,
            modifier,
            value,
        }
    }

    pub(super) fn bad(self, words: impl Into<String>) -> Issue {
        Issue::error(Code::Value, self.name, words)
    }

    pub(super) fn not_offered(self, words: impl Into<String>) -> Issue {
        Issue::error(Code::NotSupported, self.name, words)
    }
}

impl Query {
    /// A search of one type that asks for nothing else.
    #[must_use]
    pub fn new(kind: &str) -> Self {
        Self {
            kind: kind.to_owned(),
            filters: Vec::new(),
            linked: Vec::new(),
            sort: Vec::new(),
            count: None,
            includes: Vec::new(),
            revincludes: Vec::new(),
            total: Total::Unsaid,
            subset: Subset::Whole,
            page: None,
            pairs: Vec::new(),
        }
    }
}

fn control(out: &mut Query, one: One<'_>, limits: &QueryLimits) -> Result<(), Issue> {
    if let Some(modifier) = one.modifier {
        return Err(one.not_offered(format!(
            "`{}` takes no modifier, `:{modifier}` stands there",
            one.base
        )));
    }
    if out.pairs.iter().any(|(name, _)| name == one.name) {
        return Err(one.bad(format!("`{}` stands twice; keep one", one.name)));
    }
    match one.base {
        "_count" => {
            let words = || one.bad(format!("`{}` is not a whole number from 0 on", one.value));
            let count: usize = one.value.parse().map_err(|_| words())?;
            out.count = Some(count.min(limits.count_max));
        }
        "_sort" => out.sort = sort(&out.kind, one)?,
        "_total" => out.total = total(one)?,
        "_page" => out.page = Some(one.value.to_owned()),
        "_format" => format_is_json(one)?,
        "_elements" | "_summary" => subset(out, one)?,
        _ => {}
    }
    Ok(())
}

fn subset(out: &mut Query, one: One<'_>) -> Result<(), Issue> {
    if out.subset != Subset::Whole {
        return Err(one.bad("`_elements` and `_summary` exclude each other; keep one"));
    }
    out.subset = match one.base {
        "_elements" => Subset::elements(&out.kind, one.value)
            .map_err(|name| one.bad(format!("`{}` has no element `{name}`", out.kind)))?,
        _ => Subset::summary(one.value).ok_or_else(|| {
            one.bad(format!(
                "`{}` is none of true, text, data, count, false",
                one.value
            ))
        })?,
    };
    Ok(())
}

/// `_contained`: only what it is when nothing is said.
fn contained(one: One<'_>) -> Result<(), Issue> {
    match one.value {
        "false" if one.modifier.is_none() => Ok(()),
        _ => Err(one.not_offered(
            "contained resources are not searched by themselves; only `_contained=false` is offered",
        )),
    }
}

fn total(one: One<'_>) -> Result<Total, Issue> {
    match one.value {
        "none" => Ok(Total::Not),
        "estimate" => Ok(Total::Estimate),
        "accurate" => Ok(Total::Accurate),
        other => Err(one.bad(format!("`{other}` is none of none, estimate, accurate"))),
    }
}

fn format_is_json(one: One<'_>) -> Result<(), Issue> {
    // A plus sign that was not escaped in the URL has become a space.
    let value = one.value.replace(' ', "+");
    match value.split(';').next() {
        Some("json" | "application/json" | "application/fhir+json" | "text/json") => Ok(()),
        _ => Err(one.not_offered(format!(
            "`{}` is not spoken here; ask for application/fhir+json",
            one.value
        ))),
    }
}

fn sort(kind: &str, one: One<'_>) -> Result<Vec<Sort>, Issue> {
    let step = |word: &str| {
        let (code, order) = match word.strip_prefix('-') {
            Some(code) => (code, Order::Descending),
            None => (word, Order::Ascending),
        };
        let param = offered(kind, code, one)?;
        Ok(Sort { param, order })
    };
    one.value.split(',').map(step).collect()
}

/// The definition of a parameter that this server answers, or why not.
pub(super) fn offered(kind: &str, code: &str, one: One<'_>) -> Result<&'static Param, Issue> {
    if let Some((_, words)) = INSTEAD.iter().find(|(name, _)| *name == code) {
        return Err(one.not_offered(*words));
    }
    match param(kind, code) {
        Some(param) if param.offered() => Ok(param),
        Some(param) => Err(one.not_offered(format!(
            "`{code}` ({}) is not offered here",
            param.kind.as_str()
        ))),
        None if NOT_OFFERED.contains(&code) => {
            Err(one.not_offered(format!("`{code}` is not offered here")))
        }
        None => Err(one.not_offered(format!("`{kind}` has no search parameter `{code}`"))),
    }
}

pub(super) fn filter(kind: &str, one: One<'_>, limits: &QueryLimits) -> Result<Filter, Issue> {
    let param = offered(kind, one.base, one)?;
    if one.value.is_empty() {
        return Err(one.bad(format!(
            "`{}` has no value; leave it out or give one",
            one.name
        )));
    }
    let (modifier, target) = modifier(param, one)?;
    if matches!(modifier, Modifier::Missing | Modifier::Present) {
        return Ok(Filter {
            param,
            modifier,
            values: Vec::new(),
        });
    }
    let parts = wanted::split(one.value, ',');
    if parts.len() > limits.values_max {
        let words = format!(
            "{} values; at most {} are taken",
            parts.len(),
            limits.values_max
        );
        return Err(Issue::error(Code::TooCostly, one.name, words));
    }
    let read = |part: &&str| -> Result<Wanted, Issue> {
        wanted::read(param, modifier, target.as_deref(), part).ok_or_else(|| {
            one.bad(format!(
                "`{part}` is no {} that `{}` can be compared with",
                param.kind.as_str(),
                one.base
            ))
        })
    };
    let refers = param.kind == ParamKind::Reference && modifier == Modifier::Plain;
    let mut values = Vec::with_capacity(parts.len());
    for part in &parts {
        let own = limits.own(part).filter(|_| refers);
        if let Some(own) = own {
            values.push(read(&own)?);
        }
        // A canonical address under it is kept as it is; there is none of a patient.
        if own.is_none_or(|own| !own.starts_with("Patient/")) {
            values.push(read(part)?);
        }
    }
    Ok(Filter {
        param,
        modifier,
        values,
    })
}

/// What stands behind the colon, and the type when it is one (`subject:Patient`).
fn modifier(param: &Param, one: One<'_>) -> Result<(Modifier, Option<String>), Issue> {
    let Some(word) = one.modifier else {
        return Ok((Modifier::Plain, None));
    };
    let found = match (word, param.kind) {
        ("missing", _) => match one.value {
            "true" => Modifier::Missing,
            "false" => Modifier::Present,
            other => return Err(one.bad(format!("`{other}` is neither true nor false"))),
        },
        ("exact", ParamKind::String) => Modifier::Exact,
        ("contains", ParamKind::String) => Modifier::Contains,
        ("not", ParamKind::Token) => Modifier::Not,
        ("text", ParamKind::Token) => Modifier::Text,
        ("of-type", ParamKind::Token) if one.base == "identifier" => Modifier::OfType,
        ("identifier", ParamKind::Reference) => Modifier::Identifier,
        ("below", ParamKind::Uri) => Modifier::Below,
        ("above", ParamKind::Uri) => Modifier::Above,
        (kind, ParamKind::Reference) if kinds().contains(&kind) => {
            return Ok((Modifier::Plain, Some(kind.to_owned())));
        }
        _ => {
            let words = format!(
                "`:{word}` is not offered for `{}` ({})",
                one.base,
                param.kind.as_str()
            );
            return Err(one.not_offered(words));
        }
    };
    Ok((found, None))
}
