//! Keys in SQL: how a key column's value is read exactly, how it is written as a literal, and how ranges of composite keys
//! become conditions that an index can serve. Only the server orders values.

use bytes::Bytes;
use syncline_engine::error::{Code, Error, Result};
use syncline_engine::packed;
use syncline_engine::schema::TableSchema;
use syncline_engine::source::Bound;
use syncline_engine::value::{Labels, OwnedValue, Value};

use crate::mysql::codec::{ColumnDetail, ColumnType};
use crate::mysql::schema::TableDetail;
use crate::mysql::sql::{hex, ident, text_literal};

/// A captured key's values as bytes: two keys have the same if and only if their values are the same.
pub fn identity(values: &[OwnedValue]) -> Bytes {
    let mut writer = packed::Writer::new();
    values.iter().for_each(|value| writer.push(value.borrow()));
    writer.finish()
}

/// The bound so many whole numbers above another one, at most `last`; `None` if none is left, or these are no such bounds.
pub fn above(after: &Bound, last: &Bound, numbers: usize) -> Option<Bound> {
    let number = |bound: &Bound| match &serde_json::from_str::<Values>(&bound.0).ok()?[..] {
        [Some(number)] => number.parse::<i128>().ok(),
        _ => None,
    };
    let (from, most) = (number(after)?, number(last)?);
    let upto = from.checked_add(i128::try_from(numbers).ok()?)?;
    if upto < most {
        return Some(Bound(serde_json::to_string(&[upto.to_string()]).ok()?));
    }
    (from < most).then(|| last.clone())
}

/// A key's columns, in the key's order.
pub struct Key {
    columns: Vec<KeyColumn>,
}

struct KeyColumn {
    name: String,
    kind: ColumnType,
    nullable: bool,
}

/// A key's values as the server shows them exactly; `None` is NULL.
pub type Values = Vec<Option<String>>;

impl Key {
    /// The columns `key` of a table that looks like `detail`.
    pub fn new(schema: &TableSchema, detail: &TableDetail, key: &[usize]) -> Result<Key> {
        let column = |n: &usize| {
            let ColumnDetail { name, kind, nullable, .. } =
                detail.columns.get(*n).ok_or_else(|| unfit(schema, "?"))?;
            match kind {
                ColumnType::Json | ColumnType::Geometry | ColumnType::Vector => Err(unfit(schema, name)),
                _ => Ok(KeyColumn { name: ident(name), kind: kind.clone(), nullable: *nullable }),
            }
        };
        Ok(Key { columns: key.iter().map(column).collect::<Result<_>>()? })
    }

    /// What selects the key's values exactly.
    pub fn select_list(&self) -> String {
        let exact = |c: &KeyColumn| match c.kind {
            ColumnType::Text { .. } | ColumnType::JsonText { .. } | ColumnType::Bytes { .. } => {
                format!("HEX({})", c.name)
            }
            ColumnType::Bit { .. } | ColumnType::Enum { .. } | ColumnType::Set { .. } => {
                format!("{} + 0", c.name)
            }
            ColumnType::Float | ColumnType::Double => format!("{} + 0e0", c.name),
            _ => c.name.clone(),
        };
        self.join(exact)
    }

    /// `ORDER BY` in the server's own order.
    pub fn order(&self, descending: bool) -> String {
        self.join(|c| format!("{}{}", c.name, if descending { " DESC" } else { "" }))
    }

    fn join(&self, part: impl Fn(&KeyColumn) -> String) -> String {
        self.columns.iter().map(part).collect::<Vec<_>>().join(", ")
    }

    /// A bound of a row that was read.
    pub fn bound(&self, values: &Values) -> Bound {
        Bound(serde_json::to_string(values).unwrap_or_default())
    }

    /// What selects values that a person names as [`Key::select_list`] selects those of a row; `None` for what cannot be named.
    pub fn shown(&self, values: &[OwnedValue]) -> Option<String> {
        let one = |(column, value): (&KeyColumn, &OwnedValue)| match (&column.kind, value.borrow()) {
            (ColumnType::Integer { .. } | ColumnType::Year, Value::Int(number)) => Some(number.to_string()),
            (ColumnType::Integer { .. } | ColumnType::Year | ColumnType::Bit { .. }, Value::UInt(number)) => {
                Some(number.to_string())
            }
            (ColumnType::Decimal { .. }, Value::Decimal(text)) => is_decimal(text).then(|| text.to_owned()),
            (ColumnType::Text { charset, .. }, Value::Text(text)) => {
                let text = hex(text.as_bytes());
                Some(format!("HEX(CONVERT(_utf8mb4 {text} USING {}))", introducer(charset.name)))
            }
            _ => None,
        };
        let all: Option<Vec<String>> = self.columns.iter().zip(values).map(one).collect();
        all.filter(|_| values.len() == self.columns.len()).map(|all| all.join(", "))
    }

    fn values(&self, bound: &Bound) -> Result<Vec<Option<String>>> {
        let bad = || Error::new(Code::Internal, format!("{:?} is not a bound of this key", bound.0));
        let values: Values = serde_json::from_str(&bound.0).map_err(|_| bad())?;
        if values.len() != self.columns.len() {
            return Err(bad());
        }
        let literals = self.columns.iter().zip(values);
        literals
            .map(|(column, value)| value.map(|v| column.literal(&v).ok_or_else(bad)).transpose())
            .collect()
    }

    /// Rows above `after` and not above `upto`.
    pub fn range(&self, after: Option<&Bound>, upto: &Bound) -> Result<String> {
        let below = self.compared(&self.values(upto)?, KeyColumn::below, true);
        match after {
            Some(after) => {
                let above = self.compared(&self.values(after)?, KeyColumn::above, false);
                Ok(format!("({above}) AND ({below})"))
            }
            None => Ok(format!("({below})")),
        }
    }

    /// `(a ? x) OR (a = x AND b ? y) OR ..`, which range access reads as one range of the index.
    fn compared(
        &self,
        literals: &[Option<String>],
        differs: impl Fn(&KeyColumn, Option<&str>) -> String,
        or_equal: bool,
    ) -> String {
        let mut alternatives = Vec::new();
        let mut equal = String::new();
        for (column, literal) in self.columns.iter().zip(literals) {
            alternatives.push(format!("({equal}{})", differs(column, literal.as_deref())));
            equal.push_str(&format!("{} AND ", column.equal(literal.as_deref())));
        }
        if or_equal {
            alternatives.push(format!("({})", equal.trim_end_matches(" AND ")));
        }
        alternatives.join(" OR ")
    }

    /// Rows with one of these keys; whatever else the collation takes for equal comes too. `None` if no key can match.
    pub fn any_of(&self, keys: &[Vec<OwnedValue>]) -> Option<String> {
        let one = |values: &Vec<OwnedValue>| {
            let parts =
                self.columns.iter().zip(values).map(|(column, value)| {
                    Some(format!("{} = {}", column.name, value_literal(value.borrow())?))
                });
            let parts: Option<Vec<String>> = parts.collect();
            parts.filter(|_| values.len() == self.columns.len()).map(|p| format!("({})", p.join(" AND ")))
        };
        let alternatives: Vec<String> = keys.iter().filter_map(one).collect();
        (!alternatives.is_empty()).then(|| alternatives.join(" OR "))
    }
}

impl KeyColumn {
    fn equal(&self, literal: Option<&str>) -> String {
        match literal {
            Some(literal) => format!("{} = {literal}", self.name),
            None => format!("{} IS NULL", self.name),
        }
    }

    /// NULL comes before everything.
    fn above(&self, literal: Option<&str>) -> String {
        match literal {
            Some(literal) => format!("{} > {literal}", self.name),
            None => format!("{} IS NOT NULL", self.name),
        }
    }

    fn below(&self, literal: Option<&str>) -> String {
        match literal {
            Some(literal) if self.nullable => format!("({0} < {literal} OR {0} IS NULL)", self.name),
            Some(literal) => format!("{} < {literal}", self.name),
            None => "FALSE".into(),
        }
    }

    /// A value read with [`Key::select_list`] as a literal; `None` if it cannot be one of this column.
    fn literal(&self, text: &str) -> Option<String> {
        let only = |allowed: &str| {
            !text.is_empty() && text.chars().all(|c| c.is_ascii_digit() || allowed.contains(c))
        };
        match &self.kind {
            ColumnType::Text { charset, .. } | ColumnType::JsonText { charset } => {
                Some(format!("_{} {}", introducer(charset.name), hex(&unhex(text)?)))
            }
            ColumnType::Bytes { .. } => Some(hex(&unhex(text)?)),
            ColumnType::Integer { .. }
            | ColumnType::Year
            | ColumnType::Bit { .. }
            | ColumnType::Decimal { .. }
            | ColumnType::Enum { .. }
            | ColumnType::Set { .. } => only("-.").then(|| text.to_owned()),
            ColumnType::Float | ColumnType::Double => only("-+.eE").then(|| format!("({text} + 0e0)")),
            _ => Some(text_literal(text)),
        }
    }
}

/// `utf8mb3` is called `utf8` by old servers, and that name is understood by all.
fn introducer(charset: &str) -> &str {
    if charset == "utf8mb3" { "utf8" } else { charset }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |b: u8| (b as char).to_digit(16).map(|d| d as u8);
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    rest.is_empty().then(|| pairs.iter().map(|[a, b]| Some(digit(*a)? << 4 | digit(*b)?)).collect())?
}

/// Whether a text that somebody names, or that stands in a target, may become a part of a statement.
fn is_decimal(text: &str) -> bool {
    let text = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits(whole) && digits(fraction)
}

/// A captured value as a literal; `None` for what no key holds.
fn value_literal(value: Value<'_>) -> Option<String> {
    let utf8 = |text: &str| format!("_utf8mb4 {}", hex(text.as_bytes()));
    Some(match value {
        Value::Int(n) => n.to_string(),
        Value::UInt(n) => n.to_string(),
        Value::Float(f) => format!("({:e} + 0e0)", f64::from(f)),
        Value::Double(d) => format!("({d:e} + 0e0)"),
        Value::Decimal(text) => is_decimal(text).then(|| text.to_owned())?,
        Value::Text(text) => utf8(text),
        Value::ZeroDate(text) => text_literal(text),
        Value::Bytes(bytes) => hex(bytes),
        Value::Date(d) => format!("'{:04}-{:02}-{:02}'", d.year, d.month, d.day),
        Value::DateTime { date: d, time: t, .. } => format!(
            "'{:04}-{:02}-{:02} {:02}:{:02}:{:02}.{:06}'",
            d.year, d.month, d.day, t.hour, t.minute, t.second, t.micros
        ),
        Value::Time { negative, time: t } => {
            let sign = if negative { "-" } else { "" };
            format!("'{sign}{:02}:{:02}:{:02}.{:06}'", t.hour, t.minute, t.second, t.micros)
        }
        Value::Set(labels) => utf8(&set_text(labels)),
        Value::Null | Value::Json(_) | Value::Geometry { .. } | Value::Vector(_) => return None,
    })
}

fn set_text(labels: Labels<'_>) -> String {
    labels.iter().collect::<Vec<_>>().join(",")
}

fn unfit(schema: &TableSchema, column: &str) -> Error {
    Error::new(Code::MysqlNoKey, format!("{}: column {column} cannot be a key", schema.name))
        .fix("name other columns under `key:` of its route")
}

#[cfg(test)]
#[path = "key_tests.rs"]
mod tests;
