//! Who changed what, by actor and time, so that a rewind need not read the whole record; and what
//! speaks of an intrusion, so that a clean point can be proposed.

use event::{Act, Body, Event, SessionStep, Time};
use record::Sealed;
use rusqlite::Connection;
use sqlx::SqlitePool;

use crate::Error;
use crate::fold::{Done, run};

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

/// Folds events.
pub(crate) fn take(to: &Connection, events: &[Sealed]) -> Done {
    for sealed in events {
        let (idx, at) = (sealed.index().cast_signed(), sealed.at().millis());
        if let Some(what) = speaks(&sealed.event().body) {
            let sql = "INSERT OR REPLACE INTO evidence (idx, at, what) VALUES (?1, ?2, ?3)";
            run(to, sql, (idx, at, what))?;
        }
        if changes(sealed.event()) {
            deed(to, (idx, at), sealed.event())?;
        }
    }
    Ok(())
}

/// Whoever changed something has a number.
fn deed(to: &Connection, (idx, at): (i64, i64), event: &Event) -> Done {
    let (doer, hand) = (&event.actor.id, by_hand(&event.body));
    let sql = "INSERT INTO doer (name) VALUES (?1) ON CONFLICT (name) DO NOTHING";
    run(to, sql, [doer])?;
    let sql = "INSERT OR REPLACE INTO deed (doer, at, idx, hand)
         SELECT id, ?2, ?3, ?4 FROM doer WHERE name = ?1";
    run(to, sql, (doer, at, idx, hand))
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
pub(crate) fn changes(event: &Event) -> bool {
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
