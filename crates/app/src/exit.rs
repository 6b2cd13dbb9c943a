//! How the program ends: the exit codes people script against, and the one place that turns an error into one of them.
//! Printing is `out.rs`; nothing here decides what to do about an error while running, that is the engine's.

use std::io;
use std::process::ExitCode;

use syncline_engine::error::{Code, Error, Kind};

/// The exit codes of SURFACE section 3. Their numbers are binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// All is well.
    Ok = 0,
    /// Failed while running.
    Failed = 1,
    /// Bad usage, also a name in a flag that the file lacks.
    Usage = 2,
    /// `lint` or `check` found errors.
    Findings = 3,
    /// Targets differ from their source.
    Drift = 4,
    /// Some of it was done, some not.
    Partly = 5,
    /// The configuration, or what it points at, cannot work.
    Config = 78,
    /// Interrupted, after a clean stop.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub enum Failure {
    /// Numbered errors, all of them at once.
    Errors(Vec<Error>),
    /// Standard output cannot be written. A closed pipe is no failure: the reader has seen enough.
    Output(io::Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::Errors(vec![error])
    }
}

impl From<Vec<Error>> for Failure {
    fn from(errors: Vec<Error>) -> Failure {
        Failure::Errors(errors)
    }
}

impl Failure {
    /// The exit code it leads to.
    pub fn exit(&self) -> Exit {
        match self {
            Failure::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Ok,
            Failure::Output(_) => Exit::Failed,
            Failure::Errors(errors) if errors.iter().any(|e| exit_of(e) == Exit::Config) => Exit::Config,
            Failure::Errors(errors) => errors.first().map_or(Exit::Failed, exit_of),
        }
    }
}

/// The exit code of one error that ends a command.
pub fn exit_of(error: &Error) -> Exit {
    if error.code() == Code::Unknown {
        return Exit::Usage;
    }
    match error.kind() {
        Kind::Config => Exit::Config,
        Kind::Retry
        | Kind::DeadLetter
        | Kind::HaltTable
        | Kind::HaltPipeline
        | Kind::Warning
        | Kind::Command => Exit::Failed,
    }
}
