//! Events other than plain rows, as real servers write them: transactions and their names, compression, partial images,
//! XA, statements as text.

use mysql_async::prelude::*;
use syncline_connectors::mysql::binlog::gtid_mariadb::GtidPosition;
use syncline_connectors::mysql::binlog::gtid_mysql::{Gtid, GtidSet};
use syncline_connectors::mysql::binlog::{Decoder, Event, EventBody, Flavor, GtidEvent, GtidKind, Xid};
use syncline_engine::error::Code;
use syncline_engine::value::OwnedValue;

use super::catalog::details;
use super::dump;
use super::rows::{decode, logged, selected, try_logged};
use super::servers::{Server, Session};

fn bodies(session: &Session, from: &(String, u64)) -> Vec<Event> {
    let mut events = Vec::new();
    decode(&dump::events(session.server, from), |event, _| events.push(event));
    events
}

fn gtids(events: &[Event]) -> Vec<&GtidEvent> {
    events
        .iter()
        .filter_map(|e| match &e.body {
            EventBody::Gtid(gtid) => Some(gtid),
            _ => None,
        })
        .collect()
}

#[tokio::test]
async fn a_stream_begins_with_rotate_and_format() {
    for server in Server::ALL {
        let mut session = Session::new(server).await;
        let version: String = session.conn.query_first("SELECT version()").await.unwrap().unwrap();
        let from = session.position().await;
        let events = bodies(&session, &from);
        let EventBody::Rotate { file, position } = &events[0].body else { panic!("{:?}", events[0]) };
        assert_eq!((file, position), (&from.0, &from.1), "{server:?}");
        assert!(events[0].header.artificial());
        let EventBody::Format(format) = &events[1].body else { panic!("{:?}", events[1]) };
        assert_eq!(format.server_version, version);
        assert_eq!(format.flavor == Flavor::MariaDb, server.is_mariadb());
        session.drop_database().await;
    }
}

#[tokio::test]
async fn whole_files_decode_with_all_their_events() {
    for server in Server::ALL {
        let mut session = Session::new(server).await;
        session.run("CREATE TABLE t (id int PRIMARY KEY)").await;
        session.run("INSERT INTO t VALUES (1)").await;
        let (file, _) = session.position().await;
        let events = bodies(&session, &(file, 4));
        assert!(events.len() > 3, "{server:?}");
        let before = events.iter().find_map(|e| match &e.body {
            EventBody::PreviousGtids(set) => Some(set.to_string()),
            EventBody::GtidList(position) => Some(position.to_string()),
            _ => None,
        });
        // MySQL 5.6 writes it with gtid_mode=ON only.
        assert!(before.is_some() || server == Server::MySql56, "{server:?}");
        session.drop_database().await;
    }
}

#[tokio::test]
async fn mysql_gtids_are_those_of_the_server() {
    for server in [Server::MySql, Server::MySqlFull] {
        let mut session = Session::new(server).await;
        let from = session.position().await;
        session.run("CREATE TABLE t (id int PRIMARY KEY)").await;
        session.run("INSERT INTO t VALUES (1)").await;
        session.run("SET gtid_next = 'AUTOMATIC:syncline_tag'").await;
        session.run("INSERT INTO t VALUES (2)").await;
        session.run("SET gtid_next = 'AUTOMATIC'").await;
        let executed: String =
            session.conn.query_first("SELECT @@global.gtid_executed").await.unwrap().unwrap();
        let executed = GtidSet::parse(&executed).unwrap();
        let events = bodies(&session, &from);
        let gtids = gtids(&events);
        assert!(gtids.len() >= 3, "{server:?}");
        let mut tagged = 0;
        for event in &gtids {
            let GtidKind::MySql(gtid) = &event.id else { panic!("{event:?}") };
            assert_eq!(Gtid::parse(&gtid.to_string()).unwrap(), *gtid);
            tagged += usize::from(gtid.tsid.tag == "syncline_tag");
            assert!(event.commit_micros.is_some_and(|m| m > 1_700_000_000_000_000), "{event:?}");
            assert!(event.transaction_length.is_some_and(|n| n > 50), "{event:?}");
        }
        assert!(tagged >= 1, "{server:?}");
        let ours =
            gtids.iter().filter(|e| matches!(&e.id, GtidKind::MySql(g) if executed.contains(g))).count();
        assert!(ours >= 3, "{server:?}");
        // The server's own algebra agrees with ours, tags and all.
        let text = executed.to_string();
        let again: String =
            session.conn.exec_first("SELECT GTID_SUBTRACT(?, '')", (&text,)).await.unwrap().unwrap();
        assert_eq!(again.replace(['\n', ' '], ""), text, "{server:?}");
        session.drop_database().await;
    }
}

#[tokio::test]
async fn mariadb_gtids_are_those_of_the_server() {
    let mut session = Session::new(Server::MariaDb).await;
    let from = session.position().await;
    session.run("CREATE TABLE t (id int PRIMARY KEY)").await;
    session.run("SET gtid_domain_id = 7").await;
    session.run("INSERT INTO t VALUES (1)").await;
    let last: String = session.conn.query_first("SELECT @@last_gtid").await.unwrap().unwrap();
    let position: String = session.conn.query_first("SELECT @@gtid_binlog_pos").await.unwrap().unwrap();
    let position = GtidPosition::parse(&position).unwrap();
    let events = bodies(&session, &from);
    let gtids = gtids(&events);
    let create = gtids.iter().find(|e| e.standalone && e.ddl).unwrap();
    let insert = gtids.iter().find(|e| e.id.to_string() == last).unwrap();
    assert!(!insert.standalone);
    for event in [create, insert] {
        let GtidKind::MariaDb(gtid) = &event.id else { panic!("{event:?}") };
        assert!(position.contains(gtid), "{gtid} {position}");
    }
    session.drop_database().await;
}

#[tokio::test]
async fn compressed_transactions_give_the_same_rows() {
    let mut session = Session::new(Server::MySqlFull).await;
    session.run("CREATE TABLE t (id int PRIMARY KEY, v text)").await;
    session.run("SET binlog_transaction_compression = ON").await;
    let from = session.position().await;
    session.run("BEGIN").await;
    for n in 0..40 {
        session.run(format!("INSERT INTO t VALUES ({n}, repeat('x{n}', 3000)), ({}, 'y')", n + 1000)).await;
    }
    session.run("UPDATE t SET v = 'z' WHERE id >= 1000").await;
    session.run("COMMIT").await;
    let end = session.position().await;
    let events = bodies(&session, &from);
    assert!(events.iter().any(|e| matches!(e.body, EventBody::Payload(_))));
    let details = details(&mut session, "t").await;
    let rows = logged(&session, &from, "t", &details);
    assert_eq!(rows.len(), 120);
    // Rows share bytes of what is compressed; they are told apart all the same.
    let places: Vec<_> = rows.iter().flat_map(|r| r.places).flatten().collect();
    assert!(places.is_sorted_by(|a, b| a.0 <= b.0 && a.1 < b.1), "{places:?}");
    assert!(places[0].0 >= from.1 && places[119].0 < end.1, "{places:?}");
    let mut last: Vec<_> = rows[..80].iter().chain(&rows[80..]).map(|r| r.after.clone().unwrap()).collect();
    last.drain(..80).for_each(drop);
    let read = selected(&mut session, "t", &details).await;
    assert_eq!(read[40..], last[..]);
    session.drop_database().await;
}

#[tokio::test]
async fn mariadb_compressed_events_give_the_same_rows() {
    let mut session = Session::new(Server::MariaDbFull).await;
    session.run("CREATE TABLE t (id int PRIMARY KEY, v text)").await;
    let from = session.position().await;
    let min: u32 =
        session.conn.query_first("SELECT @@global.log_bin_compress_min_len").await.unwrap().unwrap();
    session.run("SET GLOBAL log_bin_compress_min_len = 10, GLOBAL log_bin_compress = ON").await;
    session.run("INSERT INTO t VALUES (1, repeat('ab', 20000)), (2, 'c')").await;
    session.run("UPDATE t SET v = concat(v, 'd')").await;
    session.run("DELETE FROM t WHERE id = 1").await;
    session.run(format!("CREATE TABLE u (id int PRIMARY KEY) COMMENT '{}'", "long ".repeat(100))).await;
    session.run(format!("SET GLOBAL log_bin_compress = OFF, GLOBAL log_bin_compress_min_len = {min}")).await;
    let events = bodies(&session, &from);
    let compressed = events.iter().filter(|e| matches!(&e.body, EventBody::Rows(r) if r.compressed)).count();
    assert!(compressed >= 3, "{compressed}");
    let statements = events.iter().filter_map(|e| match &e.body {
        EventBody::Query(query) if e.header.event_type == 165 => Some(query.text().into_owned()),
        _ => None,
    });
    assert!(statements.into_iter().any(|s| s.contains("long long long")));
    let details = details(&mut session, "t").await;
    let rows = logged(&session, &from, "t", &details);
    let operations: Vec<String> = rows.iter().map(|r| format!("{:?}", r.operation)).collect();
    assert_eq!(operations, ["Write", "Write", "Update", "Update", "Delete"]);
    assert_eq!(rows[0].after, rows[2].before);
    assert_eq!(rows[2].after, rows[4].before);
    assert_eq!(rows[3].after.as_ref().unwrap()[1], Some(OwnedValue::Text("cd".into())));
    session.drop_database().await;
}

#[tokio::test]
async fn minimal_images_hold_what_they_hold() {
    for server in Server::ALL {
        let mut session = Session::new(server).await;
        session.run("CREATE TABLE t (id int PRIMARY KEY, a int, b varchar(5), c int, d text)").await;
        session.run("INSERT INTO t VALUES (1, 2, 'x', 3, 'long'), (2, 2, 'y', 3, 'long')").await;
        session.run("SET binlog_row_image = MINIMAL").await;
        let from = session.position().await;
        session.run("UPDATE t SET b = NULL, c = 9 WHERE id = 1").await;
        session.run("DELETE FROM t WHERE id = 2").await;
        session.run("SET binlog_row_image = NOBLOB").await;
        session.run("UPDATE t SET a = 4 WHERE id = 1").await;
        let details = details(&mut session, "t").await;
        let rows = logged(&session, &from, "t", &details);
        let int = |n| Some(OwnedValue::Int(n));
        assert_eq!(rows[0].before, Some(vec![int(1), None, None, None, None]), "{server:?}");
        let after = rows[0].after.as_ref().unwrap();
        assert_eq!(after[1..], [None, Some(OwnedValue::Null), int(9), None], "{server:?}");
        assert_eq!(rows[1].before, Some(vec![int(2), None, None, None, None]), "{server:?}");
        let after = rows[2].after.as_ref().unwrap();
        assert_eq!(after, &[int(1), int(4), Some(OwnedValue::Null), int(9), None], "{server:?}");
        session.drop_database().await;
    }
}

#[tokio::test]
async fn xa_transactions_are_recognised() {
    for server in [Server::MariaDb, Server::MySql] {
        let mut session = Session::new(server).await;
        session.run("CREATE TABLE t (id int PRIMARY KEY)").await;
        let from = session.position().await;
        let global = format!("g-{}", session.database);
        session.run(format!("XA START '{global}', 'b''r', 42")).await;
        session.run("INSERT INTO t VALUES (1)").await;
        session.run(format!("XA END '{global}', 'b''r', 42")).await;
        session.run(format!("XA PREPARE '{global}', 'b''r', 42")).await;
        session.run(format!("XA COMMIT '{global}', 'b''r', 42")).await;
        let xid = Xid { format: 42, global: global.clone().into_bytes(), branch: b"b'r".to_vec() };
        let events = bodies(&session, &from);
        let prepared = events.iter().find_map(|e| match &e.body {
            EventBody::XaPrepare(prepare) if prepare.xid == xid => Some(prepare),
            _ => None,
        });
        assert!(prepared.is_some_and(|p| !p.one_phase), "{server:?}");
        let commit = events.iter().find_map(|e| match &e.body {
            EventBody::Query(q)
                if q.text().starts_with("XA COMMIT") && Xid::parse(&q.text()) == Some(xid.clone()) =>
            {
                Some(q.text().into_owned())
            }
            _ => None,
        });
        assert!(commit.is_some_and(|sql| sql.ends_with(&xid.to_string())), "{server:?}");
        if server == Server::MariaDb {
            let gtids = gtids(&events);
            assert!(gtids.iter().any(|e| e.prepares.as_ref() == Some(&xid)));
            assert!(gtids.iter().any(|e| e.completes.as_ref() == Some(&xid)));
        }
        session.drop_database().await;
    }
}

#[tokio::test]
async fn statements_bring_their_settings() {
    for server in Server::ALL {
        let mut session = Session::new(server).await;
        session.run("SET sql_mode = 'ANSI_QUOTES'").await;
        let from = session.position().await;
        session.run("CREATE TABLE \"t\" (id int PRIMARY KEY) COMMENT 'größe'").await;
        session.conn.query_drop(b"SET NAMES latin1".as_slice()).await.unwrap();
        session
            .conn
            .query_drop(b"CREATE TABLE l (id int PRIMARY KEY) COMMENT 'gr\xf6\xdfe'".as_slice())
            .await
            .unwrap();
        session.run("SET NAMES utf8mb4").await;
        session.run("SET sql_mode = ''").await;
        session.run("SET binlog_format = STATEMENT").await;
        session.run("SET @x = 5").await;
        session.run("INSERT INTO \n t SELECT @x + 0 * RAND()").await;
        let ours = session.database.clone();
        let queries: Vec<_> = bodies(&session, &from)
            .into_iter()
            .filter_map(|e| match e.body {
                EventBody::Query(query) if query.database == ours => Some(query),
                _ => None,
            })
            .collect();
        let create = queries.iter().find(|q| q.text().contains("\"t\"")).unwrap();
        assert!(create.text().contains("größe"), "{server:?}");
        assert_eq!(create.sql_mode.unwrap() & 4, 4, "{server:?}");
        assert!(
            queries.iter().any(|q| q.text().contains("TABLE l") && q.text().contains("größe")),
            "{server:?}"
        );
        assert!(queries.iter().any(|q| q.text().starts_with("INSERT INTO \n t")), "{server:?}");
        let context =
            bodies(&session, &from).iter().filter(|e| matches!(e.body, EventBody::StatementContext)).count();
        assert!(context >= 2, "{server:?}: user variable and random seed");
        session.drop_database().await;
    }
}

/// Columns that a `SELECT *` does not show are in the row and in the catalog alike.
#[tokio::test]
async fn generated_and_invisible_columns_are_part_of_the_row() {
    for server in Server::ALL {
        let mut session = Session::new(server).await;
        let columns = match server {
            Server::MySql56 => "id int PRIMARY KEY, a int, z int",
            s if s.is_mariadb() => {
                "id int PRIMARY KEY, a int, v int AS (a + 1) VIRTUAL, s int AS (a * 2) PERSISTENT, \
                 i int INVISIBLE DEFAULT 5, w varchar(20) AS (concat('x', a)) VIRTUAL, z int, KEY (v), UNIQUE (w)"
            }
            _ => {
                "id int PRIMARY KEY, a int, v int AS (a + 1) VIRTUAL, s int AS (a * 2) STORED, \
                 i int DEFAULT 5 INVISIBLE, w varchar(20) AS (concat('x', a)) VIRTUAL, z int, \
                 KEY (v), KEY ((a * 7)), KEY ((cast(a as char(10))))"
            }
        };
        session.run(format!("CREATE TABLE t ({columns})")).await;
        let from = session.position().await;
        session.run("INSERT INTO t (id, a, z) VALUES (1, 10, -1), (2, NULL, -2)").await;
        session.run("UPDATE t SET a = 11 WHERE id = 1").await;
        let details = details(&mut session, "t").await;
        let rows = logged(&session, &from, "t", &details);
        let read = selected(&mut session, "t", &details).await;
        assert_eq!(rows[2].after.as_ref(), Some(&read[0]), "{server:?}");
        assert_eq!(rows[1].after.as_ref(), Some(&read[1]), "{server:?}");
        assert_eq!(rows[2].before, rows[0].after, "{server:?}");
        session.drop_database().await;
    }
}

#[tokio::test]
async fn tables_without_a_key_keep_their_columns() {
    let mut session = Session::new(Server::MySqlFull).await;
    session.run("SET sql_generate_invisible_primary_key = ON").await;
    session.run("CREATE TABLE g (a int)").await;
    let from = session.position().await;
    session.run("INSERT INTO g VALUES (5)").await;
    let details = details(&mut session, "g").await;
    assert_eq!(details.len(), 2);
    assert!(details[0].invisible);
    let rows = logged(&session, &from, "g", &details);
    assert_eq!(rows[0].after, Some(vec![Some(OwnedValue::UInt(1)), Some(OwnedValue::Int(5))]));
    session.drop_database().await;
}

#[tokio::test]
async fn details_of_another_time_are_refused() {
    let changes = [
        "ADD COLUMN z int",
        "DROP COLUMN b",
        "MODIFY a bigint",
        "MODIFY a int unsigned",
        "MODIFY b varchar(20) CHARACTER SET latin1",
        "MODIFY c datetime(4)",
        "MODIFY e enum('y', 'x')",
        "MODIFY d decimal(11,2)",
        "CHANGE a aa int",
    ];
    for server in [Server::MariaDb, Server::MariaDbFull, Server::MySql, Server::MySqlFull] {
        for (n, change) in changes.iter().enumerate() {
            // Without metadata nobody can tell these; with signedness alone, only that.
            let told = match n {
                3 => server != Server::MariaDb,
                4 | 6 | 8 => matches!(server, Server::MariaDbFull | Server::MySqlFull),
                _ => true,
            };
            if !told {
                continue;
            }
            let mut session = Session::new(server).await;
            session
                .run("CREATE TABLE t (id int PRIMARY KEY, a int, b varchar(20), c datetime(2), d decimal(10,2), e enum('x', 'y'))")
                .await;
            let details = details(&mut session, "t").await;
            session.run(format!("ALTER TABLE t {change}")).await;
            let from = session.position().await;
            session.run("INSERT INTO t (id) VALUES (1)").await;
            let error = try_logged(&session, &from, "t", &details).unwrap_err();
            assert_eq!(error.code(), Code::MysqlSchema, "{server:?} {change}: {error}");
            session.drop_database().await;
        }
    }
}

#[tokio::test]
async fn a_flipped_bit_is_a_bad_checksum() {
    let mut session = Session::new(Server::MariaDb).await;
    session.run("CREATE TABLE t (id int PRIMARY KEY, v varchar(20))").await;
    let from = session.position().await;
    session.run("INSERT INTO t VALUES (1, 'abc')").await;
    let events = dump::events(session.server, &from);
    let rows_at = events.iter().position(|e| matches!(e[4], 23 | 30)).unwrap();
    for bit in 0..events[rows_at].len() * 8 {
        let mut decoder = Decoder::new(true);
        for event in &events[..rows_at] {
            decoder.decode(event).unwrap();
        }
        let mut damaged = events[rows_at].to_vec();
        damaged[bit / 8] ^= 1 << (bit % 8);
        let error = decoder.decode(&damaged.into()).unwrap_err();
        // A damaged length shows before the checksum does.
        assert!(matches!(error.code(), Code::MysqlChecksum | Code::MysqlDecode), "{bit}: {error}");
    }
    session.drop_database().await;
}
