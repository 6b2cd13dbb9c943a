//! Syncline's own durable book, as the engine sees it: checkpoints, counters, schema history, backfill chunks, dead
//! letters, table states, audit. How it is stored is the connector's (`sqlite/ledger.rs`).

mod cause;
mod letters;

pub use cause::cause;
pub use letters::*;

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::audit::AuditChain;
use crate::clock::now_millis;
use crate::consistency::{ComparisonFilter, ComparisonRecord, Sample};
use crate::error::Result;
use crate::mark::Marks;
use crate::position::StoredPosition;
use crate::schema::TableSchema;
use crate::source::Bound;
use crate::version::Version;

/// Counters of one table at one sink (rule 6). Each term is counted on its own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Deliveries handed to the sink, filtered ones included.
    pub accepted: u64,
    /// Durable in the target.
    pub applied: u64,
    /// Coalesced by a newer one, refused by the gate, or a dead letter overtaken by a newer row.
    pub superseded: u64,
    /// Kept out by a rule, by the rule's name (`no-route` is one).
    pub filtered: BTreeMap<String, u64>,
    /// In the dead letters. Signed: a redrive moves one from dead to applied.
    pub dead: i64,
    /// Values that had to be changed to fit (zero dates).
    pub coerced: u64,
}

/// Whose counters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CountKey {
    /// Connection name of the sink; [`ROUTER`] for what no sink took.
    pub sink: String,
    /// `database.table`.
    pub table: String,
}

/// The pseudo-sink under which the router counts what no route takes.
pub const ROUTER: &str = "";

/// One chunk of a backfill, at one sink.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ChunkKey {
    /// The backfill's id (rises with each request).
    pub run: i64,
    /// `database.table`.
    pub table: String,
    /// Counts the chunks of a table from 0.
    pub ordinal: i64,
}

/// A planned chunk and which sinks hold it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunk {
    pub key: ChunkKey,
    pub after: Option<Bound>,
    pub upto: Bound,
    pub rows: u64,
    pub done: Vec<String>,
}

/// A table's part of a backfill.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackfillTable {
    pub run: i64,
    pub table: String,
    /// Connections it reads for.
    pub sinks: Vec<String>,
    /// Fixed at the start; `None` for an empty table.
    pub last: Option<Bound>,
    /// Estimate for progress.
    pub estimate: u64,
    /// All chunks are planned.
    pub planned: bool,
    /// Once they are done, what the targets hold of the table below this version has no row any more and is deleted:
    /// the run heals a gap, or the table was emptied.
    pub sweep: Option<Version>,
    /// All chunks are done at all sinks, or it was cancelled.
    pub finished: bool,
}

impl BackfillTable {
    /// Nothing of it is planned yet, and nobody is named to read for.
    pub fn new(run: i64, table: String) -> BackfillTable {
        BackfillTable {
            run,
            table,
            sinks: Vec::new(),
            last: None,
            estimate: 0,
            planned: false,
            sweep: None,
            finished: false,
        }
    }
}

/// Everything that becomes durable together with a checkpoint.
#[derive(Clone, Debug, Default)]
pub struct Commit {
    /// New checkpoint per sink (connection name, or [`ROUTER`]).
    pub checkpoints: Vec<(String, StoredPosition)>,
    /// What to add to the counters.
    pub counts: Vec<(CountKey, Counts)>,
    /// Chunks that a sink now holds.
    pub chunks: Vec<(String, ChunkKey)>,
    /// Dead letters that this commit makes part of the balance, and whose deliveries they are.
    pub parked: Vec<(CountKey, i64)>,
    /// Dead letters overtaken by a newer row: removed.
    pub settled: Vec<i64>,
    /// Dead letters that were applied after all: removed.
    pub redriven: Vec<i64>,
    /// What sinks remember of the pipeline by now.
    pub marks: Vec<(String, Marks)>,
}

/// What the ledger knows of a pipeline.
#[derive(Clone, Debug, Default)]
pub struct PipelineRecord {
    /// Source epoch, from 0.
    pub epoch: u16,
    /// Checkpoint per sink.
    pub checkpoints: BTreeMap<String, StoredPosition>,
    /// Counters.
    pub counts: BTreeMap<CountKey, Counts>,
    /// Table states other than `ok`.
    pub tables: BTreeMap<String, TableRecord>,
    /// What each sink was last known to remember.
    pub marks: BTreeMap<String, Marks>,
    /// Whether somebody paused it.
    pub paused: bool,
}

/// A table that is not simply `ok`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableRecord {
    /// What is the matter.
    pub state: TableState,
    /// The error as JSON (shape `error`), for a halted table.
    pub error: Option<serde_json::Value>,
    /// No target holds this or a higher version of a halted table from before its gap. Zero if nothing was captured yet.
    pub at: Version,
}

impl TableRecord {
    /// A state that needs no more to be said.
    pub fn new(state: TableState) -> TableRecord {
        TableRecord { state, error: None, at: Version::ZERO }
    }
}

/// See SURFACE `status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TableState {
    Ok,
    Halted,
    Dropped,
    Stale,
}

/// A table's columns from a version on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SchemaRecord {
    /// Holds for changes at or above this version, until the next record of the table.
    pub from: Version,
    /// The columns; `None`: the table is gone.
    pub schema: Option<TableSchema>,
    /// `database.table`.
    pub table: String,
    /// What the connector needs beyond the engine's view (collations, type texts), as JSON.
    pub detail: String,
}

/// What an entry of the audit says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditRecord {
    /// Milliseconds since 1970.
    pub at: i64,
    /// Who: a token's name, `local` for the terminal, `syncline` for what happened by itself.
    pub actor: String,
    pub action: String,
    pub pipeline: String,
    /// JSON text. Never holds a secret.
    pub detail: String,
}

impl AuditRecord {
    /// Of this moment.
    pub fn now(actor: &str, action: &str, pipeline: &str, detail: &impl Serialize) -> AuditRecord {
        AuditRecord {
            at: now_millis(),
            actor: actor.to_owned(),
            action: action.to_owned(),
            pipeline: pipeline.to_owned(),
            detail: serde_json::to_string(detail).unwrap_or_default(),
        }
    }
}

/// The book. Every method that answers `Ok` has made its effect durable (synced); failures are never retried silently.
#[async_trait]
pub trait Ledger: Send + Sync {
    /// What is known of a pipeline; the default for one never seen.
    async fn pipeline(&self, pipeline: &str) -> Result<PipelineRecord>;
    /// All pipelines ever seen.
    async fn pipelines(&self) -> Result<Vec<String>>;
    /// Atomic: all of it or none. Answers what the dead letters did to the counters besides `counts`, which the ledger
    /// itself decides by what it finds, so that it happens exactly once: a letter of `parked` counts as dead, or as
    /// superseded if it is gone already; a removed letter that counted as dead becomes superseded, or applied if
    /// `redriven`.
    async fn commit(&self, pipeline: &str, commit: Commit) -> Result<Vec<(CountKey, Counts)>>;
    /// Sets the source epoch: another server goes on with the same history.
    async fn set_epoch(&self, pipeline: &str, epoch: u16) -> Result<()>;
    /// Another history begins. Sets the epoch, forgets the checkpoints and which tables have halted, ends the backfills
    /// that are under way and plans these. Atomic; counters and dead letters stay.
    async fn begin_epoch(&self, pipeline: &str, epoch: u16, plans: &[BackfillTable]) -> Result<()>;
    /// Pauses or resumes durably.
    async fn set_paused(&self, pipeline: &str, paused: bool) -> Result<()>;
    /// Sets or (with state `Ok`) clears a table's state.
    async fn set_table(&self, pipeline: &str, table: &str, record: &TableRecord) -> Result<()>;

    /// What a sink remembers of the pipeline (replaces what was kept of it).
    async fn set_marks(&self, pipeline: &str, sink: &str, marks: &Marks) -> Result<()>;

    /// The pipeline has given up this sink for good: its checkpoint and its marks go. What was counted stays.
    async fn forget_sink(&self, pipeline: &str, sink: &str) -> Result<()>;
    /// Another target stands where these documents are looked for: a sink's marks change together with what is known of
    /// the other sink that has filled it, which is forgotten.
    async fn take_over(&self, pipeline: &str, sink: &str, marks: &Marks, filled_by: &str) -> Result<()>;

    /// A small named value of a pipeline (server id drawn once, last verification).
    async fn property(&self, pipeline: &str, name: &str) -> Result<Option<String>>;
    /// Sets it.
    async fn set_property(&self, pipeline: &str, name: &str, value: &str) -> Result<()>;

    /// Keeps rows that the source has shown and not committed yet, in parts (from 0). The same part again replaces it.
    async fn hold(&self, pipeline: &str, transaction: &str, part: u32, rows: Vec<u8>) -> Result<()>;
    /// One part; `None` if there is none.
    async fn held(&self, pipeline: &str, transaction: &str, part: u32) -> Result<Option<Vec<u8>>>;
    /// Forgets all parts of a transaction.
    async fn forget_held(&self, pipeline: &str, transaction: &str) -> Result<()>;

    /// The schema history, oldest first.
    async fn schemas(&self, pipeline: &str) -> Result<Vec<SchemaRecord>>;
    /// Adds to it (same table and `from`: replaces).
    async fn add_schema(&self, pipeline: &str, record: &SchemaRecord) -> Result<()>;
    /// Forgets what no position at or above `below` needs (keeps the newest record at or below it per table).
    async fn prune_schemas(&self, pipeline: &str, below: Version) -> Result<()>;

    /// Backfill tables that are not finished, and the last run's id (0 if none).
    async fn backfills(&self, pipeline: &str) -> Result<(i64, Vec<BackfillTable>)>;
    /// Adds or changes one.
    async fn set_backfill(&self, pipeline: &str, table: &BackfillTable) -> Result<()>;
    /// Chunks of a run's table, by ordinal.
    async fn chunks(&self, pipeline: &str, run: i64, table: &str) -> Result<Vec<Chunk>>;
    /// Adds or changes a planned chunk (`done` is left alone).
    async fn set_chunk(&self, pipeline: &str, chunk: &Chunk) -> Result<()>;

    /// Parks rows: returns when they are durable, with one answer per letter, in order. There is at most one letter per
    /// pipeline, sink and address: of two, the one with the higher version stays (attempts are added up).
    async fn add_dead_letters(&self, letters: Vec<DeadLetter>) -> Result<Vec<Parked>>;
    /// Removes the pipeline's letters that no commit has counted (see [`Commit::parked`]): their changes lie above the
    /// checkpoint and come again. Called once before a pipeline starts.
    async fn forget_uncounted_letters(&self, pipeline: &str) -> Result<()>;
    /// Lists, oldest first; in pages with [`DeadLetterFilter::after`].
    async fn dead_letters(&self, filter: &DeadLetterFilter) -> Result<Vec<DeadLetter>>;
    /// How many there are, whatever the filter's limit.
    async fn count_dead_letters(&self, filter: &DeadLetterFilter) -> Result<u64>;
    /// Grouped by what refused them, the largest group first; the limit is one of groups.
    async fn dead_letter_groups(&self, filter: &DeadLetterFilter) -> Result<Vec<LetterGroup>>;
    /// How many letters count as dead, by table, target and error, the most first.
    async fn dead_letter_codes(&self, pipeline: &str, limit: usize) -> Result<Vec<LetterCode>>;
    /// Notes that letters were tried again and refused. Each stays the letter it was, with one attempt more; one that is
    /// gone meanwhile stays gone.
    async fn refused_again(&self, refusals: Vec<RefusedAgain>) -> Result<()>;
    /// Changes who takes care of letters, and writes that into the audit if it changed any, both or none of it. Answers
    /// which.
    async fn set_letter_state(&self, change: &StateChange) -> Result<Vec<i64>>;

    /// Keeps the record of a comparison that has ended, whole or not at all; answers its id.
    async fn add_comparison(&self, record: &ComparisonRecord) -> Result<i64>;
    /// Records, oldest first. With a tenant also those that were counted by tenant, with its counts alone, as if only its rows had
    /// been compared.
    async fn comparisons(&self, filter: &ComparisonFilter) -> Result<Vec<ComparisonRecord>>;
    /// For each table and target the last record that covers it: full, and of the same tenant (`None`: of all of them), or, for a
    /// tenant, counted by tenant.
    async fn covering(&self, pipeline: &str, tenant: Option<&str>) -> Result<Vec<ComparisonRecord>>;
    /// Keeps a sample. One of the same minute is added to: the larger lag, the later number of dead letters.
    async fn add_sample(&self, pipeline: &str, sample: &Sample) -> Result<()>;
    /// Samples of the minutes that began then or later (milliseconds since 1970), oldest first.
    async fn samples(&self, pipeline: &str, since: i64) -> Result<Vec<Sample>>;
    /// Forgets records and samples from before then (milliseconds since 1970); answers how many records.
    async fn forget_comparisons(&self, pipeline: &str, before: i64) -> Result<u64>;
    /// How many dead letters wait, by table and target (as users see it).
    async fn dead_letter_counts(&self, pipeline: &str) -> Result<Vec<(String, String, u64)>>;

    /// Adds to the audit, behind all that was added before, by whatever process.
    async fn audit(&self, record: &AuditRecord) -> Result<()>;
    /// The audit and its head as they are at one moment, unproven: see [`AuditChain::verify`].
    async fn audits(&self) -> Result<AuditChain>;
    /// Copies the ledger while it is in use.
    async fn backup(&self, destination: &std::path::Path) -> Result<()>;
}

impl Counts {
    /// Adds term by term.
    pub fn add(&mut self, other: &Counts) {
        self.accepted += other.accepted;
        self.applied += other.applied;
        self.superseded += other.superseded;
        self.dead += other.dead;
        self.coerced += other.coerced;
        for (rule, n) in &other.filtered {
            match self.filtered.get_mut(rule) {
                Some(sum) => *sum += n,
                None => {
                    self.filtered.insert(rule.clone(), *n);
                }
            }
        }
    }

    /// Whether every accepted delivery is accounted for, with `in_flight` still under way (rule 6).
    pub fn balances(&self, in_flight: u64) -> bool {
        let finished = self.applied + self.superseded + self.filtered.values().sum::<u64>() + in_flight;
        i128::from(self.accepted) == i128::from(finished) + i128::from(self.dead)
    }
}

impl Commit {
    /// Nothing to write.
    pub fn is_empty(&self) -> bool {
        self.checkpoints.is_empty()
            && self.counts.is_empty()
            && self.chunks.is_empty()
            && self.settled.is_empty()
            && self.parked.is_empty()
            && self.redriven.is_empty()
            && self.marks.is_empty()
    }
}
