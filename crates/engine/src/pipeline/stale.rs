//! In which of its targets a stale table is stale, as the ledger keeps it: a table is `ok` again once each of them was made anew.
//! What makes one stale is `changed.rs`.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::error::{Code, Error, Result};
use crate::ledger::{Ledger, TableRecord, TableState};
use crate::route::TargetPlan;

/// The property that keeps it.
const PROPERTY: &str = "stale";

/// A sink, and one of its targets as a file writes it: `index: cases`.
pub type MadeTarget = (String, String);

/// A target as a file writes it.
pub(super) fn target_of(plan: &TargetPlan) -> String {
    format!("{}: {}", plan.spec.kind.word(), plan.spec.template)
}

/// Where tables are stale.
#[derive(Default, Serialize, Deserialize)]
struct Stale {
    tables: BTreeMap<String, BTreeSet<MadeTarget>>,
    /// The sink that made a target anew last: what followed from that is in `tables`.
    made_by: String,
}

async fn kept(ledger: &dyn Ledger, pipeline: &str) -> Result<Stale> {
    let text = ledger.property(pipeline, PROPERTY).await?;
    // What cannot be read is of another release: such tables are stale until all of them is read again.
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default())
}

async fn keep(ledger: &dyn Ledger, pipeline: &str, stale: &Stale) -> Result<()> {
    let text = serde_json::to_string(stale).map_err(|error| {
        Error::new(Code::Internal, "what is stale cannot be written as JSON").cause(error)
    })?;
    ledger.set_property(pipeline, PROPERTY, &text).await
}

/// A table is stale in these targets. `again`: it is stale already, in others.
pub(super) async fn note(
    ledger: &dyn Ledger,
    pipeline: &str,
    table: &str,
    targets: &BTreeSet<MadeTarget>,
    again: bool,
) -> Result<()> {
    let mut stale = kept(ledger, pipeline).await?;
    match stale.tables.get_mut(table) {
        Some(known) if again => known.extend(targets.iter().cloned()),
        // Nobody knows in which others.
        None if again => return Ok(()),
        _ => _ = stale.tables.insert(table.to_owned(), targets.clone()),
    }
    keep(ledger, pipeline, &stale).await
}

/// All documents of `target` are as `filled` has made them, which stands in its place now. Tables that were stale there and
/// nowhere else are not any more. Only while the pipeline does not run; may be done again. No two resyncs have a sink of one name.
pub async fn made_anew(
    ledger: &dyn Ledger,
    pipeline: &str,
    target: &MadeTarget,
    filled: &MadeTarget,
) -> Result<()> {
    let mut stale = kept(ledger, pipeline).await?;
    if stale.made_by == filled.0 {
        return Ok(());
    }
    let tables = ledger.pipeline(pipeline).await?.tables;
    for (table, targets) in &mut stale.tables {
        let anew = targets.remove(target);
        // The route changed while it was filled.
        if targets.remove(filled) {
            targets.insert(target.clone());
        }
        let was = tables.get(table).map(|record| record.state);
        if anew && targets.is_empty() && was == Some(TableState::Stale) {
            ledger.set_table(pipeline, table, &TableRecord::new(TableState::Ok)).await?;
        }
    }
    stale.tables.retain(|_, targets| !targets.is_empty());
    stale.made_by.clone_from(&filled.0);
    keep(ledger, pipeline, &stale).await
}
