//! Re-reads everything from disk and names what is wrong. Needs no running record and, but for
//! naming patients, no keys.

use bytes::Bytes;
use event::Time;
use seal::{Edge, Entry, Frontier, LogVerifier, TILE_WIDTH};

use crate::config::Config;
use crate::erased::Keyless;
use crate::journal::{Journal, Row, SqliteJournal};
use crate::keyring::Keyring;
use crate::sealed::Outcome;
use crate::vault::{CHECKPOINT, LocalVault, Vault};
use crate::{Error, keyfile};

const WIDTH: u64 = TILE_WIDTH as u64;
/// How often a partial file may be replaced while it is looked for.
const REPLACED_MAX: usize = 20;

/// One thing that is not as it was sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alteration {
    /// The event, if it concerns one.
    pub index: Option<u64>,
    /// Whose it is: `patient/<id>` or `house/<day>`, if the keyring can tell.
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
    /// Bytes that were re-read and hashed.
    pub bytes: u64,
    /// Events that cannot be read any more because a sealed order erased them.
    pub erased: u64,
    /// What is wrong; empty: nothing.
    pub alterations: Vec<Alteration>,
}

/// Verifies the record in a data folder, beside a running server or without one. `progress` is
/// told (events done, events in all).
///
/// # Errors
/// [`Error::Broken`] if journal, vault or public key cannot be opened at all.
pub async fn verify(config: &Config, progress: impl Fn(u64, u64)) -> Outcome<Report> {
    let journal = SqliteJournal::open_read_only(&config.journal())
        .await
        .map_err(broken)?;
    let vault = LocalVault::open(&config.vault()).map_err(broken)?;
    let log = LogVerifier::new(&keyfile::public(config)?).map_err(broken)?;
    let mut check = Check {
        journal,
        vault,
        report: Report::default(),
        edge: Edge::default(),
        keyless: Keyless::open(config).await,
    };
    check.run(&log, progress).await?;
    let mut report = check.report;
    check.keyless.account(&check.journal, &mut report).await?;
    if let Some(keyring) = &check.keyless.keyring {
        name_owners(&check.journal, keyring, &mut report).await;
    }
    Ok(report)
}

struct Check {
    journal: SqliteJournal,
    vault: LocalVault,
    report: Report,
    edge: Edge,
    keyless: Keyless,
}

impl Check {
    async fn run(&mut self, log: &LogVerifier, progress: impl Fn(u64, u64)) -> Outcome<()> {
        // A server may be running: the checkpoint is read first, then the tree, then the rows, so
        // that what each of them says of the ones before it still holds.
        let head = self.checkpoint(log).await?;
        let frontier = self.journal.frontier().await.map_err(broken)?;
        let size = head.map_or(0, |(size, _)| size);
        (self.report.size, self.report.published) = (frontier.size(), size);
        let until = size.max(frontier.size());
        for number in 0..until.div_ceil(WIDTH) {
            self.bundle(number, size, until).await?;
            progress((number * WIDTH + WIDTH).min(until), until);
        }
        if let Some((size, root)) = head {
            self.tiles(size, &root).await?;
        }
        self.tail(&frontier).await
    }

    /// Size and root of the published checkpoint, if it is there and signed by this log.
    async fn checkpoint(&mut self, log: &LogVerifier) -> Outcome<Option<(u64, seal::Hash)>> {
        let Some(bytes) = self.vault.get(CHECKPOINT).await.map_err(broken)? else {
            if self.journal.published().await.map_err(broken)?.is_some() {
                self.wrong((None, "vault/checkpoint"), "a signed checkpoint", "nothing");
            }
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

    /// One bundle: what the vault holds against the tiles, and SQL against what the vault holds.
    async fn bundle(&mut self, number: u64, size: u64, until: u64) -> Outcome<()> {
        let first = number * WIDTH;
        let rows = self.journal.rows(first, TILE_WIDTH).await.map_err(broken)?;
        let rows: Vec<Row> = rows
            .into_iter()
            .filter(|row| row.seq < (first + WIDTH).min(until))
            .collect();
        let published = usize::try_from(size.saturating_sub(first).min(WIDTH)).unwrap_or_default();
        let sealed = self.entries(number, published).await?;
        self.pack(number, &sealed).await?;
        for (seq, entry) in (first..).zip(&sealed) {
            let row = rows.binary_search_by_key(&seq, |row| row.seq).ok();
            match (entry, row.and_then(|at| rows.get(at))) {
                (Some(entry), Some(row)) => self.row(row, entry),
                (Some(_), None) => self.wrong((Some(seq), "row"), "an event", "nothing: deleted"),
                (None, _) => {}
            }
        }
        for row in rows
            .iter()
            .filter(|row| row.seq >= first + published as u64)
        {
            self.unpublished(row);
        }
        Ok(())
    }

    /// The entries of a bundle that agree with its level-0 tile.
    async fn entries(&mut self, number: u64, width: usize) -> Outcome<Vec<Option<Entry>>> {
        if width == 0 {
            return Ok(Vec::new());
        }
        let path = seal::bundle_path(number, width);
        let bytes = self.object(&path).await?.unwrap_or_default();
        let tile = self
            .object(&seal::tile_path(0, number, width))
            .await?
            .unwrap_or_default();
        let entries = seal::read_bundle(&bytes).unwrap_or_default();
        let hashes = seal::read_tile(&tile).unwrap_or_default();
        let mut sealed = Vec::with_capacity(width);
        for at in 0..width {
            let seq = number * WIDTH + at as u64;
            let entry = entries.get(at).copied().unwrap_or_default();
            let hash = hashes.get(at).copied().unwrap_or_default();
            self.edge.push(hash, &mut Vec::new());
            if seal::leaf_hash(entry) == hash {
                sealed.push(Entry::from_bytes(entry));
            } else {
                let field = format!("vault/{path}");
                self.wrong(
                    (Some(seq), &field),
                    hex(&hash),
                    hex(&seal::leaf_hash(entry)),
                );
                sealed.push(None);
            }
        }
        Ok(sealed)
    }

    async fn pack(&mut self, number: u64, sealed: &[Option<Entry>]) -> Outcome<()> {
        if sealed.is_empty() {
            return Ok(());
        }
        let path = seal::pack_path(number, sealed.len());
        let bytes = self.object(&path).await?.unwrap_or_default();
        self.report.bytes += bytes.len() as u64;
        let packed = seal::read_pack(&bytes).unwrap_or_default();
        for (at, entry) in sealed.iter().enumerate() {
            let Some(entry) = entry else { continue };
            let hash = seal::sha256(&[packed.get(at).copied().unwrap_or_default()]);
            if hash != entry.ciphertext {
                let (seq, field) = (number * WIDTH + at as u64, format!("vault/{path}"));
                self.wrong((Some(seq), &field), hex(&entry.ciphertext), hex(&hash));
            }
        }
        Ok(())
    }

    /// A row that was published, column by column.
    fn row(&mut self, row: &Row, sealed: &Entry) {
        self.keyless.look(row);
        self.report.bytes += row.ciphertext.len() as u64;
        let seq = Some(row.seq);
        if row.stream != sealed.stream {
            self.wrong((seq, "row.stream"), hex(&sealed.stream), hex(&row.stream));
        }
        if row.at != sealed.at {
            let (was, is) = (Time::from_millis(sealed.at), Time::from_millis(row.at));
            self.wrong((seq, "row.at"), was, is);
        }
        if row.entry != sealed.to_bytes() {
            self.wrong((seq, "row.entry"), hex(&sealed.to_bytes()), hex(&row.entry));
        }
        let hash = seal::sha256(&[&row.ciphertext]);
        if hash != sealed.ciphertext {
            self.wrong((seq, "row.ciphertext"), hex(&sealed.ciphertext), hex(&hash));
        }
    }

    /// A committed row that no checkpoint covers yet: it must agree with itself.
    fn unpublished(&mut self, row: &Row) {
        match Entry::from_bytes(&row.entry) {
            Some(entry) => {
                self.row(row, &entry);
                if row.seq == self.edge.size() {
                    self.edge.push(entry.leaf(), &mut Vec::new());
                }
            }
            None => self.wrong((Some(row.seq), "row.entry"), "an entry", hex(&row.entry)),
        }
    }

    /// The upper tiles and the root.
    async fn tiles(&mut self, size: u64, root: &seal::Hash) -> Outcome<()> {
        let (mut edge, mut full) = (Edge::default(), Vec::new());
        for number in 0..size.div_ceil(WIDTH) {
            let width = usize::try_from((size - number * WIDTH).min(WIDTH)).unwrap_or_default();
            let tile = self.reread(&seal::tile_path(0, number, width)).await?;
            let hashes = seal::read_tile(&tile).unwrap_or_default();
            let hashes = hashes.get(..width).unwrap_or(hashes);
            hashes.iter().for_each(|hash| edge.push(*hash, &mut full));
        }
        if edge.root() != *root {
            self.wrong((None, "vault/tile/0"), hex(root), hex(&edge.root()));
            return Ok(());
        }
        let partial = crate::publisher::partial_tiles(&edge);
        let partial = partial
            .into_iter()
            .map(|(level, n, hashes)| (level, n, hashes.to_vec()));
        for (level, number, hashes) in full.into_iter().chain(partial).filter(|tile| tile.0 > 0) {
            let path = seal::tile_path(level, number, hashes.len());
            let mut found = self.object(&path).await?.unwrap_or_default();
            found.truncate(hashes.len() * 32);
            if found != hashes.concat() {
                let (expected, found) =
                    (seal::sha256(&[&hashes.concat()]), seal::sha256(&[&found]));
                self.wrong(
                    (None, &format!("vault/{path}")),
                    hex(&expected),
                    hex(&found),
                );
            }
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

    /// A file of the vault. A partial one that a running server has replaced meanwhile is found
    /// in what replaced it (C2SP tlog-tiles, partial tiles): the same, and more behind it.
    async fn object(&mut self, path: &str) -> Outcome<Option<Vec<u8>>> {
        let mut bytes = self.vault.get(path).await.map_err(broken)?;
        if bytes.is_none()
            && let Some((whole, width)) = path.rsplit_once(".p/")
        {
            bytes = self.grown(whole, width.parse().unwrap_or_default()).await?;
        }
        if bytes.is_none() {
            self.wrong((None, &format!("vault/{path}")), "a file", "nothing");
        }
        Ok(bytes.map(|bytes| bytes.to_vec()))
    }

    /// A file that was missed already, if it is missing.
    async fn reread(&mut self, path: &str) -> Outcome<Vec<u8>> {
        let known = self.report.alterations.len();
        let bytes = self.object(path).await?;
        self.report.alterations.truncate(known);
        Ok(bytes.unwrap_or_default())
    }

    async fn grown(&self, whole: &str, width: usize) -> Outcome<Option<Bytes>> {
        // What was listed may be replaced before it is read; then what replaced it is listed.
        for _ in 0..REPLACED_MAX {
            if let Some(bytes) = self.vault.get(whole).await.map_err(broken)? {
                return Ok(Some(bytes));
            }
            for path in self
                .vault
                .list(&format!("{whole}.p"))
                .await
                .map_err(broken)?
            {
                let wider = path.rsplit('/').next().and_then(|wider| wider.parse().ok());
                if wider.is_some_and(|wider: usize| wider >= width)
                    && let Some(bytes) = self.vault.get(&path).await.map_err(broken)?
                {
                    return Ok(Some(bytes));
                }
            }
        }
        Ok(None)
    }

    fn wrong(
        &mut self,
        (index, field): (Option<u64>, &str),
        expected: impl ToString,
        found: impl ToString,
    ) {
        self.report.alterations.push(Alteration {
            index,
            owner: None,
            field: field.to_owned(),
            expected: expected.to_string(),
            found: found.to_string(),
        });
    }
}

async fn name_owners(journal: &SqliteJournal, keyring: &Keyring, report: &mut Report) {
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

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn broken(why: impl ToString) -> Error {
    Error::Broken {
        doing: "verify",
        why: why.to_string(),
    }
}
