//! One value's bytes in a row image as a [`Value`]: what each kind of column means, with all that was to be known of the
//! column settled before. How long a value is and where it stands is the row's business (`binlog/row_format.rs`).

use std::sync::Arc;

use syncline_engine::value::{Labels, Value};

use super::charset::Charset;
use super::temporal::{self, ZeroText};
use super::{address, compressed, decimal, json_binary, json_text};

/// How to read a column. Lengths are checked by the caller: fixed ones are as long as the variant needs.
#[derive(Clone, Debug)]
pub enum Read {
    Int {
        unsigned: bool,
    },
    Float,
    Double,
    Year,
    Bit,
    Decimal {
        precision: u8,
        scale: u8,
    },
    Date,
    OldTime,
    OldDateTime,
    OldTimestamp,
    Time {
        digits: u8,
    },
    DateTime {
        digits: u8,
    },
    Timestamp {
        digits: u8,
    },
    Enum {
        labels: Arc<[Arc<str>]>,
    },
    Set {
        labels: Arc<[Arc<str>]>,
    },
    Text {
        charset: Charset,
    },
    JsonText {
        charset: Charset,
    },
    /// Padded with zero bytes up to `pad`, which the server cuts off.
    Bytes {
        pad: Option<u16>,
    },
    Json,
    Geometry,
    Vector,
    Uuid,
    Inet4,
    Inet6,
    /// MariaDB's compressed columns: what is inside is read as said.
    Compressed(Box<Read>),
    /// The column type NULL.
    Null,
    /// In the row image, but no column of the table to anybody.
    Hidden,
}

/// Buffers that values borrow from, reused from value to value.
#[derive(Default)]
pub struct Scratch {
    pub text: String,
    pub json: String,
    pub bytes: Vec<u8>,
    pub inflated: Vec<u8>,
    pub zero: ZeroText,
    pub decimal: DecimalText,
}

/// Room for a decimal's text.
pub struct DecimalText(pub [u8; decimal::MAX_TEXT]);

impl Default for DecimalText {
    fn default() -> DecimalText {
        DecimalText([0; decimal::MAX_TEXT])
    }
}

/// A little-endian number of up to 8 bytes.
#[inline]
fn little(bytes: &[u8]) -> u64 {
    match *bytes {
        [a] => a.into(),
        [a, b] => u16::from_le_bytes([a, b]).into(),
        [a, b, c] => u32::from_le_bytes([a, b, c, 0]).into(),
        [a, b, c, d] => u32::from_le_bytes([a, b, c, d]).into(),
        _ => bytes.iter().rev().fold(0, |n, b| n << 8 | u64::from(*b)),
    }
}

/// A big-endian number of up to 8 bytes.
#[inline]
fn big(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |n, b| n << 8 | u64::from(*b))
}

impl Read {
    /// The value; `None` if the bytes are none of this kind.
    #[inline]
    pub fn value<'a>(&'a self, bytes: &'a [u8], scratch: &'a mut Scratch) -> Option<Value<'a>> {
        match self {
            Read::Int { unsigned } => Some(int(bytes, *unsigned)),
            Read::Float => Some(Value::Float(f32::from_le_bytes(bytes.try_into().ok()?))),
            Read::Double => Some(Value::Double(f64::from_le_bytes(bytes.try_into().ok()?))),
            Read::Text { charset } => charset.decode(bytes, &mut scratch.text).map(Value::Text),
            Read::Decimal { precision, scale } => {
                decimal::text(bytes, *precision, *scale, &mut scratch.decimal.0).map(Value::Decimal)
            }
            Read::Date => {
                temporal::date_value(temporal::unpack_date(little(bytes) as u32), &mut scratch.zero)
            }
            Read::Time { digits } => {
                let fraction = bytes.len().checked_sub(3).filter(|len| *len <= 3)?;
                let (negative, time) = temporal::unpack_time(big(bytes), fraction, *digits);
                temporal::time_value(negative, time)
            }
            Read::DateTime { digits } => {
                let (whole, fraction) = bytes.split_at_checked(5).filter(|parts| parts.1.len() <= 3)?;
                let micros = temporal::micros(big(fraction), fraction.len());
                let moment = temporal::unpack_datetime(big(whole), micros, *digits)?;
                temporal::moment_value(moment, false, &mut scratch.zero)
            }
            Read::Timestamp { digits } => {
                let (whole, fraction) = bytes.split_at_checked(4).filter(|parts| parts.1.len() <= 3)?;
                let micros = temporal::micros(big(fraction), fraction.len());
                let moment = temporal::unpack_timestamp(big(whole) as u32, micros, *digits);
                temporal::moment_value(moment, true, &mut scratch.zero)
            }
            Read::Enum { labels } => enum_label(labels, little(bytes)).map(Value::Text),
            Read::Set { labels } => set(labels, little(bytes)),
            _ => self.rare(bytes, scratch),
        }
    }

    fn rare<'a>(&'a self, bytes: &'a [u8], scratch: &'a mut Scratch) -> Option<Value<'a>> {
        match self {
            Read::Year => Some(Value::UInt(match bytes.first()? {
                0 => 0,
                year => 1900 + u64::from(*year),
            })),
            Read::Bit => Some(Value::UInt(big(bytes))),
            Read::OldTime => {
                let n = (little(bytes) << 40).cast_signed() >> 40;
                temporal::time_value(n < 0, temporal::old_clock(n.unsigned_abs()))
            }
            Read::OldDateTime => {
                let moment = temporal::unpack_old_datetime(little(bytes))?;
                temporal::moment_value(moment, false, &mut scratch.zero)
            }
            Read::OldTimestamp => {
                let moment = temporal::unpack_timestamp(little(bytes) as u32, 0, 0);
                temporal::moment_value(moment, true, &mut scratch.zero)
            }
            Read::Bytes { pad } => pad_bytes(bytes, *pad, &mut scratch.bytes).map(Value::Bytes),
            Read::Json => {
                json_binary::text(bytes, &mut scratch.json)?;
                Some(Value::Json(&scratch.json))
            }
            Read::JsonText { charset } => {
                let text = charset.decode(bytes, &mut scratch.text)?;
                json_text::compact(text, &mut scratch.json)?;
                Some(Value::Json(&scratch.json))
            }
            Read::Geometry => geometry(bytes),
            Read::Vector => vector(bytes),
            Read::Uuid => address::uuid(bytes, &mut scratch.text).map(Value::Text),
            Read::Inet4 => address::inet4(bytes, &mut scratch.text).map(Value::Text),
            Read::Inet6 => address::inet6(bytes, &mut scratch.text).map(Value::Text),
            Read::Compressed(inner) => {
                // Taken out, so that what is inside can be borrowed beside the other buffers.
                let mut inflated = std::mem::take(&mut scratch.inflated);
                let done = compressed::inflate(bytes, &mut inflated);
                scratch.inflated = inflated;
                done?;
                let Scratch { text, json, inflated, .. } = scratch;
                match &**inner {
                    Read::Text { charset } => charset.decode(inflated, text).map(Value::Text),
                    Read::JsonText { charset } => {
                        json_text::compact(charset.decode(inflated, text)?, json)?;
                        Some(Value::Json(json))
                    }
                    _ => Some(Value::Bytes(inflated)),
                }
            }
            _ => Some(Value::Null),
        }
    }
}

#[inline]
fn int(bytes: &[u8], unsigned: bool) -> Value<'static> {
    let n = little(bytes);
    if unsigned {
        return Value::UInt(n);
    }
    let unused = 64 - 8 * bytes.len().clamp(1, 8) as u32;
    Value::Int((n << unused).cast_signed() >> unused)
}

/// Number 0 is the error value, an empty text.
pub fn enum_label(labels: &[Arc<str>], n: u64) -> Option<&str> {
    match usize::try_from(n).ok()?.checked_sub(1) {
        None => Some(""),
        Some(n) => labels.get(n).map(|label| &**label),
    }
}

/// A bit without a label is no value of the column.
pub fn set(labels: &[Arc<str>], bits: u64) -> Option<Value<'_>> {
    let known = u64::MAX.checked_shr(64 - labels.len().min(64) as u32).unwrap_or(0);
    (bits & !known == 0).then_some(Value::Set(Labels::Bits { labels, bits }))
}

fn pad_bytes<'a>(bytes: &'a [u8], pad: Option<u16>, out: &'a mut Vec<u8>) -> Option<&'a [u8]> {
    let pad = pad.map_or(0, usize::from);
    if bytes.len() >= pad {
        return Some(bytes);
    }
    out.clear();
    out.extend_from_slice(bytes);
    out.resize(pad, 0);
    Some(out)
}

/// Four bytes of SRID, then well-known binary.
pub fn geometry(bytes: &[u8]) -> Option<Value<'_>> {
    let (srid, wkb) = bytes.split_first_chunk()?;
    Some(Value::Geometry { srid: u32::from_le_bytes(*srid), wkb })
}

/// Floats of four bytes.
pub fn vector(bytes: &[u8]) -> Option<Value<'_>> {
    bytes.len().is_multiple_of(4).then_some(Value::Vector(bytes))
}
