//! Judges a stored position against the server that answers: the same server, the same history, still there.

use syncline_engine::error::{Code, Error, Result};

use crate::mysql::client::{self, Session};
use crate::mysql::context::Context;
use crate::mysql::position::Token;
use crate::mysql::server::split_file;

/// Connects to the server of the checkpoint, or to any of the endpoints without one.
pub async fn connect(context: &Context, token: Option<&Token>) -> Result<Session> {
    client::connect(&context.config, token.map(|t| &*t.identity)).await
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
    use crate::mysql::position::Gtids;
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
