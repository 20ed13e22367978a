//! What an [`Expr`] means on a resource.

use std::borrow::Cow;
use std::collections::HashSet;

use serde_json::{Map, Value};

use super::super::refs::{self, Target};
use super::super::tables::{Primitive, Structure, Tables, Type};
use super::compare::{both, compare, either, equal, implies, number, same, text, truth};
use super::{Call, Expr, Op};

/// One thing an expression yields.
#[derive(Debug, Clone)]
pub(in super::super) enum Item<'a> {
    /// A place in the resource and its type.
    Node(&'a Value, Type),
    /// What a reference points to: only its type is known.
    Target(&'a str),
    /// Text made on the way.
    Text(Cow<'a, str>),
    /// A number made on the way.
    Number(f64),
    /// A truth value made on the way.
    Bool(bool),
}

/// Where an expression is evaluated.
#[derive(Clone, Copy)]
pub(in super::super) struct Scope<'a> {
    /// The definitions.
    pub(in super::super) tables: &'static Tables,
    /// The resource the place is in, `%resource`.
    pub(in super::super) resource: &'a Value,
    /// The resource that holds `contained`: the same, or the one around it.
    pub(in super::super) root: &'a Value,
}

type Items<'a> = Vec<Item<'a>>;

/// All that the expression yields, starting from one place.
pub(in super::super) fn evaluate<'a>(expr: &Expr, scope: Scope<'a>, this: &Item<'a>) -> Items<'a> {
    match expr {
        Expr::This => vec![this.clone()],
        Expr::Resource => vec![Item::Node(scope.resource, Type::Resource)],
        Expr::Text(text) => vec![Item::Text(Cow::Borrowed(text))],
        Expr::Number(n) => vec![Item::Number(*n)],
        Expr::Bool(b) => vec![Item::Bool(*b)],
        Expr::Member(of, name) => member(of, name, scope, this),
        Expr::Index(of, at) => evaluate(of, scope, this)
            .into_iter()
            .nth(*at)
            .into_iter()
            .collect(),
        Expr::As(of, kind) => {
            let all = evaluate(of, scope, this).into_iter();
            all.filter(|item| is_kind(item, kind, scope.tables))
                .collect()
        }
        Expr::Is(of, kind) => {
            let first = evaluate(of, scope, this).into_iter().next();
            first
                .map(|item| Item::Bool(is_kind(&item, kind, scope.tables)))
                .into_iter()
                .collect()
        }
        Expr::Call(of, call, argument) => apply(*call, evaluate(of, scope, this), &|item| {
            argument
                .as_ref()
                .map_or_else(Vec::new, |a| evaluate(a, scope, item))
        })
        .unwrap_or_else(|items| resolve(items, scope)),
        Expr::Binary(op, left, right) => binary(*op, (left, right), scope, this),
    }
}

/// True when the rule holds at this place, or says nothing about it.
pub(in super::super) fn holds<'a>(expr: &Expr, scope: Scope<'a>, this: &Item<'a>) -> bool {
    truth(&evaluate(expr, scope, this)) != Some(false)
}

fn member<'a>(of: &Expr, name: &'static str, scope: Scope<'a>, this: &Item<'a>) -> Items<'a> {
    let mut out = Vec::new();
    for item in evaluate(of, scope, this) {
        let Item::Node(Value::Object(map), kind) = &item else {
            continue;
        };
        let Some(structure) = structure_of(map, *kind, scope.tables) else {
            continue;
        };
        if structure.path == name && matches!(of, Expr::This) {
            out.push(item);
        } else {
            children(map, structure, name, &mut out);
        }
    }
    out
}

/// The structure by which an object is read.
pub(in super::super) fn structure_of<'t>(
    map: &Map<String, Value>,
    kind: Type,
    tables: &'t Tables,
) -> Option<&'t Structure> {
    match kind {
        Type::Structure(at) | Type::Reference(at) => tables.structure(at),
        Type::Resource => tables
            .named(map.get("resourceType")?.as_str()?)
            .map(|(_, s)| s),
        Type::Primitive(_) => None,
    }
}

fn children<'a>(
    map: &'a Map<String, Value>,
    structure: &Structure,
    name: &str,
    out: &mut Items<'a>,
) {
    let Some((place, element)) = structure.element(name) else {
        return;
    };
    if element.choice {
        // The type is in the key, and the keys there are fewer than the types it may have.
        for (key, value) in map {
            let slot = structure.slot(key.strip_prefix('_').unwrap_or(key));
            let beside = key
                .strip_prefix('_')
                .is_some_and(|bare| map.contains_key(bare));
            let here = slot.filter(|s| s.element == place && !beside);
            here.into_iter().for_each(|s| push(value, s.kind, out));
        }
        return;
    }
    let Some((key, kind)) = element.types.first() else {
        return;
    };
    if let Some(value) = map.get(&**key) {
        push(value, *kind, out);
    } else if matches!(kind, Type::Primitive(_)) && map.keys().any(|k| k.starts_with('_')) {
        // Only extensions stand in place of the value: it exists, but has no value.
        let sibling = map.get(&format!("_{key}"));
        sibling
            .into_iter()
            .for_each(|value| push(value, *kind, out));
    }
}

fn push<'a>(value: &'a Value, kind: Type, out: &mut Items<'a>) {
    match value {
        Value::Array(list) => {
            let there = list.iter().filter(|v| !v.is_null());
            out.extend(there.map(|v| Item::Node(v, kind)));
        }
        Value::Null => {}
        value => out.push(Item::Node(value, kind)),
    }
}

fn is_kind(item: &Item<'_>, kind: &str, tables: &Tables) -> bool {
    match item {
        Item::Target(name) => *name == kind,
        Item::Node(Value::Object(map), Type::Resource) => {
            map.get("resourceType").and_then(Value::as_str) == Some(kind)
        }
        Item::Node(_, Type::Structure(at) | Type::Reference(at)) => {
            tables.structure(*at).is_some_and(|s| s.path == kind)
        }
        Item::Node(_, Type::Primitive(p)) => is_primitive(*p, kind),
        Item::Node(_, Type::Resource) => false,
        Item::Bool(_) => kind.eq_ignore_ascii_case("boolean"),
        Item::Text(_) => kind.eq_ignore_ascii_case("string"),
        Item::Number(_) => kind.eq_ignore_ascii_case("decimal"),
    }
}

/// The definitions write both `string` and `String`.
fn is_primitive(primitive: Primitive, kind: &str) -> bool {
    primitive.name().eq_ignore_ascii_case(kind)
}

/// Everything but `resolve`, for which the items come back as the error.
fn apply<'a>(
    call: Call,
    items: Items<'a>,
    argument: &dyn Fn(&Item<'a>) -> Items<'a>,
) -> Result<Items<'a>, Items<'a>> {
    let chosen = |item: &Item<'a>| truth(&argument(item)) == Some(true);
    let first_text = |items: &Items<'a>| items.first().and_then(text).map(Cow::into_owned);
    let yes = |b: bool| vec![Item::Bool(b)];
    Ok(match call {
        Call::Exists => yes(!items.is_empty()),
        Call::Empty => yes(items.is_empty()),
        Call::Not => truth(&items).map(|b| yes(!b)).unwrap_or_default(),
        Call::Where => items.into_iter().filter(|i| chosen(i)).collect(),
        Call::All => yes(items.iter().all(|i| truth(&argument(i)) != Some(false))),
        Call::Count => vec![Item::Number(items.len() as f64)],
        Call::HasValue => yes(items.len() == 1 && items.iter().all(has_value)),
        Call::First => items.into_iter().take(1).collect(),
        Call::Select => items.iter().flat_map(argument).collect(),
        Call::IsDistinct => yes(is_distinct(&items)),
        Call::StartsWith | Call::Contains => {
            let Some(whole) = first_text(&items) else {
                return Ok(Vec::new());
            };
            let part = items
                .first()
                .map(argument)
                .and_then(|a| first_text(&a))
                .unwrap_or_default();
            let starts = call == Call::StartsWith;
            yes(if starts {
                whole.starts_with(&part)
            } else {
                whole.contains(&part)
            })
        }
        Call::Intersect => {
            let other = items.first().map(argument).unwrap_or_default();
            items
                .into_iter()
                .filter(|i| other.iter().any(|o| equal(i, o)))
                .collect()
        }
        Call::Same => items,
        Call::Resolve => return Err(items),
    })
}

fn resolve<'a>(items: Items<'a>, scope: Scope<'a>) -> Items<'a> {
    let reference = |item: Item<'a>| match item {
        Item::Node(value, Type::Reference(_)) => refs::target(value, scope.root).and_then(kind_of),
        _ => None,
    };
    items
        .into_iter()
        .filter_map(reference)
        .map(Item::Target)
        .collect()
}

fn kind_of(target: Target<'_>) -> Option<&str> {
    match target {
        Target::Typed { kind, .. } => Some(kind),
        Target::Contained(resource) => resource.get("resourceType").and_then(Value::as_str),
        Target::Unknown => None,
    }
}

fn is_distinct(items: &Items<'_>) -> bool {
    let mut seen = HashSet::new();
    items.iter().all(|item| match item {
        Item::Node(value, _) => seen.insert(value.to_string()),
        Item::Text(text) => seen.insert(Value::from(text.as_ref()).to_string()),
        other => seen.insert(format!("{other:?}")),
    })
}

fn has_value(item: &Item<'_>) -> bool {
    !matches!(item, Item::Node(Value::Object(_) | Value::Array(_), _))
}

fn binary<'a>(
    op: Op,
    (left, right): (&Expr, &Expr),
    scope: Scope<'a>,
    this: &Item<'a>,
) -> Items<'a> {
    let left = evaluate(left, scope, this);
    if matches!((op, truth(&left)), (Op::Implies | Op::And, Some(false))) {
        return vec![Item::Bool(op == Op::Implies)];
    }
    if op == Op::Or && truth(&left) == Some(true) {
        return vec![Item::Bool(true)];
    }
    let mut right = evaluate(right, scope, this);
    let said = match op {
        Op::Union => {
            let mut all = left;
            all.append(&mut right);
            return all;
        }
        Op::Join => {
            let join = |items: &Items<'a>| items.first().and_then(text).unwrap_or_default();
            return vec![Item::Text(Cow::Owned(format!(
                "{}\u{0}{}",
                join(&left),
                join(&right)
            )))];
        }
        Op::Plus => {
            let sum = number(left.first())
                .zip(number(right.first()))
                .map(|(a, b)| a + b);
            return sum.map(Item::Number).into_iter().collect();
        }
        Op::Implies => implies(truth(&left), truth(&right)),
        Op::Or => either(truth(&left), truth(&right)),
        Op::And => both(truth(&left), truth(&right)),
        Op::Xor => truth(&left).zip(truth(&right)).map(|(a, b)| a != b),
        Op::In => left.first().map(|l| right.iter().any(|r| equal(l, r))),
        Op::Equal => same(&left, &right),
        Op::Unequal => same(&left, &right).map(|b| !b),
        Op::Less | Op::LessOrEqual | Op::More | Op::MoreOrEqual => compare(op, &left, &right),
    };
    said.map(Item::Bool).into_iter().collect()
}
