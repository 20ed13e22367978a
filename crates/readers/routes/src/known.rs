//! What the fold keeps in memory beside the tables: the rules in force.

use std::collections::BTreeMap;
use std::sync::Arc;

use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqlitePool};

use crate::RouteConfig;

/// Changed only after the transaction that wrote the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Known {
    pub(crate) next: u64,
    /// The hour of the newest event that was swept behind.
    pub(crate) swept: i64,
    pub(crate) routes: BTreeMap<String, InForce>,
}

/// The rules of one route.
#[derive(Debug, Clone)]
pub(crate) struct InForce {
    pub(crate) written: String,
    /// `None`: it takes up nothing.
    pub(crate) rules: Option<Arc<RouteConfig>>,
}

impl InForce {
    /// Rules that this version cannot read take up nothing; the start that finds them so seals new ones.
    pub(crate) fn of(written: &str, open: bool) -> InForce {
        let rules = open.then(|| serde_json::from_str(written).ok()).flatten();
        InForce {
            written: written.to_owned(),
            rules: rules.map(Arc::new),
        }
    }
}

impl Known {
    pub(crate) async fn read(pool: &SqlitePool) -> Result<Known, sqlx::Error> {
        let next: i64 = sqlx::query_scalar("SELECT next FROM cursor WHERE id = 1")
            .fetch_one(pool)
            .await?;
        let rows = sqlx::query("SELECT name, rules, open FROM route")
            .fetch_all(pool)
            .await?;
        let routes: Result<_, sqlx::Error> = rows.iter().map(in_force).collect();
        Ok(Known {
            next: next.unsigned_abs(),
            swept: 0,
            routes: routes?,
        })
    }

    /// Whether any route takes up what arrives.
    pub(crate) fn any_open(&self) -> bool {
        self.routes.values().any(|one| one.rules.is_some())
    }
}

fn in_force(row: &SqliteRow) -> Result<(String, InForce), sqlx::Error> {
    let written: String = row.try_get("rules")?;
    let open: i64 = row.try_get("open")?;
    let in_force = InForce::of(&written, open == 1);
    Ok((row.try_get("name")?, in_force))
}
