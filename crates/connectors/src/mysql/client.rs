//! Ordinary connections for queries: settings that make values come out the same everywhere, errors as numbered errors,
//! and a choice among the endpoints of a connection. The binlog is read over `wire/`.

use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use mysql_async::prelude::{Query, Queryable, WithParams};
use mysql_async::{ClientIdentity, Conn, Opts, OptsBuilder, Row, SslOpts, Value};
use syncline_engine::error::{Code, Error, Kind, Result};
use tokio::time::timeout;

use super::config::{Endpoint, MysqlConfig};
use super::server::{Coordinate, Facts, Identity, variables_sql};
use super::wire::{ServerError, server_error};

/// One connection. Read only, in UTC.
pub struct Session {
    conn: Conn,
    facts: Arc<Facts>,
    shown: String,
    endpoint: Endpoint,
    timeout: Duration,
    broken: bool,
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
        let shown = format!("{} ({endpoint})", config.name);
        let conn = match timeout(config.connect_timeout, Conn::new(options(config, endpoint))).await {
            Ok(conn) => conn.map_err(|e| connect_error(&shown, &e))?,
            Err(_) => {
                let message = format!("{shown} did not answer within {:?}", config.connect_timeout);
                return Err(Error::new(Code::Unreachable, message));
            }
        };
        let facts = Arc::new(Facts::new([]));
        let mut session = Session {
            conn,
            facts,
            shown,
            endpoint: endpoint.clone(),
            timeout: config.request_timeout,
            broken: false,
        };
        let rows = session.texts(&variables_sql()).await?;
        session.facts = Arc::new(Facts::new(rows.into_iter().filter_map(|row| {
            let mut row = row.into_iter();
            Some((row.next()??, row.next()??))
        })));
        for (statement, needed) in SETTINGS {
            match session.execute(statement).await {
                Err(error) if *needed || session.broken => return Err(error),
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
        &self.shown
    }

    /// Whether it may be used again.
    pub fn usable(&self) -> bool {
        !self.broken
    }

    /// Runs a statement without a result.
    pub async fn execute(&mut self, sql: &str) -> Result<()> {
        let result = timeout(self.timeout, self.conn.query_drop(sql)).await;
        self.judge(sql, result)
    }

    /// A small result as text.
    pub async fn texts(&mut self, sql: &str) -> Result<Vec<Vec<Option<String>>>> {
        let result = timeout(self.timeout, self.conn.query::<Row, _>(sql)).await;
        let rows = self.judge(sql, result)?;
        Ok(rows
            .into_iter()
            .map(|row| row.unwrap_raw().into_iter().map(|v| v.and_then(text)).collect())
            .collect())
    }

    /// Streams a prepared statement's rows (the binary protocol: the text protocol rounds FLOAT).
    pub async fn stream(&mut self, sql: &str, mut row: impl FnMut(Row) -> Result<()>) -> Result<()> {
        let patience = self.timeout;
        let outcome = async {
            // Whoever leaves in the middle leaves a result behind.
            self.broken = true;
            let started = timeout(patience, sql.with(()).run(&mut self.conn)).await;
            let mut result = match started {
                Ok(result) => result.map_err(Failure::Driver)?,
                Err(_) => return Err(Failure::Timeout),
            };
            loop {
                let mut next = std::pin::pin!(result.next());
                // Most rows lie there already and need no timer.
                let next = match futures_util::poll!(&mut next) {
                    Poll::Ready(next) => Ok(next),
                    Poll::Pending => timeout(patience, next).await,
                };
                match next {
                    Ok(Ok(Some(next))) => row(next).map_err(Failure::Row)?,
                    Ok(Ok(None)) => break,
                    Ok(Err(error)) => return Err(Failure::Driver(error)),
                    Err(_) => return Err(Failure::Timeout),
                }
            }
            drop(result);
            Ok(())
        }
        .await;
        match outcome {
            Ok(()) => {
                self.broken = false;
                Ok(())
            }
            Err(Failure::Row(error)) => Err(error),
            Err(Failure::Driver(error)) => {
                self.broken = !matches!(error, mysql_async::Error::Server(_));
                Err(query_error(&self.shown, sql, &error))
            }
            Err(Failure::Timeout) => Err(self.late()),
        }
    }

    fn judge<T>(
        &mut self,
        sql: &str,
        result: std::result::Result<mysql_async::Result<T>, tokio::time::error::Elapsed>,
    ) -> Result<T> {
        match result {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => {
                self.broken |= !matches!(error, mysql_async::Error::Server(_));
                Err(query_error(&self.shown, sql, &error))
            }
            Err(_) => {
                self.broken = true;
                Err(self.late())
            }
        }
    }

    fn late(&self) -> Error {
        Error::new(Code::Interrupted, format!("{}: no answer within {:?}", self.shown, self.timeout))
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
            _ => Err(super::server::no_binlog(&self.shown)),
        }
    }
}

enum Failure {
    Driver(mysql_async::Error),
    Row(Error),
    Timeout,
}

/// A value of the text protocol.
fn text(value: Value) -> Option<String> {
    match value {
        Value::NULL => None,
        Value::Bytes(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
        other => Some(other.as_sql(true)),
    }
}

fn options(config: &MysqlConfig, endpoint: &Endpoint) -> Opts {
    let ssl = config.tls.as_ref().map(|tls| {
        let identity = match (&tls.cert_file, &tls.key_file) {
            (Some(cert), Some(key)) => Some(ClientIdentity::new(cert.clone().into(), key.clone().into())),
            _ => None,
        };
        SslOpts::default()
            .with_root_certs(tls.ca_file.iter().map(|path| path.clone().into()).collect())
            .with_client_identity(identity)
            .with_danger_accept_invalid_certs(tls.insecure)
            .with_danger_skip_domain_validation(tls.insecure)
    });
    OptsBuilder::default()
        .ip_or_hostname(endpoint.host.clone())
        .tcp_port(endpoint.port)
        .user(Some(config.user.clone()))
        .pass(Some(config.password.clone()))
        .prefer_socket(false)
        .tcp_nodelay(true)
        .tcp_keepalive(Some(Duration::from_secs(30)))
        .max_allowed_packet(Some(1 << 30))
        .wait_timeout(Some(28_800))
        .stmt_cache_size(Some(16))
        .connect_attribute("program_name", "syncline")
        .ssl_opts(ssl)
        .into()
}

fn connect_error(shown: &str, error: &mysql_async::Error) -> Error {
    use mysql_async::{DriverError, Error as E, IoError};
    match error {
        E::Server(e) => server_error(
            shown,
            "the login failed",
            &ServerError { number: e.code, message: e.message.clone() },
        ),
        E::Io(IoError::Tls(e)) => {
            Error::new(Code::Tls, format!("{shown}: the TLS handshake failed")).cause(e)
        }
        E::Io(IoError::Io(e)) if e.kind() == std::io::ErrorKind::InvalidData => {
            Error::new(Code::Tls, format!("{shown}: the TLS handshake failed")).cause(e)
        }
        E::Driver(DriverError::NoClientSslFlagFromServer) => {
            Error::new(Code::Tls, format!("{shown}: the server has no TLS"))
                .fix("give the server a certificate (ssl_cert, ssl_key), or remove tls from the connection")
        }
        E::Driver(e @ (DriverError::CleartextPluginDisabled | DriverError::MysqlOldPasswordDisabled)) => {
            Error::new(Code::Denied, format!("{shown}: the server wants a login that is not safe")).cause(e)
        }
        _ => Error::new(Code::Unreachable, format!("{shown} cannot be reached")).cause(error),
    }
}

fn query_error(shown: &str, sql: &str, error: &mysql_async::Error) -> Error {
    match error {
        mysql_async::Error::Server(e) => {
            let short: String = sql.chars().take(120).collect();
            server_error(shown, &short, &ServerError { number: e.code, message: e.message.clone() })
        }
        _ => Error::new(Code::Interrupted, format!("{shown}: the connection broke")).cause(error),
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
