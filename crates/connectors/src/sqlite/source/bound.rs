//! Bounds of key ranges: their durable text, and ranges as SQL conditions. Rows whose key holds a null belong to the first
//! range of their table; SQLite alone orders everything else, by the columns' own collations.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rusqlite::types::{ToSqlOutput, ValueRef};
use serde::{Deserialize, Serialize};
use syncline_engine::error::{Code, Error, Result};
use syncline_engine::source::Bound;

use crate::sqlite::file::quote;

/// One part of a key, exactly as stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Part {
    Null,
    Int(i64),
    /// The bits in hexadecimal: JSON has no infinity.
    Real(String),
    Text(String),
    /// Text that is no UTF-8, in Base64.
    Raw(String),
    /// Base64.
    Blob(String),
}

/// A part of a key as SQLite takes it.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Null,
    Int(i64),
    Real(f64),
    Text(Vec<u8>),
    Blob(Vec<u8>),
}

impl Value {
    fn borrow(&self) -> ValueRef<'_> {
        match self {
            Value::Null => ValueRef::Null,
            Value::Int(v) => ValueRef::Integer(*v),
            Value::Real(v) => ValueRef::Real(*v),
            Value::Text(v) => ValueRef::Text(v),
            Value::Blob(v) => ValueRef::Blob(v),
        }
    }
}

/// Writes a bound.
pub fn encode(key: &[ValueRef<'_>]) -> Result<Bound> {
    let parts: Vec<Part> = key
        .iter()
        .map(|part| match part {
            ValueRef::Null => Part::Null,
            ValueRef::Integer(v) => Part::Int(*v),
            ValueRef::Real(v) => Part::Real(format!("{:016x}", v.to_bits())),
            ValueRef::Text(v) => match std::str::from_utf8(v) {
                Ok(text) => Part::Text(text.to_owned()),
                Err(_) => Part::Raw(STANDARD.encode(v)),
            },
            ValueRef::Blob(v) => Part::Blob(STANDARD.encode(v)),
        })
        .collect();
    let text = serde_json::to_string(&parts);
    text.map(Bound).map_err(|e| Error::new(Code::SqliteQuery, "a key cannot be written down").cause(e))
}

/// Reads a bound of so many columns.
pub fn decode(bound: &Bound, columns: usize) -> Result<Vec<Value>> {
    let damaged =
        || Error::new(Code::SqliteSchema, format!("the range bound {} does not fit the key", bound.0));
    let parts: Vec<Part> = serde_json::from_str(&bound.0).map_err(|e| damaged().cause(e))?;
    if parts.len() != columns {
        return Err(damaged());
    }
    let value = |part| {
        Some(match part {
            Part::Null => Value::Null,
            Part::Int(v) => Value::Int(v),
            Part::Real(bits) => Value::Real(f64::from_bits(u64::from_str_radix(&bits, 16).ok()?)),
            Part::Text(v) => Value::Text(v.into_bytes()),
            Part::Raw(v) => Value::Text(STANDARD.decode(v).ok()?),
            Part::Blob(v) => Value::Blob(STANDARD.decode(v).ok()?),
        })
    };
    parts.into_iter().map(value).collect::<Option<_>>().ok_or_else(damaged)
}

/// A condition and its parameters.
#[derive(Debug, Default)]
pub struct Condition {
    pub sql: String,
    pub values: Vec<Value>,
}

/// The key as SQL: `"a", "b"`.
pub fn list(names: &[&str]) -> String {
    names.iter().map(|name| quote(name)).collect::<Vec<_>>().join(", ")
}

/// `after` < key <= `upto`. A bound of nulls only stands for a table that has no other keys.
pub fn range(names: &[&str], after: Option<&Bound>, upto: &Bound) -> Result<Condition> {
    let mut all = Condition { sql: whole(names), values: Vec::new() };
    let upto = decode(upto, names.len())?;
    if upto.contains(&Value::Null) {
        let sql = if after.is_none() { missing(names) } else { "false".into() };
        return Ok(Condition { sql, values: Vec::new() });
    }
    all.compare(names, "<=", upto);
    match after {
        Some(after) => all.compare(names, ">", decode(after, names.len())?),
        None => all.sql = format!("({} OR {})", all.sql, missing(names)),
    }
    Ok(all)
}

/// Rows whose key is whole.
pub fn whole(names: &[&str]) -> String {
    let parts: Vec<String> = names.iter().map(|name| format!("{} IS NOT NULL", quote(name))).collect();
    parts.join(" AND ")
}

/// Rows whose key holds a null.
pub fn missing(names: &[&str]) -> String {
    let parts: Vec<String> = names.iter().map(|name| format!("{} IS NULL", quote(name))).collect();
    format!("({})", parts.join(" OR "))
}

impl Condition {
    /// Adds a comparison of the whole key; SQLite walks an index for it.
    pub fn compare(&mut self, names: &[&str], operator: &str, values: Vec<Value>) {
        let slots: Vec<String> = (1..=values.len()).map(|n| format!("?{}", self.values.len() + n)).collect();
        self.sql.push_str(&format!(" AND ({}) {operator} ({})", list(names), slots.join(", ")));
        self.values.extend(values);
    }

    /// The parameters.
    pub fn parameters(&self) -> impl Iterator<Item = ToSqlOutput<'_>> {
        self.values.iter().map(|value| ToSqlOutput::Borrowed(value.borrow()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_keep_every_value_exactly() {
        let key = [
            ValueRef::Null,
            ValueRef::Integer(i64::MIN),
            ValueRef::Real(f64::NEG_INFINITY),
            ValueRef::Real(0.1),
            ValueRef::Text("ä\"\0".as_bytes()),
            ValueRef::Text(&[b'a', 255]),
            ValueRef::Blob(&[0, 255]),
        ];
        let values = decode(&encode(&key).unwrap(), key.len()).unwrap();
        assert!(values.iter().zip(key).all(|(a, b)| a.borrow() == b), "{values:?}");
    }

    #[test]
    fn a_bound_that_does_not_fit_is_an_error() {
        for text in
            ["", "[]", "[{\"int\":1}]", "[{\"real\":\"x\"},\"null\"]", "[{\"blob\":\"*\"},\"null\"]", "{}"]
        {
            assert_eq!(decode(&Bound(text.into()), 2).unwrap_err().code(), Code::SqliteSchema, "{text}");
        }
    }
}
