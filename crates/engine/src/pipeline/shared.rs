//! What the tasks of one pipeline share: its parts, its state, and the few things one task tells another.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use tokio::sync::{Notify, mpsc, watch};

use super::capture::Request;
use super::control::Wish;
use super::memory::Memory;
use super::phase::Phases;
use super::port::Port;
use super::progress::Backfills;
use super::quota::Census;
use super::tables::Tables;
use super::tracker::Tracker;
use crate::change::CaptureBatch;
use crate::clock::now_millis;
use crate::error::{Code, Error, Result};
use crate::ledger::{Ledger, TableRecord, TableState};
use crate::position::Position;
use crate::recovery::Recovery;
use crate::route::{PipelineSpec, RouteTable};
use crate::source::Source;
use crate::tasks::Timetable;
use crate::verify::{Journals, Verified};
use crate::version::Version;

/// Shared by all tasks of a pipeline and its handles.
pub(crate) struct Shared {
    pub spec: PipelineSpec,
    pub source: Arc<dyn Source>,
    pub ledger: Arc<dyn Ledger>,
    pub routes: RouteTable,
    pub tracker: Tracker,
    pub memory: Memory,
    pub tables: Tables,
    pub backfills: Backfills,
    pub backfill_wanted: Notify,
    pub planning: tokio::sync::Mutex<()>,
    pub phases: Phases,
    /// What comparisons want to know of deliveries.
    pub journals: Journals,
    /// When all of it was last compared.
    pub verified: watch::Sender<Option<Verified>>,
    /// One comparison at a time.
    pub verifying: tokio::sync::Mutex<()>,
    /// Comparisons that found more than they might put right.
    pub limits_reached: AtomicU64,
    /// Documents that were put right, and were looked at again and found so.
    pub repairs_confirmed: AtomicU64,
    /// Documents that were still wrong after that, or that nobody looked at again.
    pub repairs_unconfirmed: AtomicU64,
    /// What is known of tenants, where they have quotas.
    pub tenants: Option<Arc<Census>>,
    /// The work that starts at set times.
    pub timetable: Timetable,
    /// What is done about trouble without a person.
    pub recovery: Recovery,
    /// Index 0 is the router: it has no port.
    pub names: Vec<String>,
    /// Ports hold this; the handle and the supervisor hold the ports.
    pub ports: OnceLock<Vec<Weak<Port>>>,
    pub epoch: u16,
    /// Sinks without a checkpoint whose targets were written before.
    pub written_before: BTreeSet<String>,
    pub wish: watch::Sender<Wish>,
    pub requests: mpsc::Sender<Request>,
    pub commit_wanted: Notify,
    pub committing: tokio::sync::Mutex<()>,
    /// Held by the pass over the dead letters.
    pub reprocessing: tokio::sync::Mutex<()>,
    /// Counts commits.
    pub committed: watch::Sender<u64>,
    /// Where capture stands, once streaming.
    pub position: watch::Sender<Option<Position>>,
    pub ended: watch::Sender<bool>,
    /// Every sink has a durable checkpoint.
    pub begun: watch::Sender<bool>,
    pub streaming: AtomicBool,
    pub caught_up: AtomicBool,
    pub source_time: AtomicI64,
    pub progress: AtomicU64,
    pub finished: AtomicU64,
    pub captured: AtomicU64,
    trouble: Mutex<Trouble>,
    rate: Mutex<Rate>,
}

#[derive(Default)]
struct Trouble {
    /// The source cannot be reached; cleared when it is.
    source: Option<Error>,
    /// Rows of a table cannot be read beside the stream; cleared when some are.
    reading: Option<Error>,
    /// A person is needed.
    halted: Option<Error>,
}

/// What a new [`Shared`] is made of.
pub(crate) struct SharedParts {
    pub spec: PipelineSpec,
    pub source: Arc<dyn Source>,
    pub ledger: Arc<dyn Ledger>,
    pub routes: RouteTable,
    pub phases: Phases,
    pub names: Vec<String>,
    pub record: crate::ledger::PipelineRecord,
    pub written_before: BTreeSet<String>,
    pub requests: mpsc::Sender<Request>,
    pub verified: Option<Verified>,
    pub recovery: Recovery,
}

impl Shared {
    pub fn new(parts: SharedParts) -> Arc<Shared> {
        let wish = if parts.record.paused { Wish::Pause } else { Wish::Run };
        Arc::new(Shared {
            tracker: Tracker::new(&parts.names, &parts.record),
            memory: Memory::new(parts.spec.memory, parts.names.len().saturating_sub(1)),
            tables: Tables::new(parts.record.tables),
            backfills: Backfills::default(),
            backfill_wanted: Notify::new(),
            planning: tokio::sync::Mutex::default(),
            epoch: parts.record.epoch,
            written_before: parts.written_before,
            tenants: parts.spec.tenant_quota.as_ref().map(|quota| Arc::new(Census::new(quota))),
            timetable: Timetable::new(&parts.spec.schedule),
            recovery: parts.recovery,
            spec: parts.spec,
            source: parts.source,
            ledger: parts.ledger,
            routes: parts.routes,
            phases: parts.phases,
            journals: Journals::default(),
            verified: watch::Sender::new(parts.verified),
            verifying: tokio::sync::Mutex::default(),
            limits_reached: AtomicU64::new(0),
            repairs_confirmed: AtomicU64::new(0),
            repairs_unconfirmed: AtomicU64::new(0),
            names: parts.names,
            ports: OnceLock::new(),
            wish: watch::Sender::new(wish),
            requests: parts.requests,
            commit_wanted: Notify::new(),
            committing: tokio::sync::Mutex::default(),
            reprocessing: tokio::sync::Mutex::default(),
            committed: watch::Sender::new(0),
            position: watch::Sender::new(None),
            ended: watch::Sender::new(false),
            begun: watch::Sender::new(false),
            streaming: AtomicBool::new(false),
            caught_up: AtomicBool::new(false),
            source_time: AtomicI64::new(0),
            progress: AtomicU64::new(0),
            finished: AtomicU64::new(0),
            captured: AtomicU64::new(0),
            trouble: Mutex::default(),
            rate: Mutex::new(Rate { at: now_millis(), finished: 0, per_second: 0.0 }),
        })
    }

    fn trouble(&self) -> std::sync::MutexGuard<'_, Trouble> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The ports, once the pipeline has started.
    pub fn ports(&self) -> Vec<Arc<Port>> {
        self.ports.get().map(|ports| ports.iter().filter_map(Weak::upgrade).collect()).unwrap_or_default()
    }

    /// Indices of the named sinks (those that the pipeline still has).
    pub fn sink_indices(&self, names: &[String]) -> Vec<usize> {
        let position = |name: &String| self.names.iter().position(|n| n == name);
        names.iter().filter_map(position).collect()
    }

    /// Something moved: `n` changes or deliveries.
    pub fn progressed(&self, n: u64) {
        self.progress.fetch_add(n, Ordering::Relaxed);
        self.finished.fetch_add(n, Ordering::Relaxed);
    }

    /// A batch was captured.
    pub fn captured(&self, batch: &CaptureBatch) {
        if !batch.changes.is_empty() {
            self.progress.fetch_add(1, Ordering::Relaxed);
            self.captured.fetch_add(batch.changes.len() as u64, Ordering::Relaxed);
        }
        self.caught_up.store(batch.caught_up, Ordering::Relaxed);
        if let Some(time) = batch.source_time {
            self.source_time.store(time, Ordering::Relaxed);
        }
        self.position.send_replace(Some(batch.resume.clone()));
    }

    /// A stream begins here: everything below was captured.
    pub fn streaming_from(&self, position: &Position) {
        self.position.send_if_modified(|known| {
            let higher = known.as_ref().is_none_or(|known| known.version < position.version);
            if higher {
                *known = Some(position.clone());
            }
            higher
        });
    }

    /// The source does not answer; it is tried again.
    pub fn source_failed(&self, error: &Error) {
        self.caught_up.store(false, Ordering::Relaxed);
        let mut trouble = self.trouble();
        if trouble.source.as_ref().map(Error::code) != Some(error.code()) {
            tracing::warn!(pipeline = self.spec.name, "{error}: trying again");
        }
        trouble.source = Some(error.clone());
    }

    /// The source answers.
    pub fn source_recovered(&self) {
        self.trouble().source = None;
    }

    /// Rows cannot be read; they are tried again.
    pub fn reading_failed(&self, error: &Error) {
        let mut trouble = self.trouble();
        if trouble.reading.as_ref().map(Error::code) != Some(error.code()) {
            tracing::warn!(pipeline = self.spec.name, "{error}: trying again");
        }
        trouble.reading = Some(error.clone());
    }

    /// Rows were read.
    pub fn reading_recovered(&self) {
        self.trouble().reading = None;
    }

    /// The pipeline stops for good; its process lives on.
    pub fn halt(&self, error: &Error) {
        let mut trouble = self.trouble();
        if trouble.halted.is_none() {
            tracing::error!(pipeline = self.spec.name, "{error}; {}", error.fix_text());
            trouble.halted = Some(error.clone());
        }
        drop(trouble);
        self.wish.send_replace(Wish::Stop);
    }

    /// A halted pipeline's error has more to say.
    pub fn say(&self, error: &Error) {
        if let Some(halted) = &mut self.trouble().halted {
            *halted = error.clone();
        }
    }

    /// What halted the pipeline.
    pub fn halted(&self) -> Option<Error> {
        self.trouble().halted.clone()
    }

    /// What keeps the source from answering, or rows from being read.
    pub fn source_trouble(&self) -> Option<Error> {
        let trouble = self.trouble();
        trouble.source.clone().or_else(|| trouble.reading.clone())
    }

    /// Everything captured so far lies below.
    pub(super) fn captured_up_to(&self) -> Version {
        self.position.borrow().as_ref().map_or(Version::ZERO, |position| position.version)
    }

    /// Whether a table that halted at this version may be read again.
    pub fn is_past(&self, at: Version) -> bool {
        self.position.borrow().as_ref().is_some_and(|position| position.version >= at)
    }

    /// Stops one table, durably; the others flow.
    pub async fn halt_table(&self, table: &str, error: &Error) -> Result<()> {
        self.halt_table_at(table, error, self.captured_up_to()).await
    }

    /// The same, when no target holds a version of the table at or above `at`.
    pub(super) async fn halt_table_at(&self, table: &str, error: &Error, at: Version) -> Result<()> {
        let shape = serde_json::to_value(error).ok();
        let record = TableRecord { state: TableState::Halted, error: shape, at };
        if self.tables.set(table, record.clone()) {
            tracing::error!(pipeline = self.spec.name, table, "{error}; {}", error.fix_text());
            self.ledger.set_table(&self.spec.name, table, &record).await?;
        }
        Ok(())
    }

    /// More rows of one cause were parked than the configuration allows.
    pub async fn halt_table_for_letters(&self, table: &str, cause: &Error, many: u64) -> Result<()> {
        let text = format!("{table}: {many} rows were refused with {}", cause.code());
        let error = Error::new(Code::TooManyDeadLetters, text).cause(cause.message());
        self.halt_table(table, &error).await
    }

    /// The table is `ok` again.
    pub async fn clear_table(&self, table: &str) -> Result<()> {
        let record = TableRecord::new(TableState::Ok);
        if self.tables.get(table).is_some() {
            self.tables.set(table, record.clone());
            self.ledger.set_table(&self.spec.name, table, &record).await?;
        }
        Ok(())
    }

    /// Deliveries finished per second, over about the last second.
    pub fn rate(&self) -> f64 {
        let mut last = self.rate.lock().unwrap_or_else(PoisonError::into_inner);
        let (now, finished) = (now_millis(), self.finished.load(Ordering::Relaxed));
        let elapsed = now - last.at;
        if elapsed >= 1000 {
            let per_second = (finished - last.finished) as f64 * 1000.0 / elapsed as f64;
            *last = Rate { at: now, finished, per_second };
        }
        last.per_second
    }
}

struct Rate {
    at: i64,
    finished: u64,
    per_second: f64,
}
