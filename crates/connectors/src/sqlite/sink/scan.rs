//! Reading what a file holds: all of a target, a page of rows at a time in the order in which they were first written, or
//! what is at some addresses. Nothing is written, and between two pages the file is free.

use std::sync::Arc;

use bytes::Bytes;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, Result, Row, params};
use syncline_engine::route::{Scope, TargetKind};
use syncline_engine::sink::{Address, Held, Look};
use syncline_engine::version::Version;

use super::search::{glob, has_table};

/// Rows that are looked at in one step, so that a target which is a small part of the file does not hold up writes.
const PAGE: usize = 1000;
/// Bytes that their documents take, about.
const TEXTS: usize = 96 << 10;

/// Which rows are walked.
#[derive(Clone)]
pub struct Walk {
    table: &'static str,
    sql: &'static str,
    /// What the column of `sql` is compared with.
    pattern: String,
    look: Look,
}

/// What one step found.
#[derive(Default)]
pub struct Step {
    pub held: Vec<Held>,
    /// The row to go on behind; `None` at the end.
    pub last: Option<i64>,
}

// Without the `+ 0` SQLite plans a statement anew for every page: it looks at bare parameters, to guess how many rows there are.
const DOCUMENTS: &str = "SELECT number, index_name, id,
        CASE WHEN document IS NOT NULL AND index_name GLOB ?3 THEN ifnull(version, 0) END, CASE WHEN ?6 THEN document END
    FROM documents WHERE number > ?1 + 0 AND number <= ?2 + 0 ORDER BY number LIMIT ?5 + 0";

const CACHE: &str = "SELECT rowid, '', key,
        CASE WHEN value IS NOT NULL AND key GLOB ?3 AND (expires_at IS NULL OR expires_at > ?4) THEN ifnull(version, 0) END,
        CASE WHEN ?6 THEN value END
    FROM cache WHERE rowid > ?1 + 0 AND rowid <= ?2 + 0 ORDER BY rowid LIMIT ?5 + 0";

const COLLECTIONS: &str = "SELECT rowid, collection, id,
        CASE WHEN document IS NOT NULL AND collection GLOB ?3 THEN ifnull(version, 0) END, CASE WHEN ?6 THEN document END
    FROM collections WHERE rowid > ?1 + 0 AND rowid <= ?2 + 0 ORDER BY rowid LIMIT ?5 + 0";

impl Walk {
    /// The rows of the scope's target that are asked for.
    pub fn new(scope: &Scope, look: Look) -> Walk {
        let (table, sql, names) = match scope.plan.spec.kind {
            TargetKind::Search => ("documents", DOCUMENTS, scope.names()),
            TargetKind::Cache => ("cache", CACHE, scope.ids()),
            _ => ("collections", COLLECTIONS, scope.names()),
        };
        // A name with a `*` of its own would be taken for a pattern: then all rows are told, and the reader decides.
        let pattern = names.map_or_else(|| "*".to_owned(), |names| glob(&names));
        Walk { table, sql, pattern, look }
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
        let mut rows =
            statement.query(params![after, end, self.pattern, now, PAGE as i64, self.look.documents()])?;
        let mut held = Vec::with_capacity(PAGE);
        // What the documents are slices of, in the end.
        let (mut texts, mut places) = (Vec::with_capacity(TEXTS), Vec::with_capacity(PAGE));
        let (mut count, mut last) = (0, after);
        let mut name: Arc<str> = Arc::default();
        while let Some(row) = rows.next()? {
            (count, last) = (count + 1, row.get(0)?);
            let version = match row.get_ref(3)? {
                // Not of the target, or a tombstone.
                ValueRef::Null => continue,
                value => version(value),
            };
            // Text of somebody else's making may be anything.
            let text = |column| row.get_ref(column).ok().and_then(|value| value.as_str().ok());
            let (Some(target), Some(id)) = (text(1), text(2)) else { continue };
            if self.look.tells(version) {
                // Neighbours usually share it.
                if *name != *target {
                    name = target.into();
                }
                let address = Address { target: Arc::clone(&name), id: id.into() };
                held.push(Held { address, version, document: None });
                let start = texts.len();
                let document = raw(row, 4)?.map(|document| texts.extend_from_slice(document));
                places.push(document.map(|()| start..texts.len()));
            }
        }
        let texts = Bytes::from(texts);
        for (held, place) in held.iter_mut().zip(places) {
            held.document = place.map(|place| texts.slice(place));
        }
        Ok(Step { held, last: (count == PAGE).then_some(last) })
    }
}

/// Zero where somebody else wrote anything but a version.
fn version(value: ValueRef<'_>) -> Version {
    match value {
        ValueRef::Integer(number) => {
            u64::try_from(number).ok().and_then(Version::from_raw).unwrap_or(Version::ZERO)
        }
        _ => Version::ZERO,
    }
}

fn raw<'r>(row: &'r Row<'_>, column: usize) -> Result<Option<&'r [u8]>> {
    Ok(match row.get_ref(column)? {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Some(bytes),
        _ => None,
    })
}

/// What is at these addresses, in their order.
pub fn read(c: &Connection, kind: TargetKind, addresses: &[Address], now: i64) -> Result<Vec<Option<Held>>> {
    let (table, sql) = match kind {
        TargetKind::Search => (
            "documents",
            "SELECT version, document FROM documents WHERE index_name = ?1 AND id = ?2 AND document IS NOT NULL AND ?3",
        ),
        TargetKind::Cache => {
            let sql =
                "SELECT version, value FROM cache WHERE ?1 IS NOT NULL AND key = ?2 AND value IS NOT NULL
                AND (expires_at IS NULL OR expires_at > ?3)";
            ("cache", sql)
        }
        _ => (
            "collections",
            "SELECT version, document FROM collections WHERE collection = ?1 AND id = ?2 AND document IS NOT NULL AND ?3",
        ),
    };
    if !has_table(c, table)? {
        return Ok(vec![None; addresses.len()]);
    }
    let mut statement = c.prepare_cached(sql)?;
    let mut one = |address: &Address| {
        let values = params![&*address.target, &*address.id, now];
        let held = |row: &Row<'_>| {
            Ok(Held {
                address: address.clone(),
                version: version(row.get_ref(0)?),
                document: raw(row, 1)?.map(Bytes::copy_from_slice),
            })
        };
        statement.query_row(values, held).optional()
    };
    addresses.iter().map(&mut one).collect()
}

/// The versions of the tombstones at these addresses, in their order.
pub fn tombstones(c: &Connection, kind: TargetKind, addresses: &[Address]) -> Result<Vec<Option<Version>>> {
    let (table, sql) = match kind {
        TargetKind::Search => (
            "documents",
            "SELECT version FROM documents WHERE index_name = ?1 AND id = ?2 AND document IS NULL",
        ),
        TargetKind::Cache => {
            ("cache", "SELECT version FROM cache WHERE ?1 IS NOT NULL AND key = ?2 AND value IS NULL")
        }
        _ => (
            "collections",
            "SELECT version FROM collections WHERE collection = ?1 AND id = ?2 AND document IS NULL",
        ),
    };
    if !has_table(c, table)? {
        return Ok(vec![None; addresses.len()]);
    }
    let mut statement = c.prepare_cached(sql)?;
    let mut one = |address: &Address| {
        statement
            .query_row(params![&*address.target, &*address.id], |row| Ok(version(row.get_ref(0)?)))
            .optional()
    };
    addresses.iter().map(&mut one).collect()
}
