//! The 19 bytes before every event, its type numbers and its flags. What events hold is `event.rs` and the files named
//! after them.

use syncline_engine::error::Result;

use super::cursor::Cursor;

/// Length of an event header since MySQL 5.0.
pub const HEADER_LEN: usize = 19;

/// The first 19 bytes of every event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventHeader {
    /// Seconds since 1970 when the statement began; 0 for events made for one reader.
    pub timestamp: u32,
    /// See [`kind`].
    pub event_type: u8,
    /// The server that wrote it first.
    pub server_id: u32,
    /// Header, body and checksum.
    pub size: u32,
    /// Where the next event stands in the file. Wraps at 4 GiB, 0 inside a payload: count offsets yourself.
    pub end_position: u32,
    /// See [`flag`].
    pub flags: u16,
}

impl EventHeader {
    /// Reads the header of an event.
    pub fn parse(event: &[u8]) -> Result<EventHeader> {
        let mut c = Cursor::new(event, "event header");
        Ok(EventHeader {
            timestamp: c.u32()?,
            event_type: c.u8()?,
            server_id: c.u32()?,
            size: c.u32()?,
            end_position: c.u32()?,
            flags: c.u16()?,
        })
    }

    /// Whether it was made for this reader and does not stand in the file (the rotate event at a stream's start).
    pub fn artificial(&self) -> bool {
        self.flags & flag::ARTIFICIAL != 0
    }
}

/// Header flags.
pub mod flag {
    /// The file is open for writing (format event only).
    pub const IN_USE: u16 = 0x01;
    /// Depends on the connection (temporary tables).
    pub const THREAD_SPECIFIC: u16 = 0x04;
    /// The statement's default database does not matter.
    pub const SUPPRESS_USE: u16 = 0x08;
    /// Made for one reader, not in the file.
    pub const ARTIFICIAL: u16 = 0x20;
    /// Written by a replica's relay.
    pub const RELAY_LOG: u16 = 0x40;
    /// A reader that does not know the event may pass over it.
    pub const IGNORABLE: u16 = 0x80;
    /// MariaDB: the event was skipped by its replication filter.
    pub const SKIP_REPLICATION: u16 = 0x8000;
}

/// Event type numbers.
pub mod kind {
    pub const QUERY: u8 = 2;
    pub const STOP: u8 = 3;
    pub const ROTATE: u8 = 4;
    pub const INTVAR: u8 = 5;
    pub const RAND: u8 = 13;
    pub const USER_VAR: u8 = 14;
    pub const FORMAT_DESCRIPTION: u8 = 15;
    pub const XID: u8 = 16;
    pub const BEGIN_LOAD_QUERY: u8 = 17;
    pub const EXECUTE_LOAD_QUERY: u8 = 18;
    pub const TABLE_MAP: u8 = 19;
    pub const WRITE_ROWS_V1: u8 = 23;
    pub const UPDATE_ROWS_V1: u8 = 24;
    pub const DELETE_ROWS_V1: u8 = 25;
    pub const INCIDENT: u8 = 26;
    pub const HEARTBEAT: u8 = 27;
    pub const IGNORABLE: u8 = 28;
    pub const ROWS_QUERY: u8 = 29;
    pub const WRITE_ROWS: u8 = 30;
    pub const UPDATE_ROWS: u8 = 31;
    pub const DELETE_ROWS: u8 = 32;
    pub const GTID: u8 = 33;
    pub const ANONYMOUS_GTID: u8 = 34;
    pub const PREVIOUS_GTIDS: u8 = 35;
    pub const TRANSACTION_CONTEXT: u8 = 36;
    pub const VIEW_CHANGE: u8 = 37;
    pub const XA_PREPARE: u8 = 38;
    pub const PARTIAL_UPDATE_ROWS: u8 = 39;
    pub const TRANSACTION_PAYLOAD: u8 = 40;
    pub const HEARTBEAT_V2: u8 = 41;
    pub const GTID_TAGGED: u8 = 42;
    pub const MARIADB_ANNOTATE_ROWS: u8 = 160;
    pub const MARIADB_BINLOG_CHECKPOINT: u8 = 161;
    pub const MARIADB_GTID: u8 = 162;
    pub const MARIADB_GTID_LIST: u8 = 163;
    pub const MARIADB_START_ENCRYPTION: u8 = 164;
    pub const MARIADB_QUERY_COMPRESSED: u8 = 165;
    pub const MARIADB_WRITE_ROWS_COMPRESSED_V1: u8 = 166;
    pub const MARIADB_UPDATE_ROWS_COMPRESSED_V1: u8 = 167;
    pub const MARIADB_DELETE_ROWS_COMPRESSED_V1: u8 = 168;
    pub const MARIADB_WRITE_ROWS_COMPRESSED: u8 = 169;
    pub const MARIADB_UPDATE_ROWS_COMPRESSED: u8 = 170;
    pub const MARIADB_DELETE_ROWS_COMPRESSED: u8 = 171;
}
