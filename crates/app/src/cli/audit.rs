//! `audit`: shows what was done and proves that the chain is whole. Both look into the ledger, also beside a running
//! process. What a chain is, and what breaks one, is the engine's.

use std::path::Path;

use syncline_api as api;
use syncline_connectors::registry;
use syncline_engine::audit::{AuditHead, Fault};
use syncline_engine::error::{Code, Error};

use super::names;
use super::status::columns;
use crate::arguments::AuditCommand;
use crate::exit::{Exit, Failure};
use crate::{out, shape};

/// Does it.
pub async fn audit(command: AuditCommand) -> Result<Exit, Failure> {
    match command {
        AuditCommand::List { file, pipeline, limit, json } => {
            list(&file, pipeline.as_deref(), limit, json).await
        }
        AuditCommand::Verify { file, head, json } => verify(&file, head.as_ref(), json).await,
    }
}

async fn list(
    file: &Path,
    pipeline: Option<&str>,
    limit: Option<usize>,
    json: bool,
) -> Result<Exit, Failure> {
    let config = names::load(file)?;
    let mut entries = match registry::ledger_shared(&config.data)? {
        Some(ledger) => ledger.audits().await?.entries,
        None => Vec::new(),
    };
    if let Some(wanted) = pipeline {
        // A pipeline that was taken out of the file is still in the audit.
        if !entries.iter().any(|entry| entry.record.pipeline == wanted) {
            names::pipelines(&config, &[wanted.to_owned()])?;
        }
        entries.retain(|entry| entry.record.pipeline == wanted);
    }
    let first = limit.map_or(0, |limit| entries.len().saturating_sub(limit));
    let entries = entries.into_iter().skip(first).map(shape::audit_entry);
    if json {
        entries.into_iter().try_for_each(|entry| out::json_line(&entry))?;
        return Ok(Exit::Ok);
    }
    let mut rows = vec![["NUMBER", "AT", "ACTOR", "ACTION", "PIPELINE", "DETAIL"].map(str::to_owned)];
    rows.extend(entries.map(|e| {
        let detail = e.detail.get().to_owned();
        [e.number.to_string(), e.at, e.actor, e.action, e.pipeline, detail]
    }));
    if rows.len() > 1 {
        out::data(&columns(&rows))?;
    }
    Ok(Exit::Ok)
}

async fn verify(file: &Path, noted: Option<&AuditHead>, json: bool) -> Result<Exit, Failure> {
    let config = names::load(file)?;
    let Some(ledger) = registry::ledger_shared(&config.data)? else {
        // Nothing to prove anything with: somebody may have taken it away.
        let message = format!("there is no ledger in {}", config.data.display());
        return Err(Error::new(Code::AuditChain, message).fix("syncline run makes it").into());
    };
    let chain = ledger.audits().await?;
    let (entries, found) = (chain.entries.len() as u64, chain.verify(noted));
    if json {
        out::json_line(&verdict(entries, &found))?;
    }
    match found {
        Ok(head) if !json => out::data(&format!("{entries} entries, head {head}\n"))?,
        Ok(_) => {}
        Err(fault) => {
            let message = format!("the audit in {} does not hold: {fault}", config.data.display());
            return Err(Error::new(Code::AuditChain, message).into());
        }
    }
    Ok(Exit::Ok)
}

fn verdict(entries: u64, found: &Result<AuditHead, Fault>) -> api::AuditVerdict {
    let fault = found.as_ref().err();
    api::AuditVerdict {
        holds: found.is_ok(),
        entries,
        head: found.as_ref().ok().map(AuditHead::to_string),
        entry: fault.map(|fault| fault.number),
        fault: fault.map(|fault| fault.kind.word().to_owned()),
    }
}
