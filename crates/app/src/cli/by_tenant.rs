//! What a comparison counted by tenant, as a person reads it: those with anything to tell, the worst first, and how many have
//! nothing.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use syncline_api as api;

use super::status::columns;

/// Tenants that are shown; `--json` has all.
const SHOWN: usize = 20;

/// A table, if tenants were counted.
pub fn text(report: &api::ComparisonReport) -> String {
    let mut sums = BTreeMap::<&str, api::ComparedTenant>::new();
    let mut beyond = 0;
    for table in &report.tables {
        beyond += table.other_tenants.as_ref().map_or(0, |others| others.compared);
        for tenant in table.tenants.iter().flatten() {
            add(sums.entry(&tenant.tenant).or_default(), tenant);
        }
    }
    if report.tables.iter().all(|table| table.tenants.is_none()) {
        return String::new();
    }
    let all = sums.len();
    let mut told: Vec<_> = sums.into_iter().filter(|(_, sum)| drift(sum) + sum.unsettled > 0).collect();
    let clean = all - told.len();
    told.sort_by_key(|(name, sum)| (Reverse(drift(sum)), Reverse(sum.unsettled), *name));
    let mut text = format!("\ntenants: {} differ, {clean} are clean", told.len());
    if beyond > 0 {
        text.push_str(&format!("; {beyond} documents are of tenants beyond these"));
    }
    text.push('\n');
    if told.is_empty() {
        return text;
    }
    let head = ["TENANT", "COMPARED", "MISSING", "DIFFERENT", "EXTRA", "UNSETTLED", "REPAIRED"];
    let mut rows = vec![head.map(str::to_owned)];
    for (name, sum) in told.iter().take(SHOWN) {
        let counts = [sum.compared, sum.missing, sum.different, sum.extra, sum.unsettled, sum.repaired];
        let [compared, missing, different, extra, unsettled, repaired] = counts.map(|n| n.to_string());
        rows.push([(*name).to_owned(), compared, missing, different, extra, unsettled, repaired]);
    }
    text.push_str(&columns(&rows));
    if told.len() > SHOWN {
        text.push_str(&format!("and {} more (--json)\n", told.len() - SHOWN));
    }
    text
}

fn drift(tenant: &api::ComparedTenant) -> u64 {
    tenant.missing + tenant.different + tenant.extra
}

fn add(sum: &mut api::ComparedTenant, more: &api::ComparedTenant) {
    sum.compared += more.compared;
    sum.missing += more.missing;
    sum.different += more.different;
    sum.extra += more.extra;
    sum.unsettled += more.unsettled;
    sum.repaired += more.repaired;
}
