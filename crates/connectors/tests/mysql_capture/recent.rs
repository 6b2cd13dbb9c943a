//! What the binlog tells once more, beside the stream: rows that changed since a moment, and tables of which more is to be told.

use std::collections::BTreeSet;
use std::time::Duration;

use mysql_async::prelude::Queryable;
use syncline_engine::clock::now_millis;
use syncline_engine::error::{Code, Error};
use syncline_engine::source::{Recent, Source};
use tokio::sync::mpsc;

use crate::support::{ALL, MODERN, MYSQL9, Shop, connect};

/// Ids of changed rows, and tables that were named.
async fn recent(source: &dyn Source, since: i64) -> Result<(BTreeSet<String>, BTreeSet<String>), Error> {
    let (sender, mut pieces) = mpsc::channel(4);
    let read = async {
        let sender = sender;
        source.recent(since, &sender).await
    };
    let keep = async {
        let (mut rows, mut tables) = (BTreeSet::new(), BTreeSet::new());
        while let Some(piece) = pieces.recv().await {
            match piece {
                Recent::Table(table) => _ = tables.insert(table.rsplit('.').next().unwrap().to_owned()),
                Recent::Changes(changes) => {
                    for change in &changes {
                        for image in change.before.iter().chain(&change.after) {
                            if let Some(id) = image.columns(&[0]).unwrap().remove(0) {
                                rows.insert(format!("{}{id:?}", change.schema.table));
                            }
                        }
                    }
                }
            }
        }
        (rows, tables)
    };
    let (read, kept) = tokio::join!(read, keep);
    read.map(|()| kept)
}

fn ids(of: &[(&str, i64)]) -> BTreeSet<String> {
    of.iter().map(|(table, id)| format!("{table}Int({id})")).collect()
}

/// Events carry whole seconds.
async fn next_second() -> i64 {
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let now = now_millis();
    now - now % 1000
}

#[tokio::test]
async fn rows_of_late_are_told_and_no_others() {
    for flavour in ALL {
        let mut shop = Shop::open(flavour).await;
        shop.run(&[
            "CREATE TABLE t (id INT PRIMARY KEY, n INT)",
            "CREATE TABLE u (id INT PRIMARY KEY, n INT)",
        ])
        .await;
        let mut tape = shop.stream(None).await;
        shop.run(&["INSERT INTO t VALUES (1, 1), (2, 2), (3, 3)", "INSERT INTO u VALUES (1, 1)"]).await;
        let since = next_second().await;
        shop.run(&["FLUSH BINARY LOGS"]).await;
        shop.run(&[
            "UPDATE t SET n = 5 WHERE id = 2",
            "DELETE FROM t WHERE id = 3",
            "UPDATE t SET id = 10 WHERE id = 1",
        ])
        .await;
        shop.run(&["FLUSH BINARY LOGS", "INSERT INTO u VALUES (7, 1)"]).await;
        tape.catch_up().await;
        let (rows, tables) = recent(&*tape.source, since).await.unwrap();
        assert_eq!(rows, ids(&[("t", 1), ("t", 2), ("t", 3), ("t", 10), ("u", 7)]), "{flavour}");
        assert_eq!(tables, BTreeSet::new(), "{flavour}");
        let error = recent(&*tape.source, 0).await.unwrap_err();
        assert_eq!(error.code(), Code::VerifySince, "{flavour}: {error}");
        shop.run(&["INSERT INTO t VALUES (20, 1)"]).await;
        tape.catch_up().await;
        assert!(tape.changes().count() >= 8, "{flavour}: the stream goes on beside it");
        shop.close().await;
    }
}

#[tokio::test]
async fn parts_of_rows_and_compressed_ones() {
    for flavour in MODERN {
        let mut shop = Shop::open(flavour).await;
        shop.run(&[
            "CREATE TABLE t (id INT PRIMARY KEY, n INT, s TEXT)",
            "INSERT INTO t VALUES (1, 1, 'a'), (2, 2, 'b')",
        ])
        .await;
        let mut tape = shop.stream(None).await;
        let since = next_second().await;
        shop.run(&[
            "SET SESSION binlog_row_image = MINIMAL",
            "UPDATE t SET n = 5 WHERE id = 2",
            "DELETE FROM t WHERE id = 1",
        ])
        .await;
        if MYSQL9.contains(&flavour) {
            shop.run(&[
                "SET SESSION binlog_transaction_compression = ON",
                "INSERT INTO t VALUES (3, 3, 'c')",
            ])
            .await;
        } else {
            shop.run(&["INSERT INTO t VALUES (3, 3, 'c')"]).await;
        }
        tape.catch_up().await;
        let (rows, tables) = recent(&*tape.source, since).await.unwrap();
        assert_eq!((rows, tables), (ids(&[("t", 1), ("t", 2), ("t", 3)]), BTreeSet::new()), "{flavour}");
        shop.close().await;
    }
}

#[tokio::test]
async fn tables_are_named_whose_rows_say_too_little() {
    for flavour in MODERN {
        let mut shop = Shop::open(flavour).await;
        for table in ["t", "u", "v", "w", "x"] {
            shop.run(&[
                &format!("CREATE TABLE {table} (id INT PRIMARY KEY, n INT)"),
                &format!("INSERT INTO {table} VALUES (1, 1)"),
            ])
            .await;
        }
        let mut other = connect(&shop.url).await;
        let xid = shop.database.clone();
        for statement in [
            format!("USE {xid}"),
            format!("XA START '{xid}'"),
            "UPDATE x SET n = 2".to_owned(),
            format!("XA END '{xid}'"),
            format!("XA PREPARE '{xid}'"),
        ] {
            other.query_drop(statement).await.unwrap();
        }
        let mut tape = shop.stream(None).await;
        let since = next_second().await;
        shop.run(&[
            "TRUNCATE t",
            "ALTER TABLE u ADD COLUMN a INT",
            "RENAME TABLE v TO v2",
            "INSERT INTO w VALUES (2, 2)",
        ])
        .await;
        tape.catch_up().await;
        let (rows, tables) = recent(&*tape.source, since).await.unwrap();
        let named: BTreeSet<String> = ["t", "u", "v", "v2"].map(str::to_owned).into();
        assert_eq!((rows, tables), (ids(&[("w", 2)]), named), "{flavour}");
        other.query_drop(format!("XA COMMIT '{xid}'")).await.unwrap();
        tape.catch_up().await;
        let (_, tables) = recent(&*tape.source, since).await.unwrap();
        assert!(
            tables.contains("x") && tables.contains("w"),
            "{flavour}: any of them may be meant: {tables:?}"
        );
        shop.close().await;
    }
}
