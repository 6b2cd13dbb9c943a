//! Bitmaps of columns as row events carry them: bit n of byte n/8 stands for column n.

use std::sync::Arc;

/// Which of a table's columns are meant.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Bitmap {
    bytes: Arc<[u8]>,
    len: usize,
    ones: usize,
}

impl Bitmap {
    /// Takes the first `len` bits of `bytes`; bits beyond are ignored, bytes that lack count as 0.
    pub fn new(bytes: &[u8], len: usize) -> Bitmap {
        let mut kept: Vec<u8> = bytes.iter().copied().take(len.div_ceil(8)).collect();
        kept.resize(len.div_ceil(8), 0);
        if !len.is_multiple_of(8)
            && let Some(last) = kept.last_mut()
        {
            *last &= (1u8 << (len % 8)) - 1;
        }
        let ones = kept.iter().map(|b| b.count_ones() as usize).sum();
        Bitmap { bytes: kept.into(), len, ones }
    }

    /// All of `len` columns.
    pub fn full(len: usize) -> Bitmap {
        Bitmap::new(&vec![0xff; len.div_ceil(8)], len)
    }

    /// How many columns it speaks of.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it speaks of none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many columns are set.
    pub fn ones(&self) -> usize {
        self.ones
    }

    /// Whether all are.
    pub fn is_full(&self) -> bool {
        self.ones == self.len
    }

    /// Whether column `n` is.
    pub fn get(&self, n: usize) -> bool {
        bit(&self.bytes, n)
    }
}

/// Bit `n`; false beyond the end.
#[inline]
pub fn bit(bytes: &[u8], n: usize) -> bool {
    bytes.get(n >> 3).is_some_and(|b| b >> (n & 7) & 1 == 1)
}
