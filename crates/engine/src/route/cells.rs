//! The few columns of a row that filters, keys and templates look at, as canonical text in one reused buffer.
//! Documents are written elsewhere, straight from the row; only named columns come here.

use crate::json;
use crate::value::Value;

/// What kind of text a cell holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Class {
    /// The image lacks the column.
    #[default]
    Absent,
    Null,
    /// A JSON number.
    Number,
    /// A number that documents show as a string.
    Decimal,
    Text,
    /// A date or datetime in canonical form.
    Date,
    /// A date whose month or day is 0, in the server's text.
    ZeroDate,
    /// Labels joined by commas.
    Set,
    /// JSON text.
    Json,
}

#[derive(Clone, Copy, Debug, Default)]
struct Cell {
    class: Class,
    start: usize,
    end: usize,
}

/// Cells of one row, by slot.
#[derive(Debug, Default)]
pub(crate) struct Cells {
    text: Vec<u8>,
    cells: Vec<Cell>,
}

impl Cells {
    /// Forgets the last row; `count` slots are absent.
    pub fn reset(&mut self, count: usize) {
        self.text.clear();
        self.cells.clear();
        self.cells.resize(count, Cell::default());
    }

    /// Keeps a value.
    pub fn set(&mut self, slot: usize, value: Value<'_>) {
        let start = self.text.len();
        let class = write_text(&mut self.text, value);
        if let Some(cell) = self.cells.get_mut(slot) {
            *cell = Cell { class, start, end: self.text.len() };
        }
    }

    /// What the slot holds.
    pub fn class(&self, slot: usize) -> Class {
        self.cells.get(slot).map_or(Class::Absent, |cell| cell.class)
    }

    /// The canonical text; `None` for null and for a column that the image lacks.
    pub fn text(&self, slot: usize) -> Option<&str> {
        let cell = self.cells.get(slot)?;
        match cell.class {
            Class::Absent | Class::Null => None,
            _ => std::str::from_utf8(self.text.get(cell.start..cell.end)?).ok(),
        }
    }

    /// Appends the cell as JSON; a zero date keeps its text, as `key` objects want it.
    pub fn write_json(&self, slot: usize, out: &mut Vec<u8>) {
        match (self.class(slot), self.text(slot)) {
            (_, None) => out.extend_from_slice(b"null"),
            (Class::Number | Class::Json, Some(text)) => out.extend_from_slice(text.as_bytes()),
            (Class::Set, Some("")) => out.extend_from_slice(b"[]"),
            (Class::Set, Some(text)) => json::write_list(out, text.split(','), json::write_string),
            (_, Some(text)) => json::write_string(out, text),
        }
    }

    /// Whether the slots `0..count` hold the same as another row's.
    pub fn same(&self, other: &Cells, slots: &[usize]) -> bool {
        slots
            .iter()
            .all(|slot| self.class(*slot) == other.class(*slot) && self.bytes(*slot) == other.bytes(*slot))
    }

    fn bytes(&self, slot: usize) -> &[u8] {
        self.cells.get(slot).and_then(|cell| self.text.get(cell.start..cell.end)).unwrap_or_default()
    }
}

/// Appends the value's canonical text and answers what it is. Nothing is appended for null and for NaN and infinities.
pub(crate) fn write_text(out: &mut Vec<u8>, value: Value<'_>) -> Class {
    match value {
        Value::Null => return Class::Null,
        Value::Float(v) if !v.is_finite() => return Class::Null,
        Value::Double(v) if !v.is_finite() => return Class::Null,
        Value::Int(_) | Value::UInt(_) | Value::Float(_) | Value::Double(_) => {
            json::write_value(out, value);
            return Class::Number;
        }
        Value::Decimal(v) => {
            out.extend_from_slice(v.as_bytes());
            return Class::Decimal;
        }
        Value::Text(v) => out.extend_from_slice(v.as_bytes()),
        Value::Set(labels) => {
            for (n, label) in labels.iter().enumerate() {
                if n > 0 {
                    out.push(b',');
                }
                out.extend_from_slice(label.as_bytes());
            }
            return Class::Set;
        }
        Value::Bytes(v) => json::write_base64(out, v),
        Value::Date(date) => {
            json::write_date(out, date);
            return Class::Date;
        }
        Value::DateTime { date, time, utc } => {
            json::write_datetime(out, date, time, utc);
            return Class::Date;
        }
        Value::Time { negative, time } => json::write_time(out, negative, time),
        Value::ZeroDate(v) => {
            out.extend_from_slice(v.as_bytes());
            return Class::ZeroDate;
        }
        Value::Json(_) | Value::Geometry { .. } | Value::Vector(_) => {
            json::write_value(out, value);
            return Class::Json;
        }
    }
    Class::Text
}

/// Which columns are kept, and in which slot.
#[derive(Debug, Default)]
pub(crate) struct Slots {
    columns: Vec<usize>,
}

impl Slots {
    /// The slot of a column, made on first use.
    pub fn of(&mut self, column: usize) -> usize {
        self.find(column).unwrap_or_else(|| {
            self.columns.push(column);
            self.columns.len() - 1
        })
    }

    /// The slot of a column that is kept.
    pub fn find(&self, column: usize) -> Option<usize> {
        self.columns.iter().position(|c| *c == column)
    }

    /// The column that a slot keeps.
    pub fn column(&self, slot: usize) -> Option<usize> {
        self.columns.get(slot).copied()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.columns.len()
    }
}
