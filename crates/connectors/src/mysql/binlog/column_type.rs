//! MySQL's column type numbers, what metadata a table map keeps for each, and how long their values are in a row image.

use super::cursor::Cursor;
use crate::mysql::codec::decimal::packed_len;
use syncline_engine::error::Result;

pub const TINY: u8 = 1;
pub const SHORT: u8 = 2;
pub const LONG: u8 = 3;
pub const FLOAT: u8 = 4;
pub const DOUBLE: u8 = 5;
pub const NULL: u8 = 6;
pub const TIMESTAMP: u8 = 7;
pub const LONGLONG: u8 = 8;
pub const INT24: u8 = 9;
pub const DATE: u8 = 10;
pub const TIME: u8 = 11;
pub const DATETIME: u8 = 12;
pub const YEAR: u8 = 13;
pub const NEWDATE: u8 = 14;
pub const VARCHAR: u8 = 15;
pub const BIT: u8 = 16;
pub const TIMESTAMP2: u8 = 17;
pub const DATETIME2: u8 = 18;
pub const TIME2: u8 = 19;
pub const BLOB_COMPRESSED: u8 = 140;
pub const VARCHAR_COMPRESSED: u8 = 141;
pub const VECTOR: u8 = 242;
pub const JSON: u8 = 245;
pub const NEWDECIMAL: u8 = 246;
pub const ENUM: u8 = 247;
pub const SET: u8 = 248;
pub const TINY_BLOB: u8 = 249;
pub const MEDIUM_BLOB: u8 = 250;
pub const LONG_BLOB: u8 = 251;
pub const BLOB: u8 = 252;
pub const VAR_STRING: u8 = 253;
pub const STRING: u8 = 254;
pub const GEOMETRY: u8 = 255;

/// How many bytes a value takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// Always so many.
    Fixed(u8),
    /// As many as the little-endian number of so many bytes before it says.
    Prefixed(u8),
}

/// Bytes of `digits` of a second's fraction.
pub fn fraction_len(digits: u8) -> usize {
    usize::from(digits).div_ceil(2)
}

/// Reads one column's metadata; `None` if the type is unknown (then the rest cannot be told apart).
pub fn read_meta(kind: u8, c: &mut Cursor<'_>) -> Result<Option<u16>> {
    Ok(match kind {
        TINY | SHORT | LONG | NULL | TIMESTAMP | LONGLONG | INT24 | DATE | TIME | DATETIME | YEAR
        | NEWDATE => Some(0),
        FLOAT | DOUBLE | TIMESTAMP2 | DATETIME2 | TIME2 | BLOB | TINY_BLOB | MEDIUM_BLOB | LONG_BLOB
        | BLOB_COMPRESSED | GEOMETRY | JSON | VECTOR => Some(u16::from(c.u8()?)),
        VARCHAR | VAR_STRING | VARCHAR_COMPRESSED => Some(c.u16()?),
        // Two bytes of different meaning, the first one kept high.
        BIT | NEWDECIMAL | STRING | ENUM | SET => Some(u16::from_be_bytes(c.array()?)),
        _ => None,
    })
}

/// ENUM and SET come as STRING whose metadata names them, and a CHAR's length of more than 255 bytes hides its upper
/// bits in the type: answers the real type and metadata (for STRING the length in bytes, for the others the bytes of
/// the number).
pub fn real_type(kind: u8, meta: u16) -> (u8, u16) {
    if kind != STRING {
        return (kind, meta);
    }
    let [high, low] = meta.to_be_bytes();
    if high & 0x30 != 0x30 {
        return (high | 0x30, u16::from(low) | u16::from((high & 0x30) ^ 0x30) << 4);
    }
    match high {
        ENUM | SET => (high, u16::from(low)),
        _ => (STRING, u16::from(low)),
    }
}

/// How long the values of a column are; `None` for a type or metadata that makes no sense.
pub fn width(kind: u8, meta: u16) -> Option<Width> {
    let fixed = |n: usize| u8::try_from(n).ok().map(Width::Fixed);
    match kind {
        TINY | YEAR => fixed(1),
        SHORT => fixed(2),
        INT24 | DATE | NEWDATE | TIME => fixed(3),
        LONG | TIMESTAMP => fixed(4),
        LONGLONG | DATETIME => fixed(8),
        NULL => fixed(0),
        FLOAT => (meta == 4).then_some(Width::Fixed(4)),
        DOUBLE => (meta == 8).then_some(Width::Fixed(8)),
        TIMESTAMP2 | DATETIME2 | TIME2 => {
            let base = [4, 5, 3][usize::from(kind - TIMESTAMP2)];
            let digits = u8::try_from(meta).ok().filter(|d| *d <= 6)?;
            fixed(base + fraction_len(digits))
        }
        NEWDECIMAL => {
            let [precision, scale] = meta.to_be_bytes();
            (precision <= 65 && scale <= 38).then(|| packed_len(precision, scale)).flatten().and_then(fixed)
        }
        BIT => {
            let [bits, bytes] = meta.to_be_bytes();
            let bits = usize::from(bytes) * 8 + usize::from(bits);
            (1..=64).contains(&bits).then(|| fixed(bits.div_ceil(8))).flatten()
        }
        ENUM => (1..=2).contains(&meta).then(|| fixed(meta.into())).flatten(),
        SET => (1..=8).contains(&meta).then(|| fixed(meta.into())).flatten(),
        VARCHAR | VAR_STRING | VARCHAR_COMPRESSED | STRING => {
            Some(Width::Prefixed(if meta > 255 { 2 } else { 1 }))
        }
        BLOB | TINY_BLOB | MEDIUM_BLOB | LONG_BLOB | BLOB_COMPRESSED | GEOMETRY | JSON | VECTOR => {
            (1..=4).contains(&meta).then_some(Width::Prefixed(meta as u8))
        }
        _ => None,
    }
}

/// Types that the signedness bitmap counts.
pub fn is_numeric(kind: u8) -> bool {
    matches!(kind, TINY | SHORT | INT24 | LONG | LONGLONG | NEWDECIMAL | FLOAT | DOUBLE | YEAR)
}

/// Types that the character set fields count: MariaDB counts geometries too, MySQL vectors.
pub fn is_character(kind: u8, mariadb: bool) -> bool {
    match kind {
        STRING | VAR_STRING | VARCHAR | BLOB | TINY_BLOB | MEDIUM_BLOB | LONG_BLOB | BLOB_COMPRESSED
        | VARCHAR_COMPRESSED => true,
        GEOMETRY => mariadb,
        VECTOR => !mariadb,
        _ => false,
    }
}
