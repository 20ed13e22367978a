//! What a witness is asked and how it judges: C2SP tlog-witness, `add-checkpoint`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use thiserror::Error;

use crate::checkpoint::LogVerifier;
use crate::proof::consistent;
use crate::tree::{Hash, sha256};

/// The most hashes of a consistency proof.
const HASHES_MAX: usize = 63;

/// A request for a cosignature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddCheckpoint {
    /// Size of the head that the witness cosigned last, as far as the log knows.
    pub old: u64,
    /// The consistency proof from there, RFC 6962 section 2.1.2.
    pub proof: Vec<Hash>,
    /// The signed checkpoint.
    pub checkpoint: String,
}

/// Why a witness does not cosign.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refusal {
    /// HTTP 400.
    #[error("the request is not as C2SP tlog-witness wants it: {0}")]
    Malformed(&'static str),
    /// HTTP 404.
    #[error("no log of this origin is witnessed here")]
    UnknownLog,
    /// HTTP 403.
    #[error("the checkpoint is not signed by a key of its log")]
    Unsigned,
    /// HTTP 409: the size that was cosigned last.
    #[error("the log has another size here: {0}")]
    Stale(u64),
    /// HTTP 422.
    #[error("the checkpoint does not follow from what was cosigned before")]
    Inconsistent,
}

impl Refusal {
    /// The HTTP status that says it.
    pub const fn status(&self) -> u16 {
        match self {
            Refusal::Malformed(_) => 400,
            Refusal::UnknownLog => 404,
            Refusal::Unsigned => 403,
            Refusal::Stale(_) => 409,
            Refusal::Inconsistent => 422,
        }
    }
}

impl AddCheckpoint {
    /// The request's body.
    pub fn to_text(&self) -> String {
        let mut out = format!("old {}\n", self.old);
        for hash in &self.proof {
            out.push_str(&STANDARD.encode(hash));
            out.push('\n');
        }
        out.push('\n');
        out.push_str(&self.checkpoint);
        out
    }

    /// The request in a body.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] says which part is wrong.
    pub fn from_text(text: &str) -> Result<AddCheckpoint, Refusal> {
        let (head, checkpoint) = text
            .split_once("\n\n")
            .ok_or(Refusal::Malformed("there is no empty line"))?;
        let mut lines = head.split('\n');
        let old = lines
            .next()
            .and_then(|line| line.strip_prefix("old "))
            .and_then(decimal)
            .ok_or(Refusal::Malformed("its first line"))?;
        let proof = lines
            .map(|line| STANDARD.decode(line).ok()?.try_into().ok())
            .collect::<Option<Vec<Hash>>>()
            .ok_or(Refusal::Malformed("a hash of its proof"))?;
        if proof.len() > HASHES_MAX {
            return Err(Refusal::Malformed("its proof has too many hashes"));
        }
        Ok(AddCheckpoint {
            old,
            proof,
            checkpoint: checkpoint.to_owned(),
        })
    }

    /// The origin that the checkpoint names.
    pub fn origin(&self) -> &str {
        self.checkpoint.split('\n').next().unwrap_or_default()
    }

    /// Whether this may be cosigned: its size and root. `log` are the keys of its origin, `known`
    /// is what was cosigned last.
    ///
    /// # Errors
    /// [`Refusal`], in the order in which the specification asks.
    pub fn judge(
        &self,
        log: &[LogVerifier],
        known: Option<(u64, Hash)>,
    ) -> Result<(u64, Hash), Refusal> {
        if log.is_empty() {
            return Err(Refusal::UnknownLog);
        }
        let mut signed = log
            .iter()
            .filter_map(|key| key.verify(&self.checkpoint).ok());
        let (size, root) = signed.next().ok_or(Refusal::Unsigned)?;
        if self.old > size {
            return Err(Refusal::Malformed("its old size is beyond its checkpoint"));
        }
        let (known, known_root) = known.unwrap_or_else(|| (0, sha256(&[])));
        if self.old != known {
            return Err(Refusal::Stale(known));
        }
        let follows = match known {
            // Everything follows from nothing; an empty tree has one root only.
            0 => self.proof.is_empty() && (size > 0 || root == known_root),
            _ => consistent((known, known_root), (size, root), &self.proof),
        };
        follows.then_some((size, root)).ok_or(Refusal::Inconsistent)
    }
}

/// A number without leading zeroes or signs.
pub(crate) fn decimal(text: &str) -> Option<u64> {
    let number: u64 = text.parse().ok()?;
    (number.to_string() == text && i64::try_from(number).is_ok()).then_some(number)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tlog_tiles::{HashReader, prove_tree, stored_hashes_for_record_hash};

    use super::*;
    use crate::checkpoint::LogKey;
    use crate::tree::{leaf_hash, root_of};

    struct Log(LogKey, Vec<Hash>, Vec<tlog_tiles::Hash>);

    struct Stored<'a>(&'a [tlog_tiles::Hash]);

    impl HashReader for Stored<'_> {
        fn read_hashes(&self, at: &[u64]) -> Result<Vec<tlog_tiles::Hash>, tlog_tiles::Error> {
            Ok(at.iter().map(|&index| self.0[index as usize]).collect())
        }
    }

    impl Log {
        fn new(salt: u8, size: u64) -> Log {
            let leaves: Vec<Hash> = (0..size)
                .map(|n| {
                    leaf_hash(
                        &[n.to_be_bytes().as_slice(), &[if n > 3 { salt } else { 0 }]].concat(),
                    )
                })
                .collect();
            let mut stored = Vec::new();
            for (number, leaf) in (0..).zip(&leaves) {
                let new = stored_hashes_for_record_hash(
                    number,
                    tlog_tiles::Hash(*leaf),
                    &Stored(&stored.clone()),
                );
                stored.extend(new.unwrap());
            }
            Log(
                LogKey::new("log.example", &[2; 32]).unwrap(),
                leaves,
                stored,
            )
        }

        fn head(&self, size: usize) -> (u64, Hash) {
            (size as u64, root_of(&self.1[..size]))
        }

        fn request(&self, old: u64, size: usize) -> AddCheckpoint {
            let proof = match old {
                0 => Vec::new(),
                _ => prove_tree(size as u64, old, &Stored(&self.2)).unwrap(),
            };
            AddCheckpoint {
                old,
                proof: proof.iter().map(|hash| hash.0).collect(),
                checkpoint: self.0.sign(size as u64, &self.head(size).1).unwrap(),
            }
        }

        fn keys(&self) -> Vec<LogVerifier> {
            vec![LogVerifier::new(self.0.public()).unwrap()]
        }
    }

    #[test]
    fn what_grew_is_cosigned_and_anything_else_has_its_status() {
        let log = Log::new(0, 20);
        let keys = log.keys();
        let status = |asked: &AddCheckpoint, known| match asked.judge(&keys, known) {
            Ok(_) => 200,
            Err(why) => why.status(),
        };
        assert_eq!(status(&log.request(0, 7), None), 200);
        assert_eq!(status(&log.request(7, 7), Some(log.head(7))), 200);
        for size in 7..=20 {
            assert_eq!(status(&log.request(7, size), Some(log.head(7))), 200);
        }
        assert_eq!(
            log.request(0, 9).judge(&keys, Some(log.head(7))),
            Err(Refusal::Stale(7))
        );
        assert_eq!(status(&log.request(7, 9), None), 409);
        assert_eq!(
            log.request(7, 9).judge(&[], Some(log.head(7))),
            Err(Refusal::UnknownLog)
        );
        let mut wrong = log.request(7, 9);
        wrong.old = 10;
        assert_eq!(status(&wrong, Some(log.head(10))), 400);
        let other = LogKey::new("log.example", &[5; 32]).unwrap();
        let other = [LogVerifier::new(other.public()).unwrap()];
        assert_eq!(
            log.request(0, 7).judge(&other, None),
            Err(Refusal::Unsigned)
        );
    }

    #[test]
    fn a_fork_and_a_forged_proof_are_inconsistent() {
        let (log, fork) = (Log::new(0, 20), Log::new(9, 20));
        let keys = log.keys();
        let asked = fork.request(7, 12);
        assert_eq!(
            asked.judge(&keys, Some(log.head(7))),
            Err(Refusal::Inconsistent)
        );
        let asked = fork.request(7, 7);
        assert_eq!(
            asked.judge(&keys, Some(log.head(7))),
            Err(Refusal::Inconsistent)
        );
        let mut asked = log.request(7, 12);
        asked.proof.pop();
        assert_eq!(
            asked.judge(&keys, Some(log.head(7))),
            Err(Refusal::Inconsistent)
        );
        let mut asked = log.request(0, 12);
        asked.proof.push([0; 32]);
        assert_eq!(asked.judge(&keys, None), Err(Refusal::Inconsistent));
    }

    #[test]
    fn bodies_are_read_strictly() {
        let text = Log::new(0, 9).request(4, 9).to_text();
        let read = AddCheckpoint::from_text(&text).unwrap();
        assert_eq!(read.to_text(), text);
        assert_eq!(read.origin(), "log.example");
        for bad in [
            "",
            "old 4\n",
            "old 04\n\nx\n",
            "old -1\n\nx\n",
            "old +4\n\nx\n",
            "new 4\n\nx\n",
            "old 4\nAAAA\n\nx\n",
        ] {
            assert!(
                matches!(AddCheckpoint::from_text(bad), Err(Refusal::Malformed(_))),
                "{bad}"
            );
        }
        let hash = format!("{}\n", STANDARD.encode([0; 32]));
        assert!(AddCheckpoint::from_text(&format!("old 4\n{}\nx\n", hash.repeat(64))).is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".{0,300}") {
            let _ = AddCheckpoint::from_text(&text);
        }
    }
}
