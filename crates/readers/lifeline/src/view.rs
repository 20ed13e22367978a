//! The view's database file: `<data>/views/lifeline.db`.

use std::path::Path;

use event::{Event, Time};
use record::{Alike, ViewFile, open_view};
use serde::de::DeserializeOwned;
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Row as _, SqlitePool};

use crate::entry::{Decided, Entry, Sent, Sheet, Sum};
use crate::lifeline::{Listing, State};
use crate::proof::{CopySeen, DrillSeen};
use crate::{Error, fold};

/// Raised when the tables change: an older file is removed and folded again.
const LAYOUT: u16 = 2;
const CONNECTIONS_MAX: u32 = 2;
/// Manifests of one place that are read: whoever wants an older one names it.
const PINNED_MAX: i64 = 1_000;

const TABLES: &str = "
CREATE TABLE IF NOT EXISTS cursor (id BIGINT PRIMARY KEY, next BIGINT NOT NULL);
INSERT INTO cursor (id, next) VALUES (1, 0) ON CONFLICT (id) DO NOTHING;
CREATE TABLE IF NOT EXISTS listing (idx INTEGER PRIMARY KEY, at BIGINT NOT NULL,
    ward TEXT NOT NULL, patients TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS listing_ward ON listing (ward, idx);
CREATE TABLE IF NOT EXISTS code (ward TEXT PRIMARY KEY, generation BIGINT NOT NULL);
CREATE TABLE IF NOT EXISTS entry (idx INTEGER PRIMARY KEY, at BIGINT NOT NULL,
    ward TEXT NOT NULL, patient TEXT, temporary TEXT NOT NULL, line TEXT NOT NULL,
    sheet TEXT NOT NULL, row BIGINT NOT NULL, typist TEXT NOT NULL, typist_name TEXT NOT NULL,
    verdict BIGINT, decided_at BIGINT, decider TEXT, word TEXT, outcome TEXT, reason TEXT,
    sent_at BIGINT, sent_to TEXT, answer TEXT, taken BIGINT);
CREATE INDEX IF NOT EXISTS entry_waiting ON entry (ward, idx) WHERE verdict IS NULL;
CREATE INDEX IF NOT EXISTS entry_sheet ON entry (sheet);
CREATE INDEX IF NOT EXISTS entry_unsent ON entry (idx) WHERE word = 'accepted' AND sent_at IS NULL;
CREATE TABLE IF NOT EXISTS sheet (id TEXT PRIMARY KEY, ward TEXT NOT NULL, printed BIGINT,
    back BIGINT, typed BIGINT NOT NULL DEFAULT 0, blank BIGINT NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS away (idx INTEGER PRIMARY KEY, at BIGINT NOT NULL, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS copy (kind TEXT NOT NULL, name TEXT NOT NULL, idx BIGINT NOT NULL,
    at BIGINT NOT NULL, body TEXT NOT NULL, verified BIGINT, PRIMARY KEY (kind, name));
CREATE TABLE IF NOT EXISTS pinned (idx INTEGER PRIMARY KEY, at BIGINT NOT NULL,
    kind TEXT NOT NULL, place TEXT NOT NULL, manifest TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS pinned_place ON pinned (place, kind, idx);
CREATE TABLE IF NOT EXISTS doer (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS deed (doer BIGINT NOT NULL, at BIGINT NOT NULL, idx BIGINT NOT NULL,
    hand TEXT, PRIMARY KEY (doer, at, idx)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS evidence (idx INTEGER PRIMARY KEY, at BIGINT NOT NULL,
    what TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS drill (idx INTEGER PRIMARY KEY, at BIGINT NOT NULL, body TEXT NOT NULL);
";

/// What must be the same in every fold.
pub(crate) const ALIKE: [Alike; 10] = [
    Alike {
        table: "listing",
        sql: "SELECT idx, at, ward, patients FROM {}.listing",
        keys: 1,
        told: &["idx", "ward"],
        after_erasing: false,
    },
    Alike {
        table: "code",
        sql: "SELECT ward, generation FROM {}.code",
        keys: 1,
        told: &["ward", "generation"],
        after_erasing: true,
    },
    Alike {
        table: "entry",
        sql: "SELECT * FROM {}.entry",
        keys: 1,
        told: &["idx", "ward", "verdict"],
        after_erasing: false,
    },
    Alike {
        table: "sheet",
        sql: "SELECT * FROM {}.sheet",
        keys: 1,
        told: &["id", "ward", "printed", "back"],
        after_erasing: true,
    },
    Alike {
        table: "away",
        sql: "SELECT idx, at, body FROM {}.away",
        keys: 1,
        told: &["idx"],
        after_erasing: true,
    },
    Alike {
        table: "copy",
        sql: "SELECT kind, name, idx, at, body, verified FROM {}.copy",
        keys: 2,
        told: &["kind", "name", "idx", "verified"],
        after_erasing: true,
    },
    Alike {
        table: "pinned",
        sql: "SELECT idx, at, kind, place, manifest FROM {}.pinned",
        keys: 1,
        told: &["idx", "kind", "place", "manifest"],
        after_erasing: true,
    },
    Alike {
        table: "deed",
        sql: "SELECT deed.idx, doer.name, deed.at, deed.hand FROM {}.deed AS deed
              JOIN {}.doer AS doer ON doer.id = deed.doer",
        keys: 1,
        told: &["idx", "name", "at", "hand"],
        after_erasing: false,
    },
    Alike {
        table: "evidence",
        sql: "SELECT idx, at, what FROM {}.evidence",
        keys: 1,
        told: &["idx", "at", "what"],
        after_erasing: false,
    },
    Alike {
        table: "drill",
        sql: "SELECT idx, at, body FROM {}.drill",
        keys: 1,
        told: &["idx"],
        after_erasing: true,
    },
];

/// Opens the file, or makes it; one with other tables is made anew.
pub(crate) async fn open(path: &Path) -> Result<SqlitePool, Error> {
    let file = ViewFile {
        tables: TABLES,
        layout: LAYOUT,
        connections_max: CONNECTIONS_MAX,
    };
    open_view(path, &file)
        .await
        .map_err(Error::view("be opened"))
}

/// What is known by heart.
pub(crate) async fn state(pool: &SqlitePool) -> Result<State, Error> {
    let broken = Error::view("read its cursor");
    let next: i64 = sqlx::query_scalar("SELECT next FROM cursor WHERE id = 1")
        .fetch_one(pool)
        .await
        .map_err(&broken)?;
    let codes: Vec<(String, i64)> = sqlx::query_as("SELECT ward, generation FROM code")
        .fetch_all(pool)
        .await
        .map_err(&broken)?;
    let last: Option<(i64, i64, String)> =
        sqlx::query_as("SELECT idx, at, body FROM away ORDER BY idx DESC LIMIT 1")
            .fetch_optional(pool)
            .await
            .map_err(&broken)?;
    let mut state = State {
        folded: next.unsigned_abs(),
        ..State::default()
    };
    let codes = codes.into_iter();
    state.generations = codes
        .map(|(ward, generation)| (ward, u32::try_from(generation).unwrap_or_default()))
        .collect();
    if let Some((idx, at, body)) = last
        && let Ok(event) = serde_json::from_str::<Event>(&body)
    {
        let at = (idx.unsigned_abs(), Time::from_millis(at));
        fold::by_heart(&mut state, at, &event);
    }
    Ok(state)
}

/// Which list of patients.
pub(crate) enum Newest<'a> {
    Of(&'a str),
    At(u64),
}

pub(crate) async fn listing(
    pool: &SqlitePool,
    which: Newest<'_>,
) -> Result<Option<Listing>, Error> {
    let query = match which {
        Newest::Of(ward) => sqlx::query(
            "SELECT idx, at, ward, patients FROM listing WHERE ward = $1 ORDER BY idx DESC LIMIT 1",
        )
        .bind(ward.to_owned()),
        Newest::At(index) => {
            sqlx::query("SELECT idx, at, ward, patients FROM listing WHERE idx = $1")
                .bind(index.cast_signed())
        }
    };
    let broken = Error::view("read its lists");
    let row = query.fetch_optional(pool).await.map_err(&broken)?;
    row.map(|row| {
        Ok(Listing {
            index: row.try_get::<i64, _>(0)?.unsigned_abs(),
            at: Time::from_millis(row.try_get(1)?),
            ward: row.try_get(2)?,
            patients: json(row.try_get(3)?)?,
        })
    })
    .transpose()
    .map_err(broken)
}

/// Which entries.
pub(crate) enum Entries<'a> {
    Waiting(&'a str),
    Decided(&'a str),
    Sheet(&'a str),
    One(u64),
    Unsent,
}

pub(crate) async fn entries(
    pool: &SqlitePool,
    which: Entries<'_>,
    most: u32,
) -> Result<Vec<Entry>, Error> {
    let (filter, text, number) = match which {
        Entries::Waiting(ward) => ("ward = $1 AND verdict IS NULL ORDER BY idx", ward, 0),
        Entries::Decided(ward) => (
            "ward = $1 AND verdict IS NOT NULL ORDER BY verdict DESC",
            ward,
            0,
        ),
        Entries::Sheet(sheet) => ("sheet = $1 ORDER BY row, idx", sheet, 0),
        Entries::One(index) => ("$1 = '' AND idx = $3", "", index.cast_signed()),
        Entries::Unsent => (
            "$1 = '' AND word = 'accepted' AND sent_at IS NULL ORDER BY verdict",
            "",
            0,
        ),
    };
    // The third value is bound by every filter, used by one.
    let sql = format!("SELECT * FROM entry WHERE $3 >= 0 AND {filter} LIMIT $2");
    let broken = Error::view("read its entries");
    let rows = sqlx::query(AssertSqlSafe(sql))
        .bind(text.to_owned())
        .bind(i64::from(most))
        .bind(number)
        .fetch_all(pool)
        .await
        .map_err(&broken)?;
    let all: Result<Vec<Entry>, sqlx::Error> = rows.iter().map(entry).collect();
    all.map_err(broken)
}

fn entry(row: &SqliteRow) -> Result<Entry, sqlx::Error> {
    let verdict: Option<i64> = row.try_get("verdict")?;
    let sent: Option<i64> = row.try_get("sent_at")?;
    Ok(Entry {
        index: row.try_get::<i64, _>("idx")?.unsigned_abs(),
        at: Time::from_millis(row.try_get("at")?),
        ward: row.try_get("ward")?,
        patient: row.try_get("patient")?,
        temporary: row.try_get("temporary")?,
        line: json(row.try_get("line")?)?,
        sheet: row.try_get("sheet")?,
        row: u16::try_from(row.try_get::<i64, _>("row")?).unwrap_or_default(),
        typist: (row.try_get("typist")?, row.try_get("typist_name")?),
        decided: verdict.map(|index| decided(row, index)).transpose()?,
        sent: sent.map(|at| answer(row, at)).transpose()?,
    })
}

fn decided(row: &SqliteRow, index: i64) -> Result<Decided, sqlx::Error> {
    Ok(Decided {
        index: index.unsigned_abs(),
        at: Time::from_millis(row.try_get("decided_at")?),
        name: row.try_get("decider")?,
        outcome: json(row.try_get("outcome")?)?,
        reason: row.try_get("reason")?,
    })
}

fn answer(row: &SqliteRow, at: i64) -> Result<Sent, sqlx::Error> {
    Ok(Sent {
        at: Time::from_millis(at),
        to: row.try_get("sent_to")?,
        answer: row.try_get("answer")?,
        taken: row.try_get::<i64, _>("taken")? != 0,
    })
}

pub(crate) async fn sums(pool: &SqlitePool) -> Result<Vec<Sum>, Error> {
    let broken = Error::view("sum up its paper");
    let sql = "
        SELECT ward, SUM(sheets), SUM(out), SUM(rows), SUM(blank), SUM(typed), SUM(accepted),
               SUM(refused), SUM(waiting) FROM (
          SELECT ward, 1 AS sheets, back IS NULL AS out,
                 CASE WHEN back IS NULL THEN 0 ELSE typed + blank END AS rows, blank,
                 0 AS typed, 0 AS accepted, 0 AS refused, 0 AS waiting FROM sheet
          UNION ALL
          SELECT ward, 0, 0, 0, 0, 1, word IS 'accepted', word IS 'refused', verdict IS NULL
            FROM entry)
        GROUP BY ward ORDER BY ward";
    let rows = sqlx::query(sql).fetch_all(pool).await.map_err(&broken)?;
    let sum = |row: &SqliteRow| {
        let number = |place: usize| row.try_get::<i64, _>(place).map(i64::unsigned_abs);
        Ok::<Sum, sqlx::Error>(Sum {
            ward: row.try_get(0)?,
            sheets: number(1)?,
            sheets_out: number(2)?,
            rows: number(3)?,
            blank: number(4)?,
            typed: number(5)?,
            accepted: number(6)?,
            refused: number(7)?,
            waiting: number(8)?,
        })
    };
    let all: Result<Vec<Sum>, sqlx::Error> = rows.iter().map(sum).collect();
    all.map_err(broken)
}

pub(crate) async fn sheets(pool: &SqlitePool, ward: &str, most: u32) -> Result<Vec<Sheet>, Error> {
    let broken = Error::view("read its sheets");
    let rows = sqlx::query(
        "SELECT id, ward, printed, back, typed, blank FROM sheet WHERE ward = $1
         ORDER BY back IS NOT NULL, printed, id LIMIT $2",
    )
    .bind(ward.to_owned())
    .bind(i64::from(most))
    .fetch_all(pool)
    .await
    .map_err(&broken)?;
    let sheet = |row: &SqliteRow| {
        Ok::<Sheet, sqlx::Error>(Sheet {
            id: row.try_get(0)?,
            ward: row.try_get(1)?,
            printed: row.try_get::<Option<i64>, _>(2)?.map(Time::from_millis),
            back: row.try_get::<Option<i64>, _>(3)?.map(Time::from_millis),
            typed: row.try_get::<i64, _>(4)?.unsigned_abs(),
            blank: row.try_get::<i64, _>(5)?.unsigned_abs(),
        })
    };
    let all: Result<Vec<Sheet>, sqlx::Error> = rows.iter().map(sheet).collect();
    all.map_err(broken)
}

pub(crate) async fn copies(pool: &SqlitePool) -> Result<Vec<CopySeen>, Error> {
    let broken = Error::view("read its copies");
    let rows: Vec<(i64, i64, String, Option<i64>)> =
        sqlx::query_as("SELECT idx, at, body, verified FROM copy ORDER BY kind, name")
            .fetch_all(pool)
            .await
            .map_err(&broken)?;
    let seen = rows.into_iter().map(|(idx, at, body, verified)| {
        Ok(CopySeen {
            index: idx.unsigned_abs(),
            at: Time::from_millis(at),
            copy: json(body)?,
            verified: verified.map(Time::from_millis),
        })
    });
    let all: Result<Vec<CopySeen>, sqlx::Error> = seen.collect();
    all.map_err(broken)
}

pub(crate) async fn drills(pool: &SqlitePool, most: u32) -> Result<Vec<DrillSeen>, Error> {
    let broken = Error::view("read its drills");
    let rows: Vec<(i64, i64, String)> =
        sqlx::query_as("SELECT idx, at, body FROM drill ORDER BY idx DESC LIMIT $1")
            .bind(i64::from(most))
            .fetch_all(pool)
            .await
            .map_err(&broken)?;
    let seen = rows.into_iter().map(|(idx, at, body)| {
        Ok(DrillSeen {
            index: idx.unsigned_abs(),
            at: Time::from_millis(at),
            drill: json(body)?,
        })
    });
    let all: Result<Vec<DrillSeen>, sqlx::Error> = seen.collect();
    all.map_err(broken)
}

/// The manifests of one kind that were pinned for a place, the newest first.
pub(crate) async fn pinned(
    pool: &SqlitePool,
    (kind, place): (&str, &str),
) -> Result<Vec<(u64, String)>, Error> {
    let rows: Vec<(i64, String)> = sqlx::query_as(
        "SELECT idx, manifest FROM pinned WHERE place = $1 AND kind = $2 ORDER BY idx DESC LIMIT $3",
    )
    .bind(place)
    .bind(kind)
    .bind(PINNED_MAX)
    .fetch_all(pool)
    .await
    .map_err(Error::view("read what was pinned"))?;
    let rows = rows.into_iter();
    Ok(rows
        .map(|(idx, sha256)| (idx.unsigned_abs(), sha256))
        .collect())
}

fn json<T: DeserializeOwned>(text: String) -> Result<T, sqlx::Error> {
    serde_json::from_str(&text).map_err(|why| sqlx::Error::Decode(why.into()))
}
