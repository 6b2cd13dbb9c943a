//! Values of a SELECT: the expression that reads a column, and the values of a result row. The session must have
//! `time_zone = '+00:00'`, `character_set_results = utf8mb4` and no PAD_CHAR_TO_FULL_LENGTH in its `sql_mode`; the
//! statement must be a prepared one (the binary protocol), because the text protocol rounds FLOAT.

use std::cell::Cell;
use std::sync::Arc;

use syncline_engine::error::{Code, Error, Result};
use syncline_engine::row::{RowFormat, RowVisitor};
use syncline_engine::value::{Clock, Date, Labels, Value};

use super::detail::{ColumnDetail, ColumnType};
use super::temporal::{self, Moment, ZeroText};
use super::value::{geometry, vector};
use super::{decimal, json_text};
use crate::mysql::wire::{BinaryRow, Field, ResultColumn};

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

/// Reads result rows of one table, in place.
pub struct ResultFormat {
    columns: Vec<ResultColumn>,
    details: Vec<ColumnDetail>,
}

#[derive(Default)]
struct Buffers {
    text: String,
    json: String,
    zero: ZeroText,
}

thread_local! {
    /// Taken while a row is read and put back after it; a visitor that reads another row meanwhile gets new ones.
    static BUFFERS: Cell<Option<Box<Buffers>>> = const { Cell::new(None) };
}

impl ResultFormat {
    /// For rows of a result with these columns, which are those of `select_list` for each detail, in order.
    pub fn new(columns: &[ResultColumn], details: &[ColumnDetail]) -> Result<ResultFormat> {
        if columns.len() != details.len() {
            return Err(Error::new(Code::MysqlSchema, "a result has not the columns that were asked for"));
        }
        Ok(ResultFormat { columns: columns.to_vec(), details: details.to_vec() })
    }

    fn read(&self, image: &[u8], visitor: &mut dyn RowVisitor, buffers: &mut Buffers) -> Result<()> {
        let mut row = BinaryRow::new(&self.columns, image)?;
        for (n, detail) in self.details.iter().enumerate() {
            let field = row.next()?;
            if visitor.wants(n) {
                let value = value(&detail.kind, field, buffers);
                visitor.value(n, value.ok_or_else(|| unreadable(detail, shape(field)))?)?;
            }
        }
        row.end()
    }
}

impl RowFormat for ResultFormat {
    fn visit(&self, image: &[u8], visitor: &mut dyn RowVisitor) -> Result<()> {
        let mut buffers = BUFFERS.take().unwrap_or_default();
        let result = self.read(image, visitor, &mut buffers);
        BUFFERS.set(Some(buffers));
        result
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

#[cfg(test)]
mod tests {
    use super::*;

    struct Keep(Vec<usize>, Vec<String>);

    impl RowVisitor for Keep {
        fn wants(&self, column: usize) -> bool {
            self.0.contains(&column)
        }

        fn value(&mut self, _column: usize, value: Value<'_>) -> Result<()> {
            self.1.push(format!("{value:?}"));
            Ok(())
        }
    }

    fn detail(name: &str, kind: ColumnType) -> ColumnDetail {
        let type_text = "its type".to_owned();
        ColumnDetail {
            name: name.into(),
            kind,
            nullable: true,
            generated: false,
            invisible: false,
            type_text,
        }
    }

    /// It alone is parked then, under its own key.
    #[test]
    fn only_who_needs_the_bad_value_is_refused() {
        let definition = |kind: u8| {
            let mut packet = vec![0; 6];
            packet.extend_from_slice(&[12, 63, 0, 20, 0, 0, 0, kind, 0, 0, 0, 0, 0]);
            ResultColumn::parse(&packet).unwrap()
        };
        let details = [
            detail("id", ColumnType::Integer { bits: 32, unsigned: false }),
            detail("price", ColumnType::Decimal { precision: 5, scale: 2 }),
        ];
        let columns = [definition(3), definition(246)];
        let format = ResultFormat::new(&columns, &details).unwrap();
        let image = b"\0\0\x07\0\0\0\x03odd";
        let mut key = Keep(vec![0], Vec::new());
        format.visit(image, &mut key).unwrap();
        assert_eq!(key.1, ["Int(7)"]);
        let error = format.visit(image, &mut Keep(vec![0, 1], Vec::new())).unwrap_err();
        assert_eq!(error.code(), Code::MysqlUnreadable);
        for cut in 0..image.len() {
            assert!(format.visit(&image[..cut], &mut Keep(vec![0], Vec::new())).is_err(), "{cut}");
        }
        assert!(format.visit(b"\0\0\x07\0\0\0\x03odd more", &mut Keep(vec![0], Vec::new())).is_err());
        assert!(ResultFormat::new(&columns[..1], &details).is_err());
    }
}
