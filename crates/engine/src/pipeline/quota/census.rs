//! The tenants of a pipeline, over all its sinks: what `status` and the metrics tell of them. Their number is not bounded, so
//! what is kept and told of them is.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::spec::TenantQuota;
use crate::clock::now_millis;
use crate::pipeline::Shared;
use crate::pipeline::status::{TenantSeries, TenantStatus};

/// So many tenants are listed.
const LISTED: usize = 50;
/// Beyond so many tenants those that rest are forgotten.
pub(super) const KEPT: usize = 10_000;
/// The series of those that have none of their own.
const OTHER: &str = "other";

/// One tenant at all sinks.
#[derive(Debug)]
pub(crate) struct Standing {
    pub(super) name: Arc<str>,
    applied: AtomicU64,
    /// It has a series of its own.
    named: AtomicBool,
    /// What it had applied before it had that, which counts as another's.
    before: AtomicU64,
    /// What those have applied that have none.
    rest: Arc<AtomicU64>,
}

impl Standing {
    /// One more row is in its target.
    pub fn applied(&self) {
        self.applied.fetch_add(1, Ordering::Relaxed);
        if !self.named.load(Ordering::Relaxed) {
            self.before.fetch_add(1, Ordering::Relaxed);
            self.rest.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// All of them.
#[derive(Debug)]
pub(crate) struct Census {
    known: Mutex<Known>,
    rest: Arc<AtomicU64>,
    /// Series that there may be.
    series: usize,
}

#[derive(Debug, Default)]
struct Known {
    tenants: HashMap<Arc<str>, Arc<Standing>>,
    /// How many have a series. They keep it: a counter that comes and goes tells nothing.
    named: usize,
    /// Their number at which those that rest are forgotten.
    enough: usize,
}

impl Census {
    /// Those that the file names come first.
    pub fn new(quota: &TenantQuota) -> Census {
        let series = quota.metrics_tenants;
        let known = Mutex::new(Known { enough: KEPT, ..Known::default() });
        let census = Census { known, rest: Arc::default(), series };
        quota.tenants.keys().for_each(|tenant| drop(census.standing(tenant, true)));
        census
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A tenant's standing. `flooding`: something of it is held, or the file names it. Half of the series are for those.
    pub(super) fn standing(&self, tenant: &str, flooding: bool) -> Arc<Standing> {
        let mut known = self.known();
        let standing = match known.tenants.get(tenant) {
            Some(standing) => Arc::clone(standing),
            None => {
                known.forget();
                let standing = Arc::new(Standing {
                    name: tenant.into(),
                    applied: AtomicU64::new(0),
                    named: AtomicBool::new(false),
                    before: AtomicU64::new(0),
                    rest: Arc::clone(&self.rest),
                });
                known.tenants.insert(Arc::clone(&standing.name), Arc::clone(&standing));
                standing
            }
        };
        let room = if flooding { self.series } else { self.series / 2 };
        if known.named < room && !standing.named.swap(true, Ordering::Relaxed) {
            known.named += 1;
        }
        standing
    }
}

impl Known {
    fn forget(&mut self) {
        if self.tenants.len() >= self.enough {
            let in_use = |standing: &Arc<Standing>| {
                Arc::strong_count(standing) > 1 || standing.named.load(Ordering::Relaxed)
            };
            self.tenants.retain(|_, standing| in_use(standing));
            self.enough = KEPT.max(2 * self.tenants.len());
        }
    }
}

/// What one sink holds of a tenant.
pub(crate) struct HeldOf {
    pub tenant: Arc<str>,
    pub rows: u64,
    /// Milliseconds since 1970: the commit of the oldest.
    pub since: i64,
}

/// What is told: the tenants that hold back most or have had most, and the series of the metrics.
pub(crate) fn look(shared: &Shared) -> (Vec<TenantStatus>, Vec<TenantSeries>) {
    let Some(census) = &shared.tenants else { return Default::default() };
    let mut held = HashMap::<Arc<str>, (u64, i64)>::new();
    for gate in shared.ports().iter().filter_map(|port| port.gate.as_ref()) {
        for HeldOf { tenant, rows, since } in gate.held() {
            let sum = held.entry(tenant).or_insert((0, since));
            *sum = (sum.0 + rows, sum.1.min(since));
        }
    }
    census.told(&held, now_millis())
}

impl Census {
    fn told(&self, held: &HashMap<Arc<str>, (u64, i64)>, now: i64) -> (Vec<TenantStatus>, Vec<TenantSeries>) {
        let mut all = Vec::new();
        let mut series = BTreeMap::<String, TenantSeries>::new();
        for standing in self.known().tenants.values() {
            let applied = standing.applied.load(Ordering::Relaxed);
            let (rows, lag_seconds) = match held.get(&standing.name) {
                Some((rows, since)) => (*rows, (now - since).max(0) as f64 / 1000.0),
                None => (0, 0.0),
            };
            let named = standing.named.load(Ordering::Relaxed);
            let label = if named { label(&standing.name) } else { OTHER.to_owned() };
            let one = series.entry(label).or_default();
            if named {
                one.applied = applied.saturating_sub(standing.before.load(Ordering::Relaxed));
            }
            one.held += rows;
            one.lag_seconds = one.lag_seconds.max(lag_seconds);
            all.push(TenantStatus { tenant: standing.name.to_string(), applied, held: rows, lag_seconds });
        }
        let rest = self.rest.load(Ordering::Relaxed);
        if rest > 0 {
            series.entry(OTHER.to_owned()).or_default().applied = rest;
        }
        all.sort_by(|a, b| (b.held, b.applied, &a.tenant).cmp(&(a.held, a.applied, &b.tenant)));
        all.truncate(LISTED);
        let series = series.into_iter().map(|(tenant, series)| TenantSeries { tenant, ..series });
        (all, series.collect())
    }
}

/// The value of a tenant's label: its name, unless that could be taken for those that have none of their own.
fn label(tenant: &str) -> String {
    if tenant.trim_start_matches('_') == OTHER { format!("_{tenant}") } else { tenant.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::super::spec::TenantLimit;
    use super::*;

    fn census(series: usize, named: &[&str]) -> Census {
        let limit = TenantLimit::per_second(10);
        let tenants = named.iter().map(|name| ((*name).to_owned(), limit)).collect();
        Census::new(&TenantQuota { tenants, metrics_tenants: series, ..TenantQuota::new(limit) })
    }

    fn labels(series: &[TenantSeries]) -> Vec<(&str, u64)> {
        series.iter().map(|series| (&*series.tenant, series.applied)).collect()
    }

    #[test]
    fn series_are_bounded_kept_and_add_up() {
        let census = census(4, &["named"]);
        for n in 0..10 {
            census.standing(&format!("t{n}"), false).applied();
        }
        census.standing("flood", true).applied();
        census.standing("t7", true).applied();
        census.standing("t8", true).applied();
        let (listed, series) = census.told(&HashMap::new(), 0);
        // Half of four are for whoever comes first, and one of these is named in the file.
        assert_eq!(labels(&series), [("flood", 1), ("named", 0), ("other", 10), ("t0", 1), ("t7", 1)]);
        assert_eq!(listed[0].applied, 2, "the busiest is listed first");
        assert_eq!(series.iter().map(|s| s.applied).sum::<u64>(), 13);
    }

    #[test]
    fn nobody_can_be_called_like_those_without_a_series() {
        assert_eq!(["other", "_other", "another", ""].map(label), ["_other", "__other", "another", ""]);
    }

    #[test]
    fn what_is_held_is_listed_first_and_its_age_told() {
        let census = census(50, &[]);
        census.standing("busy", false).applied();
        census.standing("held", true);
        let held = HashMap::from([(Arc::from("held"), (7, 1_000))]);
        let (listed, series) = census.told(&held, 3_500);
        assert_eq!((&*listed[0].tenant, listed[0].held, listed[0].lag_seconds), ("held", 7, 2.5));
        assert_eq!((&*series[1].tenant, series[1].held), ("held", 7));
    }

    #[test]
    fn tenants_that_rest_are_forgotten_and_those_at_work_are_not() {
        let census = census(0, &[]);
        let kept = census.standing("kept", false);
        kept.applied();
        for n in 0..3 * KEPT {
            census.standing(&n.to_string(), false).applied();
        }
        assert!(census.known().tenants.len() <= KEPT + 1);
        assert!(Arc::ptr_eq(&kept, &census.standing("kept", false)));
        let (_, series) = census.told(&HashMap::new(), 0);
        assert_eq!(labels(&series), [("other", 3 * KEPT as u64 + 1)], "nothing is uncounted");
    }
}
