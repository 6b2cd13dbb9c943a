//! How the rest of the program holds a running pipeline: look, pause, resume, backfill, redrive, stop.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::control::Wish;
use super::phase::Phases;
use super::reprocess::{self, Reprocess, ReprocessReport};
use super::seat::Seat;
use super::status::PipelineStatus;
use super::{Shared, current, redrive, snapshot};
use crate::error::{Code, Error, Result};
use crate::ledger::{DeadLetterFilter, Ledger, TableState};
use crate::route::{Pattern, PipelineSpec};
use crate::sink::Sink;
use crate::source::Source;
use crate::tasks;
use crate::verify::{self, VerifyProgress, VerifyReport, VerifyRequest};

/// How long a comparison may take to end with its pipeline.
const COMPARED: Duration = Duration::from_secs(10);

/// Everything a pipeline is made of.
pub struct PipelineParts {
    /// Validated configuration.
    pub spec: PipelineSpec,
    /// Where changes come from.
    pub source: Arc<dyn Source>,
    /// By connection name (`stdout` and `discard` under those names).
    pub sinks: BTreeMap<String, Arc<dyn Sink>>,
    /// The book.
    pub ledger: Arc<dyn Ledger>,
    /// Told when the pipeline enters and leaves a phase that tests care about.
    pub phases: Phases,
}

/// What a redrive did, or would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RedriveReport {
    pub selected: u64,
    pub applied: u64,
    pub superseded: u64,
    pub failed: Vec<(i64, String)>,
}

/// Which tables to read again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BackfillRequest {
    /// Names or patterns of `database.table`; empty for all captured tables.
    pub tables: Vec<String>,
    /// Connections to read for; empty for all.
    pub sinks: Vec<String>,
}

/// How a pipeline ended.
#[derive(Clone, Debug)]
pub enum Ended {
    /// Asked to stop; everything taken is durable.
    Stopped,
    /// A person is needed.
    Halted(Error),
}

/// A running pipeline. Cheap to clone; all methods can be called from any task.
#[derive(Clone)]
pub struct PipelineHandle {
    pub(super) seat: Arc<Seat>,
}

impl PipelineHandle {
    /// The pipeline's name.
    pub fn name(&self) -> &str {
        &self.seat.name
    }

    pub(crate) fn shared(&self) -> Arc<Shared> {
        self.seat.shared()
    }

    /// One snapshot.
    pub fn status(&self) -> PipelineStatus {
        snapshot::take(&self.shared())
    }

    /// Stops reading, durably, until [`PipelineHandle::resume`]. What was read is still applied.
    pub async fn pause(&self) -> Result<()> {
        self.shared().ledger.set_paused(self.name(), true).await?;
        self.shared().wish.send_if_modified(|wish| std::mem::replace(wish, Wish::Pause) == Wish::Run);
        Ok(())
    }

    /// Goes on reading.
    pub async fn resume(&self) -> Result<()> {
        self.shared().ledger.set_paused(self.name(), false).await?;
        self.shared().wish.send_if_modified(|wish| {
            let paused = *wish == Wish::Pause;
            if paused {
                *wish = Wish::Run;
            }
            paused
        });
        Ok(())
    }

    /// Reads tables again into the live targets; answers the run's id. It goes on in the background. A halted table is
    /// captured again from here on, for all sinks, and what it lacks by then is deleted in its targets; a stale one, too.
    pub async fn backfill(&self, request: &BackfillRequest) -> Result<i64> {
        let shared = self.shared();
        if let Some(error) = shared.halted() {
            return Err(error.fix("stop this process; then the same command reads everything again"));
        }
        let unknown =
            |name: &str| Error::new(Code::Unknown, format!("no sink `{name}` in pipeline {}", self.name()));
        if let Some(name) = request.sinks.iter().find(|name| !shared.names[1..].contains(name)) {
            return Err(unknown(name));
        }
        let patterns: Vec<Pattern> =
            request.tables.iter().map(|p| Pattern::parse(p)).collect::<Result<_>>()?;
        let (mut tables, mut healing) = (Vec::new(), None);
        for schema in shared.source.tables().await? {
            let wanted = patterns.is_empty() || patterns.iter().any(|p| p.matches(&schema.name, true));
            if !wanted || shared.routes.sinks_of(&schema).is_empty() {
                continue;
            }
            let state = shared.tables.get(&schema.name).map(|record| record.state);
            match matches!(state, Some(TableState::Halted | TableState::Stale)) {
                true => healing = Some(shared.want_healing(&schema.name).await?),
                false => {
                    shared.clear_table(&schema.name).await?;
                    tables.push(schema.name.to_string());
                }
            }
        }
        if let (true, Some(run)) = (tables.is_empty(), healing) {
            return Ok(run);
        }
        if tables.is_empty() {
            let text = format!("no captured table matches {}", request.tables.join(", "));
            return Err(Error::new(Code::Unknown, text));
        }
        shared.want_backfill(tables, request.sinks.clone()).await
    }

    /// Starts no more chunks; what was read stays.
    pub fn cancel_backfill(&self) {
        self.shared().backfills.cancel();
    }

    /// Tries dead letters again at the sink that refused them: the rows are read again at the source.
    pub async fn redrive(&self, filter: &DeadLetterFilter, dry_run: bool) -> Result<RedriveReport> {
        redrive::redrive(&self.shared(), filter, dry_run).await
    }

    /// One pass over the dead letters whose time has come: tries each of them once, and leaves those to a person that were
    /// refused too often. A pass waits for the one before it. An error ends it; what was tried by then stays tried.
    pub async fn reprocess(&self, wanted: &Reprocess) -> Result<ReprocessReport> {
        reprocess::pass(&self.shared(), wanted).await
    }

    /// Forgets dead letters for good; they count as superseded from here on. Answers how many.
    pub async fn discard(&self, filter: &DeadLetterFilter) -> Result<u64> {
        redrive::discard(&self.shared(), filter).await
    }

    /// Compares what the targets hold with what the source's rows should have become. Changes nothing.
    pub async fn verify(
        &self,
        request: &VerifyRequest,
        progress: &watch::Sender<VerifyProgress>,
    ) -> Result<VerifyReport> {
        verify::run(&self.shared(), request, progress).await
    }

    /// Writes the documents of these rows anew at the sinks that are named, whatever they hold. Answers how many rows.
    pub async fn rewrite(&self, request: &VerifyRequest) -> Result<u64> {
        verify::rewrite(&self.shared(), request).await
    }

    /// Does what the file wants done at set times, and keeps samples of the lag, until the pipeline ends. `folder`: where
    /// comparisons keep what does not fit in memory.
    pub async fn keep_schedule(&self, folder: &std::path::Path) {
        loop {
            let shared = self.shared();
            tasks::run(&shared, folder).await;
            if !self.seat.goes_on(&shared).await {
                return;
            }
        }
    }

    /// Returns once backfill is done and every sink holds everything up to the source's position read after that.
    pub async fn until_current(&self) -> Result<()> {
        loop {
            let shared = self.shared();
            match current::wait(&shared).await {
                Err(error) if is_over(&shared, &error) => {
                    if !self.seat.goes_on(&shared).await {
                        // By now it may have more to say.
                        return Err(shared.halted().unwrap_or(error));
                    }
                }
                ended => return ended,
            }
        }
    }

    /// Asks the pipeline to stop: it stops reading, flushes and writes its checkpoint. Idempotent.
    pub fn stop(&self) {
        self.seat.stop();
    }

    /// Waits for the end, and for the record of a comparison that ends with it.
    pub async fn ended(&self) -> Ended {
        loop {
            let shared = self.shared();
            let ended = ended(&shared).await;
            if !self.seat.goes_on(&shared).await {
                // By now it may have more to say.
                return shared.halted().map_or(ended, Ended::Halted);
            }
        }
    }
}

/// Whether this is the end of a run, which another one may follow.
fn is_over(shared: &Shared, error: &Error) -> bool {
    error.code() == Code::Stopped || shared.halted().is_some()
}

/// How one run of the pipeline ended.
pub(crate) async fn ended(shared: &Shared) -> Ended {
    // The sender lives in `shared`.
    drop(shared.ended.subscribe().wait_for(|ended| *ended).await);
    drop(tokio::time::timeout(COMPARED, shared.verifying.lock()).await);
    shared.halted().map_or(Ended::Stopped, Ended::Halted)
}
