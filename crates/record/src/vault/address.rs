use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3, AmazonS3Builder, Checksum};
use object_store::{Certificate, ClientOptions, HeaderMap, HeaderValue, RetryConfig};
use url::Url;

use super::VaultFault;

/// Checkpoints between two tails that go to the bucket, if the address does not say.
const TAIL: u32 = 10;
/// How often a request that failed is made again, and for how long.
const RETRIES: usize = 3;
const RETRY: Duration = Duration::from_secs(20);

/// A bucket, as one line says it:
/// `s3://bucket/prefix?region=eu-central-1&endpoint=https://s3.hospital&credentials=/etc/salus/s3`.
///
/// `credentials` is a file as the AWS tools have it (`aws_access_key_id = ...`); without it the
/// environment counts (`AWS_ACCESS_KEY_ID` ...). `authorities` is a PEM file for an endpoint with a
/// certificate of the house. `tail` says after how many checkpoints the unfinished end goes along.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Address {
    pub(crate) bucket: String,
    pub(crate) prefix: String,
    pub(crate) tail: u32,
    region: String,
    endpoint: Option<String>,
    credentials: Option<PathBuf>,
    authorities: Option<PathBuf>,
}

impl S3Address {
    /// Reads the line.
    ///
    /// # Errors
    /// In words: what is wrong with it.
    pub fn parse(text: &str) -> Result<S3Address, String> {
        let wrong = |why: &str| format!("`{text}` is no bucket: {why}");
        let url = Url::parse(text).map_err(|why| wrong(&why.to_string()))?;
        if url.scheme() != "s3" {
            return Err(wrong("it must begin with `s3://`"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong("keys belong in a file (`?credentials=FILE`)"));
        }
        let bucket = url.host_str().filter(|bucket| !bucket.is_empty());
        let mut options: BTreeMap<String, String> = url.query_pairs().into_owned().collect();
        let mut take = |name: &str| options.remove(name).filter(|value| !value.is_empty());
        let tail = take("tail").map_or(Ok(TAIL), |text| text.parse());
        let address = S3Address {
            bucket: bucket.ok_or_else(|| wrong("it names none"))?.to_owned(),
            prefix: url.path().trim_matches('/').to_owned(),
            tail: tail.map_err(|_| wrong("`tail` is a number of checkpoints"))?,
            region: take("region").unwrap_or_else(|| "us-east-1".into()),
            endpoint: take("endpoint"),
            credentials: take("credentials").map(PathBuf::from),
            authorities: take("authorities").map(PathBuf::from),
        };
        if let Some(name) = options.keys().next() {
            return Err(wrong(&format!(
                "`{name}` is not known; `region`, `endpoint`, `credentials`, `authorities` and \
                 `tail` are"
            )));
        }
        match &address.endpoint {
            Some(endpoint) if !endpoint.starts_with("https://") && !here(endpoint) => {
                Err(wrong("its endpoint must be https"))
            }
            Some(_) | None => Ok(address),
        }
    }

    /// The bucket and the prefix, for people.
    pub fn place(&self) -> String {
        match self.prefix.as_str() {
            "" => format!("s3://{}", self.bucket),
            prefix => format!("s3://{}/{prefix}", self.bucket),
        }
    }

    /// The name of an object in the bucket.
    pub(crate) fn key(&self, path: &str) -> String {
        match self.prefix.as_str() {
            "" => path.to_owned(),
            prefix => format!("{prefix}/{path}"),
        }
    }

    /// How requests are made.
    pub(crate) fn client(&self) -> Result<ClientOptions, VaultFault> {
        let mut client = ClientOptions::new();
        if self.endpoint.as_deref().is_some_and(here) {
            client = client.with_allow_http(true);
        }
        if let Some(file) = &self.authorities {
            let pem = fs::read(file).map_err(|why| self.fault(&why))?;
            let bundle = Certificate::from_pem_bundle(&pem).map_err(|why| self.fault(&why))?;
            for one in bundle {
                client = client.with_root_certificate(one);
            }
        }
        Ok(client)
    }

    /// The bucket itself. Every object goes with its SHA-256, as buckets with a lock demand.
    pub(crate) fn connect(&self) -> Result<Arc<AmazonS3>, VaultFault> {
        let retry = RetryConfig {
            max_retries: RETRIES,
            retry_timeout: RETRY,
            ..RetryConfig::default()
        };
        // A bucket with a lock wants the algorithm named beside the sum.
        let mut checksum = HeaderMap::new();
        checksum.insert(
            "x-amz-sdk-checksum-algorithm",
            HeaderValue::from_static("SHA256"),
        );
        let mut builder = AmazonS3Builder::from_env()
            .with_bucket_name(&self.bucket)
            .with_region(&self.region)
            .with_checksum_algorithm(Checksum::SHA256)
            .with_client_options(self.client()?.with_default_headers(checksum))
            .with_retry(retry);
        if let Some(endpoint) = &self.endpoint {
            builder = builder.with_endpoint(endpoint);
        }
        if let Some(file) = &self.credentials {
            let text = fs::read_to_string(file).map_err(|why| self.fault(&why))?;
            builder = with_credentials(builder, &text);
        }
        builder
            .build()
            .map(Arc::new)
            .map_err(|why| self.fault(&why))
    }

    fn fault(&self, why: &dyn std::error::Error) -> VaultFault {
        VaultFault {
            doing: "reach",
            path: self.place(),
            why: why.to_string(),
        }
    }
}

/// The first profile of a credentials file as the AWS tools have it.
fn with_credentials(mut builder: AmazonS3Builder, text: &str) -> AmazonS3Builder {
    let lines = text.lines().filter_map(|line| line.split_once('='));
    for (name, value) in lines {
        builder = match (name.trim(), value.trim()) {
            ("aws_access_key_id", value) => builder.with_access_key_id(value),
            ("aws_secret_access_key", value) => builder.with_secret_access_key(value),
            ("aws_session_token", value) => builder.with_token(value),
            _ => builder,
        };
    }
    builder
}

/// Only on this machine may a bucket be reached without TLS.
fn here(endpoint: &str) -> bool {
    let Ok(url) = Url::parse(endpoint) else {
        return false;
    };
    url.scheme() == "http" && matches!(url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_says_it_all() {
        let line = "s3://vault/a/b/?region=eu&endpoint=https://s3.hospital:9000&tail=60";
        let address = S3Address::parse(line).unwrap();
        assert_eq!(address.place(), "s3://vault/a/b");
        assert_eq!(address.key("pack/000"), "a/b/pack/000");
        assert_eq!(
            address.endpoint.as_deref(),
            Some("https://s3.hospital:9000")
        );
        assert_eq!((address.region.as_str(), address.tail), ("eu", 60));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (line, word) in [
            ("vault", "no bucket"),
            ("https://vault", "begin with"),
            ("s3://key:secret@vault", "credentials"),
            ("s3://vault?regoin=eu", "`regoin`"),
            ("s3://vault?tail=x", "`tail`"),
            ("s3://vault?endpoint=http://s3.hospital", "https"),
        ] {
            let why = S3Address::parse(line).unwrap_err();
            assert!(why.contains(word), "{line}: {why}");
        }
        assert!(S3Address::parse("s3://vault?endpoint=http://127.0.0.1:9000").is_ok());
    }
}
