//! Copying the ledger while it is in use, by SQLite's online backup. The copy appears under its name whole or not at all.

use std::fs::File;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};
use syncline_engine::error::{Code, Error, Result};

/// Copies `from` to `destination`, which is replaced if it is a file.
pub fn copy(from: &Path, destination: &Path) -> Result<()> {
    let cannot = |cause: String| {
        Error::new(Code::LedgerBackup, format!("no copy of the ledger at {}", destination.display()))
            .cause(cause)
    };
    if destination.is_dir() {
        return Err(cannot("it is a folder".into()).fix("name a file in it"));
    }
    if let (Ok(a), Ok(b)) = (from.canonicalize(), destination.canonicalize())
        && a == b
    {
        return Err(cannot("it is the ledger itself".into()).fix("name another file"));
    }
    let part = beside(destination);
    let done = write(from, &part).and_then(|()| publish(&part, destination).map_err(|e| e.to_string()));
    if done.is_err() {
        // What is left of it is no copy; if even that cannot be removed, its name says so.
        drop(std::fs::remove_file(&part));
    }
    done.map_err(cannot)
}

fn beside(destination: &Path) -> PathBuf {
    let mut name = destination.as_os_str().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    PathBuf::from(name)
}

fn write(from: &Path, part: &Path) -> std::result::Result<(), String> {
    let text = |e: rusqlite::Error| e.to_string();
    if part.exists() {
        std::fs::remove_file(part).map_err(|e| e.to_string())?;
    }
    let from = super::open::connect(from).map_err(|e| e.to_string())?;
    let mut to = Connection::open(part).map_err(text)?;
    // All pages in one step: one snapshot, and in WAL mode it holds up no writer.
    match Backup::new(&from, &mut to).map_err(text)?.step(-1).map_err(text)? {
        StepResult::Done => {}
        other => return Err(format!("the ledger is busy ({other:?})")),
    }
    // One file, without a WAL beside it.
    to.pragma_update(None, "journal_mode", "DELETE").map_err(text)?;
    to.close().map_err(|(_, e)| e.to_string())
}

fn publish(part: &Path, destination: &Path) -> std::io::Result<()> {
    File::open(part)?.sync_all()?;
    std::fs::rename(part, destination)?;
    super::open::sync_folder(destination)
}
