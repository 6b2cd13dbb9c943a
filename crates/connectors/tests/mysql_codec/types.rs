//! Every column type at its edges: the value of a SELECT is the value of the binlog, and the one that was expected.

use syncline_connectors::mysql::binlog::RowOperation;

use super::catalog::details;
use super::columns::{self, Case};
use super::rows::{json, logged, selected, try_logged};
use super::servers::{Server, Session};

/// What is wrong with one type, in words.
async fn compare(session: &mut Session, table: &str, case: &Case) -> Vec<String> {
    let server = session.server;
    session.run(format!("CREATE TABLE {table} (id int PRIMARY KEY, v {}, z int)", case.declare)).await;
    let from = session.position().await;
    let mut rows: Vec<String> =
        case.values.iter().enumerate().map(|(n, (sql, _))| format!("({n}, {sql}, -1)")).collect();
    rows.push(format!("({}, NULL, -1)", rows.len()));
    for row in &rows {
        session.run(format!("INSERT IGNORE INTO {table} VALUES {row}")).await;
    }
    let details = details(session, table).await;
    let read = selected(session, table, &details).await;
    let streamed = match try_logged(session, &from, table, &details) {
        Ok(streamed) => streamed,
        Err(e) => return vec![format!("{server:?} {}: {e}", case.declare)],
    };
    assert_eq!(read.len(), rows.len(), "{server:?} {}", case.declare);
    assert_eq!(streamed.len(), rows.len(), "{server:?} {}", case.declare);
    let mut wrong = Vec::new();
    for (n, (read, streamed)) in read.iter().zip(&streamed).enumerate() {
        let what: String = format!("{server:?} {} row {n}", case.declare).chars().take(100).collect();
        let streamed = streamed.after.as_ref().unwrap();
        if read != streamed || json(&read[1]) != json(&streamed[1]) {
            let (read, streamed) = (format!("{:?}", read[1]), format!("{:?}", streamed[1]));
            wrong.push(format!("{what}: read {read:.300}, streamed {streamed:.300}"));
        }
        let expected = case.values.get(n).map_or(Some("null"), |(_, json)| json.as_deref());
        if let Some(expected) = expected
            && json(&read[1]) != expected
        {
            wrong.push(format!("{what}: {:.300}, expected {expected}", json(&read[1])));
        }
    }
    wrong
}

async fn all_types(server: Server) {
    let mut session = Session::new(server).await;
    let mut wrong = Vec::new();
    for (n, case) in columns::all(server).iter().enumerate() {
        wrong.extend(compare(&mut session, &format!("t{n}"), case).await);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    session.drop_database().await;
}

#[tokio::test]
async fn mariadb_reads_what_it_streams() {
    all_types(Server::MariaDb).await;
}

#[tokio::test]
async fn mariadb_with_metadata_reads_what_it_streams() {
    all_types(Server::MariaDbFull).await;
}

#[tokio::test]
async fn mariadb_11_reads_what_it_streams() {
    all_types(Server::MariaDb11).await;
}

#[tokio::test]
async fn mysql_reads_what_it_streams() {
    all_types(Server::MySql).await;
}

#[tokio::test]
async fn mysql_with_metadata_reads_what_it_streams() {
    all_types(Server::MySqlFull).await;
}

#[tokio::test]
async fn mysql_5_6_reads_what_it_streams() {
    all_types(Server::MySql56).await;
}

/// All types side by side, where each column's metadata must be told from its neighbours'.
#[tokio::test]
async fn a_table_of_every_type_reads_what_it_streams() {
    for server in Server::ALL {
        let mut session = Session::new(server).await;
        let rows = columns::table_of_every_type(&mut session).await;
        let from = session.position().await;
        for row in &rows {
            session.run(row).await;
        }
        let details = details(&mut session, "every").await;
        assert!(details.len() > 90, "{server:?}");
        let read = selected(&mut session, "every", &details).await;
        let streamed = logged(&session, &from, "every", &details);
        assert_eq!(read.len(), rows.len(), "{server:?}");
        for (read, streamed) in read.iter().zip(&streamed) {
            for (n, (read, streamed)) in read.iter().zip(streamed.after.as_ref().unwrap()).enumerate() {
                assert_eq!(read, streamed, "{server:?} {} {}", details[n].name, details[n].type_text);
            }
        }
        session.drop_database().await;
    }
}

/// A wide table of few types: update and delete images, null bits beyond one byte.
#[tokio::test]
async fn updates_and_deletes_bring_both_images() {
    for server in Server::ALL {
        let mut session = Session::new(server).await;
        let columns: Vec<String> =
            (0..40).map(|n| format!("c{n} {}", ["int", "varchar(20)", "date"][n % 3])).collect();
        session.run(format!("CREATE TABLE wide (id int PRIMARY KEY, {})", columns.join(", "))).await;
        let from = session.position().await;
        session.run("INSERT INTO wide (id, c0, c1, c39) VALUES (1, 5, 'x', 7), (2, 6, 'y', 8)").await;
        session.run("UPDATE wide SET c20 = '2026-05-05', c1 = NULL, id = id + 10").await;
        session.run("DELETE FROM wide WHERE id = 12").await;
        let details = details(&mut session, "wide").await;
        let rows = logged(&session, &from, "wide", &details);
        let operations: Vec<RowOperation> = rows.iter().map(|r| r.operation).collect();
        use RowOperation::{Delete, Update, Write};
        assert_eq!(operations, [Write, Write, Update, Update, Delete], "{server:?}");
        assert_eq!(rows[0].after, rows[2].before, "{server:?}");
        let left = selected(&mut session, "wide", &details).await;
        assert_eq!(rows[2].after.as_ref(), left.first(), "{server:?}");
        assert_eq!(rows[3].after, rows[4].before, "{server:?}");
        let places: Vec<_> = rows.iter().flat_map(|r| r.places).flatten().collect();
        assert!(places.is_sorted_by(|a, b| a.0 < b.0 && a.1 < b.1), "{server:?} {places:?}");
        session.drop_database().await;
    }
}
