//! `check`: `lint`, and then every source and target asked what would keep it from working: settings, grants, keys,
//! names, analyzers. Everything at once, each with the observed value and the exact fix; nothing is changed.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use syncline_connectors::registry;
use syncline_engine::error::{Code, Error};
use syncline_engine::ledger::Ledger;
use syncline_engine::pipeline::{Phases, PipelineParts};

use super::{lint, preflight};
use crate::arguments::FindingsArgs;
use crate::config::Config;
use crate::exit::{Exit, Failure};
use crate::{assemble, config, out};

/// A peer that has not answered by then is a finding itself.
const PATIENCE: Duration = Duration::from_secs(60);

/// Checks a file and everything it names.
pub async fn check(args: &FindingsArgs) -> Result<Exit, Failure> {
    let config = match config::load(&args.file) {
        Ok(config) => config,
        Err(findings) => {
            lint::print(&findings, args.json)?;
            return Ok(lint::exit(&findings));
        }
    };
    // A book of its own, thrown away afterwards: `check` leaves no trace, also beside a running process.
    let folder = tempfile::tempdir()
        .map_err(|e| Error::new(Code::LedgerOpen, "no temporary folder can be made").cause(e))?;
    let ledger: Arc<dyn Ledger> = registry::ledger(folder.path())?;
    let mut findings = config::lint(&config);
    let mut parts = Vec::new();
    for spec in &config.pipelines {
        let phases = Phases::default();
        match assemble::parts(&config, std::slice::from_ref(spec), &ledger, &phases) {
            Ok(made) => parts.extend(made),
            Err(errors) => findings.extend(errors),
        }
    }
    for (said, found) in join_all(parts.iter().map(|p| ask(&config, p))).await {
        for line in said {
            out::note(&line);
        }
        findings.extend(found);
    }
    lint::print(&findings, args.json)?;
    Ok(lint::exit(&findings))
}

/// Asks a pipeline's source and sinks; what is well is said on standard error.
async fn ask(config: &Config, parts: &PipelineParts) -> (Vec<String>, Vec<Error>) {
    let name = &parts.spec.name;
    let late = |what: &str| Error::new(Code::Unreachable, format!("{what} did not answer in time"));
    let source = async {
        let answer = tokio::time::timeout(PATIENCE, preflight::of_source(config, parts)).await;
        answer.unwrap_or_else(|_| vec![late(&parts.spec.source.connection)])
    };
    let sinks = join_all(parts.sinks.iter().map(|(connection, sink)| async move {
        let asked = async {
            sink.probe().await?;
            sink.check().await
        };
        let answer = tokio::time::timeout(PATIENCE, asked).await;
        (connection, answer.unwrap_or_else(|_| Err(late(connection))).unwrap_or_else(|error| vec![error]))
    }));
    let (found, sinks) = tokio::join!(source, sinks);
    let mut said = Vec::new();
    if found.is_empty() {
        said.push(format!("✓ {name}: source {}", parts.spec.source.connection));
    }
    let mut findings = found;
    for (connection, found) in sinks {
        if found.is_empty() {
            said.push(format!("✓ {name}: target {connection}"));
        }
        findings.extend(found);
    }
    (said, findings)
}
