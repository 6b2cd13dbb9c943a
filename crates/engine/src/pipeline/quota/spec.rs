//! What the file says of quotas, as plain data. What they do to deliveries is `gate.rs`.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// Quotas of the tenants of one pipeline, for each of its sinks on its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantQuota {
    /// Of every tenant that is not named.
    pub plain: TenantLimit,
    /// Of those that are.
    pub tenants: BTreeMap<String, TenantLimit>,
    /// Bytes that may be held on the disk for one sink; beyond that the source is read more slowly.
    pub max_held: u64,
    /// So many tenants have series of their own in the metrics.
    pub metrics_tenants: usize,
    /// Where the file of what is held lies. It has no name there, and ends with the process.
    pub folder: PathBuf,
}

/// What one tenant may have of one sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TenantLimit {
    /// Rows handed on per second, over time.
    pub rows_per_second: u64,
    /// Rows handed on at once after a quiet time.
    pub burst: u64,
    /// Rows between here and their end in the target at once.
    pub concurrency: u64,
}

impl TenantLimit {
    /// With a second's rows as burst and on the way at once.
    pub fn per_second(rows: u64) -> TenantLimit {
        TenantLimit { rows_per_second: rows, burst: rows, concurrency: rows }
    }
}

impl TenantQuota {
    /// This limit for every tenant, and what the file need not say.
    pub fn new(plain: TenantLimit) -> TenantQuota {
        TenantQuota {
            plain,
            tenants: BTreeMap::new(),
            max_held: 4 << 30,
            metrics_tenants: 50,
            folder: std::env::temp_dir(),
        }
    }

    pub(super) fn limit(&self, tenant: &str) -> TenantLimit {
        self.tenants.get(tenant).copied().unwrap_or(self.plain)
    }
}
