//! A change: one row that was inserted, updated, deleted or read, exactly as captured; or all rows at once.
//! Routing and documents are `route/`; nothing here is mutable once captured.

use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;

use crate::error::Error;
use crate::position::Position;
use crate::row::RowImage;
use crate::schema::TableSchema;
use crate::version::Version;

/// What happened to the row. `Read` comes from a watermarked read, not from the stream. `Truncate` is no row's: all rows
/// of the table as of this version and below are gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    Insert,
    Update,
    Delete,
    Read,
    Truncate,
}

impl Operation {
    /// The word in a change line.
    pub fn name(self) -> &'static str {
        match self {
            Operation::Insert => "insert",
            Operation::Update => "update",
            Operation::Delete => "delete",
            Operation::Read => "read",
            Operation::Truncate => "truncate",
        }
    }
}

/// Where the change stood in the source's own history, for `tap`, dead letters and audit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The server that wrote it (0 if the source has no such thing).
    pub server_id: u32,
    /// Binlog file name, or the database file of SQLite.
    pub file: Arc<str>,
    /// GTID text if the source has it.
    pub gtid: Option<Arc<str>>,
    /// Commit time in milliseconds since 1970 (UTC). For people only: it orders nothing.
    pub committed_at: i64,
}

/// One row that changed.
///
/// `Insert` and `Read` have `after` only, `Delete` `before` only, `Update` both, `Truncate` none. An update that changes the key is
/// one `Change` (the router splits it by address).
#[derive(Clone, Debug)]
pub struct Change {
    /// The table's columns as of this change.
    pub schema: Arc<TableSchema>,
    /// What happened.
    pub operation: Operation,
    /// The row before.
    pub before: Option<RowImage>,
    /// The row after.
    pub after: Option<RowImage>,
    /// Version of the after image, or of the before image for a delete.
    pub version: Version,
    /// Version of the before image of an update (lower than `version`); equal to `version` otherwise.
    pub before_version: Version,
    /// Byte offset in the file (64 bits, not saturated), for messages.
    pub offset: u64,
    /// Tells changes of one version apart, for targets that keep every one: versions end beyond 4 GiB of a file and within
    /// compressed events, and an XA transaction has only that of its commit. Rises with the stream among them, is the same
    /// on every replay, and leaves the number below it to the before image. 0 where versions do not end.
    pub ordinal: u64,
    /// Shared by the changes of a transaction.
    pub origin: Arc<Origin>,
}

impl Change {
    /// One without a row.
    pub fn of_table(
        schema: Arc<TableSchema>,
        operation: Operation,
        version: Version,
        origin: Arc<Origin>,
    ) -> Change {
        Change {
            schema,
            operation,
            before: None,
            after: None,
            version,
            before_version: version,
            offset: version.offset(),
            ordinal: 0,
            origin,
        }
    }
}

impl Origin {
    /// Of what no server wrote.
    pub fn nobody() -> Arc<Origin> {
        Arc::new(Origin { server_id: 0, file: "".into(), gtid: None, committed_at: 0 })
    }
}

/// A run of changes in source order, as the source hands it to the engine.
///
/// A batch holds whole transactions, or one piece of a single transaction, never the end of one and the beginning
/// of another: so its counters are either wholly below a checkpoint or wholly above it.
#[derive(Debug)]
pub struct CaptureBatch {
    /// May be empty: then the batch only moves the position (heartbeats, transactions of other tables).
    pub changes: Vec<Change>,
    /// Start of the transaction that holds the first change: reading from here yields all of them again.
    pub start: Position,
    /// Where reading may resume once everything up to and including this batch is durable: the end of its last
    /// transaction, or `start` again while its one transaction is still open.
    pub resume: Position,
    /// Commit time of the newest transaction, milliseconds since 1970; or the source's clock at a heartbeat.
    pub source_time: Option<i64>,
    /// Whether the source had nothing more to send when this batch was cut (lag is zero then).
    pub caught_up: bool,
    /// Bytes of the buffers that the changes hold on to.
    pub bytes: usize,
    /// Memory budget of this batch, given back when the last delivery of it is done. Set by the engine.
    pub permit: Option<OwnedSemaphorePermit>,
}

impl CaptureBatch {
    /// Changes that stand at one position; nothing more is known of them.
    pub fn at(position: Position, changes: Vec<Change>) -> CaptureBatch {
        CaptureBatch {
            changes,
            start: position.clone(),
            resume: position,
            source_time: None,
            caught_up: false,
            bytes: 0,
            permit: None,
        }
    }
}

/// What a source hands on: rows, or something that happened to a table, in order.
#[derive(Debug)]
pub enum Captured {
    /// Rows.
    Batch(CaptureBatch),
    /// Not rows.
    Table(TableEvent, Position),
}

/// What happened to a captured table, at its place in the stream.
#[derive(Debug)]
pub enum TableEvent {
    /// A table that matches the patterns exists from here on and has not been seen before.
    Appeared(Arc<TableSchema>),
    /// Columns changed; open windows of the table are void. `reread`: rows changed without row events.
    Altered { schema: Arc<TableSchema>, reread: bool },
    /// All rows are gone without row events.
    Truncated { schema: Arc<TableSchema>, origin: Arc<Origin> },
    /// The table is gone, or has left by its new name. Its columns as they were, if it was captured to the end.
    Dropped { table: Arc<str>, schema: Option<Arc<TableSchema>> },
    /// Rows of the table changed before here, and which ones is not told. `error`: why. Its position is told with it, not
    /// before.
    Unseen { schema: Arc<TableSchema>, error: Error },
    /// The source cannot give this table's changes any more; the others flow on.
    Halted { table: Arc<str>, error: Error },
}
