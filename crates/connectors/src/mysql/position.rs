//! Where a stream stands: file, offset and GTIDs so far, with the identity of the server and of the file's format event.
//! It is the resume token that the engine keeps; reading one back is here, judging it is `stream/resume.rs`.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use syncline_engine::error::{Code, Error, Result};
use syncline_engine::position::{Position, ResumeToken};
use syncline_engine::version::Version;

use super::binlog::GtidKind;
use super::binlog::gtid_mariadb::GtidPosition;
use super::binlog::gtid_mysql::GtidSet;
use super::server::{Identity, file_number};

/// The transactions that lie before a position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gtids {
    /// The server has none.
    None,
    MySql(GtidSet),
    MariaDb(GtidPosition),
}

impl Gtids {
    /// Adds a transaction's GTID. Where those before it are not known, it says nothing.
    pub fn add(&mut self, id: &GtidKind) {
        match (id, self) {
            (GtidKind::MySql(gtid), Gtids::MySql(set)) => set.add(gtid),
            (GtidKind::MariaDb(gtid), Gtids::MariaDb(position)) => position.add(gtid),
            _ => {}
        }
    }

    fn text(&self) -> Option<String> {
        match self {
            Gtids::None => None,
            Gtids::MySql(set) => Some(set.to_string()),
            Gtids::MariaDb(position) => Some(position.to_string()),
        }
    }
}

/// A stream's resume token.
#[derive(Clone, Debug)]
pub struct Token {
    pub file: Arc<str>,
    pub offset: u64,
    pub gtids: Arc<Gtids>,
    pub identity: Arc<Identity>,
    /// Hash of the format event of `file` (its creation time and writer); 0 if it is not known.
    pub format: u64,
}

/// The durable form. Fields may be added, never renamed.
#[derive(Serialize, Deserialize)]
struct Stored {
    file: String,
    offset: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    gtids: Option<String>,
    server: Identity,
    #[serde(default)]
    format: u64,
}

impl ResumeToken for Token {
    fn encode(&self) -> String {
        let stored = Stored {
            file: self.file.to_string(),
            offset: self.offset,
            gtids: self.gtids.text(),
            server: (*self.identity).clone(),
            format: self.format,
        };
        serde_json::to_string(&stored).expect("text and numbers always serialise")
    }

    fn text(&self) -> String {
        format!("{}:{}", self.file, self.offset)
    }
}

impl Token {
    /// Reads a token back.
    pub fn decode(text: &str) -> Result<Token> {
        let bad = |cause: &dyn std::fmt::Display| {
            Error::new(Code::MysqlIdentity, "the checkpoint cannot be read: it is not one of a MySQL source")
                .cause(cause)
        };
        let stored: Stored = serde_json::from_str(text).map_err(|e| bad(&e))?;
        file_number(&stored.file).map_err(|e| bad(&e))?;
        let gtids = match &stored.gtids {
            None => Gtids::None,
            Some(text) if stored.server.mariadb => {
                Gtids::MariaDb(GtidPosition::parse(text).map_err(|e| bad(&e))?)
            }
            Some(text) => Gtids::MySql(GtidSet::parse(text).map_err(|e| bad(&e))?),
        };
        Ok(Token {
            file: stored.file.into(),
            offset: stored.offset,
            gtids: Arc::new(gtids),
            identity: Arc::new(stored.server),
            format: stored.format,
        })
    }

    /// The engine's position of it.
    pub fn position(self, epoch: u16) -> Result<Position> {
        let version = Version::new(epoch, file_number(&self.file)?, self.offset);
        Ok(Position { version, token: Arc::new(self) })
    }

    /// The token inside a position that a stream of ours made.
    pub fn of(position: &Position) -> Option<&Token> {
        let token: &dyn std::any::Any = &*position.token;
        token.downcast_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_reads_back() {
        let identity = Arc::new(Identity { uid: "u-1".into(), server_id: 5, mariadb: false });
        let token = Token {
            file: "bin.000003".into(),
            offset: 1547,
            gtids: Arc::new(Gtids::None),
            identity,
            format: 7,
        };
        let back = Token::decode(&token.encode()).unwrap();
        assert_eq!((&*back.file, back.offset, back.format), ("bin.000003", 1547, 7));
        assert_eq!((*back.gtids).clone(), Gtids::None);
        assert_eq!(back.identity, token.identity);
        let position = token.position(2).unwrap();
        assert_eq!(position.version, Version::new(2, 3, 1547));
        assert_eq!(Token::of(&position).unwrap().offset, 1547);
        assert_eq!(position.token.text(), "bin.000003:1547");
    }

    #[test]
    fn what_is_not_a_token_halts() {
        for text in [
            "",
            "{}",
            "{\"file\":\"bin\",\"offset\":1,\"server\":{\"uid\":\"\",\"server_id\":1,\"mariadb\":true}}",
        ] {
            assert_eq!(Token::decode(text).unwrap_err().code(), Code::MysqlIdentity);
        }
    }
}
