//! The mark of a pipeline in a target file: a count that each transaction raises, and a token that is drawn when the file is
//! made. A copy from a backup has a lower count.

use rusqlite::{Connection, OptionalExtension, Result, Row, params};
use syncline_engine::mark::{Mark, Marks};

use crate::token;

/// Its table: part of every target file.
pub const TABLE: &str = "CREATE TABLE IF NOT EXISTS _syncline_mark (
    pipeline  TEXT PRIMARY KEY NOT NULL,
    token     TEXT NOT NULL,
    count     INTEGER NOT NULL,
    epoch     INTEGER NOT NULL
) WITHOUT ROWID";
const PART: &str = "file";

/// One more transaction that writes up to this epoch.
pub fn raise(c: &Connection, pipeline: &str, epoch: u16) -> Result<Marks> {
    let sql = "INSERT INTO _syncline_mark (pipeline, token, count, epoch) VALUES (?1, ?2, 1, ?3)
               ON CONFLICT DO UPDATE SET count = count + 1, epoch = max(epoch, excluded.epoch)
               RETURNING token, count, epoch";
    c.prepare_cached(sql)?.query_row(params![pipeline, token::draw(), epoch], read_row).map(marks)
}

/// The mark as it stands there.
pub fn read(c: &Connection, pipeline: &str) -> Result<Marks> {
    let sql = "SELECT 1 FROM sqlite_schema WHERE name = '_syncline_mark'";
    if !c.prepare(sql)?.exists([])? {
        return Ok(Marks::default());
    }
    let sql = "SELECT token, count, epoch FROM _syncline_mark WHERE pipeline = ?1";
    let found = c.prepare(sql)?.query_row([pipeline], read_row).optional()?;
    Ok(found.map(marks).unwrap_or_default())
}

fn read_row(row: &Row<'_>) -> Result<Mark> {
    let count: i64 = row.get(1)?;
    Ok(Mark { token: row.get(0)?, count: count.unsigned_abs(), epoch: row.get(2)?, target: None })
}

fn marks(mark: Mark) -> Marks {
    Marks([(PART.to_owned(), mark)].into())
}
