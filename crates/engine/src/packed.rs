//! The engine's own row format: values one after the other, each a tag and its bytes. Sources without an event of their
//! own (rows of a SELECT, SQLite) build rows with it, and dead letters keep rows in it. It knows no schema and no vendor.

use std::sync::{Arc, LazyLock};

use bytes::Bytes;

use crate::error::{Code, Error, Result};
use crate::row::{RowFormat, RowImage, RowVisitor};
use crate::value::{Clock, Date, Labels, Value};

/// The tags are durable: dead letters hold them. A number is never given another meaning.
mod tag {
    pub const ABSENT: u8 = 0;
    pub const NULL: u8 = 1;
    pub const INT: u8 = 2;
    pub const UINT: u8 = 3;
    pub const FLOAT: u8 = 4;
    pub const DOUBLE: u8 = 5;
    pub const DECIMAL: u8 = 6;
    pub const TEXT: u8 = 7;
    pub const SET: u8 = 8;
    pub const BYTES: u8 = 9;
    pub const DATE: u8 = 10;
    pub const DATETIME: u8 = 11;
    pub const DATETIME_UTC: u8 = 12;
    pub const TIME: u8 = 13;
    pub const TIME_NEGATIVE: u8 = 14;
    pub const ZERO_DATE: u8 = 15;
    pub const JSON: u8 = 16;
    pub const GEOMETRY: u8 = 17;
    pub const VECTOR: u8 = 18;
}

/// Builds rows, column by column in schema order.
#[derive(Debug, Default)]
pub struct Writer {
    buffer: Vec<u8>,
}

impl Writer {
    /// An empty row.
    pub fn new() -> Writer {
        Writer::default()
    }

    /// Adds the next column's value.
    pub fn push(&mut self, value: Value<'_>) {
        let out = &mut self.buffer;
        match value {
            Value::Null => out.push(tag::NULL),
            Value::Int(v) => put_number(out, tag::INT, (v << 1 ^ v >> 63) as u64),
            Value::UInt(v) => put_number(out, tag::UINT, v),
            Value::Float(v) => {
                out.push(tag::FLOAT);
                out.extend_from_slice(&v.to_le_bytes());
            }
            Value::Double(v) => {
                out.push(tag::DOUBLE);
                out.extend_from_slice(&v.to_le_bytes());
            }
            Value::Decimal(v) => put_bytes(out, tag::DECIMAL, v.as_bytes()),
            Value::Text(v) => put_bytes(out, tag::TEXT, v.as_bytes()),
            Value::Set(labels) => {
                put_number(out, tag::SET, labels.iter().count() as u64);
                for label in labels.iter() {
                    put_varint(out, label.len() as u64);
                    out.extend_from_slice(label.as_bytes());
                }
            }
            Value::Bytes(v) => put_bytes(out, tag::BYTES, v),
            Value::Date(date) => {
                out.push(tag::DATE);
                put_date(out, date);
            }
            Value::DateTime { date, time, utc } => {
                out.push(if utc { tag::DATETIME_UTC } else { tag::DATETIME });
                put_date(out, date);
                put_clock(out, time);
            }
            Value::Time { negative, time } => {
                out.push(if negative { tag::TIME_NEGATIVE } else { tag::TIME });
                put_clock(out, time);
            }
            Value::ZeroDate(v) => put_bytes(out, tag::ZERO_DATE, v.as_bytes()),
            Value::Json(v) => put_bytes(out, tag::JSON, v.as_bytes()),
            Value::Geometry { srid, wkb } => {
                put_number(out, tag::GEOMETRY, u64::from(srid));
                put_varint(out, wkb.len() as u64);
                out.extend_from_slice(wkb);
            }
            Value::Vector(v) => put_bytes(out, tag::VECTOR, v),
        }
    }

    /// The row does not hold the next column (partial image).
    pub fn absent(&mut self) {
        self.buffer.push(tag::ABSENT);
    }

    /// The row so far; the writer begins the next one.
    pub fn finish(&mut self) -> Bytes {
        let row = Bytes::copy_from_slice(self.row());
        self.clear();
        row
    }

    /// The row so far, where it lies.
    pub fn row(&self) -> &[u8] {
        &self.buffer
    }

    /// Forgets the row so far.
    pub fn clear(&mut self) {
        self.buffer.clear();
    }
}

fn put_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn put_number(out: &mut Vec<u8>, tag: u8, number: u64) {
    out.push(tag);
    put_varint(out, number);
}

fn put_bytes(out: &mut Vec<u8>, tag: u8, bytes: &[u8]) {
    put_number(out, tag, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn put_date(out: &mut Vec<u8>, date: Date) {
    out.extend_from_slice(&date.year.to_le_bytes());
    out.extend_from_slice(&[date.month, date.day]);
}

fn put_clock(out: &mut Vec<u8>, time: Clock) {
    out.extend_from_slice(&time.hour.to_le_bytes());
    out.extend_from_slice(&[time.minute, time.second, time.digits]);
    out.extend_from_slice(&time.micros.to_le_bytes());
}

/// The format that reads what [`Writer`] wrote.
pub fn format() -> Arc<dyn RowFormat> {
    static FORMAT: LazyLock<Arc<dyn RowFormat>> = LazyLock::new(|| Arc::new(Packed));
    FORMAT.clone()
}

/// A row image of packed bytes.
pub fn image(bytes: Bytes) -> RowImage {
    RowImage { bytes, format: format() }
}

/// A row image of packed bytes that lacks columns which its row has.
pub fn partial_image(bytes: Bytes) -> RowImage {
    static FORMAT: LazyLock<Arc<dyn RowFormat>> = LazyLock::new(|| Arc::new(Partial));
    RowImage { bytes, format: FORMAT.clone() }
}

/// The same row in this format, whatever format it came in; `columns` is how many the schema has.
pub fn repack(row: &RowImage, columns: usize) -> Result<Bytes> {
    struct Repack {
        writer: Writer,
        next: usize,
        columns: usize,
    }
    impl RowVisitor for Repack {
        fn wants(&self, column: usize) -> bool {
            column < self.columns
        }
        fn value(&mut self, column: usize, value: Value<'_>) -> Result<()> {
            if column < self.next {
                return Err(damaged("a row format gave a column twice"));
            }
            (self.next..column).for_each(|_| self.writer.absent());
            self.writer.push(value);
            self.next = column + 1;
            Ok(())
        }
    }
    let mut repack = Repack { writer: Writer::new(), next: 0, columns };
    row.visit(&mut repack)?;
    Ok(repack.writer.finish())
}

fn damaged(what: &str) -> Error {
    Error::new(Code::RowDamaged, what)
}

struct Packed;

impl RowFormat for Packed {
    fn visit(&self, image: &[u8], visitor: &mut dyn RowVisitor) -> Result<()> {
        let mut reader = Reader { rest: image };
        let mut column = 0;
        while !reader.rest.is_empty() {
            let tag = reader.byte()?;
            if tag != tag::ABSENT {
                if visitor.wants(column) {
                    reader.value(tag, column, visitor)?;
                } else {
                    reader.skip(tag)?;
                }
            }
            column += 1;
        }
        Ok(())
    }
}

struct Partial;

impl RowFormat for Partial {
    fn visit(&self, image: &[u8], visitor: &mut dyn RowVisitor) -> Result<()> {
        Packed.visit(image, visitor)
    }

    fn is_partial(&self) -> bool {
        true
    }
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: u64) -> Result<&'a [u8]> {
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let (taken, rest) =
            self.rest.split_at_checked(count).ok_or_else(|| damaged("a value reaches beyond its row"))?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (taken, rest) =
            self.rest.split_first_chunk().ok_or_else(|| damaged("a value reaches beyond its row"))?;
        self.rest = rest;
        Ok(*taken)
    }

    fn byte(&mut self) -> Result<u8> {
        self.array::<1>().map(|[b]| b)
    }

    fn varint(&mut self) -> Result<u64> {
        let mut number = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if bits << shift >> shift != bits {
                break;
            }
            number |= bits << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(damaged("a number is longer than 64 bits"))
    }

    fn bytes(&mut self) -> Result<&'a [u8]> {
        let length = self.varint()?;
        self.take(length)
    }

    fn text(&mut self) -> Result<&'a str> {
        std::str::from_utf8(self.bytes()?).map_err(|e| damaged("a text is not UTF-8").cause(e))
    }

    fn date(&mut self) -> Result<Date> {
        let [y1, y2, month, day] = self.array()?;
        Ok(Date { year: u16::from_le_bytes([y1, y2]), month, day })
    }

    fn clock(&mut self) -> Result<Clock> {
        let [h1, h2, minute, second, digits] = self.array()?;
        let micros = u32::from_le_bytes(self.array()?);
        Ok(Clock { hour: u16::from_le_bytes([h1, h2]), minute, second, micros, digits })
    }

    fn skip(&mut self, tag: u8) -> Result<()> {
        match tag {
            tag::NULL => {}
            tag::INT | tag::UINT => drop(self.varint()?),
            tag::FLOAT | tag::DATE => drop(self.array::<4>()?),
            tag::DOUBLE => drop(self.array::<8>()?),
            tag::DATETIME | tag::DATETIME_UTC => drop(self.array::<13>()?),
            tag::TIME | tag::TIME_NEGATIVE => drop(self.array::<9>()?),
            tag::SET => {
                for _ in 0..self.varint()? {
                    self.bytes()?;
                }
            }
            tag::GEOMETRY => {
                self.varint()?;
                self.bytes()?;
            }
            tag::DECIMAL | tag::TEXT | tag::BYTES | tag::ZERO_DATE | tag::JSON | tag::VECTOR => {
                self.bytes()?;
            }
            _ => return Err(damaged("a value has an unknown tag")),
        }
        Ok(())
    }

    fn value(&mut self, tag: u8, column: usize, visitor: &mut dyn RowVisitor) -> Result<()> {
        let value = match tag {
            tag::NULL => Value::Null,
            tag::INT => {
                let zigzag = self.varint()?;
                Value::Int((zigzag >> 1) as i64 ^ -((zigzag & 1) as i64))
            }
            tag::UINT => Value::UInt(self.varint()?),
            tag::FLOAT => Value::Float(f32::from_le_bytes(self.array()?)),
            tag::DOUBLE => Value::Double(f64::from_le_bytes(self.array()?)),
            tag::DECIMAL => Value::Decimal(self.text()?),
            tag::TEXT => Value::Text(self.text()?),
            tag::SET => return self.set(column, visitor),
            tag::BYTES => Value::Bytes(self.bytes()?),
            tag::DATE => Value::Date(self.date()?),
            tag::DATETIME | tag::DATETIME_UTC => {
                let (date, time) = (self.date()?, self.clock()?);
                Value::DateTime { date, time, utc: tag == tag::DATETIME_UTC }
            }
            tag::TIME | tag::TIME_NEGATIVE => {
                Value::Time { negative: tag == tag::TIME_NEGATIVE, time: self.clock()? }
            }
            tag::ZERO_DATE => Value::ZeroDate(self.text()?),
            tag::JSON => Value::Json(self.text()?),
            tag::GEOMETRY => {
                let srid = u32::try_from(self.varint()?).map_err(|_| damaged("an SRID is out of range"))?;
                Value::Geometry { srid, wkb: self.bytes()? }
            }
            tag::VECTOR => Value::Vector(self.bytes()?),
            _ => return Err(damaged("a value has an unknown tag")),
        };
        visitor.value(column, value)
    }

    /// Each label takes at least one byte of the row, so the list is bounded by it.
    fn set(&mut self, column: usize, visitor: &mut dyn RowVisitor) -> Result<()> {
        let mut labels = Vec::new();
        for _ in 0..self.varint()? {
            labels.push(Arc::from(self.text()?));
        }
        visitor.value(column, Value::Set(Labels::List(&labels)))
    }
}

#[cfg(test)]
#[path = "packed_tests.rs"]
mod tests;
