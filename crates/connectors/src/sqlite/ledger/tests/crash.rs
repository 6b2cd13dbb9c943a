//! What survives: SIGKILL in the middle of commits, callers beside each other, failing statements and disks.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::Arc;

use rusqlite::Connection;
use syncline_engine::error::Code;
use syncline_engine::ledger::{Commit, Ledger};

use super::super::writer::Writer;
use super::{counted, open, position};

const CHILD: &str = "SYNCLINE_TEST_LEDGER_CHILD";

fn step(n: u64) -> Commit {
    Commit {
        checkpoints: vec![("s".into(), position(n))],
        counts: vec![counted("s", "t", 1)],
        ..Commit::default()
    }
}

/// Commits for ever and says on stdout what was answered; the test below kills it.
#[tokio::test]
#[ignore = "the child of what_was_answered_survives_sigkill"]
async fn child_that_commits_for_ever() {
    let data = std::env::var(CHILD).expect("only the test below starts this one");
    let ledger = open(data.as_ref());
    let mut n = ledger.pipeline("p").await.unwrap().counts.values().map(|c| c.applied).sum::<u64>();
    let mut out = std::io::stdout();
    loop {
        n += 1;
        ledger.commit("p", step(n)).await.unwrap();
        writeln!(out, "answered {n}").unwrap();
        out.flush().unwrap();
    }
}

#[tokio::test]
async fn what_was_answered_survives_sigkill() {
    let data = tempfile::tempdir().unwrap();
    let mut least = 0;
    for round in 0..8_u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["child_that_commits_for_ever", "--ignored", "--nocapture", "--test-threads=1"])
            .env(CHILD, data.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let answered = lines.filter_map(|line| line.unwrap().strip_prefix("answered ")?.parse::<u64>().ok());
        let goal = least + 20 + round * 7;
        let last = answered.inspect(|n| least = *n).find(|n| *n >= goal);
        assert!(last.is_some(), "the child ended by itself after {least}");
        child.kill().unwrap();
        child.wait().unwrap();
        let record = open(data.path()).pipeline("p").await.unwrap();
        let applied = record.counts.values().map(|c| c.applied).sum::<u64>();
        assert!(applied >= least, "{least} was answered, {applied} is there");
        assert_eq!(record.checkpoints["s"], position(applied), "counters and checkpoint are one");
        least = applied;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_callers_share_few_transactions_and_readers_see_whole_commits() {
    let data = tempfile::tempdir().unwrap();
    let ledger = Arc::new(open(data.path()));
    let callers: Vec<_> = (0..40)
        .map(|caller| {
            let ledger = Arc::clone(&ledger);
            tokio::spawn(async move {
                for n in 1..=25 {
                    ledger.commit(&format!("p{caller}"), step(n)).await.unwrap();
                    let record = ledger.pipeline(&format!("p{caller}")).await.unwrap();
                    assert_eq!(record.checkpoints["s"], position(n), "a caller reads its own write");
                }
            })
        })
        .collect();
    let watcher = {
        let ledger = Arc::clone(&ledger);
        tokio::spawn(async move {
            loop {
                let record = ledger.pipeline("p0").await.unwrap();
                let applied = record.counts.values().map(|c| c.applied).sum::<u64>();
                assert_eq!(record.checkpoints.get("s").map_or(position(0), Clone::clone), position(applied));
                if applied == 25 {
                    return;
                }
            }
        })
    };
    for caller in callers {
        caller.await.unwrap();
    }
    watcher.await.unwrap();
}

fn writer(path: &std::path::Path) -> (Writer, Connection) {
    let c = Connection::open(path).unwrap();
    c.execute_batch("PRAGMA journal_mode=WAL; CREATE TABLE t (a UNIQUE)").unwrap();
    (Writer::start(c, path).unwrap(), Connection::open(path).unwrap())
}

fn rows(c: &Connection) -> i64 {
    c.query_row("SELECT count(*) FROM t", [], |r| r.get(0)).unwrap()
}

async fn insert(writer: &Writer, value: i64) -> syncline_engine::error::Result<usize> {
    writer.run(move |c| c.execute("INSERT INTO t VALUES (?1)", [value])).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_caller_harms_only_itself() {
    let folder = tempfile::tempdir().unwrap();
    let (writer, look) = writer(&folder.path().join("w.db"));
    let all = (0..50).map(|n| insert(&writer, n % 40));
    let results = futures_util::future::join_all(all).await;
    assert_eq!(results.iter().filter(|r| r.is_err()).count(), 10);
    assert_eq!(rows(&look), 40);
    let halfway = writer.run(|c| {
        c.execute("INSERT INTO t VALUES (100)", [])?;
        c.execute("INSERT INTO t VALUES (0)", [])
    });
    assert_eq!(halfway.await.unwrap_err().code(), Code::LedgerWrite);
    assert_eq!(rows(&look), 40, "its first statement is undone");
}

#[tokio::test]
async fn a_full_disk_is_told_and_heals() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.db");
    let c = Connection::open(&path).unwrap();
    c.execute_batch("PRAGMA journal_mode=WAL; CREATE TABLE t (a UNIQUE); PRAGMA max_page_count=8").unwrap();
    let writer = Writer::start(c, &path).unwrap();
    let fill = async |bytes: i64| {
        writer.run(move |c| c.execute("INSERT INTO t VALUES (randomblob(?1))", [bytes])).await
    };
    assert_eq!(fill(100_000).await.unwrap_err().code(), Code::LedgerWrite);
    fill(10).await.unwrap();
    assert_eq!(rows(&Connection::open(&path).unwrap()), 1);
}

#[tokio::test]
async fn after_a_failed_sync_nothing_is_written_any_more() {
    let folder = tempfile::tempdir().unwrap();
    let (writer, look) = writer(&folder.path().join("w.db"));
    insert(&writer, 1).await.unwrap();
    let failing = writer.run(|_| -> rusqlite::Result<()> {
        let io = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_IOERR_FSYNC);
        Err(rusqlite::Error::SqliteFailure(io, None))
    });
    assert_eq!(failing.await.unwrap_err().code(), Code::LedgerWrite);
    assert_eq!(insert(&writer, 2).await.unwrap_err().code(), Code::LedgerWrite);
    assert_eq!(rows(&look), 1);
}
