//! Columns that the catalog does not show: what the binlog says of them.

use syncline_engine::error::Code;

use super::catalog::details;
use super::rows::{logged, selected, try_logged};
use super::servers::{Server, Session};

#[tokio::test]
async fn a_hash_behind_a_long_unique_key_is_not_in_the_row() {
    for server in [Server::MariaDb, Server::MariaDbFull] {
        let mut session = Session::new(server).await;
        session.run("CREATE TABLE u (id int PRIMARY KEY, b text, c int, UNIQUE (b))").await;
        let from = session.position().await;
        session.run("INSERT INTO u VALUES (1, 'x', 2)").await;
        session.run("UPDATE u SET b = 'y'").await;
        let details = details(&mut session, "u").await;
        let rows = logged(&session, &from, "u", &details);
        let read = selected(&mut session, "u", &details).await;
        assert_eq!(rows[1].after.as_ref(), Some(&read[0]), "{server:?}");
        session.drop_database().await;
    }
}

/// A deleted row of such a table is an update in the binlog, so its rows must not be taken for plain ones.
#[tokio::test]
async fn system_versioning_adds_columns_that_are_refused() {
    for server in [Server::MariaDb, Server::MariaDbFull] {
        let mut session = Session::new(server).await;
        session.run("CREATE TABLE v (id int PRIMARY KEY, a int) WITH SYSTEM VERSIONING").await;
        let from = session.position().await;
        session.run("INSERT INTO v VALUES (1, 2)").await;
        let details = details(&mut session, "v").await;
        let error = try_logged(&session, &from, "v", &details).unwrap_err();
        assert_eq!(error.code(), Code::MysqlSchema, "{server:?} {error}");
        session.drop_database().await;
    }
}

/// A BIGINT that was added unseen looks like a hash only where the binlog tells no names.
#[tokio::test]
async fn an_added_number_is_no_hash() {
    for (server, declare) in [
        (Server::MariaDbFull, "bigint"),
        (Server::MariaDb, "bigint not null"),
        (Server::MySql, "bigint"),
        (Server::MySql56, "bigint"),
    ] {
        let mut session = Session::new(server).await;
        session.run("CREATE TABLE t (id int PRIMARY KEY, a text)").await;
        let details = details(&mut session, "t").await;
        session.run(format!("ALTER TABLE t ADD COLUMN n {declare}")).await;
        let from = session.position().await;
        session.run("INSERT INTO t VALUES (1, 'x', 2)").await;
        let error = try_logged(&session, &from, "t", &details).unwrap_err();
        assert_eq!(error.code(), Code::MysqlSchema, "{server:?} {error}");
        session.drop_database().await;
    }
}
