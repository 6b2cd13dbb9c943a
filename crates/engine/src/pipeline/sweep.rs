//! The end of a run that heals a gap, and the whole of one after a TRUNCATE: what targets hold of a table below a version
//! has no row any more and is deleted there (rule 8). What exists was written at that version or above before; deletes
//! go below it, so the gate keeps everything that is newer. Which runs sweep is decided in `shared.rs`.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc;

use super::Shared;
use super::capture::Request;
use super::port::Port;
use super::tracker::ExpectedChunk;
use crate::change::{CaptureBatch, Change, Operation, Origin};
use crate::error::{Code, Error, Result};
use crate::ledger::{BackfillTable, ChunkKey};
use crate::packed;
use crate::position::Position;
use crate::route::{CapturedLines, Scope, TargetPlan, key_parts, key_values};
use crate::row::RowImage;
use crate::schema::TableSchema;
use crate::sink::{Body, Counted, Delivery, Held, Look};
use crate::version::Version;

/// The chunk of a run that its sweep's deletes belong to.
const SWEEP: i64 = -1;
/// The chunk of a run that the line belongs to which says that all before is gone.
pub(crate) const EMPTIED: i64 = -2;
/// Pages that a target may be ahead.
const PAGES: usize = 2;
/// What a delete takes of the memory budget, about.
const DELETE: usize = 100;

/// Deletes what lies below `below` in the table's targets at these sinks. Everything captured below it is durable there
/// when the scan begins.
pub(crate) async fn sweep(
    shared: &Arc<Shared>,
    plan: &BackfillTable,
    sinks: &[usize],
    below: Version,
) -> Result<()> {
    let mut committed = shared.committed.subscribe();
    while !shared.tracker.passed(sinks, below, plan.run, &plan.table) {
        shared.commit_wanted.notify_one();
        committed.changed().await.map_err(|_| stopping())?;
    }
    let targets: Vec<(usize, Arc<TargetPlan>)> = shared.routes.targets_of(&plan.table).cloned().collect();
    let wanted = |sink: &usize| sinks.contains(sink) && !shared.tracker.any_abandoned(&[*sink]);
    let keeps = |target: &TargetPlan| !target.spec.kind.keeps_lines() && !target.spec.invalidate;
    for (sink, target) in targets.iter().filter(|(sink, target)| wanted(sink) && keeps(target)) {
        let Some(port) = shared.ports().into_iter().find(|port| port.index == *sink) else { continue };
        let gone = Sweep { shared, plan, port: &port, below }.target(target).await?;
        tracing::info!(table = plan.table, target = target.label, gone, "swept");
    }
    Ok(())
}

/// Tells those of these sinks that keep lines that what they hold of the table below `below` is gone. A sink that was
/// killed at it may be told twice.
pub(crate) async fn tell_emptied(
    shared: &Shared,
    key: ChunkKey,
    schema: &Arc<TableSchema>,
    sinks: Vec<usize>,
    below: Version,
) -> Result<()> {
    let chunk = shared.tracker.expect_chunk(key, Arc::new(sinks));
    let line = of_table(schema, Operation::Truncate, below.previous());
    shared.requests.send(Request::Emptied { line, chunk }).await.map_err(|_| stopping())
}

/// A batch of one change without a row.
fn of_table(schema: &Arc<TableSchema>, operation: Operation, version: Version) -> CaptureBatch {
    CaptureBatch::at(Position::nowhere(version), vec![gone(schema, operation, version)])
}

fn gone(schema: &Arc<TableSchema>, operation: Operation, version: Version) -> Change {
    Change::of_table(Arc::clone(schema), operation, version, Origin::nobody())
}

/// A row that holds the key which an id tells and nothing else; `None` if it does not tell all of it.
fn row_of_id(id: &str, key: &[usize], schema: &TableSchema) -> Option<RowImage> {
    let parts = key_parts(id, key, schema).ok()?;
    let values = key_values(schema, key, &parts).ok()?;
    let mut writer = packed::Writer::new();
    for column in 0..schema.columns.len() {
        match key.iter().position(|k| *k == column) {
            Some(n) => writer.push(values[n].borrow()),
            None => writer.absent(),
        }
    }
    Some(packed::image(writer.finish()))
}

/// Documents to delete at one sink; their deletes belong to the chunk.
pub(crate) struct Doomed {
    pub sink: usize,
    pub chunk: Arc<ExpectedChunk>,
    pub last: bool,
    pub deletes: Deletes,
}

/// Documents of one target that are to go.
pub(crate) struct Deletes {
    pub target: Arc<TargetPlan>,
    pub held: Vec<Held>,
    /// One change without images stands for all of them: deliveries come from a change.
    pub batch: CaptureBatch,
    /// What tells an archive of each of them, where it is one.
    pub lines: Option<Vec<Bytes>>,
}

impl Deletes {
    /// Deletes at a version: what is newer stays.
    pub fn at(
        version: Version,
        schema: &Arc<TableSchema>,
        target: &Arc<TargetPlan>,
        held: Vec<Held>,
    ) -> Deletes {
        let batch = of_table(schema, Operation::Delete, version);
        let batch = CaptureBatch { bytes: held.len() * DELETE, ..batch };
        Deletes { target: Arc::clone(target), held, batch, lines: None }
    }

    /// The same for an archive: a line for each whose key its id tells. `key`: the columns. What carries the lines counts as
    /// read beside the stream, or an archive would take it for a replay.
    pub fn told(mut self, key: &[usize]) -> Deletes {
        let Some(change) = self.batch.changes.first() else { return self };
        let (schema, version) = (Arc::clone(&change.schema), change.version);
        let mut texts = CapturedLines::new(&schema, key);
        let mut lines = Vec::new();
        self.held.retain(|held| {
            let Some(row) = row_of_id(&held.address.id, key, &schema) else { return false };
            let change = Change { before: Some(row), ..gone(&schema, Operation::Delete, version) };
            let mut line = Vec::new();
            texts.write_whole(&change, &mut line);
            lines.push(Bytes::from(line));
            true
        });
        let batch = of_table(&schema, Operation::Read, version);
        Deletes { lines: Some(lines), batch: CaptureBatch { bytes: self.batch.bytes, ..batch }, ..self }
    }

    /// One delivery each.
    pub fn deliveries(self) -> impl Iterator<Item = Delivery> {
        let (target, batch) = (self.target, Arc::new(self.batch));
        let mut lines = self.lines.map(Vec::into_iter);
        let mut body = move || match &mut lines {
            Some(lines) => Body::Line(lines.next().unwrap_or_default()),
            None => Body::Absent,
        };
        self.held.into_iter().map(move |held| Delivery {
            plan: Arc::clone(&target),
            address: held.address,
            body: body(),
            version: batch.changes[0].version,
            batch: Arc::clone(&batch),
            index: 0,
            counted: Counted::No,
            coerced: 0,
        })
    }
}

/// One sweep at one sink.
struct Sweep<'a> {
    shared: &'a Arc<Shared>,
    plan: &'a BackfillTable,
    port: &'a Port,
    below: Version,
}

impl Sweep<'_> {
    /// Answers how many documents were deleted.
    async fn target(&self, target: &Arc<TargetPlan>) -> Result<usize> {
        let scope = Scope::new(target, &self.plan.table)?;
        let key = ChunkKey { run: self.plan.run, table: self.plan.table.clone(), ordinal: SWEEP };
        let chunk = self.shared.tracker.expect_chunk(key, Arc::new(vec![self.port.index]));
        let (pages, held) = mpsc::channel(PAGES);
        let scan = async {
            // The sender goes with the scan, which ends the pages.
            let pages = pages;
            self.port.sink.scan(&scope, Look::Below(self.below), &pages).await
        };
        let delete = async {
            // And the receiver with the deletes: a scan that nobody listens to ends.
            let (mut held, mut gone) = (held, 0);
            while let Some(page) = held.recv().await {
                let doomed: Vec<Held> =
                    page.into_iter().filter(|held| self.is_doomed(&scope, held)).collect();
                gone += doomed.len();
                self.pass(target, doomed, &chunk, false).await?;
            }
            Ok(gone)
        };
        let (scanned, gone) = tokio::join!(scan, delete);
        // Rows that were parked before have no row either: their letters are settled by their deletes. And the chunk is
        // closed whatever happened, or the table would stay unfinished for ever.
        let parked = self.port.parked.below(self.below);
        let parked = parked.into_iter().filter(|held| scope.holds(&held.address)).collect();
        self.pass(target, parked, &chunk, true).await?;
        scanned.and(gone)
    }

    /// A row that was parked since exists, though the target holds an older state of it.
    fn is_doomed(&self, scope: &Scope, held: &Held) -> bool {
        held.version < self.below
            && scope.holds(&held.address)
            && !self.port.parked.lies_since(&held.address, self.below)
    }

    async fn pass(
        &self,
        target: &Arc<TargetPlan>,
        doomed: Vec<Held>,
        chunk: &Arc<ExpectedChunk>,
        last: bool,
    ) -> Result<()> {
        if doomed.is_empty() && !last {
            return Ok(());
        }
        let deletes = Deletes::at(self.below.previous(), &self.schema(), target, doomed);
        let doomed = Doomed { sink: self.port.index, chunk: Arc::clone(chunk), last, deletes };
        self.shared.requests.send(Request::Sweep(doomed)).await.map_err(|_| stopping())
    }

    /// Of a table that is gone, or that nothing was captured of yet, the name is all that deletes need.
    fn schema(&self) -> Arc<TableSchema> {
        let (database, table) = self.plan.table.split_once('.').unwrap_or(("", &self.plan.table));
        let unknown = || Arc::new(TableSchema::new(database, table, Vec::new(), Vec::new()));
        self.shared.routes.schema(&self.plan.table).unwrap_or_else(unknown)
    }
}

fn stopping() -> Error {
    Error::new(Code::Interrupted, "the pipeline is stopping")
}
