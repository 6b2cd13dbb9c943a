//! Values of a SELECT: the expression that reads a column, and the values of a result row. The session must have
//! `time_zone = '+00:00'`, `character_set_results = utf8mb4` and no PAD_CHAR_TO_FULL_LENGTH in its `sql_mode`; the
//! statement must be a prepared one (the binary protocol), because the text protocol rounds FLOAT.

use std::sync::Arc;

use syncline_engine::error::{Code, Error, Result};
use syncline_engine::value::{Clock, Date, Labels, Value};

use super::detail::{ColumnDetail, ColumnType};
use super::temporal::{self, Moment, ZeroText};
use super::value::{geometry, vector};
use super::{decimal, json_text};
use crate::mysql::wire::{BinaryRow, Field};

/// The expression that reads a column, its name quoted. Join them with commas in the order of the schema.
pub fn select_list(column: &ColumnDetail) -> String {
    let name = format!("`{}`", column.name.replace('`', "``"));
    match &column.kind {
        // The server's own conversion is ours for UTF-8 only; the rest is converted here, as in the stream.
        ColumnType::Text { charset, .. } | ColumnType::JsonText { charset } if !charset.is_utf8() => {
            format!("CAST({name} AS BINARY)")
        }
        _ => name,
    }
}

/// Reads result rows of one table. Buffers are reused from row to row.
pub struct RowReader {
    columns: Vec<ColumnDetail>,
    buffers: Buffers,
}

#[derive(Default)]
struct Buffers {
    text: String,
    json: String,
    zero: ZeroText,
}

impl RowReader {
    /// For rows whose first columns are those of `select_list` for each detail, in order; columns behind them are left
    /// alone.
    pub fn new(columns: &[ColumnDetail]) -> RowReader {
        RowReader { columns: columns.to_vec(), buffers: Buffers::default() }
    }

    /// Hands each column's value to `push`, in order; what cannot be read is an error of that column alone. An error of this
    /// call means that the row has no end.
    pub fn read(
        &mut self,
        row: &mut BinaryRow<'_>,
        mut push: impl FnMut(usize, Result<Value<'_>>),
    ) -> Result<()> {
        for (n, column) in self.columns.iter().enumerate() {
            let field = row.next()?;
            let value = value(&column.kind, field, &mut self.buffers);
            push(n, value.ok_or_else(|| unreadable(column, shape(field))));
        }
        Ok(())
    }
}

#[cold]
fn unreadable(column: &ColumnDetail, why: &str) -> Error {
    Error::new(
        Code::MysqlUnreadable,
        format!("a value of column {} ({}) cannot be read", column.name, column.type_text),
    )
    .cause(why)
}

/// What came, without showing the value.
fn shape(field: Field<'_>) -> &'static str {
    match field {
        Field::Null => "null",
        Field::Bytes(_) => "the bytes do not fit the type",
        Field::Int(_) | Field::UInt(_) => "an integer",
        Field::Float(_) | Field::Double(_) => "a float",
        Field::Moment { .. } => "a date",
        Field::Time { .. } => "a time",
    }
}

fn value<'a>(kind: &'a ColumnType, field: Field<'a>, buffers: &'a mut Buffers) -> Option<Value<'a>> {
    match (kind, field) {
        (_, Field::Null) => Some(Value::Null),
        (ColumnType::Integer { unsigned, .. }, field) => integer(field, *unsigned),
        (ColumnType::Year, field) => integer(field, true),
        (ColumnType::Float, Field::Float(f)) => Some(Value::Float(f)),
        (ColumnType::Double, Field::Double(d)) => Some(Value::Double(d)),
        (ColumnType::Date, Field::Moment { year, month, day, .. }) => {
            temporal::date_value(Date { year, month, day }, &mut buffers.zero)
        }
        (ColumnType::DateTime { digits }, field) => moment(field, *digits, false, buffers),
        (ColumnType::Timestamp { digits }, field) => moment(field, *digits, true, buffers),
        (ColumnType::Time { digits }, Field::Time { negative, days, hour, minute, second, micros }) => {
            let hour = days.checked_mul(24)?.checked_add(u32::from(hour))?;
            let hour = u16::try_from(hour).ok()?;
            temporal::time_value(negative, Clock { hour, minute, second, micros, digits: *digits })
        }
        (_, Field::Bytes(bytes)) => of_bytes(kind, bytes, buffers),
        _ => None,
    }
}

fn integer(field: Field<'_>, unsigned: bool) -> Option<Value<'static>> {
    match (field, unsigned) {
        (Field::Int(n), false) => Some(Value::Int(n)),
        (Field::UInt(n), false) => i64::try_from(n).ok().map(Value::Int),
        (Field::UInt(n), true) => Some(Value::UInt(n)),
        (Field::Int(n), true) => u64::try_from(n).ok().map(Value::UInt),
        _ => None,
    }
}

fn moment<'a>(field: Field<'a>, digits: u8, utc: bool, buffers: &'a mut Buffers) -> Option<Value<'a>> {
    let Field::Moment { year, month, day, hour, minute, second, micros } = field else { return None };
    let time = Clock { hour: hour.into(), minute, second, micros, digits };
    temporal::moment_value(Moment { date: Date { year, month, day }, time }, utc, &mut buffers.zero)
}

fn of_bytes<'a>(kind: &'a ColumnType, bytes: &'a [u8], buffers: &'a mut Buffers) -> Option<Value<'a>> {
    match kind {
        ColumnType::Text { charset, .. } => charset.decode(bytes, &mut buffers.text).map(Value::Text),
        ColumnType::Bytes { .. } => Some(Value::Bytes(bytes)),
        ColumnType::Decimal { .. } => decimal::exact(bytes).map(Value::Decimal),
        ColumnType::Bit { .. } => {
            (bytes.len() <= 8).then(|| Value::UInt(bytes.iter().fold(0, |n, b| n << 8 | u64::from(*b))))
        }
        ColumnType::Enum { labels, .. } => {
            let text = std::str::from_utf8(bytes).ok()?;
            (text.is_empty() || labels.iter().any(|label| &**label == text)).then_some(Value::Text(text))
        }
        ColumnType::Set { labels, .. } => set(std::str::from_utf8(bytes).ok()?, labels),
        ColumnType::Json => {
            json_text::compact(std::str::from_utf8(bytes).ok()?, &mut buffers.json)?;
            Some(Value::Json(&buffers.json))
        }
        ColumnType::JsonText { charset } => {
            json_text::compact(charset.decode(bytes, &mut buffers.text)?, &mut buffers.json)?;
            Some(Value::Json(&buffers.json))
        }
        ColumnType::Geometry => geometry(bytes),
        ColumnType::Vector => vector(bytes),
        ColumnType::Uuid | ColumnType::Inet4 | ColumnType::Inet6 => {
            std::str::from_utf8(bytes).ok().map(Value::Text)
        }
        _ => None,
    }
}

/// The server prints labels in the column's order with commas between, which no label may hold.
fn set<'a>(text: &str, labels: &'a [Arc<str>]) -> Option<Value<'a>> {
    let mut bits = 0u64;
    let mut wanted = text.split(',').filter(|label| !label.is_empty()).peekable();
    for (n, label) in labels.iter().enumerate().take(64) {
        if wanted.next_if(|w| **w == **label).is_some() {
            bits |= 1 << n;
        }
    }
    wanted.peek().is_none().then_some(Value::Set(Labels::Bits { labels, bits }))
}
