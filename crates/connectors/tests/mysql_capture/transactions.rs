//! Large, compressed and checksum-free transactions, log rotations, broken connections, positions that are gone.

use std::collections::BTreeSet;
use std::time::Duration;

use mysql_async::prelude::Queryable;
use syncline_engine::change::Captured;
use syncline_engine::clock::now_millis;
use syncline_engine::error::{Code, Kind};
use syncline_engine::position::StoredPosition;

use crate::support::{ALL, MARIADBS, MYSQL9, Shop, Tape, host};

const NUMBERS: &str = "CREATE TABLE digits (d INT PRIMARY KEY)";
const DIGITS: &str = "INSERT INTO digits VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9)";

fn many(rows: &str) -> String {
    let digits = "digits a, digits b, digits c, digits e, digits f";
    let number = "a.d + 10 * b.d + 100 * c.d + 1000 * e.d + 10000 * f.d";
    format!("INSERT INTO big SELECT {number}, REPEAT('x', 100) FROM {digits} WHERE {number} < {rows}")
}

fn assert_pieces(flavour: &str, tape: &Tape, rows: usize) {
    let ids: BTreeSet<_> = tape.changes().map(|c| c.version).collect();
    assert_eq!(
        (ids.len(), tape.changes().count()),
        (rows, rows),
        "{flavour}: every change has a version of its own"
    );
    for (first, last, start, resume) in &tape.batches {
        assert!(last - first <= 2000, "{flavour}: a batch of {}", last - first);
        assert!(start.version <= resume.version);
    }
}

#[tokio::test]
async fn a_large_transaction_comes_in_pieces_that_begin_at_its_start() {
    for flavour in ALL {
        let mut shop = Shop::open(flavour).await;
        shop.run(&[NUMBERS, DIGITS, "CREATE TABLE big (id INT PRIMARY KEY, s VARCHAR(100))"]).await;
        let mut tape = shop.stream(None).await;
        shop.run(&[
            "BEGIN",
            "DELETE FROM digits WHERE d = 99",
            &many("30000"),
            "UPDATE big SET s = 'y' WHERE id < 3",
            "COMMIT",
        ])
        .await;
        shop.run(&["INSERT INTO big VALUES (-1, '')"]).await;
        tape.catch_up().await;
        assert_pieces(flavour, &tape, 30_004);
        let pieces: Vec<_> = tape
            .batches
            .iter()
            .filter(|(a, b, start, resume)| b > a && start.version == resume.version)
            .collect();
        assert!(pieces.len() >= 14, "{flavour}: {} pieces", pieces.len());
        let start = StoredPosition::from(&pieces[3].2);
        let mut again = shop.stream(Some(&start)).await;
        again.catch_up().await;
        assert_eq!(again.changes().count(), 30_004, "{flavour}: from a piece's start all of it comes again");
        shop.close().await;
    }
}

#[tokio::test]
async fn mysql_compressed_transactions_come_like_others() {
    for flavour in MYSQL9 {
        let mut shop = Shop::open(flavour).await;
        shop.run(&[NUMBERS, DIGITS, "CREATE TABLE big (id INT PRIMARY KEY, s VARCHAR(100))"]).await;
        let mut tape = shop.stream(None).await;
        shop.run(&[
            "SET SESSION binlog_transaction_compression = ON",
            &many("5000"),
            "UPDATE big SET s = 'y' WHERE id < 3",
        ])
        .await;
        shop.run(&["ALTER TABLE big ADD n INT", "INSERT INTO big VALUES (-1, '', 5)"]).await;
        tape.catch_up().await;
        assert_eq!(tape.changes().count(), 5004, "{flavour}");
        let lines = tape.lines();
        assert_eq!(lines[5000], format!("update big id=0 s={} -> id=0 s=y", "x".repeat(100)));
        assert_eq!(lines[5004], "insert big id=-1 s= n=5");
        let versions: Vec<_> = tape.changes().map(|c| c.version).collect();
        assert!(versions.windows(2).all(|w| w[0] <= w[1]), "{flavour}: versions never fall");
        shop.close().await;
    }
}

#[tokio::test]
async fn mariadb_compressed_events_come_like_others() {
    for flavour in MARIADBS {
        let mut shop = Shop::open(flavour).await;
        shop.run(&[NUMBERS, DIGITS, "CREATE TABLE big (id INT PRIMARY KEY, s VARCHAR(100))"]).await;
        let mut tape = shop.stream(None).await;
        shop.run(&["SET GLOBAL log_bin_compress = ON", &many("5000"), "UPDATE big SET s = 'y' WHERE id < 3"])
            .await;
        shop.run(&["SET GLOBAL log_bin_compress = OFF", "DELETE FROM big WHERE id > 2"]).await;
        tape.catch_up().await;
        assert_eq!(tape.changes().count(), 5000 + 3 + 4997, "{flavour}");
        assert_eq!(tape.lines()[5002], format!("update big id=2 s={} -> id=2 s=y", "x".repeat(100)));
        let versions: BTreeSet<_> = tape.changes().map(|c| c.version).collect();
        assert_eq!(versions.len(), 10_000, "{flavour}");
        shop.close().await;
    }
}

#[tokio::test]
async fn logs_rotate_and_checksums_come_and_go() {
    for flavour in ALL {
        let mut shop = Shop::open(flavour).await;
        shop.run(&["CREATE TABLE a (id INT PRIMARY KEY)"]).await;
        let mut tape = shop.stream(None).await;
        let start = StoredPosition::from(&tape.resume);
        shop.run(&["INSERT INTO a VALUES (1)", "FLUSH BINARY LOGS", "INSERT INTO a VALUES (2)"]).await;
        shop.run(&["SET GLOBAL binlog_checksum = NONE", "INSERT INTO a VALUES (3)", "FLUSH BINARY LOGS"])
            .await;
        shop.run(&[
            "INSERT INTO a VALUES (4)",
            "SET GLOBAL binlog_checksum = CRC32",
            "INSERT INTO a VALUES (5)",
        ])
        .await;
        tape.catch_up().await;
        let wanted = ["insert a id=1", "insert a id=2", "insert a id=3", "insert a id=4", "insert a id=5"];
        assert_eq!(tape.lines(), wanted, "{flavour}");
        // One that ends with a rotation is current all the same.
        shop.run(&["FLUSH BINARY LOGS"]).await;
        tape.catch_up().await;
        drop(tape);
        let mut again = shop.stream(Some(&start)).await;
        again.catch_up().await;
        assert_eq!(again.lines(), wanted, "{flavour}");
        shop.close().await;
    }
}

#[tokio::test]
async fn a_killed_connection_is_an_error_to_try_again_and_loses_nothing() {
    for flavour in ALL {
        let mut shop = Shop::open(flavour).await;
        // A user of its own, by which its dump is told from those of other tests.
        let user = format!("dump{}", std::process::id());
        let account = format!("'{user}'@'{}'", host(flavour));
        shop.run(&[
            &format!("CREATE USER {account} IDENTIFIED BY 'pw'"),
            &format!("GRANT SELECT, REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO {account}"),
            "CREATE TABLE a (id INT PRIMARY KEY)",
        ])
        .await;
        shop.url = shop.url.replace("root@", &format!("{user}:pw@"));
        let mut tape = shop.stream(None).await;
        shop.run(&["INSERT INTO a VALUES (1)"]).await;
        tape.catch_up().await;
        let sql = format!(
            "SELECT id FROM information_schema.processlist WHERE command LIKE 'Binlog Dump%' AND user = '{user}'"
        );
        let dump: u64 = shop.writer.query_first(sql).await.unwrap().unwrap();
        shop.run(&["INSERT INTO a VALUES (2)", &format!("KILL {dump}"), "INSERT INTO a VALUES (3)"]).await;
        let mut error = None;
        tokio::time::timeout(Duration::from_secs(30), async {
            while error.is_none() {
                error = tape.step().await.err();
            }
        })
        .await
        .unwrap_or_else(|_| panic!("{flavour}: the stream outlives its connection"));
        let error = error.unwrap();
        assert_eq!(error.kind(), Kind::Retry, "{flavour}: {error}");
        let mut rest = shop.stream(Some(&StoredPosition::from(&tape.resume))).await;
        rest.catch_up().await;
        let mut lines = tape.lines();
        lines.extend(rest.lines());
        assert_eq!(lines, ["insert a id=1", "insert a id=2", "insert a id=3"], "{flavour}");
        shop.run(&[&format!("DROP USER {account}")]).await;
        shop.close().await;
    }
}

/// Nothing of ours happens; others may write. Either the server says that it has nothing more, or what it sends is new.
#[tokio::test]
async fn an_idle_stream_is_not_behind() {
    for flavour in ALL {
        let shop = Shop::open(flavour).await;
        let mut tape = shop.stream(None).await;
        let begun = std::time::Instant::now();
        loop {
            if let Captured::Batch(batch) = tape.stream.next().await.unwrap() {
                let new = |time: i64| now_millis() - time < 3000;
                if batch.caught_up || begun.elapsed().as_secs() > 3 && batch.source_time.is_some_and(new) {
                    break;
                }
            }
            assert!(begun.elapsed().as_secs() < 10, "{flavour}: never caught up");
        }
        shop.close().await;
    }
}

#[tokio::test]
async fn a_second_replica_of_the_same_id_is_named() {
    for flavour in ALL {
        let shop = Shop::open(flavour).await;
        let mut first = shop.stream(None).await;
        let _second = shop.stream(None).await;
        let error = loop {
            if let Err(error) = first.step().await {
                break error;
            }
        };
        // MySQL 5.6 hangs up without a word.
        let wanted = if flavour == "MYSQL56" { Code::Interrupted } else { Code::MysqlServerId };
        assert_eq!((error.code(), error.kind()), (wanted, Kind::Retry), "{flavour}: {error}");
        shop.close().await;
    }
}

#[tokio::test]
async fn a_position_of_another_history_halts() {
    for flavour in ALL {
        let mut shop = Shop::open(flavour).await;
        shop.run(&["CREATE TABLE a (id INT PRIMARY KEY)"]).await;
        let good = StoredPosition::from(&shop.stream(None).await.resume);
        let (base, number) = good
            .text
            .split(':')
            .next()
            .unwrap()
            .rsplit_once('.')
            .map(|(b, n)| (b.to_owned(), n.to_owned()))
            .unwrap();
        let file = format!("{base}.{number}");
        let number: u64 = number.parse().unwrap();
        let changed = [
            ("file that is gone", file.clone(), format!("{base}.000000"), Code::MysqlPurged),
            ("file to come", file.clone(), format!("{base}.{:06}", number + 1000), Code::MysqlIdentity),
            ("other base name", file.clone(), format!("other.{number:06}"), Code::MysqlIdentity),
            ("other server", "\"uid\":\"".into(), "\"uid\":\"x".into(), Code::MysqlIdentity),
            ("other format event", "\"format\":".into(), "\"format\":1".into(), Code::MysqlIdentity),
        ];
        for (what, from, to, code) in changed {
            let mut position = good.clone();
            position.token = position.token.replace(&from, &to);
            if what == "other server" {
                position.token = position.token.replace("\"server_id\":", "\"server_id\":1");
                // And one transaction more than this one has, or it could have taken the other's place.
                let more = match flavour.starts_with("MARIADB") {
                    true => "\"gtids\":\"99-9-9,",
                    false => "\"gtids\":\"aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa:1,",
                };
                position.token = position.token.replace("\"gtids\":\"", more);
            }
            assert_ne!(position.token, good.token, "{what}");
            let error = shop
                .source()
                .stream(Some(&position))
                .await
                .err()
                .unwrap_or_else(|| panic!("{flavour}: {what} is taken"));
            assert_eq!(
                (error.code(), error.kind()),
                (code, Kind::HaltPipeline),
                "{flavour}: {what}: {error}"
            );
        }
        shop.close().await;
    }
}
