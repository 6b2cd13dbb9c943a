//! The series of tenants. Which tenants have one is the engine's to say, so that their number is bounded.

use std::fmt;

use super::{Out, Snapshot};

impl Snapshot {
    /// As many series as the file allows; the engine says which.
    pub(super) fn encode_tenants(&self, out: &mut Out<'_>) -> fmt::Result {
        let all = || {
            self.pipelines.iter().flat_map(|p| {
                p.tenant_series.iter().map(move |s| (vec![("pipeline", &*p.name), ("tenant", &*s.tenant)], s))
            })
        };
        let applied = all().map(|(labels, s)| (labels, s.applied));
        out.counter("tenant_applied", "Rows of a tenant that are durable in a target", applied)?;
        let held = all().map(|(labels, s)| (labels, s.held as f64));
        out.gauge("tenant_held", "Rows of a tenant that wait for its quota", held)?;
        let lag = all().map(|(labels, s)| (labels, s.lag_seconds));
        out.gauge("tenant_lag_seconds", "Age of a tenant's oldest row that waits for its quota", lag)
    }
}
