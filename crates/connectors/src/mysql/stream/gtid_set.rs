//! MySQL's binary form of a GTID set, as a dump by GTIDs asks for it.

use crate::mysql::binlog::gtid_mysql::GtidSet;

/// Without tags: count, then uuid and ranges of each source. With tags (MySQL 8.3) the count's first and last byte say so
/// and each uuid is followed by its tag.
pub fn encode(set: &GtidSet) -> Vec<u8> {
    let tagged = set.iter().any(|(tsid, _)| !tsid.tag.is_empty());
    let count = set.iter().count() as u64;
    let mut out = Vec::new();
    let head = if tagged { 1 << 56 | count << 8 | 1 } else { count };
    out.extend_from_slice(&head.to_le_bytes());
    for (tsid, ranges) in set.iter() {
        out.extend_from_slice(&tsid.uuid);
        if tagged {
            // A tag has at most 32 letters: its length in the variable-length form of one byte.
            out.push((tsid.tag.len() as u8) << 1);
            out.extend_from_slice(tsid.tag.as_bytes());
        }
        out.extend_from_slice(&(ranges.len() as u64).to_le_bytes());
        for (first, last) in ranges {
            out.extend_from_slice(&first.to_le_bytes());
            out.extend_from_slice(&(last + 1).to_le_bytes());
        }
    }
    out
}
