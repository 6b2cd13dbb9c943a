//! Dead letters: parking them, and what they do to the counters when a commit counts or removes them. The row decides
//! (`counted` or not), so that each letter moves a counter exactly once, whatever was killed in between.

use std::collections::BTreeMap;

use rusqlite::types::ToSqlOutput;
use rusqlite::{Connection, OptionalExtension, Result, params};
use syncline_engine::ledger::{Commit, CountKey, Counts, DeadLetter, Parked};

use super::write::{run, seen, version};

type Moved = BTreeMap<CountKey, Counts>;

/// Counts what a commit parked, then removes what it settled. Answers the moves of the counters.
pub fn commit(c: &Connection, pipeline: &str, commit: &Commit) -> Result<Vec<(CountKey, Counts)>> {
    let mut moved = Moved::new();
    for (key, id) in &commit.parked {
        let sql = "UPDATE dead_letter SET counted = 1 WHERE id = ?1 AND pipeline = ?2 AND NOT counted";
        let counts = moved.entry(key.clone()).or_default();
        if run(c, sql, params![id, pipeline])? == 1 {
            counts.dead += 1;
            remove_older(c, pipeline, *id, &mut moved)?;
        } else {
            // Overtaken and removed before it was counted, or counted for an earlier delivery of the same change.
            counts.superseded += 1;
        }
    }
    for (ids, redriven) in [(&commit.settled, false), (&commit.redriven, true)] {
        for id in ids {
            remove_older(c, pipeline, *id, &mut moved)?;
            remove(c, pipeline, *id, redriven, &mut moved)?;
        }
    }
    moved.retain(|_, counts| *counts != Counts::default());
    Ok(moved.into_iter().collect())
}

/// Removes the letters at a letter's address that are older than it.
fn remove_older(c: &Connection, pipeline: &str, id: i64, moved: &mut Moved) -> Result<()> {
    let sql = "SELECT old.id FROM dead_letter AS l JOIN dead_letter AS old
                   USING (pipeline, sink, address_target, address_id)
               WHERE l.id = ?1 AND l.pipeline = ?2 AND old.version < l.version";
    let mut statement = c.prepare_cached(sql)?;
    let older: Vec<i64> = statement.query_map(params![id, pipeline], |r| r.get(0))?.collect::<Result<_>>()?;
    older.into_iter().try_for_each(|old| remove(c, pipeline, old, false, moved))
}

/// Removes one letter; if it counted as dead, its change counts as superseded (or applied) from here on.
fn remove(c: &Connection, pipeline: &str, id: i64, redriven: bool, moved: &mut Moved) -> Result<()> {
    let sql = "DELETE FROM dead_letter WHERE id = ?1 AND pipeline = ?2 RETURNING sink, table_name, counted";
    let row: Option<(String, String, bool)> = c
        .prepare_cached(sql)?
        .query_row(params![id, pipeline], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)))
        .optional()?;
    let Some((sink, table, true)) = row else { return Ok(()) };
    let counts = moved.entry(CountKey { sink, table }).or_default();
    counts.dead -= 1;
    match redriven {
        true => counts.applied += 1,
        false => counts.superseded += 1,
    }
    Ok(())
}

/// Parks one letter. Of two at one address only the one with the higher version is shown; the other goes when a commit
/// counts the newer one, because until then a kill takes the newer one back.
pub fn park(c: &Connection, letter: &DeadLetter) -> Result<Parked> {
    seen(c, &letter.pipeline)?;
    let sql = "SELECT id, version, attempts, first_at FROM dead_letter
               WHERE pipeline = ?1 AND sink = ?2 AND address_target = ?3 AND address_id = ?4
               ORDER BY version DESC LIMIT 1";
    let old: Option<(i64, i64, u32, i64)> = c
        .prepare_cached(sql)?
        .query_row(params![letter.pipeline, letter.sink, letter.address_target, letter.address_id], |r| {
            Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?))
        })
        .optional()?;
    let Some((id, parked, attempts, first_at)) = old else {
        return insert_letter(c, letter, letter.attempts, letter.first_at).map(Parked::New);
    };
    let (attempts, first_at) = (attempts.saturating_add(letter.attempts), first_at.min(letter.first_at));
    if parked > version(letter.version) {
        return Ok(Parked::Older(id));
    }
    if parked == version(letter.version) {
        let sql =
            "UPDATE dead_letter SET attempts = ?2, last_at = ?3, error = ?4, message = ?5 WHERE id = ?1";
        run(c, sql, params![id, attempts, letter.last_at, letter.error, letter.message])?;
        return Ok(Parked::Again(id));
    }
    // Its id is its own, so that whoever is still busy with the older change cannot settle this one.
    insert_letter(c, letter, attempts, first_at).map(Parked::ReplacedOlder)
}

fn insert_letter(c: &Connection, l: &DeadLetter, attempts: u32, first_at: i64) -> Result<i64> {
    let sql =
        "INSERT INTO dead_letter (pipeline, sink, table_name, target, address_target, address_id, key, error,
                   message, attempts, first_at, last_at, version, change, original)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)";
    let (version, original) = (version(l.version), ToSqlOutput::from(l.original.as_slice()));
    let values = params![
        l.pipeline,
        l.sink,
        l.table,
        l.target,
        l.address_target,
        l.address_id,
        l.key,
        l.error,
        l.message,
        attempts,
        first_at,
        l.last_at,
        version,
        l.change,
        original
    ];
    run(c, sql, values)?;
    Ok(c.last_insert_rowid())
}

pub fn forget_uncounted_letters(c: &Connection, pipeline: &str) -> Result<()> {
    run(c, "DELETE FROM dead_letter WHERE pipeline = ?1 AND NOT counted", params![pipeline]).map(drop)
}
