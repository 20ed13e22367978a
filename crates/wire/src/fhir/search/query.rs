//! What a search asks, read from the pairs of its URL.

use super::super::refs::{self, Target};
use super::Param;
use super::date::Span;
use super::linked::Linked;
use super::subset::Subset;

/// How much a search may ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryLimits {
    /// Parameters of one search, at most.
    pub params_max: usize,
    /// Values of one parameter (between commas), at most.
    pub values_max: usize,
    /// The largest page; a larger `_count` is lowered to it.
    pub count_max: usize,
    /// Links of one chain or `_has`, at most.
    pub chain_max: usize,
    /// Types of one search over several, at most.
    pub types_max: usize,
    /// The address of this server: a reference under it is its own, which it keeps without it. Empty: none is.
    pub base: String,
}

impl QueryLimits {
    /// A reference by this server's address as it is kept.
    pub(super) fn own<'t>(&self, reference: &'t str) -> Option<&'t str> {
        let base = self.base.trim_end_matches('/');
        let own = reference.strip_prefix(base).filter(|_| !base.is_empty());
        let own = own?.strip_prefix('/')?;
        let typed =
            matches!(refs::read(own)?, Target::Typed { id, absolute: false, .. } if !id.is_empty());
        typed.then_some(own)
    }
}

impl Default for QueryLimits {
    fn default() -> Self {
        Self {
            params_max: 100,
            values_max: 200,
            count_max: 1000,
            chain_max: 3,
            types_max: 30,
            base: String::new(),
        }
    }
}

/// One search, understood.
#[derive(Debug, Clone)]
pub struct Query {
    /// The resource type that is searched.
    pub kind: String,
    /// All of these must hold.
    pub filters: Vec<Filter>,
    /// And these, about resources it is connected with.
    pub linked: Vec<Linked>,
    /// The order of the answer, the first first. Empty: the server's own order.
    pub sort: Vec<Sort>,
    /// `_count`: matches on a page. 0 asks for the total only.
    pub count: Option<usize>,
    /// `_include`: resources the matches refer to.
    pub includes: Vec<Include>,
    /// `_revinclude`: resources that refer to the matches.
    pub revincludes: Vec<Include>,
    /// `_total`.
    pub total: Total,
    /// `_elements` or `_summary`.
    pub subset: Subset,
    /// `_page`: where to go on, an opaque word of the server that made the link.
    pub page: Option<String>,
    /// The pairs that were understood, for the `self` link (without `_page`).
    pub pairs: Vec<(String, String)>,
}

impl Query {
    /// Every type whose content the answer shows or depends on, the searched one first: whoever
    /// decides about a search decides about all of them.
    ///
    /// INVARIANT: the parts of a query are named one by one here, so that one that is added
    /// does not compile until it says what it looks into.
    #[must_use]
    pub fn touches(&self) -> Vec<&str> {
        let Query {
            kind,
            filters,
            linked,
            sort,
            count: _,
            includes,
            revincludes,
            total: _,
            subset: _,
            page: _,
            pairs: _,
        } = self;
        let mut all = vec![kind.as_str()];
        for filter in filters {
            // A filter and an order look at the searched resource and nowhere else.
            let Filter {
                param: _,
                modifier: _,
                values: _,
            } = filter;
        }
        for one in sort {
            let Sort { param: _, order: _ } = one;
        }
        all.extend(linked.iter().flat_map(Linked::touches));
        all.extend(includes.iter().flat_map(Include::targets));
        all.extend(revincludes.iter().map(|include| include.source.as_str()));
        let mut seen = Vec::with_capacity(all.len());
        for kind in all {
            if !seen.contains(&kind) {
                seen.push(kind);
            }
        }
        seen
    }
}

impl Include {
    /// The types it may bring when it follows a reference.
    #[must_use]
    pub fn targets(&self) -> Vec<&str> {
        match &self.target {
            Some(target) => vec![target],
            None => self.param.targets.clone(),
        }
    }
}

/// `_total`: does the sender want to know how many there are?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Total {
    /// Not said.
    #[default]
    Unsaid,
    /// No.
    Not,
    /// A guess is good enough.
    Estimate,
    /// Exactly.
    Accurate,
}

/// One parameter of a search: it holds when any of its values holds.
#[derive(Debug, Clone)]
pub struct Filter {
    /// Which parameter, by its definition.
    pub param: &'static Param,
    /// How its values are compared.
    pub modifier: Modifier,
    /// The values between commas. Empty only for `:missing`.
    pub values: Vec<Wanted>,
}

/// What stood behind the colon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Modifier {
    /// Nothing.
    Plain,
    /// `:exact`: text equal in case and accents.
    Exact,
    /// `:contains`: text anywhere within.
    Contains,
    /// `:not`: none of the values is there.
    Not,
    /// `:missing=true`: the element is absent.
    Missing,
    /// `:missing=false`: the element is there.
    Present,
    /// `:identifier`: the reference's own identifier, a token.
    Identifier,
    /// `:text` on a token: within what people read of the code.
    Text,
    /// `:of-type` on an identifier: its type and its value.
    OfType,
    /// `:above` on a uri: the value begins with what stands in the resource.
    Above,
    /// `:below` on a uri: what stands in the resource begins with the value.
    Below,
}

/// How two values are compared (R4 section 3.1.1.4.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prefix {
    /// Within what was asked.
    Eq,
    /// Not within.
    Ne,
    /// Reaches above.
    Gt,
    /// Reaches below.
    Lt,
    /// `Gt` or `Eq`.
    Ge,
    /// `Lt` or `Eq`.
    Le,
    /// Starts after.
    Sa,
    /// Ends before.
    Eb,
    /// About the same.
    Ap,
}

/// One value a filter asks for.
#[derive(Debug, Clone, PartialEq)]
pub enum Wanted {
    /// `[system]|[code]`.
    Token {
        /// `None`: any system. Empty: no system at all.
        system: Option<String>,
        /// `None`: any code of the system.
        code: Option<String>,
    },
    /// Text as it was sent, unescaped.
    Text(String),
    /// A date with its prefix.
    Date {
        /// How to compare.
        prefix: Prefix,
        /// The stretch of time the value covers.
        span: Span,
    },
    /// Another resource.
    Reference {
        /// `Patient` of `Patient/1`; absent in `subject=1`.
        kind: Option<String>,
        /// `1`, or the whole of an absolute address.
        id: String,
    },
    /// A number, or a measure with its unit.
    Quantity {
        /// How to compare.
        prefix: Prefix,
        /// The least number that reads like what was sent: 5.4 covers 5.35 to 5.45.
        lo: f64,
        /// The number as sent.
        value: f64,
        /// The first number above that no longer reads like it.
        hi: f64,
        /// The unit's system; `None`: any.
        system: Option<String>,
        /// The unit's code; `None`: any.
        code: Option<String>,
    },
    /// An address, compared whole.
    Uri(String),
    /// An identifier's value and the type it must have.
    Typed {
        /// The system of the type's code; `None`: any.
        system: Option<String>,
        /// The type's code, such as `MR`.
        code: String,
        /// The identifier's value.
        value: String,
    },
    /// The parts of a composite, all in one place.
    Composite(Vec<Wanted>),
}

/// One step of the order.
#[derive(Debug, Clone, Copy)]
pub struct Sort {
    /// By which parameter.
    pub param: &'static Param,
    /// Which way.
    pub order: Order,
}

/// Which way a [`Sort`] runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Small first.
    Ascending,
    /// Large first.
    Descending,
}

/// One `_include` or `_revinclude`: `source:param[:target]`.
#[derive(Debug, Clone)]
pub struct Include {
    /// The type the reference stands in.
    pub source: String,
    /// The reference.
    pub param: &'static Param,
    /// Only this type of what it points to.
    pub target: Option<String>,
    /// `:iterate`: also from what came along, again and again until nothing new comes.
    pub iterate: bool,
}
