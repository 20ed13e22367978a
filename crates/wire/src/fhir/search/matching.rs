//! The exact meaning of a filter on a resource.

use serde_json::Value;

use super::super::path::Item;
use super::super::tables::{Param, ParamKind};
use super::date::Span;
use super::query::{Filter, Modifier, Prefix, Wanted};
use super::terms::{TermValue, items, within};
use super::text::fold;
use super::value;

/// True when the resource answers the filter. For `_lastUpdated` the resource must carry its
/// `meta` (see [`super::super::stamp`]).
#[must_use]
pub fn matches(resource: &Value, filter: &Filter) -> bool {
    let items = items(resource, filter.param);
    let (param, modifier) = (filter.param, filter.modifier);
    let hits = |item: &Item<'_>, wanted: &Wanted| match wanted {
        Wanted::Composite(wanted) => together(item, wanted, param, resource),
        wanted => hit(item, wanted, (param.kind, modifier), resource),
    };
    let any = || {
        let mut items = items.iter();
        items.any(|item| filter.values.iter().any(|wanted| hits(item, wanted)))
    };
    match filter.modifier {
        Modifier::Missing => items.is_empty(),
        Modifier::Present => !items.is_empty(),
        Modifier::Not => !any(),
        _ => any(),
    }
}

/// Whether every part of a composite is there in one of its places (R4 section 3.1.1.4.12).
fn together(place: &Item<'_>, wanted: &[Wanted], param: &Param, root: &Value) -> bool {
    let mut both = param.parts.iter().zip(wanted);
    both.all(|(part, wanted)| {
        let mut there = within(root, part, place).into_iter();
        there.any(|item| hit(&item, wanted, (part.kind, Modifier::Plain), root))
    })
}

type How = (ParamKind, Modifier);

fn hit(item: &Item<'_>, wanted: &Wanted, (kind, modifier): How, root: &Value) -> bool {
    if modifier == Modifier::Text {
        let Wanted::Text(text) = wanted else {
            return false;
        };
        let mut words = value::words(item).into_iter();
        return words.any(|there| text_hit(&there, text, Modifier::Contains));
    }
    if modifier == Modifier::OfType {
        let Wanted::Typed {
            system,
            code,
            value,
        } = wanted
        else {
            return false;
        };
        return value::is_of_type(item, (system.as_deref(), code, value));
    }
    if let Wanted::Text(text) = wanted {
        return value::texts(item)
            .iter()
            .any(|there| text_hit(there, text, modifier));
    }
    if modifier == Modifier::Identifier {
        return value::identifier(item).is_some_and(|term| term_hit(&term, wanted, modifier));
    }
    if let Wanted::Token {
        code: Some(code), ..
    } = wanted
    {
        let bare = value::is_bare(item);
        let terms = value::terms(kind, item, root);
        return terms.iter().any(|term| match term {
            TermValue::Token { code: there, .. } if bare => there == code,
            term => term_hit(term, wanted, modifier),
        });
    }
    let terms = value::terms(kind, item, root);
    terms.iter().any(|term| term_hit(term, wanted, modifier))
}

fn text_hit(there: &str, wanted: &str, modifier: Modifier) -> bool {
    match modifier {
        Modifier::Exact => there == wanted,
        Modifier::Contains => fold(there).contains(&fold(wanted)),
        _ => fold(there).starts_with(&fold(wanted)),
    }
}

fn term_hit(term: &TermValue, wanted: &Wanted, modifier: Modifier) -> bool {
    match (term, wanted) {
        (
            TermValue::Token { system, code },
            Wanted::Token {
                system: want,
                code: want_code,
            },
        ) => {
            let system_fits = match want.as_deref() {
                None => true,
                Some("") => system.is_none(),
                Some(want) => system.as_deref() == Some(want),
            };
            system_fits && want_code.as_ref().is_none_or(|want| want == code)
        }
        (TermValue::Span { lo_ms, hi_ms }, Wanted::Date { prefix, span }) => span_hit(
            Span {
                lo_ms: *lo_ms,
                hi_ms: *hi_ms,
            },
            *prefix,
            *span,
        ),
        (TermValue::Reference(there), Wanted::Reference { kind, id }) => {
            reference_hit(there, kind.as_deref(), id)
        }
        (
            TermValue::Quantity {
                value,
                system,
                code,
            },
            Wanted::Quantity {
                system: s, code: c, ..
            },
        ) => {
            let unit_fits = s.as_ref().is_none_or(|s| system.as_ref() == Some(s))
                && c.as_ref().is_none_or(|c| code.as_ref() == Some(c));
            unit_fits && number_hit(*value, wanted)
        }
        (TermValue::Number(value), Wanted::Quantity { .. }) => number_hit(*value, wanted),
        (TermValue::Uri(there), Wanted::Uri(want)) => match modifier {
            Modifier::Below => there.starts_with(want.as_str()),
            Modifier::Above => want.starts_with(there.as_str()),
            _ => there == want,
        },
        _ => false,
    }
}

/// R4 section 3.1.1.4.4: both sides are stretches of time.
fn span_hit(there: Span, prefix: Prefix, want: Span) -> bool {
    let within = want.lo_ms <= there.lo_ms && there.hi_ms <= want.hi_ms;
    let (above, below) = (there.hi_ms > want.hi_ms, there.lo_ms < want.lo_ms);
    match prefix {
        Prefix::Eq => within,
        Prefix::Ne => !within,
        Prefix::Gt => above,
        Prefix::Lt => below,
        Prefix::Ge => above || within,
        Prefix::Le => below || within,
        Prefix::Sa => there.lo_ms >= want.hi_ms,
        Prefix::Eb => there.hi_ms <= want.lo_ms,
        Prefix::Ap => about(there, want),
    }
}

/// Within one width of what was asked: a day around a day, a year around a year.
fn about(there: Span, want: Span) -> bool {
    let width = want.hi_ms - want.lo_ms;
    there.lo_ms < want.hi_ms + width && there.hi_ms > want.lo_ms - width
}

fn number_hit(there: f64, wanted: &Wanted) -> bool {
    let Wanted::Quantity {
        prefix,
        lo,
        value,
        hi,
        ..
    } = wanted
    else {
        return false;
    };
    // With more digits than a float holds, the reach is empty and only the number itself is left.
    let within = (*lo <= there && there < *hi) || there == *value;
    match prefix {
        Prefix::Eq => within,
        Prefix::Ne => !within,
        Prefix::Gt | Prefix::Sa => there > *value,
        Prefix::Lt | Prefix::Eb => there < *value,
        Prefix::Ge => there >= *value,
        Prefix::Le => there <= *value,
        Prefix::Ap => (there - value).abs() <= value.abs() / 10.0,
    }
}

fn reference_hit(there: &str, kind: Option<&str>, id: &str) -> bool {
    match (kind, there.rsplit_once('/')) {
        (Some(kind), Some((before, last))) => before == kind && last == id,
        (None, Some((before, last))) if !id.contains('/') => last == id && !before.contains('/'),
        // A canonical may carry a version that was not asked for.
        _ => there
            .strip_prefix(id)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('|')),
    }
}
