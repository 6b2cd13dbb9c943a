//! `SYNCLINE_PHASE_LOG=FILE`: one word per line for each phase a pipeline passes, so that a test can kill at a chosen one.
//! Nothing else reads it; without the variable nothing is written.

use std::fs::OpenOptions;
use std::io::Write;
use std::sync::Arc;

use syncline_engine::error::{Code, Error, Result};
use syncline_engine::pipeline::Phase;

/// Who is told about phases.
pub type Phases = Arc<dyn Fn(Phase) + Send + Sync>;

/// Opens the file that the variable names; each word is one unbuffered append.
pub fn from_environment() -> Result<Phases> {
    let Some(path) = std::env::var_os("SYNCLINE_PHASE_LOG") else {
        return Ok(Arc::new(|_| {}));
    };
    let file = OpenOptions::new().create(true).append(true).open(&path).map_err(|e| {
        Error::new(Code::ConfigFile, format!("SYNCLINE_PHASE_LOG {} cannot be opened", path.display()))
            .cause(e)
    })?;
    Ok(Arc::new(move |phase: Phase| {
        if let Err(error) = (&file).write_all(format!("{}\n", phase.name()).as_bytes()) {
            tracing::warn!(%error, "the phase log cannot be written");
        }
    }))
}
