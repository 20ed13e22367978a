//! What was altered in another system, and what became of it: a person decides, what was sealed is
//! sent there, and a later look finds it as it should be.

use event::{Outside, PutBackStep, Time};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, Sqlite, SqliteConnection, SqlitePool};

use crate::{Alteration, Error, view};

/// How far something altered in another system has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Nobody has decided.
    Waiting,
    /// Somebody ordered that what was sealed is put back; it is not sent yet.
    Ordered,
    /// Somebody decided that it stays as it is there.
    Left,
    /// What was sealed was sent, and taken.
    Sent,
    /// What was sealed was sent, and refused.
    Refused,
    /// It was found as it should be.
    Settled,
}

impl Fate {
    const ALL: [Fate; 6] = [
        Fate::Waiting,
        Fate::Ordered,
        Fate::Left,
        Fate::Sent,
        Fate::Refused,
        Fate::Settled,
    ];

    /// Its one word.
    pub const fn word(self) -> &'static str {
        match self {
            Fate::Waiting => "waiting",
            Fate::Ordered => "ordered",
            Fate::Left => "left",
            Fate::Sent => "sent",
            Fate::Refused => "refused",
            Fate::Settled => "settled",
        }
    }

    /// Whether it is still different there, and nobody has said that it may be.
    pub const fn open(self) -> bool {
        matches!(self, Fate::Waiting | Fate::Ordered | Fate::Refused)
    }
}

/// The last step of what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settling {
    /// How far it has come.
    pub fate: Fate,
    /// The event that says so: the alteration itself if nothing followed.
    pub step: u64,
    /// When.
    pub at: Time,
    /// Who; empty: nobody yet.
    pub who: String,
    /// The reason that was typed, or what the other system answered.
    pub words: String,
}

impl Settling {
    pub(crate) fn of(step: &PutBackStep, (index, at): (u64, Time), who: &str) -> Settling {
        let (fate, words) = match step {
            PutBackStep::Ordered { reason } => (Fate::Ordered, reason.as_str()),
            PutBackStep::Left { reason } => (Fate::Left, reason.as_str()),
            PutBackStep::Sent { answer, taken } if *taken => (Fate::Sent, answer.as_str()),
            PutBackStep::Sent { answer, .. } => (Fate::Refused, answer.as_str()),
            PutBackStep::Settled => (Fate::Settled, ""),
        };
        Settling {
            fate,
            step: index,
            at,
            who: who.to_owned(),
            words: words.to_owned(),
        }
    }
}

pub(crate) async fn add(
    to: &mut SqliteConnection,
    (index, at): (u64, Time),
    found: &Outside,
) -> Result<(), sqlx::Error> {
    let sql = "INSERT INTO outside (idx, name, fate, step, at, who, words)
               VALUES ($1, $2, 'waiting', $1, $3, '', '') ON CONFLICT (idx) DO NOTHING";
    let query = sqlx::query::<Sqlite>(sql)
        .bind(index.cast_signed())
        .bind(format!("{}/{}", found.kind, found.id))
        .bind(at.millis());
    query.execute(to).await.map(drop)
}

pub(crate) async fn settle(
    to: &mut SqliteConnection,
    (of, settling): (u64, &Settling),
) -> Result<(), sqlx::Error> {
    let sql = "UPDATE outside SET fate = $2, step = $3, at = $4, who = $5, words = $6
               WHERE idx = $1";
    let query = sqlx::query::<Sqlite>(sql)
        .bind(of.cast_signed())
        .bind(settling.fate.word())
        .bind(settling.step.cast_signed())
        .bind(settling.at.millis())
        .bind(&settling.who)
        .bind(&settling.words);
    query.execute(to).await.map(drop)
}

/// The columns of `outside` in a joined row; `None`: there are none.
pub(crate) fn settling(row: &SqliteRow) -> Result<Option<Settling>, sqlx::Error> {
    let word: Option<String> = row.try_get("fate")?;
    let fate = word.and_then(|word| Fate::ALL.into_iter().find(|fate| fate.word() == word));
    let Some(fate) = fate else {
        return Ok(None);
    };
    Ok(Some(Settling {
        fate,
        step: row.try_get::<i64, _>("step")?.unsigned_abs(),
        at: Time::from_millis(row.try_get("step_at")?),
        who: row.try_get("who")?,
        words: row.try_get("words")?,
    }))
}

const JOINED: &str = "SELECT a.*, o.fate, o.step, o.at AS step_at, o.who, o.words FROM outside o
                      JOIN altered a ON a.idx = o.idx ";

/// What has come so far, the oldest first, at most `most`.
pub(crate) async fn with_fate(
    pool: &SqlitePool,
    (fate, most): (Fate, u32),
) -> Result<Vec<Alteration>, Error> {
    let sql = format!("{JOINED} WHERE o.fate = $1 ORDER BY o.idx LIMIT $2");
    let query = sqlx::query(sqlx::AssertSqlSafe(sql));
    let rows = query.bind(fate.word()).bind(i64::from(most));
    read(rows.fetch_all(pool).await)
}

/// One by its index.
pub(crate) async fn one(pool: &SqlitePool, index: u64) -> Result<Option<Alteration>, Error> {
    let sql = format!("{JOINED} WHERE o.idx = $1");
    let query = sqlx::query(sqlx::AssertSqlSafe(sql));
    let rows = query.bind(index.cast_signed()).fetch_all(pool).await;
    read(rows).map(|all| all.into_iter().next())
}

/// The newest of a resource.
pub(crate) async fn newest(
    pool: &SqlitePool,
    (kind, id): (&str, &str),
) -> Result<Option<Alteration>, Error> {
    let sql = format!("{JOINED} WHERE o.name = $1 ORDER BY o.idx DESC LIMIT 1");
    let query = sqlx::query(sqlx::AssertSqlSafe(sql));
    let rows = query.bind(format!("{kind}/{id}")).fetch_all(pool).await;
    read(rows).map(|all| all.into_iter().next())
}

fn read(rows: Result<Vec<SqliteRow>, sqlx::Error>) -> Result<Vec<Alteration>, Error> {
    let failed = Error::new("read what was altered elsewhere");
    let rows = rows.map_err(&failed)?;
    let all: Result<Vec<Alteration>, sqlx::Error> = rows.iter().map(view::alteration).collect();
    all.map_err(&failed)
}
