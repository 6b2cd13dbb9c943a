//! Makes sure that a read sees everything before the window opened, without a global lock and without writing. How depends
//! on what the server offers (DESIGN 4.1).

use std::time::Duration;

use syncline_engine::error::{Code, Error, Result};
use syncline_engine::position::Position;
use tokio::time::Instant;

use super::mark::snapshot_status;
use crate::mysql::client::Session;
use crate::mysql::position::{Gtids, Token};
use crate::mysql::server::Coordinate;
use crate::mysql::sql::{table_ident, text_literal};

/// How long a server may take to make visible what its binlog holds already.
const PATIENCE: Duration = Duration::from_secs(10);
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LAST_PAUSE: Duration = Duration::from_millis(50);

/// What is read, for servers where the read itself must wait for rows in flight.
pub struct Range<'a> {
    pub database: &'a str,
    pub table: &'a str,
    pub condition: &'a str,
}

/// Opens a snapshot that sees everything before `opened`. Answers its exact coordinate where the server tells it.
pub async fn open_snapshot(
    session: &mut Session,
    opened: &Position,
    epoch: u16,
    range: &Range<'_>,
) -> Result<Option<Coordinate>> {
    let token = Token::of(opened).ok_or_else(|| Error::new(Code::Internal, "a window of another source"))?;
    if !session.facts().mariadb() {
        match &*token.gtids {
            Gtids::MySql(set) if session.facts().mysql_gtid() => executed(session, &set.to_string()).await?,
            _ => barrier(session, range).await?,
        }
    }
    let start = Instant::now();
    let mut pause = FIRST_PAUSE;
    loop {
        session.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT").await?;
        // Without a coordinate, what was waited for above is seen by this snapshot.
        let Some(coordinate) = snapshot_status(session).await? else { return Ok(None) };
        if coordinate.version(epoch)? >= opened.version {
            return Ok(Some(coordinate));
        }
        session.execute("COMMIT").await?;
        if start.elapsed() > PATIENCE {
            let message = format!(
                "{}: reads still stand at {coordinate}, the stream at {}",
                session.shown(),
                opened.token.text()
            );
            return Err(Error::new(Code::Overloaded, message));
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LAST_PAUSE);
    }
}

/// Waits until the server has committed the transactions: `gtid_executed` is set after the engines' commit.
async fn executed(session: &mut Session, set: &str) -> Result<()> {
    let sql = format!("SELECT WAIT_FOR_EXECUTED_GTID_SET({}, {})", text_literal(set), PATIENCE.as_secs());
    let answer = session.texts(&sql).await?.into_iter().flatten().flatten().next();
    match answer.as_deref() {
        Some("0") => Ok(()),
        _ => Err(Error::new(
            Code::Overloaded,
            format!("{}: transactions of the binlog are not committed yet", session.shown()),
        )),
    }
}

/// MySQL without GTIDs: whoever has changed the table and stands in the binlog holds a lock on it until the commit is done.
/// A read lock on this one table waits for them and is given back at once; without the privilege for it, a locking read of
/// the rows waits for the same transactions row by row.
async fn barrier(session: &mut Session, range: &Range<'_>) -> Result<()> {
    let table = table_ident(range.database, range.table);
    // Up to MySQL 5.6 only InnoDB's own lock waits for transactions in flight, and with autocommit it is not asked for.
    session
        .execute("SET SESSION lock_wait_timeout = 1, innodb_lock_wait_timeout = 1, autocommit = 0")
        .await?;
    let locked = session.execute(&format!("LOCK TABLES {table} READ")).await;
    if locked.is_ok() {
        session.execute("UNLOCK TABLES").await?;
    } else if !session.usable() {
        return locked;
    }
    session
        .execute("SET SESSION lock_wait_timeout = 10, innodb_lock_wait_timeout = 10, autocommit = 1")
        .await?;
    match locked {
        Ok(()) => tracing::debug!(table, "mark by a short read lock"),
        Err(error) => {
            tracing::debug!(table, "mark by a locking read: {error}");
            // The session is READ ONLY, its reads may lock all the same.
            session.execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED").await?;
            session.execute("START TRANSACTION").await?;
            let sql = format!("SELECT COUNT(*) FROM {table} WHERE {} LOCK IN SHARE MODE", range.condition);
            let waited = session.texts(&sql).await;
            session.execute("COMMIT").await?;
            waited?;
        }
    }
    Ok(())
}
