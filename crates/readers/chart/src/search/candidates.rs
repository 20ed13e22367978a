//! Which versions may match: never too few, as few as the index can tell.

use sqlx::{QueryBuilder, Sqlite};
use wire::fhir::search::{Modifier, Order, ParamKind, Prefix, Wanted, params};
use wire::fhir::{Filter, Query, fold};

use crate::alias::Aliases;
use crate::fold::index::{DATE, DAY_MS, INDEXED, NAMED, NAMES, OF_PATIENT, days_of, last, of_day};
use crate::hash;
use crate::scope::Scope;
use crate::store::{self, SELECT, list};

/// Numbers of codes and days that are looked for at once, at most; with more, codes are looked for alone.
const CODES_AND_DAYS_MAX: i64 = 100;

/// How the candidates are found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Candidates {
    /// By the numbers of their names.
    Slots(Vec<i64>),
    /// By the numbers of values.
    Keys(Vec<i64>),
    /// By beginnings of words of a name.
    Names(Vec<String>),
    /// Those recorded for some patients, and those under some numbers.
    Patients(Vec<String>, Vec<i64>),
    /// All of the type.
    Kind,
}

/// The best way to find what `query` asks for within `scope`.
pub(super) fn of(query: &Query, scope: &Scope) -> Candidates {
    let kind = query.kind.as_str();
    let by = |code: &str| {
        let filters = query.filters.iter().filter(|f| f.param.code == code);
        filters.filter_map(|f| by_filter(kind, f)).next()
    };
    // Of what belongs to nobody a permit for one patient shows all.
    let own = || scope.family().filter(|_| belongs_to_patients(kind));
    let patient = || match own() {
        Some(family) => Some(Candidates::Patients(family.to_vec(), Vec::new())),
        None => OF_PATIENT.into_iter().find_map(by),
    };
    by("_id")
        .or_else(|| by("identifier"))
        .or_else(patient)
        .or_else(|| by("encounter"))
        // Far fewer share a day than the beginning of a name.
        .or_else(|| by("birthdate"))
        .or_else(|| NAMES.into_iter().find_map(by))
        .or_else(|| by_code_and_day(query))
        .or_else(|| by("code"))
        .or_else(|| query.filters.iter().find_map(|f| by_part(kind, f)))
        .unwrap_or(Candidates::Kind)
}

/// The days within which `date` of every match lies, if the query says so: (first, last), counted from 1970.
pub(super) fn days(query: &Query) -> Option<(i64, i64)> {
    let mut filters = query.filters.iter();
    let filter = filters.find(|f| f.param.code == DATE && f.modifier == Modifier::Plain)?;
    let mut hull: Option<(i64, i64)> = None;
    for value in &filter.values {
        let Wanted::Date { prefix, span } = value else {
            return None;
        };
        let (first, last) = days_of(span.lo_ms, span.hi_ms);
        let (first, last) = match prefix {
            Prefix::Eq => (first, last),
            Prefix::Ge | Prefix::Gt | Prefix::Sa => (first, i64::MAX),
            Prefix::Le | Prefix::Lt | Prefix::Eb => (i64::MIN, last),
            Prefix::Ap | Prefix::Ne => return None,
        };
        hull = Some(hull.map_or((first, last), |(a, b)| (a.min(first), b.max(last))));
    }
    hull
}

/// By codes and days together, if the query says both and the days are few.
fn by_code_and_day(query: &Query) -> Option<Candidates> {
    let (first, last) = days(query)?;
    let filter = query.filters.iter().find(|filter| {
        let plain = filter.modifier == Modifier::Plain && !filter.values.is_empty();
        filter.param.code == "code" && plain
    })?;
    let codes = filter.values.iter().map(|value| match value {
        Wanted::Token { code, .. } => code.as_deref().filter(|code| !code.is_empty()),
        _ => None,
    });
    let codes: Vec<&str> = codes.collect::<Option<_>>()?;
    let days = last.checked_sub(first)?.checked_add(2)?;
    let all = days.checked_mul(i64::try_from(codes.len()).ok()?)?;
    if all > CODES_AND_DAYS_MAX {
        return None;
    }
    // Day 0 is where there is none, or more than one.
    let days = || (first..=last).chain([0]);
    let keys = codes
        .iter()
        .flat_map(|code| days().map(|day| of_day(&query.kind, (*code, day))));
    Some(Candidates::Keys(keys.collect()))
}

/// Whether resources of a type are somebody's.
pub(crate) fn belongs_to_patients(kind: &str) -> bool {
    kind == "Patient" || params(kind).iter().any(|param| param.compartment)
}

/// What one filter selects; `None`: the index cannot tell.
fn by_filter(kind: &str, filter: &Filter) -> Option<Candidates> {
    let param = filter.param;
    let plain = filter.modifier == Modifier::Plain;
    if filter.values.is_empty() {
        return None;
    }
    let keys = || -> Option<Vec<i64>> {
        let values = filter.values.iter();
        values.map(|value| key(kind, param.code, value)).collect()
    };
    match param.code {
        "_id" if plain => {
            let ids = filter.values.iter().map(text);
            let slots = ids.map(|id| Some(hash::slot(kind, id?)));
            slots.collect::<Option<Vec<i64>>>().map(Candidates::Slots)
        }
        code if OF_PATIENT.contains(&code) && plain => {
            let ids = filter.values.iter().map(|value| match value {
                Wanted::Reference { id, .. } => Some(last(id).to_owned()),
                _ => None,
            });
            Some(Candidates::Patients(ids.collect::<Option<_>>()?, keys()?))
        }
        code if NAMES.contains(&code) && NAMED.contains(&kind) => {
            let begins = plain || filter.modifier == Modifier::Exact;
            let words = filter.values.iter().map(first_word);
            words
                .collect::<Option<Vec<String>>>()
                .filter(|_| begins)
                .map(Candidates::Names)
        }
        _ if plain => keys().map(Candidates::Keys),
        _ => None,
    }
}

/// What the part of a composite selects that is indexed by itself.
fn by_part(kind: &str, filter: &Filter) -> Option<Candidates> {
    let (at, code) = filter
        .param
        .parts()
        .enumerate()
        .find(|(_, code)| INDEXED.contains(code))?;
    if filter.values.is_empty() || filter.modifier != Modifier::Plain {
        return None;
    }
    let keys = filter.values.iter().map(|value| match value {
        Wanted::Composite(parts) => key(kind, code, parts.get(at)?),
        _ => None,
    });
    keys.collect::<Option<Vec<i64>>>().map(Candidates::Keys)
}

fn text(value: &Wanted) -> Option<&str> {
    match value {
        Wanted::Token { code, .. } => code.as_deref(),
        Wanted::Text(text) | Wanted::Uri(text) => Some(text),
        _ => None,
    }
}

/// The number under which a version that has this value is indexed.
fn key(kind: &str, param: &str, value: &Wanted) -> Option<i64> {
    match value {
        Wanted::Token {
            code: Some(code), ..
        } if !code.is_empty() => Some(hash::key(kind, param, code)),
        Wanted::Reference { id, .. } => Some(hash::key(kind, param, last(id))),
        Wanted::Date {
            prefix: Prefix::Eq,
            span,
        } if span.hi_ms.checked_sub(span.lo_ms) == Some(DAY_MS) => {
            Some(hash::key(kind, param, &span.lo_ms.to_string()))
        }
        _ => None,
    }
}

/// The first word of a name that is looked for: a word of whatever begins like it does.
fn first_word(value: &Wanted) -> Option<String> {
    let Wanted::Text(text) = value else {
        return None;
    };
    let folded = fold(text);
    let word = folded.split(' ').next()?;
    (!word.is_empty()).then(|| word.to_owned())
}

/// The same query, in which whoever asks for a patient asks for everybody merged with them.
pub(super) fn with_aliases(query: &Query, aliases: &Aliases) -> Query {
    let mut query = query.clone();
    for filter in &mut query.filters {
        if filter.param.kind != ParamKind::Reference {
            continue;
        }
        let mut more = Vec::new();
        for value in &filter.values {
            let Wanted::Reference { kind, id } = value else {
                continue;
            };
            if kind.as_deref().is_some_and(|kind| kind != "Patient") {
                continue;
            }
            let others = aliases.family(id).into_iter().filter(|other| other != id);
            more.extend(others.map(|id| Wanted::Reference {
                kind: kind.clone(),
                id,
            }));
        }
        filter.values.extend(more);
    }
    query
}

/// The versions of one type that were current at one moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slice {
    pub(super) kind: i64,
    pub(super) snapshot: i64,
    /// Of candidates only those whose `date` may lie within these days: first, last.
    pub(super) days: Option<(i64, i64)>,
}

impl Slice {
    /// The first `max` candidates after row `after`, in the order of their rows. 0: from the beginning.
    pub(super) fn of(
        self,
        candidates: &Candidates,
        (after, max): (i64, usize),
    ) -> QueryBuilder<Sqlite> {
        let mut query = QueryBuilder::new(SELECT);
        match candidates {
            Candidates::Kind => self.current(&mut query, Lead::Kind),
            _ => self.current(&mut query, Lead::Rows),
        }
        match candidates {
            Candidates::Kind => {}
            Candidates::Slots(slots) => {
                // From the heads back: one that was replaced since the snapshot counts as it was.
                query.push(" AND v.rid IN (WITH RECURSIVE chain (rid, prev) AS (");
                query.push("SELECT m.rid, m.prev FROM head n JOIN version m ON m.rid = n.rid");
                query.push(" WHERE n.slot IN (");
                list(&mut query, slots.iter().copied());
                query.push(" UNION ALL SELECT b.rid, b.prev FROM version b");
                query.push(" JOIN chain c ON b.rid = c.prev) SELECT rid FROM chain)");
            }
            Candidates::Keys(keys) => {
                query.push(" AND v.rid IN (SELECT rid FROM term WHERE key IN (");
                list(&mut query, keys.iter().copied());
                query.push(")");
            }
            Candidates::Names(words) => {
                query.push(" AND v.rid IN (");
                names(&mut query, words);
                query.push(")");
            }
            Candidates::Patients(ids, keys) => self.patients(&mut query, ids, keys),
        }
        if let Some((first, last)) = self.days {
            query.push(" AND (v.day = 0 OR v.day BETWEEN ");
            query.push_bind(first).push(" AND ").push_bind(last);
            query.push(")");
        }
        if after > 0 {
            query.push(" AND v.rid > ").push_bind(after);
        }
        query.push(" ORDER BY v.rid");
        store::limit(&mut query, bound(max));
        query
    }

    /// How many candidates there are, up to `max`, as far as an index alone can tell: within which days they lie
    /// is asked of each, so that there must not be too many.
    pub(super) fn few(self, candidates: &Candidates, max: usize) -> Option<QueryBuilder<Sqlite>> {
        let mut query = QueryBuilder::new("SELECT COUNT(*) FROM (SELECT 1 FROM ");
        match candidates {
            Candidates::Keys(keys) => {
                query.push("term WHERE key IN (");
                list(&mut query, keys.iter().copied());
            }
            Candidates::Patients(ids, _) => {
                query.push("version WHERE patient > 0 AND kind = ");
                query
                    .push_bind(self.kind)
                    .push(" AND patient IN (SELECT pid FROM patient WHERE id IN (");
                list(&mut query, ids.iter().map(String::as_str));
                query.push(")");
            }
            Candidates::Kind | Candidates::Names(_) | Candidates::Slots(_) => return None,
        }
        store::limit(&mut query, bound(max));
        query.push(")");
        Some(query)
    }

    fn patients(self, query: &mut QueryBuilder<Sqlite>, ids: &[String], keys: &[i64]) {
        query
            .push(" AND v.rid IN (SELECT rid FROM version WHERE patient > 0 AND kind = ")
            .push_bind(self.kind)
            .push(" AND patient IN (SELECT pid FROM patient WHERE id IN (");
        list(query, ids.iter().map(String::as_str));
        query.push(")");
        if !keys.is_empty() {
            query.push(" UNION SELECT rid FROM term WHERE key IN (");
            list(query, keys.iter().copied());
        }
        query.push(")");
    }

    /// Up to `max` rows after row `after`, in the order of their rows. 0: from the beginning.
    pub(super) fn page(self, order: Order, after: i64, max: usize) -> QueryBuilder<Sqlite> {
        let mut query = QueryBuilder::new(SELECT);
        self.current(&mut query, Lead::Kind);
        match order {
            Order::Ascending => {
                query.push(" AND v.rid > ").push_bind(after);
                query.push(" ORDER BY v.rid");
            }
            Order::Descending => {
                let below = if after == 0 { i64::MAX } else { after };
                query.push(" AND v.rid < ").push_bind(below);
                query.push(" ORDER BY v.rid DESC");
            }
        }
        store::limit(&mut query, bound(max));
        query
    }

    /// How many there are.
    pub(super) fn count(self) -> QueryBuilder<Sqlite> {
        let mut query = QueryBuilder::new("SELECT COUNT(*) FROM version v ");
        self.current(&mut query, Lead::Kind);
        query
    }

    fn current(self, query: &mut QueryBuilder<Sqlite>, lead: Lead) {
        let kept_from_index = match lead {
            Lead::Kind => "",
            Lead::Rows => "+",
        };
        query
            .push("WHERE ")
            .push(kept_from_index)
            .push("v.kind = ")
            .push_bind(self.kind)
            .push(" AND ")
            .push(kept_from_index)
            .push("v.rid <= ")
            .push_bind(self.snapshot)
            .push(" AND (v.next = 0 OR v.next > ")
            .push_bind(self.snapshot)
            .push(") AND v.flags IN (0, 2)");
    }
}

/// What the database should begin with. Left to itself SQLite reads the whole type, and then looks
/// whether a row is among the candidates; a `+` before a column keeps it from that index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lead {
    /// The rows of the type.
    Kind,
    /// The rows that are listed.
    Rows,
}

fn names(query: &mut QueryBuilder<Sqlite>, words: &[String]) {
    for (place, word) in words.iter().enumerate() {
        if place > 0 {
            query.push(" UNION ");
        }
        prefix(query, word);
    }
}

/// Pushes a SELECT of the versions with a word that begins so.
pub(crate) fn prefix(query: &mut QueryBuilder<Sqlite>, word: &str) {
    query
        .push("SELECT rid FROM name WHERE word >= ")
        .push_bind(word.to_owned())
        .push(" AND word < ")
        .push_bind(format!("{word}\u{10ffff}"));
}

fn bound(max: usize) -> i64 {
    i64::try_from(max).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The index must be asked first; on a large chart everything else reads a whole type.
    #[tokio::test]
    async fn candidates_lead() {
        let folder = tempfile::tempdir().unwrap();
        let config = crate::Config::at(folder.path().join("chart.db"));
        let store = store::Store::open(&config).await.unwrap();
        let slice = Slice {
            kind: 1,
            snapshot: 9,
            days: Some((1, 2)),
        };
        for candidates in [
            Candidates::Slots(vec![1, 2]),
            Candidates::Keys(vec![1]),
            Candidates::Names(vec!["a".into(), "b".into()]),
            Candidates::Patients(vec!["a".into()], vec![1]),
            Candidates::Patients(vec!["a".into()], Vec::new()),
        ] {
            let query = slice.of(&candidates, (0, 10));
            let sql = format!("EXPLAIN QUERY PLAN {}", query.sql().as_str());
            let plan: Vec<(i64, i64, i64, String)> = sqlx::query_as(sqlx::AssertSqlSafe(sql))
                .fetch_all(&store.readers)
                .await
                .unwrap();
            let plan: Vec<String> = plan.into_iter().map(|step| step.3).collect();
            let direct = "SEARCH v USING INTEGER PRIMARY KEY (rowid=?)";
            assert!(
                plan.iter().any(|step| step == direct),
                "{candidates:?}: {plan:#?}"
            );
        }
    }
}
