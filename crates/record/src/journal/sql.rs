//! The SQL that SQLite and PostgreSQL understand alike: `$1` placeholders, row values, upserts.

pub(super) const FRONTIER: &str = "SELECT frontier FROM tree WHERE one = 1";

/// A bare parameter as LIMIT would have SQLite prepare the statement anew each time it is bound.
pub(super) const ROWS: &str =
    "SELECT seq, stream, at, entry, ciphertext FROM row WHERE seq >= $1 ORDER BY seq LIMIT $2 + 0";

pub(super) const PUBLISHED: &str = "SELECT size, note, edge, at FROM checkpoint WHERE one = 1";

pub(super) const PUBLISH_FIRST: &str = "INSERT INTO checkpoint (one, size, note, edge, at) \
     VALUES (1, $1, $2, $3, $4) ON CONFLICT (one) DO NOTHING";

pub(super) const PUBLISH_NEXT: &str = "UPDATE checkpoint SET size = $1, note = $2, edge = $3, at = $4 \
     WHERE one = 1 AND size = $5";

pub(super) const VERSIONS_BETWEEN: &str =
    "SELECT resource, replaces, seq FROM version WHERE seq BETWEEN $1 AND $2";

pub(super) const FORGET_VERSION: &str = "DELETE FROM version WHERE resource = $1 AND replaces = $2";

pub(super) const DELIVERIES_AFTER: &str = "SELECT message, content, seq, at FROM delivery \
     WHERE (message, content) > ($1, $2) ORDER BY message, content LIMIT $3";

pub(super) const VERSIONS_AFTER: &str = "SELECT resource, replaces, seq FROM version \
     WHERE (resource, replaces) > ($1, $2) ORDER BY resource, replaces LIMIT $3";

pub(super) const MOVED: &str = "SELECT place FROM moved WHERE one = 1";

pub(super) const MOVED_TO: &str = "INSERT INTO moved (one, place) VALUES (1, $1) \
     ON CONFLICT (one) DO UPDATE SET place = excluded.place";

pub(super) const NOT_MOVED: &str = "DELETE FROM moved";

pub(super) const FORGET_DELIVERIES: &str = "DELETE FROM delivery";

pub(super) const FORGET_VERSIONS: &str = "DELETE FROM version";

pub(super) const MEND: &str = "INSERT INTO row (seq, stream, at, entry, ciphertext) \
     VALUES ($1, $2, $3, $4, $5) ON CONFLICT (seq) DO UPDATE SET stream = excluded.stream, \
     at = excluded.at, entry = excluded.entry, ciphertext = excluded.ciphertext";

/// Forged rows taken away at a time.
pub(super) const FORGED_MAX: i64 = 1_000;

pub(super) const FORGED: &str = "SELECT seq, stream, at, entry, ciphertext FROM row \
     WHERE seq >= COALESCE((SELECT size FROM tree WHERE one = 1), 0) ORDER BY seq LIMIT $1";

pub(super) const FORGED_GONE: &str = "DELETE FROM row \
     WHERE seq = $1 AND seq >= COALESCE((SELECT size FROM tree WHERE one = 1), 0)";
