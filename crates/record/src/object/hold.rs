//! Whether an object is what its path names, read piece by piece.

use aws_lc_rs::digest::{Context, SHA256};
use futures_util::TryStreamExt as _;

use super::broken;
use crate::keyfile::hex;
use crate::sealed::Outcome;
use crate::vault::{Vault, VaultFault};

/// What was found under the path of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Held {
    /// The bytes that the path names.
    Whole,
    /// Nothing.
    Missing,
    /// Other bytes: their SHA-256, in hex.
    Other(String),
    /// Something that the storage does not give out, though it answers.
    Unread(String),
}

/// One object that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Holding {
    pub(crate) held: Held,
    /// Bytes that were read.
    pub(crate) bytes: u64,
    /// The random name of the key it says it is under.
    pub(crate) stream: Option<[u8; 16]>,
}

/// Where nothing lies: whoever answers so can be reached.
pub(crate) const NOWHERE: &str = "object/none";

/// Reads an object and holds it against its path.
///
/// # Errors
/// [`Error::Broken`](crate::Error::Broken) if the storage does not answer at all: that says nothing
/// of the object.
pub(crate) async fn hold(vault: &dyn Vault, path: &str) -> Outcome<Holding> {
    match read(vault, path).await {
        Ok(holding) => Ok(holding),
        Err(why) => {
            vault.get(NOWHERE).await.map_err(broken)?;
            tracing::error!(path, %why, "an object cannot be read");
            Ok(Holding::nothing(Held::Unread(why.why)))
        }
    }
}

async fn read(vault: &dyn Vault, path: &str) -> Result<Holding, VaultFault> {
    let Some(mut pieces) = vault.read(path).await? else {
        return Ok(Holding::nothing(Held::Missing));
    };
    let (mut hash, mut bytes) = (Context::new(&SHA256), 0);
    let mut head = Vec::new();
    while let Some(piece) = pieces.try_next().await? {
        hash.update(&piece);
        bytes += piece.len() as u64;
        let missing = seal::OBJECT_BOUND_BYTES.saturating_sub(head.len());
        head.extend(piece.iter().take(missing));
    }
    let found = hex(hash.finish().as_ref());
    let held = match path.rsplit('/').next() == Some(found.as_str()) {
        true => Held::Whole,
        false => Held::Other(found),
    };
    Ok(Holding {
        held,
        bytes,
        stream: seal::object_stream(&head),
    })
}

impl Holding {
    const fn nothing(held: Held) -> Holding {
        Holding {
            held,
            bytes: 0,
            stream: None,
        }
    }

    /// What is there instead of the object, in words.
    pub(crate) fn found(&self) -> String {
        match &self.held {
            Held::Missing => "nothing".to_owned(),
            Held::Whole => "what was sealed".to_owned(),
            Held::Other(sha256) => format!("{} bytes, SHA-256 {sha256}", self.bytes),
            // Why is in the program's log: a storage says it in other words each time, and this is
            // told once.
            Held::Unread(_) => "bytes that cannot be read".to_owned(),
        }
    }
}
