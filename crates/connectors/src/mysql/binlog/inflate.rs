//! Decompression with bounds: memory grows with what really comes out, never with what a header promises.

use flate2::{Decompress, FlushDecompress, Status};
use syncline_engine::error::Result;

use super::cursor::{big, malformed};

/// The most that one event may hold once it is inflated: the server's own limit for a packet, and some room. Fuzzing has a
/// lower one, which its short inputs reach.
pub const MAX_EVENT: usize = if cfg!(fuzzing) { 1 << 20 } else { (1 << 30) + (1 << 20) };

const FIRST_STEP: usize = 64 << 10;

/// Inflates MariaDB's compressed part of an event: a byte `1000 0nnn`, the size in n bytes (big end first), zlib data.
pub fn mariadb_event(compressed: &[u8], what: &'static str) -> Result<Vec<u8>> {
    let bad = || malformed(what).cause("the compressed part is damaged");
    let (first, rest) = compressed.split_first().ok_or_else(bad)?;
    let len_len = usize::from(first & 0x07);
    // Bits 4 to 6 name the algorithm; there is only 0, zlib.
    if first & 0xf8 != 0x80 || !(1..=4).contains(&len_len) {
        return Err(bad());
    }
    let (len, data) = rest.split_at_checked(len_len).ok_or_else(bad)?;
    zlib(data, big(len) as usize, true).ok_or_else(bad)
}

/// Inflates zlib data (`header`: with zlib's own header) that must give exactly `len` bytes. `None` if it does not, or if
/// that is beyond [`MAX_EVENT`].
pub fn zlib(data: &[u8], len: usize, header: bool) -> Option<Vec<u8>> {
    if len > MAX_EVENT {
        return None;
    }
    let mut inflate = Decompress::new(header);
    let mut out = Vec::new();
    // One byte more than promised: so a longer stream shows.
    let limit = len + 1;
    loop {
        let room = out.len().max(FIRST_STEP).min(limit - out.len());
        out.reserve_exact(room);
        let fed = usize::try_from(inflate.total_in()).ok()?;
        let before = (inflate.total_in(), inflate.total_out());
        let status = inflate.decompress_vec(data.get(fed..)?, &mut out, FlushDecompress::None).ok()?;
        match status {
            Status::StreamEnd => return (out.len() == len).then_some(out),
            _ if out.len() >= limit => return None,
            _ if before == (inflate.total_in(), inflate.total_out()) => return None,
            _ => {}
        }
    }
}
