//! Holds a view's file against one that was folded afresh, row by row, in one database: what
//! somebody edited is named by table, key and column. Then the file takes over what is right.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use event::{AlteredPart, Arrival};
use sqlx::sqlite::{SqliteConnectOptions, SqliteRow};
use sqlx::{AssertSqlSafe, Column as _, Connection as _, Row as _, SqliteConnection};
use tokio::sync::{Mutex, MutexGuard};

use crate::Pace;
use crate::{Reader, ReaderError, Sealed};

/// Rows that differ and are named one by one, of each table, at most.
const NAMED_MAX: usize = 100;
/// What the two files are called in statements.
const LIVE: &str = "main";
const FRESH: &str = "fresh";

/// What of a view's file must be the same in every fold of the same events.
#[derive(Debug, Clone, Copy)]
pub struct Alike {
    /// What it is called: a table.
    pub table: &'static str,
    /// What is read; `{}` stands for the file. Its first `keys` columns name a row.
    pub sql: &'static str,
    /// How many columns name a row.
    pub keys: usize,
    /// Columns whose values may be told: no secret, and nothing of a patient, since what is told
    /// is sealed under nobody's key.
    pub told: &'static [&'static str],
    /// Whether it is the same also when events of erased patients are not folded.
    pub after_erasing: bool,
}

/// Programs that the file itself would run: no view has any.
const TRIGGERS: Alike = Alike {
    table: "sqlite_master",
    sql: "SELECT name, sql FROM {}.sqlite_master WHERE type = 'trigger'",
    keys: 1,
    told: &["name"],
    after_erasing: true,
};

/// A view's reader that stands still while its file is put right.
pub struct Guarded {
    reader: Arc<dyn Reader>,
    folding: Mutex<()>,
}

impl Guarded {
    /// Around a reader.
    pub fn new(reader: Arc<dyn Reader>) -> Guarded {
        Guarded {
            reader,
            folding: Mutex::default(),
        }
    }

    /// Nothing is folded while this is held.
    pub async fn hold(&self) -> MutexGuard<'_, ()> {
        self.folding.lock().await
    }
}

#[async_trait]
impl Reader for Guarded {
    fn name(&self) -> &'static str {
        self.reader.name()
    }

    async fn cursor(&self) -> Result<u64, ReaderError> {
        self.reader.cursor().await
    }

    fn pace(&self) -> Option<&Pace> {
        self.reader.pace()
    }

    async fn fold(&self, batch: &[Sealed], next: u64) -> Result<Vec<Arrival>, ReaderError> {
        let _held = self.folding.lock().await;
        self.reader.fold(batch, next).await
    }

    async fn tidy(&self) -> Result<(), ReaderError> {
        let _held = self.folding.lock().await;
        self.reader.tidy().await
    }

    fn alike(&self) -> &'static [Alike] {
        self.reader.alike()
    }

    async fn relearn(&self) -> Result<(), ReaderError> {
        self.reader.relearn().await
    }
}

/// The two files side by side: the view's as it was at one moment, while it goes on.
pub struct Beside {
    both: SqliteConnection,
}

impl Beside {
    /// Holds `live` still, as it is now; `fresh` is looked at as it is when it is compared.
    ///
    /// # Errors
    /// What the database said.
    pub async fn of(live: &Path, fresh: &Path) -> Result<Beside, sqlx::Error> {
        let mut both = connect(live, fresh).await?;
        sqlx::raw_sql("BEGIN").execute(&mut both).await?;
        // The first statement takes the snapshot, of this file only.
        sqlx::query("SELECT next FROM main.cursor WHERE id = 1")
            .fetch_optional(&mut both)
            .await?;
        Ok(Beside { both })
    }

    /// The rows in which the two differ, each with what was sealed and what was there.
    ///
    /// # Errors
    /// What the database said.
    pub async fn differences(
        mut self,
        view: &str,
        alike: &[Alike],
    ) -> Result<Vec<Vec<AlteredPart>>, sqlx::Error> {
        let mut all = Vec::new();
        for one in alike.iter().chain([&TRIGGERS]) {
            let right = only(&mut self.both, one, (FRESH, LIVE)).await?;
            let there = only(&mut self.both, one, (LIVE, FRESH)).await?;
            let mut pairs: BTreeMap<Vec<String>, Pair> = BTreeMap::new();
            for row in right {
                let key = row.key(one);
                pairs.entry(key).or_default().right = Some(row);
            }
            for row in there {
                let key = row.key(one);
                pairs.entry(key).or_default().there = Some(row);
            }
            let named = pairs.into_iter().take(NAMED_MAX);
            all.extend(named.map(|(key, pair)| pair.parts((view, one), &key)));
        }
        self.both.close().await?;
        Ok(all)
    }
}

/// Puts the content of `fresh` in the place of that of `live`, all or nothing. Nobody folds
/// meanwhile; what a reader knows by heart it has to read again ([`Reader::relearn`]).
///
/// # Errors
/// What the database said; then nothing was changed.
pub async fn take_over(live: &Path, fresh: &Path) -> Result<(), sqlx::Error> {
    let mut both = connect(live, fresh).await?;
    let triggers = names(&mut both, LIVE, "trigger").await?;
    let tables = names(&mut both, FRESH, "table").await?;
    let mut change = both.begin_with("BEGIN IMMEDIATE").await?;
    for name in triggers {
        run(&mut change, format!("DROP TRIGGER {LIVE}.\"{name}\"")).await?;
    }
    for name in tables {
        run(&mut change, format!("DELETE FROM {LIVE}.\"{name}\"")).await?;
        let copy = format!("INSERT INTO {LIVE}.\"{name}\" SELECT * FROM {FRESH}.\"{name}\"");
        run(&mut change, copy).await?;
    }
    change.commit().await?;
    both.close().await
}

async fn connect(live: &Path, fresh: &Path) -> Result<SqliteConnection, sqlx::Error> {
    let options = SqliteConnectOptions::new()
        .filename(live)
        .busy_timeout(crate::view::BUSY_TIMEOUT)
        .pragma("secure_delete", "ON");
    let mut both = SqliteConnection::connect_with(&options).await?;
    sqlx::query("ATTACH DATABASE $1 AS fresh")
        .bind(fresh.to_string_lossy().into_owned())
        .execute(&mut both)
        .await?;
    Ok(both)
}

async fn run(change: &mut SqliteConnection, sql: String) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(change).await?;
    Ok(())
}

/// Names of things in a file, without those that would end a quoted name.
async fn names(
    both: &mut SqliteConnection,
    file: &str,
    kind: &str,
) -> Result<Vec<String>, sqlx::Error> {
    let sql = format!(
        "SELECT name FROM {file}.sqlite_master WHERE type = $1 AND name NOT LIKE 'sqlite_%'"
    );
    let query = sqlx::query_scalar(AssertSqlSafe(sql)).bind(kind.to_owned());
    let names: Vec<String> = query.fetch_all(both).await?;
    Ok(names
        .into_iter()
        .map(|name| name.replace('"', "\"\""))
        .collect())
}

/// Rows that only one of the two has.
async fn only(
    both: &mut SqliteConnection,
    alike: &Alike,
    (of, other): (&str, &str),
) -> Result<Vec<Cells>, sqlx::Error> {
    let (of, other) = (alike.sql.replace("{}", of), alike.sql.replace("{}", other));
    let sql = format!("{of} EXCEPT {other} LIMIT {NAMED_MAX}");
    let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(both).await?;
    Ok(rows.iter().map(Cells::of).collect())
}

/// A row: column by column, as text.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Cells(Vec<(String, String)>);

impl Cells {
    fn of(row: &SqliteRow) -> Cells {
        let names = row.columns().iter().map(|column| column.name().to_owned());
        let cells = names.enumerate().map(|(at, name)| (name, cell(row, at)));
        Cells(cells.collect())
    }

    fn key(&self, alike: &Alike) -> Vec<String> {
        let keys = self.0.iter().take(alike.keys);
        keys.map(|(name, value)| match alike.told.contains(&name.as_str()) {
            true => value.clone(),
            // Rows are told apart, and not by what names a patient.
            false => crate::keyfile::hex(&seal::sha256(&[value.as_bytes()])),
        })
        .collect()
    }
}

fn cell(row: &SqliteRow, at: usize) -> String {
    if let Ok(text) = row.try_get::<Option<String>, _>(at) {
        return text.unwrap_or_else(|| "nothing".to_owned());
    }
    if let Ok(number) = row.try_get::<i64, _>(at) {
        return number.to_string();
    }
    let bytes: Vec<u8> = row.try_get_unchecked(at).unwrap_or_default();
    crate::keyfile::hex(&seal::sha256(&[&bytes]))
}

/// One row as it should be and as it was.
#[derive(Default)]
struct Pair {
    right: Option<Cells>,
    there: Option<Cells>,
}

impl Pair {
    fn parts(&self, (view, alike): (&str, &Alike), key: &[String]) -> Vec<AlteredPart> {
        let keyed = self.right.as_ref().or(self.there.as_ref());
        let columns = keyed
            .into_iter()
            .flat_map(|row| row.0.iter())
            .take(alike.keys);
        let told: Vec<&str> = columns
            .zip(key)
            .filter(|((name, _), _)| alike.told.contains(&name.as_str()))
            .map(|(_, value)| value.as_str())
            .collect();
        let row = format!("{view}: {} {}", alike.table, told.join(" "));
        let row = row.trim_end();
        match (&self.right, &self.there) {
            (Some(_), None) => vec![AlteredPart::new(row, "a row", "nothing: deleted")],
            (None, _) => vec![AlteredPart::new(row, "nothing", "a forged row")],
            (Some(right), Some(there)) => {
                let pairs = right.0.iter().zip(&there.0);
                let differ = pairs.filter(|(right, there)| right != there);
                let parts = differ.map(|((name, was), (_, is))| {
                    let part = format!("{row} {name}");
                    match alike.told.contains(&name.as_str()) {
                        true => AlteredPart::new(part, was, is),
                        false => AlteredPart::new(part, "as folded", "another value"),
                    }
                });
                parts.collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALIKE: [Alike; 1] = [Alike {
        table: "account",
        sql: "SELECT id, role, secret FROM {}.account",
        keys: 1,
        told: &["id", "role"],
        after_erasing: true,
    }];

    async fn file(path: &Path, rows: &str) {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true);
        let mut file = SqliteConnection::connect_with(&options).await.unwrap();
        let sql = format!(
            "CREATE TABLE cursor (id INTEGER PRIMARY KEY, next INTEGER);
             INSERT INTO cursor VALUES (1, 7);
             CREATE TABLE account (id TEXT PRIMARY KEY, role TEXT, secret TEXT); {rows}"
        );
        run(&mut file, sql).await.unwrap();
        file.close().await.unwrap();
    }

    #[tokio::test]
    async fn an_edited_a_deleted_and_a_forged_row_are_named_and_taken_over() {
        let folder = tempfile::tempdir().unwrap();
        let (live, fresh) = (folder.path().join("a.db"), folder.path().join("b.db"));
        file(
            &fresh,
            "INSERT INTO account VALUES ('nora', 'nurse', 'x'), ('pia', 'physician', 'y')",
        )
        .await;
        file(
            &live,
            "INSERT INTO account VALUES ('nora', 'administrator', 'z'), ('eve', 'physician', 'q');
             CREATE TRIGGER t AFTER UPDATE ON account BEGIN DELETE FROM account; END",
        )
        .await;
        let beside = Beside::of(&live, &fresh).await.unwrap();
        let found = beside.differences("staff", &ALIKE).await.unwrap();
        let words: Vec<String> = found
            .iter()
            .flatten()
            .map(|part| format!("{}: {} -> {}", part.part, part.sealed, part.found))
            .collect();
        assert_eq!(
            words,
            [
                "staff: account eve: nothing -> a forged row",
                "staff: account nora role: nurse -> administrator",
                "staff: account nora secret: as folded -> another value",
                "staff: account pia: a row -> nothing: deleted",
                "staff: sqlite_master t: nothing -> a forged row",
            ]
        );
        take_over(&live, &fresh).await.unwrap();
        let beside = Beside::of(&live, &fresh).await.unwrap();
        let left = beside.differences("staff", &ALIKE).await.unwrap();
        assert_eq!(left, Vec::<Vec<AlteredPart>>::new());
    }
}
