//! Rows as they are read many at a time: each column end to end, so that a row costs no memory of
//! its own.

use super::Row;

/// Rows that follow each other, column by column.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Block {
    seqs: Vec<u64>,
    ats: Vec<i64>,
    streams: Vec<[u8; 16]>,
    entries: Column,
    ciphertexts: Column,
}

/// One row of a [`Block`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowRef<'b> {
    /// Its index.
    pub seq: u64,
    /// The random name of its key.
    pub stream: [u8; 16],
    /// When it was sealed, milliseconds since the epoch.
    pub at: i64,
    /// The encoded [`seal::Entry`].
    pub entry: &'b [u8],
    /// What only the key opens.
    pub ciphertext: &'b [u8],
}

impl From<RowRef<'_>> for Row {
    fn from(row: RowRef<'_>) -> Row {
        Row {
            seq: row.seq,
            stream: row.stream,
            at: row.at,
            entry: row.entry.to_vec(),
            ciphertext: row.ciphertext.to_vec(),
        }
    }
}

/// Byte strings end to end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Column {
    bytes: Vec<u8>,
    /// Where each ends.
    ends: Vec<usize>,
}

impl Column {
    /// `None` if the lengths do not add up to the bytes.
    pub(super) fn cut(bytes: Vec<u8>, lengths: impl Iterator<Item = usize>) -> Option<Column> {
        let mut end = 0_usize;
        let mut ends = Vec::with_capacity(lengths.size_hint().0);
        for length in lengths {
            end = end.checked_add(length)?;
            ends.push(end);
        }
        (end == bytes.len()).then_some(Column { bytes, ends })
    }

    fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.ends.push(self.bytes.len());
    }

    fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        let places = starts.zip(self.ends.iter().copied());
        places.map(|(start, end)| self.bytes.get(start..end).unwrap_or_default())
    }
}

impl Block {
    /// `None` if the columns are not of one length, or the rows not in order.
    pub(super) fn new(
        (seqs, ats): (Vec<u64>, Vec<i64>),
        streams: Vec<[u8; 16]>,
        (entries, ciphertexts): (Column, Column),
    ) -> Option<Block> {
        let counts = [ats.len(), streams.len(), entries.ends.len()];
        let alike = counts == [seqs.len(); 3] && ciphertexts.ends.len() == seqs.len();
        (alike && seqs.is_sorted()).then_some(Block {
            seqs,
            ats,
            streams,
            entries,
            ciphertexts,
        })
    }

    /// The rows, in order.
    pub fn iter(&self) -> impl Iterator<Item = RowRef<'_>> {
        let numbers = self.seqs.iter().zip(&self.ats).zip(&self.streams);
        let bytes = self.entries.iter().zip(self.ciphertexts.iter());
        numbers
            .zip(bytes)
            .map(|(((&seq, &at), &stream), (entry, ciphertext))| RowRef {
                seq,
                stream,
                at,
                entry,
                ciphertext,
            })
    }
}

impl RowRef<'_> {
    /// Bytes of all its columns.
    pub const fn bytes(&self) -> u64 {
        (8 + 8 + self.stream.len() + self.entry.len() + self.ciphertext.len()) as u64
    }

    /// The same by itself.
    pub fn to_row(self) -> Row {
        Row {
            seq: self.seq,
            stream: self.stream,
            at: self.at,
            entry: self.entry.to_vec(),
            ciphertext: self.ciphertext.to_vec(),
        }
    }
}

impl FromIterator<Row> for Block {
    fn from_iter<I: IntoIterator<Item = Row>>(rows: I) -> Block {
        let mut block = Block::default();
        for row in rows {
            block.seqs.push(row.seq);
            block.ats.push(row.at);
            block.streams.push(row.stream);
            block.entries.push(&row.entry);
            block.ciphertexts.push(&row.ciphertext);
        }
        block
    }
}
