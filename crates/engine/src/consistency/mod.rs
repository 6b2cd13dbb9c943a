//! What is remembered of comparisons, and the report made of it. How targets are compared is `verify/`; what came of it is here,
//! and nothing here changes the ledger.

mod by_tenant;
mod record;
mod report;
#[cfg(test)]
mod report_tests;
mod series;

pub use by_tenant::{ByTenant, MOST_TENANTS, TenantCounts};
pub use record::{ComparedTarget, ComparisonFilter, ComparisonRecord, FULL, Sample};
pub use report::{Known, LastPass, PipelineReport, TargetReport};
pub use series::{MOST_POINTS, Point};
