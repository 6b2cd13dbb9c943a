//! History that is gone, or that is another one: always an error that halts, never a skip.

use rusqlite::Connection;
use syncline_engine::error::{Code, Kind};
use syncline_engine::position::StoredPosition;
use syncline_engine::source::Source;

use super::{SqliteSource, Tap, connection, pipeline, program, source};

const SHOP: &str = "PRAGMA journal_mode = WAL; CREATE TABLE t (a INTEGER PRIMARY KEY, b)";

/// A folder with a source that has read ten changes, and where it stands.
async fn ten() -> (tempfile::TempDir, Connection, SqliteSource, StoredPosition) {
    let folder = tempfile::tempdir().unwrap();
    let c = program(folder.path(), SHOP);
    let source = source(folder.path(), &pipeline("p", &["main.*"]));
    let mut tap = Tap::open(&source, None).await.unwrap();
    for n in 0..10 {
        c.execute("INSERT INTO t VALUES (?1, ?1)", [n]).unwrap();
    }
    tap.current(&source).await.unwrap();
    let stored = tap.stored();
    (folder, c, source, stored)
}

async fn refused(source: &SqliteSource, from: &StoredPosition) -> String {
    let error = match Tap::open(source, Some(from)).await {
        Ok(mut tap) => tap.current(source).await.expect_err("it must not go on"),
        Err(error) => error,
    };
    assert_eq!((error.code(), error.kind()), (Code::SqliteGap, Kind::HaltPipeline), "{error}");
    error.message().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn unread_changes_that_were_removed_are_a_gap() {
    let (_folder, c, source, from) = ten().await;
    c.execute_batch("INSERT INTO t VALUES (20, 0), (21, 0), (22, 0)").unwrap();
    let last: i64 = c.query_row("SELECT max(id) FROM _syncline_changes", [], |r| r.get(0)).unwrap();
    c.execute("DELETE FROM _syncline_changes WHERE id = ?1", [last - 1]).unwrap();
    assert!(refused(&source, &from).await.contains(&format!("changes {0} to {0} were removed", last - 1)));
    c.execute("DELETE FROM _syncline_changes WHERE id > ?1", [last - 3]).unwrap();
    assert!(refused(&source, &from).await.contains("were removed"));
    c.execute_batch("DELETE FROM _syncline_changes; DELETE FROM sqlite_sequence").unwrap();
    assert!(refused(&source, &from).await.contains("older copy"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_stream_notices_too() {
    let (_folder, c, source, from) = ten().await;
    let mut tap = Tap::open(&source, Some(&from)).await.unwrap();
    tap.step().await.unwrap();
    c.execute_batch("BEGIN; INSERT INTO t VALUES (20, 0); DELETE FROM _syncline_changes; COMMIT").unwrap();
    c.execute_batch("INSERT INTO t VALUES (21, 0)").unwrap();
    let error = loop {
        if let Err(error) = tap.step().await {
            break error;
        }
    };
    assert_eq!(error.code(), Code::SqliteGap);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_file_an_older_copy_and_a_copy_that_went_another_way_are_gaps() {
    let (folder, c, source, from) = ten().await;
    let (shop, copy) = (folder.path().join("shop.db"), folder.path().join("copy.db"));
    c.execute("VACUUM INTO ?1", [copy.to_str().unwrap()]).unwrap();
    for n in 0..5 {
        c.execute("INSERT INTO t VALUES (100 + ?1, 0)", [n]).unwrap();
    }
    let mut tap = Tap::open(&source, Some(&from)).await.unwrap();
    tap.current(&source).await.unwrap();
    let later = tap.stored();
    drop((tap, c));
    let put = |from: &std::path::Path| {
        for end in ["", "-wal", "-shm"] {
            drop(std::fs::remove_file(folder.path().join(format!("shop.db{end}"))));
        }
        std::fs::copy(from, &shop).unwrap();
    };
    put(&copy);
    assert!(Tap::open(&source, Some(&from)).await.is_ok(), "the copy has all of it");
    assert!(refused(&source, &later).await.contains("older copy"));
    std::thread::sleep(std::time::Duration::from_millis(5));
    let c = program(folder.path(), "");
    for n in 0..7 {
        c.execute("INSERT INTO t VALUES (200 + ?1, 0)", [n]).unwrap();
    }
    drop(c);
    assert!(refused(&source, &later).await.contains("went another way"));
    let other = folder.path().join("other.db");
    Connection::open(&other).unwrap().execute_batch(SHOP).unwrap();
    put(&other);
    assert!(refused(&source, &later).await.contains("not the file"));
    drop(Tap::open(&source, None).await.unwrap());
    assert!(refused(&source, &later).await.contains("not the one of the checkpoint"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_moved_over_the_old_one_ends_the_stream() {
    let (folder, c, source, from) = ten().await;
    let mut tap = Tap::open(&source, Some(&from)).await.unwrap();
    let copy = folder.path().join("copy.db");
    c.execute("VACUUM INTO ?1", [copy.to_str().unwrap()]).unwrap();
    drop(c);
    std::fs::rename(&copy, folder.path().join("shop.db")).unwrap();
    let error = loop {
        if let Err(error) = tap.step().await {
            break error;
        }
    };
    assert_eq!((error.code(), error.kind()), (Code::Interrupted, Kind::Retry), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipeline_that_was_away_too_long_finds_a_gap() {
    let (folder, c, source, from) = ten().await;
    c.execute_batch("UPDATE _syncline_consumers SET seen = 1").unwrap();
    let other = super::source(folder.path(), &pipeline("other", &["main.*"]));
    other.shared.pruner.keep_for(0);
    let mut tap = Tap::open(&other, None).await.unwrap();
    c.execute_batch("INSERT INTO t VALUES (50, 0), (51, 0), (52, 0)").unwrap();
    tap.current(&other).await.unwrap();
    other.acknowledge(&tap.stored()).await.unwrap();
    assert!(refused(&source, &from).await.contains("are gone"));
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_are_not_there_or_no_database_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let source = source(folder.path(), &pipeline("p", &["main.*"]));
    let path = folder.path().join("shop.db");
    for content in [None, Some("this is some text and no database ".repeat(100))] {
        if let Some(content) = content {
            std::fs::write(&path, content).unwrap();
        }
        let errors = [
            source.tables().await.map(drop).unwrap_err(),
            source.stream(None).await.map(drop).unwrap_err(),
            source.mark().await.map(drop).unwrap_err(),
            source.check().await.unwrap().remove(0),
        ];
        for error in errors {
            assert_eq!(error.code(), Code::SqliteOpen, "{error}");
            assert!(error.message().contains("shop.db"), "{error}");
        }
    }
    for url in ["sqlite:", "sqlite::memory:", "sqlite://"] {
        let mut connection = connection(&path);
        connection.url = url.into();
        assert_eq!(crate::sqlite::file::path(&connection).unwrap_err().code(), Code::ConfigBadValue, "{url}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn check_names_everything_with_its_cure() {
    let folder = tempfile::tempdir().unwrap();
    program(
        folder.path(),
        "CREATE TABLE good (a INTEGER PRIMARY KEY); CREATE TABLE keyless (a); CREATE TABLE hidden (rowid, oid, _rowid_)",
    );
    let spec = pipeline("p", &["main.*", "main.later_*"]);
    let findings = source(folder.path(), &spec).check().await.unwrap();
    let codes: Vec<Code> = findings.iter().map(|e| e.code()).collect();
    use Code::*;
    assert_eq!(
        codes,
        [SqliteJournal, SqliteNoMatch, SqliteNoKey, SqliteCapture, SqliteNoKey],
        "{findings:?}"
    );
    assert!(
        findings[2].to_string().contains("main.hidden") && findings[4].fix_text().contains("main.keyless")
    );
    let c = program(folder.path(), "");
    let ours: i64 = c
        .query_row("SELECT count(*) FROM sqlite_schema WHERE name LIKE '\\_syncline%' ESCAPE '\\'", [], |r| {
            r.get(0)
        })
        .unwrap();
    assert_eq!(ours, 0, "a check changes nothing");
}
