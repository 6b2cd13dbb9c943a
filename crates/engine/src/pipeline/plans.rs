//! Writes down in the ledger which tables are to be read for which sinks, and what is swept then. Reading is `backfill.rs`.

use std::time::Duration;

use tokio::sync::MutexGuard;

use super::Shared;
use crate::error::{Code, Error, Result};
use crate::ledger::BackfillTable;
use crate::version::Version;

/// How long a person waits for the stream to be where it was.
const PATIENCE: Duration = Duration::from_secs(60);

/// A run that is being planned. One at a time: plans of one number and table would replace each other.
struct Planning<'a> {
    shared: &'a Shared,
    /// Its number.
    run: i64,
    /// What is still to be read.
    unfinished: Vec<BackfillTable>,
    _one_at_a_time: MutexGuard<'a, ()>,
}

impl Planning<'_> {
    /// All rows of a table for these sinks.
    fn table(&self, table: String, sinks: &[String]) -> BackfillTable {
        BackfillTable { sinks: sinks.to_vec(), ..BackfillTable::new(self.run, table) }
    }

    async fn set(&self, plan: &BackfillTable) -> Result<()> {
        self.shared.ledger.set_backfill(&self.shared.spec.name, plan).await
    }

    /// Plans that fit count for nothing.
    async fn give_up(&self, fits: impl Fn(&BackfillTable) -> bool) -> Result<()> {
        for plan in self.unfinished.iter().filter(|plan| fits(plan)) {
            self.set(&BackfillTable { finished: true, ..plan.clone() }).await?;
        }
        Ok(())
    }

    /// Makes a plan durable and wakes the reader.
    async fn plan(&self, plan: BackfillTable) -> Result<()> {
        self.set(&plan).await?;
        self.wake();
        Ok(())
    }

    /// The reader looks for plans.
    fn wake(&self) {
        self.shared.backfills.want();
        self.shared.backfill_wanted.notify_one();
    }
}

impl Shared {
    async fn planning(&self) -> Result<Planning<'_>> {
        let one_at_a_time = self.planning.lock().await;
        let (last, unfinished) = self.ledger.backfills(&self.spec.name).await?;
        Ok(Planning { shared: self, run: last + 1, unfinished, _one_at_a_time: one_at_a_time })
    }

    /// What is still to be read, as it is between two changes of the plans.
    pub(crate) async fn unfinished(&self) -> Result<Vec<BackfillTable>> {
        Ok(self.planning().await?.unfinished)
    }

    fn all_sinks(&self) -> &[String] {
        &self.names[1..]
    }

    /// Tables that are being read already are left alone. Answers the run's number.
    pub async fn want_backfill(&self, tables: Vec<String>, sinks: Vec<String>) -> Result<i64> {
        let planning = self.planning().await?;
        let sinks = if sinks.is_empty() { self.all_sinks() } else { &sinks };
        for table in tables {
            if !planning.unfinished.iter().any(|plan| plan.table == table && plan.sinks == sinks) {
                planning.plan(planning.table(table, sinks)).await?;
            }
        }
        Ok(planning.run)
    }

    /// All rows of the table are read for every sink; what was read of it so far counts for nothing.
    pub(super) async fn want_reread(&self, table: &str) -> Result<()> {
        let planning = self.planning().await?;
        planning.plan(planning.table(table.to_owned(), self.all_sinks())).await?;
        planning.give_up(|plan| plan.table == table && plan.sweep.is_none()).await
    }

    /// A halted table is captured again, see [`Shared::want_healed`]. Answers the run's number.
    pub async fn want_healing(&self, table: &str) -> Result<i64> {
        let gap = self.tables.get(table).map_or(Version::ZERO, |record| record.at);
        let below = self.past(gap).await?;
        self.want_healed(table, below).await
    }

    /// From here on the table is captured; all rows are read, for every sink, and what targets hold from before is gone
    /// then. What was read of it so far counts for nothing. Durable before the table counts as well, and read only when it
    /// does: what is read of it then lies above, what its targets hold lies below.
    pub(super) async fn want_healed(&self, table: &str, below: Version) -> Result<i64> {
        let planning = self.planning().await?;
        let plan = planning.table(table.to_owned(), self.all_sinks());
        planning.set(&BackfillTable { sweep: Some(below), ..plan }).await?;
        planning.give_up(|plan| plan.table == table && plan.sweep.is_none()).await?;
        self.clear_table(table).await?;
        planning.wake();
        Ok(planning.run)
    }

    /// Waits until the stream is at or past a version; answers where it is. After a kill it comes there again.
    async fn past(&self, version: Version) -> Result<Version> {
        let mut position = self.position.subscribe();
        let past = position.wait_for(|p| p.as_ref().is_some_and(|p| p.version >= version));
        let mut ended = self.ended.subscribe();
        let waited = async {
            tokio::select! {
                past = past => past.is_ok(),
                _ = ended.wait_for(|ended| *ended) => false,
            }
        };
        match tokio::time::timeout(PATIENCE, waited).await {
            Ok(true) => Ok(self.captured_up_to()),
            Ok(false) => Err(self
                .halted()
                .unwrap_or_else(|| Error::new(Code::Interrupted, "the pipeline is stopping"))),
            Err(_) => Err(Error::new(
                Code::Interrupted,
                "the stream has not passed the gap or the change of the route yet",
            )
            .fix("try again when the source is read and anything has changed there")),
        }
    }

    /// The table was emptied at this point of the stream: what targets hold from before is deleted.
    pub(super) async fn want_sweep(&self, table: &str, below: Version) -> Result<()> {
        let planning = self.planning().await?;
        let plan = planning.table(table.to_owned(), self.all_sinks());
        planning.plan(BackfillTable { sweep: Some(below), planned: true, ..plan }).await
    }

    /// All rows of these tables are read for these sinks, which are swept of what lies below then. A run that does just
    /// that already is given up: what it has read may be what was lost.
    pub(super) async fn want_swept(
        &self,
        tables: Vec<String>,
        sinks: &[String],
        below: Version,
    ) -> Result<()> {
        let planning = self.planning().await?;
        for table in tables {
            planning
                .give_up(|plan| plan.table == table && plan.sinks == sinks && plan.sweep.is_some())
                .await?;
            let plan = planning.table(table, sinks);
            planning.plan(BackfillTable { sweep: Some(below), ..plan }).await?;
        }
        Ok(())
    }
}
