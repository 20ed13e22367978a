//! The numbers of patients, and the systems that they are of. No content leaves.

use serde_json::Value;
use sqlx::{QueryBuilder, Sqlite};

use crate::error::Outcome;
use crate::fold::index;
use crate::read::Reading;
use crate::store::{self, DELETED, Row, SELECT};
use crate::{Chart, ChartError, hash};

/// Patients with one number that are looked at, at most.
const FOUND_MAX: usize = 64;

impl Chart {
    /// Whether any patient has an identifier of this system now. Systems are compared without case and
    /// accents.
    ///
    /// # Errors
    /// [`ChartError::Broken`].
    pub async fn has_domain(&self, system: &str) -> Outcome<bool> {
        // The newest first: the oldest are most often replaced.
        let found: Option<i64> = sqlx::query_scalar(
            "SELECT 1 FROM term t JOIN version v ON v.rid = t.rid
             WHERE t.key = $1 AND v.next = 0 AND v.flags & $2 = 0 ORDER BY t.rid DESC LIMIT 1",
        )
        .bind(hash::key("Patient", index::DOMAIN, system))
        .bind(DELETED)
        .fetch_optional(&self.store.readers)
        .await
        .map_err(ChartError::broken("find the system of an identifier"))?;
        Ok(found.is_some())
    }

    /// System and value of the identifiers that these patients have now and nobody else has: under
    /// which others name them. To find and erase what is kept under such a number, never to be shown.
    ///
    /// # Errors
    /// [`ChartError::Broken`].
    pub async fn numbers(&self, patients: &[String]) -> Outcome<Vec<(String, String)>> {
        let mut reading = Reading::begin(self).await?;
        let asked: Vec<(String, String)> = patients
            .iter()
            .map(|id| ("Patient".to_owned(), id.clone()))
            .collect();
        let rows: Vec<Row> = reading.current(&asked).await?.into_values().collect();
        let theirs = reading.values(&rows).await?;
        let mut numbers: Vec<(String, String)> =
            theirs.iter().flatten().flat_map(identifiers).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let mut own = Vec::new();
        for number in numbers {
            let mut query = QueryBuilder::<Sqlite>::new(SELECT);
            query
                .push("JOIN term t ON t.rid = v.rid WHERE t.key = ")
                .push_bind(hash::key("Patient", "identifier", &number.1))
                .push(" AND v.next = 0 AND v.flags & ")
                .push_bind(DELETED)
                .push(" = 0 LIMIT ")
                .push_bind(i64::try_from(FOUND_MAX).unwrap_or(i64::MAX));
            let mut others = store::fetch(&mut reading.from, query).await?;
            let is_full = others.len() >= FOUND_MAX;
            others.retain(|row| !patients.contains(&row.id));
            let others = reading.values(&others).await?;
            let mut theirs = others.iter().flatten().flat_map(identifiers);
            if !is_full && theirs.all(|other| other != number) {
                own.push(number);
            }
        }
        Ok(own)
    }
}

/// System and value of a Patient's identifiers.
fn identifiers(patient: &Value) -> Vec<(String, String)> {
    let all = patient.get("identifier").and_then(Value::as_array);
    let both = |one: &Value| {
        let text = |name| Some(one.get(name)?.as_str()?.to_owned());
        Some((text("system")?, text("value")?))
    };
    all.into_iter().flatten().filter_map(both).collect()
}
