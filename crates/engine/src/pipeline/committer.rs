//! Writes checkpoints and counters to the ledger, in one transaction, a few times a second.

use std::sync::Arc;
use std::time::Duration;

use super::Shared;
use super::phase::Phase;
use crate::error::Result;
use crate::source::Source;

/// Commits come at least so far apart: one synced write pays for many batches.
const APART: Duration = Duration::from_millis(50);
/// Without a wake-up, look this often.
const LOOK: Duration = Duration::from_millis(500);

/// Runs until the pipeline's tasks are gone; the supervisor does the last commit itself.
pub(crate) async fn run(shared: Arc<Shared>, source: Arc<dyn Source>) {
    loop {
        tokio::select! {
            () = shared.commit_wanted.notified() => {}
            () = tokio::time::sleep(LOOK) => {}
        }
        if let Err(error) = commit(&shared, &*source).await {
            shared.halt(&error);
            return;
        }
        tokio::time::sleep(APART).await;
    }
}

/// One commit, if there is something to write, and word to the source of what it may forget.
pub(crate) async fn commit(shared: &Shared, source: &dyn Source) -> Result<()> {
    let _one_at_a_time = shared.committing.lock().await;
    let mut commit = shared.tracker.take_commit().unwrap_or_default();
    // Only now: more may be acknowledged than what is taken, never less.
    for port in shared.ports() {
        commit.marks.extend(port.noticed().map(|marks| (port.name.clone(), marks)));
    }
    if commit.is_empty() {
        // A redriven letter that is refused again leaves nothing to write; who waits for its end must hear of it.
        shared.committed.send_modify(|n| *n += 1);
        return Ok(());
    }
    let writing = shared.phases.enter(Phase::Checkpoint);
    let moved = !commit.checkpoints.is_empty();
    let letters = shared.ledger.commit(&shared.spec.name, commit).await?;
    drop(writing);
    shared.tracker.committed(&letters);
    shared.committed.send_modify(|n| *n += 1);
    if moved
        && let Some(lowest) = shared.tracker.lowest()
        && let Err(error) = source.acknowledge(&lowest).await
    {
        tracing::warn!("{error}");
    }
    Ok(())
}
