//! The vault's files, beside a server that may be replacing them.

use bytes::Bytes;

use super::broken;
use crate::sealed::Outcome;
use crate::vault::{LocalVault, Vault};

/// How often a partial file may be replaced while it is looked for.
const REPLACED_MAX: usize = 20;

/// Reads the vault.
pub(super) struct Files(pub(super) LocalVault);

impl Files {
    /// A file of the vault. A partial one that a running server has replaced meanwhile is found
    /// in what replaced it (C2SP tlog-tiles, partial tiles): the same, and more behind it.
    pub(super) async fn get(&self, path: &str) -> Outcome<Option<Vec<u8>>> {
        let mut bytes = self.0.get(path).await.map_err(broken)?;
        if bytes.is_none()
            && let Some((whole, width)) = path.rsplit_once(".p/")
        {
            bytes = self.grown(whole, width.parse().unwrap_or_default()).await?;
        }
        Ok(bytes.map(Vec::from))
    }

    async fn grown(&self, whole: &str, width: usize) -> Outcome<Option<Bytes>> {
        // What was listed may be replaced before it is read; then what replaced it is listed.
        for _ in 0..REPLACED_MAX {
            if let Some(bytes) = self.0.get(whole).await.map_err(broken)? {
                return Ok(Some(bytes));
            }
            let paths = self.0.list(&format!("{whole}.p")).await.map_err(broken)?;
            for path in paths {
                let wider = path.rsplit('/').next().and_then(|wider| wider.parse().ok());
                if wider.is_some_and(|wider: usize| wider >= width)
                    && let Some(bytes) = self.0.get(&path).await.map_err(broken)?
                {
                    return Ok(Some(bytes));
                }
            }
        }
        Ok(None)
    }
}
