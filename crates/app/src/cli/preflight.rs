//! What is asked of every source and target before a pipeline starts: a wrong password, a missing grant or a table
//! without a key ends `run` at once. A peer that cannot be reached ends nothing: the pipeline tries it again for ever.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use syncline_engine::error::{Code, Error, Kind};
use syncline_engine::pipeline::PipelineParts;
use syncline_engine::route::schema_findings;

use crate::config::Config;

/// Longer than a connect may take by default; a peer that hangs is left to the pipeline.
const PATIENCE: Duration = Duration::from_secs(20);

/// Asks all of them at once; answers every error that no retry can cure.
pub async fn preflight(config: &Config, parts: &[PipelineParts]) -> Result<(), Vec<Error>> {
    let sources =
        join_all(parts.iter().map(|p| async {
            tokio::time::timeout(PATIENCE, of_source(config, p)).await.unwrap_or_default()
        }));
    let sinks = join_all(parts.iter().flat_map(|p| &p.sinks).map(|(name, sink)| {
        let sink = Arc::clone(sink);
        async move {
            let answer = tokio::time::timeout(PATIENCE, sink.probe()).await;
            answer.ok().and_then(Result::err).map(|error| (name, error))
        }
    }));
    let (sources, sinks) = tokio::join!(sources, sinks);
    let mut fatal = Vec::new();
    for error in sources.into_iter().flatten() {
        sort(error, &mut fatal);
    }
    for (name, error) in sinks.into_iter().flatten() {
        tracing::debug!(sink = name, %error, "the target did not answer the probe");
        sort(error, &mut fatal);
    }
    if fatal.is_empty() { Ok(()) } else { Err(fatal) }
}

/// What a source says of itself and of its tables' columns.
pub async fn of_source(config: &Config, parts: &PipelineParts) -> Vec<Error> {
    let mut found = parts.source.check().await.unwrap_or_else(|error| vec![error]);
    match parts.source.tables().await {
        Ok(tables) => {
            // Two tables that differ by case alone are rare; a pattern in another case is not.
            let findings = schema_findings(&parts.spec, &tables, true);
            found.extend(findings.into_iter().map(|finding| config.placed(&parts.spec, finding)));
        }
        Err(error) if found.is_empty() => found.push(error),
        Err(_) => {}
    }
    found
}

fn sort(error: Error, fatal: &mut Vec<Error>) {
    if ends_start(&error) {
        fatal.push(error);
    } else {
        tracing::warn!(fix = error.fix_text(), "{error}");
    }
}

/// A refused login is worth a retry while running (a role may be on its way), but not at the start.
fn ends_start(error: &Error) -> bool {
    matches!(error.code(), Code::SearchDenied | Code::RedisDenied) || error.kind() == Kind::Config
}
