//! What policies ask about how much was taken.
//!
//! The counts change from question to question, and policies only compare them. Where every policy does, what they
//! say is the same as long as every comparison comes out the same.

use cedar_policy::Policy;
use event::Taking;
use serde_json::Value;

/// The comparisons of counts that policies make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Counts {
    /// These, and whether something is new.
    Compared(Vec<Comparison>),
    /// Something else is done with them as well.
    Otherwise,
}

/// `left OPERATOR right`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Comparison {
    operator: Operator,
    left: Number,
    right: Number,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equal,
    Unequal,
    Less,
    AtMost,
    More,
    AtLeast,
}

/// A number made of counts and of what stands in the policy.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Number {
    Literal(i64),
    Count(Count),
    Sum(Box<(Number, Number)>),
    Difference(Box<(Number, Number)>),
    Product(Box<(Number, Number)>),
    Negative(Box<Number>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Count {
    Hour,
    Day,
    CeilingHour,
    CeilingDay,
}

impl Counts {
    /// What these policies compare.
    pub(crate) fn of<'p>(policies: impl Iterator<Item = &'p Policy>) -> Counts {
        let mut found = Vec::new();
        for policy in policies {
            // A policy that cannot be looked at may do anything.
            let looked = policy.to_json().is_ok_and(|json| {
                let conditions = json.get("conditions").and_then(Value::as_array);
                let mut conditions = conditions.into_iter().flatten();
                let body = |one: &Value| look(one.get("body")?, &mut found);
                conditions.try_for_each(body).is_some()
            });
            if !looked {
                return Counts::Otherwise;
            }
        }
        Counts::Compared(found)
    }

    /// How every comparison comes out; `None` if that cannot be said.
    pub(crate) fn outcomes(&self, taking: &Taking) -> Option<Vec<bool>> {
        match self {
            Counts::Compared(all) => all.iter().map(|one| one.outcome(taking)).collect(),
            Counts::Otherwise => None,
        }
    }
}

/// Finds the comparisons in an expression; `None` if it does something else with counts, or cannot be understood.
///
/// INVARIANT: what is given is an expression (Cedar's JSON: an object with one member, the operator) and never what
/// stands within one, such as the fields of a record, which may be called like an operator.
fn look(expression: &Value, found: &mut Vec<Comparison>) -> Option<()> {
    if let Some(comparison) = Comparison::read(expression) {
        if !found.contains(&comparison) {
            found.push(comparison);
        }
        return Some(());
    }
    if let Some((of, name)) = attribute(expression) {
        if is_taking(of) && name == "new" {
            return Some(());
        }
        if is_context(of) {
            return (name != "taking").then_some(());
        }
    }
    let mut operators = expression.as_object()?.iter();
    let ((operator, operands), None) = (operators.next()?, operators.next()) else {
        return None;
    };
    match (operator.as_str(), operands) {
        ("Value", _) => Some(()),
        ("Var", variable) => (variable != "context").then_some(()),
        ("Record", Value::Object(fields)) => fields.values().try_for_each(|one| look(one, found)),
        // The pattern is a text in pieces.
        ("like", _) => look(operands.get("left")?, found),
        ("Slot" | "Unknown", _) => None,
        (_, Value::Array(several)) => several.iter().try_for_each(|one| look(one, found)),
        (_, Value::Object(named)) => named.values().try_for_each(|one| match one {
            // The name of an attribute or a type.
            Value::String(_) => Some(()),
            one => look(one, found),
        }),
        _ => None,
    }
}

fn is_context(expression: &Value) -> bool {
    expression.get("Var").and_then(Value::as_str) == Some("context")
}

fn is_taking(expression: &Value) -> bool {
    attribute(expression).is_some_and(|(of, name)| is_context(of) && name == "taking")
}

/// `left.name`.
fn attribute(expression: &Value) -> Option<(&Value, &str)> {
    let access = expression.get(".")?;
    Some((access.get("left")?, access.get("attr")?.as_str()?))
}

fn sides<'e>(expression: &'e Value, operator: &str) -> Option<(&'e Value, &'e Value)> {
    let sides = expression.get(operator)?;
    Some((sides.get("left")?, sides.get("right")?))
}

impl Comparison {
    fn read(expression: &Value) -> Option<Comparison> {
        let operators = [
            ("==", Operator::Equal),
            ("!=", Operator::Unequal),
            ("<", Operator::Less),
            ("<=", Operator::AtMost),
            (">", Operator::More),
            (">=", Operator::AtLeast),
        ];
        operators.into_iter().find_map(|(word, operator)| {
            let (left, right) = sides(expression, word)?;
            Some(Comparison {
                operator,
                left: Number::read(left)?,
                right: Number::read(right)?,
            })
        })
    }

    fn outcome(&self, taking: &Taking) -> Option<bool> {
        let (left, right) = (self.left.value(taking)?, self.right.value(taking)?);
        Some(match self.operator {
            Operator::Equal => left == right,
            Operator::Unequal => left != right,
            Operator::Less => left < right,
            Operator::AtMost => left <= right,
            Operator::More => left > right,
            Operator::AtLeast => left >= right,
        })
    }
}

impl Number {
    fn read(expression: &Value) -> Option<Number> {
        if let Some(number) = expression.get("Value") {
            return number.as_i64().map(Number::Literal);
        }
        if let Some((of, name)) = attribute(expression) {
            return is_taking(of)
                .then(|| Count::read(name).map(Number::Count))
                .flatten();
        }
        if let Some(negative) = expression.pointer("/neg/arg") {
            return Some(Number::Negative(Box::new(Number::read(negative)?)));
        }
        let both = |operator| {
            let (left, right) = sides(expression, operator)?;
            Some(Box::new((Number::read(left)?, Number::read(right)?)))
        };
        let sum = || both("+").map(Number::Sum);
        let difference = || both("-").map(Number::Difference);
        let product = || both("*").map(Number::Product);
        sum().or_else(difference).or_else(product)
    }

    /// `None` where Cedar says that it is too large.
    fn value(&self, taking: &Taking) -> Option<i64> {
        let both =
            |sides: &(Number, Number)| Some((sides.0.value(taking)?, sides.1.value(taking)?));
        match self {
            Number::Literal(number) => Some(*number),
            Number::Count(count) => Some(i64::from(count.of(taking))),
            Number::Sum(sides) => both(sides).and_then(|(a, b)| a.checked_add(b)),
            Number::Difference(sides) => both(sides).and_then(|(a, b)| a.checked_sub(b)),
            Number::Product(sides) => both(sides).and_then(|(a, b)| a.checked_mul(b)),
            Number::Negative(number) => number.value(taking)?.checked_neg(),
        }
    }
}

impl Count {
    fn read(name: &str) -> Option<Count> {
        match name {
            "hour" => Some(Count::Hour),
            "day" => Some(Count::Day),
            "ceiling_hour" => Some(Count::CeilingHour),
            "ceiling_day" => Some(Count::CeilingDay),
            _ => None,
        }
    }

    const fn of(self, taking: &Taking) -> u32 {
        match self {
            Count::Hour => taking.patients_hour,
            Count::Day => taking.patients_day,
            Count::CeilingHour => taking.ceiling_hour,
            Count::CeilingDay => taking.ceiling_day,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(condition: &str) -> Counts {
        let policy = format!("permit (principal, action, resource) when {{ {condition} }};");
        Counts::of([&Policy::parse(None, policy).unwrap()].into_iter())
    }

    fn outcomes(condition: &str) -> Option<Vec<bool>> {
        let taking = Taking {
            patients_hour: 5,
            patients_day: 40,
            ceiling_hour: 20,
            ceiling_day: 40,
            new_patient: true,
        };
        counts(condition).outcomes(&taking)
    }

    #[test]
    fn comparisons_of_counts_are_found_wherever_they_stand() {
        for without in [
            "context.purpose == \"TREAT\"",
            "resource.labels.contains(\"taking\") && context.purpose like \"T*\" && resource is Patient in Ward::\"W3\"",
            "ip(\"10.0.0.1\").isLoopback() || principal has wards || {Value: 1}.Value == resource.age",
            "context.taking.new",
        ] {
            assert_eq!(outcomes(without), Some(vec![]), "{without}");
        }
        let several = "context.taking.new && (context.taking.hour >= context.taking.ceiling_hour || \
                       !(context.taking.day < 2 * context.taking.ceiling_day))";
        assert_eq!(outcomes(several), Some(vec![false, true]));
        let alike = "if context.taking.day == 40 then context.taking.day == 40 else -context.taking.hour > 1 - 7";
        assert_eq!(outcomes(alike), Some(vec![true, true]));
        assert_eq!(
            outcomes("context.taking.hour + 9223372036854775807 > 1"),
            None
        );
    }

    #[test]
    fn whatever_else_is_done_with_them_is_noticed() {
        for other in [
            "context.taking == {hour: 1, day: 2, ceiling_hour: 3, ceiling_day: 4, new: true}",
            "context has taking",
            "context.taking has hour",
            "[1, 2].contains(context.taking.hour)",
            "context.taking.hour == context.count",
            "context[\"taking\"] == resource.taking",
            "{a: context}.a.taking.hour > 1",
            "(if principal == resource then context else context).taking.hour > 1",
            "context.taking.other > 1",
            "{Value: context.taking.hour}.Value > 1",
            "{Value: context}.Value.taking.hour > 1",
            "{Value: context.taking} == {Value: resource.taking}",
            "[{Var: context.taking.hour}].contains({Var: 1})",
            "{\"like\": {left: 1, right: context.taking.hour}}[\"like\"].right > 1",
            "if context.taking.hour.isEmpty() then true else false",
        ] {
            assert_eq!(counts(other), Counts::Otherwise, "{other}");
        }
    }
}
