//! The journal in PostgreSQL. Many rows go as arrays (`unnest`), three times faster than one by
//! one. Who may write is a row ([`lease`]): of two servers on one database one alone commits.

mod carry;
mod connect;
mod insert;
mod lease;
mod mend;

use async_trait::async_trait;
use seal::Frontier;
use sqlx::postgres::{PgPool, PgRow};
use sqlx::{PgConnection, Row as _};
use tokio::task::AbortHandle;

use super::{Batch, Delivery, Journal, JournalFault, Published, Row, Version, sql};
use super::{fault, malformed, whole};

const MIGRATION: &str = include_str!("../../../migrations/postgres.sql");

/// The journal in a PostgreSQL database that is ours alone.
pub struct PostgresJournal {
    pool: PgPool,
    /// Under which epoch it commits; `None`: it only reads.
    lease: Option<Held>,
}

struct Held {
    epoch: i64,
    renewing: AbortHandle,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.renewing.abort();
    }
}

impl PostgresJournal {
    /// Opens the database for writing, making its tables if they are not there. `holder` names
    /// this data folder: it may come back at once, any other only when our lease has run out.
    ///
    /// # Errors
    /// [`JournalFault`] if the database cannot be reached, does not sync its commits, or is being
    /// written by another server.
    pub async fn open(address: &str, holder: &str) -> Result<PostgresJournal, JournalFault> {
        let pool = connect::pool(address).await?;
        connect::durable(&pool).await?;
        let mut tx = pool.begin().await.map_err(fault("make its tables"))?;
        // Two servers that start at once would make the tables twice.
        sqlx::query("SELECT pg_advisory_xact_lock(5381023)")
            .execute(&mut *tx)
            .await
            .map_err(fault("make its tables"))?;
        sqlx::raw_sql(MIGRATION)
            .execute(&mut *tx)
            .await
            .map_err(fault("make its tables"))?;
        tx.commit().await.map_err(fault("make its tables"))?;
        let epoch = lease::take(&pool, holder).await?;
        let renewing = tokio::spawn(lease::renew(pool.clone(), epoch)).abort_handle();
        let lease = Some(Held { epoch, renewing });
        Ok(PostgresJournal { pool, lease })
    }

    /// Opens the database for reading only, for verification beside a running server.
    ///
    /// # Errors
    /// [`JournalFault`] if the database cannot be reached or holds no record.
    pub async fn open_read_only(address: &str) -> Result<PostgresJournal, JournalFault> {
        let pool = connect::pool(address).await?;
        let journal = PostgresJournal { pool, lease: None };
        journal.frontier().await?;
        Ok(journal)
    }

    fn epoch(&self, doing: &'static str) -> Result<i64, JournalFault> {
        let held = self.lease.as_ref().map(|held| held.epoch);
        held.ok_or_else(|| JournalFault {
            doing,
            why: "it was opened for reading only".into(),
        })
    }
}

#[async_trait]
impl Journal for PostgresJournal {
    async fn close(&self) {
        if let Some(held) = &self.lease {
            held.renewing.abort();
            lease::give_back(&self.pool, held.epoch).await;
        }
        self.pool.close().await;
    }

    async fn frontier(&self) -> Result<Frontier, JournalFault> {
        const DOING: &str = "read the tree";
        let row = sqlx::query_scalar(sql::FRONTIER).fetch_optional(&self.pool);
        let row: Option<Vec<u8>> = row.await.map_err(fault(DOING))?;
        let Some(bytes) = row else {
            return Ok(Frontier::default());
        };
        Frontier::from_bytes(&bytes).ok_or_else(|| malformed(DOING))
    }

    async fn append(&self, batch: Batch) -> Result<(), JournalFault> {
        const DOING: &str = "commit";
        let epoch = self.epoch(DOING)?;
        let mut tx = self.pool.begin().await.map_err(fault(DOING))?;
        // INVARIANT: a batch goes only onto the tree it was made for, by the one who holds it.
        lease::grow(&mut tx, epoch, &batch).await?;
        insert::rows(&mut tx, &batch.rows)
            .await
            .map_err(fault("insert rows"))?;
        insert::deliveries(&mut tx, &batch.deliveries)
            .await
            .map_err(fault("insert message ids"))?;
        insert::versions(&mut tx, &batch.versions)
            .await
            .map_err(fault("insert versions"))?;
        tx.commit().await.map_err(fault(DOING))
    }

    async fn rows(&self, from: u64, limit: usize) -> Result<Vec<Row>, JournalFault> {
        const DOING: &str = "read rows";
        let rows = sqlx::query(sql::ROWS)
            .bind(whole(from))
            .bind(whole(limit as u64))
            .fetch_all(&self.pool);
        let rows = rows.await.map_err(fault(DOING))?;
        rows.iter()
            .map(|row| read_row(row).ok_or_else(|| malformed(DOING)))
            .collect()
    }

    async fn deliveries(&self, messages: &[[u8; 16]]) -> Result<Vec<Delivery>, JournalFault> {
        const SQL: &str = "SELECT message, content, seq, at FROM delivery WHERE message = ANY($1)";
        let rows = self.among(SQL, messages).await?;
        let read = rows.iter().map(read_delivery);
        read.collect::<Option<_>>()
            .ok_or_else(|| malformed("read message ids"))
    }

    async fn replaced(&self, versions: &[([u8; 16], u64)]) -> Result<Vec<Version>, JournalFault> {
        const DOING: &str = "read versions";
        const SQL: &str = "SELECT v.resource, v.replaces, v.seq FROM version v \
             JOIN unnest($1::bytea[], $2::bigint[]) AS asked (resource, replaces) \
             ON v.resource = asked.resource AND v.replaces = asked.replaces";
        if versions.is_empty() {
            return Ok(Vec::new());
        }
        let (tags, indexes): (Vec<&[u8]>, Vec<i64>) = versions
            .iter()
            .map(|(tag, index)| (tag.as_slice(), whole(*index)))
            .unzip();
        let rows = sqlx::query(SQL).bind(tags).bind(indexes);
        let rows = rows.fetch_all(&self.pool).await.map_err(fault(DOING))?;
        let read = rows.iter().map(read_version);
        read.collect::<Option<_>>().ok_or_else(|| malformed(DOING))
    }

    async fn written(&self, resource: [u8; 16]) -> Result<Vec<Version>, JournalFault> {
        const SQL: &str = "SELECT resource, replaces, seq FROM version WHERE resource = ANY($1)";
        let rows = self.among(SQL, &[resource]).await?;
        let read = rows.iter().map(read_version);
        read.collect::<Option<_>>()
            .ok_or_else(|| malformed("read versions"))
    }

    async fn of_streams(&self, streams: &[[u8; 16]], from: u64) -> Result<Vec<u64>, JournalFault> {
        const SQL: &str = "SELECT seq FROM row WHERE seq >= $1 AND stream = ANY($2) ORDER BY seq";
        let streams: Vec<&[u8]> = streams.iter().map(<[u8; 16]>::as_slice).collect();
        let seqs = sqlx::query_scalar(SQL).bind(whole(from)).bind(streams);
        let seqs: Vec<i64> = seqs
            .fetch_all(&self.pool)
            .await
            .map_err(fault("look for what is to be erased"))?;
        Ok(seqs.into_iter().map(i64::unsigned_abs).collect())
    }

    async fn forget(&self, seqs: &[u64]) -> Result<(), JournalFault> {
        const DOING: &str = "forget what was erased";
        let epoch = self.epoch(DOING)?;
        let seqs: Vec<i64> = seqs.iter().map(|seq| whole(*seq)).collect();
        let mut tx = self.pool.begin().await.map_err(fault(DOING))?;
        lease::hold(&mut tx, epoch, DOING).await?;
        let gone = sqlx::query("DELETE FROM version WHERE seq = ANY($1)").bind(seqs);
        gone.execute(&mut *tx).await.map_err(fault(DOING))?;
        tx.commit().await.map_err(fault(DOING))
    }

    async fn mend(&self, rows: &[Row]) -> Result<(), JournalFault> {
        const DOING: &str = "put rows back";
        let epoch = self.epoch(DOING)?;
        let mut tx = self.pool.begin().await.map_err(fault(DOING))?;
        lease::hold(&mut tx, epoch, DOING).await?;
        mend::mend(&mut tx, rows).await.map_err(fault(DOING))?;
        tx.commit().await.map_err(fault(DOING))
    }

    async fn take_forged(&self) -> Result<Vec<Row>, JournalFault> {
        const DOING: &str = "take forged rows away";
        let epoch = self.epoch(DOING)?;
        let mut tx = self.pool.begin().await.map_err(fault(DOING))?;
        lease::hold(&mut tx, epoch, DOING).await?;
        let rows = mend::take_forged(&mut tx).await.map_err(fault(DOING))?;
        tx.commit().await.map_err(fault(DOING))?;
        let read = rows.iter().map(read_row);
        read.collect::<Option<_>>().ok_or_else(|| malformed(DOING))
    }

    async fn published(&self) -> Result<Option<Published>, JournalFault> {
        const DOING: &str = "read the checkpoint";
        let row = sqlx::query(sql::PUBLISHED).fetch_optional(&self.pool);
        let Some(row) = row.await.map_err(fault(DOING))? else {
            return Ok(None);
        };
        read_published(&row)
            .map(Some)
            .ok_or_else(|| malformed(DOING))
    }

    async fn publish(&self, expected: Option<u64>, next: &Published) -> Result<bool, JournalFault> {
        const DOING: &str = "swap the checkpoint";
        let epoch = self.epoch(DOING)?;
        let mut tx = self.pool.begin().await.map_err(fault(DOING))?;
        lease::hold(&mut tx, epoch, DOING).await?;
        let swapped = swap(&mut tx, expected, next).await.map_err(fault(DOING))?;
        tx.commit().await.map_err(fault(DOING))?;
        Ok(swapped)
    }

    async fn moved(&self) -> Result<Option<String>, JournalFault> {
        let place = sqlx::query_scalar(sql::MOVED).fetch_optional(&self.pool);
        place.await.map_err(fault("read whether it was moved"))
    }
}

impl PostgresJournal {
    async fn among(
        &self,
        sql: &'static str,
        tags: &[[u8; 16]],
    ) -> Result<Vec<PgRow>, JournalFault> {
        if tags.is_empty() {
            return Ok(Vec::new());
        }
        let tags: Vec<&[u8]> = tags.iter().map(<[u8; 16]>::as_slice).collect();
        let rows = sqlx::query(sql).bind(tags).fetch_all(&self.pool).await;
        rows.map_err(fault("look up tags"))
    }
}

async fn swap(
    tx: &mut PgConnection,
    expected: Option<u64>,
    next: &Published,
) -> sqlx::Result<bool> {
    let sql = match expected {
        Some(_) => sql::PUBLISH_NEXT,
        None => sql::PUBLISH_FIRST,
    };
    let mut query = sqlx::query(sql)
        .bind(whole(next.size))
        .bind(next.note.clone())
        .bind(next.edge.clone())
        .bind(next.at);
    if let Some(expected) = expected {
        query = query.bind(whole(expected));
    }
    Ok(query.execute(tx).await?.rows_affected() == 1)
}

fn read_row(row: &PgRow) -> Option<Row> {
    Some(Row {
        seq: index(row, 0)?,
        stream: bytes16(row, 1)?,
        at: row.try_get(2).ok()?,
        entry: row.try_get(3).ok()?,
        ciphertext: row.try_get(4).ok()?,
    })
}

fn read_delivery(row: &PgRow) -> Option<Delivery> {
    Some(Delivery {
        message: bytes16(row, 0)?,
        content: bytes16(row, 1)?,
        seq: index(row, 2)?,
        at: row.try_get(3).ok()?,
    })
}

fn read_version(row: &PgRow) -> Option<Version> {
    Some(Version {
        resource: bytes16(row, 0)?,
        replaces: index(row, 1)?,
        seq: index(row, 2)?,
    })
}

fn read_published(row: &PgRow) -> Option<Published> {
    Some(Published {
        size: index(row, 0)?,
        note: row.try_get(1).ok()?,
        edge: row.try_get(2).ok()?,
        at: row.try_get(3).ok()?,
    })
}

fn bytes16(row: &PgRow, column: usize) -> Option<[u8; 16]> {
    row.try_get::<&[u8], _>(column).ok()?.try_into().ok()
}

fn index(row: &PgRow, column: usize) -> Option<u64> {
    row.try_get::<i64, _>(column).ok()?.try_into().ok()
}
