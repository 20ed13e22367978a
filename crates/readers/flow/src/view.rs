//! The view's database file: `<data>/views/flow.db`.

use std::path::Path;

use record::{Alike, ViewFile, open_view};
use sqlx::SqlitePool;

use crate::Error;

/// Raised when the tables change: an older file is removed and folded again.
const LAYOUT: u16 = 3;
const CONNECTIONS_MAX: u32 = 4;

const TABLES: &str = "
CREATE TABLE IF NOT EXISTS cursor (id BIGINT PRIMARY KEY, next BIGINT NOT NULL);
INSERT INTO cursor (id, next) VALUES (1, 0) ON CONFLICT (id) DO NOTHING;

CREATE TABLE IF NOT EXISTS feed (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    last BIGINT NOT NULL,
    messages BIGINT NOT NULL,
    kept BIGINT NOT NULL,
    reused BIGINT NOT NULL,
    odd BIGINT NOT NULL,
    unread BIGINT NOT NULL,
    dropped BIGINT NOT NULL,
    cut BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    format TEXT,
    read_to BIGINT,
    mark TEXT
);
CREATE TABLE IF NOT EXISTS bucket (
    width BIGINT NOT NULL,
    start BIGINT NOT NULL,
    feed BIGINT NOT NULL,
    messages BIGINT NOT NULL,
    unread BIGINT NOT NULL,
    PRIMARY KEY (width, start, feed)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS kind (
    feed BIGINT NOT NULL,
    kind TEXT NOT NULL,
    messages BIGINT NOT NULL,
    last BIGINT NOT NULL,
    PRIMARY KEY (feed, kind)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS silence (
    feed BIGINT NOT NULL,
    hour BIGINT NOT NULL,
    longest BIGINT NOT NULL,
    PRIMARY KEY (feed, hour)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS lines (
    feed BIGINT NOT NULL,
    kind TEXT NOT NULL,
    lines BIGINT NOT NULL,
    PRIMARY KEY (feed, kind)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS message (
    idx INTEGER PRIMARY KEY,
    at BIGINT NOT NULL,
    feed BIGINT NOT NULL,
    kind TEXT NOT NULL,
    control TEXT NOT NULL,
    mapped BIGINT NOT NULL,
    reused BIGINT NOT NULL,
    size BIGINT NOT NULL,
    complaints BIGINT NOT NULL
);
CREATE INDEX IF NOT EXISTS message_feed ON message (feed, idx);
CREATE INDEX IF NOT EXISTS message_kept ON message (idx) WHERE mapped = 0;
CREATE INDEX IF NOT EXISTS message_odd ON message (idx) WHERE complaints > 0;
CREATE INDEX IF NOT EXISTS message_reused ON message (idx) WHERE reused = 1;
CREATE TABLE IF NOT EXISTS unread (
    idx INTEGER PRIMARY KEY,
    at BIGINT NOT NULL,
    feed BIGINT NOT NULL,
    reason TEXT NOT NULL,
    size BIGINT NOT NULL
);
-- Ids mostly count up, so this order puts a batch's new ids on few pages.
CREATE TABLE IF NOT EXISTS control (
    feed BIGINT NOT NULL,
    generation BIGINT NOT NULL,
    control TEXT NOT NULL,
    PRIMARY KEY (feed, generation, control)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS generation (
    feed BIGINT NOT NULL,
    generation BIGINT NOT NULL,
    PRIMARY KEY (feed, generation)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS import (
    id TEXT PRIMARY KEY,
    begun BIGINT NOT NULL,
    at BIGINT NOT NULL,
    client TEXT NOT NULL,
    last BIGINT NOT NULL,
    ended TEXT NOT NULL,
    why TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS import_file (
    import TEXT NOT NULL,
    place BIGINT NOT NULL,
    lines BIGINT NOT NULL,
    digest TEXT NOT NULL,
    accepted BIGINT NOT NULL,
    refused BIGINT NOT NULL,
    done BIGINT NOT NULL,
    PRIMARY KEY (import, place)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS import_refusal (
    import TEXT NOT NULL,
    place BIGINT NOT NULL,
    idx BIGINT NOT NULL,
    PRIMARY KEY (import, place, idx)
) WITHOUT ROWID;";

/// What must be the same in every fold.
pub(crate) const ALIKE: [Alike; 9] = [
    Alike {
        table: "import",
        sql: "SELECT id, begun, at, client, last, ended, why FROM {}.import",
        keys: 1,
        told: &["id", "begun", "at", "client", "last", "ended", "why"],
        after_erasing: false,
    },
    Alike {
        table: "import_file",
        sql: "SELECT import, place, lines, digest, accepted, refused, done FROM {}.import_file",
        keys: 2,
        told: &[
            "import", "place", "lines", "digest", "accepted", "refused", "done",
        ],
        after_erasing: false,
    },
    Alike {
        table: "import_refusal",
        sql: "SELECT import, place, idx FROM {}.import_refusal",
        keys: 3,
        told: &["import", "place", "idx"],
        after_erasing: false,
    },
    Alike {
        table: "feed",
        sql: "SELECT name, last, messages, kept, reused, odd, unread, dropped, cut, bytes, COALESCE(format, ''), COALESCE(read_to, 0), COALESCE(mark, '') FROM {}.feed",
        keys: 1,
        told: &[
            "name", "last", "messages", "kept", "reused", "odd", "unread", "dropped", "cut",
            "bytes", "format", "read_to", "mark",
        ],
        after_erasing: false,
    },
    Alike {
        table: "kind",
        sql: "SELECT f.name, k.kind, k.messages, k.last FROM {}.kind k LEFT JOIN {}.feed f ON f.id = k.feed",
        keys: 2,
        told: &["name", "kind", "messages", "last"],
        after_erasing: false,
    },
    Alike {
        table: "lines",
        sql: "SELECT f.name, l.kind, l.lines FROM {}.lines l LEFT JOIN {}.feed f ON f.id = l.feed",
        keys: 2,
        told: &["name", "kind", "lines"],
        after_erasing: false,
    },
    Alike {
        table: "silence",
        sql: "SELECT f.name, s.hour, s.longest FROM {}.silence s LEFT JOIN {}.feed f ON f.id = s.feed",
        keys: 2,
        told: &["name", "hour", "longest"],
        after_erasing: false,
    },
    Alike {
        table: "message",
        sql: "SELECT idx, at, kind, control, mapped, reused, size, complaints FROM {}.message WHERE idx IN (SELECT idx FROM main.message) AND idx IN (SELECT idx FROM fresh.message)",
        keys: 1,
        told: &["idx", "kind", "mapped", "reused", "size"],
        after_erasing: false,
    },
    Alike {
        table: "unread",
        sql: "SELECT idx, at, reason, size FROM {}.unread WHERE idx IN (SELECT idx FROM main.unread) AND idx IN (SELECT idx FROM fresh.unread)",
        keys: 1,
        told: &["idx", "size"],
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
