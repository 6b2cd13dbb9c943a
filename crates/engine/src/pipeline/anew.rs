//! A new beginning for a pipeline whose source cannot give what comes after its checkpoint (rule 8): the epoch rises, so
//! that whatever is captured or read from here on is newer than all that its targets hold, every table is read again, and
//! what has no row any more is deleted after that. Only a person asks for it, while the pipeline does not run.

use std::collections::BTreeSet;

use crate::error::{Code, Error, Result};
use crate::ledger::{BackfillTable, Ledger, ROUTER};
use crate::route::{PipelineSpec, RouteTable};
use crate::source::Source;
use crate::version::Version;

/// Plans it; answers the new epoch. The next start goes on from the source's present position.
pub async fn begin_anew(spec: &PipelineSpec, source: &dyn Source, ledger: &dyn Ledger) -> Result<u16> {
    let epoch = ledger.pipeline(&spec.name).await?.epoch + 1;
    if u64::from(epoch) > Version::MAX_EPOCH {
        let what =
            format!("pipeline {} has begun anew {} times, which is all there is", spec.name, epoch - 1);
        return Err(Error::new(Code::Unknown, what).fix("give it another name and empty targets"));
    }
    let targets = spec.routes.iter().flat_map(|route| &route.targets);
    let sinks: BTreeSet<String> = targets.map(|target| target.connection.clone()).collect();
    let sinks: Vec<String> = sinks.into_iter().collect();
    let names: Vec<String> = std::iter::once(ROUTER.to_owned()).chain(sinks.iter().cloned()).collect();
    let routes = RouteTable::new(spec, &names)?.folding_case(true);
    let (last, _) = ledger.backfills(&spec.name).await?;
    let tables = source.tables().await?;
    let plan = |table: &str| BackfillTable {
        sinks: sinks.clone(),
        sweep: Some(first_of(epoch)),
        ..BackfillTable::new(last + 1, table.to_owned())
    };
    let routed = tables.iter().filter(|schema| !routes.sinks_of(schema).is_empty());
    let plans: Vec<BackfillTable> = routed.map(|schema| plan(&schema.name)).collect();
    ledger.begin_epoch(&spec.name, epoch, &plans).await?;
    Ok(epoch)
}

/// Above all versions of earlier epochs and one that says so in this one, below all that a source gives in this one.
fn first_of(epoch: u16) -> Version {
    Version::new(epoch, 0, 1)
}
