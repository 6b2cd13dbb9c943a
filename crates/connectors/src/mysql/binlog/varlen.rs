//! Numbers and texts of MySQL's own serialisation format (tagged GTIDs): the count of trailing one bits in the first
//! byte is the count of bytes that follow it.

use syncline_engine::error::Result;

use super::cursor::{Cursor, little};

/// An unsigned number of one to nine bytes.
pub fn unsigned(c: &mut Cursor<'_>) -> Result<u64> {
    let first = c.u8()?;
    let more = first.trailing_ones() as usize;
    let rest = little(c.take(more)?);
    Ok(match more {
        8 => rest,
        7 => rest,
        _ => rest << (7 - more) | u64::from(first >> (more + 1)),
    })
}

/// A signed number: the lowest bit is the sign.
pub fn signed(c: &mut Cursor<'_>) -> Result<i64> {
    let raw = unsigned(c)?;
    let magnitude = (raw >> 1) as i64;
    Ok(if raw & 1 == 1 { -magnitude - 1 } else { magnitude })
}

/// A signed number that must not be negative.
pub fn natural(c: &mut Cursor<'_>) -> Result<u64> {
    u64::try_from(signed(c)?).map_err(|_| c.bad())
}

/// Bytes with their length before them.
pub fn bytes<'a>(c: &mut Cursor<'a>) -> Result<&'a [u8]> {
    let len = usize::try_from(unsigned(c)?).map_err(|_| c.bad())?;
    c.take(len)
}
