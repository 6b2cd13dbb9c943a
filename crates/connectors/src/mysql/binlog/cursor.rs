//! Reads little-endian numbers and slices from bytes that may end anywhere. It knows nothing of events; whoever reads
//! says what was read when the bytes were too few.

use syncline_engine::error::{Code, Error, Result};

/// An event that does not fit its own format.
#[cold]
pub fn malformed(what: &str) -> Error {
    Error::new(Code::MysqlDecode, format!("malformed {what}"))
}

/// A place in a byte slice.
#[derive(Clone, Copy)]
pub struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    what: &'static str,
}

impl<'a> Cursor<'a> {
    /// `what` names the thing that is read, for errors.
    pub fn new(bytes: &'a [u8], what: &'static str) -> Cursor<'a> {
        Cursor { bytes, at: 0, what }
    }

    /// How many bytes were read.
    pub fn at(&self) -> usize {
        self.at
    }

    /// How many are left.
    pub fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// All that is left, without reading it.
    pub fn rest(&self) -> &'a [u8] {
        &self.bytes[self.at..]
    }

    /// The error for bytes that do not fit.
    #[cold]
    pub fn bad(&self) -> Error {
        malformed(self.what).cause(format!("{} bytes, at byte {}", self.bytes.len(), self.at))
    }

    /// The next `n` bytes.
    #[inline]
    pub fn take(&mut self, n: usize) -> Result<&'a [u8]> {
        match self.bytes.get(self.at..).and_then(|rest| rest.get(..n)) {
            Some(slice) => {
                self.at += n;
                Ok(slice)
            }
            None => Err(self.bad()),
        }
    }

    /// Passes over `n` bytes.
    pub fn skip(&mut self, n: usize) -> Result<()> {
        self.take(n).map(|_| ())
    }

    /// The next `N` bytes.
    #[inline]
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        match self.bytes.get(self.at..).and_then(|rest| rest.first_chunk::<N>()) {
            Some(chunk) => {
                self.at += N;
                Ok(*chunk)
            }
            None => Err(self.bad()),
        }
    }

    pub fn u8(&mut self) -> Result<u8> {
        Ok(self.array::<1>()?[0])
    }

    pub fn u16(&mut self) -> Result<u16> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    pub fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub fn u64(&mut self) -> Result<u64> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// A little-endian number of `n` bytes, at most 8.
    pub fn uint(&mut self, n: usize) -> Result<u64> {
        if n > 8 {
            return Err(self.bad());
        }
        Ok(little(self.take(n)?))
    }

    /// A length-encoded integer.
    pub fn lenenc(&mut self) -> Result<u64> {
        match self.u8()? {
            small @ 0..=0xfa => Ok(u64::from(small)),
            0xfc => self.uint(2),
            0xfd => self.uint(3),
            0xfe => self.uint(8),
            _ => Err(self.bad()),
        }
    }

    /// A length-encoded integer that counts bytes or items of this slice: never more than are left, so that nothing
    /// can be allocated for a count that the bytes do not bear out.
    pub fn count(&mut self) -> Result<usize> {
        let n = self.lenenc()?;
        match usize::try_from(n) {
            Ok(n) if n <= self.left() => Ok(n),
            _ => Err(self.bad()),
        }
    }

    /// Bytes with a length-encoded length before them.
    pub fn lenenc_bytes(&mut self) -> Result<&'a [u8]> {
        let n = self.count()?;
        self.take(n)
    }

    /// Text in UTF-8 with `n` bytes.
    pub fn text(&mut self, n: usize) -> Result<&'a str> {
        let bytes = self.take(n)?;
        std::str::from_utf8(bytes).map_err(|_| self.bad())
    }
}

/// A little-endian number of up to 8 bytes.
#[inline]
pub fn little(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |n, b| n << 8 | u64::from(*b))
}

/// A big-endian number of up to 8 bytes.
#[inline]
pub fn big(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |n, b| n << 8 | u64::from(*b))
}
