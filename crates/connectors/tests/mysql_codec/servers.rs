//! Which servers there are, and a session on one with a database of its own.

use std::sync::atomic::{AtomicU32, Ordering};

use mysql_async::prelude::*;
use mysql_async::{Conn, Opts, OptsBuilder, Row};
use syncline_connectors::connection::{ConnectionOptions, ConnectionSpec};
use syncline_connectors::mysql::client;
use syncline_connectors::mysql::config::MysqlConfig;

/// A server under test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Server {
    /// MariaDB as it comes: no row metadata.
    MariaDb,
    /// MariaDB with `binlog_row_metadata=FULL`.
    MariaDbFull,
    /// MariaDB 11 as it comes.
    MariaDb11,
    /// MySQL 9 as it comes: signedness alone.
    MySql,
    /// MySQL 9 with `binlog_row_metadata=FULL`.
    MySqlFull,
    MySql56,
}

impl Server {
    pub const ALL: [Server; 6] = [
        Server::MariaDb,
        Server::MariaDbFull,
        Server::MariaDb11,
        Server::MySql,
        Server::MySqlFull,
        Server::MySql56,
    ];

    fn variable(self) -> &'static str {
        match self {
            Server::MariaDb => "SYNCLINE_TEST_MARIADB",
            Server::MariaDbFull => "SYNCLINE_TEST_MARIADB_FULL",
            Server::MariaDb11 => "SYNCLINE_TEST_MARIADB11",
            Server::MySql => "SYNCLINE_TEST_MYSQL",
            Server::MySqlFull => "SYNCLINE_TEST_MYSQL_GTID",
            Server::MySql56 => "SYNCLINE_TEST_MYSQL56",
        }
    }

    pub fn url(self) -> String {
        let name = self.variable();
        std::env::var(name).unwrap_or_else(|_| {
            panic!("{name} is not set: tests/services/services.sh start, then eval its env")
        })
    }

    pub fn is_mariadb(self) -> bool {
        matches!(self, Server::MariaDb | Server::MariaDbFull | Server::MariaDb11)
    }

    /// Whether it is MySQL 8 or later.
    pub fn is_modern_mysql(self) -> bool {
        matches!(self, Server::MySql | Server::MySqlFull)
    }
}

/// A session with a database that is dropped by [`Session::drop_database`] (and, after a failure, by the next run).
pub struct Session {
    pub server: Server,
    pub conn: Conn,
    pub database: String,
}

impl Session {
    pub async fn new(server: Server) -> Session {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let database = format!("codec_test_{}_{n}", std::process::id());
        let opts = Opts::from_url(&server.url()).unwrap();
        let opts = OptsBuilder::from_opts(opts).prefer_socket(false).max_allowed_packet(Some(64 << 20));
        let mut conn = Conn::new(opts).await.unwrap();
        for sql in [
            "SET NAMES utf8mb4".to_owned(),
            "SET time_zone = '+00:00', sql_mode = ''".to_owned(),
            format!("CREATE DATABASE {database} CHARACTER SET utf8mb4"),
            format!("USE {database}"),
        ] {
            conn.query_drop(&sql).await.unwrap_or_else(|e| panic!("{server:?}: {sql}: {e}"));
        }
        Session { server, conn, database }
    }

    pub async fn run(&mut self, sql: impl AsRef<str>) {
        let sql = sql.as_ref();
        let shown: String = sql.chars().take(300).collect();
        self.conn.query_drop(sql).await.unwrap_or_else(|e| panic!("{:?}: {shown}: {e}", self.server));
    }

    /// A session as the connector has it, in this database.
    pub async fn reading(&self) -> client::Session {
        let spec = ConnectionSpec {
            name: "test".into(),
            url: self.server.url(),
            options: ConnectionOptions::default(),
        };
        let config = MysqlConfig::parse(&spec).unwrap();
        let mut session = client::Session::connect(&config, &config.endpoints[0]).await.unwrap();
        session.execute(&format!("USE {}", self.database)).await.unwrap();
        session
    }

    /// Where the binlog ends now.
    pub async fn position(&mut self) -> (String, u64) {
        let sql = if self.server.is_modern_mysql() { "SHOW BINARY LOG STATUS" } else { "SHOW MASTER STATUS" };
        let row: Row = self.conn.query_first(sql).await.unwrap().unwrap();
        (row.get(0).unwrap(), row.get(1).unwrap())
    }

    pub async fn drop_database(mut self) {
        let sql = format!("DROP DATABASE {}", self.database);
        self.conn.query_drop(sql).await.unwrap();
        self.conn.disconnect().await.unwrap();
    }
}
