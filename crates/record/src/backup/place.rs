use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::TryStreamExt as _;
use object_store::local::LocalFileSystem;
use object_store::path::Path as ObjectPath;
use object_store::{Error, ObjectStore, ObjectStoreExt as _, PutMode, PutOptions};

use super::bucket::Bucket;
use crate::vault::{S3Address, VaultFault, fault};

/// Where a backup is: a folder (a removable disk, a share), or a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A folder that exists.
    Folder(PathBuf),
    /// A bucket, best with object lock.
    Bucket(S3Address),
}

impl Place {
    /// Reads the line: `s3://...` as in `objects`, or a folder.
    ///
    /// # Errors
    /// In words: what is wrong with it.
    pub fn parse(text: &str) -> Result<Place, String> {
        if text.starts_with("s3:") {
            return S3Address::parse(text).map(Place::Bucket);
        }
        match text {
            "" => Err("a backup needs a place: a folder, or `s3://...`".into()),
            folder => Ok(Place::Folder(folder.into())),
        }
    }

    /// Where it is, for people.
    pub fn words(&self) -> String {
        match self {
            Place::Folder(path) => path.display().to_string(),
            Place::Bucket(address) => address.place(),
        }
    }

    pub(super) fn open(&self) -> Result<Arc<dyn Shelf>, VaultFault> {
        match self {
            Place::Folder(path) => {
                let store = LocalFileSystem::new_with_prefix(path);
                let store = store.map_err(fault("open", &path.display().to_string()))?;
                Ok(Arc::new(Folder(store.with_fsync(true))))
            }
            Place::Bucket(address) => Ok(Arc::new(Bucket::open(address.clone())?)),
        }
    }
}

/// Whether what is at a place can be taken away by whoever may write there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lock {
    /// The storage keeps every version for at least these days (S3 object lock, compliance).
    Days(u32),
    /// Nothing keeps it but that nobody has the keys.
    None,
}

/// One version of one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stored {
    pub(super) path: String,
    /// The storage's name for this version; `None`: it knows none.
    pub(super) version: Option<String>,
}

/// What a place of backups can do. Nothing in it is ever replaced.
#[async_trait]
pub(super) trait Shelf: Send + Sync {
    /// Adds an object, durable on return, and says under which version it is found again.
    async fn add(&self, path: &str, bytes: Bytes) -> Result<Option<String>, VaultFault>;
    /// One version of an object, also one that was deleted or replaced since.
    async fn get(&self, path: &str, version: Option<&str>) -> Result<Option<Bytes>, VaultFault>;
    /// Every version of every object under a prefix, also of those that were deleted.
    async fn versions(&self, prefix: &str) -> Result<Vec<Stored>, VaultFault>;
    /// What keeps it.
    async fn lock(&self) -> Lock;
    /// Keeps one version of an object until a moment (RFC 3339), if the storage can. A lock that
    /// lasts longer already stays.
    async fn keep_until(&self, _: &Stored, _: &str) -> Result<(), VaultFault> {
        Ok(())
    }
}

struct Folder(LocalFileSystem);

#[async_trait]
impl Shelf for Folder {
    async fn add(&self, path: &str, bytes: Bytes) -> Result<Option<String>, VaultFault> {
        let create = PutOptions::from(PutMode::Create);
        let at = ObjectPath::from(path);
        match self.0.put_opts(&at, bytes.clone().into(), create).await {
            Ok(_) => Ok(None),
            Err(Error::AlreadyExists { .. }) if self.get(path, None).await? == Some(bytes) => {
                Ok(None)
            }
            // A folder has no versions: whatever is there stays, and the backup says so.
            Err(Error::AlreadyExists { .. }) => Err(VaultFault {
                doing: "add",
                path: path.to_owned(),
                why: "other content of this name is there: the backup was damaged or tampered \
                      with; keep it as evidence and begin in another folder"
                    .into(),
            }),
            Err(error) => Err(fault("add", path)(error)),
        }
    }

    async fn get(&self, path: &str, _: Option<&str>) -> Result<Option<Bytes>, VaultFault> {
        match self.0.get(&ObjectPath::from(path)).await {
            Ok(found) => found.bytes().await.map(Some).map_err(fault("read", path)),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(fault("read", path)(error)),
        }
    }

    async fn versions(&self, prefix: &str) -> Result<Vec<Stored>, VaultFault> {
        let under = ObjectPath::from(prefix);
        let found = self.0.list(Some(&under)).map_ok(|meta| Stored {
            path: meta.location.to_string(),
            version: None,
        });
        found.try_collect().await.map_err(fault("list", prefix))
    }

    async fn lock(&self) -> Lock {
        Lock::None
    }
}
