//! `checkpoint set`: shows where the checkpoints of a pipeline would be and what that means; moves them with `--yes`. Only while
//! no process writes them.

use std::path::Path;

use serde_json::json;
use syncline_connectors::registry;
use syncline_engine::error::{Code, Error};
use syncline_engine::pipeline::Move;

use super::alone::LOCAL;
use super::names;
use crate::exit::{Exit, Failure};
use crate::process::Process;
use crate::{assemble, out};

/// Shows or moves them.
pub async fn set(
    file: &Path,
    pipeline: &str,
    position: &str,
    yes: bool,
    as_json: bool,
) -> Result<Exit, Failure> {
    let config = names::load(file)?;
    let specs = names::pipelines(&config, &[pipeline.to_owned()])?;
    if Process::find(&config.data).await?.is_some() {
        let what = format!("syncline runs for {}", file.display());
        return Err(Error::new(Code::CheckpointInUse, what).into());
    }
    let ledger = registry::ledger(&config.data)?;
    for spec in &specs {
        let source = assemble::source(&config, spec, std::sync::Arc::clone(&ledger))?;
        let planned = Move::plan(spec, &*source, &*ledger, position).await?;
        tell(pipeline, &planned, yes, as_json)?;
        if !planned.moves() {
            out::note("the checkpoints are there already");
            return Ok(Exit::Ok);
        }
        let stale: Vec<&str> = planned.stale().collect();
        if !stale.is_empty() {
            let tables = stale.join(", ");
            out::note(&format!("WARNING: changes are skipped; stale until each is read again: {tables}"));
            out::note(&format!("read them with: syncline backfill FILE --pipeline {pipeline}"));
        }
        if !yes {
            out::note("nothing was moved: --yes does it");
            return Ok(Exit::Drift);
        }
        planned.apply(spec, &*ledger, LOCAL).await?;
    }
    Ok(Exit::Ok)
}

/// A line for each target.
fn tell(pipeline: &str, planned: &Move, moved: bool, as_json: bool) -> Result<(), Failure> {
    let stale: Vec<&str> = planned.stale().collect();
    for (sink, from) in planned.sinks() {
        let direction = match from.version.cmp(&planned.to.version) {
            std::cmp::Ordering::Less => "forward",
            std::cmp::Ordering::Equal => "none",
            std::cmp::Ordering::Greater => "back",
        };
        match as_json {
            true => out::json_line(&json!({
                "pipeline": pipeline, "sink": sink, "from": from.text, "to": planned.to.text,
                "direction": direction, "stale": stale, "moved": moved,
            }))?,
            false => {
                let what = match direction {
                    "forward" => "forward: what lies between is skipped",
                    "back" => "back: what lies between is applied again",
                    _ => "as it is",
                };
                out::data(&format!("{pipeline} {sink}: {} -> {}, {what}\n", from.text, planned.to.text))?;
            }
        }
    }
    Ok(())
}
