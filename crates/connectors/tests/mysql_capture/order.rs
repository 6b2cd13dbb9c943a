//! Changes come in order, with rising versions, and again from any transaction.

use syncline_engine::position::StoredPosition;
use syncline_engine::version::Version;

use crate::support::{ALL, Shop};

/// Every change's versions rise: before image, after image, next change.
fn assert_rising(changes: impl Iterator<Item = (Version, Version)>) {
    let mut last = Version::ZERO;
    for (before, own) in changes {
        assert!(before <= own && last < before, "{last} {before} {own}");
        last = own;
    }
}

#[tokio::test]
async fn inserts_updates_deletes_and_moved_keys_come_in_order() {
    for flavour in ALL {
        let mut shop = Shop::open(flavour).await;
        shop.run(&["CREATE TABLE a (id INT PRIMARY KEY, n INT, s VARCHAR(20))"]).await;
        let mut tape = shop.stream(None).await;
        shop.run(&[
            "INSERT INTO a VALUES (1, 10, 'x'), (2, NULL, 'ä€😀'), (3, -5, '')",
            "UPDATE a SET n = 11 WHERE id = 1",
            "UPDATE a SET id = 9 WHERE id = 2",
            "DELETE FROM a WHERE id = 3",
            "BEGIN",
            "INSERT INTO a VALUES (20, 0, 'a'), (21, 0, 'b'), (22, 0, 'c')",
            "UPDATE a SET id = id + 1 WHERE id >= 20 ORDER BY id DESC",
            "COMMIT",
            "BEGIN",
            "INSERT INTO a VALUES (99, 0, 'never')",
            "ROLLBACK",
        ])
        .await;
        tape.catch_up().await;
        let expected = [
            "insert a id=1 n=10 s=x",
            "insert a id=2 n=null s=ä€😀",
            "insert a id=3 n=-5 s=",
            "update a id=1 n=10 s=x -> id=1 n=11 s=x",
            "update a id=2 n=null s=ä€😀 -> id=9 n=null s=ä€😀",
            "delete a id=3 n=-5 s=",
            "insert a id=20 n=0 s=a",
            "insert a id=21 n=0 s=b",
            "insert a id=22 n=0 s=c",
            "update a id=22 n=0 s=c -> id=23 n=0 s=c",
            "update a id=21 n=0 s=b -> id=22 n=0 s=b",
            "update a id=20 n=0 s=a -> id=21 n=0 s=a",
        ];
        assert_eq!(tape.lines(), expected, "{flavour}");
        assert_rising(tape.changes().map(|c| (c.before_version, c.version)));
        shop.close().await;
    }
}

#[tokio::test]
async fn a_stream_from_any_transaction_brings_the_same() {
    for flavour in ALL {
        let mut shop = Shop::open(flavour).await;
        shop.run(&["CREATE TABLE a (id INT PRIMARY KEY, n INT)", "CREATE TABLE b (id INT PRIMARY KEY)"])
            .await;
        let mut tape = shop.stream(None).await;
        let mut starts = vec![(StoredPosition::from(&tape.resume), 0)];
        for n in 0..6 {
            let insert = format!("INSERT INTO a VALUES ({n}, 0), ({}, 1)", n + 100);
            shop.run(&[&insert, "FLUSH BINARY LOGS"][..1 + usize::from(n == 3)]).await;
            tape.catch_up().await;
            starts.push((StoredPosition::from(&tape.resume), tape.items.len()));
        }
        let all: Vec<_> = tape.changes().map(|c| (c.version, c.offset, c.origin.file.clone())).collect();
        assert_eq!(all.len(), 12, "{flavour}");
        for (start, seen) in starts {
            let mut again = shop.stream(Some(&start)).await;
            assert_eq!(again.resume.version, start.version);
            again.catch_up().await;
            let found: Vec<_> =
                again.changes().map(|c| (c.version, c.offset, c.origin.file.clone())).collect();
            assert_eq!(found, all[seen..], "{flavour} from {}", start.text);
        }
        shop.close().await;
    }
}
