//! `change` lines (SURFACE section 3): one JSON object per change, for targets that keep every change, for `tap` and
//! for dead letters. What the documents in a line are is the caller's.

use std::sync::Arc;

use crate::change::{Change, Operation, Origin};
use crate::error::Result;
use crate::json;
use crate::route::cells::Cells;
use crate::route::civil;
use crate::route::key::key_cells;
use crate::row::{RowImage, RowVisitor};
use crate::schema::TableSchema;
use crate::value::Value;
use crate::version::Version;

/// The parts of a line that are the same for all rows of a table.
#[derive(Debug)]
pub(crate) struct LineShape {
    /// `{"table":"shop.orders","op":"`
    head: Vec<u8>,
    /// `"name":` of each key column, in the key's order.
    key: Vec<Vec<u8>>,
}

/// One line's own parts.
pub(crate) struct LineParts<'a> {
    pub operation: Operation,
    /// The cells of the row whose key it is, and the key's slots.
    pub key: (&'a Cells, &'a [usize]),
    pub before: Option<&'a [u8]>,
    pub after: Option<&'a [u8]>,
    pub version: Version,
    pub offset: u64,
}

impl LineShape {
    /// `key`: column indices in the key's order.
    pub fn new(schema: &TableSchema, key: &[usize]) -> LineShape {
        let mut head = b"{\"table\":".to_vec();
        json::write_string(&mut head, &schema.name);
        head.extend_from_slice(b",\"op\":\"");
        let name = |column: &usize| {
            let mut name = Vec::new();
            json::write_string(&mut name, schema.columns.get(*column).map_or("", |c| &c.name));
            name.push(b':');
            name
        };
        LineShape { head, key: key.iter().map(name).collect() }
    }

    /// Appends the key object.
    pub fn write_key(&self, cells: &Cells, slots: &[usize], out: &mut Vec<u8>) {
        out.push(b'{');
        for (n, (name, slot)) in self.key.iter().zip(slots).enumerate() {
            if n > 0 {
                out.push(b',');
            }
            out.extend_from_slice(name);
            cells.write_json(*slot, out);
        }
        out.push(b'}');
    }

    /// Appends a line without line feed.
    pub fn write(&self, parts: &LineParts<'_>, tail: &Tail, out: &mut Vec<u8>) {
        let length = |document: Option<&[u8]>| document.map_or(4, <[u8]>::len);
        let documents = length(parts.before) + length(parts.after);
        out.reserve(self.head.len() + documents + tail.source.len() + tail.end.len() + 128);
        out.extend_from_slice(&self.head);
        out.extend_from_slice(parts.operation.name().as_bytes());
        out.extend_from_slice(b"\",\"key\":");
        self.write_key(parts.key.0, parts.key.1, out);
        out.extend_from_slice(b",\"before\":");
        out.extend_from_slice(parts.before.unwrap_or(b"null"));
        out.extend_from_slice(b",\"after\":");
        out.extend_from_slice(parts.after.unwrap_or(b"null"));
        out.extend_from_slice(b",\"version\":\"");
        write_digits(parts.version, out);
        out.extend_from_slice(&tail.source);
        out.extend_from_slice(itoa::Buffer::new().format(parts.offset).as_bytes());
        out.extend_from_slice(&tail.end);
    }
}

/// A version's 19 digits.
fn write_digits(version: Version, out: &mut Vec<u8>) {
    let mut buffer = itoa::Buffer::new();
    let digits = buffer.format(version.get()).as_bytes();
    out.extend_from_slice(&b"0000000000000000000"[digits.len().min(19)..]);
    out.extend_from_slice(digits);
}

/// The end of a line, rendered once for all changes of a transaction.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    origin: Option<Arc<Origin>>,
    /// From the version's quote to the position.
    source: Vec<u8>,
    end: Vec<u8>,
}

impl Tail {
    /// Makes sure it is this origin's.
    pub fn set(&mut self, origin: &Arc<Origin>) {
        if self.origin.as_ref().is_some_and(|known| Arc::ptr_eq(known, origin)) {
            return;
        }
        self.source.clear();
        self.source.extend_from_slice(b"\",\"committed_at\":\"");
        civil::write_millis(&mut self.source, origin.committed_at);
        self.source.extend_from_slice(b"\",\"source\":{\"server_id\":");
        self.source.extend_from_slice(itoa::Buffer::new().format(origin.server_id).as_bytes());
        self.source.extend_from_slice(b",\"file\":");
        json::write_string(&mut self.source, &origin.file);
        self.source.extend_from_slice(b",\"pos\":");
        self.end.clear();
        self.end.extend_from_slice(b",\"gtid\":");
        match &origin.gtid {
            Some(gtid) => json::write_string(&mut self.end, gtid),
            None => self.end.extend_from_slice(b"null"),
        }
        self.end.extend_from_slice(b"}}");
        self.origin = Some(Arc::clone(origin));
    }
}

/// Lines of changes as captured: all columns, no route. For `tap` and for what dead letters show.
#[derive(Debug)]
pub struct CapturedLines {
    shape: LineShape,
    schema: Arc<TableSchema>,
    key: Vec<usize>,
    tail: Tail,
}

impl CapturedLines {
    /// `key`: column indices in the key's order; empty for a table without a key.
    pub fn new(schema: &Arc<TableSchema>, key: &[usize]) -> CapturedLines {
        CapturedLines {
            shape: LineShape::new(schema, key),
            schema: Arc::clone(schema),
            key: key.to_vec(),
            tail: Tail::default(),
        }
    }

    /// Appends the change's line and a line feed; a changed key is two lines, the old one's `delete` and the new one's
    /// `insert`. A value that cannot be read is left out of its document.
    pub fn write(&mut self, change: &Change, out: &mut Vec<u8>) {
        let slots: Vec<usize> = (0..self.key.len()).collect();
        let (old, new) = (self.cells(&change.before), self.cells(&change.after));
        if change.before.is_none() || change.after.is_none() || old.same(&new, &slots) {
            self.write_whole(change, out);
            out.push(b'\n');
            return;
        }
        self.line(change, Operation::Delete, &old, (true, false), change.before_version, out);
        out.push(b'\n');
        self.line(change, Operation::Insert, &new, (false, true), change.version, out);
        out.push(b'\n');
    }

    /// Appends the change as one line, whatever happened to its key, without a line feed.
    pub fn write_whole(&mut self, change: &Change, out: &mut Vec<u8>) {
        let cells = self.cells(if change.after.is_some() { &change.after } else { &change.before });
        self.line(change, change.operation, &cells, (true, true), change.version, out);
    }

    fn cells(&self, row: &Option<RowImage>) -> Cells {
        row.as_ref().and_then(|row| key_cells(row, &self.key).ok()).unwrap_or_default()
    }

    /// `shown`: whether the before and the after image are.
    fn line(
        &mut self,
        change: &Change,
        operation: Operation,
        cells: &Cells,
        shown: (bool, bool),
        version: Version,
        out: &mut Vec<u8>,
    ) {
        let document = |shown: bool, row: &Option<RowImage>| {
            row.as_ref().filter(|_| shown).map(|row| plain_document(&self.schema, row))
        };
        let (before, after) = (document(shown.0, &change.before), document(shown.1, &change.after));
        // What happened to all rows has no key.
        let slots: Vec<usize> = (0..self.key.len()).filter(|_| operation != Operation::Truncate).collect();
        self.tail.set(&change.origin);
        let parts = LineParts {
            operation,
            key: (cells, &slots),
            before: before.as_deref(),
            after: after.as_deref(),
            version,
            offset: change.offset,
        };
        self.shape.write(&parts, &self.tail, out);
    }

    /// The key object of a row as JSON.
    pub fn key_json(&self, row: &RowImage) -> String {
        let slots: Vec<usize> = (0..self.key.len()).collect();
        let mut out = Vec::new();
        self.shape.write_key(&key_cells(row, &self.key).unwrap_or_default(), &slots, &mut out);
        String::from_utf8(out).unwrap_or_default()
    }
}

/// All columns in canonical form, without any route.
fn plain_document(schema: &TableSchema, row: &RowImage) -> Vec<u8> {
    let mut walk = PlainWalk { schema, only: None, out: Vec::new() };
    if row.visit(&mut walk).is_err() {
        // Column by column: those that can be read are shown.
        walk.out.clear();
        for column in 0..schema.columns.len() {
            let start = walk.out.len();
            walk.only = Some(column);
            if row.visit(&mut walk).is_err() {
                walk.out.truncate(start);
            }
        }
    }
    match walk.out.first_mut() {
        Some(comma) => *comma = b'{',
        None => walk.out.push(b'{'),
    }
    walk.out.push(b'}');
    walk.out
}

struct PlainWalk<'a> {
    schema: &'a TableSchema,
    only: Option<usize>,
    out: Vec<u8>,
}

impl RowVisitor for PlainWalk<'_> {
    fn wants(&self, column: usize) -> bool {
        column < self.schema.columns.len() && self.only.is_none_or(|only| only == column)
    }

    fn value(&mut self, column: usize, value: Value<'_>) -> Result<()> {
        if let Some(column) = self.schema.columns.get(column) {
            self.out.push(b',');
            json::write_string(&mut self.out, &column.name);
            self.out.push(b':');
            json::write_value(&mut self.out, value);
        }
        Ok(())
    }
}
