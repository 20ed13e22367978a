//! The root key in the hands of several people: any few of them together give it back.

use std::fs;

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use seal::{Key, Scheme, Share, combine, split};

use crate::config::Config;
use crate::door::Record;
use crate::keyfile;
use crate::keyring::{self, broken, note};
use crate::root::{FileRoot, RootKey as _};
use crate::sealed::Outcome;

impl Record {
    /// Cuts the root key into shares. Shares that were written before stay good until the root is
    /// rotated.
    ///
    /// # Errors
    /// [`Error::Broken`](crate::Error::Broken) if the root is in a token, which has a backup of
    /// its own, or if the numbers make no sense.
    pub async fn escrow(&self, scheme: Scheme) -> Outcome<Vec<Share>> {
        let inner = &self.inner;
        let _alone = inner.maintenance.lock().await;
        let pool = &inner.keyring.pool;
        let sample = keyring::sample(pool).await?;
        let sample = sample.ok_or_else(|| broken("there is no key-encryption key"))?;
        if sample.in_token() {
            return Err(broken(
                "the root key is in a PKCS#11 token and cannot leave it: use the token's own \
                 backup instead of shares",
            ));
        }
        let key = keyfile::read_root(&inner.config.root_key())?;
        let root = FileRoot::recovered(key.clone(), &inner.config);
        root.unwrap(&sample.wrapped, sample.context.as_bytes())?;
        let (set, shares) = dealt(&key, scheme)?;
        let mut tx = pool.begin().await.map_err(broken)?;
        note(&mut tx, "escrow", inner.clock.now().millis()).await?;
        note(&mut tx, "escrow/set", i64::from(u32::from_be_bytes(set))).await?;
        note(&mut tx, "escrow/shares", i64::from(scheme.shares)).await?;
        note(&mut tx, "escrow/needed", i64::from(scheme.needed)).await?;
        tx.commit().await.map_err(broken)?;
        Ok(shares)
    }

    /// The log's origin line, for the head of a share.
    pub fn origin(&self) -> String {
        self.inner.publisher.key().origin().to_owned()
    }
}

fn dealt(key: &Key, scheme: Scheme) -> Outcome<([u8; 4], Vec<Share>)> {
    let mut set = [0; 4];
    let mut random = vec![0; scheme.random_bytes()];
    for bytes in [set.as_mut_slice(), random.as_mut_slice()] {
        SystemRandom::new()
            .fill(bytes)
            .map_err(|_| broken("the system has no randomness"))?;
    }
    let shares = split(key, scheme, (set, &random)).map_err(broken)?;
    Ok((set, shares))
}

/// Puts the root key back together and writes it to `keys/root.key`, once it was tried on the
/// keyring.
///
/// # Errors
/// [`Error::Broken`](crate::Error::Broken) if the shares do not fit each other or the keyring, or
/// if the root key is there and right.
pub async fn recover_root(config: &Config, shares: &[Share]) -> Outcome<()> {
    if !config.keyring().exists() {
        return Err(broken(
            "`keyring.db` is not there, so nobody can tell whether the key is right: put your \
             copy back first",
        ));
    }
    let key = combine(shares).map_err(broken)?;
    let pool = keyring::pool(&config.keyring()).await?;
    let sample = keyring::sample(&pool).await;
    pool.close().await;
    let sample = sample?.ok_or_else(|| broken("the keyring is empty"))?;
    if sample.in_token() {
        return Err(broken(
            "the root key of this keyring is in a PKCS#11 token: shares do not open it",
        ));
    }
    let opens = |key: Key| {
        let root = FileRoot::recovered(key, config);
        root.unwrap(&sample.wrapped, sample.context.as_bytes())
            .is_ok()
    };
    if !opens(key.clone()) {
        return Err(broken(
            "the shares give a key, but not the one that opens this keyring: they are of a root \
             key that was replaced since, or the keyring is another record's",
        ));
    }
    if keyfile::read_root(&config.root_key()).is_ok_and(opens) {
        return Err(broken("`keys/root.key` is there and right: nothing to do"));
    }
    keyfile::make_folder(&config.keys())?;
    let next = config.next_root_key();
    if next.exists() {
        fs::remove_file(&next).map_err(broken)?;
    }
    keyfile::write_root(&next, &key)?;
    fs::rename(&next, config.root_key()).map_err(broken)?;
    keyfile::sync_folder(&config.keys())
}
