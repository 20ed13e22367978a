//! Many rows as one. A row of its own costs several microseconds on its way between two threads;
//! SQLite joins a block's columns end to end, and they are cut apart here.

use std::iter::repeat_n;
use std::str::FromStr;

use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqlitePool};

use crate::journal::block::Column;
use crate::journal::{Block, whole};

/// Rows that are fetched one by one: joining fewer gains nothing.
pub(super) const FEW_ROWS: usize = 8;

/// Blobs are joined as text, which SQLite neither looks into nor ends at a zero byte. Each column is
/// joined in the order in which the rows come, which the joined `seq` shows. Streams and entries are
/// of one length each, which is told once.
const BLOCK: &str = "SELECT COUNT(*), group_concat(seq), group_concat(at), \
     MIN(octet_length(stream)), MAX(octet_length(stream)), \
     CAST(group_concat(CAST(stream AS TEXT), '') AS BLOB), \
     MIN(octet_length(entry)), MAX(octet_length(entry)), \
     CAST(group_concat(CAST(entry AS TEXT), '') AS BLOB), \
     group_concat(octet_length(ciphertext)), \
     CAST(group_concat(CAST(ciphertext AS TEXT), '') AS BLOB) \
     FROM (SELECT seq, stream, at, entry, ciphertext FROM row WHERE seq >= $1 \
     ORDER BY seq LIMIT $2 + 0)";

/// Up to `limit` rows from `from` on; `None` if they cannot be had as one: they are too large
/// together, or what lies there is not what a row holds.
pub(super) async fn block(readers: &SqlitePool, from: u64, limit: usize) -> Option<Block> {
    let block = sqlx::query(BLOCK)
        .bind(whole(from))
        .bind(whole(limit as u64));
    cut(&block.fetch_one(readers).await.ok()?)
}

fn cut(block: &SqliteRow) -> Option<Block> {
    let count = usize::try_from(block.try_get::<i64, _>(0).ok()?).ok()?;
    if count == 0 {
        return Some(Block::default());
    }
    let seqs: Vec<u64> = numbers(block, (1, count))?;
    let ats: Vec<i64> = numbers(block, (2, count))?;
    if length(block, 3)? != 16 {
        return None;
    }
    let streams: &[u8] = block.try_get(5).ok()?;
    let (streams, rest) = streams.as_chunks::<16>();
    let entries: Vec<u8> = block.try_get(8).ok()?;
    let entries = Column::cut(entries, repeat_n(length(block, 6)?, count))?;
    let lengths: Vec<usize> = numbers(block, (9, count))?;
    let ciphertexts: Vec<u8> = block.try_get(10).ok()?;
    let ciphertexts = Column::cut(ciphertexts, lengths.into_iter())?;
    let columns = (entries, ciphertexts);
    rest.is_empty()
        .then(|| Block::new((seqs, ats), streams.to_vec(), columns))?
}

/// The length that all values of a column have.
fn length(block: &SqliteRow, column: usize) -> Option<usize> {
    let (least, most): (i64, i64) = (block.try_get(column).ok()?, block.try_get(column + 1).ok()?);
    usize::try_from(least).ok().filter(|_| least == most)
}

fn numbers<T: FromStr>(block: &SqliteRow, (column, count): (usize, usize)) -> Option<Vec<T>> {
    let joined: &str = block.try_get(column).ok()?;
    let mut numbers = Vec::with_capacity(count);
    for one in joined.split(',') {
        numbers.push(one.parse().ok()?);
    }
    Some(numbers)
}

#[cfg(test)]
mod tests {
    use crate::journal::{Batch, Journal as _, Row, RowRef, SqliteJournal};

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
            entry: bytes(seq + 1, 93),
            ciphertext: bytes(seq + 2, seq as usize),
        }
    }

    async fn forge(journal: &SqliteJournal, sql: &'static str) {
        let forged = journal.write("forge", |to| Ok(to.execute(sql, [])?));
        forged.await.unwrap();
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
        journal.append(batch).await.unwrap();
        for (from, limit) in [(0, 600), (0, 9), (255, 256), (590, 256), (600, 256)] {
            let block = block(&journal.readers, from, limit).await.unwrap();
            let block: Vec<Row> = block.iter().map(RowRef::to_row).collect();
            let end = (from as usize + limit).min(600);
            assert_eq!(block, all[from as usize..end], "{limit} from {from}");
            assert_eq!(journal.rows(from, limit).await.unwrap(), block);
        }
        forge(&journal, "DELETE FROM row WHERE seq IN (3, 4)").await;
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
        journal.append(batch).await.unwrap();
        forge(&journal, "UPDATE row SET stream = x'00' WHERE seq = 7").await;
        assert_eq!(block(&journal.readers, 0, 20).await, None);
        let right = block(&journal.readers, 8, 20).await.unwrap();
        assert_eq!(right.iter().count(), 12);
    }
}
