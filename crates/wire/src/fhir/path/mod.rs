//! The part of FHIRPath that the R4 definitions themselves use: search parameters and rules.
//!
//! It walks plain JSON with the table's types beside it, so that `value as Quantity` finds
//! `valueQuantity`. Functions it does not have are not in the table (tools/fhir-tables.py leaves
//! such rules out), and a test reads every expression of the table.

mod compare;
mod eval;
mod parse;

pub(super) use eval::{Item, Scope, evaluate, holds, structure_of};
pub(super) use parse::parse;

/// An expression, read.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Expr {
    /// `$this`, or what the expression starts from.
    This,
    /// `%resource`.
    Resource,
    /// `a.b`
    Member(Box<Expr>, &'static str),
    /// `a[0]`
    Index(Box<Expr>, usize),
    /// `a as T`, `a.as(T)`, `a.ofType(T)`
    As(Box<Expr>, &'static str),
    /// `a is T`, `a.is(T)`
    Is(Box<Expr>, &'static str),
    /// `a.f(b)`
    Call(Box<Expr>, Call, Option<Box<Expr>>),
    /// `a op b`
    Binary(Op, Box<Expr>, Box<Expr>),
    /// `'text'`
    Text(&'static str),
    /// `1`
    Number(f64),
    /// `true`
    Bool(bool),
}

/// The functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    Exists,
    Empty,
    Not,
    Where,
    All,
    Count,
    HasValue,
    First,
    Resolve,
    Select,
    IsDistinct,
    StartsWith,
    Contains,
    Intersect,
    Same,
}

/// The operators, loosest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Op {
    Implies,
    Or,
    Xor,
    And,
    In,
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    More,
    MoreOrEqual,
    Union,
    Plus,
    Join,
}
