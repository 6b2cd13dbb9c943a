//! The row that a document would be of, as far as the document says: so that a condition on rows can be asked of a document that
//! has none. Nothing is decided by it but whether a document belongs to a part.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value as Json;

use crate::error::Result;
use crate::packed;
use crate::route::{RouteSpec, TransformAction, fields};
use crate::row::RowImage;
use crate::schema::{ColumnKind, TableSchema};
use crate::sink::Held;
use crate::value::{Clock, Date, OwnedValue};

/// By column: the member of a document that holds the column's value as it is.
pub(super) type Members = Vec<Option<Arc<str>>>;

/// Which members of the route's documents hold columns as they are: renamed at most.
pub(super) fn members(route: &RouteSpec, schema: &TableSchema) -> Result<Members> {
    let mut members = vec![None; schema.columns.len()];
    for field in fields(route, schema)? {
        if let Some(member) = field.column.and_then(|column| members.get_mut(column)) {
            *member = is_unchanged(route, &field.name).then_some(field.name);
        }
    }
    Ok(members)
}

/// Whether no transform makes another value of a field, by any name that it had.
fn is_unchanged(route: &RouteSpec, name: &str) -> bool {
    let mut names = vec![name];
    for transform in route.transforms.iter().rev() {
        match &transform.action {
            _ if !names.contains(&&*transform.field) => {}
            TransformAction::Rename { from } => names.push(from),
            TransformAction::Text { .. } => {}
            _ => return false,
        }
    }
    true
}

/// The row; what the document does not say is absent. `key`: columns and values that are known otherwise.
pub(super) fn row(
    held: &Held,
    schema: &TableSchema,
    members: &Members,
    key: (&[usize], &[OwnedValue]),
) -> RowImage {
    let document = held.document.as_deref().unwrap_or_default();
    let document: HashMap<String, Json> = serde_json::from_slice(document).unwrap_or_default();
    let mut writer = packed::Writer::new();
    for (n, (column, member)) in schema.columns.iter().zip(members).enumerate() {
        let known = key.0.iter().position(|part| *part == n).and_then(|part| key.1.get(part)).cloned();
        let told = || value(&column.kind, document.get(&**member.as_ref()?)?);
        match known.or_else(told) {
            Some(value) => writer.push(value.borrow()),
            None => writer.absent(),
        }
    }
    packed::image(writer.finish())
}

/// What a column holds whose value looks so in a document; `None` where that is not told.
fn value(kind: &ColumnKind, json: &Json) -> Option<OwnedValue> {
    use ColumnKind as K;
    Some(match (kind, json) {
        (_, Json::Null) => OwnedValue::Null,
        (K::Integer { .. } | K::Year | K::Bit { .. } | K::Any, Json::Number(number)) if !number.is_f64() => {
            let whole = number.as_i64().map(OwnedValue::Int);
            whole.or_else(|| number.as_u64().map(OwnedValue::UInt))?
        }
        (K::Float | K::Double | K::Any, Json::Number(number)) => OwnedValue::Double(number.as_f64()?),
        (K::Decimal { .. }, Json::String(text)) => OwnedValue::Decimal(text.as_str().into()),
        (K::Date | K::DateTime { .. } | K::Timestamp { .. }, Json::String(text)) => moment(text)?,
        (
            K::Text { .. } | K::Enum { .. } | K::Bytes | K::Time { .. } | K::Uuid | K::Inet | K::Any,
            Json::String(text),
        ) => OwnedValue::Text(text.as_str().into()),
        _ => return None,
    })
}

/// `2026-01-31`, `2026-01-31T12:00:00.123456`, with `Z` or without.
fn moment(text: &str) -> Option<OwnedValue> {
    let (date, time) = text.split_once('T').map_or((text, None), |(date, time)| (date, Some(time)));
    let mut parts = date.splitn(3, '-');
    let year = parts.next()?.parse().ok()?;
    let date = Date { year, month: parts.next()?.parse().ok()?, day: parts.next()?.parse().ok()? };
    let Some(time) = time else { return Some(OwnedValue::Date(date)) };
    let (time, utc) = time.strip_suffix('Z').map_or((time, false), |time| (time, true));
    let (time, fraction) = time.split_once('.').unwrap_or((time, ""));
    let digits = u8::try_from(fraction.len()).ok().filter(|digits| *digits <= 6)?;
    let micros = format!("{fraction:0<6}").parse().ok()?;
    let mut parts = time.splitn(3, ':');
    let hour = parts.next()?.parse().ok()?;
    let (minute, second) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    let time = Clock { hour, minute, second, micros, digits };
    Some(OwnedValue::DateTime { date, time, utc })
}

#[cfg(test)]
#[path = "imagined_tests.rs"]
mod tests;
