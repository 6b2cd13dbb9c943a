//! The one writer of an archive: takes it over at the start, then commits lines, a manifest at a time. After any failure
//! it is thrown away and the archive is taken over again, so that what is in memory never differs from what is stored.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use syncline_engine::error::{Code, Error, Result};

use super::manifest::{File, Manifest};
use super::merge;
use super::segment::{self, Lines, Segment};
use super::store::{Found, SUFFIX, Stamp, Store};
use crate::token;

/// What helps against a file that is gone.
const PUT_BACK: &str = "put the file back from a copy, or move the whole archive away: it is written anew then, from the rows as they are";
/// Files stored at once.
const AT_ONCE: usize = 8;

/// See above.
pub struct Writer {
    store: Arc<dyn Store>,
    manifest: Manifest,
    stamp: Stamp,
}

impl Writer {
    /// Takes the archive over: reads its manifest, becomes its writer, and removes what the manifest does not name.
    pub async fn open(store: Arc<dyn Store>, pipeline: &str) -> Result<Writer> {
        store.lock().await?;
        let (mut manifest, stamp) = match store.manifest().await? {
            Some((text, stamp)) => (Manifest::decode(&text)?, Some(stamp)),
            None => (Manifest::new(pipeline), None),
        };
        if manifest.pipeline != pipeline {
            let what = format!("the archive {} belongs to pipeline `{}`", store.shown(), manifest.pipeline);
            return Err(
                Error::new(Code::ArchiveManifest, what).fix("give each pipeline an archive of its own")
            );
        }
        let found = store.list().await?;
        if stamp.is_none()
            && let Some(orphan) = found.iter().find(|found| found.path.ends_with(SUFFIX))
        {
            let what =
                format!("the archive {} has files such as {} but no manifest", store.shown(), orphan.path);
            return Err(Error::new(Code::ArchiveManifest, what));
        }
        // From here on commits of writers before us fail, so that none of the files that were found is on its way. One that
        // came later is left alone: it may be of a writer that has taken the archive over from us by now.
        manifest.writer = token::draw();
        manifest.generation += 1;
        let stamp = store.put_manifest(manifest.encode()?.into(), stamp.as_ref()).await?;
        let writer = Writer { store, manifest, stamp };
        writer.clean(found).await?;
        Ok(writer)
    }

    /// Every file of the manifest must be there; every other file is what an interrupted write left. `found`: before the
    /// manifest was taken over.
    async fn clean(&self, found: Vec<Found>) -> Result<()> {
        let named: HashSet<(&str, u64)> = self.manifest.files.iter().map(|f| (&*f.path, f.bytes)).collect();
        let there: HashSet<(&str, u64)> = found.iter().map(|f| (&*f.path, f.bytes)).collect();
        if let Some((path, bytes)) = named.iter().find(|file| !there.contains(*file)) {
            let what = format!("the archive {} lacks {path} with its {bytes} bytes", self.store.shown());
            return Err(Error::new(Code::ArchiveManifest, what).fix(PUT_BACK));
        }
        let named: HashSet<&str> = named.into_iter().map(|(path, _)| path).collect();
        let left = found.into_iter().map(|f| f.path).filter(|path| !named.contains(&**path)).collect();
        self.store.remove(left).await
    }

    /// What the archive holds.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Makes lines part of the archive: their files first, then the manifest that names them. `next`: the manifest as it
    /// is to be but for the files.
    pub async fn commit(&mut self, mut next: Manifest, lines: Vec<(String, Lines)>) -> Result<()> {
        next.generation += 1;
        let joined = match self.store_files(&mut next, lines).await {
            Ok(joined) => joined,
            Err(error) => {
                self.take_back(next).await;
                return Err(error);
            }
        };
        self.stamp = self.store.put_manifest(next.encode()?.into(), Some(&self.stamp)).await?;
        self.manifest = next;
        if let Err(error) = self.store.remove(joined).await {
            tracing::warn!("files that were joined stay until the next start: {error}");
        }
        Ok(())
    }

    /// A full disk needs the room of what was written in vain.
    async fn take_back(&self, next: Manifest) {
        let known: HashSet<&str> = self.manifest.files.iter().map(|file| &*file.path).collect();
        let new = next.files.into_iter().map(|file| file.path).filter(|path| !known.contains(&**path));
        if let Err(error) = self.store.remove(new.collect()).await {
            tracing::warn!("files that were written in vain stay until the next start: {error}");
        }
    }

    /// Stores the lines, joins what is to be joined, and puts it all into the manifest to be. Answers the files that are
    /// no longer needed once that is stored.
    async fn store_files(&self, next: &mut Manifest, lines: Vec<(String, Lines)>) -> Result<Vec<String>> {
        let paths: BTreeSet<String> = lines.iter().map(|(path, _)| path.clone()).collect();
        let named = lines.into_iter().map(|(path, lines)| (self.new_name(next, &path), lines)).collect();
        let segments = blocking(move || compress_all(named)).await?;
        next.files.extend(segments.iter().map(|segment| segment.file.clone()));
        self.put_all(segments).await?;
        self.join(next, &paths).await
    }

    /// A name that no writer has used, also not one that was killed.
    fn new_name(&self, next: &mut Manifest, path: &str) -> String {
        let number = next.next_file;
        next.next_file += 1;
        format!("{path}/{number:010}-{}{SUFFIX}", &next.writer[..8.min(next.writer.len())])
    }

    /// Ends when every one has ended, also if some fail: a write whose answer nobody waits for goes on, and would leave
    /// its file behind whoever takes it back.
    async fn put_all(&self, segments: Vec<Segment>) -> Result<()> {
        let puts = segments
            .into_iter()
            .map(|segment| async move { self.store.put(&segment.file.path, segment.bytes).await });
        let ended: Vec<Result<()>> = stream::iter(puts).buffer_unordered(AT_ONCE).collect().await;
        ended.into_iter().collect()
    }

    /// Joins small files of the paths that grew; answers the files that are no longer needed.
    async fn join(&self, next: &mut Manifest, paths: &BTreeSet<String>) -> Result<Vec<String>> {
        let mut joins = merge::plan(&next.files, paths);
        joins.retain(|join| join.len() > 1);
        let mut old = BTreeSet::new();
        let mut new = Vec::with_capacity(joins.len());
        for join in joins {
            let Some(last) = join.last().copied() else { continue };
            let path = self.new_name(next, next.files[last].folder().to_owned().as_str());
            let mut parts = Vec::with_capacity(join.len());
            for n in &join {
                parts.push(self.part(&next.files[*n]).await?);
            }
            let segment = blocking(move || segment::join(path, &parts)).await?;
            self.store.put(&segment.file.path, segment.bytes).await?;
            new.push((last, segment.file));
            old.extend(join);
        }
        let removed = old.iter().map(|n| next.files[*n].path.clone()).collect();
        for (last, file) in new {
            next.files[last] = file;
            old.remove(&last);
        }
        let mut n = 0;
        next.files.retain(|_| {
            n += 1;
            !old.contains(&(n - 1))
        });
        Ok(removed)
    }

    async fn part(&self, file: &File) -> Result<(File, Bytes)> {
        Ok((file.clone(), read(&*self.store, file).await?))
    }
}

/// A file that the manifest names is gone.
pub fn lacks(store: &dyn Store, file: &File) -> Error {
    let what = format!("the archive {} lacks {}", store.shown(), file.path);
    Error::new(Code::ArchiveManifest, what).fix(PUT_BACK)
}

/// A file's content, as it was written.
pub async fn read(store: &dyn Store, file: &File) -> Result<Bytes> {
    let Some(bytes) = store.get(&file.path).await? else { return Err(lacks(store, file)) };
    segment::verify(file, &bytes)?;
    Ok(bytes)
}

fn compress_all(lines: Vec<(String, Lines)>) -> Result<Vec<Segment>> {
    lines.into_iter().map(|(path, lines)| segment::compress(path, &lines)).collect()
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(Error::new(Code::Internal, "a thread broke").cause(error)))
}
