//! The stream of changes: opens the binlog where it should begin, follows it in a task of its own, and hands batches and
//! table events to the engine in source order.

mod alterations;
mod batch;
mod complete;
mod follow;
mod formats;
mod gtid_set;
mod head;
mod missing;
mod open;
mod opening;
mod prepared;
mod recent;
mod resume;
mod rows;
mod statements;
mod tables;
mod transaction;
mod xa;

#[cfg(fuzzing)]
pub use gtid_set::encode as encode_gtids;
#[cfg(fuzzing)]
pub use head::Head;

pub use recent::read as recent;
pub use resume::check as held;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use syncline_engine::change::Captured;
use syncline_engine::error::{Code, Error, Result};
use syncline_engine::position::{Position, StoredPosition};
use syncline_engine::source::CaptureStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::context::Context;

/// Batches read ahead of the engine, of up to 1 MiB each.
const AHEAD: usize = 3;
/// The engine hears from us at least this often.
const TICK: Duration = Duration::from_secs(1);

/// A running stream.
pub struct MysqlStream {
    start: Position,
    /// `resume` of the last batch handed on.
    last: Position,
    captured: mpsc::Receiver<Result<Captured>>,
    task: JoinHandle<()>,
}

impl MysqlStream {
    /// Opens the stream at `from`, or at the present position.
    pub async fn open(context: &Arc<Context>, from: Option<&StoredPosition>) -> Result<MysqlStream> {
        let (sender, captured) = mpsc::channel(AHEAD);
        let follow = open::open(context, from, sender).await?;
        let start = follow.start();
        let task = tokio::spawn(Box::pin(follow.run()));
        Ok(MysqlStream { last: start.clone(), start, captured, task })
    }
}

impl Drop for MysqlStream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[async_trait]
impl CaptureStream for MysqlStream {
    async fn next(&mut self) -> Result<Captured> {
        match tokio::time::timeout(TICK, self.captured.recv()).await {
            Ok(Some(captured)) => {
                if let Ok(Captured::Batch(batch)) = &captured {
                    self.last = batch.resume.clone();
                }
                captured
            }
            Ok(None) => Err(Error::new(Code::Interrupted, "the stream has ended")),
            Err(_) => Ok(Captured::Batch(batch::empty(self.last.clone(), None, false))),
        }
    }

    fn start(&self) -> Position {
        self.start.clone()
    }
}
