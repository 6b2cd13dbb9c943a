//! The demo's folder and its pipeline file. A folder that an earlier demo made is cleared; any other that is not empty is
//! left alone.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};

use syncline_engine::error::{Code, Error, Result};

use crate::process::Process;

/// The pipeline's file in the folder.
pub const FILE: &str = "pipeline.yaml";
/// The first line of a file that the demo made.
const MARK: &str = "# Made by `syncline quickstart`.";
const DATA: &str = ".syncline";
/// The port of the HTTP interface, if it is free.
const PORT: u16 = 7070;

/// Makes the folder with its pipeline file; answers the file's path.
pub async fn prepare(dir: &Path) -> Result<PathBuf> {
    let file = dir.join(FILE);
    let failed = |e: io::Error| {
        Error::new(Code::ConfigFile, format!("the folder {} cannot be made", dir.display())).cause(e)
    };
    if dir.exists() {
        let ours = fs::read_to_string(&file).is_ok_and(|text| text.starts_with(MARK));
        let empty = fs::read_dir(dir).map_err(failed)?.next().is_none();
        if !ours && !empty {
            let message = format!("{} is not empty and was not made by a quickstart", dir.display());
            return Err(
                Error::new(Code::Unknown, message).fix("name another folder: syncline quickstart DIR")
            );
        }
        if Process::find(&dir.join(DATA)).await?.is_some() {
            let message = format!("syncline is running in {}", dir.display());
            return Err(Error::new(Code::LedgerLocked, message).fix("stop it, or name another folder"));
        }
        clear(dir).map_err(failed)?;
    }
    fs::create_dir_all(dir).map_err(failed)?;
    fs::write(&file, text()).map_err(failed)?;
    Ok(file)
}

/// Removes what a demo makes, by name: nothing that somebody put there.
fn clear(dir: &Path) -> io::Result<()> {
    for name in ["archive", DATA] {
        absent_is_fine(fs::remove_dir_all(dir.join(name)))?;
    }
    for database in ["shop.db", "search.db", "cache.db"] {
        for suffix in ["", "-wal", "-shm", "-journal"] {
            absent_is_fine(fs::remove_file(dir.join(format!("{database}{suffix}"))))?;
        }
    }
    absent_is_fine(fs::remove_file(dir.join(super::child::LOG)))
}

fn absent_is_fine(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn text() -> String {
    let free = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).and_then(|l| l.local_addr());
    let port = free(PORT).or_else(|_| free(0)).map_or(PORT, |address| address.port());
    format!("{MARK}\n{}", include_str!("pipeline.yaml").replace("7070", &port.to_string()))
}
