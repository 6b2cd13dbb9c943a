//! Walks the columns of a row for a dialect, and the little that dialects share: dates as MySQL prints them, days since
//! 1970, exact decimals as bytes.

use syncline_engine::error::{Error, Result};
use syncline_engine::json;
use syncline_engine::row::{RowImage, RowVisitor};
use syncline_engine::schema::{Column, TableSchema};
use syncline_engine::value::{Clock, Date, Value};

/// Calls `each` for every column that the image holds, in order.
pub fn each(
    schema: &TableSchema,
    row: &RowImage,
    each: &mut dyn FnMut(&Column, Value<'_>) -> Result<()>,
) -> Result<()> {
    struct Walk<'a> {
        schema: &'a TableSchema,
        each: &'a mut dyn FnMut(&Column, Value<'_>) -> Result<()>,
    }
    impl RowVisitor for Walk<'_> {
        fn wants(&self, column: usize) -> bool {
            column < self.schema.columns.len()
        }
        fn value(&mut self, column: usize, value: Value<'_>) -> std::result::Result<(), Error> {
            (self.each)(&self.schema.columns[column], value)
        }
    }
    row.visit(&mut Walk { schema, each })
}

/// A JSON object of a row's columns; `write` writes one value.
pub fn object(
    schema: &TableSchema,
    row: &RowImage,
    out: &mut Vec<u8>,
    mut write: impl FnMut(&Column, Value<'_>, &mut Vec<u8>),
) -> Result<()> {
    out.push(b'{');
    let start = out.len();
    each(schema, row, &mut |column, value| {
        if out.len() > start {
            out.push(b',');
        }
        json::write_string(out, &column.name);
        out.push(b':');
        write(column, value, out);
        Ok(())
    })?;
    out.push(b'}');
    Ok(())
}

/// `2026-01-31 12:00:00.123`, as MySQL prints it.
pub fn moment(out: &mut Vec<u8>, date: Date, time: Clock) {
    json::write_date(out, date);
    out.push(b' ');
    json::write_time(out, false, time);
}

/// A quoted text that `write` writes; nothing in it may need an escape.
pub fn quoted(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    out.push(b'"');
    write(out);
    out.push(b'"');
}

/// Microseconds since midnight.
pub fn micros(t: Clock) -> i64 {
    (i64::from(t.hour) * 3600 + i64::from(t.minute) * 60 + i64::from(t.second)) * 1_000_000
        + i64::from(t.micros)
}

/// Days since 1970-01-01 in the Gregorian calendar, also before it was used.
pub fn days(d: Date) -> i64 {
    let (month, day) = (i64::from(d.month), i64::from(d.day));
    // Years begin in March, so that the leap day is the last of its year.
    let year = i64::from(d.year) - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The unscaled number of a decimal as big-endian two's complement, as short as it can be.
pub fn decimal_bytes(text: &str) -> Vec<u8> {
    let negative = text.starts_with('-');
    // Little-endian base 256.
    let mut magnitude = vec![0u8];
    for digit in text.bytes().filter(u8::is_ascii_digit) {
        let mut carry = u32::from(digit - b'0');
        for byte in &mut magnitude {
            let value = u32::from(*byte) * 10 + carry;
            *byte = value as u8;
            carry = value >> 8;
        }
        if carry > 0 {
            magnitude.push(carry as u8);
        }
    }
    if negative {
        let mut carry = true;
        for byte in &mut magnitude {
            let (value, more) = (!*byte).overflowing_add(u8::from(carry));
            *byte = value;
            carry = more;
        }
    }
    let fill = if negative && magnitude.iter().any(|b| *b != 0) { 0xff } else { 0 };
    magnitude.push(fill);
    while let [.., before, last] = magnitude[..]
        && last == fill
        && (before ^ fill) & 0x80 == 0
    {
        magnitude.pop();
    }
    magnitude.reverse();
    magnitude
}
