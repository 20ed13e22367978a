/// Every table with the columns that order it, for the digest.
pub(crate) const TABLES: [(&str, &str); 16] = [
    ("cursor", "SELECT id, next FROM cursor ORDER BY id"),
    ("word", "SELECT wid, text FROM word ORDER BY wid"),
    ("patient", "SELECT pid, id FROM patient ORDER BY pid"),
    (
        "page",
        "SELECT seq, first, items, body FROM page ORDER BY seq",
    ),
    (
        "version",
        "SELECT rid, kind, id, patient, seq, item, at, flags, source, prev, next, labels, told,
         day, beside FROM version ORDER BY rid",
    ),
    ("head", "SELECT slot, rid FROM head ORDER BY slot, rid"),
    ("term", "SELECT key, rid FROM term ORDER BY key, rid"),
    ("name", "SELECT word, rid FROM name ORDER BY word, rid"),
    (
        "alias",
        "SELECT retired, survivor, seq FROM alias ORDER BY retired",
    ),
    (
        "place",
        "SELECT id, parent, code, name, level FROM place ORDER BY id",
    ),
    (
        "stay",
        "SELECT encounter, patient, expected, place, since, people FROM stay ORDER BY encounter",
    ),
    (
        "tie",
        "SELECT slot, what, who, patient, since, until FROM tie ORDER BY slot, what, who",
    ),
    (
        "consent",
        "SELECT slot, patient, body FROM consent ORDER BY slot",
    ),
    (
        "image",
        "SELECT seq, study, patient, series, instance, syntax, header FROM image ORDER BY seq",
    ),
    (
        "filler",
        "SELECT id, patient, known_as, seq FROM filler ORDER BY id, patient, known_as",
    ),
    ("layout", "SELECT id, version FROM layout ORDER BY id"),
];

/// The layout of these tables, also of what their numbers mean. Another one is folded again.
pub(super) const LAYOUT: i64 = 10;

/// The tables that are there.
pub(super) const NAMES: &str =
    "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'";

/// What makes the tables, if they are not there.
pub(super) const DDL: [&str; 27] = [
    // How many events are folded.
    "CREATE TABLE IF NOT EXISTS cursor (id INTEGER PRIMARY KEY, next INTEGER NOT NULL)",
    // Which layout these tables have.
    "CREATE TABLE IF NOT EXISTS layout (id INTEGER PRIMARY KEY, version INTEGER NOT NULL)",
    // Names of types and feeds, by number.
    "CREATE TABLE IF NOT EXISTS word (wid INTEGER PRIMARY KEY, text TEXT NOT NULL)",
    // Ids of patients, by number.
    "CREATE TABLE IF NOT EXISTS patient (pid INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE)",
    // The contents one event wrote, and the rows that are its own: `first` and `items` on.
    "CREATE TABLE IF NOT EXISTS page (seq INTEGER PRIMARY KEY, first INTEGER NOT NULL,
       items INTEGER NOT NULL, body BLOB NOT NULL)",
    // One version of one resource. `told`: when what it says happened, in milliseconds since
    // 1970, as its sender says; 0: nobody said. `day`: the day, counted from 1970, of its `date`; 0: of
    // more than one, or of none. `beside`: of a current version that several messages told, when each of its
    // elements was said and what of it is not shown, as JSON.
    "CREATE TABLE IF NOT EXISTS version (rid INTEGER PRIMARY KEY, kind INTEGER NOT NULL,
       id TEXT NOT NULL, patient INTEGER NOT NULL, seq INTEGER NOT NULL, item INTEGER NOT NULL,
       at INTEGER NOT NULL, flags INTEGER NOT NULL, source INTEGER NOT NULL,
       prev INTEGER NOT NULL, next INTEGER NOT NULL, labels INTEGER NOT NULL,
       told INTEGER NOT NULL, day INTEGER NOT NULL, beside BLOB)",
    "CREATE INDEX IF NOT EXISTS version_patient ON version (patient, kind, next)
       WHERE patient > 0",
    "CREATE INDEX IF NOT EXISTS version_kind ON version (kind)",
    // What of a patient is sensitive: few rows, so this index is small.
    "CREATE INDEX IF NOT EXISTS version_labels ON version (patient, labels, next)
       WHERE labels > 0",
    // The current version of a resource, by the number of its name.
    "CREATE TABLE IF NOT EXISTS head (slot INTEGER NOT NULL, rid INTEGER NOT NULL,
       PRIMARY KEY (slot, rid)) WITHOUT ROWID",
    // Versions by the number of a value.
    "CREATE TABLE IF NOT EXISTS term (key INTEGER NOT NULL, rid INTEGER NOT NULL,
       PRIMARY KEY (key, rid)) WITHOUT ROWID",
    // Versions of people by the words of their names, folded.
    "CREATE TABLE IF NOT EXISTS name (word TEXT NOT NULL, rid INTEGER NOT NULL,
       PRIMARY KEY (word, rid)) WITHOUT ROWID",
    // Patients that were merged into others, and the event that did it.
    "CREATE TABLE IF NOT EXISTS alias (retired INTEGER PRIMARY KEY, survivor INTEGER NOT NULL,
       seq INTEGER NOT NULL)",
    "CREATE INDEX IF NOT EXISTS alias_survivor ON alias (survivor)",
    // Wards, rooms and beds.
    "CREATE TABLE IF NOT EXISTS place (id TEXT PRIMARY KEY, parent TEXT, code TEXT NOT NULL,
       name TEXT, level INTEGER NOT NULL) WITHOUT ROWID",
    // Encounters that are current or expected; `people` is a JSON list of (role, reference, name).
    "CREATE TABLE IF NOT EXISTS stay (encounter TEXT PRIMARY KEY, patient INTEGER NOT NULL,
       expected INTEGER NOT NULL, place TEXT, since TEXT, people TEXT NOT NULL) WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS stay_patient ON stay (patient)",
    // People whom one resource connects with a patient, in milliseconds since 1970.
    "CREATE TABLE IF NOT EXISTS tie (slot INTEGER NOT NULL, what TEXT NOT NULL, who TEXT NOT NULL,
       patient INTEGER NOT NULL, since INTEGER NOT NULL, until INTEGER NOT NULL,
       PRIMARY KEY (slot, what, who)) WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS tie_patient ON tie (patient)",
    // Consents in force; `body` is a JSON list of provisions.
    "CREATE TABLE IF NOT EXISTS consent (slot INTEGER PRIMARY KEY, patient INTEGER NOT NULL,
       body TEXT NOT NULL)",
    "CREATE INDEX IF NOT EXISTS consent_patient ON consent (patient)",
    // DICOM objects by the event that brought them: the id of the study's resource, the patient whom the
    // object names, and what it says of itself, as JSON.
    "CREATE TABLE IF NOT EXISTS image (seq INTEGER PRIMARY KEY, study TEXT NOT NULL,
       patient INTEGER NOT NULL, series TEXT NOT NULL, instance TEXT NOT NULL,
       syntax TEXT NOT NULL, header TEXT NOT NULL)",
    "CREATE INDEX IF NOT EXISTS image_study ON image (study, series, seq)",
    "CREATE INDEX IF NOT EXISTS image_patient ON image (patient)",
    // Which order goes by a filler's number: the id that it has for those who know that number alone,
    // whose it is, the id of the order, and the event that said so first.
    "CREATE TABLE IF NOT EXISTS filler (id TEXT NOT NULL, patient INTEGER NOT NULL,
       known_as TEXT NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (id, patient, known_as))
       WITHOUT ROWID",
    "INSERT INTO cursor (id, next) VALUES (1, 0) ON CONFLICT (id) DO NOTHING",
    "INSERT INTO layout (id, version) VALUES (1, 10) ON CONFLICT (id) DO NOTHING",
];

/// What empties them again.
pub(super) const CLEAR: [&str; 15] = [
    "DELETE FROM word",
    "DELETE FROM patient",
    "DELETE FROM page",
    "DELETE FROM version",
    "DELETE FROM head",
    "DELETE FROM term",
    "DELETE FROM name",
    "DELETE FROM alias",
    "DELETE FROM place",
    "DELETE FROM stay",
    "DELETE FROM tie",
    "DELETE FROM consent",
    "DELETE FROM image",
    "DELETE FROM filler",
    "UPDATE cursor SET next = 0 WHERE id = 1",
];
