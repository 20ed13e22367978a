//! Which engines hold the record, each said in one line.

use std::path::Path;
use std::sync::Arc;

use crate::Error;
use crate::config::Config;
use crate::journal::{Carry, PostgresJournal, SqliteJournal};
use crate::keyfile;
use crate::sealed::Outcome;
use crate::vault::{LocalVault, S3Address, S3Vault, Vault};

/// Where rows are durable.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Storage {
    /// SQLite, `journal.db` in the data folder.
    #[default]
    File,
    /// PostgreSQL: `postgres://user@host/database?sslmode=verify-full&sslrootcert=FILE`, or by a
    /// Unix socket `postgres://user@localhost/database?host=/run/postgresql`.
    Postgres(String),
}

impl Storage {
    /// Reads the line; `""` and `file` are the data folder.
    ///
    /// # Errors
    /// In words: what is wrong with it.
    pub fn parse(text: &str) -> Result<Storage, String> {
        match text {
            "" | "file" => return Ok(Storage::File),
            _ => {}
        }
        let wrong = |why: &str| format!("`storage` is wrong: {why}");
        let url = url::Url::parse(text).map_err(|why| wrong(&why.to_string()))?;
        if !matches!(url.scheme(), "postgres" | "postgresql") {
            return Err(wrong("it is `file` or begins with `postgres://`"));
        }
        let told = url.query_pairs().any(|(name, _)| name == "password");
        if told || url.password().is_some() {
            return Err(wrong(
                "a password does not belong there: put it into a file and name that in PGPASSFILE",
            ));
        }
        Ok(Storage::Postgres(text.to_owned()))
    }

    /// Where it is, for people.
    pub fn place(&self) -> String {
        match self {
            Storage::File => "file".into(),
            Storage::Postgres(address) => match address.split_once('?') {
                Some((place, _)) => place.to_owned(),
                None => address.clone(),
            },
        }
    }
}

/// Where tiles and packs are durable.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Objects {
    /// `vault/` in the data folder.
    #[default]
    File,
    /// A bucket.
    S3(S3Address),
}

impl Objects {
    /// Reads the line; `""` and `file` are the data folder.
    ///
    /// # Errors
    /// In words: what is wrong with it.
    pub fn parse(text: &str) -> Result<Objects, String> {
        match text {
            "" | "file" => Ok(Objects::File),
            _ => S3Address::parse(text).map(Objects::S3),
        }
    }

    /// Where it is, for people.
    pub fn place(&self) -> String {
        match self {
            Objects::File => "file".into(),
            Objects::S3(address) => address.place(),
        }
    }
}

/// The journal, to be written.
pub(crate) async fn journal(config: &Config) -> Outcome<Arc<dyn Carry>> {
    match &config.storage {
        Storage::File => {
            let journal = SqliteJournal::open(&config.journal()).await;
            Ok(Arc::new(journal.map_err(broken)?))
        }
        Storage::Postgres(address) => {
            let holder = keyfile::node(config)?;
            let journal = PostgresJournal::open(address, &holder).await;
            Ok(Arc::new(journal.map_err(broken)?))
        }
    }
}

/// The journal, to be read beside whoever writes it.
pub(crate) async fn journal_read_only(config: &Config) -> Outcome<Arc<dyn Carry>> {
    match &config.storage {
        Storage::File => {
            let journal = SqliteJournal::open_read_only(&config.journal()).await;
            Ok(Arc::new(journal.map_err(broken)?))
        }
        Storage::Postgres(address) => {
            let journal = PostgresJournal::open_read_only(address).await;
            Ok(Arc::new(journal.map_err(broken)?))
        }
    }
}

/// The vault.
pub(crate) fn vault(config: &Config) -> Outcome<Arc<dyn Vault>> {
    let local = local(&config.vault())?;
    match &config.objects {
        Objects::File => Ok(Arc::new(local)),
        Objects::S3(address) => {
            let vault = S3Vault::open(address.clone(), local).map_err(broken)?;
            Ok(Arc::new(vault))
        }
    }
}

fn local(folder: &Path) -> Outcome<LocalVault> {
    LocalVault::open(folder).map_err(broken)
}

fn broken(why: impl ToString) -> Error {
    Error::Broken {
        doing: "open",
        why: why.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_names_an_engine_and_never_a_password() {
        assert_eq!(Storage::parse("").unwrap(), Storage::File);
        let line = "postgres://salus@db.hospital/salus?sslrootcert=/etc/salus/db.pem";
        let storage = Storage::parse(line).unwrap();
        assert_eq!(storage.place(), "postgres://salus@db.hospital/salus");
        for wrong in [
            "postgres://salus:secret@db/salus",
            "postgres://db/salus?password=secret",
            "mysql://db/salus",
            "salus",
        ] {
            let why = Storage::parse(wrong).unwrap_err();
            assert!(
                why.contains("`storage`") && !why.contains("secret"),
                "{why}"
            );
        }
        assert_eq!(Objects::parse("file").unwrap(), Objects::File);
        assert_eq!(Objects::parse("s3://vault").unwrap().place(), "s3://vault");
    }
}
