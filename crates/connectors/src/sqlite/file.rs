//! The file behind a `sqlite:PATH` connection: its path, how it is opened, and what its errors mean. Which statements run
//! on it is for the roles to say.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};
use syncline_engine::error::{Code, Error, Result};

use crate::connection::ConnectionSpec;

/// The path of a connection: `sqlite:PATH`, `sqlite://PATH` too.
pub fn path(connection: &ConnectionSpec) -> Result<PathBuf> {
    let rest = connection.url.split_once(':').map_or("", |(_, rest)| rest);
    let path = rest.strip_prefix("//").unwrap_or(rest);
    if path.is_empty() || path.starts_with(":memory:") {
        return Err(Error::new(
            Code::ConfigBadValue,
            format!("connection `{}`: {:?} names no file", connection.name, connection.shown()),
        )
        .fix("write sqlite:PATH, for example sqlite:shop.db"));
    }
    Ok(PathBuf::from(path))
}

/// Opens a file that exists, for reading and writing.
pub fn open(path: &Path, busy: Duration) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    ready(Connection::open_with_flags(path, flags)?, busy)
}

/// Opens a file, made if absent.
pub fn open_or_make(path: &Path, busy: Duration) -> rusqlite::Result<Connection> {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    ready(Connection::open_with_flags(path, flags)?, busy)
}

fn ready(connection: Connection, busy: Duration) -> rusqlite::Result<Connection> {
    connection.busy_timeout(busy)?;
    connection.set_prepared_statement_cache_capacity(128);
    Ok(connection)
}

/// Whether somebody else holds the file's lock.
pub fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

/// Whether the file itself is unfit: trying again helps nobody.
pub fn is_unfit(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(
            ErrorCode::CannotOpen
                | ErrorCode::PermissionDenied
                | ErrorCode::NotADatabase
                | ErrorCode::DatabaseCorrupt
                | ErrorCode::ReadOnly
        )
    )
}

/// Tells whether the path still leads to the file that was opened: a file moved over it would never be noticed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inode(Option<(u64, u64)>);

impl Inode {
    /// What the path leads to now; unknown where the system has no such numbers.
    pub fn of(path: &Path) -> Inode {
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt;
            Inode(std::fs::metadata(path).ok().map(|m| (m.dev(), m.ino())))
        }
        #[cfg(not(unix))]
        {
            let _ = path;
            Inode(None)
        }
    }
}

/// An identifier as SQL.
pub fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
