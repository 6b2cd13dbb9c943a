//! Where a stream stands in a file's change table: which history, and after which change. Version numbers are twice the
//! change's id, so that a position and a read have a number of their own between two changes.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use syncline_engine::error::{Code, Error, Result};
use syncline_engine::position::{Position, ResumeToken, StoredPosition};
use syncline_engine::source::HighMark;
use syncline_engine::version::Version;

/// The resume token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// Random name of the history (`_syncline_meta`).
    pub identity: Arc<str>,
    /// The last change before this point; 0 before the first.
    pub id: i64,
    /// When that change was recorded: tells a restored copy that went another way.
    pub at: i64,
}

impl ResumeToken for Token {
    fn encode(&self) -> String {
        // A struct of texts and numbers always becomes JSON.
        serde_json::to_string(self).unwrap_or_default()
    }

    fn text(&self) -> String {
        format!("change {}", self.id)
    }
}

/// The version of a change.
pub fn version(epoch: u16, id: i64) -> Version {
    Version::from_number(epoch, 2 * id.unsigned_abs())
}

/// Between a change and the next one.
pub fn version_after(epoch: u16, id: i64) -> Version {
    Version::from_number(epoch, 2 * id.unsigned_abs() + 1)
}

impl Token {
    /// The position behind the token's change.
    pub fn position(&self, epoch: u16) -> Position {
        Position { version: version_after(epoch, self.id), token: Arc::new(self.clone()) }
    }

    /// Reads a position that this source made.
    pub fn read(stored: &StoredPosition) -> Result<Token> {
        let token: std::result::Result<Token, _> = serde_json::from_str(&stored.token);
        token.ok().filter(|token| token.id >= 0).ok_or_else(|| {
            Error::new(Code::SqliteGap, format!("the checkpoint {:?} is not of a SQLite source", stored.text))
        })
    }
}

/// Passed once the stream has delivered everything that the change table held.
pub struct Mark(pub Version);

impl HighMark for Mark {
    fn passed(&self, position: &Position) -> bool {
        position.version >= self.0
    }
}
