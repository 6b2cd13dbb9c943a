//! What the source keeps in the user's own file, and its bookkeeping there.
//!
//! ```text
//! _syncline_meta(name, value)       identity: a random name of this history; pruned: the highest change forgotten
//! _syncline_shapes(id, table_name, columns, live)  a table's columns as its triggers record them (JSON)
//! _syncline_changes(id, shape, op, at, v0, v1, …)  one row per image, values in the shape's column order
//!     op  I inserted, D deleted, B before and A after an update (always next to each other),
//!         S columns as of here (v0: appeared | altered | reread | unseen), X the table is gone
//!     at  milliseconds since 1970, for people only
//! _syncline_replaced(seq, shape, rid, v0, v1, …)   rows that the statement at work may be about to replace
//! _syncline_consumers(name, acknowledged, seen)    how far each pipeline has come; below the lowest is pruned
//! ```
//!
//! Values keep their storage class: no column here has a type. Ids are without holes, so a missing one is a gap. To take
//! the capture out of a file, drop its triggers and these tables.

use rusqlite::{Connection, OptionalExtension as _, Result, params};

/// Tables, triggers and columns with this prefix are ours.
pub const PREFIX: &str = "_syncline";

const TABLES: &str = "
CREATE TABLE IF NOT EXISTS _syncline_meta (name TEXT PRIMARY KEY, value);
CREATE TABLE IF NOT EXISTS _syncline_shapes (
    id INTEGER PRIMARY KEY AUTOINCREMENT, table_name TEXT, columns TEXT, live INTEGER);
CREATE TABLE IF NOT EXISTS _syncline_changes (id INTEGER PRIMARY KEY AUTOINCREMENT, shape, op, at);
CREATE TABLE IF NOT EXISTS _syncline_replaced (seq INTEGER PRIMARY KEY, shape, rid);
CREATE TABLE IF NOT EXISTS _syncline_consumers (name TEXT PRIMARY KEY, acknowledged INTEGER, seen INTEGER);
INSERT INTO _syncline_meta (name, value) SELECT 'identity', lower(hex(randomblob(16)))
    WHERE NOT EXISTS (SELECT 1 FROM _syncline_meta WHERE name = 'identity');
INSERT INTO _syncline_meta (name, value) SELECT 'pruned', 0
    WHERE NOT EXISTS (SELECT 1 FROM _syncline_meta WHERE name = 'pruned');
";

/// Makes what is missing. Inside a write transaction.
pub fn make(c: &Connection) -> Result<()> {
    c.execute_batch(TABLES)
}

/// Whether capture has been set up in this file.
pub fn exists(c: &Connection) -> Result<bool> {
    c.prepare_cached("SELECT 1 FROM sqlite_schema WHERE name = '_syncline_meta'")?.exists([])
}

/// Makes sure that rows of so many values fit. Inside a write transaction.
pub fn widen(c: &Connection, values: usize) -> Result<()> {
    for table in ["_syncline_changes", "_syncline_replaced"] {
        for n in width(c, table)?..values {
            c.execute_batch(&format!("ALTER TABLE {table} ADD COLUMN v{n}"))?;
        }
    }
    Ok(())
}

fn width(c: &Connection, table: &str) -> Result<usize> {
    let sql = "SELECT count(*) FROM pragma_table_info(?1) WHERE name GLOB 'v[0-9]*'";
    let columns: i64 = c.prepare_cached(sql)?.query_row([table], |r| r.get(0))?;
    Ok(usize::try_from(columns).unwrap_or(0))
}

/// The random name of the file's history.
pub fn identity(c: &Connection) -> Result<String> {
    let sql = "SELECT value FROM _syncline_meta WHERE name = 'identity'";
    c.prepare_cached(sql)?.query_row([], |r| r.get(0))
}

/// The highest change that is forgotten.
pub fn pruned(c: &Connection) -> Result<i64> {
    c.prepare_cached("SELECT value FROM _syncline_meta WHERE name = 'pruned'")?.query_row([], |r| r.get(0))
}

/// The highest change there ever was. SQLite's own sequence is behind after an `OR FAIL` that failed: it is written at a
/// statement's end only.
pub fn last(c: &Connection) -> Result<i64> {
    let sql = "SELECT max(coalesce((SELECT seq FROM sqlite_sequence WHERE name = '_syncline_changes'), 0),
                   coalesce((SELECT max(id) FROM _syncline_changes), 0))";
    c.prepare_cached(sql)?.query_row([], |r| r.get(0))
}

/// When a change was recorded; `None` if it is not there.
pub fn recorded_at(c: &Connection, id: i64) -> Result<Option<i64>> {
    c.prepare_cached("SELECT at FROM _syncline_changes WHERE id = ?1")?
        .query_row([id], |r| r.get(0))
        .optional()
}

/// Changes with the schema, whoever changed it.
pub fn schema_version(c: &Connection) -> Result<i64> {
    c.prepare_cached("PRAGMA schema_version")?.query_row([], |r| r.get(0))
}

/// Adds an entry that is no row: `S` or `X`.
pub fn note(c: &Connection, shape: i64, op: &str, what: &str) -> Result<()> {
    let sql = "INSERT INTO _syncline_changes (shape, op, at, v0) VALUES (?1, ?2, ?3, ?4)";
    c.prepare_cached(sql)?.execute(params![shape, op, syncline_engine::clock::now_millis(), what]).map(drop)
}
