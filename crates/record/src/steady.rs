//! Connections that can be used again after the disk failed under them.

use sqlx::Connection as _;
use sqlx::sqlite::SqlitePoolOptions;

/// Closes a connection whose transaction could not be ended, instead of handing it out again.
///
/// If the disk fails while a transaction is committed, SQLite takes it back by itself; the rollback
/// that follows fails, and the connection would take itself to be within a transaction for ever.
#[must_use]
pub fn steady(options: SqlitePoolOptions) -> SqlitePoolOptions {
    options.before_acquire(|connection, _| {
        Box::pin(async move {
            if connection.is_in_transaction() {
                // A rollback may still be on its way.
                connection.ping().await?;
            }
            Ok(!connection.is_in_transaction())
        })
    })
}
