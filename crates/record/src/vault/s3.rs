//! The vault in a bucket that nobody can take anything out of (S3 object lock), with a folder
//! beside it for what changes every second.
//!
//! In the bucket: full tiles, full bundles and packs, each written once; and now and then the tail.
//! Beside it: what is unfinished and the last checkpoint. The bucket alone gives everything back
//! up to the last tail.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _};
use object_store::aws::AmazonS3;
use object_store::path::Path as ObjectPath;
use object_store::{Error, ObjectStore as _, ObjectStoreExt as _, PutMode, PutOptions};
use tokio::sync::Mutex;

use super::pieces::{self, Pieces};
use super::tail::{self, Tail};
use super::{CHECKPOINT, LocalVault, S3Address, Vault, VaultFault, fault};

/// A vault in a bucket.
pub struct S3Vault {
    bucket: Arc<AmazonS3>,
    address: S3Address,
    beside: LocalVault,
    tails: Mutex<Tails>,
}

/// Which tail is in the bucket, and how many looks ago.
#[derive(Default)]
struct Tails {
    /// Size of the one that this vault wrote last.
    stored: Option<u64>,
    looks: u32,
}

impl S3Vault {
    /// The vault in a bucket, with `beside` for what is unfinished.
    ///
    /// # Errors
    /// [`VaultFault`] if the address, the credentials or the authorities cannot be used.
    pub fn open(address: S3Address, beside: LocalVault) -> Result<S3Vault, VaultFault> {
        Ok(S3Vault {
            bucket: address.connect()?,
            address,
            beside,
            tails: Mutex::default(),
        })
    }

    fn at(&self, path: &str) -> ObjectPath {
        ObjectPath::from(self.address.key(path))
    }

    async fn fetch(&self, path: &str) -> Result<Option<Bytes>, VaultFault> {
        match self.bucket.get(&self.at(path)).await {
            Ok(found) => found.bytes().await.map(Some).map_err(fault("read", path)),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(fault("read", path)(error)),
        }
    }

    /// Stores what is never replaced. Somebody else's object of that name stays what it was, and
    /// ours becomes its newest version.
    async fn store(&self, path: &str, bytes: Bytes) -> Result<(), VaultFault> {
        let create = PutOptions::from(PutMode::Create);
        let at = self.at(path);
        match self
            .bucket
            .put_opts(&at, bytes.clone().into(), create)
            .await
        {
            Ok(_) => return Ok(()),
            Err(Error::AlreadyExists { .. }) => {}
            Err(error) => return Err(fault("store", path)(error)),
        }
        if self.fetch(path).await? == Some(bytes.clone()) {
            return Ok(());
        }
        tracing::error!(
            path,
            "another object of this name is in the bucket: replaced by ours"
        );
        let put = self.bucket.put(&at, bytes.into()).await;
        put.map(drop).map_err(fault("store", path))
    }

    async fn names(&self, prefix: &str) -> Result<Vec<String>, VaultFault> {
        let own = self.address.key("");
        let under = self.at(prefix);
        let found = self.bucket.list(Some(&under));
        let found = found.map_ok(|meta| meta.location.to_string()).try_collect();
        let found: Vec<String> = found.await.map_err(fault("list", prefix))?;
        let ours = found.into_iter();
        Ok(ours
            .filter_map(|name| name.strip_prefix(&own).map(str::to_owned))
            .collect())
    }

    /// What is unfinished, out of the tail that has it.
    async fn in_tail(&self, path: &str) -> Result<Option<Bytes>, VaultFault> {
        for size in self.sizes().await? {
            let Some((number, width)) = tail::unfinished(size) else {
                continue;
            };
            let bundle = path == seal::bundle_path(number, width);
            if !bundle && path != seal::pack_path(number, width) {
                continue;
            }
            let bytes = self.fetch(&tail::path(size)).await?;
            let found = bytes.and_then(|bytes| Tail::from_bytes(&bytes));
            return Ok(found.map(|tail| if bundle { tail.bundle } else { tail.pack }.into()));
        }
        Ok(None)
    }

    /// Sizes of the tails in the bucket, the largest first.
    async fn sizes(&self) -> Result<Vec<u64>, VaultFault> {
        let names = self.names(tail::FOLDER).await?;
        let mut sizes: Vec<u64> = names.iter().filter_map(|name| tail::size(name)).collect();
        sizes.sort_unstable_by(|a, b| b.cmp(a));
        Ok(sizes)
    }

    /// Brings the tail of the last checkpoint to the bucket, if it is not there.
    async fn carry_tail(&self, tails: &mut Tails) -> Result<(), VaultFault> {
        let Some(note) = self.beside.get(CHECKPOINT).await? else {
            return Ok(());
        };
        let Some(size) = tail::claimed(&note).filter(|size| tails.stored != Some(*size)) else {
            return Ok(());
        };
        let (mut bundle, mut pack) = (Bytes::new(), Bytes::new());
        if let Some((number, width)) = tail::unfinished(size) {
            // They belong to that checkpoint: its publisher put them before it.
            bundle = self.beside(&seal::bundle_path(number, width)).await?;
            pack = self.beside(&seal::pack_path(number, width)).await?;
        }
        let whole = Tail {
            note: note.to_vec(),
            bundle: bundle.to_vec(),
            pack: pack.to_vec(),
        };
        self.store(&tail::path(size), whole.to_bytes().into())
            .await?;
        if let Some(before) = tails.stored.replace(size) {
            self.remove(&tail::path(before)).await;
        }
        tails.looks = 0;
        Ok(())
    }

    async fn beside(&self, path: &str) -> Result<Bytes, VaultFault> {
        self.beside.get(path).await?.ok_or_else(|| VaultFault {
            doing: "find",
            path: path.to_owned(),
            why: "it is not beside the bucket".into(),
        })
    }

    /// A bucket with a lock keeps it all the same, until its time has passed.
    async fn remove(&self, path: &str) {
        if let Err(why) = self.bucket.delete(&self.at(path)).await {
            tracing::debug!(%why, path, "a superseded tail stays");
        }
    }
}

/// What is replaced or removed again does not go to the bucket.
fn unfinished(path: &str) -> bool {
    path == CHECKPOINT || path.contains(".p/") || path.ends_with(".p")
}

#[async_trait]
impl Vault for S3Vault {
    async fn put(&self, path: &str, bytes: Bytes) -> Result<(), VaultFault> {
        if unfinished(path) {
            return self.beside.put(path, bytes).await;
        }
        self.store(path, bytes).await
    }

    async fn get(&self, path: &str) -> Result<Option<Bytes>, VaultFault> {
        if !unfinished(path) {
            return self.fetch(path).await;
        }
        match self.beside.get(path).await? {
            None if path != CHECKPOINT => self.in_tail(path).await,
            found => Ok(found),
        }
    }

    async fn read(&self, path: &str) -> Result<Option<Pieces>, VaultFault> {
        if unfinished(path) {
            return Ok(self.get(path).await?.map(pieces::whole));
        }
        pieces::of_bucket(self.bucket.as_ref(), (&self.at(path), path)).await
    }

    async fn bring(&self, path: &str, pieces: Pieces) -> Result<(), VaultFault> {
        if unfinished(path) {
            return self.beside.bring(path, pieces).await;
        }
        pieces::store(self.bucket.as_ref(), (&self.at(path), path), pieces).await
    }

    async fn names(
        &self,
        prefix: &str,
        after: &str,
        max: usize,
    ) -> Result<Vec<String>, VaultFault> {
        let own = self.address.key("");
        let found = self.bucket.list(Some(&self.at(prefix)));
        let found = found.map_err(fault("list", prefix)).try_filter_map(|meta| {
            let name = meta.location.as_ref().strip_prefix(&own).map(str::to_owned);
            async move { Ok(name) }
        });
        pieces::first_names(found.boxed(), after, max).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>, VaultFault> {
        let mut found = self.beside.list(prefix).await?;
        if !unfinished(prefix) {
            // What an older configuration left in the folder is not in the bucket.
            found.retain(|path| unfinished(path));
            found.extend(self.names(prefix).await?);
        }
        Ok(found)
    }

    async fn discard(&self, path: &str) -> Result<(), VaultFault> {
        if unfinished(path) {
            return self.beside.discard(path).await;
        }
        match self.bucket.delete(&self.at(path)).await {
            Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(fault("remove", path)(error)),
        }
    }

    async fn heads(&self) -> Result<Vec<Bytes>, VaultFault> {
        let mut heads = self.beside.heads().await?;
        for size in self.sizes().await? {
            let tail = self.fetch(&tail::path(size)).await?;
            if let Some(tail) = tail.and_then(|bytes| Tail::from_bytes(&bytes)) {
                heads.push(tail.note.into());
            }
        }
        Ok(heads)
    }

    async fn look(&self) -> Result<(), VaultFault> {
        let mut tails = self.tails.lock().await;
        tails.looks = tails.looks.saturating_add(1);
        if tails.looks < self.address.tail {
            return Ok(());
        }
        self.carry_tail(&mut tails).await
    }

    async fn close(&self) -> Result<(), VaultFault> {
        let mut tails = self.tails.lock().await;
        self.carry_tail(&mut tails).await
    }
}
