//! What comparisons counted by tenant: how it lies in the ledger, and a comparison of everybody as one tenant's. Records as such
//! are `comparisons`.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, Result, params};
use syncline_engine::consistency::{ComparedTarget, ComparisonRecord, TenantCounts};

use super::read::{json, uint};
use super::write::{int, json as written, run};

/// The layout. A tenant is one row, since there may be very many: its counts are those of the record's targets by their ordinals,
/// and where it has nothing it has no counts. A target's `beyond` says how many documents were compared there that are tenants'
/// who have no row; it is null where nothing was counted by tenant.
pub const LAYOUT: &str = "
ALTER TABLE comparison ADD COLUMN per_tenant INTEGER NOT NULL DEFAULT 0;
ALTER TABLE comparison_target ADD COLUMN beyond INTEGER;
CREATE TABLE comparison_tenant (
    comparison  INTEGER NOT NULL,
    tenant      TEXT NOT NULL,
    counts      TEXT NOT NULL,
    PRIMARY KEY (comparison, tenant)
) STRICT, WITHOUT ROWID;
";

/// Whether a comparison `c` of pipeline ?1 that counted by tenant tells of ?2: it met the tenant, or it knew all that it met, and
/// the tenant was known before, so that it has nothing any more.
pub const TELLS: &str = "(c.tenant IS NULL AND c.per_tenant AND (
        EXISTS (SELECT 1 FROM comparison_tenant AS met WHERE met.comparison = c.id AND met.tenant = ?2)
        OR (c.id > (SELECT min(k.id) FROM comparison AS k WHERE k.pipeline = ?1 AND (k.tenant = ?2
                OR EXISTS (SELECT 1 FROM comparison_tenant AS met WHERE met.comparison = k.id AND met.tenant = ?2)))
            AND NOT EXISTS (SELECT 1 FROM comparison_target AS t WHERE t.comparison = c.id AND t.beyond > 0))))";

/// Adds what a record counted by tenant.
pub fn add(c: &Connection, id: i64, record: &ComparisonRecord) -> Result<()> {
    let mut tenants = BTreeMap::<&str, BTreeMap<usize, TenantCounts>>::new();
    for (ordinal, target) in record.targets.iter().enumerate() {
        for (tenant, counts) in target.by_tenant.iter().flat_map(|by_tenant| &by_tenant.tenants) {
            tenants.entry(tenant).or_default().insert(ordinal, *counts);
        }
    }
    for (tenant, counts) in tenants {
        let sql = "INSERT INTO comparison_tenant (comparison, tenant, counts) VALUES (?1, ?2, ?3)";
        run(c, sql, params![id, tenant, written(&counts)?])?;
    }
    Ok(())
}

/// How many documents of a target are tenants' who have no row; `None` if nothing was counted by tenant.
pub fn beyond(target: &ComparedTarget) -> Option<i64> {
    target.by_tenant.as_ref().map(|by_tenant| int(by_tenant.beyond.compared))
}

/// A record of everybody as one of this tenant alone.
pub fn narrow(c: &Connection, record: &mut ComparisonRecord, tenant: &str) -> Result<()> {
    let sql = "SELECT counts FROM comparison_tenant WHERE comparison = ?1 AND tenant = ?2";
    let mut statement = c.prepare_cached(sql)?;
    let text: Option<String> =
        statement.query_row(params![record.id, tenant], |row| row.get(0)).optional()?;
    let counts: BTreeMap<usize, TenantCounts> = match text {
        Some(text) => json(&text, 0)?,
        None => BTreeMap::new(),
    };
    let sql =
        "SELECT ordinal FROM comparison_target WHERE comparison = ?1 AND beyond IS NOT NULL ORDER BY ordinal";
    let mut statement = c.prepare_cached(sql)?;
    let counted = statement.query_map([record.id], |row| uint(row, 0))?;
    let counted = counted.map(|ordinal| Ok(usize::try_from(ordinal?).unwrap_or(usize::MAX)));
    let counted: Vec<usize> = counted.collect::<Result<_>>()?;
    let mut targets = Vec::new();
    for (ordinal, target) in std::mem::take(&mut record.targets).into_iter().enumerate() {
        if counted.binary_search(&ordinal).is_ok() {
            targets.push(target.of_tenant(counts.get(&ordinal).copied().unwrap_or_default()));
        }
    }
    record.targets = targets;
    record.tenant = Some(tenant.to_owned());
    Ok(())
}

/// Removes what belongs to records that ended before then.
pub fn forget(c: &Connection, pipeline: &str, before: i64) -> Result<()> {
    let sql = "DELETE FROM comparison_tenant WHERE comparison IN
                   (SELECT id FROM comparison WHERE pipeline = ?1 AND ended_at < ?2)";
    run(c, sql, params![pipeline, before]).map(drop)
}
