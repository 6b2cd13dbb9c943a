//! MySQL's binary JSON as compact text, each value as the server itself prints it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::json_number::push_double;
use super::{decimal, temporal};

/// The server's own limit is 100.
const MAX_DEPTH: usize = 128;

/// Bytes that make a line of base64.
const BASE64_LINE: usize = 57;

/// Types of values.
mod kind {
    pub const SMALL_OBJECT: u8 = 0x00;
    pub const LARGE_OBJECT: u8 = 0x01;
    pub const LARGE_ARRAY: u8 = 0x03;
    pub const LITERAL: u8 = 0x04;
    pub const INT16: u8 = 0x05;
    pub const UINT16: u8 = 0x06;
    pub const INT32: u8 = 0x07;
    pub const UINT32: u8 = 0x08;
    pub const INT64: u8 = 0x09;
    pub const UINT64: u8 = 0x0a;
    pub const DOUBLE: u8 = 0x0b;
    pub const STRING: u8 = 0x0c;
    pub const OPAQUE: u8 = 0x0f;
}

/// Column types of opaque values.
mod opaque {
    pub const TIMESTAMP: u8 = 7;
    pub const DATE: u8 = 10;
    pub const TIME: u8 = 11;
    pub const DATETIME: u8 = 12;
    pub const NEWDECIMAL: u8 = 246;
}

/// Replaces `out` by the text. `None` if the bytes are no document, or if their text is out of all proportion (parts that
/// point at each other).
pub fn text(document: &[u8], out: &mut String) -> Option<()> {
    out.clear();
    // The server stores the JSON value null of an upgraded table as nothing at all.
    let Some((kind, data)) = document.split_first() else {
        out.push_str("null");
        return Some(());
    };
    Writer { out, limit: document.len().saturating_mul(16).saturating_add(64) }.value(*kind, data, 0)
}

struct Writer<'a> {
    out: &'a mut String,
    limit: usize,
}

/// Objects and arrays of up to 64 KiB have offsets of 2 bytes, others of 4.
#[derive(Clone, Copy)]
struct Container<'a> {
    data: &'a [u8],
    width: usize,
    object: bool,
    count: usize,
}

impl<'a> Container<'a> {
    fn new(kind: u8, data: &'a [u8]) -> Option<Container<'a>> {
        let width = if matches!(kind, kind::LARGE_OBJECT | kind::LARGE_ARRAY) { 4 } else { 2 };
        let object = matches!(kind, kind::SMALL_OBJECT | kind::LARGE_OBJECT);
        let (count, size) = (number(data, 0, width)?, number(data, width, width)?);
        // All that belongs to it lies within its size.
        let container = Container { data: data.get(..size)?, width, object, count };
        let entries = count.checked_mul(container.value_entry() + container.key_entry())?;
        (entries.checked_add(2 * width)? <= size).then_some(container)
    }

    fn key_entry(&self) -> usize {
        if self.object { self.width + 2 } else { 0 }
    }

    fn value_entry(&self) -> usize {
        1 + self.width
    }

    fn key(&self, n: usize) -> Option<&'a str> {
        let at = 2 * self.width + n * self.key_entry();
        let (from, len) = (number(self.data, at, self.width)?, number(self.data, at + self.width, 2)?);
        std::str::from_utf8(self.data.get(from..from.checked_add(len)?)?).ok()
    }

    /// The type of a value, and its bytes with whatever stands behind them.
    fn value(&self, n: usize) -> Option<(u8, &'a [u8])> {
        let at = 2 * self.width + self.count * self.key_entry() + n * self.value_entry();
        let kind = *self.data.get(at)?;
        let inlined = match kind {
            kind::LITERAL | kind::INT16 | kind::UINT16 => true,
            kind::INT32 | kind::UINT32 => self.width == 4,
            _ => false,
        };
        let from = if inlined { at + 1 } else { number(self.data, at + 1, self.width)? };
        Some((kind, self.data.get(from..)?))
    }
}

fn number(data: &[u8], at: usize, width: usize) -> Option<usize> {
    let bytes = data.get(at..at.checked_add(width)?)?;
    Some(bytes.iter().rev().fold(0, |n, b| n << 8 | usize::from(*b)))
}

fn bytes<const N: usize>(data: &[u8]) -> Option<[u8; N]> {
    data.first_chunk().copied()
}

/// A length of 7 bits a byte, lowest first, and what it counts.
fn sized(data: &[u8]) -> Option<&[u8]> {
    let mut len = 0usize;
    for (n, byte) in data.iter().enumerate().take(5) {
        len |= usize::from(byte & 0x7f) << (7 * n);
        if byte & 0x80 == 0 {
            return data.get(n + 1..)?.get(..len);
        }
    }
    None
}

impl Writer<'_> {
    fn value(&mut self, kind: u8, data: &[u8], depth: usize) -> Option<()> {
        if depth > MAX_DEPTH || self.out.len() > self.limit {
            return None;
        }
        match kind {
            kind::SMALL_OBJECT..=kind::LARGE_ARRAY => self.container(Container::new(kind, data)?, depth),
            kind::LITERAL => self.literal(*data.first()?),
            kind::INT16 => self.signed(i16::from_le_bytes(bytes(data)?).into()),
            kind::UINT16 => self.unsigned(u16::from_le_bytes(bytes(data)?).into()),
            kind::INT32 => self.signed(i32::from_le_bytes(bytes(data)?).into()),
            kind::UINT32 => self.unsigned(u32::from_le_bytes(bytes(data)?).into()),
            kind::INT64 => self.signed(i64::from_le_bytes(bytes(data)?)),
            kind::UINT64 => self.unsigned(u64::from_le_bytes(bytes(data)?)),
            kind::DOUBLE => push_double(f64::from_le_bytes(bytes(data)?), self.out).then_some(()),
            kind::STRING => {
                push_string(std::str::from_utf8(sized(data)?).ok()?, self.out);
                Some(())
            }
            kind::OPAQUE => {
                let (column_type, rest) = data.split_first()?;
                self.opaque(*column_type, sized(rest)?)
            }
            _ => None,
        }
    }

    fn container(&mut self, container: Container<'_>, depth: usize) -> Option<()> {
        let (open, close) = if container.object { ('{', '}') } else { ('[', ']') };
        self.out.push(open);
        for n in 0..container.count {
            if n > 0 {
                self.out.push(',');
            }
            if container.object {
                push_string(container.key(n)?, self.out);
                self.out.push(':');
            }
            let (kind, data) = container.value(n)?;
            self.value(kind, data, depth + 1)?;
        }
        self.out.push(close);
        Some(())
    }

    fn literal(&mut self, literal: u8) -> Option<()> {
        self.out.push_str(match literal {
            0 => "null",
            1 => "true",
            2 => "false",
            _ => return None,
        });
        Some(())
    }

    fn signed(&mut self, n: i64) -> Option<()> {
        self.out.push_str(itoa::Buffer::new().format(n));
        Some(())
    }

    fn unsigned(&mut self, n: u64) -> Option<()> {
        self.out.push_str(itoa::Buffer::new().format(n));
        Some(())
    }

    fn opaque(&mut self, column_type: u8, data: &[u8]) -> Option<()> {
        match column_type {
            opaque::NEWDECIMAL => {
                let (precision, scale) = (*data.first()?, *data.get(1)?);
                let mut buffer = [0; decimal::MAX_TEXT];
                self.out.push_str(decimal::text(data.get(2..)?, precision, scale, &mut buffer)?);
            }
            opaque::DATE | opaque::DATETIME | opaque::TIMESTAMP => {
                self.quoted_moment(i64::from_le_bytes(bytes(data)?), column_type == opaque::DATE)?;
            }
            opaque::TIME => self.quoted_time(i64::from_le_bytes(bytes(data)?))?,
            _ => {
                self.out.push_str("\"base64:type");
                self.out.push_str(itoa::Buffer::new().format(column_type));
                self.out.push(':');
                // The server breaks its base64 into lines of 76 characters, and escapes the breaks.
                for (n, line) in data.chunks(BASE64_LINE).enumerate() {
                    self.out.push_str(if n > 0 { "\\n" } else { "" });
                    STANDARD.encode_string(line, self.out);
                }
                self.out.push('"');
            }
        }
        Some(())
    }

    /// The packed number of a DATETIME above 24 bits of microseconds.
    fn quoted_moment(&mut self, packed: i64, date_only: bool) -> Option<()> {
        let packed = u64::try_from(packed).ok()?;
        let moment = temporal::unpack_datetime((packed >> 24) + (1 << 39), (packed & 0xff_ffff) as u32, 6)?;
        let mut text = [0; 32];
        self.out.push('"');
        self.out.push_str(temporal::moment_text(moment, date_only, &mut text)?);
        self.out.push('"');
        Some(())
    }

    fn quoted_time(&mut self, packed: i64) -> Option<()> {
        let magnitude = packed.unsigned_abs();
        let (whole, micros) = (magnitude >> 24, magnitude & 0xff_ffff);
        let (hour, minute, second) = (whole >> 12 & 0x3ff, whole >> 6 & 63, whole & 63);
        let sign = if packed < 0 { "-" } else { "" };
        self.out.push_str(&format!("\"{sign}{hour:02}:{minute:02}:{second:02}.{micros:06}\""));
        Some(())
    }
}

/// Adds `text` in quotes, escaped as the server does.
pub fn push_string(text: &str, out: &mut String) {
    out.push('"');
    let mut plain = 0;
    for (at, byte) in text.bytes().enumerate() {
        let escape = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0x08 => "\\b",
            0x0c => "\\f",
            0..=0x1f => "",
            _ => continue,
        };
        out.push_str(&text[plain..at]);
        plain = at + 1;
        if escape.is_empty() {
            out.push_str(&format!("\\u{byte:04x}"));
        } else {
            out.push_str(escape);
        }
    }
    out.push_str(&text[plain..]);
    out.push('"');
}
