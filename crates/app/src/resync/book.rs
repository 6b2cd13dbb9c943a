//! The resyncs of each pipeline in the ledger, one change at a time, and word of every change for those who wait.

use std::sync::Arc;

use syncline_engine::error::{Code, Error, Result};
use syncline_engine::ledger::Ledger;
use tokio::sync::{Mutex, watch};

use super::task::{State, Task};

/// The property of a pipeline that holds its tasks.
const PROPERTY: &str = "resyncs";
/// Ended tasks that are remembered, besides those that keep an index.
const KEPT: usize = 20;

/// All resyncs of a ledger.
pub struct Book {
    ledger: Arc<dyn Ledger>,
    turn: Mutex<()>,
    changes: watch::Sender<u64>,
}

impl Book {
    /// Reads nothing yet.
    pub fn new(ledger: Arc<dyn Ledger>) -> Book {
        Book { ledger, turn: Mutex::default(), changes: watch::Sender::new(0) }
    }

    /// Told at every change.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// The tasks of a pipeline, oldest first.
    pub async fn of(&self, pipeline: &str) -> Result<Vec<Task>> {
        tasks(&*self.ledger, pipeline).await
    }

    /// Changes them; answers what the change answers, once it is durable.
    pub async fn change<T>(
        &self,
        pipeline: &str,
        change: impl FnOnce(&mut Vec<Task>) -> Result<T>,
    ) -> Result<T> {
        let _one_at_a_time = self.turn.lock().await;
        let mut tasks = self.of(pipeline).await?;
        let answer = change(&mut tasks)?;
        let ended = |task: &Task| task.state.is_terminal() && !task.leftover && task.kept().is_none();
        let mut spare = tasks.iter().filter(|task| ended(task)).count().saturating_sub(KEPT);
        tasks.retain(|task| {
            let goes = spare > 0 && ended(task);
            spare -= usize::from(goes);
            !goes
        });
        let text = serde_json::to_string(&tasks)
            .map_err(|error| Error::new(Code::Internal, "resyncs cannot be written as JSON").cause(error))?;
        self.ledger.set_property(pipeline, PROPERTY, &text).await?;
        self.changes.send_modify(|count| *count += 1);
        Ok(answer)
    }

    /// Changes one of them that is there.
    pub async fn set(&self, task: &Task, change: impl FnOnce(&mut Task)) -> Result<()> {
        self.change(&task.pipeline, |tasks| {
            tasks.iter_mut().find(|known| known.id == task.id).map(change);
            Ok(())
        })
        .await
    }

    /// What is to be done next: an ended one that left something, or the one that is under way.
    pub async fn next(&self, pipeline: &str) -> Result<Option<Task>> {
        let tasks = self.of(pipeline).await?;
        Ok(tasks
            .iter()
            .find(|task| task.leftover && task.state.is_terminal())
            .or(tasks.iter().find(|task| task.is_open()))
            .cloned())
    }

    /// A task as it is now.
    pub async fn one(&self, pipeline: &str, id: u64) -> Result<Option<Task>> {
        Ok(self.of(pipeline).await?.into_iter().find(|task| task.id == id))
    }
}

/// The tasks of a pipeline, oldest first. What cannot be read is of another release, whose tasks are not continued.
pub async fn tasks(ledger: &dyn Ledger, pipeline: &str) -> Result<Vec<Task>> {
    let text = ledger.property(pipeline, PROPERTY).await?;
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default())
}

/// Marks a task as ended.
pub fn end(task: &mut Task, state: State, error: Option<&Error>, now: i64) {
    task.state = state;
    task.ended_at = Some(now);
    task.error = error.map(crate::shape::error_body);
}
