//! Sessions for queries: settings that make values come out the same everywhere, what the server says of itself, and a
//! choice among the endpoints of a connection. The protocol is `wire/`.

use std::sync::Arc;

use bytes::Bytes;
use syncline_engine::error::{Code, Error, Kind, Result};

use super::config::{Endpoint, MysqlConfig};
use super::server::{Coordinate, Facts, Identity, variables_sql};
use super::wire::{ResultColumn, Wire};

/// One connection. Read only, in UTC.
pub struct Session {
    wire: Wire,
    facts: Arc<Facts>,
    endpoint: Endpoint,
}

/// Said at the beginning of each session; a server skips what it does not know.
const SETTINGS: &[(&str, bool)] = &[
    (
        "SET SESSION time_zone = '+00:00', sql_mode = 'ALLOW_INVALID_DATES', character_set_results = utf8mb4",
        true,
    ),
    (
        "SET SESSION sql_big_selects = 1, sql_select_limit = 18446744073709551615, net_write_timeout = 600",
        true,
    ),
    ("SET SESSION TRANSACTION READ ONLY", true),
    ("SET SESSION lock_wait_timeout = 10, innodb_lock_wait_timeout = 10", true),
    ("SET SESSION max_statement_time = 0", false),
    ("SET SESSION max_execution_time = 0", false),
];

impl Session {
    /// Connects to one endpoint.
    pub async fn connect(config: &MysqlConfig, endpoint: &Endpoint) -> Result<Session> {
        let wire = Wire::connect(config, endpoint).await?;
        let mut session = Session { wire, facts: Arc::new(Facts::new([])), endpoint: endpoint.clone() };
        let rows = session.texts(&variables_sql()).await?;
        session.facts = Arc::new(Facts::new(rows.into_iter().filter_map(|row| {
            let mut row = row.into_iter();
            Some((row.next()??, row.next()??))
        })));
        for (statement, needed) in SETTINGS {
            match session.execute(statement).await {
                Err(error) if *needed || !session.usable() => return Err(error),
                _ => {}
            }
        }
        Ok(session)
    }

    /// What the server said about itself.
    pub fn facts(&self) -> &Arc<Facts> {
        &self.facts
    }

    /// Which endpoint it is.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The connection's name and endpoint, for messages.
    pub fn shown(&self) -> &str {
        self.wire.shown()
    }

    /// Whether it may be used again.
    pub fn usable(&self) -> bool {
        self.wire.usable()
    }

    /// Runs a statement without a result.
    pub async fn execute(&mut self, sql: &str) -> Result<()> {
        self.wire.execute(sql).await
    }

    /// A small result as text.
    pub async fn texts(&mut self, sql: &str) -> Result<Vec<Vec<Option<String>>>> {
        self.wire.query(sql).await
    }

    /// Streams a result's rows as they were stored (nothing of them is rounded), with the columns of the result.
    pub async fn stream(
        &mut self,
        sql: &str,
        row: impl FnMut(&[ResultColumn], Bytes) -> Result<()>,
    ) -> Result<()> {
        self.wire.stream(sql, row).await
    }

    /// Where the binlog ends now, and MySQL's `gtid_executed` as of a moment before. `MysqlSetting` without a binlog.
    pub async fn coordinate(&mut self) -> Result<Coordinate> {
        let facts = Arc::clone(&self.facts);
        let rows = self.texts(facts.status_sql()).await.map_err(|error| match error.code() {
            Code::MysqlGrant => error.fix(super::server::replication_client_grant(&facts)),
            _ => error,
        })?;
        let mut row = rows.into_iter().next().unwrap_or_default().into_iter();
        match (row.next().flatten(), row.next().flatten().and_then(|p| p.parse().ok())) {
            (Some(file), Some(offset)) => Ok(Coordinate { file, offset }),
            _ => Err(super::server::no_binlog(self.shown())),
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.wire.quit();
    }
}

/// Connects to the first endpoint that answers and, if an identity is asked for, is that server. Another server is
/// `MysqlIdentity` only when every endpoint has answered: the right one may just be starting.
pub async fn connect(config: &MysqlConfig, wanted: Option<&Identity>) -> Result<Session> {
    let mut retry: Option<Error> = None;
    let mut foreign: Option<Error> = None;
    for endpoint in &config.endpoints {
        match Session::connect(config, endpoint).await {
            Ok(session) => match wanted {
                Some(wanted) if !wanted.may_be(&session.facts.identity) => {
                    let found = &session.facts.identity;
                    foreign = foreign.or_else(|| Some(other_server(session.shown(), wanted, found)));
                }
                _ => return Ok(session),
            },
            Err(error) if error.kind() == Kind::Retry => retry = retry.or(Some(error)),
            Err(error) => return Err(error),
        }
    }
    match (retry, foreign) {
        (Some(retry), Some(foreign)) => {
            Err(retry.fix(format!("start it again; another endpoint answers but {foreign}")))
        }
        (Some(error), None) | (None, Some(error)) => Err(error),
        (None, None) => {
            Err(Error::new(Code::ConfigBadValue, format!("connection {} names no host", config.name)))
        }
    }
}

/// The server that answers is not the one whose binlog we read.
pub fn other_server(shown: &str, wanted: &Identity, found: &Identity) -> Error {
    Error::new(Code::MysqlIdentity, format!("{shown} is {found}, the checkpoint was made on {wanted}"))
}
