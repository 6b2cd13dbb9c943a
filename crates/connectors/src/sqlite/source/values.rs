//! SQLite's values as the engine's, both ways. A value is what its storage class says, whatever the column declares.

use rusqlite::types::{ToSqlOutput, ValueRef};
use syncline_engine::value::{OwnedValue, Value};

/// A stored value. Text that is no UTF-8 (SQLite does not check) is handed on as the bytes it is.
pub fn value(stored: ValueRef<'_>) -> Value<'_> {
    match stored {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(v) => Value::Int(v),
        ValueRef::Real(v) => Value::Double(v),
        ValueRef::Text(v) => std::str::from_utf8(v).map_or(Value::Bytes(v), Value::Text),
        ValueRef::Blob(v) => Value::Bytes(v),
    }
}

/// A value of ours as a parameter; `None` for kinds that no SQLite column gives.
pub fn parameter(value: &OwnedValue) -> Option<ToSqlOutput<'_>> {
    Some(ToSqlOutput::Borrowed(match value {
        OwnedValue::Null => ValueRef::Null,
        OwnedValue::Int(v) => ValueRef::Integer(*v),
        OwnedValue::UInt(v) => ValueRef::Integer(i64::try_from(*v).ok()?),
        OwnedValue::Float(v) => ValueRef::Real(f64::from(*v)),
        OwnedValue::Double(v) => ValueRef::Real(*v),
        OwnedValue::Text(v) => ValueRef::Text(v.as_bytes()),
        OwnedValue::Bytes(v) => ValueRef::Blob(v),
        _ => return None,
    }))
}

/// Whether a stored value is exactly this one: numbers by value, text and bytes byte by byte, whatever a collation says.
pub fn same(stored: Value<'_>, wanted: &OwnedValue) -> bool {
    match (stored, wanted) {
        (Value::Int(a), OwnedValue::Double(b)) => exactly(a, *b),
        (Value::Double(a), OwnedValue::Int(b)) => exactly(*b, a),
        (stored, wanted) => stored == wanted.borrow(),
    }
}

fn exactly(int: i64, real: f64) -> bool {
    real.fract() == 0.0 && real >= i64::MIN as f64 && real < -(i64::MIN as f64) && real as i64 == int
}
