//! THE loop: capture → route → lanes → sinks → checkpoint, for one pipeline. Vendor clients, HTTP and the command line
//! must stay out; what a row becomes is `route/`. Read `capture`, `dispatch`, `lane`, `settle`, `tracker`, `committer`.

mod anew;
mod backfill;
mod backoff;
mod capture;
mod changed;
mod committer;
mod control;
mod current;
mod dispatch;
mod events;
mod handle;
mod health;
mod kept;
mod lane;
mod memory;
mod parked;
mod phase;
mod plans;
mod port;
mod progress;
mod queue;
mod recall;
mod redrive;
mod reprocess;
mod settle;
mod shared;
mod snapshot;
mod status;
mod supervisor;
mod sweep;
mod tables;
mod ticket;
mod track;
mod tracker;
#[cfg(test)]
mod tracker_tests;
mod verdict;
mod window;

pub use anew::begin_anew;
pub(crate) use capture::{Accepted, Purpose, Request};
pub(crate) use control::{Control, Wish};
pub use handle::*;
pub use phase::{Edge, Phase, Phases};
pub(crate) use port::Port;
pub(crate) use reprocess::pass as reprocess;
pub use reprocess::{Reprocess, ReprocessReport};
pub(crate) use shared::Shared;
pub(crate) use snapshot::{lag, take as look};
pub use status::*;
pub use supervisor::spawn;
pub(crate) use sweep::Deletes;
pub(crate) use ticket::{Ticket, Unit};
pub(crate) use verdict::{Verdict, verdict};
