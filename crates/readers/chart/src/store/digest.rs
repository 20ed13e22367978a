use aws_lc_rs::digest::{Context, SHA256};
use futures_util::TryStreamExt;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, Sqlite, TypeInfo, ValueRef};

use super::{Store, TABLES};
use crate::ChartError;
use crate::error::Outcome;

/// SHA-256 over every row of every table, in the order of their keys.
pub(crate) async fn digest(store: &Store) -> Outcome<[u8; 32]> {
    let broken = ChartError::broken("compute its digest");
    let mut reading = store.readers.begin().await.map_err(&broken)?;
    let mut context = Context::new(&SHA256);
    for (table, sql) in TABLES {
        part(&mut context, table.as_bytes());
        let mut rows = sqlx::query::<Sqlite>(sql).fetch(&mut *reading);
        while let Some(row) = rows.try_next().await.map_err(&broken)? {
            add(&mut context, &row).map_err(&broken)?;
        }
    }
    let hash = context.finish();
    Ok(hash.as_ref().first_chunk().copied().unwrap_or_default())
}

fn add(context: &mut Context, row: &SqliteRow) -> Result<(), sqlx::Error> {
    for column in 0..row.len() {
        let raw = row.try_get_raw(column)?;
        if raw.is_null() {
            context.update(b"n");
            continue;
        }
        match raw.type_info().name() {
            "INTEGER" => {
                let number: i64 = row.try_get(column)?;
                context.update(b"i");
                context.update(&number.to_le_bytes());
            }
            "TEXT" => {
                let text: &str = row.try_get(column)?;
                context.update(b"t");
                part(context, text.as_bytes());
            }
            _ => {
                let bytes: &[u8] = row.try_get(column)?;
                context.update(b"b");
                part(context, bytes);
            }
        }
    }
    Ok(())
}

fn part(context: &mut Context, bytes: &[u8]) {
    context.update(&(bytes.len() as u64).to_le_bytes());
    context.update(bytes);
}
