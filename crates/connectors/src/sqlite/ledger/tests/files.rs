//! The file itself: locked, of another program, newer, damaged, copied.

use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::Connection;
use syncline_engine::error::Code;
use syncline_engine::ledger::{Commit, Ledger};

use super::{SqliteLedger, counted, letter, open, position};

#[tokio::test]
async fn a_second_process_may_look_and_write_but_not_run() {
    let data = tempfile::tempdir().unwrap();
    assert!(SqliteLedger::shared(data.path()).unwrap().is_none(), "looking makes no ledger");
    assert!(std::fs::read_dir(data.path()).unwrap().next().is_none(), "nor any file");
    let running = open(data.path());
    let refused = SqliteLedger::exclusive(data.path()).err().unwrap();
    assert_eq!(refused.code(), Code::LedgerLocked);
    assert!(refused.to_string().contains(&std::process::id().to_string()), "{refused}");
    let beside = SqliteLedger::shared(data.path()).unwrap().unwrap();
    running.add_dead_letters(vec![letter("a", 1)]).await.unwrap();
    beside.commit("shop", Commit { settled: vec![1], ..Commit::default() }).await.unwrap();
    assert!(running.dead_letters(&Default::default()).await.unwrap().is_empty());
    drop(running);
    open(data.path());
}

#[test]
fn a_ledger_that_is_just_being_made_is_whole_or_not_there() {
    for _ in 0..40 {
        let data = tempfile::tempdir().unwrap();
        let made = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !made.load(Ordering::Relaxed) {
                    SqliteLedger::shared(data.path()).unwrap();
                }
            });
            drop(open(data.path()));
            made.store(true, Ordering::Relaxed);
        });
    }
}

#[test]
fn a_newer_layout_is_refused() {
    let data = tempfile::tempdir().unwrap();
    drop(open(data.path()));
    let c = Connection::open(data.path().join("ledger.db")).unwrap();
    c.pragma_update(None, "user_version", 99).unwrap();
    drop(c);
    for found in [SqliteLedger::exclusive(data.path()).err(), SqliteLedger::shared(data.path()).err()] {
        let error = found.unwrap();
        assert_eq!(error.code(), Code::LedgerFormat);
        assert!(error.message().contains("layout 99"), "{error}");
    }
}

#[test]
fn a_database_of_another_program_is_refused_and_left_alone() {
    let data = tempfile::tempdir().unwrap();
    let path = data.path().join("ledger.db");
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE theirs (a)").unwrap();
    let error = SqliteLedger::exclusive(data.path()).err().unwrap();
    assert_eq!(error.code(), Code::LedgerOpen);
    let c = Connection::open(&path).unwrap();
    let tables: i64 = c.query_row("SELECT count(*) FROM sqlite_schema", [], |r| r.get(0)).unwrap();
    assert_eq!(tables, 1);
}

#[tokio::test]
async fn damage_is_named_with_what_to_do() {
    let data = tempfile::tempdir().unwrap();
    let path = data.path().join("ledger.db");
    let ledger = open(data.path());
    ledger.add_dead_letters((0..200).map(|n| letter(&n.to_string(), n)).collect()).await.unwrap();
    drop(ledger);
    let whole = std::fs::read(&path).unwrap();
    let mut torn = whole.clone();
    torn[8192..12288].fill(0xa5);
    for damaged in [b"this is no database at all, it is some text".repeat(200), torn] {
        std::fs::write(&path, damaged).unwrap();
        let error = SqliteLedger::exclusive(data.path()).err().unwrap();
        assert_eq!(error.code(), Code::LedgerOpen, "{error}");
        assert!(error.fix_text().contains("ledger backup"), "{}", error.fix_text());
    }
    std::fs::write(&path, whole).unwrap();
    open(data.path());
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let data = tempfile::tempdir().unwrap();
    let file = data.path().join("file");
    std::fs::write(&file, "").unwrap();
    assert_eq!(SqliteLedger::exclusive(&file.join("data")).err().unwrap().code(), Code::LedgerOpen);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_made_under_load_opens_and_is_consistent() {
    let data = tempfile::tempdir().unwrap();
    let copies = tempfile::tempdir().unwrap();
    let ledger = std::sync::Arc::new(open(data.path()));
    let writer = {
        let ledger = std::sync::Arc::clone(&ledger);
        tokio::spawn(async move {
            for n in 1..=300_u64 {
                let commit = Commit {
                    checkpoints: vec![("s".into(), position(n))],
                    counts: vec![counted("s", "t", 1)],
                    ..Commit::default()
                };
                ledger.commit("p", commit).await.unwrap();
            }
        })
    };
    while ledger.pipeline("p").await.unwrap().checkpoints.is_empty() {}
    let copy = copies.path().join("ledger.db");
    std::fs::write(&copy, "an older copy").unwrap();
    ledger.backup(&copy).await.unwrap();
    writer.await.unwrap();
    assert_eq!(std::fs::read_dir(copies.path()).unwrap().count(), 1, "nothing is left beside the copy");
    let record = open(copies.path()).pipeline("p").await.unwrap();
    let applied = record.counts.values().map(|c| c.applied).sum::<u64>();
    assert!(applied > 0);
    assert_eq!(record.checkpoints["s"], position(applied));
    for wrong in [data.path().join("ledger.db"), copies.path().to_owned(), copies.path().join("no/such")] {
        assert_eq!(
            ledger.backup(&wrong).await.unwrap_err().code(),
            Code::LedgerBackup,
            "{}",
            wrong.display()
        );
    }
    assert_eq!(ledger.pipeline("p").await.unwrap().checkpoints["s"], position(300));
}
