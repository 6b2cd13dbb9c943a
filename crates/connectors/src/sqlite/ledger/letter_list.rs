//! Which dead letters there are: listed in pages, counted, grouped. A letter that a newer one at its address hides is in none
//! of them.

use rusqlite::{Connection, Result, Row, ToSql, named_params};
use syncline_engine::ledger::{DeadLetter, DeadLetterFilter, LetterCode, LetterGroup, LetterState, Turn};

use super::read::{uint, version};

/// The letters of a filter. Each of its parts is left out by a null.
const SELECTED: &str = "
    FROM dead_letter AS l
    WHERE NOT EXISTS (SELECT 1 FROM dead_letter AS newer WHERE newer.pipeline = l.pipeline
            AND newer.sink = l.sink AND newer.address_target = l.address_target
            AND newer.address_id = l.address_id AND newer.version > l.version)
        AND (:pipeline IS NULL OR pipeline = :pipeline) AND (:table IS NULL OR table_name = :table)
        AND (:sink IS NULL OR sink = :sink) AND (:id IS NULL OR id = :id) AND (:error IS NULL OR error = :error)
        AND (:tenant IS NULL OR tenant = :tenant)
        AND (:after_at IS NULL OR (first_at, id) > (:after_at, :after_id))
        AND (NOT :turn OR counted AND manual IS NULL)
        AND (:spent IS NULL OR attempts - released >= :spent)
        AND (:now IS NULL OR attempts - released < :most AND :now >= last_at + CASE
            WHEN attempts <= released THEN 0
            ELSE min(:longest, :first << min(attempts - released - 1, 20)) END)";

/// Delays beyond it make no difference: a doubling must stay within 63 bits.
const LONGEST_DELAY: i64 = 1 << 42;

/// Runs a statement that ends in [`SELECTED`] and `rest`.
fn select<T>(
    c: &Connection,
    columns: &str,
    rest: &str,
    filter: &DeadLetterFilter,
    read: impl FnMut(&Row<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    let millis = |delay: std::time::Duration| i64::try_from(delay.as_millis()).unwrap_or(i64::MAX);
    let (mut spent, mut most, mut now, mut first, mut longest) = (None, 0, None, 0, 0);
    match filter.turn {
        None | Some(Turn::Any) => {}
        Some(Turn::Spent { most_attempts }) => spent = Some(most_attempts),
        Some(Turn::Due { retry, now: at }) => {
            (most, now) = (retry.most_attempts, Some(at));
            first = millis(retry.first_delay).min(LONGEST_DELAY);
            longest = millis(retry.longest_delay).min(LONGEST_DELAY);
        }
    }
    let limit = if filter.limit == 0 { -1 } else { i64::try_from(filter.limit).unwrap_or(-1) };
    let (after_at, after_id) = filter.after.unzip();
    let turn = filter.turn.is_some();
    let values: &[(&str, &dyn ToSql)] = named_params! {
        ":pipeline": filter.pipeline, ":table": filter.table, ":sink": filter.sink, ":id": filter.id,
        ":error": filter.error, ":tenant": filter.tenant, ":after_at": after_at, ":after_id": after_id,
        ":turn": turn, ":spent": spent, ":most": most, ":now": now, ":first": first, ":longest": longest,
        ":limit": limit,
    };
    let sql = format!("SELECT {columns} {SELECTED} {rest} LIMIT :limit");
    c.prepare_cached(&sql)?.query_map(values, read)?.collect()
}

pub fn dead_letters(c: &Connection, filter: &DeadLetterFilter) -> Result<Vec<DeadLetter>> {
    let columns =
        "id, pipeline, sink, table_name, target, address_target, address_id, key, tenant, error, message,
        attempts, first_at, last_at, version, change, original, manual";
    select(c, columns, "ORDER BY first_at, id", filter, letter)
}

pub fn count(c: &Connection, filter: &DeadLetterFilter) -> Result<u64> {
    let filter = DeadLetterFilter { limit: 0, ..filter.clone() };
    Ok(select(c, "count(*)", "", &filter, |row| uint(row, 0))?.into_iter().sum())
}

pub fn groups(c: &Connection, filter: &DeadLetterFilter) -> Result<Vec<LetterGroup>> {
    let columns =
        "pipeline, table_name, target, error, cause, count(*), count(manual), max(attempts), min(first_at),
        max(last_at), min(id)";
    let rest = "GROUP BY 1, 2, 3, 4, 5 ORDER BY 6 DESC, 1, 2, 3, 4, 5";
    select(c, columns, rest, filter, |row| {
        Ok(LetterGroup {
            pipeline: row.get(0)?,
            table: row.get(1)?,
            target: row.get(2)?,
            error: row.get(3)?,
            cause: row.get(4)?,
            letters: uint(row, 5)?,
            manual: uint(row, 6)?,
            attempts: row.get(7)?,
            oldest: row.get(8)?,
            newest: row.get(9)?,
            example: row.get(10)?,
        })
    })
}

/// From the index alone: it is asked for with every look at the metrics.
pub fn codes(c: &Connection, pipeline: &str, limit: usize) -> Result<Vec<LetterCode>> {
    let sql = "SELECT table_name, target, error, count(*) FROM dead_letter
               WHERE counted AND pipeline = :pipeline GROUP BY 1, 2, 3 ORDER BY 4 DESC, 1, 2, 3 LIMIT :limit";
    let limit = i64::try_from(limit).unwrap_or(-1);
    let code = |row: &Row<'_>| {
        Ok(LetterCode { table: row.get(0)?, target: row.get(1)?, error: row.get(2)?, letters: uint(row, 3)? })
    };
    let values = named_params! { ":pipeline": pipeline, ":limit": limit };
    c.prepare_cached(sql)?.query_map(values, code)?.collect()
}

fn letter(row: &Row<'_>) -> Result<DeadLetter> {
    Ok(DeadLetter {
        id: row.get(0)?,
        pipeline: row.get(1)?,
        sink: row.get(2)?,
        table: row.get(3)?,
        target: row.get(4)?,
        address_target: row.get(5)?,
        address_id: row.get(6)?,
        key: row.get(7)?,
        tenant: row.get(8)?,
        error: row.get(9)?,
        message: row.get(10)?,
        attempts: row.get(11)?,
        first_at: row.get(12)?,
        last_at: row.get(13)?,
        version: version(row, 14)?,
        change: row.get(15)?,
        original: row.get(16)?,
        state: row.get::<_, Option<String>>(17)?.map_or(LetterState::Waiting, LetterState::Manual),
    })
}
