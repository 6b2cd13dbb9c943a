//! What is remembered of comparisons, and the report made of it. How targets are compared is `verify/`; what came of it is here,
//! and nothing here changes the ledger.

mod record;
mod report;
#[cfg(test)]
mod report_tests;
mod series;

pub use record::{ComparedTarget, ComparisonFilter, ComparisonRecord, FULL, Sample};
pub use report::{Known, LastPass, PipelineReport, TargetReport};
pub use series::{MOST_POINTS, Point};
