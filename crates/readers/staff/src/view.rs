//! The view's database file: `<data>/views/staff.db`.

use std::collections::HashMap;
use std::path::Path;

use event::{Account, Role, Time};
use record::{Alike, ViewFile, open_view};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection, SqlitePool};

use crate::Error;
use crate::attempts::Tried;
use crate::book::{Book, Entry, Touched};
use crate::failed::Failed;
use crate::locked::ViewKey;
use crate::person::Person;

/// Raised when the tables change: an older file is removed and folded again.
const LAYOUT: u16 = 5;
const CONNECTIONS_MAX: u32 = 2;

const NAME: &str = "name";
const SOURCE: &str = "source";

const TABLES: &str = "
CREATE TABLE IF NOT EXISTS cursor (id BIGINT PRIMARY KEY, next BIGINT NOT NULL,
    latest BIGINT NOT NULL);
INSERT INTO cursor (id, next, latest) VALUES (1, 0, 0) ON CONFLICT (id) DO NOTHING;
CREATE TABLE IF NOT EXISTS account (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    wards TEXT NOT NULL,
    practitioner TEXT,
    secret TEXT NOT NULL,
    scopes TEXT NOT NULL,
    disabled BIGINT NOT NULL,
    changed BIGINT NOT NULL,
    signed_in BIGINT,
    person TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS failure (
    kind TEXT NOT NULL,
    tried TEXT NOT NULL,
    times TEXT NOT NULL,
    PRIMARY KEY (kind, tried)
);";

/// What must be the same in every fold.
pub(crate) const ALIKE: [Alike; 2] = [
    Alike {
        table: "account",
        sql: "SELECT id, name, role, wards, practitioner, secret, scopes, disabled, changed, signed_in, person FROM {}.account",
        keys: 1,
        told: &[
            "id",
            "name",
            "role",
            "wards",
            "practitioner",
            "scopes",
            "disabled",
            "changed",
            "signed_in",
        ],
        after_erasing: true,
    },
    Alike {
        table: "failure",
        sql: "SELECT kind, tried, times FROM {}.failure",
        keys: 2,
        told: &["kind", "times"],
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

/// The number of events folded.
pub(crate) async fn next(pool: &SqlitePool) -> Result<u64, Error> {
    let next: i64 = sqlx::query_scalar("SELECT next FROM cursor WHERE id = 1")
        .fetch_one(pool)
        .await
        .map_err(Error::new("read its cursor"))?;
    Ok(next.unsigned_abs())
}

pub(crate) async fn book(pool: &SqlitePool, key: &ViewKey) -> Result<Book, Error> {
    let rows = sqlx::query("SELECT * FROM account ORDER BY id")
        .fetch_all(pool)
        .await
        .map_err(Error::new("read its accounts"))?;
    let entries: Result<Vec<Entry>, sqlx::Error> = rows.iter().map(|row| entry(row, key)).collect();
    let entries = entries.map_err(Error::new("read an account"))?;
    let failures = failures(pool).await.map_err(Error::new("read failures"))?;
    let latest: i64 = sqlx::query_scalar("SELECT latest FROM cursor WHERE id = 1")
        .fetch_one(pool)
        .await
        .map_err(Error::new("read its cursor"))?;
    Ok(Book::of(entries, failures, Time::from_millis(latest)))
}

async fn failures(pool: &SqlitePool) -> Result<Failed, sqlx::Error> {
    let rows = sqlx::query("SELECT * FROM failure").fetch_all(pool).await?;
    let mut by = HashMap::new();
    for row in rows {
        let tried: String = row.try_get("tried")?;
        let tried = match row.try_get("kind")? {
            NAME => Tried::Name(tried),
            _ => Tried::Source(tried),
        };
        let times: Vec<i64> = list(row.try_get("times")?)?;
        by.insert(tried, times.into_iter().map(Time::from_millis).collect());
    }
    Ok(Failed::of(by))
}

/// Saves what was touched, and the cursor: all or nothing.
pub(crate) async fn save(
    (pool, key): (&SqlitePool, &ViewKey),
    book: &Book,
    touched: &Touched,
    next: u64,
) -> Result<(), sqlx::Error> {
    let mut transaction = pool.begin().await?;
    for entry in touched.accounts.iter().filter_map(|id| book.entry(id)) {
        put(&mut transaction, entry, key).await?;
    }
    for tried in &touched.failures {
        put_failures(&mut transaction, tried, book.failures().times(tried)).await?;
    }
    sqlx::query("UPDATE cursor SET next = $1, latest = $2 WHERE id = 1")
        .bind(next.cast_signed())
        .bind(book.latest().millis())
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await
}

async fn put_failures(
    connection: &mut SqliteConnection,
    tried: &Tried,
    times: &[Time],
) -> Result<(), sqlx::Error> {
    let (kind, tried) = match tried {
        Tried::Name(name) => (NAME, name),
        Tried::Source(source) => (SOURCE, source),
    };
    let text = match times.is_empty() {
        true => "DELETE FROM failure WHERE kind = $1 AND tried = $2",
        false => {
            "INSERT INTO failure (kind, tried, times) VALUES ($1, $2, $3)
             ON CONFLICT (kind, tried) DO UPDATE SET times = excluded.times"
        }
    };
    let mut query = sqlx::query(text).bind(kind).bind(tried);
    if !times.is_empty() {
        let times: Vec<i64> = times.iter().map(|time| time.millis()).collect();
        query = query.bind(list_text(&times)?);
    }
    query.execute(connection).await?;
    Ok(())
}

async fn put(
    connection: &mut SqliteConnection,
    entry: &Entry,
    key: &ViewKey,
) -> Result<(), sqlx::Error> {
    let account = &entry.account;
    let person = locked(entry, key)?;
    sqlx::query(
        "INSERT INTO account (id, name, role, wards, practitioner, secret, scopes, disabled,
             changed, signed_in, person)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
         ON CONFLICT (id) DO UPDATE SET name = excluded.name, role = excluded.role,
             wards = excluded.wards, practitioner = excluded.practitioner,
             secret = excluded.secret, scopes = excluded.scopes,
             disabled = excluded.disabled, changed = excluded.changed,
             signed_in = excluded.signed_in, person = excluded.person",
    )
    .bind(&entry.id)
    .bind(&account.name)
    .bind(account.role.word())
    .bind(list_text(&account.wards)?)
    .bind(&account.practitioner)
    .bind(&account.secret)
    .bind(list_text(&account.scopes)?)
    .bind(i64::from(entry.disabled))
    .bind(entry.changed.millis())
    .bind(entry.signed_in.map(Time::millis))
    .bind(serde_json::to_string(&person).map_err(strange)?)
    .execute(connection)
    .await?;
    Ok(())
}

/// What is kept of a person: the secret of their authenticator app encrypted.
fn locked(entry: &Entry, key: &ViewKey) -> Result<Person, sqlx::Error> {
    let mut person = entry.person.clone();
    if let Some(secret) = &person.totp {
        let locked = key.lock(&entry.id, secret);
        let why = "this machine gives no random numbers";
        person.totp = Some(locked.ok_or_else(|| sqlx::Error::Encode(why.into()))?);
    }
    Ok(person)
}

fn unlocked(mut person: Person, id: &str, key: &ViewKey) -> Result<Person, sqlx::Error> {
    if let Some(locked) = &person.totp {
        let secret = key.unlock(id, locked);
        let why = "a secret was kept under another key than this record's";
        person.totp = Some(secret.ok_or_else(|| sqlx::Error::Decode(why.into()))?);
    }
    Ok(person)
}

fn entry(row: &SqliteRow, key: &ViewKey) -> Result<Entry, sqlx::Error> {
    let account = Account {
        name: row.try_get("name")?,
        role: role(row.try_get("role")?)?,
        wards: list(row.try_get("wards")?)?,
        practitioner: row.try_get("practitioner")?,
        secret: row.try_get("secret")?,
        scopes: list(row.try_get("scopes")?)?,
    };
    let signed_in: Option<i64> = row.try_get("signed_in")?;
    let id: String = row.try_get("id")?;
    let person = serde_json::from_str(row.try_get("person")?).map_err(strange)?;
    Ok(Entry {
        person: unlocked(person, &id, key)?,
        id,
        account,
        disabled: row.try_get::<i64, _>("disabled")? != 0,
        changed: Time::from_millis(row.try_get("changed")?),
        signed_in: signed_in.map(Time::from_millis),
    })
}

fn role(word: &str) -> Result<Role, sqlx::Error> {
    serde_json::from_value(word.into()).map_err(strange)
}

fn list<T: DeserializeOwned>(text: &str) -> Result<Vec<T>, sqlx::Error> {
    serde_json::from_str(text).map_err(strange)
}

fn list_text<T: Serialize>(list: &[T]) -> Result<String, sqlx::Error> {
    serde_json::to_string(list).map_err(strange)
}

fn strange(error: serde_json::Error) -> sqlx::Error {
    sqlx::Error::Decode(Box::new(error))
}
