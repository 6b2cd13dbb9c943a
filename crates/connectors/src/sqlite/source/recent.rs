//! Reads the end of the change table once more: which rows changed since a moment. What is acknowledged stays there for a
//! while, just for this.

use std::sync::Arc;

use rusqlite::Connection;
use syncline_engine::change::{Captured, TableEvent};
use syncline_engine::clock::now_millis;
use syncline_engine::error::{Code, Error, Result};
use syncline_engine::source::Recent;
use tokio::sync::mpsc;

use super::log::{Log, Stop};
use super::token::Token;
use super::{Shared, layout};

/// Changes are kept for so long after they were acknowledged.
pub const KEPT_MILLIS: i64 = 10 * 60 * 1000;

/// See [`syncline_engine::source::Source::recent`]. Blocks.
pub fn read(shared: &Arc<Shared>, epoch: u16, since: i64, pieces: &mpsc::Sender<Recent>) -> Result<()> {
    let mut c = shared.open()?;
    let failed = |e: rusqlite::Error| shared.failed(&e);
    let t = c.transaction().map_err(failed)?;
    if !layout::exists(&t).map_err(failed)? {
        return Ok(());
    }
    let last = layout::last(&t).map_err(failed)?;
    if since < now_millis() - KEPT_MILLIS && !reaches_back(&t, since).map_err(failed)? {
        let what = format!("{}: changes of then were forgotten", shared.path.display());
        return Err(Error::new(Code::VerifySince, what));
    }
    let Some(token) = before(&t, since).map_err(failed)? else { return Ok(()) };
    drop(t);
    let mut log = Log::new(token, epoch, "".into(), Arc::clone(shared));
    while log.token.id < last {
        let run = c.transaction().map_err(Stop::from).and_then(|t| log.run(&t));
        for captured in run.map_err(|stop| shared.stopped(stop))?.captured {
            let piece = match captured {
                Captured::Batch(batch) => Recent::Changes(batch.changes),
                Captured::Table(event, _) => Recent::Table(table(event)),
            };
            if pieces.blocking_send(piece).is_err() {
                return Ok(());
            }
        }
    }
    Ok(())
}

fn table(event: TableEvent) -> Arc<str> {
    match event {
        TableEvent::Appeared(schema)
        | TableEvent::Altered { schema, .. }
        | TableEvent::Truncated { schema, .. }
        | TableEvent::Unseen { schema, .. } => Arc::clone(&schema.name),
        TableEvent::Dropped { table, .. } | TableEvent::Halted { table, .. } => table,
    }
}

/// Whether everything since then is still there.
fn reaches_back(c: &Connection, since: i64) -> rusqlite::Result<bool> {
    let pruned = layout::pruned(c)?;
    let older = "SELECT 1 FROM _syncline_changes WHERE id > ?1 AND at < ?2 LIMIT 1";
    Ok(pruned == 0 || c.prepare_cached(older)?.exists([pruned, since])?)
}

/// The place before the first change of then or later; `None` if there is none.
fn before(c: &Connection, since: i64) -> rusqlite::Result<Option<Token>> {
    let sql = "SELECT min(id) FROM _syncline_changes WHERE id > ?1 AND at >= ?2";
    let first: Option<i64> = c.prepare_cached(sql)?.query_row([layout::pruned(c)?, since], |r| r.get(0))?;
    let Some(first) = first else { return Ok(None) };
    Ok(Some(Token { identity: layout::identity(c)?.into(), id: first - 1, at: 0 }))
}
