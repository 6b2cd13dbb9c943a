//! Where one range of a table ends and the next begins. A source is asked for a bound only where keys cannot be counted: to
//! find the forty-thousandth row it walks as many, which costs it as much as reading them.

use super::span::Span;
use crate::error::Result;
use crate::schema::TableSchema;
use crate::source::{Bound, TableReader};

/// Bytes of rows that a range holds, about.
const RANGE: usize = 4 << 20;
/// And rows: more than a backfill reads at once, since nothing waits for them.
const MOST: usize = 40_000;
/// Rows of the first ranges: nobody knows yet how large they are.
const FIRST: usize = 100;
/// Where keys are far apart, so many ranges are asked for before they are counted again.
const ASKED: usize = 16;

/// Keys above `after`, up to `upto`.
pub(super) struct KeyRange {
    pub after: Option<Bound>,
    pub upto: Bound,
    /// Keys that it spans, if they were counted.
    keys: Option<usize>,
}

/// What was not handed out yet.
pub(super) struct Ranges {
    after: Option<Bound>,
    last: Bound,
    /// Rows that a range is to have.
    rows: usize,
    /// Ranges to ask for before keys are counted again.
    asked: usize,
    ended: bool,
}

impl Ranges {
    /// All of a span.
    pub fn of(span: &Span) -> Ranges {
        Ranges { after: span.after.clone(), last: span.last.clone(), rows: FIRST, asked: 0, ended: false }
    }

    /// The next one; `None` at the end.
    pub async fn next(
        &mut self,
        reader: &dyn TableReader,
        schema: &TableSchema,
        key: &[usize],
    ) -> Result<Option<KeyRange>> {
        if self.ended {
            return Ok(None);
        }
        let counted = match &self.after {
            Some(after) if self.asked == 0 => reader.bound_above(schema, key, after, &self.last, self.rows),
            _ => None,
        };
        self.asked = self.asked.saturating_sub(1);
        let keys = counted.is_some().then_some(self.rows);
        let upto = match counted {
            Some(upto) => Some(upto),
            None => reader.next_bound(schema, key, self.after.as_ref(), &self.last, self.rows).await?,
        };
        let Some(upto) = upto else {
            self.ended = true;
            return Ok(None);
        };
        self.ended = upto == self.last;
        Ok(Some(KeyRange { after: self.after.replace(upto.clone()), upto, keys }))
    }

    /// A range was read.
    pub fn read(&mut self, range: &KeyRange, rows: usize, bytes: usize) {
        if rows > 0 {
            self.rows = (RANGE * rows / bytes.max(1)).clamp(1, MOST);
        }
        if range.keys.is_some_and(|keys| rows < keys / 2) {
            self.asked = ASKED;
        }
    }
}

#[cfg(test)]
#[path = "ranges_tests.rs"]
mod tests;
