//! Lines in the form of Canal's flat messages: every value is text as MySQL prints it, or null; an ENUM is its number, a
//! SET its bits, bytes are Latin-1. A changed key is one update whose `old` holds the old key.

use std::fmt::Write as _;

use syncline_engine::change::{Change, Operation};
use syncline_engine::clock::now_millis;
use syncline_engine::error::Result;
use syncline_engine::json;
use syncline_engine::row::RowImage;
use syncline_engine::schema::{Column, ColumnKind, TableSchema};
use syncline_engine::value::Value;

use super::columns::{each, moment};

type Texts = Vec<(String, Option<String>)>;

/// Appends the change as one line.
pub fn write(change: &Change, key: &[usize], number: u64, out: &mut Vec<u8>) -> Result<()> {
    let (kind, row) = match change.operation {
        Operation::Insert | Operation::Read => ("INSERT", &change.after),
        Operation::Update => ("UPDATE", &change.after),
        Operation::Delete => ("DELETE", &change.before),
        // There it is a message of DDL, which is not made here.
        Operation::Truncate => return Ok(()),
    };
    let Some(row) = row else { return Ok(()) };
    let schema = &change.schema;
    let new = texts(schema, row)?;
    out.extend_from_slice(b"{\"data\":[");
    write_texts(&new, out);
    out.extend_from_slice(b"],\"database\":");
    json::write_string(out, &schema.database);
    let gtid = change.origin.gtid.as_deref().unwrap_or("");
    out.extend_from_slice(format!(",\"es\":{},\"gtid\":", change.origin.committed_at).as_bytes());
    json::write_string(out, gtid);
    out.extend_from_slice(format!(",\"id\":{number},\"isDdl\":false,\"mysqlType\":").as_bytes());
    let types: Texts =
        schema.columns.iter().map(|c| (c.name.to_string(), Some(type_name(&c.kind)))).collect();
    write_texts(&types, out);
    out.extend_from_slice(b",\"old\":");
    match (&change.before, change.operation) {
        (Some(before), Operation::Update) => {
            let mut old = texts(schema, before)?;
            old.retain(|(name, value)| new.iter().any(|(n, v)| n == name && v != value));
            out.push(b'[');
            write_texts(&old, out);
            out.push(b']');
        }
        _ => out.extend_from_slice(b"null"),
    }
    let names: Vec<&str> = key.iter().filter_map(|k| schema.columns.get(*k)).map(|c| &*c.name).collect();
    out.extend_from_slice(b",\"pkNames\":");
    match names.is_empty() {
        true => out.extend_from_slice(b"null"),
        false => json::write_list(out, names.iter(), |out, name| json::write_string(out, name)),
    }
    out.extend_from_slice(b",\"sql\":\"\",\"sqlType\":{");
    for (n, column) in schema.columns.iter().enumerate() {
        if n > 0 {
            out.push(b',');
        }
        json::write_string(out, &column.name);
        out.extend_from_slice(format!(":{}", sql_type(&column.kind)).as_bytes());
    }
    out.extend_from_slice(b"},\"table\":");
    json::write_string(out, &schema.table);
    out.extend_from_slice(format!(",\"ts\":{},\"type\":\"{kind}\"}}\n", now_millis()).as_bytes());
    Ok(())
}

fn write_texts(texts: &Texts, out: &mut Vec<u8>) {
    out.push(b'{');
    for (n, (name, value)) in texts.iter().enumerate() {
        if n > 0 {
            out.push(b',');
        }
        json::write_string(out, name);
        out.push(b':');
        match value {
            Some(text) => json::write_string(out, text),
            None => out.extend_from_slice(b"null"),
        }
    }
    out.push(b'}');
}

fn texts(schema: &TableSchema, row: &RowImage) -> Result<Texts> {
    let mut texts = Texts::new();
    each(schema, row, &mut |column, value| {
        texts.push((column.name.to_string(), text(column, value)));
        Ok(())
    })?;
    Ok(texts)
}

fn text(column: &Column, value: Value<'_>) -> Option<String> {
    Some(match value {
        Value::Null => return None,
        Value::Text(label) => match &column.kind {
            ColumnKind::Enum { labels } => {
                labels.iter().position(|l| **l == *label).map_or(0, |n| n + 1).to_string()
            }
            _ => label.to_owned(),
        },
        Value::Set(set) => {
            let ColumnKind::Set { labels } = &column.kind else { return Some(String::new()) };
            let bit =
                |label: &str| labels.iter().position(|l| **l == *label).map_or(0, |n| 1u64 << n.min(63));
            set.iter().map(bit).fold(0, |bits, b| bits | b).to_string()
        }
        Value::Bytes(raw) | Value::Vector(raw) => raw.iter().map(|b| char::from(*b)).collect(),
        Value::Geometry { srid, wkb } => {
            let whole = srid.to_le_bytes().into_iter().chain(wkb.iter().copied());
            whole.map(char::from).collect()
        }
        Value::Decimal(text) | Value::ZeroDate(text) | Value::Json(text) => text.to_owned(),
        Value::Date(date) => printed(|out| json::write_date(out, date)),
        Value::DateTime { date, time, .. } => printed(|out| moment(out, date, time)),
        Value::Time { negative, time } => printed(|out| json::write_time(out, negative, time)),
        Value::Int(v) => v.to_string(),
        Value::UInt(v) => v.to_string(),
        Value::Float(v) => v.to_string(),
        Value::Double(v) => v.to_string(),
    })
}

fn printed(write: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut bytes = Vec::new();
    write(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The column's type as MySQL would print it, as far as a captured schema tells.
fn type_name(kind: &ColumnKind) -> String {
    let digits =
        |name: &str, digits: u8| if digits == 0 { name.to_owned() } else { format!("{name}({digits})") };
    let listed = |name: &str, labels: &[std::sync::Arc<str>]| {
        let mut text = format!("{name}(");
        for (n, label) in labels.iter().enumerate() {
            let comma = if n > 0 { "," } else { "" };
            let _ = write!(text, "{comma}'{}'", label.replace('\'', "''"));
        }
        text + ")"
    };
    match kind {
        ColumnKind::Integer { bits, unsigned } => {
            let name = match bits {
                8 => "tinyint",
                16 => "smallint",
                24 => "mediumint",
                32 => "int",
                _ => "bigint",
            };
            if *unsigned { format!("{name} unsigned") } else { name.to_owned() }
        }
        ColumnKind::Year => "year".to_owned(),
        ColumnKind::Bit { bits } => format!("bit({bits})"),
        ColumnKind::Float => "float".to_owned(),
        ColumnKind::Double => "double".to_owned(),
        ColumnKind::Decimal { precision, scale } => format!("decimal({precision},{scale})"),
        ColumnKind::Text { length: Some(length) } => format!("varchar({length})"),
        ColumnKind::Text { length: None } | ColumnKind::Any => "text".to_owned(),
        ColumnKind::Enum { labels } => listed("enum", labels),
        ColumnKind::Set { labels } => listed("set", labels),
        ColumnKind::Bytes => "blob".to_owned(),
        ColumnKind::Date => "date".to_owned(),
        ColumnKind::DateTime { digits: d } => digits("datetime", *d),
        ColumnKind::Timestamp { digits: d } => digits("timestamp", *d),
        ColumnKind::Time { digits: d } => digits("time", *d),
        ColumnKind::Json => "json".to_owned(),
        ColumnKind::Geometry => "geometry".to_owned(),
        ColumnKind::Vector => "vector".to_owned(),
        ColumnKind::Uuid => "uuid".to_owned(),
        ColumnKind::Inet => "inet6".to_owned(),
    }
}

/// The constants of `java.sql.Types`; unsigned integers get the next larger type.
fn sql_type(kind: &ColumnKind) -> i32 {
    match kind {
        ColumnKind::Integer { bits, unsigned } => match (bits, unsigned) {
            (8, false) => -6,
            (8, true) | (16, false) => 5,
            (16 | 24, true) | (24 | 32, false) | (..=15, _) => 4,
            (32, true) | (_, false) => -5,
            (_, true) => 3,
        },
        ColumnKind::Bit { .. } | ColumnKind::Set { .. } => -7,
        ColumnKind::Float => 7,
        ColumnKind::Double => 8,
        ColumnKind::Decimal { .. } => 3,
        ColumnKind::Enum { .. } => 4,
        ColumnKind::Text { length: None } => 2005,
        ColumnKind::Text { .. } | ColumnKind::Year | ColumnKind::Json | ColumnKind::Any => 12,
        ColumnKind::Uuid | ColumnKind::Inet => 12,
        ColumnKind::Bytes | ColumnKind::Geometry | ColumnKind::Vector => 2004,
        ColumnKind::Date => 91,
        ColumnKind::Time { .. } => 92,
        ColumnKind::DateTime { .. } | ColumnKind::Timestamp { .. } => 93,
    }
}
