//! Where in a source's history something stands: comparable by version, resumable by the source's own token.
//! What is inside a token is the source's business; the engine stores and hands it back unread.

use std::fmt;
use std::sync::Arc;

use crate::version::Version;

/// A source's own resume token, rendered only when a checkpoint is written.
pub trait ResumeToken: std::any::Any + Send + Sync {
    /// The durable form (JSON text); the source that made it must read it back in this and the next release.
    fn encode(&self) -> String;
    /// What a person reads in `status` (`mysql-bin.000003:1547`).
    fn text(&self) -> String;
}

/// A point between two transactions of a source.
#[derive(Clone)]
pub struct Position {
    /// No change at or after this point has a lower version; every change before it has a lower one.
    pub version: Version,
    /// How the source resumes from here.
    pub token: Arc<dyn ResumeToken>,
}

impl Position {
    /// For rows that no stream brought: nobody can resume here.
    pub fn nowhere(version: Version) -> Position {
        Position { version, token: Arc::new(Nowhere) }
    }
}

struct Nowhere;

impl ResumeToken for Nowhere {
    fn encode(&self) -> String {
        String::new()
    }

    fn text(&self) -> String {
        "nowhere".to_owned()
    }
}

impl fmt::Debug for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.token.text(), self.version)
    }
}

/// A position as the ledger keeps it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct StoredPosition {
    /// See [`Position::version`].
    pub version: Version,
    /// [`ResumeToken::encode`].
    pub token: String,
    /// [`ResumeToken::text`].
    pub text: String,
}

impl From<&Position> for StoredPosition {
    fn from(position: &Position) -> StoredPosition {
        StoredPosition {
            version: position.version,
            token: position.token.encode(),
            text: position.token.text(),
        }
    }
}
