//! A stream beside programs that write: everything arrives in order, through restarts, for several pipelines, and what is
//! acknowledged is forgotten.

use std::time::Duration;

use syncline_engine::change::Operation;
use syncline_engine::source::Source;

use super::{Replica, Tap, pipeline, program, shown, source, stored};

const SHOP: &str = "PRAGMA journal_mode = WAL;
    CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT UNIQUE, price DECIMAL(10,2));
    CREATE TABLE temp_cart (id INTEGER PRIMARY KEY);
    CREATE VIRTUAL TABLE words USING fts5(text);
    INSERT INTO items VALUES (1, 'old', 1.5);";

#[tokio::test(flavor = "multi_thread")]
async fn changes_arrive_as_they_were_written() {
    let folder = tempfile::tempdir().unwrap();
    let c = program(folder.path(), SHOP);
    let source = source(folder.path(), &pipeline("p", &["main.*"]));
    let names: Vec<String> = source.tables().await.unwrap().iter().map(|t| t.name.to_string()).collect();
    assert_eq!(names, ["main.items"], "no excluded, virtual, shadow or own tables");
    let mut tap = Tap::open(&source, None).await.unwrap();
    c.execute_batch(
        "INSERT INTO items VALUES (2, 'a', 9.99);
         UPDATE items SET price = 3 WHERE id = 1;
         UPDATE items SET id = 7 WHERE id = 2;
         INSERT OR REPLACE INTO items VALUES (8, 'a', NULL);
         DELETE FROM items WHERE id = 8;
         INSERT INTO temp_cart VALUES (1);
         INSERT INTO words VALUES ('no row of a table');
         BEGIN; INSERT INTO items VALUES (9, 'never', 0); ROLLBACK;",
    )
    .unwrap();
    tap.current(&source).await.unwrap();
    let told: Vec<(Operation, bool, bool)> =
        tap.changes.iter().map(|c| (c.operation, c.before.is_some(), c.after.is_some())).collect();
    let (insert, delete) = ((Operation::Insert, false, true), (Operation::Delete, true, false));
    let update = (Operation::Update, true, true);
    assert_eq!(told, [insert, update, update, delete, insert, delete]);
    let moved = &tap.changes[2];
    assert!(moved.before_version < moved.version);
    assert_eq!(shown(&super::columns(moved.before.as_ref().unwrap(), &[0])), ["Int(2)"]);
    assert_eq!(shown(&super::columns(moved.after.as_ref().unwrap(), &[0])), ["Int(7)"]);
    let pushed_out = shown(&super::columns(tap.changes[3].before.as_ref().unwrap(), &[0, 1, 2]));
    assert_eq!(pushed_out, ["Int(7)", "Text(\"a\")", "Double(9.99)"]);
    assert!(tap.changes[0].origin.committed_at > 1_700_000_000_000);
    assert_eq!(&*tap.changes[0].origin.file, "shop.db");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_starts_again_repeats_nothing_below_its_position_and_misses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let c = program(folder.path(), SHOP);
    let source = source(folder.path(), &pipeline("p", &["main.items"]));
    let mut replica = Replica::default();
    let mut tap = Tap::open(&source, None).await.unwrap();
    for round in 0..5_i64 {
        for n in 0..700 {
            let id = (n * 37 + round) % 211;
            match n % 3 {
                0 => c.execute("INSERT OR REPLACE INTO items VALUES (?1, ?2, ?1)", [id, id / 2]),
                1 => c.execute("UPDATE OR REPLACE items SET id = id + 1000 * ?2 WHERE id = ?1", [id, round]),
                _ => c.execute("DELETE FROM items WHERE id = ?1 AND ?2 > 0", [id, round]),
            }
            .unwrap();
        }
        if round % 2 == 0 {
            tap.current(&source).await.unwrap();
        } else {
            tap.step().await.unwrap();
        }
        let taken = tap.changes.len();
        let next = Tap::open(&source, Some(&tap.stored())).await.unwrap();
        assert_eq!(next.position.version, tap.position.version);
        let last = tap.changes[taken - 1].version;
        tap.changes.iter().for_each(|change| replica.apply(change));
        tap = next;
        tap.step().await.unwrap();
        assert!(tap.changes.iter().all(|change| change.version > last));
    }
    tap.current(&source).await.unwrap();
    tap.changes.iter().for_each(|change| replica.apply(change));
    let expected: Vec<_> = stored(&c, "items").into_iter().filter(|row| row[1] != "Text(\"old\")").collect();
    assert_eq!(replica.table("items"), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn several_programs_and_pipelines_share_a_file() {
    let folder = tempfile::tempdir().unwrap();
    drop(program(folder.path(), SHOP));
    program(folder.path(), "DELETE FROM items; CREATE TABLE other (a TEXT PRIMARY KEY) WITHOUT ROWID");
    let both = source(folder.path(), &pipeline("both", &["main.*"]));
    let one = source(folder.path(), &pipeline("one", &["main.other"]));
    let (mut first, mut second) =
        (Tap::open(&both, None).await.unwrap(), Tap::open(&one, None).await.unwrap());
    let writers: Vec<_> = (0..3)
        .map(|writer| {
            let folder = folder.path().to_owned();
            std::thread::spawn(move || {
                let c = program(&folder, "");
                for n in 0..150 {
                    let sql = "INSERT OR REPLACE INTO items VALUES (?1, ?2, 0)";
                    c.execute(sql, [n % 40 * 3 + writer, n % 11]).unwrap();
                    c.execute("INSERT OR IGNORE INTO other VALUES (?1)", [n]).unwrap();
                }
            })
        })
        .collect();
    writers.into_iter().for_each(|writer| writer.join().unwrap());
    first.current(&both).await.unwrap();
    second.current(&one).await.unwrap();
    let c = program(folder.path(), "");
    for (tap, tables) in [(&first, &["items", "other"][..]), (&second, &["other"])] {
        let mut replica = Replica::default();
        tap.changes.iter().for_each(|change| replica.apply(change));
        for table in tables {
            assert_eq!(replica.table(table), stored(&c, table));
        }
    }
    assert!(second.changes.iter().all(|change| &*change.schema.table == "other"));
}

fn recorded(folder: &std::path::Path) -> i64 {
    let c = program(folder, "");
    c.query_row("SELECT count(*) FROM _syncline_changes", [], |r| r.get(0)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_every_pipeline_acknowledged_is_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let c = program(folder.path(), SHOP);
    let (fast, slow) = (pipeline("fast", &["main.*"]), pipeline("slow", &["main.*"]));
    let (fast, slow) = (source(folder.path(), &fast), source(folder.path(), &slow));
    let (mut a, mut b) = (Tap::open(&fast, None).await.unwrap(), Tap::open(&slow, None).await.unwrap());
    for n in 0..100 {
        c.execute("INSERT OR REPLACE INTO items VALUES (3, ?1, 0)", [n]).unwrap();
    }
    a.current(&fast).await.unwrap();
    b.current(&slow).await.unwrap();
    let before = recorded(folder.path());
    slow.shared.pruner.keep_for(0);
    fast.shared.pruner.keep_for(0);
    fast.acknowledge(&a.stored()).await.unwrap();
    assert_eq!(recorded(folder.path()), before, "the slow one still holds them");
    slow.acknowledge(&b.stored()).await.unwrap();
    assert_eq!(recorded(folder.path()), 1, "the last one stays to prove the history");
    drop((a, b));
    let again = Tap::open(&fast, Some(&StoredPositionOf(&slow).stored().await)).await;
    assert!(again.is_ok(), "{:?}", again.err());
}

/// The present position of a source.
struct StoredPositionOf<'a>(&'a super::SqliteSource);

impl StoredPositionOf<'_> {
    async fn stored(&self) -> syncline_engine::position::StoredPosition {
        Tap::open(self.0, None).await.unwrap().stored()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn acknowledgements_that_come_quickly_are_pruned_a_little_later() {
    let folder = tempfile::tempdir().unwrap();
    let c = program(folder.path(), SHOP);
    let source = source(folder.path(), &pipeline("p", &["main.*"]));
    let mut tap = Tap::open(&source, None).await.unwrap();
    for n in 0..10 {
        c.execute("UPDATE items SET price = ?1", [n]).unwrap();
        tap.current(&source).await.unwrap();
        source.acknowledge(&tap.stored()).await.unwrap();
    }
    assert!(recorded(folder.path()) > 10, "what is young stays");
    source.shared.pruner.keep_for(0);
    for n in 0..40 {
        c.execute("UPDATE items SET price = ?1", [n]).unwrap();
        tap.current(&source).await.unwrap();
        source.acknowledge(&tap.stored()).await.unwrap();
        if recorded(folder.path()) <= 10 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{} changes are still there", recorded(folder.path()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_holds_the_file_only_delays_the_stream() {
    let folder = tempfile::tempdir().unwrap();
    let c = program(folder.path(), &SHOP.replace("WAL", "DELETE"));
    let source = source(folder.path(), &pipeline("p", &["main.*"]));
    let mut tap = Tap::open(&source, None).await.unwrap();
    c.execute_batch("BEGIN EXCLUSIVE; INSERT INTO items VALUES (5, 'five', 5)").unwrap();
    for _ in 0..4 {
        tap.step().await.unwrap();
    }
    assert!(tap.changes.is_empty());
    c.execute_batch("COMMIT").unwrap();
    tap.current(&source).await.unwrap();
    assert_eq!(tap.changes.len(), 1);
}
