//! What is asked of every source and target before a pipeline starts: a wrong password, a missing grant or a table
//! without a key ends `run` at once. A peer that cannot be reached ends nothing: the pipeline tries it again for ever.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use syncline_engine::error::{Code, Error, Kind};
use syncline_engine::pipeline::PipelineParts;

/// Longer than a connect may take by default; a peer that hangs is left to the pipeline.
const PATIENCE: Duration = Duration::from_secs(20);

/// Asks all of them at once; answers every error that no retry can cure.
pub async fn preflight(parts: &[PipelineParts]) -> Result<(), Vec<Error>> {
    let sources = join_all(parts.iter().map(|p| async {
        match tokio::time::timeout(PATIENCE, p.source.check()).await {
            Ok(Ok(findings)) => findings,
            Ok(Err(error)) => vec![error],
            Err(_) => Vec::new(),
        }
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

fn sort(error: Error, fatal: &mut Vec<Error>) {
    if ends_start(&error) {
        fatal.push(error);
    } else {
        tracing::warn!(fix = error.fix_text(), "{error}");
    }
}

/// A refused login is worth a retry while running (a role may be on its way), but not at the start.
fn ends_start(error: &Error) -> bool {
    error.code() == Code::SearchDenied || error.kind() == Kind::Config
}
