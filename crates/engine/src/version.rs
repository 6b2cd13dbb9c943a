//! The one number that orders writes: source epoch and position number packed into 63 bits.
//! Nothing here knows what a position means to a source; nothing anywhere orders by a clock instead.

use std::fmt;

use serde::{Deserialize, Serialize};

/// `(epoch: 10 bits, file: 21 bits, offset: 32 bits)`, the most that Elasticsearch's external version compares.
///
/// For a binlog, `offset` is the byte offset of the row's image in its file (saturating at 2³²−1 beyond 4 GiB, and as far
/// into a compressed event as the image is into what comes out of it); sources with one running number use
/// [`Version::from_number`]. Versions are the same on every replay and never fall along the stream. Row images that share one
/// are told apart by [`crate::change::Change::ordinal`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Version(u64);

const OFFSET_BITS: u32 = 32;
const FILE_BITS: u32 = 21;
const MAX_FILE: u64 = (1 << FILE_BITS) - 1;
const MAX_OFFSET: u64 = (1 << OFFSET_BITS) - 1;

impl Version {
    /// Lower than every version a source gives.
    pub const ZERO: Version = Version(0);
    /// The highest version a target can hold (2⁶³−1).
    pub const MAX: Version = Version((1 << 63) - 1);
    /// The highest epoch.
    pub const MAX_EPOCH: u64 = (1 << 10) - 1;

    /// Packs the three parts; each saturates at its width, so a file beyond 4 GiB keeps its order as far as 32 bits can tell.
    pub fn new(epoch: u16, file: u64, offset: u64) -> Version {
        let epoch = u64::from(epoch).min(Self::MAX_EPOCH);
        Version(
            epoch << (FILE_BITS + OFFSET_BITS) | file.min(MAX_FILE) << OFFSET_BITS | offset.min(MAX_OFFSET),
        )
    }

    /// For sources whose position is one running number (a row id of the SQLite change table).
    pub fn from_number(epoch: u16, number: u64) -> Version {
        Version::new(epoch, number >> OFFSET_BITS, number & MAX_OFFSET)
    }

    /// Above all versions of earlier epochs and one that says so in this one, below all that a source gives in this one.
    pub fn first_of(epoch: u16) -> Version {
        Version::new(epoch, 0, 1)
    }

    /// The raw 63-bit number, as targets store it.
    pub fn get(self) -> u64 {
        self.0
    }

    /// Reads a number a target stored; `None` above 2⁶³−1.
    pub fn from_raw(raw: u64) -> Option<Version> {
        (raw <= Self::MAX.0).then_some(Version(raw))
    }

    /// The lowest version above this one; the highest has none.
    pub fn next(self) -> Version {
        Version((self.0 + 1).min(Self::MAX.0))
    }

    /// The highest version below this one; zero has none.
    pub fn previous(self) -> Version {
        Version(self.0.saturating_sub(1))
    }

    /// Reads the 19 digits of [`fmt::Display`] (shorter digit strings are taken too).
    pub fn parse(text: &str) -> Option<Version> {
        text.bytes()
            .all(|b| b.is_ascii_digit())
            .then(|| text.parse().ok())
            .flatten()
            .and_then(Version::from_raw)
    }

    /// Rises, audited, when the source's identity or history changes.
    pub fn epoch(self) -> u16 {
        (self.0 >> (FILE_BITS + OFFSET_BITS)) as u16
    }

    /// The binlog file number, or the high part of a running number.
    pub fn file(self) -> u64 {
        self.0 >> OFFSET_BITS & MAX_FILE
    }

    /// The byte offset in the file, or the low part of a running number.
    pub fn offset(self) -> u64 {
        self.0 & MAX_OFFSET
    }
}

impl fmt::Display for Version {
    /// Always 19 digits, so that scripts in Redis can compare text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:019}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_by_epoch_then_file_then_offset() {
        let a = Version::new(0, 5, u64::MAX);
        let b = Version::new(0, 6, 0);
        let c = Version::new(1, 0, 0);
        assert!(Version::ZERO < a && a < b && b < c && c < Version::MAX);
        assert_eq!((a.epoch(), a.file(), a.offset()), (0, 5, MAX_OFFSET));
    }

    #[test]
    fn text_is_nineteen_digits_and_reads_back() {
        for v in [Version::ZERO, Version::new(3, 7, 99), Version::MAX] {
            assert_eq!(v.to_string().len(), 19);
            assert_eq!(Version::parse(&v.to_string()), Some(v));
        }
        assert_eq!(Version::parse("9999999999999999999"), None);
        assert_eq!(Version::parse("-1"), None);
        assert_eq!(Version::parse(""), None);
    }

    #[test]
    fn a_running_number_keeps_its_order_across_the_32_bit_border() {
        assert!(Version::from_number(0, (1 << 32) - 1) < Version::from_number(0, 1 << 32));
    }
}
