//! The vault's files, beside a server that may be replacing them.

use std::sync::Arc;

use super::broken;
use crate::keyring::Keyring;
use crate::sealed::Outcome;
use crate::vault::{Vault, get_grown};

/// Reads the vault.
pub(super) struct Files {
    pub(super) vault: Arc<dyn Vault>,
    /// Without the keys nobody can tell which objects events name.
    pub(super) keyring: Option<Arc<Keyring>>,
}

impl Files {
    /// A file of the vault, or what replaced it.
    pub(super) async fn get(&self, path: &str) -> Outcome<Option<Vec<u8>>> {
        let bytes = get_grown(self.vault.as_ref(), path).await.map_err(broken)?;
        Ok(bytes.map(Vec::from))
    }
}
