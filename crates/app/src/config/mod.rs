//! The configuration file as a validated type. Only its shape stands here yet: reading follows.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use syncline_connectors::connection::ConnectionSpec;
use syncline_engine::error::{Code, Error};
use syncline_engine::route::PipelineSpec;

/// A file that was read and found good.
pub struct Config {
    /// The data folder: ledger, control socket.
    pub data: PathBuf,
    /// The HTTP interface, if wanted.
    pub http: Option<Http>,
    /// By name.
    pub connections: BTreeMap<String, ConnectionSpec>,
    /// In file order.
    pub pipelines: Vec<PipelineSpec>,
}

/// `http:`
pub struct Http {
    /// `listen:`
    pub listen: SocketAddr,
    /// `tokens_file:`
    pub tokens_file: Option<PathBuf>,
}

/// Reads a file; all errors at once.
pub fn load(file: &Path) -> Result<Config, Vec<Error>> {
    Err(vec![Error::new(Code::ConfigLater, format!("{}: files cannot be read yet", file.display()))])
}

/// The JSON Schema of the file.
pub fn schema() -> serde_json::Value {
    serde_json::json!({})
}
