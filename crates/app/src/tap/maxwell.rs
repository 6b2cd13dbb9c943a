//! Lines in the form of Maxwell's daemon, with the members its options `output_binlog_position`, `output_gtid_position`,
//! `output_server_id` and `output_primary_keys` add. A changed key is one update whose `old` holds the old key.

use syncline_engine::change::{Change, Operation};
use syncline_engine::error::Result;
use syncline_engine::json;
use syncline_engine::row::RowImage;
use syncline_engine::schema::Column;
use syncline_engine::value::Value;

use super::columns::{moment, object, quoted};

/// Appends the change as one line.
pub fn write(change: &Change, key: &[usize], out: &mut Vec<u8>) -> Result<()> {
    let (kind, row) = match change.operation {
        Operation::Insert => ("insert", &change.after),
        Operation::Update => ("update", &change.after),
        Operation::Delete => ("delete", &change.before),
        Operation::Read => ("bootstrap-insert", &change.after),
        // There it is a message of DDL, which is not made here.
        Operation::Truncate => return Ok(()),
    };
    let Some(row) = row else { return Ok(()) };
    let schema = &change.schema;
    out.extend_from_slice(b"{\"database\":");
    json::write_string(out, &schema.database);
    out.extend_from_slice(b",\"table\":");
    json::write_string(out, &schema.table);
    let origin = &change.origin;
    let seconds = origin.committed_at.div_euclid(1000);
    out.extend_from_slice(format!(",\"type\":\"{kind}\",\"ts\":{seconds},\"position\":").as_bytes());
    json::write_string(out, &format!("{}:{}", origin.file, change.offset));
    if let Some(gtid) = &origin.gtid {
        out.extend_from_slice(b",\"gtid\":");
        json::write_string(out, gtid);
    }
    out.extend_from_slice(format!(",\"server_id\":{},\"primary_key\":", origin.server_id).as_bytes());
    write_key(row, key, out)?;
    out.extend_from_slice(b",\"data\":");
    object(schema, row, out, write_value)?;
    if let (Operation::Update, Some(before)) = (change.operation, &change.before) {
        out.extend_from_slice(b",\"old\":");
        write_old(change, before, row, out)?;
    }
    out.extend_from_slice(b"}\n");
    Ok(())
}

fn write_key(row: &RowImage, key: &[usize], out: &mut Vec<u8>) -> Result<()> {
    out.push(b'[');
    for (n, value) in row.columns(key)?.iter().enumerate() {
        if n > 0 {
            out.push(b',');
        }
        let value = value.as_ref().map_or(Value::Null, |v| v.borrow());
        plain(value, out);
    }
    out.push(b']');
    Ok(())
}

/// The old values of the columns that changed.
fn write_old(change: &Change, before: &RowImage, after: &RowImage, out: &mut Vec<u8>) -> Result<()> {
    let all: Vec<usize> = (0..change.schema.columns.len()).collect();
    let (old, new) = (before.columns(&all)?, after.columns(&all)?);
    out.push(b'{');
    let start = out.len();
    for ((column, old), new) in change.schema.columns.iter().zip(old).zip(new) {
        let Some(value) = old.as_ref().filter(|_| old != new) else { continue };
        if out.len() > start {
            out.push(b',');
        }
        json::write_string(out, &column.name);
        out.push(b':');
        plain(value.borrow(), out);
    }
    out.push(b'}');
    Ok(())
}

fn write_value(_: &Column, value: Value<'_>, out: &mut Vec<u8>) {
    plain(value, out);
}

/// Decimals are numbers, moments are text with a space, a zero date is null, geometry is well-known text.
fn plain(value: Value<'_>, out: &mut Vec<u8>) {
    match value {
        Value::Decimal(text) => out.extend_from_slice(text.as_bytes()),
        Value::DateTime { date, time, .. } => quoted(out, |out| moment(out, date, time)),
        Value::Geometry { wkb, .. } => match super::wkt::text(wkb) {
            Some(text) => json::write_string(out, &text),
            None => quoted(out, |out| json::write_base64(out, wkb)),
        },
        other => {
            json::write_value(out, other);
        }
    }
}
