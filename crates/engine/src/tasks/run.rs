//! Starts a pipeline's work at its times, from when it streams until it ends.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::future::join_all;
use jiff::tz::TimeZone;
use tokio::sync::watch;

use super::sample;
use super::task::{Bench, OutcomeKind, Task, TaskSpec};
use super::timetable::Entry;
use crate::clock::now_millis;
use crate::error::Result;
use crate::pipeline::{Control, Shared};
use crate::schedule::{Cron, SystemClock, every};

const LOOK: Duration = Duration::from_millis(100);
/// When old records are forgotten if the file does not say.
const DAILY: &str = "@daily";
const DAILY_JITTER: Duration = Duration::from_secs(3600);

/// Until the pipeline ends.
pub(crate) async fn run(shared: &Arc<Shared>, folder: &Path) {
    let pipeline = &shared.spec.name;
    if let Err(error) = shared.timetable.recall(&*shared.ledger, pipeline).await {
        tracing::warn!(pipeline, "{error}: what last became of the schedule is not known");
    }
    let mut entries = shared.timetable.entries().to_vec();
    entries.extend(own_retention(&shared.spec.schedule, pipeline).map(Arc::new));
    let (stop, stopped) = watch::channel(false);
    let ending = async {
        ends(shared).await;
        stop.send_replace(true);
    };
    shared.timetable.set_kept(true);
    let bench = Bench { shared, folder };
    let work = join_all(entries.iter().map(|entry| Box::pin(keep(entry, &bench, stopped.clone()))));
    tokio::join!(ending, sample::run(shared, stopped.clone()), work);
    shared.timetable.set_kept(false);
}

/// Forgetting needs no entry in the file.
fn own_retention(schedule: &[TaskSpec], pipeline: &str) -> Option<Entry> {
    if schedule.iter().any(|spec| spec.task == Task::Retention) {
        return None;
    }
    let daily = Cron::parse(DAILY).ok()?;
    let spec = TaskSpec::new(pipeline, Task::Retention, daily, TimeZone::UTC, DAILY_JITTER);
    Some(Entry::new(spec))
}

async fn ends(shared: &Shared) {
    let mut ended = shared.ended.subscribe();
    let mut control = Control::new(&shared.wish);
    tokio::select! {
        () = control.stopping() => {}
        // An error would mean that the sender is gone, and the pipeline with it.
        ended = ended.wait_for(|ended| *ended) => drop(ended),
    }
}

/// One entry.
async fn keep(entry: &Arc<Entry>, bench: &Bench<'_>, stopped: watch::Receiver<bool>) {
    if !streams(bench.shared, stopped.clone()).await {
        return;
    }
    let job = |_start| async {
        let at = now_millis();
        let outcome = entry.spec.task.perform(bench).await;
        // Which may be every second beside a long comparison: that is no reason to write.
        let told = outcome.kind != OutcomeKind::Skipped;
        entry.ended(at, outcome);
        if let (true, Err(error)) = (told, kept(bench.shared).await) {
            tracing::warn!(task = entry.spec.schedule.name(), "{error}: what became of it is not kept");
        }
    };
    every(&entry.spec.schedule, &SystemClock, &entry.tally, stopped, job).await;
}

async fn kept(shared: &Shared) -> Result<()> {
    shared.timetable.keep(&*shared.ledger, &shared.spec.name).await
}

/// Waits until what was there is read and the stream is, too; `false` if it is to stop before.
async fn streams(shared: &Shared, mut stopped: watch::Receiver<bool>) -> bool {
    let begun =
        || *shared.begun.borrow() && shared.streaming.load(Ordering::Relaxed) && !shared.backfills.running();
    while !begun() {
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            _ = stopped.wait_for(|stop| *stop) => return false,
        }
    }
    true
}
