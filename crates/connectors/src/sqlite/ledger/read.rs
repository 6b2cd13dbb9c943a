//! The statements that read the ledger, each in the snapshot it is given. A record that cannot be read back is an error,
//! never a default.

use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Result, Row, params};
use syncline_engine::ledger::{
    BackfillTable, Chunk, ChunkKey, CountKey, Counts, PipelineRecord, SchemaRecord, TableRecord, TableState,
};
use syncline_engine::position::StoredPosition;
use syncline_engine::source::Bound;
use syncline_engine::version::Version;

pub(super) fn uint(row: &Row<'_>, column: usize) -> Result<u64> {
    let number: i64 = row.get(column)?;
    u64::try_from(number).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, number))
}

pub(super) fn version(row: &Row<'_>, column: usize) -> Result<Version> {
    let raw = uint(row, column)?;
    Version::from_raw(raw).ok_or(rusqlite::Error::IntegralValueOutOfRange(column, -1))
}

pub(super) fn json<T: serde::de::DeserializeOwned>(text: &str, column: usize) -> Result<T> {
    serde_json::from_str(text)
        .map_err(|e| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(e)))
}

pub fn pipeline(c: &Connection, pipeline: &str) -> Result<PipelineRecord> {
    let sql = "SELECT epoch, paused FROM pipeline WHERE name = ?1";
    let found = c.prepare_cached(sql)?.query_row([pipeline], |r| Ok((r.get(0)?, r.get(1)?))).optional()?;
    let Some((epoch, paused)) = found else { return Ok(PipelineRecord::default()) };
    let mut record = PipelineRecord { epoch, paused, ..PipelineRecord::default() };
    let mut checkpoints =
        c.prepare_cached("SELECT sink, version, token, text FROM checkpoint WHERE pipeline = ?1")?;
    let mut rows = checkpoints.query([pipeline])?;
    while let Some(row) = rows.next()? {
        let at = StoredPosition { version: version(row, 1)?, token: row.get(2)?, text: row.get(3)? };
        record.checkpoints.insert(row.get(0)?, at);
    }
    counters(c, pipeline, &mut record)?;
    let mut states =
        c.prepare_cached("SELECT table_name, state, error, at FROM table_state WHERE pipeline = ?1")?;
    let mut rows = states.query([pipeline])?;
    while let Some(row) = rows.next()? {
        let state: TableState = json(&format!("\"{}\"", row.get::<_, String>(1)?), 1)?;
        let error = row.get::<_, Option<String>>(2)?.map(|text| json(&text, 2)).transpose()?;
        let at = Version::from_raw(uint(row, 3)?).unwrap_or_default();
        record.tables.insert(row.get(0)?, TableRecord { state, error, at });
    }
    let mut marks = c.prepare_cached("SELECT sink, marks FROM mark WHERE pipeline = ?1")?;
    let mut rows = marks.query([pipeline])?;
    while let Some(row) = rows.next()? {
        record.marks.insert(row.get(0)?, json(&row.get::<_, String>(1)?, 1)?);
    }
    Ok(record)
}

fn counters(c: &Connection, pipeline: &str, record: &mut PipelineRecord) -> Result<()> {
    let sql = "SELECT sink, table_name, accepted, applied, superseded, dead, coerced FROM counter WHERE pipeline = ?1";
    let mut counters = c.prepare_cached(sql)?;
    let mut rows = counters.query([pipeline])?;
    while let Some(row) = rows.next()? {
        let counts = Counts {
            accepted: uint(row, 2)?,
            applied: uint(row, 3)?,
            superseded: uint(row, 4)?,
            dead: row.get(5)?,
            coerced: uint(row, 6)?,
            ..Counts::default()
        };
        record.counts.insert(CountKey { sink: row.get(0)?, table: row.get(1)? }, counts);
    }
    let mut filtered =
        c.prepare_cached("SELECT sink, table_name, rule, number FROM filtered WHERE pipeline = ?1")?;
    let mut rows = filtered.query([pipeline])?;
    while let Some(row) = rows.next()? {
        let key = CountKey { sink: row.get(0)?, table: row.get(1)? };
        record.counts.entry(key).or_default().filtered.insert(row.get(2)?, uint(row, 3)?);
    }
    Ok(())
}

pub fn pipelines(c: &Connection) -> Result<Vec<String>> {
    c.prepare_cached("SELECT name FROM pipeline ORDER BY name")?.query_map([], |r| r.get(0))?.collect()
}

pub fn property(c: &Connection, pipeline: &str, name: &str) -> Result<Option<String>> {
    let sql = "SELECT value FROM property WHERE pipeline = ?1 AND name = ?2";
    c.prepare_cached(sql)?.query_row([pipeline, name], |r| r.get(0)).optional()
}

pub fn held(c: &Connection, pipeline: &str, transaction: &str, part: u32) -> Result<Option<Vec<u8>>> {
    let sql = "SELECT rows FROM held_rows WHERE pipeline = ?1 AND transaction_ = ?2 AND part = ?3";
    c.prepare_cached(sql)?.query_row(params![pipeline, transaction, part], |r| r.get(0)).optional()
}

pub fn schemas(c: &Connection, pipeline: &str) -> Result<Vec<SchemaRecord>> {
    let sql = "SELECT table_name, from_version, columns, detail FROM schema_history WHERE pipeline = ?1
               ORDER BY from_version, table_name";
    let record = |row: &Row<'_>| {
        let columns: Option<String> = row.get(2)?;
        Ok(SchemaRecord {
            from: version(row, 1)?,
            schema: columns.map(|text| json(&text, 2)).transpose()?,
            table: row.get(0)?,
            detail: row.get(3)?,
        })
    };
    c.prepare_cached(sql)?.query_map([pipeline], record)?.collect()
}

pub fn backfills(c: &Connection, pipeline: &str) -> Result<(i64, Vec<BackfillTable>)> {
    let sql = "SELECT coalesce(max(run), 0) FROM backfill WHERE pipeline = ?1";
    let last_run = c.prepare_cached(sql)?.query_row([pipeline], |r| r.get(0))?;
    let sql = "SELECT run, table_name, sinks, last, estimate, planned, finished, sweep FROM backfill
               WHERE pipeline = ?1 AND NOT finished ORDER BY run, table_name";
    let table = |row: &Row<'_>| {
        Ok(BackfillTable {
            run: row.get(0)?,
            table: row.get(1)?,
            sinks: json(&row.get::<_, String>(2)?, 2)?,
            last: row.get::<_, Option<String>>(3)?.map(Bound),
            estimate: uint(row, 4)?,
            planned: row.get(5)?,
            finished: row.get(6)?,
            sweep: row.get::<_, Option<i64>>(7)?.and_then(|raw| Version::from_raw(raw.cast_unsigned())),
        })
    };
    let tables: Result<Vec<_>> = c.prepare_cached(sql)?.query_map([pipeline], table)?.collect();
    Ok((last_run, tables?))
}

pub fn chunks(c: &Connection, pipeline: &str, run: i64, table: &str) -> Result<Vec<Chunk>> {
    let sql = "SELECT ordinal, after, upto, number,
                   (SELECT json_group_array(sink) FROM chunk_done AS d WHERE d.pipeline = chunk.pipeline
                        AND d.run = chunk.run AND d.table_name = chunk.table_name AND d.ordinal = chunk.ordinal)
               FROM chunk WHERE pipeline = ?1 AND run = ?2 AND table_name = ?3 ORDER BY ordinal";
    let chunk = |row: &Row<'_>| {
        Ok(Chunk {
            key: ChunkKey { run, table: table.to_owned(), ordinal: row.get(0)? },
            after: row.get::<_, Option<String>>(1)?.map(Bound),
            upto: Bound(row.get(2)?),
            rows: uint(row, 3)?,
            done: json(&row.get::<_, String>(4)?, 4)?,
        })
    };
    c.prepare_cached(sql)?.query_map(params![pipeline, run, table], chunk)?.collect()
}

/// How many dead letters wait, by table and target.
pub fn dead_letter_counts(c: &Connection, pipeline: &str) -> Result<Vec<(String, String, u64)>> {
    let sql = "SELECT table_name, target, count(*) FROM dead_letter AS l
               WHERE pipeline = ?1 AND NOT EXISTS (SELECT 1 FROM dead_letter AS newer
                   WHERE newer.pipeline = l.pipeline AND newer.sink = l.sink
                       AND newer.address_target = l.address_target AND newer.address_id = l.address_id
                       AND newer.version > l.version)
               GROUP BY table_name, target ORDER BY table_name, target";
    let count = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, uint(row, 2)?));
    c.prepare_cached(sql)?.query_map([pipeline], count)?.collect()
}
