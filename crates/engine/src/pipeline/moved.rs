//! A checkpoint that a person moves, while the pipeline does not run. Back means that changes are applied again, which versions
//! make harmless. Forward means that changes are skipped: every table is stale then, until it is read again.

use std::collections::BTreeSet;

use serde_json::json;

use super::stale::{self, MadeTarget};
use crate::error::{Code, Error, Result};
use crate::ledger::{AuditRecord, Commit, Ledger, ROUTER, TableRecord, TableState};
use crate::position::StoredPosition;
use crate::route::{PipelineSpec, RouteTable};
use crate::source::Source;

/// Where the checkpoints of a pipeline are, and where they would be.
pub struct Move {
    /// By sink; the router's is among them.
    from: Vec<(String, StoredPosition)>,
    /// For all of them.
    pub to: StoredPosition,
    /// Tables whose changes are skipped, each with the targets that miss them.
    skipped: Vec<(String, BTreeSet<MadeTarget>)>,
}

impl Move {
    /// Looks it up; nothing is changed. `text`: the position as a person names it.
    pub async fn plan(
        spec: &PipelineSpec,
        source: &dyn Source,
        ledger: &dyn Ledger,
        text: &str,
    ) -> Result<Move> {
        let from: Vec<(String, StoredPosition)> =
            ledger.pipeline(&spec.name).await?.checkpoints.into_iter().collect();
        let Some((_, known)) = from.iter().max_by_key(|(_, position)| position.version) else {
            let what = format!("pipeline {} has no checkpoint yet", spec.name);
            return Err(
                Error::new(Code::CheckpointPosition, what).fix("syncline run FILE makes the first one")
            );
        };
        let to = source.position(text, known).await?;
        let mut moved = Move { from, to, skipped: Vec::new() };
        if moved.from.iter().any(|(_, position)| position.version < moved.to.version) {
            moved.skipped = moved.skipped(spec, source).await?;
        }
        Ok(moved)
    }

    /// The targets with their present positions.
    pub fn sinks(&self) -> impl Iterator<Item = (&str, &StoredPosition)> {
        let sinks = self.from.iter().filter(|(sink, _)| sink != ROUTER);
        sinks.map(|(sink, position)| (sink.as_str(), position))
    }

    /// Tables that will be stale.
    pub fn stale(&self) -> impl Iterator<Item = &str> {
        self.skipped.iter().map(|(table, _)| table.as_str())
    }

    /// Whether anything would move.
    pub fn moves(&self) -> bool {
        self.from.iter().any(|(_, position)| position.version != self.to.version)
    }

    async fn skipped(
        &self,
        spec: &PipelineSpec,
        source: &dyn Source,
    ) -> Result<Vec<(String, BTreeSet<MadeTarget>)>> {
        let names: Vec<String> = self.from.iter().map(|(sink, _)| sink.clone()).collect();
        let behind =
            |name: &String| self.from.iter().any(|(sink, at)| sink == name && at.version < self.to.version);
        // Targets that were never written begin by themselves.
        let mut spec = spec.clone();
        for route in &mut spec.routes {
            route.targets.retain(|target| names.contains(&target.connection));
        }
        let routes = RouteTable::new(&spec, &names)?.folding_case(true);
        let mut skipped = Vec::new();
        for schema in source.tables().await? {
            if routes.sinks_of(&schema).is_empty() {
                continue;
            }
            let targets = routes.targets_of(&schema.name);
            let made = targets.map(|(sink, plan)| (names[*sink].clone(), stale::target_of(plan)));
            let made: BTreeSet<MadeTarget> = made.filter(|(sink, _)| behind(sink)).collect();
            if !made.is_empty() {
                skipped.push((schema.name.to_string(), made));
            }
        }
        Ok(skipped)
    }

    /// Does it. Tables are stale before a checkpoint moves: killed in between, too much is read again, never too little.
    pub async fn apply(&self, spec: &PipelineSpec, ledger: &dyn Ledger, actor: &str) -> Result<()> {
        let from: serde_json::Map<String, serde_json::Value> =
            self.sinks().map(|(sink, position)| (sink.to_owned(), json!(position.text))).collect();
        let stale: Vec<&str> = self.stale().collect();
        let detail = json!({ "from": from, "to": self.to.text, "stale": stale });
        ledger.audit(&AuditRecord::now(actor, "checkpoint set", &spec.name, &detail)).await?;
        let known = ledger.pipeline(&spec.name).await?.tables;
        // What targets hold lies below; what is read from the new position on does not.
        let held = self.from.iter().map(|(_, position)| position.version).max().unwrap_or(self.to.version);
        for (table, targets) in &self.skipped {
            let state = known.get(table).map(|record| record.state);
            if state.is_some_and(|state| state != TableState::Stale) {
                continue; // halted or dropped: it is read again as a whole anyway
            }
            stale::note(ledger, &spec.name, table, targets, state.is_some()).await?;
            let what = format!("{table}: changes up to {} were skipped", self.to.text);
            let error = Error::new(Code::CheckpointSkipped, what);
            let error = error.fix(format!("syncline backfill FILE --table {table}"));
            let error = serde_json::to_value(&error).ok();
            let record = TableRecord { state: TableState::Stale, error, at: held.next() };
            ledger.set_table(&spec.name, table, &record).await?;
        }
        let checkpoints = self.from.iter().map(|(sink, _)| (sink.clone(), self.to.clone())).collect();
        let commit = Commit { checkpoints, ..Commit::default() };
        ledger.commit(&spec.name, commit).await.map(drop)
    }
}
