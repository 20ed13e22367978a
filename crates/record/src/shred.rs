//! What the keyring does for an erasure.

use std::collections::HashSet;

use sqlx::Row as _;

use crate::keyring::{Keyring, broken};
use crate::sealed::Outcome;

impl Keyring {
    /// The streams of those patients that have one.
    pub(crate) async fn names_of(&self, patients: &[String]) -> Outcome<Vec<[u8; 16]>> {
        let mut names = Vec::new();
        for id in patients {
            let tag = self.tag(&[format!("patient/{id}").as_bytes()]);
            let row = sqlx::query("SELECT stream FROM stream WHERE tag = $1").bind(tag.to_vec());
            let row = row.fetch_optional(&self.pool).await.map_err(broken)?;
            names.extend(row.as_ref().and_then(|row| name(row, 0)));
        }
        Ok(names)
    }

    /// The names of all streams that have a key.
    pub(crate) async fn names(&self) -> Outcome<HashSet<[u8; 16]>> {
        let rows = sqlx::query("SELECT stream FROM stream");
        let rows = rows.fetch_all(&self.pool).await.map_err(broken)?;
        Ok(rows.iter().filter_map(|row| name(row, 0)).collect())
    }

    /// Notes which streams are about to be shredded by an order at or behind `since`.
    pub(crate) async fn intend(&self, streams: &[[u8; 16]], since: u64) -> Outcome<()> {
        let mut tx = self.pool.begin().await.map_err(broken)?;
        for name in streams {
            let query = sqlx::query("INSERT INTO erasing (stream, since) VALUES ($1, $2)")
                .bind(name.to_vec())
                .bind(since.cast_signed());
            query.execute(&mut *tx).await.map_err(broken)?;
        }
        tx.commit().await.map_err(broken)
    }

    /// What [`Keyring::intend`] noted and nobody finished.
    pub(crate) async fn intended(&self) -> Outcome<Option<(Vec<[u8; 16]>, u64)>> {
        let rows = sqlx::query("SELECT stream, since FROM erasing");
        let rows = rows.fetch_all(&self.pool).await.map_err(broken)?;
        let names: Vec<[u8; 16]> = rows.iter().filter_map(|row| name(row, 0)).collect();
        let since = rows.iter().filter_map(|row| row.try_get::<i64, _>(1).ok());
        Ok(since.min().map(|since| (names, since.unsigned_abs())))
    }

    /// Takes the keys away, and keeps which event ordered it.
    pub(crate) async fn shred(&self, streams: &[[u8; 16]], order: u64) -> Outcome<()> {
        let mut tx = self.pool.begin().await.map_err(broken)?;
        for name in streams {
            let query = sqlx::query("DELETE FROM stream WHERE stream = $1").bind(name.to_vec());
            query.execute(&mut *tx).await.map_err(broken)?;
        }
        let query = sqlx::query("INSERT INTO erased (seq) VALUES ($1) ON CONFLICT DO NOTHING");
        let query = query.bind(order.cast_signed());
        query.execute(&mut *tx).await.map_err(broken)?;
        tx.commit().await.map_err(broken)?;
        self.forget(streams);
        Ok(())
    }

    pub(crate) async fn erasing_is_over(&self, streams: &[[u8; 16]]) -> Outcome<()> {
        for name in streams {
            let query = sqlx::query("DELETE FROM erasing WHERE stream = $1").bind(name.to_vec());
            query.execute(&self.pool).await.map_err(broken)?;
        }
        Ok(())
    }

    /// The indexes of the sealed orders to erase.
    pub(crate) async fn orders(&self) -> Outcome<Vec<u64>> {
        let seqs: Vec<i64> = sqlx::query_scalar("SELECT seq FROM erased ORDER BY seq")
            .fetch_all(&self.pool)
            .await
            .map_err(broken)?;
        Ok(seqs.into_iter().map(i64::unsigned_abs).collect())
    }
}

fn name(row: &sqlx::sqlite::SqliteRow, column: usize) -> Option<[u8; 16]> {
    row.try_get::<&[u8], _>(column).ok()?.try_into().ok()
}
