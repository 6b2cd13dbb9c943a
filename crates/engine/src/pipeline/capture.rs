//! Capture: the stream and the watermarked reads become one order (DESIGN 4.1). Everything that writes to a target
//! passes here; what it becomes is `dispatch.rs`.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use super::Shared;
use super::control::Control;
use super::dispatch::Work;
use super::phase::Phase;
use super::sweep::{Deletes, Doomed};
use super::ticket::Ticket;
use super::tracker::ExpectedChunk;
use super::window::{KeyHasher, Touched, Windows};
use crate::change::{CaptureBatch, Captured, Change, Operation, TableEvent};
use crate::error::Result;
use crate::ledger::ChunkKey;
use crate::position::Position;
use crate::source::{CaptureStream, ReadMark, ReadRows};
use crate::version::Version;

/// What others ask of capture.
pub(crate) enum Request {
    /// Opens a window over a table; answered at the next transaction's end.
    Open { table: Arc<str>, key: Vec<usize>, reply: oneshot::Sender<(u64, Position)> },
    /// Rows read under a window.
    Rows { window: u64, key: Vec<usize>, rows: ReadRows, purpose: Purpose, reply: oneshot::Sender<Accepted> },
    /// The read failed.
    Close { window: u64 },
    /// Documents to delete: handed to the dispatcher, behind what was captured so far.
    Sweep(Doomed),
    /// Documents to delete at one sink, counted on the ticket.
    Erase { doomed: Deletes, sink: usize, ticket: Arc<Ticket> },
    /// The same for a line that says that a table was emptied; it is all of its chunk.
    Emptied { line: CaptureBatch, chunk: Arc<ExpectedChunk> },
}

/// What the rows are for.
pub(crate) enum Purpose {
    /// A backfill chunk, for these sinks.
    Chunk { key: ChunkKey, sinks: Arc<Vec<usize>> },
    /// Rows whose documents were found to be wrong, for the sink that they were found in.
    Repair { sink: usize, ticket: Arc<Ticket> },
    /// A dead letter of a target, by its label; `gone` is what to deliver if the row is no longer at the source.
    Redrive { sink: usize, target: String, ticket: Arc<Ticket>, gone: Box<Change> },
}

/// What became of rows that were read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Accepted {
    /// So many went on (the others were touched by the stream meanwhile).
    Rows(u64),
    /// The window was void: read again.
    Void,
}

struct Asked {
    table: Arc<str>,
    key: Vec<usize>,
    reply: oneshot::Sender<(u64, Position)>,
}

struct Held {
    window: u64,
    key: Vec<usize>,
    rows: ReadRows,
    purpose: Purpose,
    reply: oneshot::Sender<Accepted>,
}

/// Why capture came back without an error.
pub(crate) enum Left {
    /// Pause or stop was asked for.
    Asked,
    /// The dispatcher is gone.
    Closed,
}

/// The capture side of one pipeline; lives over reconnects.
pub(crate) struct Capture {
    shared: Arc<Shared>,
    work: mpsc::Sender<Work>,
    requests: mpsc::Receiver<Request>,
    windows: Windows,
    /// Asked for while a transaction was open.
    waiting: Vec<Asked>,
    held: Vec<Held>,
    /// Where the stream stands: `resume` of the last batch.
    position: Option<Position>,
    /// How often a stream has answered so far.
    answers: u64,
    /// The last batch was a piece of a transaction whose end has not come.
    open_transaction: bool,
}

/// Rows read are handed on in batches of so many.
const READ_BATCH: usize = 1000;

impl Capture {
    pub fn new(shared: Arc<Shared>, work: mpsc::Sender<Work>, requests: mpsc::Receiver<Request>) -> Capture {
        Capture {
            shared,
            work,
            requests,
            windows: Windows::default(),
            waiting: Vec::new(),
            held: Vec::new(),
            position: None,
            answers: 0,
            open_transaction: false,
        }
    }

    /// Where to stream from after a break.
    pub fn position(&self) -> Option<&Position> {
        self.position.as_ref()
    }

    /// Rises with each answer of a stream.
    pub fn answers(&self) -> u64 {
        self.answers
    }

    /// A new stream begins at `position`. A transaction that was open comes again, so its pieces are not counted;
    /// reads that were under way begin again.
    pub async fn restart(&mut self, position: Position) {
        if std::mem::take(&mut self.open_transaction) {
            // Behind the pieces that are still queued. A dispatcher that is gone needs to know nothing.
            self.work.send(Work::Restart).await.unwrap_or_else(|_| tracing::debug!("no dispatcher"));
        }
        self.windows.void_all();
        for held in self.held.drain(..) {
            answer(held.reply, Accepted::Void);
        }
        self.position = Some(position);
    }

    /// Order of events, first wins: control, requests of reads, the stream. A busy stream cannot starve a read, since
    /// reads are few; a busy reader cannot starve the stream, since rows that wait are bounded by memory.
    pub async fn run(&mut self, stream: &mut dyn CaptureStream, control: &mut Control) -> Result<Left> {
        loop {
            tokio::select! {
                biased;
                () = control.changed() => return Ok(Left::Asked),
                Some(request) = self.requests.recv() => {
                    if !self.request(request).await? {
                        return Ok(Left::Closed);
                    }
                }
                captured = stream.next() => match captured? {
                    Captured::Batch(batch) => {
                        if !self.batch(batch).await? {
                            return Ok(Left::Closed);
                        }
                    }
                    Captured::Table(event, position) => {
                        if !self.table(event, position).await? {
                            return Ok(Left::Closed);
                        }
                    }
                },
            }
        }
    }

    async fn batch(&mut self, mut batch: CaptureBatch) -> Result<bool> {
        self.answers += 1;
        let halted = self.shared.tables.halted();
        if !halted.is_empty() {
            batch.changes.retain(|change| !halted.contains(&*change.schema.name));
        }
        self.windows.note(&batch);
        self.open_transaction = batch.start.version == batch.resume.version && !batch.changes.is_empty();
        self.position = Some(batch.resume.clone());
        self.shared.captured(&batch);
        if !self.send_batch(batch, Work::Stream).await {
            return Ok(false);
        }
        if !self.open_transaction {
            self.grant_waiting();
            return self.release().await;
        }
        Ok(true)
    }

    async fn send_batch(&self, mut batch: CaptureBatch, work: impl FnOnce(CaptureBatch) -> Work) -> bool {
        batch.permit = self.shared.memory.take(&batch).await;
        self.work.send(work(batch)).await.is_ok()
    }

    async fn request(&mut self, request: Request) -> Result<bool> {
        match request {
            Request::Open { table, key, reply } => {
                self.waiting.push(Asked { table, key, reply });
                if !self.open_transaction {
                    self.grant_waiting();
                }
            }
            Request::Close { window } => drop(self.windows.close(window)),
            Request::Sweep(doomed) => return Ok(self.sweep(doomed).await),
            Request::Erase { doomed: Deletes { batch, target, held, lines }, sink, ticket } => {
                let erase =
                    |batch| Work::Erase { doomed: Deletes { batch, target, held, lines }, sink, ticket };
                return Ok(self.send_batch(batch, erase).await);
            }
            Request::Emptied { line, chunk } => {
                return Ok(self.send_batch(line, |batch| Work::Chunk { batch, chunk, last: true }).await);
            }
            Request::Rows { window, key, rows, purpose, reply } => {
                self.held.push(Held { window, key, rows, purpose, reply });
                if !self.open_transaction {
                    return self.release().await;
                }
            }
        }
        Ok(true)
    }

    /// The memory is taken here: whoever held some and waited for capture could wait for ever.
    async fn sweep(&self, doomed: Doomed) -> bool {
        let Doomed { sink, chunk, last, deletes: Deletes { batch, target, held, lines } } = doomed;
        let sweep = |batch| {
            Work::Sweep(Doomed { sink, chunk, last, deletes: Deletes { batch, target, held, lines } })
        };
        self.send_batch(batch, sweep).await
    }

    /// Not before the stream is where every sink was when the process ended: a row that it touches in a window is dropped
    /// from the read for all sinks, so what it brings must go to all of them.
    fn grant_waiting(&mut self) {
        let replayed = self.shared.tracker.replayed_below();
        let Some(position) = self.position.as_ref().filter(|p| p.version >= replayed) else { return };
        for Asked { table, key, reply } in self.waiting.drain(..) {
            let window = self.windows.open(&table, &key, self.shared.phases.enter(Phase::Window));
            if reply.send((window, position.clone())).is_err() {
                self.windows.close(window);
            }
        }
    }

    /// Sends on the rows whose mark the stream has passed. Only between transactions.
    async fn release(&mut self) -> Result<bool> {
        let Some(position) = self.position.clone() else { return Ok(true) };
        let held = std::mem::take(&mut self.held);
        let (ready, held): (Vec<_>, Vec<_>) = held.into_iter().partition(|h| match &h.rows.mark {
            ReadMark::At(_) => true,
            ReadMark::Until(mark) => mark.passed(&position),
        });
        self.held = held;
        for one in ready {
            if !self.release_one(one, &position).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn release_one(&mut self, held: Held, position: &Position) -> Result<bool> {
        let Held { window, key, rows, purpose, reply } = held;
        let Some(touched) = self.windows.close(window) else {
            answer(reply, Accepted::Void);
            return Ok(true);
        };
        let (mark, version) = match rows.mark {
            ReadMark::At(version) => (version, version),
            ReadMark::Until(_) => (Version::ZERO, position.version),
        };
        let mut changes = untouched(rows, &touched, &key, mark, version);
        let count = changes.len() as u64;
        let alive = match purpose {
            Purpose::Chunk { key, sinks } => self.send_chunk(changes, key, sinks, position).await,
            Purpose::Repair { sink, ticket } => {
                let batch = read_batch(changes, position);
                self.send_batch(batch, |batch| Work::Repair { batch, sink, ticket }).await
            }
            Purpose::Redrive { sink, target, ticket, gone } => {
                if changes.is_empty() && !is_touched(&touched, &gone, &key, mark) {
                    changes.push(Change { version, before_version: version, ..*gone });
                }
                let batch = read_batch(changes, position);
                self.send_batch(batch, |batch| Work::Redrive { batch, sink, target, ticket }).await
            }
        };
        answer(reply, Accepted::Rows(count));
        Ok(alive)
    }

    async fn send_chunk(
        &self,
        mut changes: Vec<Change>,
        key: ChunkKey,
        sinks: Arc<Vec<usize>>,
        position: &Position,
    ) -> bool {
        let chunk = self.shared.tracker.expect_chunk(key, sinks);
        loop {
            let rest = changes.split_off(changes.len().min(READ_BATCH));
            let batch = read_batch(std::mem::replace(&mut changes, rest), position);
            let last = changes.is_empty();
            let chunk = Arc::clone(&chunk);
            if !self.send_batch(batch, |batch| Work::Chunk { batch, chunk, last }).await {
                return false;
            }
            if last {
                return true;
            }
        }
    }

    /// False once the dispatcher is gone.
    async fn table(&mut self, event: TableEvent, position: Position) -> Result<bool> {
        self.answers += 1;
        // Rows read right before it carry this position's version too; what is captured behind it lies higher.
        let at = position.version.next();
        let table = match &event {
            TableEvent::Appeared(schema)
            | TableEvent::Altered { schema, .. }
            | TableEvent::Truncated { schema, .. }
            | TableEvent::Unseen { schema, .. } => Arc::clone(&schema.name),
            TableEvent::Dropped { table, .. } | TableEvent::Halted { table, .. } => Arc::clone(table),
        };
        self.windows.void_table(&table);
        let line =
            self.shared.emptied(&event, at).map(|change| CaptureBatch::at(position.clone(), vec![change]));
        self.shared.table_event(event, at).await?;
        self.position = Some(position.clone());
        match line {
            Some(batch) => Ok(self.send_batch(batch, Work::Stream).await),
            None => Ok(true),
        }
    }
}

/// The reader may be gone (the pipeline is stopping): then nobody needs the answer.
fn answer(reply: oneshot::Sender<Accepted>, accepted: Accepted) {
    reply.send(accepted).unwrap_or_else(|_| tracing::debug!("a read was given up"));
}

/// Whether the stream brings what became of this row: a row that was read, but is not handed on, is on its way.
fn is_touched(touched: &Touched, gone: &Change, key: &[usize], mark: Version) -> bool {
    let hash = gone.before.as_ref().and_then(|image| KeyHasher::default().hash(image, key).ok());
    hash.is_some_and(|hash| touched.above(hash, mark))
}

/// The rows that the stream did not touch above the mark, as changes.
fn untouched(
    rows: ReadRows,
    touched: &Touched,
    key: &[usize],
    mark: Version,
    version: Version,
) -> Vec<Change> {
    let mut hasher = KeyHasher::default();
    let mut changes = Vec::with_capacity(rows.rows.len());
    for image in rows.rows {
        // A row whose key cannot be read is handed on: routing parks it.
        let hash = if touched.is_empty() { None } else { hasher.hash(&image, key).ok() };
        if hash.is_some_and(|hash| touched.above(hash, mark)) {
            continue;
        }
        changes.push(Change {
            schema: Arc::clone(&rows.schema),
            operation: Operation::Read,
            before: None,
            after: Some(image),
            version,
            before_version: version,
            offset: version.offset(),
            ordinal: 0,
            origin: Arc::clone(&rows.origin),
        });
    }
    changes
}

fn read_batch(changes: Vec<Change>, position: &Position) -> CaptureBatch {
    let bytes = changes.iter().filter_map(|c| c.after.as_ref()).map(|image| image.bytes.len()).sum();
    CaptureBatch { bytes, ..CaptureBatch::at(position.clone(), changes) }
}
