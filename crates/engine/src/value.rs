//! Column values, borrowed from a row image while it is read, and their owned twin for the few that are kept.
//! How a value looks in a document is `json.rs`; how bytes become values is the connector's codec.

use std::sync::Arc;

/// One column's value, lent by a [`crate::row::RowFormat`] for the time of one visitor call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// SQL NULL.
    Null,
    /// Signed integers.
    Int(i64),
    /// Unsigned integers, YEAR, BIT.
    UInt(u64),
    /// 32-bit float.
    Float(f32),
    /// 64-bit float.
    Double(f64),
    /// Exact decimal text: optional `-`, digits, and as many digits after the point as the column's scale.
    Decimal(&'a str),
    /// Text, already UTF-8; also ENUM labels, UUID, INET.
    Text(&'a str),
    /// SET.
    Set(Labels<'a>),
    /// Binary, exactly as long as the column says (BINARY keeps its zero padding).
    Bytes(&'a [u8]),
    /// A real calendar date.
    Date(Date),
    /// A date with a time of day; `utc` for TIMESTAMP.
    DateTime { date: Date, time: Clock, utc: bool },
    /// TIME: a signed duration.
    Time { negative: bool, time: Clock },
    /// A date, datetime or timestamp whose month or day is 0, as the server prints it.
    ZeroDate(&'a str),
    /// JSON text, compact, numbers exact.
    Json(&'a str),
    /// Well-known binary without the SRID prefix.
    Geometry { srid: u32, wkb: &'a [u8] },
    /// Little-endian 32-bit floats.
    Vector(&'a [u8]),
}

/// Year 0 to 9999, month 1 to 12, day 1 to 31 (not checked against the calendar: the server stored it).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Date {
    pub year: u16,
    pub month: u8,
    pub day: u8,
}

/// A time of day, or hours up to 838 for TIME; `digits` (0 to 6) of the fraction are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Clock {
    pub hour: u16,
    pub minute: u8,
    pub second: u8,
    pub micros: u32,
    pub digits: u8,
}

/// The labels of a SET value, in the column's order.
#[derive(Clone, Copy, Debug)]
pub enum Labels<'a> {
    /// Bit n stands for label n.
    Bits { labels: &'a [Arc<str>], bits: u64 },
    /// The labels themselves.
    List(&'a [Arc<str>]),
}

impl<'a> Labels<'a> {
    /// Each label that is set.
    pub fn iter(self) -> impl Iterator<Item = &'a str> {
        let (labels, bits) = match self {
            Labels::Bits { labels, bits } => (labels, bits),
            Labels::List(labels) => (labels, u64::MAX),
        };
        labels.iter().enumerate().filter(move |(n, _)| *n > 63 || bits >> n & 1 == 1).map(|(_, l)| &**l)
    }
}

impl PartialEq for Labels<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

/// A value that outlives its row image.
#[derive(Clone, Debug, PartialEq)]
pub enum OwnedValue {
    Null,
    Int(i64),
    UInt(u64),
    Float(f32),
    Double(f64),
    Decimal(Box<str>),
    Text(Box<str>),
    Set(Vec<Arc<str>>),
    Bytes(Box<[u8]>),
    Date(Date),
    DateTime { date: Date, time: Clock, utc: bool },
    Time { negative: bool, time: Clock },
    ZeroDate(Box<str>),
    Json(Box<str>),
    Geometry { srid: u32, wkb: Box<[u8]> },
    Vector(Box<[u8]>),
}

impl Value<'_> {
    /// Copies what the value borrows.
    pub fn to_owned(self) -> OwnedValue {
        match self {
            Value::Null => OwnedValue::Null,
            Value::Int(v) => OwnedValue::Int(v),
            Value::UInt(v) => OwnedValue::UInt(v),
            Value::Float(v) => OwnedValue::Float(v),
            Value::Double(v) => OwnedValue::Double(v),
            Value::Decimal(v) => OwnedValue::Decimal(v.into()),
            Value::Text(v) => OwnedValue::Text(v.into()),
            Value::Set(v) => OwnedValue::Set(v.iter().map(Arc::from).collect()),
            Value::Bytes(v) => OwnedValue::Bytes(v.into()),
            Value::Date(v) => OwnedValue::Date(v),
            Value::DateTime { date, time, utc } => OwnedValue::DateTime { date, time, utc },
            Value::Time { negative, time } => OwnedValue::Time { negative, time },
            Value::ZeroDate(v) => OwnedValue::ZeroDate(v.into()),
            Value::Json(v) => OwnedValue::Json(v.into()),
            Value::Geometry { srid, wkb } => OwnedValue::Geometry { srid, wkb: wkb.into() },
            Value::Vector(v) => OwnedValue::Vector(v.into()),
        }
    }
}

impl OwnedValue {
    /// Lends the value again.
    pub fn borrow(&self) -> Value<'_> {
        match self {
            OwnedValue::Null => Value::Null,
            OwnedValue::Int(v) => Value::Int(*v),
            OwnedValue::UInt(v) => Value::UInt(*v),
            OwnedValue::Float(v) => Value::Float(*v),
            OwnedValue::Double(v) => Value::Double(*v),
            OwnedValue::Decimal(v) => Value::Decimal(v),
            OwnedValue::Text(v) => Value::Text(v),
            OwnedValue::Set(v) => Value::Set(Labels::List(v)),
            OwnedValue::Bytes(v) => Value::Bytes(v),
            OwnedValue::Date(v) => Value::Date(*v),
            OwnedValue::DateTime { date, time, utc } => {
                Value::DateTime { date: *date, time: *time, utc: *utc }
            }
            OwnedValue::Time { negative, time } => Value::Time { negative: *negative, time: *time },
            OwnedValue::ZeroDate(v) => Value::ZeroDate(v),
            OwnedValue::Json(v) => Value::Json(v),
            OwnedValue::Geometry { srid, wkb } => Value::Geometry { srid: *srid, wkb },
            OwnedValue::Vector(v) => Value::Vector(v),
        }
    }
}
