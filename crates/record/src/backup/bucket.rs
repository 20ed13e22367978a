//! A bucket as a place of backups: versions are what survives whoever has its keys.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use md5::{Digest as _, Md5};
use object_store::aws::AmazonS3;
use object_store::client::ReqwestConnector;
use object_store::client::{HttpClient, HttpConnector as _, HttpRequest, HttpRequestBody};
use object_store::path::Path as ObjectPath;
use object_store::signer::{SignedUrlOptions, Signer as _};
use object_store::{Error, GetOptions, ObjectStore as _, ObjectStoreExt as _, PutMode, PutOptions};
use serde::Deserialize;

use super::place::{Lock, Shelf, Stored};
use crate::vault::{S3Address, VaultFault, fault};

/// How long a question that is signed in its address may take to be asked.
const SIGNED: Duration = Duration::from_secs(60);

pub(super) struct Bucket {
    store: Arc<AmazonS3>,
    address: S3Address,
    client: HttpClient,
}

/// A page of `ListObjectVersions`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Versions {
    is_truncated: bool,
    next_key_marker: String,
    next_version_id_marker: String,
    version: Vec<Version>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Version {
    key: String,
    version_id: String,
}

/// `GetObjectLockConfiguration`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct LockConfiguration {
    rule: Rule,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Rule {
    default_retention: Retention,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Retention {
    mode: String,
    days: u32,
    years: u32,
}

impl Bucket {
    pub(super) fn open(address: S3Address) -> Result<Bucket, VaultFault> {
        let client = ReqwestConnector::default().connect(&address.client()?);
        Ok(Bucket {
            client: client.map_err(fault("reach", &address.place()))?,
            store: address.connect()?,
            address,
        })
    }

    fn at(&self, path: &str) -> ObjectPath {
        ObjectPath::from(self.address.key(path))
    }

    /// Asks the bucket itself what the library has no call for.
    async fn ask(&self, query: &[(&str, &str)]) -> Result<Bytes, VaultFault> {
        let request = HttpRequest::new(HttpRequestBody::empty());
        self.send(request, &ObjectPath::default(), query).await
    }

    /// Sends a request that is signed in its address.
    async fn send(
        &self,
        mut request: HttpRequest,
        at: &ObjectPath,
        query: &[(&str, &str)],
    ) -> Result<Bytes, VaultFault> {
        let place = self.address.place();
        let wrong = |why: String| VaultFault {
            doing: "ask",
            path: place.clone(),
            why,
        };
        let query = query.iter().map(|(name, value)| (*name, *value));
        let options = SignedUrlOptions::default().with_query(query);
        let method = request.method().clone();
        let url = self
            .store
            .signed_url_opts(method, at, SIGNED, &options)
            .await
            .map_err(fault("ask", &place))?;
        *request.uri_mut() = url
            .as_str()
            .parse()
            .map_err(|_| wrong("its address cannot be asked".into()))?;
        let answer = self.client.execute(request).await;
        let answer = answer.map_err(|why| wrong(why.to_string()))?;
        let status = answer.status();
        let body = answer.into_body().bytes().await;
        let body = body.map_err(|why| wrong(why.to_string()))?;
        match status.is_success() {
            true => Ok(body),
            false => Err(wrong(format!("it answers {status}"))),
        }
    }

    async fn page(&self, prefix: &str, from: (&str, &str)) -> Result<Versions, VaultFault> {
        let mut query = vec![("versions", ""), ("prefix", prefix)];
        if !from.0.is_empty() {
            query.extend([("key-marker", from.0), ("version-id-marker", from.1)]);
        }
        let body = self.ask(&query).await?;
        quick_xml::de::from_reader(body.as_ref()).map_err(|why| VaultFault {
            doing: "list",
            path: prefix.to_owned(),
            why: why.to_string(),
        })
    }
}

#[async_trait]
impl Shelf for Bucket {
    async fn add(&self, path: &str, bytes: Bytes) -> Result<Option<String>, VaultFault> {
        let at = self.at(path);
        let create = PutOptions::from(PutMode::Create);
        match self.store.put_opts(&at, bytes.clone().into(), create).await {
            Ok(put) => return Ok(put.version),
            Err(Error::AlreadyExists { .. }) => {}
            Err(error) => return Err(fault("add", path)(error)),
        }
        // Ours from an attempt before, or somebody else's: then ours becomes another version, and
        // the manifest names which.
        let there = self.store.get(&at).await.map_err(fault("read", path))?;
        let version = there.meta.version.clone();
        if there.bytes().await.map_err(fault("read", path))? == bytes {
            return Ok(version);
        }
        tracing::error!(
            path,
            "other content of this name is in the backup: ours is added to it"
        );
        let put = self.store.put(&at, bytes.into()).await;
        put.map(|put| put.version).map_err(fault("add", path))
    }

    async fn get(&self, path: &str, version: Option<&str>) -> Result<Option<Bytes>, VaultFault> {
        let options = GetOptions {
            version: version.map(str::to_owned),
            ..GetOptions::default()
        };
        match self.store.get_opts(&self.at(path), options).await {
            Ok(found) => found.bytes().await.map(Some).map_err(fault("read", path)),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(fault("read", path)(error)),
        }
    }

    async fn versions(&self, prefix: &str) -> Result<Vec<Stored>, VaultFault> {
        let (prefix, own) = (self.address.key(prefix), self.address.key(""));
        let (mut all, mut from) = (Vec::new(), (String::new(), String::new()));
        loop {
            let page = self.page(&prefix, (&from.0, &from.1)).await?;
            all.extend(page.version.into_iter().filter_map(|one| {
                let known = !one.version_id.is_empty() && one.version_id != "null";
                Some(Stored {
                    path: one.key.strip_prefix(&own)?.to_owned(),
                    version: known.then_some(one.version_id),
                })
            }));
            from = (page.next_key_marker, page.next_version_id_marker);
            if !page.is_truncated || from.0.is_empty() {
                return Ok(all);
            }
        }
    }

    async fn lock(&self) -> Lock {
        let Ok(body) = self.ask(&[("object-lock", "")]).await else {
            return Lock::None;
        };
        let found: LockConfiguration =
            quick_xml::de::from_reader(body.as_ref()).unwrap_or_default();
        let kept = found.rule.default_retention;
        let days = kept.days.max(kept.years.saturating_mul(365));
        // In governance mode whoever has the right keys may delete all the same.
        match kept.mode == "COMPLIANCE" && days > 0 {
            true => Lock::Days(days),
            false => Lock::None,
        }
    }

    async fn keep_until(&self, one: &Stored, until: &str) -> Result<(), VaultFault> {
        let wrong = |_| VaultFault {
            doing: "renew the lock of",
            path: one.path.clone(),
            why: "the request cannot be made".into(),
        };
        let body = format!(
            "<Retention xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Mode>COMPLIANCE</Mode>\
             <RetainUntilDate>{until}</RetainUntilDate></Retention>"
        );
        // S3 wants to know that the order came as it was sent.
        let sum = STANDARD.encode(Md5::digest(body.as_bytes()));
        let mut request = HttpRequest::new(HttpRequestBody::from(body));
        *request.method_mut() = "PUT".parse().map_err(|_| wrong(()))?;
        let sum = sum.parse().map_err(|_| wrong(()))?;
        request.headers_mut().insert("content-md5", sum);
        let mut query = vec![("retention", "")];
        query.extend(one.version.as_deref().map(|version| ("versionId", version)));
        self.send(request, &self.at(&one.path), &query)
            .await
            .map(drop)
    }
}
