//! Actors and reasons by number, kept in memory: there are few of them.

use std::collections::HashMap;

use event::{Actor, ActorKind, Role};
use rusqlite::Connection;
use sqlx::{Row, SqlitePool};

use crate::save::{Done, each};

/// What separates ids of policies; no id has one.
const SEPARATOR: &str = "\n";

/// Actors and combinations of reasons that have a number.
#[derive(Debug, Default)]
pub(crate) struct Known {
    actors: Numbers,
    reasons: Numbers,
}

/// What has a number, by how it is spelled.
#[derive(Debug, Default)]
struct Numbers {
    by: HashMap<String, i64>,
    last: i64,
}

/// What a batch gives a number. It is known when the batch is committed.
#[derive(Debug, Default)]
pub(crate) struct Fresh {
    actors: HashMap<String, (i64, Actor)>,
    reasons: HashMap<String, i64>,
}

impl Known {
    pub(crate) async fn read(pool: &SqlitePool) -> Result<Known, sqlx::Error> {
        let mut known = Known::default();
        let sql = "SELECT id, account, kind, role, name FROM actor";
        for row in sqlx::query(sql).fetch_all(pool).await? {
            let actor = actor(&row)?;
            known.actors.put(spelled(&actor), row.try_get("id")?);
        }
        let sql = "SELECT id, policies FROM reasons";
        for row in sqlx::query(sql).fetch_all(pool).await? {
            let policies = row.try_get("policies")?;
            known.reasons.put(policies, row.try_get("id")?);
        }
        Ok(known)
    }

    /// The actor's number, a new one if it has none.
    pub(crate) fn actor(&self, fresh: &mut Fresh, actor: &Actor) -> i64 {
        let spelled = spelled(actor);
        if let Some(id) = self.actors.by.get(&spelled) {
            return *id;
        }
        let next = self.actors.after(fresh.actors.len());
        let given = fresh.actors.entry(spelled);
        given.or_insert_with(|| (next, actor.clone())).0
    }

    /// The number of a combination of reasons, a new one if it has none.
    pub(crate) fn reasons(&self, fresh: &mut Fresh, because: &[String]) -> i64 {
        let joined = because.join(SEPARATOR);
        if let Some(id) = self.reasons.by.get(&joined) {
            return *id;
        }
        let next = self.reasons.after(fresh.reasons.len());
        *fresh.reasons.entry(joined).or_insert(next)
    }

    /// Takes over what a batch gave a number, once that is committed.
    pub(crate) fn learn(&mut self, fresh: Fresh) {
        for (spelled, (id, _)) in fresh.actors {
            self.actors.put(spelled, id);
        }
        for (joined, id) in fresh.reasons {
            self.reasons.put(joined, id);
        }
    }
}

impl Numbers {
    fn put(&mut self, spelled: String, id: i64) {
        self.last = self.last.max(id);
        self.by.insert(spelled, id);
    }

    /// The next number, when so many were given anew already.
    fn after(&self, given: usize) -> i64 {
        let given = i64::try_from(given).unwrap_or(i64::MAX);
        self.last.saturating_add(given).saturating_add(1)
    }
}

impl Fresh {
    /// Writes what has a number now.
    pub(crate) fn save(&self, to: &Connection) -> Done {
        let sql = "INSERT INTO actor (id, account, kind, role, name) VALUES (?1, ?2, ?3, ?4, ?5)";
        let actors = self.actors.values().map(|(id, actor)| {
            let (kind, role) = (kind(actor.kind), actor.role.word());
            (id, &actor.id, kind, role, &actor.name)
        });
        each(to, sql, actors)?;
        let sql = "INSERT INTO reasons (id, policies) VALUES (?1, ?2)";
        each(
            to,
            sql,
            self.reasons.iter().map(|(joined, id)| (id, joined)),
        )
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
    let (kind, role) = (kind(actor.kind), actor.role.word());
    format!("{}\n{kind}\n{role}\n{}", actor.id, actor.name)
}

/// The word of a kind, as the record spells it.
const fn kind(kind: ActorKind) -> &'static str {
    match kind {
        ActorKind::Device => "device",
        ActorKind::Organization => "organization",
        ActorKind::Person => "person",
        ActorKind::Software => "software",
    }
}

fn read<T: serde::de::DeserializeOwned>(word: &str) -> Option<T> {
    serde_json::from_value(word.into()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn anna(role: Role) -> Actor {
        Actor {
            kind: ActorKind::Person,
            id: "anna".into(),
            name: "Anna".into(),
            role,
        }
    }

    #[test]
    fn kinds_and_roles_are_read_as_they_are_written() {
        for one in [
            ActorKind::Device,
            ActorKind::Organization,
            ActorKind::Person,
            ActorKind::Software,
        ] {
            assert_eq!(read(kind(one)), Some(one));
        }
        for role in Role::ALL {
            assert_eq!(read(role.word()), Some(role));
        }
    }

    #[test]
    fn what_was_not_committed_has_no_number_and_what_was_keeps_it() {
        let mut known = Known::default();
        let because = [String::from("a"), String::from("b")];
        let given = |known: &Known| {
            let mut fresh = Fresh::default();
            let numbers = [
                known.actor(&mut fresh, &anna(Role::Nurse)),
                known.actor(&mut fresh, &anna(Role::Physician)),
                known.actor(&mut fresh, &anna(Role::Nurse)),
                known.reasons(&mut fresh, &because),
                known.reasons(&mut fresh, &[]),
            ];
            (numbers, fresh)
        };
        let (lost, _) = given(&known);
        assert_eq!(lost, [1, 2, 1, 1, 2]);
        let (numbers, fresh) = given(&known);
        assert_eq!(numbers, lost, "the batch was tried again");
        known.learn(fresh);
        let (numbers, fresh) = given(&known);
        assert_eq!(numbers, lost);
        assert!(fresh.actors.is_empty() && fresh.reasons.is_empty());
        let mut fresh = Fresh::default();
        let next = known.actor(&mut fresh, &anna(Role::Administrator));
        assert_eq!((next, known.reasons(&mut fresh, &because[..1])), (3, 3));
    }
}
