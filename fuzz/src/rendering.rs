//! Shows every value of a row the way a document would, and checks what must hold for all of them: the canonical form is
//! JSON, an owned copy looks the same, and so does the row in the engine's own format.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::value::RawValue;
use syncline_engine::error::Result;
use syncline_engine::json::{ZeroDates, write_value, write_value_with};
use syncline_engine::packed;
use syncline_engine::row::{RowFormat, RowImage, RowVisitor};
use syncline_engine::value::Value;

/// Reads a row in every way there is; answers how many values it had, or why it cannot be read.
pub fn row(bytes: &Bytes, format: &Arc<dyn RowFormat>, columns: usize) -> Result<usize> {
    let row = RowImage { bytes: bytes.clone(), format: Arc::clone(format) };
    let mut all = Rendering { checks: true, ..Rendering::default() };
    let read = row.visit(&mut all);
    // A reader that wants less may get through where the other did not, and must do no harm.
    let some = row.visit(&mut EvenOnly);
    read?;
    some?;
    let mut again = Rendering::default();
    let copy = packed::image(packed::repack(&row, columns)?);
    copy.visit(&mut again)?;
    assert_eq!(all.text, again.text, "a row is another one in the engine's format");
    Ok(all.values)
}

/// The values one after the other.
#[derive(Default)]
struct Rendering {
    text: Vec<u8>,
    values: usize,
    checks: bool,
}

impl RowVisitor for Rendering {
    fn wants(&self, _: usize) -> bool {
        true
    }

    fn value(&mut self, column: usize, value: Value<'_>) -> Result<()> {
        self.values += 1;
        self.text.extend_from_slice(&column.to_le_bytes());
        match self.checks {
            true => checked(&mut self.text, value),
            false => drop(write_value(&mut self.text, value)),
        }
        Ok(())
    }
}

/// Passes over every other column.
struct EvenOnly;

impl RowVisitor for EvenOnly {
    fn wants(&self, column: usize) -> bool {
        column.is_multiple_of(2)
    }

    fn value(&mut self, _: usize, _: Value<'_>) -> Result<()> {
        Ok(())
    }
}

/// Adds the canonical form, checked.
pub fn checked(out: &mut Vec<u8>, value: Value<'_>) {
    if let Value::ZeroDate(_) = value {
        let start = out.len();
        write_value_with(out, value, ZeroDates::Text);
        is_json(&out[start..], value);
        out.truncate(start);
    }
    let start = out.len();
    write_value(out, value);
    let middle = out.len();
    is_json(&out[start..], value);
    write_value(out, value.to_owned().borrow());
    assert!(out[start..middle] == out[middle..], "an owned copy of {value:?} is another value");
    out.truncate(middle);
}

fn is_json(text: &[u8], value: Value<'_>) {
    if let Err(error) = serde_json::from_slice::<&RawValue>(text) {
        panic!("{value:?} is no JSON ({error}): {}", String::from_utf8_lossy(text));
    }
    assert!(text.iter().all(|b| *b >= 0x20), "a line feed would break line formats: {value:?}");
}
