//! The entries of a pipeline's schedule while it runs: when each comes next, when it last came and what of it. The last is
//! kept in the ledger, so that it is known after a restart and without a process.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use super::task::{Outcome, TaskSpec};
use crate::error::Result;
use crate::ledger::Ledger;
use crate::schedule::{SystemClock, Tally, WallClock};

/// The property of a pipeline that holds what last became of its entries, by their names.
const PROPERTY: &str = "schedule";

/// When an entry last began, and how that ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Past {
    /// Milliseconds since 1970.
    pub at: i64,
    pub outcome: Outcome,
}

/// What is told of one entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskStatus {
    /// The word in the file.
    pub task: &'static str,
    /// The expression in the file.
    pub cron: String,
    /// Milliseconds since 1970; `None` if nothing runs that would start it.
    pub next_at: Option<i64>,
    pub past: Option<Past>,
    /// Starts of this process.
    pub runs: u64,
    /// Starts that fell into the entry's own work.
    pub skipped: u64,
    /// Starts that nobody was awake for.
    pub missed: u64,
}

/// All entries.
#[derive(Default)]
pub(crate) struct Timetable {
    entries: Vec<Arc<Entry>>,
    kept: AtomicBool,
}

/// One of them.
pub(super) struct Entry {
    pub spec: TaskSpec,
    pub tally: Tally,
    past: Mutex<Option<Past>>,
}

impl Entry {
    pub fn new(spec: TaskSpec) -> Entry {
        Entry { spec, tally: Tally::default(), past: Mutex::default() }
    }

    fn past(&self) -> MutexGuard<'_, Option<Past>> {
        self.past.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Work that began then has ended so.
    pub fn ended(&self, at: i64, outcome: Outcome) {
        *self.past() = Some(Past { at, outcome });
    }
}

impl Timetable {
    pub fn new(schedule: &[TaskSpec]) -> Timetable {
        let entries = schedule.iter().map(|spec| Arc::new(Entry::new(spec.clone()))).collect();
        Timetable { entries, kept: AtomicBool::new(false) }
    }

    pub(super) fn entries(&self) -> &[Arc<Entry>] {
        &self.entries
    }

    /// Whether somebody starts work by it.
    pub(super) fn set_kept(&self, kept: bool) {
        self.kept.store(kept, Ordering::Relaxed);
    }

    pub fn look(&self) -> Vec<TaskStatus> {
        let now = SystemClock.now();
        let kept = self.kept.load(Ordering::Relaxed);
        let told = |entry: &Arc<Entry>| {
            let next = entry.spec.schedule.next(now).filter(|_| kept);
            TaskStatus {
                next_at: next.map(|start| start.at.as_millisecond()),
                runs: entry.tally.runs(),
                skipped: entry.tally.skipped(),
                missed: entry.tally.missed(),
                ..TaskStatus::asleep(&entry.spec, entry.past().clone())
            }
        };
        self.entries.iter().map(told).collect()
    }

    /// What earlier processes left.
    pub(super) async fn recall(&self, ledger: &dyn Ledger, pipeline: &str) -> Result<()> {
        let mut known = Past::of(ledger, pipeline).await?;
        for entry in &self.entries {
            *entry.past() = known.remove(entry.spec.schedule.name());
        }
        Ok(())
    }

    /// Leaves it to later ones.
    pub(super) async fn keep(&self, ledger: &dyn Ledger, pipeline: &str) -> Result<()> {
        let past = |entry: &Arc<Entry>| Some((entry.spec.schedule.name().to_owned(), entry.past().clone()?));
        let known: BTreeMap<String, Past> = self.entries.iter().filter_map(past).collect();
        let text = serde_json::to_string(&known).unwrap_or_default();
        ledger.set_property(pipeline, PROPERTY, &text).await
    }
}

impl Past {
    /// As the ledger has it, by the entries' names. What cannot be read is of another release: nothing is known then.
    pub async fn of(ledger: &dyn Ledger, pipeline: &str) -> Result<BTreeMap<String, Past>> {
        let text = ledger.property(pipeline, PROPERTY).await?;
        Ok(text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default())
    }
}

impl TaskStatus {
    /// Of an entry that nothing starts.
    pub fn asleep(spec: &TaskSpec, past: Option<Past>) -> TaskStatus {
        let cron = spec.schedule.cron().to_string();
        TaskStatus { task: spec.task.name(), cron, next_at: None, past, runs: 0, skipped: 0, missed: 0 }
    }
}
