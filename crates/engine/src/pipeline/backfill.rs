//! Backfill: plans key ranges, reads them under windows, several tables and chunks at once, resumable per chunk.
//! Which rows survive the race with the stream is `capture.rs`; when a chunk is durable is `tracker.rs`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::Shared;
use super::backoff::Backoff;
use super::capture::{Accepted, Purpose, Request};
use super::control::{Control, Wish};
use super::phase::Phase;
use super::progress::Progress;
use super::quota::room_to_read;
use super::sweep::{EMPTIED, sweep, tell_emptied};
use super::verdict::{Verdict, verdict};
use crate::error::{Code, Error, Result};
use crate::ledger::{BackfillTable, Chunk, ChunkKey};
use crate::schema::TableSchema;
use crate::source::{Bound, ReadRows, Source, TableReader};
use crate::version::Version;

/// Tables read at once.
const TABLES: usize = 2;
/// A chunk is made smaller when its rows are larger than this together.
const CHUNK_BYTES: usize = 4 << 20;
/// The first chunk of a table, before the size of its rows is known.
pub(crate) const FIRST_CHUNK: usize = 1000;

/// One run of a backfill.
pub(crate) struct Backfill {
    pub shared: Arc<Shared>,
    pub reader: Arc<dyn TableReader>,
    pub requests: mpsc::Sender<Request>,
    pub control: Control,
    workers: Arc<Semaphore>,
}

/// One table while it is read.
struct Table {
    schema: Arc<TableSchema>,
    key: Vec<usize>,
    sinks: Arc<Vec<usize>>,
    progress: Arc<Progress>,
    plan: BackfillTable,
}

impl Backfill {
    pub fn new(
        shared: Arc<Shared>,
        reader: Arc<dyn TableReader>,
        requests: mpsc::Sender<Request>,
        control: Control,
    ) -> Backfill {
        let workers = Arc::new(Semaphore::new(shared.spec.source.chunk_workers.max(1)));
        Backfill { shared, reader, requests, control, workers }
    }

    /// Reads all unfinished tables of the ledger whenever there are some, until the pipeline stops. Not before the first
    /// checkpoints are durable: how far a table reaches is looked up once, and what is written behind that must come by the
    /// stream, which after a kill would begin too late.
    pub async fn run(mut self, source: Arc<dyn Source>) {
        let mut begun = self.shared.begun.subscribe();
        tokio::select! {
            _ = begun.wait_for(|begun| *begun) => {}
            () = self.control.stopping() => return,
        }
        while self.control.wish() != Wish::Stop {
            tokio::select! {
                () = self.shared.backfill_wanted.notified() => {}
                () = self.control.stopping() => return,
            }
            let mut backoff = Backoff::default();
            let wanted = self.shared.backfills.wanted();
            while let Err(error) = self.attempt(&*source).await {
                if verdict(&error) != Verdict::Retry {
                    return self.shared.halt(&error);
                }
                if self.control.wish() == Wish::Stop {
                    return;
                }
                self.shared.reading_failed(&error);
                self.shared.recovery.source_wait.during(self.control.sleep(backoff.next())).await;
            }
            self.shared.reading_recovered();
            self.shared.backfills.all_finished(wanted);
        }
    }

    /// Every unfinished table once.
    async fn attempt(&self, source: &dyn Source) -> Result<()> {
        let tables = self.shared.unfinished().await?;
        if tables.is_empty() {
            return Ok(());
        }
        let schemas = schemas(source).await?;
        let mut queue = tables.into_iter();
        let mut running = FuturesUnordered::new();
        loop {
            while running.len() < TABLES {
                let Some(plan) = queue.next() else { break };
                let schema = schemas.get(&plan.table).cloned();
                running.push(self.to_the_end(plan, schema, source));
            }
            match running.next().await {
                Some(result) => result?,
                None => return Ok(()),
            }
        }
    }

    /// One table, tried again for as long as the source refuses it. The others go on meanwhile: what they have begun must not
    /// be given up half way, since whoever waits for its end would wait for ever.
    async fn to_the_end(
        &self,
        mut plan: BackfillTable,
        mut schema: Option<Arc<TableSchema>>,
        source: &dyn Source,
    ) -> Result<()> {
        let (mut backoff, mut control) = (Backoff::default(), self.control.clone());
        loop {
            let Err(error) = self.table(plan.clone(), schema.clone()).await else { return Ok(()) };
            if verdict(&error) != Verdict::Retry || control.wish() == Wish::Stop {
                return Err(error);
            }
            self.shared.reading_failed(&error);
            self.shared.recovery.source_wait.during(control.sleep(backoff.next())).await;
            let same = |other: &BackfillTable| other.run == plan.run && other.table == plan.table;
            match self.shared.unfinished().await?.into_iter().find(same) {
                Some(now) => plan = now,
                None => return Ok(()),
            }
            // What cannot be looked up is tried with what is known.
            schema = schemas(source).await.map_or(schema, |mut known| known.remove(&plan.table));
        }
    }

    /// One table from its first unfinished chunk to its last.
    async fn table(&self, mut plan: BackfillTable, schema: Option<Arc<TableSchema>>) -> Result<()> {
        let name = self.shared.spec.name.clone();
        let sinks = self.shared.sink_indices(&plan.sinks);
        let key = schema.as_ref().and_then(|schema| self.shared.routes.key_columns(schema));
        let (Some(schema), Some(key)) = (schema, key) else {
            // The table is gone; what it has left behind may still have to go.
            if let Some(below) = plan.sweep {
                sweep(&self.shared, &plan, &sinks, below).await?;
            }
            plan.finished = true;
            return self.shared.ledger.set_backfill(&name, &plan).await;
        };
        if let Some(below) = plan.sweep {
            self.tell_emptied(&plan, &schema, below).await?;
        }
        if plan.last.is_none() && !plan.planned {
            match self.reader.extent(&schema, &key).await? {
                Some(extent) => (plan.last, plan.estimate) = (Some(extent.last), extent.rows),
                None => plan.planned = true,
            }
            self.shared.ledger.set_backfill(&name, &plan).await?;
        }
        let progress = self.shared.backfills.table(&plan);
        let mut table = Table { schema, key, sinks: Arc::new(sinks), progress, plan };
        self.chunks(&mut table).await?;
        if self.control.wish() == Wish::Stop {
            return Ok(());
        }
        self.wait_durable(&table).await;
        let cancelled = table.progress.cancelled.load(Ordering::Relaxed);
        match table.plan.sweep {
            Some(_) if cancelled => {
                let table = &table.plan.table;
                tracing::warn!(table, "cancelled: what is gone at the source stays in the targets");
            }
            Some(below) => {
                sweep(&self.shared, &table.plan, &table.sinks, below).await?;
                self.wait_durable(&table).await;
            }
            None => {}
        }
        if self.shared.tracker.any_abandoned(&table.sinks) && !cancelled {
            // What a halted sink lacks of the table is read again when it is back.
            tracing::warn!(table = table.plan.table, "backfill done but for a target that has halted");
            return Ok(());
        }
        table.plan.finished = true;
        self.shared.ledger.set_backfill(&name, &table.plan).await?;
        table.progress.finished.store(true, Ordering::Relaxed);
        tracing::info!(table = table.plan.table, "backfill done");
        Ok(())
    }

    /// Before rows are read again, targets that keep lines learn that what they hold of the table is gone. The line is a
    /// chunk of the run, so that each gets it, whatever is killed meanwhile.
    async fn tell_emptied(
        &self,
        plan: &BackfillTable,
        schema: &Arc<TableSchema>,
        below: Version,
    ) -> Result<()> {
        if !self.shared.routes.keeps_lines(&plan.table) {
            return Ok(());
        }
        let name = &self.shared.spec.name;
        let known = self.shared.ledger.chunks(name, plan.run, &plan.table).await?;
        let done = match known.into_iter().find(|chunk| chunk.key.ordinal == EMPTIED) {
            Some(chunk) => self.shared.sink_indices(&chunk.done),
            // A run that reads nothing follows an event that was told in its place in the stream.
            None if plan.planned || plan.last.is_some() => return Ok(()),
            None => Vec::new(),
        };
        let key = ChunkKey { run: plan.run, table: plan.table.clone(), ordinal: EMPTIED };
        let chunk =
            Chunk { key: key.clone(), after: None, upto: Bound(String::new()), rows: 0, done: Vec::new() };
        self.shared.ledger.set_chunk(name, &chunk).await?;
        let mut sinks = self.shared.sink_indices(&plan.sinks);
        sinks.retain(|sink| !done.contains(sink));
        tell_emptied(&self.shared, key, schema, sinks, below).await
    }

    async fn chunks(&self, table: &mut Table) -> Result<()> {
        let name = self.shared.spec.name.clone();
        let mut known = self.shared.ledger.chunks(&name, table.plan.run, &table.plan.table).await?;
        known.retain(|chunk| chunk.key.ordinal != EMPTIED);
        let mut after = known.last().map(|chunk| chunk.upto.clone());
        let mut ordinal = known.last().map_or(0, |chunk| chunk.key.ordinal + 1);
        let mut redo: Vec<Chunk> = Vec::new();
        for chunk in known {
            match self.missing(table, &chunk).is_empty() {
                true => table.progress.add_done(chunk.rows),
                false => redo.push(chunk),
            }
        }
        redo.reverse();
        let (mut running, mut outcome) = (FuturesUnordered::new(), Ok(()));
        loop {
            let most = self.shared.spec.source.chunk_workers.max(1);
            while outcome.is_ok() && running.len() < most && !self.leaving(table) {
                let chunk = match redo.pop() {
                    Some(chunk) => chunk,
                    None => match self.plan_chunk(table, after.as_ref(), ordinal).await {
                        Ok(Some(chunk)) => {
                            (after, ordinal) = (Some(chunk.upto.clone()), ordinal + 1);
                            chunk
                        }
                        Ok(None) => break,
                        Err(error) => {
                            outcome = Err(error);
                            break;
                        }
                    },
                };
                let sinks = self.missing(table, &chunk);
                running.push(self.chunk(table.part(), chunk, sinks));
            }
            // The others come to their end, too: a window that is given up half way would stay open.
            match running.next().await {
                Some(result) => outcome = outcome.and(result),
                None => return outcome,
            }
        }
    }

    /// Whether no more chunks are to be started.
    fn leaving(&self, table: &Table) -> bool {
        self.control.wish() == Wish::Stop || table.progress.cancelled.load(Ordering::Relaxed)
    }

    /// Sinks of the run that do not hold the chunk yet and can take it: one that has halted gets it after a restart.
    fn missing(&self, table: &Table, chunk: &Chunk) -> Vec<usize> {
        let done = self.shared.sink_indices(&chunk.done);
        let takes = |sink: &usize| !done.contains(sink) && !self.shared.tracker.any_abandoned(&[*sink]);
        table.sinks.iter().copied().filter(takes).collect()
    }

    async fn plan_chunk(
        &self,
        table: &Table,
        after: Option<&crate::source::Bound>,
        ordinal: i64,
    ) -> Result<Option<Chunk>> {
        let Some(last) = &table.plan.last else { return Ok(None) };
        if table.plan.planned || after == Some(last) {
            return Ok(None);
        }
        let rows = table.progress.chunk_rows(self.shared.spec.source.chunk_rows);
        let Some(upto) = self.reader.next_bound(&table.schema, &table.key, after, last, rows).await? else {
            return Ok(None);
        };
        let key = ChunkKey { run: table.plan.run, table: table.plan.table.clone(), ordinal };
        let chunk = Chunk { key, after: after.cloned(), upto, rows: rows as u64, done: Vec::new() };
        self.shared.ledger.set_chunk(&self.shared.spec.name, &chunk).await?;
        Ok(Some(chunk))
    }

    /// Reads one chunk until capture has accepted it.
    async fn chunk(&self, table: TablePart, mut chunk: Chunk, sinks: Vec<usize>) -> Result<()> {
        let Ok(_worker) = self.workers.acquire().await else { return Ok(()) };
        room_to_read(&self.shared, &self.control).await;
        let _reading = self.shared.phases.enter(Phase::Backfill);
        let sinks = Arc::new(sinks);
        loop {
            let (window, opened) = self.open(&table).await?;
            let read = self
                .reader
                .read_range(&table.schema, &table.key, chunk.after.as_ref(), &chunk.upto, &opened)
                .await;
            let rows: ReadRows = match read {
                Ok(rows) => rows,
                Err(error) => {
                    drop(self.requests.send(Request::Close { window }).await);
                    return Err(error);
                }
            };
            let (count, bytes) = (rows.rows.len() as u64, rows.rows.iter().map(|r| r.bytes.len()).sum());
            self.shared.reading_recovered();
            table.progress.measured(count, bytes, CHUNK_BYTES);
            let purpose = Purpose::Chunk { key: chunk.key.clone(), sinks: Arc::clone(&sinks) };
            if self.submit(window, &table.key, rows, purpose).await? == Accepted::Void {
                continue;
            }
            table.progress.add(count);
            chunk.rows = count;
            self.shared.ledger.set_chunk(&self.shared.spec.name, &chunk).await?;
            self.throttle(count).await;
            return Ok(());
        }
    }

    async fn open(&self, table: &TablePart) -> Result<(u64, crate::position::Position)> {
        let (reply, answer) = oneshot::channel();
        let request = Request::Open { table: Arc::clone(&table.schema.name), key: table.key.clone(), reply };
        self.requests.send(request).await.map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())
    }

    async fn submit(&self, window: u64, key: &[usize], rows: ReadRows, purpose: Purpose) -> Result<Accepted> {
        let (reply, answer) = oneshot::channel();
        let request = Request::Rows { window, key: key.to_vec(), rows, purpose, reply };
        self.requests.send(request).await.map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())
    }

    async fn throttle(&self, rows: u64) {
        if let Some(limit) = self.shared.spec.source.max_rows_per_second {
            tokio::time::sleep(Duration::from_secs_f64(rows as f64 / limit.max(1) as f64)).await;
        }
    }

    /// Waits until every chunk of the table is durable at every sink that lives.
    async fn wait_durable(&self, table: &Table) {
        let mut committed = self.shared.committed.subscribe();
        while !self.shared.tracker.table_done(table.plan.run, &table.plan.table) {
            self.shared.commit_wanted.notify_one();
            if committed.changed().await.is_err() {
                return;
            }
        }
    }
}

/// What a chunk needs of its table.
#[derive(Clone)]
struct TablePart {
    schema: Arc<TableSchema>,
    key: Vec<usize>,
    progress: Arc<Progress>,
}

impl Table {
    fn part(&self) -> TablePart {
        TablePart {
            schema: Arc::clone(&self.schema),
            key: self.key.clone(),
            progress: Arc::clone(&self.progress),
        }
    }
}

/// The tables that there are now, by name.
async fn schemas(source: &dyn Source) -> Result<BTreeMap<String, Arc<TableSchema>>> {
    Ok(source.tables().await?.into_iter().map(|schema| (schema.name.to_string(), schema)).collect())
}

fn stopped() -> Error {
    Error::new(Code::Interrupted, "the pipeline is stopping")
}
