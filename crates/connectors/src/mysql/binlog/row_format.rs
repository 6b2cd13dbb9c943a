//! Reads values out of row images: the plan of a table's columns, made once from its map and details, and the walk over
//! an image that decodes what is wanted and passes over the rest.

use std::cell::Cell;
use std::sync::Arc;

use syncline_engine::error::{Code, Error, Result};
use syncline_engine::row::{RowFormat, RowVisitor};
use syncline_engine::value::Value;

use super::bitmap::{Bitmap, bit};
use super::column_plan;
use super::column_type::Width;
use super::cursor::{Cursor, malformed};
use super::rows::{Layout, read_partial, skip};
use super::table_map::TableMap;
use crate::mysql::codec::ColumnDetail;
use crate::mysql::codec::value::{Read, Scratch};

/// The plan for one table map and one set of details.
pub struct BinlogFormat {
    map: Arc<TableMap>,
    columns: Vec<Plan>,
}

/// How long a column's values are and what they mean.
struct Plan {
    width: Width,
    read: Read,
}

const WHAT: &str = "row image";

thread_local! {
    /// Taken while an image is read and put back after it; a visitor that reads another image meanwhile gets a new one.
    static SCRATCH: Cell<Option<Box<Scratch>>> = const { Cell::new(None) };
}

impl BinlogFormat {
    /// Puts map and details together, for images that hold every column. What the map tells (signedness, character
    /// sets, labels) wins over the details; what it tells and contradicts the details in number, name or type of
    /// columns is `MysqlSchema`, as is anything that neither of them tells.
    pub fn new(map: &Arc<TableMap>, details: &[ColumnDetail]) -> Result<Arc<BinlogFormat>> {
        map.readable()?;
        let reads = column_plan::plan(map, details)?;
        let columns =
            map.widths.iter().zip(reads).map(|(width, read)| Plan { width: *width, read }).collect();
        Ok(Arc::new(BinlogFormat { map: map.clone(), columns }))
    }

    /// The same for images of another layout; columns that the image does not hold are not visited.
    pub fn with_layout(self: &Arc<Self>, layout: &Layout) -> Arc<dyn RowFormat> {
        if layout.is_full() {
            return self.clone();
        }
        Arc::new(PartialFormat { format: self.clone(), layout: layout.clone(), lacks: false })
    }

    /// For a layout that lacks columns which its rows have.
    pub fn partial(self: &Arc<Self>, layout: &Layout) -> Arc<dyn RowFormat> {
        Arc::new(PartialFormat { format: self.clone(), layout: layout.clone(), lacks: true })
    }

    /// For [`super::RowsEvent::merged`]: columns absent from the after image are read from the before image.
    pub fn merged(self: &Arc<Self>, before: &Layout, after: &Layout) -> Arc<dyn RowFormat> {
        Arc::new(MergedFormat { format: self.clone(), before: before.clone(), after: after.clone() })
    }

    fn walk<'a>(&self, image: &'a [u8], layout: Option<&'a Layout>) -> Result<Walk<'a>> {
        let mut c = Cursor::new(image, WHAT);
        let partial = match layout {
            Some(layout) if layout.partial_json => read_partial(&mut c, &self.map)?,
            _ => &[],
        };
        let present = layout.map(|l| &l.present);
        let nulls = c.take(present.map_or(self.columns.len(), Bitmap::ones).div_ceil(8))?;
        Ok(Walk { image, present, partial, nulls, at: c.at(), bit: 0, json: 0 })
    }

    /// Walks all columns up to the image's end.
    fn read(&self, mut walk: Walk<'_>, visitor: &mut dyn RowVisitor) -> Result<()> {
        let mut scratch = SCRATCH.take().unwrap_or_default();
        let result = self.read_with(&mut walk, visitor, &mut scratch);
        SCRATCH.set(Some(scratch));
        result?;
        if walk.at == walk.image.len() { Ok(()) } else { Err(malformed(WHAT)) }
    }

    fn read_with(
        &self,
        walk: &mut Walk<'_>,
        visitor: &mut dyn RowVisitor,
        scratch: &mut Scratch,
    ) -> Result<()> {
        for (n, plan) in self.columns.iter().enumerate() {
            match walk.next(n, plan)? {
                Found::Absent => {}
                _ if matches!(plan.read, Read::Hidden) => {}
                Found::Null => {
                    if visitor.wants(n) {
                        visitor.value(n, Value::Null)?;
                    }
                }
                Found::Bytes(bytes) => {
                    if visitor.wants(n) {
                        let value =
                            plan.read.value(bytes, scratch).ok_or_else(|| self.unreadable(n, bytes))?;
                        visitor.value(n, value)?;
                    }
                }
            }
        }
        Ok(())
    }

    #[cold]
    fn unreadable(&self, n: usize, bytes: &[u8]) -> Error {
        let column = self.map.columns.get(n).and_then(|c| c.name.as_deref()).map(str::to_owned);
        let column = column.unwrap_or_else(|| format!("number {}", n + 1));
        let read = self.columns.get(n).map(|plan| format!("{:?}", plan.read)).unwrap_or_default();
        let read = read.split_whitespace().next().unwrap_or_default();
        Error::new(
            Code::MysqlUnreadable,
            format!("a value of column {column} of {} cannot be decoded", self.map.name()),
        )
        .cause(format!("{} bytes are no {read}", bytes.len()))
    }
}

/// A place in an image.
struct Walk<'a> {
    image: &'a [u8],
    /// `None`: all columns.
    present: Option<&'a Bitmap>,
    /// One bit for each JSON column whose value is a diff.
    partial: &'a [u8],
    nulls: &'a [u8],
    at: usize,
    bit: usize,
    json: usize,
}

enum Found<'a> {
    Absent,
    Null,
    Bytes(&'a [u8]),
}

impl<'a> Walk<'a> {
    #[inline]
    fn next(&mut self, column: usize, plan: &Plan) -> Result<Found<'a>> {
        let diff = !self.partial.is_empty() && self.is_diff(plan);
        if self.present.is_some_and(|present| !present.get(column)) {
            return Ok(Found::Absent);
        }
        let null = bit(self.nulls, self.bit);
        self.bit += 1;
        if null {
            return Ok(Found::Null);
        }
        let start = self.at;
        let bytes = skip(self.image, start, plan.width)
            .and_then(|end| {
                self.at = end;
                let prefix = match plan.width {
                    Width::Fixed(_) => 0,
                    Width::Prefixed(n) => usize::from(n),
                };
                self.image.get(start + prefix..end)
            })
            .ok_or_else(|| malformed(WHAT))?;
        Ok(if diff { Found::Absent } else { Found::Bytes(bytes) })
    }

    fn is_diff(&mut self, plan: &Plan) -> bool {
        if !matches!(plan.read, Read::Json) {
            return false;
        }
        self.json += 1;
        bit(self.partial, self.json - 1)
    }
}

impl RowFormat for BinlogFormat {
    fn visit(&self, image: &[u8], visitor: &mut dyn RowVisitor) -> Result<()> {
        self.read(self.walk(image, None)?, visitor)
    }
}

/// Images that lack columns.
struct PartialFormat {
    format: Arc<BinlogFormat>,
    layout: Layout,
    lacks: bool,
}

impl RowFormat for PartialFormat {
    fn visit(&self, image: &[u8], visitor: &mut dyn RowVisitor) -> Result<()> {
        self.format.read(self.format.walk(image, Some(&self.layout))?, visitor)
    }

    fn is_partial(&self) -> bool {
        self.lacks
    }
}

/// A before image and the after image behind it.
struct MergedFormat {
    format: Arc<BinlogFormat>,
    before: Layout,
    after: Layout,
}

impl RowFormat for MergedFormat {
    fn visit(&self, image: &[u8], visitor: &mut dyn RowVisitor) -> Result<()> {
        let format = &self.format;
        let mut ends = format.walk(image, Some(&self.before))?;
        for (n, plan) in format.columns.iter().enumerate() {
            ends.next(n, plan)?;
        }
        let (before, after) = image.split_at_checked(ends.at).ok_or_else(|| malformed(WHAT))?;
        let mut old = format.walk(before, Some(&self.before))?;
        let mut new = format.walk(after, Some(&self.after))?;
        let mut scratch = SCRATCH.take().unwrap_or_default();
        let mut each = |n: usize, plan: &Plan| -> Result<()> {
            let (was, is) = (old.next(n, plan)?, new.next(n, plan)?);
            let value = match if matches!(is, Found::Absent) { was } else { is } {
                Found::Absent => return Ok(()),
                _ if matches!(plan.read, Read::Hidden) || !visitor.wants(n) => return Ok(()),
                Found::Null => Value::Null,
                Found::Bytes(bytes) => {
                    plan.read.value(bytes, &mut scratch).ok_or_else(|| format.unreadable(n, bytes))?
                }
            };
            visitor.value(n, value)
        };
        let result = format.columns.iter().enumerate().try_for_each(|(n, plan)| each(n, plan));
        SCRATCH.set(Some(scratch));
        result?;
        if new.at == after.len() { Ok(()) } else { Err(malformed(WHAT)) }
    }
}
