//! The checksum at an event's end: which algorithm, whether it is there, whether it is right.

/// What stands behind an event's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checksum {
    /// Nothing.
    None,
    /// CRC32 of everything before it, 4 bytes.
    Crc32,
}

/// Length of a CRC32 checksum.
pub const CRC32_LEN: usize = 4;

/// Whether the last four bytes are the CRC32 of the others.
pub fn crc32_matches(event: &[u8]) -> bool {
    event
        .split_last_chunk::<CRC32_LEN>()
        .is_some_and(|(body, sum)| crc32fast::hash(body) == u32::from_le_bytes(*sum))
}

/// The same for a format event, whose checksum was made while the file's in-use flag was clear.
pub fn crc32_matches_format(event: &[u8], flags_at: usize, in_use: u8) -> bool {
    let Some((body, sum)) = event.split_last_chunk::<CRC32_LEN>() else { return false };
    let Some((before, rest)) = body.split_at_checked(flags_at) else { return false };
    let Some((flags, after)) = rest.split_first() else { return false };
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(before);
    hasher.update(&[flags & !in_use]);
    hasher.update(after);
    hasher.finalize() == u32::from_le_bytes(*sum)
}
