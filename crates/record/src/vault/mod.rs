//! The object half of the record: tiles, entry bundles, packs and the published checkpoint.

mod local;

use async_trait::async_trait;
use bytes::Bytes;
use thiserror::Error;

pub use local::LocalVault;

/// Where the published checkpoint lies.
pub const CHECKPOINT: &str = "checkpoint";

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
    /// Removes an object; it need not be there.
    async fn discard(&self, path: &str) -> Result<(), VaultFault>;
}
