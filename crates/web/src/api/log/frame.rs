//! How rows travel: a line of JSON, then entries and ciphertexts, each behind its length.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use record::journal::Row;
use record::{StreamKey, Tail};
use serde::{Deserialize, Serialize};

/// Rows with what a standby has to know of where they come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Framed {
    /// The rows and what shows that they are the log's.
    pub tail: Tail,
    /// How many events the primary has.
    pub size: u64,
    /// Which primary it is.
    pub epoch: u64,
}

#[derive(Serialize, Deserialize)]
struct Head {
    from: u64,
    size: u64,
    epoch: u64,
    checkpoint: String,
    proof: Vec<String>,
    keys: Vec<WrappedKey>,
}

#[derive(Serialize, Deserialize)]
struct WrappedKey(String, String, i64, String, String);

/// The bytes of an answer.
pub fn frame(framed: &Framed) -> Vec<u8> {
    let tail = &framed.tail;
    let encode = |bytes: &[u8]| STANDARD.encode(bytes);
    let head = Head {
        from: tail.rows.first().map_or(framed.size, |row| row.seq),
        size: framed.size,
        epoch: framed.epoch,
        checkpoint: tail.checkpoint.clone(),
        proof: tail.proof.iter().map(|hash| encode(hash)).collect(),
        keys: tail
            .keys
            .iter()
            .map(|key| {
                WrappedKey(
                    encode(&key.stream),
                    encode(&key.tag),
                    key.generation,
                    encode(&key.wrapped),
                    encode(&key.subject),
                )
            })
            .collect(),
    };
    // INVARIANT: strings and numbers can always be written as JSON.
    let mut out = serde_json::to_vec(&head).unwrap_or_default();
    out.push(b'\n');
    for row in &tail.rows {
        for part in [
            &row.stream[..],
            &row.at.to_be_bytes(),
            &row.entry,
            &row.ciphertext,
        ] {
            let length = u32::try_from(part.len()).unwrap_or(u32::MAX);
            out.extend_from_slice(&length.to_be_bytes());
            out.extend_from_slice(part);
        }
    }
    out
}

/// What [`frame`] made; `None` if it did not. Nothing of it is believed yet.
pub fn unframe(bytes: &[u8]) -> Option<Framed> {
    let end = bytes.iter().position(|&byte| byte == b'\n')?;
    let (head, rest) = bytes.split_at_checked(end)?;
    let head: Head = serde_json::from_slice(head).ok()?;
    let decode = |text: &String| STANDARD.decode(text).ok();
    let proof = head.proof.iter().map(|hash| decode(hash)?.try_into().ok());
    let keys = head
        .keys
        .iter()
        .map(|WrappedKey(stream, tag, generation, wrapped, subject)| {
            Some(StreamKey {
                stream: decode(stream)?.try_into().ok()?,
                tag: decode(tag)?.try_into().ok()?,
                generation: *generation,
                wrapped: decode(wrapped)?,
                subject: decode(subject)?,
            })
        });
    Some(Framed {
        tail: Tail {
            rows: rows(rest.get(1..)?, head.from)?,
            keys: keys.collect::<Option<_>>()?,
            checkpoint: head.checkpoint.clone(),
            proof: proof.collect::<Option<_>>()?,
        },
        size: head.size,
        epoch: head.epoch,
    })
}

fn rows(mut bytes: &[u8], mut seq: u64) -> Option<Vec<Row>> {
    let mut rows = Vec::new();
    while !bytes.is_empty() {
        let mut next = || {
            let (length, rest) = bytes.split_first_chunk::<4>()?;
            let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
            let (part, rest) = rest.split_at_checked(length)?;
            bytes = rest;
            Some(part)
        };
        rows.push(Row {
            seq,
            stream: next()?.try_into().ok()?,
            at: i64::from_be_bytes(next()?.try_into().ok()?),
            entry: next()?.to_vec(),
            ciphertext: next()?.to_vec(),
        });
        seq = seq.checked_add(1)?;
    }
    Some(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framed() -> Framed {
        let row = |seq| Row {
            seq,
            stream: [seq as u8; 16],
            at: -5,
            entry: vec![1; 93],
            ciphertext: vec![2; 40],
        };
        Framed {
            tail: Tail {
                rows: vec![row(7), row(8)],
                keys: vec![StreamKey {
                    stream: [7; 16],
                    tag: [3; 16],
                    generation: 2,
                    wrapped: vec![4; 60],
                    subject: vec![5; 9],
                }],
                checkpoint: "log\n9\nAAAA\n\n\u{2014} log x\n".into(),
                proof: vec![[6; 32]],
            },
            size: 9,
            epoch: 3,
        }
    }

    #[test]
    fn rows_come_back() {
        assert_eq!(unframe(&frame(&framed())), Some(framed()));
        let mut empty = framed();
        empty.tail.rows.clear();
        assert_eq!(unframe(&frame(&empty)), Some(empty));
    }

    #[test]
    fn what_is_cut_off_is_none() {
        let whole = frame(&framed());
        for end in 0..whole.len() {
            let read = unframe(&whole[..end]);
            assert!(read.is_none_or(|read| read.tail.rows.len() < 2), "{end}");
        }
    }
}
