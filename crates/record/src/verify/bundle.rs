//! One bundle of 256 events: what the vault holds against its tile, and SQL against what the vault
//! holds. Bundles know nothing of each other, so that several are looked at the same time.

use event::Time;
use seal::{Entry, Hash, TILE_WIDTH};

use super::files::Files;
use super::{Alteration, WIDTH, broken, hex, wrong};
use crate::journal::{Block, Journal, Row, RowRef};
use crate::object::{self, Held, Naming, hold};
use crate::sealed::Outcome;

/// What one bundle turned out to be.
#[derive(Default)]
pub(super) struct Found {
    /// The hashes of its level-0 tile, as far as the checkpoint covers it.
    pub(super) hashes: Vec<Hash>,
    /// Committed rows that no checkpoint covers yet, by index, with their leaves.
    pub(super) unpublished: Vec<(u64, Hash)>,
    /// Bytes that were re-read and held against each other or a hash: files and columns of rows.
    pub(super) bytes: u64,
    pub(super) alterations: Vec<Alteration>,
    /// Whose the rows are, by index.
    pub(super) streams: Vec<(u64, [u8; 16])>,
    /// The objects that they name.
    pub(super) naming: Naming,
}

/// Which bundle, and how far events go.
#[derive(Debug, Clone, Copy)]
pub(super) struct Which {
    pub(super) number: u64,
    /// Events under the checkpoint.
    pub(super) published: u64,
    /// Events in all.
    pub(super) until: u64,
}

impl Which {
    const fn first(self) -> u64 {
        self.number * WIDTH
    }

    /// The index after its last event.
    fn end(self) -> u64 {
        (self.first() + WIDTH).min(self.until)
    }

    /// Events of this bundle under the checkpoint.
    fn width(self) -> usize {
        let width = self.published.saturating_sub(self.first()).min(WIDTH);
        usize::try_from(width).unwrap_or_default()
    }
}

/// Looks at one bundle.
pub(super) async fn look(journal: &dyn Journal, files: &Files, which: Which) -> Outcome<Found> {
    let first = which.first();
    let block = journal.block(first, TILE_WIDTH).await.map_err(broken)?;
    let mut found = Found::default();
    let sealed = found.entries(files, which).await?;
    let pack = found.pack(files, which).await?;
    found.rows(&block, which, (&sealed, &pack));
    if let Some(keyring) = &files.keyring {
        let rows: Vec<Row> = rows_until(&block, which.end());
        found.naming = object::naming(keyring, rows).await?;
        found.bytes += found.naming.bytes;
        found.objects(files).await?;
    }
    Ok(found)
}

fn rows_until(block: &Block, end: u64) -> Vec<Row> {
    let rows = block.iter().filter(|row| row.seq < end);
    rows.map(Row::from).collect()
}

impl Found {
    /// Every row against what the vault holds.
    fn rows(&mut self, block: &Block, which: Which, (sealed, pack): (&[Option<Entry>], &[u8])) {
        let (first, end) = (which.first(), which.end());
        let packed = self.packed(pack, (which, sealed));
        let mut rows = block.iter().filter(|row| row.seq < end).peekable();
        for ((seq, entry), packed) in (first..).zip(sealed).zip(packed) {
            let row = rows.next_if(|row| row.seq == seq);
            match (entry, row) {
                (Some(entry), Some(row)) => self.row(row, entry, packed),
                (Some(_), None) => self.wrong((Some(seq), "row"), "an event", "nothing: deleted"),
                (None, _) => {}
            }
        }
        rows.for_each(|row| self.unpublished(row));
    }

    /// The entries that agree with their level-0 tile.
    async fn entries(&mut self, files: &Files, which: Which) -> Outcome<Vec<Option<Entry>>> {
        let width = which.width();
        if width == 0 {
            return Ok(Vec::new());
        }
        let path = seal::bundle_path(which.number, width);
        let bytes = self.object(files, &path).await?;
        let tile = seal::tile_path(0, which.number, width);
        let tile = self.object(files, &tile).await?;
        let entries = seal::read_bundle(&bytes).unwrap_or_default();
        let hashes = seal::read_tile(&tile).unwrap_or_default();
        let mut sealed = Vec::with_capacity(width);
        for at in 0..width {
            let entry = entries.get(at).copied().unwrap_or_default();
            let (hash, is) = (
                hashes.get(at).copied().unwrap_or_default(),
                seal::leaf_hash(entry),
            );
            self.hashes.push(hash);
            if is == hash {
                sealed.push(Entry::from_bytes(entry));
                continue;
            }
            let seq = Some(which.first() + at as u64);
            self.wrong((seq, &format!("vault/{path}")), hex(&hash), hex(&is));
            sealed.push(None);
        }
        Ok(sealed)
    }

    async fn pack(&mut self, files: &Files, which: Which) -> Outcome<Vec<u8>> {
        let width = which.width();
        if width == 0 {
            return Ok(Vec::new());
        }
        let path = seal::pack_path(which.number, width);
        self.object(files, &path).await
    }

    /// The ciphertexts of a pack that are what was sealed.
    fn packed<'p>(
        &mut self,
        pack: &'p [u8],
        (which, sealed): (Which, &[Option<Entry>]),
    ) -> Vec<Option<&'p [u8]>> {
        let packed = seal::read_pack(pack).unwrap_or_default();
        let mut right = Vec::with_capacity(sealed.len());
        for (at, entry) in sealed.iter().enumerate() {
            let bytes = packed.get(at).copied().unwrap_or_default();
            let Some(entry) = entry else {
                right.push(None);
                continue;
            };
            let hash = seal::sha256(&[bytes]);
            if hash == entry.ciphertext {
                right.push(Some(bytes));
                continue;
            }
            right.push(None);
            let path = seal::pack_path(which.number, sealed.len());
            let (seq, field) = (which.first() + at as u64, format!("vault/{path}"));
            self.wrong((Some(seq), &field), hex(&entry.ciphertext), hex(&hash));
        }
        right
    }

    /// A row that was published, column by column; `packed` is its ciphertext in the vault, if that
    /// is right.
    fn row(&mut self, row: RowRef<'_>, sealed: &Entry, packed: Option<&[u8]>) {
        self.bytes += row.bytes();
        self.streams.push((row.seq, row.stream));
        let seq = Some(row.seq);
        if row.stream != sealed.stream {
            self.wrong((seq, "row.stream"), hex(&sealed.stream), hex(&row.stream));
        }
        if row.at != sealed.at {
            let (was, is) = (Time::from_millis(sealed.at), Time::from_millis(row.at));
            self.wrong((seq, "row.at"), was, is);
        }
        if row.entry != sealed.to_bytes() {
            self.wrong((seq, "row.entry"), hex(&sealed.to_bytes()), hex(row.entry));
        }
        if packed == Some(row.ciphertext) {
            return;
        }
        let hash = seal::sha256(&[row.ciphertext]);
        if hash != sealed.ciphertext {
            self.wrong((seq, "row.ciphertext"), hex(&sealed.ciphertext), hex(&hash));
        }
    }

    /// A committed row that no checkpoint covers yet: it must agree with itself.
    fn unpublished(&mut self, row: RowRef<'_>) {
        match Entry::from_bytes(row.entry) {
            Some(entry) => {
                self.row(row, &entry, None);
                self.unpublished.push((row.seq, entry.leaf()));
            }
            None => self.wrong((Some(row.seq), "row.entry"), "an entry", hex(row.entry)),
        }
    }

    /// The objects that the events name, held against what was sealed.
    async fn objects(&mut self, files: &Files) -> Outcome<()> {
        for one in self.naming.named.clone() {
            let path = &one.whole.path;
            let holding = hold(files.vault.as_ref(), path).await?;
            self.bytes += holding.bytes;
            let field = format!("vault/{path}");
            let name = path.rsplit('/').next().unwrap_or_default();
            match holding.held {
                Held::Whole => {}
                Held::Missing => {
                    let sealed = format!("an object of {} bytes", one.whole.bytes);
                    self.wrong((Some(one.index), &field), sealed, "nothing");
                }
                Held::Other(found) => self.wrong((Some(one.index), &field), name, found),
                Held::Unread(why) => {
                    let found = format!("bytes that cannot be read: {why}");
                    self.wrong((Some(one.index), &field), name, found);
                }
            }
        }
        Ok(())
    }

    /// A file of the vault; if it is missing that is wrong, and it is taken for empty.
    async fn object(&mut self, files: &Files, path: &str) -> Outcome<Vec<u8>> {
        let bytes = files.get(path).await?;
        if bytes.is_none() {
            self.wrong((None, &format!("vault/{path}")), "a file", "nothing");
        }
        let bytes = bytes.unwrap_or_default();
        self.bytes += bytes.len() as u64;
        Ok(bytes)
    }

    fn wrong(&mut self, place: (Option<u64>, &str), expected: impl ToString, found: impl ToString) {
        self.alterations.push(wrong(place, expected, found));
    }
}
