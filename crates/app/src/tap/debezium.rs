//! Lines in the form of Debezium's change events without schemas, with its default handling of values: decimals are bytes
//! of the unscaled number, dates are days, times are microseconds. A changed key is a delete and a create.

use syncline_engine::change::{Change, Operation};
use syncline_engine::clock::now_millis;
use syncline_engine::error::Result;
use syncline_engine::json;
use syncline_engine::row::RowImage;
use syncline_engine::schema::{Column, ColumnKind};
use syncline_engine::value::{Labels, Value};

use super::columns::{days, decimal_bytes, micros, object, quoted};
use super::dialect::Server;

/// Appends the change as one line, or two if its key changed.
pub fn write(change: &Change, key: &[usize], server: &Server, out: &mut Vec<u8>) -> Result<()> {
    let (before, after) = (change.before.as_ref(), change.after.as_ref());
    let moved = match (before, after) {
        (Some(before), Some(after)) => before.columns(key)? != after.columns(key)?,
        _ => false,
    };
    if moved {
        line(change, server, "d", before, None, out)?;
        return line(change, server, "c", None, after, out);
    }
    let op = match change.operation {
        Operation::Insert => "c",
        Operation::Update => "u",
        Operation::Delete => "d",
        Operation::Read => "r",
        Operation::Truncate => "t",
    };
    line(change, server, op, before, after, out)
}

fn line(
    change: &Change,
    server: &Server,
    op: &str,
    before: Option<&RowImage>,
    after: Option<&RowImage>,
    out: &mut Vec<u8>,
) -> Result<()> {
    for (name, row) in [("{\"before\":", before), (",\"after\":", after)] {
        out.extend_from_slice(name.as_bytes());
        match row {
            Some(row) => object(&change.schema, row, out, write_value)?,
            None => out.extend_from_slice(b"null"),
        }
    }
    write_source(change, server, op, out);
    let now = now_millis();
    out.extend_from_slice(
        format!(",\"transaction\":null,\"op\":\"{op}\",\"ts_ms\":{now},\"ts_us\":{now}000,\"ts_ns\":{now}000000}}\n")
            .as_bytes(),
    );
    Ok(())
}

fn write_source(change: &Change, server: &Server, op: &str, out: &mut Vec<u8>) {
    let (origin, at) = (&change.origin, change.origin.committed_at);
    let text = |out: &mut Vec<u8>, name: &str, value: &str| {
        out.extend_from_slice(name.as_bytes());
        json::write_string(out, value);
    };
    text(out, ",\"source\":{\"version\":", concat!("syncline ", env!("CARGO_PKG_VERSION")));
    text(out, ",\"connector\":", &server.connector);
    text(out, ",\"name\":", &server.name);
    let snapshot = if op == "r" { "true" } else { "false" };
    out.extend_from_slice(format!(",\"ts_ms\":{at},\"snapshot\":\"{snapshot}\"").as_bytes());
    text(out, ",\"db\":", &change.schema.database);
    out.extend_from_slice(format!(",\"sequence\":null,\"ts_us\":{at}000,\"ts_ns\":{at}000000").as_bytes());
    text(out, ",\"table\":", &change.schema.table);
    out.extend_from_slice(format!(",\"server_id\":{},\"gtid\":", origin.server_id).as_bytes());
    match &origin.gtid {
        Some(gtid) => json::write_string(out, gtid),
        None => out.extend_from_slice(b"null"),
    }
    text(out, ",\"file\":", &origin.file);
    out.extend_from_slice(
        format!(",\"pos\":{},\"row\":0,\"thread\":null,\"query\":null}}", change.offset).as_bytes(),
    );
}

fn write_value(column: &Column, value: Value<'_>, out: &mut Vec<u8>) {
    let number = |out: &mut Vec<u8>, n: i64| out.extend_from_slice(n.to_string().as_bytes());
    match value {
        // `bigint.unsigned.handling.mode=long`: what does not fit wraps, as there.
        Value::UInt(v) => match column.kind {
            ColumnKind::Bit { bits: 1 } => out.extend_from_slice(if v == 0 { b"false" } else { b"true" }),
            ColumnKind::Bit { bits } => {
                let length = usize::from(bits).div_ceil(8).clamp(1, 8);
                quoted(out, |out| json::write_base64(out, &v.to_le_bytes()[..length]));
            }
            _ => number(out, v as i64),
        },
        Value::Decimal(text) => quoted(out, |out| json::write_base64(out, &decimal_bytes(text))),
        Value::Set(labels) => json::write_string(out, &joined(labels)),
        Value::Date(d) => number(out, days(d)),
        Value::DateTime { utc: true, .. } => {
            json::write_value(out, value);
        }
        Value::DateTime { date: d, time, utc: false } => {
            let exact = days(d) * 86_400_000_000 + micros(time);
            number(out, if time.digits > 3 { exact } else { exact.div_euclid(1000) });
        }
        Value::Time { negative, time } => number(out, if negative { -micros(time) } else { micros(time) }),
        Value::ZeroDate(_) if column.nullable => out.extend_from_slice(b"null"),
        Value::ZeroDate(_) => match column.kind {
            ColumnKind::Timestamp { .. } => out.extend_from_slice(b"\"1970-01-01T00:00:00Z\""),
            _ => out.push(b'0'),
        },
        Value::Json(text) => json::write_string(out, text),
        Value::Geometry { srid, wkb } => {
            out.extend_from_slice(b"{\"wkb\":");
            quoted(out, |out| json::write_base64(out, wkb));
            out.extend_from_slice(format!(",\"srid\":{srid}}}").as_bytes());
        }
        other => {
            json::write_value(out, other);
        }
    }
}

fn joined(labels: Labels<'_>) -> String {
    labels.iter().collect::<Vec<_>>().join(",")
}
