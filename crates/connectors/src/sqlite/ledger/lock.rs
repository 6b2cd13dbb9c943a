//! The lock file that keeps a second process from running pipelines on the same data folder. The operating system
//! drops it with the process, however that ends. Readers do not take it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;

use syncline_engine::error::{Code, Error, Result};

/// Held while it lives.
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock of a data folder, or says who has it.
    pub fn take(data: &Path) -> Result<Lock> {
        let path = data.join("ledger.lock");
        let cannot = |e: std::io::Error| {
            Error::new(Code::LedgerOpen, format!("cannot use {}", path.display())).cause(e)
        };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(cannot)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(taken(data, &mut file)),
            Err(TryLockError::Error(e)) => return Err(cannot(e)),
        }
        file.set_len(0).and_then(|()| file.rewind()).map_err(cannot)?;
        writeln!(file, "{}", std::process::id()).map_err(cannot)?;
        Ok(Lock { _file: file })
    }
}

fn taken(data: &Path, file: &mut File) -> Error {
    let mut owner = String::new();
    // The number only helps a person; a file that cannot be read (yet) leaves it out.
    let known = file.take(32).read_to_string(&mut owner).is_ok();
    let error = Error::new(Code::LedgerLocked, format!("{} is in use", data.display()));
    match owner.trim() {
        pid if known && !pid.is_empty() => error.cause(format_args!("process {pid} holds its lock")),
        _ => error,
    }
}
