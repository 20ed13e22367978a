//! The vault's files, beside a server that may be replacing them.

use super::broken;
use crate::sealed::Outcome;
use crate::vault::{LocalVault, get_grown};

/// Reads the vault.
pub(super) struct Files(pub(super) LocalVault);

impl Files {
    /// A file of the vault, or what replaced it.
    pub(super) async fn get(&self, path: &str) -> Outcome<Option<Vec<u8>>> {
        let bytes = get_grown(&self.0, path).await.map_err(broken)?;
        Ok(bytes.map(Vec::from))
    }
}
