//! The ledger in `DATA/ledger.db`: one writer thread that commits many callers' work at once, one reader beside it.
//! Layout and migrations are `schema.rs`, statements `write.rs`, `read.rs`, `audit.rs` and `comparisons.rs`. What the records mean is the engine's.
//!
//! The file is in WAL mode with `synchronous=FULL`: an answer `Ok` stands on a finished fsync. A failed one is never
//! tried again (the kernel may have dropped the pages): the ledger refuses everything from then on.

mod audit;
mod backup;
mod comparisons;
mod letter_list;
mod letters;
mod lock;
mod open;
mod read;
mod schema;
mod tenant_counts;
#[cfg(test)]
mod tests;
mod write;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use rusqlite::Connection;
use syncline_engine::audit::AuditChain;
use syncline_engine::consistency::{ComparisonFilter, ComparisonRecord, Sample};
use syncline_engine::error::{Code, Error, Result};
use syncline_engine::ledger::{
    AuditRecord, BackfillTable, Chunk, Commit, CountKey, Counts, DeadLetter, DeadLetterFilter, Ledger,
    LetterCode, LetterGroup, Parked, PipelineRecord, RefusedAgain, SchemaRecord, StateChange, TableRecord,
};
use syncline_engine::mark::Marks;
use syncline_engine::version::Version;

/// The file's name in the data folder.
pub const FILE: &str = "ledger.db";

/// An open ledger. Dropping it waits for what was handed to the writer.
pub struct SqliteLedger {
    // Dropped in this order: the writer ends, the reader closes, then the lock goes.
    writer: writer::Writer,
    shared: Arc<Shared>,
}

/// What reads that are under way keep alive.
struct Shared {
    path: PathBuf,
    reader: Mutex<Connection>,
    _lock: Option<lock::Lock>,
}

impl SqliteLedger {
    /// Opens the ledger of a data folder for running pipelines: made if absent, moved to this version's layout, locked
    /// against a second process.
    pub fn exclusive(data: &Path) -> Result<SqliteLedger> {
        std::fs::create_dir_all(data).map_err(|e| {
            Error::new(Code::LedgerOpen, format!("cannot make the data folder {}", data.display())).cause(e)
        })?;
        let lock = lock::Lock::take(data)?;
        let path = data.join(FILE);
        open::make(&path)?;
        Self::start(path, Some(lock))
    }

    /// Opens it beside a running process, for looking and for short writes; `None` if there is no ledger yet.
    pub fn shared(data: &Path) -> Result<Option<SqliteLedger>> {
        let path = data.join(FILE);
        if !open::exists(&path)? {
            return Ok(None);
        }
        if open::needs_migration(&path)? {
            // Only a process that could also run may change the layout under nobody's feet.
            let _lock = lock::Lock::take(data)?;
            open::make(&path)?;
        }
        Self::start(path, None).map(Some)
    }

    fn start(path: PathBuf, lock: Option<lock::Lock>) -> Result<SqliteLedger> {
        let reader = Mutex::new(open::connect(&path)?);
        let writer = writer::Writer::start(open::connect(&path)?, &path)?;
        Ok(SqliteLedger { writer, shared: Arc::new(Shared { path, reader, _lock: lock }) })
    }

    async fn read<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let shared = Arc::clone(&self.shared);
        let read = move || {
            let mut reader = shared.reader.lock().unwrap_or_else(PoisonError::into_inner);
            // One snapshot for all statements of the call.
            let transaction = reader.transaction().map_err(|e| unreadable(&shared.path, e))?;
            work(&transaction).map_err(|e| unreadable(&shared.path, e))
        };
        tokio::task::spawn_blocking(read).await.map_err(|e| {
            Error::new(Code::LedgerRead, "the ledger's reader stopped in the middle of its work").cause(e)
        })?
    }
}

fn unreadable(path: &Path, error: rusqlite::Error) -> Error {
    Error::new(Code::LedgerRead, format!("{} cannot be read", path.display())).cause(error)
}

#[async_trait]
impl Ledger for SqliteLedger {
    async fn pipeline(&self, pipeline: &str) -> Result<PipelineRecord> {
        let pipeline = pipeline.to_owned();
        self.read(move |c| read::pipeline(c, &pipeline)).await
    }

    async fn pipelines(&self) -> Result<Vec<String>> {
        self.read(read::pipelines).await
    }

    async fn commit(&self, pipeline: &str, commit: Commit) -> Result<Vec<(CountKey, Counts)>> {
        let pipeline = pipeline.to_owned();
        self.writer.run(move |c| write::commit(c, &pipeline, &commit)).await
    }

    async fn set_epoch(&self, pipeline: &str, epoch: u16) -> Result<()> {
        let pipeline = pipeline.to_owned();
        self.writer.run(move |c| write::set_epoch(c, &pipeline, epoch)).await
    }

    async fn begin_epoch(&self, pipeline: &str, epoch: u16, plans: &[BackfillTable]) -> Result<()> {
        let (pipeline, plans) = (pipeline.to_owned(), plans.to_vec());
        self.writer.run(move |c| write::begin_epoch(c, &pipeline, epoch, &plans)).await
    }

    async fn set_marks(&self, pipeline: &str, sink: &str, marks: &Marks) -> Result<()> {
        let (pipeline, sink, marks) = (pipeline.to_owned(), sink.to_owned(), marks.clone());
        self.writer.run(move |c| write::set_marks(c, &pipeline, &sink, &marks)).await
    }

    async fn forget_sink(&self, pipeline: &str, sink: &str) -> Result<()> {
        let (pipeline, sink) = (pipeline.to_owned(), sink.to_owned());
        self.writer.run(move |c| write::forget_sink(c, &pipeline, &sink)).await
    }

    async fn take_over(&self, pipeline: &str, sink: &str, marks: &Marks, filled_by: &str) -> Result<()> {
        let (pipeline, sink, marks) = (pipeline.to_owned(), sink.to_owned(), marks.clone());
        let filled_by = filled_by.to_owned();
        let both = move |c: &Connection| {
            write::set_marks(c, &pipeline, &sink, &marks)?;
            write::forget_sink(c, &pipeline, &filled_by)
        };
        self.writer.run(both).await
    }

    async fn set_paused(&self, pipeline: &str, paused: bool) -> Result<()> {
        let pipeline = pipeline.to_owned();
        self.writer.run(move |c| write::set_paused(c, &pipeline, paused)).await
    }

    async fn set_table(&self, pipeline: &str, table: &str, record: &TableRecord) -> Result<()> {
        let (pipeline, table, record) = (pipeline.to_owned(), table.to_owned(), record.clone());
        self.writer.run(move |c| write::set_table(c, &pipeline, &table, &record)).await
    }

    async fn property(&self, pipeline: &str, name: &str) -> Result<Option<String>> {
        let (pipeline, name) = (pipeline.to_owned(), name.to_owned());
        self.read(move |c| read::property(c, &pipeline, &name)).await
    }

    async fn set_property(&self, pipeline: &str, name: &str, value: &str) -> Result<()> {
        let (pipeline, name, value) = (pipeline.to_owned(), name.to_owned(), value.to_owned());
        self.writer.run(move |c| write::set_property(c, &pipeline, &name, &value)).await
    }

    async fn hold(&self, pipeline: &str, transaction: &str, part: u32, rows: Vec<u8>) -> Result<()> {
        let (pipeline, transaction) = (pipeline.to_owned(), transaction.to_owned());
        self.writer.run(move |c| write::hold(c, &pipeline, &transaction, part, &rows)).await
    }

    async fn held(&self, pipeline: &str, transaction: &str, part: u32) -> Result<Option<Vec<u8>>> {
        let (pipeline, transaction) = (pipeline.to_owned(), transaction.to_owned());
        self.read(move |c| read::held(c, &pipeline, &transaction, part)).await
    }

    async fn forget_held(&self, pipeline: &str, transaction: &str) -> Result<()> {
        let (pipeline, transaction) = (pipeline.to_owned(), transaction.to_owned());
        self.writer.run(move |c| write::forget_held(c, &pipeline, &transaction)).await
    }

    async fn schemas(&self, pipeline: &str) -> Result<Vec<SchemaRecord>> {
        let pipeline = pipeline.to_owned();
        self.read(move |c| read::schemas(c, &pipeline)).await
    }

    async fn add_schema(&self, pipeline: &str, record: &SchemaRecord) -> Result<()> {
        let (pipeline, record) = (pipeline.to_owned(), record.clone());
        self.writer.run(move |c| write::add_schema(c, &pipeline, &record)).await
    }

    async fn prune_schemas(&self, pipeline: &str, below: Version) -> Result<()> {
        let pipeline = pipeline.to_owned();
        self.writer.run(move |c| write::prune_schemas(c, &pipeline, below)).await
    }

    async fn backfills(&self, pipeline: &str) -> Result<(i64, Vec<BackfillTable>)> {
        let pipeline = pipeline.to_owned();
        self.read(move |c| read::backfills(c, &pipeline)).await
    }

    async fn set_backfill(&self, pipeline: &str, table: &BackfillTable) -> Result<()> {
        let (pipeline, table) = (pipeline.to_owned(), table.clone());
        self.writer.run(move |c| write::set_backfill(c, &pipeline, &table)).await
    }

    async fn chunks(&self, pipeline: &str, run: i64, table: &str) -> Result<Vec<Chunk>> {
        let (pipeline, table) = (pipeline.to_owned(), table.to_owned());
        self.read(move |c| read::chunks(c, &pipeline, run, &table)).await
    }

    async fn set_chunk(&self, pipeline: &str, chunk: &Chunk) -> Result<()> {
        let (pipeline, chunk) = (pipeline.to_owned(), chunk.clone());
        self.writer.run(move |c| write::set_chunk(c, &pipeline, &chunk)).await
    }

    async fn add_dead_letters(&self, letters: Vec<DeadLetter>) -> Result<Vec<Parked>> {
        self.writer.run(move |c| letters.iter().map(|letter| letters::park(c, letter)).collect()).await
    }

    async fn forget_uncounted_letters(&self, pipeline: &str) -> Result<()> {
        let pipeline = pipeline.to_owned();
        self.writer.run(move |c| letters::forget_uncounted_letters(c, &pipeline)).await
    }

    async fn dead_letters(&self, filter: &DeadLetterFilter) -> Result<Vec<DeadLetter>> {
        let filter = filter.clone();
        self.read(move |c| letter_list::dead_letters(c, &filter)).await
    }

    async fn count_dead_letters(&self, filter: &DeadLetterFilter) -> Result<u64> {
        let filter = filter.clone();
        self.read(move |c| letter_list::count(c, &filter)).await
    }

    async fn dead_letter_groups(&self, filter: &DeadLetterFilter) -> Result<Vec<LetterGroup>> {
        let filter = filter.clone();
        self.read(move |c| letter_list::groups(c, &filter)).await
    }

    async fn dead_letter_codes(&self, pipeline: &str, limit: usize) -> Result<Vec<LetterCode>> {
        let pipeline = pipeline.to_owned();
        self.read(move |c| letter_list::codes(c, &pipeline, limit)).await
    }

    async fn refused_again(&self, refusals: Vec<RefusedAgain>) -> Result<()> {
        self.writer.run(move |c| refusals.iter().try_for_each(|r| letters::refused_again(c, r))).await
    }

    async fn set_letter_state(&self, change: &StateChange) -> Result<Vec<i64>> {
        let change = change.clone();
        self.writer.run(move |c| letters::set_state(c, &change)).await
    }

    async fn add_comparison(&self, record: &ComparisonRecord) -> Result<i64> {
        let record = record.clone();
        self.writer.run(move |c| comparisons::add(c, &record)).await
    }

    async fn comparisons(&self, filter: &ComparisonFilter) -> Result<Vec<ComparisonRecord>> {
        let filter = filter.clone();
        self.read(move |c| comparisons::list(c, &filter)).await
    }

    async fn covering(&self, pipeline: &str, tenant: Option<&str>) -> Result<Vec<ComparisonRecord>> {
        let (pipeline, tenant) = (pipeline.to_owned(), tenant.map(str::to_owned));
        self.read(move |c| comparisons::covering(c, &pipeline, tenant.as_deref())).await
    }

    async fn add_sample(&self, pipeline: &str, sample: &Sample) -> Result<()> {
        let (pipeline, sample) = (pipeline.to_owned(), *sample);
        self.writer.run(move |c| comparisons::add_sample(c, &pipeline, &sample)).await
    }

    async fn samples(&self, pipeline: &str, since: i64) -> Result<Vec<Sample>> {
        let pipeline = pipeline.to_owned();
        self.read(move |c| comparisons::samples(c, &pipeline, since)).await
    }

    async fn forget_comparisons(&self, pipeline: &str, before: i64) -> Result<u64> {
        let pipeline = pipeline.to_owned();
        self.writer.run(move |c| comparisons::forget(c, &pipeline, before)).await
    }

    async fn dead_letter_counts(&self, pipeline: &str) -> Result<Vec<(String, String, u64)>> {
        let pipeline = pipeline.to_owned();
        self.read(move |c| read::dead_letter_counts(c, &pipeline)).await
    }

    async fn audit(&self, record: &AuditRecord) -> Result<()> {
        let record = record.clone();
        self.writer.run(move |c| audit::add(c, &record)).await
    }

    async fn audits(&self) -> Result<AuditChain> {
        self.read(audit::chain).await
    }

    async fn backup(&self, destination: &Path) -> Result<()> {
        let (shared, destination) = (Arc::clone(&self.shared), destination.to_owned());
        let copy = move || backup::copy(&shared.path, &destination);
        tokio::task::spawn_blocking(copy).await.map_err(|e| {
            Error::new(Code::LedgerRead, "the backup stopped in the middle of its work").cause(e)
        })?
    }
}
