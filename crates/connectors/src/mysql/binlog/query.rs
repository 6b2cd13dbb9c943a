//! Query events: a statement as text with the session settings that change its meaning.

use bytes::Bytes;

/// A statement that was logged as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// The session that ran it.
    pub thread_id: u32,
    /// The default database; empty if none.
    pub database: String,
    /// The text in the session's character set ([`Query::text`] decodes it).
    pub sql: Bytes,
    /// The server's error number that the statement ended with; 0 normally.
    pub error: u16,
    /// `sql_mode` if the event carries it; bit 2 is ANSI_QUOTES, bit 20 NO_BACKSLASH_ESCAPES.
    pub sql_mode: Option<u64>,
    /// Collation id of `character_set_client`, if the event carries it.
    pub client_collation: Option<u16>,
}

impl Query {
    /// The statement as text; what does not decode is replaced.
    pub fn text(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.sql)
    }
}
