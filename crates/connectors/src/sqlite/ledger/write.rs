//! The statements that change the ledger. Each function is one caller's work inside the writer's transaction; nothing
//! here begins, commits or waits.

use rusqlite::{Connection, Result, ToSql, params};
use syncline_engine::ledger::{
    BackfillTable, Chunk, Commit, CountKey, Counts, SchemaRecord, TableRecord, TableState,
};
use syncline_engine::mark::Marks;
use syncline_engine::position::StoredPosition;
use syncline_engine::version::Version;

use super::letters;

/// Counters and versions are below 2⁶³; SQLite's integers end there.
pub(super) fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn version(version: Version) -> i64 {
    int(version.get())
}

pub(super) fn json<T: serde::Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|e| rusqlite::Error::ToSqlConversionFailure(Box::new(e)))
}

pub(super) fn run(c: &Connection, sql: &str, values: &[&dyn ToSql]) -> Result<usize> {
    c.prepare_cached(sql)?.execute(values)
}

pub(super) fn seen(c: &Connection, pipeline: &str) -> Result<()> {
    run(c, "INSERT INTO pipeline (name) VALUES (?1) ON CONFLICT DO NOTHING", params![pipeline]).map(drop)
}

/// See [`syncline_engine::ledger::Ledger::commit`].
pub fn commit(c: &Connection, pipeline: &str, commit: &Commit) -> Result<Vec<(CountKey, Counts)>> {
    seen(c, pipeline)?;
    for (sink, position) in &commit.checkpoints {
        checkpoint(c, pipeline, sink, position)?;
    }
    for (key, counts) in &commit.counts {
        add_counts(c, pipeline, key, counts)?;
    }
    for (sink, chunk) in &commit.chunks {
        let sql =
            "INSERT INTO chunk_done (pipeline, run, table_name, ordinal, sink) VALUES (?1, ?2, ?3, ?4, ?5)
                   ON CONFLICT DO NOTHING";
        run(c, sql, params![pipeline, chunk.run, chunk.table, chunk.ordinal, sink])?;
    }
    for (sink, marks) in &commit.marks {
        set_marks(c, pipeline, sink, marks)?;
    }
    let moved = letters::commit(c, pipeline, commit)?;
    for (key, counts) in &moved {
        add_counts(c, pipeline, key, counts)?;
    }
    Ok(moved)
}

pub fn set_marks(c: &Connection, pipeline: &str, sink: &str, marks: &Marks) -> Result<()> {
    seen(c, pipeline)?;
    let sql = "INSERT INTO mark (pipeline, sink, marks) VALUES (?1, ?2, ?3)
               ON CONFLICT DO UPDATE SET marks = excluded.marks";
    run(c, sql, params![pipeline, sink, json(marks)?]).map(drop)
}

pub fn forget_sink(c: &Connection, pipeline: &str, sink: &str) -> Result<()> {
    for sql in [
        "DELETE FROM checkpoint WHERE pipeline = ?1 AND sink = ?2",
        "DELETE FROM mark WHERE pipeline = ?1 AND sink = ?2",
    ] {
        run(c, sql, params![pipeline, sink])?;
    }
    Ok(())
}

fn checkpoint(c: &Connection, pipeline: &str, sink: &str, at: &StoredPosition) -> Result<()> {
    let sql = "INSERT INTO checkpoint (pipeline, sink, version, token, text) VALUES (?1, ?2, ?3, ?4, ?5)
               ON CONFLICT DO UPDATE SET version = excluded.version, token = excluded.token, text = excluded.text";
    run(c, sql, params![pipeline, sink, version(at.version), at.token, at.text]).map(drop)
}

fn add_counts(c: &Connection, pipeline: &str, key: &CountKey, counts: &Counts) -> Result<()> {
    let sql = "INSERT INTO counter (pipeline, sink, table_name, accepted, applied, superseded, dead, coerced)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
               ON CONFLICT DO UPDATE SET accepted = accepted + excluded.accepted,
                   applied = applied + excluded.applied, superseded = superseded + excluded.superseded,
                   dead = dead + excluded.dead, coerced = coerced + excluded.coerced";
    let (accepted, applied, superseded) = (int(counts.accepted), int(counts.applied), int(counts.superseded));
    let values = params![
        pipeline,
        key.sink,
        key.table,
        accepted,
        applied,
        superseded,
        counts.dead,
        int(counts.coerced)
    ];
    run(c, sql, values)?;
    for (rule, number) in &counts.filtered {
        let sql =
            "INSERT INTO filtered (pipeline, sink, table_name, rule, number) VALUES (?1, ?2, ?3, ?4, ?5)
                   ON CONFLICT DO UPDATE SET number = number + excluded.number";
        run(c, sql, params![pipeline, key.sink, key.table, rule, int(*number)])?;
    }
    Ok(())
}

pub fn set_epoch(c: &Connection, pipeline: &str, epoch: u16) -> Result<()> {
    seen(c, pipeline)?;
    run(c, "UPDATE pipeline SET epoch = ?2 WHERE name = ?1", params![pipeline, epoch]).map(drop)
}

/// See [`syncline_engine::ledger::Ledger::begin_epoch`].
pub fn begin_epoch(c: &Connection, pipeline: &str, epoch: u16, plans: &[BackfillTable]) -> Result<()> {
    set_epoch(c, pipeline, epoch)?;
    for sql in [
        "DELETE FROM checkpoint WHERE pipeline = ?1",
        "DELETE FROM table_state WHERE pipeline = ?1 AND state = 'halted'",
        // But for sweeps: that of a table which is gone is in no plan.
        "UPDATE backfill SET finished = 1 WHERE pipeline = ?1 AND sweep IS NULL",
        "DELETE FROM chunk WHERE pipeline = ?1",
        "DELETE FROM chunk_done WHERE pipeline = ?1",
    ] {
        run(c, sql, params![pipeline])?;
    }
    for plan in plans {
        let sql = "UPDATE backfill SET finished = 1 WHERE pipeline = ?1 AND table_name = ?2";
        run(c, sql, params![pipeline, plan.table])?;
        set_backfill(c, pipeline, plan)?;
    }
    Ok(())
}

pub fn hold(c: &Connection, pipeline: &str, transaction: &str, part: u32, rows: &[u8]) -> Result<()> {
    let sql = "INSERT OR REPLACE INTO held_rows (pipeline, transaction_, part, rows) VALUES (?1, ?2, ?3, ?4)";
    run(c, sql, params![pipeline, transaction, part, rows]).map(drop)
}

pub fn forget_held(c: &Connection, pipeline: &str, transaction: &str) -> Result<()> {
    let sql = "DELETE FROM held_rows WHERE pipeline = ?1 AND transaction_ = ?2";
    run(c, sql, params![pipeline, transaction]).map(drop)
}

pub fn set_paused(c: &Connection, pipeline: &str, paused: bool) -> Result<()> {
    seen(c, pipeline)?;
    run(c, "UPDATE pipeline SET paused = ?2 WHERE name = ?1", params![pipeline, paused]).map(drop)
}

pub fn set_table(c: &Connection, pipeline: &str, table: &str, record: &TableRecord) -> Result<()> {
    seen(c, pipeline)?;
    let state = match record.state {
        TableState::Ok => {
            let sql = "DELETE FROM table_state WHERE pipeline = ?1 AND table_name = ?2";
            return run(c, sql, params![pipeline, table]).map(drop);
        }
        TableState::Halted => "halted",
        TableState::Dropped => "dropped",
        TableState::Stale => "stale",
    };
    let error = record.error.as_ref().map(json).transpose()?;
    let sql = "INSERT INTO table_state (pipeline, table_name, state, error, at) VALUES (?1, ?2, ?3, ?4, ?5)
               ON CONFLICT DO UPDATE SET state = excluded.state, error = excluded.error, at = excluded.at";
    run(c, sql, params![pipeline, table, state, error, version(record.at)]).map(drop)
}

pub fn set_property(c: &Connection, pipeline: &str, name: &str, value: &str) -> Result<()> {
    seen(c, pipeline)?;
    let sql = "INSERT INTO property (pipeline, name, value) VALUES (?1, ?2, ?3)
               ON CONFLICT DO UPDATE SET value = excluded.value";
    run(c, sql, params![pipeline, name, value]).map(drop)
}

pub fn add_schema(c: &Connection, pipeline: &str, record: &SchemaRecord) -> Result<()> {
    seen(c, pipeline)?;
    let columns = record.schema.as_ref().map(json).transpose()?;
    let sql = "INSERT INTO schema_history (pipeline, table_name, from_version, columns, detail)
               VALUES (?1, ?2, ?3, ?4, ?5)
               ON CONFLICT DO UPDATE SET columns = excluded.columns, detail = excluded.detail";
    run(c, sql, params![pipeline, record.table, version(record.from), columns, record.detail]).map(drop)
}

pub fn prune_schemas(c: &Connection, pipeline: &str, below: Version) -> Result<()> {
    let sql = "DELETE FROM schema_history AS old WHERE pipeline = ?1 AND from_version < (
                   SELECT max(from_version) FROM schema_history AS kept
                   WHERE kept.pipeline = ?1 AND kept.table_name = old.table_name AND kept.from_version <= ?2)";
    run(c, sql, params![pipeline, version(below)]).map(drop)
}

pub fn set_backfill(c: &Connection, pipeline: &str, table: &BackfillTable) -> Result<()> {
    seen(c, pipeline)?;
    let sql = "INSERT INTO backfill (pipeline, run, table_name, sinks, last, estimate, planned, finished, sweep)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
               ON CONFLICT DO UPDATE SET sinks = excluded.sinks, last = excluded.last, estimate = excluded.estimate,
                   planned = excluded.planned, finished = excluded.finished, sweep = excluded.sweep";
    let (sinks, last) = (json(&table.sinks)?, table.last.as_ref().map(|bound| &bound.0));
    let values = params![
        pipeline,
        table.run,
        table.table,
        sinks,
        last,
        int(table.estimate),
        table.planned,
        table.finished,
        table.sweep.map(version)
    ];
    run(c, sql, values)?;
    if table.finished {
        // Nobody asks for the chunks of a finished table again; large tables have many.
        for chunks in ["chunk", "chunk_done"] {
            let sql = format!("DELETE FROM {chunks} WHERE pipeline = ?1 AND run = ?2 AND table_name = ?3");
            run(c, &sql, params![pipeline, table.run, table.table])?;
        }
    }
    Ok(())
}

pub fn set_chunk(c: &Connection, pipeline: &str, chunk: &Chunk) -> Result<()> {
    seen(c, pipeline)?;
    let sql = "INSERT INTO chunk (pipeline, run, table_name, ordinal, after, upto, number)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
               ON CONFLICT DO UPDATE SET after = excluded.after, upto = excluded.upto, number = excluded.number";
    let (key, after) = (&chunk.key, chunk.after.as_ref().map(|bound| &bound.0));
    let values = params![pipeline, key.run, key.table, key.ordinal, after, chunk.upto.0, int(chunk.rows)];
    run(c, sql, values).map(drop)
}
