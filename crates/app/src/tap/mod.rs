//! `tap`: changes as JSON lines from the source's present position on, in our own form or in a dialect of others. It has a
//! book of its own that is thrown away, so it touches no checkpoint and works beside a running process.

mod canal;
mod columns;
mod debezium;
mod dialect;
mod maxwell;
mod wkt;

use std::sync::Arc;

use syncline_connectors::registry;
use syncline_engine::change::{Captured, Change, Operation, TableEvent};
use syncline_engine::error::{Code, Error, Kind};
use syncline_engine::ledger::Ledger;
use syncline_engine::position::{Position, StoredPosition};
use syncline_engine::route::{Pattern, PipelineSpec};
use syncline_engine::source::Source;
use tokio::sync::mpsc;

use self::dialect::Lines;
use crate::arguments::TapArgs;
use crate::cli::names;
use crate::config::Config;
use crate::exit::{Exit, Failure};
use crate::signals::{Signals, Stop};
use crate::{assemble, out};

/// Lines between the sources and standard output.
const QUEUE: usize = 64;

/// Prints changes until the limit, a signal, or a reader that has seen enough.
pub async fn tap(args: TapArgs) -> Result<Exit, Failure> {
    let config = names::load(&args.file)?;
    let specs = names::pipelines(&config, &args.pipelines)?;
    names::tables(&specs, args.table.as_slice())?;
    let table = args.table.as_deref().map(Pattern::parse).transpose()?.map(Arc::new);
    let mut signals = Signals::listen()?;
    let folder = tempfile::tempdir()
        .map_err(|e| Error::new(Code::LedgerOpen, "no temporary folder can be made").cause(e))?;
    let ledger: Arc<dyn Ledger> = registry::ledger(folder.path())?;
    let (send, mut lines) = mpsc::channel(QUEUE);
    for spec in &specs {
        let source = source(&config, spec, &ledger)?;
        let tapped = Tapped {
            lines: Lines::new(args.format, spec, &config),
            source,
            table: table.clone(),
            send: send.clone(),
        };
        tokio::spawn(tapped.run());
    }
    drop(send);
    let mut left = args.limit.unwrap_or(u64::MAX);
    while left > 0 {
        let next = tokio::select! {
            next = lines.recv() => next,
            stop = signals.next() => return Ok(if stop == Stop::Interrupt { Exit::Interrupted } else { Exit::Ok }),
        };
        let Some(line) = next else { break };
        out::data(&line?)?;
        left -= 1;
    }
    Ok(Exit::Ok)
}

/// A source that nobody else notices: where replicas need an id, its own is drawn.
fn source(config: &Config, spec: &PipelineSpec, ledger: &Arc<dyn Ledger>) -> Result<Arc<dyn Source>, Error> {
    let mut spec = spec.clone();
    spec.source.server_id = None;
    assemble::source(config, &spec, Arc::clone(ledger))
}

/// One pipeline's source.
struct Tapped {
    lines: Lines,
    source: Arc<dyn Source>,
    table: Option<Arc<Pattern>>,
    send: mpsc::Sender<Result<String, Error>>,
}

/// Nobody wants more lines, or the source cannot give any.
struct Over;

impl Tapped {
    /// Until nobody reads any more. A connection that breaks is made again where it was; before it was ever made, and for
    /// everything that no retry cures, the error goes to the reader.
    async fn run(mut self) {
        let mut from = None;
        loop {
            let error = match self.stream(&mut from).await {
                Ok(Over) => return,
                Err(error) => error,
            };
            if from.is_none() || error.kind() != Kind::Retry {
                let _ = self.send.send(Err(error)).await;
                return;
            }
            out::note(&format!("{error}: trying again"));
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        }
    }

    async fn stream(&mut self, from: &mut Option<Position>) -> Result<Over, Error> {
        let stored = from.as_ref().map(StoredPosition::from);
        let mut stream = self.source.stream(stored.as_ref()).await?;
        if from.is_none() {
            let start = stream.start();
            out::note(&format!("tapping from {}", start.token.text()));
            *from = Some(start);
        }
        loop {
            match stream.next().await? {
                Captured::Batch(batch) => {
                    for change in &batch.changes {
                        if let Some(Over) = self.change(change).await {
                            return Ok(Over);
                        }
                    }
                    *from = Some(batch.resume.clone());
                }
                Captured::Table(TableEvent::Halted { table, error }, _) => {
                    out::note(&format!("{table}: no more changes of this table"));
                    out::errors(&[error]);
                }
                Captured::Table(event, position) => {
                    if let TableEvent::Truncated { schema, origin } = event {
                        let all = Change::of_table(schema, Operation::Truncate, position.version, origin);
                        if let Some(Over) = self.change(&all).await {
                            return Ok(Over);
                        }
                    }
                    *from = Some(position);
                }
            }
        }
    }

    async fn change(&mut self, change: &Change) -> Option<Over> {
        if self.table.as_ref().is_some_and(|t| !t.matches(&change.schema.name, true)) {
            return None;
        }
        for line in self.lines.of(change) {
            // Some forms have no line for some changes.
            if line.as_ref().is_ok_and(String::is_empty) {
                continue;
            }
            if self.send.send(line).await.is_err() {
                return Some(Over);
            }
        }
        None
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
