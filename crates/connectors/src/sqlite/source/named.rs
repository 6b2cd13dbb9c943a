//! A position that a person names: `change 17`, as `checkpoint get` shows it. Judged against the file as it is; nothing is changed.

use rusqlite::OptionalExtension as _;
use syncline_engine::error::{Code, Error, Result};
use syncline_engine::position::StoredPosition;

use super::token::Token;
use super::{Shared, layout};

/// The position behind that change.
pub fn position(shared: &Shared, text: &str, known: &StoredPosition) -> Result<StoredPosition> {
    let refused = |why: String| Err(Error::new(Code::CheckpointPosition, format!("{text:?}: {why}")));
    let id = text.strip_prefix("change ").unwrap_or(text).parse::<i64>().ok().filter(|id| *id >= 0);
    let Some(id) = id else {
        return refused("a position of a SQLite source is written `change N`".to_owned());
    };
    let of = Token::read(known)?;
    let failed = |e: rusqlite::Error| shared.failed(&e);
    let mut c = shared.open()?;
    let c = c.transaction().map_err(failed)?;
    let exists = layout::exists(&c).map_err(failed)?;
    if !exists || layout::identity(&c).map_err(failed)? != *of.identity {
        return refused("the file's history is not the one of the checkpoint".to_owned());
    }
    let (pruned, last) = (layout::pruned(&c).map_err(failed)?, layout::last(&c).map_err(failed)?);
    if id < pruned {
        return refused(format!("changes up to {pruned} are gone"));
    }
    if id > last {
        return refused(format!("the last change is {last}"));
    }
    let sql = "SELECT op FROM _syncline_changes WHERE id = ?1";
    let op: Option<String> = c.query_row(sql, [id], |row| row.get(0)).optional().map_err(failed)?;
    if op.as_deref() == Some("B") {
        return refused(format!("it lies inside of a change: write `change {}`", id + 1));
    }
    let at = layout::recorded_at(&c, id).map_err(failed)?.unwrap_or(0);
    let token = Token { identity: of.identity, id, at };
    Ok(StoredPosition::from(&token.position(known.version.epoch())))
}
