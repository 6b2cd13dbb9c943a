//! XA transactions: their rows count from their commit on, whatever happens in between.

use mysql_async::prelude::Queryable;
use syncline_engine::position::StoredPosition;

use crate::support::{ALL, Shop, connect};

/// MySQL 5.6 logs them like any other transaction, at their commit.
const TWO_PHASES: [&str; 3] = ["MARIADB", "MYSQL", "MYSQL_GTID"];

/// A session that prepares transactions: their statements, in one of the database.
struct Xa {
    session: mysql_async::Conn,
    database: String,
}

impl Xa {
    async fn of(shop: &Shop) -> Xa {
        let mut xa = Xa { session: connect(&shop.url).await, database: shop.database.clone() };
        let using = format!("USE {}", xa.database);
        xa.run(&using).await;
        xa
    }

    async fn run(&mut self, sql: &str) {
        self.session.query_drop(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    async fn prepare(&mut self, name: &str, statements: &[&str]) {
        let xid = format!("'{}{name}'", self.database);
        self.run(&format!("XA START {xid}")).await;
        for statement in statements {
            self.run(statement).await;
        }
        self.run(&format!("XA END {xid}")).await;
        self.run(&format!("XA PREPARE {xid}")).await;
    }

    async fn end(&mut self, how: &str, name: &str) {
        let sql = format!("XA {how} '{}{name}'", self.database);
        self.run(&sql).await;
    }
}

#[tokio::test]
async fn rows_come_with_the_commit() {
    for flavour in ALL {
        let mut shop = Shop::open(flavour).await;
        shop.run(&["CREATE TABLE a (id INT PRIMARY KEY)", "CREATE TABLE other (id INT PRIMARY KEY)"]).await;
        shop.spec.source.exclude = vec![format!("{}.other", shop.database)];
        let mut tape = shop.stream(None).await;
        let mut xa = Xa::of(&shop).await;
        xa.prepare("1", &["INSERT INTO other VALUES (1)"]).await;
        xa.end("COMMIT", "1").await;
        xa.prepare(
            "2",
            &["INSERT INTO a VALUES (2)", "UPDATE a SET id = 3 WHERE id = 2", "INSERT INTO other VALUES (2)"],
        )
        .await;
        shop.run(&["INSERT INTO a VALUES (1)"]).await;
        xa.end("COMMIT", "2").await;
        xa.prepare("3", &["DELETE FROM a"]).await;
        shop.run(&["INSERT INTO other VALUES (4)"]).await;
        xa.end("ROLLBACK", "3").await;
        let xid = format!("'{}4'", shop.database);
        xa.run(&format!("XA START {xid}")).await;
        xa.run("INSERT INTO a VALUES (4)").await;
        xa.run(&format!("XA END {xid}")).await;
        xa.run(&format!("XA COMMIT {xid} ONE PHASE")).await;
        // The name of one that is over.
        xa.prepare("2", &["INSERT INTO a VALUES (5)"]).await;
        xa.end("COMMIT", "2").await;
        tape.catch_up().await;
        let lines =
            ["insert a id=1", "insert a id=2", "update a id=2 -> id=3", "insert a id=4", "insert a id=5"];
        assert_eq!(tape.lines(), lines, "{flavour}");
        shop.close().await;
    }
}

#[tokio::test]
async fn what_is_left_open_is_kept_over_a_restart() {
    for flavour in TWO_PHASES {
        let mut shop = Shop::open(flavour).await;
        shop.run(&["CREATE TABLE a (id INT PRIMARY KEY, t LONGTEXT)"]).await;
        let mut tape = shop.stream(None).await;
        let mut xa = Xa::of(&shop).await;
        let many = "INSERT INTO a SELECT seq.n, REPEAT(char(97 + seq.n), 300000)
                    FROM (SELECT 0 n UNION SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4) seq
                    ORDER BY seq.n";
        xa.prepare("1", &[many, "DELETE FROM a WHERE id = 3"]).await;
        shop.run(&["INSERT INTO a VALUES (100, 'x')"]).await;
        tape.catch_up().await;
        assert_eq!(tape.lines(), ["insert a id=100 t=x"], "{flavour}");
        let before = StoredPosition::from(&tape.resume);
        drop(tape);
        xa.end("COMMIT", "1").await;
        for _ in 0..2 {
            // Its commit comes again, too.
            let mut tape = shop.stream(Some(&before)).await;
            tape.catch_up().await;
            let lines: Vec<String> =
                tape.lines().iter().map(|line| line.chars().take(17).collect()).collect();
            let inserts = (0..5u8).map(|n| format!("insert a id={n} t={}", char::from(b'a' + n)));
            let mut wanted: Vec<String> = inserts.map(|line| line[..17].to_owned()).collect();
            wanted.push("delete a id=3 t=d".into());
            assert_eq!(lines, wanted, "{flavour}");
        }
        shop.close().await;
    }
}

#[tokio::test]
async fn a_commit_of_rows_that_were_not_seen_is_told_for_all_tables() {
    for flavour in TWO_PHASES {
        let mut shop = Shop::open(flavour).await;
        shop.run(&["CREATE TABLE a (id INT PRIMARY KEY)"]).await;
        let mut xa = Xa::of(&shop).await;
        xa.prepare("1", &["INSERT INTO a VALUES (1)"]).await;
        let mut tape = shop.stream(None).await;
        xa.end("COMMIT", "1").await;
        tape.until("word of it", |tape| tape.unseen.iter().any(|table| table == "a")).await;
        shop.close().await;
    }
}
