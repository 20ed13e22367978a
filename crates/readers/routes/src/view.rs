//! The view's database file: `<data>/views/routes.db`.

use std::path::Path;

use record::{Alike, ViewFile, open_view};
use sqlx::SqlitePool;

use crate::Error;

/// Raised when the tables change: an older file is removed and folded again.
const LAYOUT: u16 = 4;
const CONNECTIONS_MAX: u32 = 4;

const TABLES: &str = "
CREATE TABLE IF NOT EXISTS cursor (id BIGINT PRIMARY KEY, next BIGINT NOT NULL);
INSERT INTO cursor (id, next) VALUES (1, 0) ON CONFLICT (id) DO NOTHING;

CREATE TABLE IF NOT EXISTS route (
    name TEXT PRIMARY KEY,
    -- The rules as they were sealed, and by which event; not open: no longer configured.
    rules TEXT NOT NULL,
    sealed BIGINT NOT NULL,
    open BIGINT NOT NULL,
    paused TEXT,
    taken BIGINT NOT NULL,
    aside BIGINT NOT NULL,
    last BIGINT
) WITHOUT ROWID;
-- What waits: indices, never copies.
CREATE TABLE IF NOT EXISTS queue (
    route TEXT NOT NULL,
    turn BIGINT NOT NULL,
    message BIGINT NOT NULL,
    at BIGINT NOT NULL,
    lane BLOB,
    PRIMARY KEY (route, turn, message)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS queue_message ON queue (message);
CREATE TABLE IF NOT EXISTS aside (
    route TEXT NOT NULL,
    turn BIGINT NOT NULL,
    message BIGINT NOT NULL,
    at BIGINT NOT NULL,
    outcome TEXT NOT NULL,
    answer TEXT NOT NULL,
    PRIMARY KEY (route, turn, message)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS aside_at ON aside (route, at);
CREATE TABLE IF NOT EXISTS hour (
    route TEXT NOT NULL,
    start BIGINT NOT NULL,
    taken BIGINT NOT NULL,
    aside BIGINT NOT NULL,
    PRIMARY KEY (route, start)
) WITHOUT ROWID;
-- What a receiver took, by its mark.
CREATE TABLE IF NOT EXISTS sent (
    route TEXT NOT NULL,
    mark TEXT NOT NULL,
    message BIGINT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (route, mark, message)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS sent_at ON sent (at);
CREATE INDEX IF NOT EXISTS sent_message ON sent (message);
-- FHIR Subscriptions: the resource as it was written, how far the record was looked through, the number
-- of its last event, and of the last one that its subscriber took.
CREATE TABLE IF NOT EXISTS subscriber (
    id TEXT PRIMARY KEY,
    maker TEXT NOT NULL,
    version BIGINT NOT NULL,
    changed BIGINT NOT NULL,
    status TEXT NOT NULL,
    resource BLOB NOT NULL,
    through BIGINT NOT NULL,
    number BIGINT NOT NULL,
    taken BIGINT NOT NULL,
    last BIGINT,
    failing BIGINT
) WITHOUT ROWID;
-- Their events: where the versions stand, never what they say.
CREATE TABLE IF NOT EXISTS happened (
    subscription TEXT NOT NULL,
    number BIGINT NOT NULL,
    event BIGINT NOT NULL,
    place BIGINT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (subscription, number)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS happened_event ON happened (event);";

/// What must be the same in every fold.
pub(crate) const ALIKE: [Alike; 3] = [
    Alike {
        table: "subscriber",
        sql: "SELECT id, maker, version, status, through, number, taken, failing FROM {}.subscriber",
        keys: 1,
        told: &["id", "version", "status", "number", "taken"],
        after_erasing: false,
    },
    Alike {
        table: "route",
        sql: "SELECT name, rules, sealed, open, paused, taken, aside, last FROM {}.route",
        keys: 1,
        told: &["name", "sealed", "open", "taken", "aside"],
        after_erasing: false,
    },
    Alike {
        table: "queue",
        sql: "SELECT route, turn, message, at FROM {}.queue",
        keys: 3,
        told: &["route", "turn", "message"],
        after_erasing: false,
    },
];

/// Opens the file, or makes it; one with other tables is made anew.
pub(crate) async fn open(path: &Path) -> Result<SqlitePool, Error> {
    let file = ViewFile {
        tables: TABLES,
        layout: LAYOUT,
        connections_max: CONNECTIONS_MAX,
    };
    let opened = open_view(path, &file).await;
    opened.map_err(Error::new("be opened"))
}
