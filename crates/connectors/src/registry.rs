//! The one list of connectors: which URL scheme can play which role, and who builds it. A scheme that this binary was
//! built without names the feature that brings it.

use std::sync::Arc;

use syncline_engine::error::{Code, Error, Result};
use syncline_engine::ledger::Ledger;
use syncline_engine::route::{PipelineSpec, TargetKind};
use syncline_engine::sink::Sink;
use syncline_engine::source::Source;

use crate::connection::ConnectionSpec;

/// Roles a connection can play.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// `source:`
    Source,
    /// A route's target.
    Target(TargetKind),
}

/// Whether the connection's scheme can play the role in this binary; the error says what can, or which feature is lacking.
pub fn supports(_connection: &ConnectionSpec, _role: Role) -> Result<()> {
    Ok(())
}

/// Builds a pipeline's source. Connects to nothing yet.
pub fn source(
    connection: &ConnectionSpec,
    pipeline: &PipelineSpec,
    ledger: Arc<dyn Ledger>,
) -> Result<Arc<dyn Source>> {
    let _ = (pipeline, ledger);
    supports(connection, Role::Source)?;
    Err(Error::new(Code::Internal, "no connector"))
}

/// Builds the sink of one connection for one pipeline. Connects to nothing yet. `kinds`: what its targets are.
/// `stdout` and `discard` stand on [`ConnectionSpec::built_in`].
pub fn sink(
    connection: &ConnectionSpec,
    pipeline: &PipelineSpec,
    kinds: &[TargetKind],
) -> Result<Arc<dyn Sink>> {
    let _ = pipeline;
    for kind in kinds {
        supports(connection, Role::Target(*kind))?;
    }
    match connection.scheme() {
        "stdout" => Ok(Arc::new(crate::console::StdoutSink::default())),
        "discard" => Ok(Arc::new(crate::console::DiscardSink::default())),
        #[cfg(feature = "search")]
        "elasticsearch" | "opensearch" => Ok(Arc::new(crate::search::SearchSink::new(connection, pipeline)?)),
        #[cfg(feature = "redis")]
        "redis" | "rediss" | "redis-sentinel" | "redis-cluster" => {
            Ok(Arc::new(crate::redis::sink(connection, pipeline)?))
        }
        _ => Err(no_sink(connection)),
    }
}

/// A document that a query found.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Hit {
    pub id: String,
    /// How well it fits; `None` when the query does not score.
    pub score: Option<f64>,
    /// The document as it was written.
    pub document: Box<serde_json::value::RawValue>,
}

/// Asks a search index of a pipeline for the best `limit` documents. `index` may hold wildcards where dates would stand.
pub async fn search(
    connection: &ConnectionSpec,
    pipeline: &PipelineSpec,
    index: &str,
    query: &str,
    limit: usize,
) -> Result<Vec<Hit>> {
    supports(connection, Role::Target(TargetKind::Search))?;
    match connection.scheme() {
        #[cfg(feature = "search")]
        "elasticsearch" | "opensearch" => {
            let sink = crate::search::SearchSink::new(connection, pipeline)?;
            let hits = sink.search(index, query, limit).await?.into_iter();
            Ok(hits.map(|h| Hit { id: h.id, score: h.score, document: h.document }).collect())
        }
        _ => {
            let _ = (pipeline, index, query, limit);
            Err(no_sink(connection))
        }
    }
}

/// Why nothing takes this connection as a sink.
fn no_sink(connection: &ConnectionSpec) -> Error {
    let (name, scheme) = (&connection.name, connection.scheme());
    match feature_of(scheme) {
        Some(feature) => {
            let what = format!("connection `{name}`: this binary was built without `{scheme}:`");
            Error::new(Code::ConfigFeature, what).fix(format!("build with --features {feature}"))
        }
        None => {
            Error::new(Code::ConfigConnection, format!("connection `{name}`: `{scheme}:` cannot be a target"))
        }
    }
}

/// The feature that brings a scheme this program knows.
fn feature_of(scheme: &str) -> Option<&'static str> {
    Some(match scheme {
        "redis" | "rediss" | "redis-sentinel" | "redis-cluster" => "redis",
        "file" => "archive",
        "s3" => "s3",
        "sqlite" => "sqlite",
        "elasticsearch" | "opensearch" => "search",
        "mysql" => "mysql",
        _ => return None,
    })
}

/// Opens the ledger in the data folder (created if absent), locked against a second process.
pub fn ledger(data: &std::path::Path) -> Result<Arc<dyn Ledger>> {
    #[cfg(feature = "sqlite")]
    return Ok(Arc::new(crate::sqlite::ledger::SqliteLedger::exclusive(data)?));
    #[cfg(not(feature = "sqlite"))]
    Err(no_ledger(data))
}

/// Opens the ledger without the lock, beside a running process or without one: for looking, and for short writes such as
/// `dlq discard`. `None` if the data folder has no ledger yet.
pub fn ledger_shared(data: &std::path::Path) -> Result<Option<Arc<dyn Ledger>>> {
    #[cfg(feature = "sqlite")]
    return Ok(
        crate::sqlite::ledger::SqliteLedger::shared(data)?.map(|ledger| Arc::new(ledger) as Arc<dyn Ledger>)
    );
    #[cfg(not(feature = "sqlite"))]
    Err(no_ledger(data))
}

#[cfg(not(feature = "sqlite"))]
fn no_ledger(data: &std::path::Path) -> Error {
    Error::new(Code::ConfigFeature, format!("{} needs the ledger", data.display()))
        .fix("build with --features sqlite")
}
