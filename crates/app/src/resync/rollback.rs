//! How an index that a resync has kept is filled again: it gets a name by which it is written to, and its sink is known to the
//! ledger as one that was away, so that all rows are read for it and what has no row any more is swept. The rest is as in any
//! resync.

use syncline_connectors::registry;
use syncline_engine::error::{Code, Error, Result};
use syncline_engine::ledger::{Commit, Ledger};
use syncline_engine::mark::Marks;
use syncline_engine::route::{PipelineSpec, TargetKind};

use super::plan::{filling, with_shadow};
use super::swap::generations;
use super::task::Task;
use crate::assemble;
use crate::config::Config;

/// Before the sink runs for the first time. May be done again.
pub async fn reopen(config: &Config, file: &PipelineSpec, ledger: &dyn Ledger, task: &Task) -> Result<()> {
    let gone = |what: &str| Error::new(Code::ResyncTarget, format!("{}: {what}", task.target));
    let (Some(index), Some(spec)) = (task.next_index(), with_shadow(file, task)) else {
        return Err(gone("the file has no such target any more"));
    };
    generations(config, task)?.name(index, &filling(index)).await?;
    let shadow = task.shadow();
    let sink = registry::sink(&assemble::connection(config, &shadow)?, &spec, &[TargetKind::Search])?;
    let marks = sink.marks(&Marks::default()).await?;
    if marks.epoch().is_none() {
        return Err(gone(&format!("{index} was not written by this pipeline")));
    }
    let record = ledger.pipeline(&task.pipeline).await?;
    let Some(position) = record.checkpoints.get(&task.target) else {
        return Err(gone("nothing was written there yet"));
    };
    // A sink with a checkpoint that no run has fed since begins anew, and is swept of what lies below.
    let checkpoints = vec![(shadow.clone(), position.clone())];
    let commit = Commit { checkpoints, marks: vec![(shadow, marks)], ..Commit::default() };
    ledger.commit(&task.pipeline, commit).await.map(drop)
}
