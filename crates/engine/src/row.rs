//! A row as captured: the bytes it arrived in, and the format that reads values out of them on demand.
//! No decoding happens here and nothing is copied; formats are the connectors' (and `packed.rs`).

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use crate::error::Error;
use crate::value::{OwnedValue, Value};

/// Reads values out of a row image. One instance serves all rows of one table map and schema.
///
/// Contract: `visit` walks the columns that the image holds in schema order, asks `wants` before it decodes a
/// column and skips it cheaply if not wanted, and calls `value` once for each wanted column. A column that the image
/// does not hold (partial image) is not visited. Bytes that do not fit the format are an error, never a panic and
/// never a guessed value. Allocation is bounded by the image's own length.
pub trait RowFormat: Send + Sync {
    /// Walks the image.
    fn visit(&self, image: &[u8], visitor: &mut dyn RowVisitor) -> Result<(), Error>;

    /// Whether its images lack columns that their rows have: what such a column held is not known, it is not null.
    fn is_partial(&self) -> bool {
        false
    }
}

/// Receives the values of one row.
pub trait RowVisitor {
    /// Whether this column (index into the schema) is needed.
    fn wants(&self, column: usize) -> bool;
    /// Takes one value. The borrow ends with the call.
    fn value(&mut self, column: usize, value: Value<'_>) -> Result<(), Error>;
}

/// One image of a row. Cloning is two reference counts.
#[derive(Clone)]
pub struct RowImage {
    /// The image's own bytes, a slice of the buffer it arrived in.
    pub bytes: Bytes,
    /// How to read them.
    pub format: Arc<dyn RowFormat>,
}

impl RowImage {
    /// Walks the values.
    pub fn visit(&self, visitor: &mut dyn RowVisitor) -> Result<(), Error> {
        self.format.visit(&self.bytes, visitor)
    }

    /// Whether it lacks columns that the row has.
    pub fn is_partial(&self) -> bool {
        self.format.is_partial()
    }

    /// Materialises the named columns, in the order asked for; `None` where the image lacks the column.
    pub fn columns(&self, wanted: &[usize]) -> Result<Vec<Option<OwnedValue>>, Error> {
        struct Collect<'a> {
            wanted: &'a [usize],
            found: Vec<Option<OwnedValue>>,
        }
        impl RowVisitor for Collect<'_> {
            fn wants(&self, column: usize) -> bool {
                self.wanted.contains(&column)
            }
            fn value(&mut self, column: usize, value: Value<'_>) -> Result<(), Error> {
                for (slot, wanted) in self.found.iter_mut().zip(self.wanted) {
                    if *wanted == column {
                        *slot = Some(value.to_owned());
                    }
                }
                Ok(())
            }
        }
        let mut collect = Collect { wanted, found: vec![None; wanted.len()] };
        self.visit(&mut collect)?;
        Ok(collect.found)
    }
}

impl fmt::Debug for RowImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RowImage({} bytes)", self.bytes.len())
    }
}
