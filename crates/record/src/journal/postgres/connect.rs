//! How the database is reached, and what it must promise.

use std::str::FromStr as _;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions, PgSslMode};

use crate::journal::{JournalFault, fault};

/// Connections at the same time: one commits, the others read.
const CONNECTIONS_MAX: u32 = 8;
/// How long a connection is waited for.
const CONNECT: Duration = Duration::from_secs(10);

/// Connections to `postgres://user@host/database`. Across a network TLS with the server's name
/// checked is the default (`sslmode`, `sslrootcert`, `sslcert`, `sslkey`); the password comes from
/// `PGPASSFILE` or `PGPASSWORD`.
pub(super) async fn pool(address: &str) -> Result<PgPool, JournalFault> {
    const DOING: &str = "reach the database";
    let mut options = PgConnectOptions::from_str(address).map_err(fault(DOING))?;
    if !address.contains("sslmode=") && options.get_socket().is_none() && !here(&options) {
        options = options.ssl_mode(PgSslMode::VerifyFull);
    }
    let options = options.application_name("salus");
    let pool = PgPoolOptions::new()
        .max_connections(CONNECTIONS_MAX)
        .acquire_timeout(CONNECT)
        .after_connect(|connection, _| {
            Box::pin(async move {
                // What is acknowledged is on disk, whatever the database's default is; a stronger
                // promise stays as it is.
                sqlx::query(
                    "SELECT set_config('synchronous_commit', 'on', false) \
                     WHERE current_setting('synchronous_commit') \
                     IN ('off', 'local', 'remote_write')",
                )
                .execute(connection)
                .await
                .map(drop)
            })
        })
        .connect_with(options);
    pool.await.map_err(fault(DOING))
}

/// Refuses a database that acknowledges what it has not synced.
pub(super) async fn durable(pool: &PgPool) -> Result<(), JournalFault> {
    const DOING: &str = "trust the database";
    let setting: String = sqlx::query_scalar("SELECT current_setting('fsync')")
        .fetch_one(pool)
        .await
        .map_err(fault(DOING))?;
    if setting == "on" {
        return Ok(());
    }
    Err(JournalFault {
        doing: DOING,
        why: format!(
            "it runs with `fsync = {setting}` and may lose what it acknowledged: set it on"
        ),
    })
}

fn here(options: &PgConnectOptions) -> bool {
    matches!(
        options.get_host(),
        "localhost" | "127.0.0.1" | "::1" | "[::1]"
    )
}
