//! The object half of the record: tiles, entry bundles, packs and the published checkpoint.

mod address;
mod local;
mod pieces;
mod s3;
mod second;
mod tail;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::TryStreamExt as _;
use thiserror::Error;

pub use address::S3Address;
pub use local::LocalVault;
pub use pieces::Pieces;
pub(crate) use pieces::checked;
pub use s3::S3Vault;
pub(crate) use second::Second;

/// Where the published checkpoint lies.
pub const CHECKPOINT: &str = "checkpoint";
/// Where the newest head lies that enough witnesses cosigned.
pub const COSIGNED: &str = "cosigned";

/// Why the vault did not do what it was asked.
#[derive(Debug, Clone, Error)]
#[error("the vault cannot {doing} `{path}`: {why}")]
pub struct VaultFault {
    /// What was being done.
    pub doing: &'static str,
    /// To which object.
    pub path: String,
    /// What the storage said.
    pub why: String,
}

/// Where objects are durable. Implementations: a local folder; S3.
#[async_trait]
pub trait Vault: Send + Sync + 'static {
    /// Stores an object, whole or not at all; durable on return. Replaces what was there.
    async fn put(&self, path: &str, bytes: Bytes) -> Result<(), VaultFault>;
    /// The object, or `None` if there is none.
    async fn get(&self, path: &str) -> Result<Option<Bytes>, VaultFault>;
    /// The paths under a prefix, in no order.
    async fn list(&self, prefix: &str) -> Result<Vec<String>, VaultFault>;
    /// The object piece by piece, or `None` if there is none.
    async fn read(&self, path: &str) -> Result<Option<Pieces>, VaultFault> {
        Ok(self.get(path).await?.map(pieces::whole))
    }
    /// Stores an object that comes piece by piece, whole or not at all; durable on return.
    async fn bring(&self, path: &str, pieces: Pieces) -> Result<(), VaultFault> {
        let pieces: Vec<Bytes> = pieces.try_collect().await?;
        self.put(path, pieces.concat().into()).await
    }
    /// The first `max` paths under a prefix that come after `after`, in their order.
    async fn names(
        &self,
        prefix: &str,
        after: &str,
        max: usize,
    ) -> Result<Vec<String>, VaultFault> {
        let names = self.list(prefix).await?.into_iter().map(Ok);
        pieces::first_names(futures_util::stream::iter(names), after, max).await
    }
    /// Removes an object; it need not be there.
    async fn discard(&self, path: &str) -> Result<(), VaultFault>;
    /// Every checkpoint that is kept, in no order; nothing is verified.
    async fn heads(&self) -> Result<Vec<Bytes>, VaultFault> {
        Ok(self.get(CHECKPOINT).await?.into_iter().collect())
    }
    /// Called once in each checkpoint interval, whether anything was published or not.
    async fn look(&self) -> Result<(), VaultFault> {
        Ok(())
    }
    /// Called after the last checkpoint, when the record stops.
    async fn close(&self) -> Result<(), VaultFault> {
        Ok(())
    }
}

pub(crate) fn fault(
    doing: &'static str,
    path: &str,
) -> impl Fn(object_store::Error) -> VaultFault + use<> {
    let path = path.to_owned();
    move |error| VaultFault {
        doing,
        path: path.clone(),
        why: error.to_string(),
    }
}

/// How often a partial file may be replaced while it is looked for.
const REPLACED_MAX: usize = 20;

/// An object beside a server that may be replacing it. A partial file that is gone is found in what
/// replaced it (C2SP tlog-tiles, partial tiles): the same, and more behind it.
pub(crate) async fn get_grown(vault: &dyn Vault, path: &str) -> Result<Option<Bytes>, VaultFault> {
    let found = vault.get(path).await?;
    match path.rsplit_once(".p/") {
        Some((whole, width)) if found.is_none() => {
            grown(vault, whole, width.parse().unwrap_or_default()).await
        }
        _ => Ok(found),
    }
}

async fn grown(vault: &dyn Vault, whole: &str, width: usize) -> Result<Option<Bytes>, VaultFault> {
    // What was listed may be replaced before it is read; then what replaced it is listed.
    for _ in 0..REPLACED_MAX {
        if let Some(bytes) = vault.get(whole).await? {
            return Ok(Some(bytes));
        }
        for path in vault.list(&format!("{whole}.p")).await? {
            let wider = path.rsplit('/').next().and_then(|wider| wider.parse().ok());
            if wider.is_some_and(|wider: usize| wider >= width)
                && let Some(bytes) = vault.get(&path).await?
            {
                return Ok(Some(bytes));
            }
        }
    }
    Ok(None)
}
