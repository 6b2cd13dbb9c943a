//! Records of comparisons and the samples between them: how they lie in the ledger, and the statements for them. What they mean
//! is the engine's.

use rusqlite::{Connection, Result, Row, params};
use syncline_engine::consistency::{ComparedTarget, ComparisonFilter, ComparisonRecord, FULL, Sample};

use super::read::{json, uint};
use super::tenant_counts::{self, TELLS};
use super::write::{int, json as written, run};

/// The layout. A record's targets are rows of their own, numbered as they were compared.
pub const LAYOUT: &str = "
CREATE TABLE comparison (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    pipeline  TEXT NOT NULL,
    began_at  INTEGER NOT NULL,
    ended_at  INTEGER NOT NULL,
    why       TEXT NOT NULL,
    mode      TEXT NOT NULL,
    tenant    TEXT,
    repair    INTEGER NOT NULL,
    limited   INTEGER NOT NULL,
    error     TEXT
) STRICT;
CREATE INDEX comparison_by_end ON comparison (pipeline, ended_at);
CREATE TABLE comparison_target (
    comparison  INTEGER NOT NULL,
    ordinal     INTEGER NOT NULL,
    table_name  TEXT NOT NULL,
    target      TEXT NOT NULL,
    compared    INTEGER NOT NULL,
    missing     INTEGER NOT NULL,
    different   INTEGER NOT NULL,
    extra       INTEGER NOT NULL,
    unsettled   INTEGER NOT NULL,
    repaired    INTEGER NOT NULL,
    PRIMARY KEY (comparison, ordinal)
) STRICT, WITHOUT ROWID;
CREATE TABLE sample (
    pipeline      TEXT NOT NULL,
    at            INTEGER NOT NULL,
    worst_lag     INTEGER NOT NULL,
    dead_letters  INTEGER NOT NULL,
    PRIMARY KEY (pipeline, at)
) STRICT, WITHOUT ROWID;
";

/// Adds a record; answers its id.
pub fn add(c: &Connection, record: &ComparisonRecord) -> Result<i64> {
    let sql =
        "INSERT INTO comparison (pipeline, began_at, ended_at, why, mode, tenant, repair, limited, error, per_tenant)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
    let ComparisonRecord { pipeline, began_at, ended_at, why, mode, tenant, repair, limited, .. } = record;
    let per_tenant = record.per_tenant;
    let error = record.error.as_ref().map(written).transpose()?;
    run(
        c,
        sql,
        params![pipeline, began_at, ended_at, why, mode, tenant, repair, limited, error, per_tenant],
    )?;
    let id = c.last_insert_rowid();
    for (ordinal, found) in (0_i64..).zip(&record.targets) {
        let sql = "INSERT INTO comparison_target (comparison, ordinal, table_name, target, compared, missing,
                       different, extra, unsettled, repaired, beyond)
                       VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
        let ComparedTarget {
            table, target, compared, missing, different, extra, unsettled, repaired, ..
        } = found;
        let [compared, missing, different] = [*compared, *missing, *different].map(int);
        let [extra, unsettled, repaired] = [*extra, *unsettled, *repaired].map(int);
        let beyond = tenant_counts::beyond(found);
        let values = params![
            id, ordinal, table, target, compared, missing, different, extra, unsettled, repaired, beyond
        ];
        run(c, sql, values)?;
    }
    tenant_counts::add(c, id, record)?;
    Ok(id)
}

/// The columns that [`record`] reads.
const COLUMNS: &str =
    "id, pipeline, began_at, ended_at, why, mode, tenant, repair, limited, error, per_tenant";

/// Records, oldest first. For a tenant also those that counted by tenant, as if they were its alone.
pub fn list(c: &Connection, filter: &ComparisonFilter) -> Result<Vec<ComparisonRecord>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM comparison AS c WHERE pipeline = ?1 AND ended_at >= ?3
             AND (?2 IS NULL OR tenant = ?2 OR {TELLS}) ORDER BY ended_at, id"
    );
    let values = params![filter.pipeline, filter.tenant, filter.since];
    let records = c.prepare_cached(&sql)?.query_map(values, record)?.collect::<Result<_>>()?;
    whole(c, records, filter.tenant.as_deref())
}

/// The last record that covers each table and target.
pub fn covering(c: &Connection, pipeline: &str, tenant: Option<&str>) -> Result<Vec<ComparisonRecord>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM comparison
             WHERE id IN (SELECT max(c.id) FROM comparison AS c JOIN comparison_target AS t ON t.comparison = c.id
                 WHERE c.pipeline = ?1 AND c.mode = ?3 AND (c.tenant IS ?2 OR (t.beyond IS NOT NULL AND {TELLS}))
                 GROUP BY t.table_name, t.target)
             ORDER BY ended_at, id"
    );
    let values = params![pipeline, tenant, FULL];
    let records = c.prepare_cached(&sql)?.query_map(values, record)?.collect::<Result<_>>()?;
    whole(c, records, tenant)
}

/// With their targets, or with what one tenant has of them.
fn whole(
    c: &Connection,
    mut records: Vec<ComparisonRecord>,
    tenant: Option<&str>,
) -> Result<Vec<ComparisonRecord>> {
    let sql = "SELECT table_name, target, compared, missing, different, extra, unsettled, repaired
               FROM comparison_target WHERE comparison = ?1 ORDER BY ordinal";
    let mut statement = c.prepare_cached(sql)?;
    for record in &mut records {
        record.targets = statement.query_map([record.id], target)?.collect::<Result<_>>()?;
        if let (Some(tenant), None) = (tenant, &record.tenant) {
            tenant_counts::narrow(c, record, tenant)?;
        }
    }
    Ok(records)
}

fn record(row: &Row<'_>) -> Result<ComparisonRecord> {
    Ok(ComparisonRecord {
        id: row.get(0)?,
        pipeline: row.get(1)?,
        began_at: row.get(2)?,
        ended_at: row.get(3)?,
        why: row.get(4)?,
        mode: row.get(5)?,
        tenant: row.get(6)?,
        repair: row.get(7)?,
        limited: row.get(8)?,
        error: row.get::<_, Option<String>>(9)?.map(|text| json(&text, 9)).transpose()?,
        per_tenant: row.get(10)?,
        targets: Vec::new(),
    })
}

fn target(row: &Row<'_>) -> Result<ComparedTarget> {
    Ok(ComparedTarget {
        table: row.get(0)?,
        target: row.get(1)?,
        compared: uint(row, 2)?,
        missing: uint(row, 3)?,
        different: uint(row, 4)?,
        extra: uint(row, 5)?,
        unsettled: uint(row, 6)?,
        repaired: uint(row, 7)?,
        by_tenant: None,
    })
}

/// Adds a sample, or adds to that of the same minute.
pub fn add_sample(c: &Connection, pipeline: &str, sample: &Sample) -> Result<()> {
    let sql = "INSERT INTO sample (pipeline, at, worst_lag, dead_letters) VALUES (?1, ?2, ?3, ?4)
               ON CONFLICT DO UPDATE SET worst_lag = max(worst_lag, excluded.worst_lag),
                   dead_letters = excluded.dead_letters";
    let values = params![pipeline, sample.at, int(sample.worst_lag), int(sample.dead_letters)];
    run(c, sql, values).map(drop)
}

/// Samples, oldest first.
pub fn samples(c: &Connection, pipeline: &str, since: i64) -> Result<Vec<Sample>> {
    let sql = "SELECT at, worst_lag, dead_letters FROM sample WHERE pipeline = ?1 AND at >= ?2 ORDER BY at";
    let sample =
        |row: &Row<'_>| Ok(Sample { at: row.get(0)?, worst_lag: uint(row, 1)?, dead_letters: uint(row, 2)? });
    c.prepare_cached(sql)?.query_map(params![pipeline, since], sample)?.collect()
}

/// Removes what is older; answers how many records.
pub fn forget(c: &Connection, pipeline: &str, before: i64) -> Result<u64> {
    let targets = "DELETE FROM comparison_target WHERE comparison IN
                       (SELECT id FROM comparison WHERE pipeline = ?1 AND ended_at < ?2)";
    run(c, targets, params![pipeline, before])?;
    tenant_counts::forget(c, pipeline, before)?;
    run(c, "DELETE FROM sample WHERE pipeline = ?1 AND at < ?2", params![pipeline, before])?;
    let records = "DELETE FROM comparison WHERE pipeline = ?1 AND ended_at < ?2";
    Ok(run(c, records, params![pipeline, before])? as u64)
}
