//! The archive in an S3-compatible bucket. An object is there whole or not at all; the manifest is replaced only if it
//! is still the one that we know, so that two writers find each other out.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path;
use object_store::{
    ClientOptions, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload, RetryConfig, UpdateVersion,
};
use syncline_engine::error::{Code, Error, Result};

use super::manifest;
use super::store::{Found, SUFFIX, Stamp, Store};
use crate::connection::ConnectionSpec;

const REMOVALS: usize = 8;

/// See above.
pub struct Bucket {
    client: AmazonS3,
    prefix: Path,
    shown: String,
}

impl Bucket {
    /// `s3://[KEY:SECRET@]BUCKET[/PREFIX][?endpoint=URL&region=NAME]`; what the URL does not say comes from the
    /// environment, as for other programs (AWS_ACCESS_KEY_ID, AWS_REGION, AWS_ENDPOINT_URL ...).
    pub fn new(spec: &ConnectionSpec) -> Result<Bucket> {
        // Whoever came first has chosen; any provider will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let wrong = |why: &str| {
            Error::new(Code::ConfigConnection, format!("connection `{}`: {why}", spec.name))
                .fix("write s3://BUCKET[/PREFIX][?endpoint=URL&region=NAME]")
        };
        let rest = spec.url.strip_prefix("s3://").ok_or_else(|| wrong("the URL lacks `//`"))?;
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (login, rest) = rest.rsplit_once('@').map_or((None, rest), |(login, rest)| (Some(login), rest));
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() {
            return Err(wrong("the bucket is missing"));
        }
        let prefix = Path::parse(prefix.trim_end_matches('/')).map_err(|_| wrong("the prefix is no path"))?;
        let options = &spec.options;
        let mut builder = AmazonS3Builder::from_env().with_bucket_name(bucket);
        for option in query.split('&').filter(|option| !option.is_empty()) {
            builder = match option.split_once('=') {
                Some(("endpoint", url)) => {
                    builder.with_endpoint(url).with_allow_http(url.starts_with("http://"))
                }
                Some(("region", name)) => builder.with_region(name),
                _ => return Err(wrong("the URL's options are `endpoint` and `region`")),
            };
        }
        if let Some((key, secret)) = login.and_then(|login| login.split_once(':')) {
            let secret = options.password.as_deref().unwrap_or(secret);
            builder = builder.with_access_key_id(key).with_secret_access_key(secret);
        }
        let retry =
            RetryConfig { max_retries: 2, retry_timeout: options.request_timeout, ..Default::default() };
        let client = ClientOptions::new()
            .with_connect_timeout(options.connect_timeout)
            .with_timeout(options.request_timeout.max(Duration::from_secs(1)))
            .with_allow_http(true);
        let client = builder.with_retry(retry).with_client_options(client).build();
        let client = client.map_err(|error| wrong("the S3 client cannot be made").cause(error))?;
        Ok(Bucket { client, prefix, shown: format!("s3://{rest}") })
    }

    fn path(&self, path: &str) -> Result<Path> {
        let below = Path::parse(path).map_err(|error| {
            Error::new(Code::Internal, format!("{path} cannot be an object's name")).cause(error)
        })?;
        Ok(Path::from_iter(self.prefix.parts().chain(below.parts())))
    }

    fn below(&self, path: &Path) -> Option<String> {
        let parts: Vec<_> = path.prefix_match(&self.prefix)?.map(|part| part.as_ref().to_owned()).collect();
        Some(parts.join("/"))
    }

    fn failed(&self, error: &object_store::Error) -> Error {
        use object_store::Error as E;
        let (code, what) = match error {
            E::Unauthenticated { .. } | E::PermissionDenied { .. } => {
                (Code::ArchiveWrite, "access is denied")
            }
            E::NotFound { .. } => (Code::ArchiveWrite, "the bucket or an object is missing"),
            _ => (Code::ArchiveWrite, "a request failed"),
        };
        Error::new(code, format!("archive {}: {what}", self.shown)).cause(error)
    }

    async fn get_object(&self, path: &str) -> Result<Option<(Bytes, Option<String>)>> {
        let found = match self.client.get(&self.path(path)?).await {
            Ok(found) => found,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(self.failed(&error)),
        };
        let tag = found.meta.e_tag.clone();
        Ok(Some((found.bytes().await.map_err(|error| self.failed(&error))?, tag)))
    }

    fn other_writer(&self) -> Error {
        let what = format!("another pipeline or process writes the archive {}", self.shown);
        Error::new(Code::ArchiveManifest, what).fix("stop it, or use another prefix")
    }
}

#[async_trait]
impl Store for Bucket {
    /// There are no locks in a bucket: whoever writes the manifest last finds that the other did.
    async fn lock(&self) -> Result<()> {
        Ok(())
    }

    async fn unlock(&self) {}

    async fn manifest(&self) -> Result<Option<(Bytes, Stamp)>> {
        let found = self.get_object(manifest::NAME).await?;
        Ok(found.map(|(bytes, tag)| (bytes, Stamp(tag.unwrap_or_default()))))
    }

    async fn put_manifest(&self, bytes: Bytes, previous: Option<&Stamp>) -> Result<Stamp> {
        let mode = match previous {
            None => PutMode::Create,
            Some(stamp) => PutMode::Update(UpdateVersion { e_tag: Some(stamp.0.clone()), version: None }),
        };
        let (path, payload) = (self.path(manifest::NAME)?, PutPayload::from(bytes.clone()));
        let put = self.client.put_opts(&path, payload, PutOptions::from(mode)).await;
        match put {
            Ok(done) => Ok(Stamp(done.e_tag.unwrap_or_default())),
            Err(
                object_store::Error::Precondition { .. }
                | object_store::Error::AlreadyExists { .. }
                | object_store::Error::NotFound { .. },
            ) => match self.manifest().await? {
                // Our own request, whose first reply was lost.
                Some((there, stamp)) if there == bytes => Ok(stamp),
                _ => Err(self.other_writer()),
            },
            Err(error) => Err(self.failed(&error)),
        }
    }

    async fn put(&self, path: &str, bytes: Bytes) -> Result<()> {
        let put = self.client.put(&self.path(path)?, PutPayload::from(bytes)).await;
        put.map(|_| ()).map_err(|error| self.failed(&error))
    }

    async fn get(&self, path: &str) -> Result<Option<Bytes>> {
        Ok(self.get_object(path).await?.map(|(bytes, _)| bytes))
    }

    async fn remove(&self, paths: Vec<String>) -> Result<()> {
        let removals = stream::iter(paths).map(|path| async move {
            match self.client.delete(&self.path(&path)?).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
                Err(error) => Err(self.failed(&error)),
            }
        });
        removals.buffer_unordered(REMOVALS).try_collect().await
    }

    async fn list(&self) -> Result<Vec<Found>> {
        let objects = self.client.list(Some(&self.prefix)).map_err(|error| self.failed(&error));
        let found = objects.try_filter_map(|object| async move {
            let path = self.below(&object.location).filter(|path| path.ends_with(SUFFIX));
            Ok(path.map(|path| Found { path, bytes: object.size }))
        });
        found.try_collect().await
    }

    async fn probe(&self) -> Result<()> {
        let probe = ".syncline-probe";
        self.put(probe, Bytes::from_static(b"probe")).await?;
        self.remove(vec![probe.to_owned()]).await
    }

    async fn findings(&self) -> Result<Vec<Error>> {
        Ok(Vec::new())
    }

    fn shown(&self) -> &str {
        &self.shown
    }
}
