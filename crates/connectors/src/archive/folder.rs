//! The archive in a folder. A file is written under a temporary name, synced, renamed, and its folder synced: after a
//! power cut it is there whole or not at all. A lock keeps a second writer out.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use sha2::{Digest, Sha256};
use syncline_engine::error::{Code, Error, Result};

use super::manifest::{self, hex};
use super::store::{Found, SUFFIX, Stamp, Store};

/// Begins the names of our files that are no part of the archive.
pub const OURS: &str = ".syncline-";
const LOCK: &str = ".syncline-lock";
const UNFINISHED: &str = ".tmp";
/// Below this share of the disk, and below this many bytes, `check` warns.
const LITTLE_SHARE: u64 = 20;
const LITTLE_BYTES: u64 = 1 << 30;

/// See above.
#[derive(Clone)]
pub struct Folder {
    root: PathBuf,
    shown: Arc<str>,
    lock: Arc<Mutex<Option<File>>>,
}

impl Folder {
    pub fn new(root: PathBuf) -> Folder {
        let shown = root.display().to_string().into();
        Folder { root, shown, lock: Arc::default() }
    }

    /// On a thread that may wait for the disk.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Folder) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let folder = self.clone();
        let done = tokio::task::spawn_blocking(move || work(&folder)).await;
        done.unwrap_or_else(|error| Err(Error::new(Code::Internal, "a file thread broke").cause(error)))
    }

    fn failed(&self, path: &Path, error: &io::Error) -> Error {
        Error::new(Code::ArchiveWrite, format!("{} cannot be written", path.display())).cause(error)
    }

    /// The folder of a file, made if absent. A link below the archive could lead anywhere: it is not followed.
    fn folder_of(&self, path: &str) -> Result<PathBuf> {
        let mut folder = self.root.clone();
        let Some((below, _)) = path.rsplit_once('/') else { return Ok(folder) };
        for part in below.split('/') {
            let parent = folder.clone();
            folder.push(part);
            match fs::symlink_metadata(&folder) {
                Ok(found) if found.is_dir() => {}
                Ok(_) => {
                    let what = format!("{} is in the way: it is a link or a file", folder.display());
                    return Err(Error::new(Code::ArchiveWrite, what).fix("move it away; it is tried again"));
                }
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    // Another file of the same call may have been quicker.
                    match fs::create_dir(&folder) {
                        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                            return Err(self.failed(&folder, &error));
                        }
                        _ => sync_folder(&parent).map_err(|error| self.failed(&parent, &error))?,
                    }
                }
                Err(error) => return Err(self.failed(&folder, &error)),
            }
        }
        Ok(folder)
    }

    /// Writes under a temporary name, renames. What is left of a failed attempt is removed at the next start.
    fn write(&self, path: &str, bytes: &[u8]) -> Result<()> {
        let folder = self.folder_of(path)?;
        let name = path.rsplit('/').next().unwrap_or(path);
        let (temporary, target) = (folder.join(format!("{OURS}{name}{UNFINISHED}")), folder.join(name));
        let written = (|| {
            let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(&temporary)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            drop(file);
            fs::rename(&temporary, &target)?;
            sync_folder(&folder)
        })();
        written.map_err(|error| {
            // A full disk needs its room back; if this fails too, the next start removes it.
            let _ = fs::remove_file(&temporary);
            self.failed(&target, &error)
        })
    }

    fn make_root(&self) -> Result<()> {
        fs::create_dir_all(&self.root).map_err(|error| self.failed(&self.root, &error))
    }

    fn read(&self, path: &str) -> Result<Option<Bytes>> {
        match fs::read(self.root.join(path)) {
            Ok(bytes) => Ok(Some(bytes.into())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => {
                let what = format!("{} cannot be read", self.root.join(path).display());
                Err(Error::new(Code::ArchiveWrite, what).cause(error))
            }
        }
    }

    fn walk(&self, below: &str, found: &mut Vec<Found>) -> io::Result<()> {
        let entries = match fs::read_dir(self.root.join(below)) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            // Names that are not UTF-8 are none of ours.
            let Ok(name) = entry.file_name().into_string() else { continue };
            let path = if below.is_empty() { name.clone() } else { format!("{below}/{name}") };
            let kind = entry.file_type()?;
            if kind.is_dir() {
                self.walk(&path, found)?;
            } else if kind.is_file() && is_ours(&name) {
                found.push(Found { path, bytes: entry.metadata()?.len() });
            }
        }
        Ok(())
    }
}

fn is_ours(name: &str) -> bool {
    name.ends_with(SUFFIX) || name.starts_with(OURS) && name.ends_with(UNFINISHED)
}

/// Without it a rename may not survive a power cut.
fn sync_folder(folder: &Path) -> io::Result<()> {
    // Only Unix opens folders as files; elsewhere the rename is all there is.
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

#[async_trait]
impl Store for Folder {
    async fn lock(&self) -> Result<()> {
        self.run(|folder| {
            folder.make_root()?;
            let mut held = folder.lock.lock().unwrap_or_else(PoisonError::into_inner);
            if held.is_some() {
                return Ok(());
            }
            let path = folder.root.join(LOCK);
            let file = OpenOptions::new().write(true).create(true).truncate(false).open(&path);
            let file = file.map_err(|error| folder.failed(&path, &error))?;
            match file.try_lock() {
                Ok(()) => *held = Some(file),
                Err(TryLockError::WouldBlock) => {
                    let what = format!("another pipeline or process writes the archive {}", folder.shown);
                    return Err(Error::new(Code::ArchiveManifest, what).fix("stop it, or use another folder"));
                }
                Err(TryLockError::Error(error)) => return Err(folder.failed(&path, &error)),
            }
            Ok(())
        })
        .await
    }

    async fn unlock(&self) {
        *self.lock.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    async fn manifest(&self) -> Result<Option<(Bytes, Stamp)>> {
        self.run(|folder| Ok(folder.read(manifest::NAME)?.map(|bytes| (bytes.clone(), stamp(&bytes))))).await
    }

    /// The lock makes sure that the one before is still there.
    async fn put_manifest(&self, bytes: Bytes, _previous: Option<&Stamp>) -> Result<Stamp> {
        self.run(move |folder| {
            folder.write(manifest::NAME, &bytes)?;
            Ok(stamp(&bytes))
        })
        .await
    }

    async fn put(&self, path: &str, bytes: Bytes) -> Result<()> {
        let path = path.to_owned();
        self.run(move |folder| folder.write(&path, &bytes)).await
    }

    async fn get(&self, path: &str) -> Result<Option<Bytes>> {
        let path = path.to_owned();
        self.run(move |folder| folder.read(&path)).await
    }

    async fn remove(&self, paths: Vec<String>) -> Result<()> {
        self.run(move |folder| {
            for path in paths {
                let path = folder.root.join(path);
                match fs::remove_file(&path) {
                    Err(error) if error.kind() != ErrorKind::NotFound => {
                        return Err(folder.failed(&path, &error));
                    }
                    _ => {}
                }
            }
            Ok(())
        })
        .await
    }

    async fn list(&self) -> Result<Vec<Found>> {
        self.run(|folder| {
            let mut found = Vec::new();
            folder.walk("", &mut found).map_err(|error| folder.failed(&folder.root, &error))?;
            Ok(found)
        })
        .await
    }

    async fn probe(&self) -> Result<()> {
        self.run(|folder| {
            // Before the first run there is no folder yet: it will be made below the nearest one that exists.
            let existing = folder.root.ancestors().find(|path| path.is_dir()).unwrap_or(Path::new("."));
            let probe = existing.join(format!("{OURS}probe-{}{UNFINISHED}", std::process::id()));
            let written = (|| {
                let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(&probe)?;
                file.write_all(&[0; 4096])?;
                file.sync_all()
            })();
            let removed = fs::remove_file(&probe);
            written.and(removed).map_err(|error| folder.failed(existing, &error))
        })
        .await
    }

    async fn findings(&self) -> Result<Vec<Error>> {
        self.run(|folder| Ok(folder.little_space().into_iter().collect())).await
    }

    fn shown(&self) -> &str {
        &self.shown
    }
}

impl Folder {
    #[cfg(unix)]
    fn little_space(&self) -> Option<Error> {
        let existing = self.root.ancestors().find(|path| path.is_dir()).unwrap_or(Path::new("."));
        let disk = rustix::fs::statvfs(existing).ok()?;
        let (free, all) = (disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize);
        (free < all / LITTLE_SHARE && free < 10 * LITTLE_BYTES || free < LITTLE_BYTES).then(|| {
            let what = format!("the disk of the archive {} has {} MiB left", self.shown, free >> 20);
            Error::new(Code::ArchiveSpace, what)
        })
    }

    #[cfg(not(unix))]
    fn little_space(&self) -> Option<Error> {
        None
    }
}

fn stamp(bytes: &[u8]) -> Stamp {
    Stamp(hex(&Sha256::digest(bytes)))
}
