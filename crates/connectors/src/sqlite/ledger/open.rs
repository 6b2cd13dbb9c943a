//! Opening the ledger file: is it there, is it ours, is it sound, is its layout one we know. Every way it can be unfit
//! ends in an error that says what to do; nothing is ever repaired or emptied on its own.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};
use syncline_engine::error::{Code, Error, Result};

use super::schema::{APPLICATION, MIGRATIONS};

/// Above this size the check of every page would hold up a start.
const CHECKED_BYTES: u64 = 256 << 20;

/// Whether a finished ledger stands there; a file that a killed start left empty counts as none.
pub fn exists(path: &Path) -> Result<bool> {
    if !path.try_exists().map_err(|e| unfit(path).cause(e))? {
        return Ok(false);
    }
    Ok(layout(&connect(path)?, path)? != 0)
}

/// Whether the layout is older than ours. A newer one is an error.
pub fn needs_migration(path: &Path) -> Result<bool> {
    Ok(layout(&connect(path)?, path)? < MIGRATIONS.len())
}

/// Makes the ledger if absent and brings its layout to ours, in one transaction.
pub fn make(path: &Path) -> Result<()> {
    let mut connection = connect_or_make(path)?;
    let damaged = |e| damage(path, e);
    connection.pragma_update(None, "journal_mode", "WAL").map_err(damaged)?;
    let found = layout(&connection, path)?;
    if found > 0 {
        sound(&connection, path)?;
    }
    if found < MIGRATIONS.len() {
        let transaction =
            connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(damaged)?;
        for step in &MIGRATIONS[found..] {
            step(&transaction).map_err(damaged)?;
        }
        transaction.pragma_update(None, "application_id", APPLICATION).map_err(damaged)?;
        transaction.pragma_update(None, "user_version", MIGRATIONS.len() as i64).map_err(damaged)?;
        transaction.commit().map_err(damaged)?;
    }
    drop(connection);
    sync_folder(path).map_err(|e| unfit(path).cause(e))
}

/// Opens a connection to a ledger that is there.
pub fn connect(path: &Path) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    prepare(Connection::open_with_flags(path, flags).map_err(|e| damage(path, e))?, path)
}

fn connect_or_make(path: &Path) -> Result<Connection> {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    prepare(Connection::open_with_flags(path, flags).map_err(|e| damage(path, e))?, path)
}

fn prepare(connection: Connection, path: &Path) -> Result<Connection> {
    let damaged = |e| damage(path, e);
    connection.busy_timeout(Duration::from_secs(30)).map_err(damaged)?;
    connection.pragma_update(None, "synchronous", "FULL").map_err(damaged)?;
    // Statements compare with what we expect; a foreign schema must not run code of its own.
    connection.pragma_update(None, "trusted_schema", false).map_err(damaged)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// The layout's number; 0 for an empty file. Seen in one moment: another process may just be making it.
fn layout(connection: &Connection, path: &Path) -> Result<usize> {
    let damaged = |e| damage(path, e);
    let _moment = connection.unchecked_transaction().map_err(damaged)?;
    let application: i32 =
        connection.pragma_query_value(None, "application_id", |r| r.get(0)).map_err(damaged)?;
    let version: i64 = connection.pragma_query_value(None, "user_version", |r| r.get(0)).map_err(damaged)?;
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |r| r.get(0)).map_err(damaged)?;
    if application == 0 && version == 0 && tables == 0 {
        return Ok(0);
    }
    if application != APPLICATION || version < 1 {
        return Err(unfit(path)
            .cause("it is a database of another program")
            .fix("give `data:` a folder that only syncline uses"));
    }
    match usize::try_from(version) {
        Ok(known) if known <= MIGRATIONS.len() => Ok(known),
        _ => Err(Error::new(
            Code::LedgerFormat,
            format!("{} has layout {version}, this version knows {}", path.display(), MIGRATIONS.len()),
        )),
    }
}

fn sound(connection: &Connection, path: &Path) -> Result<()> {
    let size = std::fs::metadata(path).map_err(|e| unfit(path).cause(e))?.len();
    if size > CHECKED_BYTES {
        return Ok(());
    }
    let verdict: String =
        connection.query_row("PRAGMA quick_check(1)", [], |r| r.get(0)).map_err(|e| damage(path, e))?;
    if verdict == "ok" { Ok(()) } else { Err(broken(path).cause(verdict)) }
}

/// Makes a new file's name durable.
pub fn sync_folder(path: &Path) -> std::io::Result<()> {
    match path.parent() {
        Some(folder) if cfg!(unix) => {
            let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
            std::fs::File::open(folder)?.sync_all()
        }
        _ => Ok(()),
    }
}

fn unfit(path: &Path) -> Error {
    Error::new(Code::LedgerOpen, format!("{} cannot be used", path.display()))
}

fn broken(path: &Path) -> Error {
    Error::new(Code::LedgerOpen, format!("{} is damaged", path.display())).fix(format!(
        "stop syncline, move {0}, {0}-wal and {0}-shm away and put a copy made by `syncline ledger backup` in place; \
         without one start again: run reads all tables again and the targets' versions keep newer data",
        path.display()
    ))
}

fn damage(path: &Path, error: rusqlite::Error) -> Error {
    let shape = match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => broken(path),
        _ => unfit(path),
    };
    shape.cause(error)
}
