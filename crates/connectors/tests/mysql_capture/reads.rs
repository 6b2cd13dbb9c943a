//! Reads beside the stream under concurrent writers: replaying both by version ends equal to the table.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use mysql_async::prelude::Queryable;
use syncline_engine::change::{Captured, Change, Operation};
use syncline_engine::error::Code;
use syncline_engine::row::RowImage;
use syncline_engine::schema::TableSchema;
use syncline_engine::source::{Bound, ReadMark, ReadRows};
use syncline_engine::value::OwnedValue;
use syncline_engine::version::Version;
use tokio::task::JoinHandle;

use crate::support::{ALL, Shop, connect, show};

const KEYS: i64 = 60;
const WRITERS: i64 = 4;

/// What a gated target holds: key to version and row (`None`: deleted).
#[derive(Default)]
struct Target(HashMap<i64, (Version, Option<String>)>);

impl Target {
    fn apply(&mut self, key: i64, version: Version, row: Option<String>) {
        let held = self.0.get(&key).map_or(Version::ZERO, |(v, _)| *v);
        if version >= held {
            self.0.insert(key, (version, row));
        }
    }

    fn rows(&self) -> BTreeMap<i64, String> {
        self.0.iter().filter_map(|(k, (_, row))| Some((*k, row.clone()?))).collect()
    }
}

fn key_and_row(image: &RowImage) -> (i64, String) {
    let values: Vec<OwnedValue> = image.columns(&[0, 1]).unwrap().into_iter().map(Option::unwrap).collect();
    let key = show(values[0].clone()).parse().unwrap();
    (key, show(values[1].clone()))
}

struct Window {
    touched: HashMap<i64, Version>,
    read: JoinHandle<ReadRows>,
    done: Option<ReadRows>,
}

/// Follows the engine's rules: note touched keys, hold rows until their mark, drop what the stream touched.
struct Replay {
    target: Target,
    window: Option<Window>,
    windows: usize,
    dropped: usize,
    held: usize,
}

impl Replay {
    fn change(&mut self, change: &Change) {
        let images = [(&change.before, change.before_version), (&change.after, change.version)];
        for (image, version) in images.into_iter().filter_map(|(i, v)| Some((i.as_ref()?, v))) {
            let (key, row) = key_and_row(image);
            let is_after = change.operation != Operation::Delete
                && std::ptr::eq(image, change.after.as_ref().unwrap_or(image));
            self.target.apply(key, version, is_after.then_some(row));
            if let Some(window) = &mut self.window {
                window.touched.insert(key, change.version);
            }
        }
    }

    async fn settle(&mut self, resume: &syncline_engine::position::Position) {
        let Some(window) = &mut self.window else { return };
        if window.done.is_none() && window.read.is_finished() {
            window.done = Some((&mut window.read).await.unwrap());
        }
        let Some(rows) = &window.done else { return };
        let (mark, version) = match &rows.mark {
            ReadMark::At(version) => (*version, *version),
            ReadMark::Until(mark) if mark.passed(resume) => (Version::ZERO, resume.version),
            ReadMark::Until(_) => {
                self.held += 1;
                return;
            }
        };
        for image in &rows.rows {
            let (key, row) = key_and_row(image);
            if window.touched.get(&key).is_some_and(|v| *v > mark) {
                self.dropped += 1;
            } else {
                self.target.apply(key, version, Some(row));
            }
        }
        self.windows += 1;
        self.window = None;
    }
}

async fn write(url: String, database: String, writer: i64, stop: Arc<AtomicBool>) {
    let mut conn = connect(&url).await;
    conn.query_drop(format!("USE {database}")).await.unwrap();
    let mut n = writer;
    while !stop.load(Ordering::Relaxed) {
        n = (n * 6_364_136_223 + 1_442_695) % 1_000_003;
        let key = n % KEYS;
        let sql = match n % 5 {
            0 => format!("DELETE FROM t WHERE id = {key}"),
            1 => format!("UPDATE IGNORE t SET id = {} WHERE id = {key}", (key * 7 + 3) % KEYS),
            _ => format!("INSERT INTO t VALUES ({key}, {n}) ON DUPLICATE KEY UPDATE n = n + 1"),
        };
        conn.query_drop(sql).await.unwrap_or_else(|e| assert!(e.to_string().contains("Deadlock"), "{e}"));
    }
}

async fn replay(flavour: &'static str, reader_url: Option<String>) {
    let mut shop = Shop::open(flavour).await;
    shop.run(&["CREATE TABLE t (id BIGINT PRIMARY KEY, n BIGINT)"]).await;
    if let Some(url) = reader_url {
        shop.url = url;
    }
    let mut tape = shop.stream(None).await;
    let reader = tape.source.reader();
    let schema: Arc<TableSchema> = tape.source.tables().await.unwrap().remove(0);
    let stop = Arc::new(AtomicBool::new(false));
    let root = crate::support::url(flavour);
    let writers: Vec<_> = (0..WRITERS)
        .map(|w| tokio::spawn(write(root.clone(), shop.database.clone(), w, Arc::clone(&stop))))
        .collect();
    let mut replay = Replay { target: Target::default(), window: None, windows: 0, dropped: 0, held: 0 };
    let begun = Instant::now();
    let mut ended = false;
    let mut open = false;
    loop {
        if !ended && begun.elapsed() > Duration::from_secs(6) {
            ended = true;
            stop.store(true, Ordering::Relaxed);
        }
        if let Captured::Batch(batch) = tape.stream.next().await.unwrap() {
            batch.changes.iter().for_each(|c| replay.change(c));
            open = batch.start.version == batch.resume.version && !batch.changes.is_empty();
            tape.resume = batch.resume;
        }
        if open {
            continue;
        }
        replay.settle(&tape.resume.clone()).await;
        if replay.window.is_none() && !ended {
            let (reader, schema, opened) = (Arc::clone(&reader), Arc::clone(&schema), tape.resume.clone());
            let upto = Bound(format!("[\"{KEYS}\"]"));
            let read = async move { reader.read_range(&schema, &[0], None, &upto, &opened).await.unwrap() };
            replay.window = Some(Window { touched: HashMap::new(), read: tokio::spawn(read), done: None });
        }
        if ended && replay.window.is_none() {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{flavour}: the last window stays open");
    }
    for writer in writers {
        writer.await.unwrap();
    }
    tape.catch_up().await;
    tape.changes().for_each(|c| replay.change(c));
    let wanted: Vec<(i64, i64)> = shop.writer.query("SELECT id, n FROM t").await.unwrap();
    let wanted: BTreeMap<i64, String> = wanted.into_iter().map(|(id, n)| (id, n.to_string())).collect();
    assert_eq!(replay.target.rows(), wanted, "{flavour}: {} windows", replay.windows);
    assert!(replay.windows > 5, "{flavour}: only {} windows", replay.windows);
    println!(
        "{flavour}: {} windows, {} rows dropped, held {} times",
        replay.windows, replay.dropped, replay.held
    );
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stream_and_reads_end_equal_under_writers() {
    for flavour in ALL.into_iter().chain(["MYSQL_NOGTID"]) {
        replay(flavour, None).await;
    }
}

/// Without GTIDs and without the privilege to lock tables, reads wait for rows in flight.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_need_no_lock_privilege() {
    let flavour = "MYSQL56";
    let url = crate::support::url(flavour);
    let mut root = connect(&url).await;
    let user = format!("nolock{}", std::process::id() % 100_000);
    root.query_drop(format!(
        "GRANT SELECT, REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO '{user}'@'localhost' IDENTIFIED BY 'pw'"
    ))
    .await
    .unwrap();
    replay(flavour, Some(url.replace("root@", &format!("{user}:pw@")))).await;
    root.query_drop(format!("DROP USER '{user}'@'localhost'")).await.unwrap();
}

/// Without GTIDs a read waits for transactions in flight: each may stand in the binlog before its rows can be seen. The
/// short one lets go while the table lock is waited for, the long one after that was given up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_wait_for_transactions_in_flight() {
    for flavour in ["MYSQL_NOGTID", "MYSQL56"] {
        for held in [300, 2500].map(Duration::from_millis) {
            let mut shop = Shop::open(flavour).await;
            shop.run(&[
                "CREATE TABLE t (id BIGINT PRIMARY KEY, n BIGINT)",
                "INSERT INTO t VALUES (1, 1), (2, 1)",
            ])
            .await;
            let tape = shop.stream(None).await;
            let schema = tape.source.tables().await.unwrap().remove(0);
            shop.run(&["BEGIN", "UPDATE t SET n = 2 WHERE id = 1"]).await;
            let (reader, opened) = (tape.source.reader(), tape.resume.clone());
            let read = tokio::spawn(async move {
                reader.read_range(&schema, &[0], None, &Bound("[\"9\"]".into()), &opened).await.unwrap()
            });
            tokio::time::sleep(held).await;
            assert!(!read.is_finished(), "{flavour}: the read did not wait for the transaction");
            shop.run(&["COMMIT"]).await;
            let rows: Vec<_> = read.await.unwrap().rows.iter().map(key_and_row).collect();
            assert_eq!(rows, [(1, "2".into()), (2, "1".into())], "{flavour}");
            shop.close().await;
        }
    }
}

const KEYED: &str = "CREATE TABLE k (a VARCHAR(20) CHARACTER SET latin1 COLLATE latin1_german2_ci, b VARBINARY(10), c DECIMAL(10,3), \
    d DATETIME(3), e ENUM('z','y','x') NOT NULL, f DOUBLE, n INT, PRIMARY KEY (a, b, c, d, e, f))";

/// Every row comes in exactly one chunk, whatever the key is made of.
#[tokio::test]
async fn chunks_of_odd_keys_cover_the_table_once() {
    for flavour in ALL {
        let mut shop = Shop::open(flavour).await;
        shop.run(&[KEYED]).await;
        for n in 0..97 {
            let sql = format!(
                "INSERT INTO k VALUES (CONCAT(ELT(1 + {n} % 5, 'ä', 'AE', 'a''\\\\', '', 'Z'), {n} % 3), UNHEX(HEX({n} % 11)), {n} % 7 - 3.125, \
                 '2024-01-01 00:00:00.{:03}', ELT(1 + {n} % 3, 'z', 'y', 'x'), {n} / 3, {n})",
                n % 13
            );
            shop.run(&[&sql]).await;
        }
        let tape = shop.stream(None).await;
        let reader = tape.source.reader();
        let schema = tape.source.tables().await.unwrap().remove(0);
        let key = schema.primary_key.clone();
        let extent = reader.extent(&schema, &key).await.unwrap().unwrap();
        let (mut after, mut seen, mut chunks) = (None, Vec::new(), 0);
        while let Some(upto) =
            reader.next_bound(&schema, &key, after.as_ref(), &extent.last, 10).await.unwrap()
        {
            let read = reader.read_range(&schema, &key, after.as_ref(), &upto, &tape.resume).await.unwrap();
            assert!((1..=10).contains(&read.rows.len()), "{flavour}: a chunk of {}", read.rows.len());
            seen.extend(
                read.rows
                    .iter()
                    .map(|r| show(r.columns(&[6]).unwrap().remove(0).unwrap()).parse::<i32>().unwrap()),
            );
            (after, chunks) = (Some(upto), chunks + 1);
        }
        seen.sort_unstable();
        assert_eq!(seen, (0..97).collect::<Vec<_>>(), "{flavour}");
        assert_eq!((chunks, after.as_ref()), (10, Some(&extent.last)), "{flavour}");
        shop.close().await;
    }
}

/// Without asking the server, and only where no more rows than keys can lie between.
#[tokio::test]
async fn keys_of_whole_numbers_are_counted() {
    for flavour in ALL {
        let mut shop = Shop::open(flavour).await;
        shop.run(&[
            "CREATE TABLE k (id BIGINT UNSIGNED ZEROFILL PRIMARY KEY, n INT)",
            "INSERT INTO k VALUES (1, 0), (2, 1), (3, 2), (10, 3), (1000, 4), (18446744073709551614, 5), (18446744073709551615, 6)",
            "CREATE TABLE pair (a INT, b INT, PRIMARY KEY (a, b))",
            "CREATE TABLE word (id VARCHAR(9) PRIMARY KEY)",
        ])
        .await;
        let tape = shop.stream(None).await;
        let reader = tape.source.reader();
        let tables = tape.source.tables().await.unwrap();
        let schema = tables.iter().find(|schema| &*schema.table == "k").unwrap();
        let last = reader.extent(schema, &[0]).await.unwrap().unwrap().last;
        let mut after = reader.bound(schema, &[0], &[OwnedValue::UInt(1)]).await.unwrap();
        for (counted, expected) in
            [(true, "1 2"), (true, "3"), (true, ""), (false, "4"), (false, "5"), (true, "6")]
        {
            let upto = match counted {
                true => reader.bound_above(schema, &[0], &after, &last, 5),
                false => reader.next_bound(schema, &[0], Some(&after), &last, 1).await.unwrap(),
            };
            let upto = upto.unwrap();
            let read = reader.read_range(schema, &[0], Some(&after), &upto, &tape.resume).await.unwrap();
            let found: Vec<String> =
                read.rows.iter().map(|row| show(row.columns(&[1]).unwrap().remove(0).unwrap())).collect();
            assert_eq!(found.join(" "), expected, "{flavour}: {after:?} to {upto:?}");
            after = upto;
        }
        assert_eq!(after, last, "{flavour}");
        assert_eq!(reader.bound_above(schema, &[0], &after, &last, 5), None);
        let (one, nine) = (Bound("[\"1\"]".into()), Bound("[\"9\"]".into()));
        for (table, key) in [("pair", &[0, 1][..]), ("pair", &[0]), ("word", &[0]), ("k", &[1])] {
            let schema = tables.iter().find(|schema| &*schema.table == table).unwrap();
            assert_eq!(reader.bound_above(schema, key, &one, &nine, 5), None, "{flavour}: {table} {key:?}");
        }
        shop.close().await;
    }
}

#[tokio::test]
async fn a_range_that_a_person_names_has_both_ends_where_they_say() {
    for flavour in ALL {
        let mut shop = Shop::open(flavour).await;
        shop.run(&[
            "CREATE TABLE k (a VARCHAR(20) CHARACTER SET latin1 COLLATE latin1_german2_ci, b INT UNSIGNED, c DECIMAL(10,3), \
             n INT, PRIMARY KEY (a, b, c))",
            "INSERT INTO k VALUES ('', 1, 1, 0), ('ä', 5, -1.5, 1), ('Ä', 10, 2, 2), ('b', 9, 0.25, 3), ('c', 1, 1, 4)",
        ])
        .await;
        let tape = shop.stream(None).await;
        let reader = tape.source.reader();
        let schema = tape.source.tables().await.unwrap().remove(0);
        let key = schema.primary_key.clone();
        let values = |a: &str, b: u64, c: &str| {
            [OwnedValue::Text(a.into()), OwnedValue::UInt(b), OwnedValue::Decimal(c.into())]
        };
        for (from, to, expected) in [
            (values("ä", 5, "-1.5"), values("b", 9, "0.25"), "2 3"),
            (values("", 0, "0"), values("AE", 10, "1.999"), "0 1"),
            (values("ä", 5, "-1.501"), values("x", 0, "0"), "1 2 3 4"),
        ] {
            let after = reader.bound(&schema, &key, &from).await.unwrap();
            let last = reader.bound(&schema, &key, &to).await.unwrap();
            let upto = reader.next_bound(&schema, &key, Some(&after), &last, 10).await.unwrap().unwrap();
            let read = reader.read_range(&schema, &key, Some(&after), &upto, &tape.resume).await.unwrap();
            let mut found: Vec<String> =
                read.rows.iter().map(|r| show(r.columns(&[3]).unwrap().remove(0).unwrap())).collect();
            found.sort();
            assert_eq!(found.join(" "), expected, "{flavour}: {from:?} to {to:?}");
        }
        let wrong = [OwnedValue::Text("a".into()), OwnedValue::UInt(1), OwnedValue::Decimal("1 OR 1".into())];
        for values in [&wrong[..], &wrong[..2]] {
            assert_eq!(reader.bound(&schema, &key, values).await.unwrap_err().code(), Code::ResyncPart);
        }
        shop.close().await;
    }
}

#[tokio::test]
async fn keys_are_read_by_their_exact_text() {
    for flavour in ALL {
        let mut shop = Shop::open(flavour).await;
        shop.run(&[
            "CREATE TABLE k (a VARCHAR(20) COLLATE utf8mb4_bin, b VARCHAR(20) COLLATE utf8mb4_general_ci, PRIMARY KEY (a)) CHARSET utf8mb4",
            "INSERT INTO k VALUES ('abc', 'abc'), ('ABC', 'ABC'), ('ábc', 'ábc'), ('', '')",
        ])
        .await;
        let tape = shop.stream(None).await;
        let schema = tape.source.tables().await.unwrap().remove(0);
        let text = |t: &str| vec![OwnedValue::Text(t.into())];
        let keys = [text("abc"), text("nothing"), text(""), vec![OwnedValue::Null]];
        for key in [[0], [1]] {
            let read = tape.source.reader().read_keys(&schema, &key, &keys, &tape.resume).await.unwrap();
            let mut found: Vec<String> =
                read.rows.iter().map(|r| show(r.columns(&[0]).unwrap().remove(0).unwrap())).collect();
            found.sort();
            assert_eq!(found, ["", "abc"], "{flavour} by column {key:?}");
        }
        shop.close().await;
    }
}
