//! Who changed what, by actor and time, so that a rewind need not read the whole record; and what
//! speaks of an intrusion, so that a clean point can be proposed.

use std::collections::BTreeSet;

use event::{Act, Body, Event, SessionStep, Time};
use record::Sealed;
use sqlx::{QueryBuilder, Sqlite, SqliteConnection, SqlitePool};

use crate::Error;

/// Something that an account, a client or a feed changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deed {
    /// Index of the event.
    pub index: u64,
    /// If it changed no chart: what, in words. Undoing it is for people to decide.
    pub by_hand: Option<String>,
}

/// Something that speaks of an intrusion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// Index of the event.
    pub index: u64,
    /// When it was sealed.
    pub at: Time,
    /// What, in words.
    pub what: String,
}

type Done = Result<(), sqlx::Error>;

/// Rows in one statement.
const ROWS: usize = 200;

/// Folds events.
pub(crate) async fn take<'e>(
    to: &mut SqliteConnection,
    events: impl Iterator<Item = &'e Sealed> + Clone,
) -> Done {
    for sealed in events.clone() {
        let Some(what) = speaks(&sealed.event().body) else {
            continue;
        };
        sqlx::query("INSERT OR REPLACE INTO evidence (idx, at, what) VALUES ($1, $2, $3)")
            .bind(sealed.index().cast_signed())
            .bind(sealed.at().millis())
            .bind(what)
            .execute(&mut *to)
            .await?;
    }
    let changed: Vec<&Sealed> = events.filter(|one| changes(one.event())).collect();
    for some in changed.chunks(ROWS) {
        doers(to, some).await?;
        deeds(to, some).await?;
    }
    Ok(())
}

/// Whoever changed something gets a number.
async fn doers(to: &mut SqliteConnection, changed: &[&Sealed]) -> Done {
    let names: BTreeSet<&str> = changed
        .iter()
        .map(|sealed| sealed.event().actor.id.as_str())
        .collect();
    let mut query: QueryBuilder<Sqlite> = QueryBuilder::new("INSERT INTO doer (name) ");
    query.push_values(names, |mut row, name| {
        row.push_bind(name);
    });
    query.push(" ON CONFLICT (name) DO NOTHING");
    query.build().execute(to).await.map(drop)
}

async fn deeds(to: &mut SqliteConnection, changed: &[&Sealed]) -> Done {
    let mut query: QueryBuilder<Sqlite> = QueryBuilder::new(
        "INSERT OR REPLACE INTO deed (doer, at, idx, hand)
         SELECT doer.id, new.column2, new.column3, new.column4 FROM (",
    );
    query.push_values(changed, |mut row, sealed| {
        let event = sealed.event();
        row.push_bind(event.actor.id.as_str())
            .push_bind(sealed.at().millis())
            .push_bind(sealed.index().cast_signed())
            .push_bind(by_hand(&event.body));
    });
    query.push(") AS new JOIN doer ON doer.name = new.column1");
    query.build().execute(to).await.map(drop)
}

/// Everything that somebody changed since a moment, in the order of the record.
pub(crate) async fn since(
    pool: &SqlitePool,
    (actor, since): (&str, Time),
    most: u32,
) -> Result<Vec<Deed>, Error> {
    let rows: Vec<(i64, Option<String>)> = sqlx::query_as(
        "SELECT idx, hand FROM deed WHERE doer = (SELECT id FROM doer WHERE name = $1)
         AND at >= $2 ORDER BY idx LIMIT $3",
    )
    .bind(actor)
    .bind(since.millis())
    .bind(i64::from(most))
    .fetch_all(pool)
    .await
    .map_err(Error::view("read who changed what"))?;
    let deeds = rows.into_iter().map(|(idx, by_hand)| Deed {
        index: idx.unsigned_abs(),
        by_hand,
    });
    Ok(deeds.collect())
}

/// What speaks of an intrusion since a moment, the first first.
pub(crate) async fn evidence(
    pool: &SqlitePool,
    since: Time,
    most: u32,
) -> Result<Vec<Evidence>, Error> {
    let rows: Vec<(i64, i64, String)> =
        sqlx::query_as("SELECT idx, at, what FROM evidence WHERE at >= $1 ORDER BY idx LIMIT $2")
            .bind(since.millis())
            .bind(i64::from(most))
            .fetch_all(pool)
            .await
            .map_err(Error::view("read what speaks of an intrusion"))?;
    let all = rows.into_iter().map(|(idx, at, what)| Evidence {
        index: idx.unsigned_abs(),
        at: Time::from_millis(at),
        what,
    });
    Ok(all.collect())
}

/// Whether an event changed something. Decisions and looks did not.
fn changes(event: &Event) -> bool {
    let act = matches!(
        event.act,
        Act::Capture
            | Act::Create
            | Act::Delete
            | Act::Erase
            | Act::Export
            | Act::Manage
            | Act::Reconcile
            | Act::Send
            | Act::Unmerge
            | Act::Update
    );
    act && !matches!(
        event.body,
        Body::Decision(_) | Body::Opened(_) | Body::Service(_)
    )
}

/// What somebody has to decide by hand, in words.
fn by_hand(body: &Body) -> Option<String> {
    Some(match body {
        Body::Account(change) => format!("the account `{}` was changed", change.id),
        Body::App(change) => format!("the app `{}` was changed", change.id),
        Body::Person(change) => format!("what `{}` signs in with was changed", change.account),
        Body::PolicyChange(_) => "the policies were changed".to_owned(),
        Body::ExportAnswered(_) => "an export was answered".to_owned(),
        Body::ExportAsked(_) => "an export was asked for".to_owned(),
        Body::Erased(_) => "patients were erased; that cannot be undone".to_owned(),
        Body::Keys(change) => change.what.clone(),
        Body::Message(message) if message.kind.ends_with("^A40") => {
            "two patients were merged".to_owned()
        }
        Body::Unmerge(_) => "a merge was taken back".to_owned(),
        _ => return None,
    })
}

/// What of an event speaks of an intrusion.
fn speaks(body: &Body) -> Option<String> {
    Some(match body {
        Body::Alteration(altered) => match altered.index {
            Some(index) => format!("event {index} was altered outside Salus"),
            None => "something that was sealed was altered outside Salus".to_owned(),
        },
        Body::Ceiling(ceiling) => {
            format!("`{}` came to the most patients it may see", ceiling.account)
        }
        Body::Session(session) if session.step == SessionStep::Misused => {
            format!(
                "a session of `{}` was used from another device",
                session.account
            )
        }
        _ => return None,
    })
}
