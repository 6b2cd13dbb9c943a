//! Resync: the documents of a table in one target made anew, as a task in the ledger that survives restarts. An index is
//! filled beside the live one and swapped in; other targets are read again and swept in place. How rows are read and
//! applied is the engine's, how an alias is moved the connector's.

mod book;
mod drive;
mod plan;
mod rollback;
mod swap;
mod task;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use syncline_api as api;
use syncline_engine::error::{Code, Error, Result};
use syncline_engine::ledger::{AuditRecord, Ledger};
use syncline_engine::pipeline::Phases;
use syncline_engine::route::PipelineSpec;
use syncline_engine::verify::Only;

pub use self::book::{Book, tasks};
use self::task::State;
pub use self::task::{SHADOW, Task};
use crate::config::Config;

/// How long a start waits for a search server that an interrupted swap needs.
const PATIENCE: Duration = Duration::from_secs(5);

/// What resyncs of a process share.
pub struct Resyncs {
    pub config: Arc<Config>,
    pub ledger: Arc<dyn Ledger>,
    pub phases: Phases,
    /// Where comparisons keep what does not fit in memory.
    folder: PathBuf,
    pub book: Book,
}

impl Resyncs {
    /// Does nothing yet.
    pub fn new(config: Arc<Config>, ledger: Arc<dyn Ledger>, phases: Phases, folder: PathBuf) -> Resyncs {
        Resyncs { config, book: Book::new(Arc::clone(&ledger)), ledger, phases, folder }
    }

    /// The pipelines as they are to run: with a sink for each index that is being filled. A swap that was interrupted is
    /// finished first, if the search server answers.
    pub async fn specs(&self, specs: &[PipelineSpec]) -> Result<Vec<PipelineSpec>> {
        let mut all = Vec::new();
        for spec in specs {
            for task in self.book.of(&spec.name).await?.iter().filter(|task| task.state == State::Swapping) {
                let swapped = swap::swap(&self.config, &self.ledger, &self.book, task);
                if let Ok(Err(error)) = tokio::time::timeout(PATIENCE, swapped).await {
                    tracing::warn!(pipeline = spec.name, "the swap goes on later: {error}");
                }
            }
            all.push(self.spec(spec).await?);
        }
        Ok(all)
    }

    /// One of them.
    async fn spec(&self, spec: &PipelineSpec) -> Result<PipelineSpec> {
        let Some(task) = self.book.of(&spec.name).await?.into_iter().find(Task::fills) else {
            return Ok(spec.clone());
        };
        Ok(plan::with_shadow(spec, &task).unwrap_or_else(|| spec.clone()))
    }

    /// Begins a resync; it goes on by itself wherever the pipeline runs. `part`: only of these rows, in place.
    pub async fn begin(&self, pipeline: &str, asked: &api::ResyncRequest, actor: &str) -> Result<Task> {
        let part = asked.part.as_ref().map(rows).transpose()?;
        let (table, target) = (&asked.table, asked.target.as_deref());
        let (target, form) =
            plan::plan(&self.config, self.file(pipeline)?, table, target, part.as_ref()).await?;
        let detail = json!({ "table": table, "target": target, "form": form });
        self.ledger.audit(&AuditRecord::now(actor, "resync", pipeline, &detail)).await?;
        self.add(Task::new(self.last().await? + 1, pipeline, table, &target, form, actor)).await
    }

    /// Begins to make the index live again that a resync has kept, by filling it with what it has missed.
    pub async fn rollback(&self, id: u64, actor: &str) -> Result<Task> {
        let undone = self.find(id).await?;
        let next = self.last().await? + 1;
        let task = plan::back(&self.config, self.file(&undone.pipeline)?, &undone, next, actor).await?;
        self.note(&undone, "resync rollback", actor).await?;
        self.add(task).await
    }

    async fn add(&self, task: Task) -> Result<Task> {
        let pipeline = task.pipeline.clone();
        self.book
            .change(&pipeline, |tasks| {
                busy(tasks)?;
                tasks.push(task.clone());
                Ok(task)
            })
            .await
    }

    /// Ends a resync. Once the alias is being moved that is too late.
    pub async fn cancel(&self, id: u64, actor: &str) -> Result<Task> {
        let task = self.find(id).await?;
        self.note(&task, "resync cancel", actor).await?;
        self.book
            .change(&task.pipeline, |tasks| {
                let task = tasks.iter_mut().find(|known| known.id == id);
                match task {
                    Some(task) if !task.state.is_terminal() && task.state != State::Swapping => {
                        task.cancel = true;
                        Ok(task.clone())
                    }
                    _ => Err(Error::new(Code::ResyncOver, format!("resync {id} has ended, or is about to"))),
                }
            })
            .await
    }

    /// Deletes the index that a resync has kept.
    pub async fn forget(&self, id: u64, actor: &str) -> Result<Task> {
        let task = self.find(id).await?;
        let Some(kept) = task.kept() else {
            return Err(Error::new(Code::ResyncOver, format!("resync {id} keeps no index")));
        };
        let tasks = self.book.of(&task.pipeline).await?;
        if tasks.iter().any(|other| other.is_open() && other.next_index() == Some(kept)) {
            return Err(Error::new(Code::ResyncBusy, format!("{kept} is being made live again")));
        }
        self.note(&task, "resync forget", actor).await?;
        swap::forget(&self.config, &self.book, &task).await?;
        self.find(id).await
    }

    async fn note(&self, task: &Task, action: &str, actor: &str) -> Result<()> {
        let detail = json!({ "id": task.id, "table": task.table, "target": task.target });
        self.ledger.audit(&AuditRecord::now(actor, action, &task.pipeline, &detail)).await
    }

    /// All resyncs of the file's pipelines that are remembered.
    pub async fn all(&self) -> Result<Vec<Task>> {
        let mut all = Vec::new();
        for spec in &self.config.pipelines {
            all.extend(self.book.of(&spec.name).await?);
        }
        all.sort_by_key(|task| task.id);
        Ok(all)
    }

    /// One of them.
    pub async fn find(&self, id: u64) -> Result<Task> {
        self.all().await?.into_iter().find(|task| task.id == id).ok_or_else(|| {
            Error::new(Code::Unknown, format!("there is no resync {id}"))
                .fix("syncline resync list FILE shows what there is")
        })
    }

    async fn last(&self) -> Result<u64> {
        let mut last = 0;
        for name in self.ledger.pipelines().await? {
            last = tasks(&*self.ledger, &name).await?.iter().map(|task| task.id).max().unwrap_or(0).max(last);
        }
        Ok(last)
    }

    /// The pipeline as the file has it.
    fn file(&self, pipeline: &str) -> Result<&PipelineSpec> {
        let known = self.config.pipelines.iter();
        known.clone().find(|spec| spec.name == pipeline).ok_or_else(|| {
            crate::cli::names::unknown("pipeline", pipeline, known.map(|spec| spec.name.as_str()))
        })
    }
}

/// Fails if one of these is under way.
fn busy(tasks: &[Task]) -> Result<()> {
    match tasks.iter().find(|task| task.is_open()) {
        Some(other) => {
            let what = format!("resync {} of {} is under way", other.id, other.table);
            Err(Error::new(Code::ResyncBusy, what))
        }
        None => Ok(()),
    }
}

/// The rows that a request names, in exactly one way.
fn rows(part: &api::ResyncPart) -> Result<Only> {
    let api::ResyncPart { tenant, from, to, condition } = part.clone();
    match (tenant, (from, to), condition) {
        (Some(tenant), (None, None), None) => Ok(Only::Tenant(tenant)),
        (None, (None, None), Some(condition)) => Ok(Only::Where(condition)),
        (None, (from, to), None) if from.is_some() || to.is_some() => Ok(Only::Keys { from, to }),
        _ => Err(Error::new(
            Code::ResyncPart,
            "a part is a tenant, a range of keys or a condition, and one of them",
        )),
    }
}
