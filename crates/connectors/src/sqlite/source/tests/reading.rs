//! Reads beside the stream: chunks cover every row once, in any key, and the mark says exactly what they saw.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::Connection;
use syncline_engine::error::Code;
use syncline_engine::position::Position;
use syncline_engine::schema::TableSchema;
use syncline_engine::source::{ReadMark, ReadRows, Source, TableReader};
use syncline_engine::value::OwnedValue;

use super::{Replica, SqliteSource, Tap, columns, pipeline, program, shown, source, stored};

async fn schema(source: &SqliteSource, table: &str) -> Arc<TableSchema> {
    let tables = source.tables().await.unwrap();
    Arc::clone(tables.iter().find(|t| &*t.table == table).unwrap())
}

fn rows(read: &ReadRows) -> Vec<Vec<String>> {
    let all: Vec<usize> = (0..read.schema.columns.len()).collect();
    read.rows.iter().map(|row| shown(&columns(row, &all))).collect()
}

/// All rows by chunks, as a backfill reads them.
async fn chunks(
    reader: &dyn TableReader,
    schema: &TableSchema,
    key: &[usize],
    size: usize,
    at: &Position,
) -> Vec<Vec<String>> {
    let Some(extent) = reader.extent(schema, key).await.unwrap() else { return vec![] };
    let (mut after, mut found) = (None, vec![]);
    while let Some(upto) = reader.next_bound(schema, key, after.as_ref(), &extent.last, size).await.unwrap() {
        let read = reader.read_range(schema, key, after.as_ref(), &upto, at).await.unwrap();
        found.extend(rows(&read));
        if after.as_ref() == Some(&upto) {
            panic!("the bound does not move");
        }
        after = Some(upto);
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn chunks_cover_every_row_once_whatever_the_key() {
    let folder = tempfile::tempdir().unwrap();
    let c = program(
        folder.path(),
        "CREATE TABLE ints (id INTEGER PRIMARY KEY, v);
         CREATE TABLE texts (k TEXT PRIMARY KEY COLLATE NOCASE, n);
         CREATE TABLE pairs (a TEXT, b REAL, c, PRIMARY KEY (b DESC, a)) WITHOUT ROWID;
         CREATE TABLE mixed (k PRIMARY KEY, v);
         CREATE TABLE empty (k PRIMARY KEY);
         CREATE TABLE nulls (k PRIMARY KEY);
         INSERT INTO nulls VALUES (NULL), (NULL);
         INSERT INTO mixed VALUES (1, 1), (1.5, 2), ('1', 3), (x'31', 4), (NULL, 5), (NULL, 6), (CAST(x'ff' AS TEXT), 7),
            (9e999, 8), (-9223372036854775808, 9), ('', 10);",
    );
    for n in 0..50_i64 {
        c.execute("INSERT INTO ints VALUES (?1, ?1)", [n * n - 700]).unwrap();
        c.execute(
            "INSERT INTO texts VALUES (char(65 + ?1 % 26 + 32 * (?1 % 2), 97 + ?1 % 7) || ?1, ?1)",
            [n],
        )
        .unwrap();
        c.execute("INSERT INTO pairs VALUES (?1 % 9, ?1 / 9 - 2.5, ?1)", [n]).unwrap();
    }
    let source = source(folder.path(), &pipeline("p", &["main.*"]));
    let tap = Tap::open(&source, None).await.unwrap();
    let reader = source.reader();
    for table in ["ints", "texts", "pairs", "mixed", "empty", "nulls"] {
        let schema = schema(&source, table).await;
        let mut keys = vec![schema.primary_key.clone()];
        keys.extend((schema.columns.len() > 1).then(|| vec![1, 0]));
        for key in keys {
            for size in [1, 7, 1000] {
                let mut found = chunks(&*reader, &schema, &key, size, &tap.position).await;
                found.sort();
                let all: Vec<Vec<String>> = unkeyed(&c, table);
                assert_eq!(found, all, "{table} by {key:?} in chunks of {size}");
            }
        }
    }
}

/// Every row, those without a whole key too.
fn unkeyed(c: &Connection, table: &str) -> Vec<Vec<String>> {
    let copy = format!("CREATE TEMP TABLE copy AS SELECT * FROM {table}");
    let mut rows: Vec<Vec<String>> = Vec::new();
    c.execute_batch(&copy).unwrap();
    let mut statement = c.prepare("SELECT * FROM copy").unwrap();
    let width = statement.column_count();
    let mut found = statement.query([]).unwrap();
    while let Some(row) = found.next().unwrap() {
        let value = |n| super::super::values::value(row.get_ref(n).unwrap()).to_owned();
        rows.push(shown(&(0..width).map(value).collect::<Vec<_>>()));
    }
    drop(found);
    drop(statement);
    c.execute_batch("DROP TABLE temp.copy").unwrap();
    rows.sort();
    rows
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_found_exactly_whatever_the_collation_says() {
    let folder = tempfile::tempdir().unwrap();
    program(
        folder.path(),
        "CREATE TABLE t (k TEXT COLLATE NOCASE, n, v, PRIMARY KEY (k, n));
         INSERT INTO t VALUES ('Abc', 1, 'x'), ('abc', 2, 'y'), ('b', 1.0, 'z'), ('b', '1', 'text')",
    );
    let source = source(folder.path(), &pipeline("p", &["main.*"]));
    let tap = Tap::open(&source, None).await.unwrap();
    let schema = schema(&source, "t").await;
    let text = |t: &str| OwnedValue::Text(t.into());
    let read = async |keys: &[Vec<OwnedValue>]| {
        let read = source.reader().read_keys(&schema, &[0, 1], keys, &tap.position).await.unwrap();
        let mut found: Vec<String> = rows(&read).into_iter().map(|row| row[2].clone()).collect();
        found.sort();
        found
    };
    assert_eq!(read(&[vec![text("Abc"), OwnedValue::Int(1)]]).await, ["Text(\"x\")"]);
    assert!(read(&[vec![text("abc"), OwnedValue::Int(1)]]).await.is_empty(), "another key by its bytes");
    assert_eq!(read(&[vec![text("b"), OwnedValue::Int(1)]]).await, ["Text(\"z\")"], "1 is 1.0");
    assert_eq!(read(&[vec![text("b"), text("1")]]).await, ["Text(\"text\")"]);
    assert!(
        read(&[vec![text("b"), OwnedValue::Null], vec![text("gone"), OwnedValue::Int(0)]]).await.is_empty()
    );
    assert!(read(&[]).await.is_empty());
    let many: Vec<Vec<OwnedValue>> = (0..1200).map(|n| vec![text("abc"), OwnedValue::Int(n)]).collect();
    assert_eq!(read(&many).await, ["Text(\"y\")"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_and_the_stream_agree_on_what_came_first() {
    let folder = tempfile::tempdir().unwrap();
    let c = program(
        folder.path(),
        "PRAGMA journal_mode = WAL; CREATE TABLE t (id INTEGER PRIMARY KEY, u INTEGER UNIQUE, v)",
    );
    for n in 0..300 {
        c.execute("INSERT INTO t VALUES (?1, ?1, 'old')", [n]).unwrap();
    }
    // The writer never comes near it: a row behind the last key that a read knows of is the stream's alone.
    c.execute_batch("INSERT INTO t VALUES (10000, 10000, 'last')").unwrap();
    let source = source(folder.path(), &pipeline("p", &["main.*"]));
    let mut tap = Tap::open(&source, None).await.unwrap();
    let at = tap.position.clone();
    let busy = folder.path().to_owned();
    let read_enough = Arc::new(AtomicBool::new(false));
    let enough = Arc::clone(&read_enough);
    let writer = std::thread::spawn(move || {
        let c = program(&busy, "");
        for n in 0_i64.. {
            if n >= 600 && enough.load(Ordering::Relaxed) {
                break;
            }
            match n % 4 {
                0 => {
                    c.execute("INSERT OR REPLACE INTO t VALUES (?1, ?2, 'new')", [n * 7 % 400, n * 11 % 400])
                }
                1 => c.execute("DELETE FROM t WHERE id = ?1 AND ?2", [n * 13 % 400, 1]),
                2 => c.execute("UPDATE OR REPLACE t SET id = ?2 WHERE id = ?1", [n * 3 % 400, n * 5 % 400]),
                _ => c.execute("UPDATE t SET v = ?2 WHERE id % 40 = ?1", [n % 40, n]),
            }
            .unwrap();
        }
    });
    let (reader, schema) = (source.reader(), schema(&source, "t").await);
    let mut reads = Vec::new();
    while !writer.is_finished() {
        read_enough.store(reads.len() >= 6, Ordering::Relaxed);
        let extent = reader.extent(&schema, &[0]).await.unwrap().unwrap();
        reads.push(reader.read_range(&schema, &[0], None, &extent.last, &at).await.unwrap());
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    writer.join().unwrap();
    tap.current(&source).await.unwrap();
    assert!(reads.len() > 5, "{} reads in the race", reads.len());
    for read in reads {
        // What the read saw, plus what the stream gave after its mark, is what the table is: no more and no less.
        let ReadMark::At(mark) = read.mark else { panic!("SQLite marks are exact") };
        let mut replica = Replica::default();
        for row in rows(&read) {
            replica.rows.insert(("t".into(), vec![row[0].clone()]), (mark, Some(row)));
        }
        for change in tap.changes.iter().filter(|change| change.version > mark) {
            replica.apply(change);
        }
        assert_eq!(replica.table("t"), stored(&c, "t"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_changed_under_the_reader_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let c = program(folder.path(), "CREATE TABLE t (a INTEGER PRIMARY KEY, b); INSERT INTO t VALUES (1, 2)");
    let source = source(folder.path(), &pipeline("p", &["main.*"]));
    let tap = Tap::open(&source, None).await.unwrap();
    let (reader, schema) = (source.reader(), schema(&source, "t").await);
    c.execute_batch("ALTER TABLE t ADD COLUMN c DEFAULT 'x'").unwrap();
    let key = [vec![OwnedValue::Int(1)]];
    let read = reader.read_keys(&schema, &[0], &key, &tap.position).await.unwrap();
    assert_eq!(rows(&read), [["Int(1)", "Int(2)", "Text(\"x\")"]], "columns as of the read");
    c.execute_batch("ALTER TABLE t RENAME COLUMN a TO z").unwrap();
    let error = reader.read_keys(&schema, &[0], &key, &tap.position).await.unwrap_err();
    assert_eq!(error.code(), Code::SqliteSchema);
    c.execute_batch("DROP TABLE t").unwrap();
    let error = reader.extent(&schema, &[0]).await.unwrap_err();
    assert_eq!(error.code(), Code::SqliteSchema);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_that_a_person_names_has_both_ends_where_they_say() {
    let folder = tempfile::tempdir().unwrap();
    program(
        folder.path(),
        "CREATE TABLE texts (k TEXT PRIMARY KEY COLLATE NOCASE, n);
         CREATE TABLE prices (k DECIMAL(9, 2) PRIMARY KEY, n);
         INSERT INTO texts VALUES ('a', 1), ('B', 2), ('c', 3), ('D', 4);
         INSERT INTO prices VALUES (2.5, 1), (10, 2), (100.25, 3);",
    );
    let source = source(folder.path(), &pipeline("p", &["main.*"]));
    let at = Tap::open(&source, None).await.unwrap().position;
    let reader = source.reader();
    let read = async |table: &str, from: OwnedValue, to: OwnedValue| {
        let schema = schema(&source, table).await;
        let bound = async |value: OwnedValue| reader.bound(&schema, &[0], &[value]).await.unwrap();
        let (after, last) = (bound(from).await, bound(to).await);
        assert!(reader.next_bound(&schema, &[0], Some(&last), &last, 5).await.unwrap().is_none());
        let upto = reader.next_bound(&schema, &[0], Some(&after), &last, 5).await.unwrap().unwrap();
        let found = reader.read_range(&schema, &[0], Some(&after), &upto, &at).await.unwrap();
        rows(&found).into_iter().map(|row| row[1].clone()).collect::<Vec<_>>()
    };
    let text = |text: &str| OwnedValue::Text(text.into());
    assert_eq!(read("texts", text("A"), text("C")).await, ["Int(2)", "Int(3)"]);
    let price = |text: &str| OwnedValue::Decimal(text.into());
    assert_eq!(read("prices", price("2.5"), price("99")).await, ["Int(2)"]);
    let texts = schema(&source, "texts").await;
    for values in [&[][..], &[OwnedValue::Null], &[text("a"), text("b")]] {
        let error = reader.bound(&texts, &[0], values).await.unwrap_err();
        assert_eq!(error.code(), Code::ResyncPart);
    }
}
