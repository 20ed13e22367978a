//! The view's database file: `<data>/views/access.db`.

use std::path::Path;

use record::{Alike, ViewFile, open_view};
use sqlx::SqlitePool;

use crate::access::Error;

/// Raised when the tables change: an older file is removed and folded again.
const LAYOUT: u16 = 5;
const CONNECTIONS_MAX: u32 = 4;

const TABLES: &str = "
CREATE TABLE IF NOT EXISTS cursor (id BIGINT PRIMARY KEY, next BIGINT NOT NULL);
INSERT INTO cursor (id, next) VALUES (1, 0) ON CONFLICT (id) DO NOTHING;

CREATE TABLE IF NOT EXISTS actor (
    id INTEGER PRIMARY KEY,
    account TEXT NOT NULL,
    kind TEXT NOT NULL,
    role TEXT NOT NULL,
    name TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS actor_account ON actor (account);
-- The policies that decided, each combination once.
CREATE TABLE IF NOT EXISTS reasons (id INTEGER PRIMARY KEY, policies TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS trace (
    key INTEGER PRIMARY KEY,
    at BIGINT NOT NULL,
    actor BIGINT NOT NULL,
    what TEXT NOT NULL,
    patient TEXT,
    allowed BIGINT NOT NULL,
    reasons BIGINT NOT NULL,
    purpose TEXT NOT NULL,
    reason TEXT NOT NULL,
    source TEXT NOT NULL,
    detail TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS trace_patient ON trace (patient, key) WHERE patient IS NOT NULL;
CREATE INDEX IF NOT EXISTS trace_actor ON trace (actor, key);
-- Different patients an account opened on a day (UTC), and in the fullest hour of it.
CREATE TABLE IF NOT EXISTS day (
    account TEXT NOT NULL,
    day BIGINT NOT NULL,
    patients BIGINT NOT NULL,
    hour_peak BIGINT NOT NULL,
    PRIMARY KEY (account, day)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS export (
    idx INTEGER PRIMARY KEY,
    at BIGINT NOT NULL,
    asker TEXT NOT NULL,
    asker_name TEXT NOT NULL,
    what TEXT NOT NULL,
    recipient TEXT NOT NULL,
    reason TEXT NOT NULL,
    leaves TEXT,
    answer BIGINT,
    answered_at BIGINT,
    answerer TEXT,
    answerer_name TEXT,
    approved BIGINT,
    answer_reason TEXT
);
-- What other systems tell of accesses. Lists have a line for each member.
CREATE TABLE IF NOT EXISTS heard (
    key INTEGER PRIMARY KEY,
    at BIGINT NOT NULL,
    told_at BIGINT NOT NULL,
    feed TEXT NOT NULL,
    patient TEXT,
    system TEXT NOT NULL,
    code TEXT NOT NULL,
    name TEXT NOT NULL,
    kinds TEXT NOT NULL,
    action TEXT NOT NULL,
    outcome TEXT NOT NULL,
    user TEXT NOT NULL,
    user_name TEXT NOT NULL,
    agents TEXT NOT NULL,
    addresses TEXT NOT NULL,
    source TEXT NOT NULL,
    purpose TEXT NOT NULL,
    objects TEXT NOT NULL,
    object_kinds TEXT NOT NULL,
    object_roles TEXT NOT NULL,
    complaints TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS heard_patient ON heard (patient, key) WHERE patient IS NOT NULL;
CREATE INDEX IF NOT EXISTS heard_told ON heard (told_at);";

/// What must be the same in every fold.
pub(crate) const ALIKE: [Alike; 3] = [
    Alike {
        table: "trace",
        sql: "SELECT t.key, t.at, a.account, a.kind, a.role, a.name, t.what, t.patient, t.allowed, r.policies, t.purpose, t.reason, t.source, t.detail FROM {}.trace t LEFT JOIN {}.actor a ON a.id = t.actor LEFT JOIN {}.reasons r ON r.id = t.reasons",
        keys: 1,
        told: &["key", "account", "role", "allowed", "policies"],
        after_erasing: false,
    },
    Alike {
        table: "export",
        sql: "SELECT * FROM {}.export",
        keys: 1,
        told: &["idx", "approved"],
        after_erasing: true,
    },
    Alike {
        table: "heard",
        sql: "SELECT * FROM {}.heard",
        keys: 1,
        told: &["key", "feed", "user", "outcome"],
        after_erasing: false,
    },
];

/// Opens the file to be read, or makes it; one with other tables is made anew.
pub(crate) async fn open(path: &Path) -> Result<SqlitePool, Error> {
    let file = ViewFile {
        tables: TABLES,
        layout: LAYOUT,
        connections_max: CONNECTIONS_MAX,
    };
    let opened = open_view(path, &file).await;
    opened.map_err(Error::new("be opened"))
}
