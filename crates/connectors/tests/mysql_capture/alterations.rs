//! DDL: the same changes and events whether the stream keeps up with it or comes long after.

use syncline_engine::position::StoredPosition;

use crate::support::{ALL, MODERN, Shop, Tape};

/// Statements, and what the stream must bring of them.
const SCRIPT: &[(&str, &[&str])] = &[
    ("CREATE TABLE a (id INT PRIMARY KEY, n INT)", &["appeared a(id,n)"]),
    ("INSERT INTO a VALUES (1, 1)", &["insert a id=1 n=1"]),
    ("ALTER TABLE a ADD COLUMN s VARCHAR(10)", &["altered a(id,n,s) reread=false"]),
    ("INSERT INTO a VALUES (2, 2, 'two')", &["insert a id=2 n=2 s=two"]),
    (
        "ALTER TABLE a ADD COLUMN u INT UNSIGNED NOT NULL DEFAULT 4000000000 FIRST",
        &["altered a(u,id,n,s) reread=true"],
    ),
    (
        "UPDATE a SET n = 3 WHERE id = 2",
        &["update a u=4000000000 id=2 n=2 s=two -> u=4000000000 id=2 n=3 s=two"],
    ),
    ("ALTER TABLE a CHANGE s t VARCHAR(20) AFTER id, DROP COLUMN u", &["altered a(id,t,n) reread=true"]),
    ("DELETE FROM a WHERE id = 1", &["delete a id=1 t=null n=1"]),
    ("ALTER TABLE a ADD INDEX (n), COMMENT 'nothing to see'", &[]),
    ("CREATE TABLE b LIKE a", &["appeared b(id,t,n)"]),
    ("INSERT INTO b VALUES (7, 'b', 0)", &["insert b id=7 t=b n=0"]),
    ("RENAME TABLE a TO c", &["dropped a", "appeared c(id,t,n)"]),
    ("INSERT INTO c VALUES (8, 'c', 0)", &["insert c id=8 t=c n=0"]),
    ("ALTER TABLE c RENAME TO hidden", &["dropped c"]),
    ("INSERT INTO hidden VALUES (9, 'x', 0)", &[]),
    ("CREATE TABLE `_b_gho` LIKE b", &[]),
    ("ALTER TABLE `_b_gho` ADD COLUMN z BIGINT", &[]),
    ("INSERT INTO `_b_gho` VALUES (7, 'b', 0, NULL)", &[]),
    ("RENAME TABLE b TO `_b_del`, `_b_gho` TO b", &["altered b(id,t,n,z) reread=true"]),
    ("INSERT INTO b VALUES (10, 'after', 1, -1)", &["insert b id=10 t=after n=1 z=-1"]),
    ("TRUNCATE TABLE b", &["truncated b"]),
    ("INSERT INTO b VALUES (11, 'new', 1, 5)", &["insert b id=11 t=new n=1 z=5"]),
    ("ALTER TABLE b MODIFY id BIGINT", &["halted b SYN-1309"]),
    ("INSERT INTO b VALUES (12, 'lost', 1, 5)", &[]),
    ("CREATE TABLE keyless (n INT)", &["halted keyless SYN-1303"]),
    ("CREATE TABLE d (id INT PRIMARY KEY)", &["appeared d(id)"]),
    (
        "ALTER TABLE d ADD COLUMN e ENUM('x', 'y') DEFAULT 'y', ADD m MEDIUMINT UNSIGNED",
        &["altered d(id,e,m) reread=true"],
    ),
    ("INSERT INTO d VALUES (1, 'x', 16777215)", &["insert d id=1 e=x m=16777215"]),
    ("DROP TABLE d", &["dropped d"]),
    ("CREATE TABLE d (id INT, k INT, PRIMARY KEY (k))", &["appeared d(id,k)"]),
    ("INSERT INTO d VALUES (5, 6)", &["insert d id=5 k=6"]),
];

fn expected() -> Vec<String> {
    SCRIPT.iter().flat_map(|(_, lines)| lines.iter().map(|l| (*l).to_owned())).collect()
}

async fn shop(flavour: &'static str) -> Shop {
    let mut shop = Shop::open(flavour).await;
    shop.spec.source.exclude = vec![format!("{}.hidden", shop.database)];
    shop
}

fn compare(flavour: &str, tape: &Tape) {
    for (found, wanted) in tape.lines().iter().zip(expected()) {
        assert_eq!(*found, wanted, "{flavour}: {:#?}", tape.lines());
    }
    assert_eq!(tape.lines(), expected(), "{flavour}");
}

#[tokio::test]
async fn ddl_while_the_stream_keeps_up() {
    for flavour in ALL {
        let mut shop = shop(flavour).await;
        let mut tape = shop.stream(None).await;
        for (statement, _) in SCRIPT {
            shop.run(&[statement]).await;
            tape.catch_up().await;
        }
        compare(flavour, &tape);
        shop.close().await;
    }
}

#[tokio::test]
async fn ddl_while_the_stream_lags() {
    for flavour in ALL {
        let mut shop = shop(flavour).await;
        let start = StoredPosition::from(&shop.stream(None).await.resume);
        for (statement, _) in SCRIPT {
            shop.run(&[statement]).await;
        }
        let mut tape = shop.stream(Some(&start)).await;
        tape.catch_up().await;
        compare(flavour, &tape);
        drop(tape);
        // And once more, over the history that the first pass has written.
        let mut again = shop.stream(Some(&start)).await;
        again.catch_up().await;
        compare(flavour, &again);
        shop.close().await;
    }
}

#[tokio::test]
async fn a_restart_between_any_two_statements_brings_the_rest() {
    for flavour in MODERN {
        let mut shop = shop(flavour).await;
        let mut position = StoredPosition::from(&shop.stream(None).await.resume);
        for (statement, lines) in SCRIPT {
            shop.run(&[statement]).await;
            let mut tape = shop.stream(Some(&position)).await;
            tape.catch_up().await;
            assert_eq!(tape.lines(), *lines, "{flavour}: {statement}");
            shop.note(&tape).await;
            position = StoredPosition::from(&tape.resume);
        }
        shop.close().await;
    }
}

#[tokio::test]
async fn tables_that_a_changed_file_adds_join_where_they_stand() {
    for flavour in ALL {
        let mut shop = shop(flavour).await;
        shop.run(&["CREATE TABLE a (id INT PRIMARY KEY)", "CREATE TABLE b (id INT PRIMARY KEY)"]).await;
        shop.spec.source.tables = vec![format!("{}.a", shop.database)];
        let start = StoredPosition::from(&shop.stream(None).await.resume);
        shop.run(&["INSERT INTO a VALUES (1)", "INSERT INTO b VALUES (1)"]).await;
        shop.spec.source.tables.push(format!("{}.b", shop.database));
        let mut tape = shop.stream(Some(&start)).await;
        tape.catch_up().await;
        shop.run(&["INSERT INTO b VALUES (2)"]).await;
        tape.catch_up().await;
        assert_eq!(tape.lines(), ["insert a id=1", "appeared b(id)", "insert b id=2"], "{flavour}");
        shop.close().await;
    }
}

#[tokio::test]
async fn a_halted_table_comes_back_when_it_is_read_again() {
    for flavour in ALL {
        let mut shop = shop(flavour).await;
        shop.run(&["CREATE TABLE a (id INT PRIMARY KEY)"]).await;
        let mut tape = shop.stream(None).await;
        shop.run(&["ALTER TABLE a MODIFY id BIGINT", "INSERT INTO a VALUES (1)"]).await;
        tape.catch_up().await;
        assert_eq!(tape.lines(), ["halted a SYN-1309"], "{flavour}");
        tape.forget();
        let schema = tape.source.tables().await.unwrap().remove(0);
        let reader = tape.source.reader();
        let asked = tokio::spawn(async move { reader.extent(&schema, &[0]).await });
        tape.until("event", |t| !t.items.is_empty()).await;
        assert!(asked.await.unwrap().unwrap().is_some());
        shop.run(&["INSERT INTO a VALUES (2)"]).await;
        tape.catch_up().await;
        assert_eq!(tape.lines(), ["altered a(id) reread=false", "insert a id=2"], "{flavour}");
        shop.close().await;
    }
}

#[tokio::test]
async fn rows_changed_by_text_halt_their_table_alone() {
    for flavour in ALL {
        let mut shop = shop(flavour).await;
        shop.run(&["CREATE TABLE a (id INT PRIMARY KEY)", "CREATE TABLE b (id INT PRIMARY KEY)"]).await;
        let mut tape = shop.stream(None).await;
        // MySQL 9 has lost the statement format.
        shop.run(&[
            "SET SESSION binlog_format = STATEMENT",
            "INSERT INTO a VALUES (1)",
            "SET SESSION binlog_format = ROW",
        ])
        .await;
        shop.run(&["INSERT INTO a VALUES (2)", "INSERT INTO b VALUES (3)"]).await;
        tape.catch_up().await;
        assert_eq!(tape.lines(), ["halted a SYN-1311", "insert b id=3"], "{flavour}");
        shop.close().await;
    }
}

#[tokio::test]
async fn partial_images_are_completed() {
    for flavour in ALL {
        let mut shop = shop(flavour).await;
        shop.run(&["CREATE TABLE a (id INT PRIMARY KEY, n INT, t VARCHAR(9) DEFAULT 'x')"]).await;
        shop.run(&["INSERT INTO a VALUES (1, 1, 'a'), (2, 2, 'b'), (3, 3, 'c')"]).await;
        let mut tape = shop.stream(None).await;
        shop.run(&[
            "SET SESSION binlog_row_image = MINIMAL",
            "UPDATE a SET n = 9 WHERE id = 1",
            "INSERT INTO a (id) VALUES (4)",
            "UPDATE a SET id = 5 WHERE id = 2",
            "DELETE FROM a WHERE id = 3",
        ])
        .await;
        tape.catch_up().await;
        let lines = [
            "update a id=1 n=absent t=absent -> id=1 n=9 t=a",
            "insert a id=4 n=null t=x",
            "update a id=2 n=absent t=absent -> id=5 n=2 t=b",
            "delete a id=3 n=absent t=absent",
        ];
        assert_eq!(tape.lines(), lines, "{flavour}");
        shop.run(&["UPDATE a SET n = 0 WHERE id = 1", "UPDATE a SET t = 'y' WHERE id = 4"]).await;
        shop.run(&["DELETE FROM a WHERE id = 1"]).await;
        tape.catch_up().await;
        let lines = tape.lines();
        assert_eq!(lines.last().map(String::as_str), Some("delete a id=1 n=absent t=absent"), "{flavour}");
        let other = "update a id=4 n=absent t=absent -> id=4 n=null t=y".to_owned();
        assert!(lines.contains(&other), "{flavour}: {lines:?}");
        shop.close().await;
    }
}
