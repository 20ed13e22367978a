//! What stands around a patient beside their stays, in one statement: labels, consents, ties.

use event::{Consent, Relation, Time};
use sqlx::{QueryBuilder, Sqlite, SqliteConnection};

use crate::ChartError;
use crate::error::Outcome;
use crate::member;
use crate::store::{LABELS, list};
use crate::tie::{self, Provision};

/// A row: what it is, its text, who, from and until when.
type AroundRow = (String, String, String, i64, i64);

/// What stands around one patient.
#[derive(Debug, Default)]
pub(crate) struct Around {
    /// Security labels in the chart, sorted.
    pub(crate) labels: Vec<String>,
    provisions: Vec<Provision>,
    /// What, who, from and until when.
    ties: Vec<(String, String, i64, i64)>,
}

/// What stands around the patients that are one.
pub(crate) async fn of(from: &mut SqliteConnection, family: &[String]) -> Outcome<Around> {
    let mut query =
        QueryBuilder::<Sqlite>::new("WITH own (pid) AS (SELECT pid FROM patient WHERE id IN (");
    list(&mut query, family.iter().map(String::as_str));
    query.push(
        ") SELECT DISTINCT 'label', w.text, '', 0, 0 FROM version v JOIN word w ON w.wid = v.labels
           WHERE v.labels > 0 AND v.next = 0 AND v.patient IN (SELECT pid FROM own)
         UNION ALL SELECT 'consent', c.body, '', 0, 0 FROM consent c
           WHERE c.patient IN (SELECT pid FROM own)
         UNION ALL SELECT t.what, '', t.who, t.since, t.until FROM tie t
           WHERE t.patient IN (SELECT pid FROM own)",
    );
    let rows: Vec<AroundRow> = query
        .build_query_as()
        .fetch_all(from)
        .await
        .map_err(ChartError::broken("read what stands around a patient"))?;
    let mut around = Around::default();
    for (what, text, who, since, until) in rows {
        match what.as_str() {
            "label" => {
                let held = text.strip_prefix(LABELS).unwrap_or_default();
                around.labels.extend(held.split(' ').map(str::to_owned));
            }
            "consent" => {
                let kept = serde_json::from_str::<Vec<Provision>>(&text);
                // What cannot be read again must not turn a no into silence.
                around
                    .provisions
                    .extend(kept.map_err(|why| ChartError::Broken {
                        doing: "read a consent",
                        why: why.to_string(),
                    })?);
            }
            _ => around.ties.push((what, who, since, until)),
        }
    }
    around.labels.sort_unstable();
    around.labels.dedup();
    Ok(around)
}

impl Around {
    /// Whether anything of it is about people by name.
    pub(crate) fn names_people(&self) -> bool {
        !self.ties.is_empty() || !self.provisions.is_empty()
    }

    /// The groups that consents name, by the names of [`crate::member::group`].
    pub(crate) fn groups(&self) -> Vec<&str> {
        let people = self.provisions.iter().flat_map(Provision::people);
        people.filter(|name| member::is_group(name)).collect()
    }

    /// What connects somebody with these names at a moment.
    pub(crate) fn relations(&self, names: &[String], now: Time) -> Vec<Relation> {
        let now = now.millis();
        let own = self
            .ties
            .iter()
            .filter(|(_, who, since, until)| names.contains(who) && *since <= now && now < *until);
        own.filter_map(|(what, who, ..)| tie::relation(what, who.clone()))
            .collect()
    }

    /// What the patient said to somebody with these names and this role.
    pub(crate) fn consents(&self, names: &[String], role: &str, now: Time) -> Vec<Consent> {
        let all = self.provisions.iter().cloned();
        all.filter_map(|one| one.says(names, role, now.millis()))
            .collect()
    }
}
