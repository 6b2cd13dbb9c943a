//! What the archive needs of a place to keep files: a folder and a bucket give the same promises.
//! What the files hold is none of a store's business.

use async_trait::async_trait;
use bytes::Bytes;
use syncline_engine::error::{Error, Result};

/// A manifest as it was read or written, to be sure that nobody else wrote one since.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp(pub String);

/// A file that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Below the archive, with `/`.
    pub path: String,
    pub bytes: u64,
}

/// Everything but `manifest` and `get` is for the one writer only.
#[async_trait]
pub trait Store: Send + Sync {
    /// Keeps other writers out until `unlock`, as far as the place can.
    async fn lock(&self) -> Result<()>;

    /// Lets them in again.
    async fn unlock(&self);

    /// The manifest, if there is one.
    async fn manifest(&self) -> Result<Option<(Bytes, Stamp)>>;

    /// Replaces the manifest, durably and at once or not at all. `previous`: the one that must be there, `None` if none
    /// must. [`Code::ArchiveManifest`](syncline_engine::error::Code) if it is another.
    async fn put_manifest(&self, bytes: Bytes, previous: Option<&Stamp>) -> Result<Stamp>;

    /// Stores a new file, durably. Nothing is to be seen under its name before all of it is there.
    async fn put(&self, path: &str, bytes: Bytes) -> Result<()>;

    /// A file's content.
    async fn get(&self, path: &str) -> Result<Option<Bytes>>;

    /// Removes files; absent ones are fine.
    async fn remove(&self, paths: Vec<String>) -> Result<()>;

    /// All files that an archive could have left: `*.jsonl.zst`, and what is unfinished.
    async fn list(&self) -> Result<Vec<Found>>;

    /// Proves that files can be written, leaving nothing behind.
    async fn probe(&self) -> Result<()>;

    /// What `check` says about the place.
    async fn findings(&self) -> Result<Vec<Error>>;

    /// How the place is called in messages.
    fn shown(&self) -> &str;
}

/// End of every file's name.
pub const SUFFIX: &str = ".jsonl.zst";
