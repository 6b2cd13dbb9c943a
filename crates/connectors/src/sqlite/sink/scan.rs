//! Walking what a file holds for a target, a page of rows at a time in the order in which they were first written.
//! Nothing is written, and between two pages the file is free.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Result, params};
use syncline_engine::route::{Scope, TargetKind};
use syncline_engine::sink::{Address, Held};
use syncline_engine::version::Version;

use super::search::{glob, has_table};

/// Rows that are looked at in one step, so that a target which is a small part of the file does not hold up writes.
const PAGE: usize = 1000;

/// Which rows are walked.
#[derive(Clone)]
pub struct Walk {
    table: &'static str,
    sql: &'static str,
    /// What the column of `sql` is compared with.
    pattern: String,
    below: Version,
}

/// What one step found.
#[derive(Default)]
pub struct Step {
    pub held: Vec<Held>,
    /// The row to go on behind; `None` at the end.
    pub last: Option<i64>,
}

const DOCUMENTS: &str = "SELECT number, index_name, id, version,
        document IS NOT NULL AND index_name GLOB ?3
    FROM documents WHERE number > ?1 AND number <= ?2 ORDER BY number LIMIT ?5";

const CACHE: &str = "SELECT rowid, '', key, version,
        value IS NOT NULL AND key GLOB ?3 AND (expires_at IS NULL OR expires_at > ?4)
    FROM cache WHERE rowid > ?1 AND rowid <= ?2 ORDER BY rowid LIMIT ?5";

const COLLECTIONS: &str = "SELECT rowid, collection, id, version,
        document IS NOT NULL AND collection GLOB ?3
    FROM collections WHERE rowid > ?1 AND rowid <= ?2 ORDER BY rowid LIMIT ?5";

impl Walk {
    /// The rows of the scope's target that are older than `below`.
    pub fn new(scope: &Scope, below: Version) -> Walk {
        let (table, sql, names) = match scope.plan.spec.kind {
            TargetKind::Search => ("documents", DOCUMENTS, scope.names()),
            TargetKind::Cache => ("cache", CACHE, scope.ids()),
            _ => ("collections", COLLECTIONS, scope.names()),
        };
        // A name with a `*` of its own would be taken for a pattern: then all rows are told, and the reader decides.
        let pattern = names.map_or_else(|| "*".to_owned(), |names| glob(&names));
        Walk { table, sql, pattern, below }
    }

    /// The last row there is, if any; what is written behind it meanwhile need not be told.
    pub fn end(&self, c: &Connection) -> Result<Option<i64>> {
        if !has_table(c, self.table)? {
            return Ok(None);
        }
        c.query_row(&format!("SELECT max(rowid) FROM {}", self.table), [], |r| r.get(0))
    }

    /// The page behind row `after`, up to row `end`.
    pub fn step(&self, c: &Connection, after: i64, end: i64, now: i64) -> Result<Step> {
        let mut statement = c.prepare_cached(self.sql)?;
        let mut rows = statement.query(params![after, end, self.pattern, now, PAGE as i64])?;
        let mut held = Vec::new();
        let (mut count, mut last) = (0, after);
        while let Some(row) = rows.next()? {
            (count, last) = (count + 1, row.get(0)?);
            if row.get::<_, Option<bool>>(4)? != Some(true) {
                continue;
            }
            // Text of somebody else's making may be anything.
            let text = |column| row.get_ref(column).ok().and_then(|value| value.as_str().ok());
            let (Some(target), Some(id)) = (text(1), text(2)) else { continue };
            let version = match row.get_ref(3)? {
                ValueRef::Integer(number) => u64::try_from(number).ok().and_then(Version::from_raw),
                _ => None,
            };
            let version = version.unwrap_or(Version::ZERO);
            if version < self.below {
                held.push(Held { address: Address { target: target.into(), id: id.into() }, version });
            }
        }
        Ok(Step { held, last: (count == PAGE).then_some(last) })
    }
}
