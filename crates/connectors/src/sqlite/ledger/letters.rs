//! Dead letters: parking them, and what they do to the counters when a commit counts or removes them. The row decides
//! (`counted` or not), so that each letter moves a counter exactly once, whatever was killed in between.

use std::collections::BTreeMap;

use rusqlite::types::ToSqlOutput;
use rusqlite::{Connection, OptionalExtension, Result, Row, params};
use syncline_engine::ledger::{
    Commit, CountKey, Counts, DeadLetter, LetterState, Parked, RefusedAgain, StateChange, cause,
};

use super::audit;
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

/// What a letter takes over from the one that lay at its address before.
struct Before {
    id: i64,
    version: i64,
    attempts: u32,
    first_at: i64,
    /// The note, if it is left to a person.
    manual: Option<String>,
    /// Its attempts when a person gave it back.
    released: u32,
}

/// Parks one letter. Of two at one address only the one with the higher version is shown; the other goes when a commit
/// counts the newer one, because until then a kill takes the newer one back.
pub fn park(c: &Connection, letter: &DeadLetter) -> Result<Parked> {
    seen(c, &letter.pipeline)?;
    let Some(before) = before(c, letter)? else {
        return insert_letter(c, letter, None).map(Parked::New);
    };
    if before.version > version(letter.version) {
        return Ok(Parked::Older(before.id));
    }
    if before.version == version(letter.version) {
        let sql = "UPDATE dead_letter SET attempts = ?2, last_at = ?3, error = ?4, message = ?5, cause = ?6
                   WHERE id = ?1";
        let attempts = before.attempts.saturating_add(letter.attempts);
        let cause = cause(&letter.message);
        run(c, sql, params![before.id, attempts, letter.last_at, letter.error, letter.message, cause])?;
        return Ok(Parked::Again(before.id));
    }
    // Its id is its own, so that whoever is still busy with the older change cannot settle this one.
    insert_letter(c, letter, Some(before)).map(Parked::ReplacedOlder)
}

fn before(c: &Connection, letter: &DeadLetter) -> Result<Option<Before>> {
    let sql = "SELECT id, version, attempts, first_at, manual, released FROM dead_letter
               WHERE pipeline = ?1 AND sink = ?2 AND address_target = ?3 AND address_id = ?4
               ORDER BY version DESC LIMIT 1";
    let values = params![letter.pipeline, letter.sink, letter.address_target, letter.address_id];
    let read = |r: &Row<'_>| {
        let (id, version, attempts, first_at) = (r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?);
        Ok(Before { id, version, attempts, first_at, manual: r.get(4)?, released: r.get(5)? })
    };
    c.prepare_cached(sql)?.query_row(values, read).optional()
}

fn insert_letter(c: &Connection, l: &DeadLetter, before: Option<Before>) -> Result<i64> {
    let sql =
        "INSERT INTO dead_letter (pipeline, sink, table_name, target, address_target, address_id, key, error,
                   message, attempts, first_at, last_at, version, change, original, tenant, cause, manual, released)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19)";
    let (version, original) = (version(l.version), ToSqlOutput::from(l.original.as_slice()));
    let (attempts, first_at) = before.as_ref().map_or((l.attempts, l.first_at), |b| {
        (b.attempts.saturating_add(l.attempts), b.first_at.min(l.first_at))
    });
    let (released, kept) = before.map_or((0, None), |b| (b.released, b.manual));
    let own = match &l.state {
        LetterState::Waiting => None,
        LetterState::Manual(note) => Some(note.clone()),
    };
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
        original,
        l.tenant,
        cause(&l.message),
        own.or(kept),
        released
    ];
    run(c, sql, values)?;
    Ok(c.last_insert_rowid())
}

/// See [`syncline_engine::ledger::Ledger::refused_again`].
pub fn refused_again(c: &Connection, refused: &RefusedAgain) -> Result<()> {
    let sql =
        "UPDATE dead_letter SET attempts = attempts + 1, last_at = ?3, error = ?4, message = ?5, cause = ?6
               WHERE id = ?1 AND pipeline = ?2";
    let RefusedAgain { pipeline, id, at, error, message } = refused;
    run(c, sql, params![id, pipeline, at, error, message, cause(message)]).map(drop)
}

/// See [`syncline_engine::ledger::Ledger::set_letter_state`].
pub fn set_state(c: &Connection, change: &StateChange) -> Result<Vec<i64>> {
    let (sql, note) = match &change.state {
        LetterState::Manual(note) => (
            "UPDATE dead_letter SET manual = ?3
             WHERE id = ?1 AND pipeline = ?2 AND manual IS NOT ?3 AND (manual IS NULL OR NOT ?4)",
            Some(note),
        ),
        LetterState::Waiting => (
            "UPDATE dead_letter SET manual = ?3, released = attempts
             WHERE id = ?1 AND pipeline = ?2 AND manual IS NOT NULL AND NOT ?4",
            None,
        ),
    };
    let mut changed = Vec::new();
    for id in &change.ids {
        if run(c, sql, params![id, change.pipeline, note, change.only_waiting])? == 1 {
            changed.push(*id);
        }
    }
    if !changed.is_empty() {
        audit::add(c, &change.audit)?;
    }
    Ok(changed)
}

pub fn forget_uncounted_letters(c: &Connection, pipeline: &str) -> Result<()> {
    run(c, "DELETE FROM dead_letter WHERE pipeline = ?1 AND NOT counted", params![pipeline]).map(drop)
}

/// The layout from which on letters know their tenant, their cause and who takes care of them.
pub fn migrate(c: &Connection) -> Result<()> {
    c.execute_batch(
        "ALTER TABLE dead_letter ADD COLUMN tenant TEXT;
         ALTER TABLE dead_letter ADD COLUMN cause TEXT NOT NULL DEFAULT '';
         ALTER TABLE dead_letter ADD COLUMN manual TEXT;
         ALTER TABLE dead_letter ADD COLUMN released INTEGER NOT NULL DEFAULT 0;
         CREATE INDEX dead_letter_by_age ON dead_letter (first_at, id);
         CREATE INDEX dead_letter_by_code ON dead_letter (pipeline, table_name, target, error, counted);",
    )?;
    let sql = "SELECT id, message FROM dead_letter WHERE id > ?1 ORDER BY id LIMIT 1000";
    let mut after = 0;
    loop {
        let read = |r: &Row<'_>| Ok((r.get(0)?, r.get(1)?));
        let page: Vec<(i64, String)> =
            c.prepare_cached(sql)?.query_map([after], read)?.collect::<Result<_>>()?;
        let Some((last, _)) = page.last() else { return Ok(()) };
        after = *last;
        for (id, message) in &page {
            run(c, "UPDATE dead_letter SET cause = ?2 WHERE id = ?1", params![id, cause(message)])?;
        }
    }
}
