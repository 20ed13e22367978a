//! The table of what other systems tell, and the questions to it.

use event::Time;
use rusqlite::Connection;
use sqlx::query_builder::QueryBuilder;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, Sqlite, SqlitePool};

use crate::access::{Access, Error};
use crate::ask::{Listing, Order, Page};
use crate::heard::{Heard, HeardFilter};
use crate::known::apart;
use crate::save::Done;
use crate::trace::TraceId;

const INSERT: &str =
    "INSERT INTO heard (key, at, told_at, feed, patient, system, code, name, kinds,
     action, outcome, user, user_name, agents, addresses, source, purpose, objects, object_kinds,
     object_roles, complaints)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19,
     ?20, ?21) ON CONFLICT (key) DO NOTHING";

impl Access {
    /// A part of what other systems tell, as far as it fits.
    ///
    /// # Errors
    /// [`Error`] if the view cannot be read.
    pub async fn heard(&self, filter: &HeardFilter, page: Page) -> Result<Listing<Heard>, Error> {
        let rows = self.rows(page);
        let listing = list(self.pool(), filter, Page { rows, ..page }).await;
        listing.map_err(Error::new("list what other systems tell"))
    }

    /// How much of what other systems tell fits.
    ///
    /// # Errors
    /// As [`Access::heard`].
    pub async fn heard_count(&self, filter: &HeardFilter) -> Result<u64, Error> {
        let count = count(self.pool(), filter).await;
        count.map_err(Error::new("count what other systems tell"))
    }
}

async fn list(
    pool: &SqlitePool,
    filter: &HeardFilter,
    page: Page,
) -> Result<Listing<Heard>, sqlx::Error> {
    let mut query: QueryBuilder<Sqlite> = QueryBuilder::new("SELECT * FROM heard WHERE 1 = 1");
    push(&mut query, filter);
    if let Some(after) = page.after {
        query.push(match page.order {
            Order::Newest => " AND key < ",
            Order::Oldest => " AND key > ",
        });
        query.push_bind(after.key());
    }
    query.push(match page.order {
        Order::Newest => " ORDER BY key DESC LIMIT 0 + ",
        Order::Oldest => " ORDER BY key LIMIT 0 + ",
    });
    query.push_bind(i64::try_from(page.rows).unwrap_or(i64::MAX));
    let rows = query.build().fetch_all(pool).await?;
    let rows: Vec<Heard> = rows.iter().map(heard).collect::<Result<_, _>>()?;
    let full = rows.len() >= page.rows;
    Ok(Listing {
        next: rows.last().filter(|_| full).map(|row| row.id),
        rows,
    })
}

async fn count(pool: &SqlitePool, filter: &HeardFilter) -> Result<u64, sqlx::Error> {
    let mut query: QueryBuilder<Sqlite> =
        QueryBuilder::new("SELECT COUNT(*) FROM heard WHERE 1 = 1");
    push(&mut query, filter);
    let count: i64 = query.build_query_scalar().fetch_one(pool).await?;
    Ok(count.unsigned_abs())
}

fn push(query: &mut QueryBuilder<Sqlite>, filter: &HeardFilter) {
    among(query, "patient", &filter.patients);
    among(query, "code", &filter.codes);
    among(query, "action", &filter.actions);
    if let Some(from) = filter.from {
        query.push(" AND told_at >= ").push_bind(from.millis());
    }
    if let Some(to) = filter.to {
        query.push(" AND told_at < ").push_bind(to.millis());
    }
    if let Some(only) = filter.only {
        query.push(" AND key = ").push_bind(only.key());
    }
    for (column, wanted) in [("outcome", &filter.outcome), ("source", &filter.source)] {
        if let Some(wanted) = wanted {
            query
                .push(format!(" AND {column} = "))
                .push_bind(wanted.clone());
        }
    }
    for (column, wanted) in [("agents", &filter.agent), ("objects", &filter.object)] {
        if let Some(wanted) = wanted {
            query.push(" AND ");
            member(query, column, wanted);
        }
    }
    for (column, wanted) in [
        ("object_kinds", &filter.object_kinds),
        ("object_roles", &filter.object_roles),
    ] {
        for one in wanted {
            query.push(" AND ");
            member(query, column, one);
        }
    }
    if let Some(address) = &filter.address {
        query.push(" AND instr(char(10) || addresses, char(10) || ");
        query.push_bind(address.clone()).push(") > 0");
    }
    if let Some(name) = &filter.agent_name {
        query.push(" AND instr(lower(agents), lower(");
        query.push_bind(name.clone()).push(")) > 0");
    }
    if let Some((first, others)) = filter.kinds.split_first() {
        query.push(" AND (");
        member(query, "kinds", first);
        for kind in others {
            query.push(" OR ");
            member(query, "kinds", kind);
        }
        query.push(")");
    }
}

fn among(query: &mut QueryBuilder<Sqlite>, column: &'static str, wanted: &[String]) {
    if wanted.is_empty() {
        return;
    }
    query.push(" AND ").push(column).push(" IN (");
    let mut list = query.separated(", ");
    for one in wanted {
        list.push_bind(one.clone());
    }
    query.push(")");
}

/// A member of a list: its members stand on lines of their own.
fn member(query: &mut QueryBuilder<Sqlite>, column: &'static str, wanted: &str) {
    query
        .push("instr(char(10) || ")
        .push(column)
        .push(" || char(10), char(10) || ");
    query.push_bind(wanted.to_owned()).push(" || char(10)) > 0");
}

fn heard(row: &SqliteRow) -> Result<Heard, sqlx::Error> {
    let list = |column| Ok::<_, sqlx::Error>(apart(row.try_get(column)?));
    Ok(Heard {
        id: TraceId::of_key(row.try_get("key")?),
        at: Time::from_millis(row.try_get("at")?),
        told_at: Time::from_millis(row.try_get("told_at")?),
        feed: row.try_get("feed")?,
        patient: row.try_get("patient")?,
        system: row.try_get("system")?,
        code: row.try_get("code")?,
        name: row.try_get("name")?,
        kinds: list("kinds")?,
        action: row.try_get("action")?,
        outcome: row.try_get("outcome")?,
        user: row.try_get("user")?,
        user_name: row.try_get("user_name")?,
        agents: list("agents")?,
        addresses: list("addresses")?,
        source: row.try_get("source")?,
        purpose: row.try_get("purpose")?,
        objects: list("objects")?,
        object_kinds: list("object_kinds")?,
        object_roles: list("object_roles")?,
        complaints: list("complaints")?,
    })
}

/// Writes them.
pub(crate) fn save(to: &Connection, all: &[Heard]) -> Done {
    let mut insert = to.prepare_cached(INSERT)?;
    for one in all {
        insert.execute(rusqlite::params![
            one.id.key(),
            one.at.millis(),
            one.told_at.millis(),
            one.feed,
            one.patient,
            one.system,
            one.code,
            one.name,
            one.kinds.join("\n"),
            one.action,
            one.outcome,
            one.user,
            one.user_name,
            one.agents.join("\n"),
            one.addresses.join("\n"),
            one.source,
            one.purpose,
            one.objects.join("\n"),
            one.object_kinds.join("\n"),
            one.object_roles.join("\n"),
            one.complaints.join("\n"),
        ])?;
    }
    Ok(())
}
