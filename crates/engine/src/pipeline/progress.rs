//! How far backfills are, for `status` and progress bars. Not durable: the chunks in the ledger are.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use super::status::BackfillStatus;
use crate::ledger::BackfillTable;

/// All tables of the backfills that this process has run.
#[derive(Default)]
pub(crate) struct Backfills {
    tables: Mutex<Vec<Arc<Progress>>>,
    /// How often something was asked for, and how many of those are finished.
    wanted: AtomicU64,
    finished: AtomicU64,
}

/// One table.
pub(crate) struct Progress {
    run: i64,
    table: String,
    estimate: u64,
    rows: AtomicU64,
    /// Rows that earlier runs of the process had read.
    before: AtomicU64,
    started: Instant,
    /// Rows of the next chunk.
    chunk: AtomicUsize,
    pub finished: AtomicBool,
    pub cancelled: AtomicBool,
}

impl Backfills {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Progress>>> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// There is something to read.
    pub fn want(&self) {
        self.wanted.fetch_add(1, Ordering::AcqRel);
    }

    /// How often something was asked for so far: to be read before the ledger is.
    pub fn wanted(&self) -> u64 {
        self.wanted.load(Ordering::Acquire)
    }

    /// All is finished that was asked for when `wanted` was read.
    pub fn all_finished(&self, wanted: u64) {
        self.finished.store(wanted, Ordering::Release);
    }

    pub fn running(&self) -> bool {
        self.finished.load(Ordering::Acquire) != self.wanted()
    }

    /// The progress of a table; begins it if it is new.
    pub fn table(&self, plan: &BackfillTable) -> Arc<Progress> {
        let mut tables = self.lock();
        tables.retain(|p| p.table != plan.table);
        let progress = Arc::new(Progress {
            run: plan.run,
            table: plan.table.clone(),
            estimate: plan.estimate,
            rows: AtomicU64::new(0),
            before: AtomicU64::new(0),
            started: Instant::now(),
            chunk: AtomicUsize::new(0),
            finished: AtomicBool::new(plan.finished),
            cancelled: AtomicBool::new(false),
        });
        tables.push(Arc::clone(&progress));
        progress
    }

    /// No more chunks are started; what was read stays.
    pub fn cancel(&self) {
        self.lock().iter().for_each(|p| p.cancelled.store(true, Ordering::Relaxed));
    }

    /// The same for one table of one run.
    pub fn cancel_run(&self, run: i64, table: &str) {
        let tables = self.lock();
        let chosen = tables.iter().filter(|p| p.run == run && p.table == table);
        chosen.for_each(|p| p.cancelled.store(true, Ordering::Relaxed));
    }

    pub fn look(&self) -> Vec<BackfillStatus> {
        self.lock().iter().map(|p| p.look()).collect()
    }
}

impl Progress {
    /// So many rows more.
    pub fn add(&self, rows: u64) {
        self.rows.fetch_add(rows, Ordering::Relaxed);
    }

    /// Rows that were durable before this process.
    pub fn add_done(&self, rows: u64) {
        self.before.fetch_add(rows, Ordering::Relaxed);
    }

    /// How many rows the next chunk has: small at first, then so that a chunk's bytes stay bounded.
    pub fn chunk_rows(&self, most: usize) -> usize {
        match self.chunk.load(Ordering::Relaxed) {
            0 => super::backfill::FIRST_CHUNK.min(most),
            rows => rows.min(most),
        }
    }

    /// Learns the size of rows from a chunk.
    pub fn measured(&self, rows: u64, bytes: usize, most: usize) {
        if rows > 0 {
            let each = (bytes / rows as usize).max(1);
            self.chunk.store((most / each).clamp(10, 1_000_000), Ordering::Relaxed);
        }
    }

    fn look(&self) -> BackfillStatus {
        let here = self.rows.load(Ordering::Relaxed);
        let rows = here + self.before.load(Ordering::Relaxed);
        let rows_per_second = here as f64 / self.started.elapsed().as_secs_f64().max(0.001);
        let left = self.estimate.saturating_sub(rows);
        BackfillStatus {
            run: self.run,
            table: self.table.clone(),
            rows,
            estimate: self.estimate,
            rows_per_second,
            eta_seconds: (rows_per_second > 0.0 && self.estimate > 0).then(|| left as f64 / rows_per_second),
            finished: self.finished.load(Ordering::Relaxed),
        }
    }
}
