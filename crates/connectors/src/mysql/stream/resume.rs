//! Judges a stored position against the server that answers: the same server, the same history, still there.

use syncline_engine::error::{Code, Error, Result};

use super::gtid_set;
use crate::mysql::binlog::gtid_mariadb::GtidPosition;
use crate::mysql::client::{self, Session};
use crate::mysql::context::Context;
use crate::mysql::position::{Gtids, Token};
use crate::mysql::server::split_file;
use crate::mysql::sql::text_literal;
use crate::mysql::wire::DumpStart;

/// Who answers.
pub enum Found {
    /// The server of the checkpoint, or any of the endpoints without one.
    Same(Session),
    /// Another one whose binlog has every transaction that lies before the checkpoint.
    Successor(Session),
}

/// Connects to the server of the checkpoint; if that is not to be had, to one that has taken its place.
pub async fn connect(context: &Context, token: Option<&Token>) -> Result<Found> {
    let error = match client::connect(&context.config, token.map(|t| &*t.identity)).await {
        Ok(session) => return Ok(Found::Same(session)),
        Err(error) => error,
    };
    let Some(token) = token else { return Err(error) };
    // The stream goes on from the lowest checkpoint; a target that is ahead holds more.
    let checkpoints = context.ledger.pipeline(&context.pipeline).await?.checkpoints;
    let mut tokens = vec![token.clone()];
    for position in checkpoints.values() {
        tokens.push(Token::decode(&position.token)?);
    }
    let mut others = Vec::new();
    for endpoint in &context.config.endpoints {
        // Why one cannot be reached was said above.
        let Ok(mut session) = Session::connect(&context.config, endpoint).await else { continue };
        if token.identity.may_be(&session.facts().identity) {
            continue;
        }
        if has_all(&mut session, &tokens).await? {
            return Ok(Found::Successor(session));
        }
        others.push(session.shown().to_owned());
    }
    Err(if others.is_empty() { error } else { alone(&error, &others.join(", ")) })
}

/// The server of the checkpoint is not to be had, and these cannot take its place.
fn alone(error: &Error, others: &str) -> Error {
    let why = "its binlog lacks transactions that were read, or has no GTIDs";
    let told = Error::new(
        error.code(),
        format!("{}; {others} cannot take its place: {why}", error.message()),
    )
    .fix("if it is lost, take it out of the connection's URL, then: syncline backfill FILE --pipeline NAME");
    match error.cause_text() {
        Some(cause) => told.cause(cause),
        None => told,
    }
}

/// Whether the server's binlog has every transaction that lies before one of the checkpoints.
async fn has_all(session: &mut Session, tokens: &[Token]) -> Result<bool> {
    for token in tokens {
        if !has(session, token).await? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The same for one checkpoint, as its GTIDs say; and all after it.
async fn has(session: &mut Session, token: &Token) -> Result<bool> {
    let facts = std::sync::Arc::clone(session.facts());
    match &*token.gtids {
        Gtids::MySql(set) if facts.mysql_gtid() => {
            let set = text_literal(&set.to_string());
            let sql = format!(
                "SELECT GTID_SUBSET({set}, @@GLOBAL.gtid_executed), GTID_SUBSET(@@GLOBAL.gtid_purged, {set})"
            );
            let row: Vec<_> = session.texts(&sql).await?.into_iter().flatten().collect();
            let is = |column: usize| row.get(column).and_then(Option::as_deref) == Some("1");
            if is(0) && !is(1) {
                let what = format!("{} no longer has all transactions after the checkpoint", session.shown());
                return Err(Error::new(Code::MysqlPurged, what));
            }
            Ok(is(0))
        }
        Gtids::MariaDb(position) if facts.mariadb() && !position.is_empty() => {
            let rows = session.texts("SELECT @@GLOBAL.gtid_binlog_state").await?;
            let state = rows.into_iter().flatten().flatten().next().unwrap_or_default();
            let state = GtidPosition::parse(&state)?;
            Ok(position.newest().all(|gtid| state.has(gtid)))
        }
        _ => Ok(false),
    }
}

/// Where a dump from a server begins that has taken the place of the checkpoint's: its files are others.
pub fn behind(gtids: &Gtids) -> Result<DumpStart> {
    match gtids {
        Gtids::MySql(set) => Ok(DumpStart::Gtid { encoded: gtid_set::encode(set) }),
        Gtids::MariaDb(position) => Ok(DumpStart::Behind { gtids: position.to_string() }),
        Gtids::None => Err(Error::new(Code::Internal, "a successor without GTIDs")),
    }
}

/// Whether the server's list of files still holds the position.
pub async fn check(session: &mut Session, token: &Token) -> Result<()> {
    let facts = std::sync::Arc::clone(session.facts());
    let rows = session.texts("SHOW BINARY LOGS").await.map_err(|error| match error.code() {
        Code::MysqlGrant => error.fix(crate::mysql::server::replication_client_grant(&facts)),
        _ => error,
    })?;
    let files: Vec<(String, u64)> = rows
        .into_iter()
        .filter_map(|row| {
            let mut row = row.into_iter();
            Some((row.next()??, row.next()??.parse().ok()?))
        })
        .collect();
    judge(&files, token)
}

/// `files`: name and size of each, oldest first.
fn judge(files: &[(String, u64)], token: &Token) -> Result<()> {
    let at = format!("{}:{}", token.file, token.offset);
    let foreign = |why: String| {
        Err(Error::new(
            Code::MysqlIdentity,
            format!("the binlog is not the one of the checkpoint {at}: {why}"),
        ))
    };
    let (Some((base, number)), Some(first), Some(last)) =
        (split_file(&token.file), files.first(), files.last())
    else {
        return foreign("the server lists no files".into());
    };
    if let Some((_, size)) = files.iter().find(|(name, _)| **name == *token.file) {
        if *size < token.offset {
            return foreign(format!("the file ends at {size}"));
        }
        return Ok(());
    }
    match (split_file(&first.0), split_file(&last.0)) {
        (Some((found, _)), _) if found != base => foreign(format!("its files are called {found}")),
        (_, Some((_, newest))) if newest < number => foreign(format!("its newest file is {}", last.0)),
        _ => Err(Error::new(
            Code::MysqlPurged,
            format!("the binlog no longer has {at}: it begins at {}", first.0),
        )),
    }
}

/// The file of the checkpoint is another one of the same name.
pub fn other_file(token: &Token) -> Error {
    let message = format!("{} is not the file of the checkpoint: it was begun at another time", token.file);
    Error::new(Code::MysqlIdentity, message)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::mysql::server::Identity;

    fn judged(file: &str, offset: u64, files: &[(&str, u64)]) -> Option<Code> {
        let identity = Arc::new(Identity { uid: "u".into(), server_id: 1, mariadb: false });
        let token = Token { file: file.into(), offset, gtids: Arc::new(Gtids::None), identity, format: 0 };
        let files: Vec<_> = files.iter().map(|(name, size)| ((*name).to_owned(), *size)).collect();
        judge(&files, &token).err().map(|e| e.code())
    }

    #[test]
    fn a_position_is_held_purged_or_foreign() {
        let files = [("bin.000004", 900), ("bin.000005", 300)];
        assert_eq!(judged("bin.000005", 300, &files), None);
        assert_eq!(judged("bin.000004", 4, &files), None);
        assert_eq!(judged("bin.000003", 4, &files), Some(Code::MysqlPurged));
        assert_eq!(judged("bin.000005", 301, &files), Some(Code::MysqlIdentity));
        assert_eq!(judged("bin.000006", 4, &files), Some(Code::MysqlIdentity));
        assert_eq!(judged("log.000005", 4, &files), Some(Code::MysqlIdentity));
        assert_eq!(judged("bin.000005", 4, &[]), Some(Code::MysqlIdentity));
    }
}
