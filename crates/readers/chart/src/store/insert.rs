//! Writing many rows with few statements: each costs about as much as twenty rows do.

use sqlx::{QueryBuilder, Sqlite, SqliteConnection};

use crate::ChartError;
use crate::error::Outcome;

/// Rows of one statement. Powers, so that any number of rows is made of few different statements
/// and their plans stay in the cache.
const ROWS: [usize; 5] = [256, 64, 16, 4, 1];

/// What goes before and after the rows of one table's INSERT.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Table {
    pub(crate) before: &'static str,
    pub(crate) after: &'static str,
}

/// The rows of one statement after the other.
fn chunks<T>(mut rows: &[T]) -> impl Iterator<Item = &[T]> {
    std::iter::from_fn(move || {
        let size = ROWS.into_iter().find(|&size| size <= rows.len())?;
        let (chunk, rest) = rows.split_at_checked(size)?;
        rows = rest;
        Some(chunk)
    })
}

type Binder<'a> = sqlx::query_builder::Separated<'a, Sqlite, &'static str>;

/// Inserts rows; `bind` pushes the columns of one.
pub(crate) async fn insert<T, F>(
    to: &mut SqliteConnection,
    table: Table,
    rows: &[T],
    bind: F,
) -> Outcome<()>
where
    F: Fn(&mut Binder<'_>, &T),
{
    for chunk in chunks(rows) {
        let mut builder = QueryBuilder::<Sqlite>::new(table.before);
        builder.push_values(chunk, |mut values, row| bind(&mut values, row));
        builder.push(table.after);
        builder
            .build()
            .execute(&mut *to)
            .await
            .map_err(ChartError::broken("write its tables"))?;
    }
    Ok(())
}

/// Deletes the rows with these numbers; `sql` ends where the list begins.
pub(crate) async fn forget(
    to: &mut SqliteConnection,
    sql: &'static str,
    slots: &[i64],
) -> Outcome<()> {
    for chunk in chunks(slots) {
        let mut query = QueryBuilder::<Sqlite>::new(sql);
        super::list(&mut query, chunk.iter().copied());
        query
            .build()
            .execute(&mut *to)
            .await
            .map_err(ChartError::broken("write its tables"))?;
    }
    Ok(())
}

/// Marks versions (rid, the version after it) as no longer current.
pub(crate) async fn supersede(to: &mut SqliteConnection, rows: &[(i64, i64)]) -> Outcome<()> {
    let table = Table {
        before: "WITH v (rid, next) AS (",
        after: ") UPDATE version SET next = v.next FROM v WHERE version.rid = v.rid",
    };
    insert(to, table, rows, |values, row| {
        values.push_bind(row.0).push_bind(row.1);
    })
    .await
}

/// Points the heads of resources (slot, the version before, the version now) at the version now.
pub(crate) async fn repoint(to: &mut SqliteConnection, rows: &[(i64, i64, i64)]) -> Outcome<()> {
    let table = Table {
        before: "WITH v (slot, was, now) AS (",
        after: ") UPDATE head SET rid = v.now FROM v WHERE head.slot = v.slot AND head.rid = v.was",
    };
    insert(to, table, rows, |values, row| {
        values.push_bind(row.0).push_bind(row.1).push_bind(row.2);
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_in_one_chunk() {
        let rows: Vec<u32> = (0..151).collect();
        let sizes: Vec<usize> = chunks(&rows).map(<[u32]>::len).collect();
        assert_eq!(sizes, [64, 64, 16, 4, 1, 1, 1]);
        let sizes: Vec<usize> = chunks(&[0; 333]).map(<[_]>::len).collect();
        assert_eq!(sizes, [256, 64, 4, 4, 4, 1]);
        assert_eq!(chunks(&rows).flatten().copied().collect::<Vec<_>>(), rows);
    }
}
