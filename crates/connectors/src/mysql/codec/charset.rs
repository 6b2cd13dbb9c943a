//! Text of any character set that a server has, as UTF-8. What a byte stands for is what the servers themselves convert
//! it to; which collation has which character set is `collation.rs`.

use std::borrow::Cow;

use super::charset_double::{self, Double};
use super::charset_single::{self as single, Upper};

/// A character set, and how it is decoded.
#[derive(Clone, Copy)]
pub struct Charset {
    /// The server's name; `utf8` goes by `utf8mb3`.
    pub name: &'static str,
    how: How,
}

#[derive(Clone, Copy)]
enum How {
    Utf8,
    Ascii,
    Single(&'static Upper),
    Swe7,
    Double(&'static Double),
    /// 16 bits a character or surrogate, big end first (UCS2, UTF16) or little (UTF16LE).
    Utf16 {
        big: bool,
    },
    Utf32,
    Binary,
}

macro_rules! charsets {
    ($($name:literal => $how:expr,)*) => {
        const ALL: &[Charset] = &[$(Charset { name: $name, how: $how },)*];
    };
}

charsets! {
    "utf8mb4" => How::Utf8,
    "utf8mb3" => How::Utf8,
    "latin1" => How::Single(&single::LATIN1),
    "ascii" => How::Ascii,
    "binary" => How::Binary,
    "armscii8" => How::Single(&single::ARMSCII8),
    "big5" => How::Double(&charset_double::BIG5),
    "cp1250" => How::Single(&single::CP1250),
    "cp1251" => How::Single(&single::CP1251),
    "cp1256" => How::Single(&single::CP1256),
    "cp1257" => How::Single(&single::CP1257),
    "cp850" => How::Single(&single::CP850),
    "cp852" => How::Single(&single::CP852),
    "cp866" => How::Single(&single::CP866),
    "cp932" => How::Double(&charset_double::CP932),
    "dec8" => How::Single(&single::DEC8),
    "eucjpms" => How::Double(&charset_double::EUCJPMS),
    "euckr" => How::Double(&charset_double::EUCKR),
    "gb18030" => How::Double(&charset_double::GB18030),
    "gb2312" => How::Double(&charset_double::GB2312),
    "gbk" => How::Double(&charset_double::GBK),
    "geostd8" => How::Single(&single::GEOSTD8),
    "greek" => How::Single(&single::GREEK),
    "hebrew" => How::Single(&single::HEBREW),
    "hp8" => How::Single(&single::HP8),
    "keybcs2" => How::Single(&single::KEYBCS2),
    "koi8r" => How::Single(&single::KOI8R),
    "koi8u" => How::Single(&single::KOI8U),
    "latin2" => How::Single(&single::LATIN2),
    "latin5" => How::Single(&single::LATIN5),
    "latin7" => How::Single(&single::LATIN7),
    "macce" => How::Single(&single::MACCE),
    "macroman" => How::Single(&single::MACROMAN),
    "sjis" => How::Double(&charset_double::SJIS),
    "swe7" => How::Swe7,
    "tis620" => How::Single(&single::TIS620),
    "ucs2" => How::Utf16 { big: true },
    "ujis" => How::Double(&charset_double::UJIS),
    "utf16" => How::Utf16 { big: true },
    "utf16le" => How::Utf16 { big: false },
    "utf32" => How::Utf32,
}

impl Charset {
    /// Finds one by the server's name.
    pub fn named(name: &str) -> Option<Charset> {
        let name = if name.eq_ignore_ascii_case("utf8") { "utf8mb3" } else { name };
        ALL.iter().copied().find(|c| c.name.eq_ignore_ascii_case(name))
    }

    /// All there are.
    pub fn all() -> &'static [Charset] {
        ALL
    }

    /// Whether it is no text at all.
    pub fn is_binary(self) -> bool {
        matches!(self.how, How::Binary)
    }

    /// Whether its bytes are UTF-8 already.
    pub fn is_utf8(self) -> bool {
        matches!(self.how, How::Utf8)
    }

    /// The text, borrowed where the bytes are UTF-8 already, else made in `scratch`. `None` for bytes that are no text in
    /// this character set (a lone surrogate, broken UTF-8). What the server has no character for is `?`, as there.
    #[inline]
    pub fn decode<'a>(self, bytes: &'a [u8], scratch: &'a mut String) -> Option<&'a str> {
        match self.how {
            How::Utf8 | How::Binary => std::str::from_utf8(bytes).ok(),
            How::Utf16 { .. } | How::Utf32 | How::Swe7 => self.decode_slow(bytes, scratch),
            _ if bytes.is_ascii() => std::str::from_utf8(bytes).ok(),
            _ => self.decode_slow(bytes, scratch),
        }
    }

    fn decode_slow<'a>(self, bytes: &[u8], out: &'a mut String) -> Option<&'a str> {
        out.clear();
        match self.how {
            How::Utf8 | How::Binary => out.push_str(std::str::from_utf8(bytes).ok()?),
            How::Ascii => out.extend(bytes.iter().map(|b| if b.is_ascii() { *b as char } else { '?' })),
            How::Single(upper) => decode_single(bytes, upper, out),
            How::Swe7 => out.extend(bytes.iter().map(|b| swe7(*b))),
            How::Double(double) => double.decode(bytes, out),
            How::Utf16 { big } => decode_utf16(bytes, big, out)?,
            How::Utf32 => decode_utf32(bytes, out)?,
        }
        Some(out)
    }

    /// The text for people: what cannot be decoded is replaced.
    pub fn decode_lossy(self, bytes: &[u8]) -> Cow<'_, str> {
        let mut scratch = String::new();
        match self.decode(bytes, &mut scratch) {
            Some(text) => Cow::Owned(text.to_owned()),
            None => String::from_utf8_lossy(bytes),
        }
    }
}

impl std::fmt::Debug for Charset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl PartialEq for Charset {
    fn eq(&self, other: &Charset) -> bool {
        self.name == other.name
    }
}

impl Eq for Charset {}

fn decode_single(bytes: &[u8], upper: &Upper, out: &mut String) {
    out.extend(bytes.iter().map(|b| match b.checked_sub(0x80) {
        None => *b as char,
        Some(n) => char::from_u32(u32::from(upper[usize::from(n)])).unwrap_or('?'),
    }));
}

/// Swedish in 7 bits: letters stand where ASCII has brackets.
fn swe7(byte: u8) -> char {
    match byte {
        0x40 => 'É',
        0x5b => 'Ä',
        0x5c => 'Ö',
        0x5d => 'Å',
        0x5e => 'Ü',
        0x60 => 'é',
        0x7b => 'ä',
        0x7c => 'ö',
        0x7d => 'å',
        0x7e => 'ü',
        0x7f.. => '?',
        ascii => ascii as char,
    }
}

fn decode_utf16(bytes: &[u8], big: bool, out: &mut String) -> Option<()> {
    let pairs = bytes.chunks_exact(2);
    if !pairs.remainder().is_empty() {
        return None;
    }
    let units = pairs.map(|pair| {
        let pair = [pair[0], pair[1]];
        if big { u16::from_be_bytes(pair) } else { u16::from_le_bytes(pair) }
    });
    for decoded in char::decode_utf16(units) {
        out.push(decoded.ok()?);
    }
    Some(())
}

fn decode_utf32(bytes: &[u8], out: &mut String) -> Option<()> {
    let quads = bytes.chunks_exact(4);
    if !quads.remainder().is_empty() {
        return None;
    }
    for quad in quads {
        out.push(char::from_u32(u32::from_be_bytes([quad[0], quad[1], quad[2], quad[3]]))?);
    }
    Some(())
}
