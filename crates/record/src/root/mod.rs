//! The root of all keys: what wraps the key-encryption keys, and nothing else.
//!
//! The interface is small so that a hardware module, or a key service, can be asked for it: it is
//! needed when a record is opened and when keys are rotated, never for an event.

mod file;
mod pkcs11;

use std::path::PathBuf;

use seal::Key;

pub(crate) use file::FileRoot;
pub(crate) use pkcs11::Pkcs11Root;

use crate::Config;
use crate::sealed::Outcome;

/// Wraps and unwraps keys under the root of all keys (a KMS, a token, a file).
pub trait RootKey: Send + Sync {
    /// `key` under the root, bound to `context`.
    ///
    /// # Errors
    /// [`Error::Broken`](crate::Error::Broken) with what to do about it.
    fn wrap(&self, key: &Key, context: &[u8]) -> Outcome<Vec<u8>>;

    /// The key that [`RootKey::wrap`] wrapped.
    ///
    /// # Errors
    /// [`Error::Broken`](crate::Error::Broken) if it is another root's, was altered, or the root
    /// cannot be reached.
    fn unwrap(&self, wrapped: &[u8], context: &[u8]) -> Outcome<Key>;

    /// Where it is, for people: a file, or a token and a label. No secret.
    fn place(&self) -> String;

    /// The key for `label` that older keyrings derived from the root itself; `None` if the root
    /// cannot be looked at.
    fn derived(&self, label: &str) -> Option<Key>;
}

/// Where the root key is kept: the section `[keys]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum RootConfig {
    /// In `keys/root.key`.
    #[default]
    File,
    /// In a hardware security module that speaks PKCS#11.
    Pkcs11(Pkcs11Config),
}

/// A key in a PKCS#11 token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pkcs11Config {
    /// The vendor's library, for instance `/usr/lib/softhsm/libsofthsm2.so`.
    pub module: PathBuf,
    /// The token's label.
    pub token: String,
    /// The key's label (CKA_LABEL); made in the token if the record is new.
    pub key: String,
    /// A file that holds the user's PIN, readable by its owner alone.
    pub pin_file: PathBuf,
}

/// A key that is wrapped by the root, and what it is bound to: it tells which root counts.
pub(crate) struct Sample {
    pub(crate) context: String,
    pub(crate) wrapped: Vec<u8>,
}

impl Sample {
    /// Whether a token wrapped it.
    pub(crate) fn in_token(&self) -> bool {
        pkcs11::is_ours(&self.wrapped)
    }
}

/// The root that wrapped `sample`, or the configured one if there is nothing wrapped yet.
pub(crate) fn open(config: &Config, sample: Option<&Sample>) -> Outcome<Box<dyn RootKey>> {
    let in_token = sample.filter(|sample| sample.in_token());
    match (&config.root, sample, in_token) {
        (RootConfig::Pkcs11(own), _, Some(sample)) => {
            Ok(Box::new(Pkcs11Root::open(own, &sample.wrapped)?))
        }
        (RootConfig::Pkcs11(own), None, None) => Ok(Box::new(Pkcs11Root::open_or_make(own)?)),
        (RootConfig::File, _, Some(_)) => Err(broken(
            "the root key of this keyring is in a PKCS#11 token: set `root = \"pkcs11\"` in `[keys]`",
        )),
        (RootConfig::File, ..) | (RootConfig::Pkcs11(_), Some(_), None) => {
            Ok(Box::new(FileRoot::open(config)?))
        }
    }
}

/// A new root in the configured place. A file's becomes the root only with [`settle`].
pub(crate) fn make_next(config: &Config) -> Outcome<Box<dyn RootKey>> {
    match &config.root {
        RootConfig::File => Ok(Box::new(FileRoot::make_next(config)?)),
        RootConfig::Pkcs11(own) => Ok(Box::new(Pkcs11Root::make_next(own)?)),
    }
}

/// After `sample` was committed: the file that opens it is the root, any other one goes.
pub(crate) fn settle(config: &Config, sample: &Sample) -> Outcome<()> {
    if sample.in_token() {
        file::discard_next(config)
    } else {
        file::settle(config, sample)
    }
}

fn broken(why: impl ToString) -> crate::Error {
    crate::Error::Broken {
        doing: "use the root key",
        why: why.to_string(),
    }
}
