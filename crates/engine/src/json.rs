//! Column values as canonical JSON (SURFACE section 2): one form per value, the same for every sink and for verify.
//! Only values become text here; which fields a document has is `route/`, and no sink changes what stands here.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::value::{Clock, Date, Value};

/// What becomes of a date whose month or day is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ZeroDates {
    /// `null`, counted as coerced.
    #[default]
    Null,
    /// The server's own text.
    Text,
}

/// Appends the value's canonical JSON; zero dates become `null`. Answers how many values were coerced (0 or 1).
pub fn write_value(out: &mut Vec<u8>, value: Value<'_>) -> u32 {
    write_value_with(out, value, ZeroDates::Null)
}

/// As [`write_value`], with a choice for zero dates. NaN and infinities, which JSON lacks, are `null` and coerced.
pub fn write_value_with(out: &mut Vec<u8>, value: Value<'_>, zero_dates: ZeroDates) -> u32 {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Int(v) => out.extend_from_slice(itoa::Buffer::new().format(v).as_bytes()),
        Value::UInt(v) => out.extend_from_slice(itoa::Buffer::new().format(v).as_bytes()),
        Value::Float(v) if v.is_finite() => write_f32(out, v),
        Value::Double(v) if v.is_finite() => write_f64(out, v),
        Value::Float(_) | Value::Double(_) => {
            out.extend_from_slice(b"null");
            return 1;
        }
        Value::Decimal(v) => quote(out, |out| out.extend_from_slice(v.as_bytes())),
        Value::Text(v) => write_string(out, v),
        Value::Set(labels) => write_list(out, labels.iter(), write_string),
        Value::Bytes(v) => quote(out, |out| write_base64(out, v)),
        Value::Date(date) => quote(out, |out| write_date(out, date)),
        Value::DateTime { date, time, utc } => quote(out, |out| write_datetime(out, date, time, utc)),
        Value::Time { negative, time } => quote(out, |out| write_time(out, negative, time)),
        Value::ZeroDate(text) if zero_dates == ZeroDates::Text => write_string(out, text),
        Value::ZeroDate(_) => {
            out.extend_from_slice(b"null");
            return 1;
        }
        Value::Json(text) => write_json(out, text),
        Value::Geometry { srid, wkb } => write_geometry(out, srid, wkb),
        Value::Vector(bytes) => return write_vector(out, bytes),
    }
    0
}

/// Appends the shortest text that reads back as the same 32-bit float; the number must be finite.
pub fn write_f32(out: &mut Vec<u8>, v: f32) {
    out.extend_from_slice(ryu::Buffer::new().format_finite(v).as_bytes());
}

/// Appends the shortest text that reads back as the same 64-bit float; the number must be finite.
pub fn write_f64(out: &mut Vec<u8>, v: f64) {
    out.extend_from_slice(ryu::Buffer::new().format_finite(v).as_bytes());
}

/// Appends standard base64 with padding, without quotes.
pub fn write_base64(out: &mut Vec<u8>, bytes: &[u8]) {
    let start = out.len();
    out.resize(start + bytes.len().div_ceil(3) * 4, 0);
    let written = STANDARD.encode_slice(bytes, &mut out[start..]).unwrap_or(0);
    out.truncate(start + written);
}

/// Appends `2026-01-31`.
pub fn write_date(out: &mut Vec<u8>, date: Date) {
    let [thousands, hundreds] = two_digits(date.year / 100 % 100);
    let [tens, units] = two_digits(date.year % 100);
    let [m1, m2] = two_digits(u16::from(date.month) % 100);
    let [d1, d2] = two_digits(u16::from(date.day) % 100);
    out.extend_from_slice(&[thousands, hundreds, tens, units, b'-', m1, m2, b'-', d1, d2]);
}

/// Appends `2026-01-31T12:00:00.123`, with `Z` if `utc`.
pub fn write_datetime(out: &mut Vec<u8>, date: Date, time: Clock, utc: bool) {
    write_date(out, date);
    out.push(b'T');
    write_clock(out, time);
    if utc {
        out.push(b'Z');
    }
}

/// Appends `-838:59:59.000000`: at least two digits of hours.
pub fn write_time(out: &mut Vec<u8>, negative: bool, time: Clock) {
    if negative {
        out.push(b'-');
    }
    write_clock(out, time);
}

fn write_clock(out: &mut Vec<u8>, time: Clock) {
    if time.hour > 99 {
        out.extend_from_slice(itoa::Buffer::new().format(time.hour).as_bytes());
    } else {
        out.extend_from_slice(&two_digits(time.hour));
    }
    let [m1, m2] = two_digits(u16::from(time.minute) % 100);
    let [s1, s2] = two_digits(u16::from(time.second) % 100);
    out.extend_from_slice(&[b':', m1, m2, b':', s1, s2]);
    let digits = usize::from(time.digits.min(6));
    if digits > 0 {
        let mut fraction = [b'0'; 6];
        let mut rest = time.micros % 1_000_000;
        for place in fraction.iter_mut().rev() {
            *place = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        out.push(b'.');
        out.extend_from_slice(&fraction[..digits]);
    }
}

/// The number's last two digits (callers pass 0 to 99).
fn two_digits(n: u16) -> [u8; 2] {
    [b'0' + (n / 10 % 10) as u8, b'0' + (n % 10) as u8]
}

fn quote(out: &mut Vec<u8>, inner: impl FnOnce(&mut Vec<u8>)) {
    out.push(b'"');
    inner(out);
    out.push(b'"');
}

/// Appends a JSON array of what `each` writes.
pub fn write_list<T>(
    out: &mut Vec<u8>,
    items: impl Iterator<Item = T>,
    mut each: impl FnMut(&mut Vec<u8>, T),
) {
    out.push(b'[');
    for (n, item) in items.enumerate() {
        if n > 0 {
            out.push(b',');
        }
        each(out, item);
    }
    out.push(b']');
}

fn write_geometry(out: &mut Vec<u8>, srid: u32, wkb: &[u8]) {
    out.extend_from_slice(b"{\"srid\":");
    out.extend_from_slice(itoa::Buffer::new().format(srid).as_bytes());
    out.extend_from_slice(b",\"wkb\":\"");
    write_base64(out, wkb);
    out.extend_from_slice(b"\"}");
}

/// Writes each whole float; bytes that make none are left out, numbers that JSON lacks are `null` and counted.
fn write_vector(out: &mut Vec<u8>, bytes: &[u8]) -> u32 {
    let mut coerced = 0;
    let floats = bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
    write_list(out, floats, |out, v| {
        if v.is_finite() {
            write_f32(out, v);
        } else {
            out.extend_from_slice(b"null");
            coerced += 1;
        }
    });
    coerced
}

/// Appends JSON text as it stands. Text that is not compact (a line feed would break line formats downstream) loses
/// its white space; a control character inside a string, which JSON forbids, is escaped. Empty text is `null`.
pub fn write_json(out: &mut Vec<u8>, text: &str) {
    if text.is_empty() {
        out.extend_from_slice(b"null");
    } else if text.bytes().any(|b| b < 0x20) {
        write_compact(out, text);
    } else {
        out.extend_from_slice(text.as_bytes());
    }
}

fn write_compact(out: &mut Vec<u8>, text: &str) {
    let (mut quoted, mut escaped) = (false, false);
    for byte in text.bytes() {
        if quoted {
            if byte < 0x20 {
                write_escape(out, byte);
            } else {
                out.push(byte);
            }
            quoted = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
        } else if !matches!(byte, b' ' | 0..0x20) {
            out.push(byte);
            quoted = byte == b'"';
        }
    }
}

/// Appends the text as a JSON string: only `"`, `\` and control characters are escaped.
pub fn write_string(out: &mut Vec<u8>, text: &str) {
    out.reserve(text.len() + 2);
    out.push(b'"');
    write_escaped(out, text);
    out.push(b'"');
}

/// Appends the text as the inside of a JSON string.
pub fn write_escaped(out: &mut Vec<u8>, text: &str) {
    let mut rest = text.as_bytes();
    loop {
        let clean = clean_prefix(rest);
        out.extend_from_slice(&rest[..clean]);
        let Some((special, after)) = rest[clean..].split_first() else { return };
        write_escape(out, *special);
        rest = after;
    }
}

fn write_escape(out: &mut Vec<u8>, byte: u8) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    match byte {
        b'"' => out.extend_from_slice(b"\\\""),
        b'\\' => out.extend_from_slice(b"\\\\"),
        b'\n' => out.extend_from_slice(b"\\n"),
        b'\r' => out.extend_from_slice(b"\\r"),
        b'\t' => out.extend_from_slice(b"\\t"),
        0x08 => out.extend_from_slice(b"\\b"),
        0x0c => out.extend_from_slice(b"\\f"),
        _ => out.extend_from_slice(&[
            b'\\',
            b'u',
            b'0',
            b'0',
            HEX[usize::from(byte >> 4)],
            HEX[usize::from(byte & 15)],
        ]),
    }
}

/// How many bytes at the start need no escape, eight looked at in a step.
fn clean_prefix(bytes: &[u8]) -> usize {
    let mut rest = bytes;
    while let Some((chunk, after)) = rest.split_first_chunk() {
        let found = specials(u64::from_le_bytes(*chunk));
        if found != 0 {
            return bytes.len() - rest.len() + found.trailing_zeros() as usize / 8;
        }
        rest = after;
    }
    let special = rest.iter().position(|b| matches!(b, b'"' | b'\\' | 0..0x20));
    bytes.len() - rest.len() + special.unwrap_or(rest.len())
}

/// Flags the high bit of bytes that must be escaped. The classic "has a byte below n" test: exact for the lowest flagged
/// byte, and a high bit in the input clears it.
fn specials(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let quote = word ^ (ONES * 0x22);
    let slash = word ^ (ONES * 0x5c);
    let low = word.wrapping_sub(ONES * 0x20) & !word;
    let quoted = quote.wrapping_sub(ONES) & !quote;
    let slashed = slash.wrapping_sub(ONES) & !slash;
    (low | quoted | slashed) & HIGH
}

#[cfg(test)]
#[path = "json_tests.rs"]
mod tests;
