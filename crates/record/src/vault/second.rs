//! Where objects may also lie: a place of backups, or another folder or bucket like the vault.
//! It is only read, and nothing of it is believed that does not hash to its name.

use std::sync::Arc;

use object_store::aws::AmazonS3;
use object_store::path::Path as ObjectPath;

use super::pieces::{self, Pieces};
use super::{LocalVault, S3Address, Vault as _, VaultFault};
use crate::Place;

/// A second place, opened to be read.
pub(crate) enum Second {
    Folder(LocalVault),
    Bucket(Arc<AmazonS3>, S3Address),
}

impl Second {
    pub(crate) fn open(place: &Place) -> Result<Second, VaultFault> {
        match place {
            Place::Folder(folder) => LocalVault::open(folder).map(Second::Folder),
            Place::Bucket(address) => Ok(Second::Bucket(address.connect()?, address.clone())),
        }
    }

    pub(crate) async fn read(&self, path: &str) -> Result<Option<Pieces>, VaultFault> {
        match self {
            Second::Folder(folder) => folder.read(path).await,
            Second::Bucket(bucket, address) => {
                let at = ObjectPath::from(address.key(path));
                pieces::of_bucket(bucket.as_ref(), (&at, path)).await
            }
        }
    }
}
