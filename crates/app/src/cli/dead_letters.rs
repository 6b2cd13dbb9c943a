//! `dlq`: list, show, redrive and discard dead letters, through the running process or without one. Groups and exports
//! are `letter_books.rs`, who takes care of them `letter_care.rs`.

use syncline_api as api;
use syncline_connectors::registry;
use syncline_engine::error::{Code, Error};
use syncline_engine::route::PipelineSpec;

use super::status::columns;
use super::{alone, letter_books, letter_care, names};
use crate::arguments::{DlqArgs, DlqCommand};
use crate::config::Config;
use crate::exit::{Exit, Failure};
use crate::process::Process;
use crate::{out, serve, shape};

/// Does it.
pub async fn dlq(command: DlqCommand) -> Result<Exit, Failure> {
    match &command {
        DlqCommand::List(args) => list(&opened(args)?.0, args).await,
        DlqCommand::Show(args) => show(&opened(args)?.0, args).await,
        DlqCommand::Groups(args) => letter_books::groups(&opened(args)?.0, args).await,
        DlqCommand::Export(args) => letter_books::export(&opened(&args.which)?.0, args).await,
        DlqCommand::Redrive(args) => {
            let (config, specs) = opened(args)?;
            redrive(&config, &specs, args).await
        }
        DlqCommand::Discard(args) => {
            let (config, specs) = opened(args)?;
            discard(&config, &specs, args).await
        }
        DlqCommand::Reprocess(args) => letter_care::reprocess(args).await,
        DlqCommand::Manual(args) => letter_care::manual(args).await,
        DlqCommand::Release(args) => letter_care::release(args).await,
    }
}

/// The file, and the pipelines that the flags speak of.
fn opened(args: &DlqArgs) -> Result<(Config, Vec<PipelineSpec>), Failure> {
    let config = names::load(&args.file)?;
    let specs = chosen(&config, args)?;
    Ok((config, specs))
}

/// Checks the names in the flags; the pipelines they speak of.
fn chosen(config: &Config, args: &DlqArgs) -> Result<Vec<PipelineSpec>, Failure> {
    let specs = names::pipelines(config, args.pipeline.as_slice())?;
    names::targets(&specs, args.target.as_slice())?;
    if let Some(code) = args.error.as_deref().filter(|e| Code::parse(e).is_none()) {
        let known: Vec<String> = Code::ALL.iter().map(Code::to_string).collect();
        return Err(names::unknown("error code", code, known.iter().map(String::as_str)).into());
    }
    Ok(specs)
}

/// One query per number, or one for all.
pub(super) fn queries(args: &DlqArgs) -> Vec<api::DeadLetterQuery> {
    let query = |id| api::DeadLetterQuery {
        pipeline: args.pipeline.clone(),
        table: args.table.clone(),
        sink: args.target.clone(),
        tenant: args.tenant.clone(),
        id,
        error: args.error.clone(),
        limit: args.limit,
    };
    let ids: Vec<_> = args.numbers().map(|id| query(Some(id))).collect();
    if ids.is_empty() { vec![query(None)] } else { ids }
}

async fn fetch(config: &Config, args: &DlqArgs) -> Result<api::DeadLetters, Error> {
    let process = Process::find(&config.data).await?;
    let ledger = match &process {
        Some(_) => None,
        None => registry::ledger_shared(&config.data)?,
    };
    let mut all = api::DeadLetters::default();
    for query in queries(args) {
        let part: api::DeadLetters = match (&process, &ledger) {
            (Some(process), _) => process.get("/v1/dead-letters", &query).await?,
            (None, Some(ledger)) => serve::listed(&**ledger, &query).await?,
            (None, None) => api::DeadLetters::default(),
        };
        if let (Some(id), true) = (query.id, part.dead_letters.is_empty()) {
            return Err(serve::no_letter(id));
        }
        all.truncated |= part.truncated;
        all.dead_letters.extend(part.dead_letters);
    }
    Ok(all)
}

async fn list(config: &Config, args: &DlqArgs) -> Result<Exit, Failure> {
    let found = fetch(config, args).await?;
    if args.json {
        found.dead_letters.iter().try_for_each(out::json_line)?;
    } else if !found.dead_letters.is_empty() {
        let head =
            ["ID", "PIPELINE", "TABLE", "TARGET", "KEY", "ERROR", "ATTEMPTS", "LAST", "STATE", "MESSAGE"];
        let mut rows = vec![head.map(str::to_owned)];
        for l in &found.dead_letters {
            let (id, attempts) = (l.id.to_string(), l.attempts.to_string());
            let (pipeline, table, target) = (l.pipeline.clone(), l.table.clone(), l.target.clone());
            let (key, error, last) = (l.key.to_string(), l.error.clone(), l.last_at.clone());
            let state =
                l.note.as_ref().map_or_else(|| l.state.clone(), |n| format!("{}: {}", l.state, shortened(n)));
            let message = shortened(&l.message);
            rows.push([id, pipeline, table, target, key, error, attempts, last, state, message]);
        }
        out::data(&columns(&rows))?;
    }
    tell_truncated(&found);
    Ok(Exit::Ok)
}

pub(super) fn shortened(message: &str) -> String {
    let line = message.lines().next().unwrap_or_default();
    match line.char_indices().nth(80) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}

async fn show(config: &Config, args: &DlqArgs) -> Result<Exit, Failure> {
    let found = fetch(config, args).await?;
    for letter in &found.dead_letters {
        if args.json {
            out::json_line(letter)?;
        } else {
            let text = serde_json::to_string_pretty(letter).unwrap_or_default();
            out::data(&format!("{}\n", out::visible(&text)))?;
        }
    }
    tell_truncated(&found);
    Ok(Exit::Ok)
}

fn tell_truncated(found: &api::DeadLetters) {
    if found.truncated {
        out::note(&format!("only the first {}; --limit N shows more", found.dead_letters.len()));
    }
}

/// One action per number, or one for all.
fn actions(args: &DlqArgs) -> Vec<api::DeadLetterAction> {
    let action = |q: api::DeadLetterQuery| api::DeadLetterAction {
        pipeline: q.pipeline,
        table: q.table,
        sink: q.sink,
        tenant: q.tenant,
        id: q.id,
        error: q.error,
        dry_run: args.dry_run,
    };
    queries(args).into_iter().map(action).collect()
}

async fn redrive(config: &Config, specs: &[PipelineSpec], args: &DlqArgs) -> Result<Exit, Failure> {
    let process = Process::find(&config.data).await?;
    let mut exit = Exit::Ok;
    for action in actions(args) {
        let mut failed = 0;
        let mut tell = |report: api::RedriveReport| {
            failed = report.failed.len();
            tell_redrive(&report, args.json)
        };
        match &process {
            Some(process) => tell(process.post("/v1/dead-letters/redrive", &action).await?)?,
            None => {
                let filter = shape::filter(&shape::as_query(&action), 0);
                let done = alone::redrive(config, specs, &filter, &action, tell).await?;
                if done != Exit::Ok {
                    return Ok(done);
                }
            }
        }
        if failed > 0 {
            exit = Exit::Partly;
        }
    }
    Ok(exit)
}

fn tell_redrive(report: &api::RedriveReport, json: bool) -> Result<(), Failure> {
    if json {
        return out::json_line(report);
    }
    if report.dry_run {
        return out::data(&format!("would redrive {}\n", report.selected));
    }
    out::data(&format!(
        "redrove {}: {} applied, {} superseded, {} refused again\n",
        report.selected,
        report.applied,
        report.superseded,
        report.failed.len()
    ))?;
    for failure in &report.failed {
        out::note(&format!("  {}: {}", failure.id, failure.message));
    }
    Ok(())
}

async fn discard(config: &Config, specs: &[PipelineSpec], args: &DlqArgs) -> Result<Exit, Failure> {
    let process = Process::find(&config.data).await?;
    let ledger = match &process {
        Some(_) => None,
        None => Some(registry::ledger(&config.data)?),
    };
    let mut sum = api::DiscardReport { dry_run: args.dry_run, ..Default::default() };
    for action in actions(args) {
        let mut reports = Vec::<api::DiscardReport>::new();
        if let Some(process) = &process {
            reports.push(process.post("/v1/dead-letters/discard", &action).await?);
        }
        if let Some(ledger) = &ledger {
            for spec in specs {
                reports.push(serve::discarded(&**ledger, &spec.name, &action).await?);
            }
        }
        sum.selected += reports.iter().map(|r| r.selected).sum::<u64>();
        sum.discarded += reports.iter().map(|r| r.discarded).sum::<u64>();
    }
    if args.json {
        out::json_line(&sum)?;
    } else if sum.dry_run {
        out::data(&format!("would discard {}\n", sum.selected))?;
    } else {
        out::data(&format!("discarded {}\n", sum.discarded))?;
    }
    Ok(Exit::Ok)
}
