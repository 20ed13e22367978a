use event::Time;
use sqlx::sqlite::SqliteRow;
use sqlx::{FromRow, Row as _};

/// This version says that the resource is gone.
pub(crate) const DELETED: i64 = 1;
/// It came for a patient who was retired already.
pub(crate) const LATE: i64 = 2;

/// `source` of what came by the FHIR door; feeds have the number of their word.
pub(crate) const FROM_FHIR: i64 = 0;
/// `source` of what Salus wrote itself.
pub(crate) const FROM_SALUS: i64 = -1;

/// What the word of some security labels begins with, so that it is no other word.
pub(crate) const LABELS: &str = "#";

/// The columns of a [`Row`]; ends before WHERE.
pub(crate) const SELECT: &str = "SELECT v.rid, v.kind, v.id, v.patient, p.id AS patient_id, v.seq,
 v.item, v.at, v.flags, v.source, v.prev, v.next, v.labels, v.told
 FROM version v LEFT JOIN patient p ON p.pid = v.patient ";

/// One version of one resource, without its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) rid: i64,
    pub(crate) kind: i64,
    pub(crate) id: String,
    /// The patient it was written for: number and id. 0: none.
    pub(crate) pid: i64,
    pub(crate) patient: Option<String>,
    pub(crate) seq: i64,
    pub(crate) item: i64,
    pub(crate) at: Time,
    pub(crate) flags: i64,
    pub(crate) source: i64,
    pub(crate) prev: i64,
    pub(crate) next: i64,
    /// The number of its security labels' word; 0: none.
    pub(crate) labels: i64,
    /// When what it says happened, in milliseconds since 1970; 0: nobody said.
    pub(crate) told: i64,
}

impl Row {
    pub(crate) const fn deleted(&self) -> bool {
        self.flags & DELETED != 0
    }

    pub(crate) const fn late(&self) -> bool {
        self.flags & LATE != 0
    }

    /// The index of the event that wrote it.
    pub(crate) fn version(&self) -> u64 {
        u64::try_from(self.seq).unwrap_or_default()
    }
}

impl Row {
    /// From the columns of [`SELECT`], as the connection that writes reads them.
    pub(super) fn of(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
        Ok(Row {
            rid: row.get(0)?,
            kind: row.get(1)?,
            id: row.get(2)?,
            pid: row.get(3)?,
            patient: row.get(4)?,
            seq: row.get(5)?,
            item: row.get(6)?,
            at: Time::from_millis(row.get(7)?),
            flags: row.get(8)?,
            source: row.get(9)?,
            prev: row.get(10)?,
            next: row.get(11)?,
            labels: row.get(12)?,
            told: row.get(13)?,
        })
    }
}

impl FromRow<'_, SqliteRow> for Row {
    fn from_row(row: &SqliteRow) -> Result<Row, sqlx::Error> {
        Ok(Row {
            rid: row.try_get(0)?,
            kind: row.try_get(1)?,
            id: row.try_get(2)?,
            pid: row.try_get(3)?,
            patient: row.try_get(4)?,
            seq: row.try_get(5)?,
            item: row.try_get(6)?,
            at: Time::from_millis(row.try_get(7)?),
            flags: row.try_get(8)?,
            source: row.try_get(9)?,
            prev: row.try_get(10)?,
            next: row.try_get(11)?,
            labels: row.try_get(12)?,
            told: row.try_get(13)?,
        })
    }
}
