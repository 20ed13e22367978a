//! Statements of many rows, as many as SQLite likes.

use std::fmt::Write as _;

use sqlx::query::Query;
use sqlx::sqlite::SqliteArguments;
use sqlx::{AssertSqlSafe, Sqlite, SqliteConnection};

use crate::journal::{Delivery, Row, Version, whole};

/// Rows a statement inserts: SQLite gains nothing beyond, and long lists of `$n` are quadratic.
pub(super) const ROWS_PER_STATEMENT: usize = 50;

pub(super) async fn rows(tx: &mut SqliteConnection, rows: &[Row]) -> sqlx::Result<()> {
    const SQL: &str = "INSERT INTO row (seq, stream, at, entry, ciphertext) VALUES ";
    insert(tx, (SQL, 5), rows, |query, row| {
        query
            .bind(whole(row.seq))
            .bind(row.stream.to_vec())
            .bind(row.at)
            .bind(row.entry.clone())
            .bind(row.ciphertext.clone())
    })
    .await
}

pub(super) async fn deliveries(tx: &mut SqliteConnection, seen: &[Delivery]) -> sqlx::Result<()> {
    const SQL: &str = "INSERT INTO delivery (message, content, seq, at) VALUES ";
    insert(tx, (SQL, 4), seen, |query, one| {
        let query = query.bind(one.message.to_vec()).bind(one.content.to_vec());
        query.bind(whole(one.seq)).bind(one.at)
    })
    .await
}

pub(super) async fn versions(tx: &mut SqliteConnection, versions: &[Version]) -> sqlx::Result<()> {
    const SQL: &str = "INSERT INTO version (resource, replaces, seq) VALUES ";
    insert(tx, (SQL, 3), versions, |query, one| {
        query
            .bind(one.resource.to_vec())
            .bind(whole(one.replaces))
            .bind(whole(one.seq))
    })
    .await
}

type Bound<'q> = Query<'q, Sqlite, SqliteArguments>;

async fn insert<T>(
    tx: &mut SqliteConnection,
    (sql, columns): (&str, usize),
    items: &[T],
    bind: for<'q> fn(Bound<'q>, &T) -> Bound<'q>,
) -> sqlx::Result<()> {
    for some in items.chunks(ROWS_PER_STATEMENT) {
        let mut text = sql.to_owned();
        for number in 0..some.len() {
            let comma = if number == 0 { "" } else { ", " };
            text.push_str(comma);
            text.push_str(&placeholders(number * columns + 1, columns));
        }
        let query = some.iter().fold(sqlx::query(AssertSqlSafe(text)), bind);
        query.execute(&mut *tx).await?;
    }
    Ok(())
}

/// `($3, $4)` for `from` = 3 and `count` = 2.
pub(super) fn placeholders(from: usize, count: usize) -> String {
    let mut out = String::from("(");
    for number in from..from + count {
        let comma = if number == from { "" } else { ", " };
        // INVARIANT: writing to a String cannot fail.
        let _ = write!(out, "{comma}${number}");
    }
    out.push(')');
    out
}
