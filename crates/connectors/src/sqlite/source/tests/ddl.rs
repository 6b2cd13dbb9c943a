//! Schema changes beside a stream and while none runs: new columns, other names, rebuilt, dropped and new tables.

use syncline_engine::value::OwnedValue;

use super::{Tap, pipeline, program, source};

const SHOP: &str = "PRAGMA journal_mode = WAL; CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT)";

#[tokio::test(flavor = "multi_thread")]
async fn columns_come_and_change_their_names_while_it_runs() {
    let folder = tempfile::tempdir().unwrap();
    let c = program(folder.path(), SHOP);
    let source = source(folder.path(), &pipeline("p", &["main.*"]));
    let mut tap = Tap::open(&source, None).await.unwrap();
    c.execute_batch("INSERT INTO t VALUES (1, 'one')").unwrap();
    tap.current(&source).await.unwrap();
    c.execute_batch("ALTER TABLE t ADD COLUMN n INTEGER").unwrap();
    assert_eq!(tap.event().await, "t altered to a,b,n reread false", "nothing changed but an absent member");
    c.execute_batch("INSERT INTO t VALUES (2, 'two', 22)").unwrap();
    tap.current(&source).await.unwrap();
    let last = tap.changes.last().unwrap();
    assert_eq!(super::columns(last.after.as_ref().unwrap(), &[2]), [OwnedValue::Int(22)]);
    c.execute_batch("ALTER TABLE t ADD COLUMN d TEXT DEFAULT 'x'").unwrap();
    assert_eq!(tap.event().await, "t altered to a,b,n,d reread true", "old rows have a value now");
    c.execute_batch("ALTER TABLE t RENAME COLUMN b TO title").unwrap();
    assert_eq!(tap.event().await, "t altered to a,title,n,d reread true");
    c.execute_batch("UPDATE t SET title = 'uno' WHERE a = 1").unwrap();
    tap.current(&source).await.unwrap();
    let last = tap.changes.last().unwrap();
    assert_eq!(&*last.schema.columns[1].name, "title");
    assert_eq!(super::columns(last.after.as_ref().unwrap(), &[1]), [OwnedValue::Text("uno".into())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_is_dropped_once_our_triggers_are() {
    let folder = tempfile::tempdir().unwrap();
    let c = program(folder.path(), SHOP);
    let source = source(folder.path(), &pipeline("p", &["main.*"]));
    let mut tap = Tap::open(&source, None).await.unwrap();
    let refused = c.execute_batch("ALTER TABLE t DROP COLUMN b").unwrap_err().to_string();
    assert!(refused.contains("_syncline_1_"), "{refused}");
    let names: Vec<String> = c
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = 't'")
        .unwrap()
        .query_map([], |r| r.get(0))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    let drop: String = names.iter().map(|name| format!("DROP TRIGGER \"{name}\";")).collect();
    c.execute_batch(&format!("BEGIN; {drop} ALTER TABLE t DROP COLUMN b; COMMIT")).unwrap();
    assert_eq!(tap.event().await, "t unseen");
    c.execute_batch("INSERT INTO t VALUES (5)").unwrap();
    tap.current(&source).await.unwrap();
    assert_eq!(tap.changes.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuilt_table_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let c = program(folder.path(), &format!("{SHOP}; INSERT INTO t VALUES (1, 'one')"));
    let source = source(folder.path(), &pipeline("p", &["main.t"]));
    let mut tap = Tap::open(&source, None).await.unwrap();
    c.execute_batch(
        "BEGIN; CREATE TABLE new_t (a INTEGER PRIMARY KEY, b TEXT); INSERT INTO new_t SELECT a, upper(b) FROM t;
         DROP TABLE t; ALTER TABLE new_t RENAME TO t; COMMIT",
    )
    .unwrap();
    assert_eq!(tap.event().await, "t unseen", "nobody recorded what happened in between");
    c.execute_batch("UPDATE t SET b = 'x'").unwrap();
    tap.current(&source).await.unwrap();
    assert_eq!(tap.changes.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_come_go_and_change_their_names() {
    let folder = tempfile::tempdir().unwrap();
    let c = program(folder.path(), SHOP);
    let source = source(folder.path(), &pipeline("p", &["main.*"]));
    let mut tap = Tap::open(&source, None).await.unwrap();
    c.execute_batch("CREATE TABLE new (k TEXT PRIMARY KEY); INSERT INTO new VALUES ('before the triggers?')")
        .unwrap();
    assert_eq!(tap.event().await, "new appeared");
    c.execute_batch("INSERT INTO new VALUES ('after')").unwrap();
    tap.current(&source).await.unwrap();
    assert_eq!(&*tap.changes.last().unwrap().schema.name, "main.new");
    c.execute_batch("DROP TABLE new").unwrap();
    assert_eq!(tap.event().await, "main.new dropped");
    c.execute_batch("ALTER TABLE t RENAME TO u").unwrap();
    assert_eq!(tap.event().await, "main.t dropped");
    assert_eq!(tap.event().await, "u appeared");
    c.execute_batch("INSERT INTO u VALUES (1, 'one')").unwrap();
    tap.current(&source).await.unwrap();
    assert_eq!(&*tap.changes.last().unwrap().schema.name, "main.u");
    c.execute_batch("ALTER TABLE u RENAME TO temp_u; INSERT INTO temp_u VALUES (2, 'two')").unwrap();
    assert_eq!(tap.event().await, "main.u dropped", "its new name is excluded");
    let before = tap.changes.len();
    c.execute_batch("CREATE TABLE keyless (a)").unwrap();
    assert_eq!(tap.event().await, "keyless appeared");
    assert_eq!(tap.event().await, "main.keyless halted SYN-1403");
    c.execute_batch("INSERT INTO temp_u VALUES (3, 'three')").unwrap();
    tap.current(&source).await.unwrap();
    assert_eq!(tap.changes.len(), before);
    let mut again = Tap::open(&source, Some(&tap.stored())).await.unwrap();
    assert_eq!(again.event().await, "main.keyless halted SYN-1403", "after a restart too");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changed_while_nothing_ran_is_told_at_the_next_start_and_again_after_a_crash() {
    let folder = tempfile::tempdir().unwrap();
    let c = program(folder.path(), SHOP);
    let source = source(folder.path(), &pipeline("p", &["main.*"]));
    let mut tap = Tap::open(&source, None).await.unwrap();
    c.execute_batch("INSERT INTO t VALUES (1, 'one')").unwrap();
    tap.current(&source).await.unwrap();
    let from = tap.stored();
    drop(tap);
    c.execute_batch(
        "INSERT INTO t VALUES (2, 'two'); ALTER TABLE t ADD COLUMN n INTEGER; INSERT INTO t VALUES (3, 'three', 33);
         CREATE TABLE new (a INTEGER PRIMARY KEY)",
    )
    .unwrap();
    for _ in 0..2 {
        // Twice from the same position: the events stand in the change table, so a crash does not lose them.
        let mut tap = Tap::open(&source, Some(&from)).await.unwrap();
        let mut events = vec![tap.event().await, tap.event().await];
        events.sort();
        let expected = ["new appeared", "t altered to a,b,n reread true"];
        assert_eq!(events, expected, "row 3 was recorded without its n");
        assert_eq!(tap.changes.len(), 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn triggers_that_were_dropped_are_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let c = program(folder.path(), SHOP);
    let source = source(folder.path(), &pipeline("p", &["main.*"]));
    let mut tap = Tap::open(&source, None).await.unwrap();
    tap.step().await.unwrap();
    c.execute_batch("BEGIN; DROP TRIGGER _syncline_1_insert_t; INSERT INTO t VALUES (1, 'unseen'); COMMIT")
        .unwrap();
    assert_eq!(tap.event().await, "t unseen");
    c.execute_batch(
        "CREATE UNIQUE INDEX t_b ON t (b); CREATE TRIGGER mine AFTER INSERT ON t BEGIN SELECT 1; END",
    )
    .unwrap();
    c.execute_batch("INSERT INTO t VALUES (2, 'b')").unwrap();
    tap.current(&source).await.unwrap();
    c.execute_batch("INSERT OR REPLACE INTO t VALUES (3, 'b')").unwrap();
    tap.current(&source).await.unwrap();
    assert!(tap.events.is_empty(), "an index and a trigger more change no rows: {:?}", tap.events);
    assert_eq!(tap.changes.len(), 3, "the row that the new index pushed out is noted");
}
