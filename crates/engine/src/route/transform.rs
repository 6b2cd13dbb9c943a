//! What transforms make of one field's value. Values stream through: nothing of a row is kept here.
//! Dates are read in `date.rs`, geometries in `geojson.rs`.

use crate::error::{Code, Error, Result};
use crate::json::{self, ZeroDates};
use crate::route::cells::{Class, write_text};
use crate::route::date::DateReader;
use crate::route::{TransformAction, TransformSpec, decimal, geojson};
use crate::value::Value;

/// A transform ready to run.
#[derive(Debug)]
pub(crate) enum Action {
    Split(String),
    Json,
    Date(DateReader),
    /// Up to 2⁶⁴−1 if `unsigned`, else up to 2⁶³−1: what the mapping made for the field takes.
    Integer {
        unsigned: bool,
    },
    Float,
    Boolean,
    Text,
    GeoJson,
}

impl Action {
    /// Compiles a transform that changes a value; `None` for those that only move fields about.
    pub fn new(spec: &TransformSpec, unsigned: bool) -> Result<Option<Action>> {
        Ok(Some(match &spec.action {
            TransformAction::Split(separator) if separator.is_empty() => {
                let message = format!("field {}: `split` needs a separator", spec.field);
                return Err(Error::new(Code::RouteTransform, message));
            }
            TransformAction::Split(separator) => Action::Split(separator.clone()),
            TransformAction::Json => Action::Json,
            TransformAction::Date { format, zone } => {
                Action::Date(DateReader::new(format.as_deref(), zone.as_deref()).map_err(|e| {
                    Error::new(e.code(), format!("field {}: {}", spec.field, e.message())).fix(e.fix_text())
                })?)
            }
            TransformAction::Integer => Action::Integer { unsigned },
            TransformAction::Float => Action::Float,
            TransformAction::Boolean => Action::Boolean,
            TransformAction::Text { .. } | TransformAction::Keyword => Action::Text,
            TransformAction::GeoJson => Action::GeoJson,
            TransformAction::Rename { .. }
            | TransformAction::Drop
            | TransformAction::Constant(_)
            | TransformAction::Template(_) => return Ok(None),
        }))
    }
}

/// A value between two transforms.
enum Item<'a> {
    Value(Value<'a>),
    Bool(bool),
    Number(String),
    Text(String),
    List(Vec<String>),
    /// Any JSON.
    Json(String),
}

/// Appends the JSON of the value after all actions. Answers how many values were coerced.
pub(crate) fn write(
    out: &mut Vec<u8>,
    field: &str,
    value: Value<'_>,
    actions: &[Action],
    zero_dates: ZeroDates,
) -> Result<u32> {
    let mut item = Item::Value(value);
    for action in actions {
        if let Item::Value(Value::Null) = item {
            break;
        }
        if let Item::Value(Value::ZeroDate(_)) = item
            && (zero_dates == ZeroDates::Null || matches!(action, Action::Date(_)))
        {
            out.extend_from_slice(b"null");
            return Ok(1);
        }
        item = apply(action, item)
            .map_err(|what| Error::new(Code::RouteValue, format!("field {field}: {what}")))?;
    }
    match item {
        Item::Value(value) => return Ok(json::write_value_with(out, value, zero_dates)),
        Item::Bool(value) => out.extend_from_slice(if value { b"true" } else { b"false" }),
        Item::Number(text) | Item::Json(text) => out.extend_from_slice(text.as_bytes()),
        Item::Text(text) => json::write_string(out, &text),
        Item::List(list) => json::write_list(out, list.iter(), |out, text| json::write_string(out, text)),
    }
    Ok(0)
}

type Applied<'a> = std::result::Result<Item<'a>, String>;

fn apply<'a>(action: &Action, item: Item<'a>) -> Applied<'a> {
    match action {
        Action::Text => Ok(to_text(item)),
        Action::Split(separator) => Ok(split(separator, item)),
        Action::Json => to_json(item),
        Action::Integer { unsigned } => to_integer(*unsigned, item),
        Action::Float => to_float(item),
        Action::Boolean => to_boolean(item),
        Action::Date(reader) => to_date(reader, item),
        Action::GeoJson => match item {
            Item::Value(Value::Geometry { wkb, .. }) => geojson::from_wkb(wkb).map(Item::Json),
            other => Err(format!("{} is no geometry", show(&other))),
        },
    }
}

/// The canonical text; `None` for null.
fn text(item: &Item<'_>) -> Option<String> {
    Some(match item {
        Item::Value(value) => {
            let mut out = Vec::new();
            match write_text(&mut out, *value) {
                Class::Null | Class::Absent => return None,
                _ => String::from_utf8(out).unwrap_or_default(),
            }
        }
        Item::Bool(value) => value.to_string(),
        Item::Number(text) | Item::Text(text) | Item::Json(text) => text.clone(),
        Item::List(list) => {
            let mut out = Vec::new();
            json::write_list(&mut out, list.iter(), |out, text| json::write_string(out, text));
            String::from_utf8(out).unwrap_or_default()
        }
    })
}

/// The start of the value, for messages.
fn show(item: &Item<'_>) -> String {
    let text = text(item).unwrap_or_else(|| "null".to_owned());
    let shown: String = text.chars().take(60).collect();
    if shown.len() < text.len() { format!("{shown:?}…") } else { format!("{shown:?}") }
}

fn to_text(item: Item<'_>) -> Item<'_> {
    match item {
        Item::Value(Value::Set(labels)) => Item::List(labels.iter().map(str::to_owned).collect()),
        Item::List(_) | Item::Text(_) => item,
        other => text(&other).map_or(Item::Value(Value::Null), Item::Text),
    }
}

fn split<'a>(separator: &str, item: Item<'a>) -> Item<'a> {
    match to_text(item) {
        Item::Text(text) if text.is_empty() => Item::List(Vec::new()),
        Item::Text(text) => Item::List(text.split(separator).map(str::to_owned).collect()),
        other => other,
    }
}

/// The value as serde_json keeps it: numbers with every digit, the last of duplicate members.
fn to_json(item: Item<'_>) -> Applied<'_> {
    if let Item::Value(Value::Json(_)) | Item::Json(_) | Item::List(_) | Item::Bool(_) = item {
        return Ok(item);
    }
    let Some(text) = text(&item) else { return Ok(item) };
    let parsed: std::result::Result<serde_json::Value, _> = serde_json::from_str(&text);
    match parsed.and_then(|value| serde_json::to_string(&value)) {
        Ok(json) => Ok(Item::Json(json)),
        Err(cause) => Err(format!("{} is no JSON: {cause}", show(&item))),
    }
}

fn to_integer(unsigned: bool, item: Item<'_>) -> Applied<'_> {
    if let Item::Bool(value) = item {
        return Ok(Item::Number(u8::from(value).to_string()));
    }
    let Some(text) = text(&item) else { return Ok(item) };
    let most = if unsigned { i128::from(u64::MAX) } else { i128::from(i64::MAX) };
    match decimal::integer(text.trim()) {
        Some(value) if (i128::from(i64::MIN)..=most).contains(&value) => Ok(Item::Number(value.to_string())),
        Some(_) => Err(format!("{} is too large for an integer", show(&item))),
        None => Err(format!("{} is no integer", show(&item))),
    }
}

fn to_float(item: Item<'_>) -> Applied<'_> {
    match item {
        Item::Bool(value) => return Ok(Item::Number(if value { "1.0" } else { "0.0" }.to_owned())),
        Item::Value(Value::Float(_) | Value::Double(_)) => return Ok(item),
        _ => {}
    }
    let Some(text) = text(&item) else { return Ok(item) };
    let number = decimal::is_number(text.trim()).then(|| text.trim().parse::<f64>().ok()).flatten();
    match number.filter(|number| number.is_finite()) {
        Some(number) => Ok(Item::Number(ryu::Buffer::new().format_finite(number).to_owned())),
        None => Err(format!("{} is no number", show(&item))),
    }
}

fn to_boolean(item: Item<'_>) -> Applied<'_> {
    if let Item::Bool(_) = item {
        return Ok(item);
    }
    let Some(text) = text(&item) else { return Ok(item) };
    let word = text.trim().to_ascii_lowercase();
    match (decimal::is_zero(&word), &*word) {
        (Some(zero), _) => Ok(Item::Bool(!zero)),
        (_, "true" | "t" | "yes" | "y" | "on") => Ok(Item::Bool(true)),
        (_, "false" | "f" | "no" | "n" | "off") => Ok(Item::Bool(false)),
        _ => Err(format!("{} is no boolean", show(&item))),
    }
}

fn to_date<'a>(reader: &DateReader, item: Item<'a>) -> Applied<'a> {
    let utc = match item {
        Item::Value(Value::Date(date)) => reader.date(date, None),
        Item::Value(Value::DateTime { date, time, utc: false }) => reader.date(date, Some(time)),
        Item::Value(Value::DateTime { utc: true, .. }) => return Ok(item),
        _ => match text(&item) {
            Some(text) => reader.read(text.trim()),
            None => return Ok(item),
        },
    };
    utc.map(Item::Text).ok_or_else(|| format!("{} is no date of the form {}", show(&item), reader.form()))
}

#[cfg(test)]
#[path = "transform_tests.rs"]
mod tests;
