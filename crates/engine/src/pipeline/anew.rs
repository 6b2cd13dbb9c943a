//! A new beginning for a pipeline whose source cannot give what comes after its checkpoint (rule 8): the epoch rises, so
//! that whatever is captured or read from here on is newer than all that its targets hold, every table is read again, and
//! what has no row any more is deleted after that. Only a person asks for it, while the pipeline does not run.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::error::{Code, Error, Result};
use crate::ledger::{AuditRecord, BackfillTable, Ledger, ROUTER};
use crate::route::{PipelineSpec, RouteTable};
use crate::sink::Sink;
use crate::source::Source;
use crate::version::Version;

/// Plans it; answers the new epoch, which is above those of the ledger and of every target. The next start goes on from
/// the source's present position. `actor` and `because` are for the audit.
pub async fn begin_anew(
    spec: &PipelineSpec,
    source: &dyn Source,
    sinks: &BTreeMap<String, Arc<dyn Sink>>,
    ledger: &dyn Ledger,
    actor: &str,
    because: &str,
) -> Result<u16> {
    let record = ledger.pipeline(&spec.name).await?;
    let mut highest = record.epoch;
    for (name, sink) in sinks {
        let known = record.marks.get(name).cloned().unwrap_or_default();
        highest = highest.max(sink.marks(&known).await?.epoch().unwrap_or_default());
    }
    let epoch = above(&spec.name, highest)?;
    let sinks: Vec<String> = sinks.keys().cloned().collect();
    let names: Vec<String> = std::iter::once(ROUTER.to_owned()).chain(sinks.iter().cloned()).collect();
    let routes = RouteTable::new(spec, &names)?.folding_case(true);
    let (last, _) = ledger.backfills(&spec.name).await?;
    let tables = source.tables().await?;
    let plan = |table: &str| BackfillTable {
        sinks: sinks.clone(),
        sweep: Some(Version::first_of(epoch)),
        ..BackfillTable::new(last + 1, table.to_owned())
    };
    let routed = tables.iter().filter(|schema| !routes.sinks_of(schema).is_empty());
    let plans: Vec<BackfillTable> = routed.map(|schema| plan(&schema.name)).collect();
    let detail = serde_json::json!({ "epoch": epoch, "because": because });
    ledger.audit(&AuditRecord::now(actor, "new epoch", &spec.name, &detail)).await?;
    ledger.begin_epoch(&spec.name, epoch, &plans).await?;
    Ok(epoch)
}

/// The epoch after this one.
pub(super) fn above(pipeline: &str, epoch: u16) -> Result<u16> {
    if u64::from(epoch) < Version::MAX_EPOCH {
        return Ok(epoch + 1);
    }
    let what = format!("pipeline {pipeline} has begun anew {epoch} times, which is all there is");
    Err(Error::new(Code::Unknown, what).fix("give it another name and empty targets"))
}
