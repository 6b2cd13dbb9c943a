//! The one list of connectors: which URL scheme can play which role, and who builds it. A scheme that this binary was
//! built without names the feature that brings it.

use std::sync::Arc;

use syncline_engine::error::Result;
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
    Err(syncline_engine::error::Error::new(syncline_engine::error::Code::Internal, "no connector"))
}

/// Builds the sink of one connection for one pipeline. Connects to nothing yet. `kinds`: what its targets are.
pub fn sink(
    connection: &ConnectionSpec,
    pipeline: &PipelineSpec,
    kinds: &[TargetKind],
) -> Result<Arc<dyn Sink>> {
    let _ = (pipeline, kinds);
    supports(connection, Role::Source)?;
    Err(syncline_engine::error::Error::new(syncline_engine::error::Code::Internal, "no connector"))
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
fn no_ledger(data: &std::path::Path) -> syncline_engine::error::Error {
    syncline_engine::error::Error::new(
        syncline_engine::error::Code::ConfigFeature,
        format!("{} needs the ledger", data.display()),
    )
    .fix("build with --features sqlite")
}
