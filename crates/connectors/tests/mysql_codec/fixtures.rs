//! Writes what the decoder's own tests read: events of real servers and the details of their columns. Run it by name
//! after a change of what is in them: `cargo test --test mysql_codec -- --ignored fixtures`.

use std::path::Path;

use super::catalog::details;
use super::columns;
use super::dump;
use super::servers::{Server, Session};

async fn write(server: Server, name: &str, settings: &[&str]) {
    let mut session = Session::new(server).await;
    let rows = columns::table_of_every_type(&mut session).await;
    for setting in settings {
        session.run(setting).await;
    }
    let from = session.position().await;
    session.run("BEGIN").await;
    for row in rows {
        session.run(row).await;
    }
    session.run("UPDATE every SET id = id + 100 WHERE id < 3").await;
    session.run("DELETE FROM every WHERE id = 5").await;
    session.run("COMMIT").await;
    for setting in settings.iter().filter(|s| s.contains("GLOBAL")) {
        session.run(setting.replace("= ON", "= OFF")).await;
    }
    let details = details(&mut session, "every").await;
    let events = dump::events(server, &from).concat();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/mysql/binlog/fixtures");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(format!("{name}.binlog")), events).unwrap();
    let json = serde_json::to_string(&details).unwrap();
    std::fs::write(folder.join(format!("{name}.json")), json).unwrap();
    session.drop_database().await;
}

#[tokio::test]
#[ignore = "writes the fixtures"]
async fn fixtures() {
    write(Server::MariaDb, "mariadb", &[]).await;
    write(Server::MariaDbFull, "mariadb-compressed", &["SET GLOBAL log_bin_compress = ON"]).await;
    write(Server::MySql, "mysql", &[]).await;
    let payload = ["SET binlog_transaction_compression = ON", "SET gtid_next = 'AUTOMATIC:tag'"];
    write(Server::MySqlFull, "mysql-compressed", &payload).await;
    write(Server::MySql56, "mysql-5.6", &[]).await;
}
