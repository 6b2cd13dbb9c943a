//! Rows that no packet holds.

use syncline_engine::value::OwnedValue;

use super::catalog::details;
use super::rows::selected;
use super::servers::{Server, Session};

/// Of each of six columns: the row takes two packets of 16 MiB, and its bytes look like the size of a huge event.
const BYTES: usize = 3 << 20;
const COLUMNS: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

#[tokio::test]
async fn a_row_of_several_packets_is_read_whole() {
    for server in Server::ALL {
        let mut session = Session::new(server).await;
        let columns = COLUMNS.map(|column| format!("{column} longblob")).join(", ");
        session.run(format!("CREATE TABLE large (id int PRIMARY KEY, {columns})")).await;
        session.run("SET sql_log_bin = 0").await;
        session.run("INSERT INTO large (id) VALUES (1)").await;
        for column in COLUMNS {
            session.run(format!("UPDATE large SET {column} = REPEAT(x'ff', {BYTES})")).await;
        }
        let details = details(&mut session, "large").await;
        let rows = selected(&mut session, "large", &details).await;
        assert_eq!(rows.len(), 1, "{server:?}");
        for value in &rows[0][1..] {
            let Some(OwnedValue::Bytes(bytes)) = value else { panic!("{server:?}: no bytes") };
            assert!(bytes.len() == BYTES && bytes.iter().all(|byte| *byte == 0xff), "{server:?}");
        }
        session.drop_database().await;
    }
}
