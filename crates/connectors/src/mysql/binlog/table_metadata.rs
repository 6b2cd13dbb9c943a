//! The optional metadata of table map events (`binlog_row_metadata`): signedness always since MySQL 8.0, names,
//! character sets, labels and keys when it is FULL. Unknown fields are passed over.

use std::sync::Arc;

use syncline_engine::error::Result;

use super::column_type::{ENUM, GEOMETRY, SET, VECTOR, is_character, is_numeric};
use super::cursor::Cursor;
use super::table_map::MapColumn;

/// Fields.
mod field {
    pub const SIGNEDNESS: u8 = 1;
    pub const DEFAULT_CHARSET: u8 = 2;
    pub const COLUMN_CHARSET: u8 = 3;
    pub const COLUMN_NAME: u8 = 4;
    pub const SET_LABELS: u8 = 5;
    pub const ENUM_LABELS: u8 = 6;
    pub const GEOMETRY_TYPE: u8 = 7;
    pub const PRIMARY_KEY: u8 = 8;
    pub const PRIMARY_KEY_PREFIX: u8 = 9;
    pub const LABEL_DEFAULT_CHARSET: u8 = 10;
    pub const LABEL_COLUMN_CHARSET: u8 = 11;
    pub const VISIBILITY: u8 = 12;
    pub const VECTOR_DIMENSIONS: u8 = 13;
}

/// What concerns the table, not one column.
#[derive(Default)]
pub struct TableMetadata {
    pub has_signedness: bool,
    pub has_names: bool,
    pub primary_key: Vec<(usize, u32)>,
}

/// Reads all fields into the columns they speak of.
pub fn read(bytes: &[u8], columns: &mut [MapColumn], mariadb: bool) -> Result<TableMetadata> {
    let mut table = TableMetadata::default();
    let mut c = Cursor::new(bytes, "table map event");
    while c.left() > 0 {
        let field = c.u8()?;
        let value = Cursor::new(c.lenenc_bytes()?, "table map event");
        match field {
            field::SIGNEDNESS => {
                table.has_signedness = true;
                bits(value, columns, |k| is_numeric(k.kind), |k, bit| k.unsigned = Some(bit))?;
            }
            field::VISIBILITY => bits(value, columns, |_| true, |k, bit| k.visible = Some(bit))?,
            field::COLUMN_NAME => {
                table.has_names = true;
                names(value, columns)?;
            }
            field::PRIMARY_KEY => table.primary_key = primary_key(value, columns.len(), false)?,
            field::PRIMARY_KEY_PREFIX => table.primary_key = primary_key(value, columns.len(), true)?,
            _ => column_field(field, value, columns, mariadb)?,
        }
    }
    Ok(table)
}

fn column_field(field: u8, value: Cursor<'_>, columns: &mut [MapColumn], mariadb: bool) -> Result<()> {
    let character = |k: &MapColumn| is_character(k.kind, mariadb);
    let labelled = |k: &MapColumn| matches!(k.kind, ENUM | SET);
    match field {
        field::DEFAULT_CHARSET => default_charset(value, columns, character),
        field::LABEL_DEFAULT_CHARSET => default_charset(value, columns, labelled),
        field::COLUMN_CHARSET => numbers(value, columns, character, |k, n| k.collation = Some(n)),
        field::LABEL_COLUMN_CHARSET => numbers(value, columns, labelled, |k, n| k.collation = Some(n)),
        field::GEOMETRY_TYPE => numbers(value, columns, |k| k.kind == GEOMETRY, |k, n| k.geometry = Some(n)),
        field::VECTOR_DIMENSIONS => {
            numbers(value, columns, |k| k.kind == VECTOR, |k, n| k.vector_dimensions = Some(n))
        }
        field::SET_LABELS => labels(value, columns, SET),
        field::ENUM_LABELS => labels(value, columns, ENUM),
        _ => Ok(()),
    }
}

/// One bit for each column of a kind, highest bit first.
fn bits(
    mut value: Cursor<'_>,
    columns: &mut [MapColumn],
    counts: impl Fn(&MapColumn) -> bool,
    set: impl Fn(&mut MapColumn, bool),
) -> Result<()> {
    let mut byte = 0;
    for (n, column) in columns.iter_mut().filter(|k| counts(k)).enumerate() {
        if n.is_multiple_of(8) {
            byte = value.u8()?;
        }
        set(column, byte & 0x80 >> (n % 8) != 0);
    }
    Ok(())
}

/// One number for each column of a kind.
fn numbers(
    mut value: Cursor<'_>,
    columns: &mut [MapColumn],
    counts: impl Fn(&MapColumn) -> bool,
    set: impl Fn(&mut MapColumn, u32),
) -> Result<()> {
    for column in columns.iter_mut().filter(|k| counts(k)) {
        if value.left() == 0 {
            break;
        }
        let n = value.lenenc()?;
        set(column, u32::try_from(n).map_err(|_| value.bad())?);
    }
    Ok(())
}

/// The collation of most columns of a kind, then (number among its kind, collation) of the others.
fn default_charset(
    mut value: Cursor<'_>,
    columns: &mut [MapColumn],
    counts: impl Fn(&MapColumn) -> bool,
) -> Result<()> {
    let small = |value: &mut Cursor<'_>| {
        let n = value.lenenc()?;
        u32::try_from(n).map_err(|_| value.bad())
    };
    let default = small(&mut value)?;
    let mut counted: Vec<&mut MapColumn> = columns.iter_mut().filter(|k| counts(k)).collect();
    for column in &mut counted {
        column.collation = Some(default);
    }
    while value.left() > 0 {
        let n = value.lenenc()?;
        let collation = small(&mut value)?;
        let column = usize::try_from(n).ok().and_then(|n| counted.get_mut(n)).ok_or_else(|| value.bad())?;
        column.collation = Some(collation);
    }
    Ok(())
}

fn names(mut value: Cursor<'_>, columns: &mut [MapColumn]) -> Result<()> {
    for column in columns {
        let name = value.lenenc_bytes()?;
        column.name = Some(String::from_utf8_lossy(name).into());
    }
    Ok(())
}

fn labels(mut value: Cursor<'_>, columns: &mut [MapColumn], kind: u8) -> Result<()> {
    for column in columns.iter_mut().filter(|k| k.kind == kind) {
        if value.left() == 0 {
            break;
        }
        let count = value.count()?;
        let labels: Result<Vec<Vec<u8>>> = (0..count).map(|_| Ok(value.lenenc_bytes()?.to_vec())).collect();
        column.labels = Some(Arc::from(labels?));
    }
    Ok(())
}

fn primary_key(mut value: Cursor<'_>, columns: usize, prefixed: bool) -> Result<Vec<(usize, u32)>> {
    let mut key = Vec::new();
    while value.left() > 0 {
        let column =
            usize::try_from(value.lenenc()?).ok().filter(|n| *n < columns).ok_or_else(|| value.bad())?;
        let prefix = if prefixed { value.lenenc()? } else { 0 };
        key.push((column, u32::try_from(prefix).map_err(|_| value.bad())?));
    }
    Ok(key)
}
