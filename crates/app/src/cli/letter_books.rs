//! `dlq groups` and `dlq export`: what the dead letters have in common, and all of them for another program. Both only read
//! the ledger, beside a running process too, and hold a page of it at a time.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use syncline_api as api;
use syncline_connectors::registry;
use syncline_engine::error::{Code, Error};
use syncline_engine::ledger::{DeadLetterFilter, Ledger, next_letters};

use super::dead_letters::{queries, shortened};
use super::status::columns;
use crate::arguments::{DlqArgs, ExportArgs};
use crate::config::Config;
use crate::exit::{Exit, Failure};
use crate::{out, serve, shape};

/// How many there are of each cause.
pub async fn groups(config: &Config, args: &DlqArgs) -> Result<Exit, Failure> {
    let Some(ledger) = registry::ledger_shared(&config.data)? else { return Ok(Exit::Ok) };
    let mut groups = Vec::new();
    for query in queries(args) {
        let part = serve::grouped(&*ledger, &query).await?;
        groups.extend(part.groups);
        if part.truncated {
            out::note(&format!("only the first {}; --limit N shows more", groups.len()));
        }
    }
    if args.json {
        groups.iter().try_for_each(out::json_line)?;
    } else if !groups.is_empty() {
        out::data(&columns(&table(&groups)))?;
    }
    Ok(Exit::Ok)
}

fn table(groups: &[api::DeadLetterGroup]) -> Vec<[String; 9]> {
    let head = ["COUNT", "PIPELINE", "TABLE", "TARGET", "ERROR", "ATTEMPTS", "NEWEST", "EXAMPLE", "CAUSE"];
    let row = |g: &api::DeadLetterGroup| {
        let (count, attempts, example) = (g.count.to_string(), g.attempts.to_string(), g.example.to_string());
        let (pipeline, table, target) = (g.pipeline.clone(), g.table.clone(), g.target.clone());
        let (error, newest) = (g.error.clone(), g.newest.clone());
        [count, pipeline, table, target, error, attempts, newest, example, shortened(&g.cause)]
    };
    std::iter::once(head.map(str::to_owned)).chain(groups.iter().map(row)).collect()
}

/// A line of an export.
#[derive(Serialize)]
struct Exported {
    #[serde(flatten)]
    letter: api::DeadLetter,
    /// The row's bytes as they were kept, in base64.
    original: String,
}

/// All of them as JSON lines.
pub async fn export(config: &Config, args: &ExportArgs) -> Result<Exit, Failure> {
    let ledger = registry::ledger_shared(&config.data)?;
    let queries = queries(&args.which);
    match &args.out {
        None => write(ledger.as_deref(), &queries, &mut |line| out::data(line)).await.map(drop)?,
        Some(path) => {
            let mut file =
                OpenOptions::new().write(true).create_new(true).open(path).map_err(|e| unwritten(path, e))?;
            let mut line =
                |line: &str| file.write_all(line.as_bytes()).map_err(|e| unwritten(path, e).into());
            let count = write(ledger.as_deref(), &queries, &mut line).await?;
            file.sync_all().map_err(|e| unwritten(path, e))?;
            out::note(&format!("{count} dead letters in {}", path.display()));
        }
    }
    Ok(Exit::Ok)
}

fn unwritten(path: &Path, error: io::Error) -> Error {
    Error::new(Code::LedgerBackup, format!("{} cannot be written", path.display())).cause(error)
}

async fn write(
    ledger: Option<&dyn Ledger>,
    queries: &[api::DeadLetterQuery],
    line: &mut (dyn FnMut(&str) -> Result<(), Failure> + Send),
) -> Result<u64, Failure> {
    let Some(ledger) = ledger else { return Ok(0) };
    let mut count = 0;
    for query in queries {
        let most = query.limit.map_or(u64::MAX, u64::from);
        let mut filter: DeadLetterFilter = shape::filter(query, 0);
        let mut found = 0;
        'pages: loop {
            let letters = next_letters(ledger, &mut filter).await?;
            if letters.is_empty() {
                break;
            }
            for letter in letters {
                if found == most {
                    break 'pages;
                }
                let original = STANDARD.encode(&letter.original);
                let exported = Exported { letter: shape::dead_letter(letter), original };
                let text =
                    serde_json::to_string(&exported).map_err(|e| Failure::Output(io::Error::other(e)))?;
                line(&format!("{text}\n"))?;
                found += 1;
            }
        }
        if let (Some(id), 0) = (query.id, found) {
            return Err(serve::no_letter(id).into());
        }
        count += found;
    }
    Ok(count)
}
