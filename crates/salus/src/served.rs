//! Tiles and packs that another server shows, read as a vault. Nothing can be put there.

use async_trait::async_trait;
use hyper::body::Bytes;
use record::vault::{Vault, VaultFault};

use crate::remote::Remote;

/// A vault behind an address.
pub(crate) struct Served(Remote);

impl Served {
    pub(crate) const fn new(remote: Remote) -> Served {
        Served(remote)
    }
}

#[async_trait]
impl Vault for Served {
    async fn put(&self, path: &str, _: Bytes) -> Result<(), VaultFault> {
        Err(read_only("store", path))
    }

    async fn get(&self, path: &str) -> Result<Option<Bytes>, VaultFault> {
        let fault = |why: String| VaultFault {
            doing: "fetch",
            path: path.to_owned(),
            why,
        };
        let answer = self.0.get(&format!("/{path}")).await;
        let answer = answer.map_err(|why| fault(format!("{why:#}")))?;
        match answer.status {
            200 => Ok(Some(answer.body)),
            404 => Ok(None),
            status => Err(fault(format!(
                "it answered {status}: {}",
                String::from_utf8_lossy(&answer.body).trim()
            ))),
        }
    }

    async fn list(&self, _: &str) -> Result<Vec<String>, VaultFault> {
        // What is served cannot be listed; a partial tile that is gone is found whole.
        Ok(Vec::new())
    }

    async fn discard(&self, path: &str) -> Result<(), VaultFault> {
        Err(read_only("remove", path))
    }
}

fn read_only(doing: &'static str, path: &str) -> VaultFault {
    VaultFault {
        doing,
        path: path.to_owned(),
        why: "another server's tiles can only be read".into(),
    }
}
