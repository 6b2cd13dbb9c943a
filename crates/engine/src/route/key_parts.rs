//! A key as people write it (`{key}` of a template) read back: its parts, and a row that holds nothing else. How a key becomes
//! that text is in `key`.

use crate::error::{Code, Error, Result};
use crate::packed;
use crate::row::RowImage;
use crate::schema::{ColumnKind, TableSchema};
use crate::value::{OwnedValue, Value};

/// The parts of a key's text, decoded: `key` are the columns it is made of.
pub fn key_parts(text: &str, key: &[usize], schema: &TableSchema) -> Result<Vec<String>> {
    let bad = |why: String| {
        let names: Vec<&str> = key.iter().map(|k| &*schema.columns[*k].name).collect();
        Error::new(Code::Unknown, format!("the key {text:?} {why}"))
            .fix(format!("give {}: parts joined by `:`, `%` as %25 and `:` as %3A", names.join(":")))
    };
    if let [_] = key {
        let part = if text == "%" { String::new() } else { text.to_owned() };
        return Ok(vec![part]);
    }
    let parts: Option<Vec<String>> = text.split(':').map(decoded).collect();
    match parts {
        Some(parts) if parts.len() == key.len() => Ok(parts),
        Some(parts) => Err(bad(format!("has {} parts, not {}", parts.len(), key.len()))),
        None => Err(bad("has a `%` that is not %25 or %3A".to_owned())),
    }
}

/// One part of a composite key; empty text is written `%`.
fn decoded(part: &str) -> Option<String> {
    if part == "%" {
        return Some(String::new());
    }
    let mut text = String::new();
    let mut rest = part;
    while let Some((before, after)) = rest.split_once('%') {
        text.push_str(before);
        let (code, after) = after.split_at_checked(2)?;
        text.push(char::from(u8::from_str_radix(code, 16).ok().filter(u8::is_ascii)?));
        rest = after;
    }
    Some(text + rest)
}

/// A row that holds its key and nothing else.
pub fn row_of_key(schema: &TableSchema, key: &[usize], parts: &[String]) -> RowImage {
    let mut writer = packed::Writer::new();
    for column in 0..schema.columns.len() {
        match key.iter().position(|k| *k == column) {
            Some(n) => writer.push(Value::Text(&parts[n])),
            None => writer.absent(),
        }
    }
    packed::image(writer.finish())
}

/// The parts as values that the source compares.
pub fn key_values(schema: &TableSchema, key: &[usize], parts: &[String]) -> Result<Vec<OwnedValue>> {
    key.iter().zip(parts).map(|(column, text)| typed(&schema.columns[*column].kind, text)).collect()
}

fn typed(kind: &ColumnKind, text: &str) -> Result<OwnedValue> {
    let bad = || Error::new(Code::Unknown, format!("{text:?} is no value of the key"));
    Ok(match kind {
        ColumnKind::Integer { unsigned: true, .. } | ColumnKind::Bit { .. } | ColumnKind::Year => {
            OwnedValue::UInt(text.parse().map_err(|_| bad())?)
        }
        ColumnKind::Integer { .. } => OwnedValue::Int(text.parse().map_err(|_| bad())?),
        ColumnKind::Any => text.parse().map_or_else(|_| OwnedValue::Text(text.into()), OwnedValue::Int),
        ColumnKind::Decimal { .. } => OwnedValue::Decimal(text.into()),
        ColumnKind::Text { .. } | ColumnKind::Enum { .. } | ColumnKind::Uuid | ColumnKind::Inet => {
            OwnedValue::Text(text.into())
        }
        _ => {
            let message = "a row cannot be read by the text of such a key: it holds dates, floats or bytes";
            return Err(Error::new(Code::Unknown, message)
                .fix("ask the target itself, or compare all of the table: syncline verify FILE --table T"));
        }
    })
}

#[cfg(test)]
#[path = "key_parts_tests.rs"]
mod tests;
