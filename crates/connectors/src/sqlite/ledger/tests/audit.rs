//! The audit: one chain whoever writes, made of what older layouts hold, and found when the file is changed behind the
//! ledger's back.

use std::path::Path;
use std::sync::Arc;

use rusqlite::{Connection, params};
use syncline_engine::audit::{AuditHead, FaultKind};
use syncline_engine::ledger::{AuditRecord, Ledger};

use super::super::audit::old_link;
use super::super::schema::{APPLICATION, MIGRATIONS};
use super::{SqliteLedger, open};

/// The first layout in which the audit is such a chain.
const CHAINED: usize = 5;

fn record(n: i64) -> AuditRecord {
    AuditRecord {
        at: n,
        actor: "cli".into(),
        action: "dlq discard".into(),
        pipeline: "p".into(),
        detail: format!("{{\"id\":{n}}}"),
    }
}

/// A ledger with five entries, which these statements are run on from outside; what is found then.
async fn after(statements: &str) -> Result<AuditHead, (i64, FaultKind)> {
    let data = tempfile::tempdir().unwrap();
    let ledger = open(data.path());
    for n in 1..=5 {
        ledger.audit(&record(n)).await.unwrap();
    }
    let outside = outside(data.path());
    outside.execute_batch(statements).unwrap();
    verified(&ledger).await
}

/// Somebody with the file in hand.
fn outside(data: &Path) -> Connection {
    let c = Connection::open(data.join("ledger.db")).unwrap();
    c.execute_batch("DROP TRIGGER audit_is_not_changed; DROP TRIGGER audit_is_not_deleted").unwrap();
    c
}

async fn verified(ledger: &SqliteLedger) -> Result<AuditHead, (i64, FaultKind)> {
    ledger.audits().await.unwrap().verify(None).map_err(|fault| (fault.number, fault.kind))
}

#[tokio::test]
async fn entries_read_back_as_a_chain() {
    let data = tempfile::tempdir().unwrap();
    let ledger = open(data.path());
    assert_eq!(verified(&ledger).await, Ok(AuditHead::beginning()));
    for n in 1..=3 {
        ledger.audit(&record(n)).await.unwrap();
    }
    drop(ledger);
    let chain = open(data.path()).audits().await.unwrap();
    assert_eq!(chain.verify(None).unwrap().number, 3);
    let records: Vec<AuditRecord> = chain.entries.into_iter().map(|entry| entry.record).collect();
    assert_eq!(records, [record(1), record(2), record(3)]);
}

#[tokio::test]
async fn what_is_done_to_the_file_is_found() {
    let swapped = "UPDATE audit SET id = 9 WHERE id = 2; UPDATE audit SET id = 2 WHERE id = 4; UPDATE audit SET id = 4 WHERE id = 9";
    let inserted = "UPDATE audit SET id = id + 1 WHERE id = 5;
        INSERT INTO audit SELECT 5, 5, at, actor, action, pipeline, detail, previous, hash FROM audit WHERE id = 4";
    let cases = [
        ("UPDATE audit SET detail = '{}' WHERE number = 3", (3, FaultKind::Changed)),
        ("UPDATE audit SET at = at + 1 WHERE number = 5", (5, FaultKind::Changed)),
        ("DELETE FROM audit WHERE number = 2", (2, FaultKind::Missing)),
        ("DELETE FROM audit WHERE number >= 4", (4, FaultKind::CutOff)),
        ("DELETE FROM audit", (1, FaultKind::CutOff)),
        (swapped, (4, FaultKind::OutOfOrder)),
        (inserted, (5, FaultKind::Changed)),
        ("DELETE FROM audit_head", (5, FaultKind::NoHead)),
        ("UPDATE audit_head SET number = 3", (4, FaultKind::Added)),
    ];
    assert_eq!(after("").await.unwrap().number, 5);
    for (statements, fault) in cases {
        assert_eq!(after(statements).await, Err(fault), "{statements}");
    }
}

#[tokio::test]
async fn what_is_missing_stays_missing_when_more_is_written() {
    let cases = [
        ("DELETE FROM audit WHERE number >= 4", (4, FaultKind::Missing)),
        ("DELETE FROM audit_head", (6, FaultKind::NoHead)),
        (
            "INSERT INTO audit SELECT 6, 6, at, actor, action, pipeline, detail, hash, hash FROM audit WHERE id = 5",
            (6, FaultKind::Changed),
        ),
    ];
    for (statements, fault) in cases {
        let data = tempfile::tempdir().unwrap();
        let ledger = open(data.path());
        for n in 1..=5 {
            ledger.audit(&record(n)).await.unwrap();
        }
        outside(data.path()).execute_batch(statements).unwrap();
        ledger.audit(&record(6)).await.unwrap();
        assert_eq!(verified(&ledger).await, Err(fault), "{statements}");
    }
}

#[tokio::test]
async fn no_statement_changes_an_entry_by_mistake() {
    let data = tempfile::tempdir().unwrap();
    let ledger = open(data.path());
    ledger.audit(&record(1)).await.unwrap();
    let c = Connection::open(data.path().join("ledger.db")).unwrap();
    for statement in ["UPDATE audit SET at = 0", "DELETE FROM audit"] {
        assert!(c.execute_batch(statement).unwrap_err().to_string().contains("only added to"));
    }
    assert_eq!(verified(&ledger).await.unwrap().number, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_writers_in_two_processes_make_one_chain() {
    let data = tempfile::tempdir().unwrap();
    let running = Arc::new(open(data.path()));
    let beside = Arc::new(SqliteLedger::shared(data.path()).unwrap().unwrap());
    let writers = (0..64).map(|n| {
        let ledger = Arc::clone(if n % 2 == 0 { &running } else { &beside });
        tokio::spawn(async move {
            for m in 0..5 {
                ledger.audit(&record(n * 5 + m)).await.unwrap();
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    assert_eq!(verified(&running).await.unwrap().number, 320);
    let mut seen: Vec<i64> =
        beside.audits().await.unwrap().entries.iter().map(|entry| entry.record.at).collect();
    seen.sort_unstable();
    assert_eq!(seen, (0..320).collect::<Vec<_>>());
}

/// A ledger as it was before, with these entries, the third of which is missing in the numbers.
fn before_the_chain(data: &Path, entries: &[AuditRecord]) {
    let c = Connection::open(data.join("ledger.db")).unwrap();
    for step in &MIGRATIONS[..CHAINED - 1] {
        step(&c).unwrap();
    }
    c.pragma_update(None, "application_id", APPLICATION).unwrap();
    c.pragma_update(None, "user_version", CHAINED as i64 - 1).unwrap();
    let mut hash = Vec::new();
    for (n, record) in entries.iter().enumerate() {
        hash = old_link(&hash, record);
        let id = if n < 2 { n as i64 + 1 } else { n as i64 + 2 };
        let AuditRecord { at, actor, action, pipeline, detail } = record;
        let sql =
            "INSERT INTO audit (id, at, actor, action, pipeline, detail, hash) VALUES (?, ?, ?, ?, ?, ?, ?)";
        c.execute(sql, params![id, at, actor, action, pipeline, detail, hash]).unwrap();
    }
}

#[tokio::test]
async fn what_was_audited_before_is_the_beginning_of_the_chain() {
    for whole in [true, false] {
        let data = tempfile::tempdir().unwrap();
        before_the_chain(data.path(), &[record(1), record(2), record(3)]);
        if !whole {
            let c = Connection::open(data.path().join("ledger.db")).unwrap();
            c.execute_batch("UPDATE audit SET actor = 'nobody' WHERE id = 2").unwrap();
        }
        let ledger = open(data.path());
        ledger.audit(&record(5)).await.unwrap();
        assert_eq!(verified(&ledger).await.unwrap().number, 5);
        let entries = ledger.audits().await.unwrap().entries;
        assert_eq!(entries[1].record.actor, if whole { "cli" } else { "nobody" });
        assert_eq!((&entries[2].record, &entries[4].record), (&record(3), &record(5)));
        assert_eq!(entries[3].record.action, "audit chained anew");
        assert_eq!(entries[3].record.detail, format!("{{\"entries\":3,\"whole\":{whole}}}"));
    }
}

#[tokio::test]
async fn a_ledger_without_an_audit_begins_with_none() {
    let data = tempfile::tempdir().unwrap();
    before_the_chain(data.path(), &[]);
    assert_eq!(verified(&open(data.path())).await, Ok(AuditHead::beginning()));
}
