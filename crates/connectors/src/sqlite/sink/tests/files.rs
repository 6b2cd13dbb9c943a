//! The file itself: in use, unfit, full, of somebody else; and what was applied survives a kill.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use rusqlite::Connection;
use syncline_engine::error::{Code, Kind};
use syncline_engine::mark::Marks;
use syncline_engine::route::TargetKind;
use syncline_engine::sink::Sink;

use super::{apply, at, delivery, look, plan, read, ready, schema, sink};

const CHILD: &str = "SYNCLINE_TEST_SINK_CHILD";

/// Applies for ever and says on stdout what was answered; the test below kills it.
#[tokio::test]
#[ignore = "the child of what_was_applied_survives_sigkill"]
async fn child_that_applies_for_ever() {
    let path = std::env::var(CHILD).expect("only the test below starts this one");
    let sink = ready(path.as_ref()).await;
    let (search, cache) = (plan(TargetKind::Search, None), plan(TargetKind::Cache, None));
    let mut out = std::io::stdout();
    for n in 1.. {
        let document = format!(r#"{{"word":"w{n}"}}"#);
        let both = [
            delivery(&search, "1", at(n), Some(&document)),
            delivery(&cache, "1", at(n), Some(&document)),
            delivery(&search, &format!("n{n}"), at(n), Some(&document)),
        ];
        // After a restart the first ones are superseded, as in a replay.
        sink.apply(&both).await.unwrap();
        writeln!(out, "applied {n}").unwrap();
        out.flush().unwrap();
    }
}

#[tokio::test]
async fn a_file_that_is_another_has_another_mark() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.db");
    let none = Marks::default();
    assert_eq!(sink(&path).marks(&none).await.unwrap(), none);
    assert!(!path.exists(), "looking makes no file");
    let first = ready(&path).await;
    let search = plan(TargetKind::Search, None);
    first.apply(&[delivery(&search, "1", at(1), Some("{}"))]).await.unwrap();
    let old = first.acknowledged();
    first.close().await.unwrap();
    std::fs::copy(&path, folder.path().join("copy.db")).unwrap();
    first.apply(&[delivery(&search, "2", at(2), Some("{}"))]).await.unwrap();
    let new = first.marks(&none).await.unwrap();
    assert_eq!((old.lost(&new).count(), new.lost(&old).count()), (0, 1), "a count that rises");
    std::fs::rename(folder.path().join("copy.db"), &path).unwrap();
    for rest in ["t.db-wal", "t.db-shm"] {
        let _gone = std::fs::remove_file(folder.path().join(rest));
    }
    assert_eq!(first.marks(&none).await.unwrap(), old, "the copy is open now");
    std::fs::remove_file(&path).unwrap();
    assert_eq!(first.marks(&none).await.unwrap(), none);
}

#[tokio::test]
async fn what_was_applied_survives_sigkill() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.db");
    for round in 1..4_u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["child_that_applies_for_ever", "--ignored", "--nocapture", "--test-threads=1"])
            .env(CHILD, &path)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut applied = lines.filter_map(|l| l.unwrap().strip_prefix("applied ")?.parse::<u64>().ok());
        let last = applied.find(|n| *n >= round * 40).expect("it runs until it is killed");
        child.kill().unwrap();
        child.wait().unwrap();
        let sink = ready(&path).await;
        let search = plan(TargetKind::Search, None);
        let stored = read(&sink, &search, "1").await.unwrap();
        let n: u64 = stored.trim_start_matches(r#"{"word":"w"#).trim_end_matches("\"}").parse().unwrap();
        assert!(n >= last, "{last} was answered, {n} is there");
        assert_eq!(
            read(&sink, &plan(TargetKind::Cache, None), "1").await.unwrap(),
            stored,
            "all of a call or none"
        );
        assert_eq!(sink.search("t", &format!("w{n}"), 9).await.unwrap().len(), 2, "the text index too");
        sink.close().await.unwrap();
        let check: String = look(&path).query_row("PRAGMA integrity_check", [], |r| r.get(0)).unwrap();
        assert_eq!(check, "ok");
    }
}

#[tokio::test]
async fn tables_of_somebody_else_are_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.db");
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE cache (mine)").unwrap();
    let sink = sink(&path);
    let found = sink.check().await.unwrap();
    assert_eq!(found.iter().map(|e| e.code()).collect::<Vec<_>>(), [Code::SqliteSinkLayout], "{found:?}");
    sink.probe().await.unwrap();
    let error = sink.prepare(&plan(TargetKind::Cache, None), &schema()).await.unwrap_err();
    assert_eq!((error.code(), error.kind()), (Code::SqliteSinkLayout, Kind::Config), "{error}");
    sink.prepare(&plan(TargetKind::Search, None), &schema()).await.unwrap();
}

#[tokio::test]
async fn unfit_files_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.db");
    let nowhere = sink(&folder.path().join("no/such/t.db"));
    let error = nowhere.probe().await.unwrap_err();
    assert_eq!((error.code(), error.kind()), (Code::SqliteSinkWrite, Kind::Retry), "a folder may come yet");
    assert_eq!(nowhere.check().await.unwrap()[0].code(), Code::SqliteSinkLayout);
    std::fs::write(&path, "some text that is no database at all".repeat(100)).unwrap();
    for error in [sink(&path).probe().await.unwrap_err(), sink(&path).ping().await.unwrap_err()] {
        assert_eq!((error.code(), error.kind()), (Code::SqliteSinkLayout, Kind::Config), "{error}");
    }
    let fresh = folder.path().join("fresh.db");
    assert!(sink(&fresh).check().await.unwrap().is_empty());
    sink(&fresh).ping().await.unwrap();
    assert!(!fresh.exists(), "neither a check nor a ping makes a file");
}

#[tokio::test]
async fn a_full_disk_fails_the_call_and_the_next_one_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let sink = ready(&folder.path().join("t.db")).await;
    let documents = plan(TargetKind::Document, None);
    let full = sink.with(|shared, state| {
        let c = shared.open(state)?;
        let pages: i64 =
            c.pragma_query_value(None, "page_count", |r| r.get(0)).map_err(|e| shared.failed(&e))?;
        c.pragma_update(None, "max_page_count", pages + 2)
            .or(Ok(()))
            .map_err(|e: rusqlite::Error| shared.failed(&e))
    });
    full.await.unwrap();
    let large = format!(r#"{{"a":"{}"}}"#, "x".repeat(200_000));
    let small = delivery(&documents, "small", at(1), Some("{}"));
    let both = [small.clone(), delivery(&documents, "large", at(1), Some(&large))];
    let error = sink.apply(&both).await.unwrap_err();
    assert_eq!((error.code(), error.kind()), (Code::SqliteSinkWrite, Kind::Retry), "{error}");
    assert_eq!(read(&sink, &documents, "small").await, None, "all or none");
    assert_eq!(apply(&sink, &both).await, ["applied", "applied"], "there is space again");
}

#[tokio::test(flavor = "multi_thread")]
async fn several_sinks_share_a_file_and_a_reader_looks_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.db");
    drop(ready(&path).await);
    let writers: Vec<_> = [TargetKind::Search, TargetKind::Cache, TargetKind::Document]
        .into_iter()
        .map(|kind| {
            let path = path.clone();
            tokio::spawn(async move {
                let sink = ready(&path).await;
                let plan = plan(kind, None);
                for n in 1..40 {
                    let one = [delivery(&plan, "1", at(n), Some(&format!(r#"{{"n":{n}}}"#)))];
                    assert_eq!(apply(&sink, &one).await, ["applied"]);
                }
            })
        })
        .collect();
    let c = look(&path);
    while writers.iter().any(|writer| !writer.is_finished()) {
        let count: i64 = c.query_row("SELECT count(*) FROM cache", [], |r| r.get(0)).unwrap();
        assert!(count <= 1);
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
    for writer in writers {
        writer.await.unwrap();
    }
    let sum: i64 = c
        .query_row(
            "SELECT (SELECT document ->> 'n' FROM documents) + (SELECT value ->> 'n' FROM cache)
                + (SELECT document ->> 'n' FROM collections)",
            [],
            |r| r.get(0),
        )
        .unwrap();
    assert_eq!(sum, 3 * 39);
}
