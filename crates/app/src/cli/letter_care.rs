//! `dlq manual`, `dlq release` and `dlq reprocess`: who takes care of dead letters, a person or the pipeline by itself.

use std::sync::Arc;

use syncline_api as api;
use syncline_connectors::registry;
use syncline_engine::error::{Code, Error};
use syncline_engine::ledger::Ledger;

use super::{alone, names};
use crate::arguments::{LettersArgs, ManualArgs, ReprocessArgs};
use crate::exit::{Exit, Failure};
use crate::process::Process;
use crate::{out, serve};

/// Leaves letters to a person. Nothing of it is in a running process: the ledger is the place for it.
pub async fn manual(args: &ManualArgs) -> Result<Exit, Failure> {
    let ledger = ledger(&args.which)?;
    for id in numbers(&args.which)? {
        tell(&serve::taken(&*ledger, alone::LOCAL, id, &args.note).await?, args.which.json)?;
    }
    Ok(Exit::Ok)
}

/// Gives letters back.
pub async fn release(args: &LettersArgs) -> Result<Exit, Failure> {
    let ledger = ledger(args)?;
    for id in numbers(args)? {
        tell(&serve::released(&*ledger, alone::LOCAL, id).await?, args.json)?;
    }
    Ok(Exit::Ok)
}

fn ledger(args: &LettersArgs) -> Result<Arc<dyn Ledger>, Failure> {
    let config = names::load(&args.file)?;
    let none = || Error::new(Code::Unknown, "there are no dead letters: nothing has run yet");
    Ok(registry::ledger_shared(&config.data)?.ok_or_else(none)?)
}

fn numbers(args: &LettersArgs) -> Result<Vec<i64>, Failure> {
    let ids: Vec<i64> = args.ids.iter().chain(&args.more_ids).copied().collect();
    if ids.is_empty() {
        let error = Error::new(Code::Unknown, "no dead letter is named");
        return Err(error.fix("give their numbers: syncline dlq list FILE shows them").into());
    }
    Ok(ids)
}

fn tell(letter: &api::DeadLetter, json: bool) -> Result<(), Failure> {
    if json {
        return out::json_line(letter);
    }
    let note = letter.note.as_ref().map_or_else(String::new, |note| format!(": {}", out::visible(note)));
    out::data(&format!("{} {}{note}\n", letter.id, letter.state))
}

/// One pass over the letters whose time has come.
pub async fn reprocess(args: &ReprocessArgs) -> Result<Exit, Failure> {
    let config = names::load(&args.file)?;
    let specs = names::pipelines(&config, args.pipeline.as_slice())?;
    let millis = |delay: std::time::Duration| u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
    let asked = api::ReprocessRequest {
        pipeline: args.pipeline.clone(),
        tenant: args.tenant.clone(),
        most_attempts: args.most_attempts,
        first_delay_ms: args.first_delay.map(millis),
        longest_delay_ms: args.longest_delay.map(millis),
        limit: args.limit,
    };
    let (mut report, exit) = match Process::find(&config.data).await? {
        Some(process) => (Some(process.post("/v1/dead-letters/reprocess", &asked).await?), Exit::Ok),
        None => alone::reprocess(&config, &specs, &asked).await?,
    };
    let Some(report) = report.take() else { return Ok(exit) };
    tell_pass(&report, args.json)?;
    Ok(if report.refused > 0 { Exit::Partly } else { exit })
}

fn tell_pass(report: &api::ReprocessReport, json: bool) -> Result<(), Failure> {
    if json {
        return out::json_line(report);
    }
    let api::ReprocessReport { tried, applied, superseded, refused, given_up, not_yet } = report;
    out::data(&format!(
        "tried {tried}: {applied} applied, {superseded} superseded, {refused} refused again; \
         {given_up} given up, {not_yet} not tried yet\n"
    ))
}
