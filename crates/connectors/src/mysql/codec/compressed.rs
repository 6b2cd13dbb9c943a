//! MariaDB's compressed columns: a byte that says how, then the length, then zlib data.

use crate::mysql::binlog::inflate_zlib;

/// Replaces `out` by what was compressed. `None` if the bytes are damaged.
pub fn inflate(bytes: &[u8], out: &mut Vec<u8>) -> Option<()> {
    out.clear();
    let Some((first, rest)) = bytes.split_first() else { return Some(()) };
    if *first == 0 {
        out.extend_from_slice(rest);
        return Some(());
    }
    let len_len = usize::from(first & 0x07);
    let raw = first & 0x08 != 0;
    if first >> 4 != 8 || !(1..=4).contains(&len_len) {
        return None;
    }
    let (len, data) = rest.split_at_checked(len_len)?;
    let len = len.iter().fold(0usize, |n, b| n << 8 | usize::from(*b));
    *out = inflate_zlib(data, len, !raw)?;
    Some(())
}
