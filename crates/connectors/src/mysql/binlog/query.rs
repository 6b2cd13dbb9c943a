//! Query events: a statement as text with the session settings that change its meaning.

use std::borrow::Cow;

use bytes::Bytes;
use syncline_engine::error::Result;

use super::cursor::Cursor;
use super::inflate;
use crate::mysql::codec;

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

const WHAT: &str = "query event";
/// EXECUTE_LOAD_QUERY has a file id, two offsets and a byte more in its fixed part.
const LOAD_EXTRA: usize = 13;

/// Status variables, in the order in which servers write them.
mod status {
    pub const FLAGS2: u8 = 0;
    pub const SQL_MODE: u8 = 1;
    pub const CATALOG: u8 = 2;
    pub const AUTO_INCREMENT: u8 = 3;
    pub const CHARSET: u8 = 4;
    pub const TIME_ZONE: u8 = 5;
    pub const CATALOG_NZ: u8 = 6;
}

struct Fixed {
    thread_id: u32,
    error: u16,
    database_len: usize,
    status_len: usize,
}

impl Query {
    /// A plain query event.
    pub fn parse(body: &Bytes) -> Result<Query> {
        Self::parse_with(body, 0, |sql_at| Ok(body.slice(sql_at..)))
    }

    /// `LOAD DATA` logged as a statement.
    pub fn parse_load(body: &Bytes) -> Result<Query> {
        Self::parse_with(body, LOAD_EXTRA, |sql_at| Ok(body.slice(sql_at..)))
    }

    /// MariaDB's query event with a compressed text.
    pub fn parse_compressed(body: &Bytes) -> Result<Query> {
        Self::parse_with(body, 0, |sql_at| inflate::mariadb_event(&body[sql_at..], WHAT).map(Bytes::from))
    }

    fn parse_with(body: &Bytes, extra: usize, sql: impl FnOnce(usize) -> Result<Bytes>) -> Result<Query> {
        let mut c = Cursor::new(body, WHAT);
        let fixed = fixed(&mut c, extra)?;
        let (sql_mode, client_collation) = settings(c.take(fixed.status_len)?);
        let database = String::from_utf8_lossy(c.take(fixed.database_len)?).into_owned();
        c.skip(1)?;
        let sql = sql(c.at())?;
        Ok(Query {
            thread_id: fixed.thread_id,
            database,
            sql,
            error: fixed.error,
            sql_mode,
            client_collation,
        })
    }

    /// The statement as text; what does not decode is replaced.
    pub fn text(&self) -> Cow<'_, str> {
        let charset = self.client_collation.and_then(|id| codec::charset_of_collation(u32::from(id)));
        match charset {
            Some(charset) => charset.decode_lossy(&self.sql),
            None => String::from_utf8_lossy(&self.sql),
        }
    }
}

fn fixed(c: &mut Cursor<'_>, extra: usize) -> Result<Fixed> {
    let thread_id = c.u32()?;
    c.skip(4)?;
    let database_len = usize::from(c.u8()?);
    let error = c.u16()?;
    let status_len = usize::from(c.u16()?);
    c.skip(extra)?;
    Ok(Fixed { thread_id, error, database_len, status_len })
}

/// The first variables have known lengths; from the first other one on, the rest cannot be told apart and matters not.
fn settings(bytes: &[u8]) -> (Option<u64>, Option<u16>) {
    let (mut sql_mode, mut collation) = (None, None);
    let mut c = Cursor::new(bytes, WHAT);
    let mut step = || -> Result<bool> {
        match c.u8()? {
            status::FLAGS2 | status::AUTO_INCREMENT => c.skip(4)?,
            status::SQL_MODE => sql_mode = Some(c.u64()?),
            status::CATALOG => {
                let len = usize::from(c.u8()?);
                c.skip(len + 1)?;
            }
            status::CATALOG_NZ | status::TIME_ZONE => {
                let len = usize::from(c.u8()?);
                c.skip(len)?;
            }
            status::CHARSET => {
                collation = Some(c.u16()?);
                c.skip(4)?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    };
    while matches!(step(), Ok(true)) {}
    (sql_mode, collation)
}
