//! Who may write: an epoch in the row of the tree itself.
//!
//! Whoever takes the lease raises the epoch, in the row that every commit changes too. So a commit
//! and a change of hands wait for each other, and a server that was replaced while it slept finds
//! another epoch there and commits nothing. The lease's time only says how long others keep away
//! from a server that died; what is right does not hang on any clock.

use std::time::Duration;

use seal::Frontier;
use sqlx::PgConnection;
use sqlx::postgres::PgPool;

use crate::journal::{Batch, JournalFault, fault, whole};

/// How long others keep away after the last sign of life, in seconds of the database's clock.
const LEASE_S: i32 = 15;
/// How often a sign of life is given.
const RENEW: Duration = Duration::from_secs(5);

/// Takes the lease and returns its epoch.
pub(super) async fn take(pool: &PgPool, holder: &str) -> Result<i64, JournalFault> {
    const DOING: &str = "take the lease of the sequencer";
    const SQL: &str = "INSERT INTO tree (one, size, frontier, epoch, holder, until) \
         VALUES (1, 0, $1, 1, $2, now() + make_interval(secs => $3)) \
         ON CONFLICT (one) DO UPDATE SET epoch = tree.epoch + 1, holder = excluded.holder, \
         until = excluded.until WHERE tree.holder = excluded.holder OR tree.until < now() \
         RETURNING epoch";
    let taken = sqlx::query_scalar(SQL)
        .bind(Frontier::default().to_bytes())
        .bind(holder)
        .bind(f64::from(LEASE_S));
    let taken: Option<i64> = taken.fetch_optional(pool).await.map_err(fault(DOING))?;
    if let Some(epoch) = taken {
        return Ok(epoch);
    }
    let other = sqlx::query_scalar("SELECT holder FROM tree WHERE one = 1");
    let other: Option<String> = other.fetch_optional(pool).await.map_err(fault(DOING))?;
    Err(JournalFault {
        doing: DOING,
        why: format!(
            "another salus server (`{}`) writes this database: stop it first; one that died is \
             replaced {LEASE_S} seconds after its last sign of life",
            other.unwrap_or_default()
        ),
    })
}

/// Gives signs of life until the lease is another's.
pub(super) async fn renew(pool: PgPool, epoch: i64) {
    const SQL: &str = "UPDATE tree SET until = now() + make_interval(secs => $2) \
         WHERE one = 1 AND epoch = $1";
    loop {
        tokio::time::sleep(RENEW).await;
        let renewed = sqlx::query(SQL).bind(epoch).bind(f64::from(LEASE_S));
        match renewed.execute(&pool).await {
            Ok(done) if done.rows_affected() == 0 => {
                tracing::error!(
                    "another salus server has taken over this database: nothing is sealed here \
                     any more; stop this server"
                );
                return;
            }
            Ok(_) => {}
            Err(why) => tracing::warn!(%why, "the lease of the sequencer was not renewed"),
        }
    }
}

/// Ends the lease, so that another server may begin at once.
pub(super) async fn give_back(pool: &PgPool, epoch: i64) {
    let until = sqlx::query("UPDATE tree SET until = now() WHERE one = 1 AND epoch = $1");
    if let Err(why) = until.bind(epoch).execute(pool).await {
        tracing::warn!(%why, "the lease of the sequencer was not given back");
    }
}

/// Grows the tree by a batch, if it is still what the batch was made for and still ours.
pub(super) async fn grow(
    tx: &mut PgConnection,
    epoch: i64,
    batch: &Batch,
) -> Result<(), JournalFault> {
    const DOING: &str = "commit";
    let size = whole(batch.frontier.size());
    let before = size - whole(batch.rows.len() as u64);
    let grown = sqlx::query(
        "UPDATE tree SET size = $1, frontier = $2 WHERE one = 1 AND size = $3 AND epoch = $4",
    );
    let grown = grown.bind(size).bind(batch.frontier.to_bytes());
    let grown = grown.bind(before).bind(epoch).execute(&mut *tx).await;
    if grown.map_err(fault(DOING))?.rows_affected() == 1 {
        return Ok(());
    }
    hold(tx, epoch, DOING).await?;
    Err(JournalFault {
        doing: DOING,
        why: "the tree has grown meanwhile".into(),
    })
}

/// Keeps the lease ours until the transaction ends, or says that it is not.
pub(super) async fn hold(
    tx: &mut PgConnection,
    epoch: i64,
    doing: &'static str,
) -> Result<(), JournalFault> {
    let ours = sqlx::query("SELECT 1 FROM tree WHERE one = 1 AND epoch = $1 FOR SHARE");
    let ours = ours.bind(epoch).fetch_optional(tx).await;
    match ours.map_err(fault(doing))? {
        Some(_) => Ok(()),
        None => Err(JournalFault {
            doing,
            why: "another salus server has taken over this database; stop this one".into(),
        }),
    }
}
