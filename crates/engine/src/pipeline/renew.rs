//! One target of one table made anew in place: all rows are read again for its sink alone, and what lies below is swept
//! then. Targets whose names can be exchanged are filled beside the live one instead, which is not decided here.

use super::Shared;
use super::handle::PipelineHandle;
use crate::error::Result;
use crate::ledger::{BackfillTable, TableState};

impl PipelineHandle {
    /// Begins; it goes on by itself, over restarts. A table that is halted or stale is read for all its sinks, as
    /// [`PipelineHandle::backfill`] does.
    pub async fn renew(&self, table: &str, sink: &str) -> Result<()> {
        let shared = self.shared();
        let state = shared.tables.get(table).map(|record| record.state);
        if matches!(state, Some(TableState::Halted | TableState::Stale)) {
            return shared.want_healing(table).await.map(drop);
        }
        let below = shared.captured_up_to().max(shared.tracker.replayed_below());
        shared.want_swept(vec![table.to_owned()], &[sink.to_owned()], below).await
    }

    /// Whether it is still under way.
    pub async fn renewing(&self, table: &str, sink: &str) -> Result<bool> {
        let unfinished = self.shared().unfinished().await?;
        Ok(unfinished.iter().any(|plan| renews(plan, table, sink)))
    }

    /// Reads no more for it, and sweeps nothing. What was read stays.
    pub async fn cancel_renewal(&self, table: &str, sink: &str) -> Result<()> {
        let shared: &Shared = &self.shared();
        for plan in shared.unfinished().await?.into_iter().filter(|plan| renews(plan, table, sink)) {
            shared.backfills.cancel_run(plan.run, table);
            shared.ledger.set_backfill(self.name(), &BackfillTable { finished: true, ..plan }).await?;
        }
        Ok(())
    }

    /// Whether this run feeds a sink of this name.
    pub fn has_sink(&self, sink: &str) -> bool {
        self.shared().names[1..].iter().any(|name| name == sink)
    }

    /// Whether this sink has halted, and why.
    pub fn sink_halted(&self, sink: &str) -> Option<crate::error::Error> {
        let ports = self.shared().ports();
        let port = ports.iter().find(|port| port.name == sink && port.health.halted())?;
        let (_, _, error) = port.health.look();
        error
    }
}

fn renews(plan: &BackfillTable, table: &str, sink: &str) -> bool {
    plan.table == table && plan.sweep.is_some() && plan.sinks.iter().any(|name| name == sink)
}
