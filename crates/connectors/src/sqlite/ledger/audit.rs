//! The audit in the ledger: entries as they were written, and the head, which is kept apart so that a dropped end shows.
//! What makes a chain of them, and what breaks one, is the engine's.

use rusqlite::{Connection, OptionalExtension, Result, Row, params};
use sha2::{Digest, Sha256};
use syncline_engine::audit::{AuditChain, AuditEntry, AuditHead};
use syncline_engine::ledger::AuditRecord;

use super::write::run;

/// The layout. `id` is the order in which entries were written, whatever numbers they have. The triggers are for mistakes,
/// of ours too: who means to change an entry can drop them, and is found by the chain.
const LAYOUT: &str = "
ALTER TABLE audit RENAME TO audit_before;
CREATE TABLE audit (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    number    INTEGER NOT NULL,
    at        INTEGER NOT NULL,
    actor     TEXT NOT NULL,
    action    TEXT NOT NULL,
    pipeline  TEXT NOT NULL,
    detail    TEXT NOT NULL,
    previous  TEXT NOT NULL,
    hash      TEXT NOT NULL
) STRICT;
CREATE TABLE audit_head (
    number  INTEGER NOT NULL,
    hash    TEXT NOT NULL
) STRICT;
CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit
    BEGIN SELECT RAISE(ABORT, 'the audit is only added to'); END;
CREATE TRIGGER audit_is_not_deleted BEFORE DELETE ON audit
    BEGIN SELECT RAISE(ABORT, 'the audit is only added to'); END;
";

/// Moves to that layout: what was audited before becomes the beginning of the chain, in its order.
pub fn migrate(c: &Connection) -> Result<()> {
    c.execute_batch(LAYOUT)?;
    let start = AuditHead::beginning();
    run(c, "INSERT INTO audit_head (number, hash) VALUES (?1, ?2)", params![start.number, start.hash])?;
    let sql = "SELECT at, actor, action, pipeline, detail, hash FROM audit_before ORDER BY id";
    let read = |row: &Row<'_>| Ok((record(row, 0)?, row.get::<_, Vec<u8>>(5)?));
    let before: Vec<(AuditRecord, Vec<u8>)> = c.prepare(sql)?.query_map([], read)?.collect::<Result<_>>()?;
    c.execute_batch("DROP TABLE audit_before")?;
    let (mut link, mut whole) = (Vec::new(), true);
    for (record, hash) in &before {
        link = old_link(&link, record);
        whole &= link == *hash;
        add(c, record)?;
    }
    if before.is_empty() {
        return Ok(());
    }
    // The new chain must not make good what the old hashes show to be wrong.
    let detail = serde_json::json!({ "entries": before.len(), "whole": whole });
    add(c, &AuditRecord::now("syncline", "audit chained anew", "", &detail))
}

/// The hash of earlier layouts: SHA-256 over the previous one, then each field with its length in front.
pub(super) fn old_link(previous: &[u8], record: &AuditRecord) -> Vec<u8> {
    let mut hash = Sha256::new();
    hash.update(previous);
    let at = record.at.to_string();
    for field in [&at, &record.actor, &record.action, &record.pipeline, &record.detail] {
        hash.update((field.len() as u64).to_be_bytes());
        hash.update(field.as_bytes());
    }
    hash.finalize().to_vec()
}

/// Adds an entry. The writer's transaction has locked the file before anything is read here: two entries never follow the
/// same one.
pub fn add(c: &Connection, record: &AuditRecord) -> Result<()> {
    let entry = AuditEntry::after(&last(c)?, record.clone());
    let AuditRecord { at, actor, action, pipeline, detail } = &entry.record;
    let sql = "INSERT INTO audit (number, at, actor, action, pipeline, detail, previous, hash)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    run(c, sql, params![entry.number, at, actor, action, pipeline, detail, entry.previous, entry.hash])?;
    run(c, "UPDATE audit_head SET number = ?1, hash = ?2", params![entry.number, entry.hash]).map(drop)
}

/// What the next entry follows. The head says it even if the entries say otherwise: going on from them would hide what is
/// missing. A head that is gone stays gone, for the same reason, and holds nothing up.
fn last(c: &Connection) -> Result<AuditHead> {
    if let Some(head) = head(c)? {
        return Ok(head);
    }
    let sql = "SELECT number, hash FROM audit ORDER BY id DESC LIMIT 1";
    let entry = c.prepare_cached(sql)?.query_row([], read_head).optional()?;
    Ok(entry.unwrap_or_else(AuditHead::beginning))
}

fn head(c: &Connection) -> Result<Option<AuditHead>> {
    c.prepare_cached("SELECT number, hash FROM audit_head")?.query_row([], read_head).optional()
}

fn read_head(row: &Row<'_>) -> Result<AuditHead> {
    Ok(AuditHead { number: row.get(0)?, hash: row.get(1)? })
}

fn record(row: &Row<'_>, first: usize) -> Result<AuditRecord> {
    Ok(AuditRecord {
        at: row.get(first)?,
        actor: row.get(first + 1)?,
        action: row.get(first + 2)?,
        pipeline: row.get(first + 3)?,
        detail: row.get(first + 4)?,
    })
}

/// All of it.
pub fn chain(c: &Connection) -> Result<AuditChain> {
    let sql = "SELECT number, previous, hash, at, actor, action, pipeline, detail FROM audit ORDER BY id";
    let entry = |row: &Row<'_>| {
        let (number, previous, hash) = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok(AuditEntry { number, previous, hash, record: record(row, 3)? })
    };
    let entries = c.prepare_cached(sql)?.query_map([], entry)?.collect::<Result<_>>()?;
    Ok(AuditChain { entries, head: head(c)? })
}
