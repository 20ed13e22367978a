//! What a ward's pack holds, and whether anything of it changed.

use sqlx::{QueryBuilder, Sqlite};

use crate::ChartError;
use crate::census;
use crate::chart::Chart;
use crate::error::Outcome;
use crate::read::Reading;
use crate::scope::Scope;
use crate::store::list;
use crate::summary;
use crate::view::{CensusRow, PatientView};

/// One patient of a pack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Carried {
    /// Who they are and where they lie.
    pub row: CensusRow,
    /// Their chart; `None`: it is withheld, or nothing but the stay is known.
    pub chart: Option<PatientView>,
}

/// Who is on a ward, and a mark that changes with anything that is known of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WardState {
    /// Ids of the patients who are there or expected, sorted.
    pub patients: Vec<String>,
    /// Another number whenever a chart of theirs changed, or where they lie.
    pub mark: (i64, i64),
    /// How many events were folded.
    pub folded: u64,
}

impl Chart {
    /// Who is on a ward and whether anything changed since: no content of a chart leaves.
    ///
    /// # Errors
    /// [`ChartError::Broken`].
    pub async fn ward_state(&self, ward: &str) -> Outcome<WardState> {
        let folded = *self.folder.answers.folded().borrow();
        let mut reading = Reading::begin(self).await?;
        let known = reading.known.clone();
        let patients: Vec<String> = census::on_ward(&mut reading, ward)
            .await?
            .into_iter()
            .collect();
        let families: Vec<String> = patients
            .iter()
            .flat_map(|id| known.aliases.family(id))
            .collect();
        let mark = mark(&mut reading, &families).await?;
        Ok(WardState {
            patients,
            mark,
            folded,
        })
    }
}

/// The newest version of anybody, and how many there are: what is erased makes them fewer.
async fn mark(reading: &mut Reading, families: &[String]) -> Outcome<(i64, i64)> {
    let mut mark = (0, 0);
    for ids in families.chunks(64) {
        let mut query = QueryBuilder::<Sqlite>::new(
            "SELECT COALESCE(MAX(v.rid), 0), COUNT(*) FROM version v
             WHERE v.patient > 0 AND v.next = 0 AND v.patient IN
             (SELECT pid FROM patient WHERE id IN (",
        );
        list(&mut query, ids.iter().map(String::as_str));
        query.push(")");
        let (newest, many): (i64, i64) = query
            .build_query_as()
            .fetch_one(&mut *reading.from)
            .await
            .map_err(ChartError::broken("look for news of a ward"))?;
        mark = (mark.0.max(newest), mark.1 + many);
    }
    Ok(mark)
}

/// Everybody on the scope's ward, with their charts.
pub(crate) async fn all(
    chart: &Chart,
    scope: &Scope,
    withheld: &[String],
) -> Outcome<Vec<Carried>> {
    let rows = census::of_ward(chart, scope).await?;
    let mut carried = Vec::with_capacity(rows.len());
    for row in rows {
        let family = chart.family(&row.patient);
        let own = scope
            .carried(family)
            .ok_or_else(|| scope.outside("the charts of a ward"))?;
        let chart = match withheld.contains(&row.patient) {
            true => None,
            false => summary::of(chart, &own).await?,
        };
        carried.push(Carried { row, chart });
    }
    Ok(carried)
}
