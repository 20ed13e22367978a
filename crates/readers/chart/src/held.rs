//! Holds a resource of another system against the current version here. Content does not leave:
//! only in what the two differ.

use event::{AlteredPart, Time};
use record::Of;
use serde_json::{Map, Value};

use crate::error::Outcome;
use crate::read::Reading;
use crate::store::{self, DELETED, FROM_FHIR, Row};
use crate::{Chart, ChartError, contents, hash};

/// Versions that are looked through for one that was put back, the newest.
const OLDER_MAX: usize = 200;
/// Resources with the same number that may explain a difference, at most.
const FELLOWS_MAX: i64 = 50;

/// A resource whose current version came by the FHIR door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// Where it stands among them: the next page begins behind it.
    pub place: i64,
    /// FHIR type.
    pub kind: String,
    /// Logical id.
    pub id: String,
    /// The event that wrote it.
    pub version: u64,
    /// When that was sealed.
    pub at: Time,
    /// The patient it belongs to: the survivor's id.
    pub patient: Option<String>,
}

/// How a resource of another system stands to what was sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Held {
    /// It is what was sealed last.
    Same,
    /// What differs was told by a message, which is this event.
    Explained(u64),
    /// It differs.
    Differs(Differing),
    /// Nothing of this name was ever sealed.
    Unknown,
    /// This event sealed it as deleted.
    Deleted(u64),
}

/// In what it differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Differing {
    /// The event that wrote the current version.
    pub version: u64,
    /// When that was sealed.
    pub at: Time,
    /// The patient it belongs to: the survivor's id.
    pub patient: Option<String>,
    /// From what to what, field by field.
    pub parts: Vec<AlteredPart>,
    /// It is what this event wrote, which is not the current version any more.
    pub older: Option<u64>,
}

impl Chart {
    /// Resources that came by the FHIR door and are not deleted, behind a place (0: the first), in
    /// the order they were written.
    ///
    /// # Errors
    /// [`ChartError::Broken`].
    pub async fn named(&self, after: i64, most: u32) -> Outcome<Vec<Named>> {
        type Found = (i64, String, String, i64, i64, Option<String>);
        let rows: Vec<Found> = sqlx::query_as(
            "SELECT v.rid, w.text, v.id, v.seq, v.at, p.id FROM version v
             JOIN word w ON w.wid = v.kind LEFT JOIN patient p ON p.pid = v.patient
             WHERE v.rid > $1 AND v.next = 0 AND v.source = $2 AND v.flags & $3 = 0
             ORDER BY v.rid LIMIT $4 + 0",
        )
        .bind(after)
        .bind(FROM_FHIR)
        .bind(DELETED)
        .bind(i64::from(most))
        .fetch_all(&self.store.readers)
        .await
        .map_err(ChartError::broken("list what came by the FHIR door"))?;
        let aliases = self.folder.answers.known().aliases;
        let named = rows.into_iter().map(|row| Named {
            place: row.0,
            kind: row.1,
            id: row.2,
            version: row.3.unsigned_abs(),
            at: Time::from_millis(row.4),
            patient: row.5.map(|id| aliases.survivor(&id).to_owned()),
        });
        Ok(named.collect())
    }

    /// Holds what another system has under a name against what was sealed last.
    ///
    /// # Errors
    /// [`ChartError::Broken`].
    pub async fn hold(&self, (kind, id): (&str, &str), found: &Value) -> Outcome<Held> {
        let mut reading = Reading::begin(self).await?;
        let Some(row) = reading.head(kind, id).await? else {
            return Ok(Held::Unknown);
        };
        if row.deleted() {
            return Ok(Held::Deleted(row.version()));
        }
        let own = content(self, &mut reading, (kind, &row)).await?;
        let (own, found) = (plain(own), plain(found.clone()));
        if own == found {
            return Ok(Held::Same);
        }
        if let Some(event) = explained(self, &mut reading, (&row, (kind, &own, &found))).await? {
            return Ok(Held::Explained(event));
        }
        let older = older(self, &mut reading, (kind, &row, &found)).await?;
        let patient = row.patient.as_deref();
        let patient = patient.map(|id| reading.known.aliases.survivor(id).to_owned());
        let (was, is) = (own.to_string(), found.to_string());
        Ok(Held::Differs(Differing {
            version: row.version(),
            at: row.at,
            patient,
            parts: record::json_differences(was.as_bytes(), is.as_bytes()),
            older,
        }))
    }
}

async fn content(
    chart: &Chart,
    reading: &mut Reading,
    (kind, row): (&str, &Row),
) -> Outcome<Value> {
    let pages = store::pages(&mut reading.from, std::slice::from_ref(row)).await?;
    let json = pages.into_iter().next().unwrap_or_default();
    let of = Of {
        kind,
        id: &row.id,
        version: row.version(),
    };
    let json = contents::json(&chart.contents, of, json).await?;
    Ok(serde_json::from_slice(&json).unwrap_or_default())
}

/// What two servers may each say in their own way is left out: the id, which is the address, the
/// moment and number of the version, and how a number is written.
fn plain(mut resource: Value) -> Value {
    if let Value::Object(fields) = &mut resource {
        fields.remove("id");
        let meta = fields.get_mut("meta").and_then(Value::as_object_mut);
        if let Some(meta) = meta {
            for own in ["versionId", "lastUpdated", "source"] {
                meta.remove(own);
            }
            if meta.is_empty() {
                fields.remove("meta");
            }
        }
    }
    sorted(resource)
}

/// Members in one order, numbers in one way of writing.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut all: Vec<(String, Value)> = fields.into_iter().collect();
            all.sort_by(|one, other| one.0.cmp(&other.0));
            let all = all.into_iter().map(|(name, value)| (name, sorted(value)));
            Value::Object(all.collect::<Map<String, Value>>())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        Value::Number(number) => match number.as_f64().and_then(serde_json::Number::from_f64) {
            Some(same) => Value::Number(same),
            None => Value::Number(number),
        },
        other => other,
    }
}

/// The message that says what differs: the newest that wrote a resource of this type under the same
/// number and says the same in each field that differs.
async fn explained(
    chart: &Chart,
    reading: &mut Reading,
    (row, (kind, own, found)): (&Row, (&str, &Value, &Value)),
) -> Outcome<Option<u64>> {
    let Value::Object(fields) = found else {
        return Ok(None);
    };
    let differing: Vec<&String> = fields
        .iter()
        .filter(|(name, value)| own.get(name.as_str()) != Some(*value))
        .map(|(name, _)| name)
        .collect();
    let lost = own.as_object().into_iter().flatten();
    if differing.is_empty() || lost.into_iter().any(|(name, _)| found.get(name).is_none()) {
        return Ok(None);
    }
    let mut newest = None;
    for fellow in fellows(reading, row, (kind, own)).await? {
        let says = sorted(content(chart, reading, (kind, &fellow)).await?);
        let same = |name: &&String| says.get(name.as_str()) == found.get(name.as_str());
        if differing.iter().all(same) {
            newest = newest.max(Some(fellow.version()));
        }
    }
    Ok(newest)
}

/// Current resources of the type that messages wrote under one of the same numbers.
async fn fellows(
    reading: &mut Reading,
    row: &Row,
    (kind, own): (&str, &Value),
) -> Outcome<Vec<Row>> {
    let numbers = own.get("identifier").and_then(Value::as_array);
    let values = numbers.into_iter().flatten();
    let keys: Vec<i64> = values
        .filter_map(|one| one.get("value")?.as_str())
        .map(|value| hash::key(kind, "identifier", value))
        .collect();
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let mut query = sqlx::QueryBuilder::<sqlx::Sqlite>::new(store::SELECT);
    query.push("JOIN term t ON t.rid = v.rid WHERE v.next = 0 AND v.source > 0 AND v.kind = ");
    query.push_bind(row.kind);
    query
        .push(" AND v.flags & ")
        .push_bind(DELETED)
        .push(" = 0");
    query.push(" AND t.key IN (");
    store::list(&mut query, keys.into_iter());
    store::limit(&mut query, FELLOWS_MAX);
    store::fetch(&mut reading.from, query).await
}

/// The event that wrote the same before, if what was found is an older version.
async fn older(
    chart: &Chart,
    reading: &mut Reading,
    (kind, row, found): (&str, &Row, &Value),
) -> Outcome<Option<u64>> {
    let mut before = row.prev;
    for _ in 0..OLDER_MAX {
        if before == 0 {
            break;
        }
        let mut query = sqlx::QueryBuilder::<sqlx::Sqlite>::new(store::SELECT);
        query.push("WHERE v.rid = ").push_bind(before);
        let rows = store::fetch(&mut reading.from, query).await?;
        let Some(row) = rows.into_iter().next() else {
            break;
        };
        if !row.deleted() && plain(content(chart, reading, (kind, &row)).await?) == *found {
            return Ok(Some(row.version()));
        }
        before = row.prev;
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_each_server_says_in_its_own_way_is_no_difference() {
        let here: Value = serde_json::from_str(
            r#"{"resourceType":"Observation","meta":{"profile":["p"],"versionId":"7"},
                "valueQuantity":{"value":4.10,"unit":"mmol/L"},"id":"a"}"#,
        )
        .unwrap();
        let there: Value = serde_json::from_str(
            r#"{"id":"a","resourceType":"Observation","valueQuantity":{"unit":"mmol/L","value":4.1},
                "meta":{"versionId":"1","lastUpdated":"2026-01-01T00:00:00Z","profile":["p"]}}"#,
        )
        .unwrap();
        assert_eq!(plain(here.clone()), plain(there));
        let mut other = here.clone();
        other["valueQuantity"]["value"] = json!(9.9);
        assert_ne!(plain(here), plain(other));
    }
}
