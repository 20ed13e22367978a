//! Objects piece by piece, so that a large one costs no more memory than a small one.

use std::collections::BTreeSet;
use std::path::Path;

use aws_lc_rs::digest::{Context, SHA256};
use bytes::{Bytes, BytesMut};
use futures_util::stream::{self, BoxStream};
use futures_util::{Stream, StreamExt as _, TryStreamExt as _};
use object_store::path::Path as ObjectPath;
use object_store::{Error, MultipartUpload, ObjectStore, ObjectStoreExt as _, PutPayload};
use tokio::fs::File;
use tokio::io::AsyncReadExt as _;

use super::{VaultFault, fault};
use crate::keyfile::hex;

/// The bytes of an object, piece by piece.
pub type Pieces = BoxStream<'static, Result<Bytes, VaultFault>>;

/// Bytes of a file that are read at a time.
const PIECE_BYTES: usize = 256 << 10;
/// Bytes that are stored with one request (a bucket takes no less than 5 MiB).
const PART_BYTES: usize = 8 << 20;

/// All of them at once.
pub(super) fn whole(bytes: Bytes) -> Pieces {
    stream::once(async { Ok(bytes) }).boxed()
}

/// A file; `None` if none is there.
pub(super) async fn of_file(place: &Path, path: &str) -> std::io::Result<Option<Pieces>> {
    let file = match File::open(place).await {
        Ok(file) if file.metadata().await?.is_dir() => return Ok(None),
        Ok(file) => file,
        Err(error) if super::local::absent(&error) => return Ok(None),
        Err(error) => return Err(error),
    };
    let path = path.to_owned();
    let pieces = stream::try_unfold((file, path), |(mut file, path)| async move {
        let mut piece = BytesMut::with_capacity(PIECE_BYTES);
        let read = file.read_buf(&mut piece).await.map_err(|why| VaultFault {
            doing: "read",
            path: path.clone(),
            why: why.to_string(),
        })?;
        Ok((read > 0).then(|| (piece.freeze(), (file, path))))
    });
    Ok(Some(pieces.boxed()))
}

/// What is in a bucket; `None` if it has no such thing.
pub(super) async fn of_bucket(
    bucket: &dyn ObjectStore,
    (at, path): (&ObjectPath, &str),
) -> Result<Option<Pieces>, VaultFault> {
    match bucket.get(at).await {
        Ok(found) => {
            let failed = fault("read", path);
            Ok(Some(found.into_stream().map_err(failed).boxed()))
        }
        Err(Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(fault("read", path)(error)),
    }
}

/// The same pieces; after the last one an error, unless they hash to what the path names.
pub(crate) fn checked(path: &str, pieces: Pieces) -> Pieces {
    let state = (pieces, Context::new(&SHA256), path.to_owned());
    let checking = stream::try_unfold(state, |(mut pieces, mut hash, path)| async move {
        if let Some(piece) = pieces.try_next().await? {
            hash.update(&piece);
            return Ok(Some((piece, (pieces, hash, path))));
        }
        let found = hex(hash.finish().as_ref());
        match path.rsplit('/').next() == Some(found.as_str()) {
            true => Ok(None),
            false => Err(VaultFault {
                doing: "believe",
                path,
                why: format!("its SHA-256 is {found}"),
            }),
        }
    });
    checking.boxed()
}

/// Stores them, whole or not at all.
pub(super) async fn store(
    store: &dyn ObjectStore,
    (at, path): (&ObjectPath, &str),
    pieces: Pieces,
) -> Result<(), VaultFault> {
    let upload = store.put_multipart(at).await;
    let mut upload = upload.map_err(fault("store", path))?;
    match parts(upload.as_mut(), path, pieces).await {
        Ok(()) => Ok(()),
        Err(why) => {
            let _ = upload.abort().await;
            Err(why)
        }
    }
}

async fn parts(
    upload: &mut dyn MultipartUpload,
    path: &str,
    mut pieces: Pieces,
) -> Result<(), VaultFault> {
    let (mut waiting, mut length) = (Vec::new(), 0);
    while let Some(piece) = pieces.try_next().await? {
        length += piece.len();
        waiting.push(piece);
        if length >= PART_BYTES {
            let part: PutPayload = std::mem::take(&mut waiting).into_iter().collect();
            length = 0;
            upload.put_part(part).await.map_err(fault("store", path))?;
        }
    }
    // A part of nothing is none to every bucket.
    if length > 0 {
        let part: PutPayload = waiting.into_iter().collect();
        upload.put_part(part).await.map_err(fault("store", path))?;
    }
    let done = upload.complete().await;
    done.map(drop).map_err(fault("store", path))
}

/// The first `max` names after one, in their order; no more of them are held than that.
pub(super) async fn first_names(
    mut names: impl Stream<Item = Result<String, VaultFault>> + Unpin,
    after: &str,
    max: usize,
) -> Result<Vec<String>, VaultFault> {
    let mut first = BTreeSet::new();
    while let Some(name) = names.try_next().await? {
        if name.as_str() <= after {
            continue;
        }
        first.insert(name);
        if first.len() > max {
            first.pop_last();
        }
    }
    Ok(first.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::super::{LocalVault, Vault as _};
    use super::*;

    fn named(bytes: &[u8]) -> String {
        format!("object/2026-09-21/{}", hex(&seal::sha256(&[bytes])))
    }

    async fn all(pieces: Pieces) -> Result<Vec<u8>, VaultFault> {
        let pieces: Vec<Bytes> = pieces.try_collect().await?;
        Ok(pieces.concat())
    }

    #[tokio::test]
    async fn a_large_object_comes_and_goes_in_pieces() {
        let folder = tempfile::tempdir().unwrap();
        let vault = LocalVault::open(folder.path()).unwrap();
        let bytes = vec![7; PART_BYTES + 3 * PIECE_BYTES + 1];
        let path = named(&bytes);
        let pieces: Vec<_> = bytes
            .chunks(PIECE_BYTES)
            .map(|piece| Ok(Bytes::copy_from_slice(piece)))
            .collect();
        let pieces = checked(&path, stream::iter(pieces).boxed());
        vault.bring(&path, pieces).await.unwrap();
        let read = vault.read(&path).await.unwrap().unwrap();
        assert!(all(read).await.unwrap() == bytes);
        assert!(vault.read("object/2026-09-21").await.unwrap().is_none());
        assert!(vault.read("object/none").await.unwrap().is_none());
    }

    #[tokio::test]
    async fn what_is_not_what_it_is_called_is_not_stored() {
        let folder = tempfile::tempdir().unwrap();
        let vault = LocalVault::open(folder.path()).unwrap();
        let path = named(b"one");
        let other = checked(&path, whole(Bytes::from_static(b"other")));
        let why = vault.bring(&path, other).await.unwrap_err();
        assert_eq!(why.doing, "believe");
        assert!(vault.list("object").await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn names_are_told_some_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let vault = LocalVault::open(folder.path()).unwrap();
        for name in ["object/c/2", "object/a/9", "object/b/1", "tile/0"] {
            vault.put(name, Bytes::new()).await.unwrap();
        }
        let first = vault.names("object", "", 2).await.unwrap();
        assert_eq!(first, ["object/a/9", "object/b/1"]);
        let rest = vault.names("object", "object/b/1", 2).await.unwrap();
        assert_eq!(rest, ["object/c/2"]);
    }
}
