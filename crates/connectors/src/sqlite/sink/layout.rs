//! The layout of a target file, for people with `sqlite3` and for the independent checker:
//!
//! ```text
//! documents(number, index_name, id, version, document)     `index:` targets; UNIQUE (index_name, id)
//! documents_text(text)                                     FTS5 over all text of the documents; rowid = number
//! cache(key, value, version, expires_at)                   `key:` targets; PRIMARY KEY (key)
//! collections(collection, id, version, document)           `collection:` targets; PRIMARY KEY (collection, id)
//! _syncline_targets(table_name)                            which of these tables are ours
//! _syncline_mark(pipeline, token, count, epoch)            what the file remembers of a pipeline; see `mark.rs`
//! ```
//!
//! `document` and `value` are one JSON object as text; NULL is a tombstone: it refuses older writes. `version` is the
//! version's number. `expires_at` is in milliseconds since 1970, NULL for ever; what is past it counts as absent.

use std::path::Path;

use rusqlite::{Connection, Result, TransactionBehavior};
use syncline_engine::error::{Code, Error};
use syncline_engine::route::TargetKind;

use super::mark;

const MARKER: &str =
    "CREATE TABLE IF NOT EXISTS _syncline_targets (table_name TEXT PRIMARY KEY) WITHOUT ROWID";

/// A table and what it must look like.
struct Layout {
    table: &'static str,
    columns: &'static [&'static str],
    sql: &'static str,
}

const DOCUMENTS: Layout = Layout {
    table: "documents",
    columns: &["number", "index_name", "id", "version", "document"],
    sql: "CREATE TABLE documents (
    number      INTEGER PRIMARY KEY,
    index_name  TEXT NOT NULL,
    id          TEXT NOT NULL,
    version     INTEGER NOT NULL,
    document    TEXT,
    UNIQUE (index_name, id)
)",
};

const TEXT: Layout = Layout {
    table: "documents_text",
    columns: &["text"],
    sql: "CREATE VIRTUAL TABLE documents_text USING fts5(
    text, content = '', contentless_delete = 1, tokenize = 'unicode61 remove_diacritics 2'
)",
};

const CACHE: Layout = Layout {
    table: "cache",
    columns: &["key", "value", "version", "expires_at"],
    sql: "CREATE TABLE cache (
    key         TEXT PRIMARY KEY NOT NULL,
    value       TEXT,
    version     INTEGER NOT NULL,
    expires_at  INTEGER
);
CREATE INDEX cache_expires ON cache (expires_at) WHERE expires_at IS NOT NULL",
};

const COLLECTIONS: Layout = Layout {
    table: "collections",
    columns: &["collection", "id", "version", "document"],
    sql: "CREATE TABLE collections (
    collection  TEXT NOT NULL,
    id          TEXT NOT NULL,
    version     INTEGER NOT NULL,
    document    TEXT,
    PRIMARY KEY (collection, id)
)",
};

/// Why the tables could not be made.
pub enum Stop {
    Sqlite(rusqlite::Error),
    /// The file holds something else under the name.
    Layout(Error),
}

impl From<rusqlite::Error> for Stop {
    fn from(error: rusqlite::Error) -> Stop {
        Stop::Sqlite(error)
    }
}

/// Settings of a fresh connection.
pub fn prepare(c: Connection, suspect: bool) -> Result<Connection> {
    let tables: i64 = c.query_row("SELECT count(*) FROM sqlite_schema", [], |r| r.get(0))?;
    if tables == 0 {
        // A file of our own; whoever made another one has chosen its mode.
        c.pragma_update(None, "journal_mode", "WAL")?;
    }
    c.pragma_update(None, "synchronous", "FULL")?;
    if suspect {
        // After a failed sync the WAL may have holes on the disk that only memory covers: everything goes to the file.
        let busy: i64 = c.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |r| r.get(0))?;
        if busy != 0 {
            return Err(rusqlite::Error::SqliteFailure(
                rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY),
                None,
            ));
        }
    }
    Ok(c)
}

/// Proves that the file can be read, though others write.
pub fn ping(c: &Connection) -> Result<()> {
    c.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get::<_, i64>(0)).map(drop)
}

/// Proves that the file can be written now.
pub fn probe(c: &mut Connection) -> Result<()> {
    let transaction = c.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(MARKER)?;
    transaction.commit()
}

fn layouts(kind: TargetKind, path: &Path) -> std::result::Result<&'static [Layout], Stop> {
    match kind {
        TargetKind::Search => Ok(&[DOCUMENTS, TEXT]),
        TargetKind::Cache => Ok(&[CACHE]),
        TargetKind::Document => Ok(&[COLLECTIONS]),
        _ => {
            let what = format!("{} cannot be such a target", path.display());
            Err(Stop::Layout(Error::new(Code::ConfigConnection, what)))
        }
    }
}

/// Makes a role's tables, or makes sure that they are ours.
pub fn make(c: &mut Connection, kind: TargetKind, path: &Path) -> std::result::Result<(), Stop> {
    let layouts = layouts(kind, path)?;
    let transaction = c.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(MARKER)?;
    transaction.execute_batch(mark::TABLE)?;
    for layout in layouts {
        if !is_made(&transaction, layout, path)? {
            transaction.execute_batch(layout.sql)?;
            transaction.execute("INSERT OR IGNORE INTO _syncline_targets VALUES (?1)", [layout.table])?;
        }
    }
    Ok(transaction.commit()?)
}

/// Whether a role's tables stand there as ours or not at all. Changes nothing.
pub fn check(c: &Connection, kind: TargetKind, path: &Path) -> std::result::Result<(), Stop> {
    for layout in layouts(kind, path)? {
        is_made(c, layout, path)?;
    }
    Ok(())
}

fn is_made(c: &Connection, layout: &Layout, path: &Path) -> std::result::Result<bool, Stop> {
    let sql = "SELECT name FROM pragma_table_info(?1) ORDER BY cid";
    let found: Result<Vec<String>> = c.prepare(sql)?.query_map([layout.table], |r| r.get(0))?.collect();
    let found = found?;
    if found.is_empty() {
        return Ok(false);
    }
    let sql = "SELECT 1 FROM sqlite_schema WHERE name = '_syncline_targets'";
    let ours = c.prepare(sql)?.exists([])?
        && c.prepare("SELECT 1 FROM _syncline_targets WHERE table_name = ?1")?.exists([layout.table])?;
    if ours && found == layout.columns {
        return Ok(true);
    }
    let what = format!("{} has a table {} that is not syncline's", path.display(), layout.table);
    Err(Stop::Layout(Error::new(Code::SqliteSinkLayout, what)))
}
