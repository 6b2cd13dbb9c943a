//! The one place where an error's kind becomes what the pipeline does about it.

use crate::error::{Error, Kind};

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Wait and try again; nothing is parked.
    Retry,
    /// This row only.
    Park,
    /// This table only.
    HaltTable,
    /// The source or sink that said so.
    Halt,
}

/// Every kind has its answer; a new kind does not compile until it has one.
pub(crate) fn verdict(error: &Error) -> Verdict {
    match error.kind() {
        Kind::Retry => Verdict::Retry,
        Kind::DeadLetter => Verdict::Park,
        Kind::HaltTable => Verdict::HaltTable,
        Kind::HaltPipeline | Kind::Config | Kind::Command => Verdict::Halt,
        Kind::Warning => Verdict::Retry,
    }
}
