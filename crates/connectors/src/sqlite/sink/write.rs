//! Writing: one synced transaction per call, each delivery gated by the version that stands in the table. A row that SQLite
//! refuses harms only itself; anything about the file fails the call.

use rusqlite::{Connection, ErrorCode, OptionalExtension, Result, TransactionBehavior, params};
use syncline_engine::error::{Code, Error};
use syncline_engine::mark::Marks;
use syncline_engine::route::TargetKind;
use syncline_engine::sink::{Body, Held, Outcome};
use syncline_engine::version::Version;

use super::texts::{self, BinaryFields};
use super::{Item, mark};

/// Expired entries are removed so often at most.
pub const PURGE_MILLIS: i64 = 10_000;
/// What has expired keeps its version for a day, so that a replay does not bring it back to life.
const EXPIRED_KEEP: i64 = 24 * 3600 * 1000;
/// Entries removed at once.
const PURGE_ROWS: i64 = 5000;

/// Why a call failed as a whole.
#[derive(Debug)]
pub enum Stop {
    Sqlite(rusqlite::Error),
    /// A version of a higher epoch stands in the target.
    Foreign(String),
}

impl From<rusqlite::Error> for Stop {
    fn from(error: rusqlite::Error) -> Stop {
        Stop::Sqlite(error)
    }
}

/// Writes all items; one outcome each, and the pipeline's mark behind them.
pub fn apply(
    c: &mut Connection,
    pipeline: &str,
    items: &[Item],
    now: i64,
    binary: &BinaryFields,
) -> std::result::Result<(Vec<Outcome>, Marks), Stop> {
    let transaction = c.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut outcomes = Vec::with_capacity(items.len());
    let mut text = String::new();
    for item in items {
        outcomes.push(one(&transaction, item, now, binary, &mut text)?);
    }
    let epoch = items.iter().map(|item| item.version.epoch()).max().unwrap_or_default();
    let marks = mark::raise(&transaction, pipeline, epoch)?;
    transaction.commit()?;
    Ok((outcomes, marks))
}

fn one(
    c: &Connection,
    item: &Item,
    now: i64,
    binary: &BinaryFields,
    text: &mut String,
) -> std::result::Result<Outcome, Stop> {
    let document = match &item.body {
        Body::Absent => None,
        Body::Document(bytes) => match std::str::from_utf8(bytes) {
            Ok(document) => Some(document),
            Err(error) => return Ok(refused("the document is not UTF-8", error)),
        },
        Body::Line(_) => return Ok(refused("a change line is no document", "a wrong kind of target")),
    };
    let written = match item.plan.spec.kind {
        TargetKind::Search => {
            text.clear();
            match document.map(|document| texts::collect(document, binary.of(item.plan.id), text)).transpose()
            {
                Ok(_) => search(c, item, document, text),
                Err(error) => return Ok(refused("the document is not JSON", error)),
            }
        }
        TargetKind::Cache => cache(c, item, document, now),
        _ => collection(c, item, document),
    };
    match written {
        Ok(true) => Ok(Outcome::Applied),
        Ok(false) => superseded(c, item),
        Err(error) if is_row(&error) && !c.is_autocommit() => {
            Ok(refused("SQLite refuses the document", error))
        }
        Err(error) => Err(Stop::Sqlite(error)),
    }
}

fn refused(what: &str, cause: impl std::fmt::Display) -> Outcome {
    Outcome::Refused(Error::new(Code::SqliteSinkRefused, what).cause(cause))
}

/// Whether the error is about the row, not about the file.
fn is_row(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::ConstraintViolation | ErrorCode::TooBig | ErrorCode::TypeMismatch)
    )
}

fn number(version: Version) -> i64 {
    // Versions end below 2⁶³.
    version.get().cast_signed()
}

/// The document and its text stand or fall together.
fn search(c: &Connection, item: &Item, document: Option<&str>, text: &str) -> Result<bool> {
    c.prepare_cached("SAVEPOINT document")?.execute([])?;
    let written = search_rows(c, item, document, text);
    if written.is_err() && !c.is_autocommit() {
        c.prepare_cached("ROLLBACK TO document")?.execute([])?;
    }
    if !c.is_autocommit() {
        c.prepare_cached("RELEASE document")?.execute([])?;
    }
    written
}

fn search_rows(c: &Connection, item: &Item, document: Option<&str>, text: &str) -> Result<bool> {
    let sql = "INSERT INTO documents (index_name, id, version, document) VALUES (?1, ?2, ?3, ?4)
               ON CONFLICT (index_name, id) DO UPDATE SET version = excluded.version, document = excluded.document
               WHERE version <= excluded.version RETURNING number";
    let (target, id) = (&*item.address.target, &*item.address.id);
    let values = params![target, id, number(item.version), document];
    let written: Option<i64> = c.prepare_cached(sql)?.query_row(values, |r| r.get(0)).optional()?;
    let Some(row) = written else { return Ok(false) };
    match document {
        Some(_) => {
            let sql = "INSERT OR REPLACE INTO documents_text (rowid, text) VALUES (?1, ?2)";
            c.prepare_cached(sql)?.execute(params![row, text])?;
        }
        None => {
            c.prepare_cached("DELETE FROM documents_text WHERE rowid = ?1")?.execute([row])?;
        }
    }
    Ok(true)
}

fn collection(c: &Connection, item: &Item, document: Option<&str>) -> Result<bool> {
    let sql = "INSERT INTO collections (collection, id, version, document) VALUES (?1, ?2, ?3, ?4)
               ON CONFLICT DO UPDATE SET version = excluded.version, document = excluded.document
               WHERE version <= excluded.version";
    let values = params![&*item.address.target, &*item.address.id, number(item.version), document];
    Ok(c.prepare_cached(sql)?.execute(values)? > 0)
}

fn cache(c: &Connection, item: &Item, value: Option<&str>, now: i64) -> Result<bool> {
    let spec = &item.plan.spec;
    let life = if value.is_some() { spec.ttl } else { spec.tombstone_ttl };
    let until = life.map(|life| now.saturating_add(i64::try_from(life.as_millis()).unwrap_or(i64::MAX)));
    // The same version once more does not lengthen its life.
    let sql = "INSERT INTO cache (key, value, version, expires_at) VALUES (?1, ?2, ?3, ?4)
               ON CONFLICT DO UPDATE SET value = excluded.value, version = excluded.version,
                   expires_at = CASE WHEN version = excluded.version AND (value IS NULL) = (excluded.value IS NULL)
                       THEN expires_at ELSE excluded.expires_at END
               WHERE version <= excluded.version";
    Ok(c.prepare_cached(sql)?.execute(params![&*item.address.id, value, number(item.version), until])? > 0)
}

/// The gate said no: an older write, or somebody else's file.
fn superseded(c: &Connection, item: &Item) -> std::result::Result<Outcome, Stop> {
    let (target, id) = (&*item.address.target, &*item.address.id);
    let (sql, values) = match item.plan.spec.kind {
        TargetKind::Search => {
            ("SELECT version FROM documents WHERE index_name = ?1 AND id = ?2", params![target, id])
        }
        TargetKind::Cache => ("SELECT version FROM cache WHERE key = ?1", params![id]),
        _ => ("SELECT version FROM collections WHERE collection = ?1 AND id = ?2", params![target, id]),
    };
    let stored: i64 = c.prepare_cached(sql)?.query_row(values, |r| r.get(0))?;
    let stored = u64::try_from(stored).ok().and_then(Version::from_raw);
    match stored {
        Some(stored) if stored.epoch() <= item.version.epoch() => Ok(Outcome::Superseded),
        _ => {
            let held =
                stored.map_or_else(|| "no version of ours".to_owned(), |v| format!("epoch {}", v.epoch()));
            let ours = item.version.epoch();
            Err(Stop::Foreign(format!("{id} holds {held}, this pipeline writes epoch {ours}")))
        }
    }
}

/// Removes what expired long ago.
pub fn purge(c: &mut Connection, now: i64) -> Result<()> {
    let sql = "DELETE FROM cache WHERE rowid IN (SELECT rowid FROM cache
                   WHERE expires_at <= ?1 AND (value IS NULL OR expires_at <= ?1 - ?2) LIMIT ?3)";
    c.prepare_cached(sql)?.execute([now, EXPIRED_KEEP, PURGE_ROWS]).map(drop)
}

/// Removes what stands at these addresses with exactly these versions, as if nothing had ever been there.
pub fn displace(c: &mut Connection, kind: TargetKind, held: &[Held]) -> Result<Vec<bool>> {
    let transaction = c.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut displaced = Vec::with_capacity(held.len());
    for held in held {
        let (target, id) = (&*held.address.target, &*held.address.id);
        let version = i64::try_from(held.version.get()).unwrap_or(i64::MAX);
        let values = params![target, id, version];
        let sql = match kind {
            TargetKind::Search => {
                let sql = "DELETE FROM documents_text WHERE rowid IN (SELECT number FROM documents
                    WHERE index_name = ?1 AND id = ?2 AND version = ?3)";
                transaction.execute(sql, values)?;
                "DELETE FROM documents WHERE index_name = ?1 AND id = ?2 AND version = ?3"
            }
            TargetKind::Cache => "DELETE FROM cache WHERE ?1 IS NOT NULL AND key = ?2 AND version = ?3",
            _ => "DELETE FROM collections WHERE collection = ?1 AND id = ?2 AND version = ?3",
        };
        displaced.push(transaction.execute(sql, values)? > 0);
    }
    transaction.commit()?;
    Ok(displaced)
}
