//! A record on each pair of engines, and the accidents that befall it.

use std::fs;
use std::path::Path;

use record::{Config, Objects, Record, Report, Storage, verify};
use sqlx::AssertSqlSafe;
use tempfile::TempDir;

use super::real;
use crate::house::{NOON, StillClock, config, data};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sql {
    Sqlite,
    Postgres,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Files {
    Folder,
    Bucket,
}

/// A record on its engines.
pub(crate) struct House {
    pub(crate) folder: TempDir,
    pub(crate) database: Option<String>,
    pub(crate) bucket: Option<String>,
}

impl House {
    pub(crate) async fn new(sql: Sql, files: Files) -> House {
        let folder = tempfile::tempdir().unwrap();
        real::credentials(folder.path());
        House {
            database: match sql {
                Sql::Sqlite => None,
                Sql::Postgres => Some(real::database().await),
            },
            bucket: match files {
                Files::Folder => None,
                Files::Bucket => Some(real::locked_bucket()),
            },
            folder,
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn config(&self) -> Config {
        let mut config = config(self.path());
        if let Some(database) = &self.database {
            config.storage = Storage::parse(&real::address(database)).unwrap();
        }
        if let Some(bucket) = &self.bucket {
            let line = real::bucket_line(bucket, &self.path().join("s3-credentials"));
            config.objects = Objects::parse(&line).unwrap();
        }
        config
    }

    pub(crate) async fn open(&self) -> Record {
        self.try_open().await.unwrap()
    }

    pub(crate) async fn try_open(&self) -> Result<Record, record::Error> {
        Record::open(self.config(), StillClock::at(NOON)).await
    }

    pub(crate) async fn verified(&self) -> Report {
        verify(&self.config(), |_, _| {}).await.unwrap()
    }

    /// Runs a statement behind the record's back.
    pub(crate) async fn sql(&self, statement: &str) {
        let statement = AssertSqlSafe(statement.to_owned());
        if let Some(database) = &self.database {
            let pool = sqlx::PgPool::connect(&real::address(database)).await;
            let pool = pool.unwrap();
            sqlx::raw_sql(statement).execute(&pool).await.unwrap();
            pool.close().await;
        } else {
            let path = data(self.path()).join("journal.db");
            let pool = sqlx::SqlitePool::connect(path.to_str().unwrap()).await;
            let pool = pool.unwrap();
            sqlx::raw_sql(statement).execute(&pool).await.unwrap();
            pool.close().await;
        }
    }

    pub(crate) async fn keep_a_copy_of_sql(&self) {
        match &self.database {
            Some(database) => {
                real::administer(format!("CREATE DATABASE {database}old TEMPLATE {database}"))
                    .await;
            }
            None => copy_journal(&data(self.path()), &self.path().join("backup")),
        }
    }

    pub(crate) async fn put_the_copy_back(&self) {
        match &self.database {
            Some(database) => {
                real::administer(format!("DROP DATABASE {database}")).await;
                real::administer(format!("ALTER DATABASE {database}old RENAME TO {database}"))
                    .await;
            }
            None => {
                remove_journal(&data(self.path()));
                copy_journal(&self.path().join("backup"), &data(self.path()));
            }
        }
    }

    pub(crate) async fn lose_sql(&self) {
        match &self.database {
            Some(database) => {
                real::administer(format!("DROP DATABASE {database}")).await;
                real::administer(format!("CREATE DATABASE {database}")).await;
            }
            None => remove_journal(&data(self.path())),
        }
    }

    pub(crate) fn lose_the_vault(&mut self) {
        fs::remove_dir_all(data(self.path()).join("vault")).unwrap();
        if self.bucket.is_some() {
            self.bucket = Some(real::locked_bucket());
        }
    }

    /// Everything of this machine but its keys; what is elsewhere stays.
    pub(crate) fn lose_the_machine(&self) {
        remove_journal(&data(self.path()));
        fs::remove_dir_all(data(self.path()).join("vault")).unwrap();
        let _ = fs::remove_file(data(self.path()).join("node"));
    }
}

fn journal_files(folder: &Path) -> Vec<fs::DirEntry> {
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    entries
        .filter(|entry| {
            entry
                .file_name()
                .to_string_lossy()
                .starts_with("journal.db")
        })
        .collect()
}

fn copy_journal(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in journal_files(from) {
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

fn remove_journal(folder: &Path) {
    for entry in journal_files(folder) {
        fs::remove_file(entry.path()).unwrap();
    }
}
