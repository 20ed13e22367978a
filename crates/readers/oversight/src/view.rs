//! The view's database file: `<data>/views/oversight.db`.

use std::path::Path;
use std::sync::Arc;

use event::{Actor, Altered, GlassVerdict, PolicyChange, Time};
use record::{Alike, ViewFile, open_view};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, Sqlite, SqliteConnection, SqlitePool};

use crate::book::{Alteration, Book, Broken, Change, InForce, Opened, Review};
use crate::{Error, outside};

/// Raised when the tables change: an older file is removed and folded again.
const LAYOUT: u16 = 3;
const CONNECTIONS_MAX: u32 = 2;

const TABLES: &str = "
CREATE TABLE IF NOT EXISTS cursor (id BIGINT PRIMARY KEY, next BIGINT NOT NULL,
    latest BIGINT NOT NULL);
INSERT INTO cursor (id, next, latest) VALUES (1, 0, 0) ON CONFLICT (id) DO NOTHING;
CREATE TABLE IF NOT EXISTS glass (
    idx INTEGER PRIMARY KEY,
    at BIGINT NOT NULL,
    until BIGINT NOT NULL,
    account TEXT NOT NULL,
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    patient TEXT NOT NULL,
    purpose TEXT NOT NULL,
    reason TEXT NOT NULL,
    review BIGINT,
    review_at BIGINT,
    reviewer TEXT,
    verdict TEXT,
    words TEXT
);
CREATE INDEX IF NOT EXISTS glass_waiting ON glass (idx) WHERE review IS NULL;
CREATE INDEX IF NOT EXISTS glass_review ON glass (review);
CREATE TABLE IF NOT EXISTS opened (
    glass BIGINT NOT NULL,
    idx BIGINT NOT NULL,
    at BIGINT NOT NULL,
    act TEXT NOT NULL,
    detail TEXT NOT NULL,
    PRIMARY KEY (glass, idx)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS altered (
    idx INTEGER PRIMARY KEY,
    at BIGINT NOT NULL,
    patient TEXT,
    body TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS altered_patient ON altered (patient);
CREATE TABLE IF NOT EXISTS outside (
    idx INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    fate TEXT NOT NULL,
    step BIGINT NOT NULL,
    at BIGINT NOT NULL,
    who TEXT NOT NULL,
    words TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS outside_name ON outside (name, idx);
CREATE INDEX IF NOT EXISTS outside_fate ON outside (fate, idx);
CREATE TABLE IF NOT EXISTS policies (
    idx INTEGER PRIMARY KEY,
    at BIGINT NOT NULL,
    who TEXT NOT NULL,
    change TEXT NOT NULL
);";

/// What must be the same in every fold.
pub(crate) const ALIKE: [Alike; 5] = [
    Alike {
        table: "glass",
        sql: "SELECT * FROM {}.glass",
        keys: 1,
        told: &["idx", "until", "review"],
        after_erasing: true,
    },
    Alike {
        table: "opened",
        sql: "SELECT glass, idx, at, act, detail FROM {}.opened",
        keys: 2,
        told: &["glass", "idx", "act"],
        after_erasing: true,
    },
    Alike {
        table: "altered",
        sql: "SELECT idx, at, patient, body FROM {}.altered",
        keys: 1,
        told: &["idx"],
        after_erasing: true,
    },
    Alike {
        table: "outside",
        sql: "SELECT * FROM {}.outside",
        keys: 1,
        told: &["idx", "fate"],
        after_erasing: true,
    },
    Alike {
        table: "policies",
        sql: "SELECT idx, at, who, change FROM {}.policies",
        keys: 1,
        told: &["idx", "at"],
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
    let opened = open_view(path, &file).await;
    opened.map_err(Error::new("be opened"))
}

/// What is known by heart, and the number of events folded.
pub(crate) async fn book(pool: &SqlitePool) -> Result<(u64, Book), Error> {
    let (next, latest): (i64, i64) = sqlx::query_as("SELECT next, latest FROM cursor WHERE id = 1")
        .fetch_one(pool)
        .await
        .map_err(Error::new("read its cursor"))?;
    let waiting = list(
        pool,
        "SELECT * FROM glass WHERE review IS NULL ORDER BY idx LIMIT $1",
        i64::MAX,
    );
    let waiting = waiting.await?;
    let last = sqlx::query("SELECT * FROM policies ORDER BY idx DESC LIMIT 1")
        .fetch_optional(pool)
        .await
        .map_err(Error::new("read the policies in force"))?;
    let policies = last.as_ref().map(in_force).transpose();
    let policies = policies.map_err(Error::new("read the policies in force"))?;
    let book = Book {
        waiting: waiting.into_iter().map(|one| (one.index, one)).collect(),
        policies: policies.map(Arc::new),
        latest: Time::from_millis(latest),
    };
    Ok((next.unsigned_abs(), book))
}

/// Glass by a query with one limit or index.
pub(crate) async fn list(
    pool: &SqlitePool,
    sql: &'static str,
    number: i64,
) -> Result<Vec<Broken>, Error> {
    let rows = sqlx::query(sql)
        .bind(number)
        .fetch_all(pool)
        .await
        .map_err(Error::new("read its glass"))?;
    let all: Result<Vec<Broken>, sqlx::Error> = rows.iter().map(broken).collect();
    all.map_err(Error::new("read its glass"))
}

/// What was opened by one glass, in order.
pub(crate) async fn opened(pool: &SqlitePool, glass: u64) -> Result<Vec<Opened>, Error> {
    let rows: Vec<(i64, i64, String, String)> =
        sqlx::query_as("SELECT idx, at, act, detail FROM opened WHERE glass = $1 ORDER BY idx")
            .bind(glass.cast_signed())
            .fetch_all(pool)
            .await
            .map_err(Error::new("read what was opened"))?;
    Ok(rows
        .into_iter()
        .map(|(index, at, act, detail)| Opened {
            index: index.unsigned_abs(),
            at: Time::from_millis(at),
            act,
            detail,
        })
        .collect())
}

/// Saves changes and the cursor, all or nothing.
pub(crate) async fn save(
    pool: &SqlitePool,
    changes: &[Change],
    (next, latest): (u64, Time),
) -> Result<(), sqlx::Error> {
    let mut transaction = pool.begin().await?;
    for change in changes {
        match change {
            Change::Altered(one) => alter(&mut transaction, one).await?,
            Change::Broken(broken) => put(&mut transaction, broken).await?,
            Change::Erased(runs) => forget(&mut transaction, runs).await?,
            Change::Opened(glass, opened) => note(&mut transaction, *glass, opened).await?,
            Change::Policies(in_force) => keep(&mut transaction, in_force).await?,
            Change::PutBack(of, settling) => {
                outside::settle(&mut transaction, (*of, settling)).await?
            }
        }
    }
    sqlx::query("UPDATE cursor SET next = $1, latest = $2 WHERE id = 1")
        .bind(next.cast_signed())
        .bind(latest.millis())
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await
}

async fn alter(to: &mut SqliteConnection, one: &Alteration) -> Result<(), sqlx::Error> {
    let body =
        serde_json::to_string(&one.altered).map_err(|why| sqlx::Error::Encode(why.into()))?;
    let sql = "INSERT INTO altered (idx, at, patient, body) VALUES ($1, $2, $3, $4)
               ON CONFLICT (idx) DO NOTHING";
    let query = sqlx::query::<Sqlite>(sql)
        .bind(one.index.cast_signed())
        .bind(one.at.millis())
        .bind(one.patient.as_deref())
        .bind(body);
    query.execute(&mut *to).await?;
    match &one.altered.outside {
        Some(found) => outside::add(to, (one.index, one.at), found).await,
        None => Ok(()),
    }
}

/// What was found altered, the newest first: of one patient, or of all.
pub(crate) async fn altered(
    pool: &SqlitePool,
    (patient, most): (Option<&str>, u32),
) -> Result<Vec<Alteration>, Error> {
    let rows = sqlx::query(
        "SELECT a.*, o.fate, o.step, o.at AS step_at, o.who, o.words FROM altered a
         LEFT JOIN outside o ON o.idx = a.idx
         WHERE $1 IS NULL OR a.patient = $1 ORDER BY a.idx DESC LIMIT $2",
    )
    .bind(patient)
    .bind(i64::from(most))
    .fetch_all(pool)
    .await
    .map_err(Error::new("read what was altered"))?;
    let all: Result<Vec<_>, sqlx::Error> = rows.iter().map(alteration).collect();
    all.map_err(Error::new("read what was altered"))
}

/// A row of `altered`, joined with its row of `outside`.
pub(crate) fn alteration(row: &SqliteRow) -> Result<Alteration, sqlx::Error> {
    let body: String = row.try_get("body")?;
    let altered: Altered = serde_json::from_str(&body).map_err(strange)?;
    let settling = match altered.outside {
        Some(_) => outside::settling(row)?,
        None => None,
    };
    Ok(Alteration {
        index: row.try_get::<i64, _>("idx")?.unsigned_abs(),
        at: Time::from_millis(row.try_get("at")?),
        patient: row.try_get("patient")?,
        altered,
        settling,
    })
}

async fn put(to: &mut SqliteConnection, broken: &Broken) -> Result<(), sqlx::Error> {
    let review = broken.review.as_ref();
    sqlx::query::<Sqlite>(
        "INSERT INTO glass (idx, at, until, account, name, role, patient, purpose, reason, review,
             review_at, reviewer, verdict, words)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
         ON CONFLICT (idx) DO UPDATE SET until = excluded.until, review = excluded.review,
             review_at = excluded.review_at, reviewer = excluded.reviewer,
             verdict = excluded.verdict, words = excluded.words",
    )
    .bind(broken.index.cast_signed())
    .bind(broken.at.millis())
    .bind(broken.until.millis())
    .bind(&broken.account)
    .bind(&broken.name)
    .bind(&broken.role)
    .bind(&broken.patient)
    .bind(&broken.purpose)
    .bind(&broken.reason)
    .bind(review.map(|one| one.index.cast_signed()))
    .bind(review.map(|one| one.at.millis()))
    .bind(review.map(|one| one.name.clone()))
    .bind(review.map(|one| one.verdict.word()))
    .bind(review.map(|one| one.words.clone()))
    .execute(to)
    .await?;
    Ok(())
}

async fn note(to: &mut SqliteConnection, glass: u64, opened: &Opened) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO opened (glass, idx, at, act, detail) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (glass, idx) DO NOTHING",
    )
    .bind(glass.cast_signed())
    .bind(opened.index.cast_signed())
    .bind(opened.at.millis())
    .bind(&opened.act)
    .bind(&opened.detail)
    .execute(to)
    .await?;
    Ok(())
}

/// Takes out the glass of erased patients, and what was opened by it.
async fn forget(from: &mut SqliteConnection, runs: &[(u64, u64)]) -> Result<(), sqlx::Error> {
    let mut gone = 0;
    for (first, last) in runs {
        for sql in [
            "DELETE FROM altered WHERE idx BETWEEN $1 AND $2",
            "DELETE FROM outside WHERE idx BETWEEN $1 AND $2",
            "DELETE FROM glass WHERE idx BETWEEN $1 AND $2",
            "DELETE FROM opened WHERE idx BETWEEN $1 AND $2 OR glass BETWEEN $1 AND $2",
        ] {
            let query = sqlx::query(sql).bind(first.cast_signed());
            let done = query.bind(last.cast_signed()).execute(&mut *from).await?;
            gone += done.rows_affected();
        }
    }
    match gone {
        0 => Ok(()),
        _ => record::rewrite_later(from).await,
    }
}

async fn keep(to: &mut SqliteConnection, in_force: &InForce) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO policies (idx, at, who, change) VALUES ($1, $2, $3, $4)
         ON CONFLICT (idx) DO NOTHING",
    )
    .bind(in_force.index.cast_signed())
    .bind(in_force.at.millis())
    .bind(serde_json::to_string(&in_force.who).map_err(strange)?)
    .bind(serde_json::to_string(&in_force.change).map_err(strange)?)
    .execute(to)
    .await?;
    Ok(())
}

fn in_force(row: &SqliteRow) -> Result<InForce, sqlx::Error> {
    let (who, change): (String, String) = (row.try_get("who")?, row.try_get("change")?);
    let who: Actor = serde_json::from_str(&who).map_err(strange)?;
    let change: PolicyChange = serde_json::from_str(&change).map_err(strange)?;
    Ok(InForce {
        index: row.try_get::<i64, _>("idx")?.unsigned_abs(),
        at: Time::from_millis(row.try_get("at")?),
        who,
        change,
    })
}

fn broken(row: &SqliteRow) -> Result<Broken, sqlx::Error> {
    let review: Option<i64> = row.try_get("review")?;
    let review = match review {
        None => None,
        Some(index) => Some(Review {
            index: index.unsigned_abs(),
            at: Time::from_millis(row.try_get("review_at")?),
            name: row.try_get("reviewer")?,
            verdict: verdict(row.try_get("verdict")?)?,
            words: row.try_get("words")?,
        }),
    };
    Ok(Broken {
        index: row.try_get::<i64, _>("idx")?.unsigned_abs(),
        at: Time::from_millis(row.try_get("at")?),
        until: Time::from_millis(row.try_get("until")?),
        account: row.try_get("account")?,
        name: row.try_get("name")?,
        role: row.try_get("role")?,
        patient: row.try_get("patient")?,
        purpose: row.try_get("purpose")?,
        reason: row.try_get("reason")?,
        review,
    })
}

fn verdict(word: &str) -> Result<GlassVerdict, sqlx::Error> {
    serde_json::from_value(word.into()).map_err(strange)
}

fn strange(error: serde_json::Error) -> sqlx::Error {
    sqlx::Error::Decode(Box::new(error))
}
