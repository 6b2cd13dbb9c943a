//! Reads both sides of a table to their ends, each once: the rows in ranges of their key, the documents of each target in the
//! order it gives them, and what the pipeline writes meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use super::buckets::{Buckets, Record};
use super::document::digest;
use super::documents::Documents;
use super::expected::Rows;
use super::join::REFUSED;
use super::journal::{Journal, Note};
use super::portion::{Owned, Portion};
use super::ranges::Ranges;
use super::run::broken;
use super::span::Span;
use super::tenants::{Owners, Whose};
use crate::error::Result;
use crate::packed;
use crate::pipeline::{Port, Shared, lag};
use crate::position::Position;
use crate::route::{Deliveries, Scope, TargetPlan};
use crate::schema::TableSchema;
use crate::sink::{self, Held};

/// How often notes are taken from a journal.
const LISTEN: Duration = Duration::from_millis(20);
/// Pages that a target may be ahead.
const PAGES: usize = 2;

/// A stream that is so many seconds behind goes first. (Some servers tell whole seconds.)
const BEHIND: f64 = 1.5;
/// So many times as long as it worked, a reader rests then, which is not all that its work costs: servers work for it, too.
const REST: u32 = 19;
/// And no shorter than this: what it takes at a time is read ahead while it rests.
const SHORTEST_REST: Duration = Duration::from_millis(500);
/// How often it looks whether it may go on.
const LOOK: Duration = Duration::from_millis(10);

/// How far reading has come; shared with whoever shows it.
#[derive(Debug, Default)]
pub(super) struct Count {
    pub rows: AtomicU64,
    pub estimate: AtomicU64,
    pub documents: AtomicU64,
    pub suspects: AtomicU64,
}

/// Holds a reader to a rate, and lets the stream go first: while that is behind, reading takes a twentieth of the time at most.
pub(super) struct Pace {
    shared: Arc<Shared>,
    limit: Option<u64>,
    began: Instant,
    read: u64,
    /// When it last went on.
    since: Instant,
}

impl Pace {
    pub fn new(shared: &Arc<Shared>, rows_per_second: Option<u64>) -> Pace {
        let (shared, limit, now) =
            (Arc::clone(shared), rows_per_second.map(|limit| limit.max(1)), Instant::now());
        Pace { shared, limit, began: now, read: 0, since: now }
    }

    /// So many more were read: waits until they may have been.
    pub async fn passed(&mut self, rows: u64) {
        self.read += rows;
        let (rest, rests) = ((REST * self.since.elapsed()).max(SHORTEST_REST), Instant::now());
        while lag(&self.shared) > BEHIND && rests.elapsed() < rest {
            tokio::time::sleep(LOOK).await;
        }
        if let Some(limit) = self.limit {
            let due = Duration::from_secs_f64(self.read as f64 / limit as f64);
            tokio::time::sleep(due.saturating_sub(self.began.elapsed())).await;
        }
        self.since = Instant::now();
    }
}

/// The table whose rows are read.
pub(super) struct Walk {
    pub shared: Arc<Shared>,
    pub schema: Arc<TableSchema>,
    /// Columns of the key.
    pub key: Vec<usize>,
    /// Only these rows.
    pub portion: Option<Arc<Portion>>,
    /// Whose they are, if that is counted.
    pub owners: Option<Arc<Owners>>,
    /// Where the stream is when reading begins.
    pub opened: Position,
    pub count: Arc<Count>,
    pub pace: Pace,
    /// So many ranges are read at once.
    pub readers: usize,
}

impl Walk {
    /// Reads all rows; what each of the plans should hold of them goes to its buckets.
    pub async fn run(mut self, mut sides: Vec<(u32, Buckets)>) -> Result<Vec<(u32, Buckets)>> {
        let reader = self.shared.source.reader();
        let portion = self.portion.as_deref();
        let Some(span) = Span::of(&*reader, &self.schema, &self.key, portion).await? else {
            return Ok(sides);
        };
        self.count.estimate.store(span.rows, Ordering::Relaxed);
        let (schema, key, opened) = (Arc::clone(&self.schema), self.key.clone(), self.opened.clone());
        let mut ranges = Ranges::of(&span);
        // Tasks of their own: rows are made of what a server sends while others are compared.
        let mut reads = JoinSet::new();
        let mut out = Deliveries::default();
        if let Some(first) = span.first(&*reader, &schema, &key, &opened).await? {
            self.keep(&Rows::new(first, &key).of(portion), &mut out, &mut sides)?;
        }
        loop {
            while reads.len() < self.readers
                && let Some(range) = ranges.next(&*reader, &schema, &key).await?
            {
                let (reader, schema) = (Arc::clone(&reader), Arc::clone(&schema));
                let (key, opened) = (key.clone(), opened.clone());
                reads.spawn(async move {
                    let read = reader.read_range(&schema, &key, range.after.as_ref(), &range.upto, &opened);
                    read.await.map(|rows| (range, rows))
                });
            }
            let Some(read) = reads.join_next().await else { return Ok(sides) };
            let (range, read) = read.map_err(broken)??;
            ranges.read(&range, read.rows.len(), read.rows.iter().map(|row| row.bytes.len()).sum());
            let many = read.rows.len() as u64;
            let read = Rows::new(read, &key).of(self.portion.as_deref());
            self.keep(&read, &mut out, &mut sides)?;
            self.count.rows.fetch_add(many, Ordering::Relaxed);
            self.pace.passed(many).await;
        }
    }

    fn keep(&self, rows: &Rows, out: &mut Deliveries, sides: &mut [(u32, Buckets)]) -> Result<()> {
        let (mut key, mut of) = (packed::Writer::new(), None);
        rows.expected(&self.shared.routes, out, |expected| {
            let Some((_, buckets)) = sides.iter_mut().find(|(plan, _)| *plan == expected.standing.plan.id)
            else {
                return Ok(());
            };
            if of != Some(expected.row) {
                rows.write_key(expected.row, &mut key);
                of = Some(expected.row);
            }
            let (digest, number) = match expected.standing.document {
                Some(document) => {
                    let whose = self.owners.as_ref().map(|owners| owners.row(rows.image(expected.row)));
                    (digest(document), whose.map_or(0, Whose::number))
                }
                None => (0, REFUSED),
            };
            buckets.push(&Record { address: expected.hash, digest, number, bytes: key.row() })
        })
    }
}

/// Reads all documents of a target into its buckets. `owned`: those of a portion; the others count only if a row of it stands
/// behind them.
pub(super) async fn scan(
    port: Arc<Port>,
    plan: Arc<TargetPlan>,
    table: Arc<str>,
    owned: Option<Owned>,
    buckets: Buckets,
    count: Arc<Count>,
    mut pace: Pace,
) -> Result<Documents> {
    let scope = Scope::new(&plan, &table)?;
    let mut documents = Documents::new(&plan, buckets);
    let (pages, held) = mpsc::channel::<Vec<Held>>(PAGES);
    let scan = async {
        // The sender goes with the scan, which ends the pages.
        let pages = pages;
        port.sink.scan(&scope, sink::Look::Documents, &pages).await
    };
    let keep = async {
        // And the receiver with the reading: a scan that nobody listens to ends.
        let (mut held, mut bytes) = (held, Vec::new());
        while let Some(page) = held.recv().await {
            let many = page.len() as u64;
            for one in &page {
                documents.keep(one, &scope, owned.as_ref(), &mut bytes)?;
            }
            count.documents.fetch_add(many, Ordering::Relaxed);
            pace.passed(many).await;
        }
        Ok(())
    };
    let (scanned, kept) = tokio::join!(scan, keep);
    scanned.and(kept)?;
    Ok(documents)
}

/// Notes of a journal as records.
fn keep_notes(notes: &[Note], buckets: &mut Buckets) -> Result<()> {
    notes.iter().try_for_each(|note| {
        buckets.push(&Record { address: note.address, digest: 0, number: 0, bytes: &note.key })
    })
}

/// Takes what comes of a journal until told to end.
pub(super) async fn listen(
    journal: Arc<Journal>,
    mut buckets: Buckets,
    mut end: oneshot::Receiver<()>,
) -> Result<Buckets> {
    while tokio::time::timeout(LISTEN, &mut end).await.is_err() {
        keep_notes(&journal.take(), &mut buckets)?;
    }
    keep_notes(&journal.take(), &mut buckets)?;
    Ok(buckets)
}
