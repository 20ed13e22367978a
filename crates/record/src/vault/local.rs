use std::path::Path;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _};
use object_store::local::LocalFileSystem;
use object_store::path::Path as ObjectPath;
use object_store::{Error, ObjectStore as _, ObjectStoreExt as _};

use super::pieces::{self, Pieces};
use super::{Vault, VaultFault, fault};

/// A vault in a folder: temporary file, fsync, rename.
pub struct LocalVault(LocalFileSystem);

impl LocalVault {
    /// The vault in `folder`, which must exist.
    ///
    /// # Errors
    /// [`VaultFault`] if the folder cannot be used.
    pub fn open(folder: &Path) -> Result<LocalVault, VaultFault> {
        let store = LocalFileSystem::new_with_prefix(folder).map_err(|error| VaultFault {
            doing: "open",
            path: folder.display().to_string(),
            why: error.to_string(),
        })?;
        Ok(LocalVault(store.with_fsync(true)))
    }
}

/// Whether no file is there: a folder is none, nor is what would lie below a file.
pub(super) fn absent(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{IsADirectory, NotADirectory, NotFound};
    matches!(error.kind(), NotFound | IsADirectory | NotADirectory)
}

#[async_trait]
impl Vault for LocalVault {
    async fn put(&self, path: &str, bytes: Bytes) -> Result<(), VaultFault> {
        let put = self.0.put(&ObjectPath::from(path), bytes.into()).await;
        put.map(|_| ()).map_err(fault("store", path))
    }

    async fn get(&self, path: &str) -> Result<Option<Bytes>, VaultFault> {
        // Read at once: the store would look at the file first and then read it in parts, and each
        // of that goes to another thread.
        let place = self.0.path_to_filesystem(&ObjectPath::from(path));
        let place = place.map_err(fault("read", path))?;
        match tokio::fs::read(place).await {
            Ok(bytes) => Ok(Some(bytes.into())),
            Err(error) if absent(&error) => Ok(None),
            Err(error) => Err(VaultFault {
                doing: "read",
                path: path.to_owned(),
                why: error.to_string(),
            }),
        }
    }

    async fn read(&self, path: &str) -> Result<Option<Pieces>, VaultFault> {
        let place = self.0.path_to_filesystem(&ObjectPath::from(path));
        let place = place.map_err(fault("read", path))?;
        let found = pieces::of_file(&place, path).await;
        found.map_err(|error| VaultFault {
            doing: "read",
            path: path.to_owned(),
            why: error.to_string(),
        })
    }

    async fn bring(&self, path: &str, pieces: Pieces) -> Result<(), VaultFault> {
        pieces::store(&self.0, (&ObjectPath::from(path), path), pieces).await
    }

    async fn names(
        &self,
        prefix: &str,
        after: &str,
        max: usize,
    ) -> Result<Vec<String>, VaultFault> {
        let found = self.0.list(Some(&ObjectPath::from(prefix)));
        let found = found.map_ok(|meta| meta.location.to_string());
        pieces::first_names(found.map_err(fault("list", prefix)).boxed(), after, max).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>, VaultFault> {
        let found = self.0.list(Some(&ObjectPath::from(prefix)));
        let found = found
            .map_ok(|meta| meta.location.to_string())
            .try_collect()
            .await;
        found.map_err(fault("list", prefix))
    }

    async fn discard(&self, path: &str) -> Result<(), VaultFault> {
        match self.0.delete(&ObjectPath::from(path)).await {
            Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(fault("remove", path)(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn keeps_replaces_lists_and_removes() {
        let folder = tempfile::tempdir().unwrap();
        let vault = LocalVault::open(folder.path()).unwrap();
        vault
            .put("tile/0/x001/000.p/7", Bytes::from_static(b"a"))
            .await
            .unwrap();
        vault
            .put("tile/0/x001/000.p/7", Bytes::from_static(b"b"))
            .await
            .unwrap();
        assert_eq!(
            vault.get("tile/0/x001/000.p/7").await.unwrap().unwrap(),
            "b"
        );
        assert_eq!(vault.list("tile/0").await.unwrap(), ["tile/0/x001/000.p/7"]);
        vault.discard("tile/0/x001/000.p/7").await.unwrap();
        vault.discard("tile/0/x001/000.p/7").await.unwrap();
        assert_eq!(vault.get("tile/0/x001/000.p/7").await.unwrap(), None);
    }
}
