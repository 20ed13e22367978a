//! Re-reads everything from disk and names what is wrong. Needs no running record and, but for
//! naming patients, no keys.

mod bundle;
mod files;
mod objects;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use seal::{Edge, Frontier, LogVerifier, TILE_WIDTH};

use bundle::{Found, Which};
use files::Files;

use crate::config::Config;
use crate::erased::Keyless;
use crate::journal::{Carry, Journal, Row};
use crate::keyring::Keyring;
use crate::object::Unnamed;
use crate::sealed::Outcome;
use crate::vault::{CHECKPOINT, Vault};
use crate::{Error, engines, keyfile};

const WIDTH: u64 = TILE_WIDTH as u64;
/// How often, and how long apart, a checkpoint that SQL has is looked for in the vault before it is missed.
const LOOKS: u32 = 20;
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// One thing that is not as it was sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alteration {
    /// The event, if it concerns one.
    pub index: Option<u64>,
    /// Whose it is: `patient/<id>`, `house/<day>` or `signals/<day>`, if the keyring can tell.
    pub owner: Option<String>,
    /// Which part: `row.at`, `row.ciphertext`, `vault/pack/000` ...
    pub field: String,
    /// What was sealed.
    pub expected: String,
    /// What is there.
    pub found: String,
}

/// What verification looked at and what it found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Events in SQL.
    pub size: u64,
    /// Events under the published checkpoint.
    pub published: u64,
    /// Bytes that were held against a hash or each other: the vault's files (but tiles above the leaves),
    /// the columns of rows and, where the keys are at hand, the events themselves, unpacked, against their
    /// commitments.
    pub bytes: u64,
    /// Events that cannot be read any more because a sealed order erased them.
    pub erased: u64,
    /// Objects that events name, held against what was sealed.
    pub objects: u64,
    /// Objects that no event names: left by a crash, or being sealed this moment.
    pub unnamed: u64,
    /// Their bytes.
    pub unnamed_bytes: u64,
    /// Objects of which nobody can tell whether an event names them, because their key is not here.
    pub untold: u64,
    /// What is wrong; empty: nothing.
    pub alterations: Vec<Alteration>,
}

/// Verifies the record in a data folder, beside a running server or without one. `progress` is
/// told (events done, events in all).
///
/// # Errors
/// [`Error::Broken`] if journal, vault or public key cannot be opened at all.
pub async fn verify(config: &Config, progress: impl Fn(u64, u64)) -> Outcome<Report> {
    verify_in(config, engines::vault(config)?, progress).await
}

/// The same, its files being in this vault.
async fn verify_in(
    config: &Config,
    vault: Arc<dyn Vault>,
    progress: impl Fn(u64, u64),
) -> Outcome<Report> {
    let journal = engines::journal_read_only(config).await?;
    let log = LogVerifier::new(&keyfile::public(config)?).map_err(broken)?;
    let keyless = Keyless::open(config).await;
    let files = Files {
        vault,
        keyring: keyless.keyring.clone(),
    };
    let mut check = Check {
        journal,
        files: Arc::new(files),
        report: Report::default(),
        edge: Edge::default(),
        head: None,
        upper: Vec::new(),
        keyless,
        unnamed: Unnamed::default(),
        names_max: config.objects_names_max,
    };
    check.run(&log, progress).await?;
    let mut report = check.report;
    let journal = check.journal.as_ref();
    check.keyless.account(journal, &mut report).await?;
    if let Some(keyring) = &check.keyless.keyring {
        name_owners(journal, keyring, &mut report).await;
    }
    Ok(report)
}

struct Check {
    journal: Arc<dyn Carry>,
    files: Arc<Files>,
    report: Report,
    edge: Edge,
    /// Size and root of the checkpoint, until the bundles have reached it.
    head: Option<(u64, seal::Hash)>,
    /// Upper tiles that are not what the lower ones say.
    upper: Vec<Alteration>,
    keyless: Keyless,
    /// Objects that no event was found to name yet.
    unnamed: Unnamed,
    /// Names of objects that are held at a time.
    names_max: usize,
}

impl Check {
    async fn run(&mut self, log: &LogVerifier, progress: impl Fn(u64, u64)) -> Outcome<()> {
        // A server may be running: the checkpoint is read first, then the tree, then the rows, so
        // that what each of them says of the ones before it still holds.
        self.head = self.checkpoint(log).await?;
        // An object is there before its event.
        self.unnamed = self.names("").await?;
        let frontier = self.journal.frontier().await.map_err(broken)?;
        let published = self.head.map_or(0, |(size, _)| size);
        (self.report.size, self.report.published) = (frontier.size(), published);
        let until = published.max(frontier.size());
        self.bundles((published, until), progress).await?;
        self.objects().await?;
        self.top().await?;
        self.tail(&frontier).await
    }

    /// Size and root of the published checkpoint, if it is there and signed by this log.
    async fn checkpoint(&mut self, log: &LogVerifier) -> Outcome<Option<(u64, seal::Hash)>> {
        let Some(bytes) = self.note().await? else {
            return Ok(None);
        };
        match log.verify(&String::from_utf8_lossy(&bytes)) {
            Ok(head) => Ok(Some(head)),
            Err(why) => {
                self.wrong(
                    (None, "vault/checkpoint"),
                    "a checkpoint signed by this log",
                    why,
                );
                Ok(None)
            }
        }
    }

    /// The published checkpoint as it was signed. A server has it in SQL a moment before the file is there, so a first one
    /// is looked for again.
    async fn note(&mut self) -> Outcome<Option<Bytes>> {
        for _ in 0..LOOKS {
            let bytes = self.files.vault.get(CHECKPOINT).await.map_err(broken)?;
            if bytes.is_some() || self.journal.published().await.map_err(broken)?.is_none() {
                return Ok(bytes);
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        self.wrong((None, "vault/checkpoint"), "a signed checkpoint", "nothing");
        Ok(None)
    }

    /// Every bundle, several at the same time, joined in their order.
    async fn bundles(
        &mut self,
        (published, until): (u64, u64),
        progress: impl Fn(u64, u64),
    ) -> Outcome<()> {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let (journal, files) = (Arc::clone(&self.journal), Arc::clone(&self.files));
        let looking = stream::iter(0..until.div_ceil(WIDTH)).map(|number| {
            let (journal, files) = (Arc::clone(&journal), Arc::clone(&files));
            let which = Which {
                number,
                published,
                until,
            };
            tokio::spawn(async move { bundle::look(journal.as_ref(), &files, which).await })
        });
        let mut looking = looking.buffered(2 * processors);
        let mut done = 0;
        while let Some(found) = looking.next().await {
            self.join(found.map_err(broken)??).await?;
            done += WIDTH;
            progress(done.min(until), until);
        }
        Ok(())
    }

    async fn join(&mut self, found: Found) -> Outcome<()> {
        self.report.bytes += found.bytes;
        self.report.alterations.extend(found.alterations);
        self.report.objects += found.naming.named.len() as u64;
        self.unnamed.strike(&found.naming);
        for (seq, stream) in found.streams {
            self.keyless.look(seq, stream);
        }
        let mut full = Vec::new();
        for hash in found.hashes {
            self.edge.push(hash, &mut full);
        }
        for (level, number, hashes) in full.into_iter().filter(|tile| tile.0 > 0) {
            self.upper(level, number, &hashes).await?;
        }
        if self.head.is_some_and(|(size, _)| size == self.edge.size()) {
            self.top().await?;
        }
        for (seq, leaf) in found.unpublished {
            if seq == self.edge.size() {
                self.edge.push(leaf, &mut Vec::new());
            }
        }
        Ok(())
    }

    /// The root and the unfinished tiles, once all events under the checkpoint were looked at.
    async fn top(&mut self) -> Outcome<()> {
        let Some((_, root)) = self.head.take() else {
            return Ok(());
        };
        if self.edge.root() != root {
            // Which upper tiles differ says nothing then: what they were compared with is wrong.
            self.upper.clear();
            self.wrong((None, "vault/tile/0"), hex(&root), hex(&self.edge.root()));
            return Ok(());
        }
        let partial: Vec<_> = crate::publisher::partial_tiles(&self.edge)
            .into_iter()
            .filter(|tile| tile.0 > 0)
            .map(|(level, number, hashes)| (level, number, hashes.to_vec()))
            .collect();
        for (level, number, hashes) in partial {
            self.upper(level, number, &hashes).await?;
        }
        self.report.alterations.append(&mut self.upper);
        Ok(())
    }

    /// One tile above the leaves.
    async fn upper(&mut self, level: u8, number: u64, hashes: &[seal::Hash]) -> Outcome<()> {
        let path = seal::tile_path(level, number, hashes.len());
        let place = format!("vault/{path}");
        let Some(mut found) = self.files.get(&path).await? else {
            self.upper.push(wrong((None, &place), "a file", "nothing"));
            return Ok(());
        };
        found.truncate(hashes.len() * 32);
        if found != hashes.concat() {
            let (is, was) = (seal::sha256(&[&found]), seal::sha256(&[&hashes.concat()]));
            self.upper.push(wrong((None, &place), hex(&was), hex(&is)));
        }
        Ok(())
    }

    /// The tree that SQL says it has against the rows that are there.
    async fn tail(&mut self, frontier: &Frontier) -> Outcome<()> {
        let beyond = self
            .journal
            .rows(frontier.size(), 1)
            .await
            .map_err(broken)?;
        // Rows that were committed since are no forgeries: the tree has grown with them.
        let beyond = self.beyond(beyond).await?;
        if let Some(row) = beyond {
            let words = format!("at most {} events", frontier.size());
            self.wrong(
                (Some(row.seq), "row"),
                words,
                "a row beyond the head: forged",
            );
        }
        if self.edge.size() != frontier.size() {
            let (tree, rows) = (frontier.size(), self.edge.size());
            self.wrong(
                (None, "tree.size"),
                format!("{tree} events"),
                format!("{rows} events"),
            );
        } else if self.edge.root() != frontier.root() {
            self.wrong(
                (None, "tree.frontier"),
                hex(&frontier.root()),
                hex(&self.edge.root()),
            );
        }
        Ok(())
    }

    /// A row that no commit accounts for.
    async fn beyond(&self, seen: Vec<Row>) -> Outcome<Option<Row>> {
        let Some(first) = seen.into_iter().next() else {
            return Ok(None);
        };
        let head = self.journal.frontier().await.map_err(broken)?.size();
        if first.seq >= head {
            return Ok(Some(first));
        }
        let after = self.journal.rows(head, 1).await.map_err(broken)?;
        let head = self.journal.frontier().await.map_err(broken)?.size();
        Ok(after.into_iter().find(|row| row.seq >= head))
    }

    fn wrong(&mut self, place: (Option<u64>, &str), expected: impl ToString, found: impl ToString) {
        self.report.alterations.push(wrong(place, expected, found));
    }
}

async fn name_owners(journal: &dyn Journal, keyring: &Keyring, report: &mut Report) {
    for alteration in &mut report.alterations {
        let Some(index) = alteration.index else {
            continue;
        };
        let Ok(rows) = journal.rows(index, 1).await else {
            continue;
        };
        if let Some(row) = rows.first().filter(|row| row.seq == index) {
            alteration.owner = keyring.owner(&row.stream).await.ok().flatten();
        }
    }
}

fn wrong(
    (index, field): (Option<u64>, &str),
    expected: impl ToString,
    found: impl ToString,
) -> Alteration {
    Alteration {
        index,
        owner: None,
        field: field.to_owned(),
        expected: expected.to_string(),
        found: found.to_string(),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn broken(why: impl ToString) -> Error {
    Error::Broken {
        doing: "verify",
        why: why.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use async_trait::async_trait;
    use event::{Act, Actor, Body, Clock, Event, Service, ServiceState, Subject, Time};
    use guard::{Standing, admit};

    use super::*;
    use crate::Record;
    use crate::vault::{LocalVault, VaultFault};

    struct Noon;

    impl Clock for Noon {
        fn now(&self) -> Time {
            Time::from_millis(1_795_219_200_000)
        }
    }

    /// Its checkpoint is found after so many looks, as if it were being put there.
    struct Late(LocalVault, AtomicU32);

    #[async_trait]
    impl Vault for Late {
        async fn put(&self, path: &str, bytes: Bytes) -> Result<(), VaultFault> {
            self.0.put(path, bytes).await
        }

        async fn get(&self, path: &str) -> Result<Option<Bytes>, VaultFault> {
            let left = |left: u32| left.checked_sub(1);
            let early = path == CHECKPOINT
                && self
                    .1
                    .fetch_update(Ordering::SeqCst, Ordering::SeqCst, left)
                    .is_ok();
            if early {
                Ok(None)
            } else {
                self.0.get(path).await
            }
        }

        async fn list(&self, prefix: &str) -> Result<Vec<String>, VaultFault> {
            self.0.list(prefix).await
        }

        async fn discard(&self, path: &str) -> Result<(), VaultFault> {
            self.0.discard(path).await
        }
    }

    async fn alterations(config: &Config, looks: u32) -> Vec<String> {
        let vault = LocalVault::open(&config.vault()).unwrap();
        let late = Arc::new(Late(vault, AtomicU32::new(looks)));
        let report = verify_in(config, late, |_, _| {}).await.unwrap();
        let places = report.alterations.into_iter();
        places.map(|one| one.field).collect()
    }

    #[tokio::test]
    async fn a_first_checkpoint_that_is_just_being_put_there_is_no_alteration() {
        let folder = tempfile::tempdir().unwrap();
        let config = Config::new(folder.path().join("data"));
        let record = Record::open(config.clone(), Arc::new(Noon)).await.unwrap();
        let state = ServiceState::Started;
        let started = Body::Service(Service { state });
        let event = Event::new(Actor::salus(), Act::Manage, Subject::Record, started);
        let admitted = admit(event.into(), Standing::Salus, "").unwrap();
        record.admit(vec![admitted]).await.unwrap();
        record.publish().await.unwrap();
        assert!(alterations(&config, 2).await.is_empty());
        assert_eq!(alterations(&config, u32::MAX).await, ["vault/checkpoint"]);
        record.stop().await;
    }
}
