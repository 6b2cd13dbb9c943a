//! What looks into the ledger itself: a copy of it, and the checkpoints. Both work beside a running process.

use std::path::Path;

use syncline_connectors::registry;
use syncline_engine::error::{Code, Error};
use syncline_engine::ledger::ROUTER;

use super::names;
use super::status::columns;
use crate::exit::{Exit, Failure};
use crate::out;

/// Copies the ledger.
pub async fn backup(file: &Path, dest: &Path) -> Result<Exit, Failure> {
    let config = names::load(file)?;
    let Some(ledger) = registry::ledger_shared(&config.data)? else {
        let message = format!("there is no ledger in {} yet", config.data.display());
        return Err(Error::new(Code::LedgerBackup, message).fix("syncline run makes it").into());
    };
    ledger.backup(dest).await?;
    out::note(&format!("copied to {}", dest.display()));
    Ok(Exit::Ok)
}

#[derive(serde::Serialize)]
struct Line<'a> {
    pipeline: &'a str,
    sink: &'a str,
    position: &'a str,
    version: String,
    epoch: u16,
}

/// Shows where each sink would resume.
pub async fn checkpoint(file: &Path, json: bool) -> Result<Exit, Failure> {
    let config = names::load(file)?;
    let Some(ledger) = registry::ledger_shared(&config.data)? else { return Ok(Exit::Ok) };
    let mut rows = vec![["PIPELINE", "SINK", "POSITION", "VERSION", "EPOCH"].map(str::to_owned)];
    for spec in &config.pipelines {
        let record = ledger.pipeline(&spec.name).await?;
        for (sink, position) in record.checkpoints.iter().filter(|(sink, _)| sink.as_str() != ROUTER) {
            let version = position.version.to_string();
            if json {
                let line = Line {
                    pipeline: &spec.name,
                    sink,
                    position: &position.text,
                    version,
                    epoch: record.epoch,
                };
                out::json_line(&line)?;
            } else {
                rows.push([
                    spec.name.clone(),
                    sink.clone(),
                    position.text.clone(),
                    version,
                    record.epoch.to_string(),
                ]);
            }
        }
    }
    if !json && rows.len() > 1 {
        out::data(&columns(&rows))?;
    }
    Ok(Exit::Ok)
}
