//! Text to [`Expr`]: a small precedence climber.

use super::{Call, Expr, Op};

const UCUM: &str = "http://unitsofmeasure.org";

/// Reads one expression of the table; `None` when it uses something this evaluator does not have.
pub(in super::super) fn parse(text: &'static str) -> Option<Expr> {
    let mut reader = Reader { rest: text };
    let expr = reader.binary(0)?;
    reader.space();
    reader.rest.is_empty().then_some(expr)
}

struct Reader {
    rest: &'static str,
}

/// Spelling, how tightly it binds, meaning. Longer spellings stand before their beginnings.
const OPS: &[(&str, u8, Op)] = &[
    ("implies", 1, Op::Implies),
    ("or", 2, Op::Or),
    ("xor", 2, Op::Xor),
    ("and", 3, Op::And),
    ("in", 4, Op::In),
    ("=", 5, Op::Equal),
    ("!=", 5, Op::Unequal),
    ("<=", 6, Op::LessOrEqual),
    (">=", 6, Op::MoreOrEqual),
    ("<", 6, Op::Less),
    (">", 6, Op::More),
    ("|", 7, Op::Union),
    ("+", 9, Op::Plus),
    ("&", 9, Op::Join),
];
/// `is` and `as` bind between the comparisons and `+`.
const TYPE_LEVEL: u8 = 8;

impl Reader {
    fn space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn eat(&mut self, token: &str) -> bool {
        self.space();
        let Some(rest) = self.rest.strip_prefix(token) else {
            return false;
        };
        let word = token.ends_with(|c: char| c.is_ascii_alphabetic());
        if word && rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_') {
            return false;
        }
        self.rest = rest;
        true
    }

    fn binary(&mut self, floor: u8) -> Option<Expr> {
        let mut left = self.postfix()?;
        loop {
            if floor <= TYPE_LEVEL && self.eat("is") {
                left = Expr::Is(Box::new(left), self.name()?);
            } else if floor <= TYPE_LEVEL && self.eat("as") {
                left = Expr::As(Box::new(left), self.name()?);
            } else if let Some((level, op)) = self.operator(floor) {
                let right = self.binary(level + 1)?;
                left = Expr::Binary(op, Box::new(left), Box::new(right));
            } else {
                return Some(left);
            }
        }
    }

    fn operator(&mut self, floor: u8) -> Option<(u8, Op)> {
        OPS.iter()
            .filter(|(_, level, _)| *level >= floor)
            .find(|(token, ..)| self.eat(token))
            .map(|(_, level, op)| (*level, *op))
    }

    fn postfix(&mut self) -> Option<Expr> {
        let mut left = self.primary()?;
        loop {
            if self.eat(".") {
                let name = self.name()?;
                left = self.member(left, name)?;
            } else if self.eat("[") {
                let at = self.digits()?.parse().ok()?;
                left = Expr::Index(Box::new(left), at);
                self.eat("]").then_some(())?;
            } else {
                return Some(left);
            }
        }
    }

    fn primary(&mut self) -> Option<Expr> {
        self.space();
        if self.eat("(") {
            let inner = self.binary(0)?;
            return self.eat(")").then_some(inner);
        }
        if let Some(rest) = self.rest.strip_prefix('\'') {
            let (text, rest) = rest.split_once('\'')?;
            self.rest = rest;
            return Some(Expr::Text(text));
        }
        if self.rest.starts_with(|c: char| c.is_ascii_digit()) {
            return Some(Expr::Number(self.digits()?.parse().ok()?));
        }
        for (token, expr) in [
            ("$this", Expr::This),
            ("%resource", Expr::Resource),
            ("%ucum", Expr::Text(UCUM)),
            ("true", Expr::Bool(true)),
            ("false", Expr::Bool(false)),
        ] {
            if self.eat(token) {
                return Some(expr);
            }
        }
        let name = self.name()?;
        self.member(Expr::This, name)
    }

    fn member(&mut self, left: Expr, name: &'static str) -> Option<Expr> {
        if !self.rest.starts_with('(') {
            return Some(Expr::Member(Box::new(left), name));
        }
        self.eat("(");
        if matches!(name, "as" | "ofType" | "is") {
            let kind = self.name()?;
            self.eat(")").then_some(())?;
            let left = Box::new(left);
            return Some(if name == "is" {
                Expr::Is(left, kind)
            } else {
                Expr::As(left, kind)
            });
        }
        let mut argument = None;
        if !self.eat(")") {
            argument = Some(Box::new(self.binary(0)?));
            while self.eat(",") {
                self.binary(0)?;
            }
            self.eat(")").then_some(())?;
        }
        Some(Expr::Call(Box::new(left), call(name)?, argument))
    }

    fn name(&mut self) -> Option<&'static str> {
        self.space();
        let end = self
            .rest
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest;
        (!name.is_empty()).then_some(name)
    }

    fn digits(&mut self) -> Option<&'static str> {
        self.name()
    }
}

fn call(name: &str) -> Option<Call> {
    Some(match name {
        "exists" => Call::Exists,
        "empty" => Call::Empty,
        "not" => Call::Not,
        "where" => Call::Where,
        "all" => Call::All,
        "count" => Call::Count,
        "hasValue" => Call::HasValue,
        "first" => Call::First,
        "resolve" => Call::Resolve,
        "select" => Call::Select,
        "isDistinct" => Call::IsDistinct,
        "startsWith" => Call::StartsWith,
        "contains" => Call::Contains,
        "intersect" => Call::Intersect,
        // A debugging aid of the definitions' authors: it changes nothing.
        "trace" => Call::Same,
        _ => return None,
    })
}
