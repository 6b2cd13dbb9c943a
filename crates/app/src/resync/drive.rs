//! Takes a pipeline's resyncs from one state to the next for as long as it runs. Every state is durable before anything is
//! done in it, and everything that is done in it may be done again.

use std::time::Duration;

use async_trait::async_trait;
use syncline_api as api;
use syncline_engine::clock::now_millis;
use syncline_engine::error::{Code, Error, Kind, Result};
use syncline_engine::pipeline::{BackfillRequest, PipelineHandle, PipelineParts, Rest};
use syncline_engine::recovery::Workshop;
use syncline_engine::verify::{RepairRequest, VerifyProgress, VerifyReport, VerifyRequest};
use tokio::sync::watch;

use super::Resyncs;
use super::book::end;
use super::swap::{self, letters_of};
use super::task::{Form, State, Task};
use super::{plan, rollback};
use crate::assemble;

/// Until something that failed is tried again.
const REST: Duration = Duration::from_secs(1);
/// How often it is looked whether rows are read.
const LOOK: Duration = Duration::from_millis(100);
/// Documents that differ after a fill and are put right at most.
const MOST_REPAIRS: u64 = 10_000;
/// Documents that are named for a failure.
const NAMED: usize = 10;

/// What ends a step.
enum Left {
    Done,
    /// Somebody wants the task to end.
    Cancelled,
}

impl Resyncs {
    /// Works on the pipeline's tasks until it ends.
    pub async fn drive(&self, handle: PipelineHandle) {
        tokio::select! {
            () = self.work(&handle) => {}
            _ = handle.ended() => {}
        }
    }

    async fn work(&self, handle: &PipelineHandle) {
        let mut changes = self.book.changes();
        loop {
            changes.mark_unchanged();
            let task = match self.book.next(handle.name()).await {
                Ok(Some(task)) => task,
                Ok(None) => match changes.changed().await {
                    Ok(()) => continue,
                    Err(_) => return,
                },
                Err(error) => {
                    tracing::error!(pipeline = handle.name(), "resyncs cannot be looked up: {error}");
                    return;
                }
            };
            let done = self.step(handle, &task).await;
            if let Err(error) = done
                && let Err(error) = self.failed(&task, &error).await
            {
                tracing::error!(pipeline = task.pipeline, "a resync cannot go on: {error}");
                tokio::time::sleep(REST).await;
            }
        }
    }

    /// What cannot be cured by trying again ends the task.
    async fn failed(&self, task: &Task, error: &Error) -> Result<()> {
        let again = error.kind() == Kind::Retry
            || matches!(error.code(), Code::NoProgress | Code::Stopped | Code::VerifyBusy | Code::Paused);
        // What has ended is cleaned until it is clean, and a swap is never given up half way.
        if again || task.state.is_terminal() || task.state == State::Swapping {
            tracing::debug!(
                pipeline = task.pipeline,
                id = task.id,
                "a step of a resync is tried again: {error}"
            );
            tokio::time::sleep(REST).await;
            return Ok(());
        }
        tracing::error!(pipeline = task.pipeline, id = task.id, "resync failed: {error}");
        self.book.set(task, |task| end(task, State::Failed, Some(error), now_millis())).await
    }

    async fn step(&self, handle: &PipelineHandle, task: &Task) -> Result<()> {
        if task.state.is_terminal() {
            return self.clean(handle, task).await;
        }
        if task.cancel && task.state != State::Swapping {
            return self.cancelled(handle, task).await;
        }
        match task.state {
            State::Pending => {
                if task.rolls_back.is_some() {
                    rollback::reopen(&self.config, self.file(&task.pipeline)?, &*self.ledger, task).await?;
                }
                self.book
                    .set(task, |task| {
                        task.state = State::Running;
                        task.leftover = matches!(task.form, Form::Index { .. });
                    })
                    .await
            }
            State::Running => match self.fill(handle, task).await? {
                Left::Done => self.book.set(task, |task| task.state = State::Verifying).await,
                Left::Cancelled => Ok(()),
            },
            State::Verifying => match self.verify(handle, task).await? {
                Left::Done => self.verified(task).await,
                Left::Cancelled => Ok(()),
            },
            State::Swapping => self.swap(handle, task).await,
            State::Completed | State::Failed | State::Cancelled => Ok(()),
        }
    }

    async fn cancelled(&self, handle: &PipelineHandle, task: &Task) -> Result<()> {
        if matches!(task.form, Form::Place { .. }) {
            handle.cancel_renewal(&task.table, &task.target).await?;
        }
        self.book.set(task, |task| end(task, State::Cancelled, None, now_millis())).await
    }

    /// Returns once the target, or the index beside it, was given all rows and follows the source.
    async fn fill(&self, handle: &PipelineHandle, task: &Task) -> Result<Left> {
        let sink = match &task.form {
            Form::Index { .. } => {
                self.fill_beside(handle, task).await?;
                task.shadow()
            }
            Form::Place { planned } => {
                if !planned {
                    handle.renew(&task.table, &task.target).await?;
                    self.book.set(task, |task| task.form = Form::Place { planned: true }).await?;
                }
                task.target.clone()
            }
            Form::Part { .. } => return self.rewrite(handle, task).await,
        };
        self.unless_cancelled(task, async {
            while handle.renewing(&task.table, &sink).await? {
                halted(handle, &sink)?;
                tokio::time::sleep(LOOK).await;
            }
            halted(handle, &sink)?;
            handle.until_current().await
        })
        .await
        .map(|left| left.map_or(Left::Cancelled, |()| Left::Done))
    }

    /// Reads the rows of a part and writes them again, whatever the target holds.
    async fn rewrite(&self, handle: &PipelineHandle, task: &Task) -> Result<Left> {
        let request = self.request(handle, task);
        let written = self
            .unless_cancelled(task, async {
                handle.until_current().await?;
                handle.rewrite(&request).await
            })
            .await?;
        Ok(written.map_or(Left::Cancelled, |_| Left::Done))
    }

    /// Lets the pipeline run with the sink that fills the index.
    async fn fill_beside(&self, handle: &PipelineHandle, task: &Task) -> Result<()> {
        let file = self.file(&task.pipeline)?;
        if plan::with_shadow(file, task).is_none() {
            let what = format!("the file has no target of {} at {} any more", task.table, task.target);
            return Err(Error::new(Code::ResyncTarget, what));
        }
        if !handle.has_sink(&task.shadow()) {
            self.begin_again(handle).await?;
        }
        // (One that goes back to an index is read for in any case, as a sink is that comes back.)
        if !file.source.backfill && task.rolls_back.is_none() {
            // Such a pipeline reads nothing by itself for a sink that is new.
            let wanted = BackfillRequest { tables: Vec::new(), sinks: vec![task.shadow()] };
            handle.backfill(&wanted).await?;
        }
        Ok(())
    }

    /// Stops the pipeline and starts it as the ledger's tasks want it now.
    async fn begin_again(&self, handle: &PipelineHandle) -> Result<()> {
        let rest = handle.rest().await?;
        self.resume(handle, rest).await
    }

    async fn resume(&self, handle: &PipelineHandle, rest: Rest) -> Result<()> {
        match self.made(handle.name()).await {
            Ok(parts) => rest.resume(parts).await,
            Err(error) => {
                rest.halt(&error);
                Err(error)
            }
        }
    }

    /// What the pipeline's next run is made of.
    async fn made(&self, pipeline: &str) -> Result<PipelineParts> {
        let spec = self.spec(self.file(pipeline)?).await?;
        let none = || Error::new(Code::Internal, "a pipeline has no parts");
        let made = assemble::parts(&self.config, &[spec], &self.ledger, &self.phases);
        let mut parts = made.map_err(|errors| errors.into_iter().next().unwrap_or_else(none))?;
        parts.pop().ok_or_else(none)
    }

    /// Compares what was filled with the source and puts right what differs.
    async fn verify(&self, handle: &PipelineHandle, task: &Task) -> Result<Left> {
        if matches!(task.form, Form::Index { .. }) && !handle.has_sink(&task.shadow()) {
            self.begin_again(handle).await?;
        }
        let request = self.request(handle, task);
        let (progress, _seen) = watch::channel(VerifyProgress::default());
        let compared = self
            .unless_cancelled(task, async {
                handle.until_current().await?;
                handle.verify(&request, &progress).await
            })
            .await?;
        let Some(report) = compared else { return Ok(Left::Cancelled) };
        self.judge(task, &report).await.map(|()| Left::Done)
    }

    /// What is compared, and put right.
    fn request(&self, handle: &PipelineHandle, task: &Task) -> VerifyRequest {
        let (tables, sink) = match &task.form {
            Form::Index { .. } => (Vec::new(), task.shadow()),
            Form::Place { .. } | Form::Part { .. } => (vec![task.table.clone()], task.target.clone()),
        };
        let only = match &task.form {
            Form::Part { rows } => Some(rows.clone()),
            Form::Index { .. } | Form::Place { .. } => None,
        };
        VerifyRequest {
            tables,
            sinks: vec![sink],
            only,
            listed: NAMED,
            repair: Some(RepairRequest { actor: task.actor.clone(), most: MOST_REPAIRS }),
            folder: self.folder.join(handle.name()),
            why: format!("resync {}", task.id),
            ..VerifyRequest::default()
        }
    }

    /// Whether what was filled may take the place of what is there.
    async fn judge(&self, task: &Task, report: &VerifyReport) -> Result<()> {
        let error = |what: String| Err(Error::new(Code::ResyncDrift, what));
        if report.open() > 0 {
            return error(format!("{} documents differ from their rows", report.open()));
        }
        if let Form::Index { next, .. } = &task.form {
            let refused = self.ledger.count_dead_letters(&letters_of(task, task.shadow())).await?;
            let before = self.ledger.count_dead_letters(&letters_of(task, task.target.clone())).await?;
            if refused > before {
                return error(format!("{next} refused {refused} rows, the live index {before}"));
            }
        }
        Ok(())
    }

    async fn verified(&self, task: &Task) -> Result<()> {
        let ended = !matches!(task.form, Form::Index { .. });
        self.book
            .set(task, |task| match ended {
                true => end(task, State::Completed, None, now_millis()),
                // From here on it is too late to cancel.
                false if !task.cancel => task.state = State::Swapping,
                false => {}
            })
            .await
    }

    async fn swap(&self, handle: &PipelineHandle, task: &Task) -> Result<()> {
        // Once the alias has moved there is no name any more by which the index could be filled.
        if !swap::is_moved(&self.config, task).await? {
            if !handle.has_sink(&task.shadow()) {
                self.begin_again(handle).await?;
            }
            handle.until_current().await?;
        }
        let rest = handle.rest().await?;
        let swapped = swap::swap(&self.config, &self.ledger, &self.book, task).await;
        self.resume(handle, rest).await?;
        match swapped? {
            true => Ok(()),
            false => {
                Err(Error::new(Code::Interrupted, "the index that is filled is not where the live one is"))
            }
        }
    }

    async fn clean(&self, handle: &PipelineHandle, task: &Task) -> Result<()> {
        if handle.has_sink(&task.shadow()) {
            self.begin_again(handle).await?;
        }
        swap::clean(&self.config, &self.ledger, &self.book, task).await
    }

    /// `None` if somebody wants the task to end before the work is done.
    async fn unless_cancelled<T>(
        &self,
        task: &Task,
        work: impl Future<Output = Result<T>>,
    ) -> Result<Option<T>> {
        let mut changes = self.book.changes();
        let cancelled = async {
            while !self.book.one(&task.pipeline, task.id).await?.is_none_or(|task| task.cancel) {
                if changes.changed().await.is_err() {
                    break;
                }
            }
            Ok::<_, Error>(())
        };
        tokio::select! {
            done = work => done.map(Some),
            wanted = cancelled => wanted.map(|()| None),
        }
    }
}

#[async_trait]
impl Workshop for Resyncs {
    async fn parts(&self, pipeline: &str) -> Result<PipelineParts> {
        self.made(pipeline).await
    }

    /// A target that is made anew in place has been: the table was read again before.
    async fn resync(&self, pipeline: &str, table: &str, target: &str) -> Result<()> {
        // One that waits for its turn leaves nothing in the audit.
        if let Some(other) = self.book.next(pipeline).await? {
            return Err(Error::new(Code::ResyncBusy, format!("resync {} is under way", other.id)));
        }
        let (_, form) = plan::plan(&self.config, self.file(pipeline)?, table, Some(target), None).await?;
        match form {
            Form::Place { .. } | Form::Part { .. } => Ok(()),
            Form::Index { .. } => {
                let asked = api::ResyncRequest {
                    table: table.to_owned(),
                    target: Some(target.to_owned()),
                    ..api::ResyncRequest::default()
                };
                self.begin(pipeline, &asked, "recovery").await.map(drop)
            }
        }
    }
}

fn halted(handle: &PipelineHandle, sink: &str) -> Result<()> {
    handle.sink_halted(sink).map_or(Ok(()), Err)
}
