//! From a validated configuration to the parts of running pipelines: which connection becomes which source or sink.
//! Who builds each is the connectors' registry; what they do together is the engine's.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use syncline_connectors::connection::ConnectionSpec;
use syncline_connectors::registry;
use syncline_engine::error::{Code, Error, Result};
use syncline_engine::ledger::Ledger;
use syncline_engine::pipeline::{Phases, PipelineHandle, PipelineParts, spawn};
use syncline_engine::route::{PipelineSpec, TargetKind};
use syncline_engine::sink::Sink;
use syncline_engine::source::Source;

use crate::config::Config;
use crate::resync;

/// The parts of each pipeline; all errors at once.
pub fn parts(
    config: &Config,
    specs: &[PipelineSpec],
    ledger: &Arc<dyn Ledger>,
    phases: &Phases,
) -> std::result::Result<Vec<PipelineParts>, Vec<Error>> {
    let mut made = Vec::new();
    let mut errors = Vec::new();
    for spec in specs {
        match (source(config, spec, Arc::clone(ledger)), sinks(config, spec)) {
            (Ok(source), Ok(sinks)) => made.push(PipelineParts {
                spec: with_folder(spec, config),
                source,
                sinks,
                ledger: Arc::clone(ledger),
                phases: phases.clone(),
            }),
            (source, sinks) => errors.extend(source.err().into_iter().chain(sinks.err())),
        }
    }
    if errors.is_empty() { Ok(made) } else { Err(errors) }
}

/// What is over a tenant's quota waits in the data folder.
fn with_folder(spec: &PipelineSpec, config: &Config) -> PipelineSpec {
    let mut spec = spec.clone();
    if let Some(quota) = &mut spec.tenant_quota {
        quota.folder.clone_from(&config.data);
    }
    spec
}

/// Starts them; answers when all have begun, or why one cannot.
pub async fn start(parts: Vec<PipelineParts>) -> Result<Vec<PipelineHandle>> {
    let mut handles: Vec<PipelineHandle> = Vec::with_capacity(parts.len());
    for part in parts {
        match spawn(part).await {
            Ok(handle) => handles.push(handle),
            Err(error) => {
                stop(&handles).await;
                return Err(error);
            }
        }
    }
    Ok(handles)
}

/// Stops them and waits until everything that was taken is durable.
pub async fn stop(handles: &[PipelineHandle]) {
    for handle in handles {
        handle.stop();
    }
    for handle in handles {
        handle.ended().await;
    }
}

/// A pipeline's source.
pub fn source(config: &Config, spec: &PipelineSpec, ledger: Arc<dyn Ledger>) -> Result<Arc<dyn Source>> {
    registry::source(&connection(config, &spec.source.connection)?, spec, ledger)
}

/// A pipeline's sinks by connection name.
pub fn sinks(config: &Config, spec: &PipelineSpec) -> Result<BTreeMap<String, Arc<dyn Sink>>> {
    let mut kinds = BTreeMap::<&str, BTreeSet<TargetKind>>::new();
    for target in spec.routes.iter().flat_map(|r| &r.targets) {
        kinds.entry(&target.connection).or_default().insert(target.kind);
    }
    let make = |(name, kinds): (&str, BTreeSet<TargetKind>)| {
        let kinds: Vec<TargetKind> = kinds.into_iter().collect();
        let sink = registry::sink(&connection(config, name)?, spec, &kinds)?;
        Ok((name.to_owned(), sink))
    };
    kinds.into_iter().map(make).collect()
}

/// A connection by name; `stdout` and `discard` need no entry in the file.
pub fn connection(config: &Config, name: &str) -> Result<ConnectionSpec> {
    if let Some(spec) = config.connections.get(name) {
        return Ok(spec.clone());
    }
    // A resync's sink beside the live one is a connection of its own, so that neither waits for the other.
    if let Some((base, _)) = name.split_once(resync::SHADOW)
        && let Some(spec) = config.connections.get(base)
    {
        return Ok(ConnectionSpec { name: name.to_owned(), ..spec.clone() });
    }
    if matches!(name, "stdout" | "discard") {
        return Ok(ConnectionSpec::built_in(name));
    }
    Err(Error::new(Code::ConfigConnection, format!("there is no connection `{name}`")))
}
