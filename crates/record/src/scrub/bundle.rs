//! One bundle: what was sealed, what is there, and putting it right.

use std::collections::BTreeMap;

use event::{AlteredPart, Time};
use seal::{Entry, Hash, TILE_WIDTH};

use super::keys;
use super::truth::Truth;
use crate::Error;
use crate::door::Inner;
use crate::journal::Row;
use crate::keyfile::hex;
use crate::object::{self, Naming};
use crate::sealed::Outcome;
use crate::vault::get_grown;

const WIDTH: u64 = TILE_WIDTH as u64;

/// What was wrong with one event, or with a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) index: Option<u64>,
    pub(super) stream: Option<[u8; 16]>,
    pub(super) parts: Vec<AlteredPart>,
    pub(super) healed_from: Option<&'static str>,
    /// What was there instead.
    pub(super) evidence: Vec<u8>,
    /// The row as it is now, if it was put right, and the one that was there.
    pub(super) rows: Option<(Row, Option<Row>)>,
}

/// Everything that is left of one bundle.
struct Left {
    first: u64,
    leaves: Vec<Hash>,
    rows: BTreeMap<u64, Row>,
    /// Files by what they are: path and content.
    entries: (String, Vec<u8>),
    pack: (String, Vec<u8>),
    tile: (String, Vec<u8>),
}

/// One event as it was sealed, and where its ciphertext came from.
struct Good {
    row: Row,
    from: &'static str,
}

/// What looking at one bundle came to. Nothing of it is put right yet: what lies there is sealed as
/// evidence before it is overwritten.
pub(super) struct Looked {
    pub(super) wrong: Vec<Wrong>,
    /// Bytes that were looked at.
    pub(super) bytes: u64,
    /// The objects that its events name.
    pub(super) naming: Naming,
    heal: Heal,
}

/// How a bundle is put right.
#[derive(Default)]
struct Heal {
    rows: Vec<Row>,
    /// The bundle's number, its leaves and all its rows, if its files have to be written again.
    files: Option<(u64, Vec<Hash>, Vec<Row>)>,
}

/// Looks at one bundle and says what is wrong.
pub(super) async fn look(
    inner: &Inner,
    truth: &mut Truth<'_>,
    (number, seen): (u64, &mut keys::Seen),
) -> Outcome<Looked> {
    let Some(leaves) = truth.leaves(number).await? else {
        let path = seal::tile_path(0, number, TILE_WIDTH);
        let name = format!("vault/{path}");
        let part = AlteredPart::new(name, "hashes that lead to the signed root", "none");
        return Ok(Looked {
            wrong: vec![Wrong::file(vec![part])],
            bytes: 0,
            naming: Naming {
                named: Vec::new(),
                doubt: true,
                ..Naming::default()
            },
            heal: Heal::default(),
        });
    };
    let left = Left::read(inner, (number, leaves)).await?;
    let mut wrong = Vec::new();
    let mut good = Vec::with_capacity(left.leaves.len());
    for (seq, leaf) in (left.first..).zip(&left.leaves) {
        let found = left.good(seq, leaf);
        if let Some(one) = left.compare(seq, found.as_ref()) {
            wrong.push(one);
        }
        good.extend(found.map(|found| found.row));
    }
    let rows = wrong
        .iter()
        .filter_map(|one| Some(one.rows.as_ref()?.0.clone()));
    let rows: Vec<Row> = rows.collect();
    let files = left.files(&good);
    wrong.extend(keys::look(inner, good.iter(), seen).await?);
    let mut naming = object::naming(&inner.keyring, good.clone()).await?;
    naming.doubt |= good.len() < left.leaves.len();
    let written = (!files.is_empty()).then(|| (number, left.leaves.clone(), good));
    wrong.extend(files);
    Ok(Looked {
        wrong,
        bytes: left.bytes(),
        naming,
        heal: Heal {
            rows,
            files: written,
        },
    })
}

impl Looked {
    /// Puts right what can be.
    pub(super) async fn heal(self, inner: &Inner) -> Outcome<()> {
        if !self.heal.rows.is_empty() {
            inner.journal.mend(&self.heal.rows).await.map_err(broken)?;
        }
        if let Some((number, leaves, rows)) = self.heal.files {
            inner.publisher.put_tile(0, number, &leaves).await?;
            inner.publisher.put_bundle(&rows).await?;
        }
        Ok(())
    }
}

impl Left {
    async fn read(inner: &Inner, (number, leaves): (u64, Vec<Hash>)) -> Outcome<Left> {
        let (first, width) = (number * WIDTH, leaves.len());
        let rows = inner.journal.rows(first, width).await.map_err(broken)?;
        let end = first + width as u64;
        let rows = rows.into_iter().filter(|row| row.seq < end);
        let file = async |path: String| {
            let bytes = get_grown(inner.vault.as_ref(), &path)
                .await
                .map_err(broken)?;
            Ok::<_, Error>((path, bytes.map(Vec::from).unwrap_or_default()))
        };
        Ok(Left {
            first,
            rows: rows.map(|row| (row.seq, row)).collect(),
            entries: file(seal::bundle_path(number, width)).await?,
            pack: file(seal::pack_path(number, width)).await?,
            tile: file(seal::tile_path(0, number, width)).await?,
            leaves,
        })
    }

    fn bytes(&self) -> u64 {
        let rows: usize = self.rows.values().map(|row| row.ciphertext.len()).sum();
        (rows + self.entries.1.len() + self.pack.1.len() + self.tile.1.len()) as u64
    }

    /// The event as it was sealed, if it is left anywhere.
    fn good(&self, seq: u64, leaf: &Hash) -> Option<Good> {
        let row = self.rows.get(&seq);
        let at = (seq - self.first) as usize;
        let bundled = seal::read_bundle(&self.entries.1).unwrap_or_default();
        let entries = [
            row.map(|row| row.entry.as_slice()),
            bundled.get(at).copied(),
        ];
        let mut entries = entries.into_iter().flatten();
        let bytes = entries.find(|bytes| seal::leaf_hash(bytes) == *leaf)?;
        let entry = Entry::from_bytes(bytes)?;
        let packed = seal::read_pack(&self.pack.1).unwrap_or_default();
        let texts = [
            ("journal", row.map(|row| row.ciphertext.as_slice())),
            ("pack", packed.get(at).copied()),
        ];
        let is = |text: &[u8]| seal::sha256(&[text]) == entry.ciphertext;
        let mut texts = texts
            .into_iter()
            .filter_map(|(from, text)| Some((from, text?)));
        let (from, text) = texts.find(|(_, text)| is(text))?;
        let row = Row {
            seq,
            stream: entry.stream,
            at: entry.at,
            entry: bytes.to_vec(),
            ciphertext: text.to_vec(),
        };
        Some(Good { row, from })
    }

    /// A row against what was sealed, column by column.
    fn compare(&self, seq: u64, good: Option<&Good>) -> Option<Wrong> {
        let row = self.rows.get(&seq);
        let Some(good) = good else {
            let found = if row.is_some() { "altered" } else { "nothing" };
            let parts = vec![AlteredPart::new("row", "an event", found)];
            return Some(Wrong {
                index: Some(seq),
                stream: row.map(|row| row.stream),
                evidence: row.map(evidence).unwrap_or_default(),
                ..Wrong::file(parts)
            });
        };
        let parts = match row {
            None => vec![AlteredPart::new("row", "an event", "nothing: deleted")],
            Some(row) => columns(row, &good.row),
        };
        (!parts.is_empty()).then(|| Wrong {
            index: Some(seq),
            stream: Some(good.row.stream),
            parts,
            healed_from: Some(good.from),
            evidence: row.map(evidence).unwrap_or_default(),
            rows: Some((good.row.clone(), row.cloned())),
        })
    }

    /// The files of the bundle against what they should hold, if all of that is left.
    fn files(&self, good: &[Row]) -> Vec<Wrong> {
        if good.len() < self.leaves.len() {
            return Vec::new();
        }
        let width = good.len();
        let entries = seal::bundle(good.iter().map(|row| row.entry.as_slice()));
        let pack = seal::pack(good.iter().map(|row| row.ciphertext.as_slice()));
        let parts = [
            differing(&self.entries, &entries, width),
            differing(&self.pack, &pack, width),
            differing(&self.tile, &self.leaves.concat(), width),
        ];
        let one = |(part, found): (AlteredPart, &[u8])| Wrong {
            healed_from: Some("journal"),
            evidence: found.to_vec(),
            ..Wrong::file(vec![part])
        };
        parts.into_iter().flatten().map(one).collect()
    }
}

/// A file against what it should hold. One that is not full may have grown meanwhile.
fn differing<'f>(
    (path, found): &'f (String, Vec<u8>),
    wanted: &[u8],
    width: usize,
) -> Option<(AlteredPart, &'f [u8])> {
    let same = match width {
        TILE_WIDTH => found == wanted,
        _ => found.starts_with(wanted),
    };
    (!same).then(|| (differs(path, wanted, found), found.as_slice()))
}

impl Wrong {
    pub(super) const fn file(parts: Vec<AlteredPart>) -> Wrong {
        Wrong {
            index: None,
            stream: None,
            parts,
            healed_from: None,
            evidence: Vec::new(),
            rows: None,
        }
    }
}

/// The columns of a row that are not what was sealed.
fn columns(row: &Row, good: &Row) -> Vec<AlteredPart> {
    let mut parts = Vec::new();
    if row.stream != good.stream {
        parts.push(AlteredPart::new(
            "row.stream",
            hex(&good.stream),
            hex(&row.stream),
        ));
    }
    if row.at != good.at {
        let (was, is) = (Time::from_millis(good.at), Time::from_millis(row.at));
        parts.push(AlteredPart::new("row.at", was, is));
    }
    if row.entry != good.entry {
        parts.push(AlteredPart::new(
            "row.entry",
            hex(&good.entry),
            hex(&row.entry),
        ));
    }
    if row.ciphertext != good.ciphertext {
        parts.push(differs("row.ciphertext", &good.ciphertext, &row.ciphertext));
    }
    parts
}

/// A row as it lay there: what is kept of a forgery.
pub(super) fn evidence(row: &Row) -> Vec<u8> {
    let mut out = format!(
        "seq {}\nstream {}\nat {}\nentry {}\nciphertext\n",
        row.seq,
        hex(&row.stream),
        row.at,
        hex(&row.entry)
    )
    .into_bytes();
    out.extend_from_slice(&row.ciphertext);
    out
}

pub(super) fn differs(name: &str, sealed: &[u8], found: &[u8]) -> AlteredPart {
    let words = |bytes: &[u8]| match bytes.len() {
        0 => "nothing".to_owned(),
        len => format!("{len} bytes, SHA-256 {}", hex(&seal::sha256(&[bytes]))),
    };
    let name = if name.starts_with("row") {
        name.to_owned()
    } else {
        format!("vault/{name}")
    };
    AlteredPart::new(name, words(sealed), words(found))
}

fn broken(why: impl ToString) -> Error {
    Error::Broken {
        doing: "look the record over",
        why: why.to_string(),
    }
}
