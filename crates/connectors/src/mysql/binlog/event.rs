//! What a decoded event is. Headers are `header.rs`; bodies are parsed by the files named after them.

use std::sync::Arc;

use bytes::Bytes;

use super::format::Format;
use super::gtid_event::GtidEvent;
use super::gtid_mariadb::GtidPosition;
use super::gtid_mysql::GtidSet;
use super::header::EventHeader;
use super::payload::Payload;
use super::query::Query;
use super::rows::RowsEvent;
use super::table_map::TableMap;
use super::xa::XaPrepare;

/// A decoded event.
#[derive(Debug)]
pub struct Event {
    pub header: EventHeader,
    pub body: EventBody,
}

/// What an event says.
#[derive(Debug)]
pub enum EventBody {
    /// The first event of a file: how the others are written. The decoder has taken it over already.
    Format(Arc<Format>),
    /// The next event stands in `file` at `position`.
    Rotate { position: u64, file: String },
    /// A statement as text (also DDL, BEGIN, COMMIT, XA statements); MariaDB's compressed one comes inflated.
    Query(Query),
    /// COMMIT of a transactional engine.
    Xid(u64),
    /// MySQL's 33, 34 and 42, MariaDB's 162: a transaction begins.
    Gtid(GtidEvent),
    /// MySQL's 35: all GTIDs before this file.
    PreviousGtids(GtidSet),
    /// MariaDB's 163: the last GTIDs of each domain and server before this file.
    GtidList(GtidPosition),
    /// Describes the table of row events that follow.
    TableMap { table_id: u64, map: Arc<TableMap> },
    /// Rows; compressed ones come inflated, PARTIAL_UPDATE_ROWS with [`RowsEvent::is_partial_json`].
    Rows(RowsEvent),
    /// A compressed transaction: its events are read with [`Payload::open`] and `Decoder::decode_inner`.
    Payload(Payload),
    /// MySQL's and MariaDB's 38: the rows before it are prepared, not committed.
    XaPrepare(XaPrepare),
    /// The statement behind the rows (MySQL's 29, MariaDB's 160), for people.
    RowsQuery(Bytes),
    /// Nothing happened: the server is alive and here. `position` is 64 bits wide in version 2, else the header's.
    Heartbeat { file: String, position: u64 },
    /// The server lost events.
    Incident { number: u16, message: String },
    /// The server stopped in good order.
    Stop,
    /// Only a statement logged as text needs it (INTVAR, RAND, USER_VAR, LOAD DATA pieces).
    StatementContext,
    /// Known, and nothing to a reader: group replication's context and view change, binlog checkpoint, the notice that
    /// the file is encrypted (the server decrypts what it sends), events whose header allows passing over them.
    Nothing,
}
