//! Many rows as one. A row of its own costs several microseconds on its way between two threads;
//! SQLite joins a block's columns end to end, and they are cut apart here.

use std::str::FromStr;

use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqlitePool};

use crate::journal::{Row, whole};

/// Rows that are fetched one by one: joining fewer gains nothing.
pub(super) const FEW_ROWS: usize = 8;

/// Blobs are joined as text, which SQLite neither looks into nor ends at a zero byte. Each column is
/// joined in the order in which the rows come, which the joined `seq` shows.
const BLOCK: &str = "SELECT COUNT(*), group_concat(seq), group_concat(at), \
     group_concat(octet_length(stream)), CAST(group_concat(CAST(stream AS TEXT), '') AS BLOB), \
     group_concat(octet_length(entry)), CAST(group_concat(CAST(entry AS TEXT), '') AS BLOB), \
     group_concat(octet_length(ciphertext)), \
     CAST(group_concat(CAST(ciphertext AS TEXT), '') AS BLOB) \
     FROM (SELECT seq, stream, at, entry, ciphertext FROM row WHERE seq >= $1 \
     ORDER BY seq LIMIT $2 + 0)";

/// Up to `limit` rows from `from` on; `None` if they cannot be had as one: they are too large
/// together, or what lies there is not what a row holds.
pub(super) async fn rows(readers: &SqlitePool, from: u64, limit: usize) -> Option<Vec<Row>> {
    let block = sqlx::query(BLOCK)
        .bind(whole(from))
        .bind(whole(limit as u64));
    cut(&block.fetch_one(readers).await.ok()?)
}

fn cut(block: &SqliteRow) -> Option<Vec<Row>> {
    let count = usize::try_from(block.try_get::<i64, _>(0).ok()?).ok()?;
    if count == 0 {
        return Some(Vec::new());
    }
    let seqs: Vec<u64> = numbers(block, 1)?;
    let ats: Vec<i64> = numbers(block, 2)?;
    let streams = pieces(block, (3, 4))?;
    let (entries, ciphertexts) = (pieces(block, (5, 6))?, pieces(block, (7, 8))?);
    let counts = [ats.len(), streams.len(), entries.len(), ciphertexts.len()];
    if seqs.len() != count || counts != [count; 4] || !seqs.is_sorted() {
        return None;
    }
    let columns = seqs.into_iter().zip(streams).zip(ats).zip(entries);
    let rows = columns.zip(ciphertexts);
    rows.map(|((((seq, stream), at), entry), ciphertext)| {
        Some(Row {
            seq,
            stream: stream.try_into().ok()?,
            at,
            entry: entry.to_vec(),
            ciphertext: ciphertext.to_vec(),
        })
    })
    .collect()
}

fn numbers<T: FromStr>(block: &SqliteRow, column: usize) -> Option<Vec<T>> {
    let joined: &str = block.try_get(column).ok()?;
    joined.split(',').map(|one| one.parse().ok()).collect()
}

/// What was joined, cut by its lengths.
fn pieces(block: &SqliteRow, (lengths, joined): (usize, usize)) -> Option<Vec<&[u8]>> {
    let mut rest: &[u8] = block.try_get(joined).ok()?;
    let lengths: Vec<usize> = numbers(block, lengths)?;
    let mut pieces = Vec::with_capacity(lengths.len());
    for length in lengths {
        let (piece, after) = rest.split_at_checked(length)?;
        pieces.push(piece);
        rest = after;
    }
    rest.is_empty().then_some(pieces)
}

#[cfg(test)]
mod tests {
    use crate::journal::{Batch, Journal as _, SqliteJournal};

    use super::*;

    /// Bytes of every value, zero and what is no UTF-8 among them, of every length up to 600.
    fn bytes(number: u64, length: usize) -> Vec<u8> {
        let bytes = (0..length as u64).map(|at| (at * 7 + number * 31) as u8);
        bytes.collect()
    }

    fn row(seq: u64) -> Row {
        Row {
            seq,
            stream: bytes(seq, 16).try_into().unwrap(),
            at: 3 - seq.cast_signed(),
            entry: bytes(seq + 1, 140),
            ciphertext: bytes(seq + 2, seq as usize),
        }
    }

    #[tokio::test]
    async fn rows_come_as_they_lie_there_however_many() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.db");
        let journal = SqliteJournal::open(&path).await.unwrap();
        let all: Vec<Row> = (0..600).map(row).collect();
        let batch = Batch {
            rows: all.clone(),
            ..Batch::default()
        };
        journal.append(&batch).await.unwrap();
        for (from, limit) in [(0, 600), (0, 9), (255, 256), (590, 256), (600, 256)] {
            let block = rows(&journal.readers, from, limit).await.unwrap();
            let end = (from as usize + limit).min(600);
            assert_eq!(block, all[from as usize..end], "{limit} from {from}");
            assert_eq!(journal.rows(from, limit).await.unwrap(), block);
        }
        sqlx::query("DELETE FROM row WHERE seq IN (3, 4)")
            .execute(&journal.writer)
            .await
            .unwrap();
        let left = journal.rows(0, 10).await.unwrap();
        assert_eq!(left[..3], all[..3]);
        assert_eq!(left[3..], all[5..12]);
    }

    #[tokio::test]
    async fn a_row_that_is_none_is_left_to_be_read_by_itself() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.db");
        let journal = SqliteJournal::open(&path).await.unwrap();
        let batch = Batch {
            rows: (0..20).map(row).collect(),
            ..Batch::default()
        };
        journal.append(&batch).await.unwrap();
        sqlx::query("UPDATE row SET stream = x'00' WHERE seq = 7")
            .execute(&journal.writer)
            .await
            .unwrap();
        assert_eq!(rows(&journal.readers, 0, 20).await, None);
        assert_eq!(rows(&journal.readers, 8, 20).await.unwrap().len(), 12);
    }
}
