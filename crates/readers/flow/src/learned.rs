//! Writes what is learned of feeds: the kinds of their lines, their silences.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use sqlx::query_builder::QueryBuilder;
use sqlx::{Sqlite, SqliteConnection};

use crate::batch::Came;
use crate::known::Known;
use crate::save::{Done, ROWS};

/// Kinds of lines of one feed that are counted one by one.
const KINDS_MAX: usize = 500;

/// The kinds of lines. A feed has so many and no more: what a sender makes up beyond that is in the
/// record, but counted under `other`. In the order of the events, so that a refold counts the same.
pub(crate) async fn lines(
    connection: &mut SqliteConnection,
    known: &Known,
    came: &[Came<'_>],
) -> Done {
    let feeds = came.iter().filter(|one| one.lines().is_some());
    let feeds: BTreeSet<&str> = feeds.map(|one| one.feed).collect();
    for feed in feeds {
        let id = known.id(feed);
        let sql = "SELECT kind FROM lines WHERE feed = $1";
        let there = sqlx::query_scalar(sql).bind(id).fetch_all(&mut *connection);
        let mut there: HashSet<String> = there.await?.into_iter().collect();
        let mut sums: BTreeMap<&str, u64> = BTreeMap::new();
        let of_it = came.iter().filter(|one| one.feed == feed);
        for (kind, lines) in of_it.flat_map(Came::kinds) {
            let full = there.len() >= KINDS_MAX && !there.contains(kind);
            let kind = if full { "other" } else { kind };
            there.insert(kind.to_owned());
            *sums.entry(kind).or_default() += lines;
        }
        let sums: Vec<_> = sums.into_iter().collect();
        for some in sums.chunks(ROWS) {
            let mut query: QueryBuilder<Sqlite> =
                QueryBuilder::new("INSERT INTO lines (feed, kind, lines) ");
            query.push_values(some, |mut row, (kind, lines)| {
                row.push_bind(id)
                    .push_bind(*kind)
                    .push_bind(lines.cast_signed());
            });
            query.push(
                " ON CONFLICT (feed, kind) DO UPDATE SET lines = lines.lines + excluded.lines",
            );
            query.build().execute(&mut *connection).await?;
        }
    }
    Ok(())
}

/// The longest silence of each hour that was touched.
pub(crate) async fn silences(
    connection: &mut SqliteConnection,
    known: &Known,
    silences: &BTreeMap<(&str, i64), i64>,
) -> Done {
    let silences: Vec<_> = silences.iter().collect();
    for some in silences.chunks(ROWS) {
        let mut query: QueryBuilder<Sqlite> =
            QueryBuilder::new("INSERT INTO silence (feed, hour, longest) ");
        query.push_values(some, |mut row, ((feed, hour), longest)| {
            row.push_bind(known.id(feed))
                .push_bind(*hour)
                .push_bind(**longest);
        });
        query.push(
            " ON CONFLICT (feed, hour) DO UPDATE SET
             longest = MAX(silence.longest, excluded.longest)",
        );
        query.build().execute(&mut *connection).await?;
    }
    Ok(())
}

#[cfg(test)]
#[path = "learned/tests.rs"]
mod tests;
