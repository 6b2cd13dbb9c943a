//! `SYNCLINE_PHASE_LOG=FILE`: a line for each phase a pipeline enters (`bulk`) or leaves (`-bulk`), so that a test can kill
//! in a chosen one and say afterwards what it hit. Nothing else reads it; without the variable nothing is written.

use std::fs::OpenOptions;
use std::io::Write;

use syncline_engine::error::{Code, Error, Result};
use syncline_engine::pipeline::{Edge, Phase, Phases};

/// Opens the file that the variable names; each line is one unbuffered append.
pub fn from_environment() -> Result<Phases> {
    let Some(path) = std::env::var_os("SYNCLINE_PHASE_LOG") else {
        return Ok(Phases::default());
    };
    let file = OpenOptions::new().create(true).append(true).open(&path).map_err(|e| {
        Error::new(Code::ConfigFile, format!("SYNCLINE_PHASE_LOG {} cannot be opened", path.display()))
            .cause(e)
    })?;
    Ok(Phases::new(move |phase: Phase, edge| {
        let sign = if edge == Edge::Leave { "-" } else { "" };
        if let Err(error) = (&file).write_all(format!("{sign}{}\n", phase.name()).as_bytes()) {
            tracing::warn!(%error, "the phase log cannot be written");
        }
    }))
}
