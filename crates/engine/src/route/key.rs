//! A row's key as text, the form that ids, lanes, windows and dead letters share (SURFACE, "Keys as text").

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use crate::error::{Code, Error, Result};
use crate::route::cells::Cells;
use crate::row::{RowImage, RowVisitor};
use crate::value::Value;

/// Longer keys are replaced by their digest: search engines take no longer ids.
pub const MAX_KEY: usize = 512;

/// Appends the key's text: a single part as it is, several joined by `:` with `%` and `:` percent-encoded.
pub(crate) fn write_key(cells: &Cells, slots: &[usize], out: &mut String) -> Result<()> {
    let start = out.len();
    for (n, slot) in slots.iter().enumerate() {
        let part = cells.text(*slot).ok_or_else(|| Error::new(Code::RouteKeyNull, "a key column is null"))?;
        if n > 0 {
            out.push(':');
        }
        match part {
            "" => out.push('%'),
            part if slots.len() == 1 => out.push_str(part),
            part => {
                for c in part.chars() {
                    match c {
                        '%' => out.push_str("%25"),
                        ':' => out.push_str("%3A"),
                        c => out.push(c),
                    }
                }
            }
        }
    }
    shorten(out, start);
    Ok(())
}

/// Replaces what stands from `start` on by its digest if it is too long for an id.
pub(crate) fn shorten(out: &mut String, start: usize) {
    if out.len() - start > MAX_KEY {
        let digest = Sha256::digest(&out.as_bytes()[start..]);
        out.truncate(start);
        out.push_str("sha256:");
        for byte in digest {
            let _ = write!(out, "{byte:02x}");
        }
    }
}

/// Reads the key's text of a row; `columns` are indices into its schema, in the key's order.
pub fn key_text(row: &RowImage, columns: &[usize]) -> Result<String> {
    let mut text = String::new();
    write_key(&key_cells(row, columns)?, &(0..columns.len()).collect::<Vec<_>>(), &mut text)?;
    Ok(text)
}

/// The key's text of a single part that is this text.
pub(crate) fn part_text(part: &str) -> String {
    let (mut cells, mut text) = (Cells::default(), String::new());
    cells.reset(1);
    cells.set(0, Value::Text(part));
    // Fails for a null only.
    let _ = write_key(&cells, &[0], &mut text);
    text
}

/// One column of a row as text; `None` if it is absent, null or cannot be read.
pub(crate) fn column_text(row: &RowImage, column: usize) -> Option<String> {
    key_cells(row, &[column]).ok()?.text(0).map(str::to_owned)
}

/// The cells of these columns, in this order.
pub(crate) fn key_cells(row: &RowImage, columns: &[usize]) -> Result<Cells> {
    struct Keep<'a> {
        columns: &'a [usize],
        cells: Cells,
    }
    impl RowVisitor for Keep<'_> {
        fn wants(&self, column: usize) -> bool {
            self.columns.contains(&column)
        }
        fn value(&mut self, column: usize, value: Value<'_>) -> Result<()> {
            let slots = self.columns.iter().enumerate().filter(|(_, c)| **c == column);
            slots.for_each(|(slot, _)| self.cells.set(slot, value));
            Ok(())
        }
    }
    let mut keep = Keep { columns, cells: Cells::default() };
    keep.cells.reset(columns.len());
    row.visit(&mut keep)?;
    Ok(keep.cells)
}
