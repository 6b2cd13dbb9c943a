//! Verify: compares what targets hold with what the source's rows should have become, while writes go on (DESIGN 4.4).
//! It changes nothing. The source is walked once for all targets of a table, each target once; what does not match is judged
//! by reading both sides again. Read `run`, `gather`, `join`, `judge`; putting right is `repair`.

mod buckets;
mod compare;
mod document;
mod documents;
mod expected;
mod gather;
mod glance;
mod imagined;
mod interrupted;
mod join;
mod journal;
mod judge;
mod judged;
mod keep;
mod keys;
mod portion;
mod ranges;
mod read_again;
mod repair;
mod report;
mod rewrite;
mod run;
mod settled;
mod some;
mod span;
mod strays;
mod tally;
mod tenants;

pub(crate) use journal::Journals;
pub use report::{
    Drift, DriftKind, MOST_READERS, MOST_REPAIRS, Only, Part, READERS, RepairRequest, TargetReport, Verified,
    VerifyProgress, VerifyReport, VerifyRequest,
};
pub(crate) use rewrite::rewrite;
pub(crate) use run::run;
