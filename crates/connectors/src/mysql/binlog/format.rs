//! The format description event: which server wrote the file, when, with which header lengths and which checksum.

use syncline_engine::error::Result;

use super::checksum::{CRC32_LEN, Checksum};
use super::cursor::{Cursor, malformed};
use super::header::{HEADER_LEN, kind};

/// Which family of servers wrote the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavor {
    MySql,
    MariaDb,
}

/// What a format description event says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Format {
    /// `9.7.4`, `10.11.19-MariaDB-log`, as the server spells it.
    pub server_version: String,
    /// Seconds since 1970 when the file's server started; 0 in files opened later. Part of the history's identity.
    pub created: u32,
    /// Who wrote it.
    pub flavor: Flavor,
    /// What stands behind each event.
    pub checksum: Checksum,
    /// Fixed part of a body by event type, from type 1.
    post_header: Vec<u8>,
}

const BINLOG_VERSION: u16 = 4;
const VERSION_LEN: usize = 50;
/// MySQL 5.6.1 and MariaDB 5.3 were the first to append the algorithm.
const FIRST_WITH_CHECKSUM: (u32, u32, u32) = (5, 6, 1);
const FIRST_MARIADB_WITH_CHECKSUM: (u32, u32, u32) = (5, 3, 0);

impl Format {
    /// Reads the whole event, header and checksum included.
    pub fn parse(event: &[u8]) -> Result<Format> {
        let mut c = Cursor::new(event, "format description event");
        c.skip(HEADER_LEN)?;
        if c.u16()? != BINLOG_VERSION {
            return Err(malformed("format description event").cause("only binlog version 4 is known"));
        }
        let version = c.take(VERSION_LEN)?;
        let end = version.iter().position(|b| *b == 0).unwrap_or(VERSION_LEN);
        let server_version = String::from_utf8_lossy(&version[..end]).into_owned();
        let created = c.u32()?;
        if usize::from(c.u8()?) != HEADER_LEN {
            return Err(malformed("format description event").cause("only headers of 19 bytes are known"));
        }
        let flavor = if server_version.contains("MariaDB") { Flavor::MariaDb } else { Flavor::MySql };
        let (post_header, checksum) = Self::tail(c.rest(), &server_version, flavor)?;
        Ok(Format { server_version, created, flavor, checksum, post_header: post_header.to_vec() })
    }

    /// The lengths by type, then (in all servers that can checksum) the algorithm and four bytes of checksum.
    fn tail<'a>(rest: &'a [u8], version: &str, flavor: Flavor) -> Result<(&'a [u8], Checksum)> {
        let first = match flavor {
            Flavor::MySql => FIRST_WITH_CHECKSUM,
            Flavor::MariaDb => FIRST_MARIADB_WITH_CHECKSUM,
        };
        if version_triple(version) < first {
            return Ok((rest, Checksum::None));
        }
        let Some(at) = rest.len().checked_sub(1 + CRC32_LEN) else {
            return Err(malformed("format description event").cause("no checksum algorithm"));
        };
        match rest[at] {
            0 => Ok((&rest[..at], Checksum::None)),
            1 => Ok((&rest[..at], Checksum::Crc32)),
            other => {
                Err(malformed("format description event")
                    .cause(format!("checksum algorithm {other} is unknown")))
            }
        }
    }

    /// Length of the fixed part of a body; `None` if the writer did not know the type.
    pub fn post_header_len(&self, event_type: u8) -> Option<usize> {
        let index = usize::from(event_type).checked_sub(1)?;
        self.post_header.get(index).map(|len| usize::from(*len))
    }

    /// Bytes of a table id: 4 in files of MySQL 5.0 and earlier 5.1, else 6.
    pub fn table_id_len(&self, event_type: u8) -> usize {
        match self.post_header_len(event_type) {
            Some(6) if event_type != kind::QUERY => 4,
            _ => 6,
        }
    }
}

fn version_triple(version: &str) -> (u32, u32, u32) {
    let mut numbers = version.split(|c: char| !c.is_ascii_digit()).map(|n| n.parse().unwrap_or(0));
    let mut next = || numbers.next().unwrap_or(0);
    (next(), next(), next())
}
