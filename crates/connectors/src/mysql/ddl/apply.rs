//! What a statement makes of a table's columns.

use std::sync::Arc;

use super::alter::{Alter, Clause, Place};
use super::column::{ColumnSpec, DefaultValue};
use super::lexer::Dialect;
use super::parser::{Parsed, Unclear};
use crate::mysql::codec::{Charset, ColumnDetail, ColumnType};
use crate::mysql::schema::{TableDetail, same_column};

/// What an ALTER TABLE comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    pub detail: TableDetail,
    /// Rows have other values than their last events said.
    pub reread: bool,
    /// Rows went or came without events; which clause it was.
    pub rows: Option<&'static str>,
}

/// A new table. `charset`: of its database.
pub fn created(
    columns: &[ColumnSpec],
    primary_key: &[String],
    charset: Option<&str>,
    database_charset: &str,
    dialect: &Dialect,
) -> Parsed<TableDetail> {
    let charset = known_charset(charset.unwrap_or(database_charset))?;
    let columns = columns.iter().map(|c| column(c, &charset, dialect)).collect::<Parsed<Vec<_>>>()?;
    let mut detail = TableDetail { columns, primary_key: primary_key.to_vec(), charset };
    close_key(&mut detail)?;
    Ok(detail)
}

fn known_charset(name: &str) -> Parsed<String> {
    Charset::named(name).map(|c| c.name.to_owned()).ok_or(Unclear)
}

/// Key columns are not null; the key names them as they are spelled.
fn close_key(detail: &mut TableDetail) -> Parsed<()> {
    for n in 0..detail.primary_key.len() {
        let at = detail.position(&detail.primary_key[n]).ok_or(Unclear)?;
        detail.columns[at].nullable = false;
        detail.primary_key[n] = detail.columns[at].name.to_string();
    }
    Ok(())
}

fn column(spec: &ColumnSpec, charset: &str, dialect: &Dialect) -> Parsed<ColumnDetail> {
    Ok(ColumnDetail {
        name: Arc::from(spec.name.as_str()),
        kind: spec.kind.resolve(charset)?,
        nullable: spec.may_be_null(dialect.explicit_timestamp),
        generated: spec.generated,
        invisible: spec.invisible,
        type_text: String::new(),
    })
}

/// Whether rows that were there before have something else than null in a new column.
fn fills(spec: &ColumnSpec, detail: &ColumnDetail) -> bool {
    !detail.nullable || spec.generated || spec.auto_increment || spec.default == DefaultValue::Value
}

/// Applies the clauses as the server does: columns that stay keep their order, then what is new or moved is put in.
/// `database_charset` is what a bare `CONVERT TO CHARACTER SET DEFAULT` means.
pub fn altered(
    before: &TableDetail,
    alter: &Alter,
    database_charset: &str,
    dialect: &Dialect,
) -> Parsed<Applied> {
    let mut applied = Applied { detail: before.clone(), reread: false, rows: None };
    defaults(&mut applied, &alter.clauses, database_charset)?;
    let charset = applied.detail.charset.clone();
    let mut columns = Vec::with_capacity(before.columns.len() + alter.clauses.len());
    for old in &applied.detail.columns {
        keep(old, &alter.clauses, &charset, dialect, &mut columns, &mut applied.reread)?;
    }
    for clause in &alter.clauses {
        insert(before, clause, &charset, dialect, &mut columns, &mut applied.reread)?;
    }
    if columns.is_empty() {
        return Err(Unclear);
    }
    applied.detail.columns = columns;
    key(&mut applied.detail, before, &alter.clauses)?;
    Ok(applied)
}

/// Character sets first: columns that the same statement defines go by the new default.
fn defaults(applied: &mut Applied, clauses: &[Clause], database_charset: &str) -> Parsed<()> {
    for clause in clauses {
        match clause {
            Clause::Charset(name) => applied.detail.charset = known_charset(name)?,
            Clause::Convert(name) => {
                applied.detail.charset = known_charset(name.as_deref().unwrap_or(database_charset))?;
                let to = Charset::named(&applied.detail.charset).ok_or(Unclear)?;
                if to.is_binary() {
                    return Err(Unclear);
                }
                for column in &mut applied.detail.columns {
                    applied.reread |= convert(&mut column.kind, to);
                }
            }
            Clause::Rows(what) => applied.rows = Some(what),
            Clause::Exchange(_) => applied.rows = Some("EXCHANGE PARTITION"),
            Clause::HiddenColumns => return Err(Unclear),
            // The check that makes text JSON may be the one that goes.
            Clause::DropCheck if has_json(&applied.detail) => return Err(Unclear),
            _ => {}
        }
    }
    Ok(())
}

fn has_json(detail: &TableDetail) -> bool {
    detail.columns.iter().any(|c| matches!(c.kind, ColumnType::JsonText { .. }))
}

/// Whether the column's text may look different afterwards.
fn convert(kind: &mut ColumnType, to: Charset) -> bool {
    match kind {
        ColumnType::Text { charset, .. }
        | ColumnType::Enum { charset, .. }
        | ColumnType::Set { charset, .. }
        | ColumnType::JsonText { charset } => {
            let changes = *charset != to;
            *charset = to;
            changes
        }
        _ => false,
    }
}

/// A column that was there: dropped, changed in its place, taken out to be put in elsewhere, or left as it is.
fn keep(
    old: &ColumnDetail,
    clauses: &[Clause],
    charset: &str,
    dialect: &Dialect,
    columns: &mut Vec<ColumnDetail>,
    reread: &mut bool,
) -> Parsed<()> {
    let mut column_now = old.clone();
    for clause in clauses {
        match clause {
            Clause::Drop { name, .. } if same_column(name, &old.name) => {
                *reread = true;
                return Ok(());
            }
            Clause::Change { name, spec, place, .. } if same_column(name, &old.name) => {
                column_now = column(spec, charset, dialect)?;
                *reread |= differs(old, &column_now);
                if *place != Place::Same {
                    return Ok(());
                }
            }
            Clause::RenameColumn { name, to, .. } if same_column(name, &old.name) => {
                column_now.name = Arc::from(to.as_str());
                *reread = true;
            }
            Clause::Json(name) if same_column(name, &old.name) => {
                if let ColumnType::Text { charset, .. } = column_now.kind {
                    column_now.kind = ColumnType::JsonText { charset };
                    *reread = true;
                }
            }
            Clause::Visible { name, visible } if same_column(name, &old.name) => {
                column_now.invisible = !visible
            }
            _ => {}
        }
    }
    columns.push(column_now);
    Ok(())
}

fn differs(old: &ColumnDetail, new: &ColumnDetail) -> bool {
    old.name != new.name
        || old.kind != new.kind
        || old.generated != new.generated
        || old.nullable && !new.nullable
}

/// New columns, and those that a clause moves.
fn insert(
    before: &TableDetail,
    clause: &Clause,
    charset: &str,
    dialect: &Dialect,
    columns: &mut Vec<ColumnDetail>,
    reread: &mut bool,
) -> Parsed<()> {
    let (spec, place) = match clause {
        Clause::Add { spec, place, if_not_exists } => {
            if columns.iter().any(|c| same_column(&c.name, &spec.name)) {
                return if *if_not_exists { Ok(()) } else { Err(Unclear) };
            }
            (spec, place)
        }
        Clause::Change { name, spec, place, if_exists } => {
            if before.position(name).is_none() {
                return if *if_exists { Ok(()) } else { Err(Unclear) };
            }
            if *place == Place::Same {
                return Ok(());
            }
            (spec, place)
        }
        Clause::Drop { name, if_exists } | Clause::RenameColumn { name, if_exists, .. } => {
            return if before.position(name).is_some() || *if_exists { Ok(()) } else { Err(Unclear) };
        }
        _ => return Ok(()),
    };
    let new = column(spec, charset, dialect)?;
    if matches!(clause, Clause::Add { .. }) {
        *reread |= fills(spec, &new);
    }
    let at = match place {
        Place::Same => columns.len(),
        Place::First => 0,
        Place::After(name) => columns.iter().position(|c| same_column(&c.name, name)).ok_or(Unclear)? + 1,
    };
    columns.insert(at, new);
    Ok(())
}

/// The primary key after the clauses, its columns by their new names.
fn key(detail: &mut TableDetail, before: &TableDetail, clauses: &[Clause]) -> Parsed<()> {
    let dropped = clauses.contains(&Clause::DropPrimaryKey);
    let kept = before.primary_key.iter().filter(|_| !dropped).filter_map(|name| renamed(name, clauses));
    let mut key: Vec<String> = kept.collect();
    for clause in clauses {
        match clause {
            Clause::AddPrimaryKey(names) => key.clone_from(names),
            Clause::Add { spec, .. } | Clause::Change { spec, .. } if spec.primary => {
                key = vec![spec.name.clone()]
            }
            _ => {}
        }
    }
    detail.primary_key = key;
    close_key(detail)
}

/// A key column's name afterwards; `None` if it is dropped.
fn renamed(key: &str, clauses: &[Clause]) -> Option<String> {
    for clause in clauses {
        match clause {
            Clause::Drop { name, .. } if same_column(name, key) => return None,
            Clause::Change { name, spec, .. } if same_column(name, key) => return Some(spec.name.clone()),
            Clause::RenameColumn { name, to, .. } if same_column(name, key) => return Some(to.clone()),
            _ => {}
        }
    }
    Some(key.to_owned())
}
