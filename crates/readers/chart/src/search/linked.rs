//! Chains and `_has`: what must hold for connected resources becomes, before the search begins, a
//! list of those for which it does. They are looked for within the same scope: what may not be
//! seen connects nothing.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;
use wire::fhir::search::{Condition, Linked, Modifier, Param, Wanted, param, terms_of};
use wire::fhir::{Filter, Query, TermValue};

use super::candidates::{self, Slice};
use super::run::as_read;
use crate::ChartError;
use crate::error::Outcome;
use crate::read::Reading;
use crate::scope::Scope;
use crate::store::{self, Row};

/// Where connected resources are looked for.
#[derive(Clone, Copy)]
pub(super) struct Links<'a> {
    pub(super) scope: &'a Scope,
    pub(super) snapshot: i64,
    /// Candidates that may still be looked at, for all links of the search together.
    pub(super) left: &'a AtomicUsize,
    pub(super) scan_max: usize,
    pub(super) chain_max: usize,
}

impl Links<'_> {
    /// The links of a query as filters; `None`: nothing is connected so, and nothing matches.
    pub(super) async fn filters(
        &self,
        reading: &mut Reading,
        query: &Query,
    ) -> Outcome<Option<Vec<Filter>>> {
        let mut filters = Vec::with_capacity(query.linked.len());
        for linked in &query.linked {
            match self.filter(reading, &query.kind, linked).await? {
                Some(filter) => filters.push(filter),
                None => return Ok(None),
            }
        }
        Ok(Some(filters))
    }

    async fn filter(
        &self,
        reading: &mut Reading,
        kind: &str,
        linked: &Linked,
    ) -> Outcome<Option<Filter>> {
        let (param, values) = match linked {
            Linked::Chain { param, ways } => (Some(*param), self.referred(reading, ways).await?),
            Linked::Reverse {
                source,
                param: by,
                condition,
            } => {
                let ids = self
                    .referring(reading, (source, condition), (by, kind))
                    .await?;
                (param(kind, "_id"), ids)
            }
        };
        let filter = param.map(|param| Filter {
            param,
            modifier: Modifier::Plain,
            values,
        });
        Ok(filter.filter(|filter| !filter.values.is_empty()))
    }

    /// What may be referred to.
    async fn referred(
        &self,
        reading: &mut Reading,
        ways: &[(String, Condition)],
    ) -> Outcome<Vec<Wanted>> {
        let mut values = Vec::new();
        for (kind, condition) in ways {
            let found = Box::pin(self.matching(reading, (kind, condition))).await?;
            values.extend(found.into_iter().map(|(row, _)| Wanted::Reference {
                kind: Some(kind.clone()),
                id: row.id,
            }));
        }
        self.within(values)
    }

    /// The ids of what is referred to; of a patient who was merged into another, both.
    async fn referring(
        &self,
        reading: &mut Reading,
        from: (&str, &Condition),
        (by, kind): (&Param, &str),
    ) -> Outcome<Vec<Wanted>> {
        let mut ids = BTreeSet::new();
        for (_, value) in Box::pin(self.matching(reading, from)).await? {
            let to = terms_of(&value, &[by.code]).into_iter();
            ids.extend(to.filter_map(|term| match term.value {
                TermValue::Reference(to) => {
                    let id = to.strip_prefix(kind)?.strip_prefix('/')?;
                    Some(id.to_owned())
                }
                _ => None,
            }));
        }
        if kind == "Patient" {
            let aliases = &reading.known.aliases;
            let survivors = ids.iter().map(|id| aliases.survivor(id).to_owned());
            let survivors: Vec<String> = survivors.collect();
            ids.extend(survivors);
        }
        let ids = ids.into_iter().map(|id| Wanted::Token {
            system: None,
            code: Some(id),
        });
        self.within(ids.collect())
    }

    /// The resources of a type for which a condition holds.
    async fn matching(
        &self,
        reading: &mut Reading,
        (kind, condition): (&str, &Condition),
    ) -> Outcome<Vec<(Row, Value)>> {
        let filter = match condition {
            Condition::Filter(filter) => Some(filter.clone()),
            Condition::Linked(linked) => self.filter(reading, kind, linked).await?,
        };
        let (Some(filter), Some(number)) = (filter, reading.known.words.number(kind)) else {
            return Ok(Vec::new());
        };
        let mut query = Query::new(kind);
        query.filters.push(filter);
        let mut query = candidates::with_aliases(&query, &reading.known.aliases);
        let view = self.scope.view(kind);
        query.filters.extend(view.common().iter().cloned());
        let slice = Slice {
            kind: number,
            snapshot: self.snapshot,
            days: None,
        };
        let left = self.left.load(Ordering::Relaxed);
        let candidates = candidates::of(&query, self.scope);
        let wanted = slice.of(&candidates, (0, left.saturating_add(1)));
        let rows = store::fetch(&mut reading.from, wanted).await?;
        let Some(left) = left.checked_sub(rows.len()) else {
            return Err(too_costly("search_scan_max", self.scan_max));
        };
        self.left.store(left, Ordering::Relaxed);
        let rows = rows
            .into_iter()
            .filter(|row| self.scope.includes(kind, row));
        let rows: Vec<Row> = rows.collect();
        let pages = store::pages(&mut reading.from, &rows).await?;
        let both = rows.into_iter().zip(pages);
        let found = both.filter_map(|(row, json)| {
            let mut value = as_read(&row, &json)?;
            if !view.shows(row.patient.as_deref(), &value) {
                return None;
            }
            // What is hidden connects nothing either.
            self.scope.hides().strip(&row, &mut value);
            let mut all = query.filters.iter();
            let fits = all.all(|filter| wire::fhir::matches(&value, filter));
            fits.then_some((row, value))
        });
        Ok(found.collect())
    }

    fn within(&self, values: Vec<Wanted>) -> Outcome<Vec<Wanted>> {
        if values.len() > self.chain_max {
            return Err(too_costly("search_chain_max", self.chain_max));
        }
        Ok(values)
    }
}

fn too_costly(limit: &'static str, max: usize) -> ChartError {
    ChartError::TooCostly {
        what: "this chain".into(),
        limit,
        max,
        hint: "say more about the connected resource, or search for it first",
    }
}
