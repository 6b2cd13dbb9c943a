//! The event that begins a transaction and names it: MySQL's GTID, anonymous and tagged events, MariaDB's GTID event.

use syncline_engine::error::Result;

use super::cursor::{Cursor, malformed};
use super::gtid_mysql::Tsid;
use super::xa::Xid;
use super::{gtid_mariadb, gtid_mysql, varlen};

/// The beginning of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GtidEvent {
    pub id: GtidKind,
    /// When the server that committed first did so, in microseconds since 1970 (MySQL 8, MariaDB has none).
    pub original_commit_micros: Option<u64>,
    /// When this server did.
    pub commit_micros: Option<u64>,
    /// Bytes of the whole transaction with this event, uncompressed (MySQL 8).
    pub transaction_length: Option<u64>,
    /// MariaDB: no BEGIN and COMMIT around it, it is a single statement (DDL).
    pub standalone: bool,
    /// MariaDB: the group is DDL.
    pub ddl: bool,
    /// MariaDB: the transaction is an XA PREPARE of this id.
    pub prepares: Option<Xid>,
    /// MariaDB: the transaction is XA COMMIT or XA ROLLBACK of this id.
    pub completes: Option<Xid>,
}

/// How it is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GtidKind {
    MySql(gtid_mysql::Gtid),
    MariaDb(gtid_mariadb::Gtid),
    /// A MySQL server without GTIDs.
    Anonymous,
}

impl std::fmt::Display for GtidKind {
    /// As the server prints it; empty for an anonymous one.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            GtidKind::MySql(gtid) => gtid.fmt(f),
            GtidKind::MariaDb(gtid) => gtid.fmt(f),
            GtidKind::Anonymous => Ok(()),
        }
    }
}

const WHAT: &str = "GTID event";
/// Marks the two logical timestamps (MySQL 5.7.5).
const LOGICAL_TIMESTAMPS: u8 = 2;
/// The only version of the tagged event's serialisation.
const SERIALISATION: u64 = 1;

/// Flags of MariaDB's event.
mod mariadb {
    pub const STANDALONE: u8 = 0x01;
    pub const GROUP_COMMIT_ID: u8 = 0x02;
    pub const DDL: u8 = 0x20;
    pub const PREPARED_XA: u8 = 0x40;
    pub const COMPLETED_XA: u8 = 0x80;
}

/// Fields of the tagged event.
mod field {
    pub const FLAGS: u64 = 0;
    pub const UUID: u64 = 1;
    pub const NUMBER: u64 = 2;
    pub const TAG: u64 = 3;
    pub const LAST_COMMITTED: u64 = 4;
    pub const SEQUENCE: u64 = 5;
    pub const COMMIT: u64 = 6;
    pub const ORIGINAL_COMMIT: u64 = 7;
    pub const LENGTH: u64 = 8;
}

impl GtidEvent {
    fn new(id: GtidKind) -> GtidEvent {
        GtidEvent {
            id,
            original_commit_micros: None,
            commit_micros: None,
            transaction_length: None,
            standalone: false,
            ddl: false,
            prepares: None,
            completes: None,
        }
    }

    /// Body of events 33 and 34.
    pub(super) fn parse_mysql(body: &[u8], anonymous: bool) -> Result<GtidEvent> {
        let mut c = Cursor::new(body, WHAT);
        c.skip(1)?;
        let tsid = Tsid::untagged(c.array()?);
        let number = c.u64()?;
        let mut event = GtidEvent::new(match anonymous {
            true => GtidKind::Anonymous,
            false => GtidKind::MySql(gtid_mysql::Gtid::numbered(tsid, number).ok_or_else(|| c.bad())?),
        });
        if c.left() == 0 || c.u8()? != LOGICAL_TIMESTAMPS {
            return Ok(event);
        }
        c.skip(16)?;
        if c.left() < 7 {
            return Ok(event);
        }
        let commit = c.uint(7)?;
        // The highest bit says that the original commit's time follows.
        const HAS_ORIGINAL: u64 = 1 << 55;
        event.commit_micros = Some(commit & !HAS_ORIGINAL);
        event.original_commit_micros =
            if commit & HAS_ORIGINAL != 0 { Some(c.uint(7)?) } else { event.commit_micros };
        if c.left() > 0 {
            event.transaction_length = Some(c.lenenc()?);
        }
        Ok(event)
    }

    /// Body of event 42: version, size, last field that must be understood, then fields of number and value.
    pub(super) fn parse_tagged(body: &[u8]) -> Result<GtidEvent> {
        let mut c = Cursor::new(body, WHAT);
        if varlen::unsigned(&mut c)? != SERIALISATION {
            return Err(malformed(WHAT).cause("unknown serialisation version"));
        }
        varlen::unsigned(&mut c)?;
        let must_know = varlen::unsigned(&mut c)?;
        let (mut uuid, mut tag, mut number) = ([0u8; 16], &[][..], 0);
        let mut event = GtidEvent::new(GtidKind::Anonymous);
        while c.left() > 0 {
            match varlen::unsigned(&mut c)? {
                field::FLAGS => drop(varlen::unsigned(&mut c)?),
                field::UUID => {
                    for byte in &mut uuid {
                        *byte = u8::try_from(varlen::unsigned(&mut c)?).map_err(|_| c.bad())?;
                    }
                }
                field::NUMBER => number = varlen::natural(&mut c)?,
                field::TAG => tag = varlen::bytes(&mut c)?,
                field::LAST_COMMITTED | field::SEQUENCE => drop(varlen::signed(&mut c)?),
                field::COMMIT => event.commit_micros = Some(varlen::unsigned(&mut c)?),
                field::ORIGINAL_COMMIT => event.original_commit_micros = Some(varlen::unsigned(&mut c)?),
                field::LENGTH => event.transaction_length = Some(varlen::unsigned(&mut c)?),
                // Fields stand in order: what a newer server added may be passed over from here on.
                unknown if unknown > must_know || unknown > field::LENGTH => break,
                _ => return Err(c.bad()),
            }
        }
        let gtid = Tsid::tagged(uuid, tag).and_then(|tsid| gtid_mysql::Gtid::numbered(tsid, number));
        event.id = GtidKind::MySql(gtid.ok_or_else(|| c.bad())?);
        event.original_commit_micros = event.original_commit_micros.or(event.commit_micros);
        Ok(event)
    }

    /// Body of event 162; the server id is the header's.
    pub(super) fn parse_mariadb(body: &[u8], server: u32) -> Result<GtidEvent> {
        let mut c = Cursor::new(body, WHAT);
        let (number, domain, flags) = (c.u64()?, c.u32()?, c.u8()?);
        let mut event = GtidEvent::new(GtidKind::MariaDb(gtid_mariadb::Gtid { domain, server, number }));
        event.standalone = flags & mariadb::STANDALONE != 0;
        event.ddl = flags & mariadb::DDL != 0;
        if flags & mariadb::GROUP_COMMIT_ID != 0 {
            c.skip(8)?;
        }
        if flags & (mariadb::PREPARED_XA | mariadb::COMPLETED_XA) != 0 {
            let format = c.u32()?;
            let (global, branch) = (usize::from(c.u8()?), usize::from(c.u8()?));
            let xid = Xid::read(&mut c, format, global, branch)?;
            if flags & mariadb::PREPARED_XA != 0 {
                event.prepares = Some(xid);
            } else {
                event.completes = Some(xid);
            }
        }
        Ok(event)
    }
}
