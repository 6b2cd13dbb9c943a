//! What a source must do: stream changes in order, read rows beside the stream, tell what is wrong with its set-up.
//! Windows, chunks and retries are the engine's (`pipeline/capture.rs`, `backfill/`).

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::mpsc;

use crate::change::{Captured, Change, Origin};
use crate::error::{Error, Result};
use crate::position::{Position, StoredPosition};
use crate::row::RowImage;
use crate::schema::TableSchema;
use crate::value::OwnedValue;
use crate::version::Version;

/// A source of one pipeline, made from its configuration. Holds no open stream itself.
#[async_trait]
pub trait Source: Send + Sync {
    /// The tables that match the pipeline's patterns now, as the catalog has them.
    async fn tables(&self) -> Result<Vec<Arc<TableSchema>>>;

    /// Starts to stream. `from` is a position this source made earlier (its token read back): the first change is the
    /// first of that transaction. `None` starts at the present position.
    ///
    /// A position that the history no longer has, or that another server made, is an error whose kind halts: never skip.
    async fn stream(&self, from: Option<&StoredPosition>) -> Result<Box<dyn CaptureStream>>;

    /// Reads rows beside the stream.
    fn reader(&self) -> Arc<dyn TableReader>;

    /// A mark that a stream passes once it has delivered everything committed before this call.
    async fn mark(&self) -> Result<Box<dyn HighMark>>;

    /// Tells once more what committed at `since` (milliseconds since 1970) or later, up to this call, of the captured tables;
    /// it may tell more than that. Nobody applies it: what became of these rows is looked up then. Fails with
    /// [`crate::error::Code::VerifySince`] if the source's log does not reach back so far. Ends early if nobody listens.
    async fn recent(&self, since: i64, pieces: &mpsc::Sender<Recent>) -> Result<()>;

    /// The position that a person names by its text ([`crate::position::ResumeToken::text`]), as a checkpoint. `known` is one of
    /// this source, whose history and epoch it has to be of. Fails with [`crate::error::Code::CheckpointPosition`] unless a
    /// stream may begin there: between two transactions, still held, and not behind the source's present. Changes nothing.
    async fn position(&self, text: &str, known: &StoredPosition) -> Result<StoredPosition>;

    /// Everything below `position` is durable everywhere: the source may forget it (SQLite prunes its change table).
    async fn acknowledge(&self, position: &StoredPosition) -> Result<()>;

    /// Every finding about server, grants and tables, with the observed value and the exact fix. Empty when all is well.
    async fn check(&self) -> Result<Vec<Error>>;
}

/// A piece of what a source's log still tells.
#[derive(Debug)]
pub enum Recent {
    /// Changes of rows; images as they stand in the log, perhaps without all columns.
    Changes(Vec<Change>),
    /// More happened to a table than changes of rows tell (`database.table`).
    Table(Arc<str>),
}

/// A running stream.
#[async_trait]
pub trait CaptureStream: Send {
    /// The next run of changes, or event of a table.
    ///
    /// Cancel safe: dropped before it answers, nothing is lost. Answers at least once a second, with an empty batch if
    /// there is nothing, so that positions, lag and stop requests move. Bounded: reading ahead stops at a few MiB.
    /// `Err` of kind `Retry` means the connection is gone: the engine makes a new stream from the last position.
    async fn next(&mut self) -> Result<Captured>;

    /// Where the stream starts: the first checkpoint of a new pipeline.
    fn start(&self) -> Position;
}

/// Tells whether a stream has passed a point.
pub trait HighMark: Send + Sync {
    /// Whether everything up to the mark lies before `position` (a batch's `resume`).
    fn passed(&self, position: &Position) -> bool;
}

/// A bound of a key range in the source's own durable text; only the source orders bounds.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Bound(pub String);

/// How far a table reaches when a backfill begins.
#[derive(Clone, Debug)]
pub struct Extent {
    /// The highest key: fixed now, so that rows added later come through the stream only.
    pub last: Bound,
    /// An estimate for progress; 0 if unknown.
    pub rows: u64,
}

/// Rows read beside the stream.
#[derive(Debug)]
pub struct ReadRows {
    /// The columns as of the read.
    pub schema: Arc<TableSchema>,
    /// Each row.
    pub rows: Vec<RowImage>,
    /// How the rows stand to the stream.
    pub mark: ReadMark,
    /// For the changes made of the rows.
    pub origin: Arc<Origin>,
}

/// How rows that were read stand to the stream (DESIGN 4.1).
pub enum ReadMark {
    /// The read saw exactly the changes below this version: rows carry it and go at once; a row whose key the stream
    /// touches with a higher version is dropped.
    At(Version),
    /// The read saw at least everything before the window opened: rows are held until the stream has passed the mark,
    /// those touched since the window opened are dropped, the rest carries the stream's version of that moment.
    Until(Box<dyn HighMark>),
}

impl std::fmt::Debug for ReadMark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ReadMark::At(version) => write!(f, "At({version})"),
            ReadMark::Until(_) => f.write_str("Until(..)"),
        }
    }
}

/// Reads rows of a table by key, consistent with the stream. Several calls may run at once (own connections).
///
/// `opened` is the stream's position when the window was opened. The read must see everything before `opened`: if the
/// server's visible state is still behind it (a transaction stands in the binlog before the engine commits it), the mark
/// is taken again until it is not.
#[async_trait]
pub trait TableReader: Send + Sync {
    /// How far the table reaches; `None` if it is empty.
    async fn extent(&self, schema: &TableSchema, key: &[usize]) -> Result<Option<Extent>>;

    /// A bound with these values of the key, for a range that a person names; no row need have them. Fails with
    /// [`crate::error::Code::ResyncPart`] for values that the source cannot write down as a bound.
    async fn bound(&self, schema: &TableSchema, key: &[usize], values: &[OwnedValue]) -> Result<Bound>;

    /// The upper bound (inclusive) of the next chunk of about `rows` rows above `after`, at most `last`;
    /// `None` when nothing is left between `after` and `last`.
    async fn next_bound(
        &self,
        schema: &TableSchema,
        key: &[usize],
        after: Option<&Bound>,
        last: &Bound,
        rows: usize,
    ) -> Result<Option<Bound>>;

    /// The upper bound (inclusive) of the next `keys` keys above `after`, at most `last`, without asking the source; between them
    /// are at most so many rows, and perhaps none. `None` where keys cannot be counted: only those of one whole number
    /// can that no two rows share.
    fn bound_above(
        &self,
        _schema: &TableSchema,
        _key: &[usize],
        _after: &Bound,
        _last: &Bound,
        _keys: usize,
    ) -> Option<Bound> {
        None
    }

    /// Rows with `after` < key <= `upto`. `key` are column indices of the route's key or the primary key.
    async fn read_range(
        &self,
        schema: &TableSchema,
        key: &[usize],
        after: Option<&Bound>,
        upto: &Bound,
        opened: &Position,
    ) -> Result<ReadRows>;

    /// Rows with exactly these keys (exact text, whatever the collation says); absent ones are simply not in the answer.
    async fn read_keys(
        &self,
        schema: &TableSchema,
        key: &[usize],
        keys: &[Vec<OwnedValue>],
        opened: &Position,
    ) -> Result<ReadRows>;
}
