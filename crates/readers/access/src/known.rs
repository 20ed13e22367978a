//! Actors and reasons by number, kept in memory: there are few of them.

use std::collections::HashMap;

use event::{Actor, ActorKind, Role};
use sqlx::{Row, SqliteConnection, SqlitePool};

/// What separates ids of policies; no id has one.
const SEPARATOR: char = '\n';

/// Actors and combinations of reasons that have a number.
#[derive(Debug, Clone, Default)]
pub(crate) struct Known {
    actors: HashMap<String, i64>,
    reasons: HashMap<String, i64>,
}

impl Known {
    pub(crate) async fn read(pool: &SqlitePool) -> Result<Known, sqlx::Error> {
        let mut known = Known::default();
        let sql = "SELECT id, account, kind, role, name FROM actor";
        for row in sqlx::query(sql).fetch_all(pool).await? {
            let actor = actor(&row)?;
            known.actors.insert(spelled(&actor), row.try_get("id")?);
        }
        let sql = "SELECT id, policies FROM reasons";
        for row in sqlx::query(sql).fetch_all(pool).await? {
            known
                .reasons
                .insert(row.try_get("policies")?, row.try_get("id")?);
        }
        Ok(known)
    }

    /// The actor's number, a new one if it has none.
    pub(crate) async fn actor(
        &mut self,
        connection: &mut SqliteConnection,
        actor: &Actor,
    ) -> Result<i64, sqlx::Error> {
        let spelled = spelled(actor);
        if let Some(id) = self.actors.get(&spelled) {
            return Ok(*id);
        }
        let (kind, role) = (word(&actor.kind), word(&actor.role));
        let sql =
            "INSERT INTO actor (account, kind, role, name) VALUES ($1, $2, $3, $4) RETURNING id";
        let id: i64 = sqlx::query_scalar(sql)
            .bind(&actor.id)
            .bind(kind)
            .bind(role)
            .bind(&actor.name)
            .fetch_one(connection)
            .await?;
        self.actors.insert(spelled, id);
        Ok(id)
    }

    /// The number of a combination of reasons, a new one if it has none.
    pub(crate) async fn reasons(
        &mut self,
        connection: &mut SqliteConnection,
        because: &[String],
    ) -> Result<i64, sqlx::Error> {
        let joined = because.join(&SEPARATOR.to_string());
        if let Some(id) = self.reasons.get(&joined) {
            return Ok(*id);
        }
        let sql = "INSERT INTO reasons (policies) VALUES ($1) RETURNING id";
        let id: i64 = sqlx::query_scalar(sql)
            .bind(&joined)
            .fetch_one(connection)
            .await?;
        self.reasons.insert(joined, id);
        Ok(id)
    }
}

/// The ids of policies as they were.
pub(crate) fn apart(joined: &str) -> Vec<String> {
    let parts = joined.split(SEPARATOR).filter(|part| !part.is_empty());
    parts.map(str::to_owned).collect()
}

/// The actor in a row with `account`, `kind`, `role` and `name`.
pub(crate) fn actor(row: &sqlx::sqlite::SqliteRow) -> Result<Actor, sqlx::Error> {
    let kind: String = row.try_get("kind")?;
    let role: String = row.try_get("role")?;
    Ok(Actor {
        kind: read(&kind).unwrap_or(ActorKind::Software),
        id: row.try_get("account")?,
        name: row.try_get("name")?,
        role: read(&role).unwrap_or(Role::Salus),
    })
}

fn spelled(actor: &Actor) -> String {
    let (kind, role) = (word(&actor.kind), word(&actor.role));
    format!("{}\n{kind}\n{role}\n{}", actor.id, actor.name)
}

fn word(value: &impl serde::Serialize) -> String {
    let value = serde_json::to_value(value).unwrap_or_default();
    value.as_str().unwrap_or_default().to_owned()
}

fn read<T: serde::de::DeserializeOwned>(word: &str) -> Option<T> {
    serde_json::from_value(word.into()).ok()
}
